"""Intervals of differences: published examples, symmetry, agreement of interval and p, and exact coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.estimating.intervals import (
    CELL_WELCH_MIN,
    compare_rates,
    compare_score,
    compare_welch,
    wilson_interval,
)
from tests.measure.exact import CASES, METHODS, cover_exactly
from tests.support.examples import few

LEVEL = 0.95


@pytest.mark.parametrize(
    ("table", "interval"),
    [
        ((70, 56, 80, 48), (0.0528, 0.3382)),
        ((10, 9, 10, 3), (0.1700, 0.8406)),
        ((56, 5, 29, 0), (-0.0326, 0.1933)),
    ],
)
def test_the_score_interval_is_the_published_one(
    table: tuple[int, int, int, int], interval: tuple[float, float]
) -> None:
    """Newcombe, "Interval estimation for the difference …", Statistics in Medicine 1998, table II, method 6."""
    found = compare_score(*table)
    assert (round(float(found.low), 4), round(float(found.high), 4)) == interval


counts = st.tuples(st.integers(1, 400), st.floats(0, 1)).map(lambda one: (one[0], round(one[0] * one[1])))


@given(treated=counts, withheld=counts)
@settings(max_examples=few(25), deadline=None)
def test_a_comparison_of_rates_has_no_favourite(treated: tuple[int, int], withheld: tuple[int, int]) -> None:
    """Arms swapped, or doing and not doing: the same interval on the other side; p says what the interval says."""
    (n1, x1), (n0, x0) = treated, withheld
    found = compare_score(n1, x1, n0, x0)
    swapped = compare_score(n0, x0, n1, x1)
    opposite = compare_score(n1, n1 - x1, n0, n0 - x0)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    for other in (swapped, opposite):
        assert [other.low, other.high, other.p] == pytest.approx([-found.high, -found.low, found.p], abs=1e-7)
    if abs(found.p - (1 - LEVEL)) > 1e-9:
        assert (found.p < 1 - LEVEL) == (found.low > 0 or found.high < 0)


def test_rates_at_the_restricted_maximum_are_the_likeliest() -> None:
    """The cubic's root against a search for the largest likelihood, by way of the interval's bounds."""
    for n1, x1, n0, x0 in ((40, 3, 90, 2), (12, 0, 30, 4), (25, 25, 10, 3), (200, 11, 35, 0)):
        low = float(compare_score(n1, x1, n0, x0).low)
        grid = np.linspace(max(0.0, -low), min(1.0, 1 - low), 400_001)[1:-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [(x1, grid + low), (n1 - x1, 1 - grid - low), (x0, grid), (n0 - x0, 1 - grid)]
            likelihood = sum(np.where(count > 0, count * np.log(np.maximum(rate, 1e-300)), 0) for count, rate in terms)
        p0 = grid[np.argmax(likelihood)]
        p1 = p0 + low
        variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * (n1 + n0) / (n1 + n0 - 1)
        distance = (x1 / n1 - x0 / n0 - low) / np.sqrt(variance)
        assert distance == pytest.approx(1.959964, abs=2e-4)


def test_few_take_the_score_method_and_many_welchs() -> None:
    few_did, many_did = CELL_WELCH_MIN - 1, CELL_WELCH_MIN
    found, is_welch = compare_rates(1_000, [few_did, many_did, many_did], 100, [20, 20, 81])
    assert is_welch.tolist() == [False, True, False]
    alone, _ = compare_rates(1_000, many_did, 100, 20)
    assert found.low[1] == alone.low
    score = compare_score(1_000, few_did, 100, 20)
    assert found.low[0] == score.low


def test_nothing_that_varies_gives_no_interval() -> None:
    found = compare_welch(10, 3.0, 0.0, 10, 2.0, 0.0)
    assert found.difference == 1
    assert np.isnan([found.low, found.high, found.p]).all()
    assert np.isnan(compare_welch(1, 3.0, float("nan"), 10, 2.0, 1.0).low)


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_intervals_of_rates_cover_as_often_as_they_say(case: tuple[int, int, float, float]) -> None:
    """Exactly, over all counts that can come: no luck of a draw."""
    covered = cover_exactly(*case, METHODS["rule"])
    assert 0.93 <= covered <= 0.985
    assert cover_exactly(*case, METHODS["welch"]) < 0.93, "a case that does not tell the methods apart"


@pytest.mark.long
def test_the_rule_covers_over_the_whole_grid() -> None:
    for case in CASES:
        assert 0.925 <= cover_exactly(*case, METHODS["rule"]) <= 1, case
        if case[1] * case[2] >= 3:
            assert 0.93 <= cover_exactly(*case, METHODS["rule"]) <= 0.97, case


def test_the_interval_of_one_rate_is_wilsons() -> None:
    low, high = wilson_interval([0, 9, 10], [10, 10, 10])
    assert np.round(low, 4).tolist() == [0.0, 0.5958, 0.7225]
    assert np.round(high, 4).tolist() == [0.2775, 0.9821, 1.0]
