"""LINE: push to one, multicast to at most 500, reply to whoever spoke; verified webhooks; quota read back.

Every push and multicast carries its X-Line-Retry-Key from the first attempt on: LINE keeps it for 24 hours and answers
409 to a request that it has accepted, so a repeated request is harmless as long as its bytes are the same.
Source: Messaging API docs, "Retry failed API requests", read 2026-11.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from regulars.channels.line import limits, rendering, webhooks
from regulars.channels.sending import Answered, Lost, NotSent, Sender, Timeouts
from regulars.messaging.ports import ChannelState, Content, Happening, Outcome, Request, Result, Trouble

_PUSH: Final = "/v2/bot/message/push"
_MULTICAST: Final = "/v2/bot/message/multicast"
_REPLY: Final = "/v2/bot/message/reply"
_PAUSE_SECONDS: Final = 1.0
_QUOTA_SECONDS: Final = 60.0
"""LINE reserves messages while it delivers, so a quota may seem used up and be there a minute later."""
_DETAIL_MAX: Final = 300


class LineChannel:
    """One channel of the Messaging API. Several may be open, each with its own connections and pace."""

    kind = "line"
    is_keyed = True
    key_seconds_max = limits.KEY_SECONDS_MAX
    many_max = limits.MULTICAST_MAX

    def __init__(self, base_url: str, access_token: str, secret: str, timeouts: Timeouts | None = None) -> None:
        self._token = access_token
        self._secret = secret
        self._sender = Sender(self.kind, base_url, limits.RATES, timeouts or Timeouts())

    def check(self, content: Content) -> Sequence[Trouble]:
        """What LINE would refuse this content for."""
        return rendering.check_content(content)

    def render(self, key: UUID, content: Content, addresses: Sequence[str], headers: Mapping[str, str]) -> Request:
        """A push to one, a multicast to more. Raises: ValueError for no addresses, repeated ones, more than 500."""
        if not 0 < len(set(addresses)) == len(addresses) <= self.many_max:
            raise ValueError(f"1 to {self.many_max} different addresses, not {len(addresses)}")
        to: str | list[str] = addresses[0] if len(addresses) == 1 else list(addresses)
        body = msgspec.json.encode({"to": to, "messages": rendering.render_messages(content)})
        return Request(key, _PUSH if isinstance(to, str) else _MULTICAST, body, tuple(addresses))

    def render_reply(self, key: UUID, content: Content, reply_token: str) -> Request | None:
        """A reply: free, once, within about a minute of what was said."""
        body = {"replyToken": reply_token, "messages": rendering.render_messages(content)}
        return Request(key, _REPLY, msgspec.json.encode(body), ())

    async def send(self, request: Request) -> Result:
        """One attempt. A reply has no retry key: LINE refuses one there."""
        headers = self._headers()
        if request.path != _REPLY:
            headers["X-Line-Retry-Key"] = str(request.key)
        endpoint = request.path.rpartition("/")[2]
        answer = await self._sender.request("POST", endpoint, request.path, headers=headers, body=request.body)
        match answer:
            case NotSent():
                return Result(Outcome.RETRY, "unreachable", answer.detail, answer.retry_after_seconds)
            case Lost():
                return Result(Outcome.UNKNOWN, "no_reply", answer.detail)
            case Answered(status=429):
                result = _judge_429(answer)
                if result.outcome is Outcome.RETRY:
                    self._sender.pause(endpoint, _PAUSE_SECONDS)
                return result
            case Answered():
                return _judge(answer, request.addresses)

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
        """Verify the raw bytes, then read them. Raises: WebhookRefused, WebhookUnreadable."""
        return webhooks.read_webhook(self._secret, headers, body)

    async def register_webhook(self, url: str) -> ChannelState:
        """Set the webhook's address; LINE's console still has the switch that lets it be used."""
        answer = await self._sender.request(
            "PUT",
            "webhook",
            "/v2/bot/channel/webhook/endpoint",
            headers=self._headers(),
            body=msgspec.json.encode({"endpoint": url}),
        )
        is_set = isinstance(answer, Answered) and answer.status == 200
        return ChannelState(is_set, "webhooks come to us" if is_set else _describe(answer))

    async def probe(self) -> ChannelState:
        """Who the token belongs to, how many messages a month are included or allowed, how many were used."""
        answer, info = await self._get("/v2/bot/info")
        if info is None:
            return ChannelState(False, _describe(answer))
        _, quota = await self._get("/v2/bot/message/quota")
        _, used = await self._get("/v2/bot/message/quota/consumption")
        limited = quota is not None and quota.get("type") == "limited"
        return ChannelState(
            True,
            f"{info.get('displayName')} ({info.get('basicId')})",
            name=str(info.get("basicId") or info.get("userId") or ""),
            quota=_read_count(quota, "value") if limited else None,
            consumption=_read_count(used, "totalUsage"),
        )

    async def close(self) -> None:
        """Give connections back."""
        await self._sender.close()

    async def _get(self, path: str) -> tuple[Answered | NotSent | Lost, dict[str, Any] | None]:
        answer = await self._sender.request("GET", "info", path, headers=self._headers())
        return answer, _read_body(answer) if isinstance(answer, Answered) and answer.status == 200 else None

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}


def _judge(answer: Answered, addresses: Sequence[str]) -> Result:
    """What a status other than 429 means."""
    status, told = answer.status, _read_body(answer)
    detail = _tell(told)
    match status:
        case 200 | 202 | 409:
            return Result(Outcome.ACCEPTED, message_id=_find_message_id(answer, told), status=status)
        case 400:
            return Result(
                Outcome.REJECTED, "invalid", detail, status=status, blocked_addresses=_find_wrong(told, addresses)
            )
        case 401:
            return Result(Outcome.REJECTED, "unauthorized", detail, status=status)
        case 403:
            return Result(Outcome.REJECTED, "forbidden", detail, status=status)
        case 410:
            return Result(Outcome.REJECTED, "gone", detail, status=status)
        case _ if status >= 500:
            return Result(Outcome.UNKNOWN, "server_error", detail, status=status)
        case _:
            return Result(Outcome.REJECTED, "invalid", detail or f"status {status}", status=status)


def _judge_429(answer: Answered) -> Result:
    """LINE means three things by 429 and says which in a sentence: the month is over, too fast, too many at once."""
    detail = _tell(_read_body(answer))
    said = detail.lower()
    if "monthly limit" in said or "additional messages" in said:
        return Result(Outcome.QUOTA, "quota", detail, _QUOTA_SECONDS, status=429)
    reason = "too_many_at_once" if "concurrent" in said else "rate"
    return Result(Outcome.RETRY, reason, detail, _PAUSE_SECONDS, status=429)


def _find_message_id(answer: Answered, told: Mapping[str, Any]) -> str | None:
    """The first message's id; of a multicast, the id of the request that was accepted."""
    sent: Any = told.get("sentMessages")
    if isinstance(sent, list) and sent and isinstance(sent[0], dict):
        return str(cast("dict[str, Any]", sent[0]).get("id"))
    return answer.headers.get("x-line-accepted-request-id") or answer.headers.get("x-line-request-id")


