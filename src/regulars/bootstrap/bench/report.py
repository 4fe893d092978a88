"""What a bench says: one ratio against its bar, and the figures behind it."""

import json as json_module
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """`ok` is whether every bar is met; `ratio` and `bar` are of the main one."""

    bench: str
    ok: bool
    ratio: float
    bar: float
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


def show_result(result: BenchResult, *, json: bool) -> str:
    """One JSON line, or a line a figure for a person."""
    if json:
        return json_module.dumps(asdict(result), ensure_ascii=False)
    lines = [f"{name.replace('_', ' '):<36} {_show(value)}" for name, value in result.figures.items()]
    verdict = "met" if result.ok else "MISSED"
    return "\n".join([*lines, f"{result.bench}: ratio {result.ratio:.3f}, bar {result.bar} {verdict}"])


def _show(value: object) -> str:
    return (
        f"{value:,.3f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


def growth_exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log(seconds) over log(size), by least squares: 1 is linear."""
    xs, ys = [math.log(size) for size in sizes], [math.log(taken) for taken in seconds]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - x_mean) ** 2 for x in xs)


def middle(values: Sequence[float]) -> float:
    """The median of several runs."""
    return median(values)
