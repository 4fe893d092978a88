"""Sends what the gate let pass: exactly once where the channel has a key for it, never blindly twice where it has none.

    take       planned deliveries whose time has come go through the gate; bodies are stored (outbox)
    claim      an attempt begins, in the database first: from then on it may have been sent; none of what has expired
    send       many at once, each channel with its own bound
    tell       outcomes are written together; what was refused for good gives back its cap, quota and budget
    take over  what a dead worker held is found by its lease and told `unknown`

On a keyed channel (LINE) unknown is tried again with the same key and the same bytes: after a second at first, at most 30
seconds apart for ten minutes, then every five minutes until the key's 24 hours are nearly over. On others it stays unknown.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId
from regulars.messaging.model import Reason, State
from regulars.messaging.ports import Channel, Outcome, Result
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.service.checking import ask_state, keep_state
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.store import channels, deliveries, people, requests
from regulars.messaging.store.requests import Abandoned, Attempted, Claimed
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.errors import BrandBusy
from regulars.platform.tenancy import Brand

LEASE_SECONDS: Final = 15.0
LEASE_RENEWED_SECONDS: Final = 4.0
IDLE_SECONDS: Final = 0.2
AFTER_FAILURE_SECONDS: Final = 1.0
IN_FLIGHT_MAX: Final = 512
KEYED_IN_FLIGHT_MAX: Final = 256
KEYLESS_IN_FLIGHT_MAX: Final = 32
"""Of a channel without keys: what a kill leaves unknown."""
CLAIMED_TOGETHER_MAX: Final = 128
CLAIM_WAIT_SECONDS: Final = 0.02
TOLD_TOGETHER_MAX: Final = 1_000
TOLD_WAIT_SECONDS: Final = 0.05
ABANDONED_AT_ONCE_MAX: Final = 500
CHECKED_EVERY_SECONDS: Final = 600.0
KEY_HOURS_MAX: Final = 24
_KEY_MARGIN: Final = timedelta(minutes=5)
_FIRST_WAITS_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
_WAIT_SECONDS: Final = 30.0
_LATE_WAIT_SECONDS: Final = 300.0
_FIRST_MINUTES: Final = timedelta(minutes=10)

log = structlog.get_logger("messaging")


@dataclass(frozen=True, slots=True)
class _Told:
    claimed: Claimed
    result: Result
    at: datetime


@dataclass(slots=True)
class Dispatcher:
    """One worker's sender; run it until it is told to stop."""

    database: Database
    outbox: Outbox
    clock: Clock
    _in_flight: dict[UUID, asyncio.Task[None]] = field(default_factory=dict[UUID, "asyncio.Task[None]"])
    _by_channel: Counter[tuple[BrandId, str]] = field(default_factory=Counter[tuple[BrandId, str]])
    _told: "asyncio.Queue[_Told]" = field(default_factory=lambda: asyncio.Queue[_Told]())

    async def run(self, stopped: asyncio.Event) -> None:
        """Until `stopped`; what is on its way is waited for and told."""
        loops = (self._pass_due, self._send, self._tell, self._take_over, self._renew, self._check_channels)
        tasks = [asyncio.create_task(_repeat(loop, stopped)) for loop in loops]
        try:
            await stopped.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._in_flight:
                await asyncio.wait(self._in_flight.values(), timeout=LEASE_SECONDS)
            with contextlib.suppress(DomainError):
                await self._tell_waiting()

    async def _pass_due(self) -> bool:
        return await self.outbox.pass_due(self.clock()) > 0

    async def _send(self) -> bool:
        free = IN_FLIGHT_MAX - len(self._in_flight)
        if free < CLAIMED_TOGETHER_MAX:
            await asyncio.sleep(0.005)
            return True
        now = self.clock()
        async with self.database.write() as tx:
            claimed = await requests.claim_requests(
                tx,
                now,
                now + timedelta(seconds=LEASE_SECONDS),
                full_channels=self._list_full(),
                limit=CLAIMED_TOGETHER_MAX,
            )
            await _expire(tx, [one for one in claimed if one.is_expired], now)
        if not claimed:
            return False
        claimed = [one for one in claimed if not one.is_expired]
        opened = await self.outbox.open_channels({(one.brand_id, one.channel) for one in claimed})
        for one in claimed:
            self._in_flight[one.request.key] = asyncio.create_task(
                self._attempt(one, opened[one.brand_id, one.channel][1])
            )
            self._by_channel[one.brand_id, one.channel] += 1
        if len(claimed) < CLAIMED_TOGETHER_MAX // 2:
            await asyncio.sleep(CLAIM_WAIT_SECONDS)  # a commit for a few: let more come together
        return True

    def _list_full(self) -> list[str]:
        return [
            name
            for (brand_id, name), count in self._by_channel.items()
            if count >= self.outbox.in_flight_max(brand_id, name, KEYED_IN_FLIGHT_MAX, KEYLESS_IN_FLIGHT_MAX)
        ]

    async def _attempt(self, claimed: Claimed, channel: Channel) -> None:
        try:
            result = await channel.send(claimed.request)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.error("attempt failed", channel=claimed.channel, error=type(error).__name__, exc_info=True)
            result = Result(Outcome.UNKNOWN, detail=type(error).__name__)
        self._told.put_nowait(_Told(claimed, result, self.clock()))

    async def _tell(self) -> bool:
        if self._told.empty():
            told = await self._told.get()
            self._told.put_nowait(told)
            await asyncio.sleep(TOLD_WAIT_SECONDS)
        await self._tell_waiting()
        return True

    async def _tell_waiting(self) -> None:
        """Write what came back; where that fails it waits for the next time."""
        batch: list[_Told] = []
        while not self._told.empty() and len(batch) < TOLD_TOGETHER_MAX:
            batch.append(self._told.get_nowait())
        if not batch:
            return
        try:
            await self._write(batch)
        except BaseException:
            for one in batch:
                self._told.put_nowait(one)
            raise
        for one in batch:
            if self._in_flight.pop(one.claimed.request.key, None) is not None:
                self._by_channel[one.claimed.brand_id, one.claimed.channel] -= 1

    async def _write(self, batch: Sequence[_Told]) -> None:
        opened = await self.outbox.open_channels({(one.claimed.brand_id, one.claimed.channel) for one in batch})
        brands = {brand_id: self.outbox.brand(brand_id) for brand_id, _ in opened}
        async with self.database.write() as tx:
            for brand_id, brand in sorted(brands.items()):
                mine = [one for one in batch if one.claimed.brand_id == brand_id]
                ends = [_end(one, opened[brand_id, one.claimed.channel][1].is_keyed) for one in mine]
                await _finish(tx, brand, mine, ends, self.clock(), opened)

    async def _take_over(self) -> bool:
        now = self.clock()
        async with self.database.write() as tx:
            found = await requests.list_abandoned(tx, now, limit=ABANDONED_AT_ONCE_MAX)
            mine = [one for one in found if one.request_id not in self._in_flight]
            opened = await self.outbox.open_channels({(one.brand_id, one.channel) for one in mine})
            for brand_id in sorted({one.brand_id for one in mine}):
                ends: list[Attempted] = []
                for one in mine:
                    if one.brand_id == brand_id:
                        keyed = opened[brand_id, one.channel][1].is_keyed
                        result = Result(Outcome.UNKNOWN, detail="the worker that held it died")
                        ends.append(_attempted(one.request_id, result, one, now, keyed=keyed))
                await _finish_ends(tx, brand_id, ends, now)
        if mine:
            log.warning("taken over", requests=len(mine))
        await asyncio.sleep(LEASE_RENEWED_SECONDS / 2)
        return True

    async def _renew(self) -> bool:
        await asyncio.sleep(LEASE_RENEWED_SECONDS)
        held = list(self._in_flight)
        if held:
            async with self.database.write() as tx:
                await requests.extend_leases(tx, held, self.clock() + timedelta(seconds=LEASE_SECONDS))
        return True

    async def _check_channels(self) -> bool:
        await asyncio.sleep(CHECKED_EVERY_SECONDS)
        for brand, row, channel in await self.outbox.list_open_channels():
            state = await ask_state(channel)
            async with self.database.write() as tx:
                await keep_state(tx, brand, row, state, now=self.clock())
        return True


