"""How many members a difference needs to show, and how small a difference these members can show.

Normal theory with each arm's own variance. It plans; what was found is told by ``lift``.
"""

import math
from dataclasses import dataclass
from typing import Final

from scipy.special import ndtri

from regulars.campaigns.estimating.intervals import LEVEL

POWER: Final = 0.8
MEMBERS_MAX: Final = 10**12
"""More than there are people: beyond it no number is told."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of one member's outcome in each arm, and the share of members that is withheld."""

    treated_variance: float
    withheld_variance: float
    withheld_share: float

    @property
    def of_one(self) -> float:
        """Variance of the difference times the members of both arms."""
        return self.treated_variance / (1 - self.withheld_share) + self.withheld_variance / self.withheld_share


def rate_spread(base_rate: float, effect: float, withheld_share: float) -> Spread:
    """Of members who convert or not, at ``base_rate`` when withheld and ``base_rate + effect`` when treated."""
    treated = min(max(base_rate + effect, 0.0), 1.0)
    return Spread(treated * (1 - treated), base_rate * (1 - base_rate), withheld_share)


def find_members_needed(spread: Spread, effect: float, *, power: float = POWER, level: float = LEVEL) -> int | None:
    """Members of both arms together with whom ``effect`` shows with this power; None where no number would do."""
    if not 0 < spread.withheld_share < 1 or not effect or not math.isfinite(effect):
        return None
    needed = (_reach(power, level) / effect) ** 2 * spread.of_one
    # Each arm needs two members to show any spread at all.
    least = 2 / min(spread.withheld_share, 1 - spread.withheld_share)
    return math.ceil(max(needed, least)) if needed <= MEMBERS_MAX else None


def find_detectable_rate(
    base_rate: float, treated: int, withheld: int, *, power: float = POWER, level: float = LEVEL
) -> float | None:
    """The smallest rise over ``base_rate`` that shows with this power before anything is sent.

    None where even a rise to 1 would not, or an arm has no member.
    """
    if treated < 1 or withheld < 1 or not 0 <= base_rate < 1:
        return None
    factor = _reach(power, level) ** 2
    # effect² = factor × ((p + e)(1 − p − e) / treated + p(1 − p) / withheld), solved for e
    square, linear = 1 + factor / treated, -factor * (1 - 2 * base_rate) / treated
    constant = -factor * base_rate * (1 - base_rate) * (1 / treated + 1 / withheld)
    effect = (-linear + math.sqrt(linear * linear - 4 * square * constant)) / (2 * square)
    return effect if 0 < effect <= 1 - base_rate else None


def _reach(power: float, level: float) -> float:
    """By how many standard errors an effect must exceed zero."""
    if not 0 < power < 1 or not 0 < level < 1:
        raise ValueError(f"power {power} and level {level} must lie between 0 and 1")
    return float(ndtri((1 + level) / 2) + ndtri(power))
