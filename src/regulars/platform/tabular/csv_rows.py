"""Delimited text, read so that one broken record costs one record.

Decides the delimiter, the header and where a record ends. A quote that is never closed would swallow the rest of the file:
the record is followed for ``RECORD_LINES_MAX`` lines, then its first line alone is rejected and reading goes on from its
second. Strict about quotes, since a lenient reader turns a missing quote into one wrong row made of many good ones.
"""

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from regulars.platform.tabular import streams
from regulars.platform.tabular.errors import DuplicateColumn, UnreadableFile
from regulars.platform.tabular.table import (
    CELL_BYTES_MAX,
    NOTE_COLUMNS,
    RECORD_BYTES_MAX,
    RECORD_LINES_MAX,
    BadRow,
    Meter,
    Row,
    Table,
)

DELIMITERS = (",", "\t", ";", "|")
SAMPLE_RECORDS = 50


class _RecordTooLong(Exception):
    """A quoted record went on beyond the limit."""


def open_csv(path: Path, encoding: str | None, bytes_total: int) -> Table:
    """Raises: UnreadableFile, UnknownEncoding, DuplicateColumn."""
    sample = streams.read_sample(path)
    found = encoding or streams.detect_encoding(path, sample)
    text = sample.decode(found, "replace").removeprefix("\ufeff")
    # Files of old Macs end lines with a carriage return alone; no other file has them without a single line feed.
    newline = "\r" if "\r" in text and "\n" not in text else "\n"
    delimiter = sniff_delimiter(text.replace(newline, "\n"), path)

    def records(meter: Meter, width: int | None) -> Iterator[Row | BadRow]:
        flags: streams.Flags = {}
        chunks = streams.iter_text(path, found, meter, newline=newline)
        return iter_records(streams.iter_lines(path, chunks, flags), flags, delimiter, width)

    columns = _read_header(path, records(Meter(), None))
    notes_width = len(NOTE_COLUMNS) if tuple(columns[: len(NOTE_COLUMNS)]) == NOTE_COLUMNS else 0

    def rows(meter: Meter) -> Iterator[Row | BadRow]:
        found = records(meter, len(columns))
        next(found, None)  # the header
        return _without_notes(found, notes_width, len(columns)) if notes_width else found

    notes = [f"{path.name}: columns are divided by {_NAMES[delimiter]}, text is {found}"]
    return Table(path, "csv", columns, rows, bytes_total=bytes_total, notes=notes)


_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}


def sniff_delimiter(text: str, path: Path) -> str:
    """The delimiter by which most of the first records have as many cells as the header; a comma for a single column."""
    lines = text.split("\n")[: SAMPLE_RECORDS + 1]
    best, best_score = "," if not path.name.lower().endswith((".tsv", ".tab")) else "\t", (0.0, 1)
    for delimiter in DELIMITERS:
        try:
            records = [cells for cells in csv.reader((f"{line}\n" for line in lines), delimiter=delimiter) if cells]
        except csv.Error:
            continue
        width = len(records[0]) if records else 0
        rest = records[1:]
        score = (sum(len(cells) == width for cells in rest) / len(rest) if rest else 1.0, width)
        if width > 1 and score > best_score:
            best, best_score = delimiter, score
    return best


def _read_header(path: Path, records: Iterator[Row | BadRow]) -> list[str]:
    first = next(records, None)
    if first is None:
        raise UnreadableFile(f"{path.name} is empty.", path=str(path))
    if isinstance(first, BadRow) or not isinstance(first.cells, list):
        reason = first.reason if isinstance(first, BadRow) else "is not a record"
        raise UnreadableFile(f"{path.name}: the header (line {first.line}) {reason}.", path=str(path), line=first.line)
    columns = [str(cell).strip() or f"column {at}" for at, cell in enumerate(first.cells, 1)]
    for at, column in enumerate(columns):
        if column in columns[:at]:
            raise DuplicateColumn(
                f"{path.name} has two columns named {column!r} ({columns.index(column) + 1} and {at + 1}): rename one.",
                path=str(path),
                column=column,
            )
    return columns


