"""Refusals that come from the machinery, not from a domain."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class DatabaseUnavailable(DomainError):
    """PostgreSQL cannot be reached, or went away in the middle; the same request may succeed later."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "database.unavailable"


class DatabaseBusy(DatabaseUnavailable):
    """PostgreSQL is there, but all connections for this kind of work stay in use."""

    code: ClassVar[str] = "database.busy"


class BrandBusy(DatabaseUnavailable):
    """Another write of the same brand holds what this one needs; nothing of this one was kept."""

    code: ClassVar[str] = "brand.busy"


class StorageFull(DomainError):
    """PostgreSQL's disk is full; nothing of the transaction was kept."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "storage.full"


class SchemaTooNew(DomainError):
    """The database was migrated by a newer regulars than this one."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "schema.too_new"


class SchemaChanged(DomainError):
    """A migration that was applied reads otherwise now."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "schema.changed"


class WrongMasterKey(DomainError):
    """The master key does not open the brand's data key."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "crypto.wrong_master_key"


class SettingInvalid(DomainError):
    """An environment setting cannot be read."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "setting.invalid"
