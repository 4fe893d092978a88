"""A plan on its way: its deliveries made, held, let go on, called off, counted; and what it may use up."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from regulars.messaging.copying import pack_planned
from regulars.messaging.model import MARKETING, NewDelivery, Planned, State
from regulars.messaging.service.channels import digest_of
from regulars.messaging.service.links import release
from regulars.messaging.store import channels, deliveries, people, requests
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

LAST_STATES = frozenset({State.ACCEPTED, State.REJECTED, State.REFUSED, State.WITHHELD, State.CANCELLED, State.UNKNOWN})


async def make_planned(
    tx: WriteTransaction,
    brand: Brand,
    plan_id: int,
    new: Sequence[NewDelivery],
    *,
    purpose: str = MARKETING,
    now: datetime,
) -> int:
    """Deliveries of a plan that wait for their time; those that are there already stay. How many are new."""
    made = await deliveries.insert_deliveries(
        tx, brand.brand_id, new, purpose=purpose, plan_id=plan_id, waits=True, now=now
    )
    return len(made)


async def copy_planned(
    tx: WriteTransaction, brand: Brand, plan_id: int, planned: Sequence[Planned], *, now: datetime
) -> None:
    """Deliveries of a plan by the hundred thousand. Shape: none of them is there yet; the caller holds the plan's row."""
    block = await asyncio.to_thread(pack_planned, brand.brand_id, plan_id, planned, now)
    await deliveries.copy_planned(tx, block)


async def make_triggered(
    tx: WriteTransaction, brand: Brand, new: Sequence[NewDelivery], *, purpose: str, now: datetime
) -> int:
    """Deliveries that something set off, without a plan; those that are there already stay. How many are new."""
    made = await deliveries.insert_deliveries(
        tx, brand.brand_id, new, purpose=purpose, plan_id=None, waits=True, now=now
    )
    return len(made)


async def ensure_message(tx: WriteTransaction, brand: Brand, written: object, *, now: datetime) -> int:
    """The number of a message; the same message keeps it."""
    return await deliveries.put_message(tx, brand.brand_id, digest_of(written), written, now)


async def ensure_budget(tx: WriteTransaction, brand: Brand, budget: str, most: Decimal) -> None:
    """At most so much is spent of it; what was spent stays."""
    await channels.put_budget(tx, brand.brand_id, budget, most)


async def get_spent(tx: ReadTransaction, brand: Brand, budget: str) -> Decimal:
    """What a budget has paid for already."""
    found = await channels.find_budget(tx, brand.brand_id, budget)
    return Decimal(0) if found is None else found[1]


async def get_quota(tx: ReadTransaction, brand: Brand, channel: str, month: date) -> tuple[int, bool]:
    """Messages used of a channel's month, and whether the channel said that none is left."""
    return await channels.find_quota(tx, brand.brand_id, channel, month)


async def count_states(tx: ReadTransaction, brand: Brand, plan_id: int) -> dict[str, int]:
    """Deliveries of the plan by state."""
    return await deliveries.count_states(tx, brand.brand_id, plan_id)


async def pause_plan(tx: WriteTransaction, brand: Brand, plan_id: int) -> None:
    """Nothing more of it goes out; what is on the wire arrives."""
    await deliveries.pause_plan(tx, brand.brand_id, plan_id)


async def resume_plan(tx: WriteTransaction, brand: Brand, plan_id: int) -> None:
    """It goes on where it stopped."""
    await deliveries.resume_plan(tx, brand.brand_id, plan_id)


async def cancel_plan(tx: WriteTransaction, brand: Brand, plan_id: int, *, now: datetime) -> None:
    """Whatever was never tried is called off, and gives back what it had taken."""
    await deliveries.cancel_planned(tx, brand.brand_id, plan_id, now)
    called_off = await requests.cancel_waiting(tx, brand.brand_id, plan_id, now)
    if called_off:
        rows = await deliveries.list_deliveries_of(tx, brand.brand_id, called_off)
        await people.lock_counts(tx, brand.brand_id, sorted({row[1] for row in rows if row[1] is not None}))
        await release(tx, brand, [row[0] for row in rows])
        await deliveries.finish_deliveries(
            tx, brand.brand_id, [(request_id, State.CANCELLED, None) for request_id in called_off], now
        )
