"""A member's events, newest first: those of the lake and those of the tail behind the pointer, as one list."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any
from uuid import UUID

from duckdb import DuckDBPyConnection

from regulars.events.segment import to_microseconds
from regulars.events.service.reading import make_event_cursor, parse_event_cursor, show_event
from regulars.history import lake, store
from regulars.history.service.reading import HistoryReader, list_lake_files
from regulars.history.service.repeating import instant_of
from regulars.members.service.reading import get_active
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

Row = tuple[object, str, str, datetime, datetime, str, int]
"""event id, message id, name, occurred_at, received_at, properties, seq"""


async def list_member_events(
    tx: ReadTransaction, brand: Brand, reader: HistoryReader, member: str, *, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A member's events, newest first, and the cursor of the next page. Raises: MemberUnknown, CursorInvalid."""
    member_id = await get_active(tx, brand, member)
    before_at, before_seq = parse_event_cursor(cursor)
    # The pointer first: what is moved between two statements is in the tail for ten minutes more.
    state = await store.get_state(tx, brand.brand_id)
    origin_ids = await store.list_member_origins(tx, brand.brand_id, member_id)
    in_tail = await store.list_tail_of_origins(
        tx,
        brand.brand_id,
        origin_ids,
        after_seq=state.pointer.moved_to,
        before_at=before_at,
        before_seq=before_seq,
        limit=limit + 1,
    )
    files = await asyncio.to_thread(list_lake_files, reader.place, brand.brand_id, state, "events")
    in_lake: list[Row] = []
    if files and origin_ids:
        in_lake = await asyncio.to_thread(_read_lake, reader, files, origin_ids, before_at, before_seq, limit + 1)
    rows: list[Row] = list(islice(merge(in_tail, in_lake, key=lambda row: (row[3], row[6]), reverse=True), limit + 1))
    page = rows[:limit]
    following = make_event_cursor(page[-1][3], page[-1][6]) if len(rows) > limit else None
    return [show_event(*row[:6]) for row in page], following


def _read_lake(
    reader: HistoryReader,
    files: Sequence[str],
    origin_ids: Sequence[int],
    before_at: datetime,
    before_seq: int,
    limit: int,
) -> list[Row]:
    connection = reader.connect()
    try:
        return _read_newest(connection, files, origin_ids, before_at, before_seq, limit)
    finally:
        connection.close()


def _read_newest(
    connection: DuckDBPyConnection,
    files: Sequence[str],
    origin_ids: Sequence[int],
    before_at: datetime,
    before_seq: int,
    limit: int,
) -> list[Row]:
    found = connection.execute(
        "select event_id, message_id, name, epoch_us(occurred_at), epoch_us(received_at), properties, seq"
        f" from ({lake.scan_sql('events', files)}) where origin_id in (select unnest($origin_ids::BIGINT[]))"
        " and (occurred_at < make_timestamptz($before_us::BIGINT)"
        "  or occurred_at = make_timestamptz($before_us::BIGINT) and seq < $before_seq)"
        " order by occurred_at desc, seq desc limit $limit",
        {
            "origin_ids": list(origin_ids),
            "before_us": to_microseconds(before_at),
            "before_seq": before_seq,
            "limit": limit,
        },
    ).fetchall()
    return [
        (UUID(bytes=bytes(event_id)), message_id, name, instant_of(occurred), instant_of(received), properties, seq)
        for event_id, message_id, name, occurred, received, properties, seq in found
    ]
