"""Rows to mapped rows: one converter per column, built once; the row's key where it has none of its own.

Decides what of a row goes where and which cell rejects it. Does not decide what a column is (``mapping``) nor how a value is
written (``convert``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import tzinfo
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from regulars.platform.tabular.convert import (
    ConversionError,
    Converter,
    DateOrder,
    FieldKind,
    build_converter,
    build_plain,
    check_text,
    decide_date_order,
)
from regulars.platform.tabular.dates import find_ambiguous
from regulars.platform.tabular.keys import Ordinals, row_key
from regulars.platform.tabular.mapping import Mapping, Target, check_types, guess_late
from regulars.platform.tabular.table import BadRow, Row, Table

DATE_SAMPLE_ROWS_MAX = 200_000
DATE_SAMPLE_ROWS = 1_000
"""After so many rows without a single date of the form 01/12/2010 there is nothing to decide."""
CELLS_REMEMBERED_MAX = 10_000
"""Of each column of a text file that holds no text: amounts and days come again and again."""


class MappedRow(msgspec.Struct, gc=False):
    """A row for the sink: converted ``fields`` and other ``properties``, both without missing values.

    ``key``: what identifies it in place of the spec's ``key_field``; None where that field has a value or no keys are made.
    """

    row: Row
    fields: dict[str, Any]
    properties: dict[str, Any]
    key: str | None


Mapper = Callable[[Row], MappedRow | BadRow]


def _same(value: Any) -> Any:
    return value


_WHOLE: dict[FieldKind, Converter] = {"decimal": Decimal, "integer": _same, "number": _same, "text": str, "json": _same}
_DECLARED: dict[str, dict[FieldKind, Converter]] = {
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"), _WHOLE
    ),
    "DECIMAL": {"decimal": _same, "json": _same},
    "VARCHAR": {"json": check_text},
    "BOOLEAN": {"boolean": _same, "json": _same},
}
"""What a Parquet column of a declared type needs, where that is less than a converter that must expect anything."""


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one column: ``index`` in the row, the name it gets, whether that is a field."""

    index: int
    column: str
    name: str
    is_field: bool
    convert: Converter | None


def build_mapper(
    table: Table, mapping: Mapping, zone: tzinfo, *, date_order: DateOrder | None = None
) -> tuple[Mapper, list[str]]:
    """The mapper of a file and, in sentences for a person, what was decided about it. Raises: WrongType."""
    check_types(table, mapping)
    orders, notes = decide_date_orders(table, mapping, date_order)
    steps = [
        step
        for index, target in enumerate(mapping.targets.values())
        if (step := _build_step(index, target, table, zone, orders)) is not None
    ]
    finish = _build_finish(mapping)
    if table.format == "jsonl":
        return _build_of_dict(table, mapping, steps, zone, finish), notes
    build = _build_of_text if table.format == "csv" else _build_of_values
    return build(steps, finish), notes


def _build_step(index: int, target: Target, table: Table, zone: tzinfo, orders: dict[str, DateOrder]) -> Step | None:
    typed = table.format != "csv"
    declared = _DECLARED.get(table.types.get(target.column, "").partition("(")[0], {})
    if target.field is not None:
        order = orders.get(target.column, DateOrder.DAY_FIRST)
        convert = target.field.converter or declared.get(target.field.kind)
        convert = convert or build_converter(target.field.kind, typed=typed, zone=zone, order=order)
        if not typed and target.field.kind not in ("text", "json"):
            convert = lru_cache(CELLS_REMEMBERED_MAX)(convert)
        return Step(index, target.column, target.field.name, True, convert)
    if target.property is not None:
        return Step(
            index, target.column, target.property, False, declared.get("json") or build_plain(zone) if typed else None
        )
    return None


Finish = Callable[[Row, dict[str, Any], dict[str, Any]], MappedRow | BadRow]


def _build_finish(mapping: Mapping) -> Finish:
    """The end of each row: is all there that must be, and what is its key."""
    spec = mapping.spec
    groups = [(field.name,) for field in spec.fields if field.required] + list(spec.one_of)
    single = [group[0] for group in groups if len(group) == 1]
    several = [group for group in groups if len(group) > 1]
    key_field = spec.key_field
    amounts = [field.name for field in spec.fields if field.kind == "decimal" or field.converter is not None]
    count = Ordinals().count

    def finish(row: Row, fields: dict[str, Any], properties: dict[str, Any]) -> MappedRow | BadRow:
        for name in single:
            if name not in fields:
                return BadRow(row.number, row.line, name, "is missing", row.cells)
        for group in several:
            if fields.keys().isdisjoint(group):
                return BadRow(row.number, row.line, group[0], f"{' and '.join(group)} are all missing", row.cells)
        if key_field is None or key_field in fields:
            return MappedRow(row, fields, properties, None)
        key = row_key(fields, properties, amounts)
        return MappedRow(row, fields, properties, f"{key.hex()}-{count(key)}")

    return finish


