"""One event as closures look at it: what the vocabulary says in several ways is asked in one."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.audiences.service.answering import NAMING
from regulars.conditions.closures import ItemFacts, MemberFacts, compile_closure
from regulars.conditions.parse import parse_written
from regulars.events.happened import read_event

AT = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
PURCHASE: dict[str, Any] = {
    "transaction_id": 17,
    "value": "1200.50",
    "coupon": "AUTUMN",
    "items": [
        {"item_id": "P1", "item_category": "heels", "quantity": 1, "price": 900},
        {"item_id": "P2", "item_category": "flats", "quantity": 2, "price": 150.25},
    ],
}
ITEMS = {"P2": ItemFacts("Ballerina", "flats", None, {"brand": "Acme"})}


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"where": {"revenue": {"at_least": 1200.5}, "order_id": "17", "coupon": {"prefix": "AUT"}}}, True),
        ({"where": {"category": "heels", "price": {"more_than": 800}}}, True),
        ({"where": {"category": "flats", "price": {"more_than": 800}}}, False),
        ({"where": {"category": "flats"}, "item": {"brand": "Acme"}}, True),
        ({"where": {"category": "heels"}, "item": {"brand": "Acme"}}, False),
        ({"where": {"transaction_id": 17}}, True),
    ],
)
def test_a_purchase_is_read_as_an_order(asked: dict[str, Any], holds: bool) -> None:
    written = parse_written({"did": {"event": "Order Completed", **asked}})
    closure = compile_closure(written, ZoneInfo("Asia/Taipei"), NAMING.names_of)
    assert "purchase" in closure.names
    assert closure.holds(read_event("purchase", PURCHASE, AT, ITEMS), MemberFacts(), AT) is holds