def _without_notes(records: Iterator[Row | BadRow], notes: int, width: int) -> Iterator[Row | BadRow]:
    """A rejects file: its ragged rows lose the notes in front, so that they are rejected as they were before."""
    for row in records:
        if isinstance(row, BadRow) and isinstance(row.cells, list) and len(row.cells) != width:
            row.cells = row.cells[notes:]
            row.reason = _describe_width(len(row.cells), width - notes) if "cells where" in row.reason else row.reason
        yield row


def _describe_width(cells: int, width: int) -> str:
    return f"has {cells} cells where the header has {width}"


def _feed(lines: Iterator[str], pending: list[str], replay: deque[str]) -> Iterator[str]:
    """Gives lines to csv.reader and remembers in ``pending`` those of the record that is being read."""
    size = 0
    while True:
        if replay:
            line = replay.popleft()
        else:
            following = next(lines, None)
            if following is None:
                return
            line = following
        pending.append(line)
        if len(pending) == 1:
            size = len(line)
            yield line
        else:
            size += len(line)
            if len(pending) > RECORD_LINES_MAX or size > RECORD_BYTES_MAX:
                raise _RecordTooLong
            yield "\n" + line  # still inside quotes: the line feed belongs to the value


def iter_records(
    lines: Iterator[str], flags: streams.Flags, delimiter: str, width: int | None
) -> Iterator[Row | BadRow]:
    """Every record, the header as number 0; blank lines are passed over, other widths than ``width`` are bad.

    csv.reader reads exactly the lines of one record before it gives it, so ``pending`` is that record's text.
    """
    csv.field_size_limit(max(csv.field_size_limit(), RECORD_BYTES_MAX * 2))  # our own limits come first
    pending: list[str] = []
    replay: deque[str] = deque()
    number, line = -1, 1
    while True:
        try:
            for cells in csv.reader(_feed(lines, pending, replay), delimiter=delimiter, strict=True):
                if len(cells) == width and len(pending) == 1 and not flags and len(pending[0]) <= CELL_BYTES_MAX // 4:
                    number += 1
                    yield Row(number, line, cells)
                    line += 1
                else:
                    if cells or line in flags:
                        number += 1
                        yield _check_record(number, line, cells, pending, flags, width)
                    line += len(pending)
                pending.clear()
            return
        except (csv.Error, _RecordTooLong) as error:
            number += 1
            reason = flags.pop(line, None) or _describe_break(error, len(pending))
            yield BadRow(number, line, None, reason, raw=pending[0].removesuffix("\r"))
            line += 1
            replay.extendleft(reversed(pending[1:]))
            pending.clear()


def _check_record(
    number: int, line: int, cells: list[str], pending: list[str], flags: streams.Flags, width: int | None
) -> Row | BadRow:
    for at in range(line, line + len(pending)):
        if at in flags:
            reason = flags.pop(at)
            where = f"line {at}: {reason}" if at != line else reason
            return BadRow(number, line, None, where, cells)
    for at, cell in enumerate(cells, 1):
        if len(cell) > CELL_BYTES_MAX // 4 and len(cell.encode()) > CELL_BYTES_MAX:
            reason = f"cell {at} is longer than {CELL_BYTES_MAX >> 20} MiB (limit cell_bytes_max)"
            return BadRow(number, line, None, reason, cells)
    if width is not None and len(cells) != width and number > 0:
        return BadRow(number, line, None, _describe_width(len(cells), width), cells)
    return Row(number, line, cells)


def _describe_break(error: Exception, lines: int) -> str:
    if isinstance(error, _RecordTooLong):
        return f"a quote is opened and not closed within {RECORD_LINES_MAX} lines (limit record_lines_max)"
    if "unexpected end of data" in str(error):
        return "a quote is opened and never closed"
    if "new-line character" in str(error):
        return "holds a carriage return outside quotes"
    if lines > 1:
        return "a quote is opened and not closed before the next one"
    return "a quote inside a quoted value is not doubled"
