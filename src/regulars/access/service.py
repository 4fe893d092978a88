"""Who asks, and for which brand: brands, their keys and settings, and answers to repeated requests.

Keys are 256 random bits and stored as their SHA-256: a digest of something unguessable needs no salt and no slow hash.
What a key may do beyond its kind (staff, roles) is not decided here.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from regulars.access import store
from regulars.access.errors import (
    BrandExists,
    BrandNameInvalid,
    BrandUnknown,
    IdempotencyConflict,
    IdempotencyKeyInvalid,
    KeyUnknown,
)
from regulars.access.model import BrandSettings, load_settings, parse_settings, settings_to_json
from regulars.kernel.ids import BrandId
from regulars.platform.crypto import Vault, new_key, unwrap_key, wrap_key
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

KeyKind = Literal["api", "write"]

_PREFIX: dict[KeyKind, str] = {"api": "rga_", "write": "rgw_"}
IDEMPOTENCY_KEY_CHARACTERS_MAX = 200
NAME_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True)
class BrandKeys:
    """The two secrets a new brand is given; they are shown once and kept by whoever asked."""

    api_key: str
    write_key: str


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request carries. `source_id` names the key: events deduplicate by it."""

    brand: Brand
    source_id: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What an earlier request with the same Idempotency-Key was answered."""

    status: int
    body: str


def new_keys() -> BrandKeys:
    """Fresh random keys."""
    return BrandKeys(_PREFIX["api"] + secrets.token_urlsafe(32), _PREFIX["write"] + secrets.token_urlsafe(32))


async def create_brand(
    tx: WriteTransaction, name: str, keys: BrandKeys, *, master_key: bytes, now: datetime
) -> BrandId:
    """A new tenant with its keys. Raises: BrandNameInvalid, BrandExists."""
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or "/" in name or "\0" in name:
        raise BrandNameInvalid(f"brand name {name!r}: 1–{NAME_CHARACTERS_MAX} characters, no slash", path="/name")
    wrapped = wrap_key(master_key, new_key())
    brand_id = await store.insert_brand(tx, name=name, data_key_wrapped=wrapped, now=now)
    if brand_id is None:
        raise BrandExists(f"there is a brand named {name!r} already", path="/name")
    await ensure_keys(tx, brand_id, keys, now=now)
    return brand_id


async def ensure_keys(tx: WriteTransaction, brand_id: BrandId, keys: BrandKeys, *, now: datetime) -> None:
    """Make the keys valid for the brand; again is harmless."""
    pairs: list[tuple[KeyKind, str]] = [("api", keys.api_key), ("write", keys.write_key)]
    for kind, key in pairs:
        await store.insert_key(tx, brand_id=brand_id, kind=kind, digest=_digest(key), now=now)


async def authenticate(tx: ReadTransaction, kind: KeyKind, key: str, *, master_key: bytes) -> Caller:
    """Whose key this is. Raises: KeyUnknown."""
    found = await store.find_key(tx, kind=kind, digest=_digest(key))
    if found is None:
        raise KeyUnknown(f"this {kind} key is not known here", suggestion=_other_kind_hint(kind, key))
    brand_id, source_id = found
    row = await store.find_brand(tx, brand_id)
    assert row is not None, "a key without its brand: the foreign key forbids it"
    return Caller(_to_brand(row, master_key), source_id)


async def get_brand(tx: ReadTransaction, name: str, *, master_key: bytes) -> Brand:
    """A brand by name. Raises: BrandUnknown."""
    row = await store.find_brand_by_name(tx, name)
    if row is None:
        known = ", ".join(sorted(row[1] for row in await store.list_brands(tx)))
        raise BrandUnknown(f"there is no brand named {name!r}; there are: {known or 'none'}", path="/brand")
    return _to_brand(row, master_key)


async def get_brand_by_id(tx: ReadTransaction, brand_id: BrandId, *, master_key: bytes) -> Brand:
    """A brand that a row of ours names. Raises: BrandUnknown."""
    row = await store.find_brand(tx, brand_id)
    if row is None:
        raise BrandUnknown("there is no such brand")
    return _to_brand(row, master_key)


async def check_master_key(tx: ReadTransaction, master_key: bytes) -> int:
    """Open every brand's data key; returns how many there are. Raises: WrongMasterKey."""
    rows = await store.list_brands(tx)
    for row in rows:
        unwrap_key(master_key, row[3])
    return len(rows)


