"""Solves a problem: branches, prices, repair, and the proof of how good the answer is.

    prepare   the members' side, once for a problem and all its variants
    solve     the best plan that was found, with a bound that no plan exceeds

Each branch (pieces of price plans × campaigns kept or dropped) is convex. Branches are bounded at prices from a sample, and
solved over all members from the most promising down, until no open one could be better. The plan's bound is the highest
of all branches, solved or not.
"""

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from regulars.campaigns.planner import exact
from regulars.campaigns.planner.choosing import NEVER, NOTHING, Chooser, Chosen, each_chunk, make_limits
from regulars.campaigns.planner.duals import (
    SAMPLE_MEMBERS,
    find_fine_prices,
    find_prices,
    find_sample_prices,
)
from regulars.campaigns.planner.errors import ProblemTooLarge
from regulars.campaigns.planner.model import MICROS, Floats, Ints, Problem, check_problem
from regulars.campaigns.planner.plan import Plan, assign, expected_objective_micros
from regulars.campaigns.planner.polishing import polish
from regulars.campaigns.planner.pricing import list_pieces
from regulars.campaigns.planner.repairing import keep_limits, repair
from regulars.campaigns.planner.shared import DROPPED, Branch, Prices, Shared, share_limits

EXACT_CELLS_MAX: Final = 20_000
BRANCHES_MAX: Final = 128
# How many branches are solved over all members; those left open still count in the bound.
SOLVED_MAX: Final = 40
# A branch whose bound is this little above the best plan is not worth opening.
CLOSE: Final = 2e-5
# Nearer to the bound than this a plan is not polished.
POLISHED: Final = 3e-5
ROUND_DIGITS: Final = (2, 3)
POLISHES_MAX: Final = 4
# It is polished once more while a round wins such a share of what is missing.
WON_MIN: Final = 0.2
# A gap above this is worth a second look at the bound.
WIDE: Final = 5e-5
# Micros this near to a whole number are one.
WHOLE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Prepared:
    """The members' side of a problem, ready for any prices; kept for the problem's variants."""

    problem: Problem
    chooser: Chooser
    sample: Ints
    audience: Ints
    eligible: int
    seed: int


def prepare(problem: Problem, *, seed: int = 0, sample_members: int = SAMPLE_MEMBERS) -> Prepared:
    """Check a problem and copy its values into working order. Raises: ProblemInvalid, ProblemTooLarge."""
    check_problem(problem)
    chooser = Chooser(problem.values, problem.share, make_limits(problem), seed=seed)
    members = problem.members
    sample = np.arange(members)
    if sample_members < members:
        sample = np.sort(np.random.default_rng(seed).choice(members, sample_members, replace=False))
    audience, eligible = _count_audience(problem)
    return Prepared(problem, chooser, sample, audience, eligible, seed)


def vary(prepared: Prepared, problem: Problem) -> Prepared:
    """The same members under other limits, channels' plans or caps; values must be the very same array."""
    check_problem(problem)
    if problem.values is not prepared.problem.values or problem.share != prepared.problem.share:
        return prepare(problem, seed=prepared.seed, sample_members=len(prepared.sample))
    return replace(prepared, problem=problem, chooser=prepared.chooser.with_limits(make_limits(problem)))


def solve(
    problem: Problem | Prepared, *, seed: int = 0, warm: Prices | None = None, exact_cells_max: int = EXACT_CELLS_MAX
) -> Plan:
    """The plan. The same problem and seed give the same plan, where no search for the optimum is cut off by its time.

    `warm` are the prices of a similar plan. Problems of at most `exact_cells_max` possible assignments are solved to the
    optimum. Raises: ProblemInvalid, ProblemTooLarge.
    """
    prepared = problem if isinstance(problem, Prepared) else prepare(problem, seed=seed)
    # The matrices are tiny: handing them to several threads costs a hundred times what it saves.
    with threadpool_limits(limits=1, user_api="blas"):
        return _Search(prepared, warm, exact_cells_max).run()


def list_roots(problem: Problem) -> list[Branch]:
    """All combinations of pieces of the channels' price plans. Raises: ProblemTooLarge."""
    single_price = any(campaign.budget is not None for campaign in problem.campaigns)
    pieces = [list_pieces(channel, single_price=single_price) for channel in problem.channels]
    count = int(np.prod([len(one) for one in pieces], dtype=np.float64))
    if count > BRANCHES_MAX:
        raise ProblemTooLarge(
            f"the channels' price plans can be combined in {count} ways, more than {BRANCHES_MAX}", path="channels"
        )
    return [Branch(combination) for combination in itertools.product(*pieces)]


