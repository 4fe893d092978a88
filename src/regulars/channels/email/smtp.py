"""Connections to one SMTP server, used again; and what its replies mean, by how far a mail had come.

Before DATA nothing was taken: whatever fails there may be tried again. Between DATA and its reply it may have been.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from regulars.channels.email.settings import MailSettings, split_address, to_wire
from regulars.channels.email.statuses import find_status, is_address_dead
from regulars.messaging.ports import Outcome, Result

CONNECTIONS_MAX: Final = 8
IDLE_SECONDS_MAX: Final = 20.0
CONNECT_SECONDS: Final = 10.0
REPLY_SECONDS: Final = 60.0
"""RFC 5321 asks for minutes; a mail server that scans takes its time after DATA, and giving up leaves it uncertain."""
RETRY_SECONDS: Final = 60.0
_DETAIL_MAX: Final = 300


@dataclass(slots=True)
class _Idle:
    client: aiosmtplib.SMTP
    since: float


class SmtpPool:
    """Belongs to the event loop that uses it first."""

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._idle: list[_Idle] = []

    async def send(self, sender: str, recipient: str, mail: bytes) -> Result:
        """One mail to one recipient."""
        async with self._places:
            client = self._take()
            if client is not None:
                result = await self._try(client, sender, recipient, mail)
                if not (result.outcome is Outcome.RETRY and result.reason == "disconnected"):
                    return result
            client, result = await self._connect()
            if client is None:
                return result
            return await self._try(client, sender, recipient, mail)

    async def probe(self) -> Result:
        """Connect, log in and say goodbye."""
        client, result = await self._connect()
        if client is not None:
            self._put(client)
        return result

    async def close(self) -> None:
        """Say goodbye on every connection."""
        while self._idle:
            client = self._idle.pop().client
            try:
                await client.quit(timeout=1)
            except (aiosmtplib.SMTPException, OSError):
                client.close()

    def _take(self) -> aiosmtplib.SMTP | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            idle = self._idle.pop()
            if idle.client.is_connected and now - idle.since < IDLE_SECONDS_MAX:
                return idle.client
            idle.client.close()
        return None

    def _put(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected:
            self._idle.append(_Idle(client, asyncio.get_running_loop().time()))

    async def _connect(self) -> tuple[aiosmtplib.SMTP | None, Result]:
        server = self._settings.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.scheme == "smtps",
            start_tls={"smtps": False, "smtp+starttls": True}.get(server.scheme),
            local_hostname=to_wire(split_address(self._settings.sender)[1]).rpartition("@")[2],
            timeout=CONNECT_SECONDS,
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            return None, _judge_refusal(error.code, error.message, "unauthorized")
        except aiosmtplib.SMTPResponseException as error:
            client.close()
            return None, Result(
                Outcome.RETRY, "unreachable", _tell(error.code, error.message), RETRY_SECONDS, status=error.code
            )
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            cause = error.__cause__ or error
            detail = f"TLS: {cause.reason}" if isinstance(cause, ssl.SSLError) else type(cause).__name__
            return None, Result(Outcome.RETRY, "unreachable", f"cannot be reached: {detail}", RETRY_SECONDS)
        client.timeout = REPLY_SECONDS
        return client, Result(Outcome.ACCEPTED)

    async def _try(self, client: aiosmtplib.SMTP, sender: str, recipient: str, mail: bytes) -> Result:
        """A mail over a connection, which is given back where it still is one."""
        is_begun = False
        try:
            options, encoding = ([], "ascii") if (sender + recipient).isascii() else (["SMTPUTF8"], "utf-8")
            if options and not client.supports_extension("smtputf8"):
                return Result(Outcome.REJECTED, "invalid", "the server takes no addresses beyond ASCII")
            await client.mail(sender, options=options, encoding=encoding)
            await client.rcpt(recipient, encoding=encoding)
            is_begun = True
            response = await client.data(mail)
        except aiosmtplib.SMTPResponseException as error:
            result = _judge(error, recipient)
            await self._reset(client)
            return result
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            if is_begun:
                return Result(Outcome.UNKNOWN, "no_reply", f"no reply to the mail: {type(error).__name__}")
            return Result(Outcome.RETRY, "disconnected", f"before the mail: {type(error).__name__}", RETRY_SECONDS)
        except asyncio.CancelledError:
            client.close()
            raise
        self._put(client)
        return Result(Outcome.ACCEPTED, message_id=response.message[:_DETAIL_MAX], status=response.code)

    async def _reset(self, client: aiosmtplib.SMTP) -> None:
        """Forget a refused mail, so that the connection can take another."""
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        else:
            self._put(client)


def _judge(error: aiosmtplib.SMTPResponseException, recipient: str) -> Result:
    """What a refusal means, by which command met it."""
    if isinstance(error, aiosmtplib.SMTPRecipientRefused):
        result = _judge_refusal(error.code, error.message, "bounced")
        is_dead = result.outcome is Outcome.REJECTED and is_address_dead(find_status(error.message), error.code)
        if not is_dead:
            return result
        return Result(result.outcome, result.reason, result.detail, status=error.code, blocked_addresses=(recipient,))
    return _judge_refusal(
        error.code, error.message, "sender_refused" if isinstance(error, aiosmtplib.SMTPSenderRefused) else "bounced"
    )


def _judge_refusal(code: int, message: str, reason: str) -> Result:
    """5xx for good, all else for now."""
    if 500 <= code <= 599:
        return Result(Outcome.REJECTED, reason, _tell(code, message), status=code)
    return Result(Outcome.RETRY, "deferred", _tell(code, message), RETRY_SECONDS, status=code)


def _tell(code: int, message: str) -> str:
    return f"{code} {' '.join(message.split())}"[:_DETAIL_MAX]
