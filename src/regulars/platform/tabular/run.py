"""One file's import: read ahead in a thread, write in batches, keep what is rejected.

Decides the order: rows land before their rejections are written, a file's error is raised after what came before it landed.
Each batch is one transaction of the sink's. An import that is stopped is gone on with by running it again: the sink knows
the rows it has by their keys.
"""

import asyncio
import gc
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar

from regulars.kernel.errors import DomainError
from regulars.platform.tabular.convert import DateOrder
from regulars.platform.tabular.mapped import MappedRow, Mapper, build_mapper
from regulars.platform.tabular.mapping import Mapping
from regulars.platform.tabular.progress import ImportProgress
from regulars.platform.tabular.rejects import RejectsFile, open_rejects
from regulars.platform.tabular.table import BadRow, Row, Table

BATCH_ROWS = 10_000
BATCH_BYTES_MAX = 64 << 20
"""About how much text one batch may hold, whatever the number of its rows; two batches are in memory at a time."""

REJECTS_SHOWN_MAX = 5
SWITCH_SECONDS = 0.0005
"""How long the reading thread may keep the interpreter from the event loop; Python's 5 ms would be paid at every await."""

COLLECT_OBJECTS = 50_000
"""How many more objects there are before the garbage collector looks: about one batch."""


@dataclass(frozen=True, slots=True)
class SinkResult:
    """What became of a batch; ``rejected`` holds (index in the batch, field, reason). The three add up to the batch."""

    written: int
    known: int
    rejected: list[tuple[int, str | None, str]] = field(default_factory=list[tuple[int, str | None, str]])


Prepared = TypeVar("Prepared")


@dataclass(frozen=True, slots=True)
class Sink(Generic[Prepared]):
    """Stores a batch in one transaction: all of it but the rows it rejects, or nothing and an exception.

    ``prepare`` is what needs no database: it runs in the reading thread, batch after batch in the file's order, while
    the batch before is written.
    """

    prepare: Callable[[list[MappedRow]], Prepared]
    write: Callable[[Prepared], Awaitable[SinkResult]]

    async def __call__(self, rows: list[MappedRow]) -> SinkResult:
        return await self.write(self.prepare(rows))


