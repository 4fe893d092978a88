"""What `bench plan` says of a plan is true of it, on problems small enough for every run; the large ones are the bench's own."""

from dataclasses import replace

import numpy as np
import pytest

from regulars.bootstrap.bench.plan import GAP_MAX, count_violations
from regulars.bootstrap.bench.plan_others import solve_by_highs, write_programme
from regulars.bootstrap.bench.plan_problems import KINDS, make_problem
from regulars.bootstrap.bench.plan_stored import measure_stored
from regulars.campaigns.planner import (
    Plan,
    prepare,
    random_first_come,
    rank_first_come,
    solve,
    take_greedily,
    with_noise,
)


def tamper(plan: Plan, **columns: np.ndarray) -> Plan:
    """The plan with other columns in its assignments."""
    return replace(plan, assignments=replace(plan.assignments, **columns))


@pytest.mark.parametrize("kind", KINDS)
def test_plans_of_each_kind_break_nothing_and_are_near_the_bound(kind: str) -> None:
    problem = make_problem(kind, 8_000)
    prepared = prepare(problem)
    plan = solve(prepared)
    assert count_violations(plan) == 0
    assert plan.gap <= GAP_MAX
    for way in (rank_first_come, random_first_come, take_greedily):
        assert way(prepared, plan).objective_micros <= plan.objective_micros


def test_a_violation_is_seen() -> None:
    plan = solve(make_problem("hard", 2_000))
    rows = plan.assignments
    assert count_violations(tamper(plan, channel=np.zeros_like(rows.channel))) > 0
    assert count_violations(tamper(plan, campaign=np.zeros_like(rows.campaign))) > 0
    assert count_violations(tamper(plan, member=np.zeros_like(rows.member))) > 0
    assert count_violations(replace(plan, objective_micros=plan.objective_micros + 1)) == 1
    assert count_violations(replace(plan, bound_micros=plan.objective_micros - 1)) == 1


def test_the_bound_is_the_optimum_of_the_relaxation_that_highs_finds() -> None:
    problem = make_problem("hard", 600)
    optimum = solve_by_highs(write_programme(problem)).objective
    plan = solve(problem, exact_cells_max=0)
    assert plan.bound_micros / 1e6 == pytest.approx(optimum, rel=1e-4)
    assert plan.bound_micros / 1e6 >= optimum * (1 - 1e-9)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_plans_bring_a_quarter_more_than_ranked_campaigns(kind: str) -> None:
    problem = make_problem(kind, 100_000)
    prepared = prepare(problem)
    plan = solve(prepared)
    random = np.random.default_rng(0)
    ranked = [rank_first_come(prepared, plan, order=random.permutation(10).tolist()).objective_micros for _ in range(3)]
    assert plan.objective_micros >= 1.25 * np.mean(ranked)
    assert (plan.gap <= GAP_MAX, count_violations(plan)) == (True, 0)
    noisy = solve(with_noise(problem, sigma=1.0))
    assert count_violations(replace(noisy, problem=replace(noisy.problem, values=noisy.problem.values))) == 0


@pytest.mark.long
@pytest.mark.parametrize("members", [3_000, 30_000, 300_000])
@pytest.mark.parametrize("worth", ["one for all", "by channel", "in steps", "rounded"])
def test_equal_values_are_planned_as_well_as_others(members: int, worth: str) -> None:
    random = np.random.default_rng(3)
    problem = make_problem("hard", members)
    base = np.broadcast_to([1.5, 1.5, 2, 2, 1, 3, 1.2, 1.5, 0.8, 1.5], (members, 10))
    if worth == "in steps":
        base = base * random.choice([0.5, 1, 2], (members, 1))
    if worth == "rounded":
        base = random.gamma(1.2, 1.2, (members, 10)).round(1)
    factors = np.array([1, 1, 1] if worth == "one for all" else [1, 0.9, 0.3])
    values = base.T[:, None, :] * factors[None, :, None]
    values = np.where(np.isfinite(problem.values), values, -np.inf).astype(np.float32)
    plan = solve(replace(problem, values=values))
    assert (plan.gap <= GAP_MAX, count_violations(plan)) == (True, 0)


@pytest.mark.long
def test_a_plan_with_the_database_is_read_and_written() -> None:
    told = measure_stored(3_000)
    assert told.stored_messages == 2_100, "all that the quotas allow"
    assert min(told.read_seconds, told.draft_seconds, told.write_seconds) > 0
