"""What another plan would cost and bring: named variants of a problem, each solved, as rows of a table.

Everything is solved again with the prices of the plan at hand to begin with, so a row takes a fraction of the first plan's
time. Values and arms stay; what changes is the limits, or who may be reached where.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regulars.campaigns.planner.errors import ProblemInvalid
from regulars.campaigns.planner.model import Problem
from regulars.campaigns.planner.plan import Plan, summarise
from regulars.campaigns.planner.solving import Prepared, solve, vary
from regulars.messaging.prices import PricePlan

NOW = "now"


@dataclass(frozen=True, slots=True)
class Variant:
    """A problem like the one at hand but for what its name says."""

    name: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, money in micros. `fee_micros` are all channels' fees; `change_micros` is what net − fee gains."""

    name: str
    messages: float
    withheld: float
    cost_micros: int
    fee_micros: int
    value_micros: int
    net_micros: int
    change_micros: int
    gap: float


def with_price_plans(problem: Problem, plans: Mapping[str, PricePlan]) -> Problem:
    """Other price plans, by the channel's name. Raises: ProblemInvalid for an unknown channel."""
    channels = list(problem.channels)
    for name, plan in plans.items():
        at = _find(problem, name)
        channels[at] = replace(channels[at], plans=(plan,))
    return replace(problem, channels=tuple(channels))


def with_move(problem: Problem, away_from: Sequence[str], to: Sequence[str]) -> Problem:
    """Nobody who can be reached on one of the second channels gets anything on the first. Raises: ProblemInvalid."""
    leave, reach = ([_find(problem, name) for name in names] for names in (away_from, to))
    reached = (problem.values[:, reach] > -np.inf).any(axis=(0, 1))
    values = problem.values.copy()
    for at in leave:
        values[:, at, reached] = -np.inf
    return replace(problem, values=values)


def without_campaign(problem: Problem, campaign: str) -> Problem:
    """One campaign sends nothing. Raises: ProblemInvalid for an unknown campaign."""
    names = [one.name for one in problem.campaigns]
    if campaign not in names:
        raise ProblemInvalid(f"there is no campaign {campaign!r}; there are: {', '.join(names)}", path="campaign")
    campaigns = tuple(
        replace(one, size_min=0, size_max=0) if one.name == campaign else one for one in problem.campaigns
    )
    return replace(problem, campaigns=campaigns)


def weigh(prepared: Prepared, plan: Plan, variants: Sequence[Variant]) -> list[Row]:
    """The plan at hand first, as `now`, then a row for each variant, in their order."""
    rows = [_row(NOW, plan, None)]
    for variant in variants:
        solved = solve(vary(prepared, variant.problem), warm=plan.prices)
        rows.append(_row(variant.name, solved, rows[0]))
    return rows


def _row(name: str, plan: Plan, base: Row | None) -> Row:
    told: dict[str, Any] = summarise(plan)
    fee = sum(channel["fee_micros"] for channel in told["by_channel"].values())
    net = told["net_micros"]
    change = 0 if base is None else (net - fee) - (base.net_micros - base.fee_micros)
    money = told["cost_micros"], fee, told["value_micros"], net, change
    return Row(name, told["messages"], told["withheld"], *money, told["gap"])


def _find(problem: Problem, channel: str) -> int:
    names = [one.name for one in problem.channels]
    if channel not in names:
        raise ProblemInvalid(f"there is no channel {channel!r}; there are: {', '.join(names)}", path="channel")
    return names.index(channel)
