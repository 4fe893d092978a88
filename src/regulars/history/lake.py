"""The lake: two Delta tables below a folder, and what may be done with them.

Whoever writes holds the history's lock. A table remembers the number of the last move and of the last removal in its
own log, but does not refuse a repeated one: the writer opens the table, looks, and writes through that same handle.

Source: Delta Lake protocol, «Transaction Identifiers»; deltalake 1.6.6, read 2026-11-22.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote, urlparse

from deltalake import CommitProperties, DeltaTable, Field, Schema, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType

from regulars.history.engine import DOOR_COLUMNS, EVENT_COLUMNS, LINE_COLUMNS, PLACE_COLUMNS
from regulars.history.errors import HistoryMissing

TableName = Literal["events", "lines"]
TABLES: Final[tuple[TableName, TableName]] = ("events", "lines")
PARTITION_COLUMNS: Final = ["brand", "part", "month"]
COLUMNS: Final[dict[TableName, dict[str, str]]] = {
    "events": {"brand": "INTEGER"} | PLACE_COLUMNS | EVENT_COLUMNS | DOOR_COLUMNS,
    "lines": {"brand": "INTEGER"} | PLACE_COLUMNS | LINE_COLUMNS,
}
FILE_BYTES_TARGET: Final = 128 << 20
ROW_GROUP_ROWS_MAX: Final = 122_880
"""The engine's own unit: each of its threads takes one group at a time."""

MOVER: Final = "mover"
REMOVER: Final = "remover"

_DELTA_TYPES: Final = {
    "BIGINT": "long",
    "INTEGER": "integer",
    "VARCHAR": "string",
    "BLOB": "binary",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One file of a table's version."""

    path: str
    brand_id: int
    part: str
    month: int
    size_bytes: int
    rows: int


def open_table(folder: Path, table: TableName, version: int | None = None) -> DeltaTable:
    """A table at a version, by default the newest. Raises: HistoryMissing."""
    try:
        return DeltaTable(folder / table, version=version)
    except (DeltaError, TableNotFoundError, OSError) as error:
        which = "" if version is None else f" at version {version}"
        raise HistoryMissing(f"the history's table {table}{which} cannot be opened in {folder}: {error}") from error


def ensure_table(folder: Path, table: TableName) -> DeltaTable:
    """The newest version, made where there is none."""
    place = folder / table
    if not DeltaTable.is_deltatable(str(place)):
        place.mkdir(parents=True, exist_ok=True)
        fields = [Field(name, _delta_type(kind), nullable=True) for name, kind in COLUMNS[table].items()]
        DeltaTable.create(place, Schema(fields), mode="ignore", partition_by=PARTITION_COLUMNS)
    return open_table(folder, table)


def _delta_type(kind: str) -> Any:
    return PrimitiveType(_DELTA_TYPES.get(kind) or kind.lower().replace(" ", ""))


def ensure_promoted(handle: DeltaTable, slots: int) -> None:
    """Columns for so many promoted properties; files without them show none."""
    has = {field.name for field in handle.schema().fields}
    missing = [name for name in map(promoted_column, range(1, slots + 1)) if name not in has]
    if missing:
        handle.alter.add_columns([Field(name, _delta_type("VARCHAR"), nullable=True) for name in missing])
        handle.update_incremental()


def promoted_column(slot: int) -> str:
    """The column that holds the JSON text of a promoted property. Shape: slots begin with 1."""
    return f"promoted_{slot}"


def count_promoted(handle: DeltaTable) -> int:
    """How many such columns the table has: whoever writes gives all of them."""
    return sum(field.name.startswith("promoted_") for field in handle.schema().fields)


def number_written(handle: DeltaTable, writer: str) -> int:
    """The last number under which this writer has written; 0 where it never did."""
    return handle.transaction_version(writer) or 0


def append_rows(handle: DeltaTable, rows: Any, *, writer: str, number: int) -> None:
    """Append, and remember the number in the same commit. Shape: `rows` is a relation with the table's columns."""
    write_deltalake(
        handle,
        rows,
        mode="append",
        partition_by=PARTITION_COLUMNS,
        target_file_size=FILE_BYTES_TARGET,
        writer_properties=_writer_properties(),
        commit_properties=CommitProperties(app_transactions=[Transaction(writer, number)]),
    )


def replace_rows(handle: DeltaTable, rows: Any, *, predicate: str, writer: str | None = None, number: int = 0) -> None:
    """Put rows in the place of whole partitions, in one commit."""
    transactions = [] if writer is None else [Transaction(writer, number)]
    write_deltalake(
        handle,
        rows,
        mode="overwrite",
        predicate=predicate,
        partition_by=PARTITION_COLUMNS,
        target_file_size=FILE_BYTES_TARGET,
        writer_properties=_writer_properties(),
        commit_properties=CommitProperties(app_transactions=transactions),
    )


def _writer_properties() -> WriterProperties:
    return WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=ROW_GROUP_ROWS_MAX)


def list_files(handle: DeltaTable) -> list[LakeFile]:
    """All files of the handle's version."""
    found = handle.get_add_actions(flatten=True)
    columns = {name: _values(found.column(name)) for name in _ADD_COLUMNS}
    if not columns["path"]:
        return []
    paths = _absolute(handle, columns["path"])
    brands, parts, months = (columns[f"partition.{name}"] for name in PARTITION_COLUMNS)
    return [
        LakeFile(path, int(brand), str(part), int(month), int(size), int(rows or 0))
        for path, brand, part, month, size, rows in zip(
            paths, brands, parts, months, columns["size_bytes"], columns["num_records"], strict=True
        )
    ]


_ADD_COLUMNS: Final = ("path", "size_bytes", "num_records", "partition.brand", "partition.part", "partition.month")


def _values(column: Any) -> list[Any]:
    return list(column.to_pylist())


def _absolute(handle: DeltaTable, paths: Sequence[str]) -> list[str]:
    root = Path(unquote(urlparse(handle.table_uri).path)) if "://" in handle.table_uri else Path(handle.table_uri)
    return [str(root / unquote(path)) for path in paths]


def scan_sql(table: TableName, files: Sequence[str], promoted: Sequence[str] = ()) -> str:
    """A SELECT of all the table's columns from these files, whatever their number; all must have those promoted."""
    columns = ", ".join(f'"{name}"' for name in (*COLUMNS[table], *promoted))
    if not files:
        empty = ", ".join(f'cast(null as {kind}) as "{name}"' for name, kind in COLUMNS[table].items())
        return f"select {empty} where false"
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    types = "{'brand': INTEGER, 'part': VARCHAR, 'month': INTEGER}"
    return f"select {columns} from read_parquet([{listed}], hive_partitioning = true, hive_types = {types})"


def delete_seqs(handle: DeltaTable, brand_id: int, seqs: Sequence[int], *, writer: str, number: int) -> None:
    """Rewrite the files that hold these rows without them, and remember the number in the same commit."""
    listed = ", ".join(str(int(seq)) for seq in seqs)
    handle.delete(
        f"brand = {int(brand_id)} and seq in ({listed})",
        writer_properties=_writer_properties(),
        commit_properties=CommitProperties(app_transactions=[Transaction(writer, number)]),
    )


def vacuum_files(handle: DeltaTable, retention: timedelta) -> int:
    """Delete files that no version younger than the retention needs, those of writers that died too."""
    gone = handle.vacuum(
        retention_hours=int(retention.total_seconds() // 3600),
        dry_run=False,
        enforce_retention_duration=False,
        full=True,
    )
    handle.update_incremental()
    handle.create_checkpoint()
    return len(gone)
