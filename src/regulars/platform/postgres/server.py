"""The PostgreSQL of one HOME: who runs it, how it comes up again, how others find it.

Decides to share a server that a living process runs, and to replace one whose supervisor is dead. How it is configured
and where it lies is decided in cluster and place.
"""

import contextlib
import secrets
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psycopg

from regulars.platform.postgres.binaries import Binaries, get_binaries
from regulars.platform.postgres.cluster import (
    build_dsn,
    clear_half_made,
    ensure_database,
    launch,
    make_cluster,
    read_log_end,
    reset_password,
    stop_child,
    tell_full_disk,
    wait_until_ready,
)
from regulars.platform.postgres.errors import StartFailed
from regulars.platform.postgres.lock import take_lock
from regulars.platform.postgres.place import (
    Place,
    ensure_home,
    ensure_place,
    ensure_socket_folder,
    find_password,
    find_place,
    hash_path,
    write_private,
)
from regulars.platform.postgres.process import (
    FAST_STOP_SECONDS_MAX,
    IMMEDIATE_STOP_SECONDS_MAX,
    clear_remains,
    find_postmaster,
    stop_postmaster,
)

RETRY_SECONDS_MAX = 15.0
RETRY_BY_FORCE_SECONDS = 3.0
RETRY_PAUSE_SECONDS = 0.2
PASSWORD_BYTES = 24
PORT_FIRST = 20_000
PORT_COUNT = 10_000
"""Below the range from which Linux (32768) takes the ports of outgoing connections."""


@dataclass(frozen=True)
class PostgresAddress:
    """How to connect; both carry the password, so neither belongs in a log or on a command line."""

    dsn: str = field(repr=False)
    socket_dsn: str = field(repr=False)


@dataclass(frozen=True)
class Running:
    """A server that we started."""

    process: subprocess.Popen[bytes]
    address: PostgresAddress
    socket_folder: Path


