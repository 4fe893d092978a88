"""From what members would choose at the prices to a plan that keeps every limit.

At good prices the choices miss the limits by a few messages in ten thousand. Where too many were chosen, the least valuable go;
where there is room, those come that lose the least. Members' caps hold throughout.

With holdouts a limit is kept twice: by the expected share that goes, which is what the bound speaks of, and as the arms were
drawn. Assignments are taken from the best down and the last ones are left out, whatever their arm: which arm a member is
in never decides whether the member is chosen.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from regulars.campaigns.planner.choosing import NEVER, NOTHING, Chooser, Chosen, join_chosen
from regulars.campaigns.planner.model import Bools, Floats, Ints, Problem
from regulars.campaigns.planner.shared import DROPPED, Shared

SLACK: Final = 1e-9
# How far below nothing a message may be worth at the prices to fill a limit, as shares of a typical price.
REACHES: Final = (0.02, 0.2, 1.0, 1e6)


@dataclass(slots=True)
class Draft:
    """Assignments that are being repaired, and what they take of each limit: expected, and as the arms were drawn."""

    chosen: Chosen
    expected: Floats
    drawn: Floats


@dataclass(frozen=True, slots=True)
class Aim:
    """What to fill: each limit that counts up to its goal, none beyond its room.

    `least`: the goals are least sizes, to be reached at any cost and however the arms were drawn.
    """

    goal: Floats
    counts: Bools
    room: Floats
    least: bool

    def short(self, expected: Floats, drawn: Floats) -> Floats:
        """What is missing of each."""
        have = np.minimum(expected, drawn) if self.least else np.maximum(expected, drawn)
        return np.where(self.counts, self.goal - have, 0.0)


def repair(problem: Problem, chooser: Chooser, shared: Shared, prices: Floats, chosen: Chosen) -> Chosen:
    """A plan near the choice that exceeds no limit; least sizes are reached where that is simple."""
    return _Repair(problem, chooser, shared, prices).run(chosen)


def keep_limits(problem: Problem, chooser: Chooser, shared: Shared, prices: Floats, chosen: Chosen) -> Chosen | None:
    """The same plan with what is over a limit, also as the arms were drawn, left out; None below a least size."""
    keeper = _Repair(problem, chooser, shared, prices)
    keeper.most = np.array([limit.most for limit in shared.limits])
    draft = keeper.drop_all(chosen)
    return None if keeper.is_short(draft) else draft.chosen


class _Repair:
    def __init__(self, problem: Problem, chooser: Chooser, shared: Shared, prices: Floats) -> None:
        self.problem = problem
        self.chooser = chooser
        self.shared = shared
        self.theta = shared.theta(prices)
        # What a message really costs: what is above it only keeps others out.
        self.cost = shared.real_costs(prices)
        targets = [limit.slopes(float(price)) for limit, price in zip(shared.limits, prices, strict=True)]
        self.least, self.most = np.array(targets).reshape(-1, 2).T
        sizes = np.array([limit.name.startswith("size:") for limit in shared.limits], dtype=np.bool_)
        self.floors = np.where(sizes, [float(limit.breaks[0]) for limit in shared.limits], 0.0)
        # Reaching a least size may push others out: their limits are repaired after it.
        self.pushing = np.where(sizes, self.most, np.inf)
        self.flat = shared.flat
        # What an assignment takes if it goes, and nothing if it is withheld.
        shares = np.repeat(problem.shares, len(problem.channels))
        self.taken = self.flat if problem.withheld is None else self.flat / shares
        real = self.theta[self.theta < DROPPED / 2]
        self.typical = max(1e-6, float(np.abs(real).mean())) if len(real) else 1.0

    def run(self, chosen: Chosen) -> Chosen:
        """Reach least sizes, leave out what is too much, use what is left."""
        draft = self._fill(self._draft(chosen), Aim(self.floors, self.floors > 0, self.pushing, least=True))
        draft = self.drop_all(draft.chosen)
        return self._fill(draft, Aim(self.most, self._wanting(), self.most, least=False)).chosen

    def is_short(self, draft: Draft) -> bool:
        """Whether a least size is not reached."""
        return bool((np.minimum(draft.expected, draft.drawn) < self.floors - SLACK).any())

    def drop_all(self, chosen: Chosen) -> Draft:
        """Leave out what is above the limits."""
        draft = self._draft(chosen)
        for at in range(len(self.most)):
            draft = self._drop(draft, at)
        return draft

    def _draft(self, chosen: Chosen) -> Draft:
        counts = np.bincount(chosen.cell, minlength=self.flat.shape[1]).astype(np.float64)
        expected = self.flat @ counts
        if self.problem.withheld is None:
            return Draft(chosen, expected, expected)
        going = np.bincount(chosen.cell[self._goes(chosen.member, chosen.cell)], minlength=self.flat.shape[1])
        return Draft(chosen, expected, self.taken @ going.astype(np.float64))

    def _goes(self, member: Ints, cell: Ints) -> Bools:
        if self.problem.withheld is None:
            return np.ones(len(member), dtype=np.bool_)
        return ~self.problem.withheld[cell // self.chooser.channels, member]

    def _drop(self, draft: Draft, at: int) -> Draft:
        """Take away the least valuable that use a limit, until it is kept."""
        over = max(draft.expected[at], draft.drawn[at]) - self.most[at]
        if over <= SLACK:
            return draft
        chosen = draft.chosen
        users = np.flatnonzero(self.flat[at][chosen.cell] > 0)
        tail = int(2 * over / self._smallest()[at]) + 1_000
        if tail < len(users) // 2:
            fewer = self._drop_from(draft, at, users[np.argpartition(chosen.reduced[users], tail)[:tail]])
            if fewer is not None:
                return fewer
        return self._drop_from(draft, at, users) or self._without(draft, users)

    def _drop_from(self, draft: Draft, at: int, users: Ints) -> Draft | None:
        """The same from some of the users; None where leaving out all of them is not enough."""
        chosen = draft.chosen
        order = users[np.lexsort((users, chosen.reduced[users]))]
        order = order[self._above_floors(draft, order)]
        expected = self.flat[at][chosen.cell[order]].cumsum()
        goes = self._goes(chosen.member[order], chosen.cell[order])
        drawn = (self.taken[at][chosen.cell[order]] * goes).cumsum()
        kept = (draft.expected[at] - expected <= self.most[at] + SLACK) & (
            draft.drawn[at] - drawn <= self.most[at] + SLACK
        )
        return self._without(draft, order[: int(np.argmax(kept)) + 1]) if kept.any() else None

    def _without(self, draft: Draft, gone: Ints) -> Draft:
        chosen = draft.chosen
        left = np.ones(len(chosen.member), dtype=np.bool_)
        left[gone] = False
        return self._draft(Chosen(chosen.member[left], chosen.cell[left], chosen.reduced[left]))

    def _above_floors(self, draft: Draft, order: Ints) -> Bools:
        """Which may go without a campaign falling below its least size."""
        may = np.ones(len(order), dtype=np.bool_)
        cells = draft.chosen.cell[order]
        goes = self._goes(draft.chosen.member[order], cells)
        for at in np.flatnonzero(self.floors > 0):
            mine = self.flat[at][cells] > 0
            expected = self.flat[at][cells].cumsum()
            drawn = (self.taken[at][cells] * goes).cumsum()
            spare = (draft.expected[at] - expected >= self.floors[at] - SLACK) & (
                draft.drawn[at] - drawn >= self.floors[at] - SLACK
            )
            may &= ~mine | spare
        return may

    def _wanting(self) -> Bools:
        """Limits that should be full at their prices."""
        return np.isfinite(self.most) & (self.least == self.most)

    def _fill(self, draft: Draft, aim: Aim) -> Draft:
        """Add what loses least at the prices to limits below their goal."""
        short = aim.short(draft.expected, draft.drawn)
        wanting = short > SLACK
        if not wanting.any() or not self.chooser.members:
            return draft
        free = _Free(self.chooser, draft.chosen)
        need = float((short / self._smallest())[wanting].sum())
        found = NOTHING
        for reach in REACHES:
            least = self.theta - reach * self.typical
            found = self._candidates(draft, free, aim, least if aim.least else np.maximum(least, self.cost))
            if len(found.member) >= 3 * need:
                break
        order = np.argsort(-found.reduced, kind="stable")[: int(8 * need) + 1_000]
        found = Chosen(found.member[order], found.cell[order], found.reduced[order])
        return self._take(draft, free, found, aim)

    def _smallest(self) -> Floats:
        """The least an assignment takes of each limit."""
        return np.where(self.flat > 0, self.flat, np.inf).min(axis=1)

    def _candidates(self, draft: Draft, free: "_Free", aim: Aim, least: Floats) -> Chosen:
        used = np.maximum(draft.expected, draft.drawn)
        wanting = aim.short(draft.expected, draft.drawn) > SLACK
        parts = [NOTHING]
        for cell in np.flatnonzero((self.flat[wanting] > 0).any(axis=0)):
            campaign, channel = divmod(int(cell), self.chooser.channels)
            theta = float(self.theta[campaign, channel])
            weight = self.flat[:, cell]
            if theta > DROPPED / 2 or ((used + weight > aim.room + SLACK) & (weight > 0)).any():
                continue
            row = self.chooser.work[campaign, channel]
            found = np.flatnonzero((row > max(NEVER / 2, float(least[campaign, channel]))) & free.of(campaign))
            parts.append(Chosen(found, np.full(len(found), cell), row[found].astype(np.float64) - theta))
        return join_chosen(parts)

    def _take(self, draft: Draft, free: "_Free", candidates: Chosen, aim: Aim) -> Draft:
        expected, drawn = draft.expected.copy(), draft.drawn.copy()
        goes = self._goes(candidates.member, candidates.cell)
        wanting = aim.short(expected, drawn) > SLACK
        taken: list[int] = []
        for at, (member, cell) in enumerate(zip(candidates.member.tolist(), candidates.cell.tolist(), strict=True)):
            weight, if_going = self.flat[:, cell], self.taken[:, cell]
            full = (np.maximum(expected + weight, drawn + if_going) > aim.room + SLACK) & (weight > 0)
            if full.any() or not (wanting & (weight > 0)).any() or not free.take(member, cell):
                continue
            taken.append(at)
            expected += weight
            drawn += if_going * goes[at]
            wanting = aim.short(expected, drawn) > SLACK
            if not wanting.any():
                break
        more = Chosen(candidates.member[taken], candidates.cell[taken], candidates.reduced[taken])
        return self._draft(join_chosen([draft.chosen, more]))


class _Free:
    """What each member may still get beside a draft."""

    def __init__(self, chooser: Chooser, chosen: Chosen) -> None:
        self.channels = chooser.channels
        self.campaigns = chooser.campaigns
        campaign = chosen.cell // chooser.channels
        limits = chooser.limits
        overall = limits.most if limits.overall is None else limits.overall.astype(np.int64)
        self.overall = overall - np.bincount(chosen.member, minlength=chooser.members)
        self.groups: list[Ints | None] = []
        self.group_of: dict[int, int] = {}
        for at, group in enumerate(limits.groups):
            self.group_of.update(dict.fromkeys(group.campaigns, at))
            if group.remaining is None:
                self.groups.append(None)
                continue
            mine = chosen.member[np.isin(campaign, group.campaigns)]
            self.groups.append(group.remaining - np.bincount(mine, minlength=chooser.members))
        self.has = np.zeros((chooser.campaigns, chooser.members), dtype=np.bool_)
        self.has[campaign, chosen.member] = True

    def of(self, campaign: int) -> Bools:
        """Members that may get this campaign beside what they get."""
        group = self.groups[self.group_of[campaign]]
        may = (self.overall > 0) & ~self.has[campaign]
        return may if group is None else may & (group > 0)

    def take(self, member: int, cell: int) -> bool:
        """Give it to the member, if there is still room."""
        campaign = cell // self.channels
        group = self.groups[self.group_of[campaign]]
        if self.has[campaign, member] or self.overall[member] <= 0 or (group is not None and group[member] <= 0):
            return False
        self.has[campaign, member] = True
        self.overall[member] -= 1
        if group is not None:
            group[member] -= 1
        return True
