"""Members themselves: reading, listing, consents, disclosures."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.rows import TupleRow
from psycopg.types.json import Jsonb

from regulars.kernel.ids import BrandId, MemberId
from regulars.members.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


async def find_members(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, MemberId, dict[str, Any], dict[str, Any], datetime]]:
    """asked id, id in force, traits, preferences, created_at."""
    return await tx.rows(SQL["find_members"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_members(tx: ReadTransaction, brand_id: BrandId, *, after: int, limit: int) -> list[MemberId]:
    rows = await tx.rows(SQL["list_members"], {"brand_id": brand_id, "after": after, "limit": limit})
    return [row[0] for row in rows]


async def count_members(tx: ReadTransaction, brand_id: BrandId) -> int:
    row = await tx.row(SQL["count_members"], {"brand_id": brand_id})
    return row[0] if row else 0


async def list_members_by_last_four(
    tx: ReadTransaction, brand_id: BrandId, last_four: str, *, after: int, limit: int
) -> list[MemberId]:
    params = {"brand_id": brand_id, "last_four": last_four, "after": after, "limit": limit}
    return [row[0] for row in await tx.rows(SQL["list_members_by_last_four"], params)]


async def list_members_by_bigrams(
    tx: ReadTransaction, brand_id: BrandId, bigrams: Sequence[str], *, after: int, limit: int
) -> list[MemberId]:
    params = {"brand_id": brand_id, "bigrams": list(bigrams), "after": after, "limit": limit}
    return [row[0] for row in await tx.rows(SQL["list_members_by_bigrams"], params)]


async def insert_consent(
    tx: WriteTransaction,
    brand_id: BrandId,
    member_id: MemberId,
    *,
    channel: str,
    purpose: str,
    granted: bool,
    proof: Mapping[str, Any],
    now: datetime,
) -> None:
    params = {"channel": channel, "purpose": purpose, "granted": granted, "proof": Jsonb(proof)}
    await tx.execute(SQL["insert_consent"], {"brand_id": brand_id, "member_id": member_id, "now": now, **params})


async def list_consents(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, str, str, bool, datetime]]:
    """member, channel, purpose, granted, at of those in force."""
    return await tx.rows(SQL["list_consents"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_consent_history(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> list[TupleRow]:
    """channel, purpose, granted, proof, at, of merged members too; oldest first."""
    return await tx.rows(SQL["list_consent_history"], {"brand_id": brand_id, "member_id": member_id})


async def insert_disclosure(
    tx: WriteTransaction, brand_id: BrandId, member_id: MemberId, *, what: str, recipient: str, now: datetime
) -> None:
    params = {"brand_id": brand_id, "member_id": member_id, "what": what, "recipient": recipient, "now": now}
    await tx.execute(SQL["insert_disclosure"], params)


async def list_disclosures(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> list[TupleRow]:
    """disclosed_at, what, recipient."""
    return await tx.rows(SQL["list_disclosures"], {"brand_id": brand_id, "member_id": member_id})
