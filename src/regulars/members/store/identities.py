"""The brand's lock, ids, identities, origins, conflicts, erasures."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.members.identity import StoredIdentity
from regulars.members.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


async def ensure_head(tx: WriteTransaction, brand_id: BrandId) -> None:
    await tx.execute(SQL["ensure_head"], {"brand_id": brand_id})


async def lock_head(tx: WriteTransaction, brand_id: BrandId) -> int | None:
    """The identity epoch; None where the brand has no head yet."""
    row = await tx.row(SQL["lock_head"], {"brand_id": brand_id})
    return row[0] if row else None


async def forget_origins(tx: WriteTransaction, brand_id: BrandId) -> None:
    await tx.execute(SQL["forget_origins"], {"brand_id": brand_id})


async def take_member_numbers(tx: WriteTransaction, brand_id: BrandId, count: int) -> int:
    """The first of `count` dense numbers."""
    row = await tx.row(SQL["take_member_numbers"], {"brand_id": brand_id, "count": count})
    assert row is not None, "the head is locked, so it exists"
    return row[0]


async def take_ids(tx: WriteTransaction, count: int) -> list[tuple[MemberId, OriginId]]:
    return await tx.rows(SQL["take_ids"], {"count": count})


async def find_identities(
    tx: ReadTransaction, brand_id: BrandId, keys: Sequence[tuple[str, str]]
) -> list[tuple[str, str, OriginId, MemberId]]:
    """kind, lookup, origin, member of those that exist."""
    kinds, lookups = [kind for kind, _ in keys], [lookup for _, lookup in keys]
    return await tx.rows(SQL["find_identities"], {"brand_id": brand_id, "kinds": kinds, "lookups": lookups})


async def list_people(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, int, bool]]:
    """member, number of identities, whether one is a user_id."""
    return await tx.rows(SQL["list_people"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def find_erasures(tx: ReadTransaction, brand_id: BrandId, digests: Sequence[str]) -> set[str]:
    rows = await tx.rows(SQL["find_erasures"], {"brand_id": brand_id, "digests": list(digests)})
    return {row[0] for row in rows}


async def insert_erasures(
    tx: WriteTransaction, brand_id: BrandId, member_id: MemberId, digests: Sequence[str], now: datetime
) -> None:
    await tx.execute(
        SQL["insert_erasures"], {"brand_id": brand_id, "member_id": member_id, "digests": list(digests), "now": now}
    )


async def delete_erasures(tx: WriteTransaction, brand_id: BrandId, digests: Sequence[str]) -> None:
    await tx.execute(SQL["delete_erasures"], {"brand_id": brand_id, "digests": list(digests)})


async def insert_members(
    tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId], first_no: int, now: datetime
) -> None:
    await tx.execute(
        SQL["insert_members"],
        {"brand_id": brand_id, "member_ids": list(member_ids), "first_no": first_no, "now": now},
    )


async def insert_origins(tx: WriteTransaction, brand_id: BrandId, pairs: Sequence[tuple[OriginId, MemberId]]) -> None:
    origin_ids, member_ids = [origin for origin, _ in pairs], [member for _, member in pairs]
    await tx.execute(SQL["insert_origins"], {"brand_id": brand_id, "origin_ids": origin_ids, "member_ids": member_ids})


async def insert_identities(
    tx: WriteTransaction,
    brand_id: BrandId,
    identities: Sequence[tuple[StoredIdentity, OriginId]],
    *,
    verified: bool,
    now: datetime,
) -> None:
    await tx.execute(
        SQL["insert_identities"],
        {
            "brand_id": brand_id,
            "kinds": [stored.kind for stored, _ in identities],
            "lookups": [stored.lookup for stored, _ in identities],
            "origin_ids": [origin for _, origin in identities],
            "sealed": [stored.sealed for stored, _ in identities],
            "last_fours": [stored.last_four for stored, _ in identities],
            "verified": verified,
            "now": now,
        },
    )


async def verify_identity(tx: WriteTransaction, brand_id: BrandId, kind: str, lookup: str) -> None:
    await tx.execute(SQL["verify_identity"], {"brand_id": brand_id, "kind": kind, "lookup": lookup})


async def delete_identity(tx: WriteTransaction, brand_id: BrandId, member_id: MemberId, kind: str, lookup: str) -> bool:
    params = {"brand_id": brand_id, "member_id": member_id, "kind": kind, "lookup": lookup}
    return await tx.execute(SQL["delete_identity"], params) == 1


async def list_identities(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, str, str, bytes | None, bool]]:
    """member, kind, lookup, sealed value, verified."""
    return await tx.rows(SQL["list_identities"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def insert_conflicts(
    tx: WriteTransaction,
    brand_id: BrandId,
    conflicts: Sequence[tuple[str, str, MemberId, MemberId, str]],
    now: datetime,
) -> None:
    """kind, lookup, holder, claimant, reason each; one that is known already stays as it is."""
    columns = list(zip(*conflicts, strict=True))
    names = ("kinds", "lookups", "holders", "claimants", "reasons")
    params = {name: list(column) for name, column in zip(names, columns, strict=True)}
    await tx.execute(SQL["insert_conflicts"], {"brand_id": brand_id, "now": now, **params})


async def list_conflicts(tx: ReadTransaction, brand_id: BrandId, *, after: int, limit: int) -> list[TupleRow]:
    """conflict, kind, lookup, sealed value, holder, claimant, reason, seen_at of open ones."""
    return await tx.rows(SQL["list_conflicts"], {"brand_id": brand_id, "after": after, "limit": limit})


async def resolve_conflict(tx: WriteTransaction, brand_id: BrandId, conflict_id: int, now: datetime) -> bool:
    params = {"brand_id": brand_id, "conflict_id": conflict_id, "now": now}
    return await tx.execute(SQL["resolve_conflict"], params) == 1
