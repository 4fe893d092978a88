"""Intervals and p-values of a difference, for one comparison or for thousands at once.

Decides which method a comparison of counts takes: Welch's where every cell of the two by two table holds at least
``CELL_WELCH_MIN``, the score method below that. Measured coverage of both and of the rule: docs/adr/0014.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from regulars.campaigns.estimating.moments import Floats

LEVEL: Final = 0.95
CELL_WELCH_MIN: Final = 20
BISECTIONS: Final = 60
"""Halvings of a range no longer than 2: to the last digit of a float."""


class Compared(NamedTuple):
    """Differences, their intervals and two-sided p-values; all of one shape, NaN where nothing can be said."""

    difference: Floats
    low: Floats
    high: Floats
    p: Floats


def compare_welch(
    treated_members: Any,
    treated_mean: Any,
    treated_variance: Any,
    withheld_members: Any,
    withheld_mean: Any,
    withheld_variance: Any,
    *,
    level: float = LEVEL,
) -> Compared:
    """Difference of means of two arms whose variances differ; NaN where an arm has one member or nothing varies.

    Shape: all broadcast together. Source: Welch, "The generalization of 'Student's' problem …", Biometrika 1947.
    """
    difference = np.asarray(treated_mean, dtype=np.float64) - withheld_mean
    with np.errstate(divide="ignore", invalid="ignore"):
        error, freedom = _error_of_difference(treated_members, treated_variance, withheld_members, withheld_variance)
        return _compare_student(difference, error, freedom, level)


def ratio_reach(
    treated_members: Any,
    treated_mean: Any,
    treated_variance: Any,
    withheld_members: Any,
    withheld_mean: Any,
    withheld_variance: Any,
    *,
    level: float = LEVEL,
) -> Floats:
    """The factor by which the ratio of two means above zero may be larger or smaller; by the logarithms of the means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        treated = np.asarray(treated_variance, dtype=np.float64) / np.square(treated_mean)
        withheld = np.asarray(withheld_variance, dtype=np.float64) / np.square(withheld_mean)
        error, freedom = _error_of_difference(treated_members, treated, withheld_members, withheld)
        return np.exp(stdtrit(freedom, (1 + level) / 2) * error)


def _error_of_difference(
    treated_members: Any, treated_variance: Any, withheld_members: Any, withheld_variance: Any
) -> tuple[Floats, Floats]:
    """Standard error and degrees of freedom (Satterthwaite)."""
    treated_members = np.asarray(treated_members, dtype=np.float64)
    withheld_members = np.asarray(withheld_members, dtype=np.float64)
    of_treated, of_withheld = treated_variance / treated_members, withheld_variance / withheld_members
    both = np.asarray(of_treated + of_withheld)
    freedom = both**2 / (of_treated**2 / (treated_members - 1) + of_withheld**2 / (withheld_members - 1))
    return np.where(both > 0, np.sqrt(both), np.nan), np.where(
        (treated_members > 1) & (withheld_members > 1), freedom, np.nan
    )


def _compare_student(difference: Floats, error: Floats, freedom: Floats, level: float) -> Compared:
    """By Student's distribution."""
    reach = stdtrit(freedom, (1 + level) / 2) * error
    p = 2 * stdtr(freedom, -np.abs(difference) / error)
    return Compared(difference, difference - reach, difference + reach, p)


