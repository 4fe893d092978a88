"""`alias`: somebody says that an earlier id is the same member."""

from collections.abc import Sequence
from datetime import datetime

from regulars.kernel.ids import MemberId
from regulars.members.identity import Claim, Identity, erasure_digest, fits, lookup_of, to_stored
from regulars.members.service.joining import resolve_claims
from regulars.members.service.merging import fit_together, merge_members
from regulars.members.store import identities as store
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


async def join_alias(tx: WriteTransaction, brand: Brand, claim: Claim, previous_id: str, *, now: datetime) -> None:
    """Merge whoever has `previous_id` (as user_id or anonymous_id) into the claim's member, two user_ids included.

    An id that nobody has yet becomes the member's, as both kinds: which one it was is not said. An alias of what an
    erased member had is dropped; one that would give a member too many identities is a conflict.

    Locks: the caller holds the brand's lock and has resolved the claim.
    """
    previous = [Identity("user_id", previous_id), Identity("anonymous_id", previous_id)]
    digests = [erasure_digest(identity, brand.vault) for identity in previous]
    if await store.find_erasures(tx, brand.brand_id, digests):
        return
    asked = {(kind, lookup_of(Identity(kind, value), brand.vault)) for kind, value in [claim[0], *previous]}
    rows = await store.find_identities(tx, brand.brand_id, list(asked))
    holders = {(kind, lookup): member_id for kind, lookup, _, member_id in rows}
    member_id = holders[claim[0].kind, lookup_of(claim[0], brand.vault)]
    earlier = {holders[identity]: identity for identity in reversed(previous) if identity in holders}
    if not earlier:
        await _attach(tx, brand, member_id, previous, now=now)
    for merged, identity in earlier.items():
        if merged != member_id and await fit_together(tx, brand, member_id, merged):
            await merge_members(tx, brand, [(member_id, merged)], cause="alias", now=now)
        elif merged != member_id:
            await _tell_too_many(tx, brand, identity, holder=merged, claimant=member_id, now=now)


async def _attach(
    tx: WriteTransaction, brand: Brand, member_id: MemberId, fresh: Sequence[Identity], *, now: datetime
) -> None:
    """Give them to the member, or, where it has no room, to somebody new, with a conflict that says so."""
    ((_, count, _),) = await store.list_people(tx, brand.brand_id, [member_id])
    if not fits(count, len(fresh)):
        await resolve_claims(tx, brand, [tuple(fresh)], now=now)
        ((*_, claimant),) = await store.find_identities(tx, brand.brand_id, [fresh[0]])
        await _tell_too_many(tx, brand, fresh[0], holder=member_id, claimant=claimant, now=now)
        return
    origin_ids = [origin_id for _, origin_id in await store.take_ids(tx, len(fresh))]
    await store.insert_origins(tx, brand.brand_id, [(origin_id, member_id) for origin_id in origin_ids])
    stored = [(to_stored(identity, brand), origin_id) for identity, origin_id in zip(fresh, origin_ids, strict=True)]
    await store.insert_identities(tx, brand.brand_id, stored, verified=False, now=now)


async def _tell_too_many(
    tx: WriteTransaction, brand: Brand, identity: Identity, *, holder: MemberId, claimant: MemberId, now: datetime
) -> None:
    conflict = (identity.kind, identity.value, holder, claimant, "too_many_identities")
    await store.insert_conflicts(tx, brand.brand_id, [conflict], now)
