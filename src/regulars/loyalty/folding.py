"""What a member has by a programme: a fold over all of the member's events, in the order in which they happened.

Nothing here depends on the order in which events came, so late ones, repeated ones and replays change nothing but what they
must: the fold says what should be, and whoever keeps the books posts the difference.

    an event is judged by the version that was in force when it came, at the level held when it happened
    an order that was given back whole never was; one that was in part was smaller from the beginning
    the same order told twice is one
    points that pay an order are drawn by the ledger; what it said is given to the fold (`paid`)
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from regulars.conditions.closures import EventFacts, MemberFacts
from regulars.conditions.closures_history import History
from regulars.loyalty.awarding import POINTS_PAID, REVENUE, Earned, Given, ReadNumber, earn, find_number, is_valid_on
from regulars.loyalty.compiling import AskedMission, Edition
from regulars.loyalty.dates import first_instant, local_day
from regulars.loyalty.expiry import expires_at, policy_of
from regulars.loyalty.lapsing import find_lapses
from regulars.loyalty.model import (
    Effect,
    GrantBadge,
    IssueVoucher,
    Level,
    Mission,
    Name,
    ProgressMission,
    SetTag,
    Tiers,
)
from regulars.loyalty.rules import has_beside, is_eligible
from regulars.loyalty.streaks import Run, add_day, count_standing
from regulars.loyalty.tiers import Change, Clock, Credit, Standing, add_credit, advance, missing_to_next, next_due

TICK: Final = timedelta(microseconds=1)


class Mark(NamedTuple):
    """An event that came as `seq`-th, and the member as it was then."""

    seq: int
    facts: EventFacts
    member: MemberFacts


class AwardKey(NamedTuple):
    """What tells an award from all others of the member and programme."""

    key: str
    asset: Name


@dataclass(slots=True)
class Award:
    """Points that should be there, and how many without multipliers. `expires_at` None: never, or by inactivity to come."""

    rule: Name
    amount: int
    at: datetime
    expires_at: datetime | None
    funder: Name | None
    version: int
    base: int


def payment_key(seq: int) -> str:
    """Of the order that came as `seq`-th. No award's key is like it: each has a colon."""
    return f"pay {seq}"


def is_payment(key: str) -> bool:
    """Whether a key is a payment's."""
    return ":" not in key


class Payment(NamedTuple):
    """Points that an order is paid with: asked of the ledger once, as of the order's time."""

    key: str
    asset: Name
    amount: int
    at: datetime


class Deed(NamedTuple):
    """Something done once for a key: a voucher of a pool issued, a tag set."""

    key: str
    effect: IssueVoucher | SetTag


class Progress(NamedTuple):
    """How far a mission is, and how often it was reached."""

    name: Name
    done: Fraction
    target: Fraction
    reached: int
    ends_on: date | None


@dataclass(slots=True)
class Folded:
    """What should be. `unpaid`: a payment that the ledger must be asked for before the fold can go on."""

    awards: dict[AwardKey, Award] = field(default_factory=dict[AwardKey, Award])
    payments: dict[AwardKey, int] = field(default_factory=dict[AwardKey, int])
    badges: dict[Name, datetime] = field(default_factory=dict[Name, datetime])
    deeds: list[Deed] = field(default_factory=list[Deed])
    changes: list[Change] = field(default_factory=list[Change])
    missions: list[Progress] = field(default_factory=list[Progress])
    standing: Standing = field(default_factory=Standing)
    missing: int | None = None
    unpaid: Payment | None = None
    lapses: dict[Name, datetime] = field(default_factory=dict[Name, datetime])
    due_at: datetime | None = None


@dataclass(slots=True)
class _Mission:
    """`after`: events up to it do not count again."""

    after: datetime | None = None
    reached: int = 0
    run: Run = field(default_factory=Run)
    steps: int = 0


def fold(
    editions: Sequence[Edition], marks: Iterable[Mark], paid: Mapping[str, bool], joined_on: date, now: datetime
) -> Folded:
    """Everything up to `now`. `editions`: all versions, oldest first; `paid`: by key whether the ledger let it be drawn."""
    return _Fold(editions, paid, joined_on, now).run(marks)


