"""Closures: the reference, DuckDB and PostgreSQL say the same of members who did one thing; and what cannot be asked."""

import contextlib
import json
import os
import random
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from regulars.conditions import tree as t
from regulars.conditions.closures import (
    Closure,
    EventFacts,
    ItemFacts,
    LineFacts,
    MemberFacts,
    compile_closure,
)
from regulars.conditions.closures_values import compile_range
from regulars.conditions.dialects import DUCKDB, POSTGRESQL
from regulars.conditions.errors import ConditionError
from regulars.conditions.lower import Personal
from regulars.conditions.parse import Written, parse_written, write_tree
from tests.conditions.reference import Event, Member, World, as_json, members_of, number_of
from tests.conditions.reference import in_range as reference_in_range
from tests.conditions.test_differential import NAMING, evaluate, in_duckdb, in_postgres
from tests.conditions.worlds import AS_OF, NAMES, ZONE, make_event, make_filter, make_leaf, make_world

TREES = 250
TREES_IN_ENGINES = 10
LONG_TREES = 10_000
LONG_TREES_IN_ENGINES = 600
TREES_PER_WORLD = 40
DIVIDING_SHARE_MIN = 0.4
NOBODY = MemberFacts()


# --- random trees of one event, over members who did one thing ---


def make_tree(rng: random.Random, event: str, depth: int = 3) -> t.Node:
    roll = rng.random()
    if depth == 0 or roll < 0.4:
        return make_part(rng, event)
    if roll < 0.55:
        return t.Not(make_tree(rng, event, depth - 1))
    parts = tuple(make_tree(rng, event, depth - 1) for _ in range(rng.randrange(1, 4)))
    return t.AllOf(parts) if roll < 0.75 else t.AnyOf(parts)


def make_part(rng: random.Random, event: str) -> t.Leaf:
    """A filter of the event, more often than not; else what is asked of its member."""
    while rng.random() < 0.35:
        leaf = make_leaf(rng)
        if isinstance(leaf, t.Trait | t.Tag | t.Consent | t.HasIdentity | t.Bucket):
            return leaf
    return t.Did(replace(make_filter(rng), event=event))


def make_closable(rng: random.Random) -> Written:
    """One that can be written: a text of nothing cannot."""
    while True:
        event = rng.choice(NAMES)
        tree = make_tree(rng, event)
        if any(isinstance(leaf, t.Did) for leaf in t.list_leaves(tree)):
            with contextlib.suppress(ConditionError):
                return parse_written(write_tree(tree))


def make_single_world(rng: random.Random) -> World:
    """Each member did one thing, some of them after as_of."""
    world = make_world(rng)
    return replace(world, members=tuple(replace(one, events=(make_event(rng),)) for one in world.members))


def facts_of(event: Event, world: World) -> EventFacts:
    """As ingest knows it: its properties came as JSON."""
    lines = [LineFacts(line.item_id, line.category, line.quantity, line.price) for line in event.lines]
    typed = (event.revenue, event.order_id, event.item_id, event.category, event.quantity)
    items = {
        item_id: ItemFacts(
            item["name"], item["category"], item["price"], {"brand": item["brand"], "size": item["size"]}
        )
        for item_id, item in world.items.items()
    }
    return EventFacts(event.name, event.at, json.loads(as_json(event.properties)), *typed, lines, items)


def facts_of_member(member: Member) -> MemberFacts:
    traits = json.loads(as_json(member.traits))
    return MemberFacts(member.member_id, traits, {}, member.tags, member.consents, member.kinds)


def members_in(closure: Closure, world: World) -> set[int]:
    return {
        member.number
        for member in world.members
        if closure.holds(facts_of(member.events[0], world), facts_of_member(member), world.as_of)
    }


def compare_with_reference(count: int, seed: int) -> float:
    """The share of trees that are true of 5–95 % of those whose event they speak of, or of all."""
    dividing = 0
    for done in range(count):
        rng = random.Random(f"{seed}/{done}")
        if done % TREES_PER_WORLD == 0:
            world = make_single_world(rng)
        written = make_closable(rng)
        tree = written.tree
        found = members_in(compile_closure(written, world.zone, NAMING.names_of), world)
        expected = members_of(tree, world)
        assert found == expected, f"seed {seed}/{done}: {found ^ expected} differ in {tree}"
        dividing += 0.05 * len(world.members) <= len(expected) <= 0.95 * len(world.members)
    return dividing / count


def compare_with_engines(dsn: str, count: int, seed: int) -> None:
    for start in range(0, count, TREES_PER_WORLD):
        rng = random.Random(f"{seed}/{start}")
        world = make_single_world(rng)
        with in_duckdb(world) as quick, in_postgres(world, dsn) as rows:
            for _ in range(min(count, TREES_PER_WORLD)):
                written = make_closable(rng)
                tree = written.tree
                found = members_in(compile_closure(written, world.zone, NAMING.names_of), world)
                for dialect, history in ((DUCKDB, quick), (POSTGRESQL, rows)):
                    expected = evaluate(tree, world, dialect, history, rows)
                    assert found == expected, f"{seed}/{start}, {dialect.name}: {found ^ expected} differ in {tree}"


def test_random_trees_mean_what_the_reference_says() -> None:
    assert compare_with_reference(TREES, int(os.environ.get("REGULARS_TEST_SEED", "1"))) >= DIVIDING_SHARE_MIN


def test_random_trees_mean_what_the_engines_say(dsn: str) -> None:
    compare_with_engines(dsn, TREES_IN_ENGINES, int(os.environ.get("REGULARS_TEST_SEED", "1")))


