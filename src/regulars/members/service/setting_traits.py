"""Traits arrive: each value typed, sealed where personal, and kept if it is the latest word.

A value of the wrong declared type is reported and left out; the others land. Values of undeclared traits always land,
and the inferred type widens. More traits than a call may set, and new names that a brand has no room for, are reported
and left out too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from regulars.kernel.errors import DomainError
from regulars.kernel.ids import MemberId, OriginId
from regulars.members.errors import TraitTooMany
from regulars.members.service.states import LockedMember, lock_members, write_members
from regulars.members.state import Sealed
from regulars.members.store import traits as store
from regulars.members.traits import (
    NAME_CHARACTERS_MAX,
    PERSONAL_BY_DEFAULT,
    TraitType,
    check_trait_name,
    check_trait_type,
    coerce_value,
    infer_type,
    widen_type,
)
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_MICROSECONDS = 60_000_000
RESEAL_MEMBERS_MAX = 1_000
TRAITS_PER_CALL_MAX = 500
TRAITS_PER_BRAND_MAX = 5_000


@dataclass(frozen=True, slots=True)
class TraitUpdate:
    """Traits of the member behind an origin, as said at `at`; None removes a trait."""

    origin_id: OriginId
    traits: Mapping[str, object]
    at: datetime


@dataclass(frozen=True, slots=True)
class TraitProblem:
    """A value that did not land: the update's place in the list and why."""

    index: int
    error: DomainError


@dataclass(frozen=True, slots=True)
class TraitsSet:
    """What became of updates: those that said anything new, by their places, and what did not land."""

    changed: set[int]
    problems: list[TraitProblem]


class _Types:
    """The brand's trait types while updates are applied: what changes is written back once."""

    def __init__(self, known: dict[str, TraitType]) -> None:
        self.known = known
        self.changed: dict[str, TraitType] = {}

    def check_room(self, trait: str) -> None:
        """Whether the brand knows the name or may have it. Raises: TraitNameInvalid, TraitTooMany."""
        if trait not in self.known:
            check_trait_name(trait)
            if len(self.known) >= TRAITS_PER_BRAND_MAX:
                raise TraitTooMany(f"a brand has at most {TRAITS_PER_BRAND_MAX:,} names of traits", path=trait)

    def see(self, trait: str, value: object) -> TraitType:
        """The trait's type, this value considered. Raises: TraitNameInvalid, TraitTooMany."""
        self.check_room(trait)
        known = self.known.get(trait)
        if known is not None and (known.declared or known.type == "mixed"):
            return known
        seen = infer_type(value)
        if known is None:
            fresh = TraitType(seen, declared=False, personal=trait in PERSONAL_BY_DEFAULT)
        else:
            fresh = known._replace(type=widen_type(known.type, seen))
        if fresh != known:
            self.known[trait] = self.changed[trait] = fresh
        return fresh


@dataclass(slots=True)
class _Arrivals:
    """Minutes in which values of each trait arrived, as far as they lie outside those known."""

    known: Mapping[str, tuple[int, int]]
    minutes: dict[str, set[int]] = field(default_factory=dict[str, set[int]])

    def see(self, trait: str, at: int) -> None:
        """Units: `at` in µs since 1970."""
        minute = at // _MINUTE_MICROSECONDS
        span = self.known.get(trait)
        if span is None or minute < span[0] or minute > span[1]:
            self.minutes.setdefault(trait, set()).add(minute)

    def list_new(self) -> list[tuple[str, int, datetime, datetime]]:
        """trait, how many, first and last."""
        return [
            (trait, len(minutes), _from_minute(min(minutes)), _from_minute(max(minutes)))
            for trait, minutes in sorted(self.minutes.items())
        ]


def _to_minute(at: datetime) -> int:
    return to_trait_instant(at) // _MINUTE_MICROSECONDS


def _from_minute(minute: int) -> datetime:
    return _EPOCH + timedelta(minutes=minute)


async def set_traits(tx: WriteTransaction, brand: Brand, updates: Sequence[TraitUpdate], *, now: datetime) -> TraitsSet:
    """Apply updates in order.

    Locks: the caller holds the brand's lock; members' rows in id order.
    """
    if not updates:
        return TraitsSet(set(), [])
    owners = dict(
        await store.lock_members_of_origins(tx, brand.brand_id, list({update.origin_id for update in updates}))
    )
    members = await lock_members(tx, brand.brand_id, list(set(owners.values())))
    before = {member_id: member.shown.copy() for member_id, member in members.items()}
    rows = await store.list_trait_types(tx, brand.brand_id)
    types = _Types({row[0]: TraitType(*row[1:4]) for row in rows})
    arrivals = _Arrivals({row[0]: (_to_minute(row[4]), _to_minute(row[5])) for row in rows if row[4] and row[5]})
    result = TraitsSet(set(), [])
    for index, update in enumerate(updates):
        member_id = owners.get(update.origin_id)
        if member_id is not None:
            _apply(brand, members[member_id], types, arrivals, index, update, result)
    changed = [member for member_id, member in members.items() if member.shown != before[member_id]]
    await write_members(tx, brand, before, changed)
    if types.changed:
        await store.upsert_trait_types(tx, brand.brand_id, types.changed, now)
    if arrivals.minutes:
        await store.add_arrivals(tx, brand.brand_id, arrivals.list_new())
    return result


