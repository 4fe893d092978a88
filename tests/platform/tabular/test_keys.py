"""What makes two rows the same row."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.platform.tabular.keys import Ordinals, row_key
from tests.support.examples import few

values = st.one_of(
    st.text(max_size=5), st.integers(), st.booleans(), st.decimals(allow_nan=False, allow_infinity=False)
)
records = st.dictionaries(st.text(max_size=3), values, max_size=5)


AMOUNTS = {
    ("0", 1): "1f6f6eb297b7235f",
    ("-0.0", 1): "dc25c42b6c6df95e",
    ("1E+3", 1): "6b527cd9b7b30957",
    ("1.50", 10**30): "7eb8ae9c6f47c6b6",  # beyond what msgpack holds
}
"""The first half of the key by an amount and another value."""


@settings(max_examples=few(40))
@given(records, records)
def test_order_does_not_matter(fields: dict, properties: dict) -> None:
    turned = dict(reversed(fields.items())), dict(reversed(properties.items()))
    assert row_key(fields, properties) == row_key(*turned)


def test_what_changes_a_key_and_what_does_not() -> None:
    key = row_key({"a": Decimal("1.5")}, {"b": "x"})
    assert key == row_key({"a": Decimal("1.500")}, {"b": "x"})
    assert len(key) == 16
    others = [
        row_key({"a": Decimal("1.6")}, {"b": "x"}),
        row_key({"a": Decimal("1.5")}, {"b": "y"}),
        row_key({"a": Decimal("1.5")}, {"c": "x"}),
        row_key({"a": Decimal("1.5"), "b": "x"}, {}),
        row_key({"a": 10**30}, {"b": "x"}),
    ]
    assert len({key, *others}) == 6


def test_an_instant_is_itself_in_every_zone() -> None:
    there = datetime(2020, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert row_key({"at": there}, {}) == row_key({"at": there.astimezone(UTC)}, {})


def test_values_are_left_as_they_were() -> None:
    fields = {"a": Decimal("1.50")}
    row_key(fields, {})
    assert str(fields["a"]) == "1.50"


def test_a_key_never_changes_between_versions() -> None:
    """Or every import run again after an upgrade would write all its rows a second time."""
    fields = {"user_id": "007", "time": datetime(2020, 1, 1, tzinfo=UTC), "revenue": Decimal("1.50"), "quantity": 2}
    assert row_key(fields, {"note": "周"}).hex() == "e2ce6d0eb497dc6448e3328658ed503d"
    of_amounts = [row_key({"revenue": Decimal(text)}, {"n": n}).hex() for text, n in AMOUNTS]
    assert [key[:16] for key in of_amounts] == list(AMOUNTS.values())


def test_ordinals_count_equal_keys() -> None:
    count = Ordinals().count
    assert [count(key) for key in (b"a", b"b", b"a", b"a", b"b", b"c")] == [0, 0, 1, 2, 1, 0]
