"""The history's mover and keeper, killed by themselves at a step: what the tests of that start in another process."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from regulars.history.model import HistoryPlace
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import move_events
from regulars.history.service.removing import remove_erased


def move_until(dsn: str, folder: Path, step: str, now: datetime) -> None:
    asyncio.run(move_events(dsn, name_place(folder), lambda: now, flush=True, step=die_at(step)))


def keep_until(dsn: str, folder: Path, step: str, now: datetime) -> None:
    work = compact_history if step.startswith("compact") else remove_erased
    asyncio.run(work(dsn, name_place(folder), lambda: now, step=die_at(step)))


def name_place(folder: Path) -> HistoryPlace:
    return HistoryPlace(folder, folder.parent / "temp", memory_mib_max=256)


def die_at(step: str) -> Callable[[str], None]:
    """kill −9."""
    return lambda name: os.kill(os.getpid(), signal.SIGKILL) if name == step else None
