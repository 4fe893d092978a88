"""Refusals of audiences."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class AudienceUnknown(DomainError):
    """The brand has no audience of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "audience.unknown"


class AudienceVersionUnknown(DomainError):
    """The audience never had this version."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "audience.version_unknown"


class AudienceNameInvalid(DomainError):
    """A name is 1–100 characters without a slash."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "audience.name_invalid"


class AudienceInUse(DomainError):
    """Another audience is defined by this one."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "audience.in_use"


class AudienceInstantInvalid(DomainError):
    """An as_of that is no instant."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "audience.instant_invalid"
