"""From rows of the journey to members, items and events, by the services that any import uses.

Decides the message ids (`journey:basket:31198570044`), made of the files' own keys alone: whatever was loaded before is
known again and written once, wherever a run was stopped. One batch is one transaction; the next one is read meanwhile.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec
from rich.console import Console

from regulars.bootstrap.demo.journey import (
    Basket,
    Contact,
    Journey,
    Redemption,
    iter_baskets,
    iter_items,
    list_contacts,
    list_households,
    list_redemptions,
)
from regulars.bootstrap.demo.shift import Shift
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, get_brand
from regulars.events.importing import ImportSource, ImportWriter, build_item_sink
from regulars.events.model import Call
from regulars.events.segment import to_microseconds
from regulars.members.identity import parse_identity, write_claim
from regulars.members.importing import build_member_sink
from regulars.platform.db import Database
from regulars.platform.tabular.mapped import MappedRow
from regulars.platform.tabular.progress import ImportProgress
from regulars.platform.tabular.table import Row
from regulars.platform.tenancy import Brand

ORDER: Final = "Order Completed"
COUPON: Final = "Coupon Redeemed"
CONTACT: Final = "Campaign Contacted"
KEY: Final = "journey:"
BASKET_KEY: Final = f"{KEY}basket:"

_encode = msgspec.json.Encoder().encode
T = TypeVar("T")


@dataclass(slots=True)
class Loaded:
    """What became of each event name's events, of the items too, and how long each part took.

    `written` was not there before, `known` was; `dropped` are events of erased members.
    """

    written: dict[str, int] = field(default_factory=dict[str, int])
    known: dict[str, int] = field(default_factory=dict[str, int])
    dropped: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(slots=True)
class _Load:
    """One run."""

    deployment: Deployment
    database: Database
    brand: Brand
    journey: Journey
    shift: Shift
    console: Console
    source: ImportSource
    writer: ImportWriter
    loaded: Loaded = field(default_factory=Loaded)


async def load_journey(deployment: Deployment, journey: Journey, shift: Shift, console: Console) -> Loaded:
    """Load everything, moved by `shift`; what is there already stays as it is."""
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    try:
        brand = await get_brand(deployment, database, FIRST_BRAND)
        source = ImportSource(brand, to_microseconds(deployment.clock()))
        writer = ImportWriter(database, brand, deployment.clock)
        load = _Load(deployment, database, brand, journey, shift, console, source, writer)
        # The catalogue first: by it a home is known as the demo's, however early a first run was stopped.
        await _load_items(load)
        await _load_members(load)
        await _load_orders(load)
        await _load_others(load)
        return load.loaded
    finally:
        await database.close()


async def _load_items(load: _Load) -> None:
    sink = build_item_sink(load.database, load.brand, load.deployment.clock, is_text=False)
    with _step(load, "items", "items") as step:
        async for batch in _read_ahead(iter_items(load.journey)):
            result = await sink([_to_row(item.fields, item.attributes) for item in batch])
            step.tell(len(batch), result.written, load.journey.counts.items)
        load.loaded.written["items"] = step.written


async def _load_members(load: _Load) -> None:
    sink = build_member_sink(load.database, load.brand, load.deployment.clock, is_text=False)
    with _step(load, "members", "members") as step:
        rows = [_to_row({"card": str(one.household_id)}, one.traits) for one in list_households(load.journey)]
        result = await sink(rows)
        # The sink counts who said anything new, and two thirds say nothing but their card.
        step.tell(len(rows), result.written, len(rows), what="with new traits")


def _to_row(fields: dict[str, str], properties: dict[str, str]) -> MappedRow:
    return MappedRow(Row(0, 0, ()), dict[str, Any](fields), dict[str, Any](properties), None)


async def _load_orders(load: _Load) -> None:
    with _step(load, "orders", "purchase lines") as step:
        async for calls in _read_ahead(_to_calls(load, iter_baskets(load.journey))):
            written = await _take(load, ORDER, calls)
            lines = sum(call.line_count for call in calls)
            step.tell(lines, written, load.journey.counts.order_lines, what="new orders")


async def _load_others(load: _Load) -> None:
    coupons = [_from_redemption(load, one) for one in list_redemptions(load.journey)]
    contacts = [_from_contact(load, one) for one in list_contacts(load.journey)]
    count = len(coupons) + len(contacts)
    with _step(load, "others", "coupons, contacts") as step:
        for name, calls in ((COUPON, coupons), (CONTACT, contacts)):
            step.tell(len(calls), await _take(load, name, calls), count)


async def _take(load: _Load, name: str, calls: Sequence[Call]) -> int:
    """Write a batch of one name; how many were not there."""
    taken = await load.writer.take(calls)
    loaded, written = load.loaded, taken.outcomes.count("written")
    loaded.written[name] = loaded.written.get(name, 0) + written
    loaded.known[name] = loaded.known.get(name, 0) + taken.outcomes.count("known")
    loaded.dropped += taken.outcomes.count("dropped")
    return written


def _to_calls(load: _Load, batches: Iterable[list[Basket]]) -> Iterator[list[Call]]:
    for batch in batches:
        yield [_from_basket(load, basket) for basket in batch]


def _from_basket(load: _Load, basket: Basket) -> Call:
    key = f"{BASKET_KEY}{basket.basket_id}"
    return _build_call(load, ORDER, key, basket, basket.properties, line_count=basket.line_count)


def _from_redemption(load: _Load, one: Redemption) -> Call:
    key = f"{KEY}coupon:{one.household_id}:{one.coupon_upc}:{one.campaign_id}:{one.at:%Y-%m-%d}"
    properties = {"coupon_id": str(one.coupon_upc), "campaign_id": str(one.campaign_id)}
    return _build_call(load, COUPON, key, one, _encode(properties))


def _from_contact(load: _Load, one: Contact) -> Call:
    properties = {
        "campaign_id": str(one.campaign_id),
        "campaign_type": one.type,
        "starts_on": load.shift.move(one.at).date().isoformat(),
        "ends_on": load.shift.move(one.ends).date().isoformat(),
    }
    return _build_call(load, CONTACT, f"{KEY}contact:{one.campaign_id}:{one.household_id}", one, _encode(properties))


def _build_call(
    load: _Load,
    name: str,
    message_id: str,
    source: Basket | Redemption | Contact,
    properties: bytes,
    *,
    line_count: int = 0,
) -> Call:
    return load.source.call(
        message_id,
        write_claim([parse_identity("card", str(source.household_id), country=load.brand.country)]),
        name=name,
        occurred_at=to_microseconds(load.shift.move(source.at)),
        properties=properties,
        line_count=line_count,
    )


@dataclass(slots=True)
class _Step:
    """One part of the load, while it goes on."""

    progress: ImportProgress
    read: int = 0
    written: int = 0
    what: str = "new"

    def tell(self, read: int, written: int, total: int, *, what: str = "new") -> None:
        """A batch is done."""
        self.read, self.written, self.what = self.read + read, self.written + written, what
        self.progress.update(self.read, 0, self.read / total)


@contextmanager
def _step(load: _Load, name: str, told_as: str) -> Generator[_Step]:
    step = _Step(ImportProgress(load.console, load.deployment.clock, told_as))
    started = time.monotonic()
    try:
        yield step
        step.progress.finish(step.read, f"{step.read:,} read, {step.written:,} {step.what},")
    finally:
        step.progress.stop()
        load.loaded.seconds[name] = time.monotonic() - started


async def _read_ahead(batches: Iterator[T]) -> AsyncGenerator[T]:
    """Each batch, while the next is read in a thread."""
    reading = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
    try:
        # Shielded: a thread cannot be cancelled, and it must have let go of the files before anybody closes them.
        while (batch := await asyncio.shield(reading)) is not None:
            reading = asyncio.ensure_future(asyncio.to_thread(next, batches, None))
            yield batch
    finally:
        await asyncio.wait({reading})
