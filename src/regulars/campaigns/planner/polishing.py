"""Decides again, exactly, about the members that prices leave undecided.

At the final prices almost every member's choice is clear: another message would have to be worth a good deal more. A few
hundred are within a hair of another choice, and repair moves some of them bluntly. With all others held fixed these are a
small integer programme over what is left of the limits.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from regulars.campaigns.planner import exact
from regulars.campaigns.planner.choosing import NEVER, Chooser, Chosen, each_chunk, join_chosen
from regulars.campaigns.planner.model import Cap, Floats, Ints, Problem
from regulars.campaigns.planner.shared import Branch, Limit, Shared

UNDECIDED_MEMBERS: Final = 800
UNDECIDED_MEMBERS_MAX: Final = 1_200
# Of each undecided member so many cells on average, those nearest to being chosen; others are out of the question.
UNDECIDED_CELLS: Final = 5
UNEQUAL: Final = 1e-4
NODES_MAX: Final = 10
GAP_MAX: Final = 1e-5


def polish(
    problem: Problem,
    branch: Branch,
    chooser: Chooser,
    shared: Shared,
    prices: Floats,
    chosen: Chosen,
    touched: Ints,
    seed: int,
) -> Chosen:
    """The plan with its undecided members decided together; the same plan where that finds nothing.

    `touched` are members whose choice was changed by repair: they are looked at first.
    """
    if not chooser.members or not len(shared.limits):
        return chosen
    theta = shared.theta(prices)
    chosen = _weigh(problem, theta, chosen)
    distance, level = measure_distance(problem, chooser, theta, chosen)
    random = np.random.default_rng(seed)
    members = _pick(distance, touched, random)
    is_open = np.zeros(chooser.members, dtype=np.bool_)
    is_open[members] = True
    mine = is_open[chosen.member]
    held = Chosen(np.searchsorted(members, chosen.member[mine]), chosen.cell[mine], chosen.reduced[mine])
    part = _take_problem(problem, members, theta, level, held, random)
    counts = np.bincount(chosen.cell[~mine], minlength=chooser.campaigns * chooser.channels).astype(np.float64)
    rest = leave(shared, counts.reshape(chooser.campaigns, chooser.channels))
    small = Chooser(part.values, part.share, chooser.limits.take(members))
    programme = exact.make_programme(part, branch, small, rest)
    found = exact.solve_programme(programme, nodes_max=NODES_MAX, gap_max=GAP_MAX).chosen
    if found is None:
        return chosen
    member, cell = members[found.member], found.cell
    rest_chosen = Chosen(chosen.member[~mine], chosen.cell[~mine], chosen.reduced[~mine])
    return join_chosen([rest_chosen, _weigh(problem, theta, Chosen(member, cell, np.zeros(len(cell))))])


def _weigh(problem: Problem, theta: Floats, chosen: Chosen) -> Chosen:
    """What is left of the values themselves after all prices: equal ones are equal here."""
    campaign, channel = np.divmod(chosen.cell, len(problem.channels))
    values = problem.values[campaign, channel, chosen.member].astype(np.float64) * problem.share
    return Chosen(chosen.member, chosen.cell, values - theta[campaign, channel])


def _pick(distance: Floats, touched: Ints, random: np.random.Generator) -> Ints:
    """Those that were touched, and those nearest to another choice; of equally near ones any."""
    count = min(len(distance), max(UNDECIDED_MEMBERS, min(UNDECIDED_MEMBERS_MAX, 3 * len(touched))))
    near = distance * (1 + 1e-3 * random.random(len(distance))) + 1e-9 * random.random(len(distance))
    near[random.permutation(touched)[: count // 2]] = -1.0
    return np.sort(np.argpartition(near, count - 1)[:count])


def leave(shared: Shared, counts: Floats) -> Shared:
    """What so many assignments leave of the limits."""
    limits = [
        Limit(one.name, one.weights, np.maximum(0.0, one.breaks - used), one.kinks)
        for one, used in zip(shared.limits, shared.use(counts), strict=True)
    ]
    return Shared(tuple(limits), shared.fixed, shared.weights)


def measure_distance(problem: Problem, chooser: Chooser, theta: Floats, chosen: Chosen) -> tuple[Floats, Floats]:
    """How near each member is to another choice, and the net value above which one more message would enter; by member.

    A message enters above nothing while the caps have room, else above the least that is taken. Caps of topics are left out:
    this only says where to look.
    """
    held = np.bincount(chosen.member, minlength=chooser.members)
    least = np.full(chooser.members, -NEVER)
    np.minimum.at(least, chosen.member, np.maximum(chosen.reduced, 0.0))
    overall = chooser.limits.most if chooser.limits.overall is None else chooser.limits.overall
    level = np.where(held >= overall, least, 0.0)
    campaign, channel = np.divmod(chosen.cell, chooser.channels)
    by = np.full((chooser.campaigns, chooser.members), -1, dtype=np.int8)
    by[campaign, chosen.member] = channel
    distance = least.copy()

    def measure(start: int, stop: int) -> None:
        near, over = distance[start:stop], level[start:stop]
        for c in range(chooser.campaigns):
            taken = by[c, start:stop]
            values = np.maximum(problem.values[c, :, start:stop], NEVER)
            nets = values.astype(np.float64) * problem.share - theta[c, :, None]
            mine = np.take_along_axis(nets, np.maximum(taken, 0)[None, :].astype(np.int64), axis=0)[0]
            # A taken campaign could go by another channel; any other could take the least one's place.
            target = np.where(taken >= 0, mine, over)
            for k in range(chooser.channels):
                away = np.where((taken == k) | (nets[k] < NEVER / 2), np.inf, np.maximum(target - nets[k], 0.0))
                np.minimum(near, away, out=near)

    each_chunk(chooser.members, measure)
    return distance, level


def _take_problem(
    problem: Problem, members: Ints, theta: Floats, level: Floats, held: Chosen, random: np.random.Generator
) -> Problem:
    """The undecided members alone, with what they hold and the cells that are nearest to being chosen.

    Equal values are made a little unequal: branch and bound would wander among plans that are worth the same.
    """
    values = problem.values[:, :, members].astype(np.float64)
    values *= 1 + UNEQUAL * random.random(values.shape)
    missing = level[members] - (np.maximum(values, NEVER) * problem.share - theta[:, :, None])
    campaign, channel = np.divmod(held.cell, len(problem.channels))
    # Of equal cells any: else they would all be of the first campaigns.
    missing += UNEQUAL * random.random(missing.shape) * np.abs(theta).min(initial=1.0, where=theta > 0)
    missing[campaign, channel, held.member] = 0.0
    cells = UNDECIDED_CELLS * len(members)
    if missing.size > cells:
        furthest = np.partition(missing.ravel(), cells)[cells]
        values[missing > max(0.0, float(furthest))] = -np.inf
    return replace(
        problem,
        values=values,
        caps=tuple(Cap(cap.topic, cap.remaining[members]) for cap in problem.caps),
        withheld=None if problem.withheld is None else problem.withheld[:, members],
    )
