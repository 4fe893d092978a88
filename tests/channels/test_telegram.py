"""Telegram: what is rendered is what aiogram's types take, what is answered is understood, updates are read as aiogram does."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from aiogram.methods import SendMediaGroup, SendMessage, SendPhoto
from aiogram.types import Update

from regulars.channels.sending import Timeouts
from regulars.channels.telegram.adapter import TelegramChannel
from regulars.channels.telegram.limits import CALLBACK_BYTES_MAX, CAPTION_MAX, TEXT_MAX
from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import (
    Button,
    Buttons,
    Card,
    Cards,
    Content,
    Image,
    Outcome,
    Request,
    Result,
    Text,
    Voucher,
)
from tests.channels import faulty
from tests.channels.contents import HELLO, KINDS

TOKEN = "123456:SECRET-token"
SECRET = "webhook_secret"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
KEY = uuid.UUID("123e4567-e89b-12d3-a456-426614174000")
METHODS = {"sendMessage": SendMessage, "sendPhoto": SendPhoto, "sendMediaGroup": SendMediaGroup}


def telegram(base_url: str = "https://api.telegram.org") -> TelegramChannel:
    return TelegramChannel(base_url, TOKEN, SECRET, lambda: NOW, timeouts=Timeouts(0.5, 0.5))


def calls(content: Content, chat: str = "4711") -> list[tuple[str, dict[str, Any]]]:
    request = telegram().render(KEY, content, [chat], {})
    return list(zip(request.path.split(","), map(json.loads, request.body.split(b"\n")), strict=True))


# --- rendering ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_aiogram_takes_all_that_is_rendered(name: str) -> None:
    content = KINDS[name]
    assert telegram().check(content) == []
    for method, parameters in calls(content):
        model = METHODS[method].model_validate(parameters)
        assert not model.model_extra
        told = model.model_dump(exclude_unset=True, exclude_none=True, mode="json", warnings=False)
        assert told["chat_id"] == 4711


def test_contents_become_few_messages() -> None:
    assert {name: [method for method, _ in calls(content)] for name, content in KINDS.items()} == {
        "text": ["sendMessage"],
        "image": ["sendPhoto"],
        "pressed image": ["sendPhoto"],
        "previewed image": ["sendPhoto"],
        "buttons": ["sendMessage"],
        "long buttons": ["sendMessage"],
        "many buttons": ["sendMessage"],
        "cards": ["sendPhoto", "sendPhoto", "sendMessage"],
        "pictures": ["sendMediaGroup"],
        "voucher": ["sendMessage"],
        "bare voucher": ["sendMessage"],
        "all": ["sendPhoto", "sendMessage", "sendMessage"],
    }


def test_a_picture_takes_the_text_below_it_as_its_caption_where_that_fits() -> None:
    picture, text = Image("https://example.com/1.png"), Buttons("字" * CAPTION_MAX, (Button("x", data="y"),))
    ((method, photo),) = calls(Content((picture, text)))
    assert method == "sendPhoto"
    assert photo["caption"] == text.text
    assert photo["reply_markup"] == {"inline_keyboard": [[{"text": "x", "callback_data": "y"}]]}
    assert len(calls(Content((picture, Text("字" * (CAPTION_MAX + 1)))))) == 2
    assert len(calls(Content((picture, Text("a"), Text("b"))))) == 2


def test_quick_replies_stand_below_the_last_message() -> None:
    last = calls(KINDS["all"])[-1][1]["reply_markup"]["inline_keyboard"]
    assert last == [
        [{"text": "看看", "url": "https://example.com/heels"}],
        [{"text": "要", "callback_data": "yes"}],
        [{"text": "之後", "callback_data": "之後"}],
    ]
    album = Content(KINDS["pictures"].blocks, quick_replies=(Button("x"),))
    assert [method for method, _ in calls(album)] == ["sendPhoto"] * 3, "an album can have no buttons"


def test_texts_are_plain_and_a_code_is_marked_where_it_stands() -> None:
    ((_, message),) = calls(Content((Voucher("<b>九折</b> 👠", "A&B", "今年"),)))
    assert message["text"] == "<b>九折</b> 👠\nA&B\n今年"
    assert "parse_mode" not in message
    units = message["text"].encode("utf-16-le")
    bold, code = message["entities"]
    pieces = [
        units[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode("utf-16-le") for one in (bold, code)
    ]
    assert pieces == ["<b>九折</b> 👠", "A&B"]


def test_a_channel_is_written_to_by_its_name() -> None:
    ((_, message),) = calls(HELLO, "@wanhua_shop")
    assert message["chat_id"] == "@wanhua_shop"
    ((_, message),) = calls(HELLO, "-1001234567890")
    assert message["chat_id"] == -1001234567890


@pytest.mark.parametrize(
    ("content", "path", "code"),
    [
        (Content((Text("字" * (TEXT_MAX + 1)),)), "/blocks/0/text", "too_long"),
        (Content((Text("👠" * (TEXT_MAX // 2 + 1)),)), "/blocks/0/text", "too_long"),
        (Content((Text("a"),) * 13), "/blocks", "too_many"),
        (Content((Image("file:///etc/passwd"),)), "/blocks/0/url", "address_invalid"),
        (Content((Buttons("a", (Button("x", data="字" * 22),)),)), "/blocks/0/buttons/0/data", "too_long"),
        (Content((Buttons("a", (Button("字" * 22),)),)), "/blocks/0/buttons/0/label", "too_long"),
        (Content((Buttons("a", (Button("x", url="tel:119"),)),)), "/blocks/0/buttons/0/url", "address_invalid"),
        (Content((Cards((Card("t", "字" * CAPTION_MAX, "https://a.example"),)),)), "/blocks/0/cards/0", "too_long"),
        (Content((Text("a"),), quick_replies=(Button("x", data="d" * 65),)), "/quick_replies/0/data", "too_long"),
        (Content((Voucher("t", "c" * TEXT_MAX),)), "/blocks/0", "too_long"),
    ],
)
def test_what_telegram_would_refuse_is_named_before(content: Content, path: str, code: str) -> None:
    assert (path, code) in {(trouble.path, trouble.code) for trouble in telegram().check(content)}


def test_limits_are_reached_exactly() -> None:
    button = Button("x", data="d" * CALLBACK_BYTES_MAX)
    assert telegram().check(Content((Buttons("字" * TEXT_MAX, (button,)),))) == []


# --- sending --------------------------------------------------------------------------------------------------------


def attempt(behave: faulty.Behave, request: Request | None = None) -> Result:
    async def run() -> Result:
        async with faulty.serve(behave) as url:
            channel = telegram(url)
            try:
                return await channel.send(request or channel.render(KEY, HELLO, ["4711"], {}))
            finally:
                await channel.close()

    return asyncio.run(run())


def refusal(code: int, description: str, **parameters: int) -> faulty.Behave:
    told = {"ok": False, "error_code": code, "description": description, "parameters": parameters}
    return faulty.answer(code, json.dumps(told).encode())


OK = faulty.answer(200, b'{"ok":true,"result":{"message_id":17,"date":1,"chat":{"id":4711,"type":"private"}}}')


@pytest.mark.parametrize(
    ("behave", "outcome", "reason", "is_blocked"),
    [
        (OK, Outcome.ACCEPTED, None, False),
        (refusal(400, "Bad Request: message text is empty"), Outcome.REJECTED, "invalid", False),
        (refusal(400, "Bad Request: chat not found"), Outcome.REJECTED, "gone", True),
        (refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=-1), Outcome.REJECTED, "gone", True),
        (refusal(401, "Unauthorized"), Outcome.REJECTED, "unauthorized", False),
        (refusal(404, "Not Found"), Outcome.REJECTED, "unauthorized", False),
        (refusal(403, "Forbidden: bot was blocked by the user"), Outcome.REJECTED, "blocked", True),
        (refusal(403, "Forbidden: user is deactivated"), Outcome.REJECTED, "gone", True),
        (refusal(403, "Forbidden: bot can't initiate conversation with a user"), Outcome.REJECTED, "blocked", True),
        (refusal(403, "Forbidden: bot is not a member of the channel chat"), Outcome.REJECTED, "forbidden", False),
        (refusal(429, "Too Many Requests: retry after 7", retry_after=7), Outcome.RETRY, "rate", False),
        (refusal(502, "Bad Gateway"), Outcome.UNKNOWN, "server_error", False),
        (faulty.answer(500, b"<html>"), Outcome.UNKNOWN, "server_error", False),
        (faulty.hang_up, Outcome.UNKNOWN, "no_reply", False),
        (faulty.say_nothing, Outcome.UNKNOWN, "no_reply", False),
        (faulty.cut_the_answer, Outcome.ACCEPTED, None, False),
    ],
)  # fmt: skip
def test_every_answer_has_one_meaning(
    behave: faulty.Behave, outcome: Outcome, reason: str | None, is_blocked: bool
) -> None:
    result = attempt(behave)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.blocked_addresses == (("4711",) if is_blocked else ())
    assert "SECRET" not in str(result)


def test_what_is_told_beside_the_outcome() -> None:
    assert attempt(OK).message_id == "17"
    assert attempt(refusal(429, "Too Many Requests: retry after 7", retry_after=7)).retry_after_seconds == 7


def test_the_token_is_in_no_error() -> None:
    async def run() -> Result:
        channel = telegram(f"http://127.0.0.1:{faulty.free_port()}")
        assert "SECRET" not in str(await channel.probe())
        assert "SECRET" not in repr(channel)
        return await channel.send(channel.render(KEY, HELLO, ["4711"], {}))

    result = asyncio.run(run())
    assert (result.outcome, result.reason) == (Outcome.RETRY, "unreachable")
    assert "SECRET" not in str(result)


def attempt_three(behaviours: Sequence[faulty.Behave]) -> tuple[Result, list[str]]:
    """The three messages of the cards, met one after the other by these."""
    met: list[str] = []
    left = list(behaviours)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n"))[:-2]
        met.append(head.decode().split()[1].rpartition("/")[2])
        await left.pop(0)(reader, writer)

    return attempt(behave, telegram().render(KEY, KINDS["cards"], ["4711"], {})), met


def test_a_content_of_several_messages_waits_in_its_middle() -> None:
    """The second is told to come again after a second, and does; the first is not sent twice."""
    result, met = attempt_three([OK, refusal(429, "Too Many Requests", retry_after=1), OK, OK])
    assert (result.outcome, result.reason) == (Outcome.ACCEPTED, None)
    assert met == ["sendPhoto", "sendPhoto", "sendPhoto", "sendMessage"]


def test_what_was_begun_and_cannot_be_ended_is_accepted_in_part() -> None:
    for fault in (
        faulty.hang_up,
        refusal(403, "Forbidden: bot was blocked by the user"),
        refusal(429, "Too Many Requests", retry_after=300),
    ):
        result, met = attempt_three([OK, fault])
        assert (result.outcome, result.reason, len(met)) == (Outcome.ACCEPTED, "partial", 2)
        assert result.detail and result.detail.startswith("the first 1 of its messages")


def test_what_was_not_begun_is_as_one_message() -> None:
    result, met = attempt_three([refusal(429, "Too Many Requests", retry_after=1)])
    assert (result.outcome, len(met)) == (Outcome.RETRY, 1)
    result, met = attempt_three([faulty.hang_up])
    assert (result.outcome, len(met)) == (Outcome.UNKNOWN, 1)


# --- updates --------------------------------------------------------------------------------------------------------

CHAT = {"id": 4711, "type": "private", "first_name": "Ada"}
USER = {"id": 4711, "is_bot": False, "first_name": "Ada"}
BOT = {"id": 123456, "is_bot": True, "first_name": "Shop"}


def message(text: str | None, **fields: Any) -> dict[str, Any]:
    told = {"message_id": 1, "date": 1_764_000_000, "chat": CHAT, "from": USER, **fields}
    return {"update_id": 9, "message": told | ({"text": text} if text is not None else {})}


def member(status: str, chat: dict[str, Any] = CHAT) -> dict[str, Any]:
    extra = {"until_date": 0} if status == "kicked" else {}
    return {
        "update_id": 9,
        "my_chat_member": {
            "chat": chat,
            "from": USER,
            "date": 1_764_000_000,
            "old_chat_member": {"user": BOT, "status": "member"},
            "new_chat_member": {"user": BOT, "status": status, **extra},
        },
    }


PRESS = {"update_id": 9, "callback_query": {"id": "c", "from": USER, "chat_instance": "i", "data": "yes"}}
GROUP = {"id": -5, "type": "group", "title": "g"}


@pytest.mark.parametrize(
    ("update", "kinds"),
    [
        (message("你好"), ["said"]),
        (message(None, photo=[]), ["said"]),
        (message("/start"), ["followed"]),
        (message("/start abc-123_X"), ["linked", "followed"]),
        (message("/start@shop_bot abc-123_X"), ["linked", "followed"]),
        (message("/started abc"), ["said"]),
        (message("hi", chat=GROUP), ["other"]),
        (PRESS, ["pressed"]),
        (member("kicked"), ["blocked"]),
        (member("member"), ["followed"]),
        (member("kicked", GROUP), ["other"]),
        ({"update_id": 9, "poll": {"id": "1"}}, ["other"]),
        ({"update_id": 9}, ["other"]),
    ],
)
def test_updates_are_read(update: dict[str, Any], kinds: list[str]) -> None:
    body = json.dumps(update).encode()
    happenings = telegram().read_webhook({"X-Telegram-Bot-Api-Secret-Token": SECRET}, body)
    assert [one.kind for one in happenings] == kinds
    assert len({one.key for one in happenings}) == len(kinds)
    if kinds[0] in ("said", "followed", "blocked", "pressed", "linked"):
        assert {one.address for one in happenings} == {"4711"}
        expected = NOW if kinds == ["pressed"] else datetime(2025, 11, 24, 16, tzinfo=UTC)
        assert {one.at for one in happenings} == {expected}


def test_what_updates_say() -> None:
    read = telegram().read_webhook
    headers = {"x-telegram-bot-api-secret-token": SECRET}
    linked, _ = read(headers, json.dumps(message("/start abc-123_X")).encode())
    assert linked.link_token == "abc-123_X"
    (pressed,) = read(headers, json.dumps(PRESS).encode())
    assert pressed.data == "yes"
    (said,) = read(headers, json.dumps(message("你好")).encode())
    assert said.text == "你好"


def test_the_updates_of_these_tests_are_telegrams() -> None:
    """aiogram reads them too: the tests do not make up a protocol."""
    for update in (message("x"), PRESS, member("kicked"), member("member")):
        Update.model_validate(update)


@pytest.mark.parametrize(
    "headers", [{}, {"x-telegram-bot-api-secret-token": "other"}, {"x-telegram-bot-api-secret-token": "é"}]
)
def test_who_does_not_know_the_secret_token_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(WebhookRefused):
        telegram().read_webhook(headers, json.dumps(PRESS).encode())


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b"\xff"])
def test_nonsense_with_the_secret_token_is_unreadable(body: bytes) -> None:
    with pytest.raises(WebhookUnreadable):
        telegram().read_webhook({"x-telegram-bot-api-secret-token": SECRET}, body)
