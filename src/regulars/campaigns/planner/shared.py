"""The limits that members share, each with a price: quotas with their price plans, campaign sizes, budgets.

A shared limit takes so much of each assignment and has a convex cost of its total: a price plan's steps, or nothing between a
least and a most. Its dual price is the cost's slope there; `conjugate` is the limit's side of the dual function

    bound(prices) = Σ members' best net gain at these prices + Σ limits' conjugate(price),

which is above every plan's objective whatever the prices are. A *branch* fixes what makes costs not convex: the piece of each
channel's price plan, and whether a campaign with a least size is kept or dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner.model import MICROS, VALUE_MAX, Floats, Problem, to_micros
from regulars.campaigns.planner.pricing import Piece

# The price of a campaign that is dropped: nothing is worth it. Representable in float32, and whole micros of it in float64.
DROPPED: Final = 1e9
# Above any value: a price that wants to rise further belongs to a least size that cannot be reached.
PRICE_MAX: Final = 4 * VALUE_MAX

Prices: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Branch:
    """One convex case: a piece for each channel, and what happens to campaigns with a least size."""

    pieces: tuple[Piece, ...]
    kept: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()

    @property
    def fee_micros(self) -> int:
        """Fees of the plans, where there was a choice."""
        return sum(piece.fee_micros for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Limit:
    """One shared limit: `weights` [campaign, channel] is what an assignment takes of it.

    The cost of a total between `breaks[i]` and `breaks[i + 1]` rises by `kinks[i]` a unit; beyond the breaks it may not be.
    """

    name: str
    weights: Floats
    breaks: Floats
    kinks: Floats
    base: float = 0.0

    def conjugate(self, price: float) -> float:
        """max over totals of total × price − cost(total), in the currency."""
        above = np.maximum(price - self.kinks, 0.0)
        # An endless last step has no gain at or below its price, and is never asked above it.
        gain = np.multiply(above, np.diff(self.breaks), out=np.zeros_like(above), where=above > 0)
        return float(self.breaks[0] * price - self.base + gain.sum())

    def slopes(self, price: float) -> tuple[float, float]:
        """The least and the most total that is best at a price; they differ at a kink."""
        left = int(np.searchsorted(self.kinks, price, side="left"))
        right = int(np.searchsorted(self.kinks, price, side="right"))
        return float(self.breaks[left]), float(self.breaks[right])

    def span(self, price: float) -> tuple[float, float]:
        """The kinks around a price, itself left out: how far it may move while the slope stays."""
        left = int(np.searchsorted(self.kinks, price, side="left"))
        right = int(np.searchsorted(self.kinks, price, side="right"))
        low = float(self.kinks[left - 1]) if left else -np.inf
        return low, float(self.kinks[right]) if right < len(self.kinks) else np.inf

    def cost_at(self, price: float) -> float:
        """What one more message really costs where this is the dual price; nothing for sizes and budgets."""
        below = int(np.searchsorted(self.kinks, price, side="right")) - 1
        return float(self.kinks[max(0, below)])

    @property
    def most(self) -> float:
        """What may never be exceeded."""
        return float(self.breaks[-1])


@dataclass(frozen=True, slots=True)
class Shared:
    """The limits of a branch. `fixed` [campaign, channel] are prices that no total moves."""

    limits: tuple[Limit, ...]
    fixed: Floats
    weights: NDArray[np.float64] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """quota:CHANNEL, size:CAMPAIGN, budget:CAMPAIGN."""
        return tuple(limit.name for limit in self.limits)

    @property
    def flat(self) -> Floats:
        """The weights [limit, cell]."""
        return self.weights.reshape(len(self.limits), self.fixed.size)

    def theta(self, prices: Floats) -> Floats:
        """What an assignment pays in all, by campaign and channel."""
        return self.fixed + np.tensordot(prices, self.weights, axes=1)

    def use(self, counts: Floats) -> Floats:
        """What so many assignments take of each limit."""
        return np.tensordot(self.weights, counts, axes=2)

    def conjugate(self, prices: Floats) -> float:
        """Of all limits."""
        return sum(limit.conjugate(float(price)) for limit, price in zip(self.limits, prices, strict=True))

    def real_costs(self, prices: Floats) -> Floats:
        """What an assignment really costs where these are the dual prices, by campaign and channel; DROPPED more where dropped."""
        costs = [limit.cost_at(float(price)) for limit, price in zip(self.limits, prices, strict=True)]
        return self.theta(np.array(costs))

    def scaled(self, factor: float) -> "Shared":
        """The limits of a sample of the members."""
        limits = [
            Limit(one.name, one.weights, one.breaks * factor, one.kinks, one.base * factor) for one in self.limits
        ]
        return Shared(tuple(limits), self.fixed, self.weights)

    def start(self, warm: Prices | None) -> Floats:
        """The prices to begin with: those of a plan before, or the lowest."""
        first = [float(limit.kinks[0]) for limit in self.limits]
        if warm is not None:
            first = [warm.get(limit.name, price) for limit, price in zip(self.limits, first, strict=True)]
        return self.legal(np.array(first))

    def legal(self, prices: Floats) -> Floats:
        """The nearest prices that have a meaning: a limit without an end has no price above its last."""
        lows = [-PRICE_MAX if limit.breaks[0] > 0 else float(limit.kinks[0]) for limit in self.limits]
        highs = [PRICE_MAX if np.isfinite(limit.most) else float(limit.kinks[-1]) for limit in self.limits]
        return np.clip(prices, lows, highs) if len(prices) else prices

    def in_micros(self, prices: Floats) -> Floats:
        """Prices as whole micros: what is published, and what the bound is computed at."""
        return self.legal(np.rint(prices * MICROS) / MICROS)


def share_limits(problem: Problem, branch: Branch, audience: NDArray[np.int64]) -> Shared:
    """The limits of one branch; `audience` is how many members a campaign can reach at all."""
    campaigns, channels = len(problem.campaigns), len(problem.channels)
    shares = problem.shares
    fixed = np.zeros((campaigns, channels))
    limits: list[Limit] = []
    for k, (channel, piece) in enumerate(zip(problem.channels, branch.pieces, strict=True)):
        weights = np.zeros((campaigns, channels))
        weights[:, k] = shares
        if piece.breaks[0] == 0 and np.isinf(piece.breaks[-1]) and len(piece.prices) == 1:
            fixed += weights * (piece.prices[0] / MICROS)
            continue
        kinks = np.array(piece.prices, dtype=np.float64) / MICROS
        breaks = np.array(piece.breaks, dtype=np.float64)
        limits.append(Limit(f"quota:{channel.name}", weights, breaks, kinks, piece.base_micros / MICROS))
    for c in range(campaigns):
        if c in branch.dropped:
            fixed[c] += DROPPED
            continue
        limits.extend(_limit_campaign(problem, branch, c, float(audience[c])))
    stacked = np.array([limit.weights for limit in limits]).reshape(len(limits), campaigns, channels)
    return Shared(tuple(limits), fixed, stacked)


def _limit_campaign(problem: Problem, branch: Branch, at: int, audience: float) -> list[Limit]:
    campaign, shape = problem.campaigns[at], (len(problem.campaigns), len(problem.channels))
    limits: list[Limit] = []
    least = campaign.size_min if at in branch.kept else 0
    most = np.inf if campaign.size_max is None else campaign.size_max
    if least > 0 or most < audience * campaign.going_share:
        weights = np.zeros(shape)
        weights[at] = campaign.going_share
        # More than all it can reach is as good as no end, and keeps the arithmetic finite.
        breaks = np.array([least, max(least, min(most, audience))], dtype=np.float64)
        limits.append(Limit(f"size:{campaign.name}", weights, breaks, np.zeros(1)))
    charges = np.array([piece.charge_micros / MICROS for piece in branch.pieces])
    if campaign.budget is not None and charges.max(initial=0.0) > 0:
        weights = np.zeros(shape)
        weights[at] = campaign.going_share * charges
        budget = to_micros(campaign.budget, "budget") / MICROS
        limits.append(Limit(f"budget:{campaign.name}", weights, np.array([0.0, budget]), np.zeros(1)))
    return limits
