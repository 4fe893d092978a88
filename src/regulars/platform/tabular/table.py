"""What every format is read as: a table of rows, some of them bad; and the limits that hold for all of them.

Does not decide how a format is parsed (``csv_rows``, ``json_rows``, ``parquet_rows``) nor what a column means (``mapping``).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

CELL_BYTES_MAX = 1 << 20
"""One value. Longer ones are a broken quote or a file pasted into a cell, and would be one row of the database."""

RECORD_BYTES_MAX = 16 << 20
"""One record after decompression; a longer one is skipped to its end without being held in memory."""

RECORD_LINES_MAX = 1_000
"""Lines of one quoted CSV record: how far an unclosed quote is followed before its first line is rejected alone."""

SKIPPED_BYTES_MAX = 1 << 28
"""A single line beyond this is a decompression bomb: the file is refused there."""

NOTE_COLUMNS = ("_row", "_field", "_reason")
"""What a rejects file adds in front of the original columns; ignored when that file is imported."""

RAW_COLUMN = "_raw"
"""In a JSONL rejects file: the text of a line that was not JSON, to be mended in place."""

Format = Literal["csv", "jsonl", "parquet"]
Cells = list[str] | tuple[Any, ...] | dict[str, Any]


class Row(msgspec.Struct, gc=False):
    """One record. ``number`` counts records from 1; ``line`` is where it starts in the file, 0 where there are no lines.

    Shape: CSV cells are text, Parquet's are Python values, both in the order of the columns; JSONL's are a dict.
    """

    number: int
    line: int
    cells: Cells


class BadRow(msgspec.Struct, gc=False):
    """A record that could not be read: ``cells`` if it could be taken apart at all, else its text as ``raw``."""

    number: int
    line: int
    field: str | None
    reason: str
    cells: Cells | None = None
    raw: str | None = None


@dataclass(slots=True)
class Meter:
    """How far into the file the reader is: bytes as they lie on the disk, and about how many they became in memory."""

    bytes_read: int = 0
    bytes_unpacked: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A file opened for import; ``rows()`` may be called again and starts at the first row each time."""

    path: Path
    format: Format
    columns: list[str]
    read: Callable[[Meter], Iterator[Row | BadRow]]
    types: dict[str, str] = field(default_factory=dict[str, str])
    rows_total: int | None = None
    bytes_total: int = 0
    notes: list[str] = field(default_factory=list[str])
    meter: Meter = field(default_factory=Meter)

    def rows(self) -> Iterator[Row | BadRow]:
        """Every record in file order, in constant memory."""
        self.meter.bytes_read = 0
        self.meter.bytes_unpacked = 0
        return self.read(self.meter)

    def sample(self) -> Iterator[Row | BadRow]:
        """The same records for looking ahead, without moving ``fraction_read``."""
        return self.read(Meter())

    def fraction_read(self, rows_read: int) -> float | None:
        """How much of the file has been read, 0 to 1, where that can be known."""
        if self.rows_total:
            return min(1.0, rows_read / self.rows_total)
        if self.bytes_total and self.format != "parquet":
            return min(1.0, self.meter.bytes_read / self.bytes_total)
        return None
