"""Random trees over random members: DuckDB, PostgreSQL and the reference say the same."""

import json
import os
import random
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import duckdb
import psycopg
import pytest
from pyroaring import BitMap

from regulars.conditions import tree as t
from regulars.conditions.combine import combine, meet
from regulars.conditions.dialects import DUCKDB, POSTGRESQL, Dialect
from regulars.conditions.lower import Lowered, Personal, home_of, lower_on_history, lower_on_members
from regulars.conditions.lower_events import Naming
from regulars.conditions.spans import Times
from tests.conditions.reference import World, as_json, members_of
from tests.conditions.worlds import SAID_AS, make_tree, make_world

TREES = 100
TREES_PER_WORLD = 50
LONG_TREES = 10_000
LONG_TREES_PER_TEST = 1_000  # several processes share them
DIVIDING_SHARE_MIN = 0.4
BRAND = 7
Run = Callable[[str, dict[str, Any]], list[tuple[Any, ...]]]

NAMING = Naming(
    names_of=lambda event: (event, *(said for said, read in SAID_AS.items() if read == event)),
    parts_of=lambda names: ("other", *(slug(name) for name in names)),
)

RELATIONS = (
    "create table events (origin_id bigint, seq bigint, part text, month int, name text, occurred_at timestamptz,"
    " revenue decimal(18,6), order_id text, item_id text, category text, quantity decimal(18,6), line_count int,"
    " properties text)",
    "create table lines (origin_id bigint, seq bigint, part text, month int, name text, occurred_at timestamptz,"
    " line_no int, item_id text, category text, quantity decimal(18,6), price decimal(18,6))",
    "create table items (item_id text, name text, category text, price decimal(18,6), attributes text)",
    "create table origins (origin_id bigint, member_no int)",
)


def slug(name: str) -> str:
    return SAID_AS.get(name, name).lower().replace(" ", "_")


def rows_of(world: World) -> dict[str, list[tuple[Any, ...]]]:
    rows: dict[str, list[tuple[Any, ...]]] = {"events": [], "lines": [], "items": [], "origins": []}
    seq = 0
    for member in world.members:
        rows["origins"] += [(member.member_id, member.number), (member.member_id + 1, member.number)]
        for event in member.events:
            seq += 1
            part = "other" if seq % 5 == 0 else slug(event.name)
            place = (member.member_id + seq % 2, seq, part, event.at.year * 100 + event.at.month, event.name, event.at)
            typed = (event.revenue, event.order_id, event.item_id, event.category, event.quantity)
            rows["events"].append((*place, *typed, len(event.lines), as_json(event.properties)))
            for number, line in enumerate(event.lines):
                rows["lines"].append((*place, number, line.item_id, line.category, line.quantity, line.price))
    for item_id, item in world.items.items():
        attributes = {"brand": item["brand"], "size": item["size"]}
        rows["items"].append((item_id, item["name"], item["category"], item["price"], json.dumps(attributes)))
    return rows


@contextmanager
def in_duckdb(world: World) -> Generator[Run]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in RELATIONS:
            connection.execute(statement)
        for table, rows in rows_of(world).items():
            if rows:
                marks = ",".join("?" * len(rows[0]))
                connection.executemany(f"insert into {table} values ({marks})", rows)
        yield lambda sql, parameters: connection.execute(sql, parameters).fetchall()


@contextmanager
def in_postgres(world: World, dsn: str) -> Generator[Run]:
    """The same relations, and the members as the members' own tables hold them. Gone at the end."""
    with psycopg.connect(dsn) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create temp view nothing as select 1")
        for statement in RELATIONS:
            connection.execute(statement.replace("create table", "create temp table").encode())
        with connection.cursor() as cursor:
            for table, rows in rows_of(world).items():
                if rows:
                    marks = ",".join(["%s"] * len(rows[0]))
                    cursor.executemany(f"insert into {table} values ({marks})".encode(), rows)
            insert_members(cursor, world)
        yield lambda sql, parameters: connection.execute(sql.encode(), parameters).fetchall()
        connection.rollback()


