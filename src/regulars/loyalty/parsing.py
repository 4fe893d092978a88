"""A programme as it is written, in YAML or JSON, becomes the model; and back. The model's types say what each field takes.

`parse_programme(write_programme(programme)) == programme` for every programme. An error has the place of what is wrong
as a JSON pointer. What a condition says wrongly is a ConditionError, with its place in the programme.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from regulars.conditions.errors import ConditionError, Malformed, NumberInvalid, WrongType
from regulars.conditions.parse import parse_written
from regulars.conditions.places import (
    Place,
    check_text,
    describe,
    read_flag,
    read_list,
    read_object,
    read_text,
    suggest_name,
)
from regulars.conditions.tree import Calendar
from regulars.kernel.durations import DurationInvalid, parse_duration
from regulars.loyalty import model
from regulars.loyalty.checking import check_programme
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.model import Anniversary, Condition, Name, Never, Period, Programme

NAME_CHARACTERS_MAX: Final = 100
ENTRIES_MAX: Final = 1_000
CODES_MAX: Final = 1_000_000
POINTS_MAX: Final = 10**15
MONEY_MAX: Final = 10**12
DECIMALS_MAX: Final = 6
MONTHS_MAX: Final = 120

_SYNONYMS: Final = {
    "coupons": "vouchers", "levels": "tiers", "rules": "earn", "gifts": "rewards", "challenges": "missions",
    "currencies": "assets", "condition": "when", "effects": "award", "rounding": "round", "threshold": "enter",
}  # fmt: skip
_PERIOD: Final = re.compile(r"([1-9][0-9]{0,7})(?:([mhd])| (month|year)s?)")
_WINDOW: Final = re.compile(r"rolling ([1-9][0-9]{0,2}) months?|calendar (month|quarter|year)")
_ANNIVERSARY: Final = "since anniversary"
_TIME: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")


def parse_programme(data: object) -> Programme:
    """The programme of decoded JSON or YAML. Raises: ProgrammeInvalid; ConditionError of its conditions."""
    try:
        programme = cast("Programme", _read(Programme, Place(data), "a programme"))
    except _ConditionWrong as wrong:
        raise wrong.error from wrong
    except ConditionError as error:
        raise ProgrammeInvalid(error.message, path=error.path, suggestion=error.suggestion) from error
    check_programme(programme)
    return programme


def read_name(place: Place) -> str:
    """A programme's own name. Raises: ProgrammeInvalid."""
    try:
        return _read_name(place, "a programme's name")
    except ConditionError as error:
        raise ProgrammeInvalid(error.message, path=error.path, suggestion=error.suggestion) from error


def write_programme(programme: Programme) -> dict[str, Any]:
    """The programme as JSON, without what is as when it is left out."""
    return write_value(programme)


# --- by the types of the model -----------------------------------------------------------------------------------------


class _ConditionWrong(Exception):
    """Carries a condition's own error past those of the fields around it."""

    def __init__(self, error: ConditionError) -> None:
        super().__init__(str(error))
        self.error = error


@cache
def _fields_of(form: type) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """By the word that is written: the field and its type."""
    hints = get_type_hints(form)
    return {field.name.rstrip("_"): (field, hints[field.name]) for field in dataclasses.fields(form)}


def _read(hint: Any, place: Place, what: str) -> Any:
    """Raises: ConditionError."""
    if hint in _READERS:
        return _READERS[hint](place, what)
    origin = get_origin(hint)
    if origin is Literal:
        return _read_choice(get_args(hint), place, what)
    if origin is tuple:
        most = CODES_MAX if get_args(hint)[0] is model.Code else ENTRIES_MAX
        return tuple(_read(get_args(hint)[0], one, what) for one in read_list(place, what, most))
    if origin in (Union, UnionType):
        return _read_one_of(get_args(hint), place, what)
    if origin is not None:
        value = get_args(hint)[1]
        entries = {} if place.data == {} else read_object(place, what)
        return {
            _read_name(Place(name, child.path), what): _read(value, child, f"'{name}'")
            for name, child in entries.items()
        }
    return _read_form(hint, place, what)


