"""From windows to instants: every window becomes a half-open span that ends at as_of at the latest.

Instants are whole microseconds, so what is later than `t` begins at the microsecond after it, and (a, b] is [a+1, b+1).
Days, weeks and months are those of the brand's time zone; a day that begins in a gap of the clock begins after the gap.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from regulars.conditions.tree import Between, Calendar, Moment, Rolling, Window

TICK: Final = timedelta(microseconds=1)
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)


class Span(NamedTuple):
    """[start, end) in UTC; a start of None is all time before."""

    start: datetime | None
    end: datetime


class Times(NamedTuple):
    """Where all times of an evaluation come from."""

    as_of: datetime
    zone: ZoneInfo

    def span_of(self, window: Window | None) -> Span:
        """The window's instants; none of them is after as_of."""
        start, end = self._bounds(window)
        last = self.as_of.astimezone(UTC) + TICK
        return Span(start, last if end is None or end > last else end)

    def bounds_of(self, window: Window) -> tuple[datetime | None, datetime | None]:
        """[start, end) of a window in which a date of a member may lie: it may lie after as_of."""
        start, end = self._bounds(window)
        return start, self.as_of.astimezone(UTC) + TICK if isinstance(window, Rolling) else end

    def span_until(self, span: Span, seconds: int) -> Span:
        """The span and so many seconds behind its last instant, none of them after as_of."""
        last = self.as_of.astimezone(UTC) + TICK
        return Span(span.start, min(last, _shift(span.end, timedelta(seconds=seconds))))

    def span_ahead(self, seconds: int) -> Span:
        """(as_of, as_of + seconds]."""
        start = self.as_of.astimezone(UTC) + TICK
        return Span(start, _shift(start, timedelta(seconds=seconds)))

    def first_instant(self, day: date) -> datetime:
        """When a day of the brand begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def _bounds(self, window: Window | None) -> tuple[datetime | None, datetime | None]:
        match window:
            case None:
                return None, None
            case Rolling(seconds):
                return _shift(self.as_of.astimezone(UTC), -timedelta(seconds=seconds)) + TICK, None
            case Calendar(unit, count, ago):
                first = _period(self.as_of.astimezone(self.zone).date(), unit, -ago - count + 1)
                return self.first_instant(first), self.first_instant(_period(first, unit, count))
            case Between(start, end):
                return self._instant(start), self._instant(end)

    def _instant(self, moment: Moment | None) -> datetime | None:
        if moment is None:
            return None
        return moment.astimezone(UTC) if isinstance(moment, datetime) else self.first_instant(moment)


def _period(day: date, unit: str, periods: int) -> date:
    """The first day of the period that lies `periods` after the day's own."""
    if unit == "day":
        return day + timedelta(days=periods)
    if unit == "week":
        return day - timedelta(days=day.weekday()) + timedelta(weeks=periods)
    size = _MONTHS[unit]
    months = (day.year * 12 + day.month - 1) // size * size + periods * size
    return date(months // 12, months % 12 + 1, 1)


def _shift(instant: datetime, by: timedelta) -> datetime:
    """Clipped to the years that there are."""
    try:
        return min(max(instant + by, EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if by < timedelta() else LATEST
