"""Snapshots: a brand's events as of one moment, as views of an engine.

A snapshot is what PostgreSQL's transaction sees: the pointer, the tail behind it, the origin map and the items. Its
files are those of the pointer's versions, never of the newest. What was loaded once serves all that ask for the same
state, and the next state takes over what has not changed.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

from duckdb import DuckDBPyConnection

from regulars.history import lake, store
from regulars.history.engine import (
    EVENT_COLUMNS,
    LINE_COLUMNS,
    PLACE_COLUMNS,
    TailColumns,
    integers,
    longs,
    open_engine,
    texts,
    type_tail,
)
from regulars.history.lake import TABLES, TableName
from regulars.history.model import DataState, HistoryPlace
from regulars.history.service.promoting import Promoted, get_promoted, view_promoted
from regulars.history.typed import DECIMAL
from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction

SNAPSHOTS_KEPT_MAX: Final = 4
BRANDS_KEPT_MAX: Final = 8

T = TypeVar("T")
_READ_COLUMNS: Final[dict[TableName, dict[str, str]]] = {
    "events": PLACE_COLUMNS | EVENT_COLUMNS,
    "lines": PLACE_COLUMNS | LINE_COLUMNS,
}
_TYPED_SELECT: Final[dict[TableName, str]] = {
    "events": "from typed t",
    "lines": "from typed_lines l join typed t on t.seq = l.seq",
}


@dataclass(slots=True)
class Snapshot:
    """One brand's history at one moment: the views events, lines, origins and items of `connection`.

    What of events and lines is not in the lake, tail_events and tail_lines show.

    `data_version` is the same exactly where all views are the same.
    """

    brand_id: BrandId
    data_version: str
    state: DataState
    connection: DuckDBPyConnection
    promoted: Mapping[str, str] = field(default_factory=dict[str, str])
    """Columns of events that hold the JSON text of a property, by its name: cheaper to read than all properties."""

    async def run(self, work: Callable[[DuckDBPyConnection], T]) -> T:
        """Do something with the connection in a thread."""
        return await asyncio.to_thread(work, self.connection)


@dataclass(slots=True)
class _Loaded:
    """What is in the engine for one state of a brand."""

    state: DataState
    schema: str
    origins: str
    items: str
    promoted: Promoted
    users: int = 0


@dataclass(slots=True)
class _BrandTables:
    """A brand's part of the engine. The tail's tables only grow at their end; what has moved is deleted from them."""

    brand_id: BrandId
    number: int
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    loaded: list[_Loaded] = field(default_factory=list["_Loaded"])
    tail_after: int = 0
    tail_to: int = 0
    is_made: bool = False

    @property
    def schema(self) -> str:
        return f"brand_{self.brand_id}_{self.number}"


class HistoryReader:
    """One engine, and what is loaded in it; one a process. Safe to share between tasks."""

    def __init__(self, place: HistoryPlace) -> None:
        self.place = place
        self._engine: DuckDBPyConnection | None = None
        self._opening = threading.Lock()
        self._brands: dict[BrandId, _BrandTables] = {}
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def open_snapshot(self, tx: ReadTransaction, brand_id: BrandId) -> AsyncGenerator[Snapshot]:
        """The brand's history as the transaction sees it.

        Shape: `tx` is REPEATABLE READ, as `Database.read` makes it; it may end before the snapshot does.
        Raises: HistoryMissing.
        """
        loaded, engine = await self._load(tx, brand_id)
        try:
            connection = engine.cursor()
            try:
                await asyncio.to_thread(connection.execute, f"use {loaded.schema}")
                version = f"{brand_id}.{loaded.state.version}"
                yield Snapshot(brand_id, version, loaded.state, connection, loaded.promoted.columns)
            finally:
                await asyncio.to_thread(connection.close)
        finally:
            loaded.users -= 1

    async def find_data_version(self, tx: ReadTransaction, brand_id: BrandId) -> str:
        """The version a snapshot would have, without loading it."""
        return f"{brand_id}.{(await store.get_state(tx, brand_id)).version}"

    def connect(self) -> DuckDBPyConnection:
        """A connection to the engine with no brand's views, for whoever reads files himself; the caller closes it."""
        return self._open().cursor()

    def close(self) -> None:
        """Give the engine's memory back."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None
        self._brands.clear()

    async def _load(self, tx: ReadTransaction, brand_id: BrandId) -> tuple[_Loaded, DuckDBPyConnection]:
        engine = await asyncio.to_thread(self._open)
        tables = self._brands.pop(brand_id, None) or _BrandTables(brand_id, next(self._numbers))
        self._brands[brand_id] = tables  # the last one asked for is the last to be forgotten
        async with tables.lock:
            state = await store.get_state(tx, brand_id)
            found = next((loaded for loaded in tables.loaded if loaded.state == state), None)
            if found is None:
                found = await self._load_state(tx, tables, state)
                tables.loaded.append(found)
            found.users += 1
            await self._forget(tables)
            await self._forget_brands(engine)
        return found, engine

    def _open(self) -> DuckDBPyConnection:
        with self._opening:
            if self._engine is None:
                self._engine = open_engine(self.place)
            return self._engine

    async def _load_state(self, tx: ReadTransaction, tables: _BrandTables, state: DataState) -> _Loaded:
        """Load what no state before has loaded."""
        assert self._engine is not None, "the engine is open"
        work = self._engine.cursor()
        try:
            if not tables.is_made:
                await asyncio.to_thread(_make_tail, work, tables, state.pointer.moved_to)
            if state.pointer.moved_to < tables.tail_after:  # a transaction that began before others did
                to_seq = min(tables.tail_after, state.head_seq)
                await self._load_tail(tx, work, tables, state.pointer.moved_to, to_seq)
                tables.tail_after = state.pointer.moved_to
            if tables.tail_to < state.head_seq:
                await self._load_tail(tx, work, tables, max(tables.tail_to, state.pointer.moved_to), state.head_seq)
                tables.tail_to = state.head_seq
            number = next(self._numbers)
            before = tables.loaded[-1] if tables.loaded else None
            origins = await self._load_origins(tx, work, tables, state, before, number)
            items = await self._load_items(tx, work, tables, state, before, number)
            loaded = _Loaded(state, f"snapshot_{number}", origins, items, await get_promoted(tx, tables.brand_id))
            await asyncio.to_thread(self._make_views, work, tables, loaded)
            return loaded
        finally:
            await asyncio.to_thread(work.close)

    async def _load_tail(
        self, tx: ReadTransaction, work: DuckDBPyConnection, tables: _BrandTables, after_seq: int, to_seq: int
    ) -> None:
        named = await store.list_parts(tx, tables.brand_id)
        rows = TailColumns()
        async for chunk in store.list_tail_chunks(tx, tables.brand_id, after_seq=after_seq, to_seq=to_seq):
            rows.add(chunk)
            if rows.count >= TAIL_ROWS_AT_ONCE:
                await asyncio.to_thread(_add_tail, work, tables, rows, named)
                rows = TailColumns()
        await asyncio.to_thread(_add_tail, work, tables, rows, named)

    async def _load_origins(
        self,
        tx: ReadTransaction,
        work: DuckDBPyConnection,
        tables: _BrandTables,
        state: DataState,
        before: _Loaded | None,
        number: int,
    ) -> str:
        """The origin map: new origins are added to the map before; where one has moved or gone, all is read again."""
        goes_on = before is not None and before.state.origins_epoch == state.origins_epoch
        if before is not None and goes_on and before.state.origin_id_max == state.origin_id_max:
            return before.origins
        goes_on = goes_on and before is not None and before.state.origin_id_max < state.origin_id_max
        after = before.state.origin_id_max if before is not None and goes_on else 0
        chunks = [
            (origins, numbers)
            async for origins, numbers in store.list_origin_chunks(tx, tables.brand_id, after_origin_id=after)
        ]
        name = f"{tables.schema}.origins_{number}"
        await asyncio.to_thread(_make_origins, work, name, chunks, before.origins if before and goes_on else None)
        return name

    async def _load_items(
        self,
        tx: ReadTransaction,
        work: DuckDBPyConnection,
        tables: _BrandTables,
        state: DataState,
        before: _Loaded | None,
        number: int,
    ) -> str:
        if before is not None and before.state.items_epoch == state.items_epoch:
            return before.items
        rows = await store.list_items(tx, tables.brand_id)
        name = f"{tables.schema}.items_{number}"
        await asyncio.to_thread(_make_items, work, name, rows)
        return name

    def _make_views(self, work: DuckDBPyConnection, tables: _BrandTables, loaded: _Loaded) -> None:
        work.execute(f"create schema {loaded.schema}")
        for table in TABLES:
            tail = _tail_sql(tables, loaded.state, table)
            work.execute(f"create view {loaded.schema}.tail_{table} as {tail}")
            work.execute(f"create view {loaded.schema}.{table} as {self._view_sql(tables, loaded, table, tail)}")
        work.execute(f"create view {loaded.schema}.origins as from {loaded.origins}")
        work.execute(f"create view {loaded.schema}.items as from {loaded.items}")

    def _view_sql(self, tables: _BrandTables, loaded: _Loaded, table: TableName, tail: str) -> str:
        columns = ", ".join(_READ_COLUMNS[table])
        files = list_lake_files(self.place, tables.brand_id, loaded.state, table)
        if table == "events" and loaded.promoted.columns:
            return view_promoted(loaded.promoted, files, columns, tail)
        if not files:
            return tail
        return f"select {columns} from ({lake.scan_sql(table, files)}) union all {tail}"

    async def _forget(self, tables: _BrandTables) -> None:
        """Drop what nobody uses and nobody is likely to ask for again."""
        assert self._engine is not None, "the engine is open"
        unused = [loaded for loaded in tables.loaded[:-1] if loaded.users == 0]
        for loaded in unused[: max(0, len(tables.loaded) - SNAPSHOTS_KEPT_MAX)]:
            tables.loaded.remove(loaded)
            await asyncio.to_thread(_drop_loaded, self._engine, tables, loaded)
        moved_to = min(loaded.state.pointer.moved_to for loaded in tables.loaded)
        if moved_to > tables.tail_after:
            await asyncio.to_thread(_delete_moved, self._engine, tables, moved_to)

    async def _forget_brands(self, engine: DuckDBPyConnection) -> None:
        """Drop brands that nobody has asked for in long, and nobody uses."""
        for brand_id, tables in list(self._brands.items()):
            if len(self._brands) <= BRANDS_KEPT_MAX:
                return
            if not tables.lock.locked() and all(loaded.users == 0 for loaded in tables.loaded):
                del self._brands[brand_id]
                await asyncio.to_thread(_drop_brand, engine, tables)


TAIL_ROWS_AT_ONCE: Final = 20_000
"""Of a large tail with many lines an order: 690 MB at the most where 500,000 at once took 1,170."""


def list_lake_files(place: HistoryPlace, brand_id: BrandId, state: DataState, table: TableName) -> list[str]:
    """The brand's files of the table at the state's version. Raises: HistoryMissing."""
    version = state.pointer.events_version if table == "events" else state.pointer.lines_version
    if version is None:
        return []
    handle = lake.open_table(place.folder, table, version)
    return [file.path for file in lake.list_files(handle) if file.brand_id == brand_id]


def _tail_sql(tables: _BrandTables, state: DataState, table: TableName) -> str:
    columns, after_seq = ", ".join(_READ_COLUMNS[table]), state.pointer.moved_to
    return f"select {columns} from {tables.schema}.tail_{table} where seq > {after_seq} and seq <= {state.head_seq}"


def _make_tail(work: DuckDBPyConnection, tables: _BrandTables, moved_to: int) -> None:
    work.execute(f"create schema if not exists {tables.schema}")
    for table in TABLES:
        columns = ", ".join(f"{name} {kind}" for name, kind in _READ_COLUMNS[table].items())
        work.execute(f"create or replace table {tables.schema}.tail_{table} ({columns})")
    tables.is_made, tables.tail_after, tables.tail_to = True, moved_to, moved_to


def _add_tail(work: DuckDBPyConnection, tables: _BrandTables, rows: TailColumns, named: frozenset[str]) -> None:
    if rows.count == 0:
        return
    type_tail(work, rows, named)
    for table in TABLES:
        columns = [_column_of(table, name) for name in _READ_COLUMNS[table]]
        work.execute(f"insert into {tables.schema}.tail_{table} select {', '.join(columns)} {_TYPED_SELECT[table]}")


def _column_of(table: TableName, name: str) -> str:
    is_of_line = table == "lines" and name in ("line_no", "item_id", "category", "quantity", "price")
    return f"l.{name}" if is_of_line else f"t.{name}"


def _make_origins(work: DuckDBPyConnection, name: str, chunks: list[tuple[bytes, bytes]], before: str | None) -> None:
    columns = {
        "origin_id": longs([origins for origins, _ in chunks]),
        "member_no": integers([numbers for _, numbers in chunks]),
    }
    known = "" if before is None else f"from {before} union all "
    work.register("scanned", columns)
    try:
        work.execute(f"create table {name} as {known}select origin_id, member_no from scanned")
    finally:
        work.unregister("scanned")


def _make_items(work: DuckDBPyConnection, name: str, rows: list[tuple[str, ...]]) -> None:
    columns = dict(zip(("item_id", "name", "category", "price", "attributes"), _transposed(rows, 5), strict=True))
    work.register("scanned", {key: texts(column) for key, column in columns.items()})
    # What is beyond the column's digits is absent, as in events.
    price = f"case when abs(try_cast(price as DECIMAL(38, 6))) < 1000000000000 then try_cast(price as {DECIMAL}) end"
    try:
        work.execute(
            f"create table {name} as select item_id::VARCHAR as item_id, name::VARCHAR as name,"
            f" category::VARCHAR as category, {price} as price, attributes::VARCHAR as attributes from scanned"
        )
    finally:
        work.unregister("scanned")


def _transposed(rows: list[tuple[str, ...]], width: int) -> list[list[str]]:
    return [[row[place] for row in rows] for place in range(width)]


def _drop_loaded(engine: DuckDBPyConnection, tables: _BrandTables, loaded: _Loaded) -> None:
    with engine.cursor() as work:
        work.execute(f"drop schema {loaded.schema} cascade")
        for name in (loaded.origins, loaded.items):
            if all(name not in (other.origins, other.items) for other in tables.loaded):
                work.execute(f"drop table {name}")


def _drop_brand(engine: DuckDBPyConnection, tables: _BrandTables) -> None:
    with engine.cursor() as work:
        for loaded in tables.loaded:
            work.execute(f"drop schema {loaded.schema} cascade")
        work.execute(f"drop schema if exists {tables.schema} cascade")


def _delete_moved(engine: DuckDBPyConnection, tables: _BrandTables, moved_to: int) -> None:
    with engine.cursor() as work:
        for table in TABLES:
            work.execute(f"delete from {tables.schema}.tail_{table} where seq <= {moved_to}")
    tables.tail_after = moved_to
