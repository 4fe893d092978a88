"""Which column is which field: guessed from names, shown, and overridden by ``--map COLUMN=FIELD``.

Decides nothing about a domain: the fields, their other names and what must be there come in an ``ImportSpec``. A column that
is no field is a property under its own name, so nothing in a file is dropped unless somebody says so (``--map COLUMN=``).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from regulars.platform.tabular.convert import Converter, FieldKind
from regulars.platform.tabular.errors import BadMapping, MissingColumn, WrongType
from regulars.platform.tabular.table import NOTE_COLUMNS, RAW_COLUMN, Table

COLUMNS_SHOWN_MAX = 60


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field that a column may be: its name, other names for it, and how its values are written.

    ``converter`` replaces that of ``kind``; it gets the cell (never a missing one), returns None for a missing value and
    raises ``ConversionError`` with the reason.
    """

    name: str
    kind: FieldKind = "text"
    aliases: tuple[str, ...] = ()
    required: bool = False
    converter: Converter | None = None


@dataclass(frozen=True, slots=True)
class ImportSpec:
    """What a domain imports. ``one_of``: of each group at least one field needs a column, and each row a value in it.

    ``key_field``: the field that identifies a row; a row without it gets a key made of its values. None: no keys are made.
    """

    fields: tuple[FieldSpec, ...]
    one_of: tuple[tuple[str, ...], ...] = ()
    key_field: str | None = None


How = Literal["name", "alias", "given", "other", "ignored"]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a column goes: to ``field``, else to the property ``property``, else nowhere."""

    column: str
    how: How
    field: FieldSpec | None = None
    property: str | None = None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Every column of a file with its target, in file order."""

    spec: ImportSpec
    targets: dict[str, Target]

    def find_column(self, field: str) -> str | None:
        """The column that became a field or property."""
        for target in self.targets.values():
            if (target.field.name if target.field else target.property) == field:
                return target.column
        return None


def normalize_name(name: str) -> str:
    """What is left of a name without case, width, blanks and signs: Order Date, order_date and orderDate are one."""
    return "".join(char for char in unicodedata.normalize("NFKC", name).casefold() if char.isalnum())


def guess_mapping(columns: Sequence[str], spec: ImportSpec, overrides: Sequence[str] = ()) -> Mapping:
    """The mapping of a file with these columns. Raises: BadMapping, MissingColumn."""
    given = dict(_read_override(text, columns, spec) for text in _distinct(overrides))
    _check_given(given)
    taken = {target.field.name for target in given.values() if target.field}
    guesses = _guess_fields([column for column in columns if column not in given], spec, taken)
    targets: dict[str, Target] = {}
    for column in columns:
        if column in given:
            targets[column] = given[column]
        elif column in NOTE_COLUMNS or column == RAW_COLUMN:
            targets[column] = Target(column, "ignored")
        else:
            targets[column] = guesses.get(column) or Target(column, "other", property=column)
    mapping = Mapping(spec, targets)
    _check_properties(mapping)
    _check_required(mapping)
    return mapping


def _distinct(overrides: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(overrides))


def _read_override(text: str, columns: Sequence[str], spec: ImportSpec) -> tuple[str, Target]:
    name, equals, field = text.rpartition("=")
    if not equals or not name:
        raise BadMapping(f"--map {text!r}: write it as COLUMN=FIELD, or COLUMN= to leave a column out.")
    column = _find_column(name, columns)
    field = field.strip()
    if field in ("", "-"):
        return column, Target(column, "ignored")
    for candidate in spec.fields:
        if candidate.name == field:
            return column, Target(column, "given", field=candidate)
    close = get_close_matches(field, [candidate.name for candidate in spec.fields], 1, 0.75)
    if close:
        raise BadMapping(
            f"--map {text!r}: there is no field {field!r}; did you mean {close[0]!r}?",
            suggestion=f"{column}={close[0]}",
        )
    return column, Target(column, "given", property=field)


