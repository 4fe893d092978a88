"""What is computed of every member, as data, and how much a favourite weighs. Nothing here reads or writes.

A computed trait is an aggregate of the condition language with its window; the rhythm is the one that the language does
not have: the usual gap between visits, and how late the member is. A visit is a day of the brand with an order.

A favourite is a category of which a member buys a larger share than all members do. Every order counts once for each
category in it, half as much for every `half_life_days` that have passed. With share = the member's counts of the category
÷ all the member's counts, base = the same of all members together, and n = the member's counts of the category:

    lift = share / base        weight = share / (share + base) × n / (n + PRIOR_PURCHASES)

The first factor is how much likelier such a purchase is the member's than anybody's; the second holds back what rests on
few or old purchases. As time passes without a purchase of anything, n fades and share stays: from that comes the expiry.
"""

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from regulars.conditions.spans import Times
from regulars.conditions.tree import AggregateKind, EventFilter, Rolling

ORDER: Final = EventFilter("Order Completed")
DAY_SECONDS: Final = 86_400

HALF_LIFE_DAYS: Final = 90
FAVOURITES_WITHIN: Final = Rolling(730 * DAY_SECONDS)
"""Eight half-lives: what is older weighs less than a two hundred and fiftieth."""

PRIOR_PURCHASES: Final = 3
PURCHASES_MIN: Final = 3
LIFT_MIN: Final = 1.2
WEIGHT_MIN: Final = 0.25
FAVOURITES_MAX: Final = 5
TAG_PREFIX: Final = "likes:"
CATEGORY_CHARACTERS_MAX: Final = 94
MICRO: Final = 1_000_000
"""Counts are whole millionths of a purchase: their sums do not depend on the order of adding."""


@dataclass(frozen=True, slots=True)
class ComputedTrait:
    """A number over a member's events. With `else_zero` it is 0 where the member has such events, but none within."""

    name: str
    what: EventFilter
    kind: AggregateKind
    of: str | None
    within: Rolling
    else_zero: bool = False


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The median of the gaps between visits, and the days since the last one beyond it, 0 where not late."""

    gap_name: str
    late_name: str
    what: EventFilter
    within: Rolling
    visits_min: int = 3


COMPUTED_TRAITS: Final = (
    ComputedTrait("orders_90d", ORDER, "count", None, Rolling(90 * DAY_SECONDS), else_zero=True),
    ComputedTrait("average_basket", ORDER, "avg", "revenue", Rolling(365 * DAY_SECONDS)),
)
RHYTHM: Final = Rhythm("usual_gap_days", "days_late", ORDER, Rolling(365 * DAY_SECONDS))
TRAIT_NAMES: Final = (*(trait.name for trait in COMPUTED_TRAITS), RHYTHM.gap_name, RHYTHM.late_name)


@dataclass(frozen=True, slots=True)
class Taste:
    """A member's purchases of one category. `micro`: counts with their half-life, in millionths of a purchase."""

    category: str
    purchases: int
    micro: int
    member_micro: int
    base: float
    first_on: date
    last_on: date

    @property
    def share(self) -> float:
        return self.micro / self.member_micro

    @property
    def lift(self) -> float:
        return self.share / self.base

    @property
    def preference(self) -> float:
        return self.share / (self.share + self.base)

    @property
    def weight(self) -> float:
        count = self.micro / MICRO
        return round(self.preference * count / (count + PRIOR_PURCHASES), 2)

    @property
    def is_favourite(self) -> bool:
        return self.purchases >= PURCHASES_MIN and self.lift > LIFT_MIN and self.weight >= WEIGHT_MIN

    def expires_at(self, times: Times) -> datetime:
        """The end of the day on which the weight, without any more purchase, falls below the least. Shape: a favourite."""
        today = times.as_of.astimezone(times.zone).date()
        least = PRIOR_PURCHASES * WEIGHT_MIN / (self.preference - WEIGHT_MIN)
        days = max(0.0, HALF_LIFE_DAYS * math.log2(self.micro / MICRO / least))
        return times.first_instant(today + timedelta(days=math.floor(days) + 1))

    @property
    def evidence(self) -> str:
        """In plain words, with the numbers behind the weight."""
        when = f"on {self.first_on}" if self.first_on == self.last_on else f"from {self.first_on} to {self.last_on}"
        return (
            f"{self.purchases} purchases {when}: {_percent(self.share)} of theirs, {_percent(self.base)} of"
            f" everybody's, lift {_times(self.lift)}; each counts half after {HALF_LIFE_DAYS} days"
        )


def _percent(share: float) -> str:
    if share >= 0.1:
        return f"{share:.0%}"
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _times(lift: float) -> str:
    return f"{lift:.1f}" if lift < 10 else f"{lift:.0f}"


def choose_favourites(tastes: list[Taste]) -> list[Taste]:
    """The heaviest, at most FAVOURITES_MAX."""
    found = sorted((one for one in tastes if one.is_favourite), key=lambda one: (-one.weight, -one.lift, one.category))
    return found[:FAVOURITES_MAX]


def rounded(value: float, digits: int) -> int | float:
    """A whole number as one, so that JSON says 200 and not 200.0."""
    found = round(value, digits)
    return int(found) if found == int(found) else found