async def _repeat(step: Callable[[], Any], stopped: asyncio.Event) -> None:
    """One step after the other; a rest after an idle one, and after one that failed for want of the database."""
    while not stopped.is_set():
        try:
            worked = await step()
        except BrandBusy:
            worked = True
        except DomainError as error:
            log.warning("sending waits", step=step.__name__, code=error.code)
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            continue
        except Exception:
            # A defect of one batch: it is seen in the log, and keeps no other from being sent.
            log.exception("sending failed", step=step.__name__)
            await asyncio.sleep(AFTER_FAILURE_SECONDS)
            continue
        if not worked:
            await asyncio.sleep(IDLE_SECONDS)


def _end(told: _Told, keyed: bool) -> Attempted:
    claimed = told.claimed
    return _attempted(claimed.request.key, told.result, claimed, told.at, keyed=keyed)


def _attempted(
    request_id: UUID, result: Result, before: Claimed | Abandoned, now: datetime, *, keyed: bool
) -> Attempted:
    """What the request is after this attempt, and when it is tried again."""
    said = {"at": now.isoformat(), "outcome": str(result.outcome)}
    said |= {name: value for name in ("reason", "detail", "status") if (value := getattr(result, name)) is not None}
    match result.outcome:
        case Outcome.ACCEPTED:
            return Attempted(request_id, "accepted", said, message_id=result.message_id)
        case Outcome.REJECTED | Outcome.QUOTA:
            return Attempted(request_id, "rejected", said)
        case Outcome.UNKNOWN if not keyed:
            return Attempted(request_id, "unknown", said)
        case Outcome.RETRY | Outcome.UNKNOWN:
            wait = max(result.retry_after_seconds or 0.0, wait_seconds(before.attempts, now - before.first_at))
            next_at = now + timedelta(seconds=wait)
            if next_at <= before.first_at + timedelta(hours=KEY_HOURS_MAX) - _KEY_MARGIN:
                return Attempted(request_id, "waiting", said, next_at)
            may_have_arrived = before.is_uncertain or result.outcome is Outcome.UNKNOWN
            return Attempted(request_id, "unknown" if may_have_arrived else "rejected", said)


