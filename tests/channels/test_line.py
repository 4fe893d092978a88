"""LINE: what is rendered is what its SDK knows, what is answered is understood, and webhooks are read as its SDK does."""

import asyncio
import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from linebot.v3 import WebhookParser
from linebot.v3.messaging import MulticastRequest, PushMessageRequest, ReplyMessageRequest

from regulars.channels.line.adapter import LineChannel
from regulars.channels.line.limits import ALT_TEXT_MAX, RATES, TEXT_MAX
from regulars.channels.sending import Timeouts
from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import (
    Button,
    Buttons,
    Card,
    Cards,
    Content,
    HappeningKind,
    Image,
    Outcome,
    Request,
    Result,
    Text,
    Voucher,
)
from tests.channels import faulty
from tests.channels.contents import HELLO, KINDS

USER = "U" + "0" * 32
OTHER = "U" + "1" * 32
SECRET = "channel-secret"
KEY = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")


def line(base_url: str = "https://api.line.me") -> LineChannel:
    return LineChannel(base_url, "TOKEN", SECRET, Timeouts(0.5, 0.5))


def without_nothing(value: Any) -> Any:
    """The SDK writes `null`, or `false`, for what is not there; we write neither."""
    if isinstance(value, dict):
        return {name: without_nothing(inner) for name, inner in value.items() if inner not in (None, False)}
    return [without_nothing(inner) for inner in value] if isinstance(value, list) else value


# --- rendering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_the_sdk_knows_all_that_is_rendered(name: str) -> None:
    """It raises on wrong messages, and drops what it does not know: nothing is dropped."""
    content = KINDS[name]
    assert line().check(content) == []
    push = json.loads(line().render(KEY, content, [USER], {}).body)
    many = json.loads(line().render(KEY, content, [USER, OTHER], {}).body)
    reply = line().render_reply(KEY, content, "token")
    assert reply is not None
    for model, body in (
        (PushMessageRequest, push),
        (MulticastRequest, many),
        (ReplyMessageRequest, json.loads(reply.body)),
    ):
        assert without_nothing(model.from_dict(body).to_dict()) == body
    assert (push["to"], many["to"]) == (USER, [USER, OTHER])
    assert push["messages"] == many["messages"]


def test_all_blocks_travel_in_one_request_with_the_replies_below_the_last() -> None:
    messages = json.loads(line().render(KEY, KINDS["all"], [USER], {}).body)["messages"]
    assert [one["type"] for one in messages] == ["image", "text", "template", "flex"]
    assert [len(one.get("quickReply", {}).get("items", [])) for one in messages] == [0, 0, 0, 3]
    actions = [one["action"] for one in messages[-1]["quickReply"]["items"]]
    assert actions == [
        {"type": "uri", "label": "看看", "uri": "https://example.com/heels"},
        {"type": "postback", "label": "要", "data": "yes", "displayText": "要"},
        {"type": "postback", "label": "之後", "data": "之後", "displayText": "之後"},
    ]


def test_buttons_that_fit_no_template_are_a_bubble() -> None:
    kinds = {
        name: json.loads(line().render(KEY, KINDS[name], [USER], {}).body)["messages"][0]["type"]
        for name in ("buttons", "long buttons", "many buttons")
    }
    assert kinds == {"buttons": "template", "long buttons": "flex", "many buttons": "flex"}


def test_the_same_content_is_the_same_bytes() -> None:
    for content in KINDS.values():
        assert line().render(KEY, content, [USER], {}).body == line().render(KEY, content, [USER], {}).body


