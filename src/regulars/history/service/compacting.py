"""Compaction: few files, ordered by member and time, each row in the part that today's shares of names give it.

One brand's month at a time: its parts with several small files, and those that a row must leave or enter, are rewritten
in one commit a table and published. Rows stay the same; a reader of the state before keeps its files.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from regulars.history import lake, store
from regulars.history.engine import fetch_row, integers, longs, open_engine
from regulars.history.errors import HistoryMissing
from regulars.history.lake import FILE_BYTES_TARGET, TABLES, LakeFile, TableName
from regulars.history.layout import choose_names, part_of
from regulars.history.model import HistoryPlace
from regulars.history.service import promoting
from regulars.history.service.finishing import Step, go_on
from regulars.history.service.promoting import Promoted
from regulars.history.service.removing import settle
from regulars.history.store import LockHolder
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId

SMALL_FILE_BYTES: Final = FILE_BYTES_TARGET // 2
SMALL_FILES_MIN: Final = 2

_REPLACED_SQL: Final = """
select f.* replace (p.part as part){promoted}
from ({files}) f join compact_parts p on p.name = f.name left join compact_origins o on o.origin_id = f.origin_id
order by p.part, coalesce(o.member_no, 2147483647), f.occurred_at, f.seq{line_no}
"""


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a run did."""

    months: int
    files_before: int
    files_after: int


async def compact_history(
    dsn: str,
    place: HistoryPlace,
    clock: Clock,
    *,
    small_files_min: int = SMALL_FILES_MIN,
    promoted_events_min: int | None = promoting.EVENTS_MIN,
    wait_seconds_max: float = 60.0,
    step: Step = go_on,
) -> Compacted:
    """Rewrite what has many small files, or rows in a part of before; of brands with so many events what lacks columns of
    promoted properties, unless None.

    Locks: the history's lock, anew for each brand. Raises: HistoryBusy, HistoryAhead, HistoryMissing.
    """
    async with store.hold_lock(dsn, wait_seconds_max=wait_seconds_max) as holder:
        await settle(holder, place, clock, step)
        async with holder.write() as tx:
            brand_ids = [row[0] for row in await store.list_pointers(tx) if row[3] is not None]
    months = before = after = 0
    for brand_id in brand_ids:
        async with store.hold_lock(dsn, wait_seconds_max=wait_seconds_max) as holder:
            await settle(holder, place, clock, step)
            wanted = _Wanted(small_files_min, promoted_events_min)
            done = await _compact_brand(holder, place, clock, brand_id, wanted, step)
        months, before, after = months + done.months, before + done.files_before, after + done.files_after
    return Compacted(months, before, after)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """From how many small files on, and of how many events on, something is rewritten."""

    small_files_min: int
    promoted_events_min: int | None


async def _compact_brand(
    holder: LockHolder, place: HistoryPlace, clock: Clock, brand_id: int, wanted: _Wanted, step: Step
) -> Compacted:
    async with holder.write() as tx:
        promoted = await promoting.get_promoted(tx, BrandId(brand_id))
        known = await store.list_parts(tx, BrandId(brand_id))
        counts = {name: events for name, events, _ in await store.list_name_counts(tx, brand_id)}
        named = choose_names(counts, known)
        # First of all: from now on the mover writes as the rows will lie. Readers look in both parts anyway.
        await store.replace_parts(tx, brand_id, sorted(named))
        origins = [row async for row in store.list_origin_chunks(tx, BrandId(brand_id), after_origin_id=0)]
    engine = await asyncio.to_thread(open_engine, place)
    try:
        tables: dict[TableName, DeltaTable] = {
            name: await asyncio.to_thread(lake.ensure_table, place.folder, name) for name in TABLES
        }
        await asyncio.to_thread(_load_map, engine, origins)
        plan = await asyncio.to_thread(_list_work, engine, tables, brand_id, named, wanted, promoted)
        before = sum(len(_files_of(tables[name], brand_id)) for name in TABLES)
        if plan and promoted.slots:
            await asyncio.to_thread(lake.ensure_promoted, tables["events"], max(promoted.slots.values()))
        for month, parts in sorted(plan.items()):
            old = {file.path for file in _files_of(tables["events"], brand_id)}
            for name in TABLES:
                fill = promoting.fill_sql(promoted, lake.count_promoted(tables[name]))
                await asyncio.to_thread(_rewrite, engine, tables[name], name, brand_id, month, sorted(parts), fill)
                step(f"compact {name}")
            paths = [file.path for file in _files_of(tables["events"], brand_id)]
            async with holder.write() as tx:
                versions = {"events_version": tables["events"].version(), "lines_version": tables["lines"].version()}
                fresh = [path for path in paths if path not in old]
                await promoting.note_files(tx, brand_id, promoted, fresh, paths)
                await store.publish_versions(tx, [brand_id], **versions, now=clock())
            step("compact publish")
        after = sum(len(_files_of(tables[name], brand_id)) for name in TABLES)
        return Compacted(len(plan), before, after)
    finally:
        await asyncio.to_thread(engine.close)


