"""What one brand waits for, no other brand waits for."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
import pytest

from regulars.platform.db import Database
from regulars.platform.errors import DatabaseBusy, DatabaseUnavailable
from tests.support.inside import Inside, open_inside

pytestmark = pytest.mark.anyio

WRITES: Final = 30
SECONDS_MAX: Final = 2.0
SHORTER_SECONDS: Final = {
    "api.context.WRITE_TURN": 2.2,
    "bootstrap.web.WRITE_LOCK": 2.4,
    "bootstrap.web.INGEST_LOCK": 2.4,
}


@asynccontextmanager
async def held(dsn: str, query: str) -> AsyncIterator[None]:
    """A lock that somebody holds for long."""
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute(query)
        yield
        await connection.rollback()


async def quickly(awaited: Coroutine[Any, Any, Any]) -> Any:
    began = time.monotonic()
    answer = await awaited
    assert time.monotonic() - began < SECONDS_MAX
    return answer


async def check_other_brand(inside: Inside, member: str) -> None:
    for path in ("/healthz", "/api/members", f"/api/members/{member}"):
        assert (await quickly(inside.ask("GET", path, others=True))).status_code == 200
    put = await quickly(inside.ask("PUT", f"/api/members/{member}/tags/vip", others=True))
    assert put.status_code == 200, put.text
    call = {"userId": "bob", "event": "Seen", "writeKey": inside.others.write_key}
    assert (await quickly(inside.client.post("/v1/track", json=call))).status_code == 200


@pytest.mark.parametrize("shorter", [True, pytest.param(False, marks=[pytest.mark.long, pytest.mark.alone])])
async def test_a_locked_brand_leaves_the_others_alone(
    dsn: str, master_key: bytes, monkeypatch: pytest.MonkeyPatch, shorter: bool
) -> None:
    """Nobody waits as long as who waits for the lock, in the long run as long as in truth."""
    if shorter:
        for name, seconds in SHORTER_SECONDS.items():
            monkeypatch.setattr(f"regulars.{name}_SECONDS_MAX", seconds)
    async with open_inside(dsn, master_key) as inside:
        first, second = await inside.new_member("ann"), await inside.new_member("bob", others=True)
        async with held(dsn, "select 1 from members_heads order by brand_id limit 1 for update"):
            call = {"userId": "ann", "event": "Seen", "writeKey": inside.keys.write_key}
            sent = asyncio.create_task(inside.client.post("/v1/track", json=call))
            puts = [
                asyncio.create_task(inside.ask("PUT", f"/api/members/{first}/tags/t{number}"))
                for number in range(WRITES)
            ]
            await asyncio.sleep(0.3)
            assert (await quickly(inside.ask("GET", f"/api/members/{first}"))).status_code == 200
            await check_other_brand(inside, second)
            refused = [await put for put in puts]
        assert {answer.status_code for answer in refused} == {503}
        assert {answer.json()["code"] for answer in refused} == {"brand.busy"}
        assert all(answer.headers["Retry-After"] for answer in refused)
        # The event waited as long as an event may; who sent it sends it again.
        assert (await sent).status_code == 200 or (await sent).json()["code"] == "brand.busy"
        assert (await inside.ask("PUT", f"/api/members/{first}/tags/t0")).status_code == 200


async def test_many_writes_of_one_brand_all_land(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        member = await inside.new_member("ann")
        puts = [inside.ask("PUT", f"/api/members/{member}/tags/t{number}") for number in range(WRITES)]
        assert {answer.status_code for answer in await asyncio.gather(*puts)} == {200}
        assert len((await inside.ask("GET", f"/api/members/{member}")).json()["tags"]) == WRITES


async def test_too_few_connections_are_not_a_database_that_is_away(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regulars.platform.db.POOL_WAIT_SECONDS_MAX", 0.2)
    database = Database(dsn, connections_max=1)
    await database.open()
    try:
        async with database.read():
            with pytest.raises(DatabaseBusy):
                async with database.read():
                    pass
    finally:
        await database.close()
    away = Database("postgresql://127.0.0.1:1/nowhere", connections_max=1)
    await away.open()
    try:
        with pytest.raises(DatabaseUnavailable) as raised:
            async with away.read():
                pass
        assert raised.value.code == "database.unavailable"
    finally:
        await away.close()
