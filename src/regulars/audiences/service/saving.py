"""Audiences by name: saved with versions, found, removed. What is saved is what was written; it is read again each time."""

import asyncio
from datetime import datetime
from functools import lru_cache

import msgspec

from regulars.audiences import store
from regulars.audiences.errors import AudienceInUse, AudienceNameInvalid, AudienceUnknown, AudienceVersionUnknown
from regulars.audiences.model import Audience
from regulars.audiences.service.cataloguing import find_item_attributes, get_programme_names, list_event_properties
from regulars.conditions.catalogue import Catalogue, TraitFacts
from regulars.conditions.check import check_tree
from regulars.conditions.doubts import Doubt
from regulars.conditions.parse import Written, parse_written
from regulars.conditions.tree import MemberOf, Node, list_leaves
from regulars.events.vocabulary import GA4_NAMES, canonical_name
from regulars.members.identity import KINDS
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

NAME_CHARACTERS_MAX = 100
AUDIENCES_MAX = 10_000
AUDIENCES_REMEMBERED_MAX = 1_000
CHARACTERS_IN_LOOP_MAX = 4_000
"""A longer condition is read in a thread: the largest take seconds."""


async def save_audience(
    tx: WriteTransaction, brand: Brand, name: str, data: object, *, now: datetime
) -> tuple[Audience, list[Doubt]]:
    """A new version where the condition says something else than the newest; the same version again otherwise.

    Raises: AudienceNameInvalid, ConditionError.
    """
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or "/" in name or "\0" in name or name != name.strip():
        raise AudienceNameInvalid(f"an audience's name has 1–{NAME_CHARACTERS_MAX} characters, no slash", path="name")
    written, doubts = await check_condition(tx, brand, data, name=name)
    version = await store.lock_audience(tx, brand.brand_id, name, now)
    if version:
        newest = await get_audience(tx, brand, name)
        if newest.tree == written.tree:
            return newest, doubts
    text = msgspec.json.encode(data).decode()
    await store.insert_version(tx, brand.brand_id, name, version + 1, text, now)
    await store.set_version(tx, brand.brand_id, name, version + 1, now)
    return Audience(name, version + 1, written, now), doubts


async def check_condition(
    tx: ReadTransaction, brand: Brand, data: object, *, name: str | None = None
) -> tuple[Written, list[Doubt]]:
    """What is written as a tree that the brand can be asked; `name` is the audience it is to be. Raises: ConditionError."""
    # In a thread: reading the largest takes seconds.
    written = await asyncio.to_thread(parse_written, data)
    catalogue = await get_catalogue(tx, brand, written.tree)
    return written, await asyncio.to_thread(check_tree, written, catalogue, name=name)


async def get_audience(tx: ReadTransaction, brand: Brand, name: str, *, version: int | None = None) -> Audience:
    """The newest version, or the one asked for. Raises: AudienceUnknown, AudienceVersionUnknown."""
    row = await store.find_version(tx, brand.brand_id, name, version)
    if row is None:
        if version is not None and await store.find_version(tx, brand.brand_id, name, None):
            raise AudienceVersionUnknown(f"audience {name!r} never had version {version}", path="version")
        raise AudienceUnknown(f"there is no audience {name[:100]!r}")
    return await _read(name, *row)


async def list_audiences(tx: ReadTransaction, brand: Brand, *, after: str = "", limit: int) -> list[Audience]:
    """Newest versions in name order."""
    rows = await store.list_newest(tx, brand.brand_id, after=after, limit=limit)
    return [await _read(*row) for row in rows]


async def delete_audience(tx: WriteTransaction, brand: Brand, name: str) -> None:
    """With all its versions. Raises: AudienceUnknown, AudienceInUse."""
    for other in await list_audiences(tx, brand, limit=AUDIENCES_MAX):
        if any(isinstance(leaf, MemberOf) and leaf.audience == name for leaf in list_leaves(other.tree)):
            raise AudienceInUse(f"audience {other.name!r} is defined by {name!r}", path="name")
    if not await store.delete_audience(tx, brand.brand_id, name):
        raise AudienceUnknown(f"there is no audience {name[:100]!r}")
    await store.delete_versions(tx, brand.brand_id, name)


async def get_catalogue(tx: ReadTransaction, brand: Brand, tree: Node | None = None) -> Catalogue:
    """What the brand's conditions may name; the vocabulary's events too, whether one came yet or not.

    Properties and attributes are those that the tree needs, and are not looked at without one.
    """
    sent = await store.list_event_names(tx, brand.brand_id)
    arrived = frozenset((*sent, *map(canonical_name, sent)))
    audiences = await list_audiences(tx, brand, limit=AUDIENCES_MAX)
    return Catalogue(
        traits={
            trait: TraitFacts(type_name, personal)
            for trait, type_name, personal in await store.list_traits(tx, brand.brand_id)
        },
        tags=frozenset(await store.list_tags(tx, brand.brand_id)),
        events=arrived | frozenset(GA4_NAMES.values()),
        unsent=frozenset(GA4_NAMES.values()) - arrived,
        audiences={audience.name: audience.tree for audience in audiences},
        identity_kinds=frozenset(KINDS),
        properties={} if tree is None else await list_event_properties(tx, brand, tree),
        item_attributes=None if tree is None else await find_item_attributes(tx, brand, tree),
        programmes=await get_programme_names(tx, brand),
    )


async def list_trees(tx: ReadTransaction, brand: Brand, node: Node) -> dict[str, Node]:
    """Every audience that the tree is defined by, through others too. Raises: AudienceUnknown."""
    found: dict[str, Node] = {}
    waiting = [node]
    while waiting:
        for leaf in list_leaves(waiting.pop()):
            if isinstance(leaf, MemberOf) and leaf.audience not in found:
                found[leaf.audience] = (await get_audience(tx, brand, leaf.audience)).tree
                waiting.append(found[leaf.audience])
    return found


async def _read(name: str, version: int, written: str, at: datetime) -> Audience:
    if len(written) > CHARACTERS_IN_LOOP_MAX:
        return Audience(name, version, await asyncio.to_thread(_parse_text, written), at)
    return Audience(name, version, _parse_text(written), at)


@lru_cache(maxsize=AUDIENCES_REMEMBERED_MAX)
def _parse_text(written: str) -> Written:
    return parse_written(msgspec.json.decode(written))