@pytest.mark.long
@pytest.mark.timeout(600)
def test_many_random_trees_mean_the_same(dsn: str) -> None:
    assert compare_with_reference(LONG_TREES, 2) >= DIVIDING_SHARE_MIN
    compare_with_engines(dsn, LONG_TREES_IN_ENGINES, 3)


# --- one closure ---


def close(data: object, **more: Any) -> Closure:
    return compile_closure(parse_written(data), ZONE, NAMING.names_of, **more)


def order(**properties: Any) -> EventFacts:
    return EventFacts("purchase", AS_OF, properties)


def test_a_closure_says_what_it_needs() -> None:
    plain = close({"did": {"event": "Order Completed", "where": {"coupon": "X"}}})
    assert (plain.event, plain.asks_member, plain.asks_items) == ("Order Completed", False, False)
    assert plain.names == {"Order Completed", "purchase"}
    more = close({"did": {"event": "Order Completed", "item": {"brand": "Acme"}}, "tag": "vip"})
    assert (more.asks_member, more.asks_items) == (True, True)


def test_an_event_after_as_of_has_not_happened() -> None:
    closure = close({"did": "Order Completed"})
    assert closure.holds(order(), NOBODY, AS_OF)
    assert not closure.holds(order(), NOBODY, AS_OF - timedelta(microseconds=1))
    assert not closure.holds(EventFacts("Quiz Taken", AS_OF), NOBODY, AS_OF)


def test_time_comes_from_each_as_of_anew() -> None:
    closure = close({"did": {"event": "Order Completed", "where": {"pickup": {"within": "today"}}}})
    event = order(pickup="2026-11-22")
    said = [closure.holds(event, NOBODY, AS_OF + timedelta(days=days)) for days in (0, 1, 0)]
    assert said == [True, False, True], "days are the brand's: as_of is noon of the 22nd in Taipei"


@pytest.mark.parametrize(
    "asked",
    [t.Range(Decimal("12.5")), t.Range(None, Decimal("12.5")), t.Range(Decimal(-9), None, None, Decimal("12.5"))],
)
def test_numbers_near_a_bound_are_exact(asked: t.Range) -> None:
    """Doubles are compared as they are only where rounding to 6 digits cannot matter."""
    in_range = compile_range(asked)
    halves = [12.4999994, 12.4999995, 12.4999996, 12.5, 12.5000004, 12.5000005, 12.4989, 12.5011]
    for value in (
        *halves,
        *(-one for one in halves),
        1e12,
        999_999_999_999.9,
        -1e300,
        float("inf"),
        12,
        True,
        "12",
        None,
    ):
        number = number_of(value) if value != float("inf") else None
        expected = number is not None and reference_in_range(Fraction(number), asked)
        assert in_range(value) is expected, value
        if isinstance(value, float) and number is not None:
            assert in_range(Decimal(repr(value))) is expected, value


def test_a_sealed_trait_is_found_by_its_digest() -> None:
    personal = Personal(frozenset({"name"}), lambda trait, value: f"digest of {trait} {value}")
    closure = close({"did": "Order Completed", "trait": {"name": "王小明"}}, personal=personal)
    assert closure.holds(order(), MemberFacts(sealed={"name": "digest of name 王小明"}), AS_OF)
    assert not closure.holds(order(), MemberFacts(traits={"name": "王小明"}), AS_OF)
    has_any = close({"did": "Order Completed", "trait": {"name": {"exists": True}}}, personal=personal)
    assert has_any.holds(order(), MemberFacts(sealed={"name": "x"}), AS_OF)
    assert not has_any.holds(order(), NOBODY, AS_OF)


def test_dates_at_the_ends_of_the_calendar() -> None:
    closure = close({"did": {"event": "Order Completed", "where": {"on": {"from": "2020-01-01"}}}})
    dates = ("9999-12-31", "9999-12-31T23:59:59-14:00", "0001-01-01", "2026-02-30", "2026-11-22\n", "２０２６-11-22")
    assert [closure.holds(order(on=one), NOBODY, AS_OF) for one in dates] == [True, True, False, False, False, False]


@pytest.mark.parametrize(
    ("data", "path", "says"),
    [
        ({"did": {"event": "A", "within": "30d"}}, "/did/within", "looks back"),
        ({"all": [{"did": "A"}, {"did": {"event": "A", "from": "2026-01-01"}}]}, "/all/1/did/from", "looks back"),
        ({"did": {"event": "A", "count": {"at_least": 2}}}, "/did/count", "number over many events"),
        ({"did": {"event": "A", "sum": {"of": "revenue", "at_least": 2}}}, "/did/sum", "`where`"),
        ({"did": {"event": "A", "first": "today"}}, "/did/first", "depends on all the others"),
        ({"all": [{"did": "A"}, {"not": {"did": {"event": "B"}}}]}, "/all/1/not/did/event", "'B' ever did"),
        ({"any": [{"did": "A"}, {"did": "B"}]}, "/any/1/did", "'B' ever did"),
        ({"did": "A", "sequence": {"of": ["A", "B"], "within": "2h"}}, "/sequence", "several events"),
        ({"did": "A", "percentile": {"top": 10, "of": {"did": "A"}}}, "/percentile", "all members"),
        ({"did": "A", "received": True}, "/received", "messages"),
        ({"did": "A", "member_of": "loyal"}, "/member_of", "more than this event"),
        ({"tag": "vip"}, "/", "which event"),
    ],
)
def test_what_cannot_be_asked_of_one_event_is_told_with_its_place(data: object, path: str, says: str) -> None:
    with pytest.raises(ConditionError) as refused:
        close(data)
    assert (refused.value.path, says in refused.value.message) == (path, True), refused.value.message
