"""Background work in PostgreSQL: procrastinate, deferred on the caller's connection in its transaction.

A job that a dead worker held is taken up again: its heartbeat stops, and `retry_stalled_jobs` (run by every worker)
puts it back. Jobs must therefore be safe to run twice.
"""

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.schema import SchemaManager

JOB_STALLED_SECONDS = 30


def new_app(dsn: str) -> App:
    """A procrastinate app on this database, with no task yet."""
    return App(connector=PsycopgConnector(conninfo=dsn, min_size=1, max_size=4))


def ensure_job_schema(dsn: str) -> None:
    """Make procrastinate's tables where they are missing.

    Locks: an advisory lock, so that two starts do not create them at once.
    """
    with psycopg.connect(dsn, autocommit=True) as connection, connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [0x6A6F6273])
        found = connection.execute("select to_regclass('procrastinate_jobs')").fetchone()
        if found and found[0] is None:
            connection.execute(SchemaManager.get_schema().encode())


async def retry_stalled_jobs(app: App) -> int:
    """Put back what a dead worker held; returns how many."""
    stalled = await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=JOB_STALLED_SECONDS)
    count = 0
    for job in stalled:
        await app.job_manager.retry_job(job)
        count += 1
    return count
