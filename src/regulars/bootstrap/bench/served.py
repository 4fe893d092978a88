"""A real `regulars serve` on a fresh home, for as long as a bench needs it."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30


@dataclass(frozen=True, slots=True)
class Served:
    """Where it answers, its keys, and how long it took from the call to the first 200."""

    url: str
    api_key: str
    write_key: str
    home: Path
    pid: int
    start_seconds: float


@contextmanager
def temporary_home() -> Generator[Path]:
    """A folder that the database's unprivileged user can pass through."""
    home = Path(tempfile.mkdtemp(prefix="regulars-bench-"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def serve(home: Path) -> Generator[Served]:
    """Start, wait for the ready line, and stop in the end."""
    began = time.perf_counter()
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "regulars", "serve", "--json", "--home", str(home)],
            stdout=subprocess.PIPE,
            stderr=log,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"serve did not start:\n{(home / 'serve.log').read_text()[-2000:]}")
        told = json.loads(line)
        seconds = time.perf_counter() - began
        yield Served(told["url"], told["api_key"], told["write_key"], Path(told["home"]), process.pid, seconds)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS_MAX)
