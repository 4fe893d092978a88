"""Make the events of erased members go: out of the tables at night, off the disk when no version needs them.

They are hidden from the moment of erasing, since their origins are in no map. What the tail still holds behind the last
move, `events.jobs` removes; all else is removed here.

    plan      the events that go are written down, so that they are taken off the counts once
    events    deleted, with the removal's number in the same commit
    lines     likewise
    publish   pointer and counts, in one transaction
    vacuum    a week later the files that held them are deleted

An erasure is looked at every night until its vacuum: an event that was on its way while it was asked for goes too.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from regulars.history import lake, store
from regulars.history.engine import open_engine
from regulars.history.lake import TABLES
from regulars.history.model import HistoryPlace
from regulars.history.service.finishing import Step, complete_removal, finish_open_removal, go_on
from regulars.history.service.moving import finish_open_move
from regulars.history.store import LockHolder
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId, OriginId
from regulars.platform.db import WriteTransaction

RETENTION_DAYS: Final = 7
"""How long a file is kept that no version needs any more: far longer than any reader holds one."""
EVENTS_PER_REMOVAL_MAX: Final = 10_000


async def ask_removal(
    tx: WriteTransaction, brand_id: BrandId, origin_ids: Sequence[OriginId], *, now: datetime
) -> None:
    """The events of these origins, which are in no map any more, must go."""
    await store.insert_erasures(tx, brand_id, origin_ids, now=now)


async def settle(holder: LockHolder, place: HistoryPlace, clock: Clock, step: Step = go_on) -> None:
    """Bring to its end what somebody began and did not publish: at most one removal or one move."""
    await finish_open_removal(holder, place, clock, step)
    await finish_open_move(holder, place, clock, step)


async def remove_erased(
    dsn: str, place: HistoryPlace, clock: Clock, *, wait_seconds_max: float = 60.0, step: Step = go_on
) -> int:
    """Remove events of erased members from the lake; returns how many.

    Locks: the history's lock. Raises: HistoryBusy, HistoryAhead, HistoryMissing.
    """
    total = 0
    async with store.hold_lock(dsn, wait_seconds_max=wait_seconds_max) as holder:
        await settle(holder, place, clock, step)
        async with holder.write() as tx:
            brand_ids = await store.list_erasing_brands(tx)
        for brand_id in brand_ids:
            count = EVENTS_PER_REMOVAL_MAX
            while count == EVENTS_PER_REMOVAL_MAX:
                count = await _remove_of_brand(holder, place, clock, brand_id, step)
                total += count
    return total


async def _remove_of_brand(holder: LockHolder, place: HistoryPlace, clock: Clock, brand_id: int, step: Step) -> int:
    async with holder.write() as tx:
        origin_ids = await store.list_erasures(tx, brand_id)
    rows = await asyncio.to_thread(_find_events, place, brand_id, origin_ids)
    if rows:
        async with holder.write() as tx:
            removal_id = await store.take_removal_id(tx)
            await store.insert_removals(tx, brand_id, removal_id, rows)
        step("removal plan")
        await complete_removal(holder, place, clock, brand_id, removal_id, step)
    if len(rows) < EVENTS_PER_REMOVAL_MAX:
        async with holder.write() as tx:
            await store.close_erasures(tx, brand_id, origin_ids, now=clock())
    return len(rows)


def _find_events(place: HistoryPlace, brand_id: int, origin_ids: Sequence[int]) -> list[tuple[int, str, int]]:
    """seq, name and lines of the origins' events in the lake. Nothing is open: its newest version is everybody's."""
    table = lake.ensure_table(place.folder, "events")
    files = [file.path for file in lake.list_files(table) if file.brand_id == brand_id]
    with open_engine(place) as engine:
        return engine.execute(
            f"select seq, name, line_count from ({lake.scan_sql('events', files)})"
            f" where origin_id in (select unnest($origin_ids::BIGINT[])) order by seq limit {EVENTS_PER_REMOVAL_MAX}",
            {"origin_ids": list(origin_ids)},
        ).fetchall()


async def vacuum(
    dsn: str,
    place: HistoryPlace,
    clock: Clock,
    *,
    retention: timedelta = timedelta(days=RETENTION_DAYS),
    wait_seconds_max: float = 60.0,
) -> int:
    """Delete files that no version younger than the retention needs; returns how many.

    Every brand's pointer is first brought to the newest versions, so that no old one has to be kept for a quiet brand.

    Locks: the history's lock. Raises: HistoryBusy, HistoryAhead, HistoryMissing.
    """
    count = 0
    async with store.hold_lock(dsn, wait_seconds_max=wait_seconds_max) as holder:
        await settle(holder, place, clock)
        tables = [await asyncio.to_thread(lake.ensure_table, place.folder, name) for name in TABLES]
        for table in tables:
            count += await asyncio.to_thread(lake.vacuum_files, table, retention)
        async with holder.write() as tx:
            brand_ids = [row[0] for row in await store.list_pointers(tx)]
            versions = {"events_version": tables[0].version(), "lines_version": tables[1].version()}
            await store.publish_versions(tx, brand_ids, **versions, now=clock())
            await store.close_vacuum(tx, removed_before=clock() - retention, now=clock())
    return count
