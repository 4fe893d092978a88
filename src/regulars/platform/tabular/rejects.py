"""The file of rejected rows: what was wrong in front, the row as it was behind; mended, that very file is imported.

Decides where it lies and that no earlier one is lost: it appears whole or not at all, and beside an older one with other
content rather than over it, since a person may be mending that. No rejected rows, no file.
"""

import csv
import filecmp
import io
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from regulars.platform.tabular import streams
from regulars.platform.tabular.errors import RejectsNotWritten
from regulars.platform.tabular.table import NOTE_COLUMNS, RAW_COLUMN, BadRow, Table

VERSIONS_MAX = 1_000


class RejectsFile:
    """Takes rejected rows; ``publish`` gives the file its name, ``discard`` leaves nothing behind.

    Raises: RejectsNotWritten from every method, naming the file.
    """

    def __init__(self, table: Table, stream: IO[bytes], temporary: Path, target: Path) -> None:
        self._table = table
        self._stream = stream
        self._temporary = temporary
        self._target = target
        self._keep = [at for at, column in enumerate(table.columns) if column not in NOTE_COLUMNS]
        if table.format == "csv":
            self._write(_csv_line([*NOTE_COLUMNS, *(table.columns[at] for at in self._keep)]))

    def add(self, rows: Sequence[BadRow]) -> None:
        """Writes rejected rows through to the disk's cache, so that a full disk is known before the next batch lands."""
        encode = self._csv if self._table.format == "csv" else self._json
        self._write(b"".join(encode(row) for row in rows))

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
            self._stream.flush()
        except OSError as error:
            self.discard()
            raise _not_written(self._target, error) from error

    def _csv(self, row: BadRow) -> bytes:
        cells = row.cells
        if isinstance(cells, list | tuple):
            shown = [cells[at] for at in self._keep] if len(cells) == len(self._table.columns) else list(cells)
        else:
            # A line that could not be taken apart stands in the first cell, with no way to pass for a row as it is.
            shown = [row.raw or ""] + ([""] if len(self._keep) == 1 else [])
        return _csv_line([str(row.number), row.field or "", row.reason, *shown])

    def _json(self, row: BadRow) -> bytes:
        cells = row.cells
        if isinstance(cells, list | tuple):
            cells = dict(zip(self._table.columns, cells, strict=True))
        elif cells is None:
            cells = {RAW_COLUMN: row.raw or ""}
        notes: dict[str, Any] = dict(zip(NOTE_COLUMNS, (row.number, row.field, row.reason), strict=True))
        return _json_line(notes | {name: value for name, value in cells.items() if name not in NOTE_COLUMNS})

    def publish(self) -> Path:
        """Gives the file its name and returns it; an equal older one is left as it is."""
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            for target in (_version(self._target, at) for at in range(1, VERSIONS_MAX)):
                if not target.exists():
                    self._temporary.rename(target)
                    return target
                if filecmp.cmp(self._temporary, target, shallow=False):
                    self._temporary.unlink()
                    return target
        except OSError as error:
            self.discard()
            raise _not_written(self._target, error) from error
        self.discard()
        raise RejectsNotWritten(
            f"There are {VERSIONS_MAX} files like {self._target}: remove some.", path=str(self._target)
        )

    def discard(self) -> None:
        """Removes what was written, if it has no name yet; may be called after either."""
        with suppress(OSError):  # a full disk says so again when closing
            self._stream.close()
        self._temporary.unlink(missing_ok=True)


def open_rejects(table: Table, folder_instead: Path | None = None) -> RejectsFile:
    """A rejects file next to the table's, or in ``folder_instead`` where that folder cannot be written."""
    name = _rejects_name(table)
    folders = [table.path.absolute().parent, *([folder_instead] if folder_instead else [])]
    failure: OSError | None = None
    for folder in folders:
        temporary = folder / f".{name}.{os.getpid()}.tmp"
        try:
            temporary.unlink(missing_ok=True)  # of a process that had this number and was killed
            stream = temporary.open("xb")
        except OSError as error:
            failure = failure or error
            continue
        return RejectsFile(table, stream, temporary, folder / name)
    assert failure is not None
    raise _not_written(folders[0] / name, failure) from failure


def _rejects_name(table: Table) -> str:
    """orders.csv.gz and orders.rejects-2.csv both give orders.rejects.csv."""
    stem = Path(table.path.stem).stem if streams.compression_of(table.path) else table.path.stem
    stem = re.sub(r"\.rejects(-\d+)?$", "", stem)
    return f"{stem}.rejects.{'csv' if table.format == 'csv' else 'jsonl'}"


def _version(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _not_written(path: Path, error: OSError) -> RejectsNotWritten:
    return RejectsNotWritten(
        f"The rejected rows could not be written to {path}: {error.strerror or error}. "
        "Rows already imported stay; make room and run the same command again.",
        path=str(path),
    )


def _csv_line(cells: list[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    # What could not be decoded goes back as the bytes it was: unmended, it is rejected again rather than changed.
    return buffer.getvalue().encode("utf-8", "surrogateescape")


def _json_line(cells: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(cells, enc_hook=str) + b"\n"
    except UnicodeEncodeError:  # undecodable bytes in a raw line go back as they were
        return json.dumps(cells, ensure_ascii=False, default=str).encode("utf-8", "surrogateescape") + b"\n"
