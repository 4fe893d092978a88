"""What programmes remember of members: their events as they came, and what conditions could ask of them then."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import msgspec

from regulars.conditions.closures import ItemFacts, MemberFacts
from regulars.events.happened import read_event
from regulars.events.service.items import load_item_facts
from regulars.events.vocabulary import LINES_KEYS
from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.dates import local_day
from regulars.loyalty.folding import Mark
from regulars.loyalty.service.editions import Programmes
from regulars.loyalty.store import driving as store
from regulars.members.service.reading import list_families
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand


class Remembered(NamedTuple):
    """A member in force, it and who was merged into it, the brand's day on which it joined, events in the order they came."""

    member_id: MemberId
    family: list[MemberId]
    joined_on: date
    marks: list[Mark]


async def remember(
    tx: ReadTransaction, brand: Brand, programmes: Programmes, member_ids: Sequence[MemberId]
) -> list[Remembered]:
    """Members in force, by id."""
    joined = {MemberId(row[0]): row[1] for row in await store.list_joined(tx, brand.brand_id, member_ids)}
    marks: dict[MemberId, list[Mark]] = {member_id: [] for member_id in joined}
    for member_id, seq, name, occurred_at, properties, member in await store.list_marks(
        tx, brand.brand_id, list(joined)
    ):
        facts = read_event(name, read_properties(properties, with_lines=programmes.asks_lines), occurred_at)
        marks[member_id].append(Mark(seq, facts, _read_member(member_id, member)))
    if programmes.asks_items:
        items = await load_item_facts(tx, brand, _list_item_ids(mark.facts for own in marks.values() for mark in own))
        marks = {member_id: [_with_items(mark, items) for mark in own] for member_id, own in marks.items()}
    families = await list_families(tx, brand.brand_id, list(joined))
    return [
        Remembered(member_id, families[member_id], local_day(joined[member_id], brand.time_zone), marks[member_id])
        for member_id in sorted(joined)
    ]


def read_properties(text: str, *, with_lines: bool) -> dict[str, Any]:
    """Without an order's lines where nobody asks of them: they are most of its text."""
    properties: dict[str, Any] = msgspec.json.decode(text)
    if not with_lines:
        for key in LINES_KEYS:
            properties.pop(key, None)
    return properties


async def show_members(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> dict[MemberId, str]:
    """What conditions may ask of members, as JSON that a mark keeps."""
    return {
        MemberId(row[0]): msgspec.json.encode(row[1:]).decode()
        for row in await store.list_member_facts(tx, brand_id, member_ids)
    }


async def load_members(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> dict[MemberId, MemberFacts]:
    """What conditions may ask of members, as it is now."""
    rows = await store.list_member_facts(tx, brand_id, member_ids)
    return {MemberId(row[0]): _read_member(MemberId(row[0]), row[1:]) for row in rows}


def _read_member(member_id: MemberId, kept: Sequence[Any] | None) -> MemberFacts:
    if kept is None:
        return MemberFacts(member_id)
    traits, tags, consents, kinds, sealed = kept
    return MemberFacts(
        member_id,
        traits,
        sealed,
        {tag: (weight, datetime.fromisoformat(until) if until else None) for tag, (weight, until) in tags.items()},
        {(channel, purpose): granted for channel, purpose, granted in consents},
        frozenset(kinds),
    )


def _list_item_ids(events: Any) -> list[str]:
    found = {line.item_id for facts in events for line in facts.lines} | {facts.item_id for facts in events}
    return sorted(one for one in found if one)


def _with_items(mark: Mark, items: Mapping[str, ItemFacts]) -> Mark:
    return mark._replace(facts=mark.facts._replace(items=items))
