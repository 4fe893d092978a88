"""How often 95 % intervals cover the truth, when arms and responses are drawn again and again.

One experiment shows one interval, which covers or does not. Here the members' own outcomes are taken as they are, arms
are drawn a thousand times, and responses by a stated model where there is one: the share of intervals that cover must
be near 95 %. The functions of ``intervals`` are those that tell a campaign's lift.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.estimating.intervals import LEVEL, Compared, compare_rates, compare_welch
from regulars.campaigns.estimating.moments import Floats

REDRAWS: Final = 1_000
CELLS_MAX: Final = 4_000_000
"""Redraws times members worked on at once: bounds memory to a few hundred megabytes."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What members did without any effect. Shape: all (members,).

    ``targeted`` tells who was planned to be treated or withheld [everybody]; of the others only their arm exists.
    """

    converted: NDArray[np.bool_]
    revenue: Floats
    targeted: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shapes = {self.converted.shape, self.revenue.shape}
        shapes |= set() if self.targeted is None else {self.targeted.shape}
        if len(shapes) != 1 or self.converted.ndim != 1:
            raise ValueError(f"outcomes must be one value a member, not of shapes {shapes}")


@dataclass(frozen=True, slots=True)
class Response:
    """A stated model: a treated member responds with this probability, which converts it and adds this revenue.

    Shape: a number, or one a member.
    """

    probability: float | Floats
    revenue: float | Floats = 0.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of intervals that cover the truth, the truth, and the mean estimate and interval length."""

    covered: float
    truth: float
    mean_estimate: float
    mean_length: float
    redraws: int
    unknown: int
    """Redraws whose arms allowed no interval; they count as not covered."""


@dataclass(frozen=True, slots=True)
class Study:
    """Coverage of the lift of conversions and of revenue a member."""

    conversions: Coverage
    revenue: Coverage


def study_coverage(
    outcomes: Outcomes,
    *,
    withheld_share: float,
    seed: int,
    response: Response | None = None,
    redraws: int = REDRAWS,
    level: float = LEVEL,
) -> Study:
    """Draw arms, and responses where a model is given, ``redraws`` times; the same seed gives the same figures.

    Raises: ValueError for a share outside 0 and 1 or nobody targeted.
    """
    count = outcomes.converted.size
    targeted = np.ones(count, dtype=bool) if outcomes.targeted is None else outcomes.targeted.astype(bool)
    if not 0 < withheld_share < 1 or not targeted.any():
        raise ValueError(f"a share of {withheld_share} withheld among {int(targeted.sum())} targeted compares nothing")
    model = response or Response(0.0)
    arms_random, response_random = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    rows = max(1, CELLS_MAX // count)
    conversions: list[Compared] = []
    revenues: list[Compared] = []
    for start in range(0, redraws, rows):
        shape = (min(rows, redraws - start), count)
        is_withheld = arms_random.random(shape, dtype=np.float32) < withheld_share
        responds = response_random.random(shape, dtype=np.float32) < np.asarray(model.probability) if response else None
        by_rate, by_mean = _compare_draws(outcomes, targeted, is_withheld, responds, model, level)
        conversions.append(by_rate)
        revenues.append(by_mean)
    probability = np.broadcast_to(np.asarray(model.probability, dtype=np.float64), count)
    added = probability * np.broadcast_to(np.asarray(model.revenue, dtype=np.float64), count)
    of_rate = float(np.mean((probability * ~outcomes.converted.astype(bool))[targeted]))
    return Study(_summarise(conversions, of_rate), _summarise(revenues, float(np.mean(added[targeted]))))


def _compare_draws(
    outcomes: Outcomes,
    targeted: NDArray[np.bool_],
    is_withheld: NDArray[np.bool_],
    responds: NDArray[np.bool_] | None,
    model: Response,
    level: float,
) -> tuple[Compared, Compared]:
    """One comparison a draw. Shape: ``is_withheld`` and ``responds`` are (draws, members)."""
    treated = targeted & ~is_withheld
    # Withheld of the same plan: others held out were never meant to get it, and may be quite different members.
    withheld = targeted & is_withheld
    converted = outcomes.converted.astype(np.float64)
    # Less their mean: a sum of squares then loses no digits, and no difference changes.
    middle = float(outcomes.revenue.mean())
    revenue = outcomes.revenue.astype(np.float64) - middle
    withheld_sums = _sums(withheld, converted, revenue)
    treated_sums = _sums(treated, converted, revenue)
    if responds is not None:
        moved = treated & responds
        added = np.broadcast_to(np.asarray(model.revenue, dtype=np.float64), revenue.shape)
        new, plus, squares = _products(moved, 1 - converted, added, 2 * revenue * added + added * added)
        treated_sums = (treated_sums[0], treated_sums[1] + new, treated_sums[2] + plus, treated_sums[3] + squares)
    by_rate, _ = compare_rates(treated_sums[0], treated_sums[1], withheld_sums[0], withheld_sums[1], level=level)
    return by_rate, compare_welch(*_moments(treated_sums), *_moments(withheld_sums), level=level)


def _sums(chosen: NDArray[np.bool_], converted: Floats, revenue: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Members, converted, revenue and its squares of the chosen, by draw."""
    members, conversions, total, squares = _products(chosen, np.ones_like(revenue), converted, revenue, revenue**2)
    return members, np.rint(conversions), total, squares


def _products(chosen: NDArray[np.bool_], *columns: Floats) -> tuple[Floats, ...]:
    return tuple((chosen.astype(np.float64) @ np.column_stack(columns)).T)


def _moments(sums: tuple[Floats, Floats, Floats, Floats]) -> tuple[Floats, Floats, Floats]:
    members, _, total, squares = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / members
        return members, mean, np.maximum(squares - members * mean**2, 0) / (members - 1)


def _summarise(found: list[Compared], truth: float) -> Coverage:
    low, high, estimate = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("low", "high", "difference")
    )
    known: Any = np.isfinite(low) & np.isfinite(high)
    covers = known & (low <= truth) & (truth <= high)
    return Coverage(
        covered=float(covers.mean()),
        truth=truth,
        mean_estimate=float(np.nanmean(estimate)) if known.any() else float("nan"),
        mean_length=float((high - low)[known].mean()) if known.any() else float("nan"),
        redraws=low.size,
        unknown=int((~known).sum()),
    )
