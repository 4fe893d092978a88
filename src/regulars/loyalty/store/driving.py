"""What drives programmes, and what came of it. One function a query; members come and go as columns."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL: Final = load_queries(Path(__file__).parents[1] / "driving.sql")


class AwardRow(NamedTuple):
    """What the ledger holds for a key. `transfers` brought it about, `amounts` is what is left of each."""

    member_id: MemberId
    key: str
    asset: str
    amount: int
    expires_at: datetime | None
    revision: int
    transfers: list[UUID]
    amounts: list[int]


class MarkRow(NamedTuple):
    """An event to be kept; `member` is JSON text or None."""

    origin_id: OriginId
    seq: int
    occurred_at: datetime
    name: str
    properties: str
    member: str | None


class MemberRow(NamedTuple):
    """What the fold says of a member."""

    member_id: MemberId
    level: int
    level_name: str | None
    badges: list[str]
    missions: list[str]
    due_at: datetime | None


async def insert_marks(tx: WriteTransaction, brand_id: BrandId, rows: Sequence[MarkRow]) -> None:
    """Those that are there stay."""
    keys = ("origin_ids", "seqs", "occurred_at", "names", "properties", "members")
    params = {key: list(column) for key, column in zip(keys, zip(*rows, strict=True), strict=True)}
    await tx.execute(SQL["insert_marks"], {"brand_id": brand_id, **params})


async def list_marks(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[TupleRow]:
    """member_id, seq, name, occurred_at, properties, member."""
    return await tx.rows(SQL["list_marks"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_member_ids(tx: ReadTransaction, brand_id: BrandId, origin_ids: Sequence[OriginId]) -> list[TupleRow]:
    """origin_id, member_id, created_at; of members in force."""
    return await tx.rows(SQL["list_member_ids"], {"brand_id": brand_id, "origin_ids": list(origin_ids)})


async def find_origin(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> OriginId | None:
    """The oldest of a member's."""
    row = await tx.row(SQL["find_origin"], {"brand_id": brand_id, "member_id": member_id})
    return OriginId(row[0]) if row and row[0] is not None else None


async def list_people(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """member_no, member_id, created_at; of all members in force."""
    return await tx.rows(SQL["list_people"], {"brand_id": brand_id})


async def list_joined(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[TupleRow]:
    """member_id, created_at; of members in force."""
    return await tx.rows(SQL["list_joined"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_member_facts(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[TupleRow]:
    """member_id, traits, tags, consents, identity kinds, digests of personal traits."""
    return await tx.rows(SQL["list_member_facts"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_awards(
    tx: ReadTransaction, brand_id: BrandId, programme: str, member_ids: Sequence[MemberId]
) -> list[AwardRow]:
    params = {"brand_id": brand_id, "programme": programme, "member_ids": list(member_ids)}
    return [AwardRow(*row) for row in await tx.rows(SQL["list_awards"], params)]


async def put_awards(tx: WriteTransaction, brand_id: BrandId, programme: str, rows: Sequence[AwardRow]) -> None:
    keys = ("member_ids", "keys", "assets", "amounts", "expires_at", "revisions")
    params = {key: list(column) for key, column in zip(keys, zip(*(row[:6] for row in rows), strict=True), strict=True)}
    # Arrays of arrays are rectangles in PostgreSQL: each comes as the text of its own.
    params["transfers"] = ["{" + ",".join(map(str, row.transfers)) + "}" for row in rows]
    params["parts"] = ["{" + ",".join(map(str, row.amounts)) + "}" for row in rows]
    await tx.execute(SQL["put_awards"], {"brand_id": brand_id, "programme": programme, **params})


async def list_deeds(
    tx: ReadTransaction, brand_id: BrandId, programme: str, member_ids: Sequence[MemberId]
) -> list[TupleRow]:
    """member_id, key."""
    params = {"brand_id": brand_id, "programme": programme, "member_ids": list(member_ids)}
    return await tx.rows(SQL["list_deeds"], params)


async def insert_deeds(
    tx: WriteTransaction, brand_id: BrandId, programme: str, rows: Sequence[tuple[MemberId, str]]
) -> None:
    params = {"member_ids": [row[0] for row in rows], "keys": [row[1] for row in rows]}
    await tx.execute(SQL["insert_deeds"], {"brand_id": brand_id, "programme": programme, **params})


async def put_members(tx: WriteTransaction, brand_id: BrandId, programme: str, rows: Sequence[MemberRow]) -> None:
    """Those of whom something else is said now."""
    params = {
        "member_ids": [row.member_id for row in rows],
        "levels": [row.level for row in rows],
        "level_names": [row.level_name for row in rows],
        "badges": [_text_array(row.badges) for row in rows],
        "missions": [_text_array(row.missions) for row in rows],
        "due_at": [row.due_at for row in rows],
    }
    await tx.execute(SQL["put_members"], {"brand_id": brand_id, "programme": programme, **params})


def _text_array(texts: Sequence[str]) -> str:
    """As PostgreSQL writes an array of texts."""
    quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in texts)
    return "{" + ",".join(f'"{one}"' for one in quoted) + "}"


async def list_due(tx: ReadTransaction, now: datetime, *, limit: int) -> list[tuple[BrandId, str, MemberId]]:
    """Of all brands, programme and member."""
    rows = await tx.rows(SQL["list_due"], {"now": now, "limit": limit})
    return [(BrandId(row[0]), row[1], MemberId(row[2])) for row in rows]


async def mark_due(tx: WriteTransaction, brand_id: BrandId, programme: str, now: datetime) -> None:
    """All members of a programme: it says something else of them now."""
    await tx.execute(SQL["mark_due"], {"brand_id": brand_id, "programme": programme, "now": now})


async def count_due(tx: ReadTransaction, brand_id: BrandId, now: datetime) -> dict[str, int]:
    """By programme, members for whom something is due."""
    return {row[0]: row[1] for row in await tx.rows(SQL["count_due"], {"brand_id": brand_id, "now": now})}


async def mark_gone_due(tx: WriteTransaction, now: datetime) -> int:
    """Members who were merged or erased, of all brands: who they are now is to be gone through."""
    return await tx.execute(SQL["mark_gone_due"], {"now": now})


async def delete_members(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    """What was said of them by any programme."""
    await tx.execute(SQL["delete_members"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def delete_orphans(tx: WriteTransaction) -> int:
    """Marks of members who were erased."""
    return await tx.execute(SQL["delete_orphans"])
