"""The mover: takes rows of the tail to the lake, each exactly once, and lets readers see them there.

    plan      the move's ranges of seq are written down: from here on its rows are the lake's affair
    repeats   copies of messages that came long ago are found, and written down too
    events    appended, with the move's number in the same commit
    lines     likewise
    publish   pointer and move, in one transaction
    drop      ten minutes after, the rows leave the tail: no reader of the state before is left

It may die after each: the next run takes the oldest unpublished move up again and finds written what was written.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from regulars.events.service.leaving import drop_moved, reduce_counts
from regulars.history import lake, store
from regulars.history.engine import TailColumns, fetch_row, open_engine, type_tail_whole
from regulars.history.errors import HistoryAhead, HistoryMissing
from regulars.history.lake import MOVER, TABLES
from regulars.history.layout import choose_names
from regulars.history.model import HistoryPlace, Range, Repeat
from regulars.history.service import noting, repeating
from regulars.history.service.finishing import Step, finish_open_removal, go_on, sum_by_name
from regulars.history.store import LockHolder
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId
from regulars.members.service.joining import lock_brand_id
from regulars.platform.db import Database, WriteTransaction

SEALED_BYTES: Final = 64 << 20
SEALED_ROWS: Final = 250_000
DROP_AFTER: Final = timedelta(minutes=10)
DROP_ROWS_AT_ONCE: Final = 10_000
DROP_MOVES_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run did."""

    moves: int
    events: int


async def move_events(
    dsn: str,
    place: HistoryPlace,
    clock: Clock,
    *,
    flush: bool = False,
    rows_max: int = SEALED_ROWS,
    wait_seconds_max: float = 0.0,
    step: Step = go_on,
) -> Moved:
    """Move what is sealed (64 MiB or 250,000 rows, or as old as the place says), or with `flush` everything.

    One move takes at most `rows_max` rows: with fewer it needs less memory, and makes more files.

    Locks: the history's lock. Raises: HistoryBusy, HistoryAhead, HistoryMissing.
    """
    async with store.hold_lock(dsn, wait_seconds_max=wait_seconds_max) as holder:
        await finish_open_removal(holder, place, clock, step)
        events = await finish_open_move(holder, place, clock, step)
        moves = 1 if events else 0
        while True:
            async with holder.write() as tx:
                move_id, ranges = await _plan(
                    tx,
                    now=clock(),
                    sealed_age=timedelta(0) if flush else timedelta(seconds=place.seal_seconds),
                    rows_max=rows_max,
                )
            if not ranges:
                return Moved(moves, events)
            step("plan")
            events += await _complete(holder, place, clock, move_id, ranges, step)
            moves += 1


async def finish_open_move(holder: LockHolder, place: HistoryPlace, clock: Clock, step: Step = go_on) -> int:
    """Bring a move that somebody began to its end; returns how many events it has."""
    async with holder.write() as tx:
        move_id, ranges = await store.list_open_move(tx)
    return await _complete(holder, place, clock, move_id, ranges, step) if ranges else 0


async def _plan(
    tx: WriteTransaction, *, now: datetime, sealed_age: timedelta, rows_max: int
) -> tuple[int, list[Range]]:
    """Write a move down; none where nothing is sealed."""
    ranges: list[Range] = []
    bytes_left = SEALED_BYTES
    for unmoved in await store.list_unmoved(tx):
        await lock_brand_id(tx, BrandId(unmoved.brand_id))  # a removal that is under way ends first, or begins after
        to_seq, size, oldest, rows = await store.find_range(
            tx, unmoved.brand_id, after_seq=unmoved.after_seq, rows_max=rows_max, bytes_max=bytes_left
        )
        if to_seq is None or oldest is None:
            to_seq = unmoved.to_seq  # all of it was removed meanwhile
        elif sealed_age and not (size >= bytes_left or rows >= rows_max or oldest <= now - sealed_age):
            continue
        ranges.append(Range(unmoved.brand_id, unmoved.after_seq, to_seq))
        bytes_left -= size
        if bytes_left <= 0:
            break
    if not ranges:
        return 0, []
    move_id = await store.take_move_id(tx)
    for taken in ranges:
        await store.insert_move(tx, move_id, taken, now=now)
        await store.set_moving(tx, taken.brand_id, taken.to_seq)
        await _ensure_parts(tx, taken.brand_id)
    return move_id, ranges


async def _ensure_parts(tx: WriteTransaction, brand_id: int) -> None:
    """Before a brand's first move its names are counted; later only compaction changes parts."""
    if await store.get_first_received(tx, brand_id) is None and not await store.list_parts(tx, BrandId(brand_id)):
        counts = {name: events for name, events, _ in await store.list_name_counts(tx, brand_id)}
        await store.replace_parts(tx, brand_id, sorted(choose_names(counts)))


async def _complete(
    holder: LockHolder, place: HistoryPlace, clock: Clock, move_id: int, ranges: Sequence[Range], step: Step
) -> int:
    """Bring a move to its end, whatever of it was done before; returns how many events it has."""
    events_table, lines_table = [await asyncio.to_thread(lake.ensure_table, place.folder, table) for table in TABLES]
    written = [lake.number_written(table, MOVER) for table in (events_table, lines_table)]
    await _check_numbers(holder, max(written))
    engine = await asyncio.to_thread(open_engine, place)
    try:
        await _load(holder, engine, ranges)
        async with holder.write() as tx:
            repeats = await store.list_repeats(tx, move_id)
            if written[0] < move_id:
                repeats = await repeating.note_repeats(tx, engine, events_table, move_id, ranges)
        count, first_at = await asyncio.to_thread(_leave_out, engine, repeats)
        properties = await asyncio.to_thread(noting.list_properties, engine)
        step("repeats")
        if written[0] < move_id and count:
            await asyncio.to_thread(_append, engine, events_table, "moved_events", move_id)
        step("events")
        if written[1] < move_id and count:
            await asyncio.to_thread(_append, engine, lines_table, "moved_lines", move_id)
        step("lines")
    finally:
        await asyncio.to_thread(engine.close)
    async with holder.write() as tx:
        await noting.note_properties(tx, properties, ranges)
        await _publish(tx, move_id, ranges, repeats, (events_table, lines_table), first_at, clock())
    step("publish")
    return count


