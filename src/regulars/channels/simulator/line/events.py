"""What LINE sends to a webhook: events with their common fields, in a body that is signed as it is.

Source: developers.line.biz "Receive messages (webhook)" and "Verify webhook signature"; types of line/line-openapi's
webhook.yml, read 2026-08.
"""

import base64
import hmac
from typing import Any, Final

import msgspec

from regulars.channels.simulator.state.hooks import Headers, Outgoing
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.people import Person
from regulars.channels.simulator.state.world import World

USER_AGENT: Final = "LineBotWebhook/2.0"
QUOTABLE: Final = ("text", "image", "video", "sticker")
WITHOUT_REPLY: Final = ("unfollow", "unsend", "leave", "memberLeft", "accountUnlink", "botSuspended")


def sign(secret: str, body: bytes) -> str:
    """X-Line-Signature: Base64 of HMAC-SHA256 over the raw body."""
    return base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()


def make_hook_body(account: LineAccount, events: list[dict[str, Any]]) -> tuple[bytes, Headers]:
    """A signed request; no events is what the console's *Verify* sends."""
    body = msgspec.json.encode({"destination": account.user_id, "events": events})
    headers = {
        "content-type": "application/json; charset=utf-8",
        "user-agent": USER_AGENT,
        "x-line-signature": sign(account.secret, body),
    }
    return body, headers


def send_event(world: World, account: LineAccount, person: Person, event: dict[str, Any]) -> Outgoing:
    """Complete an event and send it; `event` may be of a type that LINE has yet to invent."""
    now = world.now()
    complete: dict[str, Any] = {
        "mode": "active",
        "timestamp": int(now * 1000),
        "source": {"type": "user", "userId": person.id},
        "webhookEventId": world.new_ulid(now),
        "deliveryContext": {"isRedelivery": False},
        **event,
    }
    token: str | None = None
    if event["type"] not in WITHOUT_REPLY and "replyToken" not in event:
        token = complete["replyToken"] = account.new_reply_token(world.new_hex(32), person.id, now)

    def build(is_redelivery: bool) -> tuple[bytes, Headers]:
        if is_redelivery and token is not None:
            account.renew_reply_token(token, world.now())
        return make_hook_body(account, [{**complete, "deliveryContext": {"isRedelivery": is_redelivery}}])

    return world.hooks.post(
        at=now,
        channel="line",
        account=account.name,
        person=person.id,
        key=str(complete["webhookEventId"]),
        hook=account.hook,
        build=build,
    )


def follow(world: World, account: LineAccount, person: Person) -> Outgoing:
    """Add the account as a friend, or unblock it."""
    was_blocked, person.friend, person.blocked = person.blocked, True, False
    world.version += 1
    return send_event(world, account, person, {"type": "follow", "follow": {"isUnblocked": was_blocked}})


def block(world: World, account: LineAccount, person: Person) -> Outgoing | None:
    """Block the account; again changes nothing."""
    if person.blocked:
        return None
    person.blocked = True
    world.version += 1
    return send_event(world, account, person, {"type": "unfollow"})


def say(world: World, account: LineAccount, person: Person, message: dict[str, Any]) -> Outgoing:
    """Send a message object to the account."""
    number = world.new_message_id()
    complete = {"id": number, "markAsReadToken": f"r{number}", **message}
    if message.get("type") in QUOTABLE:
        complete.setdefault("quoteToken", f"q{number}")
    world.show(
        person,
        message,
        message_id=number,
        now=world.now(),
        side="member",
        kind="say",
        channel="line",
        account=account.name,
    )
    return send_event(world, account, person, {"type": "message", "message": complete})


def say_picture(world: World, account: LineAccount, person: Person, content: bytes) -> Outgoing:
    """Send a picture, which the account may fetch by the message's id."""
    outgoing = say(world, account, person, {"type": "image", "contentProvider": {"type": "line"}})
    account.keep_content(person.bubbles[-1].id, content)
    return outgoing


def link_account(world: World, account: LineAccount, person: Person, link_token: str, nonce: str) -> Outgoing:
    """Come to the end of account linking: `ok` where the token is theirs and fresh, and used for the first time."""
    holder, until = account.link_tokens.pop(link_token, ("", 0.0))
    result = "ok" if holder == person.id and world.now() <= until else "failed"
    return send_event(world, account, person, {"type": "accountLink", "link": {"result": result, "nonce": nonce}})
