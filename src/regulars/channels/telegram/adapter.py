"""Telegram's Bot API over JSON. There are no idempotency keys: what may have arrived is not sent again.

The bot's token is part of every address; no address, and no text of an error that could quote one, is ever told.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from regulars.channels.pacing import Rate
from regulars.channels.sending import Answered, Lost, NotSent, Sender, Timeouts
from regulars.channels.telegram import limits, rendering, webhooks
from regulars.kernel.clock import Clock
from regulars.messaging.ports import ChannelState, Content, Happening, Outcome, Request, Result, Trouble

_ENDPOINT: Final = "send"
_ATTEMPTS_MAX: Final = 4
_RETRY_SECONDS: Final = 1.0
_DETAIL_MAX: Final = 300
_GONE: Final = ("chat not found", "user is deactivated", "peer_id_invalid", "user not found", "group chat was upgraded")
_BLOCKED: Final = (
    "bot was blocked",
    "can't initiate conversation",
    "bot was kicked",
    "bots can't send messages to bots",
)


class TelegramChannel:
    """One bot."""

    kind = "telegram"
    is_keyed = False
    key_seconds_max = 0
    many_max = 1

    def __init__(
        self,
        base_url: str,
        token: str,
        secret_token: str,
        clock: Clock,
        messages_per_second: float = limits.MESSAGES_PER_SECOND,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._token = token
        self._secret_token = secret_token
        self._clock = clock
        rates = {_ENDPOINT: Rate(messages_per_second, burst=max(messages_per_second, 1))}
        self._sender = Sender(self.kind, base_url, rates, timeouts or Timeouts())

    def check(self, content: Content) -> Sequence[Trouble]:
        """What Telegram would refuse this content for."""
        return rendering.check_content(content)

    def render(self, key: UUID, content: Content, addresses: Sequence[str], headers: Mapping[str, str]) -> Request:
        """Calls to one chat: their methods in `path`, their parameters in `body`, one a line. Raises: ValueError."""
        (address,) = addresses
        chat: int | str = int(address) if address.lstrip("-").isdigit() else address
        calls = [(method, {"chat_id": chat, **parameters}) for method, parameters in rendering.render_calls(content)]
        path = ",".join(method for method, _ in calls)
        return Request(key, path, b"\n".join(msgspec.json.encode(one) for _, one in calls), (address,))

    def render_reply(self, key: UUID, content: Content, reply_token: str) -> Request | None:
        """None: on Telegram every message is free, and there is nothing to answer with."""
        return None

    async def send(self, request: Request) -> Result:
        """One attempt. A content of several calls that was begun is accepted, `partial` where it could not be ended."""
        first: Result | None = None
        for number, (method, body) in enumerate(zip(request.path.split(","), request.body.split(b"\n"), strict=True)):
            result = await self._call(method, body, request.addresses, is_begun=first is not None)
            if first is None:
                if result.outcome is not Outcome.ACCEPTED:
                    return result
                first = result
            elif result.outcome is not Outcome.ACCEPTED:
                detail = f"the first {number} of its messages: {result.detail or result.reason}"
                return replace(first, reason="partial", detail=detail, blocked_addresses=result.blocked_addresses)
        assert first is not None, "a content has at least one block"
        return first

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
        """Check the secret token, then read. Raises: WebhookRefused, WebhookUnreadable."""
        return webhooks.read_webhook(self._secret_token, headers, body, self._clock())

    async def register_webhook(self, url: str) -> ChannelState:
        """Have updates sent there, with our secret token and the updates that we read."""
        asked = {"url": url, "secret_token": self._secret_token, "allowed_updates": list(webhooks.UPDATES)}
        answer = await self._ask("setWebhook", msgspec.json.encode(asked), "webhook")
        is_set = isinstance(answer, Answered) and answer.status == 200
        return ChannelState(is_set, "updates come to us" if is_set else _describe(answer))

    async def probe(self) -> ChannelState:
        """Which bot the token belongs to."""
        answer = await self._ask("getMe", b"{}", "info")
        if not isinstance(answer, Answered) or answer.status != 200:
            return ChannelState(False, _describe(answer))
        bot = _read_body(answer).get("result")
        name = str(cast("dict[str, Any]", bot).get("username") or "") if isinstance(bot, dict) else ""
        return ChannelState(True, f"@{name}", name=name)

    async def close(self) -> None:
        """Give connections back."""
        await self._sender.close()

    async def _call(self, method: str, body: bytes, addresses: tuple[str, ...], *, is_begun: bool) -> Result:
        """One message; in the middle of a content, waiting where Telegram asks to."""
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            answer = await self._ask(method, body, _ENDPOINT)
            result = _judge(answer, addresses)
            wait = result.retry_after_seconds
            if result.outcome is not Outcome.RETRY or wait is None:
                return result
            if result.reason == "rate":
                self._sender.pause(_ENDPOINT, min(wait, _RETRY_SECONDS))
            if not is_begun or wait > limits.HELD_SECONDS_MAX or attempt == _ATTEMPTS_MAX:
                return result
            await asyncio.sleep(wait)
        raise AssertionError("the last attempt returns")

    async def _ask(self, method: str, body: bytes, endpoint: str) -> Answered | NotSent | Lost:
        headers = {"Content-Type": "application/json"}
        return await self._sender.request("POST", endpoint, f"/bot{self._token}/{method}", headers=headers, body=body)


def _judge(answer: Answered | NotSent | Lost, addresses: tuple[str, ...]) -> Result:
    """What an answer means."""
    if isinstance(answer, NotSent):
        return Result(Outcome.RETRY, "unreachable", answer.detail, answer.retry_after_seconds)
    if isinstance(answer, Lost):
        return Result(Outcome.UNKNOWN, "no_reply", answer.detail)
    status, told = answer.status, _read_body(answer)
    detail = str(told.get("description") or f"status {status}")[:_DETAIL_MAX]
    if status == 200:
        return Result(Outcome.ACCEPTED, message_id=_find_message_id(told), status=status)
    if status == 429:
        return Result(Outcome.RETRY, "rate", detail, _find_retry_after(told), status=status)
    if status >= 500:
        return Result(Outcome.UNKNOWN, "server_error", detail, status=status)
    said = detail.lower()
    if status in (400, 403) and any(words in said for words in _GONE):
        return Result(Outcome.REJECTED, "gone", detail, status=status, blocked_addresses=addresses)
    if status == 403:
        is_blocked = any(words in said for words in _BLOCKED)
        blocked = addresses if is_blocked else ()
        return Result(
            Outcome.REJECTED, "blocked" if is_blocked else "forbidden", detail, status=status, blocked_addresses=blocked
        )
    # A token of no bot is answered 401, one that cannot be a token 404.
    reason = "unauthorized" if status in (401, 404) else "invalid"
    return Result(Outcome.REJECTED, reason, detail, status=status)


def _find_message_id(told: Mapping[str, Any]) -> str | None:
    """Of one message, or the first of an album."""
    result: Any = told.get("result")
    if isinstance(result, list) and result:
        result = cast("list[Any]", result)[0]
    return str(cast("dict[str, Any]", result).get("message_id")) if isinstance(result, dict) else None


def _find_retry_after(told: Mapping[str, Any]) -> float:
    parameters: Any = told.get("parameters")
    seconds: Any = cast("dict[str, Any]", parameters).get("retry_after") if isinstance(parameters, dict) else None
    return float(seconds) if isinstance(seconds, int | float) and seconds > 0 else _RETRY_SECONDS


def _read_body(answer: Answered) -> dict[str, Any]:
    try:
        told: Any = msgspec.json.decode(answer.body or b"{}")
    except msgspec.DecodeError:
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def _describe(answer: Answered | NotSent | Lost) -> str:
    if isinstance(answer, Answered):
        return f"Telegram answered {answer.status}: {str(_read_body(answer).get('description') or '')[:_DETAIL_MAX]}"
    return f"Telegram {answer.detail}"
