"""Events drive programmes: each is taken from the tail once, remembered, and its member's points, levels and badges follow.

What a member should have is folded from all of its events, and what differs is posted in one transaction, so whoever dies
and whatever comes again, everything happens once. One worker at a time goes through a brand's events.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import structlog

from regulars.access import service as access
from regulars.events.service import following
from regulars.events.service.following import Followed, TailEvent
from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.ledger.model import ReversalPolicy
from regulars.ledger.service import Holders, sweep
from regulars.loyalty.compiling import Edition
from regulars.loyalty.folding import AwardKey, Folded, fold, is_payment
from regulars.loyalty.model import Name
from regulars.loyalty.service.deeds import issue_and_tag
from regulars.loyalty.service.editions import Editions, Programmes
from regulars.loyalty.service.posting import Owed, Poster
from regulars.loyalty.service.programmes import FOLLOWER, Version
from regulars.loyalty.service.remembering import Remembered, remember, show_members
from regulars.loyalty.store import driving as store
from regulars.loyalty.store.driving import AwardRow, MarkRow, MemberRow
from regulars.members.service.joining import lock_brand
from regulars.members.service.reading import list_in_force
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.tenancy import Brand

LOOK_SECONDS: Final = 0.3
AFTER_FAILURE_SECONDS: Final = 2.0
EVENTS_AT_ONCE_MAX: Final = 20_000
"""All of a member's events are gone through again for those that came: the more at once, the less often."""

MEMBERS_AT_ONCE_MAX: Final = 250
SEQS_AT_ONCE_MAX: Final = 100_000
DUE_AT_ONCE_MAX: Final = 200

log = structlog.get_logger("loyalty")


@dataclass(slots=True)
class Driver:
    """One worker's; run it until it is told to stop."""

    database: Database
    holders: Holders
    master_key: bytes
    clock: Clock
    editions: Editions = field(default_factory=Editions)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _not_before: dict[BrandId, float] = field(default_factory=dict[BrandId, float])

    async def run(self, stopped: asyncio.Event) -> None:
        """Until `stopped`; a long step is left where it is."""
        self._stopped = stopped
        while not stopped.is_set():
            try:
                worked = await self.look()
            except DomainError as error:
                log.warning("programmes wait", code=error.code, message=error.message)
                await asyncio.sleep(AFTER_FAILURE_SECONDS)
                continue
            if not worked:
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> bool:
        """Take a step in every brand that has something; whether there may be more."""
        async with self.database.read() as tx:
            followed = await following.list_followed(tx, FOLLOWER)
            due = await store.list_due(tx, self.clock(), limit=DUE_AT_ONCE_MAX)
        worked = False
        for one in followed:
            worked |= await self._try(one.brand_id, self._follow(one))
        by_brand: dict[BrandId, set[MemberId]] = {}
        for brand_id, _, member_id in due:
            by_brand.setdefault(brand_id, set()).add(member_id)
        for brand_id, member_ids in by_brand.items():
            worked |= await self._try(brand_id, self._drive_some(brand_id, sorted(member_ids)))
        return worked

    async def _try(self, brand_id: BrandId, step: Coroutine[Any, Any, bool]) -> bool:
        """A brand whose step fails waits, and no other does."""
        if self._not_before.get(brand_id, 0.0) > time.monotonic():
            step.close()
            return False
        try:
            return await step
        except DomainError as error:
            log.warning("a brand's programmes wait", brand=brand_id, code=error.code, message=error.message)
        except Exception:  # what is wrong with one brand's programmes must not end the process for all
            log.exception("a brand's programmes wait", brand=brand_id)
        self._not_before[brand_id] = time.monotonic() + AFTER_FAILURE_SECONDS
        return False

    async def _follow(self, followed: Followed) -> bool:
        """One step through a brand's events; whether there is more.

        Members are gone through some at a time, so that nobody waits long for their accounts. Who dies in between has
        not moved on: what was posted is posted, and the rest follows.
        """
        async with self.database.write() as tx:
            after_seq = await following.lock_follower(tx, followed.brand_id, FOLLOWER)
            if after_seq is None:
                return False
            brand = await access.get_brand_by_id(tx, followed.brand_id, master_key=self.master_key)
            programmes = await self.editions.load(tx, brand)
            to_seq = min(followed.head_seq, after_seq + SEQS_AT_ONCE_MAX)
            events = await following.list_tail_events(
                tx, brand.brand_id, programmes.names, after_seq=after_seq, to_seq=to_seq, limit=EVENTS_AT_ONCE_MAX
            )
            if len(events) == EVENTS_AT_ONCE_MAX:
                to_seq = events[-1].seq
            member_ids = await self._remember(tx, brand, programmes, events)
        for start in range(0, len(member_ids), MEMBERS_AT_ONCE_MAX):
            chunk = member_ids[start : start + MEMBERS_AT_ONCE_MAX]
            if self._stopped.is_set() or not await self._drive_some(brand.brand_id, chunk, after_seq=after_seq):
                return True
        async with self.database.write() as tx:
            if await following.lock_follower(tx, brand.brand_id, FOLLOWER) == after_seq:
                await following.move_on(tx, brand.brand_id, FOLLOWER, to_seq)
        return to_seq < followed.head_seq

    async def _drive_some(
        self, brand_id: BrandId, member_ids: Sequence[MemberId], *, after_seq: int | None = None
    ) -> bool:
        """False where another is at it, or was: then the follower is not at `after_seq` any more."""
        has_expired = False
        async with self.database.write() as tx:
            found = await following.lock_follower(tx, brand_id, FOLLOWER)
            if found is None or (after_seq is not None and found != after_seq):
                return False
            brand = await access.get_brand_by_id(tx, brand_id, master_key=self.master_key)
            programmes = await self.editions.load(tx, brand)
            if programmes.sets_tags:
                await lock_brand(tx, brand)
            remembered = await remember(tx, brand, programmes, await _list_in_force(tx, brand_id, member_ids))
            for name, editions in programmes.editions.items():
                has_expired |= await drive_members(
                    tx, brand, self.holders, name, editions, remembered, now=self.clock()
                )
        # By itself: it is of all accounts, and those that were posted to are not kept waiting for it.
        while has_expired:
            async with self.database.write() as tx:
                has_expired = bool(await sweep(tx, brand_id))
        return True

    async def _remember(
        self, tx: WriteTransaction, brand: Brand, programmes: Programmes, events: Sequence[TailEvent]
    ) -> list[MemberId]:
        """Keep the events; whose they are."""
        if not events:
            return []
        origins = sorted({event.origin_id for event in events})
        members = {
            OriginId(row[0]): MemberId(row[1]) for row in await store.list_member_ids(tx, brand.brand_id, origins)
        }
        shown: Mapping[MemberId, str] = {}
        if programmes.asks_member:
            shown = await show_members(tx, brand.brand_id, sorted(set(members.values())))
        rows = [
            MarkRow(
                one.origin_id, one.seq, one.occurred_at, one.name, one.properties, shown.get(members[one.origin_id])
            )
            for one in events
            if one.origin_id in members
        ]
        if rows:
            await store.insert_marks(tx, brand.brand_id, rows)
        return sorted(set(members.values()))


