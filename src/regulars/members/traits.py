"""What a trait's value may be: names, types inferred or declared, and which traits are personal."""

import re
from datetime import date, datetime
from typing import Final, NamedTuple

from regulars.members.errors import TraitNameInvalid, TraitTypeInvalid, TraitWrongType

TRAIT_TYPES: Final = ("text", "number", "boolean", "date", "instant", "list", "object")
NAME_CHARACTERS_MAX: Final = 100

PERSONAL_BY_DEFAULT: Final = frozenset(
    {"name", "firstName", "lastName", "first_name", "last_name", "姓名", "email", "phone", "address"}
)
"""Sealed without anybody declaring it; a brand may declare otherwise."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")
_TEXTUAL: Final = frozenset({"text", "date", "instant"})


class TraitType(NamedTuple):
    """What is known of a trait's name. `declared`: somebody said so, else it was inferred from values."""

    type: str
    declared: bool
    personal: bool


def check_trait_name(trait: str) -> None:
    """Raises: TraitNameInvalid."""
    if not 1 <= len(trait) <= NAME_CHARACTERS_MAX or "/" in trait or "\0" in trait:
        raise TraitNameInvalid(
            f"trait name {trait[:120]!r}: 1–{NAME_CHARACTERS_MAX} characters, no slash", path=trait[:120]
        )


def check_trait_type(type_name: str) -> None:
    """Raises: TraitTypeInvalid."""
    if type_name not in TRAIT_TYPES:
        raise TraitTypeInvalid(
            f"{type_name!r} is not a type of trait; types are {', '.join(TRAIT_TYPES)}", path="/type"
        )


def infer_type(value: object) -> str:
    """The type that one value shows."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case list():
            return "list"
        case dict():
            return "object"
        case str() if _DATE.fullmatch(value):
            return "date"
        case str() if _INSTANT.fullmatch(value):
            return "instant"
        case _:
            return "text"


def widen_type(known: str, seen: str) -> str:
    """The type of a trait that showed both: text holds dates, nothing else holds another."""
    if known == seen:
        return known
    return "text" if {known, seen} <= _TEXTUAL else "mixed"


def coerce_value(trait: str, value: object, type_name: str) -> object:
    """A value of a declared type, read from text where it came as text. Raises: TraitWrongType."""
    if type_name == "text" and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return _from_text(trait, value, type_name)
    if infer_type(value) != type_name:
        raise _wrong_type(trait, value, type_name)
    return value


def _from_text(trait: str, text: str, type_name: str) -> object:
    try:
        match type_name:
            case "text":
                return text
            case "number":
                return int(text) if re.fullmatch(r"[+-]?\d{1,15}", text) else _finite(text)
            case "boolean":
                return {"true": True, "false": False}[text.casefold()]
            case "date":
                return date.fromisoformat(text[:10]).isoformat()
            case "instant":
                return datetime.fromisoformat(text).isoformat()
            case _:
                raise _wrong_type(trait, text, type_name)
    except (ValueError, KeyError) as error:
        raise _wrong_type(trait, text, type_name) from error


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise ValueError("not a finite number")
    return number


def _wrong_type(trait: str, value: object, type_name: str) -> TraitWrongType:
    return TraitWrongType(f"trait {trait!r} is declared {type_name}; this value is {infer_type(value)}", path=trait)
