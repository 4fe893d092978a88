"""Voucher pools, vouchers, and whom partners know. One function a query."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.holding import Voucher
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL: Final = load_queries(Path(__file__).parents[1] / "vouchers.sql")


class PoolRow(NamedTuple):
    """What is counted of a pool. Of the list of codes of a version so many were issued or looked at."""

    pool_id: int
    issued_count: int
    discounted: Decimal
    codes_version: int
    codes_read: int


async def list_identifiers(
    tx: ReadTransaction, brand_id: BrandId, member_id: MemberId
) -> list[tuple[str, str, bytes | None]]:
    """kind, lookup, sealed value; but browsers'."""
    return await tx.rows(SQL["list_identifiers"], {"brand_id": brand_id, "member_id": member_id})


async def find_standing(
    tx: ReadTransaction, brand_id: BrandId, programme: str, member_id: MemberId
) -> tuple[str | None, list[str]] | None:
    """The level's name and the badges."""
    params = {"brand_id": brand_id, "programme": programme, "member_id": member_id}
    return await tx.row(SQL["find_standing"], params)


# --- pools --------------------------------------------------------------------------------------------------------------


async def ensure_pool(tx: WriteTransaction, brand_id: BrandId, programme: str, pool: str) -> None:
    await tx.execute(SQL["ensure_pool"], {"brand_id": brand_id, "programme": programme, "pool": pool})


async def lock_pool(tx: WriteTransaction, brand_id: BrandId, programme: str, pool: str) -> PoolRow | None:
    """Until commit."""
    row = await tx.row(SQL["lock_pool"], {"brand_id": brand_id, "programme": programme, "pool": pool})
    return PoolRow(*row) if row else None


async def find_pool(
    tx: ReadTransaction, brand_id: BrandId, programme: str, pool: str, *, now: datetime
) -> PoolRow | None:
    """As of an instant."""
    params = {"brand_id": brand_id, "programme": programme, "pool": pool, "now": now}
    row = await tx.row(SQL["find_pool"], params)
    return PoolRow(*row) if row else None


async def count_pool(
    tx: WriteTransaction, brand_id: BrandId, pool_id: int, *, issued: int = 0, discounted: Decimal = Decimal(0)
) -> None:
    """More or (negative) less."""
    params = {"brand_id": brand_id, "pool_id": pool_id, "issued": issued, "discounted": discounted}
    await tx.execute(SQL["count_pool"], params)


async def note_codes_read(
    tx: WriteTransaction, brand_id: BrandId, pool_id: int, *, version: int, codes_read: int
) -> None:
    params = {"brand_id": brand_id, "pool_id": pool_id, "version": version, "codes_read": codes_read}
    await tx.execute(SQL["note_codes_read"], params)


async def list_taken_codes(tx: ReadTransaction, brand_id: BrandId, codes: Sequence[str]) -> set[str]:
    """Those that a voucher has."""
    rows = await tx.rows(SQL["list_taken_codes"], {"brand_id": brand_id, "codes": list(codes)})
    return {row[0] for row in rows}


async def list_overdue_pools(tx: ReadTransaction, *, now: datetime, limit: int) -> list[tuple[BrandId, str, str]]:
    """Brand, programme, pool: where reservations are over."""
    return await tx.rows(SQL["list_overdue_pools"], {"now": now, "limit": limit})


# --- vouchers -----------------------------------------------------------------------------------------------------------


async def count_held(
    tx: ReadTransaction,
    brand_id: BrandId,
    pool_id: int,
    member_ids: Sequence[MemberId],
    digests: Sequence[bytes],
    *,
    now: datetime,
) -> int:
    """Vouchers of a pool that these members, or whoever had one of these identifiers, were given."""
    params = {"member_ids": list(member_ids), "digests": list(digests), "now": now}
    row = await tx.row(SQL["count_held"], {"brand_id": brand_id, "pool_id": pool_id, **params})
    return row[0] if row else 0


async def insert_voucher(
    tx: WriteTransaction,
    brand_id: BrandId,
    member_id: MemberId,
    pool_id: int,
    code: str,
    *,
    is_generic: bool,
    by_use: bool,
    cause: str | None,
    valid_until: datetime | None,
    now: datetime,
) -> int | None:
    """Its id; None where the code or the cause is there already."""
    params = {"member_id": member_id, "pool_id": pool_id, "code": code, "is_generic": is_generic, "by_use": by_use}
    told = {"brand_id": brand_id, **params, "cause": cause, "valid_until": valid_until, "now": now}
    row = await tx.row(SQL["insert_voucher"], told)
    return row[0] if row else None