async def drive_members(
    tx: WriteTransaction,
    brand: Brand,
    holders: Holders,
    programme: str,
    editions: Sequence[Edition],
    remembered: Sequence[Remembered],
    *,
    now: datetime,
) -> bool:
    """What should be, by one programme, becomes what there is; whether something of it has expired, and is to be swept.

    Locks: the members' accounts.
    """
    member_ids = [member_id for one in remembered for member_id in one.family]
    held: dict[MemberId, dict[AwardKey, AwardRow]] = {}
    for row in await store.list_awards(tx, brand.brand_id, programme, member_ids):
        held.setdefault(row.member_id, {})[AwardKey(row.key, Name(row.asset))] = row
    policy = ReversalPolicy(editions[-1].programme.returns.policy)
    poster = Poster(tx, brand.brand_id, holders, programme, policy, now, held)

    def fold_one(one: Remembered) -> Folded:
        rows = (row for member_id in one.family for row in held.get(member_id, {}).values())
        paid = {row.key: bool(row.transfers) for row in rows if is_payment(row.key)}
        return fold(editions, one.marks, paid, one.joined_on, now)

    owed = {one.member_id: Owed(one.member_id, one.family, fold_one(one)) for one in remembered}
    await poster.lock(list(owed.values()))
    for one in remembered:
        while (payment := owed[one.member_id].folded.unpaid) is not None:
            await poster.post([owed[one.member_id]])
            await poster.pay(one.member_id, payment)
            owed[one.member_id] = Owed(one.member_id, one.family, fold_one(one))
    await poster.post(list(owed.values()))
    await poster.end()
    one = editions[-1]
    version = Version(programme, one.version, one.from_at, one.from_seq, one.programme)
    await issue_and_tag(tx, brand, version, list(owed.values()), now=now)
    rows = [_to_row(one, found.member_id, found.folded) for found in owed.values()]
    await store.put_members(tx, brand.brand_id, programme, rows)
    return poster.has_expired


async def _list_in_force(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[MemberId]:
    """Who these members are now. Of those who were merged or erased nothing is said any more."""
    found = await list_in_force(tx, brand_id, member_ids)
    gone = [member_id for member_id in member_ids if found.get(member_id) != member_id]
    if gone:
        await store.delete_members(tx, brand_id, gone)
    return sorted(set(found.values()))


def _to_row(edition: Edition, member_id: MemberId, folded: Folded) -> MemberRow:
    tiers = edition.programme.tiers
    level = folded.standing.level
    return MemberRow(
        member_id,
        level,
        None if tiers is None else tiers.levels[level].name,
        sorted(folded.badges),
        sorted(one.name for one in folded.missions if one.reached),
        folded.due_at,
    )
