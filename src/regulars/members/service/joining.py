"""Who is behind an event: from the identities it carries to the origin it is kept under.

A *claim* is the identities that came together in one event; the first is the event's origin. Identities nobody knew are
attached to the claim's member, and members that turn out to be one are merged, by these rules:

- A member has at most one user_id by joining: a second one is a conflict for review.
- Kinds that say who somebody is join; phone and e-mail do not, unless verified elsewhere: sharing one is a conflict.
- At most fifty identities; what would be the fifty-first is a conflict.
- Two members that somebody took apart are not joined again: a conflict.

A conflict never stops an event: it is kept under its first identity. Erased members' identities resolve to nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from regulars.kernel.ids import BrandId, MemberId, OriginId
from regulars.members.identity import (
    Claim,
    Identity,
    erasure_digest,
    fits,
    joins,
    lookup_of,
    to_stored,
)
from regulars.members.service.merging import merge_members
from regulars.members.store import identities as store
from regulars.members.store import merges as merge_store
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


@dataclass(slots=True)
class _Person:
    member_id: MemberId
    identity_count: int = 0
    has_user_id: bool = False
    is_new: bool = False
    joined_to: "_Person | None" = None
    joined: "list[_Person]" = field(default_factory=list["_Person"])

    def root(self) -> "_Person":
        person = self
        while person.joined_to is not None:
            person = person.joined_to
        return person

    def family(self) -> list[MemberId]:
        """The member and all that were joined to it in this batch."""
        return [self.member_id, *(member_id for person in self.joined for member_id in person.family())]


@dataclass(slots=True)
class _Holder:
    origin_id: OriginId
    person: _Person


@dataclass(slots=True)
class _Joining:
    """What is known, and what is to be written, while claims are settled one after the other."""

    brand: Brand
    holders: dict[Identity, _Holder]
    people: dict[MemberId, _Person]
    taken_apart: set[frozenset[MemberId]]
    fresh_ids: list[tuple[MemberId, OriginId]]
    new_people: list[_Person] = field(default_factory=list[_Person])
    new_identities: list[tuple[Identity, _Holder]] = field(default_factory=list[tuple[Identity, _Holder]])
    merges: list[tuple[MemberId, MemberId]] = field(default_factory=list[tuple[MemberId, MemberId]])
    conflicts: list[tuple[Identity, MemberId, MemberId, str]] = field(
        default_factory=list[tuple[Identity, MemberId, MemberId, str]]
    )

    def settle(self, claim: Claim) -> OriginId:
        """Attach, join or record conflicts; the origin of the claim's first identity."""
        person = self._person_of(claim)
        for identity in claim:
            holder = self.holders.get(identity)
            if holder is None:
                self._attach(identity, person)
            elif holder.person.root() is not person:
                person = self._join(identity, person, holder.person.root())
        return self.holders[claim[0]].origin_id

    def _person_of(self, claim: Claim) -> _Person:
        """The holder of the claim's user_id, else of its first known identity that may join, else somebody new."""
        known = [(identity, self.holders[identity]) for identity in claim if identity in self.holders]
        new_user_id = any(identity.kind == "user_id" and identity not in self.holders for identity in claim)
        ranked = sorted(known, key=lambda pair: (pair[0].kind != "user_id", not joins(pair[0].kind)))
        for identity, holder in ranked:
            person = holder.person.root()
            if new_user_id and (person.has_user_id or not joins(identity.kind)):
                continue
            if joins(identity.kind) or all(not joins(other.kind) for other in claim):
                return person
        return self._new_person()

    def _new_person(self) -> _Person:
        person = _Person(self.fresh_ids[len(self.new_people)][0], is_new=True)
        self.people[person.member_id] = person
        self.new_people.append(person)
        return person

    def _attach(self, identity: Identity, person: _Person) -> None:
        if not fits(person.identity_count, 1):
            full, person = person, self._new_person()
            self.conflicts.append((identity, full.member_id, person.member_id, "too_many_identities"))
        person.identity_count += 1
        person.has_user_id |= identity.kind == "user_id"
        holder = _Holder(self.fresh_ids[len(self.new_identities)][1], person)
        self.holders[identity] = holder
        self.new_identities.append((identity, holder))

    def _join(self, identity: Identity, person: _Person, other: _Person) -> _Person:
        reason = self._reason_against(identity, person, other)
        if reason is not None:
            self.conflicts.append((identity, other.member_id, person.member_id, reason))
            return person
        kept, merged = _choose_kept(person, other)
        kept.identity_count += merged.identity_count
        kept.has_user_id |= merged.has_user_id
        merged.joined_to = kept
        kept.joined.append(merged)
        if not merged.is_new:
            self.merges.append((kept.member_id, merged.member_id))
        return kept

    def _reason_against(self, identity: Identity, person: _Person, other: _Person) -> str | None:
        if not joins(identity.kind):
            return "unverified"
        if person.has_user_id and other.has_user_id:
            return "second_user_id"
        if not fits(person.identity_count, other.identity_count):
            return "too_many_identities"
        if self.taken_apart and any(
            frozenset({one, another}) in self.taken_apart for one in person.family() for another in other.family()
        ):
            return "merge_undone"
        return None


