"""What a channel's month has cost, and what it will have cost at its end. Pure.

Two kinds of messages are told apart. Those that go one by one (single sends, and what an event or an entry sets off) are
expected to go on at the month's pace so far. Those of plans come by the thousand at once, and no pace says when: of them only
what is planned already is expected. What is expected and finds room in the month's quota is priced by the
price plan from where the month stands; the rest will be refused, and costs nothing.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from regulars.messaging.prices import PricePlan

PACE_AFTER: Final = timedelta(days=1)
"""A month younger than this is taken to be this old: the first minute's messages say nothing of a month."""


@dataclass(frozen=True, slots=True)
class Spent:
    """A channel's month: `used` as the quota counts (others may send from the account), `messages` ours, `of_plans` of these.

    `saved` is what the free `replies` would have cost. `is_exhausted`: the channel itself said that none is left.
    """

    used: int = 0
    messages: int = 0
    of_plans: int = 0
    cost: Decimal = Decimal(0)
    replies: int = 0
    saved: Decimal = Decimal(0)
    is_exhausted: bool = False


@dataclass(frozen=True, slots=True)
class MonthSpan:
    """A calendar month of a brand as instants, the end not included."""

    from_at: datetime
    until_at: datetime

    def remaining_per_elapsed(self, now: datetime) -> Fraction:
        """How much longer the month lasts than it has lasted; 0 before it begins and after it ends."""
        if not self.from_at <= now < self.until_at:
            return Fraction(0)
        elapsed = max(now - self.from_at, PACE_AFTER)
        left = max(self.until_at - self.from_at - elapsed, timedelta(0))
        return Fraction(left // timedelta(microseconds=1), elapsed // timedelta(microseconds=1))


def span_of(month: date, time_zone: ZoneInfo) -> MonthSpan:
    """The month whose first day this is."""
    after = (month + timedelta(days=31)).replace(day=1)
    from_at, until_at = (datetime(one.year, one.month, 1, tzinfo=time_zone).astimezone(UTC) for one in (month, after))
    return MonthSpan(from_at, until_at)


def forecast_messages(spent: Spent, pace: Fraction, planned: float) -> int:
    """How many more are expected: `pace` times those that went one by one, and the planned ones; to the nearest."""
    return round((spent.messages - spent.of_plans) * pace + Fraction(planned))


def count_with_room(spent: Spent, further: int, plan: PricePlan | None) -> int:
    """How many of so many more the gate will let pass: those that the month has left."""
    if spent.is_exhausted:
        return 0
    most = None if plan is None else plan.messages_max
    return further if most is None else min(further, max(0, most - spent.used))


def forecast_cost(spent: Spent, further: int, plan: PricePlan | None) -> Decimal:
    """The month's cost when so many more have gone."""
    if plan is None or not further:
        return spent.cost
    return spent.cost + plan.cost_of(spent.used + further) - plan.cost_of(spent.used)
