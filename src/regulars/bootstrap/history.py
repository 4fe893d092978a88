"""`regulars history`: tell, flush, compact and verify the event history; and where it lies."""

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import unquote, urlparse

from regulars.bootstrap.deployment import Deployment, get_brand
from regulars.history.errors import HistoryPlaceInvalid
from regulars.history.model import HistoryPlace
from regulars.history.service.compacting import compact_history
from regulars.history.service.moving import drop_moved_rows, move_events
from regulars.history.service.publishing import ClusterReader
from regulars.history.service.telling import get_status
from regulars.history.service.verifying import list_findings
from regulars.kernel.ids import BrandId
from regulars.platform.db import Database
from regulars.platform.settings import Settings

HistoryVerb = Literal["status", "flush", "compact", "verify"]
WAIT_SECONDS_MAX = 60.0


def build_history_place(settings: Settings) -> HistoryPlace:
    """Where the lake and the engine's temporary files lie: below HOME, or where the setting says.

    Raises: HistoryPlaceInvalid.
    """
    home = settings.home.expanduser().absolute()
    return HistoryPlace(
        folder=home / "history" if settings.history_url is None else _parse_folder(settings.history_url),
        temp_folder=home / "temporary",
        memory_mib_max=settings.history_memory_mib,
        threads=settings.history_threads,
        seal_seconds=settings.history_seal_seconds,
    )


def build_cluster(settings: Settings) -> ClusterReader | None:
    """The cluster that counts, where one is set; nothing is connected yet. Raises: EngineMissing, HistoryPlaceInvalid."""
    return None if settings.engine is None else ClusterReader(settings.engine, build_history_place(settings))


def _parse_folder(url: str) -> Path:
    parts = urlparse(url)
    if parts.scheme not in ("", "file") or any(letter in url for letter in "*?["):
        raise HistoryPlaceInvalid(
            f"REGULARS_HISTORY_URL {url!r} is not a folder of this machine",
            suggestion="a path, or file:///path, without * ? or [",
        )
    return Path(unquote(parts.path) if parts.scheme else url).expanduser().absolute()


def run_history(
    deployment: Deployment, settings: Settings, verb: HistoryVerb, *, brand: str | None = None, json: bool
) -> int:
    """Do it and print what came of it, of one brand or of all; 1 where verify finds something wrong.

    Raises: BrandUnknown.
    """
    told = asyncio.run(_run(deployment, build_history_place(settings), verb, brand))
    print(json_module.dumps(told, ensure_ascii=False) if json else _as_text(told))
    return 1 if told.get("findings") else 0


async def _run(deployment: Deployment, place: HistoryPlace, verb: HistoryVerb, name: str | None) -> dict[str, Any]:
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    brand_id = None if name is None else (await get_brand(deployment, database, name)).brand_id
    verbs: dict[HistoryVerb, Callable[[], Awaitable[dict[str, Any]]]] = {
        "status": lambda: _status(database, place, brand_id),
        "flush": lambda: _flush(deployment, database, place),
        "compact": lambda: _compact(deployment, database, place, brand_id),
        "verify": lambda: _verify(database, place, brand_id),
    }
    try:
        return await verbs[verb]()
    finally:
        await database.close()


async def _status(database: Database, place: HistoryPlace, brand_id: BrandId | None) -> dict[str, Any]:
    async with database.read() as tx:
        return (await get_status(tx, place, brand_id)).to_dict()


async def _flush(deployment: Deployment, database: Database, place: HistoryPlace) -> dict[str, Any]:
    done = await move_events(deployment.dsn, place, deployment.clock, flush=True, wait_seconds_max=WAIT_SECONDS_MAX)
    dropped = await drop_moved_rows(database, deployment.clock)
    return {"moves": done.moves, "events": done.events, "dropped": dropped}


async def _compact(
    deployment: Deployment, database: Database, place: HistoryPlace, brand_id: BrandId | None
) -> dict[str, Any]:
    """All of the tail moves first: what is compacted is everything."""
    await move_events(deployment.dsn, place, deployment.clock, flush=True, wait_seconds_max=WAIT_SECONDS_MAX)
    done = await compact_history(deployment.dsn, place, deployment.clock, wait_seconds_max=WAIT_SECONDS_MAX)
    told = {"months": done.months, "files_before": done.files_before, "files_after": done.files_after}
    return {**told, **await _status(database, place, brand_id)}


async def _verify(database: Database, place: HistoryPlace, brand_id: BrandId | None) -> dict[str, Any]:
    return (await list_findings(database, place, brand_id)).to_dict()


def _as_text(told: dict[str, Any]) -> str:
    lines: list[str] = []
    for name, value in told.items():
        if not isinstance(value, list):
            lines.append(f"{name}: {value}")
            continue
        entries = cast("list[dict[str, Any]]", value)
        lines.append(f"{name}:" if entries else f"{name}: none")
        lines += ["  " + ", ".join(f"{key} {part}" for key, part in entry.items()) for entry in entries]
    return "\n".join(lines)
