"""A Sail server for a test: Spark Connect without Java."""

import contextlib
import importlib.util
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.requirements import absent
from tests.support.serving import wait_until


@contextlib.contextmanager
def open_sail(folder: Path, port: int = 0) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A local pysail server, on a free port where none is named; its address and process. Its log lies in the folder."""
    if importlib.util.find_spec("pysail") is None:
        absent("pysail is not installed: the extra [spark]")
    with socket.create_server(("127.0.0.1", port)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "pysail", "spark", "server", "--ip", "127.0.0.1", "--port", str(port)]
    with (folder / "sail.log").open("wb") as log:
        sail = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        wait_until(lambda: is_open(port), "pysail listens")
        yield f"sc://127.0.0.1:{port}", sail
    finally:
        sail.kill()
        sail.wait()


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
