"""Why a demo cannot go on."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class JourneyMissing(DomainError):
    """The package that holds the demo's data is not installed."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "demo.data_missing"


class JourneyUnreadable(DomainError):
    """The demo's data cannot be read, or is not what the demo knows."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "demo.data_unreadable"


class TodayInvalid(DomainError):
    """The demo cannot be moved to this day."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "demo.today_invalid"


class HomeTaken(DomainError):
    """The first brand of this home holds data that is not the demo's; mixed, they could not be taken apart."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "demo.home_taken"


class ServeFailed(DomainError):
    """The demo's `regulars serve` ended, or answers what it should not."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "demo.serve_failed"


class TotalsDiffer(DomainError):
    """What the API answers after loading is not what the files hold."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "demo.totals_differ"
