"""Measure's background work: every night, what campaigns changed is counted for the next plans. Safe to run twice."""

import structlog
from procrastinate import App

from regulars.access import service as access
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import Clock
from regulars.measure.service.keeping import keep_lifts
from regulars.platform.db import Database

log = structlog.get_logger("measure")


def add_measure_jobs(app: App, database: Database, history: HistoryReader, master_key: bytes, clock: Clock) -> None:
    """Register the tasks on a procrastinate app. Shape: `history` is the job's alone, and closed between two nights."""

    @app.periodic(cron="41 4 * * *")
    @app.task(name="measure.keep", queueing_lock="measure.keep", lock="measure.keep", pass_context=False)
    async def keep(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        async with database.read() as tx:
            names = await access.list_brand_names(tx)
        try:
            for name in names:
                async with database.read() as tx:
                    brand = await access.get_brand(tx, name, master_key=master_key)
                kept = await keep_lifts(database, history, brand, now=clock())
                log.debug("lifts kept", brand=name, campaigns=kept)
        finally:
            history.close()
