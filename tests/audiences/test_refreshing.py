"""Computed traits and favourites: answers worked out by hand, and what a refresh must leave alone."""

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.audiences.computed import MICRO, Taste, choose_favourites
from regulars.audiences.service import refreshing
from regulars.audiences.service.refreshing import Refreshed, refresh_brand
from regulars.audiences.service.saving import get_catalogue
from regulars.conditions.spans import Times
from regulars.events.service import items
from regulars.history.service.reading import HistoryReader
from regulars.kernel.ids import MemberId
from regulars.members.service import changing, reading
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio

FAR = datetime(2099, 1, 1, tzinfo=UTC)


class World:
    """Orders told as days before now, and members as they are shown."""

    def __init__(self, database: Database, brand: Brand, reader: HistoryReader, take: Door) -> None:
        self.database, self.brand, self.reader, self.take = database, brand, reader, take
        self.count = 0

    async def order(self, who: str, days: float, *, at: datetime | None = None, **properties: Any) -> None:
        self.count += 1
        when = at or NOW - timedelta(days=days)
        await self.take(
            {
                "event": "Order Completed",
                "userId": who,
                "messageId": f"order-{self.count}",
                "timestamp": when.isoformat(),
                "properties": properties,
            }
        )

    async def buy(self, who: str, category: str, days: list[float], **more: Any) -> None:
        for day in days:
            await self.order(who, day, products=[{"product_id": "p1", "category": category, "price": 1}], **more)

    async def refresh(self, now: datetime = NOW) -> Refreshed:
        return await refresh_brand(self.database, self.reader, self.brand, now=now)

    async def show(self, who: str) -> dict[str, Any]:
        async with self.database.read() as tx:
            (member_id,) = await reading.list_by_identity(tx, self.brand, "user_id", who)
            (shown,) = await reading.show_members(tx, self.brand, [MemberId(member_id)], now=NOW)
            return shown

    async def traits(self, who: str) -> dict[str, Any]:
        return (await self.show(who))["traits"]

    async def tags(self, who: str) -> dict[str, dict[str, Any]]:
        return {tag["tag"]: tag for tag in (await self.show(who))["tags"]}


@pytest.fixture
def world(database: Database, brand: Brand, reader: HistoryReader, take: Door) -> World:
    return World(database, brand, reader, take)


# --- traits ---


async def test_traits_are_those_worked_out_by_hand(world: World) -> None:
    """Visits 200, 80, 70, 60 and 40 days ago, two baskets on one of the days: gaps 120, 10, 10, 20, of which 15 is the middle."""
    for days, revenue in ((200, 100), (80, 50), (79.99, 51), (70, 25.5), (60, 20), (40, 10)):
        await world.order("u1", days, revenue=revenue)
    await world.order("u2", 100, revenue=7)
    await world.order("u3", 500, revenue=7)
    assert await world.refresh() == Refreshed(3, 3, is_whole=True)
    assert await world.traits("u1") == {
        "orders_90d": 5,
        "average_basket": 42.75,
        "usual_gap_days": 15,
        "days_late": 25,
    }
    assert await world.traits("u2") == {"orders_90d": 0, "average_basket": 7}
    assert await world.traits("u3") == {"orders_90d": 0}


async def test_who_is_on_time_is_not_late(world: World) -> None:
    for days in (21, 14, 7):
        await world.order("u1", days, revenue=1)
    await world.refresh()
    assert (await world.traits("u1"))["days_late"] == 0
    await world.refresh(NOW + timedelta(days=1))
    assert (await world.traits("u1"))["days_late"] == 1


async def test_traits_are_numbers_of_every_brand(world: World) -> None:
    await world.refresh()
    async with world.database.read() as tx:
        traits = (await get_catalogue(tx, world.brand)).traits
    assert {name: traits[name].type for name in ("orders_90d", "average_basket", "usual_gap_days", "days_late")} == {
        "orders_90d": "number",
        "average_basket": "number",
        "usual_gap_days": "number",
        "days_late": "number",
    }


