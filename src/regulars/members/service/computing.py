"""What is computed of members: traits and weighted tags that the server writes itself, many members at a time.

A tag that somebody set is never touched, nor replaced by a computed one of its name. Where members were merged the words
are those of the member in force; after an unmerge whoever computes says them anew of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog

from regulars.kernel.ids import MemberId
from regulars.members.service.joining import lock_brand
from regulars.members.service.setting_traits import declare_trait, load_trait_types, to_trait_instant
from regulars.members.service.states import LockedMember, lock_members, write_members
from regulars.members.state import State, Tag
from regulars.members.store import merges, people, traits
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

SOURCE: Final = "auto"
EXPIRY_SLACK: Final = timedelta(days=1)
"""Within it two instants of expiry say the same: they are computed from rounded numbers."""

log = structlog.get_logger("members")

Number = int | float


@dataclass(frozen=True, slots=True)
class AutoTag:
    """A computed tag."""

    weight: float
    evidence: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Computed:
    """All that is computed of a member: a trait that is absent, or a tag, is taken away where it was."""

    traits: Mapping[str, Number] = field(default_factory=dict[str, Number])
    tags: Mapping[str, AutoTag] = field(default_factory=dict[str, AutoTag])


async def ensure_number_traits(tx: WriteTransaction, brand: Brand, names: Sequence[str], *, now: datetime) -> list[str]:
    """Declare them as numbers; answers those that are. One that the brand uses for something else stays the brand's.

    Locks: the brand's lock, where any is to be declared.
    """
    known = await load_trait_types(tx, brand)
    if any(name not in known or not known[name].declared for name in names):
        await lock_brand(tx, brand)
        known = await load_trait_types(tx, brand)
        for name in names:
            if name not in known or (known[name].type == "number" and not known[name].declared):
                await declare_trait(tx, brand, name, type_name="number", personal=False, now=now)
        known = await load_trait_types(tx, brand)
    usable = [name for name in names if known[name].type == "number" and not known[name].personal]
    if len(usable) < len(names):
        log.warning("computed traits that the brand uses otherwise", traits=sorted(set(names) - set(usable)))
    return usable


async def list_changed(
    tx: ReadTransaction, brand: Brand, wanted: Mapping[MemberId, Computed], names: Sequence[str]
) -> list[MemberId]:
    """Members of whom something else is said now than is wanted; `names` are the computed traits."""
    ids = list(wanted)
    tags: dict[MemberId, dict[str, Tag]] = {member_id: {} for member_id in ids}
    for member_id, name, weight, evidence, source, expires_at, set_at in await traits.list_tags(
        tx, brand.brand_id, ids
    ):
        tags[member_id][name] = Tag(weight, evidence, source, expires_at, set_at)
    shown = await traits.list_plain_traits(tx, brand.brand_id, ids, names)
    return [
        member_id
        for member_id, values in shown
        if _list_traits(values, wanted[member_id], names) or _list_tags(tags[member_id], wanted[member_id])
    ]


async def set_computed(
    tx: WriteTransaction, brand: Brand, wanted: Mapping[MemberId, Computed], names: Sequence[str], *, now: datetime
) -> int:
    """Say what is wanted of members in force, and nothing where that is said already; how many changed.

    Locks: the brand's lock; members' rows in id order.
    """
    await lock_brand(tx, brand)
    members = await lock_members(tx, brand.brand_id, list(wanted))
    active = [member for member in members.values() if member.row_state == "active"]
    before = {member.member_id: member.shown.copy() for member in active}
    changed = [member for member in active if _say(member, wanted[member.member_id], names, now)]
    await write_members(tx, brand, before, changed)
    return len(changed)


def _say(member: LockedMember, wanted: Computed, names: Sequence[str], now: datetime) -> bool:
    fresh = _list_traits(member.shown.traits, wanted, names)
    tags = _list_tags({name: tag for name, tag in member.shown.tags.items() if tag is not None}, wanted)
    for state in member.each():
        for name, value in fresh.items():
            state.set_trait(name, value, to_trait_instant(now))
        for name, tag in tags.items():
            _set_tag(state, name, tag, now)
    return bool(fresh or tags)


def _set_tag(state: State, name: str, tag: AutoTag | None, now: datetime) -> None:
    if tag is None:
        state.remove_tag(name, now)
    else:
        state.set_tag(name, Tag(tag.weight, tag.evidence, SOURCE, tag.expires_at, now))


def _list_traits(shown: Mapping[str, object], wanted: Computed, names: Sequence[str]) -> dict[str, Number | None]:
    return {name: wanted.traits.get(name) for name in names if shown.get(name) != wanted.traits.get(name)}


def _list_tags(shown: Mapping[str, Tag], wanted: Computed) -> dict[str, AutoTag | None]:
    """What to set, and as None what to take away."""
    gone = [name for name, tag in shown.items() if tag.source == SOURCE and name not in wanted.tags]
    fresh = {name: tag for name, tag in wanted.tags.items() if not _says(shown.get(name), tag)}
    return dict.fromkeys(gone) | fresh


def _says(shown: Tag | None, wanted: AutoTag) -> bool:
    """Whether the tag stands so already, or somebody set one of that name."""
    if shown is None:
        return False
    if shown.source != SOURCE:
        return True
    expires_alike = shown.expires_at is not None and abs(shown.expires_at - wanted.expires_at) <= EXPIRY_SLACK
    return (shown.weight, shown.evidence) == (wanted.weight, wanted.evidence) and expires_alike


async def list_rejoined(tx: ReadTransaction, brand: Brand, *, since: datetime) -> list[MemberId]:
    """Members in force whose merges were made or undone since."""
    touched = await merges.list_rejoined(tx, brand.brand_id, since)
    return sorted({row[1] for row in await people.find_members(tx, brand.brand_id, touched)})
