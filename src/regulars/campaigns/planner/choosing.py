"""What each member would get at given prices: the best messages under the member's own caps, for a million members at once.

At prices on the shared limits every member is alone. Of each campaign only the best channel counts, and caps are laminar (one
for each topic, one over all), so taking messages from the best down while the caps have room is exact. It is done in chunks
of members that fit the processor's cache, with nothing but additions, minima and maxima over whole rows: a message's index is
packed into the lowest bits of its net value, so that sorting the values carries it along.

The working copy of the values is multiplied by 1 ± 0.0005: where thousands of members are worth exactly the same, prices alone
could not say which of them, and a limit between them would be met by nobody or by all. What is lost by it is of the order
of its square. `bound_micros` and what a plan is said to be worth use the values themselves.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.planner.model import MICROS, Floats, Ints, Problem

CHUNK_MEMBERS: Final = 16_384
# So few are not worth waking threads.
CHUNKS_ALONE_MAX: Final = 2
TIE_BREAK: Final = 1e-3
# Not -inf: with an index in its lowest bits that would be no number.
NEVER: Final = -1e30
# From here on the index leaves float32 too few bits.
CELLS_FLOAT32_MAX: Final = 128
THREADS: Final = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)

Rows = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Group:
    """Campaigns of one topic, with what each member may still get of it (None: as many as there are)."""

    campaigns: tuple[int, ...]
    remaining: NDArray[np.int16] | None
    most: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The caps of each member, several of one topic made one."""

    groups: tuple[Group, ...]
    overall: NDArray[np.int16] | None
    most: int

    def take(self, members: Ints) -> "Limits":
        """Those of some members."""
        groups = [
            Group(one.campaigns, None if one.remaining is None else one.remaining[members], one.most)
            for one in self.groups
        ]
        return Limits(tuple(groups), None if self.overall is None else self.overall[members], self.most)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Assignments: member, cell (campaign × channels + channel), and what is left of the value after all prices."""

    member: Ints
    cell: Ints
    reduced: Floats


NOTHING: Final = Chosen(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0))


def join_chosen(parts: Sequence[Chosen]) -> Chosen:
    """All of them, in the order of members."""
    member = np.concatenate([part.member for part in parts])
    cell = np.concatenate([part.cell for part in parts])
    reduced = np.concatenate([part.reduced for part in parts])
    order = np.argsort(member, kind="stable")
    return Chosen(member[order], cell[order], reduced[order])


def make_limits(problem: Problem) -> Limits:
    """The caps of a problem, topic by topic."""
    topics: dict[str | None, list[int]] = {}
    for at, campaign in enumerate(problem.campaigns):
        topics.setdefault(campaign.topic, []).append(at)
    groups = [
        _make_group(tuple(campaigns), None if topic is None else _least(problem, topic))
        for topic, campaigns in topics.items()
    ]
    overall = _least(problem, None)
    campaigns = len(problem.campaigns)
    most = campaigns if overall is None or not len(overall) else min(campaigns, int(overall.max()))
    if overall is not None and len(overall) and int(overall.min()) >= campaigns:
        overall = None
    return Limits(tuple(groups), overall, most)


def _make_group(campaigns: tuple[int, ...], remaining: NDArray[np.int16] | None) -> Group:
    if remaining is None or not len(remaining) or int(remaining.min()) >= len(campaigns):
        return Group(campaigns, None, len(campaigns))
    return Group(campaigns, remaining, min(len(campaigns), int(remaining.max())))


def _least(problem: Problem, topic: str | None) -> NDArray[np.int16] | None:
    mine = [cap.remaining for cap in problem.caps if cap.topic == topic]
    if not mine:
        return None
    least = mine[0]
    for remaining in mine[1:]:
        least = np.minimum(least, remaining)
    return np.clip(least, 0, len(problem.campaigns)).astype(np.int16)


class Chooser:
    """The members' side of a problem: answers prices with choices."""

    def __init__(
        self, values: Rows, share: float, limits: Limits, *, tie_break: float = TIE_BREAK, seed: int = 0
    ) -> None:
        self.values = values
        self.share = share
        self.limits = limits
        self.campaigns: int = values.shape[0]
        self.channels: int = values.shape[1]
        self.members: int = values.shape[2]
        cells = self.campaigns * self.channels
        self._bits = max(1, (cells - 1).bit_length())
        self._dtype: Any = np.float32 if cells <= CELLS_FLOAT32_MAX else np.float64
        self._words: Any = np.int32 if cells <= CELLS_FLOAT32_MAX else np.int64
        self._mask = (1 << self._bits) - 1
        self.work = self._copy(tie_break, np.random.default_rng(seed))
        self._used = [
            [k for k in range(self.channels) if self.members and float(self.work[c, k].max()) > NEVER / 2]
            for c in range(self.campaigns)
        ]

    def with_limits(self, limits: Limits) -> "Chooser":
        """The same members under other caps."""
        other = object.__new__(Chooser)
        other.__dict__.update(self.__dict__, limits=limits)
        return other

    def with_work(self, work: Rows) -> "Chooser":
        """The same members with another working copy of their values."""
        other = object.__new__(Chooser)
        other.__dict__.update(self.__dict__, work=work)
        return other

    def blur(self, tie_break: float, seed: int) -> "Chooser":
        """The same members with ties broken more coarsely."""
        return Chooser(self.values, self.share, self.limits, tie_break=tie_break, seed=seed)

    def take(self, members: Ints, *, tie_break: float, seed: int) -> "Chooser":
        """Some of the members, with ties broken as coarsely as one likes."""
        return Chooser(
            self.values[:, :, members], self.share, self.limits.take(members), tie_break=tie_break, seed=seed
        )

    def _copy(self, tie_break: float, random: np.random.Generator) -> Rows:
        width = min(CHUNK_MEMBERS, max(1, self.members))
        noise = random.random((self.campaigns, self.channels, width), dtype=np.float32)
        noise = self.share * (1 + tie_break * (noise - np.float32(0.5)))
        work = np.empty(self.values.shape, dtype=self._dtype)

        def fill(start: int, stop: int) -> None:
            part = self.values[:, :, start:stop]
            np.multiply(part, noise[:, :, : stop - start], out=work[:, :, start:stop], casting="same_kind")
            np.maximum(work[:, :, start:stop], NEVER, out=work[:, :, start:stop])

        each_chunk(self.members, fill)
        return work

    def evaluate(self, theta: Floats) -> tuple[float, Floats]:
        """Members' gain at these prices, in the currency, and how many take each cell. Shapes: theta, counts [campaign, channel]."""
        cells = self.campaigns * self.channels
        prices = theta.astype(self._dtype)

        def measure(start: int, stop: int) -> tuple[float, Ints]:
            gain, counts = 0.0, np.zeros(cells + 1, dtype=np.int64)
            for row in self._rank(prices, start, stop):
                counts += np.bincount(self._cells(row), minlength=cells + 1)
                gain += float(row.sum(dtype=np.float64))
            return gain, counts

        parts = each_chunk(self.members, measure)
        counts = sum((counts for _, counts in parts), np.zeros(cells + 1, dtype=np.int64))
        return sum(gain for gain, _ in parts), counts[1:].reshape(theta.shape).astype(np.float64)

    def choose(self, theta: Floats) -> Chosen:
        """The choices themselves, by member."""
        prices = theta.astype(self._dtype)

        def pick(start: int, stop: int) -> tuple[Ints, Ints]:
            rows = [self._cells(row) for row in self._rank(prices, start, stop)]
            cells = np.stack(rows, axis=1) if rows else np.zeros((stop - start, 0), dtype=np.int64)
            members, places = np.nonzero(cells)
            return members + start, cells[members, places].astype(np.int64) - 1

        member, cell = _join(each_chunk(self.members, pick))
        return Chosen(member, cell, self.reduced(member, cell, theta))

    def reduced(self, member: Ints, cell: Ints, theta: Floats) -> Floats:
        """Net values of given cells at prices, in the currency; ties are broken in them."""
        campaign, channel = np.divmod(cell, self.channels)
        return self.work[campaign, channel, member].astype(np.float64) - theta[campaign, channel]

    def bound_micros(self, theta_micros: Floats) -> float:
        """The most that members could gain at these prices, in micros: exact, where the share is 1 and prices are whole."""

        def measure(start: int, stop: int) -> float:
            width = stop - start
            best, net = np.empty(width), np.empty(width)

            def score(campaign: int) -> Rows | None:
                used = self._used[campaign]
                for at, k in enumerate(used):
                    target = net if at else best
                    np.multiply(self.values[campaign, k, start:stop], float(MICROS), out=target, dtype=np.float64)
                    np.rint(target, out=target)
                    if self.share != 1.0:
                        np.multiply(target, self.share, out=target)
                    np.subtract(target, theta_micros[campaign, k], out=target)
                    if at:
                        np.maximum(best, net, out=best)
                return best if used else None

            return sum(float(row.sum()) for row in rank(self.limits, start, stop, score, np.float64))

        return sum(each_chunk(self.members, measure))

    def _cells(self, row: Rows) -> Ints:
        """Index + 1 of each member's cell in a ranked row; 0 where there is none."""
        words = row.view(self._words)
        return np.where(words > self._mask, (words & self._mask) + 1, 0)

    def _rank(self, prices: Rows, start: int, stop: int) -> Sequence[Rows]:
        best, net = np.empty(stop - start, dtype=self._dtype), np.empty(stop - start, dtype=self._dtype)
        clear = self._words(~self._mask)

        def score(campaign: int) -> Rows | None:
            used = self._used[campaign]
            for at, k in enumerate(used):
                target = net if at else best
                np.subtract(self.work[campaign, k, start:stop], prices[campaign, k], out=target)
                words = target.view(self._words)
                np.bitwise_and(words, clear, out=words)
                np.bitwise_or(words, self._words(campaign * self.channels + k), out=words)
                if at:
                    np.maximum(best, net, out=best)
            return best if used else None

        return rank(self.limits, start, stop, score, self._dtype)


