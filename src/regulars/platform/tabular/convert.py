"""What a cell means: text, numbers, money, yes and no, instants. Each converter gives a value or raises ``ConversionError``.

Decides how a value may be written; ``None`` is a missing one. Does not decide which column is what. A converter is built
once per column and called once per cell, so the good path neither looks anything up nor catches anything.
Nothing is guessed for one cell alone: whether 01/12/2010 is in January or in December is decided for a whole column.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from typing import Any, Literal, assert_never, cast
from uuid import UUID

from regulars.platform.tabular import dates
from regulars.platform.tabular.streams import is_clean
from regulars.platform.tabular.table import CELL_BYTES_MAX

Converter = Callable[[Any], Any]
FieldKind = Literal["text", "integer", "number", "decimal", "boolean", "instant", "date", "json"]

DIGITS_MAX = 38
SHOWN_CHARS_MAX = 40
DAYS_REMEMBERED_MAX = 40_000
NESTING_MAX = 32
FLOAT_INTEGER_MAX = 1 << 53
"""Up to here every whole number is its own float, so 13085.0 is surely the number 13085."""

_PLAIN_NUMBER = re.compile(r"[+-]?\d{1,38}(?:\.\d{0,38})?", re.ASCII).fullmatch
_GROUPED_NUMBER = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){1,11}(?:\.\d{1,38})?", re.ASCII).fullmatch
_ODD_NUMBER = re.compile(r"[+-]?(?:\.\d{1,38}|\d{1,38}(?:\.\d{0,38})?[eE][+-]?\d{1,2})", re.ASCII).fullmatch
_NAIVE_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 (to be subtracted from instants without a zone)
_YES = {"true", "t", "yes", "y", "1", "on", "是", "有", "真"}
_NO = {"false", "f", "no", "n", "0", "off", "否", "無", "假"}


class ConversionError(ValueError):
    """Why a value is not what its field needs; the text is the ``_reason`` of the rejected row."""


class DateOrder(StrEnum):
    """How a column writes 01/12/2010."""

    DAY_FIRST = "day_first"
    MONTH_FIRST = "month_first"


def show(value: object) -> str:
    """The value as a reason quotes it: short and on one line."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"


def build_converter(kind: FieldKind, *, typed: bool, zone: tzinfo, order: DateOrder = DateOrder.DAY_FIRST) -> Converter:
    """The converter of one column; ``typed`` where cells are Python values rather than text."""
    match kind:
        case "text":
            return _typed_text if typed else _text
        case "integer":
            return _typed(_integer, _typed_integer) if typed else _integer
        case "number":
            return _typed(_number, _typed_number) if typed else _number
        case "decimal":
            return _typed(_decimal, _typed_decimal) if typed else _decimal
        case "boolean":
            return _typed(_boolean, _typed_boolean) if typed else _boolean
        case "instant":
            return _build_instant(zone, order, typed=typed)
        case "date":
            return _build_date(zone, order, typed=typed)
        case "json":
            return build_plain(zone) if typed else _json
        case _:
            assert_never(kind)


def _typed(of_text: Converter, of_value: Converter) -> Converter:
    def convert(value: Any) -> Any:
        return of_text(value) if type(value) is str else of_value(value)

    return convert


def _text(text: str) -> str | None:
    return text.strip() or None


def check_text(text: str) -> str:
    """Text of a typed source, which no line reader has looked at: storable and not too long."""
    if len(text) <= CELL_BYTES_MAX // 4 and "\0" not in text and text.isascii():
        return text
    if "\0" in text or not is_clean(text):
        raise ConversionError("holds a character that is no text")
    if len(text) > CELL_BYTES_MAX // 4 and len(text.encode()) > CELL_BYTES_MAX:
        raise ConversionError(f"is longer than {CELL_BYTES_MAX >> 20} MiB (limit cell_bytes_max)")
    return text


def _typed_text(value: Any) -> str | None:
    """Identifiers that a spreadsheet or pandas turned into floats come back as they were: 13085.0 is 13085."""
    if type(value) is str:
        return check_text(value).strip() or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | UUID):
        return str(value)
    if isinstance(value, float):
        whole = _whole(value)
        return repr(value) if whole is None else str(whole)
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value() and value.adjusted() <= DIGITS_MAX
        return str(int(value)) if whole else format(value, "f")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _decode_bytes(value).strip() or None
    raise ConversionError(f"{show(value)} is not text but a {_name(value)}")