async def lock_brand(tx: WriteTransaction, brand: Brand) -> int:
    """Take the brand's lock until commit; returns the identity epoch: remembered origins of an older one are void.

    Locks: members_heads, one row. Everything that changes who is who takes it first.
    """
    return await lock_brand_id(tx, brand.brand_id)


async def lock_brand_id(tx: WriteTransaction, brand_id: BrandId) -> int:
    """`lock_brand` for a job, which knows no more of its brand."""
    epoch = await store.lock_head(tx, brand_id)
    if epoch is None:
        await store.ensure_head(tx, brand_id)
        epoch = await store.lock_head(tx, brand_id)
        assert epoch is not None, "the head was just made"
    return epoch


async def resolve_claims(
    tx: WriteTransaction, brand: Brand, claims: Sequence[Claim], *, now: datetime
) -> dict[Claim, OriginId]:
    """The origin of each claim, made where it is new; claims of erased members are absent.

    Locks: the caller holds the brand's lock.
    """
    joining, erased = await _load(tx, brand, claims)
    alive = [claim for claim in dict.fromkeys(claims) if claim[0] not in erased]
    origins = {claim: joining.settle(tuple(i for i in claim if i not in erased)) for claim in alive}
    await _write(tx, joining, now)
    return origins


async def _load(tx: WriteTransaction, brand: Brand, claims: Sequence[Claim]) -> tuple[_Joining, set[Identity]]:
    identities = list(dict.fromkeys(identity for claim in claims for identity in claim))
    keys = {(identity.kind, lookup_of(identity, brand.vault)): identity for identity in identities}
    found = await store.find_identities(tx, brand.brand_id, list(keys))
    known = {keys[kind, lookup]: (origin_id, member_id) for kind, lookup, origin_id, member_id in found}
    unknown = [identity for identity in identities if identity not in known]
    erased = await _find_erased(tx, brand, unknown)
    people = await _load_people(tx, brand, {member_id for _, member_id in known.values()}, claims)
    joining = _Joining(
        brand=brand,
        holders={identity: _Holder(origin, people[member]) for identity, (origin, member) in known.items()},
        people=people,
        taken_apart=await _load_taken_apart(tx, brand, claims, known),
        fresh_ids=await store.take_ids(tx, len(unknown) + len(claims)) if _needs_ids(claims, unknown) else [],
    )
    return joining, erased


def _needs_ids(claims: Sequence[Claim], unknown: Sequence[Identity]) -> bool:
    """A settled claim of one known identity needs nobody new; any other may."""
    return bool(unknown) or any(len(claim) > 1 for claim in claims)


async def _find_erased(tx: WriteTransaction, brand: Brand, unknown: Sequence[Identity]) -> set[Identity]:
    if not unknown:
        return set()
    digests = {erasure_digest(identity, brand.vault): identity for identity in unknown}
    erased = await store.find_erasures(tx, brand.brand_id, list(digests))
    return {digests[digest] for digest in erased}


