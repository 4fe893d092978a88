"""Who a member is to limits and stages: everybody who was merged into it, its identifiers as digests, tier and badges."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.service.programmes import Version
from regulars.loyalty.store import vouchers as store
from regulars.members.service.reading import get_active, list_families
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand


@dataclass(frozen=True, slots=True)
class Person:
    """A member in force; `family` is it and everybody who was merged into it."""

    member_id: MemberId
    family: tuple[MemberId, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """The place of the member's level, 0 the lowest, and its badges."""

    level: int
    badges: frozenset[str]


async def get_person(tx: ReadTransaction, brand: Brand, text: str) -> Person:
    """Whom a public id names now. Raises: MemberUnknown."""
    return await load_person(tx, brand.brand_id, await get_active(tx, brand, text))


async def load_person(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> Person:
    """A member in force."""
    return Person(member_id, tuple((await list_families(tx, brand_id, [member_id]))[member_id]))


async def load_standing(tx: ReadTransaction, brand: Brand, version: Version, person: Person) -> Standing:
    """As the member's events left it; of whom none has come, the lowest level and no badge."""
    row = await store.find_standing(tx, brand.brand_id, version.name, person.member_id)
    level, badges = row or (None, [])
    return Standing(version.programme.find_level(level) or 0, frozenset(badges))


async def list_digests(tx: ReadTransaction, brand: Brand, person: Person) -> list[bytes]:
    """Of each identifier of the member but browsers': by it a limit knows who comes back as another. 16 bytes each."""
    rows = await store.list_identifiers(tx, brand.brand_id, person.member_id)
    return [bytes.fromhex(brand.vault.digest(f"voucher {kind}", lookup)) for kind, lookup, _ in rows]


async def list_email_digests(tx: ReadTransaction, brand: Brand, person: Person) -> list[bytes]:
    """Of each e-mail address, as `digest_hashes` makes them of what partners send."""
    rows = await store.list_identifiers(tx, brand.brand_id, person.member_id)
    emails = [brand.vault.unseal(sealed, kind) for kind, _, sealed in rows if kind == "email" and sealed]
    return _digest(brand, [hashlib.sha256(email.lower().encode()).hexdigest() for email in emails])


async def digest_hashes(brand: Brand, hashes: Sequence[str]) -> list[bytes]:
    """What is kept of a partner's SHA-256 digests: addresses are few enough to be guessed, keyed they are not."""
    return await asyncio.to_thread(_digest, brand, hashes)


def _digest(brand: Brand, hashes: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(brand.vault.digest("partner customer", one)) for one in hashes]
