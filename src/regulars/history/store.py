"""History's tables, and what it reads of others' published views: one function a query."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from regulars.history.errors import HistoryBusy
from regulars.history.model import DataState, Pointer, Range, Repeat
from regulars.kernel.ids import BrandId, MemberId
from regulars.platform.db import ReadTransaction, WriteTransaction, translated_failures
from regulars.platform.sqlfile import load_queries

_SQL = load_queries(Path(__file__).with_name("queries.sql"))

CHUNK_ROWS: Final = 2_000
"""One answer of PostgreSQL is decoded in a millisecond or two: longer would hold up the event loop."""
ORIGIN_CHUNK_ROWS: Final = 20_000


async def get_state(tx: ReadTransaction, brand_id: BrandId) -> DataState:
    """What a snapshot of the brand would show now."""
    row = await tx.row(_SQL["get_state"], {"brand_id": brand_id})
    assert row is not None, "a row is made for any brand"
    moved_to, moving_to, events_version, lines_version, tail_head, origins_epoch, origin_id_max, items_epoch = row
    pointer = Pointer(moved_to, moving_to, events_version, lines_version)
    return DataState(pointer, max(moved_to, tail_head), origins_epoch, origin_id_max, items_epoch)


async def list_parts(tx: ReadTransaction, brand_id: BrandId) -> frozenset[str]:
    """Canonical names with a part of their own."""
    return frozenset(name for (name,) in await tx.rows(_SQL["list_parts"], {"brand_id": brand_id}))


async def list_tail_chunks(
    tx: ReadTransaction, brand_id: BrandId, *, after_seq: int, to_seq: int
) -> AsyncGenerator[TupleRow]:
    """Columns of the tail's rows: seq, origin, occurred_at, line_count as bytes; names and properties as lists."""
    params = {"brand_id": brand_id, "after_seq": after_seq, "to_seq": to_seq, "chunk_rows": CHUNK_ROWS}
    async for row in _stream(tx, _SQL["list_tail_chunks"], params):
        yield row


async def list_tail_chunks_whole(
    tx: ReadTransaction, brand_id: BrandId, *, after_seq: int, to_seq: int
) -> AsyncGenerator[TupleRow]:
    """`list_tail_chunks`, and event_id, source_id, received, original and sent as bytes, message ids, types as lists."""
    params = {"brand_id": brand_id, "after_seq": after_seq, "to_seq": to_seq, "chunk_rows": CHUNK_ROWS}
    async for row in _stream(tx, _SQL["list_tail_chunks_whole"], params):
        yield row


async def list_origin_chunks(
    tx: ReadTransaction, brand_id: BrandId, *, after_origin_id: int
) -> AsyncGenerator[TupleRow]:
    """Columns of the origin map: origin ids and member numbers as bytes."""
    params = {"brand_id": brand_id, "after_origin_id": after_origin_id, "chunk_rows": ORIGIN_CHUNK_ROWS}
    async for row in _stream(tx, _SQL["list_origin_chunks"], params):
        yield row


async def _stream(tx: ReadTransaction, query: LiteralString, params: dict[str, int]) -> AsyncGenerator[TupleRow]:
    async with tx.connection.cursor(binary=True) as cursor:
        async for row in cursor.stream(query, params):
            yield row


