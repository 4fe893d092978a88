"""What contacting a member is worth: given by the brand, or estimated from what members did before.

An estimate has two parts. P(goal | not contacted) is read from history: members in the same cell, by how lately and how
often they did it before, did it again at some rate; cells that few are in are drawn towards the others, and whether the
predictions came true in the newest window is told beside. By how much a message changes that, nothing in the history says:
until an experiment has, it is *assumed*, and printed as assumed: `ASSUMED_SHARE` of the need that is not already certain,
share × P × (1 − P), which is a constant effect on the odds: small for who never would, and for who will anyhow. What the
campaign's own holdouts have shown, and others' with the same goal, moves that share, the more the more members they had;
once it outweighs the assumption it is printed as measured.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from regulars.audiences.service.answering import Evaluation
from regulars.campaigns.estimating.calibration import Calibration, calibrate
from regulars.campaigns.estimating.estimate import (
    MEASURED_WEIGHT_MIN,
    Basis,
    MeasuredCells,
    estimate_lifts,
    estimate_rates,
)
from regulars.campaigns.model import Goal, did
from regulars.conditions.parse import parse_tree
from regulars.conditions.spans import Times

ASSUMED_SHARE: Final = 0.1
"""A message makes the odds of what it is for a tenth better."""
ASSUMED_RATE: Final = 0.02
"""Of whom nothing is known, so many do it within the goal's window."""
ASSUMED_BLOCKS: Final = 0.002
"""So many members block the channel after a message."""
MESSAGES_LOST: Final = 24
"""A member who blocks would have got so many messages more, each worth as much as the average one."""
RECENCY_DAYS: Final = (365, 90, 30)
OFTEN: Final = 2
CELLS: Final = 2 * (len(RECENCY_DAYS) + 2)

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a message does to the odds of what it is for: so much of P × (1 − P) is won. `members` are those it was seen in.

    `weight`: how much of it rests on measurements.
    """

    share: float
    basis: Basis
    members: int = 0
    weight: float = 0.0


ASSUMED: Final = Effect(ASSUMED_SHARE, Basis.ASSUMED)


@dataclass(frozen=True, slots=True)
class Responses:
    """P(goal | not contacted) of each member, and how that came true. Shape: (members,)."""

    probability: Floats
    base_rate: float
    calibration: Calibration | None
    effect: Effect = ASSUMED

    def learn(self, own: NDArray[np.bool_], cells: MeasuredCells) -> "Responses":
        """With what was measured of campaigns with this goal; `own` are the cells of the campaign itself."""
        return replace(self, effect=learn_effect(own, cells))

    def values(self, margin: float) -> Floats:
        """The incremental value of contacting each, less what blocks are expected to cost. No P leaves 0 to 1."""
        p = self.probability
        gain = np.clip(self.effect.share * p * (1 - p), -p, 1 - p) * margin
        return gain - ASSUMED_BLOCKS * MESSAGES_LOST * max(0.0, float(gain.mean()) if len(gain) else 0.0)

    def show(self) -> dict[str, Any]:
        """As the summary of a plan tells it."""
        shown: dict[str, Any] = {"base_rate": round(self.base_rate, 6), "assumed_share": ASSUMED_SHARE}
        shown["effect"] = {
            "basis": str(self.effect.basis),
            "share": round(self.effect.share, 6),
            "measured_members": self.effect.members,
            "measured_weight": round(self.effect.weight, 6),
        }
        if self.calibration is not None:
            shown["calibration"] = {
                "members": self.calibration.members,
                "predicted": round(self.calibration.predicted, 6),
                "observed": round(self.calibration.observed, 6),
                "error": round(self.calibration.error, 6),
                "skill": None if self.calibration.skill is None else round(self.calibration.skill, 6),
            }
        return shown


@dataclass(frozen=True, slots=True)
class _Look:
    """Who did the goal up to one instant: within its own window, ever, within each recency, and often."""

    within: Numbers
    recency: list[Numbers]
    often: Numbers


def learn_effect(own: NDArray[np.bool_], cells: MeasuredCells) -> Effect:
    """The assumption, moved by what cells show over it; each cell's difference is a share of its own withheld's r × (1 − r).

    As a share, what was seen where every fifth buys says something of an audience where hardly anybody does. The campaign's
    own draws are weighed by how sure each is; where it has none it is moved as all others are, and stays assumed.
    """
    if not len(own):
        return ASSUMED
    rate = (cells.withheld_converted + 0.5) / (cells.withheld + 1)
    found = estimate_lifts(cells, np.full(len(own), ASSUMED_SHARE), scale=rate * (1 - rate))
    shift, weight, basis = found.shift, 0.0, Basis.ASSUMED
    if own.any():
        sureness = 1 / found.variance[own]
        sureness /= sureness.sum()
        shift = float(sureness @ found.mean[own]) - ASSUMED_SHARE
        weight = float(sureness @ found.weight[own])
        basis = Basis.MEASURED if weight >= MEASURED_WEIGHT_MIN else Basis.ASSUMED
    members = int((cells.treated + cells.withheld)[own].sum())
    return Effect(ASSUMED_SHARE + shift, basis, members, weight)


async def get_base_rate(evaluation: Evaluation, goal: Goal, numbers: Numbers) -> float:
    """Which share of members did the goal within its window up to as_of; 0 of nobody."""
    done = await _list(evaluation, goal, within=goal.within)
    return await asyncio.to_thread(_share, numbers, done)


async def estimate_responses(evaluation: Evaluation, goal: Goal, numbers: Numbers) -> Responses:
    """From three looks at history, a goal's window apart: rates from the first to the last, held against the last."""
    one_ago = _back(evaluation, goal.within)
    looks = [await _look(one, goal) for one in (evaluation, one_ago, _back(one_ago, goal.within))]
    return await asyncio.to_thread(_fit, looks, numbers)


