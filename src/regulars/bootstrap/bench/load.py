"""A load generator that costs little beside what it loads: prepared requests over kept connections, loopback only."""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import msgspec

EVENTS_PER_CALL = 500
CONNECTIONS = 16

_NAMES = ("Product Viewed", "Product Added", "Products Searched", "Order Completed", "Page Opened")


def prepare_requests(
    url: str, write_key: str, *, events: int, members: int, seed: int, custom_names: int = 0
) -> list[bytes]:
    """Whole HTTP requests of 500 calls each; message ids are unique within a seed."""
    rng = random.Random(seed)
    host = urlsplit(url).netloc
    return [
        _request(host, write_key, list(_calls(rng, seed, start, members, custom_names)))
        for start in range(0, events, EVENTS_PER_CALL)
    ]


def _calls(rng: random.Random, seed: int, start: int, members: int, custom_names: int) -> Iterator[dict[str, object]]:
    for number in range(start, start + EVENTS_PER_CALL):
        name = f"Custom {rng.randrange(custom_names)}" if custom_names else rng.choice(_NAMES)
        yield {
            "type": "track",
            "messageId": f"{seed}-{number:012d}",
            "userId": f"user-{rng.randrange(members)}",
            "event": name,
            "timestamp": f"2026-11-{rng.randrange(1, 22):02d}T{rng.randrange(24):02d}:10:11.123Z",
            "properties": {
                "product_id": f"P{rng.randrange(5000)}",
                "category": rng.choice(("heels", "flats", "boots")),
                "price": rng.randrange(100, 9000) / 100,
                "quantity": rng.randrange(1, 4),
            },
        }


def _request(host: str, write_key: str, calls: Sequence[dict[str, object]]) -> bytes:
    body = msgspec.json.encode({"batch": calls, "writeKey": write_key})
    head = f"POST /v1/batch HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def fire(url: str, requests: Sequence[bytes]) -> float:
    """Send all requests over a few connections, each answer read before the next; returns the seconds taken.

    Raises: RuntimeError where an answer is not 200.
    """
    parts = urlsplit(url)
    waiting = list(reversed(requests))

    async def run_connection() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            while waiting:
                writer.write(waiting.pop())
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise RuntimeError(f"answered {head[:40]!r}: {body[:300]!r}")
        finally:
            writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(run_connection())
    return time.perf_counter() - began
