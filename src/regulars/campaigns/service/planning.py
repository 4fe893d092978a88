"""Making a plan: asked, checked, gathered, solved in a thread, and stored as a draft with everything it says of itself."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from regulars.access import service as access
from regulars.access.errors import SettingsInvalid
from regulars.access.model import Cap, parse_settings
from regulars.audiences.service.answering import AudienceEngine
from regulars.campaigns import planner
from regulars.campaigns.errors import PlanInvalid, PlanPast, PlanUnknown
from regulars.campaigns.estimating.estimate import Basis
from regulars.campaigns.estimating.power import find_detectable_rate
from regulars.campaigns.model import PLAN_PREFIX, Campaign, Notice, PlanId, StoredPlan
from regulars.campaigns.pacing import Calendar, spread
from regulars.campaigns.service import saving
from regulars.campaigns.service.gathering import Gathered, Gatherer, Slot, Terms
from regulars.campaigns.service.weighing import list_beside
from regulars.campaigns.store import plans as store
from regulars.campaigns.summary import Told, show_summary
from regulars.kernel.clock import instant_text
from regulars.kernel.durations import parse_duration
from regulars.kernel.ids import parse_public_id, public_id
from regulars.messaging.arms import choose_arms, draw_many
from regulars.messaging.caps import RollingCap
from regulars.messaging.model import DUTIES
from regulars.messaging.service.channels import ChannelRow, get_salt, list_channels
from regulars.messaging.service.gating import to_rules
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

CAMPAIGNS_MAX: Final = 100
DAYS_MAX: Final = 366


class PlanBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/plans`; `caps` null is none, absent the brand's."""

    campaigns: list[str]
    from_: date = msgspec.field(name="from")
    until: date
    as_of: str | None = None
    caps: list[Cap] | msgspec.UnsetType | None = msgspec.UNSET
    price_plans: Literal["current", "best"] = "current"
    pace: Literal["now", "even"] = "now"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan that is not stored yet. Units: columns as store/plans.py packs them."""

    asked: PlanBody
    campaigns: tuple[Campaign, ...]
    channels: tuple[str, ...]
    as_of: datetime
    summary: Mapping[str, Any]
    notices: Sequence[Notice]
    assignments: Mapping[str, NDArray[Any]]
    unsent: Mapping[str, NDArray[Any]]


async def draft_plan(
    tx: ReadTransaction, brand: Brand, engine: AudienceEngine, asked: PlanBody, *, as_of: datetime | None, now: datetime
) -> Draft:
    """The plan, not stored. Shape: `tx` is REPEATABLE READ; `as_of` None is now.

    Raises: PlanInvalid, PlanPast, CampaignUnknown, CampaignInvalid, CampaignAudienceUnknown, ProblemTooLarge, and what
    conditions and engines raise.
    """
    gathered, planned_at = await gather_plan(tx, brand, engine, asked, as_of=as_of, now=now)
    gathered.notices.extend(await saving.list_unknown_items_of(tx, brand, gathered.campaigns))
    salt = await get_salt(tx, brand)
    return await asyncio.to_thread(_make_draft, asked, gathered, brand, salt, planned_at)


async def gather_plan(
    tx: ReadTransaction,
    brand: Brand,
    engine: AudienceEngine,
    asked: PlanBody,
    *,
    as_of: datetime | None,
    now: datetime,
    also_caps: Sequence[RollingCap] = (),
) -> tuple[Gathered, datetime]:
    """What a plan is made of, and as of when. Raises: as `draft_plan`."""
    rules = to_rules(brand, await access.get_settings(tx, brand))
    calendar = Calendar(now, brand.time_zone, rules.quiet)
    campaigns = await _list_campaigns(tx, brand, asked)
    slots, first_at = _make_slots(asked, campaigns, await list_channels(tx, brand), calendar)
    caps = rules.caps if asked.caps is msgspec.UNSET else _read_caps(asked.caps)
    terms = Terms(caps, rules.holdout, asked.price_plans == "best", first_at, also_caps)
    salt = await get_salt(tx, brand)
    async with engine.open_evaluation(tx, brand, as_of) as evaluation:
        gatherer = Gatherer(evaluation, brand, campaigns, slots, terms, salt, calendar)
        return await gatherer.gather(), evaluation.as_of


async def store_plan(tx: WriteTransaction, brand: Brand, draft: Draft, *, now: datetime) -> StoredPlan:
    """Keep a draft."""
    plan_id = await store.insert_plan(
        tx,
        brand.brand_id,
        asked=msgspec.to_builtins(draft.asked),
        campaigns=[one.name for one in draft.campaigns],
        versions=[one.version for one in draft.campaigns],
        channels=draft.channels,
        as_of=draft.as_of,
        days=(draft.asked.from_, draft.asked.until),
        totals=draft.summary,
        warnings=[saving.show_notice(one) for one in draft.notices],
        now=now,
    )
    packed = await asyncio.to_thread(store.pack_assignments, brand.brand_id, plan_id, draft.assignments)
    await store.copy_assignments(tx, packed)
    packed = await asyncio.to_thread(store.pack_unsent, brand.brand_id, plan_id, draft.unsent)
    await store.copy_unsent(tx, packed)
    return await get_plan(tx, brand, public_id(PLAN_PREFIX, plan_id))


async def get_plan(tx: ReadTransaction, brand: Brand, text: str) -> StoredPlan:
    """A plan by its public id. Raises: PlanUnknown."""
    number = parse_public_id(PLAN_PREFIX, text)
    found = None if number is None else await store.find_plan(tx, brand.brand_id, PlanId(number))
    if found is None:
        raise PlanUnknown(f"there is no plan {text[:40]!r}")
    return found


def read_asked(plan: StoredPlan) -> PlanBody:
    """What a stored plan was asked for with."""
    return msgspec.convert(plan.asked, PlanBody)


def show_plan(plan: StoredPlan) -> dict[str, Any]:
    """As it is answered, but for its progress."""
    return {
        "id": public_id(PLAN_PREFIX, plan.plan_id),
        "state": str(plan.state),
        "campaigns": list(plan.campaigns),
        "from": plan.first_on.isoformat(),
        "until": plan.last_on.isoformat(),
        "as_of": instant_text(plan.as_of),
        "created_at": instant_text(plan.created_at),
        "summary": plan.summary,
        "warnings": plan.warnings,
    }


# --- what is asked ------------------------------------------------------------------------------------------------------


async def _list_campaigns(tx: ReadTransaction, brand: Brand, asked: PlanBody) -> tuple[Campaign, ...]:
    if not 1 <= len(asked.campaigns) <= CAMPAIGNS_MAX:
        raise PlanInvalid(f"a plan has 1 to {CAMPAIGNS_MAX} campaigns", path="/campaigns")
    found: list[Campaign] = []
    for at, name in enumerate(asked.campaigns):
        path = f"/campaigns/{at}"
        if name in asked.campaigns[:at]:
            raise PlanInvalid(f"campaign {name[:40]!r} is named twice", path=path)
        campaign = await saving.get_campaign(tx, brand, name, path=path)
        saving.check_planned(campaign, path)
        found.append(campaign)
    return tuple(found)


def _make_slots(
    asked: PlanBody, campaigns: Sequence[Campaign], rows: Sequence[ChannelRow], calendar: Calendar
) -> tuple[tuple[Slot, ...], datetime]:
    """Channels by month, with the instants of each campaign there, and the plan's first instant.

    A channel without price plans has one slot: its months are alike. Raises: PlanInvalid, PlanPast.
    """
    if asked.until < asked.from_:
        raise PlanInvalid("the plan ends before it begins", path="/until")
    if (asked.until - asked.from_).days >= DAYS_MAX:
        raise PlanInvalid(f"a plan has at most {DAYS_MAX} days", path="/until")
    if asked.until < calendar.today:
        raise PlanPast("the plan's days are over", path="/until")
    first_at = calendar.find_first(asked.from_, asked.until)
    if first_at is None:
        raise PlanPast("quiet hours leave no instant of the plan's days", path="/until")
    instants = [_list_instants(asked, one, first_at, calendar) for one in campaigns]
    used = {channel for campaign in campaigns for channel in campaign.channels}
    slots: list[Slot] = []
    for row in rows:
        if row.name not in used:
            continue
        months = sorted({calendar.month_of(at) for one in instants for at in one}) or [calendar.month_of(first_at)]
        if row.prices is None:
            slots.append(Slot(row.name, row, months[0], tuple(instants)))
            continue
        for month in months:
            name = row.name if len(months) == 1 else f"{row.name}:{month:%Y-%m}"
            mine = tuple(tuple(at for at in one if calendar.month_of(at) == month) for one in instants)
            slots.append(Slot(name, row, month, mine))
    return tuple(slots), first_at


def _list_instants(asked: PlanBody, campaign: Campaign, first_at: datetime, calendar: Calendar) -> tuple[datetime, ...]:
    """When a campaign's messages may go: at the plan's first instant, or once each day of both windows."""
    first_on, last_on = max(asked.from_, campaign.first_on), min(asked.until, campaign.last_on)
    if asked.pace == "even":
        return tuple(calendar.list_days(first_on, last_on))
    is_open = calendar.first_instant(campaign.first_on) <= first_at < calendar.end_of(campaign.last_on)
    return (first_at,) if is_open else ()


def _read_caps(caps: Sequence[Cap] | msgspec.UnsetType | None) -> list[RollingCap]:
    """Checked as the brand's settings are. Raises: PlanInvalid."""
    if caps is None or caps is msgspec.UNSET:
        return []
    try:
        parse_settings({"caps": [msgspec.to_builtins(cap) for cap in caps]})
    except SettingsInvalid as error:
        raise PlanInvalid(error.message, path=error.path, suggestion=error.suggestion) from error
    return [RollingCap(cap.most, parse_duration(cap.per), cap.topic) for cap in caps]


