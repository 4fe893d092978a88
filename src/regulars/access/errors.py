"""Refusals of the access package."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class KeyMissing(DomainError):
    """The request carries no key."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "access.key_missing"


class KeyUnknown(DomainError):
    """The key is not one of this deployment's, or was revoked."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "access.key_unknown"


class BrandExists(DomainError):
    """Another brand has this name."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "brand.exists"


class BrandUnknown(DomainError):
    """No brand has this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "brand.unknown"


class BrandNameInvalid(DomainError):
    """A brand's name is 1–100 characters without a slash."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "brand.name_invalid"


class SettingsInvalid(DomainError):
    """A brand setting has a wrong name, type or value."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "settings.invalid"


class IdempotencyConflict(DomainError):
    """The same Idempotency-Key came with another request."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "idempotency.conflict"


class IdempotencyKeyInvalid(DomainError):
    """An Idempotency-Key is 1–200 characters."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "idempotency.key_invalid"
