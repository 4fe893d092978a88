"""A lake of made-up events for `bench audience`, written through the mover's own writer, once for each size.

Two years of events of thirty names, Zipf-like, and of three thousand rare ones; the same rows for the same size. It lies
as compaction leaves it: one file for each part and month, ordered by origin and time. Ids of messages and of events are
left out: nothing here reads them, and they would be most of the bytes.
"""

import multiprocessing
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from regulars.bootstrap.bench.report import Say
from regulars.history import lake
from regulars.history.engine import open_engine
from regulars.history.lake import MOVER, TABLES
from regulars.history.layout import choose_names, part_of
from regulars.history.model import HistoryPlace

LAYOUT: Final = 1
"""Grows with any change here: what was made before is made anew."""

MEMBERS: Final = 1_000_000
ORIGINS: Final = 1_250_000
"""One in five belongs to a member that was merged into another."""

BRAND_ID: Final = 1
END: Final = datetime(2026, 11, 1, tzinfo=UTC)
MONTHS: Final = 24
NAMES: Final = (
    "Page Viewed", "Product Viewed", "Product List Viewed", "Products Searched", "Product Added", "Order Completed",
    "Checkout Started", "Product Clicked", "App Opened", "Cart Viewed", "Message Opened", "Promotion Viewed",
    "Product Removed", "Wishlist Viewed", "Store Visited", "Coupon Shown", "Coupon Used", "Video Started",
    "Video Completed", "Article Read", "Review Read", "Review Written", "Payment Info Entered", "Login", "Logout",
    "Survey Answered", "Order Refunded", "Game Played", "Card Shown", "Subscription Cancelled",
)  # fmt: skip
CUSTOM_NAMES: Final = 3_000
_PICKS: Final = 100_000
_MEMORY_MIB: Final = 3_072

_MACROS: Final = """
create macro chance(i, k) as (hash(i * 31 + k) >> 12)::DOUBLE / 4503599627370496.0;
create macro revenue_of(i) as (5 + 95 * chance(i, 3))::DECIMAL(18, 2)::DECIMAL(18, 6);
"""
# Whole numbers first: they are sorted, and texts are made of them on the way to the writer. Names are numbered by part.
_NUMBERS: Final = f"""
create or replace temp table numbers as
select seq, 1 + (floor({ORIGINS} * chance(seq, 1) ** 2)::BIGINT * 7919) % {ORIGINS} as origin_id,
    make_timestamptz(epoch_us($start::TIMESTAMPTZ) + floor($micros * chance(seq, 0))::BIGINT) as occurred_at,
    floor(5000 * chance(seq, 2) ** 2)::INTEGER as item, name_no, part_no
from (
    select range as seq, floor({_PICKS} * chance(range, 5))::INTEGER as pick from range($first::BIGINT, $next::BIGINT)
) join picks using (pick)
"""
_EVENTS: Final = f"""
select {BRAND_ID} as brand, ($parts::VARCHAR[])[part_no] as part, $month::INTEGER as month, seq, origin_id,
    ($names::VARCHAR[])[name_no] as name, occurred_at, case when name_no = $order_no then revenue_of(seq) end as revenue,
    case when name_no = $order_no then 'O' || seq end as order_id, 'P' || item as item_id, 'c' || item % 60 as category,
    null::DECIMAL(18, 6) as quantity, case when name_no = $order_no then 2 else 0 end::INTEGER as line_count,
    '{{"product_id":"P' || item || '","category":"c' || item % 60 || '","channel":"'
        || case seq % 3 when 0 then 'app' when 1 then 'web' else 'store' end || '"}}' as properties,
    null::BLOB as event_id, null::VARCHAR as message_id, 1::INTEGER as source_id, 'track' as type,
    occurred_at as received_at, null::TIMESTAMPTZ as original_at, null::TIMESTAMPTZ as sent_at
from (from numbers order by part_no, origin_id, occurred_at)
"""
_LINES: Final = f"""
select {BRAND_ID} as brand, ($parts::VARCHAR[])[part_no] as part, $month::INTEGER as month, seq, origin_id,
    ($names::VARCHAR[])[name_no] as name, occurred_at, line_no, 'P' || line_item as item_id,
    'c' || line_item % 60 as category, 1::DECIMAL(18, 6) as quantity, (revenue_of(seq) / 2)::DECIMAL(18, 6) as price
from (
    select *, floor(5000 * chance(seq, 6 + line_no) ** 2)::INTEGER as line_item
    from numbers, (values (1::INTEGER), (2)) as lines (line_no)
    where name_no = $order_no
    order by origin_id, occurred_at, line_no
)
"""


