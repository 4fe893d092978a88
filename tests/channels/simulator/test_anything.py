"""Whatever is sent is answered in the platform's own form, never by a defect; and the phones can show it."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regulars.channels.simulator.page.pages import answer_page
from regulars.channels.simulator.telegram.methods import _METHODS
from regulars.kernel.errors import DomainError
from tests.channels.simulator.driving import Driven, make_driven
from tests.support.examples import few

LEAVES: Any = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["U1", "101", "@shop", "HTML", "text", "flex", "<b>x", "https://example.com/", "attach://a", "1"])
)
VALUES: Any = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=5
)  # fmt: skip
LINE_FIELDS = [
    "to",
    "messages",
    "replyToken",
    "userIds",
    "richMenuId",
    "operations",
    "endpoint",
    "limit",
    "areas",
    "size",
]
LINE_PATHS = [
    ("POST", "/v2/bot/message/push"), ("POST", "/v2/bot/message/multicast"), ("POST", "/v2/bot/message/reply"),
    ("POST", "/v2/bot/message/broadcast"), ("POST", "/v2/bot/message/narrowcast"), ("POST", "/v2/bot/richmenu"),
    ("POST", "/v2/bot/message/validate/push"), ("POST", "/v2/bot/richmenu/bulk/link"), ("POST", "/v2/bot/richmenu/batch"),
    ("POST", "/v2/bot/richmenu/alias"), ("PUT", "/v2/bot/channel/webhook/endpoint"), ("POST", "/v2/bot/chat/loading/start"),
    ("GET", "/v2/bot/followers/ids?limit=x"), ("GET", "/v2/bot/message/delivery/push?date=2026"),
]  # fmt: skip
TELEGRAM_FIELDS = [
    "chat_id", "text", "parse_mode", "photo", "caption", "media", "reply_markup", "message_id", "message_ids", "entities",
    "url", "secret_token", "allowed_updates", "offset", "limit", "callback_query_id", "commands", "from_chat_id", "file_id",
]  # fmt: skip
CONTROL = ["people", "follow", "block", "unblock", "say", "press", "event", "link"]
CONTROL_FIELDS = [
    "channel",
    "id",
    "ids",
    "account",
    "text",
    "message",
    "image",
    "event",
    "label",
    "payload",
    "names",
    "url",
]


@pytest.fixture(scope="module")
def world() -> Driven:
    return make_driven()


@settings(max_examples=few(30), deadline=None)
@given(st.sampled_from(LINE_PATHS), st.dictionaries(st.sampled_from(LINE_FIELDS), VALUES, max_size=4))
def test_line_answers_anything(world: Driven, where: tuple[str, str], body: dict[str, Any]) -> None:
    told = world.line(*where, body)
    assert told.headers["x-line-request-id"]
    assert told.status < 300 or told.body["message"]


@settings(max_examples=few(30), deadline=None)
@given(
    st.sampled_from(sorted(set(_METHODS) - {"getUpdates"})),
    st.dictionaries(st.sampled_from(TELEGRAM_FIELDS), VALUES, max_size=5),
)
def test_telegram_answers_anything(world: Driven, method: str, body: dict[str, Any]) -> None:
    told = world.telegram(method, body)
    assert told.body["ok"] is (told.status == 200)
    assert told.status == 200 or told.body["description"]
    assert told.status != 500


@settings(max_examples=few(30), deadline=None)
@given(
    st.sampled_from(CONTROL),
    st.dictionaries(
        st.sampled_from(CONTROL_FIELDS), VALUES | st.sampled_from(["line", "telegram", "main"]), max_size=5
    ),
)
def test_the_control_answers_anything(world: Driven, name: str, body: dict[str, Any]) -> None:
    try:
        world.control("POST", name, body)
    except DomainError as error:
        assert error.message
    for path in ("messages", "people", "totals", "webhooks", "requests"):
        world.control("GET", path, channel="line")


@settings(max_examples=few(30), deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["type", "text", "photo", "contentProvider"]), VALUES, max_size=4
    )
)
@example({"type": "flex"})
@example({"type": "template", "template": {"type": "carousel", "columns": 5}})
def test_the_phones_show_anything_that_is_said(world: Driven, message: dict[str, Any]) -> None:
    for channel, person in (("line", "U2"), ("telegram", "102")):
        asked = {"channel": channel, "id": person, "message": {"type": "text", **message}}
        try:
            world.control("POST", "say", asked)
        except DomainError:
            continue
        shown = answer_page(world.world, "GET", "/phones", {"pick": f"{channel}/main/{person}"})
        assert "phones" in json.loads(shown.body)
        assert person in {one["id"] for one in world.control("GET", "people", channel=channel)["people"]}
