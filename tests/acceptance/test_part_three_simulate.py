"""Part 3 of the plan, `regulars simulate`: a LINE and a Telegram that unmodified clients drive.

The oracle is the vendor's own client: what `line-bot-sdk` and `aiogram` send must be taken, what they parse must
parse, and what they verify must verify. Each person here is new. The one account is shared with other tests of the
process, so consumption is compared before and after, and quotas are tried on an account of this file's own.
"""

import asyncio
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.support.browsing import open_page
from tests.support.sending import Simulator, make_person
from tests.support.serving import wait_until

FAST_SECONDS_MAX = 5


@contextmanager
def listen() -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Somebody's webhook; what it was sent, headers in small letters."""
    heard: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", heard
        server.shutdown()


@contextmanager
def line_client(simulator: Simulator, token: str = "") -> Iterator[Any]:
    from linebot.v3 import messaging

    settings = messaging.Configuration(
        host=simulator.line["base_url"].rstrip("/"), access_token=token or simulator.line["access_token"]
    )
    with messaging.ApiClient(settings) as client:
        yield messaging.MessagingApi(client)


def line_friend(simulator: Simulator) -> str:
    one = make_person().line
    simulator.add_people("line", [one])
    return one


# «contract: `regulars simulate --port 0 --json` → `{url, line, telegram, control}`»
def test_the_ready_line_says_where_everything_is(simulator: Simulator) -> None:
    told = simulator.ready
    assert {"url", "line", "telegram", "control"} <= set(told)
    assert {"base_url", "access_token", "secret"} <= set(told["line"]) and {"base_url", "token"} <= set(
        told["telegram"]
    )
    assert len({told["line"]["access_token"], told["line"]["secret"], told["telegram"]["token"]}) == 3


# «…unmodified `line-bot-sdk` and `aiogram` clients drive it in tests)»
@pytest.mark.long  # importing the vendor's client takes seconds
def test_line_bot_sdk_drives_it(simulator: Simulator) -> None:
    """Push, multicast, quota and profile by the official client; five objects to one person count one."""
    from linebot.v3.messaging import MulticastRequest, PushMessageRequest, TextMessage

    one, two = line_friend(simulator), line_friend(simulator)
    before = simulator.get_usage()
    with line_client(simulator) as client:
        five = [TextMessage(text=f"第{number}則") for number in range(5)]
        pushed = client.push_message(PushMessageRequest(to=one, messages=five), x_line_retry_key=str(uuid.uuid4()))
        assert len(pushed.sent_messages) == 5 and len({each.id for each in pushed.sent_messages}) == 5
        client.multicast(MulticastRequest(to=[one, two], messages=[TextMessage(text="大家好")]))
        assert client.get_message_quota().type in {"none", "limited"}
        assert client.get_message_quota_consumption().total_usage == before + 3
        assert client.get_profile(one).user_id == one
    assert len(simulator.list_messages(one)) == 2 and len(simulator.list_messages(two)) == 1
    assert "第4則" in " ".join(simulator.read_texts(one))


BAD_BODIES: dict[str, Any] = {
    "no messages": {"messages": []},
    "six messages": {"messages": [{"type": "text", "text": "x"}] * 6},
    "a text without text": {"messages": [{"type": "text"}]},
    "an unknown type": {"messages": [{"type": "nosuch"}]},
    "5,001 units": {"messages": [{"type": "text", "text": "😀" * 2_500 + "x"}]},
    "14 quick replies": {
        "messages": [
            {
                "type": "text",
                "text": "x",
                "quickReply": {
                    "items": [{"type": "action", "action": {"type": "message", "label": "a", "text": "b"}}] * 14
                },
            }
        ]
    },
    "nobody": {"to": "", "messages": [{"type": "text", "text": "x"}]},
}


# «…not as our adapters expect them)»
@pytest.mark.parametrize("name", BAD_BODIES)
def test_line_refuses_what_line_refuses(simulator: Simulator, name: str) -> None:
    """400 with LINE's envelope `{message, details:[{message,property}]}`, and nothing is counted."""
    one, before = line_friend(simulator), simulator.get_usage()
    answer = simulator.call_line("POST", "/v2/bot/message/push", {"to": one, **BAD_BODIES[name]})
    assert answer.status_code == 400 and answer.json()["message"], answer.text
    assert answer.headers["x-line-request-id"]
    assert (simulator.list_messages(one), simulator.get_usage()) == ([], before)


