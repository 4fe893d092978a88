"""A real PostgreSQL inside the data folder, run by our own thin supervisor.

    with open_postgres(home) as address:    # a command: shares a running server, else runs its own
        psycopg.connect(address.dsn)

Decides nothing about what is stored. A server elsewhere (``REGULARS_DATABASE_URL``) needs none of this.
"""

from regulars.platform.postgres.death_signal import choose_death_signal
from regulars.platform.postgres.errors import (
    BinariesMissing,
    FolderInUse,
    PlaceRefused,
    PostgresError,
    StartFailed,
    VersionMismatch,
)
from regulars.platform.postgres.lock import take_lock
from regulars.platform.postgres.server import EmbeddedPostgres, PostgresAddress, find_running
from regulars.platform.postgres.share import open_postgres

__all__ = [
    "BinariesMissing",
    "EmbeddedPostgres",
    "FolderInUse",
    "PlaceRefused",
    "PostgresAddress",
    "PostgresError",
    "StartFailed",
    "VersionMismatch",
    "choose_death_signal",
    "find_running",
    "open_postgres",
    "take_lock",
]
