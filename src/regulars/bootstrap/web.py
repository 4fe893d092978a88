"""The process that answers HTTP."""

import gc
import os
import socket

import uvicorn

import regulars
from regulars.api.app import create_app
from regulars.api.context import (
    INGEST_CONNECTIONS_MAX,
    INGEST_LOCK_SECONDS_MAX,
    READ_CONNECTIONS_MAX,
    WRITE_CONNECTIONS_MAX,
    WRITE_LOCK_SECONDS_MAX,
    ApiContext,
)
from regulars.audiences.service.answering import AudienceEngine
from regulars.bootstrap.deployment import read_master_key
from regulars.bootstrap.history import build_cluster, build_history_place
from regulars.bootstrap.holders import MemberHolders
from regulars.bootstrap.metrics import count_by_name
from regulars.bootstrap.outbox import build_outbox
from regulars.events.jobs import add_event_jobs
from regulars.events.service.writing import EventWriter
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import Clock, system_clock
from regulars.platform.db import Database
from regulars.platform.jobs import new_app
from regulars.platform.settings import Settings
from regulars.platform.telemetry import METRICS_FOLDER, show_stacks_on_signal
from regulars.platform.web import JsonRefusingProtocol

STOP_SECONDS_MAX = 8
GC_OBJECTS = 50_000


def build_context(settings: Settings, dsn: str, clock: Clock = system_clock) -> ApiContext:
    """What the web app needs, over one database; reads, writes and events have connections of their own."""
    history = HistoryReader(build_history_place(settings))
    writes = Database(dsn, connections_max=WRITE_CONNECTIONS_MAX, lock_seconds_max=WRITE_LOCK_SECONDS_MAX)
    ingest = Database(dsn, connections_max=INGEST_CONNECTIONS_MAX, lock_seconds_max=INGEST_LOCK_SECONDS_MAX)
    master_key = read_master_key(settings.home.expanduser().absolute(), settings)
    reads = Database(dsn, connections_max=READ_CONNECTIONS_MAX)
    return ApiContext(
        database=reads,
        writes=writes,
        writer=EventWriter(ingest, clock),
        audiences=AudienceEngine(history, clock, build_cluster(settings)),
        history=history,
        event_jobs=add_event_jobs(new_app(dsn), writes, clock),
        outbox=build_outbox(settings, reads, master_key, clock),
        master_key=master_key,
        clock=clock,
        holders=MemberHolders(),
    )


def run_web(settings: Settings, dsn: str, descriptor: int) -> None:
    """Serve HTTP on an inherited listening socket until SIGTERM."""
    count_by_name()
    show_stacks_on_signal()
    context, metrics_folder = build_context(settings, dsn), os.environ.get(METRICS_FOLDER)
    app = create_app(context, version=regulars.__version__, metrics_folder=metrics_folder)
    # Requests make many objects that die at once and no cycles: collecting less often spares a tenth of the time.
    gc.freeze()
    gc.set_threshold(GC_OBJECTS, 20, 50)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=JsonRefusingProtocol,
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=STOP_SECONDS_MAX,
        backlog=2048,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])
