"""What a brand's events and items have, on a real PostgreSQL: moved, fresh, both, too much."""

from dataclasses import dataclass
from typing import Any

import pytest

from regulars.audiences import store
from regulars.audiences.service import cataloguing
from regulars.audiences.service.saving import check_condition
from regulars.conditions.errors import ConditionError, UnknownProperty
from regulars.events.service.items import write_items
from regulars.history.model import HistoryPlace
from regulars.history.service import noting
from regulars.history.service.moving import move_events
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio


def done(event: str, /, **properties: Any) -> tuple[str, dict[str, Any]]:
    return event, properties


@dataclass
class World:
    """A brand, the door to it, and its lake."""

    database: Database
    brand: Brand
    door: Door
    place: HistoryPlace

    async def take(self, *events: tuple[str, dict[str, Any]]) -> None:
        assert await self.door(*({"event": name, "properties": properties} for name, properties in events))

    async def move(self) -> None:
        await move_events(self.database.dsn, self.place, lambda: NOW, flush=True)

    async def check(self, where: dict[str, Any], event: str = "Quiz Taken") -> list[str]:
        """Codes of warnings."""
        async with self.database.read() as tx:
            _, doubts = await check_condition(tx, self.brand, {"did": {"event": event, **where}})
        return [one.code for one in doubts]

    async def refuse(self, where: dict[str, Any], event: str = "Quiz Taken") -> tuple[str | None, str | None]:
        """Path and suggestion."""
        with pytest.raises(UnknownProperty) as refused:
            await self.check(where, event)
        return refused.value.path, refused.value.suggestion


@pytest.fixture
def world(database: Database, brand: Brand, take: Door, place: HistoryPlace) -> World:
    return World(database, brand, take, place)


async def test_a_misspelt_property_is_refused_before_and_after_the_move(world: World) -> None:
    await world.take(done("Quiz Taken", score=3, 關卡="甲"), done("Quiz Taken"))
    for _ in range(2):
        assert await world.check({"where": {"score": 3, "關卡": "甲", "category": "heels"}}) == []
        assert await world.refuse({"where": {"scoer": 3}}) == ("/did/where/scoer", "score")
        assert await world.refuse({"sum": {"of": "skore", "at_least": 2}}) == ("/did/sum/of", "score")
        await world.move()


async def test_what_came_a_moment_ago_is_known(world: World) -> None:
    await world.take(done("Quiz Taken", score=3))
    await world.move()
    assert await world.refuse({"where": {"level": 1}}) == ("/did/where/level", None)
    await world.take(done("Quiz Taken", level=1))
    assert await world.check({"where": {"level": 1, "score": 3}}) == []
    await world.move()
    assert await world.check({"where": {"level": 1, "score": 3}}) == []


async def test_properties_of_both_vocabularies_are_the_event_s(world: World) -> None:
    await world.take(done("purchase", tax=1), done("Order Completed", coupon="X"))
    await world.move()
    assert await world.check({"where": {"tax": 1, "coupon": "X"}}, "Order Completed") == []
    assert await world.check({"where": {"tax": 1}}, "purchase") == []
    assert await world.refuse({"where": {"coupn": "X"}}, "Order Completed") == ("/did/where/coupn", "coupon")
    assert await world.refuse({"where": {"coupon": "X"}}, "purchase") == ("/did/where/coupon", None)


async def test_an_event_that_nobody_sent_is_only_doubted(world: World) -> None:
    assert await world.check({"where": {"coupon": "X"}}, "Product Viewed") == ["condition.property_unsent"]
    assert await world.check({"where": {"category": "heels"}}, "Product Viewed") == []
    await world.take(done("Product Viewed"))
    assert await world.refuse({"where": {"coupon": "X"}}, "Product Viewed") == ("/did/where/coupon", None)


async def test_countless_properties_are_not_kept_and_none_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "PROPERTIES_PER_NAME_MAX", 3)
    await world.take(done("Quiz Taken", a=1, b=1, c=1), done("Form Filled", **{f"f{n}": 1 for n in range(4)}))
    await world.move()
    assert await world.refuse({"where": {"d": 1}}) == ("/did/where/d", None)
    assert await world.check({"where": {"anything": 1}}, "Form Filled") == []
    await world.take(done("Quiz Taken", d=1))
    await world.move()
    await world.take(done("Quiz Taken", a=1))
    await world.move()
    assert await world.check({"where": {"e": 1}}) == []
    await world.take(done("Level Won", a=1))
    await world.move()
    await world.take(done("Level Won", **{f"f{n}": 1 for n in range(4)}))
    await world.move()
    assert await world.check({"where": {"anything": 1}}, "Level Won") == []
    monkeypatch.setattr(cataloguing, "FRESH_PROPERTIES_MAX", 2)
    await world.take(done("Page Read", x=1, y=1))
    assert await world.check({"where": {"z": 1}}, "Page Read") == []


async def test_what_the_engine_cannot_read_is_noted_too(world: World) -> None:
    """A property as long as no condition can ask for is left out."""
    deep: Any = 1
    for _ in range(90):
        deep = [deep]
    await world.take(done("Quiz Taken", **{"x" * 201: 1, 'a"b': deep, "c\\d": 1e300}))
    await world.move()
    async with world.database.read() as tx:
        assert await store.list_properties(tx, world.brand.brand_id, ["Quiz Taken"]) == [
            ("Quiz Taken", ['a"b', "c\\d"])
        ]


async def test_attributes_of_items(world: World) -> None:
    await world.take(done("Quiz Taken"))
    assert await world.check({"item": {"brand": "Acme"}}) == [], "there are no items: nothing is known"
    async with world.database.write() as tx:
        await write_items(tx, world.brand, [{"id": "P1", "name": "Tea", "attributes": {"brand": "Acme"}}], now=NOW)
    assert await world.check({"item": {"brand": "Acme", "name": "Tea", "price": {"at_least": 1}}}) == []
    assert await world.refuse({"item": {"brnad": "Acme"}}) == ("/did/item/brnad", "brand")


async def test_nothing_is_looked_at_that_is_not_asked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def refuse_to_look(tx: ReadTransaction, *more: Any, **named: Any) -> Any:
        asked.append(more)
        return []

    for name in ("list_properties", "list_fresh_among", "list_fresh_properties", "list_attributes_among"):
        monkeypatch.setattr(store, name, refuse_to_look)
    await world.take(done("Quiz Taken"))
    assert (
        await world.check({"where": {"revenue": 3, "price": 1}, "distinct": {"of": "local_day", "at_least": 1}}) == []
    )
    with pytest.raises(ConditionError):
        await world.check({}, "Quiz Takn")
    assert asked == []
