"""Telegram's updates: known by the secret token that we gave with the webhook. What is not known is kept.

`/start TOKEN`, which a deep link makes of one tap, says two things: whose chat this is, and that they started the bot.
Source: Bot API, "Update" and "Deep linking", read 2026-11.
"""

import hmac
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

import msgspec

from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import Happening, HappeningKind

UPDATES: Final = ("message", "callback_query", "my_chat_member")
"""What we ask for; `my_chat_member` tells of blocks."""
_SECRET: Final = "x-telegram-bot-api-secret-token"


def read_webhook(secret_token: str, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Happening]:
    """What happened; `now` is when a press was made, which Telegram does not say. Raises: WebhookRefused, WebhookUnreadable."""
    given = next((value for name, value in headers.items() if name.lower() == _SECRET), None)
    if given is None:
        raise WebhookRefused(f"there is no {_SECRET} header")
    if not hmac.compare_digest(secret_token.encode(), given.encode("utf-8", "replace")):
        raise WebhookRefused("the secret token is not this channel's")
    try:
        update: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise WebhookUnreadable("the update is not JSON") from None
    if not isinstance(update, dict) or "update_id" not in update:
        raise WebhookUnreadable("the update has no update_id")
    return _read_update(cast("dict[str, Any]", update), now)


def _read_update(update: dict[str, Any], now: datetime) -> list[Happening]:
    key = str(update["update_id"])
    message, press, membership = (_get_object(update, name) for name in UPDATES)
    if message and _get_object(message, "chat").get("type") == "private":
        return _read_message(key, message, update, now)
    if press:
        address = str(_get_object(press, "from").get("id") or "")
        kind = HappeningKind.PRESSED if address and press.get("data") is not None else HappeningKind.OTHER
        return [Happening(kind, key, address, now, data=str(press.get("data") or ""), raw=update)]
    if membership and _get_object(membership, "chat").get("type") == "private":
        status = _get_object(membership, "new_chat_member").get("status")
        kinds = {"kicked": HappeningKind.BLOCKED, "member": HappeningKind.FOLLOWED}
        kind = kinds.get(str(status), HappeningKind.OTHER)
        return [Happening(kind, key, _chat_of(membership), _read_instant(membership, now), raw=update)]
    told = next((_get_object(update, name) for name in update if isinstance(update[name], dict)), dict[str, Any]())
    return [Happening(HappeningKind.OTHER, key, _chat_of(told), _read_instant(told, now), raw=update)]


def _read_message(key: str, message: dict[str, Any], update: dict[str, Any], now: datetime) -> list[Happening]:
    text = message.get("text")
    said = text if isinstance(text, str) else None
    address, at = _chat_of(message), _read_instant(message, now)
    command, _, payload = (said or "").partition(" ")
    if command.partition("@")[0] != "/start":
        return [Happening(HappeningKind.SAID, key, address, at, text=said, raw=update)]
    started = Happening(HappeningKind.FOLLOWED, f"{key}/started", address, at, raw=update)
    if not payload.strip():
        return [started]
    return [Happening(HappeningKind.LINKED, key, address, at, link_token=payload.strip(), raw=update), started]


def _chat_of(holder: dict[str, Any]) -> str:
    return str(_get_object(holder, "chat").get("id") or "")


def _get_object(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _read_instant(holder: dict[str, Any], now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(int(holder["date"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return now
