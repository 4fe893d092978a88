"""The mover: each event exactly once at every moment, however often it dies."""

import asyncio
import signal
from datetime import timedelta

import pytest

from regulars.history.model import HistoryPlace
from regulars.history.service.moving import Moved, drop_moved_rows, move_events
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door, ask
from tests.history.killed import move_until
from tests.support.commands import run_forked

pytestmark = pytest.mark.anyio

STEPS = ("lines", "publish", *(pytest.param(step, marks=pytest.mark.long) for step in ("plan", "repeats", "events")))
SEQS = "select list(seq order by seq) from events"
LINES = "select count(*), count(distinct (seq, line_no)) from lines"
ORDER = {"event": "Order Completed", "properties": {"products": [{"sku": "a"}, {"sku": "b"}], "revenue": 3}}


async def flush(place: HistoryPlace, dsn: str, *, days: int = 0) -> Moved:
    return await move_events(dsn, place, lambda: NOW + timedelta(days=days), flush=True)


async def test_what_is_moved_is_read_from_the_lake(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take(*({"messageId": f"m{n}", **ORDER} for n in range(5)))
    columns = "seq, part, month, name, revenue, order_id, line_count, properties, epoch_us(occurred_at)"
    before = [await ask(database, reader, take.brand, f"select {columns} from events order by seq")]
    before += [await ask(database, reader, take.brand, "select seq, line_no, item_id from lines order by all")]
    assert await flush(place, dsn) == Moved(moves=1, events=5)
    assert await drop_moved_rows(database, lambda: NOW) == 0
    assert await drop_moved_rows(database, lambda: NOW + timedelta(minutes=11)) == 5
    await take({"messageId": "later", **ORDER})
    after = await ask(database, reader, take.brand, f"select {columns} from events where seq < 6 order by seq")
    assert [row[1] for row in after] == ["order_completed"] * 5
    assert [row[0] for row in after] == [1, 2, 3, 4, 5]
    assert [row[2:] for row in after] == [row[2:] for row in before[0]]
    lines = await ask(
        database, reader, take.brand, "select seq, line_no, item_id from lines where seq < 6 order by all"
    )
    assert lines == before[1]
    assert await ask(database, reader, take.brand, SEQS) == [([1, 2, 3, 4, 5, 6],)]


async def test_a_tail_is_sealed_by_age(dsn: str, take: Door, place: HistoryPlace) -> None:
    await take({"messageId": "m1"})
    assert (await move_events(dsn, place, lambda: NOW + timedelta(minutes=4))).events == 0
    assert (await move_events(dsn, place, lambda: NOW + timedelta(minutes=6))).events == 1


async def test_a_snapshot_outlives_a_move(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take({"messageId": "m1"}, {"messageId": "m2"})
    async with database.read() as tx:
        await tx.row("select 1")  # its snapshot is taken
        await flush(place, dsn)
        assert await ask(database, reader, take.brand, SEQS) == [([1, 2],)]
        async with reader.open_snapshot(tx, take.brand.brand_id) as before:
            assert before.connection.execute(SEQS).fetchall() == [([1, 2],)]
            assert before.state.pointer.moved_to == 0
    await take({"messageId": "m3"})
    assert await ask(database, reader, take.brand, SEQS) == [([1, 2, 3],)]


async def test_a_later_copy_is_left_out(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    timed = {"messageId": "m1", "timestamp": (NOW - timedelta(hours=1)).isoformat(), **ORDER}
    untimed = {"messageId": "m2", **ORDER}
    await take(timed, untimed)
    await flush(place, dsn)
    late = NOW + timedelta(days=70)
    assert await take(timed, untimed, {"messageId": "m3"}, now=late) == ["written"] * 3
    await flush(place, dsn, days=70)
    assert await ask(database, reader, take.brand, SEQS) == [([1, 2, 5],)]
    assert await ask(database, reader, take.brand, LINES) == [(4, 4)]
    async with database.read() as tx:
        rows = await tx.rows("select name, event_count, line_count from events_names order by name")
    assert rows == [("E", 1, 0), ("Order Completed", 2, 4)]


@pytest.mark.parametrize("step", STEPS)
async def test_a_mover_killed_at_any_step_loses_and_doubles_nothing(
    step: str,
    database: Database,
    dsn: str,
    take: Door,
    second_brand: Brand,
    place: HistoryPlace,
    reader: HistoryReader,
) -> None:
    second = Door(database, second_brand)
    await take(*({"messageId": f"m{n}", **ORDER} for n in range(3)))
    await second({"messageId": "m1", **ORDER})
    await flush(place, dsn)
    await take({"messageId": "m3", **ORDER})
    await second({"messageId": "m2"})
    ended = await asyncio.to_thread(run_forked, move_until, dsn, place.folder, step, NOW)
    assert ended == -signal.SIGKILL
    await take({"messageId": "m4", **ORDER})
    for run in range(2):
        assert await ask(database, reader, take.brand, SEQS) == [([1, 2, 3, 4, 5],)], run
        assert await ask(database, reader, take.brand, LINES) == [(10, 10)], run
        assert await ask(database, reader, second_brand, SEQS) == [([1, 2],)], run
        await flush(place, dsn)
    await drop_moved_rows(database, lambda: NOW + timedelta(minutes=11))
    async with database.read() as tx:
        assert await tx.row("select count(*) from facts.tail") == (0,)
    fresh = HistoryReader(place)
    assert await ask(database, fresh, take.brand, SEQS) == [([1, 2, 3, 4, 5],)]
    assert await ask(database, fresh, second_brand, SEQS) == [([1, 2],)]
    fresh.close()
