"""The process that does what nobody waits for: jobs, deliveries, triggers, programmes."""

import asyncio
import contextlib
import signal

import uvloop
from procrastinate import App

from regulars.access.jobs import add_access_jobs
from regulars.audiences.jobs import add_audience_jobs
from regulars.audiences.service.answering import AudienceEngine
from regulars.bootstrap.deployment import read_master_key
from regulars.bootstrap.history import build_cluster, build_history_place
from regulars.bootstrap.holders import MemberHolders
from regulars.bootstrap.metrics import count_by_name
from regulars.bootstrap.outbox import SEND_CONNECTIONS_MAX, build_outbox
from regulars.campaigns.service.triggering import Triggers
from regulars.events.jobs import add_event_jobs
from regulars.history.jobs import add_history_jobs
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import Clock, system_clock
from regulars.ledger.jobs import add_ledger_jobs
from regulars.loyalty.jobs import add_loyalty_jobs
from regulars.loyalty.service.driving import Driver
from regulars.measure.jobs import add_measure_jobs
from regulars.messaging.jobs import add_messaging_jobs
from regulars.messaging.service.dispatching import Dispatcher
from regulars.platform.db import Database
from regulars.platform.jobs import new_app, retry_stalled_jobs
from regulars.platform.settings import Settings
from regulars.platform.telemetry import show_stacks_on_signal

STALLED_CHECK_SECONDS = 10
WORKER_JOBS_AT_ONCE = 4
DRIVE_CONNECTIONS_MAX = 2


def run_worker(settings: Settings, dsn: str, clock: Clock = system_clock) -> None:
    """Run jobs until SIGTERM; a job that is under way is finished, or put back by whoever finds it stalled."""
    count_by_name()
    show_stacks_on_signal()
    uvloop.run(_work(settings, dsn, clock))


async def _work(settings: Settings, dsn: str, clock: Clock) -> None:
    database = Database(dsn, connections_max=4)
    app = new_app(dsn)
    add_event_jobs(app, database, clock)
    add_access_jobs(app, database, clock)
    place = build_history_place(settings)
    add_history_jobs(app, database, place, clock)
    history = HistoryReader(place)
    master_key = read_master_key(settings.home.expanduser().absolute(), settings)
    add_audience_jobs(app, database, history, master_key, clock)
    add_messaging_jobs(app, database, master_key, clock)
    add_ledger_jobs(app, database)
    add_loyalty_jobs(app, database, master_key, clock)
    add_measure_jobs(app, database, HistoryReader(place), master_key, clock)
    sends = Database(dsn, connections_max=SEND_CONNECTIONS_MAX)
    drives = Database(dsn, connections_max=DRIVE_CONNECTIONS_MAX)
    outbox = build_outbox(settings, sends, master_key, clock)
    await database.open()
    await sends.open()
    await drives.open()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=WORKER_JOBS_AT_ONCE, install_signal_handlers=False)
            )
            watcher = asyncio.create_task(_retry_stalled(app, stopped))
            sender = asyncio.create_task(Dispatcher(sends, outbox, clock).run(stopped))
            engine = AudienceEngine(history, clock, build_cluster(settings))
            triggers = asyncio.create_task(Triggers(sends, engine, master_key, clock).run(stopped))
            driver = asyncio.create_task(Driver(drives, MemberHolders(), master_key, clock).run(stopped))
            stop = asyncio.create_task(stopped.wait())
            # Where one ends by itself the process ends, and the supervisor starts another.
            await asyncio.wait({worker, watcher, sender, triggers, driver, stop}, return_when=asyncio.FIRST_COMPLETED)
            stopped.set()
            for task in (worker, watcher, stop):
                task.cancel()
            for task in (worker, watcher, sender, triggers, driver):
                with contextlib.suppress(asyncio.CancelledError):
                    await task
    finally:
        await outbox.channels.close()
        await sends.close()
        await drives.close()
        await database.close()


async def _retry_stalled(app: App, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        await retry_stalled_jobs(app)
        await asyncio.sleep(STALLED_CHECK_SECONDS)
