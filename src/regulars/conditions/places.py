"""What was written, and where it stands: objects, lists, texts and numbers read with the path that an error will name."""

import difflib
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, cast

from regulars.conditions.errors import (
    ConditionError,
    Malformed,
    NumberInvalid,
    TextInvalid,
    TooManyValues,
    UnknownKey,
    WrongType,
)
from regulars.conditions.limits import (
    DIGITS_AFTER_POINT_MAX,
    DIGITS_BEFORE_POINT_MAX,
    DIGITS_MAX,
    NAME_CHARACTERS_MAX,
    TEXT_CHARACTERS_MAX,
    VALUES_MAX,
)
from regulars.conditions.tree import Scalar

_SHOWN_CHARACTERS_MAX: Final = 60
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Place:
    """A value and its path from the root of what was written."""

    data: object
    path: str = ""

    def __str__(self) -> str:
        return self.path or "/"

    def child(self, key: str | int, data: object) -> "Place":
        """A place one step below."""
        return Place(data, f"{self.path}/{escape_segment(str(key))}")

    def says(self, key: str) -> bool:
        """Whether this is an object with such an entry."""
        return isinstance(self.data, dict) and key in cast("dict[str, object]", self.data)

    def deeper(self, *keys: str) -> "Place":
        """As far along the keys as something was written."""
        place = self
        for key in keys:
            if not place.says(key):
                break
            place = place.child(key, cast("dict[str, object]", place.data)[key])
        return place


def escape_segment(name: str) -> str:
    """A name as a step of a path: `~` is `~0` and `/` is `~1`."""
    return _UNSTORABLE.sub("�", name[:NAME_CHARACTERS_MAX]).replace("~", "~0").replace("/", "~1")


def get_place(data: object, path: str) -> Place:
    """What stands at a path that reading gave."""
    place = Place(data)
    for step in path.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        container = place.data
        if isinstance(container, dict):
            place = place.child(key, cast("dict[str, object]", container)[key])
        else:
            place = place.child(key, cast("list[object]", container)[int(key)])
    return place


