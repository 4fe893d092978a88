"""Holds: they reserve what is there, are captured once, and give back what is not taken."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.ledger.conftest import Books

pytestmark = pytest.mark.anyio


def later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


async def test_a_hold_reserves_and_is_captured_in_part(books: Books) -> None:
    await books.earn("a", 100)
    told, hold = await books.hold("a", 80, expires_at=later(900))
    assert told == "created"
    assert await books.balance("member:a/points") == (100, 80, 20)
    assert await books.spend("a", 21) == "balance.insufficient"
    assert await books.end_hold(hold, capture=True, amount="50") == "captured"
    assert await books.balance("member:a/points") == (50, 0, 50)
    assert await books.lots("a") == [(100, 50)]
    assert await books.end_hold(hold, capture=True, amount="50") == "captured"
    assert await books.end_hold(hold, capture=True, amount="60") == "hold.ended"
    assert await books.end_hold(hold, capture=False) == "hold.ended"
    assert await books.findings() == []


async def test_a_hold_is_voided(books: Books) -> None:
    await books.earn("a", 100)
    _, hold = await books.hold("a", 80, expires_at=later(900))
    assert await books.end_hold(hold, capture=False) == "voided"
    assert await books.end_hold(hold, capture=False) == "voided"
    assert await books.balance("member:a/points") == (100, 0, 100)
    assert await books.findings() == []


async def test_a_hold_past_its_time_is_not_captured(books: Books) -> None:
    await books.earn("a", 100)
    _, hold = await books.hold("a", 80, expires_at=later(900))
    await books.let_pass("ledger_holds")
    assert await books.end_hold(hold, capture=True) == "hold.expired"
    assert await books.end_hold(hold, capture=False) == "hold.expired"
    await books.sweep()
    assert await books.balance("member:a/points") == (100, 0, 100)
    assert await books.end_hold(hold, capture=True) == "hold.expired"
    assert await books.findings() == []


async def test_held_points_outlive_their_expiry_while_they_are_held(books: Books) -> None:
    """What was held in time is captured; what is given back has expired."""
    await books.earn("a", 100, expires_at=datetime.now(UTC) + timedelta(seconds=900))
    _, hold = await books.hold("a", 80, expires_at=later(900))
    await books.let_pass("ledger_lots")
    assert await books.sweep() == 1
    assert await books.balance("member:a/points") == (80, 80, 0)
    assert await books.end_hold(hold, capture=True, amount="30") == "captured"
    assert await books.balance("member:a/points") == (50, 0, 0)
    assert await books.sweep() == 1
    assert await books.balance("member:a/points") == (0, 0, 0)
    assert await books.findings() == []


async def test_the_same_hold_is_made_once(books: Books) -> None:
    await books.earn("a", 100)
    until = later(900)
    _, hold = await books.hold("a", 60, expires_at=until)
    assert (await books.hold("a", 60, hold_id=hold, expires_at=until))[0] == "exists"
    assert (await books.hold("a", 61, hold_id=hold, expires_at=until))[0] == "conflict"
    assert (await books.hold("a", 60, expires_at=until))[0] == "balance.insufficient"
    assert await books.balance("member:a/points") == (100, 60, 40)
