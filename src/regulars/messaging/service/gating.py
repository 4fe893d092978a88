"""The gate over a batch of one channel: who passes, who is refused or withheld, and what each of them uses up.

Everything is decided under locks that are held until commit: the members (shared: nobody is merged or erased meanwhile),
their rows of counted deliveries, the channel's month, the budgets; always in this order, and by id within each. A member's
caps are counted in that member's own row, and in the rows of whoever was merged into them.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg.rows import TupleRow

from regulars.access.model import BrandSettings
from regulars.kernel.durations import parse_duration
from regulars.kernel.ids import MemberId
from regulars.messaging import gate
from regulars.messaging.arms import draw
from regulars.messaging.caps import Counted, RollingCap
from regulars.messaging.gate import Blocked, Facts, Rules, Step, Verdict
from regulars.messaging.model import DUTIES, Address, DeliveryId, Due, Reason, State
from regulars.messaging.prices import PricePlan
from regulars.messaging.quiet import parse_quiet_hours
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.store import channels, people
from regulars.messaging.store.people import NewCount
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

DELIVERIES_AT_ONCE_MAX = 500


@dataclass(frozen=True, slots=True)
class Person:
    """Who a delivery's member is now."""

    member_id: MemberId
    is_erased: bool
    preferences: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """A delivery with its verdict; where it passed: to where, at which price."""

    due: Due
    person: Person
    verdict: Verdict
    address: Address | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    consents: Mapping[int, bool]
    addresses: Mapping[int, Address]
    blocked: Mapping[int, Blocked]


@dataclass(slots=True)
class Gate:
    """One batch at the gate: opened under its locks, then asked to decide."""

    tx: WriteTransaction
    brand: Brand
    channel: ChannelRow
    settings: BrandSettings
    salt: bytes
    now: datetime
    people: Mapping[int, Person]
    _counted: dict[int, list[Counted]]
    _known: _Known
    _new: list[NewCount] = field(default_factory=list[NewCount])

    async def decide(self, dues: Sequence[Due], missing: Mapping[DeliveryId, str]) -> list[Judged]:
        """Verdicts in the order of the dues; what passed is counted and paid for. `missing`: values not there.

        Locks: the month of the channel, and the budgets, after everything else.
        """
        rules = to_rules(self.brand, self.settings)
        room = _Room(self.tx, self.brand, self.channel, month_of(self.now, self.brand))
        judged = [await self._decide_one(due, rules, room, missing.get(due.delivery_id)) for due in dues]
        if self._new:
            await people.add_counts(self.tx, self.brand.brand_id, self._new)
        await room.close()
        return judged

    async def _decide_one(self, due: Due, rules: Rules, room: "_Room", missing: str | None) -> Judged:
        person = self.people[due.member_id]
        counted = self._counted.get(person.member_id, [])
        facts = _to_facts(due, person, self._known, counted, self.salt, missing)
        verdict = gate.judge(due, facts, rules, self.now)
        if verdict.state not in (State.RESERVED, State.WITHHELD):
            return Judged(due, person, verdict)
        refusal, price = None, None
        # A plan has found room for what goes of it: whom it withholds stand for those, and need none themselves.
        if verdict.state is State.RESERVED or due.plan_id is None:
            refusal, price = await room.take(due, pays=verdict.state is State.RESERVED)
        if refusal is not None:
            return Judged(due, person, refusal)
        if due.purpose not in DUTIES:
            new = Counted(self.now, due.topic, due.delivery_id, due.key)
            self._counted.setdefault(person.member_id, []).append(new)
            self._new.append(NewCount(person.member_id, new))
        return Judged(due, person, verdict, facts.address, price)


async def open_gate(
    tx: WriteTransaction,
    brand: Brand,
    settings: BrandSettings,
    channel: ChannelRow,
    salt: bytes,
    dues: Sequence[Due],
    now: datetime,
) -> Gate:
    """Locks: the members, shared, then their rows of counted deliveries; all in the order of ids."""
    found = await lock_in_force(tx, brand, [due.member_id for due in dues])
    active = sorted({person.member_id for person in found.values() if not person.is_erased})
    families = await people.list_families(tx, brand.brand_id, active)
    everybody = sorted({*active, *(merged for _, merged in families)})
    await people.ensure_counts(tx, brand.brand_id, active)
    rows = await people.lock_counts(tx, brand.brand_id, everybody)
    counted = gather_counted(rows, active, families)
    known = await _load_known(tx, brand, channel, active, dues[0].purpose)
    return Gate(tx, brand, channel, settings, salt, now, found, counted, known)