def suggest_name(name: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str | None:
    """The known name that was probably meant."""
    folded = name[:NAME_CHARACTERS_MAX].casefold()
    if synonyms and folded in synonyms:
        return synonyms[folded]
    by_folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(folded, by_folded, n=1)
    return by_folded[close[0]] if close else None


def describe(value: object) -> str:
    """A value in a message: what it is, and a short one itself."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value[:_SHOWN_CHARACTERS_MAX]
            return repr(cut) + ("…" if cut != value else "")
        case int() if abs(value) < 10**DIGITS_MAX:
            return f"the number {value}"
        case float():
            return f"the number {value}"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def read_object(
    place: Place,
    what: str,
    keys: Collection[str] | None = None,
    *,
    unknown: type[ConditionError] = UnknownKey,
    synonyms: Mapping[str, str] | None = None,
) -> dict[str, Place]:
    """The entries of an object that has at least one. `keys` are all it may have.

    Raises: WrongType, Malformed, TooManyValues, UnknownKey or what is given for it.
    """
    if not isinstance(place.data, dict):
        raise WrongType(f"{what} is an object, not {describe(place.data)}", path=str(place))
    entries = cast("dict[object, object]", place.data)
    if not entries:
        raise Malformed(f"{what} is empty", path=str(place))
    if len(entries) > VALUES_MAX:
        raise TooManyValues(f"{what} has {len(entries)} entries; {VALUES_MAX} are allowed", path=str(place))
    fields: dict[str, Place] = {}
    for key, value in entries.items():
        if not isinstance(key, str):
            message = f"a name in {what} is {describe(key)}, not a text; put it in quotes"
            raise Malformed(message, path=str(place))
        fields[key] = place.child(key, value)
        if keys is not None and key not in keys:
            suggestion = suggest_name(key, keys, synonyms)
            raise unknown(f"{describe(key)} is not a word of {what}", path=str(fields[key]), suggestion=suggestion)
        if keys is None:
            check_text(Place(key, fields[key].path), what, NAME_CHARACTERS_MAX)
    return fields


def get_field(fields: Mapping[str, Place], key: str, place: Place, what: str) -> Place:
    """One entry. Raises: Malformed where it is missing."""
    if key not in fields:
        raise Malformed(f"{what} needs {key!r}", path=str(place))
    return fields[key]


def read_list(place: Place, what: str, most: int, *, too_many: type[ConditionError] = TooManyValues) -> list[Place]:
    """The entries of a list. Raises: WrongType, TooManyValues or what is given for it."""
    if not isinstance(place.data, list | tuple):
        raise WrongType(f"{what} is a list, not {describe(place.data)}", path=str(place))
    entries = cast("list[object]", place.data)
    if len(entries) > most:
        raise too_many(f"{what} has {len(entries)} entries; {most} are allowed", path=str(place))
    return [place.child(index, entry) for index, entry in enumerate(entries)]


def read_name(place: Place, what: str) -> str:
    """A name. Raises: WrongType, TextInvalid."""
    return read_text(place, what, NAME_CHARACTERS_MAX)


def read_text(place: Place, what: str, most: int = TEXT_CHARACTERS_MAX) -> str:
    """A text that is not empty. Raises: WrongType, TextInvalid."""
    if not isinstance(place.data, str):
        suggestion = f'"{place.data}"' if isinstance(place.data, int) and place.data in range(10**9) else None
        raise WrongType(f"{what} is a text, not {describe(place.data)}", path=str(place), suggestion=suggestion)
    if not place.data:
        raise TextInvalid(f"{what} is empty", path=str(place))
    check_text(place, what, most)
    return place.data


def check_text(place: Place, what: str, most: int) -> None:
    """Raises: TextInvalid."""
    text = cast("str", place.data)
    if len(text) > most:
        raise TextInvalid(f"{what} has {len(text)} characters; {most} are allowed", path=str(place))
    if _UNSTORABLE.search(text):
        raise TextInvalid(f"{what} holds a NUL or half a character, which no database stores", path=str(place))


def read_flag(place: Place, what: str) -> bool:
    """True or false. Raises: WrongType."""
    if not isinstance(place.data, bool):
        raise WrongType(f"{what} is true or false, not {describe(place.data)}", path=str(place))
    return place.data


def read_scalar(place: Place) -> Scalar:
    """A text, number or boolean; a date that YAML read is its text. Raises: Malformed, WrongType, and as they do."""
    match place.data:
        case bool():
            return place.data
        case int() | float() | Decimal():
            return read_number(place, "a value")
        case str():
            check_text(place, "a value", TEXT_CHARACTERS_MAX)
            return place.data
        case date():
            return place.data.isoformat()
        case None:
            message = "null equals nothing; ask whether there is a value"
            raise Malformed(message, path=str(place), suggestion='{"exists": false}')
        case _:
            message = f"a value is a text, a number, true or false, not {describe(place.data)}"
            raise WrongType(message, path=str(place))


def read_number(place: Place, what: str) -> Decimal:
    """A number with few enough digits. Raises: WrongType, NumberInvalid."""
    data = place.data
    if isinstance(data, bool) or not isinstance(data, int | float | Decimal):
        raise WrongType(
            f"{what} is a number, not {describe(data)}", path=str(place), suggestion=_number_in_quotes(data)
        )
    number = None
    if not isinstance(data, float) or math.isfinite(data):
        number = find_canonical_number(Decimal(repr(data)) if isinstance(data, float) else data)
    if number is None:
        message = f"{what} has at most {DIGITS_BEFORE_POINT_MAX} digits before the point, {DIGITS_AFTER_POINT_MAX} after it and {DIGITS_MAX} in all"
        raise NumberInvalid(message, path=str(place))
    return number


def find_canonical_number(number: Decimal | int) -> Decimal | None:
    """The same number without needless zeros; None where it has too many digits."""
    if isinstance(number, Decimal) and not number.is_finite():
        return None
    if abs(number) >= 10**DIGITS_BEFORE_POINT_MAX:
        return None
    if isinstance(number, Decimal) and cast("int", number.as_tuple().exponent) < -1_000:
        return None
    whole, _, fraction = f"{Decimal(number):f}".partition(".")
    fraction = fraction.rstrip("0")
    digits = whole.lstrip("-0") + fraction
    if len(fraction) > DIGITS_AFTER_POINT_MAX or len(digits) > DIGITS_MAX:
        return None
    return Decimal(f"{whole}.{fraction}" if fraction else whole) if digits else Decimal(0)


def write_number(number: Decimal) -> int | float:
    """The number as JSON has it; no digit is lost, since there are never more than fifteen."""
    return int(number) if number == number.to_integral_value() else float(number)


def _number_in_quotes(data: object) -> str | None:
    if not isinstance(data, str) or not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", data):
        return None
    return data