def _find_column(name: str, columns: Sequence[str]) -> str:
    if name in columns:
        return name
    same = [column for column in columns if normalize_name(column) == normalize_name(name)]
    if len(same) == 1:
        return same[0]
    close = get_close_matches(name, columns, 1, 0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise BadMapping(
        f"--map: there is no column {name!r}.{hint} Columns: {_list(columns)}.", suggestion=close[0] if close else None
    )


def _list(columns: Sequence[str]) -> str:
    shown = ", ".join(columns[:COLUMNS_SHOWN_MAX])
    return f"{shown} and {len(columns) - COLUMNS_SHOWN_MAX} more" if len(columns) > COLUMNS_SHOWN_MAX else shown


def _check_given(given: dict[str, Target]) -> None:
    fields: dict[str, str] = {}
    for column, target in given.items():
        name = target.field.name if target.field else None
        if name is None:
            continue
        if name in fields:
            raise BadMapping(f"--map gives the field {name!r} two columns: {fields[name]!r} and {column!r}.", path=name)
        fields[name] = column


def _guess_fields(columns: Sequence[str], spec: ImportSpec, taken: set[str]) -> dict[str, Target]:
    """A field takes the column that bears its name, else one that bears another of its names and is not taken itself."""
    guesses: dict[str, Target] = {}
    free = [field for field in spec.fields if field.name not in taken]
    for how in ("name", "alias"):
        for field in free:
            names = {normalize_name(name) for name in ((field.name,) if how == "name" else field.aliases)}
            found = [column for column in columns if column not in guesses and normalize_name(column) in names]
            found = [column for column in found if column == field.name] or found
            if not found or any(target.field is field for target in guesses.values()):
                continue
            if len(found) > 1:
                raise _two_columns(found, field)
            guesses[found[0]] = Target(found[0], how, field=field)
    return guesses


def _two_columns(found: list[str], field: FieldSpec) -> BadMapping:
    typed = f"--map {_quote(f'{found[0]}={field.name}')}"
    names = " and ".join(map(repr, found))
    return BadMapping(
        f"The columns {names} could both be {field.name!r}. Say which: {typed}", path=field.name, suggestion=typed
    )


def guess_late(column: str, mapping: Mapping) -> Target:
    """The target of a key that JSONL shows only later on: a field that has no column yet, else a property."""
    taken = {target.field.name for target in mapping.targets.values() if target.field}
    if column in NOTE_COLUMNS or column == RAW_COLUMN:
        return Target(column, "ignored")
    return _guess_fields([column], mapping.spec, taken).get(column) or Target(column, "other", property=column)


def _check_properties(mapping: Mapping) -> None:
    seen: dict[str, str] = {}
    for column, target in mapping.targets.items():
        if target.property is None:
            continue
        if target.property in seen:
            raise BadMapping(
                f"The columns {seen[target.property]!r} and {column!r} would both be the property {target.property!r}.",
                path=target.property,
            )
        seen[target.property] = column


def _check_required(mapping: Mapping) -> None:
    taken = {target.field.name for target in mapping.targets.values() if target.field}
    groups = [(field.name,) for field in mapping.spec.fields if field.required] + list(mapping.spec.one_of)
    for group in groups:
        if not taken.intersection(group):
            columns = [column for column, target in mapping.targets.items() if target.how != "ignored"]
            typed = f"--map {_quote(f'{_closest(group, columns, mapping.spec)}={group[0]}')}"
            raise MissingColumn(
                f"No column is {' or '.join(map(repr, group))}. Columns: {_list(columns)}. Say which one it is, such as {typed}",
                path=group[0],
                suggestion=typed,
            )


def _quote(text: str) -> str:
    return text if text.replace("=", "").replace("_", "").isalnum() else f"'{text}'"


def _closest(group: Sequence[str], columns: Sequence[str], spec: ImportSpec) -> str:
    """The free column whose name is most like the field's, to be shown as an example."""
    names = {normalize_name(column): column for column in columns}
    for field in spec.fields:
        if field.name in group:
            for name in (field.name, *field.aliases):
                inside = [column for key, column in names.items() if normalize_name(name) in key]
                close = [names[key] for key in get_close_matches(normalize_name(name), names, 1, 0.6)]
                if inside or close:
                    return (inside or close)[0]
    return "COLUMN"


_NESTED = ("STRUCT", "MAP", "UNION")
_OTHER = frozenset({"TIME", "TIME WITH TIME ZONE", "INTERVAL", "UUID", "BLOB", "BIT"})
_TIMES = frozenset(
    {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP_US"}
)
_REFUSED: dict[FieldKind, frozenset[str]] = {
    "text": frozenset(),
    "integer": _OTHER | _TIMES | {"BOOLEAN"},
    "number": _OTHER | _TIMES | {"BOOLEAN"},
    "decimal": _OTHER | _TIMES | {"BOOLEAN"},
    "boolean": _OTHER | _TIMES,
    "instant": _OTHER | {"BOOLEAN"},
    "date": _OTHER | {"BOOLEAN"},
}


def check_types(table: Table, mapping: Mapping) -> None:
    """Refuses a file whose declared column type can never be the field's, rather than each of its rows. Raises: WrongType."""
    for column, kind in table.types.items():
        field = mapping.targets[column].field
        if field is None or field.converter is not None or field.kind not in _REFUSED:
            continue
        nested = kind.endswith("]") or kind.startswith(_NESTED)
        if nested or kind in _REFUSED[field.kind]:
            raise WrongType(
                f"{table.path.name}: the column {column!r} has the type {kind}, which cannot be {field.name!r} "
                f"({field.kind}). Convert it, or leave it out with --map {_quote(f'{column}=')}",
                path=column,
                field=field.name,
                type=kind,
            )


_HOW = {"name": "", "alias": "guessed", "given": "as you said", "other": "", "ignored": "left out"}


def render_mapping(mapping: Mapping, console: Console, *, title: str | None = None) -> None:
    """Shows which column becomes what."""
    grid = RichTable("column", "becomes", "", title=title, title_justify="left", box=None, padding=(0, 2))
    for target in mapping.targets.values():
        goal = target.field.name if target.field else f"property {target.property}" if target.property else "–"
        grid.add_row(escape(target.column), escape(goal), _HOW[target.how])
    console.print(grid)