def _find_wrong(told: Mapping[str, Any], addresses: Sequence[str]) -> tuple[str, ...]:
    """The addresses that LINE names as wrong: `to` of a push, `to[3]` of a multicast."""
    details: Any = told.get("details")
    named = {
        str(cast("dict[str, Any]", one).get("property"))
        for one in (cast("list[Any]", details) if isinstance(details, list) else [])
        if isinstance(one, dict)
    }
    if len(addresses) == 1 and "to" in named:
        return (addresses[0],)
    return tuple(address for place, address in enumerate(addresses) if f"to[{place}]" in named)


def _tell(told: Mapping[str, Any]) -> str:
    """LINE's sentence and the details to it."""
    details: Any = told.get("details")
    parts = [str(told.get("message") or "")]
    for one in cast("list[Any]", details) if isinstance(details, list) else []:
        if isinstance(one, dict):
            detail = cast("dict[str, Any]", one)
            parts.append(f"{detail.get('property')}: {detail.get('message')}")
    return "; ".join(part for part in parts if part)[:_DETAIL_MAX]


def _describe(answer: Answered | NotSent | Lost) -> str:
    if isinstance(answer, Answered):
        return f"LINE answered {answer.status}: {_tell(_read_body(answer))}"
    return f"LINE {answer.detail}"


def _read_body(answer: Answered) -> dict[str, Any]:
    try:
        told: Any = msgspec.json.decode(answer.body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def _read_count(told: Mapping[str, Any] | None, name: str) -> int | None:
    value = told.get(name) if told else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
