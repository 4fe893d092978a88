"""How far the history is: what is moved, what waits, how many files there are. Reads only."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from regulars.history import lake, store
from regulars.history.lake import TABLES, LakeFile
from regulars.history.model import HistoryPlace
from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction


@dataclass(frozen=True, slots=True)
class BrandStatus:
    """One brand: `unmoved` seqs wait in the tail."""

    brand_id: int
    moved_to: int
    unmoved: int
    published_at: str | None


@dataclass(frozen=True, slots=True)
class HistoryStatus:
    """The whole deployment, or one brand: what lies in the lake, and what waits in the tail. `erased_hidden`: origins whose events are hidden and not yet removed; `erased_on_disk`: off
    the tables, but some file that is kept for readers may still hold them."""

    folder: str
    tail_events: int
    lake_events: int
    lake_lines: int
    files: int
    bytes: int
    open_moves: int
    erased_hidden: int
    erased_on_disk: int
    brands: list[BrandStatus]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def get_status(tx: ReadTransaction, place: HistoryPlace, brand_id: BrandId | None = None) -> HistoryStatus:
    """What is moved, what waits; of one brand, or of all. Raises: HistoryMissing."""
    pointers = [row for row in await store.list_pointers(tx) if brand_id in (None, row[0])]
    waiting = {one.brand_id: one for one in await store.list_unmoved(tx) if brand_id in (None, one.brand_id)}
    open_moves, hidden, on_disk = await store.count_open(tx)
    known = {row[0]: row for row in pointers}
    brands = [_tell_brand(one, known.get(one), waiting) for one in sorted(known.keys() | waiting.keys())]
    is_there = any(row[3] is not None for row in pointers)
    events, lines = ([], [])
    if is_there:
        events, lines = [await asyncio.to_thread(_list_files, place, table, brand_id) for table in TABLES]
    return HistoryStatus(
        folder=str(place.folder),
        tail_events=sum(brand.unmoved for brand in brands),
        lake_events=sum(file.rows for file in events),
        lake_lines=sum(file.rows for file in lines),
        files=len(events) + len(lines),
        bytes=sum(file.size_bytes for file in [*events, *lines]),
        open_moves=open_moves,
        erased_hidden=hidden,
        erased_on_disk=on_disk - hidden,
        brands=brands,
    )


def _tell_brand(brand_id: int, pointer: Any, waiting: dict[int, Any]) -> BrandStatus:
    unmoved = waiting.get(brand_id)
    published: datetime | None = pointer[5] if pointer else None
    return BrandStatus(
        brand_id=brand_id,
        moved_to=pointer[1] if pointer else 0,
        unmoved=unmoved.to_seq - unmoved.after_seq if unmoved else 0,
        published_at=published.isoformat() if published else None,
    )


def _list_files(place: HistoryPlace, table: lake.TableName, brand_id: BrandId | None) -> list[LakeFile]:
    files = lake.list_files(lake.open_table(place.folder, table))
    return [file for file in files if brand_id in (None, file.brand_id)]
