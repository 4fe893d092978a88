"""`regulars programme`: a file of a loyalty programme put in force, compared with what is, or tried over the history."""

import asyncio
import json as json_module
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from regulars.bootstrap.deployment import Deployment, get_brand
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.loyalty.diffing import diff_programmes, say_difference
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.reading import ProgrammeFile, read_programme_file
from regulars.loyalty.service.programmes import list_in_force, put_programme
from regulars.loyalty.service.trying import try_programme
from regulars.platform.db import Database
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand

Told = TypeVar("Told")


def run_apply(deployment: Deployment, brand: str, file: Path, *, json: bool) -> None:
    """A new version where something changed. Raises: BrandUnknown, ProgrammeInvalid, ConditionError, AssetInvalid."""
    read = _read(file)

    async def apply(database: Database, found: Brand) -> dict[str, Any]:
        async with database.write() as tx:
            return await put_programme(tx, found, read.name, read.written, now=deployment.clock())

    told = _ask(deployment, brand, apply)
    warnings = told.pop("warnings", [])
    lines = [f"{told['name']}: version {told['version']} is in force"]
    _print(told, lines + [f"note: {one['path']}: {one['message']}" for one in warnings], json=json)


def run_diff(deployment: Deployment, brand: str, file: Path, *, json: bool) -> None:
    """What the file would change. Raises: BrandUnknown, ProgrammeInvalid, ConditionError."""
    read = _read(file)

    async def compare(database: Database, found: Brand) -> list[dict[str, Any]]:
        async with database.read() as tx:
            in_force = {one.name: one.programme for one in await list_in_force(tx, found.brand_id)}
        return [
            {
                "path": one.path,
                "old": None if one.old is None else str(one.old),
                "new": None if one.new is None else str(one.new),
                "sentence": {"zh-TW": say_difference(one, "zh-TW"), "en": say_difference(one, "en")},
            }
            for one in diff_programmes(in_force.get(read.name), read.programme)
        ]

    changes = _ask(deployment, brand, compare)
    lines = [f"{one['path']}: {one['sentence']['en']}" for one in changes]
    _print({"changes": changes}, lines or ["the file says what is in force"], json=json)


def run_dry_run(deployment: Deployment, settings: Settings, brand: str, file: Path, *, json: bool) -> None:
    """Who would have got what over the history. Raises: BrandUnknown, ProgrammeInvalid, ConditionError."""
    read = _read(file)
    history = HistoryReader(build_history_place(settings))

    async def attempt(database: Database, found: Brand) -> dict[str, Any]:
        async with database.read() as tx:
            return await try_programme(tx, history, found, read.programme, now=deployment.clock())

    try:
        told = _ask(deployment, brand, attempt)
    finally:
        history.close()
    _print(told, _tell_trial(told), json=json)


def _tell_trial(told: dict[str, Any]) -> list[str]:
    lines = [f"{told['members']:,} members have events that it looks at"]
    lines += [f"{asset}: {int(amount):,} awarded" for asset, amount in told["awarded"].items()]
    lines += [f"{asset}: {int(amount):,} outstanding now" for asset, amount in told["liability"].items()]
    for section, word in (("tiers", "tier"), ("badges", "badge"), ("missions", "mission reached")):
        lines += [f"{word} {name}: {count:,}" for name, count in told[section].items()]
    return lines


def _read(file: Path) -> ProgrammeFile:
    try:
        return read_programme_file(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProgrammeInvalid(f"{file} cannot be read: {error}") from error


def _ask(deployment: Deployment, brand: str, question: Callable[[Database, Brand], Awaitable[Told]]) -> Told:
    async def run() -> Told:
        database = Database(deployment.dsn, connections_max=2)
        await database.open()
        try:
            return await question(database, await get_brand(deployment, database, brand))
        finally:
            await database.close()

    return asyncio.run(run())


def _print(told: dict[str, Any], lines: list[str], *, json: bool) -> None:
    print(json_module.dumps(told, ensure_ascii=False) if json else "\n".join(lines))
