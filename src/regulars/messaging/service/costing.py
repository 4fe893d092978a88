"""The cost ledger: what each channel's calendar month has come to, what it will come to, what replies saved."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from regulars.access import service as access
from regulars.messaging.costs import Spent, count_with_room, forecast_cost, forecast_messages, span_of
from regulars.messaging.service.channels import ChannelRow, list_channels
from regulars.messaging.service.gating import month_of
from regulars.messaging.store import channels
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand


async def record_reply(tx: WriteTransaction, brand: Brand, row: ChannelRow, *, now: datetime) -> Decimal:
    """A free reply went out: what it would have cost as the month's next message. Locks: the month of the channel.

    Where no message is left to be had at any price it saved nothing.
    """
    month = month_of(now, brand)
    used, _ = await channels.lock_quota(tx, brand.brand_id, row.name, month)
    price = (None if row.prices is None else row.prices.on(month).price_of(used)) or Decimal(0)
    await channels.add_reply(tx, brand.brand_id, row.name, month, price)
    return price


async def show_costs(tx: ReadTransaction, brand: Brand, month: date, *, now: datetime) -> dict[str, Any]:
    """The month of every channel, as the API shows it. Shape: `month` is its first day."""
    span = span_of(month, brand.time_zone)
    spent = await channels.list_months(tx, brand.brand_id, month)
    expected: dict[str, float] = {}
    if now < span.until_at:
        holdout = (await access.get_settings(tx, brand)).holdout
        from_at = span.from_at if now < span.from_at else None  # what is late goes now, in this month
        expected = await channels.list_expected(tx, brand.brand_id, from_at, span.until_at, holdout=holdout)
    shown: dict[str, Any] = {}
    for row in await list_channels(tx, brand):
        so_far = spent.get(row.name, Spent())
        further = forecast_messages(so_far, span.remaining_per_elapsed(now), expected.get(row.name, 0.0))
        plan = None if row.prices is None else row.prices.on(month)
        going = count_with_room(so_far, further, plan)
        shown[row.name] = {
            "messages": so_far.messages,
            "free_replies": so_far.replies,
            "cost": f"{so_far.cost:f}",
            "forecast": f"{forecast_cost(so_far, going, plan):f}",
            "saved_by_replies": f"{so_far.saved:f}",
            "forecast_messages": so_far.messages + going,
            "forecast_refused": further - going,
            "counted_elsewhere": max(0, so_far.used - so_far.messages),
            "price_plan": plan and plan.code,
            "fee": f"{plan.fee:f}" if plan else "0",
        }
    return {"month": f"{month:%Y-%m}", "currency": brand.currency, "channels": shown}
