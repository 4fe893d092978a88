"""One PostgreSQL for each test process, and a migrated database of its own for each test that asks."""

import atexit
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import hypothesis
import psycopg
import pytest

import regulars
from regulars.access import service as access
from regulars.platform.crypto import new_key
from regulars.platform.db import Database
from regulars.platform.jobs import ensure_job_schema
from regulars.platform.migrate import apply_migrations, list_migrations
from regulars.platform.postgres import EmbeddedPostgres, binaries, cluster
from regulars.platform.tenancy import Brand
from tests.support.serving import make_folder
from tests.support.serving import serving as serving
from tests.support.serving import unique as unique

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TEMPLATE = "regulars_template"
SERVER_BYTES_MAX = 1_000_000_000
HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}

hypothesis.settings.register_profile("unhurried", hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("unhurried")  # no test is timed: others work on a machine too


@atexit.register
def leave_quietly() -> None:
    """Nothing is said any more once Python takes itself apart.

    DuckDB's binding (nanobind) counts then, on stderr, the types of its own that still live: a hundred lines after
    property tests, whose end keeps modules alive. Nothing leaks while we run, and commands of ours end without it.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def server_dsn() -> Iterator[str]:
    """A server whose durability is off: these tests ask what is right, the chaos tests what survives.

    With REGULARS_TESTS_POSTGRES=machine it is the machine's own, perhaps older, PostgreSQL.
    """
    if os.environ.get("REGULARS_TESTS_POSTGRES") == "machine":
        binaries.find_wheel = lambda: None
    with make_folder(free_bytes_min=SERVER_BYTES_MAX) as folder:
        server = EmbeddedPostgres(folder / "home")
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(cluster, "PROMISES", {**cluster.PROMISES, **HASTY})
                dsn = server.start().dsn
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(f"create database {TEMPLATE}")
            template = psycopg.conninfo.make_conninfo(dsn, dbname=TEMPLATE)
            apply_migrations(template, list_migrations(Path(regulars.__file__).parent))
            ensure_job_schema(template)
            yield dsn
        finally:
            server.stop()


@pytest.fixture
def dsn(server_dsn: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with today's schema and nothing in it, dropped afterwards."""
    with open_database(server_dsn, f"test_{abs(hash(request.node.nodeid))}") as opened:
        yield opened


@contextmanager
def open_database(server_dsn: str, name: str) -> Iterator[str]:
    """A database as the template is; copied as files, which takes a tenth of the time that it takes through the log."""
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name} template {TEMPLATE} strategy file_copy")
        try:
            yield psycopg.conninfo.make_conninfo(server_dsn, dbname=name)
        finally:
            connection.execute(f"drop database {name} with (force)")


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    pool = Database(dsn)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
def master_key() -> bytes:
    return new_key()


@pytest.fixture
async def brand(database: Database, master_key: bytes) -> Brand:
    """A brand with the contract's default settings."""
    async with database.write() as tx:
        await access.create_brand(tx, "default", access.new_keys(), master_key=master_key, now=NOW)
        return await access.get_brand(tx, "default", master_key=master_key)
