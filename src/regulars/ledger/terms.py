"""What accounts may: floors, caps, whether they are closed, what is known of their holders, and limits."""

from datetime import datetime
from typing import Any

from regulars.kernel.durations import duration_text
from regulars.ledger import store
from regulars.ledger.errors import AccountInvalid, AccountUnknown, LimitInvalid, LimitUnknown
from regulars.ledger.model import TOLD, Keeps, Limit, parse_account
from regulars.ledger.reading import LimitBody, TermsBody, read_limit, read_terms
from regulars.ledger.service import Holders, ensure_accounts, get_account
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand


async def put_account(
    tx: WriteTransaction, brand: Brand, holders: Holders, text: str, body: TermsBody, *, now: datetime
) -> dict[str, Any]:
    """Say what an account may; the account then. Raises: AccountUnknown, AccountInvalid."""
    terms, name = read_terms(body), parse_account(text)
    if name is None:
        raise AccountUnknown(f"{text[:100]!r} is not HOLDER/ASSET, as in member:m42/points")
    if name.keeps == Keeps.ENTRIES and terms.is_of_balance:
        raise AccountInvalid(f"{name.text} keeps its entries alone: it can be closed, and nothing else", path="/")
    accounts, codes = await ensure_accounts(tx, brand.brand_id, holders, [name.text])
    if codes:
        raise AccountUnknown(f"{name.text}: {TOLD[codes[name.text]]}")
    if not await store.put_terms(tx, accounts[name.text], terms):
        raise AccountInvalid(f"{name.text}: the cap would be below the floor", path="/cap")
    return await get_account(tx, brand, holders, name.text, now=now)


async def put_limit(tx: WriteTransaction, brand: Brand, name: str, body: LimitBody) -> dict[str, Any]:
    """Make a limit, or say anew what it is. Raises: LimitInvalid."""
    limit = read_limit(name, body)
    if not await store.put_limit(tx, brand.brand_id, limit):
        raise LimitInvalid(f"the brand has no asset {limit.asset[:60]!r}", path="/asset")
    return _show(limit)


async def get_limit(tx: ReadTransaction, brand: Brand, name: str) -> dict[str, Any]:
    """Raises: LimitUnknown."""
    limit = await store.find_limit(tx, brand.brand_id, name)
    if limit is None:
        raise LimitUnknown(f"there is no limit {name[:100]!r}")
    return _show(limit)


async def list_limits(tx: ReadTransaction, brand: Brand, *, after: str, limit: int) -> list[dict[str, Any]]:
    """By name."""
    return [_show(one) for one in await store.list_limits(tx, brand.brand_id, after=after, limit=limit)]


async def delete_limit(tx: WriteTransaction, brand: Brand, name: str) -> None:
    """It stands against nothing more; what waits for a review on its account still does. Raises: LimitUnknown."""
    if not await store.delete_limit(tx, brand.brand_id, name):
        raise LimitUnknown(f"there is no limit {name[:100]!r}")


def _show(limit: Limit) -> dict[str, Any]:
    return {
        "name": limit.name,
        "asset": limit.asset,
        "direction": limit.direction,
        "per": None if limit.per is None else duration_text(limit.per),
        "most": None if limit.amount_max is None else str(limit.amount_max),
        "count": limit.count_max,
        "payee": "new" if limit.is_of_new_payees else None,
        "knowledge": limit.knowledge,
        "then": limit.then,
    }
