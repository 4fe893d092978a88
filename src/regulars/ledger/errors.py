"""Refusals of the ledger, but those of a single transfer: these are results (see model)."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class AssetInvalid(DomainError):
    """An asset with a missing or wrong field, or one that is to become another kind of value."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "asset.invalid"


class AccountUnknown(DomainError):
    """A name that is none of an account, of an asset that is not there, or of a holder nobody knows."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "account.unknown"


class AccountInvalid(DomainError):
    """Terms that an account cannot have: a cap below its floor, or a floor where no balance is kept."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "account.invalid"


class LimitInvalid(DomainError):
    """A limit that limits nothing, of an asset that is not there, or with a wrong amount or duration."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "limit.invalid"


class LimitUnknown(DomainError):
    """The brand has no limit of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "limit.unknown"


class TransferInvalid(DomainError):
    """A request of the ledger with a missing or wrong field: no transfer of it was looked at."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "transfer.invalid"


class HoldUnknown(DomainError):
    """The brand has no hold of this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "hold.unknown"


class HoldEnded(DomainError):
    """A hold that was captured, voided or has expired cannot be ended in another way."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "hold.ended"


class HoldExpired(DomainError):
    """A hold whose time is over: what it reserved is free again."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "hold.expired"


class HoldExceeded(DomainError):
    """More is to be captured than was held, or than its accounts allow."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "hold.exceeded"


class HoldNotDivisible(DomainError):
    """A transfer that waits for a review is captured whole or voided: a part of it is another transfer."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "hold.not_divisible"


class TransferUnknown(DomainError):
    """The brand has no transfer of this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "transfer.unknown"


class ExportUnwritable(DomainError):
    """The file of an export cannot be written: no such folder, no permission, no room."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "ledger.export_unwritable"
