"""When a plan's messages go: at once, or spread evenly over its days; never in quiet hours, never outside of the windows. Pure.

All days are the brand's. A day counts where it has an instant that is not quiet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from regulars.messaging.quiet import QuietHours


@dataclass(frozen=True, slots=True)
class Calendar:
    """What decides when something may go: from now on, by the brand's clock, outside of its quiet hours."""

    now: datetime
    zone: ZoneInfo
    quiet: QuietHours | None

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def first_instant(self, day: date) -> datetime:
        """When a day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def find_first(self, first_on: date, last_on: date) -> datetime | None:
        """The first allowed instant between two days, both included; None where there is none."""
        at = max(self.now.astimezone(UTC), self.first_instant(first_on))
        allowed = at if self.quiet is None else self.quiet.first_allowed(at)
        return allowed if allowed is not None and allowed < self.end_of(last_on) else None

    def list_days(self, first_on: date, last_on: date) -> list[datetime]:
        """The first allowed instant of each day between two, of those that have one."""
        days = range((last_on - first_on).days + 1)
        found = [self.find_first(day, day) for day in (first_on + timedelta(days=at) for at in days)]
        return [at for at in found if at is not None]

    def end_of(self, day: date) -> datetime:
        """The first instant after a day."""
        return self.first_instant(day + timedelta(days=1))

    def month_of(self, at: datetime) -> date:
        """The first day of the month that holds an instant."""
        return at.astimezone(self.zone).date().replace(day=1)

    def end_of_month(self, month: date) -> datetime:
        """The first instant after a month that is named by its first day."""
        return self.first_instant((month + timedelta(days=31)).replace(day=1))


def spread(count: int, instants: Sequence[datetime], seed: Sequence[int]) -> NDArray[np.int64]:
    """An instant for each of so many, all instants taken about equally often, who gets which by lot.

    Units: µs since 1970.
    """
    ticks = np.array([int(at.timestamp()) * 1_000_000 + at.microsecond for at in instants], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(count)
    return ticks[order * len(ticks) // max(1, count)]
