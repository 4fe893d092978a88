"""A brand that plans: members with traits and consent, audiences, channels, campaigns."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from regulars.access import service as access
from regulars.audiences.service.answering import AudienceEngine
from regulars.audiences.service.saving import save_audience
from regulars.campaigns.service import planning, saving, sending
from regulars.campaigns.service.planning import PlanBody
from regulars.history.service.reading import HistoryReader
from regulars.members.service import changing, reading
from regulars.messaging.model import Filter, Shown
from regulars.messaging.service import channels
from regulars.messaging.service import sending as messages
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.dispatching import Dispatcher
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door
from tests.history.conftest import place as place
from tests.history.conftest import reader as reader
from tests.history.conftest import take as take
from tests.messaging.carrier import Carrier, Carriers
from tests.messaging.desk import Time

CALM: dict[str, Any] = {"caps": None, "quiet_hours": None, "holdout": 0.0}
BODY: dict[str, Any] = {
    "audience": "all",
    "topic": "news",
    "channels": ["oa"],
    "window": {"from": "2026-11-01", "until": "2026-12-31"},
    "message": {"zh-TW": {"text": "新品到了"}},
    "value": {"by": "fixed", "value": "1.50"},
}


@dataclass
class Planner:
    """What a marketer does, without HTTP."""

    database: Database
    brand: Brand
    outbox: Outbox
    engine: AudienceEngine
    door: Door
    carrier: Carrier
    time: Time
    people: list[str] = field(default_factory=list[str])

    async def arrive(
        self, count: int, *, on: tuple[str, ...] = ("oa",), traits: Callable[[int], Mapping[str, Any]] | None = None
    ) -> list[str]:
        """Members with a LINE id, and a Telegram one where `tg` is among their channels, and consent there."""
        start = len(self.people)
        numbers = range(start, start + count)
        kinds = {"oa": "line", "tg": "telegram"}
        await self.door(
            *(
                {
                    "type": "identify",
                    "userId": f"u{number}",
                    "messageId": f"m{number}",
                    "traits": {"here": True, **(traits(number - start) if traits else {})},
                    "context": {"externalIds": [{"type": kinds[one], "id": f"{number}"} for one in on]},
                }
                for number in numbers
            ),
            now=self.time(),
        )
        async with self.database.write() as tx:
            found = [await reading.list_by_identity(tx, self.brand, "user_id", f"u{number}") for number in numbers]
            made = [reading.member_text(one[0]) for one in found]
            for member in made:
                for channel in on:
                    said: dict[str, Any] = {"granted": True, "proof": {"source": "test"}, "now": self.time()}
                    await changing.put_consent(tx, self.brand, member, channel, "marketing", **said)
        self.people += made
        return made

    async def put_settings(self, **changed: Any) -> None:
        async with self.database.write() as tx:
            await access.replace_settings(tx, self.brand, {**CALM, **changed})

    async def put_channel(self, name: str, kind: str, book: Mapping[str, Any] | None = None) -> None:
        async with self.database.write() as tx:
            await channels.put_channel(tx, self.brand, name, {"kind": kind}, self.outbox.channels.kinds, now=NOW)
            if book is not None:
                await channels.put_price_book(tx, self.brand, name, book, now=NOW)

    async def limit(self, channel: str, included: int, extra: Any = None, **more: Any) -> None:
        """A price plan of so many messages a month."""
        plans = [{"code": "now", "valid_from": "2020-01-01", "fee": "0", "included": included, "extra": extra}]
        for code, (fee, count) in more.items():
            plans.append({"code": code, "valid_from": "2020-01-01", "fee": fee, "included": count, "extra": None})
        async with self.database.write() as tx:
            await channels.put_price_book(tx, self.brand, channel, {"current": "now", "plans": plans}, now=NOW)

    async def save(self, name: str, where: Mapping[str, Any]) -> str:
        async with self.database.write() as tx:
            await save_audience(tx, self.brand, name, where, now=self.time())
        return name

    async def put(self, name: str, *, inside: bytes | None = None, **changed: Any) -> list[str]:
        """A campaign; the codes of what was warned of."""
        async with self.database.write() as tx:
            _, notices = await saving.save_campaign(
                tx, self.brand, name, {**BODY, **changed}, self.outbox, now=self.time(), inside=inside
            )
        return [one.code for one in notices]

    async def plan(self, *names: str, as_of: datetime | None = None, **asked: Any) -> dict[str, Any]:
        """A stored draft, as it is answered."""
        today = self.time().astimezone(self.brand.time_zone).date()
        body = PlanBody(list(names), asked.pop("from_", today), asked.pop("until", today + timedelta(27)), **asked)
        async with self.database.read() as tx:
            draft = await planning.draft_plan(tx, self.brand, self.engine, body, as_of=as_of, now=self.time())
        async with self.database.write() as tx:
            stored = await planning.store_plan(tx, self.brand, draft, now=self.time())
        return planning.show_plan(stored)

    async def list_assignments(self, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with self.database.read() as tx:
            found = await planning.get_plan(tx, self.brand, plan["id"])
            variants = await sending.list_variants(tx, self.brand, found)
            rows = await sending.list_assignments(tx, self.brand, found, after=(0, -1), limit=100_000)
        return [sending.show_assignment(found, variants, one) for one in rows]

    async def send(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        async with self.database.write() as tx:
            return await sending.send_plan(tx, self.brand, plan["id"], now=self.time())

    async def show(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        async with self.database.read() as tx:
            return await sending.show_plan(tx, self.brand, plan["id"])

    async def list_deliveries(self, **asked: Any) -> list[Shown]:
        async with self.database.read() as tx:
            return await messages.list_deliveries(tx, self.brand, Filter(**asked), after=0, limit=100_000)

    async def states(self) -> Counter[str]:
        return Counter(str(one.state) for one in await self.list_deliveries())

    async def deliver(self, seconds: float = 20) -> None:
        """Let the worker send until nothing waits."""
        stopped = asyncio.Event()
        running = asyncio.create_task(Dispatcher(self.database, self.outbox, self.time).run(stopped))
        try:
            async with asyncio.timeout(seconds):
                while (await self.states()).keys() & {"planned", "reserved", "sending"}:
                    assert not running.done(), "the dispatcher ended by itself"
                    await asyncio.sleep(0.02)
        finally:
            stopped.set()
            await running


@pytest.fixture
def engine(reader: HistoryReader) -> Iterator[AudienceEngine]:
    yield AudienceEngine(reader, Time())


@pytest.fixture
async def planner(
    database: Database, brand: Brand, master_key: bytes, engine: AudienceEngine, take: Door
) -> AsyncIterator[Planner]:
    """A brand with the channels `oa` (LINE) and `tg`, and nobody in it."""
    carrier, time = Carrier(), Time()
    engine.clock = time
    outbox = Outbox(database, OpenChannels(Carriers(carrier)), master_key, "https://regulars.example")
    made = Planner(database, brand, outbox, engine, take, carrier, time)
    await made.put_settings()
    await made.put_channel("oa", "line")
    await made.put_channel("tg", "telegram")
    yield made
