"""What staff and members themselves change: identities, tags, consents, preferences, merges by hand, conflicts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from regulars.kernel.durations import parse_duration
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import MemberId, MergeId, parse_public_id, public_id
from regulars.members.errors import (
    ConflictUnknown,
    ConsentInvalid,
    IdentityTaken,
    IdentityUnknown,
    MemberUnknown,
    MergeUnknown,
    PreferencesInvalid,
    TagInvalid,
    TooManyIdentities,
)
from regulars.members.identity import (
    IDENTITIES_PER_MEMBER_MAX,
    Identity,
    erasure_digest,
    fits,
    joins,
    lookup_of,
    parse_identity,
    to_stored,
)
from regulars.members.service import merging
from regulars.members.service.joining import lock_brand
from regulars.members.service.reading import get_active, get_member, member_text, parse_member_id
from regulars.members.service.states import LockedMember, lock_members, write_members
from regulars.members.state import State, Tag
from regulars.members.store import identities, people
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

NAME_CHARACTERS_MAX = 100


async def put_identity(
    tx: WriteTransaction, brand: Brand, member: str, kind: str, value: str, *, verified: bool, now: datetime
) -> dict[str, Any]:
    """Give a member an identity. One that another member holds joins the two, where its kind or its proof allows.

    Locks: the brand's lock.
    Raises: MemberUnknown, IdentityKindInvalid, IdentityValueInvalid, IdentityTaken, TooManyIdentities.
    """
    identity = parse_identity(kind, value, country=brand.country)
    await lock_brand(tx, brand)
    member_id = await get_active(tx, brand, member)
    lookup = lookup_of(identity, brand.vault)
    found = await identities.find_identities(tx, brand.brand_id, [(kind, lookup)])
    if not found:
        await _attach(tx, brand, member_id, identity, verified=verified, now=now)
    elif found[0][3] != member_id:
        await _take_over(tx, brand, member_id, found[0][3], identity, verified=verified, now=now)
    if verified:
        await identities.verify_identity(tx, brand.brand_id, kind, lookup)
    return await get_member(tx, brand, member, now=now)


async def _attach(
    tx: WriteTransaction, brand: Brand, member_id: MemberId, identity: Identity, *, verified: bool, now: datetime
) -> None:
    known = await identities.list_people(tx, brand.brand_id, [member_id])
    if known and not fits(known[0][1], 1):
        raise TooManyIdentities(f"a member has at most {IDENTITIES_PER_MEMBER_MAX} identities; remove one first")
    if known and known[0][2] and identity.kind == "user_id":
        raise IdentityTaken("this member has a user_id already; merge the two members instead", path="user_id")
    await identities.delete_erasures(tx, brand.brand_id, [erasure_digest(identity, brand.vault)])
    ((_, origin_id),) = await identities.take_ids(tx, 1)
    await identities.insert_origins(tx, brand.brand_id, [(origin_id, member_id)])
    stored = to_stored(identity, brand)
    await identities.insert_identities(tx, brand.brand_id, [(stored, origin_id)], verified=verified, now=now)
    await identities.forget_origins(tx, brand.brand_id)


async def _take_over(
    tx: WriteTransaction,
    brand: Brand,
    member_id: MemberId,
    holder_id: MemberId,
    identity: Identity,
    *,
    verified: bool,
    now: datetime,
) -> None:
    """Join the member with the one that holds the identity, or refuse."""
    rows = await identities.list_people(tx, brand.brand_id, [member_id, holder_id])
    has_user_id = {row[0] for row in rows if row[2]}
    too_many = not fits(*(row[1] for row in rows))
    reason = (
        "unverified"
        if not (joins(identity.kind) or verified)
        else "second_user_id"
        if len(has_user_id) == 2
        else "too_many_identities"
        if too_many
        else None
    )
    if reason is not None:
        raise IdentityTaken(
            f"member {member_text(holder_id)} holds this {identity.kind} ({reason.replace('_', ' ')});"
            " merge the two members by hand if they are one",
            path=identity.kind,
        )
    kept, merged = (holder_id, member_id) if holder_id in has_user_id else (member_id, holder_id)
    await merging.merge_members(tx, brand, [(kept, merged)], cause="joined", now=now)


async def remove_identity(tx: WriteTransaction, brand: Brand, member: str, kind: str, value: str) -> None:
    """Take an identity from a member; its events stay with the member, what comes under it later does not.

    Locks: the brand's lock.
    Raises: MemberUnknown, IdentityKindInvalid, IdentityValueInvalid, IdentityUnknown.
    """
    identity = parse_identity(kind, value, country=brand.country)
    await lock_brand(tx, brand)
    member_id = await get_active(tx, brand, member)
    if not await identities.delete_identity(tx, brand.brand_id, member_id, kind, lookup_of(identity, brand.vault)):
        raise IdentityUnknown(f"member {member} has no such {kind}", path=kind)
    await identities.forget_origins(tx, brand.brand_id)


async def _lock_one(tx: WriteTransaction, brand: Brand, member: str) -> tuple[LockedMember, dict[MemberId, State]]:
    member_id = await get_active(tx, brand, member)
    locked = (await lock_members(tx, brand.brand_id, [member_id]))[member_id]
    return locked, {member_id: locked.shown.copy()}


async def put_tag(
    tx: WriteTransaction,
    brand: Brand,
    member: str,
    tag: str,
    *,
    weight: float,
    evidence: str | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Put a tag on a member by hand. Raises: MemberUnknown, TagInvalid."""
    _check_name(tag, "tag", TagInvalid)
    if not 0 <= weight <= 1:
        raise TagInvalid(f"weight {weight} is not from 0 to 1", path="/weight")
    await lock_brand(tx, brand)
    locked, before = await _lock_one(tx, brand, member)
    for state in locked.each():
        state.set_tag(tag, Tag(weight, evidence, "hand", expires_at, now))
    await write_members(tx, brand, before, [locked])


