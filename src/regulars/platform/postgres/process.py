"""The server seen from outside: what postmaster.pid says, whether that is true, and how it is stopped.

Decides which processes belong to a cluster: pids are reused, so a pid alone proves nothing. Starts nothing.
"""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from regulars.platform.postgres.place import hash_path

FAST_STOP_SECONDS_MAX = 60.0
IMMEDIATE_STOP_SECONDS_MAX = 5.0
POLL_SECONDS = 0.01


@dataclass(frozen=True)
class Postmaster:
    """The lines of postmaster.pid that we use."""

    pid: int
    port: int
    socket_folder: str
    ready: bool


def read_pid_file(data: Path) -> Postmaster | None:
    """What the file says, true or stale; None when it is missing or still being written."""
    try:
        lines = (data / "postmaster.pid").read_text("utf-8", errors="surrogateescape").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return None
    if len(lines) < 5 or not lines[0].strip().isdigit():
        return None
    status = lines[7].strip() if len(lines) > 7 else ""
    return Postmaster(int(lines[0]), int(lines[3] or 0), lines[4].strip(), status == "ready")


def find_postmaster(data: Path) -> Postmaster | None:
    """The running server of this cluster; None when the file is stale or its pid is somebody else's by now."""
    found = read_pid_file(data)
    return found if found is not None and belongs_to(found.pid, data) else None


def belongs_to(pid: int, data: Path) -> bool:
    """Whether a process is one of PostgreSQL's in this cluster. False for a zombie.

    The postmaster shows its folder on its command line, its children show ``cluster_name`` in theirs. Its working
    folder would be surer, but root in a container may not look at that of another user's process.
    """
    if not sys.platform.startswith("linux"):
        shown = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, check=False).stdout
        return b"-D " + os.fsencode(data) in shown or name_cluster(data).encode() in shown
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[1:3] != [b"-D", os.fsencode(data)] and not words[0].startswith(
            f"postgres: {name_cluster(data)}".encode()
        ):
            return False
        # Anybody may call himself so; only the owner of the cluster runs it.
        return find_uid(pid) == data.stat().st_uid
    except OSError:
        return False


def name_cluster(data: Path) -> str:
    """What all processes of a cluster show in their titles (``cluster_name``)."""
    return f"regulars-{hash_path(data)}"


def find_uid(pid: int) -> int | None:
    """The user a process runs as."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8", errors="replace").splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[1])
    return None


def list_remains(data: Path) -> list[int]:
    """Processes that work in this cluster; after a killed postmaster its backends, busy ones for long."""
    if not sys.platform.startswith("linux"):
        return []
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if belongs_to(int(entry.name), data)]


def stop_postmaster(pid: int, data: Path) -> None:
    """Fast stop of a server that is not our child; immediate, then by force, when it does not end in time."""
    for number, seconds_max in (
        (signal.SIGINT, FAST_STOP_SECONDS_MAX),
        (signal.SIGQUIT, IMMEDIATE_STOP_SECONDS_MAX),
        (signal.SIGKILL, IMMEDIATE_STOP_SECONDS_MAX),
    ):
        send(pid, number)
        if wait_until_gone(pid, data, seconds_max):
            return


def wait_until_gone(pid: int, data: Path, seconds_max: float) -> bool:
    """Wait for the end of a process that is not our child."""
    deadline = time.monotonic() + seconds_max
    while belongs_to(pid, data):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def clear_remains(data: Path, socket_folder: Path, *, by_force: bool) -> None:
    """Remove what a server that no longer runs left: its backends, its pid file, its socket's lock file.

    A backend in a long computation does not notice that its postmaster died, and its shared memory keeps a new server
    from starting. A stale pid file does so too when its pid was given to another process meanwhile.
    """
    for pid in list_remains(data):
        send(pid, signal.SIGKILL if by_force else signal.SIGQUIT)
    (data / "postmaster.pid").unlink(missing_ok=True)
    for leftover in socket_folder.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