async def list_brand_names(tx: ReadTransaction) -> list[str]:
    """Names of all brands, oldest first."""
    return [row[1] for row in await store.list_brands(tx)]


async def get_settings(tx: ReadTransaction, brand: Brand) -> BrandSettings:
    """The brand's settings with defaults for what was never set."""
    row = await store.find_brand(tx, brand.brand_id)
    assert row is not None, "a caller's brand exists"
    return load_settings(row[2])


async def replace_settings(tx: WriteTransaction, brand: Brand, body: object) -> BrandSettings:
    """Set all settings at once: absent means default. Raises: SettingsInvalid."""
    settings = parse_settings(body)
    await store.replace_settings(tx, brand.brand_id, settings_to_json(settings))
    return settings


async def claim_answer(
    tx: WriteTransaction, brand: Brand, *, idempotency_key: str, request: bytes, now: datetime
) -> KeptAnswer | None:
    """None for the first request with this key, which must then `keep_answer` in the same transaction; else its answer.

    Raises: IdempotencyConflict where the earlier request was another one.
    """
    if not 1 <= len(idempotency_key) <= IDEMPOTENCY_KEY_CHARACTERS_MAX:
        raise IdempotencyKeyInvalid(f"an Idempotency-Key has 1–{IDEMPOTENCY_KEY_CHARACTERS_MAX} characters")
    digest = hashlib.sha256(request).digest()
    if await store.claim_answer(tx, brand.brand_id, idempotency_key=idempotency_key, request_digest=digest, now=now):
        return None
    kept = await store.find_answer(tx, brand.brand_id, idempotency_key=idempotency_key)
    if kept is None or kept[0] != digest:
        raise IdempotencyConflict(f"Idempotency-Key {idempotency_key!r} came before with another request")
    assert kept[2] is not None, "an answer is kept in the transaction that claims it"
    return KeptAnswer(kept[1], brand.vault.unseal(kept[2], "answer"))


async def keep_answer(tx: WriteTransaction, brand: Brand, *, idempotency_key: str, status: int, body: str) -> None:
    """Store what was answered, sealed, for the same request coming again."""
    sealed = brand.vault.seal(body, "answer")
    await store.keep_answer(tx, brand.brand_id, idempotency_key=idempotency_key, status=status, body_sealed=sealed)


async def forget_answers(tx: WriteTransaction, brand: Brand) -> None:
    """Forget all kept answers of a brand: nobody knows which of them show a member who is being erased."""
    await store.delete_answers_of(tx, brand.brand_id)


async def delete_old_answers(tx: WriteTransaction, *, before: datetime) -> int:
    """Forget answers older than this; returns how many."""
    return await store.delete_old_answers(tx, before=before)


def _to_brand(row: store.BrandRow, master_key: bytes) -> Brand:
    brand_id, name, stored, wrapped = row
    settings = load_settings(stored)
    return Brand(
        brand_id=brand_id,
        name=name,
        time_zone=ZoneInfo(settings.time_zone),
        currency=settings.currency,
        country=settings.country,
        vault=Vault.from_data_key(unwrap_key(master_key, wrapped)),
    )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _other_kind_hint(kind: KeyKind, key: str) -> str | None:
    other: KeyKind = "write" if kind == "api" else "api"
    return f"this looks like the {other} key; use the {kind} key here" if key.startswith(_PREFIX[other]) else None
