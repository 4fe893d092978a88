"""Audiences' background work: what is computed of members is brought up to date twice a minute, and what saved audiences
ask for most is promoted every hour. Safe to run twice.
"""

from typing import Final

import structlog
from procrastinate import App

from regulars.access import service as access
from regulars.audiences.service.promoting import promote_asked
from regulars.audiences.service.refreshing import refresh_brand
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.platform.db import Database

EVERY_30_SECONDS: Final = "* * * * * */30"

log = structlog.get_logger("audiences")


def add_audience_jobs(app: App, database: Database, history: HistoryReader, master_key: bytes, clock: Clock) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron=EVERY_30_SECONDS)
    @app.task(name="audiences.refresh", queueing_lock="audiences.refresh", lock="audiences.refresh", pass_context=False)
    async def refresh(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        await refresh_all(database, history, master_key, clock)

    @app.periodic(cron="17 * * * *")
    @app.task(name="audiences.promote", queueing_lock="audiences.promote", lock="audiences.promote", pass_context=False)
    async def promote(timestamp: int) -> None:
        del timestamp
        async with database.read() as tx:
            brands = [
                await access.get_brand(tx, name, master_key=master_key) for name in await access.list_brand_names(tx)
            ]
        for brand in brands:
            if await promote_asked(database, brand):
                log.info("properties promoted", brand=brand.name)


async def refresh_all(database: Database, history: HistoryReader, master_key: bytes, clock: Clock) -> int:
    """Every brand; one that cannot be refreshed now does not keep others from it. Answers how many members changed."""
    async with database.read() as tx:
        names = await access.list_brand_names(tx)
    changed = looked_at = 0
    for name in names:
        try:
            async with database.read() as tx:
                brand = await access.get_brand(tx, name, master_key=master_key)
            done = await refresh_brand(database, history, brand, now=clock())
        except DomainError as error:
            log.warning("not refreshed", brand=name, code=error.code)
            continue
        changed, looked_at = changed + done.changed, looked_at + done.looked_at
    if looked_at:
        history.close()  # the worker keeps no history in memory between two rounds
    return changed
