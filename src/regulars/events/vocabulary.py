"""Two e-commerce vocabularies, one meaning: Segment's names are canonical, GA4's are read as them.

Events keep the name and properties they came with; what is decided here is how they are read.

Source: Segment e-commerce spec v2 and GA4 e-commerce events, read 2026-11-22.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple, cast

GA4_NAMES: Final[Mapping[str, str]] = {
    "search": "Products Searched",
    "view_item_list": "Product List Viewed",
    "select_item": "Product Clicked",
    "view_item": "Product Viewed",
    "add_to_cart": "Product Added",
    "remove_from_cart": "Product Removed",
    "view_cart": "Cart Viewed",
    "begin_checkout": "Checkout Started",
    "add_shipping_info": "Checkout Step Completed",
    "add_payment_info": "Payment Info Entered",
    "purchase": "Order Completed",
    "refund": "Order Refunded",
    "add_to_wishlist": "Product Added to Wishlist",
    "view_promotion": "Promotion Viewed",
    "select_promotion": "Promotion Clicked",
}


# In which order the two vocabularies' properties are looked for; the history reads the same ones in columns.
REVENUE_KEYS: Final = ("revenue", "value", "total")
ORDER_ID_KEYS: Final = ("order_id", "transaction_id")
ITEM_ID_KEYS: Final = ("item_id", "product_id", "sku")
CATEGORY_KEYS: Final = ("category", "item_category")
QUANTITY_KEYS: Final = ("quantity",)
PRICE_KEYS: Final = ("price",)
LINES_KEYS: Final = ("products", "items")


class Line(NamedTuple):
    """One product of an order. Money in the order's currency."""

    item_id: str | None
    category: str | None
    quantity: Decimal | None
    price: Decimal | None


class CanonicalEvent(NamedTuple):
    """What the typed columns of the history hold of an event."""

    name: str
    revenue: Decimal | None
    order_id: str | None
    item_id: str | None
    category: str | None
    quantity: Decimal | None
    lines: tuple[Line, ...]


def canonical_name(name: str) -> str:
    """`purchase` is read as `Order Completed`; any other name as itself."""
    return GA4_NAMES.get(name, name)


def names_of(event: str) -> list[str]:
    """All names under which events come that are read as this one."""
    return [event, *(said for said, canonical in GA4_NAMES.items() if canonical == event)]


def canonical_event(name: str, properties: Mapping[str, Any]) -> CanonicalEvent:
    """The event as both vocabularies mean it. Values of a wrong type read as absent."""
    return CanonicalEvent(
        name=canonical_name(name),
        revenue=_first_number(properties, *REVENUE_KEYS),
        order_id=_first_text(properties, *ORDER_ID_KEYS),
        item_id=_first_text(properties, *ITEM_ID_KEYS),
        category=_first_text(properties, *CATEGORY_KEYS),
        quantity=_first_number(properties, *QUANTITY_KEYS),
        lines=tuple(_line(fields) for fields in list_lines(properties)),
    )


def list_lines(properties: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The products of an order: Segment's `products`, else GA4's `items`."""
    for key in LINES_KEYS:
        entries = properties.get(key)
        if isinstance(entries, list):
            found = cast("list[object]", entries)
            return [cast("Mapping[str, Any]", entry) for entry in found if isinstance(entry, dict)]
    return []


def count_lines(properties: Mapping[str, Any]) -> int:
    """How many lines `list_lines` gives."""
    if "products" not in properties and "items" not in properties:
        return 0
    return len(list_lines(properties))


def _line(fields: Mapping[str, Any]) -> Line:
    return Line(
        item_id=_first_text(fields, *ITEM_ID_KEYS),
        category=_first_text(fields, *CATEGORY_KEYS),
        quantity=_first_number(fields, *QUANTITY_KEYS),
        price=_first_number(fields, *PRICE_KEYS),
    )


def _first_text(fields: Mapping[str, Any], *keys: str) -> str | None:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return None


def _first_number(fields: Mapping[str, Any], *keys: str) -> Decimal | None:
    for key in keys:
        value = fields.get(key)
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                continue
            if number.is_finite():
                return number
    return None
