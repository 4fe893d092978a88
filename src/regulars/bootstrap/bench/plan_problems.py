"""The problems that `bench plan` solves: ten campaigns, three channels, a cap of two, made as they were first measured.

base     values of a gamma distribution, the channels' quotas bind
tight    heavy tails, quotas of a tenth of the members
hard     campaigns uneven and correlated; all quotas and nearly all sizes bind
scarce   a member's channels stand in for each other: who is worth much is worth it on each
"""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner import Campaign, Cap, Channel, Problem
from regulars.messaging.prices import PricePlan, PriceStep

KINDS: Final = ("base", "tight", "hard", "scarce")
CAMPAIGNS: Final = 10
CHANNELS: Final = 3
CAP: Final = 2
PRICES: Final = ("0.20", "0", "0.02")
REACHED: Final = (0.9, 0.35, 0.6)
DAY: Final = date(2026, 11, 1)

Values = NDArray[np.floating[Any]]


def make_problem(kind: str, members: int, *, seed: int = 0) -> Problem:
    """A problem of one kind; the same seed gives the same one."""
    random = np.random.default_rng(seed)
    worth = random.gamma(0.6, 1.0, (members, CAMPAIGNS)).astype(np.float32)
    response = random.beta(2, 18, (members, CHANNELS)).astype(np.float32)
    reached = random.random((members, CHANNELS)) < np.array(REACHED)
    quotas, sizes = np.array([0.4, 0.3, 0.5]), np.full(CAMPAIGNS, 0.15)
    if kind == "tight":
        worth *= random.lognormal(-1.125, 1.5, (members, 1)).astype(np.float32)
        quotas, sizes = np.full(CHANNELS, 0.1), np.full(CAMPAIGNS, 0.05)
    elif kind == "hard":
        worth *= random.lognormal(-0.32, 0.8, (members, 1)).astype(np.float32)
        worth *= np.geomspace(0.4, 2.5, CAMPAIGNS).astype(np.float32)[random.permutation(CAMPAIGNS)]
        quotas = np.array([0.25, 0.15, 0.3])
        sizes = np.linspace(0.03, 0.12, CAMPAIGNS)[np.random.default_rng(99).permutation(CAMPAIGNS)]
    elif kind == "scarce":
        response = random.beta(2, 18, (members, 1)).astype(np.float32) * np.array([1, 0.95, 0.9], dtype=np.float32)
        quotas = np.array([0.1, 0.5, 0.5])
    return _limit(_value(worth, response, reached), quotas * members, sizes * members)


def _value(worth: Values, response: Values, reached: NDArray[np.bool_]) -> Values:
    """[campaign, channel, member]; written campaign by campaign, so that no second copy is needed."""
    members = len(worth)
    values = np.empty((CAMPAIGNS, CHANNELS, members), dtype=np.float32)
    for campaign in range(CAMPAIGNS):
        for channel in range(CHANNELS):
            row = worth[:, campaign] * response[:, channel] * np.float32(10)
            values[campaign, channel] = np.where(reached[:, channel], row, -np.inf)
    return values


def _limit(values: Values, quotas: NDArray[np.float64], sizes: NDArray[np.float64]) -> Problem:
    channels = tuple(
        Channel(
            f"channel-{at}", (PricePlan("all", DAY, None, Decimal(0), 0, (PriceStep(int(quota), Decimal(price)),)),)
        )
        for at, (quota, price) in enumerate(zip(quotas, PRICES, strict=True))
    )
    campaigns = tuple(Campaign(f"campaign-{at}", size_max=int(size)) for at, size in enumerate(sizes))
    remaining = np.full(values.shape[2], CAP, dtype=np.int16)
    return Problem(campaigns, channels, values, (Cap(None, remaining),))
