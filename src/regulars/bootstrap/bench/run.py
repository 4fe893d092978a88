"""Which benches there are."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Final

from regulars.bootstrap.bench.audience import run_audience
from regulars.bootstrap.bench.dispatch import run_dispatch
from regulars.bootstrap.bench.ingest import run_ingest
from regulars.bootstrap.bench.plan import LIGHT_SIZES, run_plan
from regulars.bootstrap.bench.report import BenchResult, Say
from regulars.bootstrap.bench.start import run_start
from regulars.kernel.errors import DomainError, Kind

BENCHES: Final[Mapping[str, Callable[[Say], BenchResult]]] = {
    "audience": run_audience,
    "dispatch": run_dispatch,
    "ingest": run_ingest,
    "plan": run_plan,
    "start": run_start,
}


LIGHT: Final[Mapping[str, Callable[[Say], BenchResult]]] = {"plan": partial(run_plan, sizes=LIGHT_SIZES)}
"""Those that have a small form: whether it runs and what holds at any size; its speed is compared with nothing."""


class BenchUnknown(DomainError):
    """There is no bench of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "bench.unknown"


def run_bench(name: str, say: Say, *, is_light: bool = False) -> BenchResult:
    """Run one. Raises: BenchUnknown."""
    benches = LIGHT if is_light else BENCHES
    if name not in benches:
        raise BenchUnknown(f"there is no {'light ' * is_light}bench {name!r}; there are: {', '.join(benches)}")
    return benches[name](say)
