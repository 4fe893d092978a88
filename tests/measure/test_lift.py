"""What is said of a lift, how many members it needs, and what moments and shares are added up to."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regulars.campaigns.estimating.moments import Counts, Moments, get_moments
from regulars.campaigns.estimating.power import (
    Spread,
    find_detectable_rate,
    find_members_needed,
    rate_spread,
)
from regulars.measure.lift import Verdict, compare_counts, compare_means
from regulars.measure.variants import adjust_holm, compare_shares
from tests.support.examples import few

POWER = 0.8


def test_a_lift_that_shows_is_positive_and_needs_no_more() -> None:
    lift = compare_counts(Counts(9_000, 1_080), Counts(1_000, 80))
    assert (lift.verdict, lift.needs_members) == (Verdict.POSITIVE, None)
    assert lift.estimate is not None
    assert lift.estimate.absolute == pytest.approx(0.04)
    assert lift.estimate.relative == pytest.approx(0.5)
    assert lift.estimate.method == "welch"
    worse = compare_counts(Counts(1_000, 80), Counts(9_000, 1_080))
    assert worse.verdict is Verdict.NEGATIVE
    assert worse.estimate is not None
    assert worse.estimate.interval is not None
    assert worse.estimate.interval[1] < 0


def test_too_few_members_are_not_enough_yet_and_as_many_as_it_says_would_do() -> None:
    early = compare_counts(Counts(900, 92), Counts(100, 10))
    assert early.verdict is Verdict.NOT_ENOUGH_YET
    assert early.needs_members is not None
    assert early.needs_members > 1_000
    scale = math.ceil(early.needs_members / 1_000) + 1
    late = compare_counts(Counts(900 * scale, 90 * scale), Counts(100 * scale, 10 * scale))
    assert (late.verdict, late.needs_members) == (Verdict.NO_DIFFERENCE_SEEN, None)


def test_the_smallest_lift_worth_knowing_decides_what_is_enough() -> None:
    treated, withheld = Counts(9_000, 900), Counts(1_000, 100)
    coarse = compare_counts(treated, withheld, smallest=0.05)
    fine = compare_counts(treated, withheld, smallest=0.005)
    assert coarse.verdict is Verdict.NO_DIFFERENCE_SEEN
    assert fine.verdict is Verdict.NOT_ENOUGH_YET
    assert fine.needs_members == pytest.approx(2.8016**2 * (0.09 / 0.1 + 0.105 * 0.895 / 0.9) / 0.005**2, rel=0.01)


def test_none_in_few_is_no_proof_of_nothing() -> None:
    lift = compare_counts(Counts(900, 0), Counts(100, 0))
    assert lift.verdict is Verdict.NOT_ENOUGH_YET
    assert lift.needs_members is not None
    assert lift.needs_members > 10_000
    assert lift.estimate is not None
    assert lift.estimate.relative is None
    assert lift.estimate.interval is not None
    assert lift.estimate.interval[0] < 0 < lift.estimate.interval[1]


def test_an_empty_arm_has_no_estimate_but_a_need() -> None:
    lift = compare_counts(Counts(500, 50), Counts(0, 0), withheld_share=0.1)
    assert (lift.estimate, lift.verdict) == (None, Verdict.NOT_ENOUGH_YET)
    assert lift.needs_members is not None
    assert compare_counts(Counts(0, 0), Counts(0, 0)).needs_members is None
    assert compare_means(Moments(), get_moments(np.ones(3))).estimate is None
    with pytest.raises(ValueError, match="cannot have converted"):
        Counts(3, 4)


def test_means_that_do_not_vary_have_no_interval() -> None:
    lift = compare_means(get_moments(np.zeros(50)), get_moments(np.zeros(50)))
    assert lift.verdict is Verdict.NOT_ENOUGH_YET
    assert lift.estimate is not None
    assert (lift.estimate.interval, lift.estimate.p, lift.estimate.relative) == (None, None, None)


@given(
    values=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=40),
    cut=st.integers(0, 40),
    shift=st.sampled_from([0.0, 1e9]),
)
@settings(max_examples=few(60), deadline=None)
def test_moments_of_parts_add_up_to_those_of_the_whole(
    values: list[tuple[float, float]], cut: int, shift: float
) -> None:
    array = np.array(values) + shift
    parts = get_moments(array[:cut, 0], array[:cut, 1]) + get_moments(array[cut:, 0], array[cut:, 1])
    whole = get_moments(array[:, 0], array[:, 1])
    assert parts.members == whole.members == len(values)
    scale = float(np.abs(array - array.mean(axis=0)).max()) ** 2 * len(values) + 1e-3
    assert parts.mean == pytest.approx(whole.mean, rel=1e-12, abs=1e-6)
    for name in ("squares", "covariate_squares", "products"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-6 * scale)


@pytest.mark.parametrize("base_rate", [0.0, 0.01, 0.3])
def test_the_smallest_rise_that_shows_shows_with_the_stated_power(base_rate: float) -> None:
    effect = find_detectable_rate(base_rate, 9_000, 1_000)
    assert effect is not None
    spread = rate_spread(base_rate, effect, 0.1)
    error = math.sqrt(spread.treated_variance / 9_000 + spread.withheld_variance / 1_000)
    assert stats.norm.sf(stats.norm.isf(0.025) - effect / error) == pytest.approx(POWER, abs=1e-3)
    needed = find_members_needed(spread, effect)
    assert needed == pytest.approx(10_000, abs=2)


def test_the_stated_power_is_what_draws_show() -> None:
    """Drawn, not derived: how often the interval leaves zero out when the detectable lift is true."""
    treated, withheld, base_rate = 3_000, 1_000, 0.1
    effect = find_detectable_rate(base_rate, treated, withheld)
    assert effect is not None
    random = np.random.default_rng(3)
    pairs = zip(
        random.binomial(treated, base_rate + effect, 400), random.binomial(withheld, base_rate, 400), strict=True
    )
    found = [compare_counts(Counts(treated, int(x1)), Counts(withheld, int(x0))).verdict for x1, x0 in pairs]
    assert found.count(Verdict.POSITIVE) / len(found) == pytest.approx(POWER, abs=0.06)


def test_what_cannot_be_planned_is_none() -> None:
    assert find_detectable_rate(0.1, 0, 100) is None
    assert find_detectable_rate(0.9, 3, 3) is None
    assert find_members_needed(Spread(1, 1, 0.5), 0.0) is None
    assert find_members_needed(Spread(1, 1, 0.5), 1e-9) is None
    assert find_members_needed(Spread(0, 0, 0.1), 1.0) == 20


def test_an_arm_that_lost_members_is_a_mismatch() -> None:
    fair = compare_shares({"a": 5_000, "b": 4_950, "c": 5_050}, {"a": 1, "b": 1, "c": 1})
    assert not fair.is_mismatch
    assert fair.expected == {"a": 5_000, "b": 5_000, "c": 5_000}
    lost = compare_shares({"a": 5_000, "b": 4_600, "c": 5_000}, {"a": 1, "b": 1, "c": 1})
    assert lost.is_mismatch
    assert compare_shares({"a": 0, "b": 0}, {"a": 1, "b": 9}).p == 1
    with pytest.raises(ValueError, match="same two or more"):
        compare_shares({"a": 5}, {"a": 1})
    with pytest.raises(ValueError, match="above 0"):
        compare_shares({"a": 5, "b": 5}, {"a": 1, "b": 0})


@given(ps=st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=few(60), deadline=None)
def test_holm_never_lowers_a_p_and_keeps_their_order(ps: list[float]) -> None:
    adjusted = [one for one in adjust_holm(ps) if one is not None]
    assert all(p <= new <= 1 for p, new in zip(ps, adjusted, strict=True))
    assert adjusted[int(np.argmin(ps))] == pytest.approx(min(1.0, min(ps) * len(ps)))
    order = np.argsort(ps, kind="stable")
    assert np.all(np.diff(np.array(adjusted)[order]) >= 0)
