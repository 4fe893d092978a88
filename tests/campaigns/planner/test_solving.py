"""Plans against an optimum found another way, and against every limit, on random problems of every kind."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import Campaign, Cap, Channel, Problem, exact, prepare, solve, vary
from tests.support.examples import few
from tests.support.planning import Shape, find_optimum, judge, price_plan, random_problem

LOSS_MAX = 5e-4
SHAPES = {
    "plain": Shape(),
    "topics": Shape(topics=True),
    "equal values": Shape(tied=True),
    "price steps": Shape(tiers=True),
    "least sizes": Shape(minimums=True),
    "budgets": Shape(tiers=True, budgets=True),
    "a choice of price plans": Shape(tiers=True, choice=True, members=12),
    "everything": Shape(tiers=True, minimums=True, budgets=True, topics=True, members=20),
}


def loss(problem: Problem, *, exact_cells_max: int) -> float:
    """The share of the optimum that a plan misses; fails where the plan or its bound is wrong."""
    plan = solve(problem, exact_cells_max=exact_cells_max)
    optimum = find_optimum(problem) * 1e6
    assert judge(plan) == []
    assert plan.bound_micros >= optimum - 1e-9 * abs(optimum) - 1, "the bound is below the optimum"
    return (optimum - plan.objective_micros) / max(1.0, optimum)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@settings(max_examples=few(1), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_small_plans_are_the_optimum(shape: Shape, seed: int) -> None:
    assert loss(random_problem(seed, shape), exact_cells_max=20_000) <= 1e-6


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@settings(max_examples=few(1), deadline=None)
@given(seed=st.integers(0, 10_000))
@example(seed=88)  # with budgets: prices of broken micros
def test_plans_by_prices_are_the_optimum_of_small_problems_too(shape: Shape, seed: int) -> None:
    assert loss(random_problem(seed, shape), exact_cells_max=0) <= LOSS_MAX


@settings(max_examples=few(2), deadline=None)
@given(seed=st.integers(0, 10_000), exact_cells_max=st.sampled_from([0, 20_000]))
def test_arms_as_drawn_break_no_limit(seed: int, exact_cells_max: int) -> None:
    problem = random_problem(seed, replace(SHAPES["everything"], members=60, withheld=True))
    assert judge(solve(problem, exact_cells_max=exact_cells_max)) == []


@pytest.mark.parametrize("arm", [0, 1])
def test_an_arm_moves_no_choice_where_limits_have_room(arm: int) -> None:
    problem = random_problem(5, Shape(withheld=True))
    assert problem.withheld is not None
    free = replace(problem, channels=tuple(replace(channel, plans=()) for channel in problem.channels))
    flipped = replace(free, withheld=np.full_like(problem.withheld, bool(arm)))
    plans = [solve(free).assignments, solve(flipped).assignments]
    assert len(plans[0])
    assert (plans[0].member == plans[1].member).all()
    assert (plans[0].channel == plans[1].channel).all()


def crowd(members: int, included: int) -> Problem:
    """Two campaigns of half the members each, all messages worth the same, more of them than the quota holds."""
    values = np.full((2, 1, members), -np.inf)
    values[0, 0, : members // 2] = values[1, 0, members // 2 :] = 1.0
    channels = (Channel("line", (price_plan(included),)),)
    return Problem((Campaign("a"), Campaign("b")), channels, values, (Cap(None, np.ones(members, dtype=np.int64)),))


def test_thousands_of_equal_messages_fill_a_quota() -> None:
    plan = solve(crowd(18_000, 5_400))
    assert len(plan.assignments) == 5_400 and plan.proved


def test_what_takes_too_long_is_planned_by_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "SECONDS_MAX", 0.0)
    plan = solve(crowd(2_000, 700))
    assert judge(plan) == [] and not plan.proved
    assert len(plan.assignments) == 700


def test_the_same_problem_and_seed_give_the_same_plan() -> None:
    problem = random_problem(3, Shape(members=3_000, campaigns=5, channels=3, tiers=True, topics=True))
    first, second = (solve(problem, seed=7) for _ in range(2))
    assert first.prices == second.prices
    assert first.assignments.member.tobytes() == second.assignments.member.tobytes()
    assert first.assignments.price_micros.tobytes() == second.assignments.price_micros.tobytes()


def test_a_variant_of_a_prepared_problem_is_as_if_prepared_for_itself() -> None:
    problem = random_problem(11, Shape(members=3_000, campaigns=5, channels=3))
    prepared = prepare(problem)
    tighter = replace(problem, caps=(replace(problem.caps[0], remaining=np.minimum(problem.caps[0].remaining, 1)),))
    assert solve(vary(prepared, tighter)).objective_micros == solve(tighter).objective_micros
    assert solve(prepared).objective_micros == solve(problem).objective_micros


@pytest.mark.parametrize(
    "shape",
    [
        Shape(members=0),
        Shape(campaigns=0),
        Shape(channels=0),
        Shape(members=1, campaigns=1, channels=1, tiers=True, minimums=True, budgets=True),
    ],
    ids=["nobody", "no campaign", "no channel", "one of each"],
)
@pytest.mark.parametrize("exact_cells_max", [0, 20_000])
def test_next_to_nothing_is_planned_too(shape: Shape, exact_cells_max: int) -> None:
    for seed in range(5):
        assert judge(solve(random_problem(seed, shape), exact_cells_max=exact_cells_max)) == []
