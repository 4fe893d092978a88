"""`regulars programme`: a file of a loyalty programme put in force, compared with what is, or tried over the history."""

from pathlib import Path
from typing import Any

from regulars.bootstrap.asking import ask_brand, ask_database, print_told
from regulars.bootstrap.deployment import Deployment
from regulars.bootstrap.history import build_history_place
from regulars.history.service.reading import HistoryReader
from regulars.loyalty.diffing import diff_programmes, say_difference
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.reading import ProgrammeFile, read_programme_file
from regulars.loyalty.service.programmes import list_in_force, put_programme
from regulars.loyalty.service.trying import try_programme
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand


def run_apply(deployment: Deployment, brand: str, file: Path, *, json: bool) -> None:
    """A new version where something changed. Raises: BrandUnknown, ProgrammeInvalid, ConditionError, AssetInvalid."""
    read = _read(file)

    async def apply(database: Database, found: Brand) -> dict[str, Any]:
        async with database.write() as tx:
            return await put_programme(tx, found, read.name, read.written, now=deployment.clock())

    told = ask_database(deployment, brand, apply)
    warnings = told.pop("warnings", [])
    lines = [f"{told['name']}: version {told['version']} is in force"]
    print_told(told, lines + [f"note: {one['path']}: {one['message']}" for one in warnings], json=json)


def run_diff(deployment: Deployment, brand: str, file: Path, *, json: bool) -> None:
    """What the file would change. Raises: BrandUnknown, ProgrammeInvalid, ConditionError."""
    read = _read(file)

    async def compare(tx: ReadTransaction, found: Brand) -> list[dict[str, Any]]:
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

    changes = ask_brand(deployment, brand, compare)
    lines = [f"{one['path']}: {one['sentence']['en']}" for one in changes]
    print_told({"changes": changes}, lines or ["the file says what is in force"], json=json)


def run_dry_run(deployment: Deployment, settings: Settings, brand: str, file: Path, *, json: bool) -> None:
    """Who would have got what over the history. Raises: BrandUnknown, ProgrammeInvalid, ConditionError."""
    read = _read(file)
    history = HistoryReader(build_history_place(settings))

    async def attempt(tx: ReadTransaction, found: Brand) -> dict[str, Any]:
        return await try_programme(tx, history, found, read.programme, now=deployment.clock())

    try:
        told = ask_brand(deployment, brand, attempt)
    finally:
        history.close()
    print_told(told, _tell_trial(told), json=json)


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
