"""Traits and tags: the state on the member's row, what is derived from it, and the types of all trait names."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.members.state import Tag
from regulars.members.store._sql import SQL
from regulars.members.traits import TraitType
from regulars.platform.db import ReadTransaction, WriteTransaction

StateRow = tuple[MemberId, str, MemberId | None, dict[str, Any], dict[str, int], dict[str, Any], dict[str, Any] | None]
"""member, state, merged_into, traits, set_at, preferences, own"""


async def lock_members_of_origins(
    tx: WriteTransaction, brand_id: BrandId, origin_ids: Sequence[OriginId]
) -> list[tuple[OriginId, MemberId]]:
    return await tx.rows(SQL["lock_members_of_origins"], {"brand_id": brand_id, "origin_ids": list(origin_ids)})


async def lock_states(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[StateRow]:
    return await tx.rows(SQL["lock_states"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_children(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, MemberId]]:
    """Members merged into these, and into which."""
    return await tx.rows(SQL["list_children"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def write_states(
    tx: WriteTransaction, brand_id: BrandId, rows: Sequence[tuple[MemberId, str, str, str, str | None]]
) -> None:
    """member, and as JSON texts traits, set_at, preferences, own."""
    names = ("member_ids", "traits", "set_ats", "preferences", "owns")
    params = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    await tx.execute(SQL["write_states"], {"brand_id": brand_id, **params})


async def upsert_personal_traits(
    tx: WriteTransaction, brand_id: BrandId, values: Sequence[tuple[MemberId, str, str, bytes]]
) -> None:
    """member, trait, lookup, sealed value each."""
    names = ("member_ids", "traits", "lookups", "sealed")
    params = {name: list(column) for name, column in zip(names, zip(*values, strict=True), strict=True)}
    await tx.execute(SQL["upsert_personal_traits"], {"brand_id": brand_id, **params})


async def delete_personal_traits(
    tx: WriteTransaction, brand_id: BrandId, pairs: Sequence[tuple[MemberId, str]]
) -> None:
    member_ids, traits = [member for member, _ in pairs], [trait for _, trait in pairs]
    params = {"brand_id": brand_id, "member_ids": member_ids, "traits": traits}
    await tx.execute(SQL["delete_personal_traits"], params)


async def list_personal_traits(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, str, str, bytes]]:
    """member, trait, lookup, sealed value."""
    return await tx.rows(SQL["list_personal_traits"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def delete_bigrams(tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> None:
    await tx.execute(SQL["delete_bigrams"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def insert_bigrams(tx: WriteTransaction, brand_id: BrandId, pairs: Sequence[tuple[str, MemberId]]) -> None:
    bigrams, member_ids = [bigram for bigram, _ in pairs], [member for _, member in pairs]
    await tx.execute(SQL["insert_bigrams"], {"brand_id": brand_id, "bigrams": bigrams, "member_ids": member_ids})


async def upsert_tags(tx: WriteTransaction, brand_id: BrandId, tags: Sequence[tuple[MemberId, str, Tag]]) -> None:
    params = {
        "member_ids": [member for member, _, _ in tags],
        "tags": [name for _, name, _ in tags],
        "weights": [tag.weight for _, _, tag in tags],
        "evidences": [tag.evidence for _, _, tag in tags],
        "sources": [tag.source for _, _, tag in tags],
        "expires_ats": [tag.expires_at for _, _, tag in tags],
        "set_ats": [tag.set_at for _, _, tag in tags],
    }
    await tx.execute(SQL["upsert_tags"], {"brand_id": brand_id, **params})


async def delete_tags(tx: WriteTransaction, brand_id: BrandId, pairs: Sequence[tuple[MemberId, str]]) -> None:
    params = {"member_ids": [member for member, _ in pairs], "tags": [tag for _, tag in pairs]}
    await tx.execute(SQL["delete_tags"], {"brand_id": brand_id, **params})


async def list_tags(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[MemberId, str, float, str | None, str, datetime | None, datetime]]:
    """member, tag, weight, evidence, source, expires_at, set_at; expired ones too."""
    return await tx.rows(SQL["list_tags"], {"brand_id": brand_id, "member_ids": list(member_ids)})


async def list_plain_traits(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId], traits: Sequence[str]
) -> list[tuple[MemberId, dict[str, Any]]]:
    """Members in force, and of these traits those they have; none that is sealed."""
    params = {"brand_id": brand_id, "member_ids": list(member_ids), "traits": list(traits)}
    return await tx.rows(SQL["list_plain_traits"], params)


async def list_trait_types(
    tx: ReadTransaction, brand_id: BrandId
) -> list[tuple[str, str, bool, bool, datetime | None, datetime | None]]:
    """trait, type, declared, personal, first and last arrival."""
    return await tx.rows(SQL["list_trait_types"], {"brand_id": brand_id})


async def upsert_trait_types(
    tx: WriteTransaction, brand_id: BrandId, types: Mapping[str, TraitType], now: datetime
) -> None:
    params = {
        "traits": list(types),
        "types": [known.type for known in types.values()],
        "declared": [known.declared for known in types.values()],
        "personal": [known.personal for known in types.values()],
    }
    await tx.execute(SQL["upsert_trait_types"], {"brand_id": brand_id, "now": now, **params})


async def add_arrivals(
    tx: WriteTransaction, brand_id: BrandId, arrivals: Sequence[tuple[str, int, datetime, datetime]]
) -> None:
    """trait, how many arrivals, the first and the last of them. Shape: the traits' types are known."""
    names = ("traits", "counts", "first_ats", "last_ats")
    params = {name: list(column) for name, column in zip(names, zip(*arrivals, strict=True), strict=True)}
    await tx.execute(SQL["add_arrivals"], {"brand_id": brand_id, **params})


async def list_members_with_trait(
    tx: ReadTransaction, brand_id: BrandId, trait: str, *, after: int, limit: int
) -> list[MemberId]:
    """Members who have the trait, sealed or not, in id order."""
    params = {"brand_id": brand_id, "trait": trait, "after": after, "limit": limit}
    return [row[0] for row in await tx.rows(SQL["list_members_with_trait"], params)]
