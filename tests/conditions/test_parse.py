"""What is written becomes the tree that is meant, and the tree becomes what can be written again."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.conditions.errors import ConditionError
from regulars.conditions.parse import parse_tree, parse_written, write_tree
from regulars.conditions.places import get_place
from regulars.conditions.read_yaml import parse_yaml
from regulars.conditions.tree import (
    Aggregate,
    AllOf,
    AnyOf,
    Between,
    Bucket,
    Calendar,
    Consent,
    Delivered,
    Did,
    Edge,
    EventFilter,
    Exists,
    Filter,
    HasIdentity,
    InTime,
    ListHas,
    MemberOf,
    Node,
    NoneOf,
    Not,
    OneOf,
    Percentile,
    Range,
    Rolling,
    Sequence,
    Step,
    Tag,
    TextMatch,
    Trait,
    list_leaves,
)
from tests.support.examples import few
from tests.support.trees import TREES

DAY = 86_400
ORDER = EventFilter("Order Completed")
FEMALE = Trait("gender", OneOf(("female",)))
TWO = Range(at_least=Decimal(2))

ARCHITECTURE = """
all:
  - trait: {gender: female, age: {between: [25, 54]}}
  - tag: {is: vip, weight: {at_least: 0.5}}
  - did: {event: Order Completed, count: {at_least: 2}, within: 30d, where: {category: heels}}
  - did: {event: Order Completed, sum: {of: revenue, at_least: 3000}, within: 90d}
  - not: {did: {event: Product Viewed, where: {category: flats}, within: 90d}}
  - sequence: {of: [Product Viewed, Product Added, {not: Order Completed}], within: 2h, by: cart_id}
  - received: {count: {at_most: 1}, within: 30d}
  - member_of: loyal-readers
