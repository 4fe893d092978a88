"""Parquet, through DuckDB in batches; the file is streamed, never held.

Decides how a Parquet value becomes a Python one: instants with a zone come out aware in UTC, all other instants naive.
Nanoseconds are cut to microseconds, the finest that Python and PostgreSQL hold.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from regulars.platform.tabular.errors import UnreadableFile
from regulars.platform.tabular.table import Meter, Row, Table

FETCH_ROWS = 256
"""Few, since each may hold the longest text there may be, many times over in a small file (dictionary encoding)."""

MEMORY_MAX = "512MB"
ZONED = "TIMESTAMP WITH TIME ZONE"


def open_parquet(path: Path, bytes_total: int) -> Table:
    """Raises: UnreadableFile for what is not Parquet or is damaged."""
    _check_magic(path)
    with _connect(path) as connection:
        described = _execute(connection, path, "DESCRIBE SELECT * FROM read_parquet(?)").fetchall()
        types = {str(name): str(kind) for name, kind, *_ in described}
        total = _execute(connection, path, "SELECT num_rows FROM parquet_file_metadata(?)").fetchone()

    def rows(meter: Meter) -> Iterator[Row]:
        return _iter_rows(path, types, meter)

    rows_total = int(total[0]) if total else None
    return Table(path, "parquet", list(types), rows, types=types, rows_total=rows_total, bytes_total=bytes_total)


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(max(0, file.seek(0, 2) - 4))
            tail = file.read(4)
    except OSError as error:
        raise UnreadableFile(f"{path.name} cannot be read: {error.strerror or error}.", path=str(path)) from error
    if head != b"PAR1":
        raise UnreadableFile(f"{path.name} is not a Parquet file, though its name says so.", path=str(path))
    if tail != b"PAR1":
        raise UnreadableFile(f"{path.name} ends too early: the Parquet file was cut off.", path=str(path))


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    # One file of this machine and nothing else: a crafted file must not make DuckDB fetch or load anything.
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": "1",
            "memory_limit": MEMORY_MAX,
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _execute(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> duckdb.DuckDBPyConnection:
    pattern = re.sub(r"([\[*?])", r"[\1]", str(path.absolute()))  # DuckDB would read these as wildcards
    try:
        return connection.execute(query, [pattern])
    except duckdb.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: duckdb.Error, row: int | None = None) -> UnreadableFile:
    reason = str(error).splitlines()[0].replace(str(path.absolute()), path.name)
    where = f" after row {row}" if row else ""
    return UnreadableFile(f"{path.name} cannot be read{where}: {reason}", path=str(path), row=row)


def _iter_rows(path: Path, types: dict[str, str], meter: Meter) -> Iterator[Row]:
    mends = [(at, mend) for at, kind in enumerate(types.values()) if (mend := _find_mend(kind)) is not None]
    number = 0
    with _connect(path) as connection:
        cursor = _execute(connection, path, f"SELECT {_select(types)} FROM read_parquet(?)")
        while True:
            try:
                batch = cursor.fetchmany(FETCH_ROWS)
            except duckdb.Error as error:
                raise _unreadable(path, error, number) from error
            if not batch:
                return
            meter.bytes_unpacked += len(batch) * max(_text_size(batch[0]), _text_size(batch[-1]))
            for cells in batch:
                number += 1
                yield Row(number, 0, _mend_cells(cells, mends) if mends else cells)


def _text_size(cells: tuple[Any, ...]) -> int:
    return sum(len(cell) for cell in cells if isinstance(cell, str | bytes))


def _select(types: dict[str, str]) -> str:
    return ", ".join(_select_column(name, kind) for name, kind in types.items())


def _select_column(name: str, kind: str) -> str:
    """What DuckDB hands to Python slowly or not at all travels as something else, and is mended by ``_find_mend``.

    Zoned instants need a package that we do not have: outer ones travel as UTC, inner ones as text. Decimals are exact as
    text too, and seven times as quick.
    """
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == ZONED:
        return f"make_timestamp(epoch_us({quoted})) AS {quoted}"
    if kind.startswith("DECIMAL") and not kind.endswith("]"):
        return f"CAST({quoted} AS VARCHAR) AS {quoted}"
    if "WITH TIME ZONE" in kind:
        return f"CAST({quoted} AS {re.sub('(TIMESTAMP|TIME) WITH TIME ZONE', 'VARCHAR', kind)}) AS {quoted}"
    return quoted


def _find_mend(kind: str) -> Callable[[Any], Any] | None:
    if kind == ZONED:
        return _with_utc
    if kind.startswith("DECIMAL") and not kind.endswith("]"):
        return Decimal
    return None


def _with_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


def _mend_cells(cells: tuple[Any, ...], mends: list[tuple[int, Callable[[Any], Any]]]) -> tuple[Any, ...]:
    changed = list(cells)
    for at, mend in mends:
        if changed[at] is not None:
            changed[at] = mend(changed[at])
    return tuple(changed)
