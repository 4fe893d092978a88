"""The baselines do what their names say, message by message, and keep the same limits as plans."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import (
    Baseline,
    Plan,
    Problem,
    prepare,
    random_first_come,
    rank_first_come,
    solve,
    take_greedily,
    with_noise,
)
from regulars.campaigns.planner.plan import assign
from tests.support.examples import few
from tests.support.planning import Shape, judge, price_plan, random_problem

# Ties are broken by a thousandth of the value: two messages that are nearer than that may change places.
NEAR = 5e-3
SHAPE = Shape(members=60, campaigns=4, topics=True)
WAYS = {"ranked": rank_first_come, "random": random_first_come, "greedy": take_greedily}

Cell = tuple[int, int, int]


def with_prices(seed: int) -> Problem:
    """Extra messages at one price each, so that what a message costs does not depend on how many there are."""
    problem = random_problem(seed, SHAPE)
    random = np.random.default_rng(seed)
    plans = [price_plan(0, (int(random.integers(5, 40)), str(price))) for price in ("0.2", "0.05")]
    channels = tuple(replace(one, plans=(plan,)) for one, plan in zip(problem.channels, plans, strict=True))
    return replace(problem, channels=channels)


def take_in_turn(problem: Problem, cells: Iterator[Cell]) -> list[Cell]:
    """One message after another, each if the limits still have room for it: what the baselines do by the thousand."""
    taken: list[Cell] = []
    for campaign, channel, member in cells:
        one, quota = problem.campaigns[campaign], problem.channels[channel].plans[0].messages_max
        topics = [one.topic, None]
        caps = [cap for cap in problem.caps if cap.topic in topics]
        held = [
            [c for c, _, m in taken if m == member and cap.topic in (None, problem.campaigns[c].topic)] for cap in caps
        ]
        if (
            any(len(mine) >= cap.remaining[member] for mine, cap in zip(held, caps, strict=True))
            or any((c, m) == (campaign, member) for c, _, m in taken)
            or sum(k == channel for _, k, _ in taken) == quota
            or sum(c == campaign for c, _, _ in taken) == one.size_max
        ):
            continue
        taken.append((campaign, channel, member))
    return taken


def net(problem: Problem, cell: Cell) -> float:
    campaign, channel, member = cell
    steps = problem.channels[channel].plans[0].steps
    return float(problem.values[campaign, channel, member]) - float(steps[0].price)


def worth_sending(problem: Problem) -> list[Cell]:
    """All that is worth its price, the most valuable first."""
    cells = [cell for cell in np.ndindex(problem.values.shape) if net(problem, cell) > 0]
    return sorted(cells, key=lambda cell: -net(problem, cell))


@settings(max_examples=few(5), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_greedy_takes_the_most_valuable_message_of_all_first(seed: int) -> None:
    problem = with_prices(seed)
    prepared = prepare(problem)
    expected = sum(net(problem, cell) for cell in take_in_turn(problem, iter(worth_sending(problem))))
    found = take_greedily(prepared, solve(prepared)).objective_micros / 1e6
    assert found == pytest.approx(expected, rel=NEAR)


@settings(max_examples=few(5), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_first_come_lets_each_campaign_rank_its_audience(seed: int) -> None:
    problem = with_prices(seed)
    prepared = prepare(problem)
    in_turn = sorted(worth_sending(problem), key=lambda cell: cell[0])
    expected = sum(net(problem, cell) for cell in take_in_turn(problem, iter(in_turn)))
    found = rank_first_come(prepared, solve(prepared)).objective_micros / 1e6
    assert found == pytest.approx(expected, rel=NEAR)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@settings(max_examples=few(3), deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_baseline_keeps_the_limits_and_is_not_above_the_bound(way: object, seed: int) -> None:
    problem = random_problem(seed, Shape(members=60, campaigns=4, topics=True, minimums=True))
    prepared = prepare(problem)
    plan = solve(prepared)
    assert callable(way)
    found: Baseline = way(prepared, plan)
    assert judge(as_plan(plan, found)) == []


def as_plan(plan: Plan, found: Baseline) -> Plan:
    """A baseline's assignments in the place of a plan's."""
    assignments = assign(plan.problem, plan.branch, found.chosen)
    return replace(plan, assignments=assignments, objective_micros=found.objective_micros)


def test_noise_moves_values_but_not_who_may_be_reached() -> None:
    problem = random_problem(1, Shape(members=2_000))
    noisy = with_noise(problem, sigma=1.0, seed=3)
    assert (np.isfinite(noisy.values) == np.isfinite(problem.values)).all()
    reached = np.isfinite(problem.values) & (problem.values > 0)
    factors = noisy.values[reached] / problem.values[reached]
    assert float(np.log(factors).std()) == pytest.approx(1.0, abs=0.05)
    assert float(factors.mean()) == pytest.approx(1.0, abs=0.1)
