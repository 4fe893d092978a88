"""Programmes as brands keep them: checked against what the brand has, versioned, their assets made in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from regulars.audiences.service.saving import get_catalogue
from regulars.conditions.places import Place
from regulars.events.service import following
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import BrandId
from regulars.ledger.service import ensure_assets
from regulars.loyalty.checking import check_conditions, list_messages
from regulars.loyalty.compiling import compile_edition
from regulars.loyalty.errors import ProgrammeUnknown
from regulars.loyalty.model import Programme
from regulars.loyalty.parsing import parse_programme, read_name
from regulars.loyalty.store import driving
from regulars.loyalty.store import programmes as store
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

FOLLOWER: Final = "loyalty"
PARSED_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a brand's programme: events after `from_seq` are judged by it, until the next."""

    name: str
    version: int
    from_at: datetime
    from_seq: int
    programme: Programme


async def put_programme(
    tx: WriteTransaction, brand: Brand, name: str, written: Mapping[str, Any], *, now: datetime
) -> dict[str, Any]:
    """A new version where something changed; the same version again otherwise.

    Raises: ProgrammeInvalid, ConditionError, AssetInvalid.
    """
    read_name(Place(name, "name"))
    programme = parse_programme(written)
    doubts = check_conditions(programme, await get_catalogue(tx, brand))
    compile_edition(1, now, 0, programme, brand.time_zone)  # what no event tells is refused here
    await ensure_assets(tx, brand, list(programme.assets))
    await following.follow(tx, brand.brand_id, FOLLOWER)
    await store.lock_programme(tx, brand.brand_id, name)
    known = await store.find_programme(tx, brand.brand_id, name)
    version = known[0] if known else 0
    if known is None or known[1] != written:
        version += 1
        await store.insert_version(tx, brand.brand_id, name, version, written, now)
        await driving.mark_due(tx, brand.brand_id, name, now)
    warnings = [{"code": one.code, "path": one.path, "message": one.sentence} for one in doubts]
    warnings += [
        {"code": "programme.not_driven", "path": path, "message": "a message of a programme is kept, and not sent yet"}
        for path in list_messages(programme)
    ]
    return {"name": name, "version": version, **({"warnings": warnings} if warnings else {})}


async def list_in_force(tx: ReadTransaction, brand_id: BrandId) -> list[Version]:
    """The newest version of each programme, in name order."""
    return [_to_version(row) for row in await store.list_newest(tx, brand_id)]


async def list_versions(tx: ReadTransaction, brand_id: BrandId) -> list[Version]:
    """All versions of all programmes, by name and then version."""
    return [_to_version(row) for row in await store.list_versions(tx, brand_id)]


async def list_version_numbers(tx: ReadTransaction, brand_id: BrandId) -> dict[str, int]:
    """The newest of each programme: a version never changes, so where these are the same everything is."""
    return {row[0]: row[1] for row in await store.list_version_numbers(tx, brand_id)}


def _to_version(row: TupleRow) -> Version:
    return Version(*row[:4], programme=_parse(row[4]))


@lru_cache(maxsize=PARSED_MAX)
def _parse(written: str) -> Programme:
    """A version never changes: what it means is read once."""
    return parse_programme(msgspec.json.decode(written))


async def get_programme(tx: ReadTransaction, brand: Brand, name: str) -> dict[str, Any]:
    """The newest version, as it was written. Raises: ProgrammeUnknown."""
    row = await store.find_programme(tx, brand.brand_id, name)
    if row is None:
        raise ProgrammeUnknown(f"there is no programme {name[:100]!r}")
    return {"name": name, "version": row[0], **row[1], "from": instant_text(row[2])}


async def list_programmes(tx: ReadTransaction, brand: Brand, *, after: str, limit: int) -> list[dict[str, Any]]:
    """In name order, each with its newest version."""
    rows = await store.list_programmes(tx, brand.brand_id, after=after, limit=limit)
    return [{"name": row[0], "version": row[1], "from": instant_text(row[2])} for row in rows]
