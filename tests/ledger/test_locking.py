"""What is read before an account is locked is not believed: each test stops a transfer at a lock, and lets it go."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from regulars.ledger import service
from regulars.ledger.model import Line, Transfer
from regulars.platform.db import WriteTransaction
from regulars.platform.errors import BrandBusy
from tests.ledger.conftest import Books

pytestmark = pytest.mark.anyio

BLOCKED_SECONDS_MAX = 10


async def wait_blocked(books: Books, posting: "asyncio.Task[Any]") -> None:
    """Until somebody waits for a lock in this database."""
    blocked = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(BLOCKED_SECONDS_MAX):
        while not posting.done():
            async with books.database.read() as tx:
                row = await tx.row(blocked)
            if row and row[0]:
                return
            await asyncio.sleep(0.01)
    raise AssertionError(f"it did not wait: {posting.result()}")


async def lock(tx: WriteTransaction, who: str, *, is_waiting: bool = True) -> None:
    how = "for no key update" if is_waiting else "for no key update nowait"
    await tx.rows(f"select from ledger_accounts where name = %s {how}", [f"member:{who}/points"])  # pyright: ignore[reportArgumentType]


def start(doing: Awaitable[str]) -> "asyncio.Task[str]":
    return asyncio.ensure_future(doing)


async def test_accounts_are_locked_in_the_order_of_their_ids(books: Books) -> None:
    """A gives and receives: whoever waits for the first account holds none that comes after it."""
    await books.earn("a", 100)
    await books.earn("b", 100)
    gift = Line("member:b/points", -10), Line("member:a/points", 10)
    async with books.database.write() as tx:
        await lock(tx, "a")
        giving = start(books.move(*gift))
        await wait_blocked(books, giving)
        async with books.database.write() as other:
            await lock(other, "b", is_waiting=False)
    assert await giving == "created"
    with pytest.raises(BrandBusy):
        async with books.database.write() as tx:
            await lock(tx, "b")
            async with books.database.write() as other:
                await lock(other, "b", is_waiting=False)


async def test_what_expires_while_a_spend_waits_is_not_spent(books: Books) -> None:
    """PostgreSQL's clock is read once the account is locked: when the spend was asked, the points were there."""
    expires_at = datetime.now(UTC) + timedelta(seconds=2)
    await books.earn("a", 100, expires_at=expires_at)
    async with books.database.write() as tx:
        await lock(tx, "a")
        spending = start(books.spend("a", 10))
        await wait_blocked(books, spending)
        assert datetime.now(UTC) < expires_at, "it was asked in time"
        await asyncio.sleep((expires_at - datetime.now(UTC)).total_seconds() + 0.05)
    assert await spending == "balance.insufficient"


async def test_a_limit_counts_what_was_posted_while_a_spend_waited(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(most="100")
    first = Transfer(uuid4(), "spend", (Line("member:a/points", -60), Line("issuer/points", 60)))
    async with books.database.write() as tx:
        told = await service.post_transfers(tx, books.brand.brand_id, books.holders, [first])
        second = start(books.spend("a", 60))
        await wait_blocked(books, second)
    assert [one.result for one in told] == ["created"]
    assert await second == "limit.exceeded"
    assert await books.spend("a", 40) == "created"
    assert await books.balance("member:a/points") == (900, 0, 900)
    assert await books.findings() == []
