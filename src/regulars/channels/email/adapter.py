"""E-mail: a mail to each address, signed where there is a key, with bounces heard. SMTP knows no idempotency keys."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from regulars.channels.email import rendering
from regulars.channels.email.bounces import read_report
from regulars.channels.email.settings import MailSettings, is_address, split_address, to_wire
from regulars.channels.email.signing import sign_mail
from regulars.channels.email.smtp import SmtpPool
from regulars.channels.metering import Meter
from regulars.channels.pacing import Gate, Rate
from regulars.kernel.clock import Clock
from regulars.messaging.ports import ChannelState, Content, Happening, Outcome, Request, Result, Trouble

_ENDPOINT: Final = "mail"


class EmailChannel:
    """One sender's address. `path` of a request is the envelope's sender: where bounces of this mail go."""

    kind = "email"
    is_keyed = False
    key_seconds_max = 0
    many_max = 1

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._pool = SmtpPool(settings)
        rate = settings.mails_per_second
        self._gate = Gate(Rate(rate, burst=max(rate, 1)) if rate else None)
        self._meter = Meter(self.kind, _ENDPOINT)

    def check(self, content: Content) -> Sequence[Trouble]:
        """What a mail cannot do of this content."""
        return rendering.check_content(content)

    def render(self, key: UUID, content: Content, addresses: Sequence[str], headers: Mapping[str, str]) -> Request:
        """The mail's bytes, signed. Raises: ValueError for several addresses and for headers that would add others."""
        (address,) = addresses
        now = self._clock()
        mail = rendering.render_mail(self._settings, key, content, address, headers, now)
        if self._settings.signing:
            mail = sign_mail(mail, self._settings.signing, now)
        return Request(key, self._tag_return_path(key), mail, (address,))

    def render_reply(self, key: UUID, content: Content, reply_token: str) -> Request | None:
        """None: a mail is answered by another."""
        return None

    async def send(self, request: Request) -> Result:
        """One attempt."""
        (address,) = request.addresses
        if not is_address(address):
            return Result(Outcome.REJECTED, "invalid", "this is no mail address", blocked_addresses=(address,))
        if seconds := await self._gate.pass_through():
            self._meter.count("held")
            return Result(Outcome.RETRY, "held", "this server is being left alone for a while", seconds)
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            result = await self._pool.send(request.path, to_wire(address), request.body)
        except BaseException:
            self._gate.breaker.forget()
            raise
        is_heard = result.status is not None or result.reason == "invalid"
        self._gate.breaker.record(loop.time(), is_heard)
        self._meter.show_circuit(self._gate.breaker.is_open)
        self._meter.count(str(result.status or result.reason))
        self._meter.time(loop.time() - started)
        return result

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
        """A bounce or complaint that a mail server hands on. Raises: WebhookRefused, WebhookUnreadable."""
        return read_report(self._settings.webhook_secret, headers, body, self._clock())

    async def register_webhook(self, url: str) -> ChannelState:
        """Mail servers have no API for that: the owner has bounces handed to the address."""
        return ChannelState(True, "have your mail server hand bounces on to this address")

    async def probe(self) -> ChannelState:
        """Whether the server lets us in."""
        result = await self._pool.probe()
        server = self._settings.server.show()
        if result.outcome is Outcome.ACCEPTED:
            return ChannelState(True, f"{server} takes mails", name=split_address(self._settings.sender)[1])
        return ChannelState(False, f"{server}: {result.detail}")

    async def close(self) -> None:
        """Give connections back."""
        await self._pool.close()

    def _tag_return_path(self, key: UUID) -> str:
        """`bounces+KEY@domain` where there is an address for bounces, else the sender's own."""
        settings = self._settings
        if settings.return_path is None:
            return to_wire(split_address(settings.sender)[1])
        local, _, domain = to_wire(settings.return_path).rpartition("@")
        return f"{local}+{key.hex}@{domain}"
