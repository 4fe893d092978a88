"""What goes wrong on demand. Shares are drawn from one seeded sequence for each fault, so that a run can be repeated."""

import random
from typing import Any, Final

import msgspec

from regulars.channels.simulator.answers import ControlInvalid

SLOW_MS_MAX: Final = 600_000
QUOTA_MAX: Final = 1_000_000_000


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shares are from 0 to 1 of all requests to a platform; None and 0 switch a fault off, but a quota of 0 is none left.

    Not handled: `status_500`, `rate_limited`. Handled, and the caller does not learn of it: `status_500_handled`,
    `lose_reply` (the connection is closed), `timeout` (the connection stays open and silent).
    """

    lose_reply: float = 0
    status_500: float = 0
    status_500_handled: float = 0
    timeout: float = 0
    rate_limited: float = 0
    slow_ms: float = 0
    quota: int | None = None
    rate_per_second: float | None = None
    published_rates: bool = False
    seed: int = 1

    @property
    def is_quiet(self) -> bool:
        """Nothing is drawn and nothing waits."""
        return not (
            self.lose_reply
            or self.status_500
            or self.status_500_handled
            or self.timeout
            or self.rate_limited
            or self.slow_ms
        )


SHARES: Final = ("lose_reply", "status_500", "status_500_handled", "timeout", "rate_limited")


def change_faults(faults: Faults, changes: dict[str, Any]) -> Faults:
    """The faults with those named replaced. Raises: ControlInvalid, which names the fault."""
    unknown = sorted(set(changes) - set(Faults.__struct_fields__))
    if unknown:
        known = ", ".join(Faults.__struct_fields__)
        raise ControlInvalid(f"there is no fault {unknown[0]!r}; there are {known}", path=unknown[0])
    for name, value in changes.items():
        _check_fault(name, value)
    merged = {**msgspec.structs.asdict(faults), **changes}
    for name in (*SHARES, "slow_ms"):
        merged[name] = merged[name] or 0
    return msgspec.convert(merged, Faults)


def _check_fault(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    low, high = 0.0, 1.0 if name in SHARES else SLOW_MS_MAX if name == "slow_ms" else float(QUOTA_MAX)
    if name == "published_rates":
        good = isinstance(value, bool)
        wanted = "true or false"
    elif name == "seed":
        good, wanted = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif name == "quota":
        good = value is None or (isinstance(value, int) and is_number and low <= value <= high)
        wanted = "a whole number of messages, 0 or more, or null for no quota"
    else:
        good = value is None or (is_number and low <= float(str(value)) <= high)
        wanted = f"a number from 0 to {high:,.0f}, or null"
    if not good:
        raise ControlInvalid(f"{name} is {wanted}, not {value!r:.40}", path=name)


class Dice:
    """One sequence for each fault: what one fault draws does not change what another does."""

    def __init__(self, seed: int) -> None:
        self._sequences = {name: random.Random(f"{seed}/{name}") for name in SHARES}

    def falls(self, name: str, share: float) -> bool:
        """Whether this request has the fault."""
        return share > 0 and self._sequences[name].random() < share
