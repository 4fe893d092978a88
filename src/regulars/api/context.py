"""What routes need that lives as long as the process, and who is calling."""

import asyncio
import base64
import binascii
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from regulars.access import service as access
from regulars.access.errors import KeyMissing
from regulars.access.service import Caller, KeyKind
from regulars.api.bodies import read_body
from regulars.api.errors import RequestInvalid, answer
from regulars.api.room import KNOWN_BODY_BYTES_MAX, UNKNOWN_BODY_BYTES_MAX, BodyRoom
from regulars.audiences.service.answering import AudienceEngine
from regulars.events.errors import CursorInvalid
from regulars.events.jobs import EventJobs
from regulars.events.service.writing import EventWriter
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId
from regulars.ledger.service import Holders
from regulars.loyalty.service.editions import Editions
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.errors import BrandBusy
from regulars.platform.tenancy import Brand

READ_CONNECTIONS_MAX: Final = 6
WRITE_CONNECTIONS_MAX: Final = 8
INGEST_CONNECTIONS_MAX: Final = 6
WRITES_PER_BRAND_AT_ONCE_MAX: Final = 2
"""The writes of a brand follow each other under its lock anyway: more of them would hold connections and wait there."""
WRITE_LOCK_SECONDS_MAX: Final = 5.0
WRITE_TURN_SECONDS_MAX: Final = 10.0
INGEST_LOCK_SECONDS_MAX: Final = 10.0
CALLER_REMEMBERED_SECONDS = 2.0
CALLERS_REMEMBERED_MAX = 1_000
LIMIT_DEFAULT = 100
LIMIT_MAX = 1_000


@dataclass(slots=True)
class ApiContext:
    """The app's state; `request.app.state.context`.

    Reads, writes and the writer of events have connections of their own: whoever waits for a brand's lock holds one, and
    nobody who needs no lock may have to wait for it.
    """

    database: Database
    writes: Database
    writer: EventWriter
    audiences: AudienceEngine
    history: HistoryReader
    event_jobs: EventJobs
    outbox: Outbox
    master_key: bytes
    clock: Clock
    holders: Holders
    editions: Editions = field(default_factory=Editions)
    _callers: dict[tuple[KeyKind, str], tuple[float, Caller]] = field(
        default_factory=dict[tuple[KeyKind, str], tuple[float, Caller]]
    )

    room: BodyRoom = field(default_factory=lambda: BodyRoom(KNOWN_BODY_BYTES_MAX))
    unknown_room: BodyRoom = field(default_factory=lambda: BodyRoom(UNKNOWN_BODY_BYTES_MAX))
    parsing: asyncio.Lock = field(default_factory=asyncio.Lock)
    measuring: asyncio.Lock = field(default_factory=asyncio.Lock)
    _turns: dict[BrandId, asyncio.Semaphore] = field(default_factory=dict[BrandId, asyncio.Semaphore])

    async def open(self) -> None:
        """Start all pools; whether PostgreSQL is there is seen at the first request."""
        for database in (self.database, self.writes, self.writer.database):
            await database.open()

    async def close(self) -> None:
        """Close all connections."""
        for database in (self.database, self.writes, self.writer.database):
            await database.close()
        await self.outbox.channels.close()
        if self.audiences.cluster is not None:
            await self.audiences.cluster.close()
        self.history.close()

    @asynccontextmanager
    async def write(self, brand: Brand) -> AsyncGenerator[WriteTransaction]:
        """A transaction that writes for one brand; it waits for its turn first, without a connection.

        Raises: BrandBusy, DatabaseBusy, DatabaseUnavailable, StorageFull.
        """
        turns = self._turns.setdefault(brand.brand_id, asyncio.Semaphore(WRITES_PER_BRAND_AT_ONCE_MAX))
        try:
            async with asyncio.timeout(WRITE_TURN_SECONDS_MAX):
                await turns.acquire()
        except TimeoutError as error:
            raise BrandBusy("too many other writes of this brand came before this one; send it again") from error
        try:
            async with self.writes.write() as tx:
                yield tx
        finally:
            turns.release()

    async def authenticate(self, kind: KeyKind, key: str) -> Caller:
        """Whose key this is, remembered for two seconds. Raises: KeyUnknown."""
        known = self._callers.get((kind, key))
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with self.database.read() as tx:
            caller = await access.authenticate(tx, kind, key, master_key=self.master_key)
        if len(self._callers) >= CALLERS_REMEMBERED_MAX:
            self._callers.clear()
        self._callers[kind, key] = (time.monotonic() + CALLER_REMEMBERED_SECONDS, caller)
        return caller

    def forget_callers(self) -> None:
        """After a brand's settings changed."""
        self._callers.clear()


