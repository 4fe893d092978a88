"""One writer for all requests of a process: calls that wait together are committed together.

A commit costs a flush to disk and batches of one brand follow each other under its lock, so requests that arrive while
one transaction is on its way share the next. Each is answered when its own events are durable. Where a shared
transaction fails for another reason than the database being away, each request is tried alone: one cannot fail another.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from regulars.events import store
from regulars.events.model import Call, Rejected
from regulars.events.service.taking import (
    OriginMemory,
    Outcome,
    SeenMonth,
    Taken,
    ensure_months,
    keep_rejected,
    take_calls,
)
from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId
from regulars.platform.db import Database
from regulars.platform.errors import DatabaseUnavailable, StorageFull
from regulars.platform.telemetry import EVENTS
from regulars.platform.tenancy import Brand

EVENTS_PER_COMMIT_MAX = 5_000
EVENTS_WAITING_MAX = 100_000
CAREFUL_COMMITS = 20
"""Where one call came before, more are likely to: so many commits search first instead of failing first."""


class WriterOverloaded(DatabaseUnavailable):
    """More events wait to be written than memory should hold; the client may send again shortly."""

    code = "ingest.overloaded"


@dataclass(slots=True)
class Submission:
    """One request's calls on their way; `done` gives what became of each."""

    brand: Brand
    source_id: int
    received_at: int
    calls: Sequence[Call]
    rejected: Sequence[Rejected]
    done: "asyncio.Future[Answer]"


@dataclass(frozen=True, slots=True)
class Answer:
    """Outcomes in the order of the calls, and traits of theirs that did not land."""

    outcomes: list[Outcome]
    trait_problems: list[tuple[int, DomainError]]


@dataclass(slots=True)
class EventWriter:
    """Writes submissions, brand by brand, for as long as the process lives."""

    database: Database
    clock: Clock
    memory: OriginMemory = field(default_factory=OriginMemory)
    _waiting: dict[BrandId, list[Submission]] = field(default_factory=dict[BrandId, list[Submission]])
    _tasks: dict[BrandId, asyncio.Task[None]] = field(default_factory=dict[BrandId, "asyncio.Task[None]"])
    _waiting_count: int = 0
    _month: SeenMonth | None = None
    _careful_commits: int = 0

    async def write(
        self, brand: Brand, source_id: int, received_at: int, calls: Sequence[Call], rejected: Sequence[Rejected]
    ) -> Answer:
        """Returns when the calls are durable. Raises: WriterOverloaded, DatabaseUnavailable, StorageFull."""
        if self._waiting_count + len(calls) > EVENTS_WAITING_MAX:
            raise WriterOverloaded(f"{self._waiting_count:,} events wait to be written; send again in a few seconds")
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(brand.brand_id, []).append(
            Submission(brand, source_id, received_at, calls, rejected, done)
        )
        self._waiting_count += len(calls)
        if brand.brand_id not in self._tasks:
            self._tasks[brand.brand_id] = asyncio.create_task(self._drain(brand.brand_id))
        return await done

    async def _drain(self, brand_id: BrandId) -> None:
        try:
            while together := self._take_next(brand_id):
                await self._write_together(together)
        finally:
            del self._tasks[brand_id]

    def _take_next(self, brand_id: BrandId) -> list[Submission]:
        waiting = self._waiting.get(brand_id, [])
        count = events = 0
        while count < len(waiting) and (count == 0 or events + len(waiting[count].calls) <= EVENTS_PER_COMMIT_MAX):
            events += len(waiting[count].calls)
            count += 1
        together, self._waiting[brand_id] = waiting[:count], waiting[count:]
        self._waiting_count -= events
        return together

    async def _write_together(self, together: list[Submission]) -> None:
        try:
            answers = await self._commit(together)
        except (DatabaseUnavailable, StorageFull) as error:
            _fail(together, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must reach the requests that wait for it
            if len(together) == 1:
                _fail(together, error)
            else:
                for submission in together:
                    await self._write_together([submission])
        else:
            for submission, answer in zip(together, answers, strict=True):
                if not submission.done.cancelled():
                    submission.done.set_result(answer)

    async def _commit(self, together: list[Submission]) -> list[Answer]:
        month = await self._ensure_month()
        if self._careful_commits:
            self._careful_commits -= 1
            return await self._commit_as(together, None)
        try:
            return await self._commit_as(together, month)
        except store.SeenBefore:
            self._careful_commits = CAREFUL_COMMITS
            return await self._commit_as(together, None)

    async def _commit_as(self, together: list[Submission], month: SeenMonth | None) -> list[Answer]:
        brand = together[-1].brand
        calls = [call for submission in together for call in submission.calls]
        async with self.database.write() as tx:
            taken = await take_calls(tx, brand, calls, now=self.clock(), memory=self.memory, month=month)
            for submission in together:
                await keep_rejected(
                    tx,
                    brand,
                    submission.rejected,
                    source_id=submission.source_id,
                    received_at=submission.received_at,
                )
        self.memory.remember(brand.brand_id, taken)
        _count(taken, together)
        return _split(together, taken)

    async def _ensure_month(self) -> SeenMonth:
        now = self.clock()
        if self._month is None or not self._month.first <= now < self._month.until:
            async with self.database.write() as tx:
                month = await ensure_months(tx, now)
            self._month = month
        return self._month


def _count(taken: Taken, together: Sequence[Submission]) -> None:
    for outcome in ("written", "known", "dropped"):
        EVENTS.labels(outcome).inc(taken.outcomes.count(outcome))
    EVENTS.labels("rejected").inc(sum(len(submission.rejected) for submission in together))


def _split(together: Sequence[Submission], taken: Taken) -> list[Answer]:
    """Each request's part of what became of all."""
    answers: list[Answer] = []
    start = 0
    for submission in together:
        end = start + len(submission.calls)
        problems = [(at - start, error) for at, error in taken.trait_problems if start <= at < end]
        answers.append(Answer(taken.outcomes[start:end], problems))
        start = end
    return answers


def _fail(together: Sequence[Submission], error: Exception) -> None:
    for submission in together:
        if not submission.done.cancelled():
            submission.done.set_exception(error)