"""
ARCHITECTURE_TREE = AllOf(
    (
        FEMALE,
        Trait("age", Range(Decimal(25), Decimal(54))),
        Tag("vip", Range(Decimal("0.5"))),
        Did(
            EventFilter("Order Completed", (Filter("category", OneOf(("heels",))),)),
            Rolling(30 * DAY),
            (Aggregate("count", TWO),),
        ),
        Did(ORDER, Rolling(90 * DAY), (Aggregate("sum", Range(Decimal(3000)), "revenue"),)),
        Not(Did(EventFilter("Product Viewed", (Filter("category", OneOf(("flats",))),)), Rolling(90 * DAY))),
        Sequence(
            (Step(EventFilter("Product Viewed")), Step(EventFilter("Product Added")), Step(ORDER, negated=True)),
            7_200,
            "cart_id",
        ),
        Delivered("received", Range(at_most=Decimal(1)), Rolling(30 * DAY)),
        MemberOf("loyal-readers"),
    )
)


@given(TREES)
@settings(max_examples=few(60), deadline=None)
def test_every_tree_is_read_as_it_was_written(tree: Node) -> None:
    written = write_tree(tree)
    assert parse_tree(json.loads(json.dumps(written))) == tree
    assert write_tree(parse_tree(written)) == written
    assert parse_yaml(yaml.safe_dump(written, sort_keys=False)) == tree


@given(TREES)
@settings(max_examples=few(30), deadline=None)
def test_every_leaf_has_a_path_of_its_own_to_what_was_written(tree: Node) -> None:
    found = parse_written(write_tree(tree))
    assert len(found.leaf_paths) == len(list_leaves(tree)) == len(set(found.leaf_paths))
    for path in found.leaf_paths:
        assert get_place(found.data, path).path == path


def test_the_example_of_the_architecture() -> None:
    assert parse_yaml(ARCHITECTURE) == ARCHITECTURE_TREE
    assert parse_tree(json.loads(json.dumps(write_tree(ARCHITECTURE_TREE)))) == ARCHITECTURE_TREE


@pytest.mark.parametrize(
    ("written", "tree"),
    [
        ([{"tag": "a"}, {"tag": "b"}], AllOf((Tag("a"), Tag("b")))),
        ({"tag": "a", "identity": "line"}, AllOf((Tag("a"), HasIdentity("line")))),
        ({"any": [{"tag": "a", "identity": "line"}]}, AnyOf((AllOf((Tag("a"), HasIdentity("line"))),))),
        ({"not": {"tag": "a", "identity": "line"}}, Not(AllOf((Tag("a"), HasIdentity("line"))))),
        ({"all": []}, AllOf()),
        ({"any": []}, AnyOf()),
        ({"trait": {"a": ["x", 1, True]}}, Trait("a", OneOf(("x", Decimal(1), True)))),
        ({"trait": {"a": {"equals": "x"}}}, Trait("a", OneOf(("x",)))),
        ({"trait": {"a": {"none_of": ["x"]}}}, Trait("a", NoneOf(("x",)))),
        ({"trait": {"a": {"exists": True}}}, Trait("a", Exists())),
        ({"trait": {"a": {"exists": False}}}, Not(Trait("a", Exists()))),
        ({"trait": {"a": {"has_all": ["x", "y"]}}}, Trait("a", ListHas(("x", "y"), every=True))),
        ({"trait": {"a": {"within": "30d"}}}, Trait("a", InTime(Rolling(30 * DAY)))),
        ({"trait": {"a": {"next": "8w"}}}, Trait("a", InTime(Rolling(56 * DAY), ahead=True))),
        ({"trait": {"a": {"within": "today"}}}, Trait("a", InTime(Calendar("day")))),
        (
            {"trait": {"a": {"prefix": "x", "suffix": "y"}}},
            AllOf((Trait("a", TextMatch("prefix", "x")), Trait("a", TextMatch("suffix", "y")))),
        ),
        ({"trait": {"a": {"after": "2026-01-31"}}}, Trait("a", InTime(Between(date(2026, 2, 1))))),
        ({"consent": {"channel": "line", "purpose": "marketing"}}, Consent("line", "marketing")),
        ({"did": "Order Completed"}, Did(ORDER)),
        (
            {"did": {"event": "Order Completed", "count": 2}},
            Did(ORDER, None, (Aggregate("count", Range(Decimal(2), Decimal(2))),)),
        ),
        (
            {
                "did": {
                    "event": "Order Completed",
                    "distinct": {"of": "local_day", "at_least": 2},
                    "count": {"at_least": 2},
                }
            },
            Did(ORDER, None, (Aggregate("count", TWO), Aggregate("distinct", TWO, "local_day"))),
        ),
        (
            {"did": {"event": "Order Completed", "first": "this_year", "last": {"before": "2026-02-01"}}},
            Did(ORDER, None, (), (Edge("first", Calendar("year")), Edge("last", Between(end=date(2026, 2, 1))))),
        ),
        (
            {"did": {"event": "Order Completed", "item": {"brand": "x"}, "from": "2026-01-01", "until": "2026-01-31"}},
            Did(
                EventFilter("Order Completed", (), (Filter("brand", OneOf(("x",))),)),
                Between(date(2026, 1, 1), date(2026, 2, 1)),
            ),
        ),
        ({"opened": True}, Delivered("opened")),
        (
            {"clicked": {"count": 0, "topic": "promo"}},
            Delivered("clicked", Range(Decimal(0), Decimal(0)), topic="promo"),
        ),
        (
            {"percentile": {"top": 10, "of": {"did": {"event": "Order Completed", "sum": "revenue"}}}},
            Percentile(ORDER, "sum", Decimal(10), "revenue"),
        ),
        (
            {"percentile": {"bottom": 5, "of": {"did": {"event": "Order Completed", "count": True}}}},
            Percentile(ORDER, "count", Decimal(5), least=True),
        ),
        ({"bucket": {"salt": "x", "from": 0, "until": 10}}, Bucket("x", Decimal(0), Decimal(10))),
    ],
)
def test_each_form_is_read(written: object, tree: Node) -> None:
    assert parse_tree(written) == tree
    assert parse_tree(write_tree(tree)) == tree


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("30d", Rolling(30 * DAY)),
        ("90s", Rolling(90)),
        ("15m", Rolling(900)),
        ("today", Calendar("day")),
        ("Yesterday", Calendar("day", 1, 1)),
        ("this quarter", Calendar("quarter")),
        ("last_week", Calendar("week", 1, 1)),
        ("rolling 12 months", Calendar("month", 12)),
        ("last 3 months", Calendar("month", 3, 1)),
        ("rolling 3 months, 2 months ago", Calendar("month", 3, 2)),
    ],
)
def test_windows_are_read(text: str, window: Rolling | Calendar) -> None:
    assert parse_tree({"did": {"event": "E", "within": text}}) == Did(EventFilter("E"), window)


def test_an_instant_keeps_its_distance_from_utc() -> None:
    found = parse_yaml("did: {event: E, from: 2026-01-01T10:00:00+08:00, until: '2026-01-01T12:00Z'}")
    assert isinstance(found, Did) and isinstance(found.within, Between)
    assert found.within.start == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert found.within.end == datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(microseconds=1)
    assert isinstance(found.within.start, datetime) and found.within.start.utcoffset() == timedelta(hours=8)


def test_numbers_are_what_their_shortest_text_says() -> None:
    found = parse_tree({"trait": {"a": [0.1, 25.0, -0.0, 1e3]}})
    assert isinstance(found, Trait) and isinstance(found.test, OneOf)
    assert [str(value) for value in found.test.values] == ["0.1", "25", "0", "1000"]


def test_true_is_not_one() -> None:
    assert OneOf((True,)) != OneOf((Decimal(1),))
    assert len({Trait("a", OneOf((False,))), Trait("a", OneOf((Decimal(0),)))}) == 2
    assert ListHas((True,)) != OneOf((True,)) != NoneOf((True,))


LEAF_PLACES = st.sampled_from(
    ["all", "any", "not", "trait", "tag", "consent", "identity", "did", "sequence", "received", "opened", "member_of",
     "percentile", "bucket", "tier", "event", "where", "item", "within", "from", "before", "count", "sum", "of", "top",
     "salt", "until", "is", "weight", "steps", "by", "at_least", "between", "any_of", "exists", "next", "prefix"]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | LEAF_PLACES | st.just("30d"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(LEAF_PLACES | st.text(max_size=4), inner, max_size=4)
        | st.dictionaries(st.integers() | st.none(), inner, max_size=2)
    ),
    max_leaves=20,
)


def _answers_or_refuses(data: object) -> None:
    try:
        tree = parse_tree(data)
    except ConditionError as error:
        json.dumps(error.to_dict()).encode()
        assert error.path is not None and error.path.startswith("/")
        return
    assert parse_tree(write_tree(tree)) == tree


@given(JUNK)
@settings(max_examples=few(100), deadline=None)
def test_junk_is_refused_or_read(data: object) -> None:
    _answers_or_refuses(data)


@given(TREES, JUNK, st.data())
@settings(max_examples=few(60), deadline=None)
def test_junk_at_any_place_is_refused_or_read(tree: Node, junk: object, data: st.DataObject) -> None:
    written = json.loads(json.dumps(write_tree(tree)))
    holder: object = {"root": written}
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))  # type: ignore[arg-type]
        key = data.draw(st.sampled_from(keys))
        child = holder[key]  # type: ignore[index]
        if not child or not isinstance(child, dict | list) or data.draw(st.integers(0, 3)) == 0:
            holder[key] = junk  # type: ignore[index]
            break
        holder = child
    _answers_or_refuses(written)


@given(
    st.text(max_size=60) | st.lists(st.sampled_from(list("{}[]:,-&*!?|>'\"#%@` \n\tab01")), max_size=40).map("".join)
)
@settings(max_examples=few(60), deadline=None)
def test_junk_as_yaml_is_refused_or_read(text: str) -> None:
    try:
        parse_yaml(text)
    except ConditionError as error:
        json.dumps(error.to_dict()).encode()
