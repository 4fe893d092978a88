"""A member as the contract shows it, and the lists that members are found in. Reads only."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import BrandId, MemberId, parse_public_id, public_id
from regulars.members.errors import MemberUnknown
from regulars.members.identity import PERSONAL_KINDS, lookup_of, parse_identity, value_of
from regulars.members.service.setting_traits import load_trait_types, unseal_trait
from regulars.members.service.states import bigrams
from regulars.members.store import identities, merges, people, traits
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand


def member_text(member_id: MemberId) -> str:
    """The id as the world sees it."""
    return public_id("m", member_id)


def parse_member_id(text: str) -> MemberId:
    """Raises: MemberUnknown, since a text that is no id names nobody."""
    number = parse_public_id("m", text)
    if number is None:
        raise MemberUnknown(f"there is no member {text[:40]!r}")
    return MemberId(number)


async def get_active(tx: ReadTransaction, brand: Brand, text: str) -> MemberId:
    """The member in force under a public id: the kept one where it was merged. Raises: MemberUnknown."""
    member_id = parse_member_id(text)
    rows = await people.find_members(tx, brand.brand_id, [member_id])
    if not rows:
        raise MemberUnknown(f"there is no member {text!r}")
    return rows[0][1]


async def list_in_force(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, MemberId]:
    """Who these members are now: the kept one where one was merged. Unknown and erased ones are left out."""
    return {row[0]: row[1] for row in await people.find_members(tx, brand_id, member_ids)}


async def list_family(tx: ReadTransaction, brand: Brand, text: str) -> list[MemberId]:
    """The member in force under a public id, and everybody who was merged into it. Raises: MemberUnknown."""
    member_id = await get_active(tx, brand, text)
    return (await list_families(tx, brand.brand_id, [member_id]))[member_id]


async def list_families(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, list[MemberId]]:
    """Each of these members in force, and everybody who was merged into it, by id."""
    return await merges.list_merged_into(tx, brand_id, member_ids)


async def get_member(tx: ReadTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """One member. Raises: MemberUnknown."""
    shown = await show_members(tx, brand, [parse_member_id(text)], now=now)
    if not shown:
        raise MemberUnknown(f"there is no member {text!r}")
    return shown[0]


async def show_members(
    tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId], *, now: datetime
) -> list[dict[str, Any]]:
    """Members in the order asked, each once; unknown and erased ones are left out."""
    found = {row[0]: row for row in await people.find_members(tx, brand.brand_id, member_ids)}
    in_force = {row[1]: row for row in found.values()}
    order = list(dict.fromkeys(found[asked][1] for asked in member_ids if asked in found))
    identity_rows = _grouped(await identities.list_identities(tx, brand.brand_id, order))
    sealed_rows = _grouped(await traits.list_personal_traits(tx, brand.brand_id, order))
    tag_rows = _grouped(await traits.list_tags(tx, brand.brand_id, order))
    consent_rows = _grouped(await people.list_consents(tx, brand.brand_id, order))
    return [
        {
            "id": member_text(member_id),
            "identities": [
                {"kind": kind, "value": value_of(kind, lookup, sealed, brand.vault), "verified": verified}
                for kind, lookup, sealed, verified in identity_rows.get(member_id, [])
            ],
            "traits": in_force[member_id][2]
            | {trait: unseal_trait(brand, trait, sealed) for trait, _, sealed in sealed_rows.get(member_id, [])},
            "tags": [_show_tag(row) for row in tag_rows.get(member_id, []) if row[4] is None or row[4] > now],
            "consents": [
                {"channel": channel, "purpose": purpose, "granted": granted, "at": instant_text(at)}
                for channel, purpose, granted, at in consent_rows.get(member_id, [])
            ],
            "created_at": instant_text(in_force[member_id][4]),
        }
        for member_id in order
    ]


async def load_traits(
    tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId]
) -> dict[MemberId, dict[str, Any]]:
    """The traits of members in force, sealed ones opened."""
    shown = {row[1]: dict(row[2]) for row in await people.find_members(tx, brand.brand_id, member_ids)}
    for member_id, trait, _, sealed in await traits.list_personal_traits(tx, brand.brand_id, list(shown)):
        shown[member_id][trait] = unseal_trait(brand, trait, sealed)
    return shown


async def load_tags(
    tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId], *, now: datetime
) -> dict[MemberId, list[str]]:
    """The tags of members that have not expired, the heaviest first."""
    rows = await traits.list_tags(tx, brand.brand_id, member_ids)
    found = _grouped(sorted((row for row in rows if row[5] is None or row[5] > now), key=lambda row: -row[2]))
    return {member_id: [row[1] for row in own] for member_id, own in found.items()}


def _grouped(rows: Iterable[tuple[Any, ...]]) -> dict[MemberId, list[tuple[Any, ...]]]:
    groups: dict[MemberId, list[tuple[Any, ...]]] = {}
    for member_id, *rest in rows:
        groups.setdefault(member_id, []).append(tuple(rest))
    return groups


def _show_tag(row: tuple[Any, ...]) -> dict[str, Any]:
    tag, weight, evidence, source, expires_at, set_at = row
    return {
        "tag": tag,
        "weight": weight,
        "evidence": evidence,
        "source": source,
        "expires_at": instant_text(expires_at) if expires_at else None,
        "set_at": instant_text(set_at),
    }


async def list_by_identity(tx: ReadTransaction, brand: Brand, kind: str, value: str) -> list[MemberId]:
    """The member that holds this identity, or nobody. Raises: IdentityKindInvalid, IdentityValueInvalid."""
    identity = parse_identity(kind, value, country=brand.country)
    rows = await identities.find_identities(tx, brand.brand_id, [(kind, lookup_of(identity, brand.vault))])
    return [row[3] for row in rows]


async def list_page(tx: ReadTransaction, brand: Brand, *, after: int, limit: int) -> list[MemberId]:
    """Members in id order, after the given number."""
    return await people.list_members(tx, brand.brand_id, after=after, limit=limit)


async def list_by_name(tx: ReadTransaction, brand: Brand, name: str, *, after: int, limit: int) -> list[MemberId]:
    """Members whose names hold all bigrams of `name`: every true match, and seldom one that is not."""
    digests = [brand.vault.digest("bigram", bigram) for bigram in sorted(bigrams(name))]
    if not digests:
        return []
    return await people.list_members_by_bigrams(tx, brand.brand_id, digests, after=after, limit=limit)


async def list_by_last_four(
    tx: ReadTransaction, brand: Brand, digits: str, *, after: int, limit: int
) -> list[MemberId]:
    """Members with a phone or card that ends so."""
    digest = brand.vault.digest("last four", digits)
    return await people.list_members_by_last_four(tx, brand.brand_id, digest, after=after, limit=limit)


async def count_members(tx: ReadTransaction, brand: Brand) -> int:
    """Members in force."""
    return await people.count_members(tx, brand.brand_id)


async def list_traits(tx: ReadTransaction, brand: Brand) -> list[dict[str, Any]]:
    """All trait names with their types."""
    known = await load_trait_types(tx, brand)
    return [
        {"name": trait, "type": kind.type, "declared": kind.declared, "personal": kind.personal}
        for trait, kind in known.items()
    ]


async def list_member_merges(tx: ReadTransaction, brand: Brand, text: str) -> list[dict[str, Any]]:
    """Merges this member took part in, oldest first. Raises: MemberUnknown."""
    member_id = await get_active(tx, brand, text)
    return [
        {
            "merge": public_id("g", merge_id),
            "kept": member_text(kept),
            "merged": member_text(merged),
            "cause": cause,
            "merged_at": instant_text(merged_at),
            "undone_at": instant_text(undone_at) if undone_at else None,
        }
        for merge_id, kept, merged, cause, merged_at, undone_at in await merges.list_merges(
            tx, brand.brand_id, member_id
        )
    ]


async def list_conflicts(tx: ReadTransaction, brand: Brand, *, after: int, limit: int) -> list[dict[str, Any]]:
    """Open identity conflicts, oldest first; the value is absent where the identity is gone."""
    rows = await identities.list_conflicts(tx, brand.brand_id, after=after, limit=limit)
    return [
        {
            "id": public_id("c", conflict_id),
            "kind": kind,
            "value": _conflict_value(brand, kind, lookup, sealed),
            "holder": member_text(holder),
            "claimant": member_text(claimant),
            "reason": reason,
            "seen_at": instant_text(seen_at),
        }
        for conflict_id, kind, lookup, sealed, holder, claimant, reason, seen_at in rows
    ]


def _conflict_value(brand: Brand, kind: str, lookup: str, sealed: bytes | None) -> str | None:
    """None where a personal identity was removed since: only its digest is left."""
    if kind in PERSONAL_KINDS and sealed is None:
        return None
    return value_of(kind, lookup, sealed, brand.vault)
