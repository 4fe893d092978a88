"""Verify: whether each event is in the history exactly once, and whether what is counted is there.

Read in one transaction, from the files of the pointer's versions and the tail behind it. Changes nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from regulars.history import lake, store
from regulars.history.engine import fetch_row, open_engine
from regulars.history.lake import TABLES, TableName
from regulars.history.model import DataState, HistoryPlace
from regulars.history.service.reading import list_lake_files
from regulars.kernel.ids import BrandId
from regulars.platform.db import Database, ReadTransaction


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    brand_id: int
    what: str
    said: str


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, and what is wrong."""

    brands: int
    lake_events: int
    tail_events: int
    findings: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": not self.findings, **asdict(self)}


async def list_findings(database: Database, place: HistoryPlace, brand_id: BrandId | None = None) -> Verified:
    """Everything that is wrong with the history of one brand, or of any."""
    findings: list[Finding] = []
    lake_events = tail_events = 0
    async with database.read() as tx:
        brand_ids = [row[0] for row in await store.list_pointers(tx) if brand_id in (None, row[0])]
        for looked_at in brand_ids:
            in_lake, in_tail, found = await _look_at(tx, place, looked_at)
            lake_events, tail_events = lake_events + in_lake, tail_events + in_tail
            findings += found
    return Verified(len(brand_ids), lake_events, tail_events, findings)


async def _look_at(tx: ReadTransaction, place: HistoryPlace, brand_id: int) -> tuple[int, int, list[Finding]]:
    state = await store.get_state(tx, BrandId(brand_id))
    tail = await store.list_tail_counts(tx, brand_id, after_seq=state.pointer.moved_to)
    counted = await store.list_name_counts(tx, brand_id)
    files: dict[TableName, list[str]] = {
        name: await asyncio.to_thread(list_lake_files, place, BrandId(brand_id), state, name) for name in TABLES
    }
    missing = [path for paths in files.values() for path in paths if not await asyncio.to_thread(Path(path).exists)]
    tail_events = sum(events for _, events, _ in tail)
    if missing:
        said = f"{len(missing)} files of the lake are not on the disk, the first is {missing[0]}"
        return 0, tail_events, [Finding(brand_id, "files", said)]
    engine = await asyncio.to_thread(open_engine, place)
    try:
        seqs = await asyncio.to_thread(_check_seqs, engine, files, brand_id, state)
        names = await asyncio.to_thread(_count_names, engine, files["events"])
    finally:
        await asyncio.to_thread(engine.close)
    lake_events = sum(events for events, _ in names.values())
    return lake_events, tail_events, [*seqs, *_compare_counts(brand_id, names, tail, counted)]


def _check_seqs(
    engine: DuckDBPyConnection, files: dict[TableName, list[str]], brand_id: int, state: DataState
) -> list[Finding]:
    scans = {name: f"({lake.scan_sql(name, files[name])})" for name in TABLES}
    moved_to = state.pointer.moved_to
    looks = {
        "twice": (
            "events are in the lake more than once",
            f"select count(*) from (select seq from {scans['events']} group by seq having count(*) > 1)",
        ),
        "unmoved": (
            "events of the lake are the tail's still",
            f"select count(*) from {scans['events']} where seq > {moved_to} or seq is null",
        ),
        "lines": (
            "events have other lines in the lake than were counted",
            f"select count(*) from (select seq, any_value(line_count) as lines from {scans['events']} group by seq) e"
            f" full join (select seq, count(*) as lines, count(distinct line_no) as numbers from {scans['lines']}"
            " group by seq) l on l.seq = e.seq"
            " where coalesce(l.lines, 0) <> coalesce(e.lines, 0) or l.lines <> l.numbers",
        ),
        "places": (
            "events lie in the folder of another month",
            f"select count(*) from {scans['events']} where month <> year(occurred_at) * 100 + month(occurred_at)",
        ),
    }
    found = {what: (said, *fetch_row(engine, sql)) for what, (said, sql) in looks.items()}
    return [Finding(brand_id, what, f"{count} {said}") for what, (said, count) in found.items() if count]


def _count_names(engine: DuckDBPyConnection, files: Sequence[str]) -> dict[str, tuple[int, int]]:
    rows = engine.execute(
        f"select name, count(*), sum(line_count)::BIGINT from ({lake.scan_sql('events', files)}) group by name"
    ).fetchall()
    return {name: (events, lines) for name, events, lines in rows}


def _compare_counts(
    brand_id: int,
    lake_counts: dict[str, tuple[int, int]],
    tail: Sequence[tuple[str, int, int]],
    counted: Sequence[tuple[str, int, int]],
) -> list[Finding]:
    there = dict(lake_counts)
    for name, events, lines in tail:
        events_before, lines_before = there.get(name, (0, 0))
        there[name] = (events_before + events, lines_before + int(lines))
    wanted = {name: (events, lines) for name, events, lines in counted if events or lines}
    return [
        Finding(
            brand_id,
            "counts",
            f"{name!r}: (events, lines) {there.get(name, (0, 0))}, counted {wanted.get(name, (0, 0))}",
        )
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name, (0, 0)) != wanted.get(name, (0, 0))
    ]