def compare_score(
    treated_members: Any,
    treated_converted: Any,
    withheld_members: Any,
    withheld_converted: Any,
    *,
    level: float = LEVEL,
) -> Compared:
    """Difference of two rates by inverting the score test; holds its level at counts of a few, zero included.

    p is the same test's at no difference, so that it is below 1 − level exactly where the interval leaves zero out.
    Shape: all broadcast together. Source: Miettinen, Nurminen, "Comparative analysis of two rates", Statistics in
    Medicine 1985.
    """
    arrays = np.broadcast_arrays(treated_members, treated_converted, withheld_members, withheld_converted)
    n1, x1, n0, x0 = (np.asarray(one, dtype=np.float64) for one in arrays)
    limit = float(ndtri((1 + level) / 2) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _invert_score(x1 / n1 - x0 / n0, lambda delta: _score_variance(n1, x1, n0, x0, delta), limit)


def compare_score_strata(
    treated_members: Any,
    treated_converted: Any,
    withheld_members: Any,
    withheld_converted: Any,
    *,
    level: float = LEVEL,
) -> Compared:
    """`compare_score` of one difference in several draws, each compared within itself, with Mantel–Haenszel's weights.

    Shape: (strata,), no arm empty; the result is one. Source: the same, section «Stratified analysis».
    """
    arrays = (treated_members, treated_converted, withheld_members, withheld_converted)
    n1, x1, n0, x0 = (np.asarray(one, dtype=np.float64) for one in arrays)
    weight = weigh_strata(n1, n0)

    def variance(delta: Floats) -> Floats:
        return np.asarray(weight**2 @ _score_variance(n1, x1, n0, x0, np.full_like(n1, delta)))

    with np.errstate(divide="ignore", invalid="ignore"):
        return _invert_score(np.asarray(weight @ (x1 / n1 - x0 / n0)), variance, float(ndtri((1 + level) / 2) ** 2))


def compare_welch_strata(
    treated_members: Any,
    treated_mean: Any,
    treated_variance: Any,
    withheld_members: Any,
    withheld_mean: Any,
    withheld_variance: Any,
    *,
    level: float = LEVEL,
) -> Compared:
    """`compare_welch` of one difference in several draws, with Mantel–Haenszel's weights; of one draw the same.

    Shape: (strata,), at least two members in every arm; the result is one.
    """
    arrays = (treated_members, treated_mean, treated_variance, withheld_members, withheld_mean, withheld_variance)
    n1, m1, v1, n0, m0, v0 = (np.asarray(one, dtype=np.float64) for one in arrays)
    weight = weigh_strata(n1, n0)
    of_treated, of_withheld = weight**2 * v1 / n1, weight**2 * v0 / n0
    both = of_treated.sum() + of_withheld.sum()
    difference = np.asarray(weight @ (m1 - m0))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = both**2 / (of_treated**2 / (n1 - 1) + of_withheld**2 / (n0 - 1)).sum()
        return _compare_student(difference, np.where(both > 0, np.sqrt(both), np.nan), freedom, level)


def ratio_reach_strata(
    treated_members: Any,
    treated_mean: Any,
    treated_variance: Any,
    withheld_members: Any,
    withheld_mean: Any,
    withheld_variance: Any,
    *,
    level: float = LEVEL,
) -> float:
    """`ratio_reach` of two means over several draws, with Mantel–Haenszel's weights; of one draw the same.

    Shape: (strata,), no arm empty; arms of one member must not vary.
    """
    arrays = (treated_members, treated_mean, treated_variance, withheld_members, withheld_mean, withheld_variance)
    n1, m1, v1, n0, m0, v0 = (np.asarray(one, dtype=np.float64) for one in arrays)
    weight = weigh_strata(n1, n0)
    error = np.concatenate([weight**2 * v1 / n1 / (weight @ m1) ** 2, weight**2 * v0 / n0 / (weight @ m0) ** 2])
    if not error.sum() > 0:
        return float("nan")
    freedom = error.sum() ** 2 / (error**2 / np.maximum(np.concatenate([n1, n0]) - 1, 1)).sum()
    return float(np.exp(stdtrit(freedom, (1 + level) / 2) * np.sqrt(error.sum())))


def weigh_strata(treated_members: Any, withheld_members: Any) -> Floats:
    """Each draw's weight, by what it can tell: the sum is 1. Source: Mantel, Haenszel, JNCI 1959."""
    n1, n0 = np.asarray(treated_members, dtype=np.float64), np.asarray(withheld_members, dtype=np.float64)
    weight = n1 * n0 / (n1 + n0)
    return weight / weight.sum()


def _invert_score(difference: Floats, variance: Callable[[Floats], Floats], limit: float) -> Compared:
    """All differences that the test keeps; ``variance`` is that of the difference if it were its argument."""
    low, high = (_bisect_score(difference, variance, end, limit) for end in (-1.0, 1.0))
    statistic = np.where(difference == 0, 0.0, difference**2 / variance(np.zeros_like(difference)))
    return Compared(difference, low, high, 2 * ndtr(-np.sqrt(statistic)))


def _bisect_score(difference: Floats, variance: Callable[[Floats], Floats], end: float, limit: float) -> Floats:
    """The bound between the observed difference, which the test keeps, and ``end``; where it keeps that too, ``end``."""
    kept, refused = difference.copy(), np.full_like(difference, end)
    end_is_kept = (difference - end) ** 2 <= limit * variance(refused)
    for _ in range(BISECTIONS):
        middle = (kept + refused) / 2
        keeps = (difference - middle) ** 2 <= limit * variance(middle)
        kept, refused = np.where(keeps, middle, kept), np.where(keeps, refused, middle)
    return np.where(end_is_kept, end, np.where(np.isnan(difference), np.nan, kept))


def _score_variance(n1: Floats, x1: Floats, n0: Floats, x0: Floats, delta: Floats) -> Floats:
    """Variance of the difference if it were ``delta``: at the rates most likely under that, a cubic's middle root."""
    n, x = n1 + n0, x1 + x0
    third = 3 * n
    a = ((n1 + 2 * n0) * delta - n - x) / third
    b = ((n0 * delta - n - 2 * x0) * delta + x) / third
    c = x0 * delta * (1 - delta) / third
    q = a**3 - 1.5 * a * b + 1.5 * c
    p = np.copysign(np.sqrt(np.maximum(a * a - b, 0)), q)
    angle = (np.pi + np.arccos(np.clip(np.where(p == 0, 0, q / p**3), -1, 1))) / 3
    withheld = np.clip(2 * p * np.cos(angle) - a, np.maximum(0, -delta), np.minimum(1, 1 - delta))
    treated = withheld + delta
    return (treated * (1 - treated) / n1 + withheld * (1 - withheld) / n0) * n / (n - 1)


def compare_rates(
    treated_members: Any,
    treated_converted: Any,
    withheld_members: Any,
    withheld_converted: Any,
    *,
    level: float = LEVEL,
) -> tuple[Compared, NDArray[np.bool_]]:
    """Difference of two rates by the method the counts allow, and where that was Welch's."""
    arrays = np.broadcast_arrays(treated_members, treated_converted, withheld_members, withheld_converted)
    n1, x1, n0, x0 = (np.asarray(one, dtype=np.float64) for one in arrays)
    is_welch = np.minimum(np.minimum(x1, n1 - x1), np.minimum(x0, n0 - x0)) >= CELL_WELCH_MIN
    with np.errstate(divide="ignore", invalid="ignore"):
        p1, p0 = x1 / n1, x0 / n0
        v1, v0 = p1 * (1 - p1) * n1 / (n1 - 1), p0 * (1 - p0) * n0 / (n0 - 1)
    welch = compare_welch(n1, p1, v1, n0, p0, v0, level=level)
    if is_welch.all():
        return welch, is_welch
    score = compare_score(n1, x1, n0, x0, level=level)
    return Compared(*(np.where(is_welch, w, s) for w, s in zip(welch, score, strict=True))), is_welch


def wilson_interval(converted: Any, members: Any, *, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Interval of one rate. Source: Wilson, JASA 1927."""
    n, x = np.asarray(members, dtype=np.float64), np.asarray(converted, dtype=np.float64)
    z2 = ndtri((1 + level) / 2) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = x / n
        reach = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n * n)))
        centre, scale = rate + z2 / (2 * n), 1 + z2 / n
    return np.maximum(0, (centre - reach) / scale), np.minimum(1, (centre + reach) / scale)
