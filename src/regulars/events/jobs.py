"""Events' background work: removing what was erased, forgetting seen ids and rejected calls in time. Safe to run twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from procrastinate import App, RetryStrategy
from procrastinate.tasks import Task

from regulars.events import store
from regulars.events.service.taking import drop_old_months, ensure_months
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId, OriginId
from regulars.members.service.joining import lock_brand_id
from regulars.platform.db import Database, WriteTransaction

EVENTS_PER_REMOVAL_MAX: Final = 10_000
REJECTED_DAYS: Final = 90


@dataclass(frozen=True, slots=True)
class EventJobs:
    """The tasks, for whoever defers them."""

    _removal: Task[Any, Any, Any]

    async def defer_removal(self, tx: WriteTransaction, brand_id: BrandId, origin_ids: Sequence[OriginId]) -> None:
        """Remove the events of these origins, once this transaction has committed."""
        await self._removal.configure(connection=tx.connection).defer_async(
            brand_id=brand_id, origin_ids=list(origin_ids)
        )


def add_event_jobs(app: App, database: Database, clock: Clock) -> EventJobs:
    """Register the tasks on a procrastinate app."""

    @app.task(name="events.remove_erased", retry=RetryStrategy(max_attempts=20, exponential_wait=2))
    async def remove_erased(brand_id: int, origin_ids: list[int]) -> None:
        await remove_events(database, BrandId(brand_id), [OriginId(origin_id) for origin_id in origin_ids])

    @app.periodic(cron="11 * * * *")
    @app.task(name="events.forget", pass_context=False)
    async def forget(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        async with database.write() as tx:
            await ensure_months(tx, clock())
            await drop_old_months(tx, clock())
            await store.delete_old_rejected(tx, before=clock() - timedelta(days=REJECTED_DAYS))

    return EventJobs(remove_erased)


async def remove_events(database: Database, brand_id: BrandId, origin_ids: Sequence[OriginId]) -> int:
    """Delete the events of erased origins, a part in each transaction; returns how many."""
    total = 0
    while True:
        async with database.write() as tx:
            await lock_brand_id(tx, brand_id)  # the counts of names are changed under it, here as when taking
            removed = await store.delete_events_of(tx, brand_id, origin_ids, limit=EVENTS_PER_REMOVAL_MAX)
            if removed:
                await store.reduce_names(tx, brand_id, removed)
        count = sum(events for _, events, _ in removed)
        total += count
        if count < EVENTS_PER_REMOVAL_MAX:
            return total
