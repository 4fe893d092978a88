"""Events drive programmes: merged members keep what they had, a refusal stops nobody else, what is erased is forgotten."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from regulars.events.service.taking import record_event
from regulars.ledger.reading import TermsBody
from regulars.ledger.service import list_findings
from regulars.ledger.terms import put_account
from regulars.loyalty.service import telling
from regulars.loyalty.service.driving import Driver
from regulars.loyalty.service.editions import Editions
from regulars.loyalty.store import driving as store
from regulars.members.service.reading import parse_member_id
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio

ORDERED: dict[str, Any] = {"did": {"event": "Order Completed"}}


def rule(name: str = "base", **changes: Any) -> dict[str, Any]:
    return {"name": name, "when": ORDERED, "award": [{"asset": "points", "per": "30", "of": "revenue"}], **changes}


@dataclass
class Club:
    """A till whose events drive the programme."""

    till: Till
    editions: Editions = field(default_factory=Editions)
    orders: int = 0

    async def put(self, **sections: Any) -> None:
        assets = {"points": {"redeemable": True, "worth": "1"}, "stars": {"qualifying": True}}
        await self.till.put(**{"assets": assets, "earn": [rule()], **sections})

    async def buy(self, member: str, revenue: str, *, at: datetime | None = None, **more: Any) -> None:
        self.orders += 1
        properties = {"order_id": f"o{self.orders}", "revenue": revenue, **more}
        brand = self.till.brand
        async with self.till.database.write() as tx:
            origin_id = await store.find_origin(tx, brand.brand_id, parse_member_id(member))
            assert origin_id is not None
            key, now = f"{self.orders}", at or self.till.now
            await record_event(tx, brand, origin_id, "Order Completed", properties, key=key, now=now)

    async def drive(self) -> None:
        while await self.drive_once():
            pass
        till = self.till
        async with till.database.read() as tx:
            assert await telling.count_waiting(tx, till.brand, self.editions, now=till.now) == {"main": 0}
            assert await list_findings(tx, till.brand) == {"ok": True, "findings": []}

    async def drive_once(self) -> bool:
        till = self.till
        return await Driver(till.database, till.holders, till.master_key, lambda: till.now).look()

    async def tell(self, member: str) -> dict[str, Any]:
        async with self.till.database.read() as tx:
            return await telling.get_loyalty(tx, self.till.brand, self.editions, member, now=self.till.now)

    async def points(self, member: str) -> int:
        return (await self.till.points(member))[0]


async def test_points_of_who_is_merged_are_awarded_once(till: Till) -> None:
    """a has 10 and b 20; a is merged into b, which buys again: 20 + 1, and the 10 stay where they were. No voucher comes twice."""
    club = Club(till)
    when = {"name": "gift", "when": ORDERED, "award": [{"voucher": "hello"}]}
    await club.put(earn=[rule(), when], vouchers=[{"name": "hello", "codes": "generated"}])
    a, b = await club.till.join("a"), await club.till.join("b")
    await club.buy(a, "300")
    await club.buy(b, "600")
    await club.drive()
    assert (await club.points(a), await club.points(b)) == (10, 20)
    await club.till.merge(b, a)
    async with club.till.database.write() as tx:
        assert await store.mark_gone_due(tx, club.till.now) == 1
    await club.drive()
    await club.buy(b, "30")
    await club.drive()
    assert (await club.points(a), await club.points(b)) == (10, 21)
    assert len((await club.tell(b))["vouchers"]) == 3, "one an order"


async def test_a_mission_that_both_had_reached_counts_once_after_a_merge(till: Till) -> None:
    """Each bought once for 5; together they have reached it once. The kept one's stands."""
    club = Club(till)
    mission = {"name": "first", "target": ORDERED, "then": {"award": [{"asset": "points", "amount": 5}]}}
    await club.put(earn=[], missions=[mission])
    a, b = await club.till.join("a"), await club.till.join("b")
    for member in (a, b):
        await club.buy(member, "1")
    await club.drive()
    await club.till.merge(b, a)
    await club.buy(b, "1")
    await club.drive()
    assert (await club.points(a), await club.points(b)) == (0, 5)


