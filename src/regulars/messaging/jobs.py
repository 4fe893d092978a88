"""Messaging's background work besides sending: every night, what is of no more use is forgotten. Safe to run twice."""

import structlog
from procrastinate import App

from regulars.access import service as access
from regulars.kernel.clock import Clock
from regulars.messaging.service.forgetting import forget_old
from regulars.platform.db import Database

log = structlog.get_logger("messaging")


def add_messaging_jobs(app: App, database: Database, master_key: bytes, clock: Clock) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron="11 3 * * *")
    @app.task(name="messaging.forget", queueing_lock="messaging.forget", pass_context=False)
    async def forget(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        async with database.read() as tx:
            names = await access.list_brand_names(tx)
        for name in names:
            async with database.write() as tx:
                brand = await access.get_brand(tx, name, master_key=master_key)
                emptied = await forget_old(tx, brand.brand_id, now=clock())
            log.debug("forgotten", brand=name, requests=emptied)