async def _load_people(
    tx: WriteTransaction, brand: Brand, member_ids: Iterable[MemberId], claims: Sequence[Claim]
) -> dict[MemberId, _Person]:
    people = {member_id: _Person(member_id) for member_id in member_ids}
    if people and any(len(claim) > 1 for claim in claims):
        for member_id, identity_count, has_user_id in await store.list_people(tx, brand.brand_id, list(people)):
            people[member_id].identity_count = identity_count
            people[member_id].has_user_id = has_user_id
    return people


async def _load_taken_apart(
    tx: WriteTransaction,
    brand: Brand,
    claims: Sequence[Claim],
    known: dict[Identity, tuple[OriginId, MemberId]],
) -> set[frozenset[MemberId]]:
    """Pairs that may not be joined, asked only where claims would join known members."""
    meeting = _list_meeting(claims, {identity: member_id for identity, (_, member_id) in known.items()})
    return await merge_store.list_undone_pairs(tx, brand.brand_id, meeting) if meeting else set()


def _list_meeting(claims: Sequence[Claim], members: Mapping[Identity, MemberId]) -> list[MemberId]:
    """Known members that claims could bring together, over identities that nobody knew too."""
    leaders: dict[Identity | MemberId, Identity | MemberId] = {}

    def leader_of(one: Identity | MemberId) -> Identity | MemberId:
        while (above := leaders.setdefault(one, one)) != one:
            leaders[one] = one = leaders[above]
        return one

    for claim in claims:
        for identity in claim:
            for one in (identity, members.get(identity, identity)):
                leaders[leader_of(one)] = leader_of(claim[0])
    circles = Counter(leader_of(member_id) for member_id in set(members.values()))
    return [member_id for member_id in set(members.values()) if circles[leader_of(member_id)] > 1]


def _choose_kept(a: _Person, b: _Person) -> tuple[_Person, _Person]:
    """Who has a user_id is kept, else who was there before the batch, else the older id."""
    first, second = sorted((a, b), key=lambda person: (not person.has_user_id, person.is_new, person.member_id))
    if first.is_new and not second.is_new:
        # Nobody has seen the new one yet: it dissolves into the other instead of leaving a merge behind.
        return second, first
    return first, second


async def _write(tx: WriteTransaction, joining: _Joining, now: datetime) -> None:
    brand_id = joining.brand.brand_id
    members = [person.member_id for person in joining.new_people if person.joined_to is None]
    if members:
        first_no = await store.take_member_numbers(tx, brand_id, len(members))
        await store.insert_members(tx, brand_id, members, first_no, now)
    if joining.new_identities:
        owners = [(holder.origin_id, _written_owner(holder.person)) for _, holder in joining.new_identities]
        await store.insert_origins(tx, brand_id, owners)
        stored = [(to_stored(identity, joining.brand), holder.origin_id) for identity, holder in joining.new_identities]
        await store.insert_identities(tx, brand_id, stored, verified=False, now=now)
    await merge_members(tx, joining.brand, joining.merges, cause="joined", now=now)
    if joining.conflicts:
        await _write_conflicts(tx, joining, now)


def _written_owner(person: _Person) -> MemberId:
    """The nearest member that has a row when origins are written: merges of old members come after."""
    while person.is_new and person.joined_to is not None:
        person = person.joined_to
    return person.member_id


async def _write_conflicts(tx: WriteTransaction, joining: _Joining, now: datetime) -> None:
    rows = [
        (
            identity.kind,
            lookup_of(identity, joining.brand.vault),
            joining.people[holder].root().member_id,
            joining.people[claimant].root().member_id,
            reason,
        )
        for identity, holder, claimant, reason in joining.conflicts
    ]
    apart = [row for row in rows if row[2] != row[3]]
    if apart:
        await store.insert_conflicts(tx, joining.brand.brand_id, apart, now)