def _read_form(form: type, place: Place, what: str) -> Any:
    """An object of the model. Raises: ConditionError."""
    known = _fields_of(form)
    given = {} if place.data == {} else read_object(place, what, known, synonyms=_SYNONYMS)
    values: dict[str, Any] = {}
    for word, (field, hint) in known.items():
        if word in given:
            values[field.name] = _read(hint, given[word], f"'{word}'")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Malformed(f"{what} needs '{word}'", path=str(place.child(word, None)))
    return form(**values)


def _read_one_of(options: tuple[Any, ...], place: Place, what: str) -> Any:
    """One of several types, told apart by what is written. Raises: ConditionError."""
    if Never in options and place.data in (None, "never"):
        return Never()
    if place.data is None and NoneType in options:
        return None
    forms: dict[str, type] = {one.WORD: one for one in options if hasattr(one, "WORD")}
    if forms and isinstance(place.data, dict):
        return _read_form(_find_form(forms, place, what), place, what)
    others = [one for one in options if one not in forms.values() and one not in (NoneType, Never)]
    if not others:
        raise WrongType(f"{what} is an object, not {describe(cast('object', place.data))}", path=str(place))
    is_list = isinstance(place.data, list | tuple)
    return _read(next((one for one in others if (get_origin(one) is tuple) is is_list), others[0]), place, what)


def _find_form(forms: Mapping[str, type], place: Place, what: str) -> type:
    """The first of the forms whose word is said. Raises: Malformed."""
    for word, form in forms.items():
        if place.says(word):
            return form
    known = {word for form in forms.values() for word in _fields_of(form)}
    wrong = next((str(key) for key in cast("dict[object, object]", place.data) if key not in known), None)
    found = place if wrong is None else place.child(wrong, None)
    meant = None if wrong is None else suggest_name(wrong, forms)
    raise Malformed(f"{what} says one of {', '.join(forms)}", path=str(found), suggestion=meant)


def _read_choice(choices: tuple[str, ...], place: Place, what: str) -> str:
    if place.data not in choices:
        meant = suggest_name(place.data, choices) if isinstance(place.data, str) else None
        raise Malformed(
            f"{what} is one of {', '.join(choices)}, not {describe(place.data)}", path=str(place), suggestion=meant
        )
    return cast("str", place.data)


# --- values ------------------------------------------------------------------------------------------------------------


def _read_name(place: Place, what: str) -> str:
    text = read_text(place, what, NAME_CHARACTERS_MAX)
    if "/" in text or text != text.strip():
        message = f"{what} is a name of 1–{NAME_CHARACTERS_MAX} characters without a slash, not {describe(text)}"
        raise Malformed(message, path=str(place), suggestion=text.replace("/", "-").strip() or None)
    return text


def _read_whole(least: int, most: int = POINTS_MAX) -> "_Reader":
    def read(place: Place, what: str) -> int:
        data = place.data
        if isinstance(data, bool) or not isinstance(data, int):
            meant = data.partition(".")[0] if isinstance(data, str) and _NUMBER.fullmatch(data) else None
            raise WrongType(f"{what} is a whole number, not {describe(data)}", path=str(place), suggestion=meant)
        if not least <= data <= most:
            raise NumberInvalid(f"{what} is from {least} to {most}, not {describe(data)}", path=str(place))
        return data

    return read


def _read_decimal(most: int, *, least: int = 0, above: bool = True) -> "_Reader":
    """A decimal in quotes, or a whole number: a binary fraction is not what was meant."""

    def read(place: Place, what: str) -> Decimal:
        number = _find_decimal(place, what)
        if not (least < number or (not above and number == least)) or number > most:
            bound = "more than" if above else "from"
            raise NumberInvalid(f"{what} is {bound} {least} to {most}, not {describe(place.data)}", path=str(place))
        return number

    return read


def _find_decimal(place: Place, what: str) -> Decimal:
    data = place.data
    if isinstance(data, bool) or not isinstance(data, int | str):
        meant = repr(data) if isinstance(data, float) and _NUMBER.fullmatch(repr(data)) else None
        message = f"{what} is a decimal in quotes, or a whole number, not {describe(data)}"
        raise WrongType(message, path=str(place), suggestion=meant)
    try:
        number = Decimal(data) if isinstance(data, int) or _NUMBER.fullmatch(data) else None
    except InvalidOperation:
        number = None
    if number is None or cast("int", number.as_tuple().exponent) < -DECIMALS_MAX:
        message = f"{what} is a decimal such as 0.20, with at most {DECIMALS_MAX} decimals, not {describe(data)}"
        raise NumberInvalid(message, path=str(place), suggestion="0.20")
    return number


