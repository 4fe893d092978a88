"""Small plans, to the optimum: the same branch as one integer programme for HiGHS.

With a few hundred members one message is a large share of a plan, and what prices round away is seen. There the programme is
small enough to be solved; its linear relaxation gives the best prices, and so the tightest bound.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy

from regulars.campaigns.planner.choosing import NEVER, Chooser, Chosen
from regulars.campaigns.planner.model import Floats, Ints, Problem
from regulars.campaigns.planner.shared import DROPPED, Branch, Shared

# Its functions have no types. Its parts are imported when they are first asked for: every process would wait for them.
SCIPY: Final[Any] = scipy

NODES_MAX: Final = 200
SECONDS_MAX: Final = 5.0
GAP_MAX: Final = 1e-6
LOOSE: Final = 0.5
# scipy's words for how it ended.
OPTIMAL, INFEASIBLE = 0, 2


@dataclass(frozen=True, slots=True)
class Programme:
    """Variables: assignments, then steps of the shared limits, then whether a campaign with a least size is kept."""

    member: Ints
    cell: Ints
    gain: Floats
    upper: Floats
    rows: Any
    low: Floats
    high: Floats
    limits: int
    keeps: int

    @property
    def cells(self) -> int:
        """How many assignments there could be."""
        return len(self.member)


def make_programme(problem: Problem, branch: Branch, chooser: Chooser, shared: Shared) -> Programme:
    """The branch as rows and columns. Campaigns neither kept nor dropped may become either."""
    member, cell, value = _list_cells(problem, chooser, shared)
    campaign = cell // chooser.channels
    steps = [
        (at, float(limit.breaks[step + 1] - limit.breaks[step]), float(limit.kinks[step]))
        for at, limit in enumerate(shared.limits)
        for step in range(len(limit.kinks))
    ]
    open_sizes = [
        c
        for c, one in enumerate(problem.campaigns)
        if one.size_min > 0 and c not in branch.kept and c not in branch.dropped
    ]
    columns = len(member) + len(steps) + len(open_sizes)
    rows = _Rows(columns)
    taken = shared.flat
    for at, limit in enumerate(shared.limits):
        mine = np.flatnonzero(taken[at][cell] > 0) if len(member) else np.empty(0, dtype=np.int64)
        width = [len(member) + place for place, step in enumerate(steps) if step[0] == at]
        rows.add(
            np.r_[mine, width], np.r_[taken[at][cell[mine]], -np.ones(len(width))], limit.breaks[0], limit.breaks[0]
        )
    _add_caps(rows, chooser, member, campaign)
    for place, c in enumerate(open_sizes):
        mine, one = np.flatnonzero(campaign == c), problem.campaigns[c]
        keep = len(member) + len(steps) + place
        weights = np.full(len(mine), one.going_share)
        rows.add(np.r_[mine, keep], np.r_[weights, -float(one.size_min)], 0.0, np.inf)
        rows.add(np.r_[mine, keep], np.r_[weights, -float(max(1, len(mine)))], -np.inf, 0.0)
    widths, prices = np.array([step[1:] for step in steps], dtype=np.float64).reshape(-1, 2).T
    gain = np.concatenate([value, -prices, np.zeros(len(open_sizes))])
    upper = np.concatenate([np.ones(len(member)), widths, np.ones(len(open_sizes))])
    return Programme(member, cell, gain, upper, rows.matrix(), *rows.bounds(), len(shared.limits), len(open_sizes))


def find_linear_prices(programme: Programme) -> Floats:
    """The best prices of the shared limits: duals of the relaxation. Empty where it has no solution."""
    if not len(programme.gain):
        return np.zeros(programme.limits)
    equal, rest = slice(0, programme.limits), slice(programme.limits, None)
    upward = np.isfinite(programme.high[rest])
    rows = SCIPY.sparse.vstack([programme.rows[rest][upward], -programme.rows[rest][~upward]])
    found = SCIPY.optimize.linprog(
        -programme.gain,
        A_ub=rows,
        b_ub=np.r_[programme.high[rest][upward], -programme.low[rest][~upward]],
        A_eq=programme.rows[equal],
        b_eq=programme.low[equal],
        bounds=np.c_[np.zeros_like(programme.upper), programme.upper],
        method="highs",
    )
    return np.empty(0) if found.x is None else -np.asarray(found.eqlin.marginals)


@dataclass(frozen=True, slots=True)
class Solved:
    """The best assignments that were found, if any; final where there are no better ones (or none at all)."""

    chosen: Chosen | None
    is_final: bool


def solve_programme(programme: Programme, *, nodes_max: int = NODES_MAX, gap_max: float = GAP_MAX) -> Solved:
    """The best assignments within the limits of nodes and time."""
    if not programme.cells:
        return Solved(Chosen(programme.member, programme.cell, np.empty(0)), is_final=True)
    whole = np.ones(len(programme.gain))
    whole[programme.cells : len(whole) - programme.keeps] = 0
    found = SCIPY.optimize.milp(
        -programme.gain,
        integrality=whole,
        bounds=SCIPY.optimize.Bounds(0.0, programme.upper),
        constraints=SCIPY.optimize.LinearConstraint(programme.rows, programme.low, programme.high),
        options={
            "node_limit": nodes_max,
            "time_limit": SECONDS_MAX,
            "mip_rel_gap": gap_max,
            "presolve": not _is_loose(programme),
        },
    )
    is_final = found.status in {OPTIMAL, INFEASIBLE}
    if found.x is None:
        return Solved(None, is_final)
    taken = np.flatnonzero(found.x[: programme.cells] > 0.5)
    order = np.lexsort((programme.cell[taken], programme.member[taken]))
    taken = taken[order]
    return Solved(Chosen(programme.member[taken], programme.cell[taken], np.zeros(len(taken))), is_final)


def _is_loose(programme: Programme) -> bool:
    """Whether most assignments share a limit and nothing else.

    Presolve compares such columns by pairs: minutes for thousands of them. Where members' caps bind it is worth its time.
    """
    shared = np.bincount(programme.rows[: programme.limits].indices, minlength=len(programme.gain))
    in_all = np.bincount(programme.rows.indices, minlength=len(programme.gain))
    return bool((in_all <= shared)[: programme.cells].mean() > LOOSE)


def _list_cells(problem: Problem, chooser: Chooser, shared: Shared) -> tuple[Ints, Ints, Floats]:
    """Assignments that could be in a plan; of no value are only those that a least size may need."""
    campaign, channel, member = np.nonzero(problem.values > NEVER / 2)
    value = problem.values[campaign, channel, member].astype(np.float64)
    price = shared.fixed[campaign, channel]
    needed = np.array([one.size_min > 0 for one in problem.campaigns], dtype=np.bool_)
    kept = (price < DROPPED / 2) & ((value > 0) | needed[campaign])
    gain = np.rint(value * 1e6) / 1e6 * problem.share - price
    return member[kept], (campaign * chooser.channels + channel)[kept], gain[kept]


def _add_caps(rows: "_Rows", chooser: Chooser, member: Ints, campaign: Ints) -> None:
    """One channel a campaign, and the member's caps, where they could bind."""
    pairs: Ints = member * chooser.campaigns + campaign
    rows.add_groups(pairs, np.ones(chooser.members * chooser.campaigns, dtype=np.float64))
    limits = chooser.limits
    if limits.overall is not None:
        rows.add_groups(member, np.asarray(limits.overall, dtype=np.float64))
    for group in limits.groups:
        if group.remaining is not None:
            of_member: Ints = np.where(np.isin(campaign, group.campaigns), member, -1)
            rows.add_groups(of_member, np.asarray(group.remaining, dtype=np.float64))


