"""A loopback proxy between a client and the server that does what networks do: loses replies, answers for the server.

Decides nothing about right or wrong: what to do with each request comes from the test's plan, and what came is kept.
"""

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Action = Literal["pass", "lose_reply", "500", "429"]
ERRORS = {"500": 500, "429": 429}


@dataclass
class Seen:
    """One request: what was done with it, its messages' ids, and what the server said where it was asked."""

    action: Action
    headers: dict[str, str]
    message_ids: list[str]
    status: int | None = None


@dataclass
class Proxy:
    """Where it listens, its plan by number of request, and what it saw; ``sent_at_shift`` sets the clients' clock off."""

    upstream: str
    plan: Callable[[int], Action] = lambda number: "pass"
    sent_at_shift: timedelta = timedelta()
    seen: list[Seen] = field(default_factory=list[Seen])
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, headers: dict[str, str], body: bytes) -> Seen:
        with self.lock:
            ids = [str(message.get("messageId")) for message in read_batch(headers, body)["batch"]]
            one = Seen(self.plan(len(self.seen)), headers, ids)
            self.seen.append(one)
        return one

    def shifted(self, headers: dict[str, str], body: bytes) -> bytes:
        """The body as a client with a wrong clock would have sent it."""
        if not self.sent_at_shift:
            return body
        payload = read_batch(headers, body)
        payload["sentAt"] = (datetime.fromisoformat(payload["sentAt"]) + self.sent_at_shift).isoformat()
        plain = json.dumps(payload).encode()
        return gzip.compress(plain) if headers.get("Content-Encoding") == "gzip" else plain

    def count(self, action: Action) -> int:
        return sum(one.action == action for one in self.seen)


def read_batch(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    return json.loads(gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body)


def make_handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = dict(self.headers.items())
            one = proxy.begin(headers, body)
            if one.action in ERRORS:
                self.reply(ERRORS[one.action], b'{"code": "proxy", "message": "as planned"}', {"Retry-After": "1"})
                return
            one.status, told = forward(proxy.upstream, self.path, headers, proxy.shifted(headers, body))
            if one.action == "lose_reply":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.reply(one.status, told, {})

        def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", headers["Retry-After"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    return Handler


def forward(upstream: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(upstream.removeprefix("http://"), timeout=60)
    try:
        kept = {name: value for name, value in headers.items() if name not in {"Host", "Connection", "Content-Length"}}
        connection.request("POST", path, body, kept)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@contextmanager
def open_proxy(upstream: str, **options: Any) -> Iterator[Proxy]:
    """A proxy that listens until the block ends."""
    proxy = Proxy(upstream, **options)
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(proxy))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
