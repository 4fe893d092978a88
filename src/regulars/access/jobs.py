"""Access's background work: forgetting kept answers in time. Safe to run twice."""

from datetime import timedelta
from typing import Final

from procrastinate import App

from regulars.access import service
from regulars.kernel.clock import Clock
from regulars.platform.db import Database

ANSWERS_KEPT_DAYS: Final = 30


def add_access_jobs(app: App, database: Database, clock: Clock) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron="41 * * * *")
    @app.task(name="access.forget", pass_context=False)
    async def forget(timestamp: int) -> None:  # pyright: ignore[reportUnusedFunction] - the app calls it
        del timestamp  # the periodic run's own instant; the clock tells ours
        async with database.write() as tx:
            await service.delete_old_answers(tx, before=clock() - timedelta(days=ANSWERS_KEPT_DAYS))
