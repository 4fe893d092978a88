"""Campaigns that are set off by themselves: by an event, by a member's entering an audience, by the calendar.

    event   the tail is followed by its seq; every event of the name is asked as one event (a closure), once
    enter   the audience is looked at every few seconds, and who is in it and was not, entered
    every   at the window's begin and so long after it, again and again, whoever is then in the audience

What is set off are deliveries without a plan: they go through the same gate, wait for the end of quiet hours, and each has a
key of campaign, occasion and member, so that nothing is set off twice, however often it is looked at or whoever dies.
`audience` says who may get it at all.

An event counts for a day after it happened: an import of last year's orders sets nothing off. What was moved out of the
tail while no worker ran (ten minutes at least) is not seen.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import numpy as np
import structlog
from pyroaring import BitMap

from regulars.access import service as access
from regulars.audiences.errors import AudienceUnknown
from regulars.audiences.service.answering import AudienceEngine
from regulars.audiences.service.saving import get_audience
from regulars.campaigns.model import Campaign, Trigger, did
from regulars.campaigns.pacing import Calendar
from regulars.campaigns.service import saving
from regulars.campaigns.service.planning import variants_arm
from regulars.campaigns.service.sending import ensure_messages
from regulars.campaigns.store import candidates
from regulars.campaigns.store import triggers as store
from regulars.campaigns.store.triggers import NewEvent, TriggerRow
from regulars.conditions.closures import MemberFacts, compile_closure
from regulars.conditions.parse import parse_tree
from regulars.events.happened import read_event
from regulars.events.vocabulary import names_of
from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId, MemberId
from regulars.messaging.arms import choose_arms, draw_many
from regulars.messaging.model import DUTIES, NewDelivery
from regulars.messaging.service import controlling
from regulars.messaging.service.channels import get_salt
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand

LOOK_SECONDS: Final = 0.5
ENTER_SECONDS_MIN: Final = 2.0
ENTER_SHARE_MAX: Final = 0.05
"""Looking at an audience takes at most this share of the time."""
AFTER_FAILURE_SECONDS: Final = 2.0
EVENT_AGE_MAX: Final = timedelta(days=1)
EVENTS_AT_ONCE_MAX: Final = 2_000
SEQS_AT_ONCE_MAX: Final = 100_000
ROWS_AT_ONCE: Final = 2_000
NOBODY: Final = MemberFacts()

log = structlog.get_logger("campaigns")


@dataclass(frozen=True, slots=True)
class Occasion:
    """One message to be: whose, and what tells it from all others of the campaign."""

    member_no: int
    member_id: MemberId
    key: str


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look has found, and where the next one begins."""

    occasions: Sequence[Occasion]
    after_seq: int
    occurrence: int
    next_at: datetime
    inside: bytes | None = None
    needs_channel: bool = False
    """Only who is reached: an occasion of everybody's is no refusal of those who are not."""


