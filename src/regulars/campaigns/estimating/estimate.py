"""How members respond, cell by cell, where most cells have seen few: rates and lifts drawn towards what all cells say.

A cell is a segment on a channel; what that is, the caller decides. Until something is measured an estimate rests on an
assumption, and says so: ``Basis.ASSUMED`` until the cell was measured and measurements outweigh the assumption.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

import numpy as np
import scipy
from numpy.typing import NDArray
from scipy.special import betaln, expit, logit

from regulars.campaigns.estimating.moments import Floats

ASSUMED_MEMBERS: Final = 20.0
"""How many members an assumed rate is worth beside measured ones."""

WORTH_MIN: Final = 2.0
WORTH_LOG_DEVIATION: Final = 1.5
RATE_MIN: Final = 1e-6
MEASURED_WEIGHT_MIN: Final = 0.5


class Basis(StrEnum):
    """What an estimate mostly rests on."""

    ASSUMED = "assumed"
    MEASURED = "measured"


@dataclass(frozen=True, slots=True)
class Estimates:
    """Posterior of each cell. Shape: all (cells,).

    ``weight``: how much of the estimate rests on measurements, here and in other cells, and not on the assumption.
    """

    mean: Floats
    variance: Floats
    weight: Floats
    is_measured: NDArray[np.bool_]

    @property
    def basis(self) -> list[Basis]:
        """Measured where the cell has a measurement of its own, and measurements at least half of the weight."""
        is_measured = self.is_measured & (self.weight >= MEASURED_WEIGHT_MIN)
        return [Basis.MEASURED if one else Basis.ASSUMED for one in is_measured]


@dataclass(frozen=True, slots=True)
class RateEstimates(Estimates):
    """Rates, and the Beta prior they were drawn towards: its mean, and how many members it is worth."""

    prior_mean: float
    prior_members: float


@dataclass(frozen=True, slots=True)
class LiftEstimates(Estimates):
    """Lifts, by how much measurements moved the assumption as a whole, and the spread of cells around that."""

    shift: float
    spread: float


def estimate_rates(
    members: NDArray[Any], converted: NDArray[Any], *, assumed_rate: float, assumed_members: float = ASSUMED_MEMBERS
) -> RateEstimates:
    """Rate of each cell: Beta-binomial, its prior found from all cells together (empirical Bayes).

    The assumption is worth ``assumed_members`` members in the prior's mean, and is a first guess, good to a factor of
    about four, of how many members the prior is worth: what the cells show soon outweighs both. The prior is never worth
    more than all members seen: cells that happen to agree are not known to be equal.
    Raises: ValueError for counts that cannot be or an assumed rate outside 0 and 1.
    Source: Gelman et al., Bayesian Data Analysis, 3rd ed., 5.1–5.3, at the posterior's mode.
    """
    n, x = _check_counts(members, converted)
    if not 0 < assumed_rate < 1:
        raise ValueError(f"an assumed rate of {assumed_rate} must lie between 0 and 1")
    mean, worth = _fit_prior(n, x, assumed_rate, assumed_members)
    alpha, beta = mean * worth + x, (1 - mean) * worth + n - x
    total = alpha + beta
    return RateEstimates(
        mean=alpha / total,
        variance=alpha * beta / (total**2 * (total + 1)),
        weight=1 - worth / total * assumed_members / (assumed_members + n.sum()),
        is_measured=n > 0,
        prior_mean=mean,
        prior_members=worth,
    )


def _fit_prior(n: Floats, x: Floats, assumed_rate: float, assumed_members: float) -> tuple[float, float]:
    """Mean of the Beta prior, and how many members it is worth, likeliest under these counts and the assumption."""

    def loss(point: Floats) -> float:
        return -prior_log_density(n, x, float(expit(point[0])), float(np.exp(point[1])), assumed_rate, assumed_members)

    least, most = np.log(WORTH_MIN), np.log(max(WORTH_MIN, n.sum() + assumed_members))
    edge = float(logit(1 - RATE_MIN))
    bounds = [(-edge, edge), (float(least), float(most))]
    pooled = (x.sum() + assumed_rate * assumed_members) / (n.sum() + assumed_members)
    middle = float(np.clip(np.log(assumed_members), least, most))
    # From both ends too: the density may have two humps, few that differ or many that are alike.
    starts = [(float(logit(pooled)), worth) for worth in (float(least), middle, float(most))]
    search = cast("Any", scipy).optimize.minimize
    found: list[Any] = [search(loss, one, method="L-BFGS-B", bounds=bounds) for one in starts]
    best = min(found, key=_loss_of)
    return float(expit(best.x[0])), float(np.exp(best.x[1]))


def prior_log_density(
    n: Floats, x: Floats, mean: float, worth: float, assumed_rate: float, assumed_members: float
) -> float:
    """Logarithm, up to a constant, of how likely a prior is: by the cells' counts, and by the assumption."""
    alpha, beta = mean * worth, (1 - mean) * worth
    by_cells = float(np.sum(betaln(alpha + x, beta + n - x) - betaln(alpha, beta)))
    by_mean = assumed_members * (assumed_rate * np.log(mean) + (1 - assumed_rate) * np.log1p(-mean))
    by_worth = -0.5 * (np.log(worth / assumed_members) / WORTH_LOG_DEVIATION) ** 2
    return float(by_cells + by_mean + by_worth)