class EmbeddedPostgres:
    """The server of one HOME, ours from ``start`` to ``stop``.

    Locks: ``HOME/postgres/lock`` from the first ``start`` to ``stop``, and one beside a cluster that lies elsewhere,
    since a copied HOME names the same one.
    Call ``start`` in the main thread: the server then also stops when this process is killed with -9.
    """

    def __init__(self, home: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._settings = dict(settings or {})
        self._locks: list[BinaryIO] = []
        self._port: int | None = None
        self._running: Running | None = None

    def start(self) -> PostgresAddress:
        """Make the cluster where it is missing, mend what a crash left, start, and wait until it answers.

        Again after the server died: it comes back at the same port and socket, unless the port was taken meanwhile.
        Raises: FolderInUse, BinariesMissing, PlaceRefused, VersionMismatch, StartFailed.
        """
        if self._running is not None and self.is_alive():
            return self._running.address
        is_first = not self._locks
        try:
            self._running = self._start_locked(self._ensure_locked_place())
        except BaseException as error:
            if is_first:
                self._release()
            if isinstance(error, OSError | psycopg.Error):  # a full disk, for one
                raise StartFailed(f"PostgreSQL in {self._home} does not start: {error}") from error
            raise
        return self._running.address

    def is_alive(self) -> bool:
        """Whether the server's process runs."""
        return self._running is not None and self._running.process.poll() is None

    def stop(self) -> None:
        """Fast stop (open transactions are rolled back), wait for the end, release the folder. Harmless twice."""
        if self._running is not None:
            stop_child(
                self._running.process,
                fast_seconds_max=FAST_STOP_SECONDS_MAX,
                immediate_seconds_max=IMMEDIATE_STOP_SECONDS_MAX,
            )
            with contextlib.suppress(OSError):
                self._running.socket_folder.rmdir()
            self._running = None
        self._release()

    def _release(self) -> None:
        while self._locks:
            self._locks.pop().close()

    def _ensure_locked_place(self) -> Place:
        home = ensure_home(self._home)
        is_first = not self._locks
        if is_first:
            self._locks.append(take_lock(home / "postgres" / "lock", of=f"PostgreSQL in {home}"))
        place = ensure_place(home)
        if is_first and place.base != home / "postgres":
            self._locks.append(take_lock(place.base / "lock", of=f"the cluster in {place.base}"))
        return place

    def _start_locked(self, place: Place) -> Running:
        orphan = find_postmaster(place.data)
        if orphan is not None:
            # We hold the lock, so whoever started it is dead: nobody would ever stop it but we.
            stop_postmaster(orphan.pid, place.data)
        sockets = ensure_socket_folder(place)
        clear_remains(place.data, sockets, by_force=False)
        binaries = get_binaries(place.account, place.base, read_cluster_major(place))
        password = ensure_cluster(place, binaries)
        began = time.monotonic()
        while True:
            running, said = self._try_once(place, binaries, password, sockets)
            if running is not None:
                return running
            seconds = time.monotonic() - began
            if seconds > RETRY_SECONDS_MAX:
                raise StartFailed(
                    f"PostgreSQL does not start: {said} (see {place.log}).{tell_full_disk(place.data)}",
                    path=str(place.log),
                )
            # After kill -9 of the postmaster its backends keep the shared memory until they notice.
            time.sleep(RETRY_PAUSE_SECONDS)
            clear_remains(place.data, sockets, by_force=seconds > RETRY_BY_FORCE_SECONDS)

    def _try_once(self, place: Place, binaries: Binaries, password: str, sockets: Path) -> tuple[Running | None, str]:
        """One attempt; when the server ended instead of becoming ready, what it said."""
        port = choose_port(place, self._port)
        said_before = place.log.stat().st_size if place.log.exists() else 0
        process = launch(place, binaries, port=port, socket_folder=sockets, settings=self._settings)
        try:
            if not wait_until_ready(process, place):
                return None, read_log_end(place.log, said_before)
            address = build_address(password, port, str(sockets), binaries.major)
            ensure_database(address.dsn)
        except BaseException:
            stop_child(process, fast_seconds_max=IMMEDIATE_STOP_SECONDS_MAX, immediate_seconds_max=1)
            raise
        self._port = port
        return Running(process, address, sockets), ""


def find_running(home: Path) -> PostgresAddress | None:
    """The address of a server that runs in HOME and is ready; None when there is none. Starts and changes nothing.

    Raises: PlaceRefused when HOME belongs to another user.
    """
    place = find_place(home)
    found = None if place is None else find_postmaster(place.data)
    if place is None or found is None or not found.ready:
        return None
    password = find_password(place)
    if password is None:
        return None
    return build_address(password, found.port, found.socket_folder, read_cluster_major(place) or 0)


def build_address(password: str, port: int, socket_folder: str, major: int) -> PostgresAddress:
    """Both ways to the server."""
    return PostgresAddress(
        dsn=build_dsn(password, port=port, socket_folder=None, major=major),
        socket_dsn=build_dsn(password, port=port, socket_folder=socket_folder, major=major),
    )


def ensure_cluster(place: Place, binaries: Binaries) -> str:
    """Make the cluster where there is none; the password that opens it."""
    clear_half_made(place)
    password = find_password(place)
    if password is None:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        if place.data.exists():
            reset_password(place, binaries, password)
        write_private(place.password, f"{password}\n")
    if not place.data.exists():
        make_cluster(place, binaries, password)
    return password


def read_cluster_major(place: Place) -> int | None:
    """The major version that made the cluster; None when there is none yet."""
    try:
        return int((place.data / "PG_VERSION").read_text("ascii"))
    except FileNotFoundError:
        return None


def choose_port(place: Place, wanted: int | None) -> int:
    """The port of before where it is free; else the first free one from a place that the cluster's path gives.

    So a DSN written down stays right over restarts, and homes on one machine do not quarrel.
    """
    first = int(hash_path(place.base), 16)
    candidates = [PORT_FIRST + (first + offset) % PORT_COUNT for offset in range(PORT_COUNT)]
    for port in [*([wanted] if wanted is not None else []), *candidates]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise StartFailed(f"No port of 127.0.0.1 from {PORT_FIRST} to {PORT_FIRST + PORT_COUNT - 1} is free.")
