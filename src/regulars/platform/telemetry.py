"""What a process says of itself: log lines with fields on stderr, and counters for Prometheus.

Ids may be logged; names, addresses and message texts never are. Standard output belongs to commands.
"""

import faulthandler
import logging
import signal
import sys
import traceback
from typing import Final, Literal, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest, multiprocess

METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The client library's own variable; it is read when that is imported."""
REQUESTS: Final = Counter("regulars_requests", "HTTP requests answered", ["method", "route", "status"])
REQUEST_SECONDS: Final = Histogram(
    "regulars_request_seconds", "Time to answer an HTTP request", ["route"], buckets=(0.005, 0.02, 0.1, 0.5, 2, 10)
)
CAUSES_TOLD_MAX: Final = 5
FRAMES_TOLD_MAX: Final = 30
EVENTS: Final = Counter("regulars_events", "Calls taken by what became of them", ["outcome"])


def render_metrics(folder: str | None) -> bytes:
    """What all processes of a deployment have counted, as Prometheus reads it; without a folder what this one has.

    Processes that were told METRICS_FOLDER write there as they count, so nobody is asked and nothing is late. Memory, processor
    and open files are this process's own. What a dead process counted stays counted.
    """
    if folder is None:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, folder)
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def describe_failure(error: BaseException) -> dict[str, object]:
    """Where a failure was and of which kind, without its message: that may quote what members sent.

    The innermost frame comes last; causes are named by their kinds.
    """
    kinds: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(kinds) < CAUSES_TOLD_MAX:
        sqlstate = getattr(cause, "sqlstate", None)
        kinds.append(f"{type(cause).__module__}.{type(cause).__qualname__}" + (f" {sqlstate}" if sqlstate else ""))
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES_TOLD_MAX:]
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return {"error": kinds[0], "causes": kinds[1:], "frames": where}


def _tell_failure(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Instead of a traceback, whoever logs it: our own code, the server, the job queue."""
    told: object = event.pop("exc_info", None)
    if told is True:
        told = sys.exc_info()
    error = cast("tuple[object, ...]", told)[1] if isinstance(told, tuple) else told
    if isinstance(error, BaseException):
        event.update(describe_failure(error))
    return event


def show_stacks_on_signal() -> None:
    """On SIGUSR1 every thread tells on stderr where it is, whatever it waits for; the process goes on."""
    faulthandler.register(signal.SIGUSR1, all_threads=True)


def configure_logging(level: Literal["debug", "info", "warning", "error"], style: Literal["text", "json"]) -> None:
    """Send our own and the libraries' log lines to stderr, in one form."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tell_failure,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[strip, renderer], foreign_pre_chain=shared))
    logging.basicConfig(handlers=[handler], level=logging.WARNING if level != "debug" else logging.INFO, force=True)
