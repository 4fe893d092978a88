"""How people and machines write dates: a pure parser of text to a ``datetime``, with an offset if the text has one.

Decides the forms that are read. Refuses what cannot be known: years of two digits, the day numbers of spreadsheets.
Raises ``ValueError`` with the reason.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

YEAR_MIN = 1900
YEAR_MAX = 2200
ROC_YEAR_OFFSET = 1911
"""民國 112 is 2023."""

_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)", re.ASCII)
_ROC = re.compile(r"(?:民國\s*)?(\d{2,3})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)", re.ASCII)
_HAN = re.compile(r"(民國|西元)?\s*(\d{2,4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?!\d)", re.ASCII)
_DAY_NAMED_MONTH = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(\d{1,2})[\s-]+([A-Za-z]{3,9})\.?,?[\s-]+(\d{4})(?!\d)", re.ASCII
)
_NAMED_MONTH_DAY = re.compile(r"(?:[A-Za-z]{3,9},?\s+)?([A-Za-z]{3,9})\.?\s+(\d{1,2}),?\s+(\d{4})(?!\d)", re.ASCII)
_TIME = re.compile(
    r"(?:T|[\s,]+)?(?P<before>上午|下午|[AaPp]\.?[Mm]\.?)?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<after>上午|下午|[AaPp]\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?", re.ASCII)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS = ((11, 1), (13, 1_000), (16, 1_000_000), (19, 1_000_000_000))
"""Digits before the point, at most → ticks per second."""


def parse_local(text: str, *, day_first: bool) -> datetime:
    """A written date or instant. Raises: ValueError."""
    if _NUMBER.fullmatch(text):
        return parse_number(text)
    year, month, day, end = _parse_day(text, day_first=day_first)
    rest = text[end:].strip()
    if not rest:
        return _at(year, month, day)
    return _parse_time(_at(year, month, day), rest)


def _at(year: int, month: int, day: int) -> datetime:
    if not YEAR_MIN <= year <= YEAR_MAX:
        raise ValueError(f"the year {year} is not between {YEAR_MIN} and {YEAR_MAX}")
    return datetime(year, month, day)  # noqa: DTZ001 (an offset, if any, follows; else the brand's zone)


def _parse_day(text: str, *, day_first: bool) -> tuple[int, int, int, int]:
    if found := _YEAR_FIRST.match(text):
        return int(found[1]), int(found[3]), int(found[4]), found.end()
    if found := _YEAR_LAST.match(text):
        first, second = int(found[1]), int(found[3])
        day, month = (first, second) if day_first else (second, first)
        if month > 12:
            raise ValueError(
                f"read {'day' if day_first else 'month'} first, as the rest of the column, its month is {month}"
            )
        return int(found[4]), month, day, found.end()
    if found := _HAN.match(text):
        year = int(found[2])
        return (
            year if year > 999 and found[1] != "民國" else year + ROC_YEAR_OFFSET,
            int(found[3]),
            int(found[4]),
            found.end(),
        )
    if (found := _ROC.match(text)) and (len(found[1]) == 3 or text.startswith("民國")):
        return int(found[1]) + ROC_YEAR_OFFSET, int(found[3]), int(found[4]), found.end()
    return _parse_named_month(text)


def _parse_named_month(text: str) -> tuple[int, int, int, int]:
    if found := _DAY_NAMED_MONTH.match(text):
        return int(found[3]), _month(found[2]), int(found[1]), found.end()
    if found := _NAMED_MONTH_DAY.match(text):
        return int(found[3]), _month(found[1]), int(found[2]), found.end()
    if re.match(r"\d{1,2}[-/.]\d{1,2}[-/.]\d{1,2}(?!\d)", text):
        raise ValueError("a year of two digits could be several things")
    raise ValueError("it is in no form that is known, such as 2010-12-01 08:26")


def _month(name: str) -> int:
    try:
        return _MONTHS.index(name[:3].lower()) + 1
    except ValueError:
        raise ValueError(f"{name} is no month") from None


def _parse_time(day: datetime, text: str) -> datetime:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("what follows the date is no time of day")
    half = (found["before"] or found["after"] or "").lower().replace(".", "")
    hour = int(found["hour"])
    if half:
        if hour > 12:
            raise ValueError(f"{hour} is no hour of half a day")
        hour = hour % 12 + (12 if half in ("pm", "下午") else 0)
    micros = int((found["fraction"] or "0").ljust(6, "0")[:6])
    instant = day.replace(hour=hour, minute=int(found["minute"]), second=int(found["second"] or 0), microsecond=micros)
    return instant.replace(tzinfo=_zone(found["zone"])) if found["zone"] else instant


def _zone(text: str) -> timezone:
    if text in ("Z", "UTC", "GMT"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def parse_number(text: str) -> datetime:
    """Seconds, milli-, micro- or nanoseconds since 1970, told apart by their digits; or 20101201 and 20101201082600."""
    whole, _, fraction = text.lstrip("-").partition(".")
    if not fraction.strip("0") and text[0] != "-":
        if len(whole) == 8 and whole[:2] in ("19", "20", "21"):
            return _at(int(whole[:4]), int(whole[4:6]), int(whole[6:]))
        if len(whole) == 14 and whole[:2] in ("19", "20", "21"):
            day = _at(int(whole[:4]), int(whole[4:6]), int(whole[6:8]))
            return day.replace(hour=int(whole[8:10]), minute=int(whole[10:12]), second=int(whole[12:]))
    if len(whole) < 9:
        raise ValueError("a number so small is no instant (seconds since 1970 have ten digits)")
    for digits, ticks in _TICKS:
        if len(whole) <= digits:
            return _EPOCH + timedelta(microseconds=int(Decimal(text) * 1_000_000 / ticks))
    raise ValueError("a number so large is no instant")


def find_ambiguous(text: str) -> tuple[int, int] | None:
    """The first two numbers of a date that ends in its year."""
    found = _YEAR_LAST.match(text.strip())
    return (int(found[1]), int(found[3])) if found else None
