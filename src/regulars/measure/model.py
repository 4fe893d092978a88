"""What is counted of a campaign: cells of members who were exposed alike, and what they did in the goal's window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.estimating.moments import Counts, Moments

Control = Literal["campaign", "global"]
ARMS: Final = (None, "campaign", "global")
"""Treated first; the others are withheld by that arm."""


@dataclass(frozen=True, slots=True)
class Exposures:
    """Everybody who was to be treated or withheld. Shape: all (deliveries,). Units: `instant` in µs since 1970.

    `own` is the member it was made for, `member_no` who that is now; `plan` 0 is none; `arm` is a place in ARMS, `variant` one in `variants`, -1 for none.
    """

    member_no: NDArray[np.int32]
    own: NDArray[np.int64]
    instant: NDArray[np.int64]
    plan: NDArray[np.int64]
    arm: NDArray[np.int8]
    variant: NDArray[np.int16]
    holdout: NDArray[np.float64]
    variants: tuple[str, ...]

    @property
    def control(self) -> Control | None:
        """Whom the campaign as a whole is held against: its own wherever it ever had one. None where nobody was exposed."""
        if not len(self.instant):
            return None
        return "campaign" if (self.holdout > 0).any() else "global"


@dataclass(frozen=True, slots=True)
class Draw:
    """One lot that was drawn: a plan's, or of a month (YYYYMM) in which the campaign was set off; at one holdout."""

    plan_id: int | None
    month: int | None
    holdout: float

    @property
    def control(self) -> Control:
        """Which arm was drawn here: the campaign's own wherever it has one."""
        return "campaign" if self.holdout > 0 else "global"


@dataclass(frozen=True, slots=True)
class Lot:
    """Members of one draw as they were drawn, before any merge: those whose first draw it is, or the others."""

    draw: Draw
    is_first: bool
    treated: int
    withheld: int


@dataclass(frozen=True, slots=True)
class Arm:
    """What members of one arm did. Units: revenue in the brand's currency, `spent` is its moments a member."""

    members: int = 0
    converted: int = 0
    revenue: Decimal = Decimal(0)
    spent: Moments = field(default_factory=Moments)

    @property
    def counts(self) -> Counts:
        return Counts(self.members, self.converted)

    def __add__(self, other: "Arm") -> "Arm":
        return Arm(
            self.members + other.members,
            self.converted + other.converted,
            self.revenue + other.revenue,
            self.spent + other.spent,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """Members of one draw, arm and variant. `is_first`: it is the first draw they were in, of those with the campaign's control;
    `last_at`: when the last was."""

    draw: Draw
    is_first: bool
    is_treated: bool
    variant: str | None
    arm: Arm
    last_at: datetime


def add_arms(cells: Iterable[Cell], *, treated: bool) -> Arm:
    """All members of one side."""
    return sum((cell.arm for cell in cells if cell.is_treated is treated), Arm())


def list_draws(cells: Sequence[Cell]) -> list[tuple[Draw, Arm, Arm]]:
    """Each draw with its treated and its withheld, in the order of plans, then months."""
    found: dict[Draw, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.draw, []).append(cell)
    ordered = sorted(found, key=lambda one: (one.plan_id or 0, one.month or 0, one.holdout))
    return [(one, add_arms(found[one], treated=True), add_arms(found[one], treated=False)) for one in ordered]


@dataclass(frozen=True, slots=True)
class Attributed:
    """Goal events whose last message of any campaign, within the brand's window, was this campaign's."""

    within: str
    conversions: int
    members: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Measured:
    """All that was counted. `last_at`: when the last member was exposed; `lots`: of draws with a holdout of their own."""

    cells: tuple[Cell, ...]
    mixed_members: int
    last_at: datetime | None
    within: timedelta
    attributed: Attributed | None = None
    lots: tuple[Lot, ...] = ()
