"""Telegram's rules: its words for what is wrong, lengths, keyboards, membership, updates."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.channels.simulator.driving import Driven, make_png

INLINE = {
    "inline_keyboard": [[{"text": "看看", "url": "https://example.com"}, {"text": "收藏", "callback_data": "like"}]]
}


def refusal(driven: Driven, method: str, body: Any) -> tuple[int, str]:
    told = driven.telegram(method, body)
    assert told.body["ok"] is False and told.body["error_code"] == told.status
    return told.status, told.body["description"]


def test_a_message_is_answered_as_a_message(driven: Driven) -> None:
    told = driven.telegram("sendMessage", {"chat_id": 101, "text": " <b>您好</b> 😀", "parse_mode": "HTML"}).body[
        "result"
    ]
    assert told["text"] == "您好 😀"
    assert told["entities"] == [{"type": "bold", "offset": 0, "length": 2}]
    assert told["chat"] == {"id": 101, "type": "private", "first_name": "會員 1"}
    assert told["from"]["is_bot"] is True
    again = driven.telegram("sendMessage", {"chat_id": "101", "text": "x"}).body["result"]
    assert again["message_id"] == told["message_id"] + 1
    post = driven.telegram("sendMessage", {"chat_id": "@Shop", "text": "新品"}).body["result"]
    assert (post["chat"]["type"], post["chat"]["username"], post["sender_chat"]["id"]) == (
        "channel", "shop", post["chat"]["id"],
    )  # fmt: skip


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "nobody": ("sendMessage", {"chat_id": 999, "text": "x"}, "Bad Request: chat not found"),
    "no chat": ("sendMessage", {"text": "x"}, "Bad Request: chat_id is empty"),
    "no text": ("sendMessage", {"chat_id": 101}, "Bad Request: message text is empty"),
    "blank": ("sendMessage", {"chat_id": 101, "text": " \n"}, "Bad Request: message text is empty"),
    "4,097": ("sendMessage", {"chat_id": 101, "text": "x" * 4097}, "Bad Request: message is too long"),
    "object": ("sendMessage", {"chat_id": 101, "text": {}}, 'Bad Request: field "text" must be of type String'),
    "tag": (
        "sendMessage",
        {"chat_id": 101, "text": "您<p>x</p>", "parse_mode": "HTML"},
        "Bad Request: can't parse entities: Unsupported start tag \"p\" at byte offset 3",
    ),
    "open": (
        "sendMessage",
        {"chat_id": 101, "text": "<b>x", "parse_mode": "HTML"},
        "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
    ),
    "mode": ("sendMessage", {"chat_id": 101, "text": "x", "parse_mode": "BB"}, "Bad Request: unsupported parse_mode"),
    "caption": (
        "sendPhoto",
        {"chat_id": 101, "photo": "https://example.com/a.jpg", "caption": "x" * 1025},
        "Bad Request: message caption is too long",
    ),
    "no photo": ("sendPhoto", {"chat_id": 101}, "Bad Request: there is no photo in the request"),
    "data": (
        "sendMessage",
        {"chat_id": 101, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "callback_data": "好" * 22}]]}},
        "Bad Request: BUTTON_DATA_INVALID",
    ),
    "dead button": (
        "sendMessage",
        {"chat_id": 101, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
        "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
    ),
    "script": (
        "sendMessage",
        {"chat_id": 101, "text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a", "url": "javascript:x"}]]}},
        "Bad Request: inline keyboard button URL 'javascript:x' is invalid: Wrong HTTP URL",
    ),
    "markup": (
        "sendMessage",
        {"chat_id": 101, "text": "x", "reply_markup": "{"},
        "Bad Request: can't parse reply markup JSON object",
    ),
    "album": ("sendMediaGroup", {"chat_id": 101, "media": []}, "Bad Request: there are no media in the request"),
    "edit": (
        "editMessageText",
        {"chat_id": 101, "message_id": 7, "text": "x"},
        "Bad Request: message to edit not found",
    ),
    "delete": ("deleteMessage", {"chat_id": 101, "message_id": 7}, "Bad Request: message to delete not found"),
    "query": (
        "answerCallbackQuery",
        {"callback_query_id": "1"},
        "Bad Request: query is too old and response timeout expired or query ID is invalid",
    ),
    "secret": (
        "setWebhook",
        {"url": "https://example.com", "secret_token": "a b"},
        "Bad Request: secret token contains unallowed characters: only characters A-Z, a-z, 0-9, _ and - are allowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_in_telegrams_words(driven: Driven, name: str) -> None:
    method, body, words = BAD[name]
    assert refusal(driven, method, body) == (400, words)
    assert driven.texts("101") == []


def test_who_blocked_or_never_started_is_403(driven: Driven) -> None:
    driven.control("POST", "block", {"channel": "telegram", "id": 101})
    driven.control("POST", "people", {"channel": "telegram", "ids": ["103"], "friend": False})
    words = (403, "Forbidden: bot was blocked by the user")
    assert refusal(driven, "sendMessage", {"chat_id": 101, "text": "x"}) == words
    words = (403, "Forbidden: bot can't initiate conversation with a user")
    assert refusal(driven, "sendMessage", {"chat_id": 103, "text": "x"}) == words
    driven.control("POST", "follow", {"channel": "telegram", "id": 103, "payload": "abc"})
    assert driven.telegram("sendMessage", {"chat_id": 103, "text": "x"}).status == 200


def test_tokens_and_methods(driven: Driven) -> None:
    assert driven.telegram("noSuchMethod").status == 404
    assert driven.telegram("GETME").body["result"]["is_bot"] is True, "case does not matter"
    driven.bot.token, token = "7:wrong", driven.bot.token
    told = driven.telegram("getMe")
    assert (told.status, told.body["description"]) == (401, "Unauthorized")
    driven.bot.token = token
    assert token not in json.dumps(driven.control("GET", "requests")), "the log tells no token"


def test_parameters_come_in_any_form(driven: Driven) -> None:
    form = urlencode({"chat_id": 101, "text": "表單", "reply_markup": json.dumps(INLINE)}).encode()
    told = driven.telegram("sendMessage", form, content_type="application/x-www-form-urlencoded")
    assert told.body["result"]["reply_markup"] == INLINE
    parts = b'--x\r\nContent-Disposition: form-data; name="chat_id"\r\n\r\n101\r\n'
    parts += b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    photo = driven.telegram(
        "sendPhoto", parts + make_png() + b"\r\n--x--\r\n", content_type="multipart/form-data; boundary=x"
    )
    sizes = photo.body["result"]["photo"]
    assert (sizes[0]["width"], sizes[0]["height"]) == (1200, 800)
    file = driven.telegram("getFile", {"file_id": sizes[0]["file_id"]}).body["result"]
    assert file["file_size"] == len(make_png())
    again = driven.telegram("sendPhoto", {"chat_id": 102, "photo": sizes[0]["file_id"]})
    assert again.body["result"]["photo"] == sizes


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 3000 + b"]" * 3000),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n"),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--x--"),
        ("application/x-www-form-urlencoded", b"a=\xff"),
    ],
)
def test_a_form_that_cannot_be_read(driven: Driven, content_type: str, body: bytes) -> None:
    assert driven.telegram("sendMessage", body, content_type=content_type).status == 400


def test_a_message_is_changed_and_taken_back(driven: Driven) -> None:
    sent = driven.telegram("sendMessage", {"chat_id": 101, "text": "甲", "reply_markup": INLINE}).body["result"]
    where = {"chat_id": 101, "message_id": sent["message_id"]}
    same = refusal(driven, "editMessageText", {**where, "text": "甲", "reply_markup": INLINE})
    assert same[1].startswith("Bad Request: message is not modified")
    changed = driven.telegram("editMessageText", {**where, "text": "乙"}).body["result"]
    assert changed["text"] == "乙" and "reply_markup" not in changed and changed["edit_date"]
    assert driven.texts("101") == ["乙"]
    driven.control("POST", "say", {"channel": "telegram", "id": "101", "text": "丙"})
    theirs = {"chat_id": 101, "message_id": sent["message_id"] + 1, "text": "x"}
    assert refusal(driven, "editMessageText", theirs) == (400, "Bad Request: message can't be edited")
    assert driven.telegram("deleteMessage", where).body == {"ok": True, "result": True}
    assert driven.texts("101") == []


def test_updates_wait_for_who_asks(driven: Driven) -> None:
    driven.control("POST", "follow", {"channel": "telegram", "id": "103", "payload": "abc_1"})
    driven.telegram("sendMessage", {"chat_id": 103, "text": "選", "reply_markup": INLINE})
    driven.control("POST", "press", {"channel": "telegram", "id": "103", "label": "收藏"})
    driven.control("POST", "block", {"channel": "telegram", "id": "103"})
    driven.control("POST", "block", {"channel": "telegram", "id": "103"})
    updates = driven.telegram("getUpdates").body["result"]
    assert [next(iter(set(one) - {"update_id"})) for one in updates] == ["message", "callback_query", "my_chat_member"]
    assert updates[0]["message"]["text"] == "/start abc_1"
    query = updates[1]["callback_query"]
    assert (query["data"], query["message"]["text"]) == ("like", "選")
    answered = {"callback_query_id": query["id"]}
    assert driven.telegram("answerCallbackQuery", answered).body["result"] is True
    assert driven.telegram("answerCallbackQuery", answered).status == 400
    assert updates[2]["my_chat_member"]["new_chat_member"]["status"] == "kicked"
    rest = driven.telegram("getUpdates", {"offset": updates[1]["update_id"]}).body["result"]
    assert [one["update_id"] for one in rest] == [one["update_id"] for one in updates[1:]]
    driven.telegram("setWebhook", {"url": "http://127.0.0.1:9/", "allowed_updates": ["message"]})
    assert refusal(driven, "getUpdates", {})[1].startswith(
        "Conflict: can't use getUpdates method while webhook is active"
    )
    driven.telegram("deleteWebhook", {"drop_pending_updates": True})
    driven.control("POST", "unblock", {"channel": "telegram", "id": "103"})
    assert driven.telegram("getUpdates").body["result"] == [], "only messages were asked for"


def test_a_reply_keyboard_speaks_for_the_person(driven: Driven) -> None:
    keyboard = {"keyboard": [["22", {"text": "電話", "request_contact": True}]]}
    driven.telegram("sendMessage", {"chat_id": 101, "text": "尺寸", "reply_markup": keyboard})
    driven.control("POST", "press", {"channel": "telegram", "id": "101", "label": "22"})
    driven.control("POST", "press", {"channel": "telegram", "id": "101", "label": "電話"})
    said = [one["message"] for one in driven.telegram("getUpdates").body["result"]]
    assert said[0]["text"] == "22" and said[1]["contact"]["user_id"] == 101


def test_the_published_rates_say_when_to_come_again(driven: Driven) -> None:
    driven.control("PUT", "faults", {"published_rates": True})
    assert driven.telegram("sendMessage", {"chat_id": 101, "text": "x"}).status == 200
    told = driven.telegram("sendMessage", {"chat_id": 101, "text": "x"})
    assert (told.status, told.body["parameters"]) == (429, {"retry_after": 1})
    assert told.body["description"] == "Too Many Requests: retry after 1"
    assert driven.telegram("sendMessage", {"chat_id": 102, "text": "x"}).status == 200
    driven.wait(seconds=1)
    assert driven.telegram("sendMessage", {"chat_id": 101, "text": "x"}).status == 200
