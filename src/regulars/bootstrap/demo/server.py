"""The deployment that the demo runs against: `regulars serve` of this home, found running or started meanwhile.

Decides who stops it: what the demo started it stops, what it found it leaves alone. A running serve is found by the
process that holds the home's lock, and believed when it answers to the home's own key.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import ServeFailed
from regulars.bootstrap.deployment import FIRST_BRAND
from regulars.bootstrap.supervisor import is_healthy
from regulars.platform.postgres import choose_death_signal

READY_WAIT_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
RETRY_SECONDS = 0.1
TCP_LISTENS = "0A"


@dataclass(slots=True)
class Server:
    """A serve of this home; `process` is None where somebody else runs it."""

    home: Path
    process: subprocess.Popen[str] | None
    url: str = ""

    def wait_until_ready(self) -> Client:
        """The client, when the server answers. Raises: ServeFailed."""
        if self.process is None:
            return Client(self.url, read_api_key(self.home) or "")
        assert self.process.stdout is not None, "it was started with a pipe"
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise ServeFailed(f"regulars serve ended with {code} before it was ready; its reason is told above")
        told = json.loads(line)
        self.url = told["url"]
        return Client(told["url"], told["api_key"])


@contextlib.contextmanager
def open_server(home: Path) -> Generator[Server]:
    """A serve of this home until the block ends; starting goes on while the caller does something else."""
    url = find_running_url(home)
    if url is not None:
        yield Server(home, None, url)
        return
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "regulars", "serve", "--json", "--home", str(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches only us; we stop it in order. Were we killed, the kernel tells it to stop.
        start_new_session=True,
        preexec_fn=choose_death_signal(signal.SIGTERM),
    )
    try:
        yield Server(home, process)
    finally:
        stop_process(process)


def stop_process(process: subprocess.Popen[str]) -> None:
    """Ask it to stop, and see that it did."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def find_running_url(home: Path) -> str | None:
    """Where a serve of this home listens; None when none runs. One that is just starting is waited for."""
    deadline = time.monotonic() + READY_WAIT_SECONDS_MAX
    while (pid := read_serve_pid(home)) is not None and (url := find_listener(pid)) is not None:
        key = read_api_key(home)
        if key is not None and is_healthy(url) and Client(url, key).ask("/api/overview")[0] == 200:
            return url
        if time.monotonic() > deadline:
            return None
        time.sleep(RETRY_SECONDS)
    return None


def read_serve_pid(home: Path) -> int | None:
    """Whom the lock names; also somebody who was killed, or who has nothing to do with us."""
    with contextlib.suppress(OSError, ValueError):
        return int((home / "serve.lock").read_text(encoding="ascii"))
    return None


def read_api_key(home: Path) -> str | None:
    """The first brand's key, as the home keeps it."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        stored: dict[str, Any] = json.loads((home / "credentials.json").read_text(encoding="utf-8"))
        return stored[FIRST_BRAND]["api_key"]
    return None


def find_listener(pid: int) -> str | None:
    """The address on which a process listens, as Linux tells it in /proc; elsewhere None.

    The supervisor has one listening socket, the one its web accepts on.
    """
    process = Path("/proc") / str(pid)
    sockets: set[str] = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                sockets.add(str(descriptor.readlink()))
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError):
            for line in (process / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == TCP_LISTENS and f"socket:[{fields[9]}]" in sockets:
                    return build_url(fields[1], family)
    return None


def build_url(local: str, family: socket.AddressFamily) -> str:
    """From the kernel's hexadecimal words; a socket that listens everywhere is reached by this machine's own address."""
    words, _, port = local.partition(":")
    raw = b"".join(int(words[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(words), 8))
    host = socket.inet_ntop(family, raw)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{int(port, 16)}" if family == socket.AF_INET6 else f"http://{host}:{int(port, 16)}"
