"""What vouchers would take off an order: nothing is reserved by it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from regulars.kernel.errors import DomainError
from regulars.loyalty.errors import VoucherInState, VoucherUnknown
from regulars.loyalty.holding import Instant, Voucher
from regulars.loyalty.model import VoucherPool
from regulars.loyalty.service.offers import check_valid, find_generic, find_pool
from regulars.loyalty.service.people import Person, get_person, list_digests
from regulars.loyalty.service.using import check_theirs, check_time, read_money
from regulars.loyalty.service.vouchers import check_room
from regulars.loyalty.stacking import Offer, Quote, quote
from regulars.loyalty.store import vouchers as store
from regulars.loyalty.store.vouchers import PoolRow
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

CODES_QUOTED_MAX: Final = 100
_UNUSED: Final = PoolRow(0, 0, Decimal(0), 0, 0)
"""Of a pool that nobody was issued a voucher of."""


class QuoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/vouchers/quote`; `amount`: money as a decimal in quotes, `at`: when the order is made, if not now."""

    member: str
    amount: str
    codes: Annotated[list[str], msgspec.Meta(max_length=CODES_QUOTED_MAX)]
    at: Instant | None = None


async def quote_vouchers(tx: ReadTransaction, brand: Brand, body: QuoteBody, *, now: datetime) -> dict[str, Any]:
    """What is left to pay, what each voucher takes off, and why others do not apply; in whatever order they are offered.

    Raises: MemberUnknown, VoucherInvalid.
    """
    amount, at = read_money(body.amount), body.at or now
    person = await get_person(tx, brand, body.member)
    own = {one.code: one for one in await store.list_codes(tx, brand.brand_id, body.codes)}
    offers: list[Offer] = []
    rooms: dict[str, Decimal | None] = {}
    refused: list[tuple[str, str]] = []
    for code in dict.fromkeys(body.codes):
        try:
            pool, row = await _get_usable(tx, brand, code, own.get(code), person, at, now)
        except DomainError as error:
            refused.append((code, error.code.partition(".")[2]))
            continue
        offers.append(Offer(code, pool))
        rooms[code] = None if pool.budget is None else pool.budget - row.discounted
    told, short = _quote_within(brand, amount, offers, rooms, at)
    return {
        "total": f"{told.total:f}",
        "applied": [{"code": code, "discount": f"{taken:f}"} for code, taken in told.applied],
        "refused": [
            {"code": code, "reason": reason}
            for code, reason in sorted([*refused, *told.refused, *((code, "budget") for code in short)])
        ],
    }


def _quote_within(
    brand: Brand, amount: Decimal, offers: list[Offer], rooms: Mapping[str, Decimal | None], at: datetime
) -> tuple[Quote, list[str]]:
    """As budgets allow; and the codes that they do not."""
    short: list[str] = []
    while True:
        left = [one for one in offers if one.code not in short]
        told = quote(amount, left, at, brand.time_zone)
        beyond = [code for code, taken in told.applied if (room := rooms[code]) is not None and taken > room]
        if not beyond:
            return told, short
        short.append(beyond[0])


async def _get_usable(
    tx: ReadTransaction, brand: Brand, code: str, own: Voucher | None, person: Person, at: datetime, now: datetime
) -> tuple[VoucherPool, PoolRow]:
    """The pool of a voucher that the member may use, and what is counted of it.

    Raises: VoucherUnknown, VoucherNotTheirs, VoucherInState, VoucherExpired; of a generic code VoucherPerMember,
    VoucherNotNew, VoucherOutOfStock, ProgrammeNotValid.
    """
    voucher = own or await _find_held(tx, brand, code, person, now)
    if voucher is None:
        return await _get_generic(tx, brand, code, person, now)
    check_theirs(voucher, person)
    if (state := voucher.state_at(now)) in ("reserved", "used"):
        raise VoucherInState(f"the voucher {code!r} is {state}")
    check_time(voucher, at)
    pool = await find_pool(tx, brand.brand_id, voucher.programme, voucher.pool)
    assert pool is not None, "versions are kept"
    return pool, await store.find_pool(tx, brand.brand_id, voucher.programme, pool.name, now=now) or _UNUSED


async def _find_held(tx: ReadTransaction, brand: Brand, code: str, person: Person, now: datetime) -> Voucher | None:
    """One with a generic code that was issued to the member and is free."""
    held = await store.list_vouchers(tx, brand.brand_id, person.family, code=code, now=now, limit=CODES_QUOTED_MAX)
    return next((one for one in held if one.state_at(now) == "issued"), None)


async def _get_generic(
    tx: ReadTransaction, brand: Brand, code: str, person: Person, now: datetime
) -> tuple[VoucherPool, PoolRow]:
    """Raises: VoucherUnknown, VoucherPerMember, VoucherNotNew, VoucherOutOfStock, ProgrammeNotValid."""
    found = await find_generic(tx, brand.brand_id, code)
    if found is None:
        raise VoucherUnknown(f"there is no voucher {code[:100]!r}")
    version, pool = found
    check_valid(version, brand, now)
    row = await store.find_pool(tx, brand.brand_id, version.name, pool.name, now=now) or _UNUSED
    digests = await list_digests(tx, brand, person) if pool.per_member is not None else []
    await check_room(tx, brand, pool, row, person, digests, now=now)
    return pool, row
