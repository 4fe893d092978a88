"""Loyalty's background work: what is over ends, what was merged is told anew, what was erased is forgotten. Safe to run twice."""

from typing import Final

import structlog
from procrastinate import App

from regulars.kernel.clock import Clock
from regulars.loyalty.service.sweeping import end_what_is_over
from regulars.loyalty.store import driving
from regulars.platform.db import Database

EVERY_15_SECONDS: Final = "* * * * * */15"
"""Whose reservation is over may spend the points again: nobody should wait for that a whole minute at the till."""

log = structlog.get_logger("loyalty")


def add_loyalty_jobs(app: App, database: Database, master_key: bytes, clock: Clock) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron=EVERY_15_SECONDS)
    @app.task(name="loyalty.end", queueing_lock="loyalty.end", lock="loyalty.end", pass_context=False)
    async def end(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        count = await end_what_is_over(database, master_key, now=clock())
        if count:
            log.debug("reservations looked at", count=count)

    @app.periodic(cron="* * * * *")
    @app.task(name="loyalty.merged", queueing_lock="loyalty.merged", pass_context=False)
    async def follow_merges(timestamp: int) -> None:
        del timestamp
        async with database.write() as tx:
            await driving.mark_gone_due(tx, clock())

    @app.periodic(cron="41 3 * * *")
    @app.task(name="loyalty.forget", queueing_lock="loyalty.forget", pass_context=False)
    async def forget(timestamp: int) -> None:
        del timestamp
        async with database.write() as tx:
            await driving.delete_orphans(tx)
