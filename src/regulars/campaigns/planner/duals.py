"""Finds the prices: first on a sample of the members, then by a few passes over all.

The dual function is convex and, over many members, smooth but for the kinks of the shared limits. On a sample L-BFGS-B finds
its minimum, with ties broken coarsely first and then finer, so that equal values do not make it a staircase. Its curvature
there, by finite differences, serves Newton steps over all members: a step solves the quadratic model for the prices that
are free to move, each no further than to its limit's next kink. What a step teaches about the curvature is kept (BFGS).

Source: Nocedal and Wright, Numerical Optimization (2nd edition), 6.1, 7.2 and 16.7; projected Newton after Bertsekas (1982).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import scipy

from regulars.campaigns.planner.choosing import TIE_BREAK, Chooser
from regulars.campaigns.planner.model import Floats, Ints
from regulars.campaigns.planner.shared import PRICE_MAX, Limit, Shared

# Its functions have no types. Its parts are imported when they are first asked for: every process would wait for them.
SCIPY: Final[Any] = scipy

SAMPLE_MEMBERS: Final = 20_000
COARSE_TIE_BREAKS: Final = (0.05, 0.005, TIE_BREAK)
FINE_TIE_BREAKS: Final = (1e-4, 1e-5)
COARSE_MEMBERS: Final = 5_000
SETTLED: Final = 0.01
STUCK: Final = 0.004
BLUR: Final = 5 * TIE_BREAK
SAMPLE_CALLS_MAX: Final = 60
PASSES_MAX: Final = 12
# Newton stops when its model promises less than this share of the dual's value, and use is this near to the limits: among
# equal values the dual is flat long before they are met.
PROMISE_MIN: Final = 1e-7
MISSED_MAX: Final = 4e-4
FLAT: Final = 1e-3
SNAP: Final = 1e-12

Evaluate: TypeAlias = Callable[[Floats], tuple[float, Floats]]


@dataclass(slots=True)
class Point:
    """Prices, the dual's value there, and what is used of each limit."""

    prices: Floats
    value: float
    use: Floats


class Dual:
    """The dual function of some members under some limits."""

    def __init__(self, chooser: Chooser, shared: Shared) -> None:
        self.chooser = chooser
        self.shared = shared
        self.calls = 0

    def at(self, prices: Floats) -> Point:
        """Its value, and what is used there."""
        self.calls += 1
        gain, counts = self.chooser.evaluate(self.shared.theta(prices))
        return Point(prices, gain + self.shared.conjugate(prices), self.shared.use(counts))

    def slopes(self, point: Point) -> tuple[Floats, Floats]:
        """Slope to the left and to the right of each price."""
        spans = [limit.slopes(float(price)) for limit, price in zip(self.shared.limits, point.prices, strict=True)]
        both = np.array(spans).reshape(-1, 2)
        return both[:, 0] - point.use, both[:, 1] - point.use


