"""What several tests of the embedded server do."""

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from regulars.platform.postgres import PostgresAddress
from regulars.platform.postgres.place import SOCKET_PARENT, find_place, hash_path
from regulars.platform.postgres.process import read_pid_file

NOBODY = 65534
REPLY_SECONDS_MAX = 60


@dataclass
class Holder:
    """Another process that runs a server; ``reply`` is its first line."""

    process: subprocess.Popen[str]
    reply: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        return self.process.pid

    def read(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the holder said nothing and ended with {self.process.wait(REPLY_SECONDS_MAX)}"
        self.reply = json.loads(line)
        return self.reply

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(REPLY_SECONDS_MAX)

    def close_input(self) -> None:
        """Tell it to end."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def end(self) -> None:
        self.close_input()
        self.process.wait(REPLY_SECONDS_MAX)


def read_kept(address: PostgresAddress | dict[str, str]) -> list[str]:
    """What table ``kept`` holds, seen through the socket."""
    dsn = address["socket_dsn"] if isinstance(address, dict) else address.socket_dsn
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        return [row[0] for row in connection.execute("SELECT value FROM kept ORDER BY value")]


def get_pid(home: Path) -> int:
    """The postmaster that HOME's pid file names."""
    place = find_place(home)
    assert place is not None
    found = read_pid_file(place.data)
    assert found is not None
    return found.pid


def wait_until(holds: Callable[[], bool], what: str, seconds_max: float = 20) -> None:
    """Wait for something that other processes bring about."""
    deadline = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds_max} s: {what}"
        time.sleep(0.02)


def remove(path: Path) -> None:
    """A test's folder with what its homes keep elsewhere."""
    for inside in [folder for folder in path.rglob("postgres") if (folder.parent / "log").is_dir()]:
        named = inside / "place"
        base = Path(named.read_text().strip()) if named.exists() else inside
        shutil.rmtree(SOCKET_PARENT / f"regulars-{hash_path(base)}", ignore_errors=True)
        shutil.rmtree(base, ignore_errors=True)
    shutil.rmtree(path)
