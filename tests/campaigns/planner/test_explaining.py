"""Each member's best unsent message is the best, and what is said to stand against it does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import Plan, Reason, explain_unsent, solve
from tests.support.examples import few
from tests.support.planning import Shape, price_plan, random_problem


def best_unsent(plan: Plan, member: int) -> tuple[int, int, float] | None:
    """Campaign, channel and what it would bring beyond its price."""
    rows = plan.assignments
    sent = set(rows.campaign[rows.member == member].tolist())
    options = [
        (campaign, channel, float(plan.problem.values[campaign, channel, member] - plan.costs[campaign, channel]))
        for campaign in range(len(plan.problem.campaigns))
        for channel in range(len(plan.problem.channels))
        if campaign not in sent and np.isfinite(plan.problem.values[campaign, channel, member])
    ]
    return max(options, key=lambda option: option[2], default=None)


def room(plan: Plan, member: int, campaign: int) -> tuple[int, int]:
    """The least of the member's caps for a campaign, and the least that is left of them."""
    problem, rows = plan.problem, plan.assignments
    topic = problem.campaigns[campaign].topic
    allowed, left = [len(problem.campaigns)], [len(problem.campaigns)]
    for cap in problem.caps:
        if cap.topic in (None, topic):
            mine = [c for c in rows.campaign[rows.member == member] if cap.topic in (None, problem.campaigns[c].topic)]
            allowed.append(int(cap.remaining[member]))
            left.append(int(cap.remaining[member]) - len(mine))
    return min(allowed), min(left)


def is_full(plan: Plan, reason: int, campaign: int, channel: int) -> bool:
    """Whether one more message would break the limit that is named."""
    problem, rows = plan.problem, plan.assignments
    if reason == Reason.SIZE:
        size_max = problem.campaigns[campaign].size_max
        return size_max is not None and int((rows.campaign == campaign).sum()) + 1 > size_max
    price_plan = plan.price_plan(channel)
    if price_plan is None:
        return False
    if reason == Reason.QUOTA:
        return int((rows.channel == channel).sum()) + 1 > (price_plan.messages_max or 0)
    budget, price = problem.campaigns[campaign].budget, int(price_plan.steps[0].price * 10**6)
    return budget is not None and int(rows.price_micros[rows.campaign == campaign].sum()) + price > budget * 10**6


@settings(max_examples=few(3), deadline=None)
@given(seed=st.integers(0, 10_000), exact_cells_max=st.sampled_from([0, 20_000]))
def test_the_reason_is_true_of_every_member(seed: int, exact_cells_max: int) -> None:
    made = random_problem(seed, Shape(members=40, campaigns=4, topics=True, budgets=True, minimums=True))
    channels = tuple(replace(one, plans=(price_plan(0, (20, "0.2")),)) for one in made.channels)
    plan = solve(replace(made, channels=channels), exact_cells_max=exact_cells_max)
    unsent = explain_unsent(plan)
    names = {Reason.QUOTA: "quota:k{1}", Reason.SIZE: "size:c{0}", Reason.BUDGET: "budget:c{0}"}
    for row in zip(unsent.member, unsent.campaign, unsent.channel, unsent.net_micros, unsent.reason, strict=True):
        member, campaign, channel, net_micros, reason = (int(one) for one in row)
        best = best_unsent(plan, member)
        assert (reason == Reason.NOTHING) == (best is None)
        if best is None:
            continue
        assert (campaign, channel) == best[:2]
        assert net_micros / 1e6 == pytest.approx(best[2], abs=1e-6)
        allowed, left = room(plan, member, campaign)
        assert (reason == Reason.DROPPED) == (campaign in plan.branch.dropped)
        if reason in names:
            shadow = plan.shadow_prices.get(names[Reason(reason)].format(campaign, channel), 0.0)
            assert allowed > 0
            assert shadow > 0 or is_full(plan, reason, campaign, channel)
        assert reason != Reason.PRICE or net_micros <= 0
        assert reason != Reason.CAP or allowed <= 0
        assert reason != Reason.OUTVALUED or (allowed > 0 and left == 0)


def test_some_members_alone_are_told_the_same() -> None:
    plan = solve(random_problem(4, Shape(members=80, campaigns=4, topics=True)))
    everybody, some = explain_unsent(plan), explain_unsent(plan, np.array([3, 40, 79]))
    assert (some.reason == everybody.reason[[3, 40, 79]]).all()
    assert (some.net_micros == everybody.net_micros[[3, 40, 79]]).all()


def test_a_binding_quota_is_what_stands_against_most() -> None:
    problem = random_problem(2, Shape(members=400, campaigns=3, channels=1))
    plan = solve(problem)
    assert plan.shadow_prices["quota:k0"] > 0
    assert (explain_unsent(plan).reason == Reason.QUOTA).sum() > 100