async def test_a_trait_that_the_brand_uses_otherwise_stays(world: World) -> None:
    await world.take({"type": "identify", "userId": "u1", "event": None, "traits": {"days_late": "three"}})
    for days in (21, 14, 7):
        await world.order("u1", days)
    await world.refresh()
    traits = await world.traits("u1")
    assert (traits["days_late"], traits["usual_gap_days"]) == ("three", 7)


# --- refreshing ---


async def test_refreshing_twice_changes_nothing(world: World) -> None:
    await world.buy("u1", "heels", [1, 2, 3, 4, 5])
    await world.buy("u2", "bread", [1, 2, 3, 4, 5])
    await world.refresh()
    before = await world.show("u1")
    assert await world.refresh(NOW + timedelta(seconds=30)) == Refreshed()
    async with world.database.write() as tx:
        await tx.execute("delete from audiences_computed")
    assert await world.refresh(NOW + timedelta(minutes=1)) == Refreshed(2, 0, is_whole=True)
    assert await world.show("u1") == before


async def test_only_who_has_new_events_is_gone_through(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "WHOLE_EVENTS_MIN", 0)
    monkeypatch.setattr(refreshing, "WHOLE_EVENTS_SHARE", 100)
    for who in ("u1", "u2", "u3"):
        await world.order(who, 3, revenue=10)
    await world.refresh()
    await world.order("u2", 2, revenue=30)
    assert await world.refresh(NOW + timedelta(minutes=1)) == Refreshed(1, 1)
    assert (await world.traits("u2"))["average_basket"] == 20
    assert await world.refresh(NOW + timedelta(minutes=2)) == Refreshed()


async def test_what_lies_ahead_counts_when_it_has_come(world: World) -> None:
    await world.order("u1", 3, revenue=10)
    await world.order("u1", 0, at=NOW + timedelta(hours=1), revenue=1_000_000)
    await world.order("u1", 0, at=FAR, revenue=1_000_000_000)
    await world.refresh()
    assert await world.traits("u1") == {"orders_90d": 1, "average_basket": 10}
    await world.order("u2", 3, revenue=10)
    await world.refresh(NOW + timedelta(hours=2))
    assert await world.traits("u1") == {"orders_90d": 2, "average_basket": 500_005}


async def test_a_merge_moves_what_is_computed_and_back(world: World) -> None:
    await world.buy("u1", "heels", [1, 2, 3, 4], revenue=10)
    await world.buy("u2", "bread", [1, 2, 3, 4], revenue=30)
    await world.buy("u3", "milk", [1, 2, 3, 4], revenue=30)
    await world.refresh()
    before = {who: await world.show(who) for who in ("u1", "u2")}
    assert set(await world.tags("u1")) == {"likes:heels"}
    one, two = before["u1"]["id"], before["u2"]["id"]
    async with world.database.write() as tx:
        merge = await changing.merge_by_hand(tx, world.brand, keep=one, merge=two, now=NOW + timedelta(minutes=1))
    await world.refresh(NOW + timedelta(minutes=2))
    shown = await world.show("u2")
    assert shown["id"] == one
    assert (shown["traits"]["orders_90d"], shown["traits"]["average_basket"]) == (8, 20)
    assert set(await world.tags("u2")) == {"likes:heels", "likes:bread"}
    async with world.database.write() as tx:
        await changing.unmerge_by_hand(tx, world.brand, merge["merge"], now=NOW + timedelta(minutes=3))
    await world.refresh(NOW + timedelta(minutes=4))
    for who, was in before.items():
        shown = await world.show(who)
        assert shown["traits"] == was["traits"]
        assert [{**tag, "set_at": None} for tag in shown["tags"]] == [{**tag, "set_at": None} for tag in was["tags"]]


# --- favourites ---


