"""A plan on its way: its assignments become deliveries, once; then it is held, let go on, called off, and told of."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.errors import PlanStateConflict, PlanUnknown
from regulars.campaigns.model import PLAN_PREFIX, Assignment, Campaign, PlanState, StoredPlan
from regulars.campaigns.pacing import Calendar
from regulars.campaigns.service import planning, saving
from regulars.campaigns.store import plans as store
from regulars.campaigns.summary import money_text
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import public_id
from regulars.members.service.reading import member_text
from regulars.messaging.model import Planned, PlannedKind
from regulars.messaging.service import controlling
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

ROWS_AT_ONCE: Final = 100_000
"""So many deliveries are put together in a thread and copied."""
_LAST: Final = frozenset(str(state) for state in controlling.LAST_STATES)


async def send_plan(tx: WriteTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """Make all deliveries of a plan; again it is the same answer. Raises: PlanUnknown, PlanStateConflict.

    Locks: the plan's row, until commit.
    """
    plan, state = await _lock(tx, brand, text)
    if state is PlanState.CANCELLED:
        raise PlanStateConflict(f"plan {text} was cancelled; make another")
    if state is PlanState.DRAFT:
        await _make_deliveries(tx, brand, plan, now)
        await store.set_plan_state(tx, brand.brand_id, plan.plan_id, PlanState.SENDING, sent_at=now)
    return _answer(plan, PlanState.SENDING)


async def pause_plan(tx: WriteTransaction, brand: Brand, text: str) -> dict[str, Any]:
    """Nothing more of it goes out. Raises: PlanUnknown, PlanStateConflict."""
    plan = await _lock_moving(tx, brand, text, "paused")
    await controlling.pause_plan(tx, brand, plan.plan_id)
    await store.set_plan_state(tx, brand.brand_id, plan.plan_id, PlanState.PAUSED)
    return _answer(plan, PlanState.PAUSED)


async def resume_plan(tx: WriteTransaction, brand: Brand, text: str) -> dict[str, Any]:
    """It goes on where it stopped. Raises: PlanUnknown, PlanStateConflict."""
    plan = await _lock_moving(tx, brand, text, "resumed")
    await controlling.resume_plan(tx, brand, plan.plan_id)
    await store.set_plan_state(tx, brand.brand_id, plan.plan_id, PlanState.SENDING)
    return _answer(plan, PlanState.SENDING)


async def cancel_plan(tx: WriteTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """Whatever was never tried is called off; again it is the same answer. Raises: PlanUnknown."""
    plan, state = await _lock(tx, brand, text)
    if state in (PlanState.SENDING, PlanState.PAUSED):
        await controlling.cancel_plan(tx, brand, plan.plan_id, now=now)
        # What was tried and is not certain is asked about to its end.
        await controlling.resume_plan(tx, brand, plan.plan_id)
    await store.set_plan_state(tx, brand.brand_id, plan.plan_id, PlanState.CANCELLED)
    return _answer(plan, PlanState.CANCELLED)


async def show_plan(tx: ReadTransaction, brand: Brand, text: str) -> dict[str, Any]:
    """A plan with its progress; `sent` is one whose deliveries have all reached their last state. Raises: PlanUnknown."""
    plan = await planning.get_plan(tx, brand, text)
    progress = await controlling.count_states(tx, brand, plan.plan_id)
    shown = planning.show_plan(plan)
    if plan.state is PlanState.SENDING and progress.keys() <= _LAST:
        shown["state"] = str(PlanState.SENT)
    return {**shown, "progress": progress}


async def list_plans(tx: ReadTransaction, brand: Brand, *, before: int, limit: int) -> list[dict[str, Any]]:
    """The newest first, without progress."""
    return [planning.show_plan(one) for one in await store.list_plans(tx, brand.brand_id, before=before, limit=limit)]


async def list_assignments(
    tx: ReadTransaction, brand: Brand, plan: StoredPlan, *, after: tuple[int, int], limit: int
) -> list[Assignment]:
    """By member, then campaign."""
    return await store.list_assignments(tx, brand.brand_id, plan.plan_id, after=after, limit=limit)


async def list_variants(tx: ReadTransaction, brand: Brand, plan: StoredPlan) -> list[list[str]]:
    """The names of each campaign's variants, in the order of the plan's campaigns."""
    found = await _list_campaigns(tx, brand, plan)
    return [[one.name for one in campaign.variants] for campaign in found]


def show_assignment(plan: StoredPlan, variants: Sequence[Sequence[str]], one: Assignment) -> dict[str, Any]:
    """As the contract shows it; `variant` where its campaign has some."""
    names = variants[one.campaign_no]
    return {
        "member": member_text(one.member_id),
        "campaign": plan.campaigns[one.campaign_no],
        "channel": plan.channels[one.channel_no],
        "value": money_text(one.value_micros),
        "price": money_text(one.price_micros),
        "send_at": instant_text(one.send_at),
        "withheld": "holdout" if one.is_withheld else None,
        **({"variant": names[one.variant_no]} if names else {}),
    }


async def list_unsent(
    tx: ReadTransaction, brand: Brand, plan: StoredPlan, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Each member's best message that was not chosen, and why."""
    rows = await store.list_unsent(tx, brand.brand_id, plan.plan_id, after=after, limit=limit)
    return [
        {
            "member": member_text(one.member_id),
            "campaign": plan.campaigns[one.campaign_no],
            "channel": plan.channels[one.channel_no],
            "value": money_text(one.value_micros),
            "reason": one.reason,
        }
        for one in rows
    ]