async def foresee(
    tx: ReadTransaction,
    brand: Brand,
    settings: BrandSettings,
    channel: ChannelRow,
    salt: bytes,
    due: Due,
    now: datetime,
) -> tuple[Facts, Verdict]:
    """What the gate would say now, before quota and budget; nothing is locked, nothing is counted."""
    found = await _find_in_force([due.member_id], lambda asked: people.list_people(tx, brand.brand_id, asked))
    person = found[due.member_id]
    families = await people.list_families(tx, brand.brand_id, [person.member_id])
    rows = await people.list_counts(tx, brand.brand_id, [person.member_id, *(merged for _, merged in families)])
    counted = gather_counted(rows, [person.member_id], families)
    known = await _load_known(tx, brand, channel, [person.member_id], due.purpose)
    facts = _to_facts(due, person, known, counted.get(person.member_id, []), salt, None)
    return facts, gate.judge(due, facts, to_rules(brand, settings), now)


async def lock_in_force(tx: WriteTransaction, brand: Brand, member_ids: Sequence[int]) -> dict[int, Person]:
    """Who each of these is now, over as many merges as it took. Locks: all of them, shared, in id order."""
    expected = await _find_in_force(member_ids, lambda asked: people.list_people(tx, brand.brand_id, asked))
    locked = {*member_ids, *(person.member_id for person in expected.values())}
    rows = {row[0]: row for row in await people.lock_people(tx, brand.brand_id, list(locked))}

    async def look_at(asked: Sequence[int]) -> list[TupleRow]:
        # Somebody merged since we looked: the way leads over members that are not locked yet.
        new = [one for one in asked if one not in rows]
        rows.update({row[0]: row for row in await people.lock_people(tx, brand.brand_id, new)} if new else {})
        return [rows[one] for one in asked]

    return await _find_in_force(member_ids, look_at)


async def _find_in_force(
    member_ids: Sequence[int], load: Callable[[Sequence[int]], Awaitable[list[TupleRow]]]
) -> dict[int, Person]:
    people_of: dict[int, Person] = {}
    ways: dict[int, int] = {}
    asked = set(member_ids)
    while asked:
        for member_id, state, merged_into, preferences in await load(list(asked)):
            if merged_into is None:
                people_of[member_id] = Person(MemberId(member_id), state == "erased", preferences)
            else:
                ways[member_id] = merged_into
        asked = set(ways.values()) - people_of.keys() - ways.keys()
    return {member_id: people_of[_follow(ways, member_id)] for member_id in member_ids}


def _follow(ways: Mapping[int, int], member_id: int) -> int:
    while member_id in ways:
        member_id = ways[member_id]
    return member_id


def gather_counted(
    rows: Mapping[int, list[Counted]], active: Sequence[int], families: Sequence[Sequence[int]]
) -> dict[int, list[Counted]]:
    """What counts for each member in force: its own row, and those of whoever was merged into it."""
    counted = {member_id: list(rows.get(member_id, ())) for member_id in active}
    for root, merged in families:
        counted[root].extend(rows.get(merged, ()))
    return counted


async def _load_known(
    tx: ReadTransaction, brand: Brand, channel: ChannelRow, member_ids: Sequence[int], purpose: str
) -> _Known:
    consents = await people.list_consents(tx, brand.brand_id, member_ids, channel.name, purpose)
    rows = await channels.list_addresses(tx, brand.brand_id, member_ids, channel.identity_kind)
    told = await channels.list_blocked(tx, brand.brand_id, channel.name, [row[1] for row in rows])
    addresses: dict[int, Address] = {}
    blocked: dict[int, Blocked] = {}
    for member_id, lookup, sealed in rows:
        if lookup in told:
            blocked.setdefault(member_id, Blocked(*told[lookup]))
        elif member_id not in addresses:
            value = lookup if sealed is None else brand.vault.unseal(bytes(sealed), channel.identity_kind)
            addresses[member_id] = Address(value, lookup)
    return _Known(consents, addresses, {one: why for one, why in blocked.items() if one not in addresses})


