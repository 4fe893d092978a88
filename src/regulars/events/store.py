"""Events' tables: one function a query."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from regulars.events.copying import IMPORTED_COPY, SEEN_COPY
from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

_SQL = load_queries(Path(__file__).with_name("queries.sql"))


async def ensure_head(tx: WriteTransaction, brand_id: BrandId) -> None:
    await tx.execute(_SQL["ensure_head"], {"brand_id": brand_id})


async def take_seqs(tx: WriteTransaction, brand_id: BrandId, count: int) -> tuple[int, list[str]] | None:
    """The first of `count` seqs, and the brand's personal properties; None where the brand has no head yet."""
    return await tx.row(_SQL["take_seqs"], {"brand_id": brand_id, "count": count})


class SeenBefore(Exception):
    """What was expected to be new came before: nothing of the transaction is written."""


async def copy_seen(tx: WriteTransaction, block: bytes) -> None:
    """Shape: a COPY stream of `copying.seen_rows`. Raises: SeenBefore."""
    await _copy_new(tx, SEEN_COPY, block)


async def copy_imported(tx: WriteTransaction, block: bytes) -> None:
    """Shape: a COPY stream of `copying.imported_row`s. Raises: SeenBefore."""
    await _copy_new(tx, IMPORTED_COPY, block)


async def _copy_new(tx: WriteTransaction, statement: LiteralString, block: bytes) -> None:
    try:
        await tx.copy_rows(statement, block)
    except psycopg.errors.UniqueViolation as error:
        raise SeenBefore from error


async def find_seen(
    tx: ReadTransaction, brand_id: BrandId, event_ids: Sequence[bytes], *, since: datetime
) -> set[bytes]:
    """Those of the ids that were taken since."""
    params = {"brand_id": brand_id, "event_ids": _uuid_array(event_ids), "since": since}
    return _uuid_bytes(await tx.rows(_SQL["find_seen"], params))


async def find_seen_beside(
    tx: ReadTransaction,
    brand_id: BrandId,
    event_ids: Sequence[bytes],
    *,
    since: datetime,
    first: datetime,
    until: datetime,
) -> set[bytes]:
    """`find_seen` of all months but the one that begins with `first`."""
    params = {"brand_id": brand_id, "event_ids": _uuid_array(event_ids), "since": since, "first": first, "until": until}
    return _uuid_bytes(await tx.rows(_SQL["find_seen_beside"], params))


async def has_seen_beside(tx: ReadTransaction, first: datetime, until: datetime) -> bool:
    """Whether any month but the one that begins with `first` holds anything."""
    row = await tx.row(_SQL["has_seen_beside"], {"first": first, "until": until})
    return bool(row and row[0])


async def has_seen_since(tx: ReadTransaction, since: datetime) -> bool:
    row = await tx.row(_SQL["has_seen_since"], {"since": since})
    return bool(row and row[0])


async def find_imported(tx: ReadTransaction, brand_id: BrandId, event_ids: Sequence[bytes]) -> set[bytes]:
    """Those of the ids that were ever imported."""
    params = {"brand_id": brand_id, "event_ids": _uuid_array(event_ids)}
    return _uuid_bytes(await tx.rows(_SQL["find_imported"], params))


def _uuid_array(event_ids: Sequence[bytes]) -> str:
    """As PostgreSQL's text form: a third of the time that a list of UUID objects takes."""
    return "{" + ",".join([event_id.hex() for event_id in event_ids]) + "}"


def _uuid_bytes(rows: Sequence[TupleRow]) -> set[bytes]:
    return {bytes.fromhex(row[0].replace("-", "")) for row in rows}


async def upsert_names(
    tx: WriteTransaction, brand_id: BrandId, names: Sequence[tuple[str, int, int, datetime, datetime]]
) -> None:
    """name, events, lines, first and last instant each."""
    keys = ("names", "event_counts", "line_counts", "first_ats", "last_ats")
    params = {key: list(column) for key, column in zip(keys, zip(*names, strict=True), strict=True)}
    await tx.execute(_SQL["upsert_names"], {"brand_id": brand_id, **params})


