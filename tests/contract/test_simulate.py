"""`regulars simulate --port 0 --json`: its one line, its control, faults and end, as a stranger meets them."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.support.commands import run_command

STOP_SECONDS_MAX = 15
COMMAND_SECONDS_MAX = 60
COMMAND = [sys.executable, "-m", "regulars", "simulate"]
NO_FAULTS = {"lose_reply": 0, "status_500": 0, "slow_ms": 0, "quota": None, "rate_per_second": None}


def make_http() -> httpx.Client:
    return httpx.Client(timeout=10, trust_env=False, verify=False)


@dataclass
class Simulating:
    """A `regulars simulate` in a process of its own."""

    process: "subprocess.Popen[str]"
    ready: dict[str, Any]
    http: httpx.Client = field(default_factory=make_http)

    def control(self, method: str, path: str, body: object = None) -> Any:
        answer = self.http.request(method, f"{self.ready['control']}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def push(self, to: str, text: str, key: str | None = None) -> httpx.Response:
        line = self.ready["line"]
        headers = {"Authorization": f"Bearer {line['access_token']}"} | ({"X-Line-Retry-Key": key} if key else {})
        body = {"to": to, "messages": [{"type": "text", "text": text}]}
        return self.http.post(f"{line['base_url']}/v2/bot/message/push", json=body, headers=headers)

    def telegram(self, method: str, body: object) -> httpx.Response:
        telegram = self.ready["telegram"]
        return self.http.post(f"{telegram['base_url']}/bot{telegram['token']}/{method}", json=body)


@pytest.fixture(scope="module")
def simulating() -> Iterator[Simulating]:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    opened = Simulating(process, json.loads(process.stdout.readline()))
    yield opened
    opened.http.close()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=STOP_SECONDS_MAX)
    assert (process.returncode, rest) == (0, ""), "one line on standard output, and an end when told"


def test_the_first_line_tells_all_that_is_needed(simulating: Simulating) -> None:
    ready = simulating.ready
    assert set(ready) >= {"url", "line", "telegram", "control"}
    assert set(ready["line"]) >= {"base_url", "access_token", "secret"}
    assert set(ready["telegram"]) >= {"base_url", "token"}
    assert ready["url"].startswith("http://127.0.0.1:")
    assert simulating.http.get(ready["url"]).headers["content-type"].startswith("text/html")


def test_there_are_no_faults_and_no_quota_until_then(simulating: Simulating) -> None:
    faults = simulating.control("GET", "faults")
    assert {name: faults[name] for name in NO_FAULTS} == NO_FAULTS


def test_people_messages_and_requests(simulating: Simulating) -> None:
    simulating.control("POST", "people", {"channel": "line", "ids": ["U1", "U2"]})
    simulating.control("POST", "people", {"channel": "telegram", "ids": ["41"]})
    assert simulating.push("U1", "您好").status_code == 200
    assert simulating.telegram("sendMessage", {"chat_id": 41, "text": "您好"}).json()["ok"] is True
    for to in ("U1", "41"):
        page = simulating.control("GET", f"messages?to={to}")
        assert [one["text"] for one in page["messages"]] == ["您好"] and page["next"] is None
    page = simulating.control("GET", "requests?limit=1")
    assert (len(page["requests"]), page["requests"][0]["recipients"]) == (1, ["U1"])
    rest = simulating.control("GET", f"requests?cursor={page['next']}")
    assert rest["requests"][0]["recipients"] == ["41"]


def test_block_unblock_say_and_press(simulating: Simulating) -> None:
    simulating.control("POST", "people", {"channel": "line", "ids": ["U3"]})
    who = {"channel": "line", "id": "U3"}
    simulating.control("POST", "block", who)
    assert simulating.push("U3", "一").status_code == 200
    assert simulating.control("GET", "messages?to=U3")["messages"] == []
    simulating.control("POST", "unblock", who)
    assert simulating.push("U3", "二").status_code == 200
    assert len(simulating.control("GET", "messages?to=U3")["messages"]) == 1
    simulating.control("POST", "say", {**who, "text": "在"})
    simulating.control("POST", "people", {"channel": "telegram", "ids": ["43"]})
    keyboard = {"inline_keyboard": [[{"text": "好", "callback_data": "yes"}]]}
    simulating.telegram("sendMessage", {"chat_id": 43, "text": "好嗎", "reply_markup": keyboard})
    simulating.control("POST", "press", {"channel": "telegram", "id": "43", "label": "好"})
    updates = simulating.telegram("getUpdates", {}).json()["result"]
    assert updates[-1]["callback_query"]["data"] == "yes"


def test_faults_keep_what_is_not_named(simulating: Simulating) -> None:
    simulating.control("POST", "people", {"channel": "line", "ids": ["U5"]})
    put = {"lose_reply": 0.1, "status_500": 0, "slow_ms": 0, "quota": 3000, "rate_per_second": 2000}
    assert simulating.control("PUT", "faults", put).items() >= put.items()
    assert simulating.control("PUT", "faults", {"lose_reply": 1}).items() >= {**put, "lose_reply": 1}.items()
    key = "123e4567-e89b-12d3-a456-426614174000"
    with pytest.raises(httpx.TransportError):
        simulating.push("U5", "一", key)
    simulating.control("PUT", "faults", NO_FAULTS)
    assert simulating.push("U5", "一", key).status_code == 409
    rows = simulating.control("GET", "requests?to=U5")["requests"]
    assert [(row["outcome"], row["retry_key"]) for row in rows] == [("accepted", key), ("duplicate", key)]


def test_what_cannot_be_is_said_in_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = ["simulate", "--port", str(taken.getsockname()[1])]
        done = run_command(words, os.environ, COMMAND_SECONDS_MAX)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("regulars: cannot listen on 127.0.0.1 port ") and done.stderr.count("\n") == 1
