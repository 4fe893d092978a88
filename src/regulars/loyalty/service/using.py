"""Vouchers are used: quoted for an order, reserved for it, confirmed or released. A reservation ends by itself.

`at`, where it is said, is when the order was made: windows, hours and a voucher's own time are judged then. How long a
reservation lasts is judged now.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from regulars.kernel.errors import DomainError
from regulars.loyalty.errors import (
    VoucherBudgetSpent,
    VoucherExpired,
    VoucherInState,
    VoucherInvalid,
    VoucherNotTheirs,
    VoucherOrderTooSmall,
    VoucherOutsideHours,
    VoucherOutsideWindow,
    VoucherUnknown,
)
from regulars.loyalty.holding import Instant, Voucher, end_of_reservation, find_used, is_over
from regulars.loyalty.model import AmountOff, VoucherPool
from regulars.loyalty.service.offers import check_valid, find_generic, find_pool
from regulars.loyalty.service.people import Person, get_person
from regulars.loyalty.service.programmes import Version
from regulars.loyalty.service.vouchers import (
    SHOWN_MAX,
    free_reservations,
    lock_pool,
    show_used,
    take_voucher,
)
from regulars.loyalty.stacking import discount_of, find_obstacle
from regulars.loyalty.store import vouchers as store
from regulars.loyalty.store.vouchers import PoolRow
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

RESERVED: Final = timedelta(minutes=30)
_MONEY: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,6})?")
_OBSTACLES: Final[Mapping[str, tuple[type[DomainError], str]]] = {
    "window": (VoucherOutsideWindow, "vouchers of {!r} are not used on this day"),
    "hours": (VoucherOutsideHours, "vouchers of {!r} are not used at this hour of this weekday"),
    "order_at_least": (VoucherOrderTooSmall, "the order is too small for a voucher of {!r}"),
}

OrderId = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class ReserveBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/vouchers/{code}/reserve`; `amount`: money as a decimal in quotes."""

    member: str
    order_id: OrderId | None = None
    amount: str | None = None
    at: Instant | None = None
    until: Instant | None = None


class EndBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/vouchers/{code}/confirm` and `…/release`; with `order_id` of this order alone."""

    member: str
    order_id: OrderId | None = None


@dataclass(frozen=True, slots=True)
class _Meant:
    """What a code means for a member: its pool, and the member's vouchers with it; one, where the code is its alone.

    `version`: in force, by which a generic code is given.
    """

    pool: VoucherPool
    row: PoolRow
    vouchers: list[Voucher]
    version: Version | None = None
    is_generic: bool = False


async def reserve_voucher(
    tx: WriteTransaction, brand: Brand, code: str, body: ReserveBody, *, now: datetime
) -> dict[str, Any]:
    """Keep a voucher for an order; the same again is answered as before.

    Locks: the pool's row. Raises: MemberUnknown, VoucherUnknown, VoucherNotTheirs, VoucherInvalid, VoucherInState,
    VoucherExpired, VoucherOutsideWindow, VoucherOutsideHours, VoucherOrderTooSmall, VoucherBudgetSpent; where a generic
    code is issued by it, VoucherPerMember, VoucherNotNew, VoucherOutOfStock, ProgrammeNotValid.
    """
    amount = None if body.amount is None else read_money(body.amount)
    until = end_of_reservation(body.until, now + RESERVED, now, VoucherInvalid)
    at = body.at or now
    person = await get_person(tx, brand, body.member)
    meant = await _lock_meant(tx, brand, code, person, now)
    voucher = _find_reservable(meant, body.order_id, now) or await _take_generic(tx, brand, meant, person, now)
    state = voucher.state_at(now)
    if (
        state == "reserved"
        and body.order_id is not None
        and (voucher.order_id, voucher.amount)
        == (
            body.order_id,
            amount,
        )
    ):
        return show_used(voucher, now)
    if state in ("reserved", "used"):
        raise VoucherInState(f"the voucher {code!r} is {state}" + _for_order(voucher))
    check_time(voucher, at)
    _check_order(meant.pool, amount, at, brand)
    discount = _get_discount(meant.pool, meant.row, amount)
    await store.reserve_voucher(
        tx, brand.brand_id, voucher, until=until, order_id=body.order_id, amount=amount, discount=discount
    )
    if discount:
        await store.count_pool(tx, brand.brand_id, meant.row.pool_id, discounted=discount)
    return await _show(tx, brand, person, voucher, now)


async def confirm_voucher(
    tx: WriteTransaction, brand: Brand, code: str, body: EndBody, *, now: datetime
) -> dict[str, Any]:
    """Use a voucher that is reserved; once more is harmless.

    Locks: the pool's row. Raises: MemberUnknown, VoucherUnknown, VoucherNotTheirs, VoucherInState.
    """
    person = await get_person(tx, brand, body.member)
    meant = await _lock_meant(tx, brand, code, person, now)
    voucher = find_used(meant.vouchers, body.order_id, now)
    if voucher is None:
        raise VoucherInState(_refuse_end(code, meant, body.order_id))
    if voucher.written_state != "used":
        await store.use_voucher(tx, brand.brand_id, voucher, now=now)
    return await _show(tx, brand, person, voucher, now)


async def release_voucher(
    tx: WriteTransaction, brand: Brand, code: str, body: EndBody, *, now: datetime
) -> dict[str, Any]:
    """Give back a voucher that is reserved; once more is harmless.

    Locks: the pool's row. Raises: MemberUnknown, VoucherUnknown, VoucherNotTheirs, VoucherInState.
    """
    person = await get_person(tx, brand, body.member)
    meant = await _lock_meant(tx, brand, code, person, now)
    voucher = find_used(meant.vouchers, body.order_id, now)
    if voucher is None:
        voucher = next((one for one in meant.vouchers if not one.is_reserved and one.written_state != "used"), None)
    if voucher is None and body.order_id is not None and meant.is_generic:
        return _show_free(code, meant.pool)
    if voucher is None or voucher.written_state == "used":
        raise VoucherInState(_refuse_end(code, meant, body.order_id))
    await free_reservations(tx, brand.brand_id, meant.row, voucher_id=voucher.voucher_id, now=now)
    left = await store.find_voucher(tx, brand.brand_id, person.family, voucher.voucher_id)
    return show_used(left, now) if left else _show_free(code, meant.pool)


async def _show(tx: ReadTransaction, brand: Brand, person: Person, voucher: Voucher, now: datetime) -> dict[str, Any]:
    written = await store.find_voucher(tx, brand.brand_id, person.family, voucher.voucher_id)
    return show_used(written or voucher, now)


def _show_free(code: str, pool: VoucherPool) -> dict[str, Any]:
    """A generic code that was the member's only while it was reserved."""
    gone = dict.fromkeys(("valid_until", "order_id", "discount", "reserved_until"))
    return {"code": code, "pool": pool.name, "state": "issued", **gone}


def _refuse_end(code: str, meant: _Meant, order_id: str | None) -> str:
    reserved = [one for one in meant.vouchers if one.is_reserved]
    if len(reserved) > 1 and order_id is None:
        return f"the member has reserved {code!r} for several orders: say in 'order_id' for which this is"
    found = reserved or [one for one in meant.vouchers if one.written_state == "used"]
    if found:
        return f"the voucher {code!r} is {found[0].written_state}" + _for_order(found[0])
    return f"the voucher {code!r} is not reserved, or its reservation is over"


def _for_order(voucher: Voucher) -> str:
    return f" for the order {voucher.order_id!r}" if voucher.order_id is not None else ""


# --- what a code means --------------------------------------------------------------------------------------------------


async def _lock_meant(tx: WriteTransaction, brand: Brand, code: str, person: Person, now: datetime) -> _Meant:
    """Locks: the pool's row. Raises: VoucherUnknown, VoucherNotTheirs."""
    own = await store.list_codes(tx, brand.brand_id, [code])
    if own:
        check_theirs(own[0], person)
        pool = await find_pool(tx, brand.brand_id, own[0].programme, own[0].pool)
        assert pool is not None, "versions are kept"
        row = await lock_pool(tx, brand.brand_id, own[0].programme, own[0].pool, now=now)
        return _Meant(pool, row, await store.list_codes(tx, brand.brand_id, [code]))
    pool, programme, version = await _get_generic(tx, brand, code, person, now)
    row = await lock_pool(tx, brand.brand_id, programme, pool.name, now=now)
    held = await store.list_vouchers(tx, brand.brand_id, person.family, code=code, now=now, limit=SHOWN_MAX)
    return _Meant(pool, row, [one for one in held if one.pool_id == row.pool_id], version, is_generic=True)


async def _get_generic(
    tx: ReadTransaction, brand: Brand, code: str, person: Person, now: datetime
) -> tuple[VoucherPool, str, Version | None]:
    """The pool of a generic code, its programme, and the version in force that has it. Raises: VoucherUnknown."""
    found = await find_generic(tx, brand.brand_id, code)
    if found is not None:
        return found[1], found[0].name, found[0]
    held = await store.list_vouchers(tx, brand.brand_id, person.family, code=code, now=now, limit=1)
    pool = await find_pool(tx, brand.brand_id, held[0].programme, held[0].pool) if held else None
    if pool is None:
        raise VoucherUnknown(f"there is no voucher {code[:100]!r}")
    return pool, held[0].programme, None


def check_theirs(voucher: Voucher, person: Person) -> None:
    """That a voucher is the member's. Raises: VoucherNotTheirs."""
    if voucher.member_id not in person.family:
        raise VoucherNotTheirs(f"the voucher {voucher.code!r} was issued to another member")


def _find_reservable(meant: _Meant, order_id: str | None, now: datetime) -> Voucher | None:
    """Of a generic code the one of the same order, or one that was issued and is free."""
    if not meant.is_generic:
        return meant.vouchers[0]
    same = [one for one in meant.vouchers if order_id is not None and one.order_id == order_id]
    free = [one for one in meant.vouchers if one.state_at(now) == "issued"]
    return next(iter([*same, *free]), None)


async def _take_generic(tx: WriteTransaction, brand: Brand, meant: _Meant, person: Person, now: datetime) -> Voucher:
    """Raises: ProgrammeNotValid, VoucherInState, VoucherPerMember, VoucherNotNew, VoucherOutOfStock."""
    if meant.version is None:
        raise VoucherInState(f"nobody is given vouchers of {meant.pool.name!r} any more")
    check_valid(meant.version, brand, now)
    return await take_voucher(tx, brand, meant.version, meant.pool, person, by_use=True, now=now)


# --- whether it can be used ---------------------------------------------------------------------------------------------


def read_money(text: str) -> Decimal:
    """An order's amount. Raises: VoucherInvalid."""
    if not _MONEY.fullmatch(text):
        said = f"amount is money such as 199.00, with at most six decimals, not {text[:40]!r}"
        raise VoucherInvalid(said, path="/amount", suggestion="199.00")
    return Decimal(text)


def check_time(voucher: Voucher, at: datetime) -> None:
    """That a voucher's own time is not over. Raises: VoucherExpired."""
    if is_over(voucher.valid_until, at):
        raise VoucherExpired(f"the voucher {voucher.code!r} was valid until {voucher.valid_until}")


def _check_order(pool: VoucherPool, amount: Decimal | None, at: datetime, brand: Brand) -> None:
    """Raises: VoucherOutsideWindow, VoucherOutsideHours, VoucherOrderTooSmall."""
    obstacle = find_obstacle(pool, amount, at, brand.time_zone)
    if obstacle is not None:
        refusal, said = _OBSTACLES[obstacle]
        raise refusal(said.format(pool.name))


def _get_discount(pool: VoucherPool, row: PoolRow, amount: Decimal | None) -> Decimal | None:
    """What a reservation takes of the pool's budget; None of a share of an amount that is not known.

    Raises: VoucherInvalid, VoucherBudgetSpent.
    """
    if amount is not None:
        discount = discount_of(pool, amount)
    else:
        discount = pool.discount.amount if isinstance(pool.discount, AmountOff) else None
    if pool.budget is None:
        return discount
    if discount is None:
        raise VoucherInvalid(f"{pool.name!r} has a budget: say the order's amount", path="/amount")
    left = pool.budget - row.discounted
    if discount > left:
        raise VoucherBudgetSpent(
            f"{max(left, Decimal(0)):f} is left of the budget of {pool.name!r}, less than {discount:f}"
        )
    return discount
