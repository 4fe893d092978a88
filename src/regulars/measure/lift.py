"""Lift: what the treated did more than the withheld, how sure that is, and whether more members are needed.

Decides the verdict. It speaks of one look at an experiment that is over: who looks every day and stops at the first
interval without zero is misled more often than one time in twenty. Whom to compare, the caller decides: treated and
withheld must be of one plan, drawn by lot, whatever became of the messages (intent to treat).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from regulars.campaigns.estimating.intervals import (
    CELL_WELCH_MIN,
    LEVEL,
    Compared,
    compare_rates,
    compare_score_strata,
    compare_welch,
    compare_welch_strata,
    ratio_reach,
    ratio_reach_strata,
    weigh_strata,
)
from regulars.campaigns.estimating.moments import Counts, Floats, Moments
from regulars.campaigns.estimating.power import Spread, find_members_needed, rate_spread

SMALLEST_SHARE: Final = 0.2
"""The smallest lift worth knowing of, as a share of what the withheld do, where the caller names none."""

Method = Literal["welch", "score", "cuped"]


class Verdict(StrEnum):
    """What may be said of a lift."""

    NOT_ENOUGH_YET = "not_enough_yet"
    POSITIVE = "positive"
    NEGATIVE = "negative"
    NO_DIFFERENCE_SEEN = "no_difference_seen"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference. ``interval`` and ``p`` are None where nothing varies or an arm has one member.

    Units: those of the outcome a member; ``relative`` is a share of the withheld's mean, None where that is zero.
    ``variance_removed``: which share of the variance the covariate explained.
    """

    treated_mean: float
    withheld_mean: float
    absolute: float
    interval: tuple[float, float] | None
    p: float | None
    level: float
    method: Method
    relative: float | None
    relative_interval: tuple[float, float] | None = None
    variance_removed: float | None = None


@dataclass(frozen=True, slots=True)
class Lift:
    """``estimate`` is None where an arm is empty.

    ``needs_members``: of both arms together, at their present ratio, until the smallest lift worth knowing of shows with
    80 % power; None when the verdict needs no more, or nothing can be said.
    """

    estimate: Estimate | None
    verdict: Verdict
    needs_members: int | None


def compare_counts(
    treated: Counts,
    withheld: Counts,
    *,
    level: float = LEVEL,
    smallest: float | None = None,
    withheld_share: float | None = None,
) -> Lift:
    """Lift of a rate. ``smallest`` is the smallest absolute lift worth knowing of [a fifth of the withheld's rate].

    ``withheld_share`` is the planned one, used while an arm is empty.
    """
    members = treated.members + withheld.members
    share = withheld.members / members if treated.members and withheld.members else withheld_share
    # Half a conversion more: a rate of none in few is not known to be zero, and its need would be no number.
    base = (withheld.converted + 0.5) / (withheld.members + 1)
    if not withheld.members:
        base = (treated.converted + 0.5) / (treated.members + 1)
    effect = smallest or SMALLEST_SHARE * base
    needs = find_members_needed(rate_spread(base, effect, share), effect, level=level) if share else None
    if not treated.members or not withheld.members:
        return Lift(None, Verdict.NOT_ENOUGH_YET, needs)
    found, is_welch = compare_rates(
        treated.members, treated.converted, withheld.members, withheld.converted, level=level
    )
    treated_rate, withheld_rate = treated.converted / treated.members, withheld.converted / withheld.members
    estimate = Estimate(
        treated_rate,
        withheld_rate,
        float(found.difference),
        (float(found.low), float(found.high)),
        float(found.p),
        level,
        "welch" if is_welch else "score",
        treated_rate / withheld_rate - 1 if withheld.converted else None,
        _relative_interval(_rate_moments(treated), _rate_moments(withheld), level) if is_welch else None,
    )
    return _judge(estimate, members, needs)


def compare_counts_by_draw(
    draws: Sequence[tuple[Counts, Counts]], *, level: float = LEVEL, withheld_share: float | None = None
) -> Lift:
    """Lift of a rate where (treated, withheld) were drawn several times, perhaps at other shares among other members.

    Each draw is compared within itself; one with an empty arm tells nothing.
    """
    told = [one for one in draws if one[0].members and one[1].members]
    if len(told) < 2:
        treated, withheld = told[0] if told else (_add_counts([one[at] for one in draws]) for at in (0, 1))
        return compare_counts(treated, withheld, level=level, withheld_share=withheld_share)
    columns = [(one.members, one.converted, other.members, other.converted) for one, other in told]
    n1, x1, n0, x0 = np.array(columns, dtype=np.float64).T
    weight = weigh_strata(n1, n0)
    p1, p0 = x1 / n1, x0 / n0
    means = float(weight @ p1), float(weight @ p0)
    # Of rates of a few, the logarithm is no guide to the ratio's error.
    reach = float("nan")
    if min(x1.sum(), (n1 - x1).sum(), x0.sum(), (n0 - x0).sum()) >= CELL_WELCH_MIN:
        reach = ratio_reach_strata(n1, p1, _rate_variance(p1, n1), n0, p0, _rate_variance(p0, n0), level=level)
    estimate = _estimate(means, compare_score_strata(n1, x1, n0, x0, level=level), level, "score", reach)
    members, base = int(n1.sum() + n0.sum()), (x0 + 0.5) / (n0 + 1)
    effect = SMALLEST_SHARE * float(weight @ base)
    raised = np.minimum(base + effect, 1.0)
    error = float(weight**2 @ (raised * (1 - raised) / n1 + base * (1 - base) / n0))
    # As two equal arms would have it, with the error that these draws have together.
    spread = Spread(members * error / 4, members * error / 4, 0.5)
    return _judge(estimate, members, find_members_needed(spread, effect, level=level))


