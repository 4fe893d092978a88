"""Which benches there are."""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from regulars.bootstrap.bench.audience import run_audience
from regulars.bootstrap.bench.dispatch import run_dispatch
from regulars.bootstrap.bench.ingest import run_ingest
from regulars.bootstrap.bench.plan import run_plan
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


class BenchUnknown(DomainError):
    """There is no bench of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "bench.unknown"


def run_bench(name: str, say: Say) -> BenchResult:
    """Run one. Raises: BenchUnknown."""
    if name not in BENCHES:
        raise BenchUnknown(f"there is no bench {name!r}; there are: {', '.join(BENCHES)}")
    return BENCHES[name](say)