async def remove_tag(tx: WriteTransaction, brand: Brand, member: str, tag: str, *, now: datetime) -> None:
    """Take a tag away; none there is harmless. Raises: MemberUnknown."""
    await lock_brand(tx, brand)
    locked, before = await _lock_one(tx, brand, member)
    for state in locked.each():
        state.remove_tag(tag, now)
    await write_members(tx, brand, before, [locked])


async def put_consent(
    tx: WriteTransaction,
    brand: Brand,
    member: str,
    channel: str,
    purpose: str,
    *,
    granted: bool,
    proof: Mapping[str, Any],
    now: datetime,
) -> None:
    """Record what a member allowed or forbade, with its proof. Raises: MemberUnknown, ConsentInvalid."""
    _check_name(channel, "channel", ConsentInvalid)
    _check_name(purpose, "purpose", ConsentInvalid)
    if granted and not proof.get("source"):
        raise ConsentInvalid(
            "a granted consent needs its proof", path="/proof/source", suggestion='{"source": "form", "text": "v3"}'
        )
    await lock_brand(tx, brand)
    member_id = await get_active(tx, brand, member)
    await people.insert_consent(
        tx, brand.brand_id, member_id, channel=channel, purpose=purpose, granted=granted, proof=proof, now=now
    )


class _PreferredCap(msgspec.Struct, forbid_unknown_fields=True):
    most: int
    per: str


class _Preferences(msgspec.Struct, forbid_unknown_fields=True):
    topics: dict[str, bool] = {}
    caps: list[_PreferredCap] = []
    channel: str | None = None
    language: str | None = None


async def get_preferences(tx: ReadTransaction, brand: Brand, member: str) -> dict[str, Any]:
    """The member's own remote control. Raises: MemberUnknown."""
    rows = await people.find_members(tx, brand.brand_id, [parse_member_id(member)])
    if not rows:
        raise MemberUnknown(f"there is no member {member!r}")
    return msgspec.to_builtins(msgspec.convert(rows[0][3], _Preferences))


async def put_preferences(tx: WriteTransaction, brand: Brand, member: str, body: object) -> dict[str, Any]:
    """Replace what the member wants. Raises: MemberUnknown, PreferencesInvalid."""
    preferences = _parse_preferences(body)
    await lock_brand(tx, brand)
    locked, before = await _lock_one(tx, brand, member)
    for state in locked.each():
        state.preferences = preferences
    await write_members(tx, brand, before, [locked])
    return preferences


def _parse_preferences(body: object) -> dict[str, Any]:
    try:
        wanted = msgspec.convert(body, _Preferences)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise PreferencesInvalid(message, path=path.rstrip("`").replace(".", "/") or "/") from error
    for index, cap in enumerate(wanted.caps):
        try:
            parse_duration(cap.per)
        except DomainError as error:
            raise PreferencesInvalid(error.message, path=f"/caps/{index}/per", suggestion="7d") from error
        if cap.most < 0:
            raise PreferencesInvalid(f"a cap of {cap.most} is below zero", path=f"/caps/{index}/most")
    return msgspec.to_builtins(wanted)


async def merge_by_hand(tx: WriteTransaction, brand: Brand, *, keep: str, merge: str, now: datetime) -> dict[str, Any]:
    """Join two members because staff says so, two user_ids included.

    Locks: the brand's lock. Raises: MemberUnknown, MergeWithItself, TooManyIdentities.
    """
    await lock_brand(tx, brand)
    kept, merged = await get_active(tx, brand, keep), await get_active(tx, brand, merge)
    if not await merging.fit_together(tx, brand, kept, merged):
        raise TooManyIdentities(
            f"together they have more than the {IDENTITIES_PER_MEMBER_MAX} identities of a member; remove some first"
        )
    (merge_id,) = await merging.merge_members(tx, brand, [(kept, merged)], cause="manual", now=now)
    return {"merge": public_id("g", merge_id), "member": await get_member(tx, brand, member_text(kept), now=now)}


async def unmerge_by_hand(tx: WriteTransaction, brand: Brand, merge: str, *, now: datetime) -> dict[str, Any]:
    """Take a merge apart; answers the member that is on its own again.

    Locks: the brand's lock. Raises: MergeUnknown, MergeNotUndoable.
    """
    number = parse_public_id("g", merge)
    if number is None:
        raise MergeUnknown(f"there is no merge {merge[:40]!r}", path="/merge")
    await lock_brand(tx, brand)
    member_id = await merging.unmerge(tx, brand, MergeId(number), now=now)
    return {"merge": merge, "member": await get_member(tx, brand, member_text(member_id), now=now)}


async def resolve_conflict(tx: WriteTransaction, brand: Brand, conflict: str, *, now: datetime) -> None:
    """Say that a conflict needs nothing more. Raises: ConflictUnknown."""
    number = parse_public_id("c", conflict)
    if number is None or not await identities.resolve_conflict(tx, brand.brand_id, number, now):
        raise ConflictUnknown(f"there is no open conflict {conflict[:40]!r}")


def _check_name(text: str, what: str, error: type[TagInvalid] | type[ConsentInvalid]) -> None:
    if not 1 <= len(text) <= NAME_CHARACTERS_MAX or "/" in text or "\0" in text:
        raise error(f"a {what} has 1–{NAME_CHARACTERS_MAX} characters, no slash", path=f"/{what}")