async def reduce_names(tx: WriteTransaction, brand_id: BrandId, names: Sequence[tuple[str, int, int]]) -> None:
    """name, events and lines that are no more."""
    keys = ("names", "event_counts", "line_counts")
    params = {key: list(column) for key, column in zip(keys, zip(*names, strict=True), strict=True)}
    await tx.execute(_SQL["reduce_names"], {"brand_id": brand_id, **params})


async def list_names(tx: ReadTransaction, brand_id: BrandId, *, after: str, limit: int) -> list[TupleRow]:
    """name, events, lines, first_at, last_at."""
    return await tx.rows(_SQL["list_names"], {"brand_id": brand_id, "after": after, "limit": limit})


async def sum_names(tx: ReadTransaction, brand_id: BrandId) -> tuple[int, int, int]:
    """events, lines, names."""
    row = await tx.row(_SQL["sum_names"], {"brand_id": brand_id})
    assert row is not None, "an aggregate gives a row"
    return int(row[0]), int(row[1]), int(row[2])


async def list_member_events(
    tx: ReadTransaction, brand_id: BrandId, member_id: MemberId, *, before_at: datetime, before_seq: int, limit: int
) -> list[TupleRow]:
    """event_id, message_id, name, occurred_at, received_at, properties, seq; newest first."""
    params = {"before_at": before_at, "before_seq": before_seq, "limit": limit}
    return await tx.rows(_SQL["list_member_events"], {"brand_id": brand_id, "member_id": member_id, **params})


async def delete_events_of(
    tx: WriteTransaction, brand_id: BrandId, origin_ids: Sequence[OriginId], *, limit: int
) -> list[tuple[str, int, int]]:
    """name, events and lines that were removed."""
    params = {"brand_id": brand_id, "origin_ids": list(origin_ids), "limit": limit}
    return await tx.rows(_SQL["delete_events_of"], params)


async def delete_moved(tx: WriteTransaction, brand_id: BrandId, *, after_seq: int, to_seq: int, limit: int) -> int:
    """Returns how many rows went."""
    params = {"brand_id": brand_id, "after_seq": after_seq, "to_seq": to_seq, "limit": limit}
    return await tx.execute(_SQL["delete_moved"], params)


async def ensure_follower(tx: WriteTransaction, brand_id: BrandId, follower: str) -> None:
    await tx.execute(_SQL["ensure_follower"], {"brand_id": brand_id, "follower": follower})


async def lock_follower(tx: WriteTransaction, brand_id: BrandId, follower: str) -> int | None:
    """Its seq; None where another holds it, or there is none. Until commit."""
    row = await tx.row(_SQL["lock_follower"], {"brand_id": brand_id, "follower": follower})
    return row[0] if row else None


async def find_follower(tx: ReadTransaction, brand_id: BrandId, follower: str) -> int | None:
    row = await tx.row(_SQL["find_follower"], {"brand_id": brand_id, "follower": follower})
    return row[0] if row else None


async def list_followed(tx: ReadTransaction, follower: str) -> list[TupleRow]:
    """brand_id, after_seq, last seq; of brands with events that it has not seen."""
    return await tx.rows(_SQL["list_followed"], {"follower": follower})


async def move_follower(tx: WriteTransaction, brand_id: BrandId, follower: str, after_seq: int) -> None:
    await tx.execute(_SQL["move_follower"], {"brand_id": brand_id, "follower": follower, "after_seq": after_seq})


async def list_tail_events(
    tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], *, after_seq: int, to_seq: int, limit: int
) -> list[TupleRow]:
    """seq, origin_id, name, occurred_at, properties; in the order they came."""
    params = {"names": list(names), "after_seq": after_seq, "to_seq": to_seq, "limit": limit}
    return await tx.rows(_SQL["list_tail_events"], {"brand_id": brand_id, **params})


