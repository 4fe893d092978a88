"""Tables of channels: their settings, price plans, quotas, whom they reach. One function a query."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec
from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId
from regulars.messaging.costs import Spent
from regulars.messaging.model import DUTIES
from regulars.messaging.store._sql import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


async def ensure_salt(tx: WriteTransaction, brand_id: BrandId, salt: bytes) -> None:
    await tx.execute(SQL["ensure_salt"], {"brand_id": brand_id, "salt": salt})


async def find_salt(tx: ReadTransaction, brand_id: BrandId) -> bytes | None:
    row = await tx.row(SQL["find_salt"], {"brand_id": brand_id})
    return None if row is None else bytes(row[0])


async def put_channel(
    tx: WriteTransaction,
    brand_id: BrandId,
    name: str,
    *,
    kind: str,
    identity_kind: str,
    settings: Any,
    secrets: bytes,
    now: datetime,
) -> None:
    params = {
        "brand_id": brand_id,
        "name": name,
        "kind": kind,
        "identity_kind": identity_kind,
        "settings": msgspec.json.encode(settings).decode(),
        "secrets": secrets,
        "now": now,
    }
    await tx.execute(SQL["put_channel"], params)


async def set_channel_state(tx: WriteTransaction, brand_id: BrandId, name: str, state: Any) -> None:
    params = {"brand_id": brand_id, "name": name, "state": msgspec.json.encode(state).decode()}
    await tx.execute(SQL["set_channel_state"], params)


async def list_channels(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """name, kind, identity_kind, settings, secrets_sealed, state, version."""
    return await tx.rows(SQL["list_channels"], {"brand_id": brand_id})


async def list_channels_named(tx: ReadTransaction, name: str) -> list[BrandId]:
    """The brands that have a channel of this name."""
    return [BrandId(row[0]) for row in await tx.rows(SQL["list_channels_named"], {"name": name})]


async def put_price_book(tx: WriteTransaction, brand_id: BrandId, channel: str, book: Any, now: datetime) -> None:
    params = {"brand_id": brand_id, "channel": channel, "book": msgspec.json.encode(book).decode(), "now": now}
    await tx.execute(SQL["put_price_book"], params)


async def list_price_books(tx: ReadTransaction, brand_id: BrandId) -> dict[str, Any]:
    """By channel."""
    return {channel: book for channel, book in await tx.rows(SQL["list_price_books"], {"brand_id": brand_id})}


async def list_addresses(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[int], kind: str
) -> list[TupleRow]:
    """member_id, lookup, value_sealed; a member's newest first."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "kind": kind}
    return await tx.rows(SQL["list_addresses"], params)


async def list_blocked(
    tx: ReadTransaction, brand_id: BrandId, channel: str, lookups: Sequence[str]
) -> dict[str, tuple[str, datetime]]:
    """By lookup: why, and since when."""
    params = {"brand_id": brand_id, "channel": channel, "lookups": list(lookups)}
    return {lookup: (reason, at) for lookup, reason, at in await tx.rows(SQL["list_blocked"], params)}


async def put_reach(
    tx: WriteTransaction,
    brand_id: BrandId,
    channel: str,
    lookup: str,
    *,
    blocked_at: datetime | None,
    reason: str | None,
    told_at: datetime,
) -> None:
    params = {
        "brand_id": brand_id,
        "channel": channel,
        "lookup": lookup,
        "blocked_at": blocked_at,
        "reason": reason,
        "told_at": told_at,
    }
    await tx.execute(SQL["put_reach"], params)


async def claim_happening(
    tx: WriteTransaction, brand_id: BrandId, channel: str, key: str, kind: str, lookup: str, at: datetime, now: datetime
) -> bool:
    """Whether it was never told before."""
    params = {
        "brand_id": brand_id,
        "channel": channel,
        "key": key,
        "kind": kind,
        "lookup": lookup,
        "at": at,
        "now": now,
    }
    return await tx.execute(SQL["claim_happening"], params) == 1


async def forget_happenings(tx: WriteTransaction, brand_id: BrandId, before: datetime) -> int:
    return await tx.execute(SQL["forget_happenings"], {"brand_id": brand_id, "before": before})


