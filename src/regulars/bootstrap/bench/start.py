"""Seconds from `regulars serve` to its first 200, on a fresh folder and on a warm one, against a bare PostgreSQL start.

The bar is in seconds; the ratio is to the same machine's PostgreSQL alone (initdb and start), measured beside it.
"""

import time

from regulars.bootstrap.bench.report import BenchResult, Say, middle
from regulars.bootstrap.bench.served import serve, temporary_home
from regulars.platform.postgres import EmbeddedPostgres

FRESH_SECONDS_MAX = 6.0
WARM_SECONDS_MAX = 3.0
ROUNDS = 3


def run_start(say: Say) -> BenchResult:
    """Fresh and warm starts, several of each."""
    fresh: list[float] = []
    warm: list[float] = []
    bare: list[float] = []
    for number in range(ROUNDS):
        with temporary_home() as home:
            with serve(home) as served:
                fresh.append(served.start_seconds)
            with serve(home) as served:
                warm.append(served.start_seconds)
        bare.append(_start_postgres())
        say(f"round {number + 1}: fresh {fresh[-1]:.2f} s, warm {warm[-1]:.2f} s, PostgreSQL alone {bare[-1]:.2f} s")
    ok = middle(fresh) <= FRESH_SECONDS_MAX and middle(warm) <= WARM_SECONDS_MAX
    figures = {
        "fresh_seconds": round(middle(fresh), 2),
        "fresh_seconds_bar": FRESH_SECONDS_MAX,
        "warm_seconds": round(middle(warm), 2),
        "warm_seconds_bar": WARM_SECONDS_MAX,
        "postgres_alone_seconds": round(middle(bare), 2),
    }
    share = max(middle(fresh) / FRESH_SECONDS_MAX, middle(warm) / WARM_SECONDS_MAX)
    return BenchResult("start", ok, round(share, 3), 1.0, figures)


def _start_postgres() -> float:
    with temporary_home() as home:
        server = EmbeddedPostgres(home)
        began = time.perf_counter()
        try:
            server.start()
            return time.perf_counter() - began
        finally:
            server.stop()