async def insert_claims(
    tx: WriteTransaction,
    brand_id: BrandId,
    pool_id: int,
    voucher_id: int,
    member_id: MemberId,
    digests: Sequence[bytes],
) -> None:
    params = {"brand_id": brand_id, "pool_id": pool_id, "voucher_id": voucher_id, "member_id": member_id}
    await tx.execute(SQL["insert_claims"], {**params, "digests": list(digests)})


async def find_caused(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId], cause: str) -> int | None:
    """The id of what was issued for a cause."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "cause": cause}
    row = await tx.row(SQL["find_caused"], params)
    return row[0] if row else None


async def list_codes(tx: ReadTransaction, brand_id: BrandId, codes: Sequence[str]) -> list[Voucher]:
    """Whose code is theirs alone."""
    rows = await tx.rows(SQL["list_codes"], {"brand_id": brand_id, "codes": list(codes)})
    return [Voucher(*row) for row in rows]


async def list_vouchers(
    tx: ReadTransaction,
    brand_id: BrandId,
    member_ids: Sequence[MemberId],
    *,
    code: str | None = None,
    now: datetime,
    limit: int,
) -> list[Voucher]:
    """The newest first; of one generic code, where it is said."""
    params = {"member_ids": list(member_ids), "code": code, "now": now, "limit": limit}
    return [Voucher(*row) for row in await tx.rows(SQL["list_vouchers"], {"brand_id": brand_id, **params})]


async def find_voucher(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId], voucher_id: int
) -> Voucher | None:
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "voucher_id": voucher_id}
    row = await tx.row(SQL["find_voucher"], params)
    return Voucher(*row) if row else None


async def reserve_voucher(
    tx: WriteTransaction,
    brand_id: BrandId,
    voucher: Voucher,
    *,
    until: datetime,
    order_id: str | None,
    amount: Decimal | None,
    discount: Decimal | None,
) -> None:
    params = {"until": until, "order_id": order_id, "amount": amount, "discount": discount}
    await tx.execute(SQL["reserve_voucher"], {**_key(brand_id, voucher), **params})


async def use_voucher(tx: WriteTransaction, brand_id: BrandId, voucher: Voucher, *, now: datetime) -> None:
    await tx.execute(SQL["use_voucher"], {**_key(brand_id, voucher), "now": now})


def _key(brand_id: BrandId, voucher: Voucher) -> dict[str, int]:
    return {"brand_id": brand_id, "member_id": voucher.member_id, "voucher_id": voucher.voucher_id}


async def free_vouchers(
    tx: WriteTransaction, brand_id: BrandId, pool_id: int, *, now: datetime, voucher_id: int | None = None
) -> tuple[int, Decimal]:
    """Reservations that are over, or of this voucher: how many, and their discounts."""
    params = {"brand_id": brand_id, "pool_id": pool_id, "now": now, "voucher_id": voucher_id}
    row = await tx.row(SQL["free_vouchers"], params)
    assert row is not None, "an aggregate gives a row"
    return row[0], row[1]


async def delete_unused(tx: WriteTransaction, brand_id: BrandId, pool_id: int) -> int:
    """How many."""
    row = await tx.row(SQL["delete_unused"], {"brand_id": brand_id, "pool_id": pool_id})
    return row[0] if row else 0


# --- partners -----------------------------------------------------------------------------------------------------------


async def lock_partner(tx: WriteTransaction, brand_id: BrandId, partner: str, *, now: datetime) -> None:
    """Until commit."""
    await tx.execute(SQL["lock_partner"], {"brand_id": brand_id, "partner": partner, "now": now})


async def delete_customers(tx: WriteTransaction, brand_id: BrandId, partner: str) -> None:
    await tx.execute(SQL["delete_customers"], {"brand_id": brand_id, "partner": partner})


async def insert_customers(
    tx: WriteTransaction, brand_id: BrandId, partner: str, digests: Sequence[bytes], *, replace: bool
) -> int:
    """How many the partner knows now. `replace`: the others are gone."""
    params = {"brand_id": brand_id, "partner": partner, "digests": list(digests), "replace": replace}
    row = await tx.row(SQL["insert_customers"], params)
    return row[0] if row else 0


async def find_known(tx: ReadTransaction, brand_id: BrandId, partner: str, digests: Sequence[bytes]) -> bool | None:
    """Whether the partner knows one of these; None where it never said whom it knows."""
    params = {"brand_id": brand_id, "partner": partner, "digests": list(digests)}
    row = await tx.row(SQL["find_known"], params)
    return row[0] if row else None
