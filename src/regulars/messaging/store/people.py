"""What the gate reads and writes of members. One function a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId, MemberId
from regulars.messaging.caps import Counted
from regulars.messaging.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


@dataclass(frozen=True, slots=True)
class NewCount:
    """A delivery that counts from now on, in this member's row."""

    member_id: MemberId
    counted: Counted


async def lock_people(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> list[TupleRow]:
    """member_id, state, merged_into, preferences. Locks: the members, shared: none is merged or erased until commit."""
    return await tx.rows(SQL["lock_people"], {"brand_id": brand_id, "member_ids": sorted(set(member_ids))})


async def list_people(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> list[TupleRow]:
    """The same without a lock."""
    return await tx.rows(SQL["list_people"], {"brand_id": brand_id, "member_ids": sorted(set(member_ids))})


async def list_families(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> list[TupleRow]:
    """The member in force, and somebody merged into it."""
    return await tx.rows(SQL["list_families"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def ensure_counts(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> None:
    await tx.execute(SQL["ensure_counts"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def lock_counts(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> dict[int, list[Counted]]:
    """By member. Locks: their rows, in the order of ids."""
    rows = await tx.rows(SQL["lock_counts"], {"brand_id": brand_id, "member_ids": list(member_ids)})
    return {row[0]: _to_counted(row) for row in rows}


async def list_counts(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[int]) -> dict[int, list[Counted]]:
    """By member, without a lock."""
    rows = await tx.rows(SQL["list_counts"], {"brand_id": brand_id, "member_ids": list(member_ids)})
    return {row[0]: _to_counted(row) for row in rows}


async def add_counts(tx: WriteTransaction, brand_id: BrandId, new: Sequence[NewCount]) -> None:
    params = {
        "brand_id": brand_id,
        "member_ids": [one.member_id for one in new],
        "ats": [one.counted.at for one in new],
        "topics": [one.counted.topic for one in new],
        "delivery_ids": [one.counted.delivery_id for one in new],
        "keys": [one.counted.key for one in new],
    }
    await tx.execute(SQL["add_counts"], params)


async def remove_counts(tx: WriteTransaction, brand_id: BrandId, delivery_ids: Sequence[int]) -> None:
    await tx.execute(SQL["remove_counts"], {"brand_id": brand_id, "delivery_ids": list(delivery_ids)})


async def list_consents(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[int], channel: str, purpose: str
) -> dict[int, bool]:
    """By member; who never said anything is not in it."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "channel": channel, "purpose": purpose}
    return {member_id: granted for member_id, granted in await tx.rows(SQL["list_consents"], params)}


def _to_counted(row: TupleRow) -> list[Counted]:
    ats: list[datetime] = row[1]
    return [Counted(*one) for one in zip(ats, row[2], row[3], row[4], strict=True)]
