"""Merges and erasure: who became part of whom, and what goes when a member is erased."""

from collections.abc import Sequence
from datetime import datetime

from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId, MemberId, MergeId, OriginId
from regulars.members.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction

Pairs = Sequence[tuple[MemberId, MemberId]]
"""kept, merged each; nobody is merged twice."""


def _columns(pairs: Pairs) -> dict[str, list[MemberId]]:
    return {"kept": [kept for kept, _ in pairs], "merged": [merged for _, merged in pairs]}


async def insert_merges(
    tx: WriteTransaction, brand_id: BrandId, pairs: Pairs, *, cause: str, now: datetime
) -> dict[MemberId, MergeId]:
    """The merge of each merged member."""
    params = {"brand_id": brand_id, "cause": cause, "now": now, **_columns(pairs)}
    return dict(await tx.rows(SQL["insert_merges"], params))


async def hand_over_origins(tx: WriteTransaction, brand_id: BrandId, pairs: Pairs) -> None:
    await tx.execute(SQL["hand_over_origins"], {"brand_id": brand_id, **_columns(pairs)})


async def hand_over_consents(tx: WriteTransaction, brand_id: BrandId, pairs: Pairs) -> None:
    await tx.execute(SQL["hand_over_consents"], {"brand_id": brand_id, **_columns(pairs)})


async def mark_merged(tx: WriteTransaction, brand_id: BrandId, pairs: Pairs) -> None:
    await tx.execute(SQL["mark_merged"], {"brand_id": brand_id, **_columns(pairs)})


async def resolve_conflicts_between(tx: WriteTransaction, brand_id: BrandId, pairs: Pairs, now: datetime) -> None:
    await tx.execute(SQL["resolve_conflicts_between"], {"brand_id": brand_id, "now": now, **_columns(pairs)})


async def find_merge(
    tx: WriteTransaction, brand_id: BrandId, merge_id: MergeId
) -> tuple[MemberId, MemberId, datetime | None] | None:
    """kept, merged, undone_at; locked."""
    return await tx.row(SQL["find_merge"], {"brand_id": brand_id, "merge_id": merge_id})


async def undo_merge(tx: WriteTransaction, brand_id: BrandId, merge_id: MergeId, now: datetime) -> None:
    await tx.execute(SQL["undo_merge"], {"brand_id": brand_id, "merge_id": merge_id, "now": now})


async def list_undone_pairs(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> set[frozenset[MemberId]]:
    """Pairs of these members in force that somebody has taken apart, themselves or members merged into them since."""
    rows = await tx.rows(SQL["list_undone_pairs"], {"brand_id": brand_id, "member_ids": list(member_ids)})
    return {frozenset(row) for row in rows}


async def list_merges(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> list[TupleRow]:
    """merge, kept, merged, cause, merged_at, undone_at."""
    return await tx.rows(SQL["list_merges"], {"brand_id": brand_id, "member_id": member_id})


async def list_rejoined(tx: ReadTransaction, brand_id: BrandId, since: datetime) -> list[MemberId]:
    """Both members of every merge made or undone since."""
    return [row[0] for row in await tx.rows(SQL["list_rejoined"], {"brand_id": brand_id, "since": since})]


async def mark_active(tx: WriteTransaction, brand_id: BrandId, member_id: MemberId) -> None:
    await tx.execute(SQL["mark_active"], {"brand_id": brand_id, "member_id": member_id})


async def give_back_origins(
    tx: WriteTransaction,
    brand_id: BrandId,
    member_ids: Sequence[MemberId],
    *,
    from_member_id: MemberId,
    to_member_id: MemberId,
) -> None:
    """Those that a member brought, which is on its own again, and all that were merged into it."""
    params = {"member_ids": list(member_ids), "from_member_id": from_member_id, "to_member_id": to_member_id}
    await tx.execute(SQL["give_back_origins"], {"brand_id": brand_id, **params})


async def give_back_consents(
    tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId], *, to_member_id: MemberId
) -> None:
    """Those of a member that is on its own again and of all that were merged into it."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "to_member_id": to_member_id}
    await tx.execute(SQL["give_back_consents"], params)


async def lock_families(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    """Locks: these members and all that were ever merged into them, in id order."""
    await tx.execute(SQL["lock_families"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_merged_into(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, list[MemberId]]:
    """Each member and all that were merged into it, by id."""
    found: dict[MemberId, list[MemberId]] = {member_id: [] for member_id in member_ids}
    for kept_id, member_id in await tx.rows(
        SQL["list_merged_into"], {"brand_id": brand_id, "member_ids": list(member_ids)}
    ):
        found[kept_id].append(member_id)
    return found


async def mark_erased(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    await tx.execute(SQL["mark_erased"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def delete_identities_of(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    await tx.execute(SQL["delete_identities_of"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def delete_origins_of(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[OriginId]:
    rows = await tx.rows(SQL["delete_origins_of"], {"brand_id": brand_id, "member_ids": list(member_ids)})
    return [row[0] for row in rows]


async def delete_personal_data(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    await tx.execute(SQL["delete_personal_data"], {"brand_id": brand_id, "member_ids": list(member_ids)})
