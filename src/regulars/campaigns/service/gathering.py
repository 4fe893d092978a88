"""What a plan is made of, read in one transaction: who may be sent what, what it is worth, and what limits it.

Who is eligible for a cell (campaign, channel, member) is asked of the database channel by channel, as sets: in the audience,
consented and reached, not against the member's own word on topics and channels. Members whom nothing may be sent to are left
out before there are any values. What the gate will look at again (everything here can change until a message goes) is not
decided here.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.audiences.errors import AudienceUnknown
from regulars.audiences.service.answering import Evaluation
from regulars.audiences.service.saving import get_audience
from regulars.campaigns import planner
from regulars.campaigns.errors import CampaignAudienceUnknown, PlanInvalid
from regulars.campaigns.model import Campaign, Notice
from regulars.campaigns.pacing import Calendar
from regulars.campaigns.planner.model import VALUE_MAX
from regulars.campaigns.service.valuing import Responses, estimate_responses, get_base_rate, to_numbers
from regulars.campaigns.store import candidates
from regulars.kernel.durations import parse_duration
from regulars.kernel.ids import BrandId
from regulars.messaging.arms import draw_many
from regulars.messaging.caps import RollingCap
from regulars.messaging.model import DUTIES
from regulars.messaging.prices import PricePlan
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.service.controlling import get_quota, get_spent
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

NAMED_MEMBERS_MAX: Final = 20_000
"""So few are asked for by name; of more everybody is read."""
CELLS_FLOAT64_MAX: Final = 20_000_000
UNLIMITED: Final = np.iinfo(np.int16).max

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slot:
    """A channel in one month of the brand, as the planner sees it: the month's quota is its own.

    `instants` are those at which each campaign may go out then, in the order of campaigns; none: not in this month.
    """

    name: str
    channel: ChannelRow
    month: date
    instants: tuple[tuple[datetime, ...], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan is to keep to besides what its campaigns say."""

    caps: Sequence[RollingCap]
    holdout: float
    choose_plans: bool
    first_at: datetime
    also_caps: Sequence[RollingCap] = ()
    """What is compared with `caps` later."""


@dataclass(slots=True)
class Gathered:
    """All of it. Shape: numbers, ids (members,); values [campaign, slot, member], -inf where it may not be."""

    campaigns: tuple[Campaign, ...]
    slots: tuple[Slot, ...]
    terms: Terms
    numbers: Numbers
    ids: Numbers
    values: NDArray[np.floating[Any]]
    withheld: Bools
    caps: tuple[planner.Cap, ...]
    own_cap: planner.Cap | None
    held: Mapping[tuple[Any, str | None], NDArray[np.int64]]
    channels: tuple[planner.Channel, ...]
    budgets: tuple[Decimal | None, ...]
    base_rates: tuple[float, ...]
    responses: Mapping[int, Responses]
    notices: list[Notice] = field(default_factory=list[Notice])

    def problem(self) -> planner.Problem:
        """What the planner is asked."""
        return planner.Problem(
            campaigns=tuple(
                planner.Campaign(
                    one.name,
                    topic=one.topic,
                    size_min=one.size_min,
                    size_max=one.size_max,
                    budget=budget,
                    going_share=going_share(one, self.terms.holdout),
                )
                for one, budget in zip(self.campaigns, self.budgets, strict=True)
            ),
            channels=self.channels,
            values=self.values,
            caps=self.caps,
            withheld=self.withheld if self.withheld.any() else None,
        )

    def caps_of(self, caps: Sequence[RollingCap]) -> tuple[planner.Cap, ...]:
        """What other caps than the plan's would leave each member."""
        made = [_to_cap(cap, self.held[cap.per, cap.topic]) for cap in caps]
        return (*made, *([] if self.own_cap is None else [self.own_cap]))


def going_share(campaign: Campaign, holdout: float) -> float:
    """The expected share of a campaign's messages that no holdout keeps back."""
    return (1 - holdout) * (1 - campaign.holdout) if campaign.purpose not in DUTIES else 1.0


