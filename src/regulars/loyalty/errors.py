"""Refusals of loyalty programmes."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class ProgrammeInvalid(DomainError):
    """A programme with a missing, wrong or contradictory field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "programme.invalid"


class ProgrammeUnknown(DomainError):
    """The brand has no programme of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "programme.unknown"
