"""Estimates of few are drawn towards all, assumptions are marked until measured, and predictions are held to what came."""

import numpy as np
import pytest
from scipy.stats import betabinom

from regulars.campaigns.estimating.calibration import calibrate
from regulars.campaigns.estimating.estimate import (
    Basis,
    MeasuredCells,
    assume_lifts,
    estimate_lifts,
    estimate_rates,
    prior_log_density,
)

CELLS = 60


def test_nothing_measured_is_assumed() -> None:
    found = estimate_rates(np.zeros(3), np.zeros(3), assumed_rate=0.04)
    assert found.mean == pytest.approx([0.04] * 3, rel=1e-3)
    assert found.prior_members == pytest.approx(20, rel=1e-2)
    assert found.basis == [Basis.ASSUMED] * 3
    lifts = estimate_lifts(MeasuredCells(*(np.zeros(2, dtype=int) for _ in range(4))), np.array([0.02, 0.05]))
    assert lifts.mean.tolist() == [0.02, 0.05]
    assert lifts.basis == [Basis.ASSUMED] * 2
    assert np.all(lifts.variance > 0)


def test_rates_of_few_are_drawn_towards_all_and_come_nearer_to_the_truth() -> None:
    random = np.random.default_rng(8)
    truth = random.beta(6, 94, CELLS)
    members = random.integers(5, 400, CELLS)
    converted = random.binomial(members, truth)
    found = estimate_rates(members, converted, assumed_rate=0.5)
    plain = converted / members
    assert np.mean((found.mean - truth) ** 2) < 0.7 * np.mean((plain - truth) ** 2)
    assert found.prior_mean == pytest.approx(0.06, abs=0.012)
    assert 40 < found.prior_members < 250
    # Each lies between its own rate and the prior's, nearer to its own the more members it has.
    inside = (found.mean - plain) * (found.prior_mean - found.mean) >= -1e-12
    assert inside.all()
    covered = np.abs(found.mean - truth) < 1.96 * np.sqrt(found.variance)
    assert covered.mean() > 0.85
    assert set(found.basis) == {Basis.MEASURED}


def test_the_prior_is_the_likeliest() -> None:
    """Against a grid, and the cells' part against another's density."""
    members, converted = np.array([50, 80, 20, 200, 10, 60]), np.array([2, 9, 0, 31, 2, 1])
    found = estimate_rates(members, converted, assumed_rate=0.08)

    def density(mean: float, worth: float) -> float:
        return prior_log_density(members, converted, mean, worth, 0.08, 20)

    best = density(found.prior_mean, found.prior_members)
    grid = [density(m, worth) for m in np.linspace(0.02, 0.3, 57) for worth in np.geomspace(2, 440, 60)]
    assert best >= max(grid) - 1e-9
    pairs = [(0.1, 30.0), (0.2, 9.0)]
    ours = [
        prior_log_density(members, converted, *pair, 0.5, 1e-9) + 0.5 * (np.log(pair[1] / 1e-9) / 1.5) ** 2
        for pair in pairs
    ]
    theirs = [betabinom.logpmf(converted, members, m * worth, (1 - m) * worth).sum() for m, worth in pairs]
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], abs=1e-6)


