"""The ledger's background work: what has expired is posted, each minute. Safe to run twice; nothing waits for it.

A lot that has expired cannot be spent whether or not it was posted, nor a hold captured: PostgreSQL's clock decides.
"""

import structlog
from procrastinate import App

from regulars.ledger import store
from regulars.ledger.service import SWEPT_MAX, sweep
from regulars.platform.db import Database

log = structlog.get_logger("ledger")


def add_ledger_jobs(app: App, database: Database) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron="* * * * *")
    @app.task(name="ledger.expire", queueing_lock="ledger.expire", lock="ledger.expire", pass_context=False)
    async def expire(timestamp: int) -> None:
        del timestamp  # PostgreSQL's clock tells
        swept = SWEPT_MAX
        while swept == SWEPT_MAX:
            async with database.write() as tx:
                swept = await store.expire_holds(tx, SWEPT_MAX)
        async with database.read() as tx:
            brands = await store.list_brands(tx)
        for brand_id in brands:
            swept = SWEPT_MAX
            while swept == SWEPT_MAX:
                async with database.write() as tx:
                    swept = await sweep(tx, brand_id)
                log.debug("points expired", brand=brand_id, accounts=swept)