@dataclass(slots=True)
class Gatherer:
    """One reading: opened for an evaluation, asked once."""

    evaluation: Evaluation
    brand: Brand
    campaigns: tuple[Campaign, ...]
    slots: tuple[Slot, ...]
    terms: Terms
    salt: bytes
    calendar: Calendar

    @property
    def tx(self) -> ReadTransaction:
        return self.evaluation.tx

    @property
    def brand_id(self) -> BrandId:
        return self.brand.brand_id

    async def gather(self) -> Gathered:
        """Raises: CampaignAudienceUnknown, PlanInvalid, and what conditions and engines raise."""
        await candidates.prepare_scans(self.tx)
        audiences = await self._list_audiences()
        everybody = audiences[0].copy()
        for one in audiences[1:]:
            everybody |= one
        asked = list(everybody) if len(everybody) <= NAMED_MEMBERS_MAX else None
        numbers, ids = await candidates.list_member_ids(self.tx, self.brand_id, asked)
        found = [await asyncio.to_thread(_find, numbers, to_numbers(one)) for one in audiences]
        eligible = await self._list_eligible(numbers, asked, found)
        notices = await asyncio.to_thread(self._list_notices, found, eligible)
        kept, eligible = await asyncio.to_thread(_keep_any, eligible)
        numbers, ids = numbers[kept], ids[kept]
        values, base_rates, responses = await self._value(numbers, asked, eligible)
        held = await self._count_held(numbers, [*self.terms.caps, *self.terms.also_caps])
        own_cap = await self._count_own(numbers)
        channels = tuple([await self._limit(slot, notices) for slot in self.slots])
        gathered = Gathered(
            self.campaigns,
            self.slots,
            self.terms,
            numbers,
            ids,
            values,
            await asyncio.to_thread(self._draw, ids),
            (),
            own_cap,
            held,
            channels,
            tuple([await self._left_of(one) for one in self.campaigns]),
            base_rates,
            responses,
            notices,
        )
        gathered.caps = gathered.caps_of(self.terms.caps)
        return gathered

    async def _list_audiences(self) -> list[Any]:
        found: list[Any] = []
        for at, one in enumerate(self.campaigns):
            try:
                audience = await get_audience(self.tx, self.brand, one.audience)
            except AudienceUnknown as error:
                raise CampaignAudienceUnknown(f"{one.name}: {error.message}", path=f"/campaigns/{at}") from error
            found.append(await self.evaluation.list_members(audience.tree))
        return found

    async def _list_eligible(self, numbers: Numbers, asked: list[int] | None, found: list[Bools]) -> Bools:
        """Shape: [campaign, slot, member]."""
        refusals = await candidates.list_topic_refusals(self.tx, self.brand_id)
        preferred = await candidates.list_preferred_channels(self.tx, self.brand_id)
        reached: dict[tuple[str, str], Bools] = {}
        for campaign in self.campaigns:
            for channel in campaign.channels:
                key = (channel, campaign.purpose)
                if key not in reached:
                    rows = await candidates.list_reachable(
                        self.tx,
                        self.brand_id,
                        asked,
                        channel=channel,
                        purpose=campaign.purpose,
                        needs_consent=campaign.purpose not in DUTIES,
                    )
                    reached[key] = await asyncio.to_thread(_find, numbers, rows)
        return await asyncio.to_thread(self._combine, numbers, found, reached, refusals, preferred)

    def _combine(
        self,
        numbers: Numbers,
        found: list[Bools],
        reached: Mapping[tuple[str, str], Bools],
        refusals: Mapping[str, Numbers],
        preferred: Mapping[str, Numbers],
    ) -> Bools:
        eligible = np.zeros((len(self.campaigns), len(self.slots), len(numbers)), dtype=np.bool_)
        chosen = {channel: _find(numbers, rows) for channel, rows in preferred.items()}
        for c, campaign in enumerate(self.campaigns):
            willing = found[c]
            if campaign.purpose not in DUTIES and campaign.topic is not None and campaign.topic in refusals:
                willing = willing & ~_find(numbers, refusals[campaign.topic])
            for k, slot in enumerate(self.slots):
                name = slot.channel.name
                if name not in campaign.channels or not slot.instants[c]:
                    continue
                mine = willing & reached[name, campaign.purpose]
                if campaign.purpose not in DUTIES:
                    for other, rows in chosen.items():
                        mine = mine & ~rows if other != name else mine
                eligible[c, k] = mine
        return eligible

    def _list_notices(self, found: list[Bools], eligible: Bools) -> list[Notice]:
        """Campaigns that will send nothing, and why."""
        notices: list[Notice] = []
        for c, campaign in enumerate(self.campaigns):
            path = f"/campaigns/{c}"
            if not any(slot.instants[c] for slot in self.slots):
                said = (
                    f"{campaign.name}: its window {campaign.first_on} – {campaign.last_on} has no instant of this plan"
                )
                past = campaign.last_on < self.calendar.today
                notices.append(Notice("campaign.window_past" if past else "campaign.window_apart", path, said))
            elif not found[c].any():
                said = f"{campaign.name}: nobody is in its audience {campaign.audience!r}"
                notices.append(Notice("campaign.nobody", path, said))
            elif not eligible[c].any():
                said = (
                    f"{campaign.name}: of {int(found[c].sum())} in its audience nobody is reached on"
                    f" {', '.join(campaign.channels)} and has allowed {campaign.purpose} there"
                )
                notices.append(Notice("campaign.nobody_consented", path, said))
        return notices

    async def _value(
        self, numbers: Numbers, asked: list[int] | None, eligible: Bools
    ) -> tuple[NDArray[np.floating[Any]], tuple[float, ...], dict[int, Responses]]:
        is_small = eligible.size <= CELLS_FLOAT64_MAX
        values = np.full(eligible.shape, -np.inf, dtype=np.float64 if is_small else np.float32)
        rates: list[float] = []
        responses: dict[int, Responses] = {}
        for c, campaign in enumerate(self.campaigns):
            mine = eligible[c].any(axis=0)
            if campaign.value.by == "model":
                assert campaign.goal is not None, "a value by model has a goal"
                found = await estimate_responses(self.evaluation, campaign.goal, numbers[mine])
                lifts = await candidates.list_lifts(self.tx, self.brand_id, campaign.name, campaign.written["goal"])
                responses[c] = await asyncio.to_thread(found.learn, *lifts)
                worth = np.full(len(numbers), np.nan)
                worth[mine] = responses[c].values(float(campaign.value.margin or 0))
                rates.append(responses[c].base_rate)
            else:
                worth = await self._given(campaign, numbers, asked, f"/campaigns/{c}")
                goal = campaign.goal
                rates.append(0.0 if goal is None else await get_base_rate(self.evaluation, goal, numbers[mine]))
            await asyncio.to_thread(self._fill, values[c], eligible[c], worth, campaign)
        return values, tuple(rates), responses

    async def _given(self, campaign: Campaign, numbers: Numbers, asked: list[int] | None, path: str) -> Floats:
        """Values as the brand gives them; NaN where it gives none. Raises: PlanInvalid."""
        if campaign.value.trait is None:
            return np.full(len(numbers), float(campaign.value.value or 0))
        rows, worth = await candidates.list_trait_numbers(self.tx, self.brand_id, asked, campaign.value.trait)
        values = await asyncio.to_thread(_place, numbers, rows, worth, np.nan)
        if (
            len(values)
            and np.nanmax(values, initial=-np.inf) * max([1.0, *campaign.value.channel_factor.values()]) > VALUE_MAX
        ):
            raise PlanInvalid(
                f"{campaign.name}: trait {campaign.value.trait!r} has values above {VALUE_MAX:,.0f}", path=path
            )
        return values

    def _fill(self, values: NDArray[np.floating[Any]], eligible: Bools, worth: Floats, campaign: Campaign) -> None:
        known = np.isfinite(worth)
        for k, slot in enumerate(self.slots):
            mine = eligible[k] & known
            values[k, mine] = worth[mine] * campaign.value.channel_factor.get(slot.channel.name, 1.0)

    async def _count_held(
        self, numbers: Numbers, caps: Sequence[RollingCap]
    ) -> dict[tuple[Any, str | None], NDArray[np.int64]]:
        """Deliveries that members have in the window of each cap, counted back from the plan's first instant."""
        held: dict[tuple[Any, str | None], NDArray[np.int64]] = {}
        for per, topic in {(cap.per, cap.topic) for cap in caps}:
            rows, counts = await candidates.list_held(
                self.tx, self.brand_id, after=self.terms.first_at - per, topic=topic
            )
            held[per, topic] = await asyncio.to_thread(_place, numbers, rows, counts, 0)
        return held

    async def _count_own(self, numbers: Numbers) -> planner.Cap | None:
        """What members' own caps leave them."""
        rows = await candidates.list_own_caps(self.tx, self.brand_id)
        if not rows:
            return None
        remaining = np.full(len(numbers), UNLIMITED, dtype=np.int64)
        for text, who, most in rows:
            cap = RollingCap(0, parse_duration(text), is_own=True)
            held = await self._count_held(numbers, [cap])
            left = await asyncio.to_thread(_place, numbers, who, most, UNLIMITED)
            remaining = np.minimum(remaining, np.where(left < UNLIMITED, left - held[cap.per, None], UNLIMITED))
        return planner.Cap(None, np.clip(remaining, 0, UNLIMITED).astype(np.int16))

    async def _limit(self, slot: Slot, notices: list[Notice]) -> planner.Channel:
        """What the channel's month still has, and at which prices."""
        used, is_exhausted = await get_quota(self.tx, self.brand, slot.channel.name, slot.month)
        used += await candidates.count_waiting(
            self.tx,
            self.brand_id,
            channel=slot.channel.name,
            from_at=self.calendar.first_instant(slot.month),
            until_at=self.calendar.end_of_month(slot.month),
        )
        plans = list_price_plans(slot, choose=self.terms.choose_plans)
        if is_exhausted:
            ended = PricePlan("exhausted", slot.month, None, Decimal(0), used)
            plans = (replace(plans[0], included=used, steps=()),) if plans else (ended,)
        if plans and all(plan.messages_max is not None and plan.messages_max <= used for plan in plans):
            said = f"{slot.channel.name}: no message is left in {slot.month:%Y-%m}, {used} were used"
            notices.append(Notice("channel.no_quota", f"/channels/{slot.channel.name}", said))
        return planner.Channel(slot.name, plans, used)

    async def _left_of(self, campaign: Campaign) -> Decimal | None:
        if campaign.budget is None or campaign.budget_name is None:
            return None
        return max(Decimal(0), campaign.budget - await get_spent(self.tx, self.brand, campaign.budget_name))

    def _draw(self, ids: Numbers) -> Bools:
        """Who is held out of what, as the gate will draw it. Shape: [campaign, member]."""
        withheld = np.zeros((len(self.campaigns), len(ids)), dtype=np.bool_)
        everywhere = draw_many(self.salt, ids) < self.terms.holdout
        for c, campaign in enumerate(self.campaigns):
            if campaign.purpose not in DUTIES:
                withheld[c] = everywhere
                if campaign.holdout > 0:
                    withheld[c] |= draw_many(self.salt, ids, campaign.name) < campaign.holdout
        return withheld


