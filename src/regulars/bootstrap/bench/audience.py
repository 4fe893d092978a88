"""Audiences over a million members and up to a hundred million events, against the best SQL we could write by hand.

Ours: from the tree to the bitmap of members, through AudienceEngine: a transaction, the snapshot (which is loaded
already), planning, DuckDB and PostgreSQL; each time as of another moment, so that no leaf is remembered. By hand: DuckDB
on the same files in the same engine, told which files to read; its answer is fetched, and must be the same members.

With REGULARS_ENGINE ours asks that cluster; by hand stays DuckDB.
"""

import asyncio
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
from duckdb import DuckDBPyConnection

from regulars.audiences.service.answering import AudienceEngine
from regulars.bootstrap.bench.audience_lake import BRAND_ID, END, MEMBERS, ensure_lake
from regulars.bootstrap.bench.audience_people import point_to, put_people
from regulars.bootstrap.bench.memory import forget_memory_peak, memory_peak_mib
from regulars.bootstrap.bench.report import BenchResult, Say, growth_exponent, middle
from regulars.bootstrap.bench.served import temporary_home
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, get_brand, open_deployment
from regulars.conditions.parse import parse_tree
from regulars.conditions.tree import Node
from regulars.history import lake
from regulars.history.lake import LakeFile
from regulars.history.model import HistoryPlace
from regulars.history.service.publishing import ClusterReader
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import Database
from regulars.platform.settings import Settings
from regulars.platform.sqlfile import load_queries
from regulars.platform.tenancy import Brand

BAR: Final = 1.2
EDIT_SECONDS_MAX: Final = 0.150
MEMORY_MIB_MAX: Final = 1_536
FIVE_LEAVES_BY_HAND_SECONDS_MAX: Final = 0.2
SIZES: Final = (1_000_000, 10_000_000, 100_000_000)
ROUNDS: Final = 5
EVENTS_VARIABLE: Final = "REGULARS_BENCH_EVENTS_MAX"

_ORDERS: Final = {"event": "Order Completed"}
_FIVE: Final[list[dict[str, Any]]] = [
    {"did": {"event": "Products Searched", "within": "30d"}},
    {"did": {"event": "Product Viewed", "within": "30d", "count": {"at_least": 2}}},
    {"did": {"event": "Product Added", "within": "14d"}},
    {"did": {**_ORDERS, "within": "90d", "sum": {"of": "revenue", "at_least": 50}}},
    {"not": {"did": {"event": "Product Removed", "within": "30d"}}},
]
AUDIENCES: Final[Mapping[str, object]] = {
    "exists": {"did": {"event": "Product Added", "within": "30d"}},
    "count_in_window": {"did": {"event": "Product Viewed", "within": "90d", "count": {"at_least": 3}}},
    "sum_in_window": {"did": {**_ORDERS, "within": "365d", "sum": {"of": "revenue", "at_least": 150}}},
    "absence": {"did": {**_ORDERS, "within": "90d", "count": 0}},
    "five_leaves": {"all": _FIVE},
    "sequence": {"sequence": {"of": ["Checkout Started", "Order Completed"], "within": "3d", "started": "30d"}},
    "percentile": {"percentile": {"top": 10, "of": {"did": {**_ORDERS, "within": "365d", "sum": "revenue"}}}},
    "property_and_traits": {
        "all": [
            {"trait": {"tier": ["silver", "gold"], "age": {"less_than": 40}}},
            {
                "did": {
                    "event": "Product Viewed",
                    "within": "30d",
                    "where": {"channel": "app", "category": ["c1", "c2", "c3", "c4", "c5"]},
                }
            },
        ]
    },
}
EDITED: Final[object] = {"all": [{"did": {"event": "Products Searched", "within": "45d"}}, *_FIVE[1:]]}


@dataclass(slots=True)
class _Times:
    """Seconds of each round, by audience."""

    ours: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    by_hand: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    edited: list[float] = field(default_factory=list[float])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    load_seconds: float = 0.0
    memory_mib: int = 0

    @property
    def ratio(self) -> float:
        """Of the medians over all audiences of their medians."""
        return middle([middle(one) for one in self.ours.values()]) / middle(
            [middle(one) for one in self.by_hand.values()]
        )


