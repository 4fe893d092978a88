"""LINE's webhooks: verified over the raw bytes, then read. What is not known is kept and never an error.

Source: Messaging API docs, "Verify webhook signature" and "Receive messages", read 2026-08. An event keeps its id when it
is delivered again; events of new types appear without notice.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import Happening, HappeningKind

_SIGNATURE: Final = "x-line-signature"


def read_webhook(secret: str, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
    """What happened; nothing where the console only tries the address. Raises: WebhookRefused, WebhookUnreadable."""
    given = next((value for name, value in headers.items() if name.lower() == _SIGNATURE), None)
    if given is None:
        raise WebhookRefused("there is no x-line-signature header")
    signed = base64.b64encode(hmac.digest(secret.encode(), body, hashlib.sha256))
    if not hmac.compare_digest(signed, given.encode("utf-8", "replace")):
        raise WebhookRefused("the signature does not fit this channel's secret")
    try:
        told: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise WebhookUnreadable("the webhook is signed, but it is not JSON") from None
    events: Any = cast("dict[str, Any]", told).get("events") if isinstance(told, dict) else None
    if not isinstance(events, list):
        raise WebhookUnreadable("the webhook is signed, but it has no events")
    return [
        _read_event(cast("dict[str, Any]", event)) for event in cast("list[Any]", events) if isinstance(event, dict)
    ]


def _read_event(event: dict[str, Any]) -> Happening:
    source = _get_object(event, "source")
    address = str(source.get("userId") or source.get("groupId") or source.get("roomId") or "")
    kind, text, data, link_token = HappeningKind.OTHER, None, None, None
    if address and source.get("type") == "user" and event.get("mode") != "standby":
        kind, text, data, link_token = _tell(event)
    token = event.get("replyToken")
    return Happening(
        kind,
        key=str(event.get("webhookEventId") or hashlib.sha256(msgspec.json.encode(event, order="sorted")).hexdigest()),
        address=address,
        at=_read_instant(event.get("timestamp")),
        text=text,
        data=data,
        reply_token=token if isinstance(token, str) and token else None,
        link_token=link_token,
        redelivered=_get_object(event, "deliveryContext").get("isRedelivery") is True,
        raw=event,
    )


def _tell(event: dict[str, Any]) -> tuple[HappeningKind, str | None, str | None, str | None]:
    """Kind, text, data and link token of what one person did."""
    match event.get("type"):
        case "follow":
            is_back = _get_object(event, "follow").get("isUnblocked") is True
            return HappeningKind.FOLLOWED, None, "unblocked" if is_back else None, None
        case "unfollow":
            return HappeningKind.BLOCKED, None, None, None
        case "message":
            message = _get_object(event, "message")
            text = message.get("text")
            said = text if message.get("type") == "text" and isinstance(text, str) else None
            return HappeningKind.SAID, said, None, None
        case "postback":
            return HappeningKind.PRESSED, None, str(_get_object(event, "postback").get("data") or ""), None
        case "accountLink":
            link = _get_object(event, "link")
            if link.get("result") == "ok" and isinstance(link.get("nonce"), str):
                return HappeningKind.LINKED, None, None, link["nonce"]
        case _:
            pass
    return HappeningKind.OTHER, None, None, None


def _get_object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read_instant(milliseconds: object) -> datetime:
    """The epoch where none is told: then nothing is newer than what is known."""
    try:
        return datetime.fromtimestamp(int(cast("int", milliseconds)) / 1000, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
