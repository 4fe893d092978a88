"""Bring a database to this version's schema.

Migrations are plain SQL files `NNNN_name.sql`, each in the `migrations` folder of the package whose tables it makes; the
numbers are one sequence over all packages. They run in order, each in its own transaction, under one advisory lock. A
database that a newer regulars has touched is refused, and so is one whose applied migrations read otherwise now.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from regulars.platform.errors import SchemaChanged, SchemaTooNew

_LOCK = 0x72656775  # "regu": any number that nobody else uses


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One step; `sql` is our own source."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def list_migrations(package_root: Path) -> list[Migration]:
    """All migrations below the package, in order; two of one number are a programming error."""
    files = sorted(package_root.glob("*/migrations/[0-9][0-9][0-9][0-9]_*.sql"), key=lambda path: path.name)
    steps = [Migration(int(path.name[:4]), path.stem[5:], path.read_text(encoding="utf-8")) for path in files]
    numbers = [step.number for step in steps]
    assert numbers == list(range(1, len(steps) + 1)), f"migrations must be numbered 1, 2, 3 …: {numbers}"
    return steps


def apply_migrations(dsn: str, steps: list[Migration]) -> int:
    """Apply what is missing; returns how many were applied.

    Locks: one advisory lock, so that two starts do not migrate at once.
    Raises: SchemaTooNew, SchemaChanged.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        connection.execute(
            "create table if not exists platform_migrations"
            " (number int primary key, name text not null, checksum text not null,"
            " applied_at timestamptz not null default now())"
        )
        applied = connection.execute(
            "select number, name, checksum from platform_migrations order by number"
        ).fetchall()
        _check_history(applied, steps)
        missing = steps[len(applied) :]
        for step in missing:
            with connection.transaction():
                connection.execute(step.sql.encode())
                connection.execute(
                    "insert into platform_migrations (number, name, checksum) values (%s, %s, %s)",
                    [step.number, step.name, step.checksum],
                )
        return len(missing)


def _check_history(applied: list[TupleRow], steps: list[Migration]) -> None:
    if len(applied) > len(steps):
        newest = applied[-1]
        raise SchemaTooNew(
            f"the database is at schema version {newest[0]} ({newest[1]}), this regulars knows {len(steps)}:"
            " start the newer regulars, or restore a backup made before the upgrade"
        )
    for (number, name, checksum), step in zip(applied, steps, strict=False):
        if checksum != step.checksum:
            raise SchemaChanged(f"migration {number} ({name}) was applied with another text than this regulars carries")
