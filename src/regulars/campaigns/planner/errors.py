"""Refusals of the planner."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class ProblemInvalid(DomainError):
    """What is to be planned contradicts itself; the path names the part."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "planner.invalid_problem"


class ProblemTooLarge(DomainError):
    """More campaigns, channels, members or price plans than the planner takes at once."""

    kind: ClassVar[Kind] = Kind.LIMITED
    code: ClassVar[str] = "planner.too_large"
