"""A plan: who gets what, what it brings and costs, how far from the best it can be, and what each limit's room is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner.choosing import Chosen
from regulars.campaigns.planner.model import MICROS, Bools, Floats, Ints, Problem
from regulars.campaigns.planner.pricing import expected_cost_micros, list_steps
from regulars.campaigns.planner.shared import Branch
from regulars.messaging.prices import PricePlan

UNPRICED: Final = -1


@dataclass(frozen=True, slots=True)
class Assignments:
    """Columns of one row an assignment, by member, then campaign. Indexes are those of the problem's arrays.

    `price_micros` is what that message itself costs: messages are counted from the most valuable down, so the first ones
    take what the price plan includes; 0 for a withheld one.
    """

    member: NDArray[np.int32]
    campaign: NDArray[np.int16]
    channel: NDArray[np.int16]
    value_micros: Ints
    price_micros: Ints
    withheld: Bools

    def __len__(self) -> int:
        return len(self.member)


@dataclass(frozen=True, slots=True)
class Plan:
    """The planner's answer.

    `objective_micros` is what the plan is worth as expected before arms are drawn: values at the problem's share, less what
    the expected messages cost, less fees where plans were to choose from. No plan's objective is above `bound_micros`.
    Without holdouts the objective is exactly Σ value − Σ price of the assignments, less those fees. `prices` are the dual
    prices, whole micros, from which the bound is computed again (shared.py); `shadow_prices` what one more unit of
    each limit is worth, by the names `quota:CHANNEL`, `size:CAMPAIGN`, `budget:CAMPAIGN`. By campaign and channel, in the
    currency: `costs` is what one more message really costs, `theta` what an assignment pays at the dual prices. `branch` says which price plans
    were taken and which campaigns dropped. `proved`: no plan is better, by search and not by the bound alone.
    """

    problem: Problem
    assignments: Assignments
    branch: Branch
    prices: Mapping[str, float]
    shadow_prices: Mapping[str, float]
    theta: Floats
    costs: Floats
    objective_micros: float
    bound_micros: float
    proved: bool

    @property
    def gap(self) -> float:
        """The share of the bound that the plan misses at most."""
        return 0.0 if self.bound_micros <= 0 else max(0.0, 1.0 - self.objective_micros / self.bound_micros)

    def price_plan(self, channel: int) -> PricePlan | None:
        """The plan taken for a channel."""
        return chosen_price_plan(self.problem, self.branch, channel)


def chosen_price_plan(problem: Problem, branch: Branch, channel: int) -> PricePlan | None:
    """The price plan a branch takes for a channel; None where it has none."""
    at = branch.pieces[channel].plan
    return problem.channels[channel].plans[at] if at >= 0 else None


def expected_objective_micros(problem: Problem, branch: Branch, chosen: Chosen) -> float:
    """What assignments are worth before arms are drawn, in micros."""
    values = float(value_micros(problem, chosen).sum())
    return problem.share * values - sum(expected_costs_micros(problem, branch, chosen)) - branch.fee_micros


def expected_costs_micros(problem: Problem, branch: Branch, chosen: Chosen) -> list[float]:
    """What the expected messages of each channel cost, in micros."""
    campaign, channel = np.divmod(chosen.cell, len(problem.channels))
    going = np.bincount(channel, weights=problem.shares[campaign], minlength=len(problem.channels))
    return [
        expected_cost_micros(list_steps(chosen_price_plan(problem, branch, k), one.used), float(going[k]))
        for k, one in enumerate(problem.channels)
    ]


def value_micros(problem: Problem, chosen: Chosen) -> Ints:
    """The values of assignments, rounded to micros."""
    campaign, channel = np.divmod(chosen.cell, len(problem.channels))
    values = problem.values[campaign, channel, chosen.member].astype(np.float64)
    return np.rint(values * MICROS).astype(np.int64)


def assign(problem: Problem, branch: Branch, chosen: Chosen) -> Assignments:
    """The columns of a plan, each message with its own price."""
    cells = max(1, len(problem.campaigns) * len(problem.channels))
    # They are in order by member already: a stable sort has little to do.
    order = np.argsort(chosen.member * cells + chosen.cell, kind="stable")
    chosen = Chosen(chosen.member[order], chosen.cell[order], chosen.reduced[order])
    campaign, channel = np.divmod(chosen.cell, len(problem.channels))
    withheld = np.zeros(len(campaign), dtype=np.bool_)
    if problem.withheld is not None:
        withheld = problem.withheld[campaign, chosen.member]
    prices = np.zeros(len(campaign), dtype=np.int64)
    for k, one in enumerate(problem.channels):
        mine = np.flatnonzero((channel == k) & ~withheld)
        steps = list_steps(chosen_price_plan(problem, branch, k), one.used)
        if len({price for _, price in steps}) > 1:
            mine = mine[np.argsort(-chosen.reduced[mine], kind="stable")]
        prices[mine] = _price_each(steps, problem.shares[campaign[mine]], problem.withheld is not None)
    return Assignments(
        chosen.member.astype(np.int32),
        campaign.astype(np.int16),
        channel.astype(np.int16),
        value_micros(problem, chosen),
        prices,
        withheld,
    )


def _price_each(steps: list[tuple[float, int]], shares: Floats, drawn: bool) -> Ints:
    """Prices of messages in their order, each in the step that it falls into."""
    if not len(shares):
        return np.zeros(0, dtype=np.int64)
    before = np.arange(len(shares), dtype=np.float64) if drawn else np.r_[0.0, np.cumsum(shares)[:-1]]
    ends = np.cumsum([width for width, _ in steps])
    prices = np.array([price for _, price in steps], dtype=np.int64)
    return prices[np.minimum(np.searchsorted(ends, before, side="right"), len(prices) - 1)]


def summarise(plan: Plan) -> dict[str, Any]:
    """Figures of the messages that go, in micros; expected ones where no arms were drawn. Fees stand apart from costs.

    `by_campaign` has messages, withheld, value, cost; `by_channel` messages, included, extra, cost, plan, fee and
    `marginal_price`, what the last message cost.
    """
    problem, rows = plan.problem, plan.assignments
    weight = np.where(rows.withheld, 0.0, 1.0 if problem.withheld is not None else problem.shares[rows.campaign])
    costs = _channel_costs(plan, weight)
    value = float((rows.value_micros * weight).sum())
    campaigns = {one.name: _tell_campaign(rows, weight, rows.campaign == c) for c, one in enumerate(problem.campaigns)}
    return {
        "messages": _count(weight.sum()),
        "withheld": _count(len(rows) - weight.sum()),
        "value_micros": round(value),
        "cost_micros": round(sum(costs)),
        "net_micros": round(value) - round(sum(costs)),
        "objective_micros": round(plan.objective_micros),
        "bound_micros": round(plan.bound_micros),
        "gap": plan.gap,
        "by_campaign": campaigns,
        "by_channel": {one.name: _tell_channel(plan, weight, k, costs[k]) for k, one in enumerate(problem.channels)},
        "shadow_prices": dict(plan.shadow_prices),
    }


def _channel_costs(plan: Plan, weight: Floats) -> list[float]:
    rows = plan.assignments
    totals = np.bincount(rows.channel, weights=weight, minlength=len(plan.problem.channels))
    return [
        expected_cost_micros(list_steps(plan.price_plan(k), one.used), float(totals[k]))
        for k, one in enumerate(plan.problem.channels)
    ]


def _tell_campaign(rows: Assignments, weight: Floats, mine: Bools) -> dict[str, Any]:
    return {
        "messages": _count(weight[mine].sum()),
        "withheld": _count(int(mine.sum()) - weight[mine].sum()),
        "value_micros": round(float((rows.value_micros[mine] * weight[mine]).sum())),
        "cost_micros": round(float((rows.price_micros[mine] * weight[mine]).sum())),
    }


def _tell_channel(plan: Plan, weight: Floats, at: int, cost: float) -> dict[str, Any]:
    price_plan, used = plan.price_plan(at), plan.problem.channels[at].used
    mine = plan.assignments.channel == at
    messages = float(weight[mine].sum())
    included = messages if price_plan is None else min(messages, max(0.0, price_plan.included - used))
    return {
        "messages": _count(messages),
        "included": _count(included),
        "extra": _count(messages - included),
        "cost_micros": round(cost),
        "plan": None if price_plan is None else price_plan.code,
        "fee_micros": 0 if price_plan is None else round(price_plan.fee * MICROS),
        "marginal_price_micros": int(plan.assignments.price_micros[mine].max(initial=0)),
    }


def _count(value: float) -> int | float:
    """A number of messages: whole where it is."""
    rounded = round(float(value))
    return rounded if abs(rounded - float(value)) < 1e-6 else round(float(value), 3)