def _to_facts(
    due: Due, person: Person, known: _Known, counted: Sequence[Counted], salt: bytes, missing: str | None
) -> Facts:
    member_id, preferences = person.member_id, person.preferences
    return Facts(
        is_erased=person.is_erased,
        consent=known.consents.get(member_id),
        topics=preferences.get("topics") or {},
        preferred_channel=preferences.get("channel"),
        own_caps=[
            RollingCap(cap["most"], parse_duration(cap["per"]), is_own=True) for cap in preferences.get("caps") or ()
        ],
        address=known.addresses.get(member_id),
        blocked=known.blocked.get(member_id),
        counted=counted,
        draw=draw(salt, member_id),
        campaign_draw=1.0 if due.campaign is None else draw(salt, member_id, due.campaign),
        missing=missing,
    )


def to_rules(brand: Brand, settings: BrandSettings) -> Rules:
    """The brand's settings as the gate reads them."""
    quiet = settings.quiet_hours
    return Rules(
        caps=[RollingCap(cap.most, parse_duration(cap.per), cap.topic) for cap in settings.caps or ()],
        quiet=None if quiet is None else parse_quiet_hours(quiet.from_, quiet.until, brand.time_zone),
        holdout=settings.holdout,
    )


def month_of(at: datetime, brand: Brand) -> date:
    """The first day of the brand's month that holds an instant."""
    return at.astimezone(brand.time_zone).date().replace(day=1)


@dataclass(slots=True)
class _Room:
    """What the channel's month and the budgets have left; locked when the first delivery asks."""

    tx: WriteTransaction
    brand: Brand
    channel: ChannelRow
    month: date
    _used: int | None = None
    _taken: int = 0
    _taken_of_plans: int = 0
    _cost: Decimal = Decimal(0)
    _is_exhausted: bool = False
    _plan: PricePlan | None = None
    _budgets: dict[str, tuple[Decimal, Decimal, Decimal] | None] = field(
        default_factory=dict[str, tuple[Decimal, Decimal, Decimal] | None]
    )

    async def take(self, due: Due, *, pays: bool) -> tuple[Verdict | None, Decimal | None]:
        """A refusal, or what it costs; whoever is withheld must find room, and takes none."""
        if self._used is None:
            await self._open()
        assert self._used is not None
        price = Decimal(0) if self._plan is None else self._plan.price_of(self._used + self._taken)
        if self._is_exhausted or price is None:
            return self._refuse_quota(), None
        refusal = await self._ask_budget(due, price)
        if refusal is not None:
            return refusal, None
        if pays:
            self._taken += 1
            self._taken_of_plans += due.plan_id is not None
            self._cost += price
            if due.budget is not None and (held := self._budgets[due.budget]) is not None:
                self._budgets[due.budget] = (held[0], held[1], held[2] + price)
        return None, price if pays else None

    async def close(self) -> None:
        """Write what was taken."""
        if self._taken:
            await channels.add_to_quota(
                self.tx,
                self.brand.brand_id,
                self.channel.name,
                self.month,
                messages=self._taken,
                of_plans=self._taken_of_plans,
                cost=self._cost,
            )
        for budget, held in sorted(self._budgets.items()):
            if held is not None and held[2]:
                await channels.add_to_budget(self.tx, self.brand.brand_id, budget, held[2])

    async def _open(self) -> None:
        brand_id, name = self.brand.brand_id, self.channel.name
        self._used, self._is_exhausted = await channels.lock_quota(self.tx, brand_id, name, self.month)
        self._plan = None if self.channel.prices is None else self.channel.prices.on(self.month)

    async def _ask_budget(self, due: Due, price: Decimal) -> Verdict | None:
        if due.budget is None:
            return None
        if due.budget not in self._budgets:
            row = await channels.lock_budget(self.tx, self.brand.brand_id, due.budget)
            self._budgets[due.budget] = None if row is None else (*row, Decimal(0))
        held = self._budgets[due.budget]
        if held is None or held[1] + held[2] + price <= held[0]:
            return None
        return Verdict(
            State.REFUSED, Reason.BUDGET, Step("budget", False, {"most": str(held[0]), "spent": str(held[1] + held[2])})
        )

    def _refuse_quota(self) -> Verdict:
        assert self._used is not None
        most = None if self._plan is None else self._plan.messages_max
        detail = {"month": self.month.isoformat(), "used": self._used + self._taken, "most": most}
        return Verdict(State.REFUSED, Reason.QUOTA, Step("quota", False, detail))