def share_branch(prepared: Prepared, branch: Branch) -> Shared:
    """The shared limits of a branch."""
    return share_limits(prepared.problem, branch, prepared.audience)


@dataclass(slots=True)
class _Open:
    """A branch with prices at which it is bounded."""

    branch: Branch
    shared: Shared
    prices: Floats
    curvature: Floats
    bound: float


@dataclass(slots=True)
class _Found:
    """A plan that keeps all limits."""

    branch: Branch
    shared: Shared
    prices: Floats
    chosen: Chosen
    objective: float
    proved: bool


@dataclass(slots=True)
class _Search:
    """Branch and bound."""

    prepared: Prepared
    warm: Prices | None
    exact_cells_max: int
    best: _Found | None = None
    closed_bound: float = field(default=-np.inf)
    solved: int = 0

    def run(self) -> Plan:
        roots = [replace(root, dropped=self._hopeless()) for root in list_roots(self.prepared.problem)]
        alone = len(roots) == 1
        heap: list[tuple[float, int, _Open]] = []
        warm = self.warm
        for at, branch in enumerate(roots):
            opened = self._open(branch, warm, bounded=not alone)
            warm = dict(zip(opened.shared.names, opened.prices.tolist(), strict=True))
            heapq.heappush(heap, (-opened.bound, at, opened))
        number = len(roots)
        while heap and self.solved < SOLVED_MAX:
            _, _, opened = heapq.heappop(heap)
            if self._is_beaten(opened.bound):
                self.closed_bound = max(self.closed_bound, opened.bound)
                continue
            for child in self._close(opened):
                heapq.heappush(heap, (-child.bound, number, child))
                number += 1
        bound = max([self.closed_bound, *(opened.bound for _, _, opened in heap)])
        return self._tell(bound)

    def _hopeless(self) -> frozenset[int]:
        """Campaigns whose whole audience is less than their least size."""
        campaigns = enumerate(self.prepared.problem.campaigns)
        return frozenset(c for c, one in campaigns if one.size_min > self.prepared.audience[c] * one.going_share + 1e-9)

    @property
    def is_exact(self) -> bool:
        """Whether the problem is small enough to be solved to the optimum."""
        return self.prepared.eligible <= self.exact_cells_max

    def _is_beaten(self, bound: float) -> bool:
        return self.best is not None and bound <= self.best.objective + CLOSE * abs(self.best.objective)

    def _open(self, branch: Branch, warm: Prices | None, *, bounded: bool) -> _Open:
        """Prices for a branch from a sample, or from the linear programme, and its bound there."""
        problem, chooser = self.prepared.problem, self.prepared.chooser
        shared = share_limits(problem, branch, self.prepared.audience)
        start, curvature = shared.start(warm), np.eye(len(shared.limits))
        if self.is_exact:
            found = exact.find_linear_prices(exact.make_programme(problem, branch, chooser, shared))
            start = shared.legal(found) if len(found) == len(start) else start
        elif len(shared.limits):
            start, curvature = find_sample_prices(
                chooser, shared, self.prepared.sample, start, self.prepared.seed, is_near=bool(warm)
            )
        start = shared.in_micros(start)
        bound = self._bound(branch, shared, start) if bounded or self.is_exact else np.inf
        return _Open(branch, shared, start, curvature, bound)

    def _bound(self, branch: Branch, shared: Shared, prices: Floats) -> float:
        theta = shared.theta(prices) * MICROS
        # What is whole but for the arithmetic is made whole: sums of whole numbers are exact. A budget charges broken micros,
        # and those rounded up would put the bound below the optimum.
        whole = np.rint(theta)
        gain = self.prepared.chooser.bound_micros(np.where(np.abs(theta - whole) < WHOLE, whole, theta))
        return gain + shared.conjugate(prices) * MICROS - branch.fee_micros

    def _close(self, opened: _Open) -> list[_Open]:
        """Solve a branch over all members; what is left of it are its children."""
        self.solved += 1
        if self.is_exact:
            solved = self._solve_exactly(opened)
            if solved is not None:
                return solved
        chooser, shared = self.prepared.chooser, opened.shared
        prices = opened.prices
        if len(shared.limits):
            sample, seed = self.prepared.sample, self.prepared.seed
            chooser, prices = find_prices(chooser, shared, sample, prices, opened.curvature, seed)
            prices = shared.in_micros(prices)
        wanted = chooser.choose(shared.theta(prices))
        repaired = repair(self.prepared.problem, chooser, shared, prices, wanted)
        prices, bound = self._tighten(opened, prices, repaired)
        polished = self._polish(opened, prices, bound, wanted, repaired)
        if polished is None:
            self.closed_bound = max(self.closed_bound, bound)
            return []
        worth = self._worth(opened.branch, polished)
        return self._keep_or_drop(opened, bound, _Found(opened.branch, shared, prices, polished, worth, False))

    def _keep_or_drop(self, opened: _Open, bound: float, found: _Found) -> list[_Open]:
        """Take the plan, or open both cases of a campaign that is below its least size in it."""
        short = self._find_short(opened.branch, found.chosen)
        if short is None:
            self._offer(found)
            self.closed_bound = max(self.closed_bound, bound)
            return []
        known = dict(zip(found.shared.names, found.prices.tolist(), strict=True))
        children = [
            replace(opened.branch, kept=opened.branch.kept | {short}),
            replace(opened.branch, dropped=opened.branch.dropped | {short}),
        ]
        opened_children = [self._open(child, known, bounded=True) for child in children]
        for child in opened_children:
            child.bound = min(child.bound, bound)
        return opened_children

    def _tighten(self, opened: _Open, prices: Floats, chosen: Chosen) -> tuple[Floats, float]:
        """The lowest bound of a branch that was found, and its prices; at finer prices too where a plan is far below it."""
        bound, lowest = min(
            [(self._bound(opened.branch, opened.shared, prices), prices), (opened.bound, opened.prices)],
            key=lambda one: one[0],
        )
        enough = self._worth(opened.branch, chosen)
        for candidate in self._list_finer(opened, prices) if len(prices) else ():
            if enough >= bound - WIDE * abs(bound):
                break
            found = self._bound(opened.branch, opened.shared, candidate)
            bound, lowest = (found, candidate) if found < bound else (bound, lowest)
        return lowest, bound

    def _list_finer(self, opened: _Open, prices: Floats) -> Iterator[Floats]:
        """Prices among equal values: those are round numbers more often than not, and then so are the best prices."""
        prepared, shared = self.prepared, opened.shared
        for digits in ROUND_DIGITS:
            yield shared.legal(prices.round(digits))
        fine = find_fine_prices(prepared.chooser, shared, prepared.sample, prices, prepared.seed)
        for digits in ROUND_DIGITS:
            yield shared.legal(fine.round(digits))
        yield shared.in_micros(fine)

    def _polish(self, opened: _Open, prices: Floats, bound: float, wanted: Chosen, repaired: Chosen) -> Chosen | None:
        """A better plan near this one while it is far enough below the bound; None where least sizes are not reached."""
        problem, chooser, shared = self.prepared.problem, self.prepared.chooser, opened.shared
        best = keep_limits(problem, chooser, shared, prices, repaired)
        worth = -np.inf if best is None else self._worth(opened.branch, best)
        if worth >= bound - POLISHED * abs(bound):
            return best
        chosen, touched = repaired, _list_changed(wanted, repaired, chooser)
        for at in range(POLISHES_MAX):
            seed = self.prepared.seed + at
            chosen = polish(problem, opened.branch, chooser, shared, prices, chosen, touched, seed)
            kept = keep_limits(problem, chooser, shared, prices, chosen)
            better = -np.inf if kept is None else self._worth(opened.branch, kept)
            if better <= worth + WON_MIN * (bound - worth):
                best = kept if better > worth else best
                break
            best, worth = kept, better
            if worth >= bound - POLISHED * abs(bound):
                break
        return best

    def _solve_exactly(self, opened: _Open) -> list[_Open] | None:
        """Solve a branch as one programme; what is left of it are its children.

        None where its time was over before the end: the plan at hand is offered, and prices may find a better one. Where there
        was none at all, no further branch is tried like this.
        """
        problem, chooser, shared = self.prepared.problem, self.prepared.chooser, opened.shared
        solved = exact.solve_programme(exact.make_programme(problem, opened.branch, chooser, shared))
        if solved.chosen is None and not solved.is_final:
            self.exact_cells_max = -1
            return None
        kept = None
        if solved.chosen is not None:
            member, cell = solved.chosen.member, solved.chosen.cell
            chosen = Chosen(member, cell, chooser.reduced(member, cell, shared.theta(opened.prices)))
            kept = keep_limits(problem, chooser, shared, opened.prices, chosen)
        if kept is None:
            if not solved.is_final:
                return None
            self.closed_bound = max(self.closed_bound, opened.bound)
            return []
        branch, worth = self._name_dropped(opened.branch, kept), self._worth(opened.branch, kept)
        found = _Found(branch, shared, opened.prices, kept, worth, solved.is_final)
        if not solved.is_final:
            if self._find_short(branch, kept) is None:
                self._offer(found)
            return None
        return self._keep_or_drop(opened, opened.bound, found)

    def _name_dropped(self, branch: Branch, chosen: Chosen) -> Branch:
        """With the campaigns that the programme left out for their least size."""
        problem = self.prepared.problem
        sent = np.bincount(chosen.cell // max(1, len(problem.channels)), minlength=len(problem.campaigns))
        left_out = {c for c, one in enumerate(problem.campaigns) if one.size_min > 0 and not sent[c]}
        return replace(branch, dropped=branch.dropped | left_out)

    def _worth(self, branch: Branch, chosen: Chosen) -> float:
        return expected_objective_micros(self.prepared.problem, branch, chosen)

    def _find_short(self, branch: Branch, chosen: Chosen) -> int | None:
        """The campaign that is furthest below its least size, and not yet kept or dropped."""
        problem = self.prepared.problem
        campaign = chosen.cell // len(problem.channels)
        assigned = np.bincount(campaign, minlength=len(problem.campaigns))
        goes = assigned * problem.shares
        if problem.withheld is not None:
            withheld = problem.withheld[campaign, chosen.member]
            goes = np.minimum(goes, np.bincount(campaign[~withheld], minlength=len(problem.campaigns)))
        least = np.array([one.size_min for one in problem.campaigns], dtype=np.float64)
        missing = np.where((assigned > 0) & (goes < least - 1e-9), least - goes, 0.0)
        missing[list(branch.kept | branch.dropped)] = 0.0
        return int(np.argmax(missing)) if missing.any() else None

    def _offer(self, found: _Found) -> None:
        if self.best is None or found.objective > self.best.objective:
            self.best = found

    def _tell(self, bound: float) -> Plan:
        problem = self.prepared.problem
        best = self.best or self._nothing()
        names = best.shared.names
        return Plan(
            problem=problem,
            assignments=assign(problem, best.branch, best.chosen),
            branch=best.branch,
            prices=dict(zip(names, best.prices.tolist(), strict=True)),
            shadow_prices=_shadow_prices(problem, best.shared, best.prices),
            theta=best.shared.theta(best.prices),
            costs=_message_costs(problem, best),
            objective_micros=best.objective,
            bound_micros=bound,
            proved=best.proved,
        )

    def _nothing(self) -> _Found:
        """No plan was found: sending nothing is one, with the first plan of each channel and all least sizes dropped."""
        problem = self.prepared.problem
        small = {c for c, one in enumerate(problem.campaigns) if one.size_min > 0}
        branch = replace(list_roots(problem)[0], dropped=frozenset(small))
        shared = share_limits(problem, branch, self.prepared.audience)
        return _Found(branch, shared, shared.start(None), NOTHING, self._worth(branch, NOTHING), False)


def _list_changed(before: Chosen, after: Chosen, chooser: Chooser) -> Ints:
    """Members whose assignments are not the same."""
    cells = max(1, chooser.campaigns * chooser.channels)
    changed = np.setxor1d(before.member * cells + before.cell, after.member * cells + after.cell)
    return np.unique(changed // cells).astype(np.int64)


def _message_costs(problem: Problem, found: _Found) -> Floats:
    costs = found.shared.real_costs(found.prices)
    costs[costs > DROPPED / 2] -= DROPPED
    return costs / problem.shares[:, None]


def _shadow_prices(problem: Problem, shared: Shared, prices: Floats) -> dict[str, float]:
    """What one more unit of each limit brings beyond what it costs; 0 for limits that nothing presses on."""
    found = {f"quota:{channel.name}": 0.0 for channel in problem.channels if channel.plans}
    for limit, price in zip(shared.limits, prices.tolist(), strict=True):
        found[limit.name] = round(price - limit.cost_at(price), 6)
    return found


def _count_audience(problem: Problem) -> tuple[Ints, int]:
    """Members each campaign can reach, and possible assignments in all."""

    def count(start: int, stop: int) -> tuple[Ints, int]:
        may = problem.values[:, :, start:stop] > NEVER / 2
        return np.count_nonzero(may.any(axis=1), axis=1), int(np.count_nonzero(may))

    parts = each_chunk(problem.members, count)
    reached: Ints = np.zeros(len(problem.campaigns), dtype=np.int64)
    for part, _ in parts:
        reached += part
    return reached, sum(eligible for _, eligible in parts)
