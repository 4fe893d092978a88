"""Places at staged events. One function a query."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.store.rewards import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


class EventRow(NamedTuple):
    """How many have a place, and how many wait for one."""

    event_id: int
    registered_count: int
    waiting_count: int


async def ensure_event(tx: WriteTransaction, brand_id: BrandId, programme: str, event: str) -> None:
    await tx.execute(SQL["ensure_event"], {"brand_id": brand_id, "programme": programme, "event": event})


async def lock_event(tx: WriteTransaction, brand_id: BrandId, programme: str, event: str) -> EventRow | None:
    """Until commit."""
    row = await tx.row(SQL["lock_event"], {"brand_id": brand_id, "programme": programme, "event": event})
    return EventRow(*row) if row else None


async def list_places(
    tx: ReadTransaction, brand_id: BrandId, event_id: int, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, str]]:
    """Member and state."""
    params = {"brand_id": brand_id, "event_id": event_id, "member_ids": list(member_ids)}
    return await tx.rows(SQL["list_places"], params)


async def put_place(
    tx: WriteTransaction, brand_id: BrandId, event_id: int, member_id: MemberId, state: str, *, now: datetime
) -> None:
    params = {"brand_id": brand_id, "event_id": event_id, "member_id": member_id, "state": state, "now": now}
    await tx.execute(SQL["put_place"], params)


async def cancel_places(
    tx: WriteTransaction, brand_id: BrandId, event_id: int, member_ids: Sequence[MemberId], *, now: datetime
) -> None:
    params = {"brand_id": brand_id, "event_id": event_id, "member_ids": list(member_ids), "now": now}
    await tx.execute(SQL["cancel_places"], params)


async def move_up(tx: WriteTransaction, brand_id: BrandId, event_id: int, count: int, *, now: datetime) -> None:
    """So many of those that wait."""
    await tx.execute(SQL["move_up"], {"brand_id": brand_id, "event_id": event_id, "count": count, "now": now})


async def list_waited_for(tx: ReadTransaction, *, limit: int) -> list[tuple[BrandId, str, str]]:
    """Brand, programme, event: where somebody waits."""
    return await tx.rows(SQL["list_waited_for"], {"limit": limit})
