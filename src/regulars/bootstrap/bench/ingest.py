"""Events a second through HTTP, durable, against PostgreSQL's own COPY of the same rows into the same table.

Ours: `/v1/batch` with 500 calls each, decoded, checked, identities resolved, deduplicated, committed with fsync; the load
generator runs on the same cores. Beside it: one connection, one COPY of the very rows that ingest wrote, into an empty
copy of events_tail with the same indexes, and for orientation into events_seen as well.
"""

import asyncio
import time
from collections.abc import Sequence

import psycopg

from regulars.bootstrap.bench.load import fire, prepare_requests
from regulars.bootstrap.bench.report import BenchResult, Say, growth_exponent, middle
from regulars.bootstrap.bench.served import Served, serve, temporary_home
from regulars.platform.postgres import find_running

BAR = 0.4
GROWTH_MAX = 1.15
SIZES = (50_000, 200_000, 800_000)
MEMBERS = 50_000
ROUNDS = 3
ROUND_EVENTS = 200_000
CUSTOM_NAMES = 2_000


def run_ingest(say: Say) -> BenchResult:
    """The whole bench; about two minutes."""
    with temporary_home() as home, serve(home) as served:
        running = find_running(home)
        assert running is not None, "serve runs the embedded PostgreSQL"
        _fire(served, 4 * MEMBERS, seed=1)  # nearly all members are known afterwards
        ratios: list[float] = []
        rates: list[float] = []
        copies: list[float] = []
        both: list[float] = []
        for number in range(ROUNDS):
            seconds = _fire(served, ROUND_EVENTS, seed=10 + number)
            tail, seen = _copy_again(running.dsn, ROUND_EVENTS)
            rates.append(ROUND_EVENTS / seconds)
            copies.append(ROUND_EVENTS / tail)
            both.append(ROUND_EVENTS / (tail + seen))
            ratios.append(rates[-1] / copies[-1])
            say(f"round {number + 1}: {rates[-1]:,.0f}/s through HTTP, {copies[-1]:,.0f}/s by COPY")
        grown = [_fire(served, size, seed=100 + at) for at, size in enumerate(SIZES)]
        named = _fire(served, ROUND_EVENTS, seed=200, custom_names=CUSTOM_NAMES)
    ratio, exponent = middle(ratios), growth_exponent(SIZES, grown)
    figures = {
        "events_per_second": round(middle(rates)),
        "copy_events_per_second": round(middle(copies)),
        "copy_with_seen_events_per_second": round(middle(both)),
        "ratio_to_copy_with_seen": round(middle(rates) / middle(both), 3),
        "growth_exponent": round(exponent, 3),
        "growth_sizes": list(SIZES),
        "growth_seconds": [round(seconds, 2) for seconds in grown],
        "custom_names_2000_events_per_second": round(ROUND_EVENTS / named),
        "ratios": [round(one, 3) for one in ratios],
    }
    return BenchResult("ingest", ratio >= BAR and exponent <= GROWTH_MAX, round(ratio, 3), BAR, figures)


def _fire(served: Served, events: int, *, seed: int, custom_names: int = 0) -> float:
    requests = prepare_requests(
        served.url, served.write_key, events=events, members=MEMBERS, seed=seed, custom_names=custom_names
    )
    return asyncio.run(fire(served.url, requests))


def _copy_again(dsn: str, events: int) -> tuple[float, float]:
    """Seconds to COPY the newest rows again, into an empty twin of the tail and of the seen ids."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("select next_seq from events_heads order by brand_id limit 1").fetchone()
        newest = row[0] if row else 0
        tail = _export(connection, f"select * from events_tail where seq >= {newest - events} order by seq")
        seen = _export(
            connection, f"select brand_id, event_id, received_at from events_tail where seq >= {newest - events}"
        )
        connection.execute("create table bench_tail (like events_tail including all)")
        connection.execute("create table bench_seen (like events_seen, unique (event_id))")  # as each month's is
        connection.execute("checkpoint")
        seconds = _timed_copy(connection, "bench_tail", tail), _timed_copy(connection, "bench_seen", seen)
        connection.execute("drop table bench_tail, bench_seen")
        connection.execute("checkpoint")
    return seconds


def _export(connection: psycopg.Connection, query: str) -> Sequence[bytes]:
    with connection.cursor().copy(f"copy ({query}) to stdout (format binary)".encode()) as copy:
        return [bytes(block) for block in copy]


def _timed_copy(connection: psycopg.Connection, table: str, blocks: Sequence[bytes]) -> float:
    whole = b"".join(blocks)
    began = time.perf_counter()
    with connection.cursor().copy(f"copy {table} from stdin (format binary)".encode()) as copy:
        copy.write(whole)
    return time.perf_counter() - began
