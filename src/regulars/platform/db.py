"""Transactions on PostgreSQL: the pool, the two kinds of transaction, and what its failures mean to a caller.

A read transaction sees one snapshot and cannot write; a write transaction is one request or one job. Their types differ,
so a signature says whether a function writes. Nothing here knows a table.
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from regulars.platform.errors import BrandBusy, DatabaseBusy, DatabaseUnavailable, StorageFull

Params = Mapping[str, Any] | Sequence[Any]

POOL_CONNECTIONS_MAX = 8
POOL_WAIT_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 5


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """One snapshot of the database."""

    connection: AsyncConnection[TupleRow]

    async def rows(self, query: LiteralString, params: Params | None = None) -> list[TupleRow]:
        """All rows of a query."""
        cursor = await self.connection.execute(query, params)
        return await cursor.fetchall()

    async def row(self, query: LiteralString, params: Params | None = None) -> TupleRow | None:
        """The first row, or None."""
        cursor = await self.connection.execute(query, params)
        return await cursor.fetchone()


@dataclass(frozen=True, slots=True)
class WriteTransaction(ReadTransaction):
    """A transaction that may write; it commits when its block ends well."""

    async def execute(self, query: LiteralString, params: Params | None = None) -> int:
        """Run a statement; returns the number of rows it touched."""
        cursor = await self.connection.execute(query, params)
        return cursor.rowcount

    async def copy_rows(self, statement: LiteralString, block: bytes) -> None:
        """COPY … FROM STDIN with an already encoded block."""
        async with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            await copy.write(block)


@contextmanager
def translated_failures() -> Generator[None]:
    """PostgreSQL's ways of not being there, or not for this one now, as the errors a caller can act on."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise BrandBusy(
            "another write of this brand is still on its way (an import, an erasure, a declared trait); send this again"
        ) from error
    except psycopg.errors.DeadlockDetected as error:
        raise BrandBusy(
            "two writes of this brand waited for each other, and this one gave way; send it again"
        ) from error
    except psycopg.errors.DiskFull as error:
        raise StorageFull(
            f"PostgreSQL cannot store more: {error.diag.message_primary}. Free space on its disk."
        ) from error
    except (psycopg.OperationalError, PoolTimeout) as error:
        if not _is_away(error):
            raise
        first_line = str(error).partition("\n")[0]
        raise DatabaseUnavailable(f"PostgreSQL cannot be reached just now: {first_line}") from error


def _is_away(error: psycopg.OperationalError | PoolTimeout) -> bool:
    """Whether the server, not the statement, is the reason: no SQLSTATE at all, or one of these classes.

    08 connection, 53 out of connections or memory, 57P shutting down, crashing or starting up.
    """
    return error.sqlstate is None or error.sqlstate.startswith(("08", "53", "57P"))


class Database:
    """A pool of connections to one PostgreSQL.

    With `lock_seconds_max` a transaction waits that long for another's lock and no longer; without, as long as it takes.
    """

    def __init__(
        self, dsn: str, *, connections_max: int = POOL_CONNECTIONS_MAX, lock_seconds_max: float | None = None
    ) -> None:
        self.dsn = dsn
        self._connections_max = connections_max
        self._lock_seconds_max = lock_seconds_max
        self._in_use = 0
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=connections_max,
            timeout=POOL_WAIT_SECONDS_MAX,
            open=False,
            check=AsyncConnectionPool.check_connection,
            configure=self._configure,
            kwargs={"autocommit": True, "connect_timeout": CONNECT_SECONDS_MAX, "application_name": "regulars"},
        )

    async def open(self) -> None:
        """Start the pool; the first connection may still be on its way."""
        await self._pool.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[ReadTransaction]:
        """A read-only snapshot. Raises: DatabaseUnavailable, DatabaseBusy."""
        with translated_failures():
            async with self._connection() as connection:
                await connection.set_read_only(True)
                await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
                async with connection.transaction():
                    yield ReadTransaction(connection)

    @asynccontextmanager
    async def write(self) -> AsyncGenerator[WriteTransaction]:
        """A read-committed transaction: waits on row locks see what the other one committed.

        Raises: DatabaseUnavailable, DatabaseBusy, BrandBusy, StorageFull.
        """
        with translated_failures():
            async with self._connection() as connection:
                await connection.set_read_only(False)
                await connection.set_isolation_level(IsolationLevel.READ_COMMITTED)
                async with connection.transaction():
                    yield WriteTransaction(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AsyncConnection[TupleRow]]:
        try:
            connection = await self._pool.getconn()
        except PoolTimeout as error:
            if self._in_use < self._connections_max:
                raise  # none was to be had although not all are in use: the server is away
            raise DatabaseBusy(
                f"all {self._connections_max} connections for this were in use for {POOL_WAIT_SECONDS_MAX:.0f} s"
            ) from error
        self._in_use += 1
        try:
            async with connection:
                yield connection
        finally:
            self._in_use -= 1
            await self._pool.putconn(connection)

    async def _configure(self, connection: AsyncConnection[TupleRow]) -> None:
        if self._lock_seconds_max is not None:
            milliseconds = f"{self._lock_seconds_max * 1000:.0f}"
            await connection.execute("select set_config('lock_timeout', %s, false)", (milliseconds,))
