"""Vouchers are issued: by hand, by what a member did, and where a generic code is used; and shown to who holds them.

Whoever changes a voucher, or adds one, has locked its pool's row first: limits are judged after that, and no two see the same
room.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.errors import PoolUnknown, VoucherNotNew, VoucherOutOfStock, VoucherPerMember
from regulars.loyalty.holding import ALPHABET, CODE_CHARACTERS, Voucher, valid_until
from regulars.loyalty.model import GenericCode, VoucherPool
from regulars.loyalty.service.offers import check_valid, find_named, get_offered
from regulars.loyalty.service.people import Person, get_person, list_digests, list_email_digests, load_person
from regulars.loyalty.service.programmes import Version, list_in_force
from regulars.loyalty.store import vouchers as store
from regulars.loyalty.store.vouchers import PoolRow
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

SHOWN_MAX: Final = 1_000
LOOKED_AT_FIRST: Final = 16
LOOKED_AT_MAX: Final = 16_384
"""Codes of a list that are looked at together; more each time, where many were issued by an earlier version."""


class IssueBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/voucher-pools/{name}/issue`; `programme` where several have such a pool."""

    member: str
    programme: str | None = None


async def issue_voucher(
    tx: WriteTransaction, brand: Brand, name: str, body: IssueBody, *, now: datetime
) -> dict[str, Any]:
    """One voucher of a pool for a member.

    Raises: PoolUnknown, ProgrammeAmbiguous, ProgrammeNotValid, MemberUnknown, VoucherPerMember, VoucherNotNew,
    VoucherOutOfStock.
    """
    version, pool = await get_offered(tx, brand, lambda one: one.vouchers, name, body.programme, PoolUnknown)
    check_valid(version, brand, now)
    person = await get_person(tx, brand, body.member)
    return show_held(await take_voucher(tx, brand, version, pool, person, now=now), now)


async def issue_for_cause(
    tx: WriteTransaction,
    brand: Brand,
    version: Version,
    pool_name: str,
    member_id: MemberId,
    *,
    cause: str,
    now: datetime,
) -> str | None:
    """The code of the one voucher that a cause brings a member of the programme; None where the pool refuses.

    Its limits are the pool's in force; where that has none of the name, `version`'s. Locks: the pool's row.
    """
    person = await load_person(tx, brand.brand_id, member_id)
    in_force = [one for one in await list_in_force(tx, brand.brand_id) if one.name == version.name]
    for one in [*in_force, version]:
        if pool := find_named(one.programme.vouchers, pool_name):
            try:
                voucher = await take_voucher(tx, brand, one, pool, person, cause=f"{version.name}/{cause}", now=now)
            except (VoucherPerMember, VoucherNotNew, VoucherOutOfStock):
                return None
            return voucher.code
    return None


async def take_voucher(
    tx: WriteTransaction,
    brand: Brand,
    version: Version,
    pool: VoucherPool,
    person: Person,
    *,
    cause: str | None = None,
    by_use: bool = False,
    now: datetime,
) -> Voucher:
    """A new voucher; of a cause that brought one already, that one.

    Locks: the pool's row. Raises: VoucherPerMember, VoucherNotNew, VoucherOutOfStock.
    """
    row = await lock_pool(tx, brand.brand_id, version.name, pool.name, now=now)
    voucher_id = await _find_caused(tx, brand.brand_id, person, cause)
    if voucher_id is None:
        digests = await list_digests(tx, brand, person) if pool.per_member is not None else []
        await check_room(tx, brand, pool, row, person, digests, now=now)
        voucher_id = await _insert(tx, brand, version, pool, row, person, cause=cause, by_use=by_use, now=now)
        if digests:
            await store.insert_claims(tx, brand.brand_id, row.pool_id, voucher_id, person.member_id, digests)
    voucher = await store.find_voucher(tx, brand.brand_id, person.family, voucher_id)
    assert voucher is not None, "it was found or made in this transaction"
    return voucher


async def _find_caused(tx: ReadTransaction, brand_id: BrandId, person: Person, cause: str | None) -> int | None:
    return None if cause is None else await store.find_caused(tx, brand_id, person.family, cause)


async def _insert(
    tx: WriteTransaction,
    brand: Brand,
    version: Version,
    pool: VoucherPool,
    row: PoolRow,
    person: Person,
    *,
    cause: str | None,
    by_use: bool,
    now: datetime,
) -> int:
    """The voucher's id. Raises: VoucherOutOfStock."""
    while (code := await _find_code(tx, brand.brand_id, version, pool, row)) is not None:
        voucher_id = await store.insert_voucher(
            tx,
            brand.brand_id,
            person.member_id,
            row.pool_id,
            code,
            is_generic=isinstance(pool.codes, GenericCode),
            by_use=by_use,
            cause=cause,
            valid_until=valid_until(pool, now, brand.time_zone),
            now=now,
        )
        if voucher_id is not None:
            await store.count_pool(tx, brand.brand_id, row.pool_id, issued=1)
            return voucher_id
        # Another pool has the code, or another pool's voucher was issued for the cause meanwhile.
        if (known := await _find_caused(tx, brand.brand_id, person, cause)) is not None:
            return known
    raise VoucherOutOfStock(f"all codes of {pool.name!r} are issued")