@dataclass(frozen=True, slots=True)
class ImportTotals:
    """``read`` = written + known + rejected (in a dry run: + the rows that would have been written)."""

    read: int = 0
    written: int = 0
    known: int = 0
    rejected: int = 0
    rejects_file: Path | None = None
    first_rejects: tuple[BadRow, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON line of the contract."""
        return {
            "read": self.read,
            "written": self.written,
            "known": self.known,
            "rejected": self.rejected,
            "rejects_file": str(self.rejects_file) if self.rejects_file else None,
        }


@dataclass(slots=True)
class _Batch:
    read: int = 0
    rows: list[MappedRow] = field(default_factory=list[MappedRow])
    rejected: list[BadRow] = field(default_factory=list[BadRow])
    prepared: Any = None
    last: bool = False
    error: DomainError | None = None


@dataclass(slots=True)
class _Import:
    """One run: what it was told, and how far it is."""

    table: Table
    sink: Sink[Any]
    progress: ImportProgress | None
    dry_run: bool
    rejects_folder: Path | None
    read: int = 0
    written: int = 0
    known: int = 0
    rejected: int = 0
    first_rejects: list[BadRow] = field(default_factory=list[BadRow])
    rejects: RejectsFile | None = None

    def say(self, text: str) -> None:
        if self.progress:
            self.progress.say(text)

    def describe(self) -> str:
        counts = f"{self.written:,} written, {self.known:,} known before, {self.rejected:,} rejected"
        dry = f"{self.rejected:,} would be rejected, none written (dry run)"
        return f"{self.read:,} rows read, {dry if self.dry_run else counts}."


async def run_import(
    table: Table,
    mapping: Mapping,
    sink: Sink[Any],
    *,
    zone: tzinfo,
    progress: ImportProgress | None = None,
    dry_run: bool = False,
    batch_rows: int = BATCH_ROWS,
    rejects_folder: Path | None = None,
    date_order: DateOrder | None = None,
) -> ImportTotals:
    """Imports the table; a dry run reads and converts every row and writes nothing, no rejects file either.

    Raises: ImportRefused for what is wrong with the file (its ``totals`` say what landed before), RejectsNotWritten,
    whatever the sink raises.
    """
    run = _Import(table, sink, progress, dry_run, rejects_folder)
    try:
        mapper, notes = await asyncio.to_thread(build_mapper, table, mapping, zone, date_order=date_order)
        for note in [*table.notes, *notes]:
            run.say(note)
        with _tuned_interpreter():
            error = await _pump(run, _iter_batches(run, mapper, batch_rows))
        path = await asyncio.to_thread(run.rejects.publish) if run.rejects else None
    except asyncio.CancelledError:
        run.say(f"Stopped. {run.describe()} Run the same command again: it goes on where this one stopped.")
        raise
    finally:
        if progress:
            progress.stop()
        if run.rejects:
            run.rejects.discard()  # nothing is left to discard once published
    totals = ImportTotals(run.read, run.written, run.known, run.rejected, path, tuple(run.first_rejects))
    if error is not None:
        error.fields["totals"] = totals.to_dict()
        run.say(f"{run.describe()} These stay; from there on the file cannot be read.")
        raise error
    if progress:
        progress.finish(totals.read, run.describe() + (f" See {path}." if path else ""))
    return totals


def _iter_batches(run: _Import, mapper: Mapper, batch_rows: int) -> Iterator[_Batch]:
    """Bounded by rows and by bytes; the last one says so, and holds the file's error if reading stopped at one."""
    for batch in _iter_read(run.table, mapper, batch_rows):
        if batch.rows and not run.dry_run:
            batch.prepared = run.sink.prepare(batch.rows)
        yield batch


def _iter_read(table: Table, mapper: Mapper, batch_rows: int) -> Iterator[_Batch]:
    batch = _Batch()
    limit = BATCH_BYTES_MAX
    try:
        for row in table.rows():
            batch.read += 1
            mapped = mapper(row) if type(row) is Row else row
            if type(mapped) is MappedRow:
                batch.rows.append(mapped)
            elif isinstance(mapped, BadRow):
                batch.rejected.append(mapped)
            if batch.read >= batch_rows or table.meter.bytes_unpacked > limit:
                yield batch
                batch = _Batch()
                limit = table.meter.bytes_unpacked + BATCH_BYTES_MAX
    except DomainError as error:
        batch.error = error
    batch.last = True
    yield batch


async def _pump(run: _Import, batches: Iterator[_Batch]) -> DomainError | None:
    """Writes each batch while the next is read. Returns the error at which the file ended, if any."""
    reading = asyncio.ensure_future(asyncio.to_thread(next, batches))
    try:
        while True:
            # Shielded: a thread cannot be cancelled, and it must have left the file before anybody closes it.
            batch = await asyncio.shield(reading)
            if not batch.last:
                reading = asyncio.ensure_future(asyncio.to_thread(next, batches))
            await _write_batch(run, batch)
            if batch.last:
                return batch.error
    finally:
        if not reading.done():
            await asyncio.wait({reading})


async def _write_batch(run: _Import, batch: _Batch) -> None:
    rejected = batch.rejected
    if batch.rows and not run.dry_run:
        result = await run.sink.write(batch.prepared)
        run.written += result.written
        run.known += result.known
        rejected = rejected + [_rejected_by_sink(batch.rows[at].row, name, why) for at, name, why in result.rejected]
        rejected.sort(key=lambda row: row.number)
    run.read += batch.read
    run.rejected += len(rejected)
    run.first_rejects.extend(rejected[: REJECTS_SHOWN_MAX - len(run.first_rejects)])
    if rejected and not run.dry_run:
        await asyncio.to_thread(_add_rejects, run, rejected)
    if run.progress:
        run.progress.update(run.read, run.rejected, run.table.fraction_read(run.read))


def _rejected_by_sink(row: Row, name: str | None, reason: str) -> BadRow:
    return BadRow(row.number, row.line, name, reason, row.cells)


def _add_rejects(run: _Import, rejected: list[BadRow]) -> None:
    if run.rejects is None:
        run.rejects = open_rejects(run.table, run.rejects_folder)
    run.rejects.add(rejected)


@contextmanager
def _tuned_interpreter() -> Generator[None]:
    """Two threads share the interpreter and millions of short-lived objects pass through: Python's defaults cost a third more.

    Rows hold no cycles, so the collector looks once a batch instead of every 700 objects, and not at what was there before.
    """
    switch, thresholds = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.freeze()
    gc.set_threshold(COLLECT_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        sys.setswitchinterval(switch)
