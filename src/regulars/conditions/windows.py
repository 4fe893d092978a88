"""Windows as they are written: `30d`, `this_month`, `rolling 12 months`, and from, after, before, until."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from typing import Final, cast

from regulars.conditions.errors import ImpossibleWindow, Malformed, WrongType
from regulars.conditions.limits import WINDOW_DAYS_MAX
from regulars.conditions.places import Place, describe, read_object, suggest_name
from regulars.conditions.tree import Between, Calendar, CalendarUnit, Moment, Rolling, Window

WINDOW_KEYS: Final = ("within", "from", "after", "before", "until")

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhdw])")
_DURATION_MEANT: Final = re.compile(r"([1-9][0-9]{0,8}) ?([smhdw])[a-z]*", re.I)
_UNIT_SECONDS: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}

_UNIT_DAYS: Final[dict[CalendarUnit, int]] = {"day": 1, "week": 7, "month": 30, "quarter": 91, "year": 365}
_NAMED: Final[dict[str, Calendar]] = {
    "today": Calendar("day"),
    "yesterday": Calendar("day", 1, 1),
    **{f"this_{unit}": Calendar(unit) for unit in _UNIT_DAYS if unit != "day"},
    **{f"last_{unit}": Calendar(unit, 1, 1) for unit in _UNIT_DAYS if unit != "day"},
}
_NAMES: Final = {calendar: name for name, calendar in _NAMED.items()}
_COUNTED: Final = re.compile(
    r"(rolling|last) ([1-9][0-9]{0,3}) (day|week|month|quarter|year)s?(?:,? ([1-9][0-9]{0,3}) \3s? ago)?"
)

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EARLIEST: Final = date(1900, 1, 1)
_LATEST: Final = date(2201, 1, 1)
_ZONES_EAST: Final = timezone(timedelta(hours=14))
_ZONES_WEST: Final = timezone(timedelta(hours=-12))


def parse_window(place: Place) -> Window:
    """A window that stands alone: a text, or an object of `within`, or of from, after, before, until.

    Raises: ImpossibleWindow, Malformed, WrongType, UnknownKey.
    """
    if isinstance(place.data, dict):
        return cast("Window", find_window(read_object(place, "a window", WINDOW_KEYS), place))
    return _parse_words(place)


def find_window(fields: Mapping[str, Place], place: Place) -> Window | None:
    """The window among the entries of an object, if there is one. Raises: as `parse_window` does."""
    within = fields.get("within")
    bounds = [key for key in WINDOW_KEYS[1:] if key in fields]
    if within is None:
        return _parse_bounds(fields, place) if bounds else None
    if bounds:
        raise Malformed(f"'within' and {bounds[0]!r} are two windows; say one", path=str(fields[bounds[0]]))
    return parse_window(within)


def parse_seconds(place: Place, what: str) -> int:
    """A duration. Raises: ImpossibleWindow, WrongType."""
    if not isinstance(place.data, str):
        suggestion = (
            f"{place.data}d" if isinstance(place.data, int) and place.data in range(1, WINDOW_DAYS_MAX) else None
        )
        raise WrongType(
            f"{what} is a duration such as 30d, not {describe(place.data)}", path=str(place), suggestion=suggestion
        )
    match = _DURATION.fullmatch(place.data)
    if not match:
        message = f"{what} {describe(place.data)} is not a duration such as 90s, 15m, 12h, 30d or 8w"
        raise ImpossibleWindow(message, path=str(place), suggestion=_meant_duration(place.data))
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    if seconds == 0:
        raise ImpossibleWindow(f"{what} of no length holds nothing", path=str(place))
    if seconds > WINDOW_DAYS_MAX * 86_400:
        raise ImpossibleWindow(
            f"{what} {place.data!r} is longer than {WINDOW_DAYS_MAX} days",
            path=str(place),
            suggestion=f"{WINDOW_DAYS_MAX}d",
        )
    return seconds


def write_window(window: Window) -> dict[str, object]:
    """The window as entries of an object."""
    if not isinstance(window, Between):
        return {"within": write_words(window)}
    bounds = {"from": window.start, "before": window.end}
    return {key: moment.isoformat() for key, moment in bounds.items() if moment is not None}


def write_alone(window: Window) -> object:
    """The window where it stands alone: a text where one can say it."""
    return write_window(window) if isinstance(window, Between) else write_words(window)


def write_words(window: Rolling | Calendar) -> str:
    """The window as a text."""
    if isinstance(window, Rolling):
        return write_seconds(window.seconds)
    if window in _NAMES:
        return _NAMES[window]
    counted = f"{window.count} {window.unit}s"
    match window.ago:
        case 0:
            return f"rolling {counted}"
        case 1:
            return f"last {counted}"
        case _:
            return f"rolling {counted}, {window.ago} {window.unit}s ago"


def write_seconds(seconds: int) -> str:
    """A duration in days, else in the largest smaller unit that says it exactly."""
    unit = next(unit for unit in "dhms" if seconds % _UNIT_SECONDS[unit] == 0)
    return f"{seconds // _UNIT_SECONDS[unit]}{unit}"


def _parse_words(place: Place) -> Rolling | Calendar:
    if not isinstance(place.data, str):
        return Rolling(parse_seconds(place, "a window"))
    text = " ".join(place.data[:100].replace("_", " ").casefold().split())
    named = _NAMED.get(text.replace(" ", "_"))
    if named:
        return named
    if match := _COUNTED.fullmatch(text):
        ago = int(match[4]) if match[4] else int(match[1] == "last")
        return _bounded(Calendar(cast("CalendarUnit", match[3]), int(match[2]), ago), place)
    if _DURATION.fullmatch(text):
        return Rolling(parse_seconds(Place(text, place.path), "a window"))
    message = f"{describe(place.data)} is not a window such as 30d, this_month or rolling 12 months"
    raise ImpossibleWindow(message, path=str(place), suggestion=_meant_window(text))


def _bounded(calendar: Calendar, place: Place) -> Calendar:
    periods_max = WINDOW_DAYS_MAX // _UNIT_DAYS[calendar.unit]
    if calendar.count + calendar.ago > periods_max:
        message = f"a window reaches back {WINDOW_DAYS_MAX} days, {periods_max} {calendar.unit}s, at most"
        raise ImpossibleWindow(message, path=str(place), suggestion=f"rolling {periods_max} {calendar.unit}s")
    return calendar


def _meant_duration(text: str) -> str | None:
    match = _DURATION_MEANT.fullmatch(text[:100].strip())
    return f"{match[1]}{match[2].lower()}" if match else None


def _meant_window(text: str) -> str | None:
    counted = re.fullmatch(r"(?:past|previous)? ?([1-9][0-9]{0,3}) ?(month|quarter|year)s?", text)
    if counted:
        return f"rolling {counted[1]} {counted[2]}s"
    return _meant_duration(text) or suggest_name(text.replace(" ", "_"), _NAMED)


def _parse_bounds(fields: Mapping[str, Place], place: Place) -> Between:
    for one, other in (("from", "after"), ("before", "until")):
        if one in fields and other in fields:
            raise Malformed(f"{one!r} and {other!r} are the same end; say one", path=str(fields[other]))
    start = _parse_bound(fields, "from", "after")
    end = _parse_bound(fields, "before", "until")
    if start is not None and end is not None and _is_empty(start, end):
        key = "before" if "before" in fields else "until"
        raise ImpossibleWindow(f"the window ends at {end}, not after its start {start}", path=str(fields[key]))
    if start is None and end is None:
        raise Malformed("a window needs an end", path=str(place))
    return Between(start, end)


def _parse_bound(fields: Mapping[str, Place], itself: str, following: str) -> Moment | None:
    if itself in fields:
        return _in_bounds(_parse_moment(fields[itself]), fields[itself])
    if following in fields:
        return _in_bounds(_follow(_in_bounds(_parse_moment(fields[following]), fields[following])), fields[following])
    return None


def _parse_moment(place: Place) -> Moment:
    value = place.data
    if isinstance(value, str) and _DATE.fullmatch(value):
        return _from_iso(date, value, place)
    if isinstance(value, str) and _INSTANT.fullmatch(value):
        value = _from_iso(datetime, value, place)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            message = f"instant {value.isoformat()} needs its distance from UTC"
            raise ImpossibleWindow(message, path=str(place), suggestion=f"{value.isoformat()}+08:00")
        return value
    if isinstance(value, date):
        return value
    message = f"{describe(value)} is not a date such as 2026-11-22 or an instant such as 2026-11-22T10:00:00+08:00"
    raise (ImpossibleWindow if isinstance(value, str) else WrongType)(message, path=str(place))


def _from_iso(kind: type[date] | type[datetime], text: str, place: Place) -> Moment:
    try:
        return kind.fromisoformat(text)
    except ValueError as error:
        raise ImpossibleWindow(f"{text!r} is in no calendar", path=str(place)) from error


def _in_bounds(moment: Moment, place: Place) -> Moment:
    day = moment.date() if isinstance(moment, datetime) else moment
    if not _EARLIEST <= day <= _LATEST:
        raise ImpossibleWindow(f"{moment.isoformat()} is not from 1900 to 2200", path=str(place))
    return moment


def _follow(moment: Moment) -> Moment:
    return moment + (timedelta(microseconds=1) if isinstance(moment, datetime) else timedelta(days=1))


def _is_empty(start: Moment, end: Moment) -> bool:
    """Whether the window is empty wherever the brand is: a date begins earlier in the east."""
    if type(start) is type(end):
        return start >= end
    return _first_instant(start, _ZONES_EAST) >= _first_instant(end, _ZONES_WEST)


def _first_instant(moment: Moment, zone: timezone) -> datetime:
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time(), zone)
