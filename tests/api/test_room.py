"""What comes in is bounded: keys are looked at before bodies, bodies have a room of a size, requests a number."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from regulars.api.room import REQUESTS_AT_ONCE_MAX, UNKNOWN_BODY_BYTES_MAX, BodyRoom, BoundedRequests
from regulars.events.service.writing import WriterOverloaded
from tests.support.inside import Inside, open_inside

pytestmark = pytest.mark.anyio

MIB: Final = 1024 * 1024


async def endless(sent: list[int]) -> AsyncIterator[bytes]:
    for _ in range(8):
        sent.append(MIB)
        yield b" " * MIB
        await asyncio.sleep(0)


@pytest.mark.parametrize("header", [{"X-Write-Key": "rgw_no"}, {"Authorization": "Basic cmd3X25vOg=="}])
async def test_nothing_is_read_of_a_stranger(dsn: str, master_key: bytes, header: dict[str, str]) -> None:
    async with open_inside(dsn, master_key) as inside:
        sent: list[int] = []
        refused = await inside.client.post("/v1/batch", content=endless(sent), headers=header)
        assert (refused.status_code, refused.json()["code"]) == (401, "access.key_unknown")
        assert len(sent) == 0


async def send_bomb(inside: Inside, **headers: str) -> Any:
    body = gzip.compress(b'{"batch":[' + b" " * (7 * MIB) + b"]}")
    return await inside.client.post("/v1/batch", content=body, headers={"Content-Encoding": "gzip"} | headers)


async def test_bodies_whose_sender_is_not_known_have_little_room(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        room = inside.context.unknown_room
        with room.lease() as lease:
            lease.take(UNKNOWN_BODY_BYTES_MAX - MIB)
            refused = await send_bomb(inside)
            assert (refused.status_code, refused.json()["code"]) == (503, "ingest.overloaded")
            assert refused.headers["Retry-After"]
            known = await send_bomb(inside, **{"X-Write-Key": inside.keys.write_key})
            assert known.status_code == 200, known.text
            small = {"userId": "ann", "event": "Seen", "writeKey": inside.keys.write_key}
            assert (await inside.client.post("/v1/track", content=json.dumps(small))).status_code == 200
        assert (await send_bomb(inside)).status_code == 401
        assert (room.bytes_held, inside.context.room.bytes_held) == (0, 0)


async def test_many_bombs_at_once_are_refused_or_answered(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        answers = await asyncio.gather(*(send_bomb(inside) for _ in range(12)))
        assert {answer.status_code for answer in answers} <= {401, 503}
        assert inside.context.unknown_room.bytes_held == 0


def test_a_lease_is_given_back() -> None:
    room = BodyRoom(10)
    with pytest.raises(WriterOverloaded), room.lease() as lease:
        lease.take(8)
        lease.take(3)
    assert room.bytes_held == 0


async def test_too_many_requests_at_once_are_refused() -> None:
    async def app(*_arguments: object) -> None:
        raise AssertionError("nothing comes through")

    bounded, told = BoundedRequests(app), list[Any]()
    bounded.under_way = REQUESTS_AT_ONCE_MAX

    async def send(message: Any) -> None:
        told.append(message)

    await bounded({"type": "http", "path": "/v1/batch", "headers": []}, app, send)
    assert told[0]["status"] == 503
    assert json.loads(told[1]["body"])["code"] == "server.busy"
