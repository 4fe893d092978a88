"""Did each arm and variant get its share of the members, and what many comparisons do to p-values.

A sample-ratio mismatch means that members got lost on the way to one arm: then no difference between the arms means
anything, however small its p.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import chdtrc, gammaln

from regulars.measure.model import Draw, Lot

MISMATCH_P: Final = 0.001
"""Below it the arms are not what was drawn: rare enough not to cry wolf at every twentieth experiment."""

EXACT_MEMBERS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Members by arm, as drawn and as expected; ``p`` of a draw at least as uneven."""

    members: dict[str, int]
    expected: dict[str, float]
    p: float
    is_mismatch: bool


def compare_shares(members: Mapping[str, int], weights: Mapping[str, float]) -> SampleRatio:
    """Whether arms hold the members that their weights promise: exact for two small arms, else by chi-square.

    Raises: ValueError where the arms differ or a weight is not above 0.
    """
    if set(members) != set(weights) or len(members) < 2:
        raise ValueError(f"arms {sorted(members)} and weights of {sorted(weights)} must be the same two or more")
    if any(not weight > 0 for weight in weights.values()):
        raise ValueError("a weight must be above 0")
    total, weight = sum(members.values()), sum(weights.values())
    expected = {name: total * weights[name] / weight for name in members}
    if not total:
        p = 1.0
    elif len(members) == 2 and total < EXACT_MEMBERS_MAX:
        first = next(iter(members))
        p = _binomial_p(members[first], total, weights[first] / weight)
    else:
        statistic = sum((members[name] - expected[name]) ** 2 / expected[name] for name in members)
        p = float(chdtrc(len(members) - 1, statistic))
    return SampleRatio(dict(members), expected, p, p < MISMATCH_P)


def check_lots(lots: Iterable[Lot]) -> dict[Draw, SampleRatio]:
    """Whether each draw withheld the share that it was to withhold."""
    found: dict[Draw, dict[str, int]] = {}
    for lot in lots:
        members = found.setdefault(lot.draw, {"treated": 0, "withheld": 0})
        members["treated"] += lot.treated
        members["withheld"] += lot.withheld
    return {
        draw: compare_shares(members, {"treated": 1 - draw.holdout, "withheld": draw.holdout})
        for draw, members in found.items()
        if 0 < draw.holdout < 1
    }


def _binomial_p(found: int, total: int, share: float) -> float:
    """Two-sided: the probability of all counts that are no likelier than the one found."""
    counts = np.arange(total + 1)
    logs = gammaln(total + 1) - gammaln(counts + 1) - gammaln(total - counts + 1)
    probabilities = np.exp(logs + counts * np.log(share) + (total - counts) * np.log1p(-share))
    # Equally likely counts may differ in their last digits.
    return float(min(1.0, probabilities[probabilities <= probabilities[found] * (1 + 1e-7)].sum()))


def adjust_holm(ps: Sequence[float | None]) -> list[float | None]:
    """p-values that hold for all comparisons together: below 0.05 anywhere at most one time in twenty when nothing works.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979. None stays None and counts as none.
    """
    known = sorted((p, at) for at, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, at) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        adjusted[at] = largest
    return adjusted