async def lock_quota(tx: WriteTransaction, brand_id: BrandId, channel: str, month: date) -> tuple[int, bool]:
    """Messages used, and whether the channel said that none is left. Locks: the month's row."""
    row = await tx.row(SQL["lock_quota"], {"brand_id": brand_id, "channel": channel, "month": month})
    assert row is not None, "the row is there or was just made"
    return row[0], row[1]


async def find_quota(tx: ReadTransaction, brand_id: BrandId, channel: str, month: date) -> tuple[int, bool]:
    """Messages used, and whether the channel said that none is left."""
    row = await tx.row(SQL["find_quota"], {"brand_id": brand_id, "channel": channel, "month": month})
    return (0, False) if row is None else (row[0], row[1])


async def add_to_quota(
    tx: WriteTransaction, brand_id: BrandId, channel: str, month: date, *, messages: int, of_plans: int, cost: Decimal
) -> None:
    params = {
        "brand_id": brand_id,
        "channel": channel,
        "month": month,
        "messages": messages,
        "of_plans": of_plans,
        "cost": cost,
    }
    await tx.execute(SQL["add_to_quota"], params)


async def add_reply(tx: WriteTransaction, brand_id: BrandId, channel: str, month: date, price: Decimal) -> None:
    await tx.execute(SQL["add_reply"], {"brand_id": brand_id, "channel": channel, "month": month, "price": price})


async def list_months(tx: ReadTransaction, brand_id: BrandId, month: date) -> dict[str, Spent]:
    """By channel, of those that have sent or were counted in that month."""
    rows = await tx.rows(SQL["list_months"], {"brand_id": brand_id, "month": month})
    return {row[0]: Spent(*row[1:]) for row in rows}


async def list_expected(
    tx: ReadTransaction, brand_id: BrandId, from_at: datetime | None, until_at: datetime, *, holdout: float
) -> dict[str, float]:
    """By channel: how many messages of plans that are not paused are expected to go then; `from_at` None: late ones too."""
    params = {
        "brand_id": brand_id,
        "from_at": from_at,
        "until_at": until_at,
        "duties": list(DUTIES),
        "holdout": holdout,
    }
    return {channel: count for channel, count in await tx.rows(SQL["list_expected"], params)}


async def raise_quota(tx: WriteTransaction, brand_id: BrandId, channel: str, month: date, used: int) -> None:
    await tx.execute(SQL["raise_quota"], {"brand_id": brand_id, "channel": channel, "month": month, "used": used})


async def exhaust_quota(tx: WriteTransaction, brand_id: BrandId, channel: str, month: date) -> None:
    await tx.execute(SQL["exhaust_quota"], {"brand_id": brand_id, "channel": channel, "month": month})


async def clear_exhausted(tx: WriteTransaction, brand_id: BrandId, channel: str) -> None:
    await tx.execute(SQL["clear_exhausted"], {"brand_id": brand_id, "channel": channel})


async def put_budget(tx: WriteTransaction, brand_id: BrandId, budget: str, most: Decimal) -> None:
    await tx.execute(SQL["put_budget"], {"brand_id": brand_id, "budget": budget, "most": most})


async def lock_budget(tx: WriteTransaction, brand_id: BrandId, budget: str) -> tuple[Decimal, Decimal] | None:
    """The most, and what is spent. Locks: the budget's row."""
    row = await tx.row(SQL["lock_budget"], {"brand_id": brand_id, "budget": budget})
    return None if row is None else (row[0], row[1])


async def find_budget(tx: ReadTransaction, brand_id: BrandId, budget: str) -> tuple[Decimal, Decimal] | None:
    """The most, and what is spent."""
    row = await tx.row(SQL["find_budget"], {"brand_id": brand_id, "budget": budget})
    return None if row is None else (row[0], row[1])


async def add_to_budget(tx: WriteTransaction, brand_id: BrandId, budget: str, amount: Decimal) -> None:
    await tx.execute(SQL["add_to_budget"], {"brand_id": brand_id, "budget": budget, "amount": amount})


async def release_quota(tx: WriteTransaction, brand_id: BrandId, delivery_ids: Sequence[int]) -> None:
    await tx.execute(SQL["release_quota"], {"brand_id": brand_id, "delivery_ids": list(delivery_ids)})


async def release_budgets(tx: WriteTransaction, brand_id: BrandId, delivery_ids: Sequence[int]) -> None:
    await tx.execute(SQL["release_budgets"], {"brand_id": brand_id, "delivery_ids": list(delivery_ids)})
