"""Rewards: a hold of points and one of the stock, confirmed, released, or over by itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from regulars.kernel.clock import instant_text
from regulars.ledger.service import list_findings
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio

POINTS: dict[str, Any] = {"points": {"redeemable": True}, "stars": {"qualifying": True}}


def mug(**fields: Any) -> dict[str, Any]:
    return {"name": "mug", "price": 100, "asset": "points", **fields}


async def put(till: Till, *rewards: dict[str, Any], **sections: Any) -> None:
    await till.put(assets=POINTS, rewards=rewards, **sections)


async def findings(till: Till) -> list[Any]:
    async with till.database.read() as tx:
        return (await list_findings(tx, till.brand))["findings"]


@pytest.fixture
async def rich(till: Till) -> str:
    """A member with 300 points; by the present clock, which is the ledger's."""
    till.now = datetime.now(UTC).replace(microsecond=0)
    await put(till, mug())
    member = await till.join("rich")
    await till.credit(member, 300)
    return member


async def test_a_reward_is_reserved_then_taken_or_given_back(till: Till, rich: str) -> None:
    await put(till, mug(stock=2))
    first, second = await till.redeem("mug", rich), await till.redeem("mug", rich)
    assert first == {
        "id": first["id"],
        "member": rich,
        "reward": "mug",
        "state": "reserved",
        "asset": "points",
        "price": "100",
        "reserved_until": instant_text(till.now + timedelta(minutes=30)),
    }
    assert await till.points(rich) == (300, 200, 100)
    assert await till.redeem("mug", rich) == "reward.out_of_stock"
    assert [(await till.end(first["id"], "confirm"))["state"] for _ in range(2)] == ["confirmed"] * 2
    assert [(await till.end(second["id"], "release"))["state"] for _ in range(2)] == ["released"] * 2
    assert await till.end(first["id"], "release") == await till.end(second["id"], "confirm") == "redemption.ended"
    assert (await till.points(rich), await till.taken("mug")) == ((200, 0, 200), 1)
    assert [await till.redemption(one["id"]) for one in (first, second)] == ["confirmed", "released"]
    assert await till.end("r999", "confirm") == await till.end("no id", "release") == "redemption.unknown"
    assert await findings(till) == []


async def test_what_cannot_be_had_is_refused_with_nothing_done(till: Till, rich: str) -> None:
    poor = await till.join("poor")
    await put(till, mug(stock=1), mug(name="gold", tier="gold"), mug(name="dear", price=301), tiers=TIERS)
    assert await till.redeem("mug", poor) == "balance.insufficient"
    assert await till.redeem("dear", rich) == "balance.insufficient"
    assert await till.redeem("gold", rich) == "reward.tier"
    assert await till.redeem("mgu", rich) == "reward.unknown"
    assert await till.redeem("mug", rich, until=till.now) == "reward.invalid"
    assert (await till.points(rich), await till.taken("mug")) == ((300, 0, 300), 0)
    await till.stand(rich, "gold")
    assert (await till.redeem("gold", rich))["state"] == "reserved"


TIERS: dict[str, Any] = {"asset": "stars", "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}]}


async def test_the_last_gift_goes_to_exactly_one(till: Till, rich: str) -> None:
    await put(till, mug(stock=2))
    others = [await till.join(user) for user in "abc"]
    for one in others:
        await till.credit(one, 100)
    await till.end((await till.redeem("mug", rich))["id"], "confirm")
    told = await till.race("loyalty_rewards", *(till.redeem("mug", one) for one in others))
    assert sorted(one if isinstance(one, str) else one["state"] for one in told) == [
        "reserved",
        "reward.out_of_stock",
        "reward.out_of_stock",
    ]
    assert sorted([(await till.points(one))[2] for one in others]) == [0, 100, 100]
    assert await till.taken("mug") == 2


async def test_confirmed_or_released_never_both(till: Till, rich: str) -> None:
    made = (await till.redeem("mug", rich))["id"]
    told = await till.race("loyalty_redemptions", *(till.end(made, what) for what in ("confirm", "release") * 2))
    confirmed, released = told[::2], told[1::2]
    assert "redemption.ended" in (confirmed[0], released[0]) and confirmed[0] != released[0]
    assert [one for one in confirmed + released if isinstance(one, str)] == ["redemption.ended"] * 2
    left = 300 if isinstance(confirmed[0], str) else 200
    assert (await till.points(rich), await till.taken("mug")) == ((left, 0, left), left == 200)
    assert await findings(till) == []


async def test_a_redemption_that_nobody_confirms_ends_by_itself(till: Till, rich: str) -> None:
    await put(till, mug(stock=1))
    made = (await till.redeem("mug", rich, until=till.now + timedelta(minutes=1)))["id"]
    till.wait(minutes=1)
    assert await till.redemption(made) == "expired"
    assert await till.end(made, "confirm") == await till.end(made, "release") == "redemption.ended"
    assert [await till.sweep(), await till.sweep()] == [1, 0]
    assert (await till.points(rich), await till.taken("mug")) == ((300, 0, 300), 0)
    assert await till.redemption(made) == "expired"
    assert await findings(till) == []


async def test_nobody_waits_for_the_job(till: Till, rich: str) -> None:
    """The next asks when the time is over: stock is free at once, and the member's own points."""
    await put(till, mug(stock=1, price=300))
    made = (await till.redeem("mug", rich, until=till.now + timedelta(minutes=1)))["id"]
    till.wait(minutes=1)
    again = await till.redeem("mug", rich)
    assert (again["state"], await till.redemption(made)) == ("reserved", "expired")
    other = await till.join("other")
    await till.credit(other, 300)
    till.wait(minutes=30)
    assert (await till.redeem("mug", other))["state"] == "reserved"
    assert await till.points(rich) == (300, 300, 0), "who is not asking is freed by the job"
    assert await till.sweep() == 1
    assert (await till.points(rich), await till.taken("mug")) == ((300, 0, 300), 1)


async def test_a_confirmation_that_waited_past_its_time_is_refused_where_another_has_it(till: Till, rich: str) -> None:
    await put(till, mug(stock=1))
    made = (await till.redeem("mug", rich, until=till.now + timedelta(minutes=1)))["id"]
    early = till.now
    till.wait(minutes=1)
    assert (await till.redeem("mug", rich))["state"] == "reserved"
    till.now = early
    assert await till.end(made, "confirm") == "redemption.ended"


async def test_stock_and_price_follow_the_version_in_force(till: Till, rich: str) -> None:
    await put(till, mug(stock=1, hold="2h"))
    made = await till.redeem("mug", rich)
    assert made["reserved_until"] == instant_text(till.now + timedelta(hours=2))
    await put(till, mug(stock=2, price=150))
    assert (await till.redeem("mug", rich))["price"] == "150"
    await put(till)
    assert await till.redeem("mug", rich) == "reward.unknown"
    assert (await till.end(made["id"], "confirm"))["price"] == "100", "what was reserved is as it was"
    assert await till.points(rich) == (200, 150, 50)
