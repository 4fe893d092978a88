"""The web application: whose request it is, faults on the way, and what the log keeps.

A bare ASGI application, since it must answer thousands of requests a second on the core that the sender leaves it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.asked import PREFIX
from regulars.channels.simulator.control import BODY_BYTES_MAX, answer_control
from regulars.channels.simulator.line.calls import LineRefusal
from regulars.channels.simulator.line.routes import RATE_LIMIT, answer_line
from regulars.channels.simulator.page.pages import answer_page
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.world import World
from regulars.channels.simulator.telegram.calls import TelegramRefusal, as_list, as_object, too_many
from regulars.channels.simulator.telegram.methods import answer_telegram
from regulars.channels.simulator.webhooks import HookSender
from regulars.kernel.errors import DomainError, Kind

HELD_SECONDS_MAX: Final = 600
_STATUS: Final = {Kind.INVALID: 400, Kind.NOT_FOUND: 404}
_TRANSPORT: Final = "regulars.transport"
_log = structlog.get_logger()

Platform = Callable[[World, Received, "dict[bytes, bytes]", "dict[str, str]", bytes], Awaitable[Answer]]


class TooLarge(Exception):
    """More bytes than anything here takes."""


class SimulatorProtocol(HttpToolsProtocol):
    """Tells the application its connection, so that a reply can be lost."""

    def on_message_begin(self) -> None:
        """Called by the parser before each request."""
        super().on_message_begin()
        self.scope["extensions"] = {_TRANSPORT: {"transport": self.transport}}


class Simulator:
    """The ASGI application over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._hooks = HookSender(world.hooks, world.now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path.startswith(("/v2/", "/bot/")):
            await self._serve_platform("line", answer_line, scope, receive, send)
        elif path.startswith(("/bot", "/file/bot")):
            await self._serve_platform("telegram", answer_telegram, scope, receive, send)
        else:
            await self._serve_own(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._hooks.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._hooks.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve_platform(
        self, channel: str, platform: Platform, scope: Scope, receive: Receive, send: Send
    ) -> None:
        world = self.world
        try:
            body = await _read_body(receive)
        except TooLarge:
            await _respond(send, json_answer({"message": "Payload Too Large", "ok": False, "error_code": 413}, 413))
            return
        received = world.log.begin(world.now(), channel, scope["method"], scope["path"])
        query = _read_query(scope)
        faults = world.faults
        answer = None if faults.is_quiet else self._refuse(channel, received, body)
        if answer is None:
            answer = await self._handle(channel, platform, received, dict(scope["headers"]), query, body)
            if not faults.is_quiet:
                answer = self._spoil(channel, received, answer)
        received.status = answer.status
        world.log.add(received)
        if faults.slow_ms:
            await asyncio.sleep(faults.slow_ms / 1000)
        if received.reply == "sent":
            await _respond(send, answer)
        elif received.reply == "held":
            await _hold(receive)
        else:
            await _drop(scope)

    async def _handle(
        self,
        channel: str,
        platform: Platform,
        received: Received,
        headers: dict[bytes, bytes],
        query: dict[str, str],
        body: bytes,
    ) -> Answer:
        try:
            return await platform(self.world, received, headers, query, body)
        except Exception as error:  # noqa: BLE001 - a defect of the simulator is shown as the platform's own
            _log.error("simulator.failed", channel=channel, endpoint=received.endpoint, error=repr(error)[:300])
            received.outcome, received.detail = "failed", f"defect of the simulator: {error!r}"[:300]
            return _broken(channel, received)

    def _refuse(self, channel: str, received: Received, body: bytes) -> Answer | None:
        """A fault that leaves the request unhandled."""
        faults, dice = self.world.faults, self.world.dice
        if dice.falls("status_500", faults.status_500):
            fault, received.outcome = "status_500", "failed"
        elif dice.falls("rate_limited", faults.rate_limited):
            fault, received.outcome = "rate_limited", "rate_limited"
        else:
            return None
        received.detail = f"fault {fault}: not handled"
        received.endpoint = received.path.rpartition("/")[2]
        # A path of Telegram's holds the token.
        received.path = received.path if channel == "line" else f"/bot/{received.endpoint}"
        received.recipients = _guess_recipients(body)
        if fault == "status_500":
            return _broken(channel, received)
        return (LineRefusal(429, RATE_LIMIT) if channel == "line" else too_many(1)).to_answer()

    def _spoil(self, channel: str, received: Received, answer: Answer) -> Answer:
        """A fault after the request was handled."""
        faults, dice = self.world.faults, self.world.dice
        if dice.falls("lose_reply", faults.lose_reply):
            received.reply = "lost"
        elif dice.falls("timeout", faults.timeout):
            received.reply = "held"
        elif dice.falls("status_500_handled", faults.status_500_handled):
            received.detail = "fault status_500_handled: handled"
            return _broken(channel, received)
        return answer

    async def _serve_own(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, path, method = dict(scope["headers"]), scope["path"], scope["method"]
        try:
            body = await _read_body(receive, BODY_BYTES_MAX)
            if _is_foreign(headers):
                answer = json_answer({"code": "simulator.foreign_page", "message": "asked by another page"}, 403)
            elif path.startswith(PREFIX):
                answer = answer_control(self.world, method, path, _read_query(scope), body)
            else:
                answer = answer_page(self.world, method, path, _read_query(scope))
        except DomainError as error:
            answer = json_answer(error.to_dict(), _STATUS[error.kind])
        except TooLarge:
            told = f"a body has at most {BODY_BYTES_MAX:,} bytes"
            answer = json_answer({"code": "simulator.invalid", "message": told}, 413)
        await _respond(send, answer)


def _guess_recipients(body: bytes) -> Sequence[str]:
    """To whom a request that nobody handled would have gone, where its body says so in JSON."""
    try:
        given: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ()
    fields = as_object(given)
    to: Any = fields.get("to", fields.get("chat_id"))
    return [str(one) for one in (as_list(to) or [to]) if isinstance(one, str | int)]


def _is_foreign(headers: dict[bytes, bytes]) -> bool:
    """A browser says which page asks; only our own may."""
    origin = headers.get(b"origin")
    return origin is not None and origin.partition(b"://")[2] != headers.get(b"host")


def _broken(channel: str, received: Received) -> Answer:
    if channel == "line":
        answer = LineRefusal(500, "Internal Server Error").to_answer()
        answer.headers.append((b"x-line-request-id", received.request_id.encode()))
        return answer
    return TelegramRefusal(500, "Internal Server Error").to_answer()


async def _read_body(receive: Receive, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    message = await receive()
    if not message.get("more_body"):
        return message.get("body", b"")
    parts, length = [message.get("body", b"")], len(message.get("body", b""))
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
        length += len(parts[-1])
        if length > bytes_max:
            raise TooLarge
    return b"".join(parts)


def _read_query(scope: Scope) -> dict[str, str]:
    raw: bytes = scope["query_string"]
    return dict(parse_qsl(raw.decode("latin-1"), keep_blank_values=True)) if raw else {}


async def _respond(send: Send, answer: Answer) -> None:
    length = str(len(answer.body)).encode()
    headers = [(b"content-type", answer.media_type), (b"content-length", length), *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _hold(receive: Receive) -> None:
    """Say nothing until the caller gives up."""
    try:
        async with asyncio.timeout(HELD_SECONDS_MAX):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


async def _drop(scope: Scope) -> None:
    """Close the connection without a word."""
    extensions: dict[str, Any] = scope.get("extensions", {})
    transport: asyncio.Transport = extensions[_TRANSPORT]["transport"]
    transport.abort()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
