"""Whom partners know: lists of SHA-256 digests of e-mail addresses, by which a voucher can be for their new customers alone.

A partner learns how many customers it named and nothing of members. What is kept are keyed digests of what it sent.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from regulars.conditions.places import Place
from regulars.loyalty.errors import PartnerInvalid, ProgrammeInvalid
from regulars.loyalty.parsing import read_name
from regulars.loyalty.service.people import digest_hashes
from regulars.loyalty.store import vouchers as store
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand

HASHES_MAX: Final = 100_000
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")


class CustomersBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PUT` and `POST /api/partners/{name}/customers`: SHA-256 of each address in small letters, as hex digits."""

    hashes: Annotated[list[str], msgspec.Meta(max_length=HASHES_MAX)]


async def digest_customers(brand: Brand, name: str, body: CustomersBody) -> list[bytes]:
    """What is to be kept, each once. Shape: before any transaction; it takes a while. Raises: PartnerInvalid."""
    try:
        read_name(Place(name, "name"))
    except ProgrammeInvalid as error:
        raise PartnerInvalid(f"{name[:100]!r} is no partner's name: {error.message}", path="name") from error
    for at, one in enumerate(body.hashes):
        if not _HASH.fullmatch(one):
            said = "a hash is the SHA-256 of an e-mail address in small letters, as 64 hexadecimal digits"
            raise PartnerInvalid(said, path=f"/hashes/{at}")
    return await digest_hashes(brand, sorted({one.lower() for one in body.hashes}))


async def put_customers(
    tx: WriteTransaction, brand: Brand, name: str, digests: Sequence[bytes], *, replace: bool, now: datetime
) -> dict[str, Any]:
    """How many customers the partner has now: these alone (`replace`), or these too. Locks: the partner's row."""
    await store.lock_partner(tx, brand.brand_id, name, now=now)
    if replace:
        await store.delete_customers(tx, brand.brand_id, name)
    count = await store.insert_customers(tx, brand.brand_id, name, digests, replace=replace)
    return {"count": count}