# --- what is answered ---------------------------------------------------------------------------------------------------


def _make_draft(asked: PlanBody, gathered: Gathered, brand: Brand, salt: bytes, as_of: datetime) -> Draft:
    prepared = planner.prepare(gathered.problem(), seed=asked.seed)
    plan = planner.solve(prepared)
    told = [_tell(gathered, plan, c) for c in range(len(gathered.campaigns))]
    slots = [(slot.name, slot.channel.name) for slot in gathered.slots]
    chose = gathered.terms.choose_plans
    summary = show_summary(plan, slots, told, list_beside(prepared, plan), brand.currency, chose_plans=chose)
    channels = tuple(dict.fromkeys(channel for _, channel in slots))
    places = np.array([channels.index(channel) for _, channel in slots], dtype=np.int64)
    rows = plan.assignments
    ids = gathered.ids[rows.member]
    assignments = {
        "member_id": ids,
        "campaign_no": rows.campaign,
        "channel_no": places[rows.channel] if len(rows) else rows.channel,
        "variant_no": _draw_variants(gathered, rows.campaign, ids, salt),
        "value_micros": rows.value_micros,
        "price_micros": rows.price_micros,
        "send_at": _place_in_time(gathered, plan, asked.seed),
        "is_withheld": rows.withheld,
    }
    notices = [*gathered.notices, *_list_changed_plans(gathered, plan)]
    unsent = _list_unsent(gathered, plan, places)
    return Draft(asked, gathered.campaigns, channels, as_of, summary, notices, assignments, unsent)