def list_price_plans(slot: Slot, *, choose: bool) -> tuple[PricePlan, ...]:
    """The plan in force in the slot's month, or all that are sold then, that one first."""
    book = slot.channel.prices
    if book is None:
        return ()
    current = book.on(slot.month)
    return (current, *(plan for plan in book.list_sold(slot.month) if plan is not current)) if choose else (current,)


def _to_cap(cap: RollingCap, held: NDArray[np.int64]) -> planner.Cap:
    return planner.Cap(cap.topic, np.clip(cap.most - held, 0, UNLIMITED).astype(np.int16))


def _keep_any(eligible: Bools) -> tuple[Numbers, Bools]:
    """Members whom anything may be sent to, and the cells of these."""
    kept = np.flatnonzero(eligible.any(axis=(0, 1)))
    return kept, eligible[:, :, kept]


def _find(numbers: Numbers, found: Numbers) -> Bools:
    """Which of the numbers, which are in their order, are among those found."""
    mask = np.zeros(len(numbers), dtype=np.bool_)
    if len(numbers) and len(found):
        at = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
        mask[at[numbers[at] == found]] = True
    return mask


def _place(numbers: Numbers, found: Numbers, values: NDArray[Any], absent: Any) -> NDArray[Any]:
    """The values of those found at the places of their numbers."""
    placed = np.full(len(numbers), absent, dtype=values.dtype)
    if len(numbers) and len(found):
        at = np.minimum(np.searchsorted(numbers, found), len(numbers) - 1)
        is_there = numbers[at] == found
        placed[at[is_there]] = values[is_there]
    return placed