def find_sample_prices(
    chooser: Chooser, shared: Shared, sample: Ints, start: Floats, seed: int, *, is_near: bool
) -> tuple[Floats, Floats]:
    """Prices and curvature (of all members) from a sample of them; `is_near`: the start is of a similar problem."""
    prices = start
    if not is_near:
        few = sample[:: max(1, len(sample) // COARSE_MEMBERS)]
        prices = minimise(_sample(chooser, shared, few, COARSE_TIE_BREAKS[0], seed), start)
    dual = _sample(chooser, shared, sample, TIE_BREAK, seed)
    curvature = measure_curvature(dual, prices)
    point = descend(dual, dual.at(prices), curvature, PASSES_MAX)
    if not is_settled(dual, point, SETTLED):
        for tie_break in COARSE_TIE_BREAKS:
            dual = _sample(chooser, shared, sample, tie_break, seed)
            prices = minimise(dual, prices)
        curvature = measure_curvature(dual, prices)
        point = descend(dual, dual.at(prices), curvature, PASSES_MAX)
    return point.prices, curvature * (chooser.members / max(1, len(sample)))


def find_prices(
    chooser: Chooser, shared: Shared, sample: Ints, start: Floats, curvature: Floats, seed: int
) -> tuple[Chooser, Floats]:
    """Prices over all members, from those of a sample, and the chooser they are of.

    Newton gets stuck where most values are one of a few: then ties are broken five times as coarsely.
    """
    dual = Dual(chooser, shared)
    point = descend(dual, dual.at(start), curvature, PASSES_MAX)
    if is_settled(dual, point, STUCK):
        return chooser, point.prices
    part = _sample(chooser, shared, sample, BLUR, seed)
    prices = minimise(part, point.prices)
    curvature = measure_curvature(part, prices) * (chooser.members / max(1, len(sample)))
    blurred = Dual(chooser.blur(BLUR, seed), shared)
    point = descend(blurred, blurred.at(prices), curvature, PASSES_MAX)
    if not is_settled(blurred, point, STUCK):
        patient = blurred.at(minimise(blurred, point.prices))
        point = patient if patient.value < point.value else point
    return blurred.chooser, point.prices


def find_fine_prices(chooser: Chooser, shared: Shared, sample: Ints, start: Floats, seed: int) -> Floats:
    """Prices for the bound where many values are equal: there it has an edge, which broken ties round off."""
    for tie_break in FINE_TIE_BREAKS:
        start = minimise(_sample(chooser, shared, sample, tie_break, seed), start)
    return start


def _sample(chooser: Chooser, shared: Shared, members: Ints, tie_break: float, seed: int) -> Dual:
    part = shared.scaled(len(members) / max(1, chooser.members))
    return Dual(chooser.take(members, tie_break=tie_break, seed=seed), part)


def is_settled(dual: Dual, point: Point, missed_max: float) -> bool:
    """Whether use is near what it should be at these prices: within a share of the largest."""
    left, right = dual.slopes(point)
    missed = np.maximum(np.maximum(left, 0.0), np.maximum(-right, 0.0))
    return bool((missed <= missed_max * np.maximum(point.use.max(initial=0.0), 1.0)).all())


def minimise(dual: Dual, start: Floats) -> Floats:
    """L-BFGS-B over how far each price has climbed in each span between kinks; in order, since slopes only rise."""
    climbs = [
        climb for at, limit in enumerate(dual.shared.limits) for climb in _list_climbs(at, limit, float(start[at]))
    ]
    if not climbs:
        return start
    base = np.array([float(limit.kinks[0]) for limit in dual.shared.limits])
    matrix = np.zeros((len(base), len(climbs)))
    matrix[[climb.owner for climb in climbs], range(len(climbs))] = [climb.sign for climb in climbs]
    slopes = np.array([climb.slope for climb in climbs])
    constant = dual.shared.conjugate(base)
    scale = 1.0 / max(1, dual.chooser.members)

    def value(climbed: Floats) -> tuple[float, Floats]:
        gain, counts = dual.chooser.evaluate(dual.shared.theta(base + matrix @ climbed))
        use = dual.shared.use(counts)
        return (gain + constant + float(slopes @ climbed)) * scale, (slopes - matrix.T @ use) * scale

    found = SCIPY.optimize.minimize(
        value,
        np.array([climb.start for climb in climbs]),
        jac=True,
        method="L-BFGS-B",
        bounds=[(0.0, climb.most) for climb in climbs],
        options={"maxfun": SAMPLE_CALLS_MAX, "maxcor": 20, "ftol": 1e-12, "gtol": 1e-9},
    )
    return snap(dual.shared, base + matrix @ found.x)


@dataclass(frozen=True, slots=True)
class _Climb:
    """One span of a limit's price between kinks: how far up (or down, sign -1) it may go, and the slope there."""

    owner: int
    sign: float
    slope: float
    most: float
    start: float


def _list_climbs(owner: int, limit: Limit, price: float) -> list[_Climb]:
    first = float(limit.kinks[0])
    climbs = (
        [_Climb(owner, -1.0, -float(limit.breaks[0]), PRICE_MAX, max(0.0, first - price))]
        if limit.breaks[0] > 0
        else []
    )
    ends = [*limit.kinks[1:].tolist(), float(limit.kinks[-1]) + PRICE_MAX]
    for kink, end, slope in zip(limit.kinks.tolist(), ends, limit.breaks[1:].tolist(), strict=True):
        if np.isfinite(slope):
            climbs.append(_Climb(owner, 1.0, slope, end - kink, float(np.clip(price - kink, 0.0, end - kink))))
    return climbs


def snap(shared: Shared, prices: Floats) -> Floats:
    """Prices within rounding of a kink are the kink."""
    snapped = shared.legal(prices).copy()
    for at, limit in enumerate(shared.limits):
        near = limit.kinks[np.abs(limit.kinks - snapped[at]) <= SNAP * max(1.0, abs(float(snapped[at])))]
        if len(near):
            snapped[at] = near[0]
    return snapped


def measure_curvature(dual: Dual, prices: Floats) -> Floats:
    """How fast use falls as each price rises, by central differences wide enough to move a few in a hundred."""
    count = len(prices)
    found = np.zeros((count, count))
    here = dual.at(prices)
    typical = max(1e-6, here.value / max(1.0, float(here.use.max(initial=1.0))))
    for at in range(count):
        step = 0.02 * typical
        for _ in range(8):
            up, down = prices.copy(), prices.copy()
            up[at] += step
            down[at] -= step
            moved = dual.at(down).use - dual.at(up).use
            found[at] = moved / (2 * step)
            share = float(np.abs(moved).max()) / max(20.0, float(here.use[at]))
            if share > 0.15:
                step /= 6
            elif share < 0.01:
                step *= 3
            else:
                break
    found = (found + found.T) / 2
    diagonal = np.maximum(np.diag(found), 0.05 * np.maximum(here.use, 1.0) / typical)
    return found + np.diag(diagonal - np.diag(found))


def descend(dual: Dual, point: Point, curvature: Floats, passes_max: int) -> Point:
    """Newton steps from a point while they promise something; each pass looks at all members once.

    `curvature` is corrected by what the steps show.
    """
    reach = 1.0
    for _ in range(passes_max):
        step, promise = model_step(dual, point, curvature)
        little = promise * reach <= PROMISE_MIN * abs(point.value)
        if not step.any() or (little and is_settled(dual, point, MISSED_MAX)):
            break
        trial = dual.at(snap(dual.shared, point.prices + reach * step))
        learn(curvature, trial.prices - point.prices, point.use - trial.use)
        if trial.value < point.value:
            point, reach = trial, 1.0
        else:
            reach /= 3
    return point


def model_step(dual: Dual, point: Point, curvature: Floats) -> tuple[Floats, float]:
    """The best step of the quadratic model within the spans around the prices, and the gain it promises."""
    left, right = dual.slopes(point)
    rising = right < 0
    falling = left > 0
    slope = np.where(rising, right, np.where(falling, left, 0.0))
    lows, highs = np.zeros_like(slope), np.zeros_like(slope)
    for at, limit in enumerate(dual.shared.limits):
        low, high = limit.span(float(point.prices[at]))
        at_kink = left[at] != right[at]
        lows[at] = low - point.prices[at] if falling[at] or not at_kink else 0.0
        highs[at] = high - point.prices[at] if rising[at] or not at_kink else 0.0
    step = np.zeros_like(slope)
    free = (rising | falling) & (lows < highs)
    if free.any():
        root, inverse = _root(curvature[np.ix_(free, free)])
        bounds = (lows[free], highs[free])
        step[free] = SCIPY.optimize.lsq_linear(root, -inverse @ slope[free], bounds=bounds, method="bvls").x
    return step, -float(slope @ step + step @ curvature @ step / 2)


def _root(curvature: Floats) -> tuple[Floats, Floats]:
    """A matrix whose transpose times itself is the curvature, and the inverse of its transpose.

    What noise made concave is made flat, in units in which all diagonals are one.
    """
    scale = np.sqrt(np.maximum(np.diag(curvature), 1e-12))
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    roots = np.sqrt(np.maximum(values, FLAT))[:, None]
    return roots * vectors.T * scale, vectors.T / scale / roots


def learn(curvature: Floats, moved: Floats, change: Floats) -> None:
    """BFGS: make the curvature agree with what a step changed, where that is convex enough to be believed."""
    seen = float(moved @ change)
    expected = curvature @ moved
    size = float(moved @ expected)
    if size > 0 and seen > 0.05 * size:
        curvature += np.outer(change, change) / seen - np.outer(expected, expected) / size
