"""Durations as people write them: `15m`, `12h`, `30d`. A day is 24 hours; calendar windows are another thing."""

import re
from datetime import timedelta
from typing import ClassVar, Final

from regulars.kernel.errors import DomainError, Kind

DURATION_DAYS_MAX: Final = 3_660
_TEXT: Final = re.compile(r"([1-9][0-9]{0,7})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


class DurationInvalid(DomainError):
    """Not a duration of minutes, hours or days."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "duration.invalid"


def duration_text(duration: timedelta) -> str:
    """As it is written, in the greatest unit that says it whole: 30 × 24 hours give `30d`. Whole minutes."""
    minutes = duration // timedelta(minutes=1)
    return next(f"{minutes // each}{unit}" for unit, each in (("d", 1_440), ("h", 60), ("m", 1)) if minutes % each == 0)


def parse_duration(text: str) -> timedelta:
    """`30d` gives 30 × 24 hours. Raises: DurationInvalid, also above ten years."""
    match = _TEXT.fullmatch(text)
    if not match:
        raise DurationInvalid(f"{text!r} is not a duration such as 15m, 12h or 30d")
    duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if duration > timedelta(days=DURATION_DAYS_MAX):
        raise DurationInvalid(f"{text!r} is longer than {DURATION_DAYS_MAX} days")
    return duration
