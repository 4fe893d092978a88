"""What somebody began and did not publish is finished before anything else: here removals, which are written down too.

At most one move or removal is open at any time, since each is begun only when nothing is.
"""

import asyncio
from collections.abc import Callable, Sequence

from deltalake import DeltaTable

from regulars.events.service.leaving import reduce_counts
from regulars.history import lake, store
from regulars.history.lake import REMOVER, TABLES
from regulars.history.model import HistoryPlace
from regulars.history.store import LockHolder
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId

Step = Callable[[str], None]
"""Called after each step with its name; the tests end the process there."""


def go_on(step: str) -> None:
    """Nothing happens between two steps."""
    del step


async def finish_open_removal(holder: LockHolder, place: HistoryPlace, clock: Clock, step: Step = go_on) -> None:
    """Bring a removal that somebody began to its end."""
    async with holder.write() as tx:
        found = await store.find_open_removal(tx)
    if found is not None:
        await complete_removal(holder, place, clock, *found, step)


async def complete_removal(
    holder: LockHolder, place: HistoryPlace, clock: Clock, brand_id: int, removal_id: int, step: Step
) -> None:
    """Bring a removal that is written down to its end, whatever of it was done before."""
    async with holder.write() as tx:
        rows = await store.list_removals(tx, brand_id, removal_id)
    tables: list[DeltaTable] = []
    for name in TABLES:
        table = await asyncio.to_thread(lake.ensure_table, place.folder, name)
        if lake.number_written(table, REMOVER) < removal_id:
            seqs = [seq for seq, _, _ in rows]
            await asyncio.to_thread(lake.delete_seqs, table, brand_id, seqs, writer=REMOVER, number=removal_id)
        tables.append(table)
        step(f"removal {name}")
    async with holder.write() as tx:
        versions = {"events_version": tables[0].version(), "lines_version": tables[1].version()}
        await store.publish_versions(tx, [brand_id], **versions, now=clock())
        await reduce_counts(tx, BrandId(brand_id), sum_by_name([(name, lines) for _, name, lines in rows]))
        await store.delete_removals(tx, brand_id, removal_id)
    step("removal publish")


def sum_by_name(rows: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """name, events and lines from the name and lines of each event."""
    sums: dict[str, tuple[int, int]] = {}
    for name, lines in rows:
        events_before, lines_before = sums.get(name, (0, 0))
        sums[name] = (events_before + 1, lines_before + lines)
    return [(name, events, lines) for name, (events, lines) in sorted(sums.items())]
