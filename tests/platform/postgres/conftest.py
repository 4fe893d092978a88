"""Homes and holders for the tests of the embedded server; every process and folder made here is ended here."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest

from regulars.platform.postgres import EmbeddedPostgres
from tests.platform.postgres.helpers import Holder, remove

HOLDER = Path(__file__).with_name("holder.py")
MEMORY_BYTES_MIN = 1_000_000_000


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every account may pass through; pytest's own are closed to root's server."""
    yield from make_open_folder()


def make_open_folder() -> Iterator[Path]:
    """In memory where there is room: a cluster is a thousand files, and some disks need a millisecond for each."""
    memory = Path("/dev/shm")
    roomy = (
        memory.is_dir()
        and shutil.disk_usage(memory).free > MEMORY_BYTES_MIN
        and not os.statvfs(memory).f_flag & os.ST_NOEXEC
    )
    path = Path(tempfile.mkdtemp(prefix="regulars-test-", dir=memory if roomy else None)).resolve()
    path.chmod(0o711)
    yield path
    remove(path)


@pytest.fixture
def home(folder: Path) -> Path:
    """A HOME that does not exist yet."""
    return folder / "home"


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A HOME with a stopped cluster in which table ``kept`` holds one row."""
    for path in make_open_folder():
        server = EmbeddedPostgres(path / "home")
        with psycopg.connect(server.start().dsn) as connection:
            connection.execute("CREATE TABLE kept (value text)")
            connection.execute("INSERT INTO kept VALUES ('here')")
        server.stop()
        yield path / "home"


@pytest.fixture
def made(template: Path, home: Path) -> Path:
    """A HOME with a cluster of its own: making one by initdb takes a second, copying does not."""
    subprocess.run(["cp", "-a", str(template), str(home)], check=True)
    return home


@pytest.fixture
def serve() -> Iterator[Callable[[Path], EmbeddedPostgres]]:
    """Makes servers of this process and stops them."""
    servers: list[EmbeddedPostgres] = []

    def make(home: Path) -> EmbeddedPostgres:
        servers.append(EmbeddedPostgres(home))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def hold() -> Iterator[Callable[..., Holder]]:
    """Starts holders and ends them."""
    holders: list[Holder] = []

    def start(
        home: Path, *words: str, uid: int | None = None, path_first: Path | None = None, through: Sequence[str] = ()
    ) -> Holder:
        python, folders = (sys.executable, []) if uid is None else find_python_for(uid)
        folders = [str(path_first)] * bool(path_first) + folders + [os.environ.get("PYTHONPATH", "")]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, folders))}
        process = subprocess.Popen(
            [*through, python, str(HOLDER), str(home), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            cwd="/",
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
        holders.append(Holder(process))
        return holders[-1]

    yield start
    for holder in holders:  # all of them first: who owns a server waits for those who share it
        holder.close_input()
    for holder in holders:
        if holder.process.poll() is None:
            holder.end()
        for pipe in (holder.process.stdin, holder.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def find_python_for(uid: int) -> tuple[str, list[str]]:
    """An interpreter of our version that another user can run, and where it finds what we have installed.

    Ours may lie in a private home; the system's, with our packages, does as well where those can be read.
    """
    folders = [folder for folder in sys.path if Path(folder).is_dir()]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python, path in ((sys.executable, []), (f"/usr/bin/{version}", folders)):
        env = {"PYTHONPATH": os.pathsep.join(path)}
        command = [python, "-c", f"import regulars.platform.postgres; open({str(HOLDER)!r})"]
        with contextlib.suppress(OSError):
            if (
                subprocess.run(command, cwd="/", env=env, user=uid, group=uid, extra_groups=[], check=False).returncode
                == 0
            ):
                return python, path
    pytest.skip(f"no {version} that user {uid} can run with our packages")