def run_audience(say: Say) -> BenchResult:
    """The whole bench; the environment may set a size to stop at."""
    most = int(os.environ.get(EVENTS_VARIABLE, SIZES[-1]))
    sizes = [size for size in SIZES if size <= most] or [SIZES[0]]
    lakes = {size: ensure_lake(size, say) for size in sizes}
    found: dict[int, _Times] = {}
    settings = Settings()  # the environment may name a cluster: then ours is asked there
    with temporary_home() as home, open_deployment(Settings(home=home)) as deployment:
        say(f"putting {MEMBERS:,} members into PostgreSQL")
        put_people(deployment.dsn)
        for size, folder in lakes.items():
            place = HistoryPlace(folder, home / "temporary")
            point_to(deployment.dsn, place, size)
            cluster = None if settings.engine is None else ClusterReader(settings.engine, place)
            found[size] = asyncio.run(_measure(deployment, place, size, cluster))
            say(f"{size:,} events: {_tell(found[size])}")
    return _judge(found)


def _tell(times: _Times) -> str:
    told = [f"{name} {_ms(times.ours[name])} ({_ms(times.by_hand[name])})" for name in AUDIENCES]
    return f"ms ours (by hand): {', '.join(told)}; ratio {times.ratio:.2f}"


def _ms(seconds: Sequence[float]) -> float:
    return round(middle(seconds) * 1_000, 1)


def _judge(found: Mapping[int, _Times]) -> BenchResult:
    size, times = max(found.items())
    five = middle(times.by_hand["five_leaves"])
    audiences = {
        name: {
            "ms": _ms(times.ours[name]),
            "by_hand_ms": _ms(times.by_hand[name]),
            "ratio": round(middle(times.ours[name]) / middle(times.by_hand[name]), 2),
            "members": times.sizes[name],
        }
        for name in AUDIENCES
    }
    seconds = [middle([middle(one) for one in of.ours.values()]) for of in found.values()]
    figures: dict[str, Any] = {
        "events": size,
        "members": MEMBERS,
        **audiences,
        "five_leaves_by_hand_ms_bar": FIVE_LEAVES_BY_HAND_SECONDS_MAX * 1_000,
        "edited_leaf_ms": _ms(times.edited),
        "edited_leaf_ms_bar": EDIT_SECONDS_MAX * 1_000,
        "snapshot_load_seconds": round(times.load_seconds, 2),
        "memory_peak_mib": times.memory_mib,
        "memory_peak_mib_bar": MEMORY_MIB_MAX,
        "growth_sizes": list(found),
        "growth_ms": [round(one * 1_000, 1) for one in seconds],
        "growth_ratios": [round(of.ratio, 2) for of in found.values()],
    }
    if len(found) > 1:
        figures["growth_exponent"] = round(growth_exponent(list(found), seconds), 3)
    ok = (
        times.ratio <= BAR
        and five <= FIVE_LEAVES_BY_HAND_SECONDS_MAX
        and middle(times.edited) <= EDIT_SECONDS_MAX
        and times.memory_mib <= MEMORY_MIB_MAX
    )
    return BenchResult("audience", ok, round(times.ratio, 3), BAR, figures)


async def _measure(deployment: Deployment, place: HistoryPlace, size: int, cluster: ClusterReader | None) -> _Times:
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    reader = HistoryReader(place)
    try:
        brand = await get_brand(deployment, database, FIRST_BRAND)
        assert brand.brand_id == BRAND_ID, "the first brand of a fresh deployment"
        ours = _Ours(database, brand, AudienceEngine(reader, deployment.clock, cluster))
        times = _Times()
        forget_memory_peak()
        times.load_seconds = await ours.time(parse_tree(_FIVE[0]), END)
        for name, written in AUDIENCES.items():
            times.sizes[name] = len(await ours.list_members(parse_tree(written), END))
        times.memory_mib = memory_peak_mib()
        with _ByHand(reader, place, deployment.dsn) as by_hand:
            for name, written in AUDIENCES.items():
                expected = await ours.list_members(parse_tree(written), END)
                _check_same(name, size, expected, by_hand.list_members(name, END))
            for number in range(ROUNDS):
                await _measure_round(ours, by_hand, times, END - timedelta(minutes=7 * (number + 1)))
        return times
    finally:
        if cluster is not None:
            await cluster.close()
        reader.close()
        await database.close()


