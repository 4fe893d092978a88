"""A world without a network, asked as the server asks it; and a real server in a thread."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from regulars.bootstrap.simulating import make_server, open_port
from regulars.channels.simulator.answers import Answer
from regulars.channels.simulator.control import answer_control
from regulars.channels.simulator.line.routes import answer_line
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.world import World, make_world
from regulars.channels.simulator.telegram.methods import answer_telegram
from tests.support.serving import wait_until

BEGIN = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
READY_SECONDS_MAX = 10
KEY = "123e4567-e89b-12d3-a456-426614174000"
PICTURE_WIDTH, PICTURE_HEIGHT = 1200, 800


@dataclass
class Told:
    """An answer, read."""

    status: int
    body: Any
    headers: dict[str, str]
    received: Received


@dataclass
class Driven:
    """A world, its hand on the clock, and shorthands for what tests ask often."""

    world: World
    moment: datetime = BEGIN

    @property
    def account(self) -> Any:
        return self.world.line["main"]

    @property
    def bot(self) -> Any:
        return self.world.telegram["main"]

    def line(self, method: str, path: str, body: Any = None, /, **headers: str) -> Told:
        """A request under the first account's token; bytes as they are, all else as JSON."""
        told = {"authorization": f"Bearer {self.account.token}", "content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._ask(answer_line, "line", method, path, body, told)

    def push(self, to: str = "U1", text: str = "您好", **headers: str) -> Told:
        return self.line(
            "POST", "/v2/bot/message/push", {"to": to, "messages": [{"type": "text", "text": text}]}, **headers
        )

    def telegram(self, method: str, body: Any = None, /, content_type: str = "application/json") -> Told:
        """A method of the first bot."""
        path = f"/bot{self.bot.token}/{method}"
        return self._ask(answer_telegram, "telegram", "POST", path, body, {"content-type": content_type})

    def _ask(self, platform: Any, channel: str, method: str, path: str, body: Any, headers: dict[str, str]) -> Told:
        parts = urlsplit(path)
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        received = self.world.log.begin(self.world.now(), channel, method, parts.path)
        encoded = {name.encode(): value.encode() for name, value in headers.items()}
        answer: Answer = asyncio.run(platform(self.world, received, encoded, dict(parse_qsl(parts.query)), raw))
        received.status = answer.status
        self.world.log.add(received)
        shown = {name.decode(): value.decode() for name, value in answer.headers}
        is_json = answer.media_type.startswith(b"application/json")
        return Told(answer.status, json.loads(answer.body) if is_json else answer.body, shown, received)

    def control(self, method: str, path: str, body: Any = None, **query: str) -> Any:
        """What the simulator itself is asked. Raises: DomainError."""
        raw = b"" if body is None else json.dumps(body).encode()
        return json.loads(answer_control(self.world, method, f"/_control/{path}", query, raw).body)

    def usage(self) -> int:
        return self.line("GET", "/v2/bot/message/quota/consumption").body["totalUsage"]

    def texts(self, to: str) -> list[str]:
        return [one["text"] for one in self.control("GET", "messages", to=to)["messages"]]

    def wait(self, **passed: float) -> None:
        self.moment += timedelta(**passed)


def make_driven() -> Driven:
    """A world in which U1 and U2 follow the account, 101 and 102 started the bot, and @shop is its channel."""
    driven: Driven | None = None

    def clock() -> datetime:
        return driven.moment if driven is not None else BEGIN

    driven = Driven(make_world(clock, 1, lambda seed: random.Random(seed)))
    driven.control("POST", "people", {"channel": "line", "ids": ["U1", "U2"]})
    driven.control("POST", "people", {"channel": "telegram", "ids": ["101", "102", "@shop"]})
    return driven


@dataclass
class Served:
    """A server in this process."""

    url: str
    world: World
    http: httpx.Client

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.http.request(method, f"{self.url}/_control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def line(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        told = {"Authorization": f"Bearer {self.world.line['main'].token}", **headers}
        return self.http.request(method, self.url + path, json=body, headers=told)

    def push(self, to: str, text: str = "您好", key: str | None = None) -> httpx.Response:
        body = {"to": to, "messages": [{"type": "text", "text": text}]}
        return self.line("POST", "/v2/bot/message/push", body, **({"X-Line-Retry-Key": key} if key else {}))

    def telegram(self, method: str, body: Any = None) -> httpx.Response:
        return self.http.post(f"{self.url}/bot{self.world.telegram['main'].token}/{method}", json=body or {})


@contextmanager
def serve() -> Iterator[Served]:
    """A simulator on a free port, stopped afterwards."""
    world = make_world(lambda: datetime.now(UTC), 1, lambda seed: random.Random(seed))
    ready = threading.Event()
    server = make_server(world, ready.set)
    listening = open_port("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    assert ready.wait(READY_SECONDS_MAX)
    with httpx.Client(timeout=10, trust_env=False, verify=False) as http:
        yield Served(f"http://127.0.0.1:{listening.getsockname()[1]}", world, http)
    server.should_exit = True
    thread.join(READY_SECONDS_MAX)


@dataclass
class Heard:
    """Somebody's webhook: what it was sent, and how it answers next."""

    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list[tuple[dict[str, str], bytes]])
    statuses: list[int] = field(default_factory=list[int])
    """Answered in turn; 200 when there are no more. 0 answers too late."""
    reply: bytes = b""
    slow_seconds: float = 2.4

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.requests) >= count, f"{count} webhooks", READY_SECONDS_MAX)

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.requests]


@contextmanager
def listen() -> Iterator[Heard]:
    """A receiver on a free port."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = heard.statuses.pop(0) if heard.statuses else 200
            heard.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            if status == 0:
                time.sleep(heard.slow_seconds)
            self.send_response(status or 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(heard.reply)))
            self.end_headers()
            self.wfile.write(heard.reply)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def log_error(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        heard.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        yield heard
        server.shutdown()


def make_png(width: int = PICTURE_WIDTH, height: int = PICTURE_HEIGHT) -> bytes:
    """The head of a PNG, which is all that is read of one."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"