async def _lock(tx: WriteTransaction, brand: Brand, text: str) -> tuple[StoredPlan, PlanState]:
    plan = await planning.get_plan(tx, brand, text)
    state = await store.lock_plan(tx, brand.brand_id, plan.plan_id)
    if state is None:
        raise PlanUnknown(f"there is no plan {text[:40]!r}")
    return plan, state


async def _lock_moving(tx: WriteTransaction, brand: Brand, text: str, verb: str) -> StoredPlan:
    plan, state = await _lock(tx, brand, text)
    if state not in (PlanState.SENDING, PlanState.PAUSED):
        raise PlanStateConflict(f"plan {text} is {state}: it cannot be {verb}")
    return plan


def _answer(plan: StoredPlan, state: PlanState) -> dict[str, Any]:
    return {"id": public_id(PLAN_PREFIX, plan.plan_id), "state": str(state)}


async def _list_campaigns(tx: ReadTransaction, brand: Brand, plan: StoredPlan) -> list[Campaign]:
    named = zip(plan.campaigns, plan.versions, strict=True)
    return [await saving.get_version(tx, brand, name, version) for name, version in named]


async def _make_deliveries(tx: WriteTransaction, brand: Brand, plan: StoredPlan, now: datetime) -> None:
    """In batches, all in the one transaction: either the whole plan is on its way or nothing of it."""
    campaigns = await _list_campaigns(tx, brand, plan)
    for campaign in campaigns:
        if campaign.budget is not None and campaign.budget_name is not None:
            await controlling.ensure_budget(tx, brand, campaign.budget_name, campaign.budget)
    kinds: dict[tuple[int, int, int], PlannedKind] = {}
    calendar = Calendar(now, brand.time_zone, None)
    for c, campaign in enumerate(campaigns):
        messages = await ensure_messages(tx, brand, campaign, now=now)
        until_at = calendar.end_of(min(campaign.last_on, plan.last_on))
        for k, channel in enumerate(plan.channels):
            for variant, message_id in messages.items():
                at = -1 if variant is None else [one.name for one in campaign.variants].index(variant)
                kinds[c, k, at] = _to_kind(plan, campaign, channel, variant, message_id, until_at)
    after = (0, -1)
    while True:
        rows = await store.list_assignment_columns(tx, brand.brand_id, plan.plan_id, after=after, limit=ROWS_AT_ONCE)
        if not len(rows["member_id"]):
            return
        await controlling.copy_planned(
            tx, brand, plan.plan_id, await asyncio.to_thread(_to_planned, kinds, rows, now), now=now
        )
        after = (int(rows["member_id"][-1]), int(rows["campaign_no"][-1]))


def _to_kind(
    plan: StoredPlan, campaign: Campaign, channel: str, variant: str | None, message_id: int, until_at: datetime
) -> PlannedKind:
    return PlannedKind(
        channel=channel,
        purpose=campaign.purpose,
        topic=campaign.topic,
        message_id=message_id,
        campaign=campaign.name,
        variant=variant,
        holdout=campaign.holdout,
        budget=campaign.budget_name,
        until_at=until_at,
        key=f"plan:{plan.plan_id}:{campaign.name}:",
    )


def _to_planned(
    kinds: Mapping[tuple[int, int, int], PlannedKind], rows: Mapping[str, NDArray[np.int64]], now: datetime
) -> list[Planned]:
    """By kind. Within each, members by lot: a quota that others have used up meanwhile ends for nobody in particular."""
    names = ("campaign_no", "channel_no", "variant_no")
    order = np.random.default_rng(len(rows["member_id"])).permutation(len(rows["member_id"]))
    since = int(now.timestamp() * 1_000_000)
    found: list[Planned] = []
    for places, kind in kinds.items():
        mine = np.ones(len(order), dtype=np.bool_)
        for name, place in zip(names, places, strict=True):
            mine &= rows[name][order] == place
        at = order[mine]
        if len(at):
            send_at = np.maximum(rows["send_at"][at], since)
            found.append(Planned(kind, rows["member_id"][at], rows["value_micros"][at], send_at))
    return found


async def ensure_messages(
    tx: WriteTransaction, brand: Brand, campaign: Campaign, *, now: datetime
) -> dict[str | None, int]:
    """The numbers of a campaign's messages, by variant; None is the message of one without variants."""
    names: list[str | None] = [one.name for one in campaign.variants] or [None]
    return {name: await controlling.ensure_message(tx, brand, campaign.message_of(name), now=now) for name in names}
