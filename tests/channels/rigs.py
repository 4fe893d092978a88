"""One face for three worlds, so that every adapter is asked the same: the simulator's LINE and Telegram, and a mail server."""

import asyncio
import contextlib
import email
import email.policy
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from regulars.channels.email.adapter import EmailChannel
from regulars.channels.email.settings import MailSettings, Server
from regulars.channels.line.adapter import LineChannel
from regulars.channels.sending import Timeouts
from regulars.channels.telegram.adapter import TelegramChannel
from regulars.messaging.ports import Channel, HappeningKind, Outcome
from tests.channels.faulty import free_port
from tests.channels.post import Post, dies_after
from tests.channels.simulator.driving import Heard, Served
from tests.support.serving import wait_until

SHORT = Timeouts(connect_seconds=1, reply_seconds=1)
SECRETS = ("HOOK-secret", "SIGN-secret", "PASS-secret")
_numbers = itertools.count(1)


def clock() -> datetime:
    return datetime.now(UTC)


class Rig(Protocol):
    """A vendor, seen from whoever receives."""

    kind: str
    blocked_outcome: Outcome
    """What a message to somebody who is gone comes to: LINE takes it and says nothing."""
    gone_kind: HappeningKind

    def open(self, *, wrong: bool = False, unreachable: bool = False) -> Channel:
        """An adapter; with a wrong password, or to nobody."""
        ...

    def add_person(self) -> str:
        """Somebody new who can be written to."""
        ...

    def count_received(self, address: str) -> int:
        """How many messages somebody got."""
        ...

    def read(self, address: str) -> str:
        """All that somebody was told, as text."""
        ...

    def leave(self, address: str) -> None:
        """Block, or have no mailbox any more."""
        ...

    def losing_replies(self) -> AbstractAsyncContextManager[Channel]:
        """An adapter to a vendor that does what it is asked and does not say so."""
        ...

    def pushing_back(self) -> AbstractContextManager[None]:
        """The vendor says for now that it is too much."""
        ...

    def hear_leaving(self, address: str) -> tuple[Mapping[str, str], bytes]:
        """The webhook that tells of somebody who left."""
        ...


@dataclass
class ChatRig:
    """LINE or Telegram in the simulator."""

    served: Served
    heard: Heard
    kind: str
    blocked_outcome: Outcome
    gone_kind: HappeningKind = HappeningKind.BLOCKED

    def open(self, *, wrong: bool = False, unreachable: bool = False) -> Channel:
        url = f"http://127.0.0.1:{free_port()}" if unreachable else self.served.url
        if self.kind == "line":
            account = self.served.world.line["main"]
            token = "PASS-secret" if wrong else account.token
            return LineChannel(url, token, account.secret, SHORT)
        bot = self.served.world.telegram["main"]
        return TelegramChannel(url, "1:PASS-secret" if wrong else bot.token, "HOOK-secret", clock, 1_000, SHORT)

    def add_person(self) -> str:
        number = next(_numbers)
        address = f"U{number:032x}" if self.kind == "line" else str(900_000 + number)
        self.served.control("POST", "people", {"channel": self.kind, "ids": [address]})
        return address

    def count_received(self, address: str) -> int:
        return len(self._messages(address))

    def read(self, address: str) -> str:
        return str([one["message"] for one in self._messages(address)])

    def leave(self, address: str) -> None:
        self.served.control("POST", "block", {"channel": self.kind, "id": address})

    @contextlib.asynccontextmanager
    async def losing_replies(self) -> AsyncIterator[Channel]:
        with self._faults(lose_reply=1.0):
            channel = self.open()
            yield channel
            await channel.close()

    @contextlib.contextmanager
    def pushing_back(self) -> Iterator[None]:
        with self._faults(rate_limited=1.0):
            yield

    def hear_leaving(self, address: str) -> tuple[Mapping[str, str], bytes]:
        channel = self.open()
        state = asyncio.run(_register(channel, self.heard.url))
        assert state.ok, state.detail
        self.leave(address)
        return self.wait_heard(address)

    def wait_heard(self, address: str) -> tuple[Mapping[str, str], bytes]:
        """The first webhook about somebody."""
        wait_until(lambda: self._find_heard(address) is not None, "a webhook came", 10)
        heard = self._find_heard(address)
        assert heard is not None
        return heard

    def _find_heard(self, address: str) -> tuple[Mapping[str, str], bytes] | None:
        return next((one for one in self.heard.requests if address.encode() in one[1]), None)

    def _messages(self, address: str) -> list[Any]:
        answer = self.served.http.get(f"{self.served.url}/_control/messages", params={"to": address, "limit": 1000})
        return answer.json()["messages"]

    @contextlib.contextmanager
    def _faults(self, **faults: float) -> Iterator[None]:
        self.served.control("PUT", "faults", faults)
        try:
            yield
        finally:
            self.served.control("PUT", "faults", dict.fromkeys(faults, 0))


@dataclass
class MailRig:
    """A mail server in this process."""

    post: Post
    kind: str = "email"
    blocked_outcome: Outcome = Outcome.REJECTED
    gone_kind: HappeningKind = HappeningKind.BOUNCED
    _lost: list[str] = field(default_factory=list[str])

    def open(self, *, wrong: bool = False, unreachable: bool = False) -> Channel:
        port = free_port() if unreachable else int(self.post.url.rpartition(":")[2])
        server = Server("smtp", "127.0.0.1", port, "shop", "PASS-secret" if wrong else "good")
        return EmailChannel(
            MailSettings(server, "Shop <shop@example.com>", return_path="b@example.com", webhook_secret="HOOK-secret"),
            clock,
        )

    def add_person(self) -> str:
        return f"person{next(_numbers)}@example.org"

    def count_received(self, address: str) -> int:
        return len(self._mails(address)) + self._lost.count(address)

    def read(self, address: str) -> str:
        told: list[str] = []
        for raw in self._mails(address):
            body = email.message_from_bytes(raw, policy=email.policy.default).get_body(("plain",))  # type: ignore[attr-defined]
            told.append(body.get_content())
        return "\n".join(told)

    def leave(self, address: str) -> None:
        self.post.refusals[address] = "550 5.1.1 no such mailbox"

    @contextlib.asynccontextmanager
    async def losing_replies(self) -> AsyncIterator[Channel]:
        async with dies_after(b".", taken=self._lost) as url:
            channel = EmailChannel(MailSettings(Server.parse(url), "shop@example.com"), clock)
            yield channel
            await channel.close()

    @contextlib.contextmanager
    def pushing_back(self) -> Iterator[None]:
        self.post.refusals["RCPT"] = "451 4.7.1 greylisted, come again"
        try:
            yield
        finally:
            del self.post.refusals["RCPT"]

    def hear_leaving(self, address: str) -> tuple[Mapping[str, str], bytes]:
        report = (
            "To: b@example.com\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
            f"Final-Recipient: rfc822; {address}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
        )
        return {"authorization": "Bearer HOOK-secret"}, report.encode()

    def _mails(self, address: str) -> list[bytes]:
        return [raw for _, recipient, raw in self.post.taken if recipient == address]


async def _register(channel: Channel, url: str) -> Any:
    state = await channel.register_webhook(url)
    await channel.close()
    return state