def _decode_bytes(value: bytes) -> str:
    try:
        return check_text(value.decode())
    except UnicodeDecodeError as error:
        raise ConversionError("is bytes that are not UTF-8 text") from error


def _whole(value: float) -> int | None:
    if not isfinite(value):
        raise ConversionError(f"{value} is not a number")
    return int(value) if value.is_integer() and abs(value) <= FLOAT_INTEGER_MAX else None


def _name(value: object) -> str:
    names = {
        "dict": "structure",
        "list": "list",
        "bool": "yes or no",
        "datetime": "time",
        "date": "date",
        "str": "text",
    }
    return names.get(type(value).__name__, type(value).__name__)


def _number_text(text: str) -> str | None:
    """The digits of a number without blanks and thousands separators; None when missing."""
    if _PLAIN_NUMBER(text):
        return text
    text = text.strip()
    if not text:
        return None
    if _PLAIN_NUMBER(text) or _ODD_NUMBER(text):
        return text
    if _GROUPED_NUMBER(text):
        return text.replace(",", "")
    raise ConversionError(f"{show(text)} is not a number")


def _decimal(text: str) -> Decimal | None:
    # Quick for plain numbers; among these characters Decimal accepts nothing else.
    if text and len(text) <= DIGITS_MAX and not text.strip("+-.0123456789"):
        try:
            return Decimal(text)
        except InvalidOperation:
            pass
    digits = _number_text(text)
    return None if digits is None else Decimal(digits)


def _integer(text: str) -> int | None:
    digits = _number_text(text)
    if digits is None:
        return None
    try:
        return int(digits)
    except ValueError:
        value = Decimal(digits)
    if value != value.to_integral_value():
        raise ConversionError(f"{show(text)} is not a whole number")
    return int(value)


def _number(text: str) -> int | float | None:
    digits = _number_text(text)
    if digits is None:
        return None
    return float(digits) if not digits.lstrip("+-").isdecimal() else int(digits)


def _typed_decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, int) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, float):
        number = Decimal(repr(value))
    else:
        raise ConversionError(f"{show(value)} is not a number but a {_name(value)}")
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        raise ConversionError(f"{show(value)} is not a number")
    return number


def _typed_integer(value: Any) -> int:
    if type(value) is int:
        return int(_typed_decimal(value))
    number = _typed_decimal(value)
    if number != number.to_integral_value():
        raise ConversionError(f"{show(value)} is not a whole number")
    return int(number)


def _typed_number(value: Any) -> int | float:
    number = _typed_decimal(value)
    if isinstance(value, int | float):
        return value
    return int(number) if number == number.to_integral_value() else float(number)


def _boolean(text: str) -> bool | None:
    word = text.strip().casefold()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if not word:
        return None
    raise ConversionError(f"{show(text)} is neither yes nor no")


def _typed_boolean(value: Any) -> bool:
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise ConversionError(f"{show(value)} is neither yes nor no")


def _json(text: str) -> str:
    return text


def build_plain(zone: tzinfo) -> Converter:
    """Any typed value as JSON can hold it (and Decimal): instants become RFC 3339 in UTC, dates ISO text."""

    to_utc = build_to_utc(zone)

    def plain(value: Any, depth: int = 0) -> Any:
        if type(value) is str:
            return check_text(value)
        if value is None or isinstance(value, int | Decimal):
            return value
        if isinstance(value, float):
            if isfinite(value):
                return value
            raise ConversionError(f"{value} is not a number")
        if depth >= NESTING_MAX:
            raise ConversionError(f"is nested deeper than {NESTING_MAX} levels (limit nesting_max)")
        if isinstance(value, dict):
            pairs = cast(dict[Any, Any], value)
            return {
                check_text(str(name)): plain(inner, depth + 1) for name, inner in pairs.items() if not _is_nan(inner)
            }
        if isinstance(value, list | tuple):
            return [None if _is_nan(inner) else plain(inner, depth + 1) for inner in cast(Iterable[Any], value)]
        return _plain_scalar(value, to_utc)

    return plain


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and value != value