def test_a_cell_becomes_measured_as_its_members_come() -> None:
    bases = [
        estimate_rates(np.array([n, 0]), np.array([n // 10, 0]), assumed_rate=0.3).basis for n in (1, 10, 100, 10_000)
    ]
    assert bases[0] == [Basis.ASSUMED, Basis.ASSUMED]
    assert bases[-1] == [Basis.MEASURED, Basis.ASSUMED]
    far = estimate_rates(np.array([10_000]), np.array([1_000]), assumed_rate=0.3)
    assert far.mean[0] == pytest.approx(0.1, abs=0.001)


def test_a_measured_lift_replaces_the_assumption() -> None:
    assumed = assume_lifts(np.array([0.1, 0.1, 0.1]), share=0.1)
    assert assumed == pytest.approx([0.09] * 3)
    few, many = (
        MeasuredCells(
            np.array([90 * n, 90 * n, 0]),
            np.array([9 * n, 9 * n, 0]),
            np.array([10 * n, 10 * n, 0]),
            np.array([n, n, 0]),
        )
        for n in (1, 500)
    )
    early, late = estimate_lifts(few, assumed), estimate_lifts(many, assumed)
    assert early.basis == [Basis.ASSUMED] * 3
    assert 0 < early.mean[0] < 0.09
    assert late.basis == [Basis.MEASURED, Basis.MEASURED, Basis.ASSUMED]
    assert late.mean[:2] == pytest.approx([0.0, 0.0], abs=0.002)
    # The cell without a measurement of its own has learnt from the others, and is less sure than they are.
    assert late.mean[2] < 0.01
    assert late.variance[2] >= late.variance[0]


def test_lifts_that_differ_keep_their_differences_and_come_nearer_to_the_truth() -> None:
    random = np.random.default_rng(2)
    truth = random.normal(0.03, 0.02, CELLS)
    treated, withheld = random.integers(200, 4_000, CELLS), random.integers(50, 1_000, CELLS)
    cells = MeasuredCells(treated, random.binomial(treated, 0.15 + truth), withheld, random.binomial(withheld, 0.15))
    found = estimate_lifts(cells, np.full(CELLS, 0.1))
    plain = cells.treated_converted / treated - cells.withheld_converted / withheld
    assert np.mean((found.mean - truth) ** 2) < 0.8 * np.mean((plain - truth) ** 2)
    assert found.spread == pytest.approx(0.02, abs=0.01)
    assert found.shift == pytest.approx(-0.07, abs=0.01)
    assert set(found.basis) == {Basis.MEASURED}
    assert (np.abs(found.mean - truth) < 1.96 * np.sqrt(found.variance)).mean() > 0.85


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="no more converted"):
        estimate_rates(np.array([3]), np.array([4]), assumed_rate=0.1)
    with pytest.raises(ValueError, match="between 0 and 1"):
        estimate_rates(np.array([3]), np.array([1]), assumed_rate=1.0)
    cells = MeasuredCells(np.ones(2), np.ones(2), np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="differ"):
        estimate_lifts(cells, np.ones(2))


def test_true_probabilities_are_calibrated_and_flattened_ones_are_not() -> None:
    random = np.random.default_rng(6)
    truth = random.beta(1, 4, 20_000)
    happened = random.random(truth.size) < truth
    good = calibrate(truth, happened)
    assert len(good.bins) == 10
    assert sum(one.members for one in good.bins) == good.members == truth.size
    assert good.error < 0.01
    assert good.brier == pytest.approx(np.mean(truth * (1 - truth)), abs=0.005)
    assert good.skill is not None
    assert good.skill > 0.1
    assert sum(one.interval[0] <= one.predicted <= one.interval[1] for one in good.bins) >= 8
    doubled = calibrate(np.minimum(1, truth * 2), happened)
    assert doubled.error > 0.1
    assert doubled.brier > good.brier


def test_bins_hold_equal_predictions_together() -> None:
    table = calibrate(np.array([0.1] * 90 + [0.7] * 10), np.array([0] * 81 + [1] * 9 + [1] * 7 + [0] * 3))
    assert [(one.lower, one.upper, one.members) for one in table.bins] == [(0.1, 0.1, 90), (0.7, 0.7, 10)]
    assert [one.observed for one in table.bins] == pytest.approx([0.1, 0.7])
    assert table.error == pytest.approx(0)
    assert table.brier == pytest.approx(0.09 * 0.9 + 0.21 * 0.1)
    alone = calibrate(np.array([0.5]), np.array([1]))
    assert (len(alone.bins), alone.skill) == (1, None)
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrate(np.array([1.2]), np.array([1]))
    with pytest.raises(ValueError, match="one a member"):
        calibrate(np.array([]), np.array([]))
