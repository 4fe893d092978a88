"""A small language for what a JSON object must look like, and LINE's words for what is wrong with it.

Fields that LINE does not know are passed over, as it does. Lengths are in UTF-16 code units, as LINE counts them.
Source of the words: Messaging API reference, "Error responses", and answers quoted by client libraries, read 2026-11.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast


class Problem(NamedTuple):
    """One entry of `details`."""

    property: str
    message: str


Found = list[Problem]
Check = Callable[[Any, str, Found], None]
"""Looks at a value under a name and adds what is wrong with it."""

MAY_NOT_BE_EMPTY: Final = "May not be empty"
COLOUR: Final = re.compile(r"#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})")


class Field(NamedTuple):
    """How a value is checked, and whether it must be there."""

    check: Check
    required: bool = True


Fields = Mapping[str, Field]


def need(check: Check) -> Field:
    """A field that must be there."""
    return Field(check)


def may(check: Check) -> Field:
    """A field that may be left out, or null."""
    return Field(check, False)


def utf16_length(text: str) -> int:
    """UTF-16 code units: an emoji is two or more."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def text(most: int, *, least: int = 1) -> Check:
    """A text of so many code units."""

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, str):
            found.append(Problem(name, "Must be a string"))
        elif least and not value.strip():
            found.append(Problem(name, MAY_NOT_BE_EMPTY))
        elif not least <= utf16_length(value) <= most:
            found.append(Problem(name, f"Length must be between {least} and {most}"))

    return check


def number(low: float, high: float, *, whole: bool = False) -> Check:
    """A number in a range."""

    def check(value: Any, name: str, found: Found) -> None:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            found.append(Problem(name, f"Must be {'an integer' if whole else 'a number'}"))
        elif not low <= value <= high:
            found.append(Problem(name, f"Must be between {low:g} and {high:g}"))

    return check


def boolean(value: Any, name: str, found: Found) -> None:
    """true or false."""
    if not isinstance(value, bool):
        found.append(Problem(name, "Must be a boolean"))


def one_of(*values: str) -> Check:
    """One of a few words."""

    def check(value: Any, name: str, found: Found) -> None:
        if value not in values:
            found.append(Problem(name, f"Must be one of the following values: [{', '.join(values)}]"))

    return check


def matching(pattern: re.Pattern[str], wanted: str) -> Check:
    """A text of a certain form."""

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            found.append(Problem(name, wanted))

    return check


def address(most: int, *schemes: str) -> Check:
    """A URI with one of the schemes."""
    pattern = re.compile(
        rf"(?:{'|'.join(schemes)})://?[^\s/?#]\S*|tel:\S+" if "tel" in schemes else r"https://[^\s/?#]\S*"
    )

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, str) or not value:
            found.append(Problem(name, MAY_NOT_BE_EMPTY))
        elif utf16_length(value) > most:
            found.append(Problem(name, f"Length must be between 0 and {most}"))
        elif not pattern.fullmatch(value):
            found.append(Problem(name, "invalid uri scheme" if ":" in value else "invalid uri"))

    return check


def items(check_item: Check, least: int, most: int) -> Check:
    """A list of so many."""

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, list):
            found.append(Problem(name, "Must be an array"))
            return
        entries = cast("list[Any]", value)
        if not least <= len(entries) <= most:
            found.append(Problem(name, f"Size must be between {least} and {most}"))
            return
        for index, item in enumerate(entries):
            check_item(item, f"{name}[{index}]", found)

    return check


def shape(fields: Fields, *more: Callable[[dict[str, Any], str, Found], None]) -> Check:
    """An object with these fields; `more` looks at several of them together."""
    listed = tuple(fields.items())

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.append(Problem(name, "Must be a JSON object"))
            return
        members = cast("dict[str, Any]", value)
        prefix = f"{name}." if name else ""
        for key, field in listed:
            member = members.get(key)
            if member is not None:
                field.check(member, prefix + key, found)
            elif field.required:
                found.append(Problem(prefix + key, MAY_NOT_BE_EMPTY))
        for look in more:
            look(members, name, found)

    return check


def kinds(shapes: Mapping[str, Check], tag: str = "type") -> Check:
    """An object whose `tag` says which shape it has."""
    known = f"Must be one of the following values: [{', '.join(shapes)}]"

    def check(value: Any, name: str, found: Found) -> None:
        if not isinstance(value, dict):
            found.append(Problem(name, "Must be a JSON object"))
            return
        kind = cast("dict[str, Any]", value).get(tag)
        chosen = shapes.get(kind) if isinstance(kind, str) else None
        if chosen is None:
            found.append(Problem(f"{name}.{tag}", MAY_NOT_BE_EMPTY if kind is None else known))
        else:
            chosen(value, name, found)

    return check


def anything(_value: Any, _name: str, _found: Found) -> None:
    """Not looked at."""
