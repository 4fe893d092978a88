"""Our figures are tea-tasting's, from the same members, to 1e-9 where the method is the same."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tea_tasting as tt

from regulars.campaigns.estimating.moments import get_moments
from regulars.campaigns.estimating.power import Spread, find_members_needed
from regulars.measure.experiment import Result, analyse
from regulars.measure.importing import ExperimentColumns, read_experiment
from regulars.measure.lift import Estimate, compare_means
from regulars.measure.variants import adjust_holm, compare_shares

TOLERANCE = 1e-9
ARMS = ("none", "mens", "womens")
MEMBERS = 6_000


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Three arms with visits, spend of few and skewed, and what each had spent before."""
    random = np.random.default_rng(20261122)
    arm = random.choice(len(ARMS), MEMBERS, p=[0.5, 0.3, 0.2])
    before = random.gamma(2.0, 120.0, MEMBERS)
    visit = random.random(MEMBERS) < 0.08 + 0.04 * (arm > 0) + 0.0002 * before
    spend = np.where(random.random(MEMBERS) < 0.3, random.lognormal(3, 1, MEMBERS) + before * 0.2, 0).round(2)
    return pa.table(
        {"arm": [ARMS[one] for one in arm], "visit": visit.astype(int), "spend": spend, "before": before.round(2)}
    )


@pytest.fixture(scope="module")
def file(table: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("oracle") / "experiment.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(table.column_names)
        writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return path


def ours(file: Path, covariate: str | None) -> dict[tuple[str, str], Result]:
    found = read_experiment(file, ExperimentColumns("arm", ["visit", "spend"], covariate))
    assert (found.read, found.rejected) == (MEMBERS, 0)
    return {(one.arm, one.outcome): one for one in analyse(found.experiment, "none")}


def estimate_of(result: Result) -> Estimate:
    assert result.lift.estimate is not None
    return result.lift.estimate


@pytest.mark.parametrize("covariate", [None, "before"])
def test_means_intervals_and_ps_are_the_oracles(table: pa.Table, file: Path, covariate: str | None) -> None:
    experiment = tt.Experiment(
        {"visit": tt.Mean("visit", covariate), "spend": tt.Mean("spend", covariate)}, variant="arm"
    )
    theirs = experiment.analyze(table, control="none", all_variants=True)
    results = ours(file, covariate)
    assert len(results) == 4
    for (arm, outcome), result in results.items():
        told = theirs[("none", arm)][outcome]
        found = estimate_of(result)
        assert found.interval is not None
        assert found.relative_interval is not None
        assert found.method == ("cuped" if covariate else "welch")
        pairs = {
            "treated": (found.treated_mean, told.treatment),
            "withheld": (found.withheld_mean, told.control),
            "absolute": (found.absolute, told.effect_size),
            "low": (found.interval[0], told.effect_size_ci_lower),
            "high": (found.interval[1], told.effect_size_ci_upper),
            "relative": (found.relative, told.rel_effect_size),
            "relative low": (found.relative_interval[0], told.rel_effect_size_ci_lower),
            "relative high": (found.relative_interval[1], told.rel_effect_size_ci_upper),
            "p": (found.p, told.pvalue),
        }
        for name, (mine, expected) in pairs.items():
            assert mine == pytest.approx(expected, rel=TOLERANCE, abs=TOLERANCE), (arm, outcome, name)


def test_a_covariate_narrows_the_interval_and_says_by_how_much(file: Path) -> None:
    plain, less = (estimate_of(ours(file, one)["mens", "spend"]) for one in (None, "before"))
    assert plain.interval is not None
    assert less.interval is not None
    assert less.variance_removed is not None
    assert 0.02 < less.variance_removed < 1
    narrowed = (less.interval[1] - less.interval[0]) / (plain.interval[1] - plain.interval[0])
    assert narrowed == pytest.approx(np.sqrt(1 - less.variance_removed), rel=0.05)


@pytest.mark.parametrize(("members", "weights"), [((480, 430), (1, 1)), ((90, 901), (1, 9)), ((5_200, 4_800), (1, 1))])
def test_the_sample_ratio_is_the_oracles(members: tuple[int, int], weights: tuple[int, int]) -> None:
    sample = {name: tt.aggr.Aggregates(count_=count) for name, count in zip("ab", members, strict=True)}
    metric = tt.SampleRatio({"a": weights[0], "b": weights[1]}, correction=False)
    told = metric.analyze(sample, control="a", treatment="b")
    mine = compare_shares(dict(zip("ab", members, strict=True)), dict(zip("ab", weights, strict=True)))
    assert mine.p == pytest.approx(told.pvalue, rel=TOLERANCE)


def test_holm_is_the_oracles(table: pa.Table, file: Path) -> None:
    experiment = tt.Experiment({"spend": tt.Mean("spend")}, variant="arm")
    theirs = experiment.analyze(table, control="none", all_variants=True)
    told = tt.adjust_fwer(theirs, arbitrary_dependence=True, method="bonferroni")
    for arm in ("mens", "womens"):
        mine = ours(file, None)[arm, "spend"].p_adjusted
        assert mine == pytest.approx(told[("none", arm)]["spend"]["pvalue_adj"], rel=TOLERANCE)
    assert adjust_holm([0.04, None, 0.01, 0.03]) == [0.06, None, 0.03, 0.06]


def test_needs_are_the_oracles_but_for_small_samples(table: pa.Table) -> None:
    spend = table["spend"].to_numpy()
    moments = get_moments(spend)
    halves = Spread(moments.variance, moments.variance, 0.5)
    (needed,) = tt.Mean("spend", rel_effect_size=0.2).solve_power(table, "n_obs")
    assert find_members_needed(halves, 0.2 * moments.mean) == pytest.approx(needed.n_obs, rel=2e-3)


def test_scaling_the_outcome_scales_the_lift_and_nothing_else(table: pa.Table) -> None:
    spend, arm = table["spend"].to_numpy(), np.array(table["arm"].to_pylist())
    first, second = (
        compare_means(get_moments(spend[arm == "mens"] * by), get_moments(spend[arm == "none"] * by))
        for by in (1, 37.5)
    )
    one, other = first.estimate, second.estimate
    assert one is not None
    assert one.interval is not None
    assert other is not None
    assert other.interval == pytest.approx([bound * 37.5 for bound in one.interval], rel=TOLERANCE)
    assert (other.p, other.relative) == pytest.approx((one.p, one.relative), rel=TOLERANCE)
    assert (first.verdict, first.needs_members) == (second.verdict, second.needs_members)
