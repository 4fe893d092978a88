"""Exact coverage of intervals for the difference of two rates: summed over all counts that can come.

python -m tests.measure.exact     the table of docs/adr/0014
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from regulars.campaigns.estimating.intervals import compare_rates, compare_score, compare_welch, wilson_interval

Floats = NDArray[np.float64]
Bounds = tuple[Floats, Floats]
Method = Callable[[int, Floats, int, Floats], Bounds]
SPREADS = 8
BLOCK = 200_000


def by_welch(n1: int, x1: Floats, n0: int, x0: Floats) -> Bounds:
    """Welch's t on zeros and ones; where nothing varies the interval is the estimate alone."""
    p1, p0 = x1 / n1, x0 / n0
    found = compare_welch(n1, p1, p1 * (1 - p1) * n1 / (n1 - 1), n0, p0, p0 * (1 - p0) * n0 / (n0 - 1))
    known = np.isfinite(found.low)
    return np.where(known, found.low, p1 - p0), np.where(known, found.high, p1 - p0)


def by_agresti(n1: int, x1: Floats, n0: int, x0: Floats) -> Bounds:
    """Wald's, with one who did and one who did not added to each arm (Agresti, Caffo 2000)."""
    p1, p0 = (x1 + 1) / (n1 + 2), (x0 + 1) / (n0 + 2)
    reach = 1.959964 * np.sqrt(p1 * (1 - p1) / (n1 + 2) + p0 * (1 - p0) / (n0 + 2))
    return p1 - p0 - reach, p1 - p0 + reach


def by_newcombe(n1: int, x1: Floats, n0: int, x0: Floats) -> Bounds:
    """Newcombe's hybrid of two Wilson intervals (1998, method 10)."""
    (l1, u1), (l0, u0) = wilson_interval(x1, n1), wilson_interval(x0, n0)
    p1, p0 = x1 / n1, x0 / n0
    return p1 - p0 - np.hypot(p1 - l1, u0 - p0), p1 - p0 + np.hypot(u1 - p1, p0 - l0)


def by_score(n1: int, x1: Floats, n0: int, x0: Floats) -> Bounds:
    """Miettinen and Nurminen's."""
    found = compare_score(n1, x1, n0, x0)
    return found.low, found.high


def by_rule(n1: int, x1: Floats, n0: int, x0: Floats) -> Bounds:
    """What lift tells."""
    found, _ = compare_rates(n1, x1, n0, x0)
    return found.low, found.high


METHODS: dict[str, Method] = {
    "welch": by_welch,
    "agresti": by_agresti,
    "newcombe": by_newcombe,
    "score": by_score,
    "rule": by_rule,
}
# treated, withheld, rate of the withheld, relative lift; the first four are cases in which Welch's fails
CASES = [
    (225, 25, 0.05, 0.0),
    (900, 100, 0.01, 0.3),
    (900, 100, 0.02, 0.0),
    (900, 300, 0.01, 0.0),
    *(
        (treated, withheld, rate, lift)
        for treated, withheld in ((50, 50), (250, 250), (900, 300), (1_875, 625), (2_250, 250), (4_500, 500))
        for rate in (0.005, 0.02, 0.05, 0.1, 0.2)
        for lift in (0.0, 0.3)
    ),
]


def probabilities(members: int, rate: float) -> tuple[Floats, Floats]:
    """The counts that can come, but for less than one in a billion, and how probable each is."""
    spread = SPREADS * np.sqrt(members * rate * (1 - rate)) + SPREADS
    count = np.arange(max(0, int(members * rate - spread)), min(members, int(members * rate + spread)) + 1.0)
    logs = gammaln(members + 1) - gammaln(count + 1) - gammaln(members - count + 1)
    return count, np.exp(logs + count * np.log(rate) + (members - count) * np.log1p(-rate))


def cover_exactly(treated: int, withheld: int, rate: float, lift: float, method: Method) -> float:
    """The probability that the interval holds the true difference."""
    x1, f1 = probabilities(treated, rate * (1 + lift))
    x0, f0 = probabilities(withheld, rate)
    ones, zeros = (one.ravel() for one in np.meshgrid(x1, x0))
    weights = np.outer(f0, f1).ravel()
    kept = weights > 1e-9
    ones, zeros, weights = ones[kept], zeros[kept], weights[kept]
    truth, covered = rate * lift, 0.0
    for start in range(0, ones.size, BLOCK):
        part = slice(start, start + BLOCK)
        low, high = method(treated, ones[part], withheld, zeros[part])
        covered += float(weights[part][(low <= truth + 1e-12) & (truth - 1e-12 <= high)].sum())
    return covered / float(weights.sum())


def main() -> None:
    """Least, mean and largest coverage by how many of the withheld convert on average."""
    found = {case: [cover_exactly(*case, method) for method in METHODS.values()] for case in CASES}
    print("| expected in the smaller cell | cases |", *(f"{name} |" for name in METHODS))
    for low, high in ((0, 1), (1, 3), (3, 5), (5, 10), (10, 20), (20, 50), (50, 1_000)):
        rows = np.array([row for case, row in found.items() if low <= case[1] * case[2] < high])
        shown = [f"{one.min():.3f} {one.mean():.3f} {one.max():.3f} |" for one in rows.T]
        print(f"| {low}–{high} | {len(rows)} |", *shown)


if __name__ == "__main__":
    main()
