"""Promoted properties: those that conditions ask for most often have a column of their own, and no JSON is read for them.

A column holds exactly what is found in the JSON, as JSON text: whoever reads it does with it what he would do with what
he found there. Compaction fills the columns from the JSON, and notes of each file which it has; of files that are not
noted (those of the mover, of a removal, of a compaction that was killed) and of the tail, the same is read from the JSON.
So every answer is the same before, while and after a property is promoted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from regulars.history import lake, store
from regulars.history.lake import LakeFile, promoted_column
from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction, WriteTransaction

PROMOTED_MAX: Final = 64
"""Of one brand."""
EVENTS_MIN: Final = 200_000
"""A brand with fewer events in the lake answers at once as it is."""
LACKING_SHARE_MIN: Final = 0.1
MONTHS_PER_RUN_MAX: Final = 24
"""A new promotion goes through the history, newest months first, in as many nights as it needs."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """A brand's promoted properties by slot, and by file's name the property in each of the file's own slots."""

    slots: dict[str, int] = field(default_factory=dict[str, int])
    files: dict[str, list[str | None]] = field(default_factory=dict[str, list[str | None]])

    @property
    def columns(self) -> dict[str, str]:
        """The view's column of each property."""
        return {name: promoted_column(slot) for name, slot in self.slots.items()}

    def slots_in(self, path: str) -> tuple[int, ...]:
        """Of each property, in order, the slot that it has in this file; 0 where it has none."""
        held = self.files.get(Path(path).name, [])
        return tuple(held.index(name) + 1 if name in held else 0 for name in self.slots)


async def get_promoted(tx: ReadTransaction, brand_id: BrandId) -> Promoted:
    """What is promoted now."""
    slots = await store.list_promotions(tx, brand_id)
    return Promoted(slots, await store.list_promoted_files(tx, brand_id)) if slots else Promoted()


async def choose_promotions(tx: WriteTransaction, brand_id: BrandId, wanted: Sequence[str]) -> bool:
    """Promote these properties, the most wanted first; whether that changed anything.

    What was promoted stays, since to promote again costs a rewrite, until somebody else needs its slot.
    """
    slots = await store.list_promotions(tx, brand_id)
    fresh = [name for name in wanted[:PROMOTED_MAX] if name not in slots]
    unwanted = [name for name in slots if name not in wanted[:PROMOTED_MAX]]
    leaving = unwanted[: max(0, len(slots) + len(fresh) - PROMOTED_MAX)]
    taken = {slot for name, slot in slots.items() if name not in leaving}
    free = [slot for slot in range(1, PROMOTED_MAX + 1) if slot not in taken]
    if leaving:
        await store.delete_promotions(tx, brand_id, leaving)
    if fresh:
        await store.insert_promotions(tx, brand_id, dict(zip(fresh, free, strict=False)))
    return bool(fresh)


def view_promoted(promoted: Promoted, files: Sequence[str], columns: str, tail: str) -> str:
    """A SELECT of events with the promoted columns. Shape: `tail` is a SELECT of these columns."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for path in files:
        alike.setdefault(promoted.slots_in(path), []).append(path)
    parts = [
        f"select {columns}, {_told(promoted, slots)}"
        f" from ({lake.scan_sql('events', paths, [promoted_column(slot) for slot in slots if slot])})"
        for slots, paths in alike.items()
    ]
    parts.append(f"select {columns}, {_told(promoted, (0,) * len(promoted.slots))} from ({tail})")
    return " union all ".join(parts)


def _told(promoted: Promoted, slots: Sequence[int]) -> str:
    return ", ".join(
        f"{promoted_column(held) if held else _find_sql(name, 'properties')} as {column}"
        for (name, column), held in zip(promoted.columns.items(), slots, strict=True)
    )


def fill_sql(promoted: Promoted, count: int) -> str:
    """The promoted columns of a table that has so many, of rows `f`; begins with a comma where there are any."""
    names = {slot: name for name, slot in promoted.slots.items()}
    # What the engine cannot read must not keep the other rows from being written.
    found = {slot: f"try({_find_sql(name, 'f.properties')})" for slot, name in names.items()}
    return "".join(f", {found.get(slot, 'null::VARCHAR')} as {promoted_column(slot)}" for slot in range(1, count + 1))


def _find_sql(name: str, document: str) -> str:
    """What a lowered leaf finds in the JSON, as text."""
    pointer = ("/" + name.replace("~", "~0").replace("/", "~1")).replace("'", "''")
    return f"json_extract({document}, '{pointer}')::VARCHAR"


def list_lacking(files: Sequence[LakeFile], promoted: Promoted, events_min: int) -> dict[int, set[str]]:
    """Parts by month of which a good share of the rows lies in files that lack a promoted column."""
    if not promoted.slots or sum(file.rows for file in files) < events_min:
        return {}
    rows: dict[tuple[int, str], int] = {}
    lacking: dict[tuple[int, str], int] = {}
    for file in files:
        place = (file.month, file.part)
        rows[place] = rows.get(place, 0) + file.rows
        if 0 in promoted.slots_in(file.path):
            lacking[place] = lacking.get(place, 0) + file.rows
    found: dict[int, set[str]] = {}
    for month, part in sorted(lacking, reverse=True):
        if lacking[month, part] >= LACKING_SHARE_MIN * rows[month, part]:
            found.setdefault(month, set()).add(part)
    return dict(list(found.items())[:MONTHS_PER_RUN_MAX])


async def note_files(
    tx: WriteTransaction, brand_id: int, promoted: Promoted, fresh: Sequence[str], all_files: Sequence[str]
) -> None:
    """Note what the files just written hold, in the transaction that publishes them; forget files that are no more."""
    if not promoted.slots:
        return
    names = {slot: name for name, slot in promoted.slots.items()}
    held = [names.get(slot) for slot in range(1, max(names) + 1)]
    await store.insert_promoted_files(tx, brand_id, [Path(path).name for path in fresh], held)
    await store.delete_promoted_files(tx, brand_id, kept=[Path(path).name for path in all_files])
