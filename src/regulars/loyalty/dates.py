"""Days, months and years of the brand: when a period is over, and when a day begins."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from regulars.loyalty.model import Moment, Period

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def add_period(at: datetime, period: Period, zone: ZoneInfo, times: int = 1) -> datetime:
    """So many periods later, in UTC. Months keep day and hour of the brand's clock; where the month has no such day, its last.

    An hour that the clock leaves out is read by the offset before it; of one that it has twice, the first.
    """
    if period.unit in _UNITS:
        return at.astimezone(UTC) + times * timedelta(**{_UNITS[period.unit]: period.count})
    local = at.astimezone(zone)
    months = times * period.count * (12 if period.unit == "year" else 1)
    day = add_months(local.date(), months)
    return datetime.combine(day, local.time().replace(fold=0), zone).astimezone(UTC)


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When a day of the brand begins, in UTC; one that begins in a gap of the clock begins after it."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def local_day(at: datetime, zone: ZoneInfo) -> date:
    """The brand's day of an instant."""
    return at.astimezone(zone).date()


def instant_of(moment: Moment, zone: ZoneInfo) -> datetime:
    """The instant that a day's beginning or a clock time of the brand is, in UTC."""
    if not isinstance(moment, datetime):
        return first_instant(moment, zone)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).astimezone(UTC)
