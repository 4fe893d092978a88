"""How much the process takes on at once. What finds no room is refused at once and sent again by its sender.

Decides on requests under way and on bytes of bodies held for them; a body read as objects takes many times its bytes.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from regulars.api.errors import answer_error
from regulars.events.service.writing import WriterOverloaded
from regulars.kernel.errors import DomainError, Kind

REQUESTS_AT_ONCE_MAX: Final = 1_000
KNOWN_BODY_BYTES_MAX: Final = 64 * 1024 * 1024
UNKNOWN_BODY_BYTES_MAX: Final = 24 * 1024 * 1024
"""Of bodies that are read before anybody knows whose they are: their key is in them."""


class ServerBusy(DomainError):
    """More requests are under way than this process takes on at once."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "server.busy"


@dataclass(slots=True)
class BodyRoom:
    """Bytes of bodies that may be held at once."""

    bytes_max: int
    bytes_held: int = 0

    @contextmanager
    def lease(self) -> "Generator[Lease]":
        """Room for one request, given back at its end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            self.bytes_held -= lease.bytes_held


@dataclass(slots=True)
class Lease:
    """What one request holds of the room."""

    room: BodyRoom
    bytes_held: int = 0

    def take(self, count: int) -> None:
        """Raises: WriterOverloaded where there is no room for so much."""
        if self.room.bytes_held + count > self.room.bytes_max:
            raise WriterOverloaded("too many large requests are under way; send this again in a few seconds")
        self.room.bytes_held += count
        self.bytes_held += count


class BoundedRequests:
    """Refuses what is more than the process takes on at once; how it fares can always be asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ("/healthz", "/health", "/metrics"):
            await self.app(scope, receive, send)
            return
        if self.under_way >= REQUESTS_AT_ONCE_MAX:
            error = ServerBusy(f"{self.under_way:,} requests are under way; send this again in a few seconds")
            await answer_error(error)(scope, receive, send)
            return
        self.under_way += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.under_way -= 1