def _list_unsent(gathered: Gathered, plan: planner.Plan, places: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Each member's best message that was not chosen."""
    found = planner.explain_unsent(plan)
    some = np.flatnonzero(found.campaign >= 0)
    member, campaign, channel = found.member[some], found.campaign[some], found.channel[some]
    values = plan.problem.values[campaign, channel, member].astype(np.float64)
    return {
        "member_id": gathered.ids[member],
        "campaign_no": campaign,
        "channel_no": places[channel] if len(some) else channel,
        "value_micros": np.rint(values * planner.MICROS).astype(np.int64),
        "reason_no": found.reason[some],
    }


def _tell(gathered: Gathered, plan: planner.Plan, at: int) -> Told:
    """What a campaign's row says beside its sums; the least effect it may see counts expected arms, before the draw."""
    campaign, response = gathered.campaigns[at], gathered.responses.get(at)
    members = int((plan.assignments.campaign == at).sum())
    share = campaign.holdout or (gathered.terms.holdout if campaign.purpose not in DUTIES else 0.0)
    withheld = max(1, round(members * share)) if share and members > 1 else 0
    effect = find_detectable_rate(gathered.base_rates[at], members - withheld, withheld) if withheld else None
    return Told(
        assumed=response is not None and response.effect.basis is Basis.ASSUMED,
        detectable=None if effect is None else round(effect, 6),
        response=None if response is None else response.show(),
    )


def _draw_variants(
    gathered: Gathered, campaigns: NDArray[Any], ids: NDArray[np.int64], salt: bytes
) -> NDArray[np.int64]:
    variants = np.full(len(ids), -1, dtype=np.int64)
    for c, campaign in enumerate(gathered.campaigns):
        if campaign.variants:
            mine = campaigns == c
            numbers = draw_many(salt, ids[mine], variants_arm(campaign))
            variants[mine] = choose_arms(numbers, [one.share for one in campaign.variants])
    return variants


def variants_arm(campaign: Campaign) -> str:
    """Under which name a campaign's variants are drawn: no campaign has it, names have no slash."""
    return f"{campaign.name}/variants"


def _place_in_time(gathered: Gathered, plan: planner.Plan, seed: int) -> NDArray[np.int64]:
    """When each message goes. Units: µs since 1970.

    The planner puts a message in a month and knows no days; where every month has room for all of them, all days are alike.
    """
    rows, slots = plan.assignments, gathered.slots
    send_at = np.zeros(len(rows), dtype=np.int64)
    for places in _group_months(gathered, plan):
        for c in range(len(gathered.campaigns)):
            instants = [at for k in places for at in slots[k].instants[c]]
            mine = np.flatnonzero((rows.campaign == c) & np.isin(rows.channel, places))
            if len(mine):
                send_at[mine] = spread(len(mine), instants, (seed & 0xFFFFFFFF, c, places[0]))
    return send_at


def _group_months(gathered: Gathered, plan: planner.Plan) -> list[list[int]]:
    """Slots whose days are alike: the months of a channel where each includes all that goes out on it, else each alone."""
    groups: list[list[int]] = []
    for name in dict.fromkeys(slot.channel.name for slot in gathered.slots):
        places = [k for k, slot in enumerate(gathered.slots) if slot.channel.name == name]
        total = int(np.isin(plan.assignments.channel, places).sum())
        room = [
            plan.problem.channels[k].used + total <= price_plan.included
            for k in places
            if (price_plan := plan.price_plan(k)) is not None
        ]
        groups += [places] if all(room) else [[k] for k in places]
    return groups


def _list_changed_plans(gathered: Gathered, plan: planner.Plan) -> list[Notice]:
    """Price plans that were taken and are not in force: they must be, before this is sent."""
    notices: list[Notice] = []
    for k, slot in enumerate(gathered.slots):
        taken, book = plan.price_plan(k), slot.channel.prices
        if gathered.terms.choose_plans and taken is not None and book is not None and taken.code != book.current:
            said = f"{slot.channel.name}: this needs the price plan {taken.code!r}; {book.current!r} is in force"
            notices.append(Notice("channel.other_price_plan", f"/channels/{slot.channel.name}", said))
    return notices
