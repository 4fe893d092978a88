"""Types for the columns of a text file that no field claims: numbers and yes/no where every cell of a sample shows them.

A CSV has no types, but "age" must compare as a number. Decided once for each column from the first rows; a later cell
that does not fit stays text. Codes keep what makes them codes: a column with leading zeros or very long digits is text.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?", re.ASCII).fullmatch
_BOOLEAN: Final = {"true": True, "false": False}

CellConverter = Callable[[str], Any]


def infer_converters(rows: Iterable[Mapping[str, Any]]) -> dict[str, CellConverter]:
    """Converters by column, for the columns that are not text."""
    columns: dict[str, set[str]] = {}
    for row in rows:
        for name, cell in row.items():
            columns.setdefault(name, set()).add(_kind(cell))
    known: dict[str, CellConverter] = {"number": _to_number, "boolean": _to_boolean}
    return {name: known[kind] for name, kinds in columns.items() if len(kinds) == 1 and (kind := kinds.pop()) in known}


def apply_converters(row: Mapping[str, Any], converters: Mapping[str, CellConverter]) -> dict[str, Any]:
    """The row with its typed columns converted."""
    return {name: converters[name](cell) if name in converters else cell for name, cell in row.items()}


def _kind(cell: object) -> str:
    if not isinstance(cell, str):
        return "typed"
    if _NUMBER(cell):
        return "number"
    return "boolean" if cell.lower() in _BOOLEAN else "text"


def _to_number(cell: str) -> int | float | str:
    match = _NUMBER(cell)
    if not match:
        return cell
    return float(cell) if match[2] else int(cell)


def _to_boolean(cell: str) -> bool | str:
    return _BOOLEAN.get(cell.lower(), cell)