def context_of(request: Request) -> ApiContext:
    """The app's state."""
    return request.app.state.context


async def access_api(request: Request) -> Caller:
    """The caller of an API route, by its Bearer key. Raises: KeyMissing, KeyUnknown, RequestInvalid."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise KeyMissing("this path needs the header Authorization: Bearer API_KEY")
    caller = await context_of(request).authenticate("api", key.strip())
    if "\0" in request.scope["path"] or any("\0" in value for value in request.query_params.values()):
        raise RequestInvalid("a path or a query holds a NUL character, which no database stores", path="/")
    return caller


async def answer_write(
    request: Request, caller: Caller, perform: Callable[[WriteTransaction], Awaitable[Any]], *, status: int = 200
) -> Response:
    """Run one write in one transaction and answer it; with an Idempotency-Key, once for all repetitions.

    Raises: IdempotencyConflict, and whatever `perform` raises: then nothing is kept, the key neither.
    """
    context = context_of(request)
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        async with context.write(caller.brand) as tx:
            body = await perform(tx)
        return answer(body, status)
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await read_body(request)
    async with context.write(caller.brand) as tx:
        kept = await access.claim_answer(tx, caller.brand, idempotency_key=key, request=asked, now=context.clock())
        if kept is not None:
            return Response(kept.body, status_code=kept.status, media_type="application/json")
        body = msgspec.json.encode(await perform(tx)).decode()
        await access.keep_answer(tx, caller.brand, idempotency_key=key, status=status, body=body)
    return Response(body, status_code=status, media_type="application/json")


def read_limit(request: Request) -> int:
    """`limit`, 1–1000, default 100. Raises: RequestInvalid."""
    text = request.query_params.get("limit")
    if text is None:
        return LIMIT_DEFAULT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LIMIT_MAX:
        raise RequestInvalid(f"limit {text[:20]!r} is not from 1 to {LIMIT_MAX}", path="limit", suggestion="100")
    return int(text)


def read_cursor(request: Request) -> str | None:
    """What `next` of the page before meant. Raises: CursorInvalid."""
    text = request.query_params.get("cursor")
    if not text:
        return None
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError) as error:
        raise CursorInvalid(f"{text[:40]!r} is not a cursor of this list", path="cursor") from error
    if "\0" in decoded:
        raise CursorInvalid(f"{text[:40]!r} is not a cursor of this list", path="cursor")
    return decoded


def read_number_cursor(request: Request, default: int) -> int:
    """A cursor that holds a number. Raises: CursorInvalid."""
    text = read_cursor(request)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise CursorInvalid("this is not a cursor of this list", path="cursor")
    return int(text)


def page(things: str, rows: list[Any], limit: int, key: Callable[[Any], object]) -> dict[str, Any]:
    """A list's answer: `next` leads on where the page is full."""
    return {things: rows, "next": make_cursor(key(rows[-1])) if len(rows) == limit else None}


def make_cursor(last: object) -> str:
    """What leads on behind `last`; `read_cursor` reads it."""
    return base64.urlsafe_b64encode(str(last).encode()).decode().rstrip("=")
