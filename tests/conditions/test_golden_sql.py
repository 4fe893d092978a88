"""The SQL that leaves become, so that a change of it is seen and read. REGULARS_UPDATE_GOLDENS=1 writes it anew."""

import os
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlglot import parse_one

from regulars.conditions.dialects import DUCKDB, POSTGRESQL, SPARK
from regulars.conditions.lower import Lowered, Personal, lower_on_history, lower_on_members
from regulars.conditions.lower_events import Naming
from regulars.conditions.read_yaml import parse_yaml
from regulars.conditions.spans import Times
from regulars.conditions.tree import Did, Percentile, Sequence, list_leaves

GOLDEN = Path(__file__).parent / "golden"
TIMES = Times(datetime(2026, 11, 22, 4, 30, tzinfo=UTC), ZoneInfo("Asia/Taipei"))
NAMING = Naming(names_of=lambda event: [event], parts_of=lambda names: ["other", *(name.lower() for name in names)])
PERSONAL = Personal(frozenset({"name"}), lambda trait, value: f"digest of {trait}")
CONDITIONS = {
    "trait": "trait: {gender: female}",
    "trait_between": "trait: {age: {between: [25, 54]}}",
    "trait_list": "trait: {likes: {has_any: [tea]}}",
    "trait_date": "trait: {born: {within: 30d}}",
    "trait_personal": "trait: {name: 王小明}",
    "tag_weight": "tag: {is: vip, weight: {at_least: 0.5}}",
    "consent": "consent: {channel: line, purpose: marketing}",
    "received": "received: {count: {at_most: 1}, within: 30d}",
    "bucket": "bucket: {salt: spring, from: 0, until: 10}",
    "points": "points: {stars: {at_least: 3}}",
    "points_few": "points: {stars: {at_most: 3}}",
    "tier": "tier: gold",
    "tier_at_least": "tier: {at_least: gold}",
    "badge": "badge: reader",
    "mission": "mission: {name: three books, state: done}",
    "voucher": "voucher: {pool: half-price, state: issued}",
    "did": "did: Order Completed",
    "did_count": "did: {event: Order Completed, count: {at_least: 2}, within: 30d, where: {color: red}}",
    "did_absence": "did: {event: Order Completed, count: {at_most: 0}, within: 30d}",
    "did_average": "did: {event: Order Completed, avg: {of: revenue, at_least: 300}, within: this_month}",
    "did_line": "did: {event: Order Completed, where: {category: heels}}",
    "did_item": "did: {event: Order Completed, item: {brand: acme}}",
    "did_days": "did: {event: Checked In, distinct: {of: local_day, at_least: 3}, within: 7d}",
    "did_first": "did: {event: Order Completed, first: 30d}",
    "sequence": "sequence: {of: [Product Viewed, Product Added, {not: Order Completed}], within: 2h, by: cart_id}",
    "percentile": "percentile: {top: 10, of: {did: {event: Order Completed, sum: {of: revenue}, within: 90d}}}",
}


def show(one: Lowered, dialect: str) -> str:
    """The query over several lines, and what it binds."""
    sql = parse_one(one.sql, read=dialect).sql(dialect, pretty=True)
    bound = "\n".join(f"--   {name} = {value!r}" for name, value in one.parameters.items())
    return f"-- {dialect}{', everybody else' if one.complement else ''}\n{bound}\n{sql};\n"


def lower_all(condition: str) -> str:
    told = [f"-- {condition}\n"]
    for leaf in list_leaves(parse_yaml(condition)):
        if isinstance(leaf, Did | Sequence | Percentile):
            for dialect in (DUCKDB, POSTGRESQL, SPARK):
                told += [show(one, dialect.name) for one in lower_on_history(leaf, TIMES, NAMING, dialect)]
        else:
            told += [show(one, "postgres") for one in lower_on_members(leaf, TIMES, 1, PERSONAL)]
    return "\n".join(told)


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_leaf_becomes_the_sql_that_was_read(name: str) -> None:
    path, found = GOLDEN / f"{name}.sql", lower_all(CONDITIONS[name])
    if os.environ.get("REGULARS_UPDATE_GOLDENS"):
        path.write_text(found, "utf-8")
    assert path.read_text("utf-8") == found, f"{path.name} says otherwise: read the change, then update it"


def test_every_golden_has_its_condition() -> None:
    assert {path.stem for path in GOLDEN.glob("*.sql")} == set(CONDITIONS)


def test_nothing_that_was_written_is_printed() -> None:
    hostile = "x'; drop table events; --"
    for condition in (
        f'did: {{event: "{hostile}", where: {{"{hostile}": "{hostile}"}}}}',
        f'trait: {{"{hostile}": "{hostile}"}}',
    ):
        code = "\n".join(line for line in lower_all(condition).splitlines() if not line.startswith("--"))
        assert "drop table" not in code