async def _find_code(
    tx: WriteTransaction, brand_id: BrandId, version: Version, pool: VoucherPool, row: PoolRow
) -> str | None:
    """A code that can be issued; None where a list has no more."""
    match pool.codes:
        case GenericCode(code):
            return code
        case "generated":
            return "".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS))
        case codes:
            return await _find_listed(tx, brand_id, version, codes, row)


async def _find_listed(
    tx: WriteTransaction, brand_id: BrandId, version: Version, codes: Sequence[str], row: PoolRow
) -> str | None:
    """The first of a list that no voucher has; those before it are not looked at again until there is another list."""
    begin = row.codes_read if row.codes_version == version.version else 0
    size = LOOKED_AT_FIRST
    while begin < len(codes):
        part = codes[begin : begin + size]
        taken = await store.list_taken_codes(tx, brand_id, part)
        at = next((at for at, code in enumerate(part) if code not in taken), None)
        if at is not None:
            await store.note_codes_read(tx, brand_id, row.pool_id, version=version.version, codes_read=begin + at)
            return part[at]
        begin, size = begin + size, min(2 * size, LOOKED_AT_MAX)
    return None


# --- limits -------------------------------------------------------------------------------------------------------------


async def lock_pool(tx: WriteTransaction, brand_id: BrandId, programme: str, pool: str, *, now: datetime) -> PoolRow:
    """What is counted of a pool, without reservations that are over. Locks: its row, until commit."""
    row = await store.lock_pool(tx, brand_id, programme, pool)
    if row is None:
        await store.ensure_pool(tx, brand_id, programme, pool)
        row = await store.lock_pool(tx, brand_id, programme, pool)
    assert row is not None, "it was made just now, and nobody removes one"
    return await free_reservations(tx, brand_id, row, now=now)


async def free_reservations(
    tx: WriteTransaction, brand_id: BrandId, row: PoolRow, *, voucher_id: int | None = None, now: datetime
) -> PoolRow:
    """End the reservations of a locked pool that are over, and the one of a voucher; what is counted then."""
    count, discounts = await store.free_vouchers(tx, brand_id, row.pool_id, now=now, voucher_id=voucher_id)
    if not count:
        return row
    unused = await store.delete_unused(tx, brand_id, row.pool_id)
    await store.count_pool(tx, brand_id, row.pool_id, issued=-unused, discounted=-discounts)
    return row._replace(issued_count=row.issued_count - unused, discounted=row.discounted - discounts)


async def check_room(
    tx: ReadTransaction,
    brand: Brand,
    pool: VoucherPool,
    row: PoolRow,
    person: Person,
    digests: Sequence[bytes],
    *,
    now: datetime,
) -> None:
    """That a pool has a voucher for this member. Raises: VoucherPerMember, VoucherNotNew, VoucherOutOfStock."""
    if pool.per_member is not None:
        held = await store.count_held(tx, brand.brand_id, row.pool_id, person.family, digests, now=now)
        if held >= pool.per_member:
            raise VoucherPerMember(f"a member has at most {pool.per_member} of {pool.name!r}, and this one had {held}")
    if pool.new_to is not None:
        await _check_new(tx, brand, pool.new_to, person)
    if pool.stock is not None and row.issued_count >= pool.stock:
        raise VoucherOutOfStock(f"all {pool.stock} of {pool.name!r} are issued")


async def _check_new(tx: ReadTransaction, brand: Brand, partner: str, person: Person) -> None:
    """Whoever cannot be asked about is not new. Raises: VoucherNotNew."""
    digests = await list_email_digests(tx, brand, person)
    if not digests:
        raise VoucherNotNew(f"without an e-mail address nobody can say whether {partner!r} knows this member")
    knows = await store.find_known(tx, brand.brand_id, partner, digests)
    if knows is None:
        raise VoucherNotNew(f"{partner!r} has not yet said which customers it has")
    if knows:
        raise VoucherNotNew(f"this member is a customer of {partner!r} already")


# --- who holds what -----------------------------------------------------------------------------------------------------


async def list_held(
    tx: ReadTransaction, brand_id: BrandId, member_id: MemberId, *, now: datetime
) -> list[dict[str, Any]]:
    """The vouchers of a member in force, and of who was merged into it: the newest first, a thousand at most."""
    person = await load_person(tx, brand_id, member_id)
    found = await store.list_vouchers(tx, brand_id, person.family, now=now, limit=SHOWN_MAX)
    return [show_held(one, now) for one in found]


def show_held(voucher: Voucher, now: datetime) -> dict[str, Any]:
    """As its member is told."""
    return {
        "code": voucher.code,
        "pool": voucher.pool,
        "state": voucher.state_at(now),
        "valid_until": instant_text(voucher.valid_until) if voucher.valid_until else None,
    }


def show_used(voucher: Voucher, now: datetime) -> dict[str, Any]:
    """As whoever uses it is told: with its order, where there is one."""
    return {
        **show_held(voucher, now),
        "order_id": voucher.order_id,
        "discount": money_text(voucher.discount),
        "reserved_until": instant_text(voucher.reserved_until) if voucher.reserved_until else None,
    }


def money_text(amount: Decimal | None) -> str | None:
    """Money as JSON says it."""
    return None if amount is None else f"{amount:f}"
