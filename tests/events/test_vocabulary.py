"""Two e-commerce vocabularies read as one."""

from decimal import Decimal

from regulars.events.vocabulary import GA4_NAMES, Line, canonical_event, canonical_name, count_lines

SEGMENT = {
    "order_id": "o1",
    "revenue": 25.5,
    "products": [{"product_id": "a", "category": "heels", "quantity": 2, "price": "12.75"}],
}
GA4 = {
    "transaction_id": "o1",
    "value": 25.5,
    "items": [{"item_id": "a", "item_category": "heels", "quantity": 2, "price": 12.75}],
}


def test_both_vocabularies_mean_the_same() -> None:
    assert canonical_event("purchase", GA4) == canonical_event("Order Completed", SEGMENT)
    assert canonical_event("purchase", GA4).lines == (Line("a", "heels", Decimal(2), Decimal("12.75")),)


def test_a_name_of_neither_is_itself() -> None:
    assert canonical_name("Lunch Eaten") == "Lunch Eaten"
    assert canonical_name("Order Completed") == "Order Completed"


def test_no_canonical_name_is_read_further() -> None:
    assert not set(GA4_NAMES) & set(GA4_NAMES.values())


def test_values_of_a_wrong_type_read_as_absent() -> None:
    event = canonical_event("purchase", {"value": "a lot", "transaction_id": True, "items": ["x", {"quantity": "2"}]})
    assert (event.revenue, event.order_id) == (None, None)
    assert event.lines == (Line(None, None, Decimal(2), None),)


def test_lines_are_counted_as_they_are_read() -> None:
    assert count_lines({"products": [{}, 1, {}]}) == 2
    assert count_lines({"products": "none"}) == count_lines({}) == 0