async def _check_numbers(holder: LockHolder, number: int) -> None:
    async with holder.write() as tx:
        last = await store.get_last_move_id(tx)
    if number > last:
        raise HistoryAhead(
            f"the lake holds move {number}, the database knows {last}: restore both from the same backup",
            suggestion="restore HOME/history and the database of one moment together",
        )


async def _load(holder: LockHolder, engine: DuckDBPyConnection, ranges: Sequence[Range]) -> None:
    """Rows of all ranges, typed, in the tables moved_events and moved_lines."""
    for table, name in zip(TABLES, ("moved_events", "moved_lines"), strict=True):
        columns = ", ".join(f'"{column}" {kind}' for column, kind in lake.COLUMNS[table].items())
        engine.execute(f"create table {name} ({columns})")
    for taken in ranges:
        brand_id = BrandId(taken.brand_id)
        rows = TailColumns()
        async with holder.write() as tx:
            named = await store.list_parts(tx, brand_id)
            chunks = store.list_tail_chunks_whole(tx, brand_id, after_seq=taken.after_seq, to_seq=taken.to_seq)
            async for chunk in chunks:
                rows.add(chunk)
        if rows.count:
            await asyncio.to_thread(_type, engine, taken.brand_id, rows, named)


def _type(engine: DuckDBPyConnection, brand_id: int, rows: TailColumns, named: frozenset[str]) -> None:
    type_tail_whole(engine, rows, named)
    sources = ("typed t", "typed_lines l join typed t on t.seq = l.seq")
    for table, name, source in zip(TABLES, ("moved_events", "moved_lines"), sources, strict=True):
        of_line = {"line_no", "item_id", "category", "quantity", "price"} if table == "lines" else set[str]()
        columns = [
            f"{brand_id}" if column == "brand" else f'{"l" if column in of_line else "t"}."{column}"'
            for column in lake.COLUMNS[table]
        ]
        engine.execute(f"insert into {name} select {', '.join(columns)} from {source}")


def _leave_out(engine: DuckDBPyConnection, repeats: Sequence[Repeat]) -> tuple[int, datetime | None]:
    """Take repeats out; how many events are left, and when the oldest of them that no import brought came in."""
    keys = {"brands": [repeat.brand_id for repeat in repeats], "seqs": [repeat.seq for repeat in repeats]}
    for name in ("moved_events", "moved_lines") if repeats else ():
        engine.execute(f"delete from {name} where (brand, seq) in (select (unnest($brands), unnest($seqs)))", keys)
    count, first_us = fetch_row(engine, "select count(*), epoch_us(min(received_at)) from moved_events")
    return count, None if first_us is None else repeating.instant_of(first_us)


def _append(engine: DuckDBPyConnection, table: DeltaTable, name: str, move_id: int) -> None:
    """Ordered by origin and time, so that one member's rows lie together until compaction orders by member."""
    columns = ["*", *(f"null::VARCHAR as {lake.promoted_column(at + 1)}" for at in range(lake.count_promoted(table)))]
    ordered = f"select {', '.join(columns)} from {name} order by brand, part, month, origin_id, occurred_at"
    lake.append_rows(table, engine.sql(ordered), writer=MOVER, number=move_id)


async def _publish(
    tx: WriteTransaction,
    move_id: int,
    ranges: Sequence[Range],
    repeats: Sequence[Repeat],
    tables: tuple[DeltaTable, DeltaTable],
    first_received_at: datetime | None,
    now: datetime,
) -> None:
    for taken in ranges:
        versions = {"events_version": tables[0].version(), "lines_version": tables[1].version()}
        moved = await store.publish_range(tx, taken, **versions, first_received_at=first_received_at, now=now)
        closed = await store.close_move(tx, taken.brand_id, move_id, now=now)
        if moved != 1 or closed != 1:
            raise HistoryMissing(f"move {move_id} of brand {taken.brand_id} does not begin where the pointer is")
        gone = [repeat for repeat in repeats if repeat.brand_id == taken.brand_id]
        await reduce_counts(tx, BrandId(taken.brand_id), sum_by_name([(one.name, one.line_count) for one in gone]))


async def drop_moved_rows(database: Database, clock: Clock) -> int:
    """Delete from the tail what was moved more than ten minutes ago and followers have seen; returns how many rows."""
    total = 0
    async with database.read() as tx:
        droppable = await store.list_droppable(tx, published_before=clock() - DROP_AFTER, limit=DROP_MOVES_AT_ONCE)
    for move_id, taken in droppable:
        while True:
            async with database.write() as tx:
                count = await drop_moved(
                    tx,
                    BrandId(taken.brand_id),
                    after_seq=taken.after_seq,
                    to_seq=taken.to_seq,
                    limit=DROP_ROWS_AT_ONCE,
                )
                if count < DROP_ROWS_AT_ONCE:
                    await store.close_drop(tx, taken.brand_id, move_id, now=clock())
            total += count
            if count < DROP_ROWS_AT_ONCE:
                break
    return total
