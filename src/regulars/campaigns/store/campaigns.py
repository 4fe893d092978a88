"""Campaigns and their versions, and what their values may be. One function a query."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from psycopg.rows import TupleRow

from regulars.campaigns.store._sql import SQL
from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction, WriteTransaction


async def lock_campaign(tx: WriteTransaction, brand_id: BrandId, name: str, now: datetime) -> tuple[int, bool]:
    """The version until now, 0 where the campaign is new; whether it was removed. Locks: its row, until commit."""
    row = await tx.row(SQL["lock_campaign"], {"brand_id": brand_id, "name": name, "now": now})
    assert row is not None, "the row is there or was just made"
    return row[0], row[1]


async def set_version(tx: WriteTransaction, brand_id: BrandId, name: str, version: int, now: datetime) -> None:
    await tx.execute(SQL["set_version"], {"brand_id": brand_id, "name": name, "version": version, "now": now})


async def insert_version(
    tx: WriteTransaction, brand_id: BrandId, name: str, version: int, written: Mapping[str, Any], now: datetime
) -> None:
    params = {"brand_id": brand_id, "name": name, "version": version, "now": now}
    await tx.execute(SQL["insert_version"], {**params, "written": msgspec.json.encode(written).decode()})


async def find_campaign(tx: ReadTransaction, brand_id: BrandId, name: str) -> TupleRow | None:
    """version, written, updated_at."""
    return await tx.row(SQL["find_campaign"], {"brand_id": brand_id, "name": name})


async def find_version(tx: ReadTransaction, brand_id: BrandId, name: str, version: int) -> Mapping[str, Any] | None:
    """What was written."""
    row = await tx.row(SQL["find_version"], {"brand_id": brand_id, "name": name, "version": version})
    return row[0] if row else None


async def list_campaigns(tx: ReadTransaction, brand_id: BrandId, *, after: str, limit: int) -> list[TupleRow]:
    """name, version, written, updated_at; in name order."""
    return await tx.rows(SQL["list_campaigns"], {"brand_id": brand_id, "after": after, "limit": limit})


async def remove_campaign(tx: WriteTransaction, brand_id: BrandId, name: str, now: datetime) -> int:
    return await tx.execute(SQL["remove_campaign"], {"brand_id": brand_id, "name": name, "now": now})


async def find_trait_type(tx: ReadTransaction, brand_id: BrandId, trait: str) -> tuple[str, bool] | None:
    """Its type, and whether it is personal."""
    row = await tx.row(SQL["find_trait_type"], {"brand_id": brand_id, "trait": trait})
    return None if row is None else (row[0], row[1])


async def list_number_traits(tx: ReadTransaction, brand_id: BrandId) -> list[str]:
    return [row[0] for row in await tx.rows(SQL["list_number_traits"], {"brand_id": brand_id})]


async def list_items_missing(tx: ReadTransaction, brand_id: BrandId, item_ids: Sequence[str]) -> set[str]:
    """Those that the brand has not."""
    params = {"brand_id": brand_id, "item_ids": list(item_ids)}
    return {row[0] for row in await tx.rows(SQL["list_items_missing"], params)}


async def list_items_near(tx: ReadTransaction, brand_id: BrandId, item_id: str, *, limit: int) -> list[str]:
    """Ids of items on both sides of this one, `limit` on each."""
    params = {"brand_id": brand_id, "item_id": item_id, "limit": limit}
    return [row[0] for row in await tx.rows(SQL["list_items_near"], params)]
