"""One lift over several draws: each compared within itself, by hand, by least squares, by one draw's own method."""

import numpy as np
import pytest
from numpy.typing import NDArray

from regulars.campaigns.estimating.intervals import (
    LEVEL,
    compare_score,
    compare_score_strata,
    compare_welch,
    compare_welch_strata,
    ratio_reach,
    ratio_reach_strata,
)
from regulars.campaigns.estimating.moments import Counts, get_moments
from regulars.measure.lift import Verdict, compare_counts_by_draw, compare_means_by_draw

REDRAWS = 2_000
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def test_of_one_draw_it_is_that_draws_own_interval() -> None:
    for table in ((70, 56, 80, 48), (10, 9, 10, 3), (56, 5, 29, 0)):
        one, several = compare_score(*table), compare_score_strata(*([each] for each in table))
        assert [float(each) for each in several] == pytest.approx([float(each) for each in one], abs=1e-12)
    figures = (40, 2.5, 9.0, 30, 1.5, 4.0)
    one, several = compare_welch(*figures), compare_welch_strata(*([each] for each in figures))
    assert [float(each) for each in several] == pytest.approx([float(each) for each in one], rel=1e-12)
    assert ratio_reach_strata(*([each] for each in figures)) == pytest.approx(float(ratio_reach(*figures)), rel=1e-12)


def test_the_difference_is_least_squares_with_a_level_of_its_own_for_each_draw() -> None:
    random = np.random.default_rng(7)
    draw = np.repeat([0, 1, 2], [200, 500, 90])
    treated = random.random(len(draw)) < np.array([0.5, 0.9, 0.2])[draw]
    spent = np.round(random.gamma(1.0, 30.0, len(draw)) + 50 * draw + 4 * treated, 2)
    columns = np.column_stack([treated, *(draw == one for one in range(3))]).astype(np.float64)
    arms = [(spent[treated & (draw == one)], spent[~treated & (draw == one)]) for one in range(3)]
    found = compare_means_by_draw([(get_moments(first), get_moments(second)) for first, second in arms])
    assert found is not None
    assert found.absolute == pytest.approx(np.linalg.lstsq(columns, spent, rcond=None)[0][0], rel=1e-9)
    done = (spent > 60).astype(np.float64)
    counts = [tuple(Counts(len(arm), int((arm > 60).sum())) for arm in (first, second)) for first, second in arms]
    lift = compare_counts_by_draw([(first, second) for first, second in counts])
    assert lift.estimate is not None
    assert lift.estimate.absolute == pytest.approx(np.linalg.lstsq(columns, done, rcond=None)[0][0], rel=1e-9)


def test_two_draws_by_hand() -> None:
    """Each weighs n₁n₀ ÷ (n₁ + n₀): 24 and 24; differences 0.25 and 0.05."""
    lift = compare_counts_by_draw([(Counts(40, 20), Counts(60, 15)), (Counts(60, 9), Counts(40, 4))])
    assert lift.estimate is not None and lift.estimate.interval is not None
    assert lift.estimate.absolute == pytest.approx(0.15)
    assert (lift.estimate.treated_mean, lift.estimate.withheld_mean) == pytest.approx((0.325, 0.175))
    assert lift.estimate.relative == pytest.approx(0.325 / 0.175 - 1)
    assert lift.estimate.relative_interval is None, "nineteen withheld who did it are too few"
    low, high = lift.estimate.interval
    assert 0 < low < 0.15 < high < 0.3 and lift.verdict is Verdict.POSITIVE


def test_a_draw_with_an_empty_arm_tells_nothing() -> None:
    draws = [(Counts(40, 20), Counts(60, 15)), (Counts(500, 500), Counts(0, 0)), (Counts(0, 0), Counts(9, 9))]
    assert compare_counts_by_draw(draws) == compare_counts_by_draw(draws[:1])
    nothing = compare_counts_by_draw([(Counts(8, 1), Counts(0, 0)), (Counts(2, 0), Counts(0, 0))], withheld_share=0.3)
    assert nothing.estimate is None
    assert nothing.needs_members is not None and nothing.needs_members > 10
    assert compare_means_by_draw([(get_moments(np.ones(1)), get_moments(np.ones(5)))]) is None


def test_a_mixture_of_draws_without_any_effect_is_seen_as_none() -> None:
    """Pooled, the same members would show a difference of a third."""
    draws = [(Counts(8_000, 4_000), Counts(2_000, 1_000)), (Counts(2_000, 200), Counts(8_000, 800))]
    lift = compare_counts_by_draw(draws)
    assert lift.estimate is not None and lift.estimate.absolute == pytest.approx(0)
    assert lift.verdict is Verdict.NO_DIFFERENCE_SEEN
    fewer = compare_counts_by_draw([(Counts(80, 40), Counts(20, 10)), (Counts(20, 2), Counts(80, 8))])
    assert fewer.verdict is Verdict.NOT_ENOUGH_YET
    assert fewer.needs_members is not None and 200 < fewer.needs_members < 20_000


@pytest.mark.long
def test_the_interval_of_several_draws_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(20261122)
    treated, withheld, base = np.array([60, 300, 25]), np.array([60, 30, 40]), np.array([0.3, 0.05, 0.6])
    covered = 0
    for first, second in zip(
        random.binomial(treated, base + 0.1, (REDRAWS, 3)), random.binomial(withheld, base, (REDRAWS, 3)), strict=True
    ):
        found = compare_score_strata(treated, first, withheld, second)
        covered += bool(found.low <= 0.1 <= found.high)
    assert LEVEL - 0.015 < covered / REDRAWS < LEVEL + 0.015


def test_the_interval_of_a_relative_lift_over_several_draws_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(20261123)
    treated, withheld, base = np.array([300, 900, 120]), np.array([300, 150, 200]), np.array([0.3, 0.08, 0.5])
    rates, means = 0, 0
    for first, second in zip(
        random.binomial(treated, base * 1.3, (REDRAWS, 3)), random.binomial(withheld, base, (REDRAWS, 3)), strict=True
    ):
        reach = ratio_reach_strata(*_of_rates(treated, first), *_of_rates(withheld, second))
        rates += _covers(treated, first / treated, withheld, second / withheld, reach)
        spent: list[Floats] = [
            random.gamma(2.0, 13.0 * one, members) for one, members in zip((1, 4, 2), treated, strict=True)
        ]
        saved: list[Floats] = [
            random.gamma(2.0, 10.0 * one, members) for one, members in zip((1, 4, 2), withheld, strict=True)
        ]
        found = compare_means_by_draw(
            [(get_moments(one), get_moments(other)) for one, other in zip(spent, saved, strict=True)]
        )
        assert found is not None and found.relative_interval is not None
        means += found.relative_interval[0] <= 0.3 <= found.relative_interval[1]
    for covered in (rates / REDRAWS, means / REDRAWS):
        assert LEVEL - 0.015 < covered < LEVEL + 0.015, (rates, means)


def _of_rates(members: Ints, converted: Ints) -> tuple[Ints, Floats, Floats]:
    rate = converted / members
    return members, rate, rate * (1 - rate)


def _covers(n1: Ints, p1: Floats, n0: Ints, p0: Floats, reach: float) -> bool:
    weight = n1 * n0 / (n1 + n0)
    ratio = float(weight @ p1 / (weight @ p0))
    return ratio / reach <= 1.3 <= ratio * reach