def _read_weight(place: Place, what: str) -> Decimal:
    """Tags' weights are JSON numbers everywhere."""
    data = place.data
    if isinstance(data, float) and _NUMBER.fullmatch(repr(data)):
        return _read_decimal(1, above=False)(Place(repr(data), place.path), what)
    return _read_decimal(1, above=False)(place, what)


def _read_period(place: Place, what: str) -> Period:
    match = _PERIOD.fullmatch(place.data) if isinstance(place.data, str) else None
    if match is None:
        meant = f"{place.data}d" if isinstance(place.data, int) and place.data in range(1, 3_661) else None
        message = f"{what} is a time such as 30d, 12h or 12 months, not {describe(place.data)}"
        raise Malformed(message, path=str(place), suggestion=meant)
    count, unit = int(match[1]), match[2] or match[3]
    try:
        if match[2]:
            parse_duration(match[0])
        elif count * (12 if unit == "year" else 1) > MONTHS_MAX:
            raise DurationInvalid(f"{match[0]!r} is longer than {MONTHS_MAX} months")
    except DurationInvalid as error:
        raise NumberInvalid(error.message, path=str(place)) from error
    return Period(count, cast("Any", unit))


def _read_window(place: Place, what: str) -> Calendar | Anniversary:
    if place.data == _ANNIVERSARY:
        return Anniversary()
    match = _WINDOW.fullmatch(place.data) if isinstance(place.data, str) else None
    if match is None or (match[1] and int(match[1]) > MONTHS_MAX):
        message = f"{what} is 'rolling 12 months', 'calendar year' or '{_ANNIVERSARY}', not {describe(place.data)}"
        known = ("rolling 12 months", "calendar year", "calendar quarter", "calendar month", _ANNIVERSARY)
        meant = suggest_name(place.data, known) if isinstance(place.data, str) else None
        raise Malformed(message, path=str(place), suggestion=meant)
    return Calendar("month", int(match[1])) if match[1] else Calendar(cast("Any", match[2]))


def _read_date(place: Place, what: str) -> date:
    moment = _read_moment(place, what)
    if isinstance(moment, datetime):
        raise WrongType(f"{what} is a day such as 2026-12-01", path=str(place), suggestion=moment.date().isoformat())
    return moment


def _read_moment(place: Place, what: str) -> date | datetime:
    data = place.data
    if isinstance(data, str):
        try:
            data = (
                date.fromisoformat(data) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", data) else datetime.fromisoformat(data)
            )
        except ValueError:
            data = place.data
    if not isinstance(data, date) or not 1900 <= data.year <= 2200:
        message = f"{what} is a day such as 2026-12-01, or an instant, not {describe(place.data)}"
        raise Malformed(message, path=str(place), suggestion="2026-12-01")
    return data


def _read_time(place: Place, what: str) -> time:
    if not isinstance(place.data, str) or not _TIME.fullmatch(place.data):
        # Source: YAML 1.1 reads 14:00 without quotes as 14 × 60.
        meant = (
            f"{place.data // 60:02}:{place.data % 60:02}"
            if isinstance(place.data, int) and 0 <= place.data < 1440
            else "14:00"
        )
        raise Malformed(f"{what} is an hour in quotes, as HH:MM", path=str(place), suggestion=meant)
    return time.fromisoformat(place.data)


def _read_mapping(place: Place, what: str) -> Mapping[str, Any]:
    read_object(place, what)
    return cast("Mapping[str, Any]", place.data)


def _read_code(place: Place, what: str) -> str:
    text = read_text(place, what, NAME_CHARACTERS_MAX)
    if any(sign in text for sign in "/ \n\t"):
        raise Malformed(f"{what}: a code has no blank and no slash", path=str(place))
    check_text(place, what, NAME_CHARACTERS_MAX)
    return text


