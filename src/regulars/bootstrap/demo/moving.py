"""Moves events to the history while others are still being loaded: in small moves, which need little memory."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from regulars.bootstrap.deployment import Deployment
from regulars.history.errors import HistoryBusy
from regulars.history.model import HistoryPlace
from regulars.history.service.moving import move_events

EVERY_SECONDS: Final = 2.0
ROWS_MAX: Final = 12_000
WAIT_SECONDS_MAX: Final = 120.0


@asynccontextmanager
async def moving_meanwhile(deployment: Deployment, place: HistoryPlace) -> AsyncGenerator[None]:
    """Move again and again until the block ends; a move that is under way then is finished."""
    ended = asyncio.Event()
    mover = asyncio.create_task(_move_until(deployment, place, ended))
    try:
        yield
    finally:
        ended.set()
        await mover


async def move_all(deployment: Deployment, place: HistoryPlace) -> None:
    """Everything that waits. Raises: HistoryBusy."""
    await move_events(
        deployment.dsn, place, deployment.clock, flush=True, rows_max=ROWS_MAX, wait_seconds_max=WAIT_SECONDS_MAX
    )


async def _move_until(deployment: Deployment, place: HistoryPlace, ended: asyncio.Event) -> None:
    while not ended.is_set():
        with contextlib.suppress(HistoryBusy):  # the worker is at it
            await move_events(deployment.dsn, place, deployment.clock, flush=True, rows_max=ROWS_MAX)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), EVERY_SECONDS)