def compare_means_by_draw(draws: Sequence[tuple[Moments, Moments]], *, level: float = LEVEL) -> Estimate | None:
    """Difference of a mean, each draw compared within itself; None where no draw has two members in either arm."""
    told = [one for one in draws if one[0].members > 1 and one[1].members > 1]
    if not told:
        return None
    columns = [(one.members, one.mean, one.variance, other.members, other.mean, other.variance) for one, other in told]
    n1, m1, v1, n0, m0, v0 = np.array(columns, dtype=np.float64).T
    weight = weigh_strata(n1, n0)
    found = compare_welch_strata(n1, m1, v1, n0, m0, v0, level=level)
    means = float(weight @ m1), float(weight @ m0)
    reach = ratio_reach_strata(n1, m1, v1, n0, m0, v0, level=level) if min(means) > 0 else float("nan")
    return _estimate(means, found, level, "welch", reach)


def compare_means(
    treated: Moments,
    withheld: Moments,
    *,
    level: float = LEVEL,
    smallest: float | None = None,
    has_covariate: bool = False,
) -> Lift:
    """Lift of a mean, by Welch's t; with a covariate of before the treatment, of the mean less what that explains.

    Source: Deng, Xu, Kohavi, Walker, "Improving the sensitivity of online controlled experiments by utilizing
    pre-experiment data" (CUPED), WSDM 2013, with one slope for both arms.
    """
    if not treated.members or not withheld.members:
        return Lift(None, Verdict.NOT_ENOUGH_YET, None)
    raw_variance = (treated + withheld).variance
    if has_covariate:
        treated, withheld = remove_covariate(treated, withheld)
    first = (treated.members, treated.mean, treated.variance)
    second = (withheld.members, withheld.mean, withheld.variance)
    found = compare_welch(*first, *second, level=level)
    is_known = math.isfinite(found.low)
    left = (treated + withheld).variance
    estimate = Estimate(
        treated.mean,
        withheld.mean,
        float(found.difference),
        (float(found.low), float(found.high)) if is_known else None,
        float(found.p) if is_known else None,
        level,
        "cuped" if has_covariate else "welch",
        treated.mean / withheld.mean - 1 if withheld.mean else None,
        _relative_interval(treated, withheld, level),
        1 - left / raw_variance if has_covariate and raw_variance > 0 else None,
    )
    members = treated.members + withheld.members
    effect = smallest or SMALLEST_SHARE * abs(withheld.mean)
    needs = None
    if is_known:
        spread = Spread(treated.variance, withheld.variance, withheld.members / members)
        needs = find_members_needed(spread, effect, level=level)
    return _judge(estimate, members, needs)


def remove_covariate(treated: Moments, withheld: Moments) -> tuple[Moments, Moments]:
    """Both arms' moments less what one slope over the covariate explains of all members."""
    both = treated + withheld
    slope = both.products / both.covariate_squares if both.covariate_squares > 0 else 0.0
    return _less_slope(treated, slope, both.covariate_mean), _less_slope(withheld, slope, both.covariate_mean)


def _less_slope(arm: Moments, slope: float, covariate_mean: float) -> Moments:
    squares = arm.squares + slope * slope * arm.covariate_squares - 2 * slope * arm.products
    return Moments(arm.members, arm.mean - slope * (arm.covariate_mean - covariate_mean), max(squares, 0.0))


def _estimate(
    means: tuple[float, float], found: Compared, level: float, method: Method, reach: float = float("nan")
) -> Estimate:
    is_known = math.isfinite(found.low)
    return Estimate(
        *means,
        float(found.difference),
        (float(found.low), float(found.high)) if is_known else None,
        float(found.p) if is_known else None,
        level,
        method,
        means[0] / means[1] - 1 if means[1] else None,
        _spread_ratio(means[0] / means[1], reach) if means[1] else None,
    )


def _add_counts(counts: Sequence[Counts]) -> Counts:
    return Counts(sum(one.members for one in counts), sum(one.converted for one in counts))


def _rate_variance(rate: Floats, members: Floats) -> Floats:
    """Of one member who varies; 0 of an arm of one."""
    return rate * (1 - rate) * members / np.maximum(members - 1, 1)


def _rate_moments(counts: Counts) -> Moments:
    rate = counts.converted / counts.members
    return Moments(counts.members, rate, counts.members * rate * (1 - rate))


def _relative_interval(treated: Moments, withheld: Moments, level: float) -> tuple[float, float] | None:
    """Of the ratio less one; None unless both means are above zero."""
    if treated.mean <= 0 or withheld.mean <= 0:
        return None
    reach = float(
        ratio_reach(
            treated.members,
            treated.mean,
            treated.variance,
            withheld.members,
            withheld.mean,
            withheld.variance,
            level=level,
        )
    )
    return _spread_ratio(treated.mean / withheld.mean, reach)


def _spread_ratio(ratio: float, reach: float) -> tuple[float, float] | None:
    return (ratio / reach - 1, ratio * reach - 1) if math.isfinite(reach) else None


def _judge(estimate: Estimate, members: int, needs: int | None) -> Lift:
    """A difference is seen where the interval leaves zero out; none is, once the smallest worth knowing would have shown."""
    if estimate.interval is not None and estimate.interval[0] > 0:
        return Lift(estimate, Verdict.POSITIVE, None)
    if estimate.interval is not None and estimate.interval[1] < 0:
        return Lift(estimate, Verdict.NEGATIVE, None)
    if needs is not None and members >= needs:
        return Lift(estimate, Verdict.NO_DIFFERENCE_SEEN, None)
    return Lift(estimate, Verdict.NOT_ENOUGH_YET, needs)
