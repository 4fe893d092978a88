"""The engine: DuckDB in process, with bounds on what it takes, and how the tail's rows come into it.

One instance holds what a process reads; each use has a connection of its own. It runs in threads, never on the event loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection

from regulars.history.layout import part_of
from regulars.history.model import HistoryPlace
from regulars.history.typed import DECIMAL, MACROS, type_rows

_SINCE_2000: Final = 946_684_800_000_000
_ABSENT: Final = np.iinfo(np.int64).min

EVENT_COLUMNS: Final = {
    "seq": "BIGINT",
    "origin_id": "BIGINT",
    "name": "VARCHAR",
    "occurred_at": "TIMESTAMP WITH TIME ZONE",
    "revenue": DECIMAL,
    "order_id": "VARCHAR",
    "item_id": "VARCHAR",
    "category": "VARCHAR",
    "quantity": DECIMAL,
    "line_count": "INTEGER",
    "properties": "VARCHAR",
}
LINE_COLUMNS: Final = {
    "seq": "BIGINT",
    "origin_id": "BIGINT",
    "name": "VARCHAR",
    "occurred_at": "TIMESTAMP WITH TIME ZONE",
    "line_no": "INTEGER",
    "item_id": "VARCHAR",
    "category": "VARCHAR",
    "quantity": DECIMAL,
    "price": DECIMAL,
}
PLACE_COLUMNS: Final = {"part": "VARCHAR", "month": "INTEGER"}
DOOR_COLUMNS: Final = {
    "event_id": "BLOB",
    "message_id": "VARCHAR",
    "source_id": "INTEGER",
    "type": "VARCHAR",
    "received_at": "TIMESTAMP WITH TIME ZONE",
    "original_at": "TIMESTAMP WITH TIME ZONE",
    "sent_at": "TIMESTAMP WITH TIME ZONE",
}
"""What only the lake keeps beside; `list_member_events` shows some of it."""


def open_engine(place: HistoryPlace) -> DuckDBPyConnection:
    """An instance of its own, with nothing in it."""
    place.temp_folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{place.memory_mib_max}MiB",
            "threads": place.threads,
            "temp_directory": str(place.temp_folder),
            "preserve_insertion_order": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute(MACROS)
    return connection


def fetch_row(connection: DuckDBPyConnection, sql: str, params: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """The one row of an aggregate. All is fetched: a result that is not read to its end blocks its connection."""
    (row,) = connection.execute(sql, params).fetchall()
    return row


@dataclass(slots=True)
class TailColumns:
    """Rows of the tail on their way into the engine. Shape: fixed columns as PostgreSQL sends them, big-endian."""

    seqs: list[bytes] = field(default_factory=list[bytes])
    origins: list[bytes] = field(default_factory=list[bytes])
    occurred: list[bytes] = field(default_factory=list[bytes])
    line_counts: list[bytes] = field(default_factory=list[bytes])
    names: list[str] = field(default_factory=list[str])
    properties: list[str] = field(default_factory=list[str])
    event_ids: list[bytes] = field(default_factory=list[bytes])
    sources: list[bytes] = field(default_factory=list[bytes])
    received: list[bytes] = field(default_factory=list[bytes])
    original: list[bytes] = field(default_factory=list[bytes])
    sent: list[bytes] = field(default_factory=list[bytes])
    message_ids: list[str] = field(default_factory=list[str])
    types: list[str] = field(default_factory=list[str])

    def add(self, chunk: Sequence[Any]) -> None:
        """One row of `store.list_tail_chunks` or, with seven more columns, of `list_tail_chunks_whole`."""
        seqs, origins, occurred, line_counts, names, properties, *door = chunk
        if seqs is None:
            return
        self.seqs.append(seqs)
        self.origins.append(origins)
        self.occurred.append(occurred)
        self.line_counts.append(line_counts)
        self.names += names
        self.properties += properties
        if door:
            event_ids, sources, received, original, sent, message_ids, types = door
            self.event_ids.append(event_ids)
            self.sources.append(sources)
            self.received.append(received)
            self.original.append(original)
            self.sent.append(sent)
            self.message_ids += message_ids
            self.types += types

    @property
    def count(self) -> int:
        return len(self.names)


def longs(chunks: Sequence[bytes]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """What `int8send` made."""
    return np.frombuffer(b"".join(chunks), dtype=">i8").astype(np.int64)


def integers(chunks: Sequence[bytes]) -> "np.ndarray[tuple[int], np.dtype[np.int32]]":
    """What `int4send` made."""
    return np.frombuffer(b"".join(chunks), dtype=">i4").astype(np.int32)


def instants(chunks: Sequence[bytes]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """What `timestamptz_send` made, as µs since 1970; -infinity stands for none and stays the least number."""
    since_2000 = longs(chunks)
    return np.where(since_2000 == _ABSENT, _ABSENT, since_2000 + _SINCE_2000)


def texts(values: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """Texts as the engine scans them."""
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def uuids(chunks: Sequence[bytes]) -> "np.ndarray[tuple[int], np.dtype[np.object_]]":
    """What `uuid_send` made, as 32 hexadecimal digits each."""
    digits = b"".join(chunks).hex()
    return texts([digits[start : start + 32] for start in range(0, len(digits), 32)])


def type_tail(connection: DuckDBPyConnection, rows: TailColumns, named: frozenset[str]) -> None:
    """Make the temporary tables `typed` and `typed_lines`, with part and month, from rows of the tail."""
    _make_typed(connection, _read_columns(rows), named, _RAW_SQL)


def type_tail_whole(connection: DuckDBPyConnection, rows: TailColumns, named: frozenset[str]) -> None:
    """`type_tail` with what only the lake keeps beside."""
    columns = _read_columns(rows) | {
        "event_hex": uuids(rows.event_ids),
        "source_id": integers(rows.sources),
        "received_us": instants(rows.received),
        "original_us": instants(rows.original),
        "sent_us": instants(rows.sent),
        "message_id": texts(rows.message_ids),
        "type": texts(rows.types),
    }
    _make_typed(connection, columns, named, _RAW_WHOLE_SQL)


def _read_columns(rows: TailColumns) -> dict[str, Any]:
    return {
        "seq": longs(rows.seqs),
        "origin_id": longs(rows.origins),
        "us": instants(rows.occurred),
        "line_count": integers(rows.line_counts),
        "name": texts(rows.names),
        "properties": texts(rows.properties),
    }


def _make_typed(connection: DuckDBPyConnection, columns: dict[str, Any], named: frozenset[str], raw_sql: str) -> None:
    """Scan columns into `raw`, give each row its part and month, and type them."""
    names = sorted(set(columns["name"].tolist()))
    connection.execute(_PARTS_SQL, {"names": names, "parts": [part_of(name, named) for name in names]})
    connection.register("scanned", columns)
    try:
        connection.execute(raw_sql)
    finally:
        connection.unregister("scanned")
    type_rows(connection)


_PARTS_SQL: Final = """
create or replace temp table parts as
select unnest($names::VARCHAR[]) as name, unnest($parts::VARCHAR[]) as part
"""
_PLACED: Final = """
make_timestamptz(s.us) as occurred_at, p.part,
    (year(make_timestamptz(s.us)) * 100 + month(make_timestamptz(s.us)))::INTEGER as month
from scanned s join parts p on p.name = s.name
"""
_RAW_SQL: Final = f"create or replace temp table raw as select s.* exclude (us), {_PLACED}"
_RAW_WHOLE_SQL: Final = f"""
create or replace temp table raw as
select s.* exclude (us, event_hex, received_us, original_us, sent_us), unhex(s.event_hex) as event_id,
    make_timestamptz(s.received_us) as received_at,
    case when s.original_us <> {_ABSENT} then make_timestamptz(s.original_us) end as original_at,
    case when s.sent_us <> {_ABSENT} then make_timestamptz(s.sent_us) end as sent_at,
    {_PLACED}
"""
