"""Snapshots on a cluster: exactly what the transaction sees, whatever moves meanwhile, and who is not there says so."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from regulars.history import cluster as clusters
from regulars.history.errors import EngineFailed, EngineMissing, EngineUnavailable
from regulars.history.model import HistoryPlace
from regulars.history.service.moving import move_events
from regulars.history.service.publishing import FOLDER, ClusterReader, remove_published
from regulars.history.service.reading import HistoryReader, Snapshot
from regulars.platform.db import Database
from tests.conftest import NOW
from tests.history.conftest import Door
from tests.support.sail import open_sail

pytestmark = pytest.mark.anyio

COUNT = "select o.member_no, count(*) as n, sum(e.revenue) as r from events e join origins o on o.origin_id = e.origin_id group by 1"
LINES = "select seq, line_no, item_id, category, quantity, price from lines"


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_sail(tmp_path_factory.mktemp("sail")) as (url, _):
        yield url


@pytest.fixture
async def cluster(sail: str, place: HistoryPlace) -> AsyncIterator[ClusterReader]:
    made = ClusterReader(sail, place)
    yield made
    await made.close()


async def check_same(cluster: ClusterReader, snapshot: Snapshot) -> None:
    for sql in (COUNT, LINES, "select * from items", "select part, month, name, occurred_at, properties from events"):
        here = await snapshot.run(lambda connection, sql=sql: connection.execute(sql).fetchall())
        there = [row.values() for row in (await cluster.ask(snapshot, sql, {})).to_pylist()]
        assert told(there) == told(here), sql


def told(rows: Iterable[Iterable[object]]) -> list[list[str]]:
    return sorted([str(value) for value in row] for row in rows)


def order(number: int, **more: Any) -> dict[str, Any]:
    lines = [{"product_id": f"p{number}", "category": "鞋", "quantity": 1, "price": 9.5}]
    properties = {"revenue": 10 + number / 4, "products": lines, "note": f"q'{number}"}
    return {
        "messageId": f"m{number}",
        "userId": f"u{number % 3}",
        "event": "Order Completed",
        "properties": properties,
        **more,
    }


@pytest.mark.long
async def test_a_cluster_sees_what_the_transaction_sees(
    database: Database,
    dsn: str,
    take: Door,
    place: HistoryPlace,
    reader: HistoryReader,
    cluster: ClusterReader,
    sail: str,
) -> None:
    """Nothing, only a tail, lake and tail; and the state before while there is a newer one."""
    brand_id = take.brand.brand_id
    async with database.read() as tx, reader.open_snapshot(tx, brand_id) as snapshot:
        await check_same(cluster, snapshot)
    await take(*(order(number) for number in range(5)))
    async with database.read() as tx, reader.open_snapshot(tx, brand_id) as tail_only:
        await check_same(cluster, tail_only)
        await move_events(dsn, place, lambda: NOW, flush=True)
        await take(*(order(number) for number in range(5, 9)))
        async with database.read() as later, reader.open_snapshot(later, brand_id) as both:
            await check_same(cluster, both)
            rows = (await cluster.ask(both, COUNT, {})).to_pylist()
            assert sum(row["n"] for row in rows) == 9
            await check_same(cluster, tail_only)
            await move_events(dsn, place, lambda: NOW, flush=True)
            fresh = ClusterReader(sail, place)  # opens its tables only now
            await check_same(fresh, both)
            await fresh.close()


@pytest.mark.long
async def test_two_brands_never_mix_on_a_cluster(
    database: Database,
    dsn: str,
    take: Door,
    second_brand: Any,
    place: HistoryPlace,
    reader: HistoryReader,
    cluster: ClusterReader,
) -> None:
    other = Door(database, second_brand)
    for round_number in range(2):
        await take(order(round_number))
        await other(order(round_number), order(round_number + 10))
        for door, count in ((take, round_number + 1), (other, 2 * (round_number + 1))):
            async with database.read() as tx, reader.open_snapshot(tx, door.brand.brand_id) as snapshot:
                await check_same(cluster, snapshot)
                assert (await cluster.ask(snapshot, "select count(*) as n from events", {})).to_pylist() == [
                    {"n": count}
                ]
        await move_events(dsn, place, lambda: NOW, flush=True)


@pytest.mark.long
async def test_a_cluster_that_was_started_anew_answers(
    database: Database, take: Door, place: HistoryPlace, reader: HistoryReader, tmp_path: Path
) -> None:
    """And one that is gone is an error, not an empty answer; a query that it cannot run is another."""
    await take(order(1))
    async with database.read() as tx, reader.open_snapshot(tx, take.brand.brand_id) as snapshot:
        with open_sail(tmp_path) as (url, first):
            asked = ClusterReader(url, place)
            await check_same(asked, snapshot)
            with pytest.raises(EngineFailed, match="no_such_table"):
                await asked.ask(snapshot, "select * from no_such_table", {})
            first.kill()
            first.wait()
            with pytest.raises(EngineUnavailable, match=r"127\.0\.0\.1"):
                await asked.ask(snapshot, COUNT, {})
            with open_sail(tmp_path, port=int(url.rpartition(":")[2])):
                await check_same(asked, snapshot)


@pytest.mark.long
def test_a_program_without_a_file_speaks_to_a_cluster_too(sail: str) -> None:
    """Spark's client takes one for its own tests and would end it."""
    program = f"""
from regulars.history.cluster import ClusterSession
print(ClusterSession({sail!r}, {{}}).fetch("select 41 + 1 as n", {{}}).to_pylist())
"""
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[{'n': 42}]\n"


@pytest.mark.long
async def test_published_files_go_when_nobody_can_need_them(
    database: Database, take: Door, place: HistoryPlace, reader: HistoryReader, cluster: ClusterReader
) -> None:
    published = place.folder / FOLDER

    async def publish() -> set[str]:
        async with database.read() as tx, reader.open_snapshot(tx, take.brand.brand_id) as snapshot:
            await check_same(cluster, snapshot)
        return {file.name for file in published.glob("*/*/events-*")}

    def grow_old(hours: float) -> None:
        for file in published.glob("*/*/*"):
            os.utime(file, (file.stat().st_atime, file.stat().st_mtime - hours * 3_600))

    for number in range(3):
        await take(order(number))
        found = await publish()
    assert found == {"events-0-1.parquet", "events-0-2.parquet", "events-0-3.parquet"}
    grow_old(2)
    await take(order(3))
    assert await publish() == {"events-0-3.parquet", "events-0-4.parquet"}, "the last one may be read still"
    now = datetime.now(UTC)
    assert remove_published(place, now=now) == 0
    assert remove_published(place, now=now + timedelta(days=2)) > 0
    assert list(published.iterdir()) == []
    assert await publish() == {"events-0-4.parquet"}, "who needs it writes it again"
    await cluster.close()
    assert list(published.iterdir()) == []


def test_without_the_extra_the_setting_is_refused(place: HistoryPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineMissing, match=r"\[spark\]"):
        ClusterReader("sc://localhost:1", place)
