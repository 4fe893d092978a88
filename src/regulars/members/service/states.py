"""Loading, changing and storing members' states; everything that is derived from a state is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from regulars.kernel.ids import BrandId, MemberId
from regulars.members.state import Sealed, State, Tag, combine
from regulars.members.store import traits as store
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

NAME_TRAITS = frozenset({"name", "firstName", "lastName", "first_name", "last_name", "姓名"})


@dataclass(slots=True)
class LockedMember:
    """A member's row under lock: what is shown, and what was said of it alone while others are merged into it."""

    member_id: MemberId
    row_state: str
    merged_into: MemberId | None
    shown: State
    own: State | None

    def each(self) -> list[State]:
        """The states that a new word must enter."""
        return [self.shown] if self.own is None else [self.shown, self.own]


async def lock_members(
    tx: WriteTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, LockedMember]:
    """The members' states, their rows locked until commit.

    Locks: members_members, rows in id order.
    """
    rows = await store.lock_states(tx, brand_id, member_ids)
    loaded = await _load_derived(tx, brand_id, [row[0] for row in rows])
    members: dict[MemberId, LockedMember] = {}
    for member_id, row_state, merged_into, traits, set_at, preferences, own in rows:
        sealed, tags = loaded[member_id]
        shown = State(traits=traits, sealed=sealed, set_at=set_at, tags=tags, preferences=preferences)
        own_state = None if own is None else msgspec.convert(own, State)
        members[member_id] = LockedMember(member_id, row_state, merged_into, shown, own_state)
    return members


async def _load_derived(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, tuple[dict[str, Sealed], dict[str, Tag | None]]]:
    loaded: dict[MemberId, tuple[dict[str, Sealed], dict[str, Tag | None]]] = {id_: ({}, {}) for id_ in member_ids}
    for member_id, trait, lookup, value in await store.list_personal_traits(tx, brand_id, member_ids):
        loaded[member_id][0][trait] = Sealed(lookup, value)
    for member_id, name, weight, evidence, source, expires_at, set_at in await store.list_tags(
        tx, brand_id, member_ids
    ):
        loaded[member_id][1][name] = Tag(weight, evidence, source, expires_at, set_at)
    return loaded


async def write_members(
    tx: WriteTransaction, brand: Brand, before: Mapping[MemberId, State], members: Sequence[LockedMember]
) -> None:
    """Store changed states; `before` holds what each showed when it was locked."""
    if not members:
        return
    encode = _json_text
    await store.write_states(
        tx,
        brand.brand_id,
        [
            (
                member.member_id,
                encode(member.shown.traits),
                encode(member.shown.set_at),
                encode(member.shown.preferences),
                None if member.own is None else encode(member.own),
            )
            for member in members
        ],
    )
    await _write_sealed(tx, brand, before, members)
    await _write_tags(tx, brand.brand_id, before, members)


async def recombine(tx: WriteTransaction, brand: Brand, member_ids: Sequence[MemberId]) -> None:
    """Show again what each member and those merged into it say, and so up to the members in force.

    A member into which nobody is merged shows its own state. Locks: the caller holds the brand's lock.
    """
    children: dict[MemberId, list[MemberId]] = {member_id: [] for member_id in member_ids}
    for child, parent in await store.list_children(tx, brand.brand_id, member_ids):
        children[parent].append(child)
    wanted = {*member_ids, *chain.from_iterable(children.values())}
    members = await lock_members(tx, brand.brand_id, list(wanted))
    before = {member_id: members[member_id].shown for member_id in member_ids}
    for member_id in member_ids:
        _recombine_one(members[member_id], [members[child].shown for child in children[member_id]])
    await write_members(tx, brand, before, [members[member_id] for member_id in member_ids])
    above = dict.fromkeys(parent for id_ in member_ids if (parent := members[id_].merged_into) is not None)
    if above:
        await recombine(tx, brand, list(above))


def _recombine_one(member: LockedMember, merged: Sequence[State]) -> None:
    own = member.own or member.shown.copy()
    member.shown = combine([own, *merged]) if merged else own
    member.own = own if merged else None


async def _write_sealed(
    tx: WriteTransaction, brand: Brand, before: Mapping[MemberId, State], members: Sequence[LockedMember]
) -> None:
    fresh = [
        (member.member_id, trait, sealed.lookup, sealed.value)
        for member in members
        for trait, sealed in member.shown.sealed.items()
        if before[member.member_id].sealed.get(trait) != sealed
    ]
    gone = [
        (member.member_id, trait)
        for member in members
        for trait in before[member.member_id].sealed.keys() - member.shown.sealed.keys()
    ]
    if fresh:
        await store.upsert_personal_traits(tx, brand.brand_id, fresh)
    if gone:
        await store.delete_personal_traits(tx, brand.brand_id, gone)
    renamed = {member_id for member_id, trait, *_ in [*fresh, *gone] if trait in NAME_TRAITS}
    if renamed:
        await _write_bigrams(tx, brand, [member for member in members if member.member_id in renamed])


async def _write_bigrams(tx: WriteTransaction, brand: Brand, members: Sequence[LockedMember]) -> None:
    await store.delete_bigrams(tx, brand.brand_id, [member.member_id for member in members])
    pairs: list[tuple[str, MemberId]] = []
    for member in members:
        for trait in member.shown.sealed.keys() & NAME_TRAITS:
            name = msgspec.json.decode(brand.vault.unseal(member.shown.sealed[trait].value, f"trait {trait}"))
            if isinstance(name, str):
                pairs += [(brand.vault.digest("bigram", bigram), member.member_id) for bigram in bigrams(name)]
    if pairs:
        await store.insert_bigrams(tx, brand.brand_id, pairs)


def bigrams(name: str) -> set[str]:
    """Neighbouring characters of a name without its spaces, in lower case: 王小明 gives 王小 and 小明.

    A single character is its own bigram, so that a one-letter search finds one-letter names only.
    """
    text = "".join(name.split()).casefold()
    return {text[at : at + 2] for at in range(len(text) - 1)} or ({text} if text else set())


async def _write_tags(
    tx: WriteTransaction, brand_id: BrandId, before: Mapping[MemberId, State], members: Sequence[LockedMember]
) -> None:
    fresh: list[tuple[MemberId, str, Tag]] = []
    gone: list[tuple[MemberId, str]] = []
    for member in members:
        old = before[member.member_id].tags
        for name, tag in member.shown.tags.items():
            if tag is not None and old.get(name) != tag:
                fresh.append((member.member_id, name, tag))
            elif tag is None:
                gone.append((member.member_id, name))
        gone += [(member.member_id, name) for name in old.keys() - member.shown.tags.keys()]
    if fresh:
        await store.upsert_tags(tx, brand_id, fresh)
    if gone:
        await store.delete_tags(tx, brand_id, gone)


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()
