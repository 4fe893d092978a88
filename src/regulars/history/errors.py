"""What can be wrong with the history."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class HistoryBusy(DomainError):
    """Another process moves, compacts or removes just now."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "history.busy"


class HistoryAhead(DomainError):
    """The lake knows moves that the database does not: one of them was restored from a backup without the other."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "history.ahead"


class HistoryMissing(DomainError):
    """The database points to a state of the lake that is not on the disk."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "history.missing"


class HistoryPlaceInvalid(DomainError):
    """The history cannot be kept where the setting says."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "history.place_invalid"


class EngineMissing(DomainError):
    """REGULARS_ENGINE names a cluster, and the packages that speak to one are not installed."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "history.engine_missing"


class EngineUnavailable(DomainError):
    """The cluster of REGULARS_ENGINE cannot be reached; the same question may be answered later."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "history.engine_unavailable"


class EngineFailed(DomainError):
    """The cluster of REGULARS_ENGINE was reached and could not answer."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "history.engine_failed"
