"""Worlds for the history: messages taken at the door, a place for the lake, and what a snapshot shows."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from regulars.access import service as access
from regulars.events.segment import parse_calls, to_microseconds
from regulars.events.service.taking import OriginMemory, Outcome, ensure_months, take_calls
from regulars.history.model import HistoryPlace
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

Take = Callable[..., Awaitable[list[Outcome]]]


@dataclass
class Door:
    """Takes messages for a brand, as the API does."""

    database: Database
    brand: Brand
    memory: OriginMemory = field(default_factory=OriginMemory)

    async def __call__(self, *messages: dict[str, Any], now: datetime = NOW) -> list[Outcome]:
        whole = [{"type": "track", "event": "E", "userId": "u1", **message} for message in messages]
        calls, rejected = parse_calls(whole, brand=self.brand, source_id=1, received_at=to_microseconds(now))
        assert not rejected, rejected
        async with self.database.write() as tx:
            await ensure_months(tx, now)
            taken = await take_calls(tx, self.brand, calls, now=now, memory=self.memory)
        self.memory.remember(self.brand.brand_id, taken)
        return taken.outcomes


@pytest.fixture
def take(database: Database, brand: Brand) -> Door:
    return Door(database, brand)


@pytest.fixture
async def second_brand(database: Database, brand: Brand, master_key: bytes) -> Brand:
    async with database.write() as tx:
        await access.create_brand(tx, "second", access.new_keys(), master_key=master_key, now=NOW)
        return await access.get_brand(tx, "second", master_key=master_key)


@pytest.fixture
def place(tmp_path: Path) -> HistoryPlace:
    return HistoryPlace(tmp_path / "history", tmp_path / "temp", memory_mib_max=256)


@pytest.fixture
def reader(place: HistoryPlace) -> Iterator[HistoryReader]:
    made = HistoryReader(place)
    yield made
    made.close()


async def ask(database: Database, reader: HistoryReader, brand: Brand, sql: str) -> list[tuple[Any, ...]]:
    """What a snapshot of this moment answers."""
    async with database.read() as tx, reader.open_snapshot(tx, brand.brand_id) as snapshot:
        return await snapshot.run(lambda connection: connection.execute(sql).fetchall())
