"""The history's background work: move every minute, keep few files, remove at night. Safe to run twice, or at once.

Who finds another at work leaves it at that: the next run comes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from procrastinate import App

from regulars.history.errors import HistoryBusy
from regulars.history.model import HistoryPlace
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import drop_moved_rows, move_events
from regulars.history.service.publishing import remove_published
from regulars.history.service.removing import remove_erased, vacuum
from regulars.kernel.clock import Clock
from regulars.platform.db import Database

SMALL_FILES_BY_DAY: Final = 16
"""By day only parts with so many small files are rewritten: a move adds one to each."""

log = structlog.get_logger("history")


def add_history_jobs(app: App, database: Database, place: HistoryPlace, clock: Clock) -> None:
    """Register the tasks on a procrastinate app."""

    @app.periodic(cron="* * * * *")
    @app.task(name="history.move", queueing_lock="history.move", pass_context=False)
    async def move(timestamp: int) -> None:
        del timestamp  # the periodic run's own instant; the clock tells ours
        await _unless_busy("move", lambda: move_events(database.dsn, place, clock))
        await drop_moved_rows(database, clock)

    @app.periodic(cron="23 * * * *")
    @app.task(name="history.compact", queueing_lock="history.compact", pass_context=False)
    async def compact(timestamp: int) -> None:
        del timestamp
        small = SMALL_FILES_BY_DAY
        await _unless_busy(
            "compact",
            lambda: compact_history(database.dsn, place, clock, small_files_min=small, promoted_events_min=None),
        )

    @app.periodic(cron="41 2 * * *")
    @app.task(name="history.keep", queueing_lock="history.keep", pass_context=False)
    async def keep(timestamp: int) -> None:
        del timestamp
        await _unless_busy("remove", lambda: remove_erased(database.dsn, place, clock))
        await _unless_busy("compact", lambda: compact_history(database.dsn, place, clock))
        await _unless_busy("vacuum", lambda: vacuum(database.dsn, place, clock))
        await asyncio.to_thread(remove_published, place, now=clock())


async def _unless_busy(what: str, work: Callable[[], Awaitable[object]]) -> None:
    try:
        done = await work()
    except HistoryBusy:
        log.info("history busy", what=what)
        return
    log.debug("history", what=what, done=str(done))
