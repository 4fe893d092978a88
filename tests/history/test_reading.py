"""Snapshots: what a brand's views show, and that they follow what changes."""

from decimal import Decimal

import pytest

from regulars.history.service import reading
from regulars.history.service.reading import HistoryReader
from regulars.members.service import erasing
from regulars.members.service import reading as members
from regulars.members.service.joining import lock_brand
from regulars.members.service.merging import merge_members, unmerge
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door, ask

pytestmark = pytest.mark.anyio

ORDER = {
    "event": "purchase",
    "messageId": "m1",
    "timestamp": "2026-10-31T23:30:00-01:00",
    "properties": {
        "value": 12.5,
        "transaction_id": "t1",
        "items": [{"item_id": "i1", "item_category": "鞋", "quantity": 2, "price": "3.25"}, "?", {"sku": 7}],
    },
}


async def test_nothing_there_is_no_rows(database: Database, brand: Brand, reader: HistoryReader) -> None:
    assert await ask(database, reader, brand, "select count(*) from events join origins using (origin_id)") == [(0,)]


async def test_the_tail_is_typed_and_placed(database: Database, take: Door, reader: HistoryReader) -> None:
    await take(ORDER)
    columns = (
        "seq, part, month, name, epoch_us(occurred_at), revenue, order_id, item_id, category, quantity, line_count"
    )
    assert await ask(database, reader, take.brand, f"select {columns} from events") == [
        (1, "other", 202611, "purchase", 1793493000000000, Decimal("12.5"), "t1", None, None, None, 2)
    ]
    columns = "seq, part, month, name, line_no, item_id, category, quantity, price"
    assert await ask(database, reader, take.brand, f"select {columns} from lines order by line_no") == [
        (1, "other", 202611, "purchase", 1, "i1", "鞋", Decimal(2), Decimal("3.25")),
        (1, "other", 202611, "purchase", 2, "7", None, None, None),
    ]


async def test_a_snapshot_follows_the_tail(database: Database, take: Door, reader: HistoryReader) -> None:
    for number in range(4):
        await take({"messageId": f"m{number}", "userId": f"u{number}"})
        count = "select count(*), max(seq), count(distinct member_no) from events join origins using (origin_id)"
        assert await ask(database, reader, take.brand, count) == [(number + 1, number + 1, number + 1)]


async def test_a_snapshot_stays_as_it_was(database: Database, take: Door, reader: HistoryReader) -> None:
    await take({"messageId": "m1"})
    async with database.read() as tx, reader.open_snapshot(tx, take.brand.brand_id) as before:
        await take({"messageId": "m2"})
        assert await ask(database, reader, take.brand, "select count(*) from events") == [(2,)]
        assert before.connection.execute("select count(*) from events").fetchall() == [(1,)]


async def test_a_merge_and_an_erasure_change_the_map_alone(
    database: Database, take: Door, reader: HistoryReader
) -> None:
    await take({"messageId": "m1", "userId": "a"}, {"messageId": "m2", "userId": "b"})
    count = "select count(*), count(distinct member_no) from events join origins using (origin_id)"
    assert await ask(database, reader, take.brand, count) == [(2, 2)]
    async with database.read() as tx:
        (a,) = await members.list_by_identity(tx, take.brand, "user_id", "a")
        (b,) = await members.list_by_identity(tx, take.brand, "user_id", "b")
    async with database.write() as tx:
        await lock_brand(tx, take.brand)
        (merge_id,) = await merge_members(tx, take.brand, [(a, b)], cause="manual", now=NOW)
    assert await ask(database, reader, take.brand, count) == [(2, 1)]
    async with database.write() as tx:
        await unmerge(tx, take.brand, merge_id, now=NOW)
    assert await ask(database, reader, take.brand, count) == [(2, 2)]
    async with database.write() as tx:
        await erasing.erase_member(tx, take.brand, members.member_text(a), now=NOW)
    assert await ask(database, reader, take.brand, count) == [(1, 1)]


async def test_two_brands_never_mix(database: Database, take: Door, second_brand: Brand, reader: HistoryReader) -> None:
    second = Door(database, second_brand)
    await take({"messageId": "m1"})
    await second({"messageId": "m1"}, {"messageId": "m2"})
    assert await ask(database, reader, take.brand, "select count(*) from events") == [(1,)]
    assert await ask(database, reader, second_brand, "select count(*) from events") == [(2,)]


async def test_a_brand_that_was_forgotten_is_read_again(
    database: Database, take: Door, second_brand: Brand, reader: HistoryReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BRANDS_KEPT_MAX", 1)
    second = Door(database, second_brand)
    await take({"messageId": "m1"})
    await second({"messageId": "m1"}, {"messageId": "m2"})
    for _ in range(2):
        assert await ask(database, reader, take.brand, "select count(*) from events") == [(1,)]
        assert await ask(database, reader, second_brand, "select count(*) from events") == [(2,)]