def rank(limits: Limits, start: int, stop: int, score: Callable[[int], Rows | None], dtype: Any) -> Sequence[Rows]:
    """Rows of what each member takes, zero where nothing; `score` fills one campaign's best net values, or has none."""
    width = stop - start
    rows: list[Rows] = []
    kept = [np.zeros(width, dtype=dtype) for _ in range(limits.most)] if limits.overall is not None else None
    spare = np.empty(width, dtype=dtype)

    def push(row: Rows) -> None:
        if kept is None:
            rows.append(np.maximum(row, dtype(0)))
        else:
            _insert(kept, row, spare)

    for group in limits.groups:
        mine = [np.zeros(width, dtype=dtype) for _ in range(group.most)] if group.remaining is not None else None
        for campaign in group.campaigns:
            row = score(campaign)
            if row is None:
                continue
            if mine is None:
                push(row)
            else:
                _insert(mine, row, spare)
        if mine is not None and group.remaining is not None:
            _truncate(mine, group.remaining[start:stop])
            for row in mine:
                push(row)
    if kept is not None and limits.overall is not None:
        _truncate(kept, limits.overall[start:stop])
        return kept
    return rows


def _insert(kept: Sequence[Rows], row: Rows, spare: Rows) -> None:
    """Put a row into rows sorted downwards, member by member; `row` is used up."""
    last = len(kept) - 1
    for at, held in enumerate(kept):
        if at < last:
            np.minimum(held, row, out=spare)
            np.maximum(held, row, out=held)
            row, spare = spare, row
        else:
            np.maximum(held, row, out=held)


def _truncate(kept: Sequence[Rows], remaining: NDArray[np.int16]) -> None:
    """Take away what is beyond each member's number."""
    if not len(remaining):
        return
    least = int(remaining.min())
    for at, held in enumerate(kept):
        if at >= least:
            held *= remaining > at


def _join(parts: Sequence[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    empty = np.empty(0, dtype=np.int64)
    members, cells = zip(*parts, strict=True) if parts else ((), ())
    return np.concatenate([empty, *members]), np.concatenate([empty, *cells])


def each_chunk(members: int, work: Callable[[int, int], Any]) -> list[Any]:
    """The work's answers in the order of members, whatever the order it was done in."""
    spans = [(start, min(members, start + CHUNK_MEMBERS)) for start in range(0, members, CHUNK_MEMBERS)]
    if len(spans) <= CHUNKS_ALONE_MAX:
        return [work(*span) for span in spans]
    starts, stops = zip(*spans, strict=True)
    return list(_pool(os.getpid()).map(work, starts, stops))


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One for each process: threads do not outlive a fork."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix=f"planner-{process}")
