"""Tables of messages, deliveries and links. One function a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId, MemberId
from regulars.messaging.copying import PLANNED_COPY
from regulars.messaging.model import DeliveryId, Due, Filter, NewDelivery, Shown, State
from regulars.messaging.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


@dataclass(frozen=True, slots=True)
class Written:
    """The verdict on one delivery as its row takes it. `send_at`: where it was put off."""

    delivery_id: DeliveryId
    state: State
    reason: str | None = None
    detail: Mapping[str, Any] | None = None
    arm: str | None = None
    price: Decimal | None = None
    quota_month: date | None = None
    counted_member_id: MemberId | None = None
    request_id: UUID | None = None
    send_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DueKind:
    """What deliveries that are due together share."""

    brand_id: BrandId
    channel: str
    plan_id: int | None
    message_id: int
    purpose: str


async def put_message(tx: WriteTransaction, brand_id: BrandId, digest: str, written: Any, now: datetime) -> int:
    """Its id; the same message keeps it. One that is there already is not locked: many send it at once."""
    known = await find_message_id(tx, brand_id, digest)
    if known is not None:
        return known
    params = {"brand_id": brand_id, "digest": digest, "written": msgspec.json.encode(written).decode(), "now": now}
    row = await tx.row(SQL["put_message"], params)
    assert row is not None, "the row is there or was just made"
    return row[0]


async def find_message_id(tx: ReadTransaction, brand_id: BrandId, digest: str) -> int | None:
    row = await tx.row(SQL["find_message_id"], {"brand_id": brand_id, "digest": digest})
    return row[0] if row else None


async def find_message(tx: ReadTransaction, brand_id: BrandId, message_id: int) -> Any | None:
    row = await tx.row(SQL["find_message"], {"brand_id": brand_id, "message_id": message_id})
    return row[0] if row else None


async def find_items(tx: ReadTransaction, brand_id: BrandId, item_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What templates may say of items, by their ids."""
    rows = await tx.rows(SQL["find_items"], {"brand_id": brand_id, "item_ids": list(item_ids)})
    names = ("id", "name", "category", "price", "attributes")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


async def insert_deliveries(
    tx: WriteTransaction,
    brand_id: BrandId,
    new: Sequence[NewDelivery],
    *,
    purpose: str,
    plan_id: int | None,
    waits: bool,
    now: datetime,
) -> dict[str, DeliveryId]:
    """Ids by dedupe key, of those that were not there before."""
    params = {
        "brand_id": brand_id,
        "purpose": purpose,
        "plan_id": plan_id,
        "waits": waits,
        "now": now,
        "member_ids": [one.member_id for one in new],
        "channels": [one.channel for one in new],
        "topics": [one.topic for one in new],
        "message_ids": [one.message_id for one in new],
        "campaigns": [one.campaign for one in new],
        "variants": [one.variant for one in new],
        "dedupe_keys": [one.dedupe_key for one in new],
        "asked_digests": [one.asked_digest for one in new],
        "holdouts": [one.holdout for one in new],
        "budgets": [one.budget for one in new],
        "values": [one.value for one in new],
        "send_ats": [one.send_at for one in new],
        "until_ats": [one.until_at for one in new],
    }
    rows = await tx.rows(SQL["insert_deliveries"], params)
    return {key: DeliveryId(number) for number, key in rows}


async def copy_planned(tx: WriteTransaction, block: bytes) -> None:
    """Shape: what `copying.pack_planned` made."""
    await tx.copy_rows(PLANNED_COPY, block)


async def find_by_dedupe_key(
    tx: ReadTransaction, brand_id: BrandId, dedupe_key: str
) -> tuple[DeliveryId, str | None] | None:
    """The delivery, and the digest of what was asked."""
    row = await tx.row(SQL["find_by_dedupe_key"], {"brand_id": brand_id, "dedupe_key": dedupe_key})
    return None if row is None else (DeliveryId(row[0]), row[1])


async def take_due_one(tx: WriteTransaction, now: datetime) -> DueKind | None:
    """What the oldest due delivery is one of. Locks: its row."""
    row = await tx.row(SQL["take_due_one"], {"now": now})
    return None if row is None else DueKind(*row)


async def take_due(tx: WriteTransaction, kind: DueKind, now: datetime, *, limit: int) -> list[Due]:
    """Locks: their rows; those that another has taken up are passed by."""
    params = {
        "brand_id": kind.brand_id,
        "channel": kind.channel,
        "plan_id": kind.plan_id,
        "message_id": kind.message_id,
        "purpose": kind.purpose,
        "now": now,
        "limit": limit,
    }
    return [Due(*row) for row in await tx.rows(SQL["take_due"], params)]


async def take_delivery(tx: WriteTransaction, brand_id: BrandId, delivery_id: DeliveryId) -> Due:
    """Locks: its row."""
    row = await tx.row(SQL["take_delivery"], {"brand_id": brand_id, "delivery_id": delivery_id})
    assert row is not None, "the caller has just made it"
    return Due(*row)


