"""Anybody can compute the bound again from what a plan publishes, member by member; here it is done without the planner."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import Plan, Problem, solve
from tests.support.examples import few
from tests.support.planning import Shape, random_problem


def bound_again(plan: Plan) -> float:
    """The formula of the package's first page, in the currency."""
    problem = plan.problem
    gains = sum(most_for_member(plan, member) for member in range(problem.members))
    quotas = sum(most_for_channel(plan, k) for k in range(len(problem.channels)))
    sizes = budgets = 0.0
    for campaign in problem.campaigns:
        size, budget = plan.prices.get(f"size:{campaign.name}", 0.0), plan.prices.get(f"budget:{campaign.name}", 0.0)
        sizes += size * ((campaign.size_max or 0) if size > 0 else campaign.size_min)
        budgets += budget * float(campaign.budget or 0)
    return gains + quotas + sizes + budgets


def theta(plan: Plan, campaign: int, channel: int) -> float:
    """What an assignment pays at the published prices."""
    one, other = plan.problem.campaigns[campaign], plan.problem.channels[channel]
    price_plan = plan.price_plan(channel)
    charge = 0.0 if price_plan is None else float(max([step.price for step in price_plan.steps] or [0]))
    only = 0.0 if price_plan is None or not price_plan.steps else float(price_plan.steps[0].price)
    return one.going_share * (
        plan.prices.get(f"quota:{other.name}", only)
        + plan.prices.get(f"size:{one.name}", 0.0)
        + charge * plan.prices.get(f"budget:{one.name}", 0.0)
    )


def most_for_member(plan: Plan, member: int) -> float:
    """The best set of campaigns under the member's caps, every set tried."""
    problem = plan.problem
    best = [
        max(problem.share * value - theta(plan, c, k) for k, value in enumerate(problem.values[c, :, member].tolist()))
        for c in range(len(problem.campaigns))
    ]
    campaigns = range(len(problem.campaigns))
    sets = itertools.chain.from_iterable(itertools.combinations(campaigns, size) for size in range(len(campaigns) + 1))
    return max(sum(best[c] for c in one) for one in sets if allowed(problem, member, one))


def allowed(problem: Problem, member: int, campaigns: tuple[int, ...]) -> bool:
    """Whether the member's caps let all of them through."""
    topics = [problem.campaigns[c].topic for c in campaigns]
    return all(
        len([topic for topic in topics if cap.topic in (None, topic)]) <= max(0, int(cap.remaining[member]))
        for cap in problem.caps
    )


def most_for_channel(plan: Plan, channel: int) -> float:
    """max over n of n × price − cost(n), every n up to the quota tried."""
    price_plan = plan.price_plan(channel)
    price = plan.prices.get(f"quota:{plan.problem.channels[channel].name}")
    if price_plan is None or price is None:
        return 0.0
    most = price_plan.messages_max if price_plan.messages_max is not None else 3 * plan.problem.members
    return max(n * price - float(price_plan.cost_of(n)) for n in range(most + 1))


@pytest.mark.parametrize("exact_cells_max", [0, 20_000], ids=["by prices", "exact"])
@settings(max_examples=few(3), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_bound_is_computed_again_from_the_prices(exact_cells_max: int, seed: int) -> None:
    problem = random_problem(seed, Shape(members=40, campaigns=4, topics=True, withheld=True))
    plan = solve(replace(problem, withheld=None), exact_cells_max=exact_cells_max)
    assert plan.bound_micros / 1e6 == pytest.approx(bound_again(plan), rel=1e-9, abs=1e-6)


def test_without_holdouts_it_is_exact_to_the_micro() -> None:
    problem = random_problem(21, Shape(members=60, campaigns=4, topics=True))
    plan = solve(problem)
    assert plan.bound_micros == round(bound_again(plan) * 1e6)
    assert plan.objective_micros == int(plan.assignments.value_micros.sum() - plan.assignments.price_micros.sum())


def test_another_price_gives_a_bound_too_but_no_lower_one() -> None:
    plan = solve(random_problem(21, Shape(members=60, campaigns=4, topics=True)))
    for name, price in plan.prices.items():
        for other in (price * 1.2 + 0.01, max(0.0, price - 0.05)):
            moved = replace(plan, prices={**plan.prices, name: other})
            assert bound_again(moved) >= plan.bound_micros / 1e6 - 1e-6


def test_values_of_six_decimals_are_kept_to_the_last() -> None:
    problem = random_problem(2, Shape(members=30, campaigns=2))
    values = np.where(np.isfinite(problem.values), np.round(problem.values, 6) + 0.000001, -np.inf)
    plan = solve(replace(problem, values=values))
    rows = plan.assignments
    expected = [round(float(value) * 1e6) for value in values[rows.campaign, rows.channel, rows.member]]
    assert rows.value_micros.tolist() == expected