async def _measure_round(ours: "_Ours", by_hand: "_ByHand", times: _Times, as_of: datetime) -> None:
    for name, written in AUDIENCES.items():
        as_of -= timedelta(seconds=1)
        times.ours.setdefault(name, []).append(await ours.time(parse_tree(written), as_of))
        began = time.perf_counter()
        by_hand.list_members(name, as_of)
        times.by_hand.setdefault(name, []).append(time.perf_counter() - began)
        if name == "five_leaves":
            times.edited.append(await ours.time(parse_tree(EDITED), as_of))


def _check_same(name: str, size: int, ours: Sequence[int], by_hand: Sequence[int]) -> None:
    if sorted(ours) != sorted(by_hand):
        raise RuntimeError(f"{name} over {size:,} events: ours are {len(ours):,} members, by hand {len(by_hand):,}")


@dataclass(frozen=True, slots=True)
class _Ours:
    """What a caller of the API pays, HTTP aside."""

    database: Database
    brand: Brand
    engine: AudienceEngine

    async def time(self, tree: Node, as_of: datetime) -> float:
        """Seconds until the bitmap is there."""
        began = time.perf_counter()
        async with self.database.read() as tx, self.engine.open_evaluation(tx, self.brand, as_of) as evaluation:
            await evaluation.list_members(tree)
        return time.perf_counter() - began

    async def list_members(self, tree: Node, as_of: datetime) -> list[int]:
        async with self.database.read() as tx, self.engine.open_evaluation(tx, self.brand, as_of) as evaluation:
            return list(await evaluation.list_members(tree))


class _ByHand:
    """The SQL of audience_by_hand.sql, with connections and tables of its own in the same engine."""

    def __init__(self, reader: HistoryReader, place: HistoryPlace, dsn: str) -> None:
        self._queries = load_queries(Path(__file__).with_name("audience_by_hand.sql"))
        files = lake.list_files(lake.open_table(place.folder, "events"))
        self._texts = {name: _with_files(text, files) for name, text in self._queries.items()}
        self._engine: DuckDBPyConnection = reader.connect()
        self._postgres = psycopg.connect(dsn, autocommit=True)

    def __enter__(self) -> "_ByHand":
        rows = self._postgres.execute(
            "select array_agg(o.origin_id), array_agg(m.member_no) from members_origins o"
            " join members_members m using (brand_id, member_id) where m.state = 'active'"
        ).fetchone()
        assert rows is not None, "an aggregate gives a row"
        self._engine.execute("create schema by_hand; use by_hand")
        self._engine.execute(
            "create table origins as select unnest($o::BIGINT[]) as origin_id, unnest($m::INTEGER[]) as member_no",
            {"o": rows[0], "m": rows[1]},
        )
        self._engine.execute("create table members as select distinct member_no from origins order by all")
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.close()
        self._postgres.close()

    def list_members(self, name: str, as_of: datetime) -> Any:
        """Numbers of the members, as numpy has them."""
        if name == "property_and_traits":
            self._take_traits()
        answer: Any = self._engine.execute(self._texts[name], {"as_of": as_of})
        return answer.fetchnumpy()["member_no"]

    def _take_traits(self) -> None:
        row = self._postgres.execute(self._queries["traits"]).fetchone()
        assert row is not None, "an aggregate gives a row"
        self._engine.register("with_traits", {"member_no": np.array(row[0], dtype=np.int32)})


_FILES: Final = re.compile(r":([a-z_]+)_(\d+)d")


def _with_files(query: str, files: Sequence[LakeFile]) -> str:
    """The query with lists of files in the place of `:part_days`; rounds go back from END by less than a day."""

    def list_paths(found: re.Match[str]) -> str:
        part, first = found[1], END - timedelta(days=int(found[2]) + 1)
        month = first.year * 100 + first.month
        return str([file.path for file in files if file.part == part and file.month >= month])

    return _FILES.sub(list_paths, query)
