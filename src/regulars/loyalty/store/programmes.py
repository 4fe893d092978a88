"""Programmes and their versions. One function a query."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL: Final = load_queries(Path(__file__).parents[1] / "queries.sql")


async def lock_programme(tx: WriteTransaction, brand_id: BrandId, name: str) -> None:
    """Until commit."""
    await tx.rows(SQL["lock_programme"], {"brand_id": brand_id, "name": name})


async def find_programme(tx: ReadTransaction, brand_id: BrandId, name: str) -> TupleRow | None:
    """version, written, from_at of the newest."""
    return await tx.row(SQL["find_programme"], {"brand_id": brand_id, "name": name})


async def insert_version(
    tx: WriteTransaction, brand_id: BrandId, name: str, version: int, written: Mapping[str, Any], now: datetime
) -> None:
    params = {"brand_id": brand_id, "name": name, "version": version, "now": now}
    await tx.execute(SQL["insert_version"], {**params, "written": msgspec.json.encode(written).decode()})


async def list_programmes(tx: ReadTransaction, brand_id: BrandId, *, after: str, limit: int) -> list[TupleRow]:
    """name, version, from_at; in name order."""
    return await tx.rows(SQL["list_programmes"], {"brand_id": brand_id, "after": after, "limit": limit})


async def list_version_numbers(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """name, newest version."""
    return await tx.rows(SQL["list_version_numbers"], {"brand_id": brand_id})


async def list_versions(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """name, version, from_at, from_seq, written as text; by name and version."""
    return await tx.rows(SQL["list_versions"], {"brand_id": brand_id})


async def list_newest(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """As `list_versions`, the newest of each programme; by name."""
    return await tx.rows(SQL["list_newest"], {"brand_id": brand_id})
