"""Promoted properties: the same answers before, while and after, whoever is killed; and that the column is what is read."""

import json
import random
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from regulars.conditions import tree as t
from regulars.conditions.dialects import DUCKDB, DuckDB
from regulars.conditions.lower import Lowered, lower_on_history
from regulars.conditions.spans import Times
from regulars.events.service.taking import Outcome
from regulars.history import lake, store
from regulars.history.model import HistoryPlace
from regulars.history.service import promoting
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import move_events
from regulars.history.service.promoting import choose_promotions
from regulars.history.service.reading import HistoryReader
from regulars.history.service.verifying import list_findings
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conditions.test_differential import NAMING
from tests.conditions.worlds import KEYS, MIXED, ZONE, make_test
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio

NAME = "Quiz Taken"
PROPERTIES = (*KEYS, "it's", "never there")
LEAVES = 16


class World:
    """A brand whose members each did one thing with properties of any type, and a lake."""

    def __init__(
        self, database: Database, brand: Brand, door: Door, reader: HistoryReader, place: HistoryPlace
    ) -> None:
        self.database, self.brand, self.door, self.reader, self.place = database, brand, door, reader, place
        self.rng = random.Random(7)
        rng = random.Random(11)
        self.leaves = [
            t.Did(t.EventFilter(NAME, (t.Filter(name := rng.choice(PROPERTIES), make_test(rng, name)),)))
            for _ in range(LEAVES)
        ]

    async def take(self, count: int) -> list[Outcome]:
        """As many members with an event each, of this month and the one before."""
        rng = self.rng
        return await self.door(
            *(
                {
                    "event": NAME,
                    "userId": f"u{rng.random()}",
                    "timestamp": (NOW - timedelta(days=rng.choice((1, 30)))).isoformat(),
                    "properties": {key: rng.choice(MIXED) for key in PROPERTIES[:-1] if rng.random() < 0.6},
                }
                for _ in range(count)
            )
        )

    async def move(self) -> None:
        await move_events(self.database.dsn, self.place, lambda: NOW, flush=True)

    async def compact(self, **more: Any) -> None:
        await compact_history(self.database.dsn, self.place, lambda: NOW, promoted_events_min=0, **more)

    async def promote(self, *properties: str) -> None:
        """A reader that has loaded this state goes on reading JSON until the next one: this one forgets."""
        self.reader.close()
        async with self.database.write() as tx:
            await choose_promotions(tx, self.brand.brand_id, properties)

    async def ask(self) -> tuple[list[set[int]], Mapping[str, str], list[str]]:
        """Who each leaf is true of, read from JSON and from columns; what is promoted; the columns' queries."""
        times = Times(NOW, ZONE)
        async with self.database.read() as tx, self.reader.open_snapshot(tx, self.brand.brand_id) as snapshot:

            def run(one: Lowered) -> set[int]:
                return {row[0] for row in snapshot.connection.execute(one.sql, one.parameters).fetchall()}

            def answer() -> tuple[list[set[int]], list[str]]:
                sets: list[set[int]] = []
                queries: list[str] = []
                for leaf in self.leaves:
                    (by_json,) = lower_on_history(leaf, times, NAMING, DUCKDB)
                    (by_column,) = lower_on_history(leaf, times, NAMING, DuckDB(snapshot.promoted))
                    sets.append(run(by_json))
                    assert run(by_column) == sets[-1], leaf
                    queries.append(by_column.sql)
                return sets, queries

            sets, queries = await snapshot.run(lambda _: answer())
            return sets, snapshot.promoted, queries

    def files(self) -> list[str]:
        return [file.path for file in lake.list_files(lake.open_table(self.place.folder, "events"))]


@pytest.fixture
def world(database: Database, brand: Brand, take: Door, reader: HistoryReader, place: HistoryPlace) -> World:
    return World(database, brand, take, reader, place)


async def test_answers_are_the_same_before_while_and_after(world: World) -> None:
    """All that can lie side by side: files with the columns, with fewer, without, and the tail."""
    await world.take(120)
    await world.move()
    before, promoted, _ = await world.ask()
    assert promoted == {} and sum(map(bool, before)) > LEAVES / 3

    await world.promote(*KEYS[:4], "it's")
    found, promoted, queries = await world.ask()
    assert found == before and set(promoted) == {*KEYS[:4], "it's"}
    assert sum("promoted_" in query for query in queries) > LEAVES / 3
    await world.compact()
    assert (await world.ask())[0] == before

    await world.promote(*PROPERTIES)
    assert (await world.ask())[0] == before, "files have fewer columns than are wanted"
    await world.take(30)
    mixed = (await world.ask())[0]
    await world.move()
    assert (await world.ask())[0] == mixed, "the mover's file has none"
    await world.compact()
    assert (await world.ask())[0] == mixed
    assert (await list_findings(world.database, world.place)).findings == []