class _Rows:
    """Rows of a sparse matrix with their bounds, as they are thought of."""

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.count = 0
        self.places: list[tuple[Ints, Ints, Floats]] = [
            (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))
        ]
        self.low: list[Floats] = [np.empty(0)]
        self.high: list[Floats] = [np.empty(0)]

    def add(self, columns: Ints, values: Floats, low: float, high: float) -> None:
        self.places.append((np.full(len(columns), self.count), columns.astype(np.int64), values))
        self.low.append(np.array([low]))
        self.high.append(np.array([high]))
        self.count += 1

    def add_groups(self, group: Ints, most: Floats) -> None:
        """One row for each group that could exceed its most: at most so many of its columns (-1: of no group)."""
        mine = np.flatnonzero(group >= 0)
        sizes = np.bincount(group[mine], minlength=len(most))
        binding = np.flatnonzero(sizes > most)
        row_of = np.full(len(most), -1)
        row_of[binding] = np.arange(len(binding))
        mine = mine[row_of[group[mine]] >= 0]
        self.places.append((row_of[group[mine]] + self.count, mine, np.ones(len(mine))))
        self.low.append(np.full(len(binding), -np.inf))
        self.high.append(most[binding])
        self.count += len(binding)

    def matrix(self) -> Any:
        rows, columns, values = (np.concatenate([place[at] for place in self.places]) for at in range(3))
        return SCIPY.sparse.csr_array((values, (rows, columns)), shape=(self.count, self.columns))

    def bounds(self) -> tuple[Floats, Floats]:
        return np.concatenate(self.low), np.concatenate(self.high)