def wait_seconds(attempts: int, since_first: timedelta) -> float:
    """How long until the next attempt, after so many before the last one."""
    if attempts < len(_FIRST_WAITS_SECONDS):
        return _FIRST_WAITS_SECONDS[attempts]
    return _WAIT_SECONDS if since_first < _FIRST_MINUTES else _LATE_WAIT_SECONDS


async def _finish(
    tx: WriteTransaction,
    brand: Brand,
    told: Sequence[_Told],
    ends: Sequence[Attempted],
    now: datetime,
    opened: dict[tuple[BrandId, str], tuple[ChannelRow, Channel]],
) -> None:
    reasons = {one.claimed.request.key: _reason(one.result) for one in told}
    refused = {one.claimed.request.key for one in told if one.result.outcome is Outcome.QUOTA}
    spent = await _finish_ends(tx, brand.brand_id, ends, now, reasons=reasons, refused=refused)
    for one in told:
        row = opened[brand.brand_id, one.claimed.channel][0]
        for address in one.result.blocked_addresses:
            await channels.put_reach(
                tx,
                brand.brand_id,
                row.name,
                lookup_of_address(brand, row, address),
                blocked_at=now,
                reason=one.result.reason or "blocked",
                told_at=now,
            )
        if one.claimed.request.key in refused:
            for month in spent:
                await channels.exhaust_quota(tx, brand.brand_id, row.name, month)


def lookup_of_address(brand: Brand, row: ChannelRow, address: str) -> str:
    """What the identity of an address is found by."""
    return brand.vault.digest("email", address) if row.identity_kind == "email" else address


def _reason(result: Result) -> str | None:
    if result.outcome is Outcome.QUOTA:
        return "quota"
    return result.reason or ("rejected" if result.outcome is Outcome.REJECTED else None)


async def _expire(tx: WriteTransaction, expired: Sequence[Claimed], now: datetime) -> None:
    """Their time is over: what never went is refused and gives back what it took, what may have arrived is unknown."""
    for brand_id in sorted({one.brand_id for one in expired}):
        mine = [one for one in expired if one.brand_id == brand_id]
        never = {one.request.key for one in mine if not one.is_uncertain}
        ends = [Attempted(one.request.key, "unknown" if one.is_uncertain else "rejected", None) for one in mine]
        await _finish_ends(tx, brand_id, ends, now, reasons=dict.fromkeys(never, Reason.EXPIRED), refused=never)


async def _finish_ends(
    tx: WriteTransaction,
    brand_id: BrandId,
    ends: Sequence[Attempted],
    now: datetime,
    *,
    reasons: dict[UUID, str | None] | None = None,
    refused: set[UUID] | None = None,
) -> set[Any]:
    """Write the ends; what will never be sent gives back what it had taken. Returns the months it had counted in."""
    new = await requests.finish_requests(tx, brand_id, ends, now)
    over = [one for one in ends if one.request_id in new and one.state != "waiting"]
    failed = [one.request_id for one in over if one.state == "rejected"]
    months: set[Any] = set()
    if failed:
        rows = await deliveries.list_deliveries_of(tx, brand_id, failed)
        numbers = [row[0] for row in rows]
        await people.lock_counts(tx, brand_id, sorted({row[1] for row in rows if row[1] is not None}))
        await people.remove_counts(tx, brand_id, numbers)
        await channels.release_quota(tx, brand_id, numbers)
        await channels.release_budgets(tx, brand_id, numbers)
        months = {row[2] for row in rows if row[2] is not None}
    told = [
        (
            one.request_id,
            State.REFUSED if refused and one.request_id in refused else State(one.state),
            (reasons or {}).get(one.request_id),
        )
        for one in over
    ]
    if told:
        await deliveries.finish_deliveries(tx, brand_id, told, now)
    return months
