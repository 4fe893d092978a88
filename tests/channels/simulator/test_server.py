"""Over real sockets: faults, webhooks, the log, the page, and what strangers may not do."""

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from regulars.bootstrap.simulating import set_webhooks
from regulars.platform.errors import SettingInvalid
from tests.channels.simulator.driving import KEY, Served, listen, make_driven
from tests.support.serving import wait_until

QUIET = {"lose_reply": 0, "status_500": 0, "status_500_handled": 0, "timeout": 0, "rate_limited": 0, "slow_ms": 0}
SECONDS_MAX = 10


@pytest.fixture(autouse=True)
def fresh(served: Served) -> None:
    """Nobody, nothing received, no faults."""
    served.control("PUT", "faults", {**QUIET, "seed": 1})
    served.control("DELETE", "requests")


def join(served: Served, name: str, channel: str = "line") -> str:
    served.control("POST", "people", {"channel": channel, "ids": [name]})
    return name


def count_texts(served: Served, who: str) -> int:
    return len(served.control("GET", f"messages?to={who}")["messages"])


def test_a_lost_reply_is_a_message_that_arrived(served: Served) -> None:
    one = join(served, "lost")
    served.control("PUT", "faults", {"lose_reply": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        served.push(one, key=KEY)
    served.control("PUT", "faults", {"lose_reply": 0})
    assert served.push(one, key=KEY).status_code == 409
    rows = served.control("GET", f"requests?to={one}")["requests"]
    assert [(row["outcome"], row["reply"]) for row in rows] == [("accepted", "lost"), ("duplicate", "sent")]
    assert len({row["body_hash"] for row in rows}) == 1
    assert count_texts(served, one) == 1
    assert served.control("GET", "totals")["replies"] == {"lost": 1}


def test_a_silent_server_has_taken_the_message(served: Served) -> None:
    one = join(served, "silent")
    served.control("PUT", "faults", {"timeout": 1})
    with pytest.raises(httpx.ReadTimeout):
        served.http.post(
            f"{served.url}/v2/bot/message/push",
            json={"to": one, "messages": [{"type": "text", "text": "x"}]},
            headers={"Authorization": f"Bearer {served.world.line['main'].token}"},
            timeout=0.3,
        )
    assert count_texts(served, one) == 1


@pytest.mark.parametrize(
    ("fault", "status", "arrived"), [("status_500", 500, 0), ("status_500_handled", 500, 1), ("rate_limited", 429, 0)]
)
def test_errors_on_demand(served: Served, fault: str, status: int, arrived: int) -> None:
    one, chat = join(served, f"error-{fault}"), join(served, f"77{len(fault)}", "telegram")
    served.control("PUT", "faults", {fault: 1})
    answer = served.push(one)
    assert answer.status_code == status and answer.json()["message"]
    told = served.telegram("sendMessage", {"chat_id": chat, "text": "x"})
    assert told.status_code == status and told.json()["error_code"] == status
    assert (count_texts(served, one), count_texts(served, chat)) == (arrived, arrived)
    assert served.control("GET", f"requests?to={one}")["requests"][0]["recipients"] == [one]


def test_shares_are_drawn_from_the_seed(served: Served) -> None:
    one = join(served, "drawn")

    def draw(seed: int) -> list[int]:
        served.control("PUT", "faults", {"status_500": 0.3, "seed": seed + 100})
        served.control("PUT", "faults", {"seed": seed})
        return [served.push(one).status_code for _ in range(30)]

    first = draw(7)
    assert first == draw(7) and first != draw(8)
    assert 2 < first.count(500) < 20


def test_what_many_send_at_once_is_counted_once(served: Served) -> None:
    """Sixteen senders retry whatever they lose: each person has one message, each request is in the log."""
    people = [f"many-{number}" for number in range(200)]
    served.control("POST", "people", {"channel": "line", "ids": people})
    served.control("PUT", "faults", {"lose_reply": 0.1, "status_500": 0.1})

    def send(number: int) -> int:
        for attempt in range(1, 50):
            try:
                status = served.push(people[number], key=f"{number:08d}-0000-4000-8000-000000000000").status_code
            except httpx.TransportError:
                continue
            if status in (200, 409):
                return attempt
        return -1

    with ThreadPoolExecutor(16) as threads:
        attempts = list(threads.map(send, range(len(people))))
    served.control("PUT", "faults", QUIET)
    assert min(attempts) > 0
    rows, cursor = [], ""
    while cursor is not None:
        page = served.control("GET", f"requests?limit=100{cursor and '&cursor=' + cursor}")
        rows, cursor = rows + page["requests"], page["next"]
    mine = [row for row in rows if row["recipients"] and row["recipients"][0] in set(people)]
    accepted = [row["recipients"][0] for row in mine if row["outcome"] == "accepted"]
    assert sorted(accepted) == sorted(people)
    assert len(mine) == sum(attempts) == len({row["id"] for row in mine})


def test_line_signs_what_it_sends_and_sends_it_again(served: Served) -> None:
    one = join(served, "hooked")
    with listen() as heard:
        heard.statuses = [500, 302]
        hook = {"channel": "line", "url": heard.url, "redelivery_seconds": [0.05, 0.05]}
        served.control("PUT", "webhook", hook)
        served.control("POST", "say", {"channel": "line", "id": one, "text": "有開嗎"})
        heard.wait_for(3)
        served.control("PUT", "webhook", {"channel": "line", "url": None})
    secret = served.world.line["main"].secret.encode()
    for headers, body in heard.requests:
        expected = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()
        assert headers["x-line-signature"] == expected
    events: list[Any] = [body["events"][0] for body in heard.bodies()]
    assert {body["destination"] for body in heard.bodies()} == {served.world.line["main"].user_id}
    assert len({event["webhookEventId"] for event in events}) == 1
    assert [event["deliveryContext"]["isRedelivery"] for event in events] == [False, True, True]
    assert events[0]["message"]["text"] == "有開嗎" and events[0]["replyToken"]
    wait_until(
        lambda: served.control("GET", "webhooks")["webhooks"][-1]["state"] == "delivered", "delivered", SECONDS_MAX
    )
    attempts = served.control("GET", "webhooks")["webhooks"][-1]["attempts"]
    assert [attempt["status"] for attempt in attempts] == [500, 302, 200]


@pytest.mark.long
def test_two_seconds_are_all_a_receiver_has(served: Served) -> None:
    one = join(served, "late")
    with listen() as heard:
        heard.statuses = [0]
        served.control("PUT", "webhook", {"channel": "line", "url": heard.url, "redelivery_seconds": [0.05]})
        served.control("POST", "say", {"channel": "line", "id": one, "text": "有開嗎"})
        heard.wait_for(2)
        served.control("PUT", "webhook", {"channel": "line", "url": None})
    attempts = served.control("GET", "webhooks")["webhooks"][-1]["attempts"]
    assert (attempts[0]["status"], attempts[0]["error"]) == (None, "request_timeout")


def test_events_of_one_person_arrive_in_order(served: Served) -> None:
    one = join(served, "ordered")
    with listen() as heard:
        served.line("PUT", "/v2/bot/channel/webhook/endpoint", {"endpoint": heard.url})
        for number in range(20):
            served.control("POST", "say", {"channel": "line", "id": one, "text": str(number)})
        served.control("POST", "event", {"channel": "line", "id": one, "event": {"type": "notYetInvented", "x": 1}})
        heard.wait_for(21)
        assert served.line("GET", "/v2/bot/channel/webhook/endpoint").json() == {"endpoint": heard.url, "active": True}
        tested = served.line("POST", "/v2/bot/channel/webhook/test", {}).json()
        assert (tested["success"], tested["statusCode"]) == (True, 200)
        served.control("PUT", "webhook", {"channel": "line", "url": None})
    events = [body["events"][0] for body in heard.bodies() if body["events"]]
    assert [event["message"]["text"] for event in events[:20]] == [str(number) for number in range(20)]
    assert events[20]["type"] == "notYetInvented"
    assert heard.bodies()[-1]["events"] == [], "a test of the webhook has no events"


def test_telegram_keeps_at_it_and_tells_the_secret(served: Served) -> None:
    chat = join(served, "501", "telegram")
    with listen() as heard:
        heard.statuses = [502]
        assert served.telegram("setWebhook", {"url": heard.url, "secret_token": "s-1"}).json()["ok"]
        served.control("POST", "say", {"channel": "telegram", "id": chat, "text": "一"})
        served.control("POST", "say", {"channel": "telegram", "id": chat, "text": "二"})
        heard.wait_for(3)
        served.telegram("deleteWebhook")
    assert {headers["x-telegram-bot-api-secret-token"] for headers, _ in heard.requests} == {"s-1"}
    assert [body["message"]["text"] for body in heard.bodies()] == ["一", "一", "二"]


def test_a_dead_webhook_of_one_holds_up_nobody_else(served: Served) -> None:
    chat, friends = join(served, "511", "telegram"), [join(served, f"free-{number}") for number in range(5)]
    with listen() as heard:
        served.telegram("setWebhook", {"url": "http://127.0.0.1:9/"})
        served.control("POST", "say", {"channel": "telegram", "id": chat, "text": "一"})
        served.control("PUT", "webhook", {"channel": "line", "url": heard.url})
        for friend in friends:
            served.control("POST", "say", {"channel": "line", "id": friend, "text": "二"})
        heard.wait_for(len(friends))
        served.control("PUT", "webhook", {"channel": "line", "url": None})
    info = served.telegram("getWebhookInfo").json()["result"]
    assert (info["pending_update_count"], info["last_error_message"]) == (1, "Connection refused")
    served.telegram("deleteWebhook")
    wait_until(lambda: served.telegram("getUpdates").json()["result"], "the update waits to be fetched", SECONDS_MAX)
    served.telegram("deleteWebhook", {"drop_pending_updates": True})


def test_the_control_names_what_it_does_not_take(served: Served) -> None:
    def refused(method: str, path: str, body: bytes) -> tuple[int, str, str | None]:
        answer = served.http.request(method, f"{served.url}/_control/{path}", content=body)
        told = answer.json()
        assert told["message"]
        return answer.status_code, told["code"], told.get("path")

    join(served, "known")
    assert refused("POST", "nonsense", b"{}") == (404, "simulator.unknown", None)
    assert refused("DELETE", "people", b"") == (400, "simulator.invalid", None)
    assert refused("POST", "people", b"{") == (400, "simulator.invalid", "/")
    assert refused("POST", "people", b"[]") == (400, "simulator.invalid", "/")
    assert refused("POST", "people", b'{"x":' + b"[" * 300 + b"]" * 300 + b"}") == (400, "simulator.invalid", "/")
    assert refused("POST", "people", b'{"channel":"sms","ids":["a"]}') == (400, "simulator.invalid", "channel")
    assert refused("POST", "people", b'{"channel":"line"}') == (400, "simulator.invalid", "ids")
    assert refused("POST", "people", b'{"channel":"line","ids":[1.5]}') == (400, "simulator.invalid", "ids")
    assert refused("POST", "people", b'{"channel":"telegram","ids":["mei"]}') == (400, "simulator.invalid", "ids")
    assert refused("POST", "block", b'{"channel":"line","id":"nobody"}') == (404, "simulator.unknown", "id")
    assert refused("POST", "say", b'{"channel":"line","id":"known"}') == (400, "simulator.invalid", "text")
    assert refused("POST", "press", b'{"channel":"line","id":"known"}') == (404, "simulator.unknown", "label")
    for name, value in {
        "lose_reply": "2", "status_500": '"x"', "quota": "-1", "slow_ms": "true", "no_such": "1", "seed": "1.5",
        "rate_per_second": '"fast"', "published_rates": "1",
    }.items():  # fmt: skip
        assert refused("PUT", "faults", f'{{"{name}":{value}}}'.encode()) == (400, "simulator.invalid", name)
    assert refused("PUT", "clock", b'{"now":"noon"}') == (400, "simulator.invalid", "now")
    assert refused("PUT", "clock", b'{"ahead_seconds":1e18}') == (400, "simulator.invalid", "ahead_seconds")
    assert refused("PUT", "webhook", b'{"channel":"line","url":"file:///etc/passwd"}')[2] == "url"
    assert refused("GET", "requests?limit=1001", b"") == (400, "simulator.invalid", "limit")
    assert refused("GET", "requests?cursor=x", b"") == (400, "simulator.invalid", "cursor")


def test_the_page_shows_text_as_text(served: Served) -> None:
    one = join(served, "<img src=x onerror=alert(1)>")
    served.push(one, "<script>alert(1)</script> & 您好")
    served.control("POST", "say", {"channel": "line", "id": one, "message": {"type": "text", "text": "<b>粗</b>"}})
    page = served.http.get(f"{served.url}/phones", params={"pick": f"line/main/{one}"}).json()
    html = page["phones"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; 您好" in html
    assert "<script" not in html and "<img src=x" not in html and "&lt;b&gt;粗" in html
    quiet = served.http.get(
        f"{served.url}/phones",
        params={"pick": f"line/main/{one}", "had": f"line/main/{one}", "since": page["version"]},
    ).json()
    assert "phones" not in quiet and quiet["counters"]["quotas"][0]["used"] >= 1
    shell = served.http.get(served.url)
    assert shell.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in shell.headers["content-security-policy"]


def test_the_page_shows_every_kind_of_message(served: Served) -> None:
    from tests.channels.simulator.test_line_messages import GOOD

    one = join(served, "every")
    for message in GOOD.values():
        sent = served.line("POST", "/v2/bot/message/push", {"to": one, "messages": [message]})
        assert sent.status_code == 200, sent.text
    html = served.http.get(f"{served.url}/phones", params={"pick": f"line/main/{one}"}).json()["phones"]
    assert html.count('class="row account"') == len(GOOD)
    assert json.loads(httpx.get(f"{served.url}/phones").text)["people"]


def test_another_page_in_the_browser_may_not_ask(served: Served) -> None:
    asked = {"channel": "line", "ids": ["foreign"]}
    foreign = served.http.post(f"{served.url}/_control/people", json=asked, headers={"Origin": "https://example.com"})
    own = served.http.post(f"{served.url}/_control/people", json=asked, headers={"Origin": served.url})
    assert (foreign.status_code, own.status_code) == (403, 200)


def test_bytes_that_are_no_request(served: Served) -> None:
    for path in (
        "/no/such",
        "/picture/line/main",
        "/picture/line/nobody/x",
        "/picture/line/main/../../x",
        "/page.css/x",
    ):
        assert served.http.get(served.url + path).status_code in (400, 404), path
    assert served.http.post(served.url).status_code == 400
    assert served.http.get(f"{served.url}/bot").status_code == 404
    assert served.http.get(f"{served.url}/file/botx/photos/y").status_code == 404


@pytest.mark.parametrize("given", ["ftp://example.com", "sms=http://example.com", "line="])
def test_a_webhook_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(SettingInvalid, match="--webhook"):
        set_webhooks(make_driven().world, [given])


def test_a_webhook_of_the_command_line_is_for_one_or_both() -> None:
    world = make_driven().world
    set_webhooks(world, ["http://a.example/", "telegram=http://b.example/?x=1"])
    assert [account.hook.url for _, account in world.list_accounts()] == ["http://a.example/", "http://b.example/?x=1"]