async def count_tail_events(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], *, after_seq: int) -> int:
    params = {"brand_id": brand_id, "names": list(names), "after_seq": after_seq}
    row = await tx.row(_SQL["count_tail_events"], params)
    return row[0] if row else 0


async def insert_rejected(
    tx: WriteTransaction,
    brand_id: BrandId,
    source_id: int,
    received_at: datetime,
    rows: Sequence[tuple[str | None, str, str, bytes, bytes]],
) -> None:
    """message id, code, digest of the reason, sealed reason, sealed body each."""
    keys = ("message_ids", "codes", "digests", "messages", "bodies")
    params = {key: list(column) for key, column in zip(keys, zip(*rows, strict=True), strict=True)}
    head = {"brand_id": brand_id, "source_id": source_id, "received_at": received_at}
    await tx.execute(_SQL["insert_rejected"], {**head, **params})


async def list_rejected(tx: ReadTransaction, brand_id: BrandId, *, before: int, limit: int) -> list[TupleRow]:
    """rejected id, received_at, message id, code, sealed reason, sealed body; newest first."""
    return await tx.rows(_SQL["list_rejected"], {"brand_id": brand_id, "before": before, "limit": limit})


async def delete_old_rejected(tx: WriteTransaction, *, before: datetime) -> int:
    return await tx.execute(_SQL["delete_old_rejected"], {"before": before})


async def upsert_items(
    tx: WriteTransaction,
    brand_id: BrandId,
    items: Sequence[tuple[str, str, str | None, str | None, str]],
    now: datetime,
) -> int:
    """id, name, category, price as text, attributes as JSON text each; returns how many are new or changed."""
    keys = ("item_ids", "names", "categories", "prices", "attributes")
    params = {key: list(column) for key, column in zip(keys, zip(*items, strict=True), strict=True)}
    return await tx.execute(_SQL["upsert_items"], {"brand_id": brand_id, "now": now, **params})


async def find_items(tx: ReadTransaction, brand_id: BrandId, item_ids: Sequence[str]) -> list[TupleRow]:
    """id, name, category, price, attributes."""
    return await tx.rows(_SQL["find_items"], {"brand_id": brand_id, "item_ids": list(item_ids)})


async def list_items(
    tx: ReadTransaction, brand_id: BrandId, *, pattern: str | None, category: str | None, after: str, limit: int
) -> list[TupleRow]:
    """id, name, category, price, attributes in id order."""
    params: dict[str, Any] = {"pattern": pattern, "category": category, "after": after, "limit": limit}
    return await tx.rows(_SQL["list_items"], {"brand_id": brand_id, **params})


async def count_items(tx: ReadTransaction, brand_id: BrandId) -> int:
    row = await tx.row(_SQL["count_items"], {"brand_id": brand_id})
    return row[0] if row else 0


async def set_personal_properties(tx: WriteTransaction, brand_id: BrandId, names: Sequence[str]) -> None:
    await tx.execute(_SQL["set_personal_properties"], {"brand_id": brand_id, "names": list(names)})


async def list_personal_properties(tx: ReadTransaction, brand_id: BrandId) -> list[str]:
    row = await tx.row(_SQL["list_personal_properties"], {"brand_id": brand_id})
    return row[0] if row else []


async def ensure_month(tx: WriteTransaction, first: datetime, until: datetime) -> None:
    """The partition of events_seen for one month, UTC, which holds nothing twice."""
    name = f"events_seen_{first:%Y_%m}"
    table = sql.SQL("create table if not exists {} partition of events_seen for values from ({}) to ({})")
    await tx.connection.execute(table.format(sql.Identifier(name), first.isoformat(), until.isoformat()))
    index = sql.SQL("create unique index if not exists {} on {} (event_id)")
    await tx.connection.execute(index.format(sql.Identifier(f"{name}_once"), sql.Identifier(name)))


async def drop_month(tx: WriteTransaction, first: datetime) -> None:
    """Forget what was seen in one month, UTC."""
    await tx.connection.execute(sql.SQL("drop table if exists {}").format(sql.Identifier(f"events_seen_{first:%Y_%m}")))
