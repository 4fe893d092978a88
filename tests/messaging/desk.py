"""A brand with members on one channel, and what sends to them: over PostgreSQL, to a channel that keeps what it was given."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from regulars.access import service as access
from regulars.members.service import changing, joining, reading
from regulars.messaging.model import Filter, NewDelivery, Shown
from regulars.messaging.service import channels, controlling, sending
from regulars.messaging.service.channels import digest_of
from regulars.messaging.service.dispatching import Dispatcher
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.service.sending import SingleSend
from regulars.messaging.store import deliveries
from regulars.platform.db import Database
from regulars.platform.errors import BrandBusy
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.members.test_joining import claim
from tests.messaging.carrier import Carrier

CALM = {"time_zone": "Asia/Taipei", "caps": [{"most": 2, "per": "30d"}], "quiet_hours": None, "holdout": 0.0}
HELLO = {"en": {"text": "Hello {{ member.traits.first_name | default: 'you' }}"}}
SAME = {"en": {"text": "The same for all"}}
BOOK = {
    "current": "mid",
    "plans": [{"code": "mid", "valid_from": "2020-01-01", "valid_to": None, "fee": "0", "included": 3, "extra": None}],
}


@dataclass
class Time:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **passed: float) -> None:
        self.now += timedelta(**passed)


@dataclass
class Desk:
    """A brand with members of `oa`, each with consent, and what sends to them."""

    database: Database
    brand: Brand
    outbox: Outbox
    carrier: Carrier
    time: Time = field(default_factory=Time)

    async def arrive(self, count: int, *, consent: bool = True) -> list[str]:
        claims = [claim(line=f"U{number}") for number in range(count)]
        async with self.database.write() as tx:
            await joining.lock_brand(tx, self.brand)
            await joining.resolve_claims(tx, self.brand, claims, now=NOW)
            ids = [
                reading.member_text((await reading.list_by_identity(tx, self.brand, "line", f"U{number}"))[0])
                for number in range(count)
            ]
            for member in ids if consent else []:
                said: dict[str, Any] = {"granted": True, "proof": {"source": "test"}, "now": NOW}
                await changing.put_consent(tx, self.brand, member, "oa", "marketing", **said)
        return ids

    async def send(self, member: str, key: str, **changed: Any) -> Shown:
        body = SingleSend(member, "oa", changed.pop("message", SAME), key, **changed)
        while True:
            with contextlib.suppress(BrandBusy):  # two that wait for each other: one is told to come again
                async with self.database.write() as tx:
                    return await sending.send_one(tx, self.brand, self.outbox, body, now=self.time())

    async def plan(self, members: list[str], plan_id: int = 1, message: Any = SAME, **fields: Any) -> None:
        async with self.database.write() as tx:
            message_id = await deliveries.put_message(tx, self.brand.brand_id, digest_of(message), message, NOW)
            new = [
                NewDelivery(
                    reading.parse_member_id(member), "oa", message_id, f"plan:{plan_id}:{member}", self.time(),
                    campaign="heels", **fields,
                )
                for member in members
            ]  # fmt: skip
            await controlling.make_planned(tx, self.brand, plan_id, new, now=self.time())

    async def put_settings(self, **changed: Any) -> None:
        async with self.database.write() as tx:
            await access.replace_settings(tx, self.brand, {**CALM, **changed})

    async def put_prices(self, book: Any = BOOK) -> None:
        async with self.database.write() as tx:
            await channels.put_price_book(tx, self.brand, "oa", book, now=NOW)

    async def list_all(self, **asked: Any) -> list[Shown]:
        async with self.database.read() as tx:
            return await sending.list_deliveries(tx, self.brand, Filter(**asked), after=0, limit=100_000)

    async def states(self) -> Counter[str]:
        return Counter(str(one.state) for one in await self.list_all())

    async def run_until(self, done: Callable[[Counter[str]], bool], *, workers: int = 1, seconds: float = 20) -> None:
        stopped = asyncio.Event()
        running = [
            asyncio.create_task(Dispatcher(self.database, self.outbox, self.time).run(stopped)) for _ in range(workers)
        ]
        try:
            async with asyncio.timeout(seconds):
                while not done(await self.states()):
                    assert not any(task.done() for task in running), "a dispatcher ended by itself"
                    await asyncio.sleep(0.02)
        finally:
            stopped.set()
            await asyncio.gather(*running)


def over(states: Counter[str]) -> bool:
    return not states.keys() & {"planned", "reserved", "sending"}