def _plain_scalar(value: Any, to_utc: Callable[[datetime], datetime]) -> str:
    if isinstance(value, datetime):
        return to_utc(value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return _decode_bytes(value)
    if isinstance(value, UUID | timedelta):
        return str(value)
    raise ConversionError(f"{show(value)} is a {_name(value)}, which cannot be stored")


def build_to_utc(zone: tzinfo) -> Callable[[datetime], datetime]:
    """Instants in UTC; without an offset of its own one is in ``zone``, the earlier of two where clocks go back.

    Remembers the offset of each day on which it does not change: asking a zone costs more than all else about a row.
    """
    midnights: dict[int, datetime] = {}

    def to_utc(value: datetime) -> datetime:
        if value.tzinfo is None:
            midnight = midnights.get(value.toordinal())
            if midnight is not None:
                return midnight + (value - _NAIVE_EPOCH)
            instant = _shift(value.replace(tzinfo=zone), value)
            if len(midnights) < DAYS_REMEMBERED_MAX:
                day = datetime(value.year, value.month, value.day, tzinfo=zone)
                if day.utcoffset() == (day + timedelta(days=1)).utcoffset():
                    midnights[value.toordinal()] = instant - (value - _NAIVE_EPOCH)
            return instant
        return _shift(value, value)

    return to_utc


def _shift(value: datetime, shown: datetime) -> datetime:
    try:
        instant = value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError as error:
        raise ConversionError(f"{shown.isoformat()} is out of range") from error
    if not dates.YEAR_MIN <= instant.year <= dates.YEAR_MAX:
        raise ConversionError(f"{shown.isoformat()} is not between the years {dates.YEAR_MIN} and {dates.YEAR_MAX}")
    return instant


def _build_local(order: DateOrder) -> Callable[[Any], datetime | None]:
    day_first = order is DateOrder.DAY_FIRST

    def local(value: Any) -> datetime | None:
        if type(value) is str:
            text = value.strip()
            if not text:
                return None
            try:
                return dates.parse_local(text, day_first=day_first)
            except ValueError as error:
                raise ConversionError(f"{show(text)} is not a time: {error}") from error
        if isinstance(value, datetime):
            return value
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day)  # noqa: DTZ001 (the zone comes later)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            try:
                return dates.parse_number(format(Decimal(str(value)), "f"))
            except (ValueError, InvalidOperation) as error:
                raise ConversionError(f"{show(value)} is not a time: {error}") from error
        raise ConversionError(f"{show(value)} is not a time but a {_name(value)}")

    return local


def _build_instant(zone: tzinfo, order: DateOrder, *, typed: bool) -> Converter:
    local = _build_local(order)
    to_utc = build_to_utc(zone)
    parse = datetime.fromisoformat

    def instant(value: Any) -> datetime | None:
        found = local(value)
        return None if found is None else to_utc(found)

    def instant_of_text(text: str) -> datetime | None:
        # ISO, as most files write it, straight in C; what looks like it and is not falls through to the patient reader.
        if text[4:5] == "-" and text[7:8] == "-":
            try:
                return to_utc(parse(text))
            except ConversionError:
                raise
            except ValueError:
                pass
        return instant(text)

    return _typed(instant_of_text, instant) if typed else instant_of_text


def _build_date(zone: tzinfo, order: DateOrder, *, typed: bool) -> Converter:
    local = _build_local(order)

    def day(value: Any) -> date | None:
        found = local(value)
        if found is None:
            return None
        # A zoned instant is on the brand's day; a date without a zone is the day that is written.
        return (found if found.tzinfo is None else found.astimezone(zone)).date()

    return day


def decide_date_order(texts: Iterable[str]) -> DateOrder | None:
    """What the first date that can be read in one way only says; None when each could be both, or none is so written."""
    for text in texts:
        pair = dates.find_ambiguous(text)
        if pair is None:
            continue
        if pair[0] > 12 >= pair[1]:
            return DateOrder.DAY_FIRST
        if pair[1] > 12 >= pair[0]:
            return DateOrder.MONTH_FIRST
    return None
