"""What sets campaigns off: how far each has looked, and what happened since. One function a query."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from regulars.campaigns.store._sql import SQL
from regulars.kernel.ids import BrandId, MemberId
from regulars.platform.db import ReadTransaction, WriteTransaction


@dataclass(frozen=True, slots=True)
class TriggerRow:
    """How far a campaign has looked; `head_seq` is the last event that its brand has."""

    brand_id: BrandId
    campaign: str
    version: int
    kind: str
    after_seq: int
    occurrence: int
    next_at: datetime
    head_seq: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that came since, and whose it is."""

    seq: int
    member_no: int
    member_id: MemberId
    name: str
    occurred_at: datetime
    properties: dict[str, Any]


async def ensure_trigger(
    tx: WriteTransaction,
    brand_id: BrandId,
    campaign: str,
    version: int,
    *,
    kind: str,
    inside: bytes | None,
    next_at: datetime,
) -> None:
    params = {"brand_id": brand_id, "campaign": campaign, "version": version, "kind": kind}
    await tx.execute(SQL["ensure_trigger"], {**params, "inside": inside, "next_at": next_at})


async def delete_trigger(tx: WriteTransaction, brand_id: BrandId, campaign: str) -> None:
    await tx.execute(SQL["delete_trigger"], {"brand_id": brand_id, "campaign": campaign})


async def list_triggers(tx: ReadTransaction) -> list[TriggerRow]:
    """Of all brands."""
    return [TriggerRow(*row) for row in await tx.rows(SQL["list_triggers"])]


async def find_inside(tx: ReadTransaction, brand_id: BrandId, campaign: str) -> bytes | None:
    """Who was inside when it was looked at last, as a roaring bitmap."""
    row = await tx.row(SQL["find_inside"], {"brand_id": brand_id, "campaign": campaign})
    return bytes(row[0]) if row and row[0] is not None else None


async def lock_trigger(tx: WriteTransaction, row: TriggerRow) -> bool:
    """Whether it is still where it was looked at, and nobody else is at it. Locks: its row, until commit."""
    params = {
        "brand_id": row.brand_id,
        "campaign": row.campaign,
        "version": row.version,
        "after_seq": row.after_seq,
        "occurrence": row.occurrence,
        "next_at": row.next_at,
    }
    return await tx.row(SQL["lock_trigger"], params) is not None


async def set_trigger(
    tx: WriteTransaction,
    row: TriggerRow,
    *,
    after_seq: int,
    occurrence: int,
    next_at: datetime,
    inside: bytes | None = None,
) -> None:
    """`inside` None: as it was."""
    params = {
        "brand_id": row.brand_id,
        "campaign": row.campaign,
        "after_seq": after_seq,
        "occurrence": occurrence,
        "next_at": next_at,
        "inside": inside,
    }
    await tx.execute(SQL["set_trigger"], params)


async def list_new_events(
    tx: ReadTransaction,
    brand_id: BrandId,
    names: Sequence[str],
    *,
    after_seq: int,
    to_seq: int,
    occurred_after: datetime,
    limit: int,
) -> list[NewEvent]:
    """In the order they came."""
    params = {
        "brand_id": brand_id,
        "names": list(names),
        "after_seq": after_seq,
        "to_seq": to_seq,
        "occurred_after": occurred_after,
        "limit": limit,
    }
    rows = await tx.rows(SQL["list_new_events"], params)
    return [NewEvent(*row[:5], properties=_read(row[5])) for row in rows]


def _read(properties: Any) -> dict[str, Any]:
    return msgspec.json.decode(properties) if isinstance(properties, str | bytes) else properties
