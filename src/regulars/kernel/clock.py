"""Time as an argument: everything but bootstrap is given a clock and never reads the system's."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present instant, aware, in UTC."""


def system_clock() -> datetime:
    """The machine's clock; only bootstrap passes it on."""
    return datetime.now(UTC)


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC with Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