class _Fold:
    def __init__(self, editions: Sequence[Edition], paid: Mapping[str, bool], joined_on: date, now: datetime) -> None:
        self.editions = editions
        self.newest = editions[-1]
        self.paid = paid
        self.now = now
        self.clock = Clock(self.newest.zone, joined_on)
        self.out = Folded()
        self.history = History()
        self.standings: dict[int, Standing] = {}
        self.missions: dict[Name, _Mission] = {}
        self.active: list[tuple[datetime, str]] = []

    @property
    def zone(self) -> ZoneInfo:
        return self.newest.zone

    def run(self, marks: Iterable[Mark]) -> Folded:
        orders, shares = self._settle(marks)
        used = {self._edition_of(mark).version for mark in orders} | {self.newest.version}
        self.standings = {one.version: Standing() for one in self.editions if one.version in used}
        for mark in orders:
            self._go_to(mark.facts.occurred_at)
            if not self._happen(mark, shares.get(mark.seq, Fraction(0))):
                return self.out
        self._go_to(self.now)
        self._end()
        return self.out

    # --- what happened at all ---

    def _settle(self, marks: Iterable[Mark]) -> tuple[list[Mark], dict[int, Fraction]]:
        """Events that count, in their order, each order once; by seq which share of it was given back."""
        ordered = sorted(marks, key=lambda mark: (mark.facts.occurred_at, mark.seq))
        given: dict[str, list[Decimal | None]] = {}
        for mark in ordered:
            if mark.facts.order_id and mark.facts.name in self._edition_of(mark).refunds:
                given.setdefault(mark.facts.order_id, []).append(mark.facts.revenue)
        kept: list[Mark] = []
        shares: dict[int, Fraction] = {}
        told: set[tuple[str, str]] = set()
        for mark in ordered:
            order = mark.facts.order_id
            if mark.facts.occurred_at > self.now:
                continue
            if not order or mark.facts.name in self._edition_of(mark).refunds:
                kept.append(mark)
                continue
            if (mark.facts.name, order) in told:
                continue
            told.add((mark.facts.name, order))
            share = _share_given(mark.facts.revenue, given.get(order, ()))
            if share < 1:
                kept.append(mark)
                shares[mark.seq] = share
            else:
                self._give_back(mark)
        return kept, shares

    def _give_back(self, mark: Mark) -> None:
        """An order that never was restores what it drew."""
        asset, key = self._edition_of(mark).programme.paying_asset, payment_key(mark.seq)
        if asset is not None and key in self.paid:
            self.out.payments[AwardKey(key, asset)] = 0

    def _edition_of(self, mark: Mark) -> Edition:
        return next((one for one in reversed(self.editions) if one.from_seq < mark.seq), self.editions[0])

    def _is_judged(self, mark: Mark) -> bool:
        """What came before the first version is remembered, and earns nothing."""
        return mark.seq > self.editions[0].from_seq

    # --- time ---

    def _go_to(self, at: datetime) -> None:
        for one in self.editions:
            if one.version in self.standings and one.programme.tiers is not None:
                found, changes = advance(one.programme.tiers, self.clock, self.standings[one.version], at)
                self.standings[one.version] = found
                self._note(one, one.programme.tiers, changes)

    def _note(self, edition: Edition, tiers: Tiers, changes: Sequence[Change]) -> None:
        if edition is not self.newest:
            return
        for change in changes:
            self.out.changes.append(change)
            for level in range(change.before + 1, change.after + 1):
                voucher = tiers.levels[level].voucher
                if voucher is not None:
                    entries = sum(one.before < level <= one.after for one in self.out.changes)
                    key = f"tier:{tiers.levels[level].name}:{entries}"
                    self.out.deeds.append(Deed(key, IssueVoucher(voucher)))

    # --- one event ---

    def _happen(self, mark: Mark, share: Fraction) -> bool:
        """Whether the fold can go on: a payment may have to be asked for."""
        edition, facts = self._edition_of(mark), mark.facts
        if share:
            assert facts.revenue is not None, "a part is of a number"
            left = Fraction(facts.revenue) * (1 - share)
            facts = facts._replace(revenue=_to_decimal(left))
        points = self._pay(mark, edition, share)
        if points is None:
            return False
        self.history.add(facts)
        self.active.append((facts.occurred_at, facts.name))
        if not self._is_judged(mark):
            return True
        day = local_day(facts.occurred_at, self.zone)
        if not is_valid_on(edition.programme.valid, day):
            return True
        numbers = _read_numbers(facts, points)
        level = self._level_of(edition)
        badges = set(self.out.badges)
        rules = [
            asked.rule
            for asked in edition.rules
            if facts.name in asked.names
            and is_eligible(edition.programme, asked.rule, self.standings[edition.version].level, badges, day)
            and asked.is_set_off(facts, mark.member, facts.occurred_at)
            and asked.holds(self.history, mark.member, facts.occurred_at)
        ]
        found = earn(edition.programme, rules, numbers, level)
        self._award(edition, f"{mark.seq}", found, facts.occurred_at)
        for rule in rules:
            self._take_effect(edition, rule.award, f"{rule.name}:{mark.seq}", facts.occurred_at)
        self._grant_badges(edition, mark)
        self._reach_missions(edition, mark)
        return True

    def _level_of(self, edition: Edition) -> Level | None:
        tiers = edition.programme.tiers
        return None if tiers is None else tiers.levels[self.standings[edition.version].level]

    def _pay(self, mark: Mark, edition: Edition, share: Fraction) -> Fraction | None:
        """Points that pay what is left of the order; None where the ledger is to be asked."""
        said = find_number(mark.facts.properties.get(POINTS_PAID))
        asset = edition.programme.paying_asset
        if said is None or said < 1 or asset is None or not self._is_judged(mark):
            return Fraction(0)
        key = AwardKey(payment_key(mark.seq), asset)
        is_drawn = self.paid.get(key.key)
        if is_drawn is None:
            self.out.unpaid = Payment(key.key, asset, int(said), mark.facts.occurred_at)
            return None
        drawn = int(said) if is_drawn else 0
        self.out.payments[key] = -(drawn - int(drawn * share))
        return drawn * (1 - share)

    def _award(self, edition: Edition, key: str, found: Iterable[Earned], at: datetime) -> None:
        credit = 0
        tiers = edition.programme.tiers
        level = self._level_of(edition)
        for one in found:
            place = AwardKey(f"{one.rule}:{key}", one.asset)
            known = self.out.awards.get(place)
            if known is not None:
                known.amount += one.amount
                known.base += one.base
            else:
                policy = policy_of(edition.programme.assets[one.asset], level)
                until = expires_at(policy, at, self.zone)
                self.out.awards[place] = Award(one.rule, one.amount, at, until, one.funder, edition.version, one.base)
            if tiers is not None and one.asset == tiers.asset:
                credit += one.amount
        if credit:
            self._credit(Credit(at, credit))

    def _credit(self, credit: Credit) -> None:
        for one in self.editions:
            if one.version in self.standings and one.programme.tiers is not None:
                tiers = one.programme.tiers
                self.standings[one.version], changes = add_credit(
                    tiers, self.clock, self.standings[one.version], credit
                )
                self._note(one, tiers, changes)

    # --- what is not points ---

    def _take_effect(self, edition: Edition, effects: Sequence[Effect], key: str, at: datetime) -> None:
        for number, effect in enumerate(effects):
            match effect:
                case GrantBadge(badge):
                    self.out.badges.setdefault(badge, at)
                case ProgressMission(mission, progress):
                    self._progress(edition, mission, progress, at)
                case IssueVoucher() | SetTag():
                    self.out.deeds.append(Deed(f"{key}:{number}", effect))
                case _:
                    pass

    def _grant_badges(self, edition: Edition, mark: Mark) -> None:
        at, level = mark.facts.occurred_at, self.standings[edition.version].level
        for asked in edition.badges:
            if (
                asked.badge.name not in self.out.badges
                and mark.facts.name in asked.names
                and has_beside(edition.programme, asked.when, level, self.out.badges)
                and asked.holds(self.history, mark.member, at)
            ):
                self.out.badges[asked.badge.name] = at

    def _reach_missions(self, edition: Edition, mark: Mark) -> None:
        at = mark.facts.occurred_at
        day = local_day(at, self.zone)
        for asked in edition.missions:
            mission = asked.mission
            state = self._mission_of(mission)
            is_over = state.reached and not mission.repeat
            if mark.facts.name not in asked.names or is_over or not is_valid_on(mission.valid, day):
                continue
            if asked.goal is not None:
                if asked.goal.holds(self.history, at, state.after):
                    state.after = at
                    self._reach(edition, mission, state, at)
            elif mission.streak is not None:
                completed = len(state.run.completed_on)
                state.run = add_day(mission.streak, state.run, day, repeat=mission.repeat)
                if len(state.run.completed_on) > completed:
                    self._reach(edition, mission, state, at)

    def _progress(self, edition: Edition, name: Name, steps: int, at: datetime) -> None:
        mission = next((one for one in edition.programme.missions if one.name == name), None)
        if mission is None or mission.steps is None or not is_valid_on(mission.valid, local_day(at, self.zone)):
            return
        state = self._mission_of(mission)
        if state.reached and not mission.repeat:
            return
        state.steps += steps
        while state.steps >= mission.steps and (mission.repeat or not state.reached):
            state.steps -= mission.steps
            self._reach(edition, mission, state, at)

    def _mission_of(self, mission: Mission) -> _Mission:
        state = self.missions.get(mission.name)
        if state is None:
            begins = mission.valid.from_ if mission.valid is not None else None
            after = None if begins is None else first_instant(begins, self.zone) - TICK
            state = self.missions[mission.name] = _Mission(after)
        return state

    def _reach(self, edition: Edition, mission: Mission, state: _Mission, at: datetime) -> None:
        state.reached += 1
        key = f"mission:{state.reached}"
        given = Given(mission.name, mission.then.award)
        found = earn(edition.programme, [given], lambda name: None, None)
        self._award(edition, key, found, at)
        self._take_effect(edition, mission.then.award, f"{mission.name}:{key}", at)

    # --- at the end ---

    def _end(self) -> None:
        out, tiers = self.out, self.newest.programme.tiers
        dues: list[datetime] = []
        if tiers is not None:
            out.standing = self.standings[self.newest.version]
            following = missing_to_next(tiers, self.clock, out.standing, self.now)
            out.missing = following[1] if following is not None else None
            due = next_due(tiers, self.clock, out.standing)
            dues += [due] if due is not None else []
        self._redate()
        out.lapses = find_lapses(self.editions, self.active, out.changes, out.awards.items(), self.now)
        out.missions = [self._tell(asked) for asked in self.newest.missions]
        out.due_at = min((*dues, *out.lapses.values()), default=None)

    def _redate(self) -> None:
        """What was given for ever ends as a later version says, counted from when it came into force."""
        for key, award in self.out.awards.items():
            later = (one for one in self.editions if one.version > award.version and key.asset in one.programme.assets)
            for one in later:
                if award.expires_at is None:
                    policy = policy_of(one.programme.assets[key.asset], self._level_of(self.newest))
                    award.expires_at = expires_at(policy, one.from_at, self.zone)

    def _tell(self, asked: AskedMission) -> Progress:
        mission, state = asked.mission, self._mission_of(asked.mission)
        if asked.goal is not None:
            done, target = asked.goal.measure(self.history, self.now, state.after)
        elif mission.streak is not None:
            today = local_day(self.now, self.zone)
            done = Fraction(count_standing(mission.streak, state.run, today))
            target = Fraction(mission.streak.days)
        else:
            done, target = Fraction(state.steps), Fraction(mission.steps or 0)
        if state.reached and not mission.repeat:
            done = target
        ends_on = mission.valid.until if mission.valid is not None else None
        return Progress(mission.name, min(done, target), target, state.reached, ends_on)


def _share_given(revenue: Decimal | None, given: Sequence[Decimal | None]) -> Fraction:
    """Which share of an order was given back: 1 is all of it, and so is a return that says no amount."""
    if not given:
        return Fraction(0)
    total = sum((Fraction(one) for one in given if one is not None), Fraction(0))
    if any(one is None for one in given) or revenue is None or revenue <= 0 or total >= revenue:
        return Fraction(1)
    return max(total, Fraction(0)) / Fraction(revenue)


def _read_numbers(facts: EventFacts, points: Fraction) -> ReadNumber:
    """The event's numbers; of revenue what was not given back, of points what was drawn for that."""
    typed: Mapping[str, object] = {REVENUE: facts.revenue, "quantity": facts.quantity, POINTS_PAID: points}

    def read(name: str) -> object:
        return typed[name] if name in typed else facts.properties.get(name)

    return read


def _to_decimal(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)