def _reject(row: Row, column: str, name: str, error: Exception) -> BadRow:
    reason = str(error) if isinstance(error, ConversionError) else f"{type(error).__name__}: {error}"
    return BadRow(row.number, row.line, name, reason if column == name else f"column {column}: {reason}", row.cells)


def _build_of_text(steps: list[Step], finish: Finish) -> Mapper:
    """CSV: every cell is text, an empty one is missing, and a property is its cell as it is."""
    field_steps = [(step.index, step.name, step.convert or str, step) for step in steps if step.is_field]
    plain_steps = [(step.index, step.name) for step in steps if not step.is_field]

    def of_text(row: Row) -> MappedRow | BadRow:
        cells: Any = row.cells
        fields: dict[str, Any] = {}
        step = None
        try:
            for index, name, convert, step in field_steps:  # noqa: B007 (the step that failed)
                if (cell := cells[index]) and (value := convert(cell)) is not None:
                    fields[name] = value
        except ValueError as error:
            assert step is not None
            return _reject(row, step.column, step.name, error)
        properties = {name: cell for index, name in plain_steps if (cell := cells[index])} if plain_steps else {}
        return finish(row, fields, properties)

    return of_text


def _build_of_values(steps: list[Step], finish: Finish) -> Mapper:
    """Parquet: cells are Python values; None is missing, and so is NaN, as which pandas writes it."""
    values = [(step.index, step.name, step.convert or str, step) for step in steps]

    def of_values(row: Row) -> MappedRow | BadRow:
        cells: Any = row.cells
        fields: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        step = None
        try:
            for index, name, convert, step in values:
                cell = cells[index]
                if cell is None or cell != cell or (value := convert(cell)) is None:
                    continue
                if step.is_field:
                    if cell != "":
                        fields[name] = value
                else:
                    properties[name] = value
        except ValueError as error:
            assert step is not None
            return _reject(row, step.column, step.name, error)
        return finish(row, fields, properties)

    return of_values


def _build_of_dict(table: Table, mapping: Mapping, steps: list[Step], zone: tzinfo, finish: Finish) -> Mapper:
    by_column: dict[str, Step | None] = dict.fromkeys(mapping.targets)
    by_column.update({step.column: step for step in steps})

    def find_late(column: str) -> Step | None:
        target = guess_late(column, mapping)
        mapping.targets[column] = target
        by_column[column] = _build_step(len(by_column), target, table, zone, {})
        return by_column[column]

    def of_dict(row: Row) -> MappedRow | BadRow:
        cells: Any = row.cells
        fields: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        for column, cell in cells.items():
            if cell is None:
                continue
            step = by_column[column] if column in by_column else find_late(column)
            if step is None or step.convert is None or (step.is_field and cell == ""):
                continue
            try:
                value = step.convert(cell)
            except ValueError as error:
                return _reject(row, column, step.name, error)
            if value is not None:
                (fields if step.is_field else properties)[step.name] = value
        return finish(row, fields, properties)

    return of_dict


def decide_date_orders(
    table: Table, mapping: Mapping, given: DateOrder | None
) -> tuple[dict[str, DateOrder], list[str]]:
    """For each column of dates like 01/12/2010, whether the day comes first; looks as far into the file as it must."""
    open_columns = {
        column: index
        for index, (column, target) in enumerate(mapping.targets.items())
        if target.field and target.field.converter is None and target.field.kind in ("instant", "date")
    }
    orders: dict[str, DateOrder] = {}
    notes: list[str] = []
    texts = {column: "" for column in open_columns}
    if given is not None:
        return dict.fromkeys(open_columns, given), notes
    for at, row in enumerate(islice(table.sample(), DATE_SAMPLE_ROWS_MAX)):
        if at == DATE_SAMPLE_ROWS:
            open_columns = {column: index for column, index in open_columns.items() if texts[column]}
        if not open_columns:
            break
        for column, text in list(_date_texts(row, open_columns)):
            texts[column] = texts[column] or text
            order = decide_date_order((text,))
            if order is not None:
                orders[column] = order
                del open_columns[column]
                first = "the day" if order is DateOrder.DAY_FIRST else "the month"
                notes.append(f"{column}: dates such as {text} have {first} first")
    both = [column for column in open_columns if texts[column]]
    notes += [f"{column}: dates such as {texts[column]} could be read both ways; taken as day first" for column in both]
    return orders, notes


def _date_texts(row: Row | BadRow, columns: dict[str, int]) -> Iterator[tuple[str, str]]:
    if isinstance(row, BadRow):
        return
    cells = row.cells
    for column, index in columns.items():
        cell: object = cells.get(column) if isinstance(cells, dict) else cells[index]
        if isinstance(cell, str) and find_ambiguous(cell) is not None:
            yield column, cell
