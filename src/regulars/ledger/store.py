"""What the ledger keeps in PostgreSQL, written by its functions alone. One function a query."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from psycopg.rows import TupleRow

from regulars.kernel.ids import BrandId
from regulars.ledger.model import Limit, Terms, Transfer, hash_body
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL: Final = load_queries(Path(__file__).with_name("queries.sql"))


async def put_asset(
    tx: WriteTransaction, brand_id: BrandId, code: str, *, scale: int, funded: str, is_licensed: bool
) -> bool:
    """False where the asset is there and another."""
    params = {"brand_id": brand_id, "code": code, "scale": scale, "funded": funded, "is_licensed": is_licensed}
    return await tx.row(SQL["put_asset"], params) is not None


async def ensure_assets(tx: WriteTransaction, brand_id: BrandId, codes: Sequence[str]) -> None:
    """Those that are there stay."""
    await tx.execute(SQL["ensure_assets"], {"brand_id": brand_id, "codes": list(codes)})


async def list_assets(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """code, scale, funded, is_licensed."""
    return await tx.rows(SQL["list_assets"], {"brand_id": brand_id})


async def find_assets(tx: ReadTransaction, brand_id: BrandId, codes: Sequence[str]) -> dict[str, int]:
    rows = await tx.rows(SQL["find_assets"], {"brand_id": brand_id, "codes": list(codes)})
    return {row[0]: row[1] for row in rows}


async def find_accounts(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str]) -> dict[str, int]:
    rows = await tx.rows(SQL["find_accounts"], {"brand_id": brand_id, "names": list(names)})
    return {row[0]: row[1] for row in rows}


async def open_accounts(tx: WriteTransaction, brand_id: BrandId, accounts: Sequence[tuple[int, str, str]]) -> None:
    """Each (asset, name, keeps); those that are there stay."""
    asset_ids, names, keeps = (list(column) for column in zip(*accounts, strict=True))
    params = {"brand_id": brand_id, "asset_ids": asset_ids, "names": names, "keeps": keeps}
    await tx.execute(SQL["open_accounts"], params)


async def post(
    tx: WriteTransaction,
    brand_id: BrandId,
    transfers: Sequence[Transfer],
    accounts: Mapping[str, int],
    *,
    at: datetime | None = None,
) -> list[TupleRow]:
    """result, code, the limit it would have passed, whether it waits for a review; of each, in order."""
    bodies = [one.body() for one in transfers]
    lines = [line for one in transfers for line in one.lines]
    params = {
        "brand_id": brand_id,
        "at": at,
        "ids": [one.id for one in transfers],
        "kinds": [one.kind for one in transfers],
        "hashes": [hash_body(body) for body in bodies],
        "bodies": bodies,
        "line_counts": [len(one.lines) for one in transfers],
        "accounts": [accounts[line.account] for line in lines],
        "amounts": [line.amount for line in lines],
        "usable_at": [line.usable_at for line in lines],
        "expires_at": [line.expires_at for line in lines],
        "funders": [line.funder for line in lines],
        "effective_at": [one.effective_at for one in transfers],
    }
    return await tx.rows(SQL["post"], params)


async def hold(
    tx: WriteTransaction,
    brand_id: BrandId,
    hold_id: UUID,
    body: bytes,
    *,
    account_id: int,
    to_account_id: int,
    amount: int,
    expires_at: datetime,
) -> TupleRow:
    """result, code, the limit it would have passed."""
    params = {
        "brand_id": brand_id,
        "id": hold_id,
        "hash": hash_body(body),
        "body": body,
        "account_id": account_id,
        "to_account_id": to_account_id,
        "amount": amount,
        "expires_at": expires_at,
    }
    row = await tx.row(SQL["hold"], params)
    assert row is not None, "a function gives a row"
    return row


async def end_hold(
    tx: WriteTransaction, brand_id: BrandId, hold_id: UUID, amount: int | None, transfer_id: UUID | None, body: bytes
) -> TupleRow:
    """result, code, state, captured, transfer."""
    params = {"brand_id": brand_id, "id": hold_id, "amount": amount, "transfer_id": transfer_id}
    row = await tx.row(SQL["end_hold"], {**params, "hash": hash_body(body), "body": body})
    assert row is not None, "a function gives a row"
    return row


async def find_hold(tx: ReadTransaction, brand_id: BrandId, hold_id: UUID) -> TupleRow | None:
    """state, account, to, amount, captured, expires_at."""
    return await tx.row(SQL["find_hold"], {"brand_id": brand_id, "id": hold_id})


async def list_holds(
    tx: ReadTransaction, brand_id: BrandId, *, is_reviewed: bool, before: int, limit: int, now: datetime
) -> list[TupleRow]:
    """hold_no, id, account, to, amount, created_at, expires_at, limit; newest first."""
    params = {"brand_id": brand_id, "is_reviewed": is_reviewed, "before": before, "limit": limit, "now": now}
    return await tx.rows(SQL["list_holds"], params)


async def reverse(
    tx: WriteTransaction,
    brand_id: BrandId,
    original_id: UUID,
    transfer_id: UUID,
    *,
    amount: int | None,
    policy: str,
    body: bytes,
) -> TupleRow:
    """result, code, reversed."""
    params = {"brand_id": brand_id, "original_id": original_id, "id": transfer_id, "amount": amount, "policy": policy}
    row = await tx.row(SQL["reverse"], {**params, "hash": hash_body(body), "body": body})
    assert row is not None, "a function gives a row"
    return row


async def find_account(tx: ReadTransaction, brand_id: BrandId, name: str, now: datetime) -> TupleRow | None:
    """account_id, keeps, posted, held, available, version, is_closed, floor, cap, knowledge."""
    return await tx.row(SQL["find_account"], {"brand_id": brand_id, "name": name, "now": now})


async def put_terms(tx: WriteTransaction, account_id: int, terms: Terms) -> bool:
    """False where its cap would be below its floor."""
    return await tx.row(SQL["put_terms"], {"account_id": account_id, **asdict(terms)}) is not None


async def put_limit(tx: WriteTransaction, brand_id: BrandId, limit: Limit) -> bool:
    """False where the asset is not there."""
    seconds = None if limit.per is None else int(limit.per.total_seconds())
    params = {**asdict(limit), "brand_id": brand_id, "window_seconds": seconds, "outcome": limit.then}
    return await tx.row(SQL["put_limit"], params) is not None


async def find_limit(tx: ReadTransaction, brand_id: BrandId, name: str) -> Limit | None:
    row = await tx.row(SQL["find_limit"], {"brand_id": brand_id, "name": name})
    return _to_limit(row) if row else None


async def list_limits(tx: ReadTransaction, brand_id: BrandId, *, after: str, limit: int) -> list[Limit]:
    """By name."""
    rows = await tx.rows(SQL["list_limits"], {"brand_id": brand_id, "after": after, "limit": limit})
    return [_to_limit(row) for row in rows]


async def delete_limit(tx: WriteTransaction, brand_id: BrandId, name: str) -> bool:
    """Whether it was there."""
    return await tx.row(SQL["delete_limit"], {"brand_id": brand_id, "name": name}) is not None


def _to_limit(row: TupleRow) -> Limit:
    name, asset, direction, seconds, *rest = row
    return Limit(name, asset, direction, None if seconds is None else timedelta(seconds=seconds), *rest)


async def list_entries(tx: ReadTransaction, account_id: int, *, before: int, limit: int) -> list[TupleRow]:
    """transfer_no, version, amount, balance after, id, kind, effective_at, what it reverses, lots; newest first."""
    return await tx.rows(SQL["list_entries"], {"account_id": account_id, "before": before, "limit": limit})


async def list_findings(tx: ReadTransaction, brand_id: BrandId, limit: int) -> list[TupleRow]:
    """finding, what, detail."""
    return await tx.rows(SQL["list_findings"], {"brand_id": brand_id, "limit": limit})


async def list_liability(tx: ReadTransaction, brand_id: BrandId, zone: str) -> list[TupleRow]:
    """asset, month or None, funder or None, amount, accounts."""
    return await tx.rows(SQL["list_liability"], {"brand_id": brand_id, "zone": zone})


async def list_postings(tx: ReadTransaction, brand_id: BrandId, *, after: int, limit: int) -> list[TupleRow]:
    """transfer_no, id, kind, effective_at, account, amount, scale; of so many transfers."""
    return await tx.rows(SQL["list_postings"], {"brand_id": brand_id, "after": after, "limit": limit})


async def expire_lots(tx: WriteTransaction, brand_id: BrandId, at: datetime | None, count_max: int) -> int:
    row = await tx.row(SQL["expire_lots"], {"brand_id": brand_id, "at": at, "count_max": count_max})
    return row[0] if row else 0


async def expire_holds(tx: WriteTransaction, count_max: int) -> int:
    row = await tx.row(SQL["expire_holds"], {"count_max": count_max})
    return row[0] if row else 0


async def list_brands(tx: ReadTransaction) -> list[BrandId]:
    """Those that have an asset."""
    return [BrandId(row[0]) for row in await tx.rows(SQL["list_brands"])]


async def lock_accounts(tx: WriteTransaction, account_ids: Sequence[int]) -> None:
    """Until commit."""
    await tx.rows(SQL["lock_accounts"], {"account_ids": list(account_ids)})


async def redate(
    tx: WriteTransaction, brand_id: BrandId, transfer_ids: Sequence[UUID], expires_at: datetime | None
) -> int:
    """What had expired and is to be given back."""
    params = {"brand_id": brand_id, "transfer_ids": list(transfer_ids), "expires_at": expires_at}
    row = await tx.row(SQL["redate"], params)
    return row[0] if row else 0


async def list_available(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], now: datetime) -> list[TupleRow]:
    """account, how much; of those with lots."""
    return await tx.rows(SQL["list_available"], {"brand_id": brand_id, "names": list(names), "now": now})


async def list_expiring(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], now: datetime) -> list[TupleRow]:
    """account, when, how much; soonest first."""
    return await tx.rows(SQL["list_expiring"], {"brand_id": brand_id, "names": list(names), "now": now})


async def sum_posted(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """asset, kind, kind of what it reverses or nothing, amount."""
    return await tx.rows(SQL["sum_posted"], {"brand_id": brand_id})