async def set_verdicts(tx: WriteTransaction, brand_id: BrandId, verdicts: Sequence[Written], now: datetime) -> None:
    params = {
        "brand_id": brand_id,
        "now": now,
        "delivery_ids": [one.delivery_id for one in verdicts],
        "states": [str(one.state) for one in verdicts],
        "reasons": [one.reason for one in verdicts],
        "details": [msgspec.json.encode(one.detail or {}).decode() for one in verdicts],
        "arms": [one.arm for one in verdicts],
        "prices": [one.price for one in verdicts],
        "quota_months": [one.quota_month for one in verdicts],
        "counted_member_ids": [one.counted_member_id for one in verdicts],
        "request_ids": [one.request_id for one in verdicts],
        "send_ats": [one.send_at for one in verdicts],
    }
    await tx.execute(SQL["set_verdicts"], params)


async def finish_deliveries(
    tx: WriteTransaction, brand_id: BrandId, ends: Sequence[tuple[UUID, State, str | None]], now: datetime
) -> None:
    """What became of the deliveries of each request, and why."""
    params = {
        "brand_id": brand_id,
        "now": now,
        "request_ids": [request_id for request_id, _, _ in ends],
        "states": [str(state) for _, state, _ in ends],
        "reasons": [reason for _, _, reason in ends],
    }
    await tx.execute(SQL["finish_deliveries"], params)


async def list_deliveries_of(tx: ReadTransaction, brand_id: BrandId, request_ids: Sequence[UUID]) -> list[TupleRow]:
    """Of requests that are on their way: delivery_id, counted_member_id, quota_month."""
    return await tx.rows(SQL["list_deliveries_of"], {"brand_id": brand_id, "request_ids": list(request_ids)})


async def list_deliveries(
    tx: ReadTransaction, brand_id: BrandId, asked: Filter, *, after: int, limit: int
) -> list[Shown]:
    params = {
        "brand_id": brand_id,
        "plan_id": asked.plan_id,
        "campaign": asked.campaign,
        "member_ids": None if asked.member_ids is None else list(asked.member_ids),
        "state": asked.state,
        "after": after,
        "limit": limit,
    }
    return [_to_shown(row) for row in await tx.rows(SQL["list_deliveries"], params)]


async def find_delivery(tx: ReadTransaction, brand_id: BrandId, delivery_id: DeliveryId) -> Shown | None:
    row = await tx.row(SQL["find_delivery"], {"brand_id": brand_id, "delivery_id": delivery_id})
    return None if row is None else _to_shown(row)


async def count_states(tx: ReadTransaction, brand_id: BrandId, plan_id: int) -> dict[str, int]:
    """Deliveries of a plan by state."""
    rows = await tx.rows(SQL["count_states"], {"brand_id": brand_id, "plan_id": plan_id})
    return {state: count for state, count in rows if count}


async def pause_plan(tx: WriteTransaction, brand_id: BrandId, plan_id: int) -> None:
    await tx.execute(SQL["pause_plan"], {"brand_id": brand_id, "plan_id": plan_id})


async def resume_plan(tx: WriteTransaction, brand_id: BrandId, plan_id: int) -> None:
    await tx.execute(SQL["resume_plan"], {"brand_id": brand_id, "plan_id": plan_id})


async def cancel_planned(tx: WriteTransaction, brand_id: BrandId, plan_id: int, now: datetime) -> int:
    return await tx.execute(SQL["cancel_planned"], {"brand_id": brand_id, "plan_id": plan_id, "now": now})


async def insert_links(
    tx: WriteTransaction, brand_id: BrandId, urls: Sequence[str], digests: Sequence[str]
) -> dict[str, int]:
    """Ids by address."""
    params = {"brand_id": brand_id, "urls": list(urls), "digests": list(digests)}
    return {url: link_id for link_id, url in await tx.rows(SQL["insert_links"], params)}


async def find_link(tx: ReadTransaction, brand_id: BrandId, link_id: int) -> str | None:
    row = await tx.row(SQL["find_link"], {"brand_id": brand_id, "link_id": link_id})
    return row[0] if row else None


async def count_click(
    tx: WriteTransaction, brand_id: BrandId, delivery_id: DeliveryId, link_id: int, now: datetime
) -> None:
    params = {"brand_id": brand_id, "delivery_id": delivery_id, "link_id": link_id, "now": now}
    await tx.execute(SQL["count_click"], params)


async def mark_clicked(tx: WriteTransaction, brand_id: BrandId, delivery_id: DeliveryId, now: datetime) -> None:
    await tx.execute(SQL["mark_clicked"], {"brand_id": brand_id, "delivery_id": delivery_id, "now": now})


async def mark_unsubscribed(tx: WriteTransaction, brand_id: BrandId, delivery_id: DeliveryId, now: datetime) -> None:
    await tx.execute(SQL["mark_unsubscribed"], {"brand_id": brand_id, "delivery_id": delivery_id, "now": now})


def _to_shown(row: TupleRow) -> Shown:
    return Shown(
        delivery_id=row[0],
        member_id=row[1],
        plan_id=row[2],
        campaign=row[3],
        channel=row[4],
        state=State(row[5]),
        reason=row[6],
        price=row[7],
        send_at=row[8],
        topic=row[9],
        detail=row[10],
        attempts=tuple(row[11] or ()),
        request_id=row[12],
        variant=row[13],
        clicks=row[14],
        until_at=row[15],
        clicked_at=row[16],
        unsubscribed_at=row[17],
    )