def _files_of(table: DeltaTable, brand_id: int) -> list[LakeFile]:
    return [file for file in lake.list_files(table) if file.brand_id == brand_id]


def _load_map(engine: DuckDBPyConnection, chunks: Sequence[tuple[bytes, bytes]]) -> None:
    columns = {
        "origin_id": longs([origins for origins, _ in chunks]),
        "member_no": integers([numbers for _, numbers in chunks]),
    }
    engine.register("scanned", columns)
    engine.execute("create temp table compact_origins as select origin_id, member_no from scanned")
    engine.unregister("scanned")


def _list_work(
    engine: DuckDBPyConnection,
    tables: dict[TableName, DeltaTable],
    brand_id: int,
    named: frozenset[str],
    wanted: _Wanted,
    promoted: Promoted,
) -> dict[int, set[str]]:
    """Parts to be rewritten, by month: with small files, without promoted columns, or from or to which rows must go."""
    files = _files_of(tables["events"], brand_id)
    scan = lake.scan_sql("events", [file.path for file in files])
    names = sorted(name for (name,) in engine.execute(f"select distinct name from ({scan})").fetchall())
    engine.execute(
        "create temp table compact_parts as"
        " select unnest($names::VARCHAR[]) as name, unnest($parts::VARCHAR[]) as part",
        {"names": names, "parts": [part_of(name, named) for name in names]},
    )
    work: dict[int, set[str]] = {}
    if wanted.promoted_events_min is not None:
        work = promoting.list_lacking(files, promoted, wanted.promoted_events_min)
    misplaced = engine.execute(
        f"select distinct f.month, f.part, p.part from ({scan}) f join compact_parts p on p.name = f.name"
        " where f.part <> p.part"
    ).fetchall()
    for month, source, target in misplaced:
        work.setdefault(month, set()).update((source, target))
    for name in TABLES:
        small = Counter(
            (file.month, file.part) for file in _files_of(tables[name], brand_id) if file.size_bytes < SMALL_FILE_BYTES
        )
        for (month, part), count in small.items():
            if count >= wanted.small_files_min:
                work.setdefault(month, set()).add(part)
    return work


def _rewrite(
    engine: DuckDBPyConnection,
    table: DeltaTable,
    name: TableName,
    brand_id: int,
    month: int,
    parts: Sequence[str],
    promoted: str,
) -> None:
    files = [file for file in _files_of(table, brand_id) if file.month == month and file.part in parts]
    if not files:
        return
    scan = lake.scan_sql(name, [file.path for file in files])
    line_no = ", f.line_no" if name == "lines" else ""
    rows_sql = _REPLACED_SQL.format(files=scan, line_no=line_no, promoted=promoted)
    (there,) = fetch_row(engine, f"select count(*) from ({scan})")
    (taken,) = fetch_row(engine, f"select count(*) from ({rows_sql})")
    if there != taken:  # before anything is written: nobody may ever read a table that lacks rows
        raise HistoryMissing(f"compaction of {name} in {month} would keep {taken} of {there} rows")
    listed = ", ".join(f"'{part}'" for part in parts)
    predicate = f"brand = {int(brand_id)} and month = {int(month)} and part in ({listed})"
    lake.replace_rows(table, engine.sql(rows_sql), predicate=predicate)