async def test_a_column_is_read_and_not_the_json(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.take(50)
    await world.move()
    await world.promote("color")
    await world.compact()
    async with world.database.read() as tx, world.reader.open_snapshot(tx, world.brand.brand_id) as snapshot:
        plan = snapshot.connection.execute("explain select promoted_1 from events where promoted_1 = '\"red\"'")
        told = "\n".join(row[1] for row in plan.fetchall())
        (held,) = snapshot.connection.execute("select count(promoted_1) from events").fetchall()
    lake_part = told.partition("READ_PARQUET")[2].partition("SEQ_SCAN")[0]
    assert "promoted_1" in lake_part and "properties" not in lake_part, told
    assert held[0] > 5


async def test_slots_are_kept_until_they_are_needed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promoting, "PROMOTED_MAX", 2)
    for wanted, slots in (
        (["color"], {"color": 1}),
        (["size", "color", "on"], {"color": 1, "size": 2}),
        (["size"], {"color": 1, "size": 2}),
        (["on", "size"], {"on": 1, "size": 2}),
        ([], {"on": 1, "size": 2}),
    ):
        await world.promote(*wanted)
        async with world.database.read() as tx:
            assert await store.list_promotions(tx, world.brand.brand_id) == slots


@pytest.mark.long
async def test_a_slot_that_changes_hands_changes_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of before still say whose it was."""
    monkeypatch.setattr(promoting, "PROMOTED_MAX", 2)
    await world.take(60)
    await world.move()
    before = (await world.ask())[0]
    await world.promote("color", "size")
    await world.compact()
    await world.promote("size", "on")
    for _ in range(2):
        assert (await world.ask())[0] == before
        await world.compact()


@pytest.mark.parametrize(
    "step",
    [
        "compact events",
        pytest.param("compact lines", marks=pytest.mark.long),
        pytest.param("compact publish", marks=pytest.mark.long),
    ],
)
async def test_a_compaction_killed_at_any_step_changes_no_answer(world: World, step: str) -> None:
    await world.take(60)
    await world.move()
    before = (await world.ask())[0]
    await world.promote(*PROPERTIES)

    def die(name: str) -> None:
        if name == step:
            raise KeyboardInterrupt(name)

    with pytest.raises(KeyboardInterrupt):
        await world.compact(step=die)
    assert (await world.ask())[0] == before
    await world.compact()
    assert (await world.ask())[0] == before
    async with world.database.read() as tx:
        noted = await store.list_promoted_files(tx, world.brand.brand_id)
    assert set(noted) == {Path(path).name for path in world.files()}


@pytest.mark.long
async def test_only_what_lacks_columns_is_rewritten(world: World, second_brand: Brand) -> None:
    """Another brand's files stay as they are, and so do those of a brand with too few events, and all by day."""
    other = World(world.database, second_brand, Door(world.database, second_brand), world.reader, world.place)
    for one in (world, other):
        await one.take(40)
    await world.move()
    before, others = (await world.ask())[0], (await other.ask())[0]
    files = world.files()
    await world.promote("color")
    await compact_history(world.database.dsn, world.place, lambda: NOW, promoted_events_min=41)
    await compact_history(world.database.dsn, world.place, lambda: NOW, promoted_events_min=None)
    assert world.files() == files
    await world.compact()
    now = world.files()
    assert len({*now} & {*files}) == len(files) / 2
    await world.compact()
    assert sorted(world.files()) == sorted(now)
    await other.take(5)
    others = (await other.ask())[0]
    await world.move()
    assert (await other.ask())[0] == others, "whoever writes gives all columns"
    assert (await world.ask())[0] == before


def test_what_is_noted_of_a_file_decides() -> None:
    promoted = promoting.Promoted({"b": 2, "a": 1}, {"x.parquet": ["b", None, "a"], "y.parquet": ["z"]})
    assert promoted.slots_in("/any/where/x.parquet") == (1, 3)
    assert promoted.slots_in("y.parquet") == promoted.slots_in("unknown.parquet") == (0, 0)
    assert json.dumps(promoted.columns) == '{"b": "promoted_2", "a": "promoted_1"}'