async def _look(evaluation: Evaluation, goal: Goal) -> _Look:
    often = await _list(evaluation, goal, within=timedelta(days=RECENCY_DAYS[0]), count={"at_least": OFTEN})
    recency = [await _list(evaluation, goal)]
    recency += [await _list(evaluation, goal, within=timedelta(days=days)) for days in RECENCY_DAYS]
    return _Look(await _list(evaluation, goal, within=goal.within), recency, often)


def _fit(looks: list[_Look], numbers: Numbers) -> Responses:
    if not len(numbers):
        return Responses(np.empty(0), 0.0, None)
    now, one_ago, two_ago = (_cells(look, numbers) for look in looks)
    last, before = (np.isin(numbers, look.within) for look in looks[:2])
    predicted = _rates([(two_ago, before)])[one_ago]
    probability = _rates([(two_ago, before), (one_ago, last)])[now]
    return Responses(probability, float(last.mean()), calibrate(predicted, last))


def _rates(seen: list[tuple[Numbers, NDArray[np.bool_]]]) -> Floats:
    members, converted = np.zeros(CELLS, dtype=np.int64), np.zeros(CELLS, dtype=np.int64)
    for cells, done in seen:
        members += np.bincount(cells, minlength=CELLS)
        converted += np.bincount(cells[done], minlength=CELLS)
    return estimate_rates(members, converted, assumed_rate=ASSUMED_RATE).mean


def _cells(look: _Look, numbers: Numbers) -> Numbers:
    """Each member's cell: how lately they did it, from never on, and whether more than once in the last year."""
    recency = np.zeros(len(numbers), dtype=np.int64)
    for found in look.recency:
        recency += np.isin(numbers, found)
    return recency * 2 + np.isin(numbers, look.often)


def _share(numbers: Numbers, done: Numbers) -> float:
    return float(np.isin(numbers, done).mean()) if len(numbers) else 0.0


async def _list(evaluation: Evaluation, goal: Goal, *, within: timedelta | None = None, **more: Any) -> Numbers:
    window = {} if within is None else {"within": f"{int(within.total_seconds()) // 60}m"}
    found = await evaluation.list_members(parse_tree(did(goal.event, goal.where, **window, **more)))
    return to_numbers(found)


def to_numbers(found: BitMap) -> Numbers:
    """A bitmap's members in their order."""
    return np.asarray(found.to_array(), dtype=np.int64)


def _back(evaluation: Evaluation, by: timedelta) -> Evaluation:
    return replace(evaluation, times=Times(evaluation.times.as_of - by, evaluation.times.zone))