# «…quota …)»
def test_line_wants_its_token_and_at_most_500(simulator: Simulator) -> None:
    one, text = line_friend(simulator), [{"type": "text", "text": "x"}]
    wrong = {"Authorization": "Bearer wrong"}
    refused = simulator.call_line("POST", "/v2/bot/message/push", {"to": one, "messages": text}, **wrong)
    assert refused.status_code == 401 and "Authentication failed" in refused.json()["message"]
    many = [make_person().line for _ in range(501)]
    assert simulator.call_line("POST", "/v2/bot/message/multicast", {"to": many, "messages": text}).status_code == 400
    key = {"X-Line-Retry-Key": str(uuid.uuid4())}
    reply = {"replyToken": "nonsense", "messages": text}
    assert simulator.call_line("POST", "/v2/bot/message/reply", reply, **key).status_code == 400
    keyed = simulator.call_line(
        "POST", "/v2/bot/message/push", {"to": one, "messages": text}, **{"X-Line-Retry-Key": "x"}
    )
    assert keyed.status_code == 400, "a retry key is a UUID"
    assert simulator.list_messages(one) == []


# «…24-hour retry keys …)»
def test_a_retry_key_is_accepted_once(simulator: Simulator) -> None:
    """409 with the accepted request's id, and for a push its sentMessages; counted once, shown once."""
    one, before, key = line_friend(simulator), simulator.get_usage(), str(uuid.uuid4())
    first, again = simulator.push(one, "一次", key), simulator.push(one, "一次", key)
    assert (first.status_code, again.status_code) == (200, 409)
    assert again.json()["message"] == "The retry key is already accepted"
    assert again.headers["x-line-accepted-request-id"] == first.headers["x-line-request-id"]
    assert again.json()["sentMessages"] == first.json()["sentMessages"]
    assert (len(simulator.list_messages(one)), simulator.get_usage()) == (1, before + 1)
    assert simulator.push(one, "一次", str(uuid.uuid4())).status_code == 200
    assert simulator.get_usage() == before + 2
    assert [each.status for each in simulator.list_requests([one])] == [200, 409, 200]


# «…24-hour retry keys …)»
def test_a_retry_key_is_kept_for_24_hours(own_simulator: Simulator) -> None:
    """On a clock put ahead (`PUT /_control/clock {"advance"}`): known after 23 hours, forgotten after 25."""
    one, key = line_friend(own_simulator), str(uuid.uuid4())
    answers = [own_simulator.push(one, "一天", key).status_code]
    for hours in (23, 2):
        own_simulator.ask("PUT", "clock", {"advance": f"{hours}h"})
        answers.append(own_simulator.push(one, "一天", key).status_code)
    own_simulator.ask("PUT", "clock", {})
    assert answers == [200, 409, 200]


# «…blocked members (200 and not counted) …)»
def test_who_blocked_is_answered_200_and_not_counted(simulator: Simulator) -> None:
    """Nor is an id that nobody has."""
    one, before = line_friend(simulator), simulator.get_usage()
    simulator.act("block", "line", one)
    assert simulator.push(one, "還在嗎").status_code == 200
    assert simulator.push(make_person().line, "誰").status_code == 200
    assert (simulator.list_messages(one), simulator.get_usage()) == ([], before)
    simulator.act("unblock", "line", one)
    assert simulator.push(one, "歡迎回來").status_code == 200
    assert (len(simulator.list_messages(one)), simulator.get_usage()) == (1, before + 1)


# «…quota, …)»
def test_a_quota_is_kept(simulator: Simulator) -> None:
    """Two of three included pass; a multicast of two over what is left sends nothing; limits are read back."""
    used = simulator.get_usage()
    simulator.ask("PUT", "faults", {"quota": used + 3})
    assert simulator.call_line("GET", "/v2/bot/message/quota").json() == {"type": "limited", "value": used + 3}
    people = [line_friend(simulator) for _ in range(3)]
    assert [simulator.push(one, "x").status_code for one in people[:2]] == [200, 200]
    body = {"to": people[:2], "messages": [{"type": "text", "text": "y"}]}
    over = simulator.call_line("POST", "/v2/bot/message/multicast", body)
    assert (over.status_code, over.json()["message"]) == (429, "You have reached your monthly limit.")
    assert simulator.push(people[2], "z").status_code == 200
    assert simulator.push(people[2], "z").status_code == 429
    assert simulator.get_usage() == used + 3
    simulator.ask("PUT", "faults", {"quota": None})


