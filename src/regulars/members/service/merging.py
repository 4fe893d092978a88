"""Two members become one, and two again.

A merge moves origins, marks one row as merged into the other and shows both states combined; events stay where they
are. Taking apart gives the origins back and recombines what is left: in any order, exactly.

Consents: each member keeps its own words. What members said before they became one counts together, the stricter wins;
what is said of the member in force afterwards is the newest word of them all and replaces it. Taking apart gives a
member what it said itself; what was said while they were one stays with the kept one, as with traits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from regulars.kernel.ids import MemberId, MergeId
from regulars.members.errors import MergeNotUndoable, MergeUnknown, MergeWithItself
from regulars.members.identity import fits
from regulars.members.service.states import lock_members, recombine
from regulars.members.store import identities, merges, people
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

Cause = Literal["manual", "alias", "joined"]


async def merge_members(
    tx: WriteTransaction, brand: Brand, pairs: Sequence[tuple[MemberId, MemberId]], *, cause: Cause, now: datetime
) -> list[MergeId]:
    """Of each pair (kept, merged) the second becomes part of the first, one pair after the other; returns their merges.

    Both are in force when their turn comes: who was merged is in no later pair. The number of queries grows with the
    longest chain of pairs, not with their count.

    Locks: the caller holds the brand's lock.
    Raises: MergeWithItself.
    """
    if any(kept == merged for kept, merged in pairs):
        raise MergeWithItself("both ids are the same member already")
    await merges.lock_families(tx, brand.brand_id, [member_id for pair in pairs for member_id in pair])
    merge_ids: dict[MemberId, MergeId] = {}
    for wave in list_waves(pairs):
        merge_ids |= await merges.insert_merges(tx, brand.brand_id, wave, cause=cause, now=now)
        await merges.hand_over_origins(tx, brand.brand_id, wave)
        await merges.hand_over_consents(tx, brand.brand_id, wave)
        await merges.mark_merged(tx, brand.brand_id, wave)
        await recombine(tx, brand, list(dict.fromkeys(kept for kept, _ in wave)))
        await merges.resolve_conflicts_between(tx, brand.brand_id, wave, now)
    return [merge_ids[merged] for _, merged in pairs]


def list_waves(pairs: Sequence[tuple[MemberId, MemberId]]) -> list[list[tuple[MemberId, MemberId]]]:
    """The pairs in groups that can be written at once: whoever is merged has in an earlier one kept all it will keep."""
    waves: list[list[tuple[MemberId, MemberId]]] = []
    ready_at: dict[MemberId, int] = {}
    for kept, merged in pairs:
        wave = ready_at.get(merged, 0)
        ready_at[kept] = max(ready_at.get(kept, 0), wave + 1)
        if wave == len(waves):
            waves.append([])
        waves[wave].append((kept, merged))
    return waves


async def fit_together(tx: ReadTransaction, brand: Brand, *member_ids: MemberId) -> bool:
    """Whether these would have no more identities together than a member may."""
    return fits(*(count for _, count, _ in await identities.list_people(tx, brand.brand_id, member_ids)))


async def unmerge(tx: WriteTransaction, brand: Brand, merge_id: MergeId, *, now: datetime) -> MemberId:
    """Take a merge apart; returns the member that is on its own again.

    What was said of the kept member since stays with it; events go back with the origins they came with.

    Locks: the caller holds the brand's lock.
    Raises: MergeUnknown, MergeNotUndoable where it was undone before.
    """
    found = await merges.find_merge(tx, brand.brand_id, merge_id)
    if found is None:
        raise MergeUnknown(f"there is no merge g{merge_id}", path="/merge")
    kept, merged, undone_at = found
    if undone_at is not None:
        raise MergeNotUndoable(f"merge g{merge_id} was undone at {undone_at:%Y-%m-%d %H:%M} UTC already", path="/merge")
    in_force = [row[1] for row in await people.find_members(tx, brand.brand_id, [kept])]
    await merges.lock_families(tx, brand.brand_id, in_force)
    holder = await _member_in_force(tx, brand, kept)
    await merges.undo_merge(tx, brand.brand_id, merge_id, now)
    await merges.mark_active(tx, brand.brand_id, merged)
    family = (await merges.list_merged_into(tx, brand.brand_id, [merged]))[merged]
    await merges.give_back_origins(tx, brand.brand_id, family, from_member_id=holder, to_member_id=merged)
    await merges.give_back_consents(tx, brand.brand_id, family, to_member_id=merged)
    await recombine(tx, brand, [kept])
    return merged


async def _member_in_force(tx: WriteTransaction, brand: Brand, member_id: MemberId) -> MemberId:
    member = (await lock_members(tx, brand.brand_id, [member_id]))[member_id]
    return member_id if member.merged_into is None else await _member_in_force(tx, brand, member.merged_into)
