"""Rolling caps: how many deliveries a member may get in any window of a length, over all topics or of one.

A window is half-open: what was counted exactly `per` ago is outside. Counted instants may lie behind the new one (clocks
step, deliveries are counted when the gate passes them), so every window that holds the new instant is looked at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RollingCap:
    """At most `most` counted deliveries in any `per`; of one topic, or of all. `is_own`: the member's own wish."""

    most: int
    per: timedelta
    topic: str | None = None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """A delivery that counts against caps: when, of which topic, and by what it would be told again."""

    at: datetime
    topic: str | None
    delivery_id: int
    key: str


def count_with(counted: Sequence[Counted], cap: RollingCap, at: datetime) -> int:
    """The most that any window of the cap would hold if one more were counted at `at`, that one included."""
    near = sorted(
        one.at
        for one in counted
        if (cap.topic is None or one.topic == cap.topic) and at - cap.per < one.at < at + cap.per
    )
    ends = [at, *(instant for instant in near if instant > at)]
    return max(1 + sum(1 for instant in near if end - cap.per < instant <= end) for end in ends)


def find_exceeded(
    counted: Sequence[Counted], caps: Sequence[RollingCap], topic: str | None, at: datetime
) -> tuple[RollingCap, int] | None:
    """The first cap that one more delivery of this topic at `at` would break, and what it would hold then."""
    for cap in caps:
        if cap.topic is not None and cap.topic != topic:
            continue
        held = count_with(counted, cap, at)
        if held > cap.most:
            return cap, held
    return None
