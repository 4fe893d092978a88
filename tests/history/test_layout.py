"""Parts, months and fixed numbers; and that the engine reads properties as the vocabulary does, hostile ones too."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.events.vocabulary import canonical_event, count_lines
from regulars.history.engine import open_engine, texts
from regulars.history.layout import choose_names, fixed, month_of, part_of, parts_of, slug_of
from regulars.history.model import HistoryPlace
from regulars.history.typed import type_rows
from tests.support.examples import few


def test_a_slug_is_short_and_safe() -> None:
    assert slug_of("Order Completed") == "order_completed"
    names = ["下單", "下单", "x" * 200, "../../etc", "", "???", "a/b=c%20", "\ud800", "CON", "É"]
    slugs = [slug_of(name) for name in names]
    assert len(set(slugs)) == len(names)
    assert all(slug and len(slug) <= 40 and slug.replace("_", "a").isalnum() and slug.isascii() for slug in slugs)


def test_both_vocabularies_share_a_part() -> None:
    named = frozenset({"Order Completed"})
    assert part_of("purchase", named) == part_of("Order Completed", named) == "order_completed"
    assert part_of("Product Viewed", named) == "other"
    assert parts_of(["Order Completed", "X"]) == ("order_completed", "other", "x")


def test_names_above_a_hundredth_are_named_and_stay_down_to_half_of_it() -> None:
    counts = {"purchase": 6, "Order Completed": 6, "A": 10, "B": 5, "C": 973}
    assert choose_names(counts) == {"Order Completed", "C"}
    assert choose_names(counts, frozenset({"A", "B"})) == {"Order Completed", "A", "C"}
    assert choose_names({}) == frozenset()


def test_a_month_is_utc() -> None:
    assert month_of(datetime.fromisoformat("2026-01-01T00:30:00+01:00")) == 202512
    assert month_of(datetime(2026, 1, 1, tzinfo=UTC)) == 202601


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        ("0.0000005", "0.000001"),
        ("-0.0000005", "-0.000001"),
        ("0.00000049", "0.000000"),
        ("999999999999.9999994", "999999999999.999999"),
        ("999999999999.9999995", None),
        ("1e12", None),
        ("1e999999999", None),
        ("1e-999999999", "0.000000"),
        ("-0", "0.000000"),
    ],
)
def test_numbers_have_six_digits_rounded_half_up(number: str, kept: str | None) -> None:
    assert fixed(Decimal(number)) == (None if kept is None else Decimal(kept))


HOSTILE_NUMBERS = [
    "0",
    "-0",
    "1",
    "-1",
    "1.10",
    "1e2",
    "1E+2",
    "5e-7",
    "0.1000000000000000055",
    "12345678901234567890123",
    "999999999999",
    "1000000000000",
    "-999999999999",
    "0.0000005",
    "1.0000005",
    "2.5000005",
    "123456789.123456",
    "1234567890.123456",
    "999999999999.999999",
    "18446744073709551616",
    "1e22",
    "1.7976931348623157e308",
    "true",
    "false",
    "null",
    "{}",
    "[]",
    "[1]",
    '""',
    '"',
    '"',
    '"12"',
    '"',
    "12",
    '"',
    '"1_000"',
    '"１２"',
    '"1e3"',
    '"+5"',
    '"-5"',
    '"5."',
    '".5"',
    '"NaN"',
    '"Infinity"',
    '"-inf"',
    '"1,200"',
    '"NT$5"',
    '"\\u0031"',
    '"\\""',
    '"a\\\\b"',
    '"鞋"',
    '"\\u978b"',
    '"x\\u0000"',
    '"0x10"',
    '"000012"',
    '"1234567890123456"',
    '"1E400"',
    "12.0",
    "-0.0",
    "1e-400",
    '"a\\nb"',
    '"١٢"',
]
# fmt: off
KEYS = ["revenue", "value", "total", "order_id", "transaction_id", "item_id", "product_id", "sku", "category",
        "item_category", "quantity", "price", "note", "products", "items"]
# fmt: on


def read_as_the_engine(folder: Path, documents: list[str]) -> list[tuple[Any, ...]]:
    place = HistoryPlace(folder / "lake", folder / "temp", memory_mib_max=256)
    with open_engine(place) as engine:
        columns = {
            "seq": np.arange(len(documents)),
            "name": texts(["purchase"] * len(documents)),
            "line_count": np.array([count_lines(msgspec.json.decode(one)) for one in documents], dtype=np.int32),
            "properties": texts(documents),
        }
        engine.register("scanned", columns)
        engine.execute("create temp table raw as from scanned")
        type_rows(engine)
        events = engine.execute(
            "select seq, revenue, order_id, item_id, category, quantity from typed order by seq"
        ).fetchall()
        lines = engine.execute(
            "select seq, line_no, item_id, category, quantity, price from typed_lines order by seq, line_no"
        ).fetchall()
    return [*events, *lines]


def read_as_the_vocabulary(documents: list[str]) -> list[tuple[Any, ...]]:
    read = [canonical_event("purchase", msgspec.json.decode(one)) for one in documents]
    events = [
        (seq, fixed(one.revenue), one.order_id, one.item_id, one.category, fixed(one.quantity))
        for seq, one in enumerate(read)
    ]
    lines = [
        (seq, line_no, line.item_id, line.category, fixed(line.quantity), fixed(line.price))
        for seq, one in enumerate(read)
        for line_no, line in enumerate(one.lines, 1)
    ]
    return [*events, *lines]


def decodable(documents: list[str]) -> list[str]:
    """What the door lets in."""
    kept: list[str] = []
    for one in documents:
        try:
            msgspec.json.decode(one)
        except (msgspec.DecodeError, ValueError):
            continue
        kept.append(one)
    return kept


def test_the_engine_reads_each_hostile_value_as_the_vocabulary_does(tmp_path: Path) -> None:
    single = [f'{{"{key}": {value}}}' for key in KEYS for value in HOSTILE_NUMBERS]
    twice = [f'{{"revenue": 1, "revenue": {value}, "sku": "a", "sku": {value}}}' for value in HOSTILE_NUMBERS]
    falling = [f'{{"revenue": {value}, "total": 7, "item_id": {value}, "sku": 8}}' for value in HOSTILE_NUMBERS]
    inside = [
        f'{{"{key}": [{{"sku": {value}, "price": {value}}}, {value}, {{"price": 1, "quantity": {value}}}]}}'
        for key in ("products", "items")
        for value in HOSTILE_NUMBERS
    ]
    mixed = [
        '{"products": {}, "items": [{"sku": 1}]}',
        '{"products": [], "items": [{"sku": 1}]}',
        '{"products": [{"sku": 1, "sku": 2}]}',
        '{"products": [{"sku": 1}], "products": [{"sku": 2}, {"sku": 3}]}',
        '{"rev\\u0065nue": 5, " revenue": 6, "a.b": 1, "$.revenue": 2, "\\"revenue\\"": 3}',
        ' { "revenue" : 1.50 , "products" : [ { "price" : "2" } ] } ',
        "{}",
    ]
    documents = decodable([*single, *twice, *falling, *inside, *mixed])
    assert len(documents) > 1000
    ours, theirs = read_as_the_engine(tmp_path, documents), read_as_the_vocabulary(documents)
    assert [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]] == []


VALUES = st.one_of(
    st.sampled_from(HOSTILE_NUMBERS),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps),
    st.decimals(-(10**13), 10**13, places=7).map(str),
    st.integers().map(str),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8).map(json.dumps),
)
OBJECTS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=6).map(
    lambda pairs: "{" + ", ".join(f'"{key}": {value}' for key, value in pairs) + "}"
)
DOCUMENTS = st.one_of(OBJECTS, st.lists(OBJECTS, max_size=3).map(lambda lines: f'{{"items": [{", ".join(lines)}]}}'))


@settings(max_examples=few(8), deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=60))
def test_the_engine_reads_any_properties_as_the_vocabulary_does(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str]
) -> None:
    documents = decodable(documents)
    ours = read_as_the_engine(tmp_path_factory.getbasetemp(), documents)
    assert ours == read_as_the_vocabulary(documents)
