"""A simulated LINE and Telegram in a process of its own, and a mail server that keeps what it takes."""

import contextlib
import copy
import email
import email.policy
import itertools
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import httpx

_numbers = itertools.count(1)

# --- the simulator --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A request that the simulator got, whether or not its reply was lost."""

    path: str
    key: str | None
    body_hash: str | None
    recipients: Sequence[str]
    status: int | None


class Simulator:
    """One `regulars simulate` in a process of its own."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        words = [sys.executable, "-m", "regulars", "simulate", "--port", "0", "--json"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.end()
            self.errors.seek(0)
            raise AssertionError(self.errors.read()[-2_000:])
        self.ready: dict[str, Any] = json.loads(line)
        self.line, self.telegram = self.ready["line"], self.ready["telegram"]
        self.account = "main"
        self.control = self.ready["control"].rstrip("/").removesuffix("/_control")
        self.http = httpx.Client(timeout=30, trust_env=False, verify=False)

    def open_account(self) -> "Simulator":
        """Another LINE account and bot of the same simulator: its people, quota and consumption are its own."""
        other = copy.copy(self)
        other.account = f"account-{next(_numbers)}"
        other.line = {**self.line, **other.put_account("line")}
        other.telegram = {**self.telegram, **other.put_account("telegram")}
        return other

    def put_account(self, channel: str, **more: Any) -> dict[str, Any]:
        """The account's secrets."""
        told = self.ask("PUT", "accounts", {"channel": channel, "name": self.account, **more})
        return {key: told[key] for key in ("access_token", "secret", "token") if key in told}

    def set_quota(self, quota: int | None) -> None:
        """Messages that LINE includes in this account's month."""
        self.put_account("line", quota=quota)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()

    def ask(self, method: str, path: str, body: object = None, **params: Any) -> Any:
        """A control request that must succeed."""
        answer = self.http.request(method, f"{self.control}/_control/{path}", json=body, params=params or None)
        assert answer.status_code in {200, 201, 202, 204}, f"{path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def add_people(self, channel: str, ids: Sequence[str]) -> None:
        """channel: `line` or `telegram`."""
        self.ask("POST", "people", {"channel": channel, "account": self.account, "ids": list(ids)})

    def act(self, what: str, channel: str, person: str, **more: str) -> None:
        """`block`, `unblock`, `say` or `press`."""
        self.ask("POST", what, {"channel": channel, "account": self.account, "id": person, **more})

    def list_pages(self, what: str, **params: Any) -> list[dict[str, Any]]:
        """All pages of what the simulator keeps; it must have kept all."""
        found: list[dict[str, Any]] = []
        while True:
            page = self.ask("GET", what, limit=1_000, **params)
            assert not page.get("dropped")
            found += page[what]
            if page.get("next") is None:
                return found
            params["cursor"] = page["next"]

    def list_messages(self, to: str) -> list[list[dict[str, Any]]]:
        """What a phone shows, one entry for each counted message: its objects as they were sent."""
        rows = self.list_pages("messages", to=to)
        return [[row["message"] for row in part] for _, part in itertools.groupby(rows, key=lambda row: row["request"])]

    def read_texts(self, to: str) -> list[str]:
        """Each counted message of a phone as JSON text, to look for words in."""
        return [json.dumps(one, ensure_ascii=False) for one in self.list_messages(to)]

    def list_requests(self, to: Sequence[str] | None = None) -> list[Received]:
        """All requests that send; with `to` those that reach one of these."""
        wanted = None if to is None else set(to)
        return [
            Received(row["path"], row["retry_key"], row["body_hash"], row["recipients"], row["status"])
            for row in self.list_pages("requests")
            if wanted is None or wanted.intersection(row["recipients"])
        ]

    @contextlib.contextmanager
    def faults(self, **faults: float) -> Iterator[None]:
        """Faults while the block runs, and none afterwards."""
        self.ask("PUT", "faults", faults)
        try:
            yield
        finally:
            self.ask("PUT", "faults", {"lose_reply": 0, "status_500": 0, "slow_ms": 0, "rate_per_second": 2_000})

    # --- as LINE's and Telegram's own clients would ---

    def call_line(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """A request of LINE's API under the account's token."""
        told = {"Authorization": f"Bearer {self.line['access_token']}", **headers}
        return self.http.request(method, self.line["base_url"].rstrip("/") + path, json=body, headers=told)

    def push(self, to: str, text: str, key: str | None = None) -> httpx.Response:
        body = {"to": to, "messages": [{"type": "text", "text": text}]}
        return self.call_line("POST", "/v2/bot/message/push", body, **({"X-Line-Retry-Key": key} if key else {}))

    def get_usage(self) -> int:
        """What LINE says was consumed."""
        return self.call_line("GET", "/v2/bot/message/quota/consumption").json()["totalUsage"]

    def call_telegram(self, method: str, body: object) -> httpx.Response:
        base = self.telegram["base_url"].rstrip("/")
        return self.http.post(f"{base}/bot{self.telegram['token']}/{method}", json=body)


# --- a mail server --------------------------------------------------------------------------------------------------


@dataclass
class Post:
    """An SMTP server in this process: keeps what it takes, refuses those in `gone` with 550."""

    gone: set[str] = field(default_factory=set[str])
    taken: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    port: int = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, _: Any) -> str:  # noqa: N802
        if address in self.gone:
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken += [(one, envelope.content) for one in envelope.rcpt_tos]
        return "250 OK"

    def list_bytes(self, address: str) -> list[bytes]:
        return [content for one, content in self.taken if one == address]

    def list_mails(self, address: str) -> list[EmailMessage]:
        found = [email.message_from_bytes(one, policy=email.policy.default) for one in self.list_bytes(address)]
        return [one for one in found if isinstance(one, EmailMessage)]


@contextlib.contextmanager
def open_post() -> Iterator[Post]:
    from aiosmtpd.controller import Controller

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    post = Post(port=port)
    controller = Controller(post, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield post
    finally:
        controller.stop()
