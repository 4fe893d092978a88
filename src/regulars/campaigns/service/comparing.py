"""What other limits would bring: a plan solved again with one thing changed at a time, over members as they are now.

Figures are expected ones, before arms are drawn: two plans would else differ by luck. Costs hold the fees of the price plans, for
that is what some of the changes are about. The rows:

    now                        as it was asked for
    caps:N                     at most N messages a member in the brand's overall cap, or in 30 days where it has none
    quota:CHANNEL:none         as many messages as one likes for nothing but the fee
    price_plan:CHANNEL:CODE    that price plan: of the channel's own, and of those known to be sold where the brand is
    move:KIND->KIND            nobody who is reached on the second kind of channel is sent anything on the first
    drop:CAMPAIGN              without it
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from regulars.audiences.service.answering import AudienceEngine
from regulars.campaigns import planner
from regulars.campaigns.planner import Variant
from regulars.campaigns.service.gathering import Gathered, Slot
from regulars.campaigns.service.planning import gather_plan, get_plan, read_asked
from regulars.campaigns.summary import money_text
from regulars.messaging.caps import RollingCap
from regulars.messaging.known_prices import list_known_sold
from regulars.messaging.prices import MESSAGES_MAX, PricePlan
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

CAPS_COMPARED: Final = (1, 2, 4)
CAP_WINDOW: Final = timedelta(days=30)


async def compare_plan(
    tx: ReadTransaction, brand: Brand, engine: AudienceEngine, text: str, *, now: datetime
) -> list[dict[str, Any]]:
    """A row a change, `now` first. Raises: PlanUnknown, and as `draft_plan`."""
    plan = await get_plan(tx, brand, text)
    also = [RollingCap(0, CAP_WINDOW)]
    gathered, _ = await gather_plan(tx, brand, engine, read_asked(plan), as_of=plan.as_of, now=now, also_caps=also)
    return await asyncio.to_thread(_solve_all, gathered, brand)


def _solve_all(gathered: Gathered, brand: Brand) -> list[dict[str, Any]]:
    # Expected figures: who is held out as drawn moves no row.
    problem = replace(gathered.problem(), withheld=None)
    prepared = planner.prepare(problem)
    variants = [*_list_changes(gathered, problem, brand)]
    return [_show(row) for row in planner.weigh(prepared, planner.solve(prepared), variants)]


def _show(row: planner.Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "messages": round(row.messages),
        "value": money_text(row.value_micros),
        "cost": money_text(row.cost_micros + row.fee_micros),
        "net": money_text(row.net_micros - row.fee_micros),
        "change": money_text(row.change_micros),
    }


def _list_changes(gathered: Gathered, problem: planner.Problem, brand: Brand) -> Iterator[Variant]:
    for most in CAPS_COMPARED:
        yield Variant(f"caps:{most}", replace(problem, caps=gathered.caps_of(_with_cap(gathered.terms.caps, most))))
    yield from _change_plans(gathered, problem, brand)
    yield from _move(gathered, problem)
    for campaign in gathered.campaigns:
        yield Variant(f"drop:{campaign.name}", planner.without_campaign(problem, campaign.name))


def _with_cap(caps: Sequence[RollingCap], most: int) -> list[RollingCap]:
    overall = [cap for cap in caps if cap.topic is None] or [RollingCap(most, CAP_WINDOW)]
    return [*(cap for cap in caps if cap.topic is not None), *(replace(cap, most=most) for cap in overall)]


def _change_plans(gathered: Gathered, problem: planner.Problem, brand: Brand) -> Iterator[Variant]:
    by_channel: dict[str, list[Slot]] = {}
    for slot in gathered.slots:
        by_channel.setdefault(slot.channel.name, []).append(slot)
    for channel, slots in by_channel.items():
        if slots[0].channel.prices is not None:
            free = {slot.name: _without_quota(slot) for slot in slots}
            yield Variant(f"quota:{channel}:none", planner.with_price_plans(problem, free))
        offers = {slot.name: _list_offers(slot, brand) for slot in slots}
        for code in dict.fromkeys(code for offered in offers.values() for code in offered):
            # In a month in which it is not sold the channel keeps the plan it has.
            taken = {name: offered[code] for name, offered in offers.items() if code in offered}
            yield Variant(f"price_plan:{channel}:{code}", planner.with_price_plans(problem, taken))


def _list_offers(slot: Slot, brand: Brand) -> dict[str, PricePlan]:
    """The plans a channel could have in a month, by code: its own, then those known of its vendor that it has not."""
    book = slot.channel.prices
    own = [] if book is None else [*book.list_sold(slot.month), book.on(slot.month)]
    known = list_known_sold(slot.channel.form.kind, brand.country, brand.currency, slot.month)
    offered = {plan.code: plan for plan in own}
    return offered | {plan.code: plan for plan in known if plan.code not in offered}


def _without_quota(slot: Slot) -> PricePlan:
    assert slot.channel.prices is not None, "the channel has price plans"
    return replace(slot.channel.prices.on(slot.month), included=MESSAGES_MAX, steps=())


def _move(gathered: Gathered, problem: planner.Problem) -> Iterator[Variant]:
    """From each kind of channel that has price plans to each other kind."""
    names: dict[str, list[str]] = {}
    for slot in gathered.slots:
        names.setdefault(slot.channel.form.kind, []).append(slot.name)
    paid = {slot.channel.form.kind for slot in gathered.slots if slot.channel.prices is not None}
    for source in sorted(paid):
        for target in sorted(names.keys() - {source}):
            moved = planner.with_move(problem, names[source], names[target])
            yield Variant(f"move:{source}->{target}", moved)
