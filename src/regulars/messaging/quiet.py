"""Quiet hours: local hours of the brand in which nothing is pushed, whatever the clocks do to them.

`until` before `from` spans midnight; both equal is the whole day. The first allowed instant is looked for on the wall clock
and then read as an instant: an hour that a clock change skips or repeats is quiet whenever the wall clock says so.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `starts` on, before `ends`, by the wall clock of `zone`."""

    starts: time
    ends: time
    zone: ZoneInfo

    def hold(self, at: datetime) -> bool:
        """Whether it is quiet at this instant."""
        return self._is_quiet(at.astimezone(self.zone).time())

    def first_allowed(self, at: datetime) -> datetime | None:
        """The first instant from `at` on that is not quiet, in UTC; None where the whole day is."""
        if not self.hold(at):
            return at
        if self.starts == self.ends:
            return None
        local = at.astimezone(self.zone)
        for days in (0, 1, 2):
            end = datetime.combine(local.date() + timedelta(days=days), self.ends, self.zone).astimezone(UTC)
            for repeated in (end, end.astimezone(self.zone).replace(fold=1).astimezone(UTC)):
                if repeated >= at and not self.hold(repeated):
                    return self._first_before(repeated, at)
        return None

    def _first_before(self, end: datetime, at: datetime) -> datetime:
        """`end`, or the minute that began what `end` is in: where `ends` itself falls into a skipped hour."""
        minute = timedelta(minutes=1)
        while end - minute > at and not self.hold(end - minute):
            end -= minute
        return end

    def _is_quiet(self, wall: time) -> bool:
        if self.starts < self.ends:
            return self.starts <= wall < self.ends
        return wall >= self.starts or wall < self.ends


def parse_quiet_hours(starts: str, ends: str, zone: ZoneInfo) -> QuietHours:
    """From `22:00` and `08:00`, as the settings checked them."""
    return QuietHours(time.fromisoformat(starts), time.fromisoformat(ends), zone)