def _loss_of(found: Any) -> float:
    return float(found.fun)


@dataclass(frozen=True, slots=True)
class MeasuredCells:
    """Counts of treated and withheld by cell; zeros where nothing was measured. Shape: all (cells,)."""

    treated: NDArray[Any]
    treated_converted: NDArray[Any]
    withheld: NDArray[Any]
    withheld_converted: NDArray[Any]


def assume_lifts(base_rates: Floats, *, share: float) -> Floats:
    """The assumption where no experiment has spoken: a stated share of the need that is not already certain."""
    return share * (1 - base_rates)


def estimate_lifts(
    cells: MeasuredCells, assumed: Floats, *, doubt: float | None = None, scale: Floats | None = None
) -> LiftEstimates:
    """Lift of each cell: what was measured there, drawn towards what all cells show, and that towards the assumption.

    ``doubt``: standard deviation of the assumption as a whole [half of it: that it is above zero is hardly in doubt]. A cell where treated
    or withheld are missing has no measurement of its own: other cells still move it, and it stays assumed. ``scale``: what one
    unit of a lift is in each cell, as a difference of rates [1].
    Source: DerSimonian, Laird, "Meta-analysis in clinical trials", 1986, for the spread between cells; normal-normal
    posterior as in Gelman et al., Bayesian Data Analysis, 3rd ed., 5.4–5.5.
    """
    n1, x1 = _check_counts(cells.treated, cells.treated_converted)
    n0, x0 = _check_counts(cells.withheld, cells.withheld_converted)
    assumed = np.asarray(assumed, dtype=np.float64)
    if len({n1.shape, n0.shape, assumed.shape}) != 1:
        raise ValueError(f"cells of treated {n1.shape}, withheld {n0.shape} and assumed {assumed.shape} differ")
    prior_variance = (doubt if doubt is not None else float(np.mean(np.abs(assumed))) / 2) ** 2
    is_measured = (n1 > 0) & (n0 > 0)
    if not is_measured.any():
        nothing = np.zeros_like(assumed)
        return LiftEstimates(assumed, np.full_like(assumed, prior_variance), nothing, is_measured, 0.0, 0.0)
    unit = np.ones_like(assumed) if scale is None else np.asarray(scale, dtype=np.float64)
    error = np.where(is_measured, _error_variance(n1, x1, n0, x0) / unit**2, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = np.where(is_measured, (x1 / n1 - x0 / n0) / unit - assumed, 0.0)
    spread = _spread_between(residual[is_measured], error[is_measured])
    precision = 1 / (error + spread)
    total = precision.sum() + (1 / prior_variance if prior_variance > 0 else np.inf)
    shift, shift_variance = float(precision @ residual / total), float(1 / total)
    own = spread / (spread + error)
    return LiftEstimates(
        mean=assumed + shift + own * (residual - shift),
        variance=(1 - own) ** 2 * shift_variance + spread * (1 - own),
        weight=own + (1 - own) * precision.sum() / total,
        is_measured=is_measured,
        shift=shift,
        spread=float(np.sqrt(spread)),
    )


def _error_variance(n1: Floats, x1: Floats, n0: Floats, x0: Floats) -> Floats:
    """Sampling variance of a difference of rates, at rates drawn half a conversion inwards: none in few is not certain."""
    p1, p0 = (x1 + 0.5) / (n1 + 1), (x0 + 0.5) / (n0 + 1)
    with np.errstate(divide="ignore"):
        return p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0


def _spread_between(residual: Floats, error: Floats) -> float:
    """Variance between cells beyond what sampling explains; 0 of a single cell."""
    if residual.size < 2:
        return 0.0
    weight = 1 / error
    centre = weight @ residual / weight.sum()
    excess = float(weight @ (residual - centre) ** 2) - (residual.size - 1)
    return max(0.0, excess / float(weight.sum() - (weight @ weight) / weight.sum()))


def _check_counts(members: NDArray[Any], converted: NDArray[Any]) -> tuple[Floats, Floats]:
    """Both as floats. Raises: ValueError unless 0 ≤ converted ≤ members everywhere."""
    n, x = np.asarray(members, dtype=np.float64), np.asarray(converted, dtype=np.float64)
    if n.shape != x.shape or n.ndim != 1 or not np.all((x >= 0) & (x <= n)):
        raise ValueError("every cell needs a number of members and no more converted than that")
    return n, x
