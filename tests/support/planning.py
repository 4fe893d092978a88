"""Random plans to be made, a judge of what was made, and an optimum found another way."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
from scipy import optimize

from regulars.campaigns.planner import Campaign, Cap, Channel, Plan, Problem
from regulars.messaging.prices import PricePlan, PriceStep

DAY = date(2026, 11, 1)
MICRO = 1e-6


def price_plan(included: int, *steps: tuple[int | None, str], code: str = "mid", fee: str = "0") -> PricePlan:
    """A price plan of today, its steps as (up_to, price)."""
    priced = tuple(PriceStep(up_to, Decimal(price)) for up_to, price in steps)
    return PricePlan(code, DAY, None, Decimal(fee), included, priced)


@dataclass(frozen=True)
class Shape:
    """What a random problem may have."""

    members: int = 40
    campaigns: int = 3
    channels: int = 2
    tiers: bool = False
    minimums: bool = False
    budgets: bool = False
    withheld: bool = False
    topics: bool = False
    tied: bool = False
    choice: bool = False


def random_problem(seed: int, shape: Shape) -> Problem:
    """A problem whose limits bind: quotas are a share of what could be sent."""
    random = np.random.default_rng(seed)
    cells = (shape.campaigns, shape.channels, shape.members)
    values = random.choice([0.5, 1.0, 1.5, 3.0], cells) if shape.tied else random.gamma(0.8, 1.5, cells).round(4)
    values[random.random(cells) < 0.25] = -np.inf
    messages = shape.members * 2
    channels = tuple(
        Channel(f"k{k}", _random_plans(random, shape, messages), int(random.integers(0, 4)) if shape.tiers else 0)
        for k in range(shape.channels)
    )
    campaigns = tuple(
        Campaign(
            f"c{c}",
            topic=("promo", "news")[int(random.integers(2))] if shape.topics else None,
            size_min=int(random.integers(0, max(1, shape.members // 3)))
            if shape.minimums and random.random() < 0.7
            else 0,
            size_max=int(random.integers(shape.members // 3, shape.members + 1)) if random.random() < 0.6 else None,
            budget=Decimal(int(random.integers(0, shape.members + 1))) / 10
            if shape.budgets and random.random() < 0.7
            else None,
            going_share=float(random.choice([1.0, 0.9, 0.75])) if shape.withheld else 1.0,
        )
        for c in range(shape.campaigns)
    )
    caps = [Cap(None, random.integers(0, 4, shape.members))]
    if shape.topics:
        caps += [Cap("promo", random.integers(0, 3, shape.members)), Cap("promo", random.integers(1, 3, shape.members))]
    withheld = None
    if shape.withheld:
        shares = np.array([campaign.going_share for campaign in campaigns])
        withheld = random.random((shape.campaigns, shape.members)) >= shares[:, None]
    return Problem(campaigns, channels, values, tuple(caps), withheld)


def _random_plans(random: np.random.Generator, shape: Shape, messages: int) -> tuple[PricePlan, ...]:
    if random.random() < 0.15:
        return ()
    plans = []
    for at in range(1 + int(shape.choice)):
        included = int(random.integers(0, max(1, messages // 3)))
        steps: list[tuple[int | None, str]] = []
        if shape.tiers and random.random() < 0.8:
            prices = random.choice(["0.05", "0.2", "0.35", "0.6", "1.1"], 2, replace=False)
            steps = [(int(random.integers(1, max(2, messages // 4))), str(prices[0])), (None, str(prices[1]))]
            steps = steps[: int(random.integers(1, 3))]
        plans.append(price_plan(included, *steps, code=f"p{at}", fee=str(at * 2)))
    return tuple(plans)


def judge(plan: Plan) -> list[str]:
    """Every limit the plan breaks, and every figure that is not what its assignments say."""
    problem, rows = plan.problem, plan.assignments
    broken: list[str] = []
    pairs = rows.member.astype(np.int64) * len(problem.campaigns) + rows.campaign
    if len(np.unique(pairs)) != len(pairs):
        broken.append("a campaign goes twice to a member")
    values = problem.values[rows.campaign, rows.channel, rows.member].astype(np.float64)
    if not np.isfinite(values).all():
        broken.append("a message goes where it may not")
    if not (np.rint(values * 1e6) == rows.value_micros).all():
        broken.append("a value is not the one that was given")
    broken += _judge_caps(problem, rows)
    going = problem.shares[rows.campaign]
    drawn = np.ones(len(rows)) if problem.withheld is None else np.where(rows.withheld, 0.0, 1.0)
    for weight in [going] if problem.withheld is None else [going, drawn]:
        broken += _judge_sizes(plan, weight)
    broken += _judge_money(plan, going, drawn)
    return broken


def _judge_caps(problem: Problem, rows: Any) -> list[str]:
    topics = np.array([campaign.topic or "" for campaign in problem.campaigns])
    broken = []
    for cap in problem.caps:
        mine = np.ones(len(rows), dtype=bool) if cap.topic is None else topics[rows.campaign] == cap.topic
        if (np.bincount(rows.member[mine], minlength=problem.members) > np.maximum(cap.remaining, 0)).any():
            broken.append(f"the cap of {cap.topic or 'all topics'} is exceeded")
    return broken


def _judge_sizes(plan: Plan, weight: Any) -> list[str]:
    problem, rows = plan.problem, plan.assignments
    broken = []
    for c, campaign in enumerate(problem.campaigns):
        size = float(weight[rows.campaign == c].sum())
        if campaign.size_max is not None and size > campaign.size_max + 1e-6:
            broken.append(f"{campaign.name} goes {size} times, at most {campaign.size_max}")
        if (rows.campaign == c).any() and size < campaign.size_min - 1e-6:
            broken.append(f"{campaign.name} goes {size} times, at least {campaign.size_min}")
    for k, channel in enumerate(problem.channels):
        price_plan = plan.price_plan(k)
        most = None if price_plan is None else price_plan.messages_max
        used = channel.used + float(weight[rows.channel == k].sum())
        if most is not None and used > max(most, channel.used) + 1e-6:
            broken.append(f"{channel.name} has {most} messages, {used} are used")
    return broken


def _judge_money(plan: Plan, going: Any, drawn: Any) -> list[str]:
    problem, rows = plan.problem, plan.assignments
    broken = []
    for c, campaign in enumerate(problem.campaigns):
        spent = int((rows.price_micros * (drawn if problem.withheld is not None else going))[rows.campaign == c].sum())
        if campaign.budget is not None and spent > float(campaign.budget) * 1e6 + 1:
            broken.append(f"{campaign.name} spends {spent} micros of {campaign.budget}")
    cost = Decimal(0)
    for k, channel in enumerate(problem.channels):
        price_plan = plan.price_plan(k)
        if price_plan is None:
            continue
        mine = rows.channel == k
        messages = int(drawn[mine].sum())
        exactly = price_plan.cost_of(channel.used + messages) - price_plan.cost_of(channel.used)
        if (problem.withheld is not None or (going == 1).all()) and int(
            rows.price_micros[mine].sum()
        ) != exactly * 10**6:
            broken.append(f"{channel.name}: prices do not add up to {exactly}")
        cost += exactly + (price_plan.fee if len(channel.plans) > 1 else 0)
    if (problem.shares == 1).all():
        objective = int(rows.value_micros.sum()) - int(cost * 10**6)
        if abs(objective - plan.objective_micros) > 0.5:
            broken.append(f"the objective is {objective}, said to be {plan.objective_micros}")
    if plan.objective_micros > plan.bound_micros + 1e-9 * abs(plan.bound_micros) + 0.5:
        broken.append(f"the objective {plan.objective_micros} is above the bound {plan.bound_micros}")
    return broken


def find_optimum(problem: Problem) -> float:
    """The best expected objective, in the currency: every step of every plan tried, each as one integer programme.

    Sizes are kept or dropped by a yes or no of their own. Budgets are charged the highest price up to the step.
    """
    choices = [_list_choices(channel) for channel in problem.channels]
    return max([0.0, *(_solve(problem, combination) for combination in itertools.product(*choices))])


@dataclass(frozen=True)
class _Step:
    low: float
    high: float
    base: float
    price: float
    charge: float
    fee: float


def _list_choices(channel: Channel) -> list[_Step]:
    if not channel.plans:
        return [_Step(0, np.inf, 0, 0, 0, 0)]
    found: list[_Step] = []
    for plan in channel.plans:
        fee = float(plan.fee) if len(channel.plans) > 1 else 0.0
        ends = [plan.included, *(plan.included + step.up_to if step.up_to else np.inf for step in plan.steps)]
        prices = [0.0, *(float(step.price) for step in plan.steps)]
        low, charge = channel.used, 0.0
        before = float(plan.cost_of(channel.used))
        for end, price in zip(ends, prices, strict=True):
            charge = max(charge, price) if end > channel.used else charge
            if end > low:
                base = float(plan.cost_of(int(low))) - before
                found.append(_Step(low - channel.used, end - channel.used, base, price, charge, fee))
                low = end
        found.append(_Step(0, 0, 0, 0, 0, fee))
    return found


class _Rows:
    """Rows of an integer programme over the possible assignments, and one yes or no for each least size."""

    def __init__(self, cells: int, keeps: int) -> None:
        self.cells, self.width = cells, cells + keeps
        self.rows: list[Any] = []
        self.low: list[float] = []
        self.high: list[float] = []

    def add(self, mask: Any, weights: Any, low: float, high: float, keep: tuple[int, float] | None = None) -> None:
        row = np.zeros(self.width)
        row[: self.cells][mask] = np.broadcast_to(weights, self.cells)[mask]
        if keep:
            row[self.cells + keep[0]] = keep[1]
        self.rows.append(row)
        self.low.append(low)
        self.high.append(high)

    def maximise(self, objective: Any) -> Any:
        """The best whole numbers; None where there are none."""
        rows = np.array(self.rows).reshape(len(self.rows), self.width)
        answer: Any = optimize.milp(
            -objective,
            integrality=np.ones(self.width),
            bounds=optimize.Bounds(0, 1),
            constraints=optimize.LinearConstraint(rows, self.low, self.high),
            options={"mip_rel_gap": 1e-9},
        )
        return answer.x


def _solve(problem: Problem, steps: Sequence[_Step]) -> float:
    campaign, channel, member = np.nonzero(np.isfinite(problem.values))
    values = np.rint(problem.values[campaign, channel, member] * 1e6) * MICRO
    shares = problem.shares[campaign]
    prices = np.array([step.price for step in steps])[channel]
    kept = [c for c, one in enumerate(problem.campaigns) if one.size_min > 0]
    rows = _Rows(len(member), len(kept))
    for k, step in enumerate(steps):
        rows.add(channel == k, shares, step.low, step.high)
    charges = np.array([step.charge for step in steps])[channel]
    for c, one in enumerate(problem.campaigns):
        mine = campaign == c
        rows.add(mine, shares, -np.inf, np.inf if one.size_max is None else one.size_max)
        rows.add(mine, shares * charges, -np.inf, np.inf if one.budget is None else float(one.budget))
        if c in kept:
            rows.add(mine, shares, 0.0, np.inf, (kept.index(c), -one.size_min))
            rows.add(mine, shares, -np.inf, 0.0, (kept.index(c), -len(member)))
        for who in np.unique(member[mine]):
            rows.add(mine & (member == who), 1.0, -np.inf, 1)
    topics = np.array([one.topic or "" for one in problem.campaigns])[campaign]
    for cap in problem.caps:
        mine = (topics == cap.topic) | (cap.topic is None)
        for who in np.unique(member[mine]):
            rows.add(mine & (member == who), 1.0, -np.inf, max(0, int(cap.remaining[who])))
    objective = np.r_[problem.share * values - shares * prices, np.zeros(len(kept))]
    found = rows.maximise(objective)
    if found is None:
        return -np.inf
    return float(objective @ np.round(found)) - sum(step.base + step.fee - step.price * step.low for step in steps)