@dataclass(slots=True)
class Triggers:
    """One worker's look-out; run it until it is told to stop."""

    database: Database
    engine: AudienceEngine
    master_key: bytes
    clock: Clock
    _not_before: dict[tuple[BrandId, str], float] = field(default_factory=dict[tuple[BrandId, str], float])

    async def run(self, stopped: asyncio.Event) -> None:
        """Until `stopped`."""
        while not stopped.is_set():
            try:
                worked = await self.look()
            except DomainError as error:
                log.warning("triggers wait", code=error.code)
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
                continue
            if not worked:
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Look at everything that may have been set off, once; whether there is more to look at."""
        async with self.database.read() as tx:
            rows = await store.list_triggers(tx)
        more = False
        for row in rows:
            if self._is_due(row):
                try:
                    more |= await self._look_at(row)
                except DomainError as error:
                    log.warning("a trigger waits", campaign=row.campaign, code=error.code)
                    self._wait(row, AFTER_FAILURE_SECONDS)
        return more

    def _is_due(self, row: TriggerRow) -> bool:
        if self._not_before.get((row.brand_id, row.campaign), 0.0) > time.monotonic():
            return False
        return row.after_seq < row.head_seq if row.kind == "event" else row.next_at <= self.clock()

    def _wait(self, row: TriggerRow, seconds: float) -> None:
        self._not_before[row.brand_id, row.campaign] = time.monotonic() + seconds

    async def _look_at(self, row: TriggerRow) -> bool:
        now = self.clock()
        async with self.database.read() as tx:
            brand = await access.get_brand_by_id(tx, row.brand_id, master_key=self.master_key)
            campaign = await saving.get_version(tx, brand, row.campaign, row.version)
            assert campaign.on is not None, "a campaign with a trigger is set off by it"
            looked = await self._find(tx, brand, campaign, campaign.on, row, now)
            looked, channels = await self._choose(tx, brand, campaign, looked, now)
            salt = await get_salt(tx, brand)
        async with self.database.write() as tx:
            if not await store.lock_trigger(tx, row):
                return False
            if looked.occasions:
                messages = await ensure_messages(tx, brand, campaign, now=now)
                if campaign.budget is not None and campaign.budget_name is not None:
                    await controlling.ensure_budget(tx, brand, campaign.budget_name, campaign.budget)
                new = _to_deliveries(brand, campaign, looked.occasions, channels, messages, salt, now)
                for at in range(0, len(new), ROWS_AT_ONCE):
                    batch = new[at : at + ROWS_AT_ONCE]
                    await controlling.make_triggered(tx, brand, batch, purpose=campaign.purpose, now=now)
                    await asyncio.sleep(0)
            await store.set_trigger(
                tx,
                row,
                after_seq=looked.after_seq,
                occurrence=looked.occurrence,
                next_at=looked.next_at,
                inside=looked.inside,
            )
        return row.kind == "event" and looked.after_seq < row.head_seq

    async def _find(
        self, tx: ReadTransaction, brand: Brand, campaign: Campaign, on: Trigger, row: TriggerRow, now: datetime
    ) -> Looked:
        if on.event is not None:
            return await _find_events(tx, brand, campaign, on, row, now)
        if on.every is not None:
            return await self._find_time(tx, brand, campaign, on.every, row, now)
        assert on.enter is not None, "a trigger is one of three"
        return await self._find_entries(tx, brand, on.enter, row)

    async def _find_time(
        self, tx: ReadTransaction, brand: Brand, campaign: Campaign, every: timedelta, row: TriggerRow, now: datetime
    ) -> Looked:
        """The latest of the times that have come; earlier ones that nobody was there for are over."""
        start = Calendar(now, brand.time_zone, None).first_instant(campaign.first_on)
        number = (now - start) // every
        members = await self._list_audience(tx, brand, campaign.audience)
        numbers, ids = await candidates.list_member_ids(tx, brand.brand_id, list(members))
        occasions = [
            Occasion(member_no, MemberId(member_id), f"{number}:{member_id}")
            for member_no, member_id in zip(numbers.tolist(), ids.tolist(), strict=True)
        ]
        next_at = start + every * (number + 1)
        return Looked(occasions, row.after_seq, row.occurrence + 1, next_at, needs_channel=True)

    async def _find_entries(self, tx: ReadTransaction, brand: Brand, audience: str, row: TriggerRow) -> Looked:
        began = time.monotonic()
        members = await self._list_audience(tx, brand, audience)
        self._wait(row, max(ENTER_SECONDS_MIN, (time.monotonic() - began) / ENTER_SHARE_MAX))
        known = await store.find_inside(tx, row.brand_id, row.campaign)
        before = members if known is None else BitMap.deserialize(known)
        if known is not None and before == members:
            return Looked((), row.after_seq, row.occurrence, row.next_at)
        entered = members - before
        numbers, ids = await candidates.list_member_ids(tx, brand.brand_id, list(entered))
        occasions = [
            Occasion(member_no, MemberId(member_id), f"{row.occurrence}:{member_id}")
            for member_no, member_id in zip(numbers.tolist(), ids.tolist(), strict=True)
        ]
        return Looked(occasions, row.after_seq, row.occurrence + 1, row.next_at, members.serialize())

    async def _list_audience(self, tx: ReadTransaction, brand: Brand, name: str) -> BitMap:
        try:
            audience = await get_audience(tx, brand, name)
        except AudienceUnknown:
            return BitMap()
        async with self.engine.open_evaluation(tx, brand, self.clock()) as evaluation:
            return await evaluation.list_members(audience.tree)

    async def _choose(
        self, tx: ReadTransaction, brand: Brand, campaign: Campaign, looked: Looked, now: datetime
    ) -> tuple[Looked, list[str]]:
        """Occasions within the window and of the audience, and a channel for each."""
        calendar = Calendar(now, brand.time_zone, None)
        occasions = looked.occasions if campaign.first_on <= calendar.today <= campaign.last_on else ()
        if occasions:
            members = await self._list_audience(tx, brand, campaign.audience)
            occasions = [one for one in occasions if one.member_no in members]
        chosen = await choose_channels(tx, brand, campaign, [one.member_no for one in occasions])
        channels: list[str] = []
        kept: list[Occasion] = []
        for one in occasions:
            channel = chosen.get(one.member_no)
            if channel is None and looked.needs_channel:
                continue
            kept.append(one)
            channels.append(channel or campaign.channels[0])
        return Looked(kept, looked.after_seq, looked.occurrence, looked.next_at, looked.inside), channels


async def find_inside(tx: ReadTransaction, brand: Brand, engine: AudienceEngine, audience: str | None) -> bytes | None:
    """Who is in an audience when a campaign begins to watch it: they do not enter. None where there is no such audience."""
    if audience is None:
        return None
    try:
        found = await get_audience(tx, brand, audience)
    except AudienceUnknown:
        return None
    async with engine.open_evaluation(tx, brand) as evaluation:
        return (await evaluation.list_members(found.tree)).serialize()


async def choose_channels(
    tx: ReadTransaction, brand: Brand, campaign: Campaign, numbers: Sequence[int]
) -> dict[int, str]:
    """By member number, the channel that brings most of those that reach the member; without who is reached on none."""
    chosen: dict[int, str] = {}
    if not numbers:
        return chosen
    asked = sorted(set(numbers))
    needs_consent = campaign.purpose not in DUTIES
    preferred = await candidates.list_preferred_channels(tx, brand.brand_id) if needs_consent else {}
    other = {number: channel for channel, rows in preferred.items() for number in rows.tolist()}
    factors = campaign.value.channel_factor
    for channel in sorted(campaign.channels, key=lambda one: -factors.get(one, 1.0)):
        found = await candidates.list_reachable(
            tx, brand.brand_id, asked, channel=channel, purpose=campaign.purpose, needs_consent=needs_consent
        )
        for number in found.tolist():
            if other.get(number, channel) == channel:
                chosen.setdefault(number, channel)
    return chosen


async def _find_events(
    tx: ReadTransaction, brand: Brand, campaign: Campaign, on: Trigger, row: TriggerRow, now: datetime
) -> Looked:
    assert on.event is not None, "this is set off by an event"
    closure = compile_closure(parse_tree(did(on.event, on.where)), brand.time_zone, names_of)
    to_seq = min(row.head_seq, row.after_seq + SEQS_AT_ONCE_MAX)
    events = await store.list_new_events(
        tx,
        brand.brand_id,
        sorted(closure.names),
        after_seq=row.after_seq,
        to_seq=to_seq,
        occurred_after=now - EVENT_AGE_MAX,
        limit=EVENTS_AT_ONCE_MAX,
    )
    if len(events) == EVENTS_AT_ONCE_MAX:
        to_seq = events[-1].seq

    def holds(event: NewEvent) -> bool:
        seen = read_event(event.name, event.properties, event.occurred_at)
        # Somebody's clock may be ahead of ours: what was sent has happened.
        return closure.holds(seen, NOBODY, max(now, event.occurred_at))

    occasions = [Occasion(event.member_no, event.member_id, f"{event.seq}") for event in events if holds(event)]
    return Looked(occasions, to_seq, row.occurrence, row.next_at)


def _to_deliveries(
    brand: Brand,
    campaign: Campaign,
    occasions: Sequence[Occasion],
    channels: Sequence[str],
    messages: dict[str | None, int],
    salt: bytes,
    now: datetime,
) -> list[NewDelivery]:
    variants: list[str | None] = [None] * len(occasions)
    if campaign.variants:
        ids = np.array([one.member_id for one in occasions], dtype=np.int64)
        arms = choose_arms(draw_many(salt, ids, variants_arm(campaign)), [one.share for one in campaign.variants])
        variants = [campaign.variants[int(at)].name for at in arms]
    until_at = Calendar(now, brand.time_zone, None).end_of(campaign.last_on)
    value: Decimal | None = campaign.value.value if campaign.value.by == "fixed" else None
    return [
        NewDelivery(
            member_id=one.member_id,
            channel=channel,
            message_id=messages[variant],
            dedupe_key=f"on:{campaign.name}:{one.key}",
            send_at=now,
            topic=campaign.topic,
            until_at=until_at,
            campaign=campaign.name,
            variant=variant,
            holdout=campaign.holdout,
            budget=campaign.budget_name,
            value=value,
        )
        for one, channel, variant in zip(occasions, channels, variants, strict=True)
    ]
