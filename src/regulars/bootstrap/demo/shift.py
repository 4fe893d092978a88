"""By how many weeks the past is moved, and where a moved instant lies.

Whole weeks, the same for everything, so that weekdays and the gaps between visits stay what they were. The files' times
carry no zone and are read as the brand's local time, as everywhere else in regulars. (They look like UTC of shops in the
eastern United States, whose weeks turn at 05:00 in winter and at 04:00 in summer. So hours of the day are some hours
late; reading them as anything else would break «the same whole number of weeks» twice a year.)
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from regulars.bootstrap.demo.errors import TodayInvalid

TODAY_MIN: Final = date(1990, 1, 1)
TODAY_MAX: Final = date(2200, 1, 1)
_WEEK: Final = timedelta(weeks=1)


def choose_weeks(last: datetime, today: date) -> int:
    """Weeks after which `last` falls on one of the seven days before `today`. Raises: TodayInvalid."""
    if not TODAY_MIN <= today <= TODAY_MAX:
        raise TodayInvalid(f"--today {today} is not between {TODAY_MIN} and {TODAY_MAX}", path="--today")
    return (today - timedelta(days=1) - last.date()).days // 7


def find_weeks(at: datetime, original: datetime, zone: ZoneInfo) -> int:
    """By how many weeks an event that is at `at` was moved.

    Rounded: the brand may have changed its zone since, which moves wall clocks by hours.
    """
    return round((at.astimezone(zone).replace(tzinfo=None) - original) / _WEEK)


@dataclass(frozen=True, slots=True)
class Shift:
    """By how many weeks, in which zone's wall clock."""

    weeks: int
    zone: ZoneInfo

    def move(self, original: datetime) -> datetime:
        """The moved instant."""
        return (original + self.weeks * _WEEK).replace(tzinfo=self.zone)

    def undo(self, moved: datetime) -> datetime:
        """The wall clock that was moved to an instant."""
        return moved.astimezone(self.zone).replace(tzinfo=None) - self.weeks * _WEEK
