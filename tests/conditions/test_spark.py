"""Random trees on a cluster that speaks Spark Connect: it says what the reference says. The cluster is Sail's, started here."""

import json
import random
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

from regulars.conditions.dialects import DUCKDB, SPARK
from regulars.conditions.lower import lower_on_history
from regulars.conditions.parse import parse_tree
from regulars.conditions.spans import Times
from regulars.conditions.tree import Did
from regulars.history.cluster import ClusterSession, Relation
from tests.conditions.reference import World, members_of
from tests.conditions.test_differential import (
    DIVIDING_SHARE_MIN,
    NAMING,
    RELATIONS,
    Run,
    evaluate,
    in_duckdb,
    in_postgres,
)
from tests.conditions.worlds import AS_OF, ZONE, make_tree, make_world
from tests.support.sail import open_sail

pytestmark = pytest.mark.long

TREES = 200
TREES_PER_WORLD = 50
SEED = 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_sail(tmp_path_factory.mktemp("sail")) as (url, _):
        yield url


@contextmanager
def on_cluster(world: World, url: str, folder: Path) -> Generator[Run]:
    """The world's relations as Parquet files, and a session that sees them."""
    with in_duckdb(world) as run:
        session = ClusterSession(url, publish(run, folder))

    def ask(sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in session.fetch(sql, parameters).to_pylist()]

    try:
        yield ask
    finally:
        session.close()


def publish(run: Run, folder: Path) -> dict[str, Relation]:
    relations: dict[str, Relation] = {}
    for statement in RELATIONS:
        name = statement.split()[2]
        columns = tuple(column for column, *_ in run(f"describe {name}", {}))
        run(f"copy {name} to '{folder}/{name}.parquet' (format parquet)", {})
        relations[name] = Relation(columns, folder / f"{name}.parquet", brand_id=1)
    return relations


def test_random_trees_mean_the_same_on_a_cluster(cluster: str, dsn: str, tmp_path: Path) -> None:
    dividing = done = 0
    while done < TREES:
        rng = random.Random(f"{SEED}/{done}")
        world = make_world(rng)
        folder = tmp_path / str(done)
        folder.mkdir()
        with on_cluster(world, cluster, folder) as history, in_postgres(world, dsn) as rows:
            for _ in range(TREES_PER_WORLD):
                tree = make_tree(rng)
                expected = members_of(tree, world)
                found = evaluate(tree, world, SPARK, history, rows)
                assert found == expected, f"seed {SEED}/{done}: {found ^ expected} differ in {tree}"
                dividing += 0.05 * len(world.members) <= len(expected) <= 0.95 * len(world.members)
                done += 1
    assert dividing / done >= DIVIDING_SHARE_MIN


JSON = (
    '{"v": "1"}',
    '{"v": 1, "other": "1"}',
    '{"v":1.0}',
    '{"v":"=1"}',
    '{"v":"true"}',
    '{"v":true}',
    '{"v":null}',
    '{"v":"null"}',
    '{"v":""}',
    '{"v":[1,"1"]}',
    '{"v":"[1]"}',
    '{"v":{"v":"1"}}',
    '{"v":"\\u0031"}',
    '{"v":"1\\n2"}',
    '{"v":"say \\"1\\""}',
    '{"other":"v","x":"\\\\","v":2e0}',
    '{"v":5e-7}',
    '{"v":-1E3}',
    '{"v":123456789012345678901234567890}',
    '{"v":"2026-11-22T10:00+0800"}',
    '{"other":{"v":1}}',
    "{}",
)
TESTS: tuple[Any, ...] = (
    *({"equals": value} for value in ("1", 1, "=1", True, "true", "", "null", "[1]", "1\n2", 'say "1"', 2, -1000)),
    {"exists": True},
    {"at_least": 0.000001},
    {"has_any": [1]},
    {"has_any": ["1"]},
    {"prefix": "1"},
    {"contains": "1"},
    {"within": "400d"},
)


@pytest.mark.parametrize("key", ["v", "v.w", "v\"'?", "v[0]", " v", "v\\", "$", "價"])
def test_json_is_read_by_its_types(key: str, cluster: str, tmp_path: Path) -> None:
    """Each test over each document, under keys that no path can say too: as DuckDB does, which is held to the reference."""
    documents = [text.replace('"v":', f"{json.dumps(key, ensure_ascii=False)}:") for text in JSON]
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in RELATIONS:
            connection.execute(statement)
        for number, document in enumerate(documents):
            place = {"origin_id": number, "seq": number, "part": "other", "month": 202611, "name": "Quiz Taken"}
            row = {**place, "occurred_at": AS_OF, "line_count": 0, "properties": document}
            marks = ", ".join(f"${name}" for name in row)
            connection.execute(f"insert into events ({', '.join(row)}) values ({marks})", row)
            connection.execute("insert into origins values (?, ?)", (number, number))
        session = ClusterSession(cluster, publish(lambda sql, _: connection.execute(sql).fetchall(), tmp_path))
        for test in TESTS:
            leaf = parse_tree({"did": {"event": "Quiz Taken", "where": {key: test}}})
            assert isinstance(leaf, Did)
            (here,) = lower_on_history(leaf, Times(AS_OF, ZONE), NAMING, DUCKDB)
            (there,) = lower_on_history(leaf, Times(AS_OF, ZONE), NAMING, SPARK)
            expected = {row[0] for row in connection.execute(here.sql, here.parameters).fetchall()}
            found = set(session.fetch(there.sql, there.parameters).column("member_no").to_pylist())
            assert found == expected, (test, [documents[number] for number in found ^ expected])
        session.close()
