"""Conditions in Python are the trees that YAML makes of the same words."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

import regulars
from regulars import (
    Condition,
    bucket,
    clicked,
    condition,
    consent,
    did,
    identity,
    member_of,
    not_,
    opened,
    percentile,
    received,
    sequence,
    tag,
    trait,
)
from regulars.conditions.errors import ConditionError
from regulars.conditions.read_yaml import parse_yaml
from regulars.conditions.tree import AllOf, AnyOf, Not, Tag

ORDER = did("Order Completed")


@pytest.mark.parametrize(
    ("built", "text"),
    [
        (trait("gender") == "female", "trait: {gender: female}"),
        (trait("gender") != "female", "trait: {gender: {none_of: [female]}}"),
        (trait("age").between(25, 54), "trait: {age: {between: [25, 54]}}"),
        (trait("age") >= 25, "trait: {age: {at_least: 25}}"),
        (trait("age") > 25, "trait: {age: {more_than: 25}}"),
        (trait("age") <= 0.5, "trait: {age: {at_most: 0.5}}"),
        (trait("age") < Decimal("0.5"), "trait: {age: {less_than: 0.5}}"),
        (trait("a").any_of("x", 1, True), "trait: {a: [x, 1, true]}"),
        (trait("a").none_of("x"), "trait: {a: {none_of: [x]}}"),
        (trait("a").starts_with("x"), "trait: {a: {prefix: x}}"),
        (trait("a").ends_with("x"), "trait: {a: {suffix: x}}"),
        (trait("a").contains("x"), "trait: {a: {contains: x}}"),
        (trait("a").exists(), "trait: {a: {exists: true}}"),
        (~trait("a").exists(), "trait: {a: {exists: false}}"),
        (trait("a").has_any("x"), "trait: {a: {has_any: [x]}}"),
        (trait("a").has_all("x", "y"), "trait: {a: {has_all: [x, y]}}"),
        (trait("a").within("30d"), "trait: {a: {within: 30d}}"),
        (trait("a").within(before=date(2000, 1, 1)), "trait: {a: {before: 2000-01-01}}"),
        (trait("a").next("30d"), "trait: {a: {next: 30d}}"),
        (tag("vip"), "tag: vip"),
        (tag("vip", weight_at_least=0.5), "tag: {is: vip, weight: {at_least: 0.5}}"),
        (
            tag("vip", weight={"at_least": 0.5}, weight_less_than=0.9),
            "tag: {is: vip, weight: {at_least: 0.5, less_than: 0.9}}",
        ),
        (trait(gender="female", name={"prefix": "x"}), "trait: {gender: female, name: {prefix: x}}"),
        (did("A", within="30d", count={"at_least": 2}), "did: {event: A, within: 30d, count: {at_least: 2}}"),
        (did("A", where={"a": 1}).where(b=2), "did: {event: A, where: [{a: 1}, {b: 2}]}"),
        (did("A", from_="2026-01-01"), "did: {event: A, from: 2026-01-01}"),
        (consent("line", "marketing"), "consent: {channel: line, purpose: marketing}"),
        (consent("line", "marketing", granted=False), "consent: {channel: line, purpose: marketing, granted: false}"),
        (identity("line"), "identity: line"),
        (ORDER, "did: Order Completed"),
        (
            ORDER.within("30d").where(category="heels").count(at_least=2),
            "did: {event: Order Completed, within: 30d, where: {category: heels}, count: {at_least: 2}}",
        ),
        (
            ORDER.sum("revenue", at_least=3000).sum("quantity", more_than=3).count(2),
            "did: {event: Order Completed, count: 2, sum: [{of: revenue, at_least: 3000}, {of: quantity, more_than: 3}]}",
        ),
        (
            ORDER.where(price={"at_least": 100}).where(price={"at_most": 200}, coupon=["a", "b"]).item(colour="red"),
            "did: {event: Order Completed, item: {colour: red},"
            " where: [{price: {at_least: 100}}, {price: {at_most: 200}, coupon: [a, b]}]}",
        ),
        (
            ORDER.within(from_="2026-01-01", until=date(2026, 1, 31)),
            "did: {event: Order Completed, from: 2026-01-01, before: 2026-02-01}",
        ),
        (
            ORDER.within(after=datetime(2026, 1, 1, tzinfo=UTC)),
            "did: {event: Order Completed, after: '2026-01-01T00:00Z'}",
        ),
        (
            ORDER.avg("a", at_least=1).min("a", at_least=1).max("a", at_most=9).distinct("local_day", at_least=3),
            "did: {event: Order Completed, avg: {of: a, at_least: 1}, min: {of: a, at_least: 1},"
            " max: {of: a, at_most: 9}, distinct: {of: local_day, at_least: 3}}",
        ),
        (
            ORDER.first("this_year").last(before="2026-06-01"),
            "did: {event: Order Completed, first: this_year, last: {before: 2026-06-01}}",
        ),
        (
            sequence(
                "Product Viewed", did("Product Added").where(a=1), not_("Order Completed"), within="2h", by="cart_id"
            ),
            "sequence: {of: [Product Viewed, {event: Product Added, where: {a: 1}}, {not: Order Completed}],"
            " within: 2h, by: cart_id}",
        ),
        (
            sequence("A", "B", within="1d", started="last_month"),
            "sequence: {of: [A, B], within: 1d, started: last_month}",
        ),
        (received(), "received: true"),
        (
            received(at_most=1, within="30d", topic="promo"),
            "received: {count: {at_most: 1}, within: 30d, topic: promo}",
        ),
        (opened(campaign="c"), "opened: {campaign: c}"),
        (clicked(within="7d"), "clicked: {within: 7d}"),
        (member_of("loyal-readers"), "member_of: loyal-readers"),
        (
            percentile(ORDER.within("90d"), top=10, by="sum", of="revenue"),
            "percentile: {top: 10, of: {did: {event: Order Completed, sum: revenue, within: 90d}}}",
        ),
        (percentile("Order Completed", bottom=5), "percentile: {bottom: 5, of: {did: Order Completed}}"),
        (bucket("x", 0, 10), "bucket: {salt: x, from: 0, until: 10}"),
        (condition({"tag": "vip"}), "tag: vip"),
    ],
)
def test_python_and_yaml_are_one_tree(built: Condition, text: str) -> None:
    assert built.tree == parse_yaml(text)


def test_conditions_meet() -> None:
    a, b, c = tag("a"), tag("b"), tag("c")
    assert (a & b & c).tree == AllOf((Tag("a"), Tag("b"), Tag("c")))
    assert (a | b | c).tree == AnyOf((Tag("a"), Tag("b"), Tag("c")))
    assert (a & ~(b | c)).tree == AllOf((Tag("a"), Not(AnyOf((Tag("b"), Tag("c"))))))
    assert tag("a") == a and tag("a") != b and len({a, tag("a")}) == 1


def test_a_condition_is_not_true() -> None:
    with pytest.raises(TypeError, match="& for and"):
        _ = tag("a") and tag("b")


def test_what_is_wrong_is_refused_where_it_is_said() -> None:
    with pytest.raises(ConditionError) as caught:
        ORDER.within("30 days")
    assert (caught.value.path, caught.value.suggestion) == ("/did/within/within", "30d")
    with pytest.raises(ConditionError):
        ORDER.within("30d", after="2026-01-01")
    with pytest.raises(ConditionError):
        sequence("A", ORDER.count(2), within="1d")
    with pytest.raises(ConditionError):
        percentile("A", top=1, bottom=1)
    with pytest.raises(ConditionError):
        ORDER.count()
    with pytest.raises(ConditionError):
        did("A", witin="30d")
    with pytest.raises(TypeError):
        trait("age", at_least=25)  # pyright: ignore[reportCallIssue]


def test_it_shows_what_it_is() -> None:
    assert repr(tag("熟客")) == '<condition {"tag": "熟客"}>'
    assert repr(trait("age")) == "trait('age')"


def test_nothing_is_loaded_before_it_is_asked_for() -> None:
    look = "import sys, regulars; print([name for name in sys.modules if name.startswith('regulars.')])"
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
    assert all(getattr(regulars, name) is not None for name in regulars.__all__)
    with pytest.raises(AttributeError):
        _ = regulars.nothing  # type: ignore[attr-defined]