def test_addresses_must_be_different_and_at_most_five_hundred() -> None:
    many = [f"U{number:032x}" for number in range(501)]
    assert line().render(KEY, HELLO, many[:500], {}).path.endswith("/multicast")
    for wrong in ([], [USER, USER], many):
        with pytest.raises(ValueError, match="different addresses"):
            line().render(KEY, HELLO, wrong, {})


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (Content((Text("字" * (TEXT_MAX + 1)),)), "/blocks/0/text", "too_long"),
        (Content((Text("👠" * (TEXT_MAX // 2 + 1)),)), "/blocks/0/text", "too_long"),
        (Content((Text("a"),) * 6), "/blocks", "too_many"),
        (Content((Text("a"),), quick_replies=(Button("x"),) * 14), "/quick_replies", "too_many"),
        (Content((Text("a"),), quick_replies=(Button("字" * 21),)), "/quick_replies/0/label", "too_long"),
        (Content((Image("http://example.com/1.png"),)), "/blocks/0/url", "address_invalid"),
        (Content((Image("not an address"),)), "/blocks/0/url", "address_invalid"),
        (Content((Image("https://"),)), "/blocks/0/url", "address_invalid"),
        (
            Content((Image("https://a.example", preview_url="https://a.example/" + "x" * 2000),)),
            "/blocks/0/preview_url",
            "too_long",
        ),
        (Content((Image("https://a.example", link="ftp://a.example"),)), "/blocks/0/link", "address_invalid"),
        (
            Content((Buttons("a", (Button("x", url="javascript:alert(1)"),)),)),
            "/blocks/0/buttons/0/url",
            "address_invalid",
        ),
        (Content((Buttons("a", (Button("x", data="d" * 301),)),)), "/blocks/0/buttons/0/data", "too_long"),
        (Content((Buttons("a", (Button("字" * 41),)),)), "/blocks/0/buttons/0/label", "too_long"),
        (Content((Cards((Card("t"),) * 13),)), "/blocks/0/cards", "too_many"),
        (Content((Cards((Card("t", "長" * 4000),) * 12),)), "/blocks/0", "too_large"),
        (Content((Cards((Card("t", image_url="x"),)),)), "/blocks/0/cards/0/image_url", "address_invalid"),
        (Content((Voucher("t", "c" * 40_000),)), "/blocks/0", "too_large"),
    ],
)
def test_what_line_would_refuse_is_named_before(content: Content, path: str, code: str) -> None:
    assert (path, code) in {(trouble.path, trouble.code) for trouble in line().check(content)}


def test_limits_are_reached_exactly() -> None:
    full = Content(
        (Text("字" * TEXT_MAX),) * 5, quick_replies=tuple(Button("字" * 20, data="d" * 300) for _ in range(13))
    )
    assert line().check(full) == []


def test_a_notification_is_cut_between_characters() -> None:
    content = Content((Cards((Card("t"),), alt="👠" * 300),))
    alt = json.loads(line().render(KEY, content, [USER], {}).body)["messages"][0]["altText"]
    assert alt.endswith("👠…")
    assert len(alt.encode("utf-16-le")) // 2 <= ALT_TEXT_MAX


# --- sending --------------------------------------------------------------------------------------------------------


def attempt(behave: faulty.Behave, request: Request | None = None) -> Result:
    async def run() -> Result:
        async with faulty.serve(behave) as url:
            channel = line(url)
            try:
                return await channel.send(request or channel.render(KEY, HELLO, [USER], {}))
            finally:
                await channel.close()

    return asyncio.run(run())


def error(message: str, *properties: str) -> bytes:
    return json.dumps(
        {"message": message, "details": [{"property": one, "message": "invalid"} for one in properties]}
    ).encode()


@pytest.mark.parametrize(
    ("behave", "outcome", "reason"),
    [
        (faulty.answer(400, error("The request body has 1 error(s)", "messages[0].text")), Outcome.REJECTED, "invalid"),
        (
            faulty.answer(401, error("Authentication failed due to the following reason: x")),
            Outcome.REJECTED,
            "unauthorized",
        ),
        (
            faulty.answer(403, error("Access to this API is not available for your account")),
            Outcome.REJECTED,
            "forbidden",
        ),
        (faulty.answer(404, error("Not found")), Outcome.REJECTED, "invalid"),
        (faulty.answer(410, error("Gone")), Outcome.REJECTED, "gone"),
        (faulty.answer(413, b""), Outcome.REJECTED, "invalid"),
        (faulty.answer(302, b"", "location: http://elsewhere.example"), Outcome.REJECTED, "invalid"),
        (faulty.answer(429, error("You have reached your monthly limit.")), Outcome.QUOTA, "quota"),
        (faulty.answer(429, error("The API rate limit has been exceeded. Try again later.")), Outcome.RETRY, "rate"),
        (faulty.answer(429, error("Too many concurrent operations")), Outcome.RETRY, "too_many_at_once"),
        (faulty.answer(429, b"not json"), Outcome.RETRY, "rate"),
        (faulty.answer(500, b"<html>"), Outcome.UNKNOWN, "server_error"),
        (faulty.answer(503, b""), Outcome.UNKNOWN, "server_error"),
        (faulty.hang_up, Outcome.UNKNOWN, "no_reply"),
        (faulty.say_nothing, Outcome.UNKNOWN, "no_reply"),
        (faulty.cut_the_answer, Outcome.ACCEPTED, None),
    ],
)
def test_every_answer_has_one_meaning(behave: faulty.Behave, outcome: Outcome, reason: str | None) -> None:
    result = attempt(behave)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert "TOKEN" not in str(result)
    assert (result.retry_after_seconds is not None) == (outcome in (Outcome.RETRY, Outcome.QUOTA))


def test_what_was_accepted_has_a_name() -> None:
    sent = attempt(faulty.answer(200, b'{"sentMessages":[{"id":"461","quoteToken":"q"}]}'))
    assert (sent.outcome, sent.message_id) == (Outcome.ACCEPTED, "461")
    again = attempt(
        faulty.answer(409, error("The retry key is already accepted"), "X-Line-Accepted-Request-Id: request-1")
    )
    assert (again.outcome, again.message_id, again.status) == (Outcome.ACCEPTED, "request-1", 409)


def test_addresses_that_line_calls_wrong_are_named() -> None:
    many = line().render(KEY, HELLO, [USER, OTHER], {})
    assert attempt(faulty.answer(400, error("invalid", "to[1]")), many).blocked_addresses == (OTHER,)
    assert attempt(faulty.answer(400, error("invalid", "to"))).blocked_addresses == (USER,)
    assert attempt(faulty.answer(400, error("invalid", "messages[0].text"))).blocked_addresses == ()


def test_a_channel_that_cannot_be_reached_is_tried_again() -> None:
    async def run() -> Result:
        channel = line(f"http://127.0.0.1:{faulty.free_port()}")
        return await channel.send(channel.render(KEY, HELLO, [USER], {}))

    result = asyncio.run(run())
    assert (result.outcome, result.reason) == (Outcome.RETRY, "unreachable")


def test_the_retry_key_is_sent_from_the_first_attempt_and_never_on_a_reply() -> None:
    """The bytes are those that were rendered."""
    seen: list[tuple[str, dict[str, str], bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await faulty.read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()

    reply = line().render_reply(KEY, HELLO, "reply-token")
    assert reply is not None
    requests = [line().render(KEY, HELLO, [USER], {}), line().render(KEY, HELLO, [USER, OTHER], {}), reply]
    for request in requests:
        attempt(behave, request)
    assert [one[0] for one in seen] == [
        f"POST /v2/bot/message/{path} HTTP/1.1" for path in ("push", "multicast", "reply")
    ]
    assert [one[1].get("x-line-retry-key") for one in seen] == [str(KEY), str(KEY), None]
    assert all(one[1]["authorization"] == "Bearer TOKEN" for one in seen)
    assert [one[2] for one in seen] == [request.body for request in requests]


def test_a_rate_limit_makes_the_whole_endpoint_pause() -> None:
    async def run() -> None:
        async with faulty.serve(
            faulty.answer(429, error("The API rate limit has been exceeded. Try again later."))
        ) as url:
            channel = line(url)
            await channel.send(channel.render(KEY, HELLO, [USER], {}))
            bucket = channel._sender._ensure_gate("push")[0].bucket  # pyright: ignore[reportPrivateUsage]
            assert bucket is not None
            assert bucket.reserve(asyncio.get_running_loop().time()) > 0.9
            await channel.close()

    asyncio.run(run())
    assert RATES["multicast"].per_second == 200


# --- webhooks -------------------------------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "mode": "active",
        "timestamp": 1_764_000_000_123,
        "source": {"type": "user", "userId": USER},
        "webhookEventId": f"01J{kind}",
        "deliveryContext": {"isRedelivery": False},
        **fields,
    }


def sign(body: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


EVENTS = [
    event("follow", follow={"isUnblocked": True}, replyToken="r1"),
    event("unfollow"),
    event("message", message={"type": "text", "id": "1", "text": "你好", "quoteToken": "q"}, replyToken="r2"),
    event("message", message={"type": "sticker", "id": "2", "stickerId": "1", "packageId": "1", "stickerResourceType": "STATIC", "quoteToken": "q"}, replyToken="r3"),
    event("postback", postback={"data": "yes"}, replyToken="r4", deliveryContext={"isRedelivery": True}),
    event("accountLink", link={"result": "ok", "nonce": "n-1"}, replyToken="r5"),
    event("accountLink", link={"result": "failed", "nonce": "n-1"}, replyToken="r6"),
    event("messageEdited", source={"type": "group", "groupId": "C1", "userId": USER}),
    event("join", source={"type": "group", "groupId": "C1"}, replyToken="r7"),
    event("message", mode="standby", message={"type": "text", "id": "3", "text": "x", "quoteToken": "q"}),
]  # fmt: skip


def test_webhooks_are_read_as_the_sdk_reads_them() -> None:
    body = json.dumps({"destination": "U" + "9" * 32, "events": EVENTS}).encode()
    happenings = line().read_webhook({"X-Line-Signature": sign(body)}, body)
    kinds = ["followed", "blocked", "said", "said", "pressed", "linked", "other", "other", "other", "other"]
    assert [one.kind for one in happenings] == kinds
    assert [one.text for one in happenings[2:4]] == ["你好", None]
    assert (happenings[4].data, happenings[4].redelivered) == ("yes", True)
    assert happenings[5].link_token == "n-1"
    assert happenings[0].data == "unblocked"
    assert happenings[0].at == datetime(2025, 11, 24, 16, 0, 0, 123_000, UTC)
    parsed: Any = WebhookParser(SECRET).parse(body.decode(), sign(body))
    for ours, theirs in zip(happenings, parsed, strict=True):
        assert ours.key == theirs.webhook_event_id
        assert ours.at.timestamp() * 1000 == pytest.approx(theirs.timestamp)
        assert ours.reply_token == getattr(theirs, "reply_token", None)
        assert ours.redelivered == theirs.delivery_context.is_redelivery
        if ours.kind is not HappeningKind.OTHER:
            assert ours.address == theirs.source.user_id


def test_the_verify_button_sends_no_events() -> None:
    body = b'{"destination":"U","events":[]}'
    assert line().read_webhook({"x-line-signature": sign(body)}, body) == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-line-signature": ""}, {"x-line-signature": sign(b"{}", "other")}, {"x-line-signature": "é"}],
)
def test_what_is_not_signed_by_the_channel_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused, match="signature"):
        line().read_webhook(headers, b'{"events":[]}')


def test_a_signature_is_over_the_raw_bytes() -> None:
    signature = sign(b'{"events": []}')
    with pytest.raises(WebhookRefused):
        line().read_webhook({"x-line-signature": signature}, b'{"events":[]}')


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"events":{}}', b"\xff"])
def test_signed_nonsense_is_unreadable(body: bytes) -> None:
    with pytest.raises(WebhookUnreadable):
        line().read_webhook({"x-line-signature": sign(body)}, body)


def test_events_of_no_known_shape_are_kept_and_harm_nobody() -> None:
    odd: list[Any] = [
        {},
        {"type": 7, "source": [], "timestamp": "soon"},
        "text",
        {"type": "message", "source": {"type": "user", "userId": USER}},
    ]
    body = json.dumps({"events": odd}).encode()
    happenings = line().read_webhook({"x-line-signature": sign(body)}, body)
    assert [one.kind for one in happenings] == ["other", "other", "said"]
    assert len({one.key for one in happenings}) == 3
    again = line().read_webhook({"x-line-signature": sign(body)}, body)
    assert [one.key for one in again] == [one.key for one in happenings]