def _apply(
    brand: Brand,
    member: LockedMember,
    types: _Types,
    arrivals: _Arrivals,
    index: int,
    update: TraitUpdate,
    result: TraitsSet,
) -> None:
    at = to_trait_instant(update.at)
    excess = list(islice(update.traits, TRAITS_PER_CALL_MAX, None))
    for trait, value in islice(update.traits.items(), TRAITS_PER_CALL_MAX):
        try:
            word = _word(brand, types, trait, value)
        except TraitTooMany:
            excess.append(trait)
            continue
        except DomainError as error:
            result.problems.append(TraitProblem(index, error))
            continue
        if word is not None:
            arrivals.see(trait, at)
        shown = member.shown.find_word(trait)
        for state in member.each():
            state.set_trait(trait, word, at)
        if not _same(shown, member.shown.find_word(trait)):
            result.changed.add(index)
    if excess:
        result.problems.append(TraitProblem(index, _too_many(excess)))


def to_trait_instant(at: datetime) -> int:
    """µs since 1970, as a state keeps when a trait was said."""
    return (at - _EPOCH) // _MICROSECOND


def _too_many(excess: Sequence[str]) -> TraitTooMany:
    return TraitTooMany(
        f"a call sets at most {TRAITS_PER_CALL_MAX} traits and a brand has at most {TRAITS_PER_BRAND_MAX:,} names of"
        f" traits; {len(excess)} of this call did not land",
        path=excess[0][:NAME_CHARACTERS_MAX],
    )


def _same(before: object, after: object) -> bool:
    """Whether two words say the same: a sealed value is another text each time it is sealed."""
    if isinstance(before, Sealed) and isinstance(after, Sealed):
        return before.lookup == after.lookup
    return before == after


def _word(brand: Brand, types: _Types, trait: str, value: object) -> object:
    """What the state keeps: None for a removal, a sealed value, or the value itself."""
    if value is None:
        types.check_room(trait)
        return None
    known = types.see(trait, value)
    if known.declared:
        value = coerce_value(trait, value, known.type)
    return seal_trait(brand, trait, value) if known.personal else value


def seal_trait(brand: Brand, trait: str, value: object) -> Sealed:
    """A personal trait's value as it is kept."""
    text = msgspec.json.encode(value).decode()
    return Sealed(digest_trait(brand, trait, value), brand.vault.seal(text, f"trait {trait}"))


def digest_trait(brand: Brand, trait: str, value: object) -> str:
    """By which a personal trait's value is found."""
    return brand.vault.digest(f"trait {trait}", msgspec.json.encode(value).decode())


def unseal_trait(brand: Brand, trait: str, sealed: bytes) -> object:
    """The value again."""
    return msgspec.json.decode(brand.vault.unseal(sealed, f"trait {trait}"))


async def load_trait_types(tx: ReadTransaction, brand: Brand) -> dict[str, TraitType]:
    """All trait names the brand has seen or declared."""
    return {row[0]: TraitType(*row[1:4]) for row in await store.list_trait_types(tx, brand.brand_id)}


async def declare_trait(
    tx: WriteTransaction, brand: Brand, trait: str, *, type_name: str, personal: bool, now: datetime
) -> None:
    """Fix a trait's type, and whether it is sealed; values that are there are converted, and sealed or opened, at once.

    Locks: the caller holds the brand's lock.
    Raises: TraitNameInvalid, TraitTooMany, TraitTypeInvalid, TraitWrongType where an existing value is not of the type.
    """
    _Types(await load_trait_types(tx, brand)).check_room(trait)
    check_trait_type(type_name)
    declared = TraitType(type_name, declared=True, personal=personal)
    await store.upsert_trait_types(tx, brand.brand_id, {trait: declared}, now)
    after = MemberId(0)
    while page := await store.list_members_with_trait(tx, brand.brand_id, trait, after=after, limit=RESEAL_MEMBERS_MAX):
        await _convert(tx, brand, trait, declared, page)
        after = page[-1]


async def _convert(
    tx: WriteTransaction, brand: Brand, trait: str, declared: TraitType, page: Sequence[MemberId]
) -> None:
    members = await lock_members(tx, brand.brand_id, page)
    before = {member_id: member.shown.copy() for member_id, member in members.items()}
    for member in members.values():
        for state in member.each():
            shown = state.find_word(trait)
            if shown is not None:
                plain = unseal_trait(brand, trait, shown.value) if isinstance(shown, Sealed) else shown
                value = coerce_value(trait, plain, declared.type)
                word = seal_trait(brand, trait, value) if declared.personal else value
                state.set_trait(trait, word, state.set_at[trait])
    await write_members(tx, brand, before, list(members.values()))
