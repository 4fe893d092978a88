"""Take a batch of calls: once each, under their origins, in one transaction.

Under the brand's lock: drop what came before (the same message of the same source within 35 days; of an import, ever),
find or make the origins, apply traits and aliases, COPY the events into the tail with dense seqs, count names. Nobody sees a seq whose
lower ones are not committed, since the lock is held until commit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from regulars.events import copying, store
from regulars.events.model import Call, Rejected
from regulars.events.segment import Source, from_microseconds, to_microseconds
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId, OriginId
from regulars.kernel.nesting import is_nested_too_deeply
from regulars.members.identity import read_claim
from regulars.members.service.aliasing import join_alias
from regulars.members.service.joining import lock_brand, resolve_claims
from regulars.members.service.setting_traits import TraitUpdate, set_traits
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand

DEDUPE_DAYS: Final = 35
IMPORT_SOURCE_ID: Final = 0
OWN_SOURCE_ID: Final = -1
"""What the server itself tells."""
CLAIMS_REMEMBERED_MAX: Final = 200_000
"""Of all brands together: about 80 MB."""


Outcome = Literal["written", "known", "dropped"]
"""dropped: of an erased member"""


@dataclass(slots=True)
class OriginMemory:
    """Origins of claims settled before, as `Call.who` has them: a known one costs no query. Void when the brand's epoch moves on."""

    _epochs: dict[BrandId, int] = field(default_factory=dict[BrandId, int])
    _origins: dict[BrandId, dict[str, OriginId]] = field(default_factory=dict[BrandId, dict[str, OriginId]])

    def origins_of(self, brand_id: BrandId, epoch: int) -> dict[str, OriginId]:
        """What is remembered of the brand; to be changed only by `remember`."""
        known = self._origins.get(brand_id)
        if sum(map(len, self._origins.values())) > CLAIMS_REMEMBERED_MAX:
            self._origins.clear()
            known = None
        if known is None or self._epochs[brand_id] != epoch:
            self._epochs[brand_id] = epoch
            known = self._origins[brand_id] = {}
        return known

    def remember(self, brand_id: BrandId, taken: "Taken") -> None:
        """After the transaction has committed, never before."""
        known = self._origins.get(brand_id)
        if known is not None and self._epochs[brand_id] == taken.epoch:
            known.update(taken.new_origins)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of each call, in their order; `trait_problems` holds (place, error) of traits that did not land."""

    outcomes: list[Outcome]
    trait_problems: list[tuple[int, DomainError]]
    new_origins: dict[str, OriginId]
    epoch: int


@dataclass(frozen=True, slots=True)
class SeenMonth:
    """The month of which PostgreSQL itself refuses what came before: only other months have to be searched.

    `has_others`: whether any other month holds anything.
    """

    first: datetime
    until: datetime
    has_others: bool


FOR_EVER: Final = SeenMonth(datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), has_others=False)
"""What is imported is known in one place, for ever."""


async def take_calls(
    tx: WriteTransaction,
    brand: Brand,
    calls: Sequence[Call],
    *,
    now: datetime,
    memory: OriginMemory,
    month: SeenMonth | None = None,
) -> Taken:
    """Write a batch; its calls may come from several requests and sources.

    With `month` all calls are expected to be new, which spares a search for each; where one is not, nothing is written
    and the batch is to be taken again without.

    Locks: the brand's lock until commit. What it reads of `memory` is checked against the epoch under that lock.
    Raises: store.SeenBefore.
    """
    epoch = await lock_brand(tx, brand)
    fresh, outcomes = await _unseen(tx, brand, calls, now, month)
    await _note_seen(tx, brand, calls, fresh)
    remembered = memory.origins_of(brand.brand_id, epoch)
    found = [remembered.get(calls[at].who) for at in fresh]
    new_origins: dict[str, OriginId] = {}
    if None in found:
        whos = dict.fromkeys(calls[at].who for at, origin in zip(fresh, found, strict=True) if origin is None)
        claims = {read_claim(who): who for who in whos}
        resolved = await resolve_claims(tx, brand, list(claims), now=now)
        new_origins = {claims[claim]: origin for claim, origin in resolved.items()}
        found = [origin or new_origins.get(calls[at].who) for at, origin in zip(fresh, found, strict=True)]
        for at, origin in zip(fresh, found, strict=True):
            if origin is None:
                outcomes[at] = "dropped"
    taken = [(calls[at], origin) for at, origin in zip(fresh, found, strict=True) if origin is not None]
    await _copy_events(tx, brand, [(call, origin) for call, origin in taken if call.name])
    problems = await _apply_to_members(tx, brand, taken, now)
    await _count_names(tx, brand, [call for call, _ in taken])
    if not problems:
        return Taken(outcomes, [], new_origins, epoch)
    places = [at for at in fresh if outcomes[at] == "written"]
    return Taken(outcomes, [(places[at], error) for at, error in problems], new_origins, epoch)


async def record_event(
    tx: WriteTransaction,
    brand: Brand,
    origin_id: OriginId,
    name: str,
    properties: Mapping[str, Any],
    *,
    key: str,
    now: datetime,
) -> bool:
    """An event that the server itself tells of a member; whether it is new: once for a key within 35 days.

    Locks: the brand's lock until commit.
    """
    await lock_brand(tx, brand)
    at, message_id = to_microseconds(now), f"{name}/{key}"
    call = Call(
        index=0,
        type="track",
        who="",
        event_id=Source(brand, OWN_SOURCE_ID, at, None).event_id(message_id),
        message_id=message_id,
        source_id=OWN_SOURCE_ID,
        received_at=at,
        occurred_at=at,
        original_at=None,
        sent_at=None,
        name=name,
        properties=msgspec.json.encode(properties),
    )
    call.row_rest = copying.tail_rest(call)
    fresh, _ = await _unseen(tx, brand, [call], now, None)
    if fresh:
        await ensure_months(tx, now)
        await _note_seen(tx, brand, [call], fresh)
        await _copy_events(tx, brand, [(call, origin_id)])
        await _count_names(tx, brand, [call])
    return bool(fresh)


async def _unseen(
    tx: WriteTransaction, brand: Brand, calls: Sequence[Call], now: datetime, month: SeenMonth | None
) -> tuple[list[int], list[Outcome]]:
    """Places of calls that came neither before nor earlier in this batch."""
    event_ids = [call.event_id for call in calls]
    if month is None and _are_imported(calls):
        seen = await store.find_imported(tx, brand.brand_id, event_ids)
    elif month is None:
        seen = await store.find_seen(tx, brand.brand_id, event_ids, since=now - timedelta(days=DEDUPE_DAYS))
    elif month.has_others:
        since = now - timedelta(days=DEDUPE_DAYS)
        seen = await store.find_seen_beside(
            tx, brand.brand_id, event_ids, since=since, first=month.first, until=month.until
        )
    else:
        seen = set[bytes]()
    if not seen and len(set(event_ids)) == len(event_ids):
        return list(range(len(calls))), ["written"] * len(calls)
    outcomes: list[Outcome] = ["known"] * len(calls)
    fresh: list[int] = []
    for at, event_id in enumerate(event_ids):
        if event_id not in seen:
            seen.add(event_id)
            fresh.append(at)
            outcomes[at] = "written"
    return fresh, outcomes


def _are_imported(calls: Sequence[Call]) -> bool:
    """A batch is of an import or of requests, never of both."""
    return bool(calls) and calls[0].source_id == IMPORT_SOURCE_ID


async def _note_seen(tx: WriteTransaction, brand: Brand, calls: Sequence[Call], fresh: Sequence[int]) -> None:
    """First of all writes: where one of them came before, little has been done in vain. Raises: store.SeenBefore."""
    brand_id = int(brand.brand_id)
    if not fresh:
        return
    if _are_imported(calls):
        imported = [copying.imported_row(calls[at].event_id, brand_id=brand_id) for at in fresh]
        await store.copy_imported(tx, copying.block(imported))
        return
    seen = copying.seen_rows([(calls[at].event_id, calls[at].received_at) for at in fresh], brand_id=brand_id)
    await store.copy_seen(tx, copying.block(seen))


async def _copy_events(tx: WriteTransaction, brand: Brand, events: Sequence[tuple[Call, OriginId]]) -> None:
    if not events:
        return
    seq, personal = await _take_seqs(tx, brand, len(events))
    if personal:
        _drop_properties([call for call, _ in events], frozenset(personal))
    rows = copying.tail_rows(
        [(call.event_id, origin_id, call.row_rest) for call, origin_id in events], brand_id=brand.brand_id, seq=seq
    )
    await tx.copy_rows(copying.TAIL_COPY, copying.block(rows))


async def _take_seqs(tx: WriteTransaction, brand: Brand, count: int) -> tuple[int, list[str]]:
    taken = await store.take_seqs(tx, brand.brand_id, count)
    if taken is None:
        await store.ensure_head(tx, brand.brand_id)
        taken = await store.take_seqs(tx, brand.brand_id, count)
        assert taken is not None, "the head was just made"
    return taken


def _drop_properties(calls: Iterable[Call], personal: frozenset[str]) -> None:
    """Declared personal properties never reach the tail."""
    for call in calls:
        properties: dict[str, Any] = msgspec.json.decode(call.properties)
        if personal & properties.keys():
            kept = {name: value for name, value in properties.items() if name not in personal}
            call.properties = msgspec.json.encode(kept)
            call.row_rest = copying.tail_rest(call)


async def _apply_to_members(
    tx: WriteTransaction, brand: Brand, taken: Sequence[tuple[Call, OriginId]], now: datetime
) -> list[tuple[int, DomainError]]:
    """Aliases and traits; returns (place in `taken`, error) of traits that did not land."""
    for call, _ in taken:
        if call.previous_id is not None:
            await join_alias(tx, brand, call.claim, call.previous_id, now=now)
    places = [at for at, (call, _) in enumerate(taken) if call.traits]
    updates = [
        TraitUpdate(origin, call.traits, from_microseconds(call.occurred_at)) for call, origin in taken if call.traits
    ]
    result = await set_traits(tx, brand, updates, now=now)
    return [(places[problem.index], problem.error) for problem in result.problems]


async def _count_names(tx: WriteTransaction, brand: Brand, calls: Iterable[Call]) -> None:
    counts: dict[str, list[int]] = {}
    for call in calls:
        if not call.name:
            continue
        at = call.occurred_at
        count = counts.get(call.name)
        if count is None:
            counts[call.name] = [1, call.line_count, at, at]
            continue
        count[0] += 1
        count[1] += call.line_count
        if at < count[2]:
            count[2] = at
        elif at > count[3]:
            count[3] = at
    if counts:
        rows = [
            (name, events, lines, from_microseconds(first), from_microseconds(last))
            for name, (events, lines, first, last) in sorted(counts.items())
        ]
        await store.upsert_names(tx, brand.brand_id, rows)


async def keep_rejected(
    tx: WriteTransaction, brand: Brand, rejected: Sequence[Rejected], *, source_id: int, received_at: int
) -> None:
    """Put what could not be taken into the dead-letter view, sealed."""
    rows = [
        (
            entry.message_id,
            entry.error.code,
            brand.vault.digest("rejected reason", entry.error.message),
            brand.vault.seal(entry.error.message, "rejected reason"),
            brand.vault.seal(_body_text(entry.body), "rejected event"),
        )
        for entry in rejected
    ]
    if rows:
        await store.insert_rejected(tx, brand.brand_id, source_id, from_microseconds(received_at), rows)


def _body_text(body: object) -> str:
    if is_nested_too_deeply(body):
        return "(nested too deeply to be kept)"
    return msgspec.json.encode(body).decode()[:REJECTED_CHARACTERS_MAX]


REJECTED_CHARACTERS_MAX: Final = 64 * 1024


def month_of(instant: datetime) -> tuple[datetime, datetime]:
    """First instants of the instant's month and of the next, UTC."""
    first = instant.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, (first + timedelta(days=32)).replace(day=1)


async def ensure_months(tx: WriteTransaction, now: datetime) -> SeenMonth:
    """Room for what will be seen this month and the next."""
    first, following = month_of(now)
    await store.ensure_month(tx, first, following)
    await store.ensure_month(tx, following, month_of(following)[1])
    return SeenMonth(first, following, await store.has_seen_beside(tx, first, following))


async def drop_old_months(tx: WriteTransaction, now: datetime) -> None:
    """Forget months of which nothing is younger than the promise of 35 days; two years back are looked at.

    A month goes only when something came more than 35 days after its end: a clock that runs ahead forgets nothing.
    """
    month = month_of(now - timedelta(days=DEDUPE_DAYS))[0]
    for _ in range(24):
        ended, month = month, month_of(month - timedelta(days=1))[0]
        if await store.has_seen_since(tx, ended + timedelta(days=DEDUPE_DAYS)):
            await store.drop_month(tx, month)
