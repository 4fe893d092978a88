"""`regulars serve`: one process that keeps PostgreSQL, web and worker running until it is told to stop.

    supervisor ── holds HOME/serve.lock and the listening port
        ├── PostgreSQL    comes back at the same address
        ├── web           comes back on the same socket; requests meanwhile wait in its queue
        └── worker

Decides what is started, in which order, and that nothing is ever given up. How soon something comes back is decided in
children. Small and synchronous on purpose: what keeps the rest alive must not fail itself.
"""

import contextlib
import errno
import http.client
import json
import logging
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from regulars.bootstrap.children import Backoff, Child, build_environment, ensure_running, stop_children
from regulars.bootstrap.stopping import Stopping, StopRequested, watch_signals
from regulars.kernel.errors import DomainError, Kind
from regulars.platform.postgres import EmbeddedPostgres, FolderInUse, PlaceRefused, PostgresError, take_lock

DATABASE_URL = "REGULARS_DATABASE_URL"
PUBLIC_URL = "REGULARS_PUBLIC_URL"
BIND_SECONDS_MAX = 5.0
DATABASE_WAIT_SECONDS_MAX = 60.0
PROBE_SECONDS_MAX = 1.0
RETRY_SECONDS = 0.05
IDLE_SECONDS_MAX = 5.0
LISTEN_QUEUE_MAX = 2048

log = logging.getLogger("regulars.supervisor")


class PortRefused(DomainError):
    """The port cannot be opened."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "serve.port_refused"


def build_web_command(home: Path, fd: int) -> list[str]:
    """The web process, which accepts on an inherited listening socket."""
    return [sys.executable, "-m", "regulars", "web", "--fd", str(fd), "--home", str(home)]


def build_worker_command(home: Path) -> list[str]:
    """The worker process."""
    return [sys.executable, "-m", "regulars", "worker", "--home", str(home)]


@dataclass(frozen=True)
class ServeOptions:
    """What to serve. ``prepare`` gets the DSN once, before the children; ``ready`` the URL and gives the ready line.

    ``ended`` gets the name of a child that has ended, before it is started again.
    """

    home: Path
    host: str
    port: int
    json: bool
    database_url: str | None
    prepare: Callable[[str], None]
    ready: Callable[[str], Mapping[str, str]]
    web: Callable[[Path, int], Sequence[str]] = build_web_command
    worker: Callable[[Path], Sequence[str]] = build_worker_command
    ended: Callable[[str], None] = lambda _: None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    postgres_settings: Mapping[str, str] = field(default_factory=dict[str, str])


class Database(Protocol):
    """The server that the children use."""

    def start(self) -> str:
        """Its DSN, when it answers."""
        ...

    def is_alive(self) -> bool:
        """Whether it needs no start."""
        ...

    def stop(self) -> None:
        """Stop it if it is ours."""
        ...


class OwnDatabase:
    """PostgreSQL inside HOME; its children connect by the socket, which is faster and never leaves the machine."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self._server = EmbeddedPostgres(home, settings=settings)
        self.is_alive = self._server.is_alive
        self.stop = self._server.stop

    def start(self) -> str:
        return self._server.start().socket_dsn


class ForeignDatabase:
    """A server that somebody else runs: the children themselves wait for it and connect again."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def start(self) -> str:
        return self._dsn

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        return


def run_supervisor(options: ServeOptions) -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP; the exit code, 0 when everything was stopped in order.

    Call it in the main thread: signals arrive there, and the children are to die with it.
    Locks: ``HOME/serve.lock``.
    Raises: FolderInUse, PortRefused, a PostgresError at the first start, or what ``prepare`` raises; nothing is left
    running then.
    """
    with contextlib.ExitStack() as stack, contextlib.suppress(StopRequested):
        stopping = stack.enter_context(watch_signals())
        with stopping.interruptible():
            home = ensure_home(options.home)
            seconds_max = hold_home(home, stack)
            listener = stack.enter_context(open_port(options.host, options.port, seconds_max))
        database = make_database(home, options)
        stack.callback(database.stop)
        with stopping.interruptible():
            dsn = start_database(database)
            options.prepare(dsn)
        children = [
            Child("web", options.web(home, listener.fileno()), [listener.fileno()], ended=lambda: options.ended("web")),
            Child("worker", options.worker(home), ended=lambda: options.ended("worker")),
        ]
        stack.callback(stop_children, children)
        supervise(options, stopping, State(database, dsn, children, build_url(options.host, listener)))
    return 0


@dataclass
class State:
    """What is supervised."""

    database: Database
    dsn: str
    children: list[Child]
    url: str
    is_announced: bool = False
    backoff: Backoff = field(default_factory=Backoff)


