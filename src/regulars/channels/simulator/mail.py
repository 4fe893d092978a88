"""A mail server that takes every mail, keeps none, and logs each as a request of the channel `email`."""

import asyncio
import socket
from typing import Any, Final

from aiosmtpd.smtp import SMTP, Envelope, Session

from regulars.channels.simulator.state.world import FIRST_ACCOUNT, World

HOST_NAME: Final = "simulator.invalid"
ENDPOINT: Final = "mail"
_OK: Final = "250 OK"


class Mailbox:
    """What aiosmtpd asks when a mail has come."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Count it for each of its recipients."""
        log = self._world.log
        received = log.begin(self._world.now(), "email", "DATA", "")
        received.endpoint, received.account, received.status = ENDPOINT, FIRST_ACCOUNT, 250
        received.recipients = tuple(envelope.rcpt_tos)
        received.objects, received.counted = 1, len(envelope.rcpt_tos)
        log.add(received)
        return _OK


async def open_mail(world: World, listening: socket.socket) -> asyncio.Server:
    """A server on a bound socket; mails without TLS and without a login, as between programs of one machine."""
    box = Mailbox(world)
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(box, hostname=HOST_NAME, enable_SMTPUTF8=True), sock=listening
    )
