"""Tests of one value as they are written: a value, a list of values, or an object such as `{between: [25, 54]}`."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, cast

from regulars.conditions.errors import ImpossibleRange, Malformed, NegatedFilter, WrongType
from regulars.conditions.limits import FILTERS_MAX, VALUES_MAX
from regulars.conditions.places import (
    Place,
    read_flag,
    read_list,
    read_number,
    read_object,
    read_scalar,
    read_text,
    write_number,
)
from regulars.conditions.tree import (
    Exists,
    Filter,
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
from regulars.conditions.windows import WINDOW_KEYS, find_window, parse_seconds, write_seconds, write_window

RANGE_KEYS: Final = ("at_least", "at_most", "more_than", "less_than", "between")
TEXT_KEYS: Final = ("prefix", "suffix", "contains")
VALUE_KEYS: Final = ("equals", "any_of", "none_of", "has_any", "has_all")
TEST_KEYS: Final = (*VALUE_KEYS, *RANGE_KEYS, *TEXT_KEYS, "exists", *WINDOW_KEYS, "next")

SYNONYMS: Final = {
    "=": "equals", "==": "equals", "eq": "equals", "is": "equals", "in": "any_of", "one_of": "any_of",
    "!=": "none_of", "ne": "none_of", "not": "none_of", "not_in": "none_of",
    ">=": "at_least", "gte": "at_least", "<=": "at_most", "lte": "at_most",
    ">": "more_than", "gt": "more_than", "<": "less_than", "lt": "less_than",
    "starts_with": "prefix", "ends_with": "suffix", "to": "until", "since": "from",
}  # fmt: skip
"""Words of other languages, for suggestions."""


class Tested(NamedTuple):
    """A test, where it stands, and whether it was said of a value that there is none."""

    test: ValueTest
    path: str
    is_negated: bool = False


def parse_tests(place: Place) -> list[Tested]:
    """What is asked of one value: all of these. Raises: ConditionError."""
    if isinstance(place.data, list | tuple):
        return [Tested(OneOf(_read_values(place)), place.path)]
    if not isinstance(place.data, dict):
        return [Tested(OneOf((read_scalar(place),)), place.path)]
    fields = read_object(place, "a test", TEST_KEYS, synonyms=SYNONYMS)
    firsts = list(dict.fromkeys(_group(key) for key in fields))
    found = [_parse_test(first, fields, place) for first in firsts]
    if len(found) == 1:
        return [found[0]._replace(path=place.path)]
    return found


def parse_filters(place: Place, what: str) -> tuple[Filter, ...]:
    """Properties and what each must be, in an object or in a list of such. Raises: ConditionError."""
    entries = read_list(place, what, FILTERS_MAX) if isinstance(place.data, list | tuple) else [place]
    if not entries:
        raise Malformed(f"{what} is empty", path=str(place))
    found: list[Filter] = []
    for entry in entries:
        for name, tested in read_object(entry, what).items():
            found += [_filter(name, one) for one in parse_tests(tested)]
    if len(found) > FILTERS_MAX:
        raise Malformed(f"{what} asks {len(found)} things; {FILTERS_MAX} are allowed", path=str(place))
    return tuple(found)


def parse_range(place: Place, what: str) -> Range:
    """Bounds of a number; a bare number is exactly it. Raises: ConditionError."""
    if not isinstance(place.data, dict):
        number = read_number(place, what)
        return Range(at_least=number, at_most=number)
    return build_range(read_object(place, what, RANGE_KEYS, synonyms=SYNONYMS), place)


def build_range(fields: Mapping[str, Place], place: Place) -> Range:
    """The bounds among the entries of an object. Raises: ConditionError, also where there is none."""
    if "between" in fields:
        if extra := next((key for key in RANGE_KEYS[:-1] if key in fields), None):
            raise Malformed(f"'between' and {extra!r} are two ranges; say one", path=str(fields[extra]))
        ends = read_list(fields["between"], "'between'", 2)
        if len(ends) != 2:
            raise Malformed("'between' needs two numbers", path=str(fields["between"]))
        found = Range(at_least=read_number(ends[0], "a bound"), at_most=read_number(ends[1], "a bound"))
    else:
        bounds = {key: read_number(fields[key], f"{key!r}") for key in RANGE_KEYS if key in fields}
        if not bounds:
            raise Malformed(f"a bound is missing: {', '.join(RANGE_KEYS)}", path=str(place), suggestion="at_least")
        found = Range(**bounds)
    if is_empty(found):
        raise ImpossibleRange("no number lies between these bounds", path=str(fields.get("between", place)))
    return found


def is_empty(*asked: Range) -> bool:
    """Whether no number is within all of these bounds."""
    lows = [
        (low, strict) for one in asked for low, strict in ((one.at_least, 0), (one.more_than, 1)) if low is not None
    ]
    highs = [
        (high, -strict) for one in asked for high, strict in ((one.at_most, 0), (one.less_than, 1)) if high is not None
    ]
    return bool(lows and highs and max(lows) > min(highs))


def write_filters(filters: tuple[Filter, ...]) -> object:
    """One object where no name is said twice, else a list of them."""
    written = [{one.name: write_test(one.test)} for one in filters]
    if len({one.name for one in filters}) < len(filters):
        return written
    return {name: test for one in written for name, test in one.items()}


def write_test(test: ValueTest) -> object:
    """The test in its shortest form."""
    match test:
        case OneOf((value,)):
            return write_scalar(value)
        case OneOf(values):
            return [write_scalar(value) for value in values]
        case NoneOf(values):
            return {"none_of": [write_scalar(value) for value in values]}
        case Range():
            return write_bounds(test)
        case TextMatch(how, text):
            return {how: text}
        case Exists():
            return {"exists": True}
        case ListHas(values, every):
            return {"has_all" if every else "has_any": [write_scalar(value) for value in values]}
        case InTime(Rolling(seconds), ahead=True):
            return {"next": write_seconds(seconds)}
        case InTime(window):
            return write_window(window)


def write_range(asked: Range) -> object:
    """The bounds; exactly one number is that number."""
    if asked.at_least is not None and asked == Range(at_least=asked.at_least, at_most=asked.at_least):
        return write_number(asked.at_least)
    return write_bounds(asked)


def write_bounds(asked: Range) -> dict[str, object]:
    """The bounds as entries of an object."""
    bounds = {key: getattr(asked, key) for key in RANGE_KEYS[:-1]}
    return {key: write_number(bound) for key, bound in bounds.items() if bound is not None}


def write_scalar(value: Scalar) -> str | int | float | bool:
    """A value as JSON has it."""
    return value if isinstance(value, str | bool) else write_number(value)


def _group(key: str) -> str:
    """The key under which all keys are read that make one test together."""
    if key in RANGE_KEYS:
        return "at_least"
    return "within" if key in WINDOW_KEYS else key


def _parse_test(first: str, fields: Mapping[str, Place], place: Place) -> Tested:
    match first:
        case "at_least":
            return Tested(build_range(fields, place), _path_of(fields, RANGE_KEYS))
        case "within":
            window = find_window(fields, place)
            assert window is not None
            return Tested(InTime(window), _path_of(fields, WINDOW_KEYS))
        case _:
            return _parse_single(first, fields[first])


def _path_of(fields: Mapping[str, Place], keys: tuple[str, ...]) -> str:
    return next(field.path for key, field in fields.items() if key in keys)


def _parse_single(key: str, place: Place) -> Tested:
    path = place.path
    match key:
        case "equals":
            return Tested(OneOf((read_scalar(place),)), path)
        case "any_of":
            return Tested(OneOf(_read_values(place)), path)
        case "none_of":
            return Tested(NoneOf(_read_values(place)), path)
        case "has_any" | "has_all":
            return Tested(ListHas(_read_values(place), key == "has_all"), path)
        case "exists":
            return Tested(Exists(), path, is_negated=not read_flag(place, "'exists'"))
        case "next":
            return Tested(InTime(Rolling(parse_seconds(place, "'next'")), ahead=True), path)
        case _:
            how = cast("Literal['prefix', 'suffix', 'contains']", key)
            return Tested(TextMatch(how, read_text(place, f"{key!r}")), path)


def _read_values(place: Place) -> tuple[Scalar, ...]:
    if isinstance(place.data, str | int | float):
        raise WrongType("this test takes a list of values", path=str(place), suggestion=f"[{str(place.data)[:60]}]")
    values = tuple(read_scalar(one) for one in read_list(place, "a list of values", VALUES_MAX))
    if not values:
        raise Malformed("a list of values is empty; nothing equals one of none", path=str(place))
    return values


def _filter(name: str, tested: Tested) -> Filter:
    if tested.is_negated:
        message = "inside an event nothing is negated: say `not: {did: … {exists: true}}`, or none_of"
        raise NegatedFilter(message, path=tested.path, suggestion="not")
    return Filter(name, tested.test)
