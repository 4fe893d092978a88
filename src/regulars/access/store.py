"""Access's tables: one function a query."""

from datetime import datetime
from pathlib import Path
from typing import Any

from psycopg.types.json import Jsonb

from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

_SQL = load_queries(Path(__file__).with_name("queries.sql"))

BrandRow = tuple[BrandId, str, dict[str, Any], bytes]
"""brand_id, name, settings, data_key_wrapped"""


async def insert_brand(tx: WriteTransaction, *, name: str, data_key_wrapped: bytes, now: datetime) -> BrandId | None:
    row = await tx.row(_SQL["insert_brand"], {"name": name, "data_key_wrapped": data_key_wrapped, "now": now})
    return BrandId(row[0]) if row else None


async def find_brand(tx: ReadTransaction, brand_id: BrandId) -> BrandRow | None:
    return await tx.row(_SQL["find_brand"], {"brand_id": brand_id})


async def find_brand_by_name(tx: ReadTransaction, name: str) -> BrandRow | None:
    return await tx.row(_SQL["find_brand_by_name"], {"name": name})


async def list_brands(tx: ReadTransaction) -> list[BrandRow]:
    return await tx.rows(_SQL["list_brands"])


async def insert_key(tx: WriteTransaction, *, brand_id: BrandId, kind: str, digest: bytes, now: datetime) -> None:
    await tx.execute(_SQL["insert_key"], {"brand_id": brand_id, "kind": kind, "digest": digest, "now": now})


async def find_key(tx: ReadTransaction, *, kind: str, digest: bytes) -> tuple[BrandId, int] | None:
    row = await tx.row(_SQL["find_key"], {"kind": kind, "digest": digest})
    return (BrandId(row[0]), row[1]) if row else None


async def replace_settings(tx: WriteTransaction, brand_id: BrandId, settings: dict[str, Any]) -> None:
    await tx.execute(_SQL["replace_settings"], {"brand_id": brand_id, "settings": Jsonb(settings)})


async def claim_answer(
    tx: WriteTransaction, brand_id: BrandId, *, idempotency_key: str, request_digest: bytes, now: datetime
) -> bool:
    """True where this request is the first with its key."""
    claimed = await tx.execute(
        _SQL["claim_answer"],
        {"brand_id": brand_id, "idempotency_key": idempotency_key, "request_digest": request_digest, "now": now},
    )
    return claimed == 1


async def find_answer(
    tx: ReadTransaction, brand_id: BrandId, *, idempotency_key: str
) -> tuple[bytes, int, bytes | None] | None:
    return await tx.row(_SQL["find_answer"], {"brand_id": brand_id, "idempotency_key": idempotency_key})


async def keep_answer(
    tx: WriteTransaction, brand_id: BrandId, *, idempotency_key: str, status: int, body_sealed: bytes
) -> None:
    await tx.execute(
        _SQL["keep_answer"],
        {"brand_id": brand_id, "idempotency_key": idempotency_key, "status": status, "body_sealed": body_sealed},
    )


async def delete_answers_of(tx: WriteTransaction, brand_id: BrandId) -> None:
    await tx.execute(_SQL["delete_answers_of"], {"brand_id": brand_id})


async def delete_old_answers(tx: WriteTransaction, *, before: datetime) -> int:
    return await tx.execute(_SQL["delete_old_answers"], {"before": before})
