"""Later copies: a message that comes again after the door has forgotten it is not added to the lake a second time.

The door knows 35 days exactly, and imports for ever. So a copy is looked for only where the first could be older than
that: where a brand's lake is, and of a message with a time of its own, where that time is. What it costs: nothing as
long as nothing in the lake is 34 days older than the move; then, for late messages, reading the ids of the months around
their times (16 bytes an event); for messages without a time, the ids of all months.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from deltalake import DeltaTable
from duckdb import DuckDBPyConnection

from regulars.events.service.taking import DEDUPE_DAYS, IMPORT_SOURCE_ID
from regulars.history import lake, store
from regulars.history.engine import fetch_row
from regulars.history.layout import month_of
from regulars.history.model import Range, Repeat
from regulars.platform.db import WriteTransaction

FORGOTTEN_DAYS: Final = DEDUPE_DAYS - 1
"""A day less than the door's, for clocks."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CANDIDATES_SQL: Final = f"""
create or replace temp table candidates as
select seq, event_id, name, line_count, occurred_at, original_at, received_at from moved_events
where brand = $brand_id and source_id <> {IMPORT_SOURCE_ID} and (
    original_at is null or original_at > received_at or received_at - occurred_at > interval {FORGOTTEN_DAYS} day
)
"""


def instant_of(microseconds: int) -> datetime:
    """µs since 1970 as an instant."""
    return _EPOCH + timedelta(microseconds=microseconds)


async def note_repeats(
    tx: WriteTransaction, engine: DuckDBPyConnection, table: DeltaTable, move_id: int, ranges: Sequence[Range]
) -> list[Repeat]:
    """Find and write down which of the rows in `moved_events` are copies of what the lake holds."""
    repeats: list[Repeat] = []
    for taken in ranges:
        first_at = await store.get_first_received(tx, taken.brand_id)
        if first_at is not None:
            repeats += await asyncio.to_thread(_find_repeats, engine, table, taken.brand_id, first_at)
    if repeats:
        await store.insert_repeats(tx, move_id, repeats)
    return repeats


def _find_repeats(engine: DuckDBPyConnection, table: DeltaTable, brand_id: int, first_at: datetime) -> list[Repeat]:
    engine.execute(_CANDIDATES_SQL, {"brand_id": brand_id})
    last_us, has_untimed = fetch_row(
        engine, "select epoch_us(max(received_at)), bool_or(original_at is null) from candidates"
    )
    if last_us is None or instant_of(last_us) - first_at < timedelta(days=FORGOTTEN_DAYS):
        return []
    months = None if has_untimed else _months_around(engine)
    files = [
        file.path
        for file in lake.list_files(table)
        if file.brand_id == brand_id and (months is None or file.month in months)
    ]
    found = engine.execute(
        "select c.seq, c.name, c.line_count from candidates c semi join"
        f" (select event_id from ({lake.scan_sql('events', files)})) known on known.event_id = c.event_id"
    ).fetchall()
    return [Repeat(brand_id, seq, name, line_count) for seq, name, line_count in found]


def _months_around(engine: DuckDBPyConnection) -> set[int]:
    """Months in which the first copies lie: two days around what each says of its time, for clocks."""
    instants = engine.execute(
        "select distinct epoch_us(time_bucket(interval 1 day, unnest([occurred_at, original_at]))) from candidates"
    ).fetchall()
    return {month_of(instant_of(us) + timedelta(days=days)) for (us,) in instants for days in (-2, -1, 0, 1, 2, 3)}
