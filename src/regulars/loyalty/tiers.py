"""Which level a member has at each instant: a fold over dated qualifying points.

Spending is not seen here, so it never demotes. A return lessens the credit of its order, at the order's own time, and the
member's credits are folded again. What the rules are:

    enter      the window's points at a credit reach a higher level: it begins at that instant
    status     the level is kept until its status period is over; then whoever retains it keeps it for another
    no status  the level is kept as long as the window's points retain it: it ends when one leaves the window
    grace      so long after the end the level is still kept; points that retain it meanwhile renew it at once
    downgrade  `by_balance`: the highest lower level that the window's points retain; `one_down`: the next lower

A window is [begin, at]: a credit counts from its own instant until it leaves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from regulars.conditions.spans import Times
from regulars.conditions.tree import Calendar
from regulars.loyalty.dates import add_months, add_period, first_instant, local_day
from regulars.loyalty.model import Anniversary, Tiers


class Credit(NamedTuple):
    """Qualifying points of an instant; what a return took of them is not in `amount`."""

    at: datetime
    amount: int


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a member's windows begin: the brand's zone, and for `since anniversary` the local day the member joined on."""

    zone: ZoneInfo
    joined_on: date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """A member's level (0 the lowest) since an instant. `until`: the end of its status period; `grace_until`: while in grace.

    `highest`: the highest level ever held. `credits`: those that a window may still hold, in order. `now`: how far was folded.
    """

    level: int = 0
    since: datetime | None = None
    until: datetime | None = None
    grace_until: datetime | None = None
    highest: int = 0
    credits: tuple[Credit, ...] = ()
    now: datetime | None = None


class Change(NamedTuple):
    """A move between levels, or a status renewed (`before` is `after`)."""

    at: datetime
    before: int
    after: int


def fold(tiers: Tiers, clock: Clock, credits: Iterable[Credit], until: datetime) -> tuple[Standing, list[Change]]:
    """The standing at an instant after all credits up to it, in any order given, and every change on the way."""
    standing, changes = Standing(), list[Change]()
    for credit in sorted(one for one in credits if one.at <= until):
        standing, found = add_credit(tiers, clock, standing, credit)
        changes += found
    standing, found = advance(tiers, clock, standing, until)
    return standing, changes + found


def add_credit(tiers: Tiers, clock: Clock, standing: Standing, credit: Credit) -> tuple[Standing, list[Change]]:
    """What is due before it, then the credit. One that lies before what was folded needs a fold of all."""
    if standing.now is not None and credit.at < standing.now:
        raise ValueError("credits are folded in the order of their time")
    standing, changes = advance(tiers, clock, standing, credit.at)
    standing = replace(standing, credits=(*_drop_left(tiers, clock, standing.credits, credit.at), credit))
    held = points_in_window(tiers, clock, standing.credits, credit.at)
    reached = _find_entered(tiers, standing, held)
    if reached > standing.level:
        changes.append(Change(credit.at, standing.level, reached))
        standing = _begin(tiers, clock, standing, reached, credit.at)
    elif standing.grace_until is not None and held >= tiers.levels[standing.level].least_to_retain:
        changes.append(Change(credit.at, standing.level, standing.level))
        standing = _renew(tiers, clock, standing, credit.at)
    return standing, changes


def advance(tiers: Tiers, clock: Clock, standing: Standing, to: datetime) -> tuple[Standing, list[Change]]:
    """The standing at a later instant to which no credit came."""
    changes: list[Change] = []
    while (due := next_due(tiers, clock, standing)) is not None and due <= to:
        before = standing.level
        standing = _end(tiers, clock, standing, due)
        if standing.grace_until is None:
            changes.append(Change(due, before, standing.level))
    return replace(standing, now=to if standing.now is None else max(to, standing.now)), changes


def next_due(tiers: Tiers, clock: Clock, standing: Standing) -> datetime | None:
    """When the standing changes by itself if nothing more is credited; None where it never does."""
    if standing.level == 0:
        return None
    if standing.grace_until is not None:
        return standing.grace_until
    if tiers.status is not None:
        return standing.until
    return _find_shortfall(tiers, clock, standing)


