"""Snapshots as a cluster sees them: the lake's Delta tables, and beside them what of a snapshot is not in the lake.

FOLDER/published/PROCESS/BRAND/ holds the tail's rows, the origin map and the items of a state, each as a Parquet file
whose name says all that decides what is in it; nobody ever changes it. So the cluster reads exactly what the transaction
sees, without waiting for the mover. A file that another has followed stays for an hour, for whoever reads it still; at
night all go, and who needs one writes it again. Each process has files of its own: after a database was restored from a
backup, the same numbers can stand for other rows.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from duckdb import DuckDBPyConnection

from regulars.history.cluster import ClusterSession, Relation, check_installed
from regulars.history.engine import EVENT_COLUMNS, LINE_COLUMNS, PLACE_COLUMNS
from regulars.history.errors import EngineFailed, EngineUnavailable
from regulars.history.model import DataState, HistoryPlace
from regulars.history.service.reading import Snapshot
from regulars.kernel.ids import BrandId

FOLDER: Final = "published"
SESSIONS_KEPT_MAX: Final = 4
QUERIES_AT_ONCE_MAX: Final = 8
ANSWER_SECONDS_MAX: Final = 600
FOLLOWED_KEPT_SECONDS: Final = 3_600
PUBLISHED_KEPT: Final = timedelta(days=1)

_COLUMNS: Final = {
    "events": tuple(PLACE_COLUMNS | EVENT_COLUMNS),
    "lines": tuple(PLACE_COLUMNS | LINE_COLUMNS),
    "origins": ("origin_id", "member_no"),
    "items": ("item_id", "name", "category", "price", "attributes"),
}
_VIEWS: Final = {"events": "tail_events", "lines": "tail_lines", "origins": "origins", "items": "items"}
"""Which view of a snapshot is published for which relation of a session."""

T = TypeVar("T")
_drafts = itertools.count()


@dataclass(slots=True)
class _Opened:
    session: ClusterSession
    users: int = 0
    answers: int = 0


class ClusterReader:
    """Sessions on a cluster, each with one state of one brand; one a process. Safe to share between tasks."""

    def __init__(self, url: str, place: HistoryPlace) -> None:
        """Nothing is connected yet. Raises: EngineMissing."""
        check_installed()
        self._url = url
        self._lake = place.folder.absolute()
        self._folder = self._lake / FOLDER / uuid.uuid4().hex
        self._opening = asyncio.Lock()
        # Threads of its own: who waits for a slow cluster keeps none from other work of the process.
        self._threads = ThreadPoolExecutor(QUERIES_AT_ONCE_MAX, thread_name_prefix="cluster")
        self._opened: OrderedDict[tuple[BrandId, DataState], _Opened] = OrderedDict()

    async def ask(self, snapshot: Snapshot, sql: str, parameters: Mapping[str, object]) -> Any:
        """What the cluster answers over events, lines, origins and items of the snapshot, as a table of Arrow.

        Raises: EngineUnavailable, EngineFailed.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                return await self._ask(snapshot, sql, parameters)
        except TimeoutError as error:
            said = f"the cluster of REGULARS_ENGINE gave no answer within {ANSWER_SECONDS_MAX} s"
            raise EngineUnavailable(said) from error

    async def _ask(self, snapshot: Snapshot, sql: str, parameters: Mapping[str, object]) -> Any:
        """Where a session that has answered before does not, another is opened: the cluster may have been started anew."""
        key = (snapshot.brand_id, snapshot.state)
        opened = await self._open(snapshot)
        try:
            return await self._fetch(opened, sql, parameters)
        except (EngineUnavailable, EngineFailed):
            if self._opened.get(key) is opened:
                del self._opened[key]
            if opened.users == 0:
                await self._in_thread(opened.session.close)
            if opened.answers == 0:
                raise
        return await self._fetch(await self._open(snapshot), sql, parameters)

    async def close(self) -> None:
        """Give all sessions back, and remove what was published for them."""
        while self._opened:
            _, opened = self._opened.popitem()
            await self._in_thread(opened.session.close)
        self._threads.shutdown(wait=False, cancel_futures=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _fetch(self, opened: _Opened, sql: str, parameters: Mapping[str, object]) -> Any:
        opened.users += 1
        try:
            answer = await self._in_thread(opened.session.fetch, sql, parameters)
            opened.answers += 1
            return answer
        finally:
            opened.users -= 1

    async def _open(self, snapshot: Snapshot) -> _Opened:
        key = (snapshot.brand_id, snapshot.state)
        async with self._opening:
            relations = _list_relations(self._lake, self._folder, snapshot.brand_id, snapshot.state)
            is_published = await snapshot.run(lambda connection: _publish(connection, relations))
            found = self._opened.get(key)
            if found is None or not is_published:
                found = _Opened(await self._in_thread(ClusterSession, self._url, relations))
                self._opened[key] = found
            self._opened.move_to_end(key)
            await self._forget()
            return found

    async def _forget(self) -> None:
        """Close what nobody uses and nobody is likely to ask for again."""
        unused = [key for key, opened in list(self._opened.items())[:-1] if opened.users == 0]
        for key in unused[: max(0, len(self._opened) - SESSIONS_KEPT_MAX)]:
            await self._in_thread(self._opened.pop(key).session.close)


def remove_published(place: HistoryPlace, *, now: datetime) -> int:
    """Remove what was published more than a day ago, by whoever; returns how many files."""
    published = place.folder / FOLDER

    def list_old(pattern: str) -> list[Path]:
        return [path for path in published.glob(pattern) if now - _changed_at(path) > PUBLISHED_KEPT]

    files = list_old("*/*/*")
    for file in files:
        file.unlink(missing_ok=True)
    for folder in (*list_old("*/*"), *list_old("*")):
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
    return len(files)


def _changed_at(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _list_relations(lake: Path, folder: Path, brand_id: BrandId, state: DataState) -> dict[str, Relation]:
    at = state.pointer
    tail = f"{at.moved_to}-{state.head_seq}"
    keys = {
        "events": (tail, at.events_version),
        "lines": (tail, at.lines_version),
        "origins": (f"{state.origins_epoch}-{state.origin_id_max}", None),
        "items": (f"{state.items_epoch}", None),
    }
    return {
        name: Relation(
            columns=_COLUMNS[name],
            file=folder / str(brand_id) / f"{name}-{key}.parquet",
            brand_id=brand_id,
            table=None if version is None else lake / name,
            version=version,
        )
        for name, (key, version) in keys.items()
    }


def _publish(connection: DuckDBPyConnection, relations: Mapping[str, Relation]) -> bool:
    """Write the files that are not there; answers whether all were."""
    missing = {name: relation.file for name, relation in relations.items() if not relation.file.exists()}
    for name, file in missing.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{file.name}.{os.getpid()}.{next(_drafts)}")
        columns, target = ", ".join(_COLUMNS[name]), str(draft).replace("'", "''")
        connection.execute(f"copy (select {columns} from {_VIEWS[name]}) to '{target}' (format parquet)")
        draft.replace(file)
        _let_go(file, name)
    return not missing


def _let_go(file: Path, name: str) -> None:
    """Let the file that this one follows grow old from now on; remove those that were followed long ago."""
    now = file.stat().st_mtime_ns
    before = [(other.stat().st_mtime_ns, other) for other in file.parent.glob(f"{name}-*.parquet") if other != file]
    if not before:
        return
    latest = max(before)[1]
    os.utime(latest, ns=(now - 1, now - 1))  # so that of all files the newest is never one that was followed
    for changed, other in before:
        if other != latest and now - changed > FOLLOWED_KEPT_SECONDS * 1_000_000_000:
            other.unlink(missing_ok=True)
