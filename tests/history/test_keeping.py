"""Compaction, removal, vacuum, verify: the rows stay the same, or go for good."""

import asyncio
import signal
from datetime import timedelta

import pytest

from regulars.events.jobs import remove_events
from regulars.history import lake
from regulars.history.model import HistoryPlace
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import drop_moved_rows, move_events
from regulars.history.service.reading import HistoryReader
from regulars.history.service.removing import ask_removal, remove_erased, vacuum
from regulars.history.service.verifying import list_findings
from regulars.members.service import erasing
from regulars.members.service import reading as members
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door, ask
from tests.history.killed import keep_until
from tests.support.commands import run_forked

pytestmark = pytest.mark.anyio

ORDER = {"event": "Order Completed", "properties": {"products": [{"sku": "a"}, {"sku": "b"}], "revenue": 3}}
ROWS = "select seq, name, line_count, revenue, epoch_us(occurred_at) from events order by seq"
LINES = "select seq, line_no, item_id from lines order by all"


async def erase(database: Database, brand: Brand, user_id: str) -> None:
    async with database.read() as tx:
        (found,) = await members.list_by_identity(tx, brand, "user_id", user_id)
    async with database.write() as tx:
        origin_ids = await erasing.erase_member(tx, brand, members.member_text(found), now=NOW)
        await ask_removal(tx, brand.brand_id, origin_ids, now=NOW)
    await remove_events(database, brand.brand_id, origin_ids)


async def take_and_move(take: Door, dsn: str, place: HistoryPlace, rounds: int = 3) -> None:
    for number in range(rounds):
        messages = [{"messageId": f"m{number}.{n}", "userId": f"u{n % 3}", **ORDER} for n in range(6)]
        await take(*messages, {"messageId": f"x{number}", "event": f"X{number}"})
        await move_events(dsn, place, lambda: NOW, flush=True)


async def check_clean(database: Database, place: HistoryPlace) -> None:
    assert (await list_findings(database, place)).findings == []


async def test_compaction_keeps_every_row_in_fewer_files(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take_and_move(take, dsn, place)
    before = [await ask(database, reader, take.brand, sql) for sql in (ROWS, LINES)]
    async with database.read() as tx, reader.open_snapshot(tx, take.brand.brand_id) as kept:
        done = await compact_history(dsn, place, lambda: NOW)
        assert done.files_after < done.files_before
        assert kept.connection.execute(ROWS).fetchall() == before[0]
    assert [await ask(database, reader, take.brand, sql) for sql in (ROWS, LINES)] == before
    assert (await compact_history(dsn, place, lambda: NOW)).months == 0
    await check_clean(database, place)


async def test_a_name_that_grows_gets_its_part(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take(*({"messageId": f"a{n}", "event": "A"} for n in range(250)), {"messageId": "b", "event": "B"})
    await move_events(dsn, place, lambda: NOW, flush=True)
    parts = "select distinct name, part from events order by all"
    assert await ask(database, reader, take.brand, parts) == [("A", "a"), ("B", "other")]
    await take(*({"messageId": f"b{n}", "event": "B"} for n in range(50)))
    await compact_history(dsn, place, lambda: NOW)
    await move_events(dsn, place, lambda: NOW, flush=True)
    assert await ask(database, reader, take.brand, parts) == [("A", "a"), ("B", "b")]
    await check_clean(database, place)


async def test_erased_events_go_from_the_lake_and_the_counts(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take_and_move(take, dsn, place)
    await take({"messageId": "tail", "userId": "u1", **ORDER})
    await erase(database, take.brand, "u1")
    await check_clean(database, place)
    assert await remove_erased(dsn, place, lambda: NOW) == 9
    await check_clean(database, place)
    fresh = HistoryReader(place)
    assert await ask(database, fresh, take.brand, "select count(*) from events") == [(12,)]
    fresh.close()
    async with database.read() as tx:
        assert await tx.row("select sum(event_count), sum(line_count) from events_names") == (12, 24)
    assert await remove_erased(dsn, place, lambda: NOW) == 0
    assert await vacuum(dsn, place, lambda: NOW + timedelta(days=9), retention=timedelta(0)) > 0
    async with database.read() as tx:
        assert await tx.row("select count(*) from history_erasures where vacuumed_at is null") == (0,)
    on_disk = {str(path) for path in (place.folder / "events").glob("brand=*/**/*.parquet")}
    assert on_disk == {file.path for file in lake.list_files(lake.open_table(place.folder, "events"))}
    assert await ask(database, reader, take.brand, "select count(*) from events") == [(12,)]
    await check_clean(database, place)


STEPS = (
    "removal publish",
    "compact events",
    "compact publish",
    *(
        pytest.param(step, marks=pytest.mark.long)
        for step in ("removal plan", "removal events", "removal lines", "compact lines")
    ),
)


@pytest.mark.parametrize("step", STEPS)
async def test_a_keeper_killed_at_any_step_loses_and_doubles_nothing(
    step: str, database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    await take_and_move(take, dsn, place, rounds=2)
    await erase(database, take.brand, "u1")
    sums = "select count(*), count(distinct seq), sum(line_count) from events join origins using (origin_id)"
    ended = await asyncio.to_thread(run_forked, keep_until, dsn, place.folder, step, NOW)
    assert ended == -signal.SIGKILL
    assert await ask(database, reader, take.brand, sums) == [(8, 8, 16)]
    await take({"messageId": "after", "userId": "u2", **ORDER})
    await move_events(dsn, place, lambda: NOW, flush=True)
    assert await ask(database, reader, take.brand, sums) == [(9, 9, 18)]
    await remove_erased(dsn, place, lambda: NOW)
    await compact_history(dsn, place, lambda: NOW)
    await drop_moved_rows(database, lambda: NOW + timedelta(minutes=11))
    assert await ask(database, reader, take.brand, sums) == [(9, 9, 18)]
    await check_clean(database, place)
    async with database.read() as tx:
        assert await tx.row("select sum(event_count), sum(line_count) from events_names") == (9, 18)
