"""The folder in which web and worker keep what they count for `GET /metrics`: in memory, as long as `regulars serve` runs.

Not in HOME: the files are mapped into memory and have holes, and whoever fills a hole when the disk is full is killed.
HOME/metrics points to it, so that what a killed supervisor left is found and removed. Files bear the names of processes, not
their pids: however often one is started again, there are no more of them.
"""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from prometheus_client import values

from regulars.platform.telemetry import METRICS_FOLDER

PROCESS_NAME: Final = "REGULARS_PROCESS"
"""What `regulars serve` calls a process: its next life has the same name, no two that run do."""
_MEMORY: Final = Path("/dev/shm")
_PREFIX: Final = "regulars-metrics-"


def count_by_name() -> None:
    """Count in the files of the name that PROCESS_NAME gives this process, if any. Shape: nothing has been counted yet."""
    name, pid = os.environ.pop(PROCESS_NAME, None), os.getpid()  # taken out: whatever this process starts is another

    def identify() -> str | int:
        return os.getpid() if name is None or os.getpid() != pid else name

    if METRICS_FOLDER in os.environ:
        values.ValueClass = values.MultiProcessValue(identify)  # pyright: ignore[reportUnknownMemberType]


def open_metrics(home: Path) -> Path:
    """A new and empty folder; what the one before left is removed. Shape: the caller holds HOME's lock."""
    link = home / "metrics"
    with contextlib.suppress(OSError):
        left = link.readlink()
        if left.name.startswith(_PREFIX):
            close_metrics(left)
        link.unlink()
    in_memory = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if in_memory else None))
    # On a file system without links what a kill leaves is there until the machine restarts.
    with contextlib.suppress(OSError):
        link.symlink_to(folder)
    return folder


def forget_standing(folder: Path, name: str) -> None:
    """Of a process that has ended, or the one before it: where it stood (live gauges). What it counted stays counted."""
    with contextlib.suppress(OSError):
        for file in folder.glob(f"gauge_live*_{name}.db"):
            file.unlink()


def close_metrics(folder: Path) -> None:
    """Remove it. Not the link: by now it may be another's."""
    shutil.rmtree(folder, ignore_errors=True)