def supervise(options: ServeOptions, stopping: Stopping, state: State) -> None:
    """Bring back whatever died, until a stop is requested."""
    state.backoff.begin(time.monotonic())

    def environment() -> Mapping[str, str]:
        return build_environment({PUBLIC_URL: state.url, **options.environment, DATABASE_URL: state.dsn})

    while not stopping.requested:
        if not state.database.is_alive():
            ensure_database(state, stopping)
        if state.database.is_alive():
            # Not without a database: they would only die of it, and come back later than they could.
            for child in state.children:
                ensure_running(child, environment)
        if not state.is_announced and is_healthy(state.url):
            announce(options, state.url)
            state.is_announced = True
        stopping.sleep(find_pause(state))


def find_pause(state: State) -> float:
    """Seconds until something is due; the end of a process wakes us anyway."""
    if not state.is_announced:
        return RETRY_SECONDS
    now = time.monotonic()
    due = [child.backoff.due_at - now for child in state.children if child.process is None]
    if not state.database.is_alive():
        due = [state.backoff.due_at - now]
    return min([IDLE_SECONDS_MAX, *due])


def ensure_home(home: Path) -> Path:
    """The folder, made where it is missing, without symbolic links."""
    home = home.resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PlaceRefused(f"{home} cannot hold our data: {error.strerror}.", path=str(home)) from error
    return home


def hold_home(home: Path, stack: contextlib.ExitStack) -> float:
    """Take the folder's lock; the seconds for which a taken port is worth waiting for.

    The lock file keeps a pid only when its holder was killed. That one's web process may hold the port until it has
    ended too; anybody else's port is refused at once.
    """
    file = home / "serve.lock"
    was_killed = file.exists() and file.stat().st_size > 0
    lock = stack.enter_context(take_lock(file, of=f"regulars serve in {home}"))
    stack.callback(lock.truncate, 0)
    return BIND_SECONDS_MAX if was_killed else 0.0


def make_database(home: Path, options: ServeOptions) -> Database:
    """The server inside HOME, unless another was named."""
    if options.database_url is not None:
        return ForeignDatabase(options.database_url)
    return OwnDatabase(home, options.postgres_settings)


def start_database(database: Database) -> str:
    """The first start; waits for a command that runs the server of this HOME for itself just now."""
    deadline = time.monotonic() + DATABASE_WAIT_SECONDS_MAX
    is_told = False
    while True:
        try:
            return database.start()
        except FolderInUse as error:
            if time.monotonic() > deadline:
                raise
            if not is_told:
                log.warning("Waiting for PostgreSQL: %s", error.message)
                is_told = True
            time.sleep(RETRY_SECONDS)


def ensure_database(state: State, stopping: Stopping) -> None:
    """Start the server again when it is due; children that know an old address are started again too."""
    now = time.monotonic()
    if state.backoff.due_at < state.backoff.began_at:
        log.warning("PostgreSQL ended; it starts again in %.1f s", state.backoff.end(now))
    if now < state.backoff.due_at:
        return
    state.backoff.begin(now)
    try:
        with stopping.interruptible():
            dsn = state.database.start()
    except PostgresError as error:
        log.error("%s Tried again in %.1f s.", error.message, state.backoff.end(now))
        return
    log.warning("PostgreSQL runs again")
    if dsn != state.dsn:
        state.dsn = dsn
        stop_children(state.children)


def open_port(host: str, port: int, seconds_max: float) -> socket.socket:
    """Listen, before anything slow happens, so that a port that stays taken is told soon.

    Raises: PortRefused.
    """
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=LISTEN_QUEUE_MAX)
        except (OSError, OverflowError) as error:
            taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            if not taken or time.monotonic() > deadline:
                raise PortRefused(
                    f"{host}:{port} cannot be listened on ({error}): choose another --port, or 0 for any free one.",
                    path="--port",
                ) from error
        time.sleep(RETRY_SECONDS)


def build_url(host: str, listener: socket.socket) -> str:
    """The address to tell: for a socket that listens everywhere, this machine's own."""
    port = listener.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_healthy(url: str) -> bool:
    """Whether web answers `GET /healthz` with 200."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PROBE_SECONDS_MAX)
    try:
        connection.request("GET", "/healthz", headers={"Connection": "close"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def announce(options: ServeOptions, url: str) -> None:
    """The ready line, the only thing that is ever written on stdout."""
    told = dict(options.ready(url))
    text = json.dumps(told) if options.json else "\n".join(f"{name}: {value}" for name, value in told.items())
    with contextlib.suppress(BrokenPipeError):  # whoever waited for it has gone; serving goes on
        print(text, flush=True)
