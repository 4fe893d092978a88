"""Whether predicted probabilities come true: of those told 20 %, does one in five?

Used for P(goal | not contacted): predicted from one window of history, held against the next.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.estimating.intervals import LEVEL, wilson_interval

BINS_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Members whose prediction lies in [lower, upper]: what was predicted, what came, and the interval of that."""

    lower: float
    upper: float
    members: int
    predicted: float
    observed: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """``brier`` is the mean squared error; ``brier_of_base`` that of telling everybody the average.

    ``error`` is the expected calibration error: the mean distance of observed from predicted, by members.
    """

    bins: tuple[Bin, ...]
    members: int
    predicted: float
    observed: float
    brier: float
    brier_of_base: float
    error: float

    @property
    def skill(self) -> float | None:
        """Which share of the average's error the predictions save; None where all or nobody did it."""
        return 1 - self.brier / self.brier_of_base if self.brier_of_base > 0 else None


def calibrate(
    predicted: NDArray[Any], happened: NDArray[Any], *, bins_max: int = BINS_MAX, level: float = LEVEL
) -> Calibration:
    """The calibration table: bins of about equally many members, equal predictions never parted.

    Shape: both (members,). Raises: ValueError for nobody, or predictions outside 0 and 1.
    """
    p, y = np.asarray(predicted, dtype=np.float64), np.asarray(happened, dtype=np.float64)
    if p.shape != y.shape or p.ndim != 1 or not p.size:
        raise ValueError(f"predictions of shape {p.shape} and outcomes of shape {y.shape} must be one a member")
    if not np.all((p >= 0) & (p <= 1)) or not np.all((y == 0) | (y == 1)):
        raise ValueError("predictions lie between 0 and 1, outcomes are 0 or 1")
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins_max + 1)[1:-1], method="lower"))
    places = np.searchsorted(edges, p, side="left")
    counts = np.bincount(places)
    used = np.flatnonzero(counts)
    members, came = counts[used], np.bincount(places, y)[used]
    told = np.bincount(places, p)[used] / members
    low, high = wilson_interval(came, members, level=level)
    order = np.argsort(p, kind="stable")
    ends = np.cumsum(members)
    bins = tuple(
        Bin(
            float(p[order[end - count]]),
            float(p[order[end - 1]]),
            int(count),
            float(mean),
            float(hits / count),
            (float(least), float(most)),
        )
        for end, count, mean, hits, least, most in zip(ends, members, told, came, low, high, strict=True)
    )
    base = float(y.mean())
    return Calibration(
        bins=bins,
        members=p.size,
        predicted=float(p.mean()),
        observed=base,
        brier=float(np.mean((p - y) ** 2)),
        brier_of_base=base * (1 - base),
        error=float(np.abs(told - came / members) @ members / p.size),
    )
