"""What would be sent without a planner, under the same limits: the rows a plan is shown beside.

    rank_first_come     campaigns in their order; each sends to those of its audience worth most to it, while there is room
    random_first_come   members come in a random order; each gets the best of what is left
    take_greedily       all campaigns at once: the message of most value first, as long as its limits have room

All know the price plans and the dropped campaigns of the plan they stand beside, and send nothing that is not worth its
price. Values are guesses: `with_noise` gives what a planner might believe, `weigh_choice` what its choice is worth in truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from regulars.campaigns.planner.choosing import NEVER, NOTHING, Chooser, Chosen, Limits, join_chosen
from regulars.campaigns.planner.model import Bools, Floats, Ints, Problem
from regulars.campaigns.planner.plan import Plan, expected_objective_micros
from regulars.campaigns.planner.shared import DROPPED, Branch, Shared
from regulars.campaigns.planner.solving import Prepared, share_branch

SLACK: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Baseline:
    """One way to choose: its assignments, and what they are worth as expected, in micros."""

    method: str
    chosen: Chosen
    objective_micros: float

    @property
    def messages(self) -> int:
        """Assignments, withheld ones among them."""
        return len(self.chosen.member)


def rank_first_come(prepared: Prepared, plan: Plan, *, order: Sequence[int] | None = None) -> Baseline:
    """Each campaign in its turn (the problem's, or the given one) takes the members that are worth most to it."""
    turns = range(len(prepared.problem.campaigns)) if order is None else order
    return _come_first(prepared, plan, "ranked first come first served", turns)


def random_first_come(prepared: Prepared, plan: Plan, *, seed: int = 0) -> Baseline:
    """Members come in a random order; each gets the messages worth most to it of what is left."""
    places = np.random.default_rng(seed).permutation(prepared.problem.members).astype(np.float64)
    return _take_in_order(
        prepared,
        plan,
        "random first come first served",
        lambda chosen: places[chosen.member],
        lambda _, place: places >= place,
    )


def take_greedily(prepared: Prepared, plan: Plan) -> Baseline:
    """The most valuable message of all first, and so on down."""
    return _take_in_order(
        prepared, plan, "global greedy", lambda chosen: -chosen.reduced, lambda net, place: net <= -place
    )


def _take_in_order(
    prepared: Prepared,
    plan: Plan,
    method: str,
    place: Callable[[Chosen], Floats],
    is_late: Callable[[Floats, float], Bools],
) -> Baseline:
    """Members' best messages by their place in an order; from where a limit is full nothing that uses it is taken.

    Each round finds the first message that no longer fits and closes its limit to what comes later; members choose again.
    """
    shared, cost = _limits_and_cost(prepared, plan)
    chooser = prepared.chooser.with_work(prepared.chooser.work.copy())
    flat, most = shared.flat, np.array([limit.most for limit in shared.limits])
    chosen = chooser.choose(cost)
    for _ in range(len(most) * max(1, chooser.campaigns)):
        places = place(chosen)
        order = np.argsort(places, kind="stable")
        first, limit = _first_excess(flat, most, np.zeros(len(most)), chosen.cell[order])
        if limit < 0:
            break
        for cell in np.flatnonzero(flat[limit] > 0):
            campaign, channel = divmod(int(cell), chooser.channels)
            row = chooser.work[campaign, channel]
            row[is_late(row - cost[campaign, channel], float(places[order[first]]))] = NEVER
        chosen = chooser.choose(cost)
    return _finish(prepared.problem, plan.branch, method, chosen)


def with_noise(problem: Problem, *, sigma: float, seed: int = 0) -> Problem:
    """Values as they would be believed: each campaign's worth to a member is off by a log-normal factor of mean 1."""
    random = np.random.default_rng(seed)
    values = problem.values.copy()
    for campaign in values:
        factor = np.exp(sigma * random.standard_normal(problem.members, dtype=np.float32) - np.float32(sigma**2 / 2))
        campaign *= factor
    return replace(problem, values=values)


def weigh_choice(problem: Problem, branch: Branch, chosen: Chosen) -> float:
    """What assignments are worth as expected, in micros, whatever they were chosen by."""
    return expected_objective_micros(problem, branch, chosen)


def _limits_and_cost(prepared: Prepared, plan: Plan) -> tuple[Shared, Floats]:
    """The hard limits of the plan's branch, and what a message really costs, by campaign and channel."""
    shared = share_branch(prepared, plan.branch)
    return shared, shared.real_costs(np.array([plan.prices[name] for name in shared.names]))


def _come_first(prepared: Prepared, plan: Plan, method: str, turns: Sequence[int]) -> Baseline:
    shared, cost = _limits_and_cost(prepared, plan)
    chooser = prepared.chooser
    flat, most = shared.flat, np.array([limit.most for limit in shared.limits])
    used = np.zeros(len(most))
    room = _Room(chooser.limits, chooser.members)
    parts = [NOTHING]
    for campaign in turns:
        free = room.of(campaign)
        channels = [k for k in range(chooser.channels) if cost[campaign, k] < DROPPED / 2]
        while channels:
            found = _best_open(chooser, cost, campaign, channels, free)
            order = np.argsort(-found.reduced, kind="stable")
            first, limit = _first_excess(flat, most, used, found.cell[order])
            taken = order[:first]
            parts.append(Chosen(found.member[taken], found.cell[taken], found.reduced[taken]))
            used += flat @ np.bincount(found.cell[taken], minlength=flat.shape[1])
            free[found.member[taken]] = False
            room.take(campaign, found.member[taken])
            if limit < 0:
                break
            cells = [campaign * chooser.channels + k for k in channels]
            channels = [k for k, cell in zip(channels, cells, strict=True) if not _overflows(flat[:, cell], most, used)]
    return _finish(prepared.problem, plan.branch, method, join_chosen(parts))


def _best_open(chooser: Chooser, cost: Floats, campaign: int, channels: list[int], free: Bools) -> Chosen:
    """Free members with their best channel for a campaign, where that is worth its cost."""
    best = np.full(chooser.members, 0.0)
    by = np.full(chooser.members, -1, dtype=np.int64)
    for k in channels:
        net = chooser.work[campaign, k].astype(np.float64) - cost[campaign, k]
        better = net > best
        best[better] = net[better]
        by[better] = k
    member = np.flatnonzero(free & (by >= 0))
    return Chosen(member, campaign * chooser.channels + by[member], best[member])


def _overflows(weight: Floats, most: Floats, used: Floats) -> bool:
    return bool(((used + weight > most + SLACK) & (weight > 0)).any())


def _first_excess(flat: Floats, most: Floats, used: Floats, cells: Ints) -> tuple[int, int]:
    """The first of the cells that no longer fits, and the limit it breaks; (all, -1) where all fit."""
    first, which = len(cells), -1
    for limit in range(len(most)):
        total = used[limit] + flat[limit][cells[:first]].cumsum()
        over = np.flatnonzero(total > most[limit] + SLACK)
        if len(over):
            first, which = int(over[0]), limit
    return first, which


def _finish(problem: Problem, branch: Branch, method: str, chosen: Chosen) -> Baseline:
    """Without campaigns that did not reach their least size."""
    campaign = chosen.cell // max(1, len(problem.channels))
    going = np.bincount(campaign, minlength=len(problem.campaigns)) * problem.shares
    enough = going >= np.array([one.size_min for one in problem.campaigns]) - SLACK
    kept = enough[campaign]
    chosen = Chosen(chosen.member[kept], chosen.cell[kept], chosen.reduced[kept])
    return Baseline(method, chosen, weigh_choice(problem, branch, chosen))


class _Room:
    """What each member may still get, campaign after campaign."""

    def __init__(self, limits: Limits, members: int) -> None:
        self.overall = np.full(members, limits.most) if limits.overall is None else limits.overall.astype(np.int64)
        self.by_campaign: dict[int, Ints] = {}
        for group in limits.groups:
            if group.remaining is not None:
                self.by_campaign.update(dict.fromkeys(group.campaigns, group.remaining.astype(np.int64)))

    def of(self, campaign: int) -> Bools:
        """Members that may get one more."""
        topic = self.by_campaign.get(campaign)
        return self.overall > 0 if topic is None else (self.overall > 0) & (topic > 0)

    def take(self, campaign: int, members: Ints) -> None:
        """Members who got it, each once."""
        self.overall[members] -= 1
        if campaign in self.by_campaign:
            self.by_campaign[campaign][members] -= 1
