"""The catalogue of items: products and articles by the brand's own ids."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, cast

import msgspec

from regulars.conditions.closures import ItemFacts
from regulars.events import store
from regulars.events.errors import ItemInvalid, ItemUnknown
from regulars.kernel.errors import DomainError
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

TEXT_CHARACTERS_MAX: Final = 1_000
ID_CHARACTERS_MAX: Final = 100
ATTRIBUTES_BYTES_MAX: Final = 64 * 1024
PRICE_MAX: Final = Decimal(10) ** 13
PRICE_DECIMALS_MAX: Final = 8
ITEMS_MAX: Final = 2**31 - 1

ItemRow = tuple[str, str, str | None, str | None, str]


@dataclass(frozen=True, slots=True)
class ItemsWritten:
    """Items that landed, how many of them said anything new, and the places of bad ones."""

    landed: int
    changed: int
    rejected: list[tuple[int, DomainError]]


async def write_items(tx: WriteTransaction, brand: Brand, items: Sequence[object], *, now: datetime) -> ItemsWritten:
    """Upsert items; the bad ones are answered with their places, the good ones land. The last of equal ids wins."""
    rows: dict[str, ItemRow] = {}
    rejected: list[tuple[int, DomainError]] = []
    landed = 0
    for index, item in enumerate(items):
        try:
            row = parse_item(item)
        except DomainError as error:
            rejected.append((index, error))
            continue
        rows[row[0]] = row
        landed += 1
    changed = 0
    if rows:
        changed = await store.upsert_items(tx, brand.brand_id, [rows[item_id] for item_id in sorted(rows)], now)
    return ItemsWritten(landed, changed, rejected)


def parse_item(item: object) -> ItemRow:
    """id, name, category, price as exact text, attributes as JSON text. Raises: ItemInvalid with the field as path."""
    if not isinstance(item, dict):
        raise ItemInvalid("an item is a JSON object", path="")
    fields = cast("dict[str, object]", item)
    item_id = _text(fields.get("id"), "id", ID_CHARACTERS_MAX)
    if item_id is None:
        raise ItemInvalid("an item needs an id", path="id")
    name = _text(fields.get("name"), "name", TEXT_CHARACTERS_MAX) or item_id
    category = _text(fields.get("category"), "category", TEXT_CHARACTERS_MAX)
    return item_id, name, category, _price(fields.get("price")), _attributes(fields.get("attributes"))


def _text(value: object, field: str, characters_max: int) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ItemInvalid(f"{field} is a text, not {type(value).__name__}", path=field)
    if len(value) > characters_max or "\0" in value:
        raise ItemInvalid(f"{field} has at most {characters_max} characters and no NUL", path=field)
    return value.strip() or None


def _price(value: object) -> str | None:
    if value is None or value == "":
        return None
    try:
        price = Decimal(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except InvalidOperation:
        price = None
    if price is None or not price.is_finite():
        raise ItemInvalid(f"price {str(value)[:40]!r} is not a decimal number", path="price", suggestion="1290.00")
    if not 0 <= price < PRICE_MAX or price != round(price, PRICE_DECIMALS_MAX):
        raise ItemInvalid(
            f"price {price} is not from 0 to below {PRICE_MAX:,} with {PRICE_DECIMALS_MAX} decimals", path="price"
        )
    return f"{price:f}"


def _attributes(value: object) -> str:
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ItemInvalid("attributes is a JSON object", path="attributes")
    encoded = msgspec.json.encode(cast("dict[str, Any]", value))
    if len(encoded) > ATTRIBUTES_BYTES_MAX or b"\\u0000" in encoded:
        raise ItemInvalid(f"attributes has at most {ATTRIBUTES_BYTES_MAX:,} bytes and no NUL", path="attributes")
    return encoded.decode()


async def list_items(
    tx: ReadTransaction, brand: Brand, *, query: str | None, category: str | None, after: str, limit: int
) -> list[dict[str, Any]]:
    """Items in id order whose name or id holds `query`, of one category or of all."""
    pattern = None if not query else "%" + query.translate(_LIKE) + "%"
    rows = await store.list_items(tx, brand.brand_id, pattern=pattern, category=category, after=after, limit=limit)
    return [show_item(*row) for row in rows]


_LIKE: Final = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\"})


async def get_item(tx: ReadTransaction, brand: Brand, item_id: str) -> dict[str, Any]:
    """One item. Raises: ItemUnknown."""
    rows = await store.find_items(tx, brand.brand_id, [item_id])
    if not rows:
        raise ItemUnknown(f"there is no item {item_id[:100]!r}")
    return show_item(*rows[0])


async def load_item_facts(tx: ReadTransaction, brand: Brand, item_ids: Sequence[str] | None) -> dict[str, ItemFacts]:
    """Those of the items that there are, as conditions look at them; None asks for all."""
    if item_ids is None:
        rows = await store.list_items(tx, brand.brand_id, pattern=None, category=None, after="", limit=ITEMS_MAX)
    else:
        rows = await store.find_items(tx, brand.brand_id, item_ids) if item_ids else []
    return {row[0]: ItemFacts(*row[1:5]) for row in rows}


async def count_items(tx: ReadTransaction, brand: Brand) -> int:
    """Items in the catalogue."""
    return await store.count_items(tx, brand.brand_id)


def show_item(
    item_id: str, name: str, category: str | None, price: Decimal | None, attributes: dict[str, Any]
) -> dict[str, Any]:
    """An item as the contract shows it; the price with the digits it came with."""
    return {
        "id": item_id,
        "name": name,
        "category": category,
        "price": None if price is None else f"{price:f}",
        "attributes": attributes,
    }