def _read_condition(place: Place, what: str) -> Condition:
    """`tier` and `badge` in the outermost `all` are the programme's; the rest is the condition language's."""
    beside: dict[str, list[Place]] = {"tier": [], "badge": []}
    rest = _take_beside(place, beside)
    tiers = [_get_least_tier(one) for one in beside["tier"]]
    if len(tiers) > 1:
        raise Malformed(f"{what} says the least tier twice", path=str(beside["tier"][1]))
    named = [*tiers, *beside["badge"]]
    names = [Name(_read_name(one, "a name")) for one in named]
    paths = {name: one.path for name, one in zip(names, named, strict=True)}
    try:
        written = parse_written(rest)
    except ConditionError as error:
        path = place.path + (error.path or "").rstrip("/")
        raise _ConditionWrong(type(error)(error.message, path=path, suggestion=error.suggestion)) from error
    tier = names[0] if tiers else None
    return Condition(written.tree, tier, tuple(names[len(tiers) :]), place.data, written, paths)


def _take_beside(place: Place, beside: dict[str, list[Place]]) -> object:
    """What is left; a part that is taken out leaves one that everybody meets, so that paths stay."""
    data = place.data
    if isinstance(data, list):
        return [_take_beside(place.child(at, one), beside) for at, one in enumerate(cast("list[object]", data))]
    if not isinstance(data, dict):
        return data
    left: dict[str, object] = {}
    for key, value in cast("dict[str, object]", data).items():
        if key in beside:
            beside[key].append(place.child(key, value))
        else:
            left[key] = _take_beside(place.child(key, value), beside) if key == "all" else value
    return left if left or not data else {"all": []}


def _get_least_tier(place: Place) -> Place:
    return read_object(place, "'tier'", ("at_least",))["at_least"]


_Reader = Callable[[Place, str], Any]
_READERS: Final[Mapping[Any, _Reader]] = {
    model.Name: _read_name,
    model.Code: _read_code,
    model.Points: _read_whole(0),
    model.Count: _read_whole(1),
    model.Whole: _read_whole(-ENTRIES_MAX, ENTRIES_MAX),
    model.Weekday: _read_whole(1, 7),
    model.Money: _read_decimal(MONEY_MAX),
    model.Factor: _read_decimal(1_000),
    model.Number: _read_decimal(MONEY_MAX, least=-MONEY_MAX, above=False),
    model.PercentNumber: _read_decimal(100),
    model.Weight: _read_weight,
    bool: read_flag,
    date: _read_date,
    time: _read_time,
    Period: _read_period,
    Condition: _read_condition,
    date | datetime: _read_moment,
    date | datetime | None: lambda place, what: None if place.data is None else _read_moment(place, what),
    Calendar | Anniversary: _read_window,
    Mapping[str, Any]: _read_mapping,
}


# --- back --------------------------------------------------------------------------------------------------------------


def write_value(value: Any) -> Any:
    """A part of a programme as JSON."""
    match value:
        case tuple():
            return [write_value(one) for one in cast("tuple[Any, ...]", value)]
        case Mapping():
            return {name: write_value(one) for name, one in cast("Mapping[str, Any]", value).items()}
        case _ if type(value) in _WRITERS:
            return _WRITERS[type(value)](value)
        case _ if dataclasses.is_dataclass(cast("object", value)):
            return dict(_write_fields(value))
        case _:
            return value


_WRITERS: Final[Mapping[type, Callable[[Any], Any]]] = {
    Condition: lambda value: value.data,
    Period: lambda value: f"{value.count}{value.unit}" if len(value.unit) == 1 else f"{value.count} {value.unit}s",
    Never: lambda value: None,
    Anniversary: lambda value: _ANNIVERSARY,
    Calendar: lambda value: f"rolling {value.count} months" if value.count > 1 else f"calendar {value.unit}",
    Decimal: lambda value: f"{value:f}",
    time: lambda value: value.strftime("%H:%M"),
    date: date.isoformat,
    datetime: datetime.isoformat,
}


def _write_fields(value: Any) -> Iterable[tuple[str, Any]]:
    for word, (field, _) in _fields_of(cast("type", value.__class__)).items():
        said = getattr(value, field.name)
        usual = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
        if said != usual:
            yield word, write_value(said)