async def test_a_favourite_weighs_what_was_worked_out(world: World) -> None:
    """u1 bought heels four times and bread once, u2 bread five times, all 90 days ago: each counts one half.

    Heels: share 0.8, of all 0.4, lift 2; weight 0.8/1.2 × 2/(2+3) = 0.27. It is below 0.25 when of 2 are left 1.8.
    """
    await world.buy("u1", "heels", [90.0] * 4)
    await world.buy("u1", "bread", [90])
    await world.buy("u2", "bread", [90.0] * 5)
    await world.refresh()
    tag = (await world.tags("u1"))["likes:heels"]
    assert (tag["weight"], tag["source"]) == (0.27, "auto")
    assert tag["evidence"] == (
        "4 purchases on 2026-08-24: 80% of theirs, 40% of everybody's, lift 2.0; each counts half after 90 days"
    )
    days = math.floor(90 * math.log2(2 / 1.8)) + 1
    assert tag["expires_at"] == (datetime(2026, 11, 21, 16, tzinfo=UTC) + timedelta(days=days)).isoformat()[:-6] + "Z"
    assert set(await world.tags("u2")) == {"likes:bread"}


async def test_a_favourite_ends_when_its_weight_is_too_small(world: World) -> None:
    await world.buy("u1", "heels", [90.0] * 4)
    await world.buy("u2", "bread", [90.0] * 4)
    await world.refresh()
    assert set(await world.tags("u1")) == {"likes:heels"}
    await world.refresh(NOW + timedelta(days=60))
    async with world.database.read() as tx:
        assert await tx.rows("select tag from facts.tags") == []


async def test_one_purchase_is_no_evidence_and_what_all_like_no_favourite(world: World) -> None:
    await world.buy("u1", "bread", [1, 2, 3, 4])
    await world.buy("u2", "bread", [1, 2, 3, 4])
    await world.buy("u2", "caviar", [1])
    await world.refresh()
    assert await world.tags("u1") == {} and await world.tags("u2") == {}


async def test_tags_that_people_set_are_never_touched(world: World) -> None:
    await world.buy("u1", "heels", [1, 2, 3, 4])
    await world.buy("u2", "bread", [1, 2, 3, 4])
    member = (await world.show("u1"))["id"]
    async with world.database.write() as tx:
        for tag in ("likes:heels", "likes:sun"):
            await changing.put_tag(
                tx, world.brand, member, tag, weight=0.9, evidence="said so", expires_at=None, now=NOW
            )
    await world.refresh()
    told = {tag["tag"]: (tag["weight"], tag["source"]) for tag in (await world.tags("u1")).values()}
    assert told == {"likes:heels": (0.9, "hand"), "likes:sun": (0.9, "hand")}


async def test_a_line_without_category_takes_its_items_and_then_the_events(world: World) -> None:
    async with world.database.write() as tx:
        await items.write_items(tx, world.brand, [{"id": "p9", "name": "x", "category": "shoes/red"}], now=NOW)
    for days in (1, 2, 3, 4):
        await world.order("u1", days, products=[{"product_id": "p9"}], category="own")
        await world.order("u2", days, products=[{"product_id": "unknown"}], category="own")
    await world.refresh()
    assert set(await world.tags("u1")) == {"likes:shoes-red"}
    assert set(await world.tags("u2")) == {"likes:own"}


def test_at_most_five_and_the_heaviest_first() -> None:
    day = date(2026, 11, 1)
    tastes = [Taste(f"c{n}", n, n * MICRO, 100 * MICRO, 0.001, day, day) for n in range(3, 13)]
    assert [one.category for one in choose_favourites(tastes)] == ["c12", "c11", "c10", "c9", "c8"]


def test_the_expiry_is_the_day_the_weight_is_too_small() -> None:
    """Preference 0.5 ÷ 0.6; 0.25 is reached at n = 3 × 0.25 ÷ (0.8333 − 0.25) = 1.286, of 10 after 266.3 days."""
    day = date(2026, 11, 1)
    taste = Taste("c", 10, 10 * MICRO, 20 * MICRO, 0.1, day, day)
    expires_at = taste.expires_at(Times(NOW, ZoneInfo("Asia/Taipei")))
    assert expires_at.astimezone(ZoneInfo("Asia/Taipei")).date() == date(2026, 11, 22) + timedelta(days=267)
