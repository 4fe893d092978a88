"""Everything at once: taking, moving, compacting, removing, reading. Every read sees each event exactly once."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import pytest

from regulars.events.jobs import remove_events
from regulars.history.errors import HistoryBusy
from regulars.history.model import HistoryPlace
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import drop_moved_rows, move_events
from regulars.history.service.reading import HistoryReader
from regulars.history.service.removing import ask_removal, remove_erased, vacuum
from regulars.history.service.verifying import list_findings
from regulars.members.service import erasing
from regulars.members.service import reading as members
from regulars.platform.db import Database
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio

LATER = NOW + timedelta(minutes=11)
ORDER = {"event": "Order Completed", "properties": {"products": [{"sku": "a"}, {"sku": "b"}], "revenue": 3}}
SEEN = """
select count(*), count(distinct seq), coalesce(sum(line_count), 0)::BIGINT,
    (select count(*) from lines join origins using (origin_id))
from events join origins using (origin_id)
"""


COUNTED = """
select coalesce((select next_seq - 1 from events_heads where brand_id = %(brand_id)s), 0),
    (select count(*) from members_members where brand_id = %(brand_id)s and state = 'erased')
"""


@dataclass
class Crowd:
    """What runs at once until `ends`. A batch has 21 events of new members; who is erased had 4 of them."""

    database: Database
    take: Door
    place: HistoryPlace
    reader: HistoryReader
    ends: float
    batches: int = 0
    erased: int = 0
    reads: int = 0

    @property
    def is_on(self) -> bool:
        return monotonic() < self.ends

    async def ingest(self) -> None:
        while self.is_on:
            at = self.batches
            messages = [{"messageId": f"m{at}.{n}", "userId": f"u{at}.{n % 5}", **ORDER} for n in range(20)]
            await self.take(*messages, {"messageId": f"x{at}", "userId": f"u{at}.0", "event": f"X{at % 7}"})
            self.batches += 1
            await asyncio.sleep(0.01)

    async def move(self) -> None:
        while self.is_on:
            with suppress(HistoryBusy):
                await move_events(self.database.dsn, self.place, lambda: NOW, flush=True, wait_seconds_max=10)
            await drop_moved_rows(self.database, lambda: LATER)

    async def keep(self) -> None:
        while self.is_on:
            with suppress(HistoryBusy):
                for work in (compact_history, remove_erased, vacuum):
                    await work(self.database.dsn, self.place, lambda: NOW, wait_seconds_max=10)

    async def erase(self) -> None:
        while self.is_on:
            await asyncio.sleep(0.3)
            if self.erased >= self.batches:
                continue
            brand = self.take.brand
            async with self.database.read() as tx:
                (found,) = await members.list_by_identity(tx, brand, "user_id", f"u{self.erased}.1")
            async with self.database.write() as tx:
                gone = await erasing.erase_member(tx, brand, members.member_text(found), now=NOW)
                await ask_removal(tx, brand.brand_id, gone, now=NOW)
            await remove_events(self.database, brand.brand_id, gone)
            self.erased += 1

    async def read(self) -> None:
        while self.is_on:
            brand_id = self.take.brand.brand_id
            async with self.database.read() as tx:
                # PostgreSQL itself says what this very transaction must see.
                row = await tx.row(COUNTED, {"brand_id": brand_id})
                assert row is not None
                async with self.reader.open_snapshot(tx, brand_id) as snapshot:
                    rows = await snapshot.run(lambda connection: connection.execute(SEEN).fetchall())
            ((events, seqs, lines, exploded),) = rows
            assert events == seqs == row[0] - 4 * row[1]
            assert lines == exploded
            self.reads += 1


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(180)])])
async def test_every_read_sees_each_event_once(
    seconds: int, database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    crowd = Crowd(database, take, place, reader, monotonic() + seconds)
    await asyncio.gather(crowd.ingest(), crowd.move(), crowd.keep(), crowd.erase(), crowd.read())
    assert min(crowd.reads, crowd.batches, crowd.erased) > 3
    await move_events(dsn, place, lambda: NOW, flush=True, wait_seconds_max=10)
    await remove_erased(dsn, place, lambda: NOW)
    assert (await list_findings(database, place)).findings == []
    async with database.read() as tx:
        row = await tx.row("select sum(event_count) from events_names")
    assert row == (21 * crowd.batches - 4 * crowd.erased,)