async def test_an_award_that_is_refused_stops_nobody_else_and_is_asked_for_again(till: Till) -> None:
    """a's account is closed: b has its points, the books are right; opened, a's next event brings both."""
    club = Club(till)
    await club.put()
    a, b = await club.till.join("a"), await club.till.join("b")
    await club.buy(a, "30")
    await club.drive()
    await close(club.till, a, is_closed=True)
    for member in (a, b):
        await club.buy(member, "300")
    await club.drive()
    assert (await club.points(a), await club.points(b)) == (1, 10)
    await close(club.till, a, is_closed=False)
    await club.buy(a, "30")
    await club.drive()
    assert await club.points(a) == 12


async def close(till: Till, member: str, *, is_closed: bool) -> None:
    async with till.database.write() as tx:
        account, body = f"member:{member}/points", TermsBody(closed=is_closed)
        await put_account(tx, till.brand, till.holders, account, body, now=till.now)


async def test_a_rule_may_be_called_pay(till: Till) -> None:
    """Its awards are no payments of orders."""
    club = Club(till)
    await club.put(earn=[rule("pay")])
    a = await club.till.join("a")
    await club.buy(a, "300")
    await club.buy(a, "330", points_paid=10)
    await club.drive()
    assert await club.points(a) == 10, "10 − 10 + ⌊320 ÷ 30⌋"


async def test_a_badge_asks_for_the_tier_beside_its_condition(till: Till) -> None:
    club = Club(till)
    levels = [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}]
    tiers = {"asset": "stars", "window": "rolling 12 months", "levels": levels}
    stars = rule(award=[{"asset": "stars", "per": "1", "of": "revenue"}])
    badge = {"name": "patron", "when": {"all": [ORDERED, {"tier": {"at_least": "gold"}}]}}
    await club.put(earn=[stars], tiers=tiers, badges=[badge])
    a, b = await club.till.join("a"), await club.till.join("b")
    await club.buy(a, "499")
    await club.buy(b, "500")
    await club.drive()
    assert [[one["name"] for one in (await club.tell(who))["badges"]] for who in (a, b)] == [[], ["patron"]]


async def test_outside_of_its_days_a_programme_brings_nothing(till: Till) -> None:
    club = Club(till)
    mission = {"name": "first", "target": ORDERED, "then": {"award": [{"asset": "points", "amount": 5}]}}
    await club.put(missions=[mission], valid={"until": f"{(club.till.now - timedelta(days=2)).date()}"})
    a = await club.till.join("a")
    await club.buy(a, "300", at=club.till.now)
    await club.drive()
    assert await club.points(a) == 0


async def test_two_drivers_at_once_award_once(till: Till) -> None:
    club = Club(till)
    await club.put()
    a = await club.till.join("a")
    for _ in range(20):
        await club.buy(a, "30")
    await asyncio.gather(*(club.drive_once() for _ in range(3)))
    await club.drive()
    assert await club.points(a) == 20


async def test_what_is_erased_is_forgotten(till: Till) -> None:
    club = Club(till)
    await club.put()
    a, b = await club.till.join("a"), await club.till.join("b")
    for member in (a, b):
        await club.buy(member, "30")
    await club.drive()
    await club.till.erase(a)
    async with club.till.database.write() as tx:
        assert await store.delete_orphans(tx) == 1
        assert await store.mark_gone_due(tx, club.till.now) == 1
    await club.drive()
    assert await club.points(b) == 1


async def test_a_message_of_a_programme_is_said_not_to_be_sent(till: Till) -> None:
    club = Club(till)
    message = {"message": {"zh-TW": {"text": "謝謝"}}, "channel": "line"}
    told = await club.till.put(assets={"points": {"redeemable": True}}, earn=[rule(award=[message])])
    assert ("programme.not_driven", "/earn/0/award/0") in [(one["code"], one["path"]) for one in told["warnings"]]