# «…rate limits, …)»
def test_a_rate_is_kept(own_simulator: Simulator) -> None:
    """Twenty at once where three a second are taken: most are told so in LINE's words; a second later one passes."""
    one = line_friend(own_simulator)
    with own_simulator.faults(rate_per_second=3):
        answers = [own_simulator.push(one, "x") for _ in range(20)]
        limited = [each for each in answers if each.status_code == 429]
        assert 0 < len(limited) < 20
        assert {each.json()["message"] for each in limited} == {
            "The API rate limit has been exceeded. Try again later."
        }
        time.sleep(1.1)
        assert own_simulator.push(one, "x").status_code == 200
    assert len(own_simulator.list_messages(one)) == 20 - len(limited) + 1


# «…faults on demand, …)»
def test_faults_on_demand(own_simulator: Simulator) -> None:
    """A reply is lost after the message was taken; 500 before; slow; and absent keys keep their value."""
    import httpx

    one = line_friend(own_simulator)
    with own_simulator.faults(lose_reply=1.0):
        with pytest.raises(httpx.TransportError):
            own_simulator.push(one, "遺失")
        assert len(own_simulator.list_messages(one)) == 1
    with own_simulator.faults(status_500=1.0):
        assert own_simulator.push(one, "錯誤").status_code == 500
        own_simulator.ask("PUT", "faults", {"slow_ms": 1})
        assert own_simulator.push(one, "錯誤").status_code == 500
    assert len(own_simulator.list_messages(one)) == 1
    with own_simulator.faults(slow_ms=300):
        started = time.monotonic()
        assert own_simulator.push(one, "慢").status_code == 200
        assert time.monotonic() - started >= 0.3
    assert own_simulator.push(one, "好").status_code == 200
    assert [each.status for each in own_simulator.list_requests([one])] == [200, 500, 500, 200, 200]


# «…signed webhooks back, …)»
@pytest.mark.long  # importing the vendor's client takes seconds
def test_line_webhooks_are_signed(simulator: Simulator) -> None:
    """`WebhookParser` of the SDK verifies and parses them; a reply token works once and is not counted."""
    from linebot.v3.messaging import ReplyMessageRequest, TextMessage
    from linebot.v3.webhook import WebhookParser

    one = line_friend(simulator)
    action = {"type": "postback", "label": "開門", "data": "open=1"}
    template = {"type": "buttons", "text": "要開嗎", "actions": [action]}
    button = {"to": one, "messages": [{"type": "template", "altText": "要開嗎", "template": template}]}
    assert simulator.call_line("POST", "/v2/bot/message/push", button).status_code == 200
    parser = WebhookParser(simulator.line["secret"])
    with listen() as (url, heard):
        assert simulator.call_line("PUT", "/v2/bot/channel/webhook/endpoint", {"endpoint": url}).status_code == 200
        simulator.act("say", "line", one, text="有開嗎")
        simulator.act("press", "line", one, label="開門")
        simulator.act("block", "line", one)
        simulator.act("unblock", "line", one)
        wait_until(lambda: len(heard) >= 4, "four webhooks", FAST_SECONDS_MAX)
        simulator.call_line("PUT", "/v2/bot/channel/webhook/endpoint", {"endpoint": ""})
    events = [event for headers, body in heard for event in parser.parse(body.decode(), headers["x-line-signature"])]
    assert [event.type for event in events] == ["message", "postback", "unfollow", "follow"]
    assert {event.source.user_id for event in events} == {one}
    assert (events[0].message.text, events[1].postback.data) == ("有開嗎", "open=1")
    before = simulator.get_usage()
    with line_client(simulator) as client:
        request = ReplyMessageRequest(reply_token=events[0].reply_token, messages=[TextMessage(text="有")])
        assert len(client.reply_message(request).sent_messages) == 1
        with pytest.raises(Exception, match="Invalid reply token"):
            client.reply_message(request)
    assert simulator.get_usage() == before, "a reply is free"
    assert any("有" in text for text in simulator.read_texts(one))


