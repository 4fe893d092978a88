"""Keeps the computed traits and tags of a brand's members true.

Where nothing has happened nothing is read. Where something has, only those members are gone through who have new events,
or events that have become past, or whose merges were made or undone. All members are gone through once a day, since
windows and half-lives end by days, and when enough has happened that what everybody buys is another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from duckdb import DuckDBPyConnection

from regulars.audiences import store
from regulars.audiences.computed import TAG_PREFIX, TRAIT_NAMES, choose_favourites
from regulars.audiences.service import measuring
from regulars.audiences.service.measuring import Measured
from regulars.audiences.store import ComputedState
from regulars.conditions.spans import Times
from regulars.history.service.reading import HistoryReader, Snapshot
from regulars.kernel.ids import MemberId
from regulars.members.service.computing import (
    AutoTag,
    Computed,
    ensure_number_traits,
    list_changed,
    list_rejoined,
    set_computed,
)
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand

PAGE_MEMBERS: Final = 5_000
WRITE_MEMBERS_MAX: Final = 500
"""The brand's lock is held for so many at a time."""

WHOLE_EVENTS_MIN: Final = 20_000
WHOLE_EVENTS_SHARE: Final = 0.05
WHOLE_AFTER: Final = timedelta(minutes=5)
"""While much is coming in, as in an import, all members are gone through no more often."""

STALE_MAX: Final = timedelta(hours=1)
"""What is later by more was computed by a clock that went wrong."""

MERGES_OVERLAP: Final = timedelta(minutes=10)
"""A merge stands with the instant at which it began, and is seen when it has ended."""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh did: members gone through, members of whom anything changed, whether all were meant."""

    looked_at: int = 0
    changed: int = 0
    is_whole: bool = False


async def refresh_brand(
    database: Database, history: HistoryReader, brand: Brand, *, now: datetime, is_whole: bool = False
) -> Refreshed:
    """Bring everything computed up to now; cheap where nothing has happened. Safe to run twice.

    With `is_whole` all members are gone through, whatever has happened.

    Locks: the brand's refresh; the brand's lock, shortly for each batch that changes.
    """
    async with database.read() as tx:
        state = await store.find_computed(tx, brand.brand_id)
        version = await history.find_data_version(tx, brand.brand_id)
        if state is not None and not is_whole and _is_up_to_date(state, version, brand, now):
            return Refreshed()
    async with database.read() as lock:
        await store.lock_computed(lock, brand.brand_id)
        return await _refresh(database, history, brand, now, is_whole)


async def _refresh(
    database: Database, history: HistoryReader, brand: Brand, now: datetime, is_whole: bool
) -> Refreshed:
    async with database.write() as tx:
        names = await ensure_number_traits(tx, brand, TRAIT_NAMES, now=now)
    async with database.read() as tx, history.open_snapshot(tx, brand.brand_id) as snapshot:
        # The state is read again beside the data: what it says was read is what this transaction sees.
        state = await store.find_computed(tx, brand.brand_id)
        if state is not None and not is_whole and timedelta(0) < state.as_of - now < STALE_MAX:
            return Refreshed()  # another refresh, of a later instant, was waited for
        is_whole = is_whole or state is None or _is_whole(state, snapshot, brand, now)
        times = Times(now, brand.time_zone)
        numbers = sorted(await store.list_everybody(tx, brand.brand_id))
        if state is not None and not is_whole:
            numbers = await _list_touched(tx, snapshot, brand, state, now, frozenset(numbers))
        shares: Mapping[str, float] = state.shares if state is not None else {}
        if numbers:
            shares = await snapshot.run(lambda connection: _measure(connection, times, numbers, state, is_whole))
        changed = 0
        for start in range(0, len(numbers), PAGE_MEMBERS):
            page = numbers[start : start + PAGE_MEMBERS]
            found = await snapshot.run(lambda connection, page=page: measuring.read_page(connection, page))
            changed += await _write(database, tx, brand, found, names, times)
        done = ComputedState(snapshot.data_version, snapshot.state.head_seq, now, now, snapshot.state.head_seq, shares)
        if state is not None and not is_whole:
            done = done.with_whole_of(state)
    async with database.write() as tx:
        await store.put_computed(tx, brand.brand_id, done)
    return Refreshed(len(numbers), changed, is_whole)


def _is_up_to_date(state: ComputedState, version: str, brand: Brand, now: datetime) -> bool:
    return state.data_version == version and _day(state.whole_at, brand) == _day(now, brand)


def _is_whole(state: ComputedState, snapshot: Snapshot, brand: Brand, now: datetime) -> bool:
    head = snapshot.state.head_seq
    fresh_max = WHOLE_EVENTS_SHARE * state.whole_seq
    return (
        _day(state.whole_at, brand) != _day(now, brand)
        or now < state.as_of
        or (head > state.head_seq and head <= WHOLE_EVENTS_MIN)
        or (head - state.whole_seq > fresh_max and now - state.whole_at >= WHOLE_AFTER)
    )


def _day(instant: datetime, brand: Brand) -> object:
    return instant.astimezone(brand.time_zone).date()


async def _list_touched(
    tx: ReadTransaction,
    snapshot: Snapshot,
    brand: Brand,
    state: ComputedState,
    now: datetime,
    everybody: frozenset[int],
) -> list[int]:
    """Members with new events, with events that lay ahead the last time and do no more, and of other merges."""
    found = set(
        await snapshot.run(
            lambda connection: measuring.list_touched(
                connection, after_seq=state.head_seq, after=state.as_of, until=now
            )
        )
    )
    rejoined = await list_rejoined(tx, brand, since=state.as_of - MERGES_OVERLAP)
    found |= set(await store.list_numbers_of(tx, brand.brand_id, rejoined))
    return sorted(found & everybody)


def _measure(
    connection: DuckDBPyConnection,
    times: Times,
    numbers: Sequence[int],
    state: ComputedState | None,
    is_whole: bool,
) -> Mapping[str, float]:
    """Fill the tables; answers everybody's shares, which only a whole pass finds anew."""
    measuring.set_scope(connection, numbers)
    measuring.measure_traits(connection, times)
    measuring.measure_tastes(connection, times)
    shares = measuring.read_shares(connection) if is_whole or state is None else state.shares
    measuring.set_shares(connection, shares)
    return shares


async def _write(
    database: Database,
    tx: ReadTransaction,
    brand: Brand,
    found: Mapping[int, Measured],
    names: Sequence[str],
    times: Times,
) -> int:
    ids = await store.list_ids(tx, brand.brand_id, list(found))
    wanted = {ids[number]: to_computed(one, names, times) for number, one in found.items() if number in ids}
    changed = await list_changed(tx, brand, wanted, names)
    count = 0
    for start in range(0, len(changed), WRITE_MEMBERS_MAX):
        batch: dict[MemberId, Computed] = {one: wanted[one] for one in changed[start : start + WRITE_MEMBERS_MAX]}
        async with database.write() as writing:
            count += await set_computed(writing, brand, batch, names, now=times.as_of)
    return count


def to_computed(measured: Measured, names: Sequence[str], times: Times) -> Computed:
    """What is to be said of a member."""
    tags = {
        TAG_PREFIX + taste.category: AutoTag(taste.weight, taste.evidence, taste.expires_at(times))
        for taste in choose_favourites(measured.tastes)
    }
    return Computed({name: measured.traits[name] for name in names if name in measured.traits}, tags)
