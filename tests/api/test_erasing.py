"""No kept answer shows a member who was erased."""

import asyncio

import psycopg
import pytest

from tests.support.inside import open_inside

pytestmark = pytest.mark.anyio


async def test_an_answer_that_was_committed_meanwhile_is_forgotten_too(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside, await psycopg.AsyncConnection.connect(dsn) as other:
        first, second = await inside.new_member("ann"), await inside.new_member("bob")
        await other.execute("select 1 from members_heads for update")
        body = {"keep": first, "merge": second}
        merge = asyncio.create_task(inside.ask("POST", "/api/members/merge", body, **{"Idempotency-Key": "once"}))
        await asyncio.sleep(0.3)
        erase = asyncio.create_task(inside.ask("DELETE", f"/api/members/{first}"))
        await asyncio.sleep(0.3)
        await other.commit()
        assert (await merge).status_code == 200
        assert (await erase).status_code == 202
        cursor = await other.execute("select count(*) from access_answers")
        assert await cursor.fetchone() == (0,)
