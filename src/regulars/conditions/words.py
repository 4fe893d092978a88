"""How well-known events, properties and identities are called in sentences. Other names are said as they are."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final, NamedTuple


class EventWords(NamedTuple):
    """What somebody does: in Chinese, and in English in the past and after `not`."""

    zh: str
    did: str
    do: str


EVENTS: Final[Mapping[str, EventWords]] = {
    "Products Searched": EventWords("搜尋商品", "searched for products", "search for products"),
    "Product List Viewed": EventWords("瀏覽商品列表", "viewed a product list", "view a product list"),
    "Product Clicked": EventWords("點擊商品", "clicked a product", "click a product"),
    "Product Viewed": EventWords("瀏覽商品", "viewed a product", "view a product"),
    "Product Added": EventWords("將商品加入購物車", "added a product to the cart", "add a product to the cart"),
    "Product Removed": EventWords("從購物車移除商品", "removed a product from the cart", "remove a product from the cart"),
    "Cart Viewed": EventWords("查看購物車", "viewed the cart", "view the cart"),
    "Checkout Started": EventWords("開始結帳", "started a checkout", "start a checkout"),
    "Checkout Step Completed": EventWords("完成結帳步驟", "completed a checkout step", "complete a checkout step"),
    "Payment Info Entered": EventWords("填寫付款資料", "entered payment details", "enter payment details"),
    "Order Completed": EventWords("完成訂單", "completed an order", "complete an order"),
    "Order Refunded": EventWords("退款", "was refunded an order", "have an order refunded"),
    "Product Added to Wishlist": EventWords("將商品加入收藏", "added a product to the wishlist", "add a product to the wishlist"),
    "Promotion Viewed": EventWords("瀏覽促銷", "viewed a promotion", "view a promotion"),
    "Promotion Clicked": EventWords("點擊促銷", "clicked a promotion", "click a promotion"),
    "Checked In": EventWords("簽到", "checked in", "check in"),
}  # fmt: skip

PROPERTIES_ZH: Final[Mapping[str, str]] = {
    "category": "商品分類",
    "item_id": "商品編號",
    "order_id": "訂單編號",
    "price": "單價",
    "quantity": "數量",
    "revenue": "金額",
    "local_day": "日期",
}
PROPERTIES_EN: Final[Mapping[str, str]] = {
    "category": "category",
    "item_id": "item",
    "order_id": "order number",
    "price": "price",
    "quantity": "quantity",
    "revenue": "revenue",
    "local_day": "days",
}
IDENTITIES_ZH: Final[Mapping[str, str]] = {
    "user_id": "會員編號",
    "anonymous_id": "匿名",
    "card": "會員卡",
    "line": " LINE ",
    "telegram": " Telegram ",
    "messenger": " Messenger ",
    "phone": "電話",
    "email": "電子郵件",
}
IDENTITIES_EN: Final[Mapping[str, str]] = {
    "user_id": "user id",
    "anonymous_id": "anonymous",
    "line": "LINE",
    "telegram": "Telegram",
    "messenger": "Messenger",
    "email": "e-mail",
}


def say_number(number: Decimal) -> str:
    """`3,000` or `0.5`."""
    return f"{number:,f}"