def cache_folder() -> Path:
    """Where benches keep what takes long to make."""
    kept = os.environ.get("XDG_CACHE_HOME")
    return (Path(kept) if kept else Path.home() / ".cache") / "regulars-bench"


def ensure_lake(events: int, say: Say) -> Path:
    """The folder of a lake with so many events; made in a process of its own, whose memory nobody measures."""
    folder = cache_folder() / f"audience-{LAYOUT}-{events}"
    if folder.exists():
        return folder
    say(f"making {events:,} events in {folder}, once")
    making = folder.with_name(f"{folder.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    worker = multiprocessing.get_context("spawn").Process(target=_make_lake, args=(making, events))
    worker.start()
    worker.join()
    if worker.exitcode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise RuntimeError(f"the lake of {events:,} events could not be made: see above")
    making.rename(folder)
    return folder


def _make_lake(folder: Path, events: int) -> None:
    place = HistoryPlace(folder, folder / "temporary", memory_mib_max=_MEMORY_MIB)
    engine = open_engine(place)
    engine.execute("set enable_progress_bar = false")
    engine.execute(_MACROS)
    told = _make_picks(engine)
    tables = {table: lake.ensure_table(folder, table) for table in TABLES}
    for number in range(MONTHS):
        start, end = month_start(number), month_start(number + 1)
        micros = (end - start).total_seconds() * 1_000_000
        first, following = (1 + events * at // MONTHS for at in (number, number + 1))
        engine.execute(_NUMBERS, {"start": start, "micros": micros, "first": first, "next": following})
        month = start.year * 100 + start.month
        for table, query in (("events", _EVENTS), ("lines", _LINES)):
            rows = engine.sql(query, params=told | {"month": month})
            lake.append_rows(tables[table], rows, writer=MOVER, number=number + 1)
    engine.close()
    shutil.rmtree(place.temp_folder, ignore_errors=True)


def month_start(number: int) -> datetime:
    """When the number-th month begins; the last one ends at END."""
    months = END.year * 12 + END.month - 1 - MONTHS + number
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC)


def _make_picks(engine: duckdb.DuckDBPyConnection) -> dict[str, object]:
    """Which name a number stands for: the k-th of the thirty 1/k as often as the first, the rare ones equally often.

    Shape: the numbers of names and parts are their places, from 1, in the lists that it gives.
    """
    weights = [1 / rank for rank in range(1, len(NAMES) + 1)]
    scale = (_PICKS - CUSTOM_NAMES) / sum(weights)
    counts = {name: int(weight * scale) for name, weight in zip(NAMES, weights, strict=True)}
    counts[NAMES[0]] += _PICKS - CUSTOM_NAMES - sum(counts.values())
    counts |= {f"Custom {number}": 1 for number in range(CUSTOM_NAMES)}
    named = choose_names(counts)
    names, parts = list(counts), sorted({part_of(name, named) for name in counts})
    picked = [(name_no, name) for name_no, name in enumerate(names, 1) for _ in range(counts[name])]
    engine.execute(
        "create temp table picks as select unnest($picks::INTEGER[]) as pick, unnest($names::INTEGER[]) as name_no,"
        " unnest($parts::INTEGER[]) as part_no",
        {
            "picks": list(range(_PICKS)),
            "names": [name_no for name_no, _ in picked],
            "parts": [1 + parts.index(part_of(name, named)) for _, name in picked],
        },
    )
    return {"names": names, "parts": parts, "order_no": 1 + names.index("Order Completed")}