def points_in_window(tiers: Tiers, clock: Clock, credits: Sequence[Credit], at: datetime) -> int:
    """Qualifying points that count at an instant, of credits in order."""
    return sum(one.amount for one in _drop_left(tiers, clock, credits, at) if one.at <= at)


def missing_to_next(tiers: Tiers, clock: Clock, standing: Standing, at: datetime) -> tuple[int, int] | None:
    """The next higher level and the points that are missing to it; None for who has the highest."""
    level = standing.level + 1
    if level >= len(tiers.levels):
        return None
    held = points_in_window(tiers, clock, standing.credits, at)
    return level, max(_least_to_enter(tiers, standing, level) - held, 0)


def leaves_at(tiers: Tiers, clock: Clock, at: datetime) -> datetime:
    """When a credit of an instant has left the window."""
    match tiers.window:
        case Calendar(unit, count):
            # The period after the last that still holds the credit's: `count` periods after its own.
            start, _ = Times(at, clock.zone).bounds_of(Calendar(unit, 1, -count))
            assert start is not None, "a calendar window has a beginning"
            return start
        case Anniversary():
            return _next_anniversary(at, clock)


def _drop_left(tiers: Tiers, clock: Clock, credits: Sequence[Credit], at: datetime) -> Sequence[Credit]:
    """Without those that have left the window: whoever comes first leaves first."""
    first = next((place for place, one in enumerate(credits) if leaves_at(tiers, clock, one.at) > at), len(credits))
    return credits[first:]


def _next_anniversary(at: datetime, clock: Clock) -> datetime:
    if clock.joined_on is None:
        raise ValueError("a window since the anniversary needs the day the member joined on")
    day = local_day(at, clock.zone)
    years = day.year - clock.joined_on.year
    following = add_months(clock.joined_on, 12 * years)
    return first_instant(following if following > day else add_months(clock.joined_on, 12 * (years + 1)), clock.zone)


def _find_entered(tiers: Tiers, standing: Standing, held: int) -> int:
    """The highest level that so many points enter."""
    levels = range(len(tiers.levels) - 1, 0, -1)
    return next((level for level in levels if held >= _least_to_enter(tiers, standing, level)), 0)


def _least_to_enter(tiers: Tiers, standing: Standing, level: int) -> int:
    one = tiers.levels[level]
    return one.least_to_re_enter if standing.highest >= level else one.enter


def _find_shortfall(tiers: Tiers, clock: Clock, standing: Standing) -> datetime | None:
    """When so much has left the window that the level is not retained any more."""
    least = tiers.levels[standing.level].least_to_retain
    held = sum(one.amount for one in standing.credits)
    for credit in standing.credits:
        held -= credit.amount
        if held < least:
            return leaves_at(tiers, clock, credit.at)
    return None


def _begin(tiers: Tiers, clock: Clock, standing: Standing, level: int, at: datetime) -> Standing:
    begun = replace(standing, level=level, since=at, highest=max(standing.highest, level))
    return _renew(tiers, clock, begun, at)


def _renew(tiers: Tiers, clock: Clock, standing: Standing, at: datetime) -> Standing:
    """Another status period from an instant on; the lowest level needs none."""
    has_end = tiers.status is not None and standing.level > 0
    until = add_period(at, tiers.status, clock.zone) if has_end and tiers.status is not None else None
    return replace(standing, until=until, grace_until=None)


def _end(tiers: Tiers, clock: Clock, standing: Standing, at: datetime) -> Standing:
    """What becomes of a level whose time is over: kept, kept in grace, or lower."""
    held = points_in_window(tiers, clock, standing.credits, at)
    if held >= tiers.levels[standing.level].least_to_retain:
        return _renew(tiers, clock, standing, at)
    if tiers.grace is not None and standing.grace_until is None:
        return replace(standing, grace_until=add_period(at, tiers.grace, clock.zone))
    if tiers.downgrade == "one_down":
        return _begin(tiers, clock, standing, standing.level - 1, at)
    lower = range(standing.level - 1, 0, -1)
    return _begin(
        tiers, clock, standing, next((one for one in lower if held >= tiers.levels[one].least_to_retain), 0), at
    )