def insert_members(cursor: psycopg.Cursor[Any], world: World) -> None:
    for one in world.members:
        key = (BRAND, one.member_id)
        cursor.execute(
            "insert into members_members (brand_id, member_id, member_no, traits, created_at) values (%s,%s,%s,%s,%s)",
            (*key, one.number, json.dumps(one.traits), world.as_of),
        )
        cursor.execute("insert into members_origins values (%s, %s, %s, %s)", (*key, one.member_id, one.member_id))
        for kind in one.kinds:
            cursor.execute(
                "insert into members_identities (brand_id, kind, lookup, origin_id, created_at) values (%s,%s,%s,%s,%s)",
                (BRAND, kind, str(one.member_id), one.member_id, world.as_of),
            )
        for tag, (weight, expires_at) in one.tags.items():
            cursor.execute(
                "insert into members_tags (brand_id, member_id, tag, weight, source, expires_at, set_at)"
                " values (%s,%s,%s,%s,'test',%s,%s)",
                (*key, tag, weight, expires_at, world.as_of),
            )
        for number, ((channel, purpose), granted) in enumerate(one.consents.items()):
            cursor.execute(
                "insert into members_consents (brand_id, member_id, consent_no, channel, purpose, granted, at,"
                " holder_member_id) values (%s,%s,%s,%s,%s,%s,%s,%s)",
                (*key, number, channel, purpose, granted, world.as_of, one.member_id),
            )


def evaluate(node: t.Node, world: World, dialect: Dialect, history: Run, members: Run) -> set[int]:
    everybody = BitMap(member.number for member in world.members)
    times = Times(world.as_of, world.zone)

    def leaf_members(leaf: t.Leaf) -> BitMap:
        if isinstance(leaf, t.MemberOf):
            return combine(world.audiences[leaf.audience], everybody, leaf_members)
        if isinstance(leaf, t.Did | t.Sequence | t.Percentile):
            assert home_of(leaf) == "history"
            return met(lower_on_history(leaf, times, NAMING, dialect), history)
        assert home_of(leaf) == "members"
        personal = Personal(frozenset(), lambda trait, value: value)
        return met(lower_on_members(leaf, times, BRAND, personal), members)

    def met(sets: list[Lowered], run: Run) -> BitMap:
        found = [(BitMap(row[0] for row in run(one.sql, one.parameters)), one.complement) for one in sets]
        return meet(found, everybody)

    return set(combine(node, everybody, leaf_members))


def compare_trees(dsn: str, numbers: range, seed: int) -> float:
    """The share of trees that match 5–95 % of members."""
    dividing = 0
    for first in numbers[::TREES_PER_WORLD]:
        rng = random.Random(f"{seed}/{first}")
        world = make_world(rng)
        with in_duckdb(world) as quick, in_postgres(world, dsn) as rows:
            for number in numbers[first - numbers.start :][:TREES_PER_WORLD]:
                tree = make_tree(rng)
                expected = members_of(tree, world)
                for dialect, history in ((DUCKDB, quick), (POSTGRESQL, rows)):
                    found = evaluate(tree, world, dialect, history, rows)
                    assert found == expected, (
                        f"tree {seed}/{number}, {dialect.name}: {found ^ expected} differ in {tree}"
                    )
                dividing += 0.05 * len(world.members) <= len(expected) <= 0.95 * len(world.members)
    return dividing / len(numbers)


def test_random_trees_mean_the_same_everywhere(dsn: str) -> None:
    seed = int(os.environ.get("REGULARS_TEST_SEED", "1"))
    assert compare_trees(dsn, range(TREES), seed) >= DIVIDING_SHARE_MIN


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, LONG_TREES, LONG_TREES_PER_TEST))
def test_many_random_trees_mean_the_same_everywhere(dsn: str, first: int) -> None:
    assert compare_trees(dsn, range(first, first + LONG_TREES_PER_TEST), 2) >= DIVIDING_SHARE_MIN
