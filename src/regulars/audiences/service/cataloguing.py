"""Which properties and attributes a brand's events and items have, as far as a condition asks of them.

Moved events are known from the history's notes, fresh ones are looked at only where a name is not found there: what was
answered 200 is never called unknown.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from regulars.audiences import store
from regulars.conditions.catalogue import ProgrammeNames
from regulars.conditions.tree import (
    LINE_FIELDS,
    LOCAL_DAY,
    TYPED_FIELDS,
    Did,
    EventFilter,
    Leaf,
    Node,
    Percentile,
    Sequence,
    list_leaves,
)
from regulars.events.vocabulary import names_of
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

FRESH_PROPERTIES_MAX: Final = 20_000
"""Where fresh events have more, no name is refused."""
_ITEM_COLUMNS: Final = ("name", "category", "price")


async def list_event_properties(tx: ReadTransaction, brand: Brand, tree: Node) -> dict[str, frozenset[str]]:
    """By event those that its events have; an event of which nothing, or too much, is known is left out."""
    asked = {event: properties for event, properties in list_asked(tree).items() if properties}
    if not asked:
        return {}
    moved = await store.list_properties(tx, brand.brand_id, _names_of(asked))
    countless = {name for name, properties in moved if properties is None}
    known = {name: set[str](properties) for name, properties in moved if properties is not None}
    asked = {event: properties for event, properties in asked.items() if countless.isdisjoint(names_of(event))}
    if pairs := _list_missing(asked, known):
        for name, property_name in await store.list_fresh_among(tx, brand.brand_id, pairs):
            known.setdefault(name, set()).add(property_name)
    if pairs := _list_missing(asked, known):
        # Some are to be refused: with what there is, that one of it can be suggested.
        names = sorted({name for name, _ in pairs})
        fresh = await store.list_fresh_properties(tx, brand.brand_id, names, limit=FRESH_PROPERTIES_MAX)
        if len(fresh) == FRESH_PROPERTIES_MAX:
            return {}
        for name, property_name in fresh:
            known.setdefault(name, set()).update([] if property_name is None else [property_name])
    gathered = {event: _gather(event, known) for event in asked}
    return {event: properties for event, properties in gathered.items() if properties is not None}


def _list_missing(asked: Mapping[str, set[str]], known: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """(name as it may have been sent, property) of those asked that no name of their event is known to have."""
    return [
        (name, property_name)
        for event, properties in asked.items()
        for property_name in sorted(properties - (_gather(event, known) or set()))
        for name in names_of(event)
    ]


def _names_of(events: Iterable[str]) -> list[str]:
    return sorted({name for event in events for name in names_of(event)})


def _gather(event: str, known: Mapping[str, set[str]]) -> frozenset[str] | None:
    """Properties under all names of the event; None where no event came under any."""
    found = [known[name] for name in names_of(event) if name in known]
    return frozenset[str]().union(*found) if found else None


async def find_item_attributes(tx: ReadTransaction, brand: Brand, tree: Node) -> frozenset[str] | None:
    """Those that the brand's items have; None where nothing is asked of items that is not, or where there are none."""
    asked = {one.name for what in _list_filters(tree) for one in what.item} - set(_ITEM_COLUMNS)
    if not asked or not await store.has_items(tx, brand.brand_id):
        return None
    found = await store.list_attributes_among(tx, brand.brand_id, sorted(asked))
    if len(found) < len(asked):
        found = await store.list_item_attributes(tx, brand.brand_id)
    return frozenset((*found, *_ITEM_COLUMNS))


async def get_programme_names(tx: ReadTransaction, brand: Brand) -> ProgrammeNames:
    """What the brand's programmes name."""
    found: dict[str, set[str]] = {}
    for kind, name in await store.list_programme_names(tx, brand.brand_id):
        found.setdefault(kind, set()).add(name)
    return ProgrammeNames(**{kind: frozenset(names) for kind, names in found.items()})


def _list_filters(tree: Node) -> list[EventFilter]:
    return [what for leaf in list_leaves(tree) for what in _filters_of(leaf)]


def _filters_of(leaf: Leaf) -> list[EventFilter]:
    match leaf:
        case Did() | Percentile():
            return [leaf.what]
        case Sequence():
            return [step.what for step in leaf.steps]
        case _:
            return []


def list_asked(tree: Node) -> dict[str, set[str]]:
    """By event the properties asked of it that have no column."""
    asked: dict[str, set[str]] = {}
    for leaf in list_leaves(tree):
        for what in _filters_of(leaf):
            names = {*(one.name for one in what.where), *_measured_by(leaf)}
            asked.setdefault(what.event, set()).update(names - {*TYPED_FIELDS, *LINE_FIELDS, LOCAL_DAY})
    return asked


def _measured_by(leaf: Leaf) -> Iterable[str]:
    match leaf:
        case Did():
            return [one.of for one in leaf.aggregates if one.of is not None]
        case Percentile(of=str() as of) | Sequence(by=str() as of):
            return [of]
        case _:
            return []
