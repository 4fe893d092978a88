"""Sending what the platforms have to tell: signed, in order for each person, again where it was not taken.

LINE waits two seconds and may deliver again later, out of order; Telegram keeps at it until the update is taken, and what
comes after it from the same person waits. Neither follows redirects here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import aiohttp

from regulars.channels.simulator.state.hooks import Headers, Hooks, Outgoing
from regulars.channels.simulator.state.moments import show_instant

HOOK_SECONDS_MAX: Final = 2.0
TELEGRAM_SECONDS_MAX: Final = 60.0
AT_ONCE_MAX: Final = 32
"""Requests under way to one account's webhook."""
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 0.5, 60.0
REPLY_BYTES_MAX: Final = 1024 * 1024

Sender = tuple[str, str, str]
"""Channel, account and person: what comes of one stays in order."""


class HookSender:
    """Sends for one world, inside one event loop, from `start` to `stop`."""

    def __init__(self, hooks: Hooks, now: Callable[[], float]) -> None:
        self._hooks = hooks
        self._now = now
        self._queues: dict[Sender, deque[Outgoing]] = {}
        self._room: dict[tuple[str, str], asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin to send."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._hooks.send = self._put

    async def stop(self) -> None:
        """Give up what is under way."""
        self._hooks.send = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _put(self, outgoing: Outgoing) -> None:
        sender = (outgoing.channel, outgoing.account, outgoing.person)
        queue = self._queues.get(sender)
        if queue is None:
            queue = self._queues[sender] = deque()
            self._spawn(self._run(sender, queue))
        queue.append(outgoing)

    async def _run(self, sender: Sender, queue: deque[Outgoing]) -> None:
        """One person's events, one after the other, until there are no more."""
        while queue:
            outgoing = queue.popleft()
            if outgoing.retries_for_ever:
                await self._send_until_taken(outgoing)
            elif await self._attempt(outgoing, HOOK_SECONDS_MAX):
                self._hooks.settle(outgoing, "delivered")
            else:
                self._redeliver(outgoing)
        del self._queues[sender]

    def _redeliver(self, outgoing: Outgoing) -> None:
        """Send it again later, or give it up."""
        waits = outgoing.hook.redelivery_seconds if outgoing.hook.is_redelivering else ()
        number = len(outgoing.attempts) - 1
        if outgoing.hook.url is None or not 0 <= number < len(waits):
            self._hooks.settle(outgoing, "failed")
            return

        async def wait() -> None:
            await asyncio.sleep(waits[number])
            self._put(outgoing)

        self._spawn(wait())

    async def _send_until_taken(self, outgoing: Outgoing) -> None:
        wait = RETRY_SECONDS_MIN
        while outgoing.hook.url is not None:
            if await self._attempt(outgoing, TELEGRAM_SECONDS_MAX):
                self._hooks.settle(outgoing, "delivered")
                return
            await asyncio.sleep(wait)
            wait = min(wait * 2, RETRY_SECONDS_MAX)
        self._hooks.settle(outgoing, "dropped")
        if outgoing.on_drop is not None:
            outgoing.on_drop()

    async def _attempt(self, outgoing: Outgoing, seconds_max: float) -> bool:
        """Whether the receiver took it: any 2xx in time."""
        url = outgoing.hook.url
        if url is None or self._session is None:
            return False
        room = self._room.setdefault((outgoing.channel, outgoing.account), asyncio.Semaphore(AT_ONCE_MAX))
        async with room:
            body, headers = outgoing.build(bool(outgoing.attempts))
            began, at = time.monotonic(), self._now()
            status, error = await self._post(url, body, headers, seconds_max)
        outgoing.attempts.append(
            {
                "at": show_instant(at),
                "status": status,
                "error": error,
                "milliseconds": round((time.monotonic() - began) * 1000, 1),
            }
        )
        return status is not None and 200 <= status < 300

    async def _post(self, url: str, body: bytes, headers: Headers, seconds_max: float) -> tuple[int | None, str | None]:
        assert self._session is not None
        timeout = aiohttp.ClientTimeout(total=seconds_max)
        try:
            async with self._session.post(
                url, data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as answer:
                await answer.content.read(REPLY_BYTES_MAX)
                return answer.status, None
        except TimeoutError:
            return None, "request_timeout"
        except (aiohttp.ClientError, ValueError, OSError) as error:
            return None, f"could_not_connect: {type(error).__name__}"[:200]
