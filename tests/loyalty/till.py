"""A shop's till over a programme: what it asks of vouchers, rewards, events and scores, each call a transaction of its own."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from regulars.bootstrap.holders import MemberHolders
from regulars.kernel.errors import DomainError
from regulars.ledger.model import Line, Transfer
from regulars.ledger.service import get_account, post_transfers
from regulars.loyalty.service import partners, quoting, registrations, rewards, scores, sweeping, using, vouchers
from regulars.loyalty.service.programmes import Version, list_in_force, put_programme
from regulars.members.identity import parse_identity
from regulars.members.service import changing, erasing, joining, reading
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

BLOCKED_SECONDS_MAX = 10


@dataclass
class Till:
    """`now` is its clock; an answer is what was told, or the code of the refusal."""

    database: Database
    brand: Brand
    master_key: bytes
    now: datetime = NOW
    holders: MemberHolders = field(default_factory=MemberHolders)

    def wait(self, **period: float) -> None:
        self.now += timedelta(**period)

    async def put(self, name: str = "main", **sections: Any) -> dict[str, Any]:
        async with self.database.write() as tx:
            return await put_programme(tx, self.brand, name, sections, now=self.now)

    async def version(self) -> Version:
        async with self.database.read() as tx:
            (found,) = await list_in_force(tx, self.brand.brand_id)
        return found

    async def join(self, user: str, **identities: str) -> str:
        """A member known by a user id, and perhaps an e-mail address or a phone."""
        told = {"user_id": user, **identities}.items()
        claim = tuple(parse_identity(kind, value, country=self.brand.country) for kind, value in told)
        async with self.database.write() as tx:
            await joining.lock_brand(tx, self.brand)
            await joining.resolve_claims(tx, self.brand, [claim], now=self.now)
            (member_id,) = await reading.list_by_identity(tx, self.brand, "user_id", user)
        return reading.member_text(member_id)

    async def merge(self, keep: str, merge: str) -> None:
        async with self.database.write() as tx:
            await changing.merge_by_hand(tx, self.brand, keep=keep, merge=merge, now=self.now)

    async def erase(self, who: str) -> None:
        async with self.database.write() as tx:
            await erasing.erase_member(tx, self.brand, who, now=self.now)

    async def told(self, perform: Callable[[WriteTransaction], Awaitable[Any]]) -> Any:
        try:
            async with self.database.write() as tx:
                return await perform(tx)
        except DomainError as error:
            return error.code

    # --- vouchers ---

    async def issue(self, pool: str, who: str) -> Any:
        body = vouchers.IssueBody(who)
        return await self.told(lambda tx: vouchers.issue_voucher(tx, self.brand, pool, body, now=self.now))

    async def issue_code(self, pool: str, who: str) -> str:
        return (await self.issue(pool, who))["code"]

    async def cause(self, pool: str, who: str, cause: str) -> str | None:
        version, member_id = await self.version(), reading.parse_member_id(who)
        return await self.told(
            lambda tx: vouchers.issue_for_cause(tx, self.brand, version, pool, member_id, cause=cause, now=self.now)
        )

    async def reserve(self, code: str, who: str, **fields: Any) -> Any:
        body = using.ReserveBody(who, **fields)
        return await self.told(lambda tx: using.reserve_voucher(tx, self.brand, code, body, now=self.now))

    async def confirm(self, code: str, who: str, order_id: str | None = None) -> Any:
        body = using.EndBody(who, order_id)
        return await self.told(lambda tx: using.confirm_voucher(tx, self.brand, code, body, now=self.now))

    async def release(self, code: str, who: str, order_id: str | None = None) -> Any:
        body = using.EndBody(who, order_id)
        return await self.told(lambda tx: using.release_voucher(tx, self.brand, code, body, now=self.now))

    async def quote(self, who: str, amount: str, *codes: str) -> tuple[str, dict[str, str], dict[str, str]]:
        """Total, discounts and reasons by code."""
        body = quoting.QuoteBody(who, amount, list(codes))
        async with self.database.read() as tx:
            told = await quoting.quote_vouchers(tx, self.brand, body, now=self.now)
        applied = {one["code"]: one["discount"] for one in told["applied"]}
        return told["total"], applied, {one["code"]: one["reason"] for one in told["refused"]}

    async def held(self, who: str) -> list[dict[str, Any]]:
        async with self.database.read() as tx:
            member_id = await reading.get_active(tx, self.brand, who)
            return await vouchers.list_held(tx, self.brand.brand_id, member_id, now=self.now)

    async def counted(self, pool: str) -> tuple[int, str]:
        """How many are issued, and how much money is discounted, as the pool's row says."""
        async with self.database.read() as tx:
            row = await tx.row("select issued_count, discounted from loyalty_pools where pool = %s", [pool])
        assert row is not None
        return row[0], f"{row[1]:f}"

    async def tell_customers(self, partner: str, *hashes: str, replace: bool = True) -> Any:
        body = partners.CustomersBody(list(hashes))
        try:
            digests = await partners.digest_customers(self.brand, partner, body)
        except DomainError as error:
            return error.code
        return await self.told(
            lambda tx: partners.put_customers(tx, self.brand, partner, digests, replace=replace, now=self.now)
        )

    # --- points, rewards ---

    async def credit(self, who: str, amount: int) -> None:
        lines = Line("issuer/points", -amount), Line(f"member:{who}/points", amount)
        async with self.database.write() as tx:
            await post_transfers(tx, self.brand.brand_id, self.holders, [Transfer(uuid4(), "earn", lines)])

    async def points(self, who: str) -> tuple[int, int, int]:
        """Posted, held, available."""
        async with self.database.read() as tx:
            told = await get_account(tx, self.brand, self.holders, f"member:{who}/points", now=self.now)
        return int(told["posted"]), int(told["held"]), int(told["available"])

    async def redeem(self, reward: str, who: str, until: datetime | None = None) -> Any:
        body = rewards.RedeemBody(who, until)
        return await self.told(
            lambda tx: rewards.redeem_reward(tx, self.brand, self.holders, reward, body, now=self.now)
        )

    async def end(self, redemption: str, what: str) -> Any:
        perform = {"confirm": rewards.confirm_redemption, "release": rewards.release_redemption}[what]
        return await self.told(lambda tx: perform(tx, self.brand, redemption, now=self.now))

    async def redemption(self, redemption: str) -> str:
        """Its state."""
        async with self.database.read() as tx:
            return (await rewards.get_redemption(tx, self.brand, redemption, now=self.now))["state"]

    async def taken(self, reward: str) -> int:
        async with self.database.read() as tx:
            row = await tx.row("select taken_count from loyalty_rewards where reward = %s", [reward])
        return row[0] if row else 0

    async def sweep(self) -> int:
        return await sweeping.end_what_is_over(self.database, self.master_key, now=self.now)

    # --- events, scores ---

    async def stand(self, who: str, level: str | None, *badges: str) -> None:
        """What the fold over the member's events says."""
        async with self.database.write() as tx:
            await tx.execute(
                "insert into loyalty_members (brand_id, programme, member_id, level_name, badges)"
                " values (%s, 'main', %s, %s, %s)",
                [self.brand.brand_id, reading.parse_member_id(who), level, list(badges)],
            )

    async def register(self, event: str, who: str) -> str:
        """The state, or the code of the refusal."""
        return await self._place(registrations.register_member, event, who)

    async def cancel(self, event: str, who: str) -> str:
        return await self._place(registrations.cancel_registration, event, who)

    async def _place(self, perform: Callable[..., Awaitable[dict[str, Any]]], event: str, who: str) -> str:
        body = registrations.PlaceBody(who)
        told = await self.told(lambda tx: perform(tx, self.brand, event, body, now=self.now))
        return told if isinstance(told, str) else told["state"]

    async def score(self, game: str, who: str, score: int, score_id: str | None = None) -> Any:
        body = scores.ScoreBody(score_id or str(uuid4()), who, score)
        return await self.told(lambda tx: scores.take_score(tx, self.brand, game, body, now=self.now))

    # --- races ---

    async def race(self, table: str, *calls: Awaitable[Any]) -> list[Any]:
        """All of them at once: each waits for the table's row before any of them sees it."""
        async with self.database.write() as tx:
            await tx.rows(f"select from {table} for update")  # pyright: ignore[reportArgumentType]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await self._wait_blocked(tasks)
        return await asyncio.gather(*tasks)

    async def _wait_blocked(self, tasks: "Sequence[asyncio.Future[Any]]") -> None:
        blocked = (
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        )
        async with asyncio.timeout(BLOCKED_SECONDS_MAX):
            while True:
                assert not any(task.done() for task in tasks), "one did not wait"
                async with self.database.read() as tx:
                    row = await tx.row(blocked)
                if row and row[0] == len(tasks):
                    return
                await asyncio.sleep(0.01)


@pytest.fixture
async def till(database: Database, brand: Brand, master_key: bytes) -> Till:
    return Till(database, brand, master_key)
