"""Tests of one value as Python predicates, with the meaning of `lower_values`: what is missing or of another type is false.

A predicate takes the value as JSON reads it (a column's text or Decimal too) and as_of.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from regulars.conditions.dialects import DAY_PATTERN, INSTANT_PATTERN, LOCAL_PATTERN
from regulars.conditions.limits import DIGITS_BEFORE_POINT_MAX
from regulars.conditions.spans import Times
from regulars.conditions.tree import (
    Exists,
    InTime,
    ListHas,
    NoneOf,
    OneOf,
    Range,
    Rolling,
    Scalar,
    TextMatch,
    ValueTest,
)

Predicate = Callable[[object, datetime], bool]

_LARGE: Final = 10**DIGITS_BEFORE_POINT_MAX
_LIMIT: Final = Decimal(_LARGE)
_MARGIN: Final = Decimal("0.001")
"""Eight times the distance of neighbouring doubles at a trillion, where numbers end."""
_STEP: Final = Decimal("0.000001")
_PRECISE: Final = Context(prec=40, rounding=ROUND_HALF_UP)
_DAY: Final = re.compile(DAY_PATTERN.replace("$", r"\Z"), re.ASCII)
_CLOCKED: Final = re.compile(
    f"(?:{LOCAL_PATTERN}|{INSTANT_PATTERN})".replace("$", r"\Z"),
    re.ASCII,
)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_LAST: Final = datetime.max.replace(tzinfo=UTC)


def compile_test(test: ValueTest, zone: ZoneInfo) -> Predicate:
    """The test as a predicate of one value."""
    match test:
        case OneOf(values):
            return _one_of(values)
        case NoneOf(values):
            return _none_of(values)
        case Range():
            in_range = compile_range(test)
            return lambda value, as_of: in_range(value)
        case TextMatch(how, text):
            return _match_text(how, text)
        case Exists():
            return lambda value, as_of: value is not None
        case ListHas(values, every):
            return _list_has(values, every)
        case InTime():
            return _in_time(test, zone)


def read_number(value: object) -> int | Decimal | None:
    """To 6 digits after the point, half away from zero; None beyond 12 digits before it, and of what is no number."""
    kind = type(value)
    if kind is int:
        return cast("int", value) if -_LARGE < cast("int", value) < _LARGE else None
    if kind is float:
        number = cast("float", value)
        if not -_LARGE < number < _LARGE:
            return None  # neither is what is not finite
        return int(number) if number.is_integer() else _round(Decimal(repr(number)))
    return _round(cast("Decimal", value)) if kind is Decimal else None


def _round(number: Decimal) -> Decimal | None:
    if not -_LIMIT < number < _LIMIT:
        return None
    rounded = _PRECISE.quantize(number, _STEP)
    return rounded if -_LIMIT < rounded < _LIMIT else None


def compile_range(wanted: Range) -> Callable[[object], bool]:
    """All bounds of the range; false of what is no number."""
    at_least, at_most, more_than, less_than = wanted.at_least, wanted.at_most, wanted.more_than, wanted.less_than
    low = max((bound for bound in (at_least, more_than) if bound is not None), default=-_LIMIT)
    high = min((bound for bound in (at_most, less_than) if bound is not None), default=_LIMIT)
    decimals = (low + _MARGIN, high - _MARGIN, low - _MARGIN, high + _MARGIN)
    doubles = tuple(map(float, decimals))

    def in_range(value: object) -> bool:
        # Far enough from the bounds neither rounding nor the bounds as doubles matter; near them all is exact.
        kind = type(value)
        if kind is float or kind is Decimal:
            number: Any = value
            inner_low, inner_high, outer_low, outer_high = doubles if kind is float else decimals
            if inner_low < number < inner_high:
                return True
            if number < outer_low or number > outer_high:
                return False
        number = read_number(value)
        return (
            number is not None
            and (at_least is None or number >= at_least)
            and (at_most is None or number <= at_most)
            and (more_than is None or number > more_than)
            and (less_than is None or number < less_than)
        )

    return in_range


def _sort(values: Iterable[Scalar]) -> tuple[frozenset[str], frozenset[Decimal], frozenset[bool]]:
    """Texts, numbers and booleans apart: 1 and true are never equal here."""
    texts = frozenset(value for value in values if isinstance(value, str))
    numbers = frozenset(value for value in values if isinstance(value, Decimal))
    return texts, numbers, frozenset(value for value in values if isinstance(value, bool))


def _one_of(values: tuple[Scalar, ...]) -> Predicate:
    texts, numbers, flags = _sort(values)
    if not numbers and not flags:
        return lambda value, as_of: type(value) is str and value in texts

    def equals(value: object, as_of: datetime) -> bool:
        if type(value) is str:
            return value in texts
        if type(value) is bool:
            return value in flags
        return read_number(value) in numbers

    return equals


def _none_of(values: tuple[Scalar, ...]) -> Predicate:
    equals = _one_of(values)

    def differs(value: object, as_of: datetime) -> bool:
        comparable = type(value) is str or type(value) is bool or read_number(value) is not None
        return comparable and not equals(value, as_of)

    return differs


def _match_text(how: str, text: str) -> Predicate:
    match how:
        case "prefix":
            return lambda value, as_of: type(value) is str and value.startswith(text)
        case "suffix":
            return lambda value, as_of: type(value) is str and value.endswith(text)
        case _:
            return lambda value, as_of: type(value) is str and text in value


def _list_has(values: tuple[Scalar, ...], every: bool) -> Predicate:
    texts, numbers, flags = _sort(values)
    wanted_count = len(texts) + len(numbers) + len(flags)
    # Of so few digits a double has no neighbour that reads the same.
    exact = frozenset(float(number) for number in numbers)

    def holds(one: object) -> bool:
        if type(one) is str:
            return one in texts
        if type(one) is bool:
            return one in flags
        return (type(one) is int or type(one) is float) and one in exact

    def has(value: object, as_of: datetime) -> bool:
        if type(value) is not list:
            return False
        entries = cast("list[Any]", value)
        if not every:
            return any(holds(one) for one in entries)
        return len({(type(one) is bool, one) for one in entries if holds(one)}) == wanted_count

    return has


def _in_time(test: InTime, zone: ZoneInfo) -> Predicate:
    # The bounds of the last as_of: events are asked many at one as_of, or each at its own.
    kept: tuple[datetime, datetime, datetime] | None = None

    def bounds_at(as_of: datetime) -> tuple[datetime, datetime, datetime]:
        times = Times(as_of, zone)
        if test.ahead and isinstance(test.window, Rolling):
            start, end = times.span_ahead(test.window.seconds)
        else:
            start, end = times.bounds_of(test.window)
        return as_of, start or _FIRST, end or _LAST

    def lies(value: object, as_of: datetime) -> bool:
        nonlocal kept
        instant = read_instant(value, zone) if type(value) is str else None
        if instant is None:
            return False
        bounds = kept
        if bounds is None or bounds[0] != as_of:
            kept = bounds = bounds_at(as_of)
        return bounds[1] <= instant and (instant < bounds[2] or bounds[2] is _LAST)

    return lies


def read_instant(text: str, zone: ZoneInfo) -> datetime | None:
    """An instant in UTC; a date is its first one in the zone, and what has no zone is the brand's. None of other texts."""
    is_day = _DAY.match(text) is not None
    if not is_day and _CLOCKED.match(text) is None:
        return None
    try:
        said = datetime.combine(date.fromisoformat(text), time()) if is_day else datetime.fromisoformat(text)
    except ValueError:
        return None  # the 30th of February
    if said.tzinfo is None:
        said = said.replace(tzinfo=zone)
    try:
        return said.astimezone(UTC)
    except OverflowError:
        return _FIRST if said.year == 1 else _LAST