async def list_items(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """id, name, category, price as text, attributes as JSON text."""
    return await tx.rows(_SQL["list_items"], {"brand_id": brand_id})


async def list_member_origins(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> list[int]:
    """Origins whose events are the member's."""
    rows = await tx.rows(_SQL["list_member_origins"], {"brand_id": brand_id, "member_id": member_id})
    return [row[0] for row in rows]


async def list_tail_of_origins(
    tx: ReadTransaction,
    brand_id: BrandId,
    origin_ids: Sequence[int],
    *,
    after_seq: int,
    before_at: datetime,
    before_seq: int,
    limit: int,
) -> list[TupleRow]:
    """event_id, message_id, name, occurred_at, received_at, properties, seq; newest first."""
    bounds = {"after_seq": after_seq, "before_at": before_at, "before_seq": before_seq, "limit": limit}
    params = {"brand_id": brand_id, "origin_ids": list(origin_ids), **bounds}
    return await tx.rows(_SQL["list_tail_of_origins"], params)


_LOCK: Final = 0x68697374  # "hist": any number that nobody else uses
_LOCK_TRIES_PER_SECOND: Final = 5


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who may change the lake. Its transactions run on the connection that holds the lock: no lock, no publishing."""

    _connection: AsyncConnection[TupleRow]

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[WriteTransaction]:
        """A transaction; it fails where the lock was lost with the connection. Raises: DatabaseUnavailable."""
        with translated_failures():
            async with self._connection.transaction():
                yield WriteTransaction(self._connection)


@asynccontextmanager
async def hold_lock(dsn: str, *, wait_seconds_max: float) -> AsyncGenerator[LockHolder]:
    """The history's one lock, held until the block ends. Raises: HistoryBusy, DatabaseUnavailable."""
    with translated_failures():
        connection = await AsyncConnection.connect(dsn, autocommit=True, application_name="regulars history")
    try:
        await try_lock(ReadTransaction(connection), wait_seconds_max=wait_seconds_max)
        yield LockHolder(connection)
    finally:
        await connection.close()


async def try_lock(tx: ReadTransaction, *, wait_seconds_max: float) -> None:
    """Take the lock for as long as the connection lives. Raises: HistoryBusy."""
    for _ in range(int(wait_seconds_max * _LOCK_TRIES_PER_SECOND) + 1):
        row = await tx.row(_SQL["try_lock"], {"number": _LOCK})
        if row is not None and row[0]:
            return
        await asyncio.sleep(1 / _LOCK_TRIES_PER_SECOND)
    raise HistoryBusy("another process moves, compacts or removes events just now; try again when it is done")


async def list_unmoved(tx: ReadTransaction) -> list[Range]:
    """Per brand, all that no move has taken yet."""
    return [Range(*row) for row in await tx.rows(_SQL["list_unmoved"])]


async def find_range(
    tx: ReadTransaction, brand_id: int, *, after_seq: int, rows_max: int, bytes_max: int
) -> tuple[int | None, int, datetime | None, int]:
    """The last seq that a move can take (None: there is no row), the bytes, when the oldest came in, how many rows."""
    params = {"brand_id": brand_id, "after_seq": after_seq, "rows_max": rows_max, "bytes_max": bytes_max}
    row = await tx.row(_SQL["find_range"], params)
    assert row is not None, "an aggregate gives a row"
    return row[0], row[1] or 0, row[2], row[3]


async def take_move_id(tx: WriteTransaction) -> int:
    row = await tx.row(_SQL["take_move_id"])
    assert row is not None, "a sequence gives a number"
    return int(row[0])


async def take_removal_id(tx: WriteTransaction) -> int:
    row = await tx.row(_SQL["take_removal_id"])
    assert row is not None, "a sequence gives a number"
    return int(row[0])


async def insert_move(tx: WriteTransaction, move_id: int, taken: Range, *, now: datetime) -> None:
    params = {"brand_id": taken.brand_id, "after_seq": taken.after_seq, "to_seq": taken.to_seq}
    await tx.execute(_SQL["insert_move"], {**params, "move_id": move_id, "now": now})


async def set_moving(tx: WriteTransaction, brand_id: int, moving_to: int) -> None:
    await tx.execute(_SQL["set_moving"], {"brand_id": brand_id, "moving_to": moving_to})


async def list_open_move(tx: ReadTransaction) -> tuple[int, list[Range]]:
    """Number and ranges of the oldest move that is not published; 0 and none where all are."""
    rows = await tx.rows(_SQL["list_open_move"])
    return (rows[0][3] if rows else 0), [Range(*row[:3]) for row in rows]


async def get_last_move_id(tx: ReadTransaction) -> int:
    row = await tx.row(_SQL["get_last_move_id"])
    return int(row[0]) if row else 0


async def insert_repeats(tx: WriteTransaction, move_id: int, repeats: Sequence[Repeat]) -> None:
    columns = {
        "brand_ids": [repeat.brand_id for repeat in repeats],
        "seqs": [repeat.seq for repeat in repeats],
        "names": [repeat.name for repeat in repeats],
        "line_counts": [repeat.line_count for repeat in repeats],
    }
    await tx.execute(_SQL["insert_repeats"], {"move_id": move_id, **columns})


async def list_repeats(tx: ReadTransaction, move_id: int) -> list[Repeat]:
    """What a move leaves out."""
    return [Repeat(*row) for row in await tx.rows(_SQL["list_repeats"], {"move_id": move_id})]


async def publish_range(
    tx: WriteTransaction,
    taken: Range,
    *,
    events_version: int,
    lines_version: int,
    first_received_at: datetime | None,
    now: datetime,
) -> int:
    """Readers see it from the commit on; returns 0 where the pointer was not where the move began."""
    params: dict[str, Any] = {"brand_id": taken.brand_id, "after_seq": taken.after_seq, "to_seq": taken.to_seq}
    versions = {"events_version": events_version, "lines_version": lines_version}
    params |= {"first_received_at": first_received_at, "now": now}
    return await tx.execute(_SQL["publish_range"], params | versions)


async def publish_versions(
    tx: WriteTransaction, brand_ids: Sequence[int], *, events_version: int, lines_version: int, now: datetime
) -> None:
    versions = {"events_version": events_version, "lines_version": lines_version}
    await tx.execute(_SQL["publish_versions"], {"brand_ids": list(brand_ids), "now": now, **versions})


async def close_move(tx: WriteTransaction, brand_id: int, move_id: int, *, now: datetime) -> int:
    """Returns 0 where it was closed before."""
    return await tx.execute(_SQL["close_move"], {"brand_id": brand_id, "move_id": move_id, "now": now})


async def get_first_received(tx: ReadTransaction, brand_id: int) -> datetime | None:
    """When the oldest row of the lake came in; None where nothing was moved."""
    row = await tx.row(_SQL["get_first_received"], {"brand_id": brand_id})
    return row[0] if row else None


async def list_droppable(tx: ReadTransaction, *, published_before: datetime, limit: int) -> list[tuple[int, Range]]:
    """Moves that were published before, and whose rows may still be in the tail."""
    rows = await tx.rows(_SQL["list_droppable"], {"published_before": published_before, "limit": limit})
    return [(move_id, Range(brand_id, after_seq, to_seq)) for brand_id, move_id, after_seq, to_seq in rows]


async def close_drop(tx: WriteTransaction, brand_id: int, move_id: int, *, now: datetime) -> None:
    await tx.execute(_SQL["close_drop"], {"brand_id": brand_id, "move_id": move_id, "now": now})


async def replace_parts(tx: WriteTransaction, brand_id: int, names: Sequence[str]) -> None:
    await tx.execute(_SQL["replace_parts"], {"brand_id": brand_id, "names": list(names)})


async def add_properties(
    tx: WriteTransaction, brand_id: int, pairs: Sequence[tuple[str, str | None]], *, properties_max: int
) -> None:
    """(event's name, a property of it or None) each; of a name with more properties than kept, none is."""
    names, properties = [name for name, _ in pairs], [property_name for _, property_name in pairs]
    params = {"names": names, "properties": properties, "properties_max": properties_max}
    await tx.execute(_SQL["add_properties"], {"brand_id": brand_id, **params})


async def list_promotions(tx: ReadTransaction, brand_id: int) -> dict[str, int]:
    """The slot of each promoted property."""
    return dict(await tx.rows(_SQL["list_promotions"], {"brand_id": brand_id}))


async def delete_promotions(tx: WriteTransaction, brand_id: int, properties: Sequence[str]) -> None:
    await tx.execute(_SQL["delete_promotions"], {"brand_id": brand_id, "properties": list(properties)})


async def insert_promotions(tx: WriteTransaction, brand_id: int, slots: Mapping[str, int]) -> None:
    params = {"slots": list(slots.values()), "properties": list(slots)}
    await tx.execute(_SQL["insert_promotions"], {"brand_id": brand_id, **params})


async def list_promoted_files(tx: ReadTransaction, brand_id: int) -> dict[str, list[str | None]]:
    """By a file's name the property in each of its slots."""
    return dict(await tx.rows(_SQL["list_promoted_files"], {"brand_id": brand_id}))


async def insert_promoted_files(
    tx: WriteTransaction, brand_id: int, paths: Sequence[str], properties: Sequence[str | None]
) -> None:
    params = {"paths": list(paths), "properties": list(properties)}
    await tx.execute(_SQL["insert_promoted_files"], {"brand_id": brand_id, **params})


async def delete_promoted_files(tx: WriteTransaction, brand_id: int, *, kept: Sequence[str]) -> None:
    """Forget files that are no more; a reader of a state before reads their JSON."""
    await tx.execute(_SQL["delete_promoted_files"], {"brand_id": brand_id, "paths": list(kept)})


async def list_name_counts(tx: ReadTransaction, brand_id: int) -> list[tuple[str, int, int]]:
    """name as it was sent, events, lines."""
    return await tx.rows(_SQL["list_name_counts"], {"brand_id": brand_id})


async def list_pointers(tx: ReadTransaction) -> list[TupleRow]:
    """brand, moved_to, moving_to, events_version, lines_version, published_at."""
    return await tx.rows(_SQL["list_pointers"])


async def insert_erasures(tx: WriteTransaction, brand_id: int, origin_ids: Sequence[int], *, now: datetime) -> None:
    await tx.execute(_SQL["insert_erasures"], {"brand_id": brand_id, "origin_ids": list(origin_ids), "now": now})


async def list_erasures(tx: ReadTransaction, brand_id: int) -> list[int]:
    """Origins whose events may still be on the disk."""
    return [origin_id for _, origin_id in await tx.rows(_SQL["list_erasures"], {"brand_id": brand_id})]


async def list_erasing_brands(tx: ReadTransaction) -> list[int]:
    return [brand_id for (brand_id,) in await tx.rows(_SQL["list_erasing_brands"])]


async def insert_removals(
    tx: WriteTransaction, brand_id: int, removal_id: int, rows: Sequence[tuple[int, str, int]]
) -> None:
    """seq, name and lines of each event that goes."""
    seqs, names, line_counts = (list(column) for column in zip(*rows, strict=True))
    params = {"seqs": seqs, "names": names, "line_counts": line_counts}
    await tx.execute(_SQL["insert_removals"], {"brand_id": brand_id, "removal_id": removal_id, **params})


async def find_open_removal(tx: ReadTransaction) -> tuple[int, int] | None:
    """Brand and number of a removal that was begun and not published."""
    return await tx.row(_SQL["find_open_removal"])


async def list_removals(tx: ReadTransaction, brand_id: int, removal_id: int) -> list[tuple[int, str, int]]:
    """seq, name and lines of each event that goes."""
    return await tx.rows(_SQL["list_removals"], {"brand_id": brand_id, "removal_id": removal_id})


async def delete_removals(tx: WriteTransaction, brand_id: int, removal_id: int) -> None:
    await tx.execute(_SQL["delete_removals"], {"brand_id": brand_id, "removal_id": removal_id})


async def close_erasures(tx: WriteTransaction, brand_id: int, origin_ids: Sequence[int], *, now: datetime) -> None:
    await tx.execute(_SQL["close_erasures"], {"brand_id": brand_id, "origin_ids": list(origin_ids), "now": now})


async def close_vacuum(tx: WriteTransaction, *, removed_before: datetime, now: datetime) -> int:
    """Returns of how many origins nothing is on the disk any more."""
    return await tx.execute(_SQL["close_vacuum"], {"removed_before": removed_before, "now": now})


async def count_open(tx: ReadTransaction) -> tuple[int, int, int]:
    """Moves not published, erased origins not removed, erased origins not vacuumed."""
    row = await tx.row(_SQL["count_open"])
    assert row is not None, "an aggregate gives a row"
    return row[0], row[1], row[2]


async def list_tail_counts(tx: ReadTransaction, brand_id: int, *, after_seq: int) -> list[tuple[str, int, int]]:
    """name as it was sent, events, lines."""
    return await tx.rows(_SQL["list_tail_counts"], {"brand_id": brand_id, "after_seq": after_seq})