# «…unmodified `line-bot-sdk` and `aiogram` clients drive it in tests)»
@pytest.mark.long  # importing the vendor's client takes seconds
def test_aiogram_drives_it(simulator: Simulator) -> None:
    """getMe, text, photo, a button; 4,097 characters and a stranger are refused in Telegram's words."""
    from aiogram import Bot
    from aiogram.client.session.aiohttp import AiohttpSession
    from aiogram.client.telegram import TelegramAPIServer
    from aiogram.exceptions import TelegramBadRequest, TelegramForbiddenError
    from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

    one, blocked = make_person().telegram, make_person().telegram
    simulator.add_people("telegram", [one, blocked])
    simulator.act("block", "telegram", blocked)

    async def drive() -> None:
        api = TelegramAPIServer.from_base(simulator.telegram["base_url"].rstrip("/"))
        async with Bot(simulator.telegram["token"], session=AiohttpSession(api=api)) as bot:
            assert (await bot.get_me()).is_bot
            button = InlineKeyboardButton(text="看看", url="https://example.com")
            sent = await bot.send_message(
                int(one), "您好", reply_markup=InlineKeyboardMarkup(inline_keyboard=[[button]])
            )
            assert (sent.text, sent.chat.id) == ("您好", int(one))
            photo = await bot.send_photo(int(one), "https://example.com/a.jpg", caption="鞋")
            assert photo.message_id > sent.message_id and photo.caption == "鞋"
            with pytest.raises(TelegramBadRequest, match="too long"):
                await bot.send_message(int(one), "x" * 4_097)
            with pytest.raises(TelegramForbiddenError, match="blocked by the user"):
                await bot.send_message(int(blocked), "在嗎")
            with pytest.raises(TelegramBadRequest, match="chat not found"):
                await bot.send_message(int(make_person().telegram), "誰")

    asyncio.run(drive())
    assert len(simulator.list_messages(one)) == 2 and simulator.list_messages(blocked) == []


# «Telegram (… `my_chat_member` as block/unblock, retry_after, secret token)»
@pytest.mark.long  # importing the vendor's client takes seconds
def test_telegram_webhooks_carry_the_secret_and_parse(simulator: Simulator) -> None:
    """`Update.model_validate` of aiogram is the judge."""
    from aiogram.types import Update

    one = make_person().telegram
    simulator.add_people("telegram", [one])
    with listen() as (url, heard):
        simulator.call_telegram("setWebhook", {"url": url, "secret_token": "s-1"})
        simulator.act("say", "telegram", one, text="/start abc")
        simulator.act("block", "telegram", one)
        simulator.act("unblock", "telegram", one)
        mine = one.encode()
        wait_until(lambda: sum(mine in body for _, body in heard) >= 3, "three updates", FAST_SECONDS_MAX)
        simulator.call_telegram("deleteWebhook", {})
    assert {headers["x-telegram-bot-api-secret-token"] for headers, _ in heard} == {"s-1"}
    updates = [Update.model_validate(json.loads(body)) for _, body in heard]
    assert len({update.update_id for update in updates}) == len(updates)
    said = [update.message.text for update in updates if update.message]
    changes = [update.my_chat_member for update in updates if update.my_chat_member]
    stands = [change.new_chat_member.status for change in changes if change.chat.id == int(one)]
    assert said[0] == "/start abc" and stands == ["kicked", "member"]


# «Telegram (… retry_after …)»
def test_telegram_says_when_to_come_again(own_simulator: Simulator) -> None:
    one = make_person().telegram
    own_simulator.add_people("telegram", [one])
    with own_simulator.faults(rate_per_second=1):
        answers = [own_simulator.call_telegram("sendMessage", {"chat_id": int(one), "text": "x"}) for _ in range(5)]
    refused = next(answer for answer in answers if answer.status_code == 429).json()
    assert refused["ok"] is False and refused["error_code"] == 429
    assert refused["description"].startswith("Too Many Requests: retry after ")
    assert refused["parameters"]["retry_after"] >= 1


# «…and a page that shows the phones)»
def test_a_page_is_there_and_leans_on_nobody(simulator: Simulator) -> None:
    """Its styles and scripts are its own: it works where there is no internet."""
    page = simulator.http.get(simulator.ready["url"])
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    parts = re.findall(r"(?:src|href)=[\"']([^\"'#]+)", page.text)
    assert parts
    for part in parts:
        address = urljoin(f"{simulator.ready['url']}/", part)
        assert address.startswith(simulator.ready["url"]), part
        assert simulator.http.get(address).status_code == 200, part


@pytest.mark.long
def test_the_page_shows_what_a_phone_shows(simulator: Simulator) -> None:
    """In a real browser; what somebody writes is text, never markup."""
    one = line_friend(simulator)
    assert simulator.push(one, "頁面上的字 <b id='bold'>粗</b>").status_code == 200
    with open_page() as page:
        page.goto(simulator.ready["url"])
        page.get_by_text("頁面上的字").first.wait_for(timeout=FAST_SECONDS_MAX * 1_000)
        assert page.locator("#bold").count() == 0
