"""The one HTTP client of all channels that speak HTTP: a pool, a pace for each endpoint, and three certain answers.

    Answered   the other side said something; what that means is the adapter's to say
    NotSent    it certainly got nothing: it could not be reached, or it is being left alone
    Lost       it may have got it: the request was on its way when the reply failed

A request goes out once. Whether it goes again is decided where its outcome is kept. Addresses are the owner's word, so
loopback is fine, but redirects are not followed: they would carry credentials to whoever is named. No text of an error
goes into what is told: a vendor's address may hold a token.
"""

import asyncio
import errno
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

import aiohttp

from regulars.channels.metering import Meter
from regulars.channels.pacing import Gate, Rate

ANSWER_BYTES_MAX: Final = 1 << 20
CONNECTIONS_MAX: Final = 100
IDLE_SECONDS: Final = 4.0
"""Shorter than servers keep an idle connection: one that they close as we use it makes an outcome uncertain."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A response; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing arrived, for sure."""

    detail: str
    retry_after_seconds: float


@dataclass(frozen=True, slots=True)
class Lost:
    """It may have arrived."""

    detail: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a channel may take."""

    connect_seconds: float = 5.0
    reply_seconds: float = 10.0


class Sender:
    """One vendor's API at one address. Belongs to the event loop that uses it first.

    `rates` are by endpoint; an endpoint that is not named there has no pace of its own.
    """

    def __init__(
        self,
        channel: str,
        base_url: str,
        rates: Mapping[str, Rate],
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        self._channel = channel
        self._base_url = base_url.rstrip("/")
        self._rates = rates
        self._timeouts = timeouts
        self._gates: dict[str, tuple[Gate, Meter]] = {}
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, endpoint: str, path: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answered | NotSent | Lost:
        """One attempt. `endpoint` is what limits and counters go by, `path` what is asked for."""
        gate, meter = self._ensure_gate(endpoint)
        if seconds := await gate.pass_through():
            meter.count("held")
            return NotSent("this endpoint is being left alone for a while", seconds)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            answer = await self._attempt(method, path, headers, body)
        except BaseException:
            gate.breaker.forget()
            raise
        gate.breaker.record(loop.time(), isinstance(answer, Answered) and answer.status < 500)
        meter.show_circuit(gate.breaker.is_open)
        meter.count(_name_outcome(answer))
        meter.time(loop.time() - started)
        return answer

    def pause(self, endpoint: str, seconds: float) -> None:
        """Send nothing more to an endpoint for so long: it said that it was too much."""
        bucket = self._ensure_gate(endpoint)[0].bucket
        if bucket is not None:
            bucket.pause(asyncio.get_running_loop().time(), seconds)

    async def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _ensure_gate(self, endpoint: str) -> tuple[Gate, Meter]:
        known = self._gates.get(endpoint)
        if known is None:
            known = self._gates[endpoint] = Gate(self._rates.get(endpoint)), Meter(self._channel, endpoint)
        return known

    async def _attempt(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answered | NotSent | Lost:
        trace = SimpleNamespace(is_sent=False)
        try:
            async with asyncio.timeout(self._timeouts.connect_seconds + self._timeouts.reply_seconds):
                async with self._ensure_session().request(
                    method,
                    f"{self._base_url}{path}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    trace_request_ctx=trace,
                ) as response:
                    return Answered(
                        response.status,
                        {name.lower(): value for name, value in response.headers.items()},
                        await _read_body(response),
                    )
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if trace.is_sent:
                return Lost(f"no reply: {_describe(error)}")
            return NotSent(f"cannot be reached: {_describe(error)}", 1.0)

    def _ensure_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_headers_sent.append(_note_sent)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=IDLE_SECONDS),
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=self._timeouts.connect_seconds, sock_read=self._timeouts.reply_seconds
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[tracing],
                headers={"User-Agent": "regulars"},
            )
        return self._session


async def _note_sent(_session: Any, context: Any, _params: Any) -> None:
    """From here on the other side may have the request."""
    context.trace_request_ctx.is_sent = True


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    """At most ANSWER_BYTES_MAX of it; what is cut off on its way is as good as empty, for the status is known."""
    parts: list[bytes] = []
    room = ANSWER_BYTES_MAX
    try:
        while room and (part := await response.content.read(room)):
            parts.append(part)
            room -= len(part)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return b""
    return b"".join(parts)


def _name_outcome(answer: Answered | NotSent | Lost) -> str:
    match answer:
        case Answered():
            return f"{answer.status // 100}xx" if answer.status != 429 else "429"
        case NotSent():
            return "not_sent"
        case Lost():
            return "lost"


def _describe(error: BaseException) -> str:
    """What went wrong, without the text of the error: that may quote an address with a token in it."""
    cause: object = getattr(error, "os_error", None) or error
    number = getattr(cause, "errno", None)
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {cause.reason or type(cause).__name__}"
    if isinstance(number, int) and number in errno.errorcode:
        return errno.errorcode[number]
    return type(cause).__name__
