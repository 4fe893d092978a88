"""The table of requests: stored, claimed, told of. One function a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from regulars.kernel.ids import BrandId
from regulars.messaging.ports import Request
from regulars.messaging.store._sql import SQL
from regulars.platform.db import WriteTransaction


@dataclass(frozen=True, slots=True)
class Claimed:
    """A request of which an attempt has begun. `attempts`: how many came before; whether one of them may have arrived.

    `is_expired`: its time was over, so none begins; the caller finishes it before it commits.
    """

    brand_id: BrandId
    channel: str
    request: Request
    attempts: int
    first_at: datetime
    is_uncertain: bool
    is_expired: bool


@dataclass(frozen=True, slots=True)
class Abandoned:
    """A request whose attempt nobody told the end of."""

    brand_id: BrandId
    request_id: UUID
    channel: str
    first_at: datetime
    attempts: int
    is_uncertain: bool


@dataclass(frozen=True, slots=True)
class Attempted:
    """The end of one attempt, and what the request is after it; None: it ended without another attempt."""

    request_id: UUID
    state: str
    attempt: Mapping[str, Any] | None
    next_at: datetime | None = None
    message_id: str | None = None


async def insert_requests(
    tx: WriteTransaction,
    brand_id: BrandId,
    requests: Sequence[tuple[Request, datetime | None]],
    *,
    channel: str,
    plan_id: int | None,
    now: datetime,
) -> None:
    """Each with the instant from which on it is not sent any more."""
    params = {
        "brand_id": brand_id,
        "channel": channel,
        "plan_id": plan_id,
        "now": now,
        "request_ids": [one.key for one, _ in requests],
        "paths": [one.path for one, _ in requests],
        "bodies": [one.body for one, _ in requests],
        "addresses": ["\n".join(one.addresses) for one, _ in requests],
        "until_ats": [until_at for _, until_at in requests],
    }
    await tx.execute(SQL["insert_requests"], params)


async def claim_requests(
    tx: WriteTransaction, now: datetime, lease_until: datetime, *, full_channels: Sequence[str], limit: int
) -> list[Claimed]:
    """Begins an attempt of each that has not expired. `full_channels` have enough on their way."""
    params = {"now": now, "lease_until": lease_until, "full_channels": list(full_channels), "limit": limit}
    rows = await tx.rows(SQL["claim_requests"], params)
    return [
        Claimed(BrandId(brand_id), channel, Request(key, path, bytes(body), tuple(addresses)), *rest)
        for brand_id, key, channel, path, body, addresses, *rest in rows
    ]


async def list_abandoned(tx: WriteTransaction, now: datetime, *, limit: int) -> list[Abandoned]:
    """Locks: their rows."""
    return [Abandoned(*row) for row in await tx.rows(SQL["list_abandoned"], {"now": now, "limit": limit})]


async def extend_leases(tx: WriteTransaction, request_ids: Sequence[UUID], lease_until: datetime) -> None:
    await tx.execute(SQL["extend_leases"], {"request_ids": list(request_ids), "lease_until": lease_until})


async def finish_requests(
    tx: WriteTransaction, brand_id: BrandId, ends: Sequence[Attempted], now: datetime
) -> set[UUID]:
    """Those whose end nobody had told before."""
    params = {
        "brand_id": brand_id,
        "now": now,
        "request_ids": [one.request_id for one in ends],
        "states": [one.state for one in ends],
        "attempts": [msgspec.json.encode([one.attempt] if one.attempt else []).decode() for one in ends],
        "next_ats": [one.next_at for one in ends],
        "message_ids": [one.message_id for one in ends],
    }
    return {row[0] for row in await tx.rows(SQL["finish_requests"], params)}


async def cancel_waiting(tx: WriteTransaction, brand_id: BrandId, plan_id: int, now: datetime) -> list[UUID]:
    """Requests of a plan that were never tried."""
    rows = await tx.rows(SQL["cancel_waiting"], {"brand_id": brand_id, "plan_id": plan_id, "now": now})
    return [row[0] for row in rows]


async def forget_bodies(tx: WriteTransaction, brand_id: BrandId, before: datetime) -> int:
    return await tx.execute(SQL["forget_bodies"], {"brand_id": brand_id, "before": before})


async def forget_addresses(
    tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[int], now: datetime
) -> list[tuple[UUID, bool]]:
    """Requests whose bytes are gone, and whether an attempt had begun."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "now": now}
    return [(row[0], row[1]) for row in await tx.rows(SQL["forget_addresses"], params)]
