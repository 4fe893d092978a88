"""A mail server in this process (aiosmtpd), which keeps what it takes and refuses as it is told; and one that dies."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.channels import faulty


@dataclass
class Post:
    """What was taken, as (envelope's sender, recipient, bytes); what is answered to a command beginning so."""

    taken: list[tuple[str, str, bytes]] = field(default_factory=list[tuple[str, str, bytes]])
    refusals: dict[str, str] = field(default_factory=dict[str, str])
    connections: int = 0
    url: str = ""

    async def handle_EHLO(  # noqa: N802
        self, _server: Any, session: Any, _envelope: Any, hostname: str, answers: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return answers

    async def handle_MAIL(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        envelope.mail_from = address
        return self.refusals.get("MAIL", "250 2.1.0 OK")

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        answer = self.refusals.get(address, self.refusals.get("RCPT", "250 2.1.5 OK"))
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.refusals.get("DATA", "250 2.0.0 queued as 1")
        if answer.startswith("250"):
            self.taken += [(envelope.mail_from, one, envelope.original_content) for one in envelope.rcpt_tos]
        return answer


@contextlib.contextmanager
def open_post(login: tuple[bytes, bytes] | None = None) -> Iterator[Post]:
    """A server on a free port of loopback; with a login it takes nothing from strangers."""
    post = Post()

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        good = isinstance(given, LoginPassword) and (given.login, given.password) == login
        return AuthResult(success=good, handled=False, message=None if good else "535 5.7.8 no")

    options: dict[str, Any] = (
        {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False} if login else {}
    )
    controller = Controller(post, hostname="127.0.0.1", port=faulty.free_port(), enable_SMTPUTF8=True, **options)
    controller.start()
    post.url = f"smtp://127.0.0.1:{controller.port}"
    try:
        yield post
    finally:
        controller.stop()


@contextlib.asynccontextmanager
async def dies_after(command: bytes, times: int = 1_000, taken: list[str] | None = None) -> AsyncIterator[str]:
    """A server that hangs up instead of answering this command, so many times; `.` is the end of a mail.

    Whose mails came to their end is put into `taken`.
    """
    left = times

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        writer.write(b"220 ready\r\n")
        is_mail, recipient = False, ""
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if is_mail and line != b".\r\n":
                continue
            if word == b"RCPT":
                recipient = line.partition(b"<")[2].partition(b">")[0].decode()
            if is_mail and taken is not None:
                taken.append(recipient)
            if word == command and left:
                left -= 1
                return
            is_mail = word == b"DATA"
            writer.write(b"354 go on\r\n" if is_mail else b"250 OK\r\n")
            await writer.drain()

    async with faulty.serve(behave) as url:
        yield url.replace("http:", "smtp:")
