"""An experiment from a file, read once and in bounded memory: only counts and moments are kept.

Decides which rows count: those with an arm and a number for every outcome and the covariate. Any other row is left out of
all outcomes, so that they speak of the same members, and is counted and told.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from regulars.campaigns.estimating.moments import Floats, Moments, get_moments
from regulars.measure.errors import ArmsTooMany, ColumnTwice, ColumnUnknown, NothingReadable
from regulars.measure.experiment import Arm, Experiment, find_close
from regulars.platform.tabular.convert import ConversionError, Converter, build_converter
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.table import BadRow, Row, Table

ARMS_MAX: Final = 100
BATCH_ROWS: Final = 50_000
REJECTS_SHOWN_MAX: Final = 20
REMEMBERED_MAX: Final = 50_000
COLUMNS_SHOWN_MAX: Final = 30


@dataclass(frozen=True, slots=True)
class ExperimentColumns:
    """Which columns of the file are what."""

    arm: str
    outcomes: Sequence[str]
    covariate: str | None = None

    @property
    def numbers(self) -> list[str]:
        """Outcomes, then the covariate."""
        return [*self.outcomes, *([self.covariate] if self.covariate is not None else [])]


@dataclass(slots=True)
class ReadExperiment:
    """The experiment, how many rows the file has, and which of them were left out (the first ones)."""

    experiment: Experiment
    read: int = 0
    rejected: int = 0
    first_rejects: list[BadRow] = field(default_factory=list[BadRow])


def read_experiment(path: Path, columns: ExperimentColumns, *, encoding: str | None = None) -> ReadExperiment:
    """CSV, JSONL or Parquet, also compressed.

    Raises: ColumnUnknown, ColumnTwice, ArmsTooMany, NothingReadable; ImportRefused for a file that cannot be read.
    """
    table = open_table(path, encoding=encoding)
    _check_columns(table, columns)
    experiment = Experiment(tuple(columns.outcomes), columns.covariate is not None)
    found = ReadExperiment(experiment)
    seen = np.zeros((3, len(columns.outcomes)), dtype=bool)  # zero, one, anything else
    for names, values in _iter_batches(_iter_usable(table, columns, found)):
        _add_batch(experiment, names, values, seen)
    if not experiment.arms:
        first = found.first_rejects[0] if found.first_rejects else None
        why = f"; row {first.number}: {describe_reject(first)}" if first else ""
        raise NothingReadable(f"{path.name}: none of its {found.read:,} rows can be used{why}.", path=str(path))
    experiment.is_rate = list(seen[0] & seen[1] & ~seen[2])
    return found


def describe_reject(row: BadRow) -> str:
    """What is wrong with a row, and in which column."""
    return f"{row.field}: {row.reason}" if row.field else row.reason


def _check_columns(table: Table, columns: ExperimentColumns) -> None:
    named = {
        "--arm": [columns.arm],
        "--outcome": columns.outcomes,
        "--covariate": columns.numbers[len(columns.outcomes) :],
    }
    taken: dict[str, str] = {}
    for option, names in named.items():
        for name in names:
            if name in taken:
                raise ColumnTwice(f"The column {name!r} is named by both {taken[name]} and {option}.", path=name)
            taken[name] = option
            if name not in table.columns:
                _refuse_column(table, option, name)


def _refuse_column(table: Table, option: str, name: str) -> None:
    close = find_close(name, table.columns)
    hint = f" Did you mean {close!r}?" if close else ""
    shown = ", ".join(table.columns[:COLUMNS_SHOWN_MAX])
    more = len(table.columns) - COLUMNS_SHOWN_MAX
    raise ColumnUnknown(
        f"{option}: {table.path.name} has no column {name!r}.{hint} Columns: {shown}{f' and {more} more' if more > 0 else ''}.",
        path=name,
        suggestion=close,
    )


Usable = tuple[str, list[float]]


def _iter_usable(table: Table, columns: ExperimentColumns, found: ReadExperiment) -> Iterator[Usable]:
    """Arm and numbers of each row that counts; the others are put on ``found``."""
    convert = _build_reader(table, columns)
    for row in table.rows():
        found.read += 1
        usable = convert(row) if type(row) is Row else row
        if isinstance(usable, tuple):
            yield usable
            continue
        found.rejected += 1
        if len(found.first_rejects) < REJECTS_SHOWN_MAX and isinstance(usable, BadRow):
            found.first_rejects.append(usable)


def _build_reader(table: Table, columns: ExperimentColumns) -> Callable[[Row], Usable | BadRow]:
    typed = table.format != "csv"
    to_text = build_converter("text", typed=typed, zone=UTC)
    to_number = _build_number(typed=typed)
    names = [columns.arm, *columns.numbers]
    places: list[Any] = names if table.format == "jsonl" else [table.columns.index(name) for name in names]
    arm_place, number_places = places[0], list(zip(columns.numbers, places[1:], strict=True))
    remembered: dict[Any, float] = {}

    def read(row: Row) -> Usable | BadRow:
        cells: Any = row.cells
        get: Callable[[Any], Any] = cells.get if table.format == "jsonl" else cells.__getitem__
        column = columns.arm
        try:
            arm = _need(get(arm_place), to_text)
            values: list[float] = []
            for column, place in number_places:  # noqa: B007 (the column that failed)
                cell = get(place)
                value = remembered.get(cell) if type(cell) is str else None
                if value is None:
                    value = _need(cell, to_number)
                    if type(cell) is str and len(remembered) < REMEMBERED_MAX:
                        remembered[cell] = value
                values.append(value)
        except ConversionError as error:
            return BadRow(row.number, row.line, column, str(error), row.cells)
        return arm, values

    return read


def _need(cell: Any, convert: Converter) -> Any:
    """The converted cell. Raises: ConversionError, also where it is empty, None or NaN."""
    value = None if cell is None or cell != cell else convert(cell)
    if value is None:
        raise ConversionError("is missing")
    return value


def _build_number(*, typed: bool) -> Converter:
    """Numbers, and yes or no in the usual words as 1 or 0."""
    number = build_converter("number", typed=typed, zone=UTC)
    boolean = build_converter("boolean", typed=typed, zone=UTC)

    def convert(cell: Any) -> float | None:
        if type(cell) is bool:
            return float(cell)
        try:
            found = number(cell)
        except ConversionError as error:
            try:
                found = boolean(cell)
            except ConversionError:
                raise error from None
        return None if found is None else float(found)

    return convert


def _iter_batches(rows: Iterator[Usable]) -> Iterator[tuple[list[str], Floats]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield [arm for arm, _ in batch], np.array([values for _, values in batch], dtype=np.float64)


def _add_batch(experiment: Experiment, names: list[str], values: Floats, seen: Any) -> None:
    outcomes = values[:, : len(experiment.outcomes)]
    covariate = values[:, -1] if experiment.has_covariate else None
    is_zero, is_one = outcomes == 0, outcomes == 1
    seen |= np.stack([is_zero.any(axis=0), is_one.any(axis=0), (~(is_zero | is_one)).any(axis=0)])
    numbers = {name: at for at, name in enumerate(dict.fromkeys(names))}
    if len(numbers.keys() | experiment.arms.keys()) > ARMS_MAX:
        raise ArmsTooMany(
            f"The arm column has more than {ARMS_MAX} values, such as {', '.join(map(repr, list(numbers)[:3]))}: "
            "is it the column that says who was treated? (limit arms_max)",
            path="arm",
        )
    arms = np.fromiter((numbers[name] for name in names), dtype=np.intp, count=len(names))
    for name, at in numbers.items():
        chosen = arms == at
        beside = None if covariate is None else covariate[chosen]
        arm = experiment.arms.setdefault(
            name, Arm(0, [Moments()] * len(experiment.outcomes), [0] * len(experiment.outcomes))
        )
        arm.members += int(chosen.sum())
        for index in range(len(experiment.outcomes)):
            arm.moments[index] += get_moments(outcomes[chosen, index], beside)
            arm.converted[index] += int(is_one[chosen, index].sum())
