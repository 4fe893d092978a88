"""A member's events over the API's list: one list from tail and lake, whatever is where."""

from datetime import timedelta
from typing import Any

import pytest

from regulars.history.model import HistoryPlace
from regulars.history.service.listing import list_member_events
from regulars.history.service.moving import drop_moved_rows, move_events
from regulars.history.service.reading import HistoryReader
from regulars.members.service import reading as members
from regulars.platform.db import Database
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio


async def list_all(database: Database, take: Door, reader: HistoryReader, *, limit: int) -> list[dict[str, Any]]:
    async with database.read() as tx:
        (found,) = await members.list_by_identity(tx, take.brand, "user_id", "u1")
        member, cursor, events = members.member_text(found), None, []
        while True:
            page, cursor = await list_member_events(tx, take.brand, reader, member, cursor=cursor, limit=limit)
            events += page
            if cursor is None:
                return events


async def test_the_list_is_the_same_before_and_after_a_move(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader
) -> None:
    at = [(NOW - timedelta(hours=hour)).isoformat() for hour in (5, 1, 3, 3, 2)]
    await take(*({"messageId": f"m{n}", "timestamp": instant, "event": "purchase"} for n, instant in enumerate(at)))
    before = await list_all(database, take, reader, limit=2)
    assert [event["message_id"] for event in before] == ["m1", "m4", "m3", "m2", "m0"]
    await move_events(dsn, place, lambda: NOW, flush=True)
    assert await list_all(database, take, reader, limit=2) == before
    await drop_moved_rows(database, lambda: NOW + timedelta(minutes=11))
    assert await list_all(database, take, reader, limit=2) == before
    await take({"messageId": "m9", "timestamp": (NOW - timedelta(hours=3, minutes=30)).isoformat()})
    assert [event["message_id"] for event in await list_all(database, take, reader, limit=3)] == [
        *("m1", "m4", "m3", "m2", "m9", "m0")
    ]
