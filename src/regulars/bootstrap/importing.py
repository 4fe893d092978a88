"""`regulars import`: files to their domain's sink, with the mapping shown and progress told on stderr."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, assert_never

from rich.console import Console

from regulars.bootstrap.deployment import Deployment, get_brand
from regulars.events.importing import ITEMS_SPEC, build_event_sink, build_events_spec, build_item_sink
from regulars.members.importing import build_member_sink, build_members_spec
from regulars.platform.db import Database
from regulars.platform.tabular.errors import MissingColumn
from regulars.platform.tabular.mapping import ImportSpec, Mapping, guess_mapping, render_mapping
from regulars.platform.tabular.progress import ImportProgress
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.run import ImportTotals, Sink, run_import
from regulars.platform.tabular.table import Table
from regulars.platform.tenancy import Brand

ImportKind = Literal["members", "items", "events"]


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What is to be imported and how."""

    kind: ImportKind
    files: Sequence[Path]
    overrides: Sequence[str] = field(default_factory=list[str])
    dry_run: bool = False
    brand: str = "default"
    encoding: str | None = None
    event_name: str | None = None


async def import_files(deployment: Deployment, order: ImportOrder) -> dict[str, Any]:
    """Import one file after the other; the totals of all. Raises: BrandUnknown, ImportRefused and its kin."""
    console = Console(stderr=True)
    database = Database(deployment.dsn, connections_max=2)
    await database.open()
    try:
        brand = await get_brand(deployment, database, order.brand)
        totals = [await _import_file(deployment, database, brand, order, path, console) for path in order.files]
    finally:
        await database.close()
    return _sum(totals)


async def _import_file(
    deployment: Deployment, database: Database, brand: Brand, order: ImportOrder, path: Path, console: Console
) -> ImportTotals:
    table = open_table(path, encoding=order.encoding)
    spec = _spec(order, [*table.columns, *(override.rpartition("=")[2] for override in order.overrides)])
    mapping = _guess_mapping(table, spec, order)
    render_mapping(mapping, console, title=path.name)
    sink = _sink(deployment, database, brand, order, is_text=table.format == "csv")
    progress = ImportProgress(console, deployment.clock, path.name)
    totals = await run_import(table, mapping, sink, zone=brand.time_zone, progress=progress, dry_run=order.dry_run)
    for row in totals.first_rejects:
        progress.say(f"  row {row.number}, {row.field or 'the row'}: {row.reason}")
    if totals.rejected > len(totals.first_rejects):
        progress.say(f"  … and {totals.rejected - len(totals.first_rejects):,} more")
    return totals


def _guess_mapping(table: Table, spec: ImportSpec, order: ImportOrder) -> Mapping:
    """Which column is which field. Raises: BadMapping, MissingColumn, which for a missing name tells of --name too."""
    try:
        return guess_mapping(table.columns, spec, order.overrides)
    except MissingColumn as error:
        if error.path == "name" and order.kind == "events":
            error.message += " or, where all rows are one kind of event, --name 'Order Completed'"
        raise


def _spec(order: ImportOrder, names: Sequence[str]) -> ImportSpec:
    match order.kind:
        case "members":
            return build_members_spec(names)
        case "items":
            return ITEMS_SPEC
        case "events":
            return build_events_spec(names, is_named=order.event_name is not None)
        case _:
            assert_never(order.kind)


def _sink(deployment: Deployment, database: Database, brand: Brand, order: ImportOrder, *, is_text: bool) -> Sink[Any]:
    match order.kind:
        case "members":
            return build_member_sink(database, brand, deployment.clock, is_text=is_text)
        case "items":
            return build_item_sink(database, brand, deployment.clock, is_text=is_text)
        case "events":
            return build_event_sink(database, brand, deployment.clock, is_text=is_text, name=order.event_name)
        case _:
            assert_never(order.kind)


def _sum(totals: Sequence[ImportTotals]) -> dict[str, Any]:
    """The contract's line; of several files the first rejects file is named there and all in `rejects_files`."""
    rejects = [str(one.rejects_file) for one in totals if one.rejects_file is not None]
    return {
        "read": sum(one.read for one in totals),
        "written": sum(one.written for one in totals),
        "known": sum(one.known for one in totals),
        "rejected": sum(one.rejected for one in totals),
        "rejects_file": rejects[0] if rejects else None,
        "rejects_files": rejects,
    }
