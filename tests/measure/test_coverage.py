"""Coverage, not luck: over 1,000 draws of arms and responses, 95 % intervals cover the truth in 93–97 %."""

import numpy as np
import pytest

from regulars.measure import coverage
from regulars.measure.coverage import Outcomes, Response, study_coverage
from tests.measure.purchases import find_transactions, read_outcomes, study

MEMBERS = 2_500
SEED = 4
LEAST, MOST = 0.93, 0.97


@pytest.fixture(scope="module")
def population() -> Outcomes:
    """Members as a grocer knows them: half buy in a week, for sums of a long tail."""
    random = np.random.default_rng(17)
    converted = random.random(MEMBERS) < 0.5
    return Outcomes(converted, np.where(converted, random.gamma(0.9, 70.0, MEMBERS), 0.0))


def test_intervals_cover_zero_where_nothing_was_done(population: Outcomes) -> None:
    study = study_coverage(population, withheld_share=0.25, seed=SEED)
    for found in (study.conversions, study.revenue):
        assert (found.truth, found.redraws, found.unknown) == (0.0, 1_000, 0)
        assert LEAST <= found.covered <= MOST
        assert abs(found.mean_estimate) < found.mean_length / 40


def test_intervals_cover_the_stated_lift(population: Outcomes) -> None:
    study = study_coverage(population, withheld_share=0.25, seed=SEED, response=Response(0.08, 40.0))
    assert study.conversions.truth == pytest.approx(0.08 * (1 - population.converted.mean()))
    assert study.revenue.truth == pytest.approx(3.2)
    for found in (study.conversions, study.revenue):
        assert LEAST <= found.covered <= MOST
        assert found.mean_estimate == pytest.approx(found.truth, abs=found.mean_length / 40)


def test_intervals_cover_the_lift_of_members_who_respond_differently(population: Outcomes) -> None:
    probability = np.where(population.revenue > 50, 0.15, 0.02)
    response = Response(probability, np.linspace(5, 60, MEMBERS))
    study = study_coverage(population, withheld_share=0.25, seed=SEED, response=response)
    for found in (study.conversions, study.revenue):
        assert LEAST <= found.covered <= MOST


@pytest.mark.long
@pytest.mark.parametrize("days", [28, 7])
def test_intervals_cover_zero_over_real_purchases(days: int) -> None:
    path = find_transactions()
    if path is None:
        pytest.skip("the demo's data is not installed")
    for found in study(read_outcomes(path, days), 0.25):
        assert LEAST <= found.conversions.covered <= MOST
        assert LEAST <= found.revenue.covered <= MOST


def test_rare_conversions_are_covered_too() -> None:
    converted = np.arange(MEMBERS) % 100 == 0
    study = study_coverage(Outcomes(converted, converted * 30.0), withheld_share=0.25, seed=SEED)
    assert study.conversions.unknown == 0
    assert study.conversions.covered >= LEAST


def test_an_audience_that_is_not_random_is_compared_with_its_own_withheld() -> None:
    """A/A: the targeted buy ten times as often as others. All who are held out would be quite another crowd."""
    random = np.random.default_rng(5)
    targeted = np.arange(MEMBERS) < 1_000
    converted = random.random(MEMBERS) < np.where(targeted, 0.5, 0.05)
    outcomes = Outcomes(converted, np.where(converted, random.gamma(1, 60.0, MEMBERS), 0.0), targeted)
    study = study_coverage(outcomes, withheld_share=0.25, seed=SEED)
    assert LEAST <= study.conversions.covered <= MOST
    assert LEAST <= study.revenue.covered <= MOST


def test_the_same_seed_gives_the_same_figures_however_much_fits_at_once(
    population: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Response(0.05, 20.0)
    whole = study_coverage(population, withheld_share=0.1, seed=9, response=model, redraws=50)
    monkeypatch.setattr(coverage, "CELLS_MAX", MEMBERS * 7)
    parts = study_coverage(population, withheld_share=0.1, seed=9, response=model, redraws=50)
    assert parts.conversions == whole.conversions
    assert parts.revenue.covered == whole.revenue.covered
    assert parts.revenue.mean_length == pytest.approx(whole.revenue.mean_length, rel=1e-12)
    other = study_coverage(population, withheld_share=0.1, seed=10, response=model, redraws=50)
    assert other.revenue.mean_estimate != whole.revenue.mean_estimate


def test_what_cannot_be_compared_is_refused(population: Outcomes) -> None:
    with pytest.raises(ValueError, match="compares nothing"):
        study_coverage(population, withheld_share=0.0, seed=1)
    nobody = Outcomes(population.converted, population.revenue, np.zeros(MEMBERS, dtype=bool))
    with pytest.raises(ValueError, match="0 targeted"):
        study_coverage(nobody, withheld_share=0.5, seed=1)
    with pytest.raises(ValueError, match="one value a member"):
        Outcomes(population.converted, population.revenue[:-1])
