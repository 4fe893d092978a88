"""Whether a condition can be asked of a brand: its names are known, and its tests fit what they test.

An unknown name is an error with its place and the name that was probably meant, never an empty set. What can be asked
but hardly is meant is a warning.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from regulars.conditions.catalogue import Catalogue, ProgrammeNames, TraitFacts, TraitType
from regulars.conditions.doubts import Doubt, list_doubts
from regulars.conditions.errors import (
    CircularAudience,
    ConditionError,
    PersonalTrait,
    UnknownAsset,
    UnknownAudience,
    UnknownBadge,
    UnknownEvent,
    UnknownIdentityKind,
    UnknownMission,
    UnknownPool,
    UnknownProperty,
    UnknownTag,
    UnknownTier,
    UnknownTrait,
    WrongType,
)
from regulars.conditions.parse import Written, parse_written
from regulars.conditions.places import Place, escape_segment, get_place, suggest_name
from regulars.conditions.tree import (
    LINE_FIELDS,
    LOCAL_DAY,
    TYPED_FIELDS,
    Badge,
    Did,
    EventFilter,
    Exists,
    Filter,
    HasIdentity,
    Held,
    InTime,
    Leaf,
    ListHas,
    MemberOf,
    Mission,
    Node,
    NoneOf,
    OneOf,
    Percentile,
    Points,
    Range,
    Scalar,
    Sequence,
    Tag,
    TextMatch,
    Tier,
    Trait,
    ValueTest,
    Voucher,
    list_leaves,
)
from regulars.conditions.values import TEST_KEYS
from regulars.conditions.write import write_tree

_PROPERTY_TYPES: Final[dict[str, TraitType]] = {
    "revenue": "number",
    "quantity": "number",
    "order_id": "text",
    "item_id": "text",
    "category": "text",
}
_SAID: Final = {
    Range: "a range",
    TextMatch: "a test of text",
    ListHas: "a test of a list",
    InTime: "a window of time",
}
_FITTING: Final[dict[type[ValueTest], frozenset[TraitType]]] = {
    Range: frozenset({"number", "mixed"}),
    TextMatch: frozenset({"text", "mixed"}),
    ListHas: frozenset({"list", "mixed"}),
    InTime: frozenset({"date", "instant", "mixed"}),
}
_TEXTUAL: Final = frozenset({"text", "date", "instant"})

EVENT_UNSENT: Final = "condition.event_unsent"
PROPERTY_UNSENT: Final = "condition.property_unsent"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all checks of one condition need, and what they doubt."""

    catalogue: Catalogue
    name: str | None
    events_may_come: bool
    doubts: list[Doubt] = field(default_factory=list[Doubt])


def check_tree(
    condition: Node | Written, catalogue: Catalogue, *, name: str | None = None, events_may_come: bool = False
) -> list[Doubt]:
    """Warnings about a condition that can be asked; `name` is the audience that is being saved.

    With `events_may_come`, as in goals, triggers and rules, an event that nobody has sent is a warning.

    Paths lead into what was written; of a tree that was not read, into its canonical JSON. Raises: ConditionError.
    """
    written = condition if isinstance(condition, Written) else parse_written(write_tree(condition))
    asked = _Asked(catalogue, name, events_may_come)
    for leaf, path in zip(list_leaves(written.tree), written.leaf_paths, strict=True):
        _check_leaf(leaf, get_place(written.data, path), asked)
    return [*list_doubts(written), *dict.fromkeys(asked.doubts)]


def _check_leaf(leaf: Leaf, place: Place, asked: _Asked) -> None:
    """Raises: ConditionError."""
    catalogue = asked.catalogue
    match leaf:
        case Trait():
            _check_trait(leaf, place, catalogue)
        case Tag():
            _check_known(UnknownTag, "tag", leaf.name, catalogue.tags, place.deeper("is"))
        case HasIdentity():
            kinds = catalogue.identity_kinds
            # LINE's ids are per provider: `line@NAME` is `line` of another.
            known = kinds | {leaf.kind} if leaf.kind.startswith("line@") else kinds
            _check_known(UnknownIdentityKind, "kind of identity", leaf.kind, known, place)
        case MemberOf():
            _check_audience(leaf.audience, place, asked)
        case Did():
            _check_did(leaf, place, asked)
        case Sequence():
            _check_sequence(leaf, place, asked)
        case Percentile():
            did = place.deeper("of", "did")
            _check_event(leaf.what, did, asked)
            _check_aggregate(leaf.kind, leaf.of, leaf.what.event, did.deeper(leaf.kind, "of"), asked)
        case Points() | Tier() | Badge() | Mission() | Voucher():
            _check_held(leaf, place, catalogue.programmes)
        case _:
            pass


def _check_held(leaf: Held, place: Place, named: ProgrammeNames) -> None:
    """Raises: UnknownAsset, UnknownTier, UnknownBadge, UnknownMission, UnknownPool."""
    match leaf:
        case Points():
            # The place is the test's, which stands under the asset's name.
            _check_known(UnknownAsset, "asset of a programme", leaf.asset, named.assets, place)
        case Tier():
            _check_known(UnknownTier, "tier", leaf.name, named.tiers, place.deeper("at_least"))
        case Badge():
            _check_known(UnknownBadge, "badge", leaf.name, named.badges, place)
        case Mission():
            _check_known(UnknownMission, "mission", leaf.name, named.missions, place.deeper("name"))
        case Voucher():
            _check_known(UnknownPool, "pool of vouchers", leaf.pool, named.pools, place.deeper("pool"))


def _check_known(unknown: type[ConditionError], what: str, name: str, known: Iterable[str], place: Place) -> None:
    """Raises: the given error."""
    if name in (names := frozenset(known)):
        return
    raise unknown(f"no {what} is named {name!r}", path=str(place), suggestion=suggest_name(name, sorted(names)))


def _check_trait(leaf: Trait, place: Place, catalogue: Catalogue) -> None:
    """Raises: UnknownTrait, PersonalTrait, WrongType."""
    named = place
    step = f"/trait/{escape_segment(leaf.name)}"
    if not place.path.endswith(step):
        # Of several tests of one trait each has its place below the name's.
        named = Place(None, place.path.rpartition("/")[0])
    _check_known(UnknownTrait, "trait", leaf.name, catalogue.traits, named)
    facts = catalogue.traits[leaf.name]
    if facts.personal:
        _check_personal(leaf, place)
    _check_test(leaf.test, f"trait {leaf.name!r}", facts, place)


def _check_personal(leaf: Trait, place: Place) -> None:
    """Raises: PersonalTrait."""
    if not isinstance(leaf.test, OneOf | Exists):
        message = f"trait {leaf.name!r} is personal and sealed: only exists and equals can be asked"
        raise PersonalTrait(message, path=str(_test_place(place)), suggestion="exists")


def _check_test(test: ValueTest, what: str, facts: TraitFacts, place: Place) -> None:
    """Raises: WrongType."""
    match test:
        case Exists():
            return
        case OneOf(values) | NoneOf(values):
            for value in values:
                _check_value(value, what, facts.type, _test_place(place))
        case _:
            fitting = _FITTING[type(test)]
            if facts.type not in fitting:
                message = f"{what} is of type {facts.type}; {_SAID[type(test)]} asks for {' or '.join(sorted(fitting - {'mixed'}))}"
                raise WrongType(message, path=str(_test_place(place)))


def _check_value(value: Scalar, what: str, declared: TraitType, place: Place) -> None:
    """Raises: WrongType."""
    fits = {
        "number": not isinstance(value, str | bool),
        "boolean": isinstance(value, bool),
        "text": isinstance(value, str),
        "date": isinstance(value, str),
        "instant": isinstance(value, str),
        "mixed": True,
    }
    if not fits.get(declared, False):
        suggestion = f'"{value}"' if declared in _TEXTUAL and not isinstance(value, bool) else None
        suggestion = "has_any" if declared == "list" else suggestion
        message = f"{what} is of type {declared}; this value never equals one of that type"
        raise WrongType(message, path=str(place), suggestion=suggestion)


def _test_place(place: Place) -> Place:
    """Where the test of a value is written: below the name, if it is an object."""
    key = next((key for key in TEST_KEYS if place.says(key)), None)
    return place if key is None else place.deeper(key)


def _check_did(leaf: Did, place: Place, asked: _Asked) -> None:
    """Raises: ConditionError."""
    _check_event(leaf.what, place, asked)
    for one in leaf.aggregates:
        _check_aggregate(one.kind, one.of, leaf.what.event, _aggregate_place(place, one.kind, one.of), asked)


def _aggregate_place(place: Place, kind: str, of: str | None) -> Place:
    found = place.deeper(kind)
    if isinstance(found.data, list):
        entries = enumerate(_entries(found))
        found = next(
            (found.child(index, entry) for index, entry in entries if Place(entry).deeper("of").data == of), found
        )
    return found.deeper("of")


def _entries(place: Place) -> Iterator[object]:
    return iter(cast("list[object]", place.data) if isinstance(place.data, list | tuple) else ())


def _check_sequence(leaf: Sequence, place: Place, asked: _Asked) -> None:
    """Raises: ConditionError."""
    steps = place.deeper("of")
    for step, (index, written) in zip(leaf.steps, enumerate(_entries(steps)), strict=True):
        _check_event(step.what, steps.child(index, written).deeper("not"), asked)
        if leaf.by is not None:
            _check_property(leaf.by, step.what.event, place.deeper("by"), asked)


def _check_event(what: EventFilter, place: Place, asked: _Asked) -> None:
    """Raises: UnknownEvent, UnknownProperty, WrongType."""
    catalogue = asked.catalogue
    if asked.events_may_come and what.event not in catalogue.events - catalogue.unsent:
        meant = suggest_name(what.event, sorted(catalogue.events - {what.event}))
        hint = f"; did you mean {meant!r}?" if meant else ""
        message = f"nobody has sent an event {what.event!r} yet{hint}"
        asked.doubts.append(Doubt(EVENT_UNSENT, place.deeper("event").path, message))
    else:
        _check_known(UnknownEvent, "event", what.event, catalogue.events, place.deeper("event"))
    for one in what.where:
        found = _filter_place(place.deeper("where"), one)
        _check_property(one.name, what.event, found, asked)
        if one.name in _PROPERTY_TYPES:
            _check_test(one.test, f"property {one.name!r}", TraitFacts(_PROPERTY_TYPES[one.name]), found)
    if catalogue.item_attributes is not None:
        known = catalogue.item_attributes | set(LINE_FIELDS)
        for one in what.item:
            _check_known(
                UnknownProperty, "attribute of items", one.name, known, _filter_place(place.deeper("item"), one)
            )


def _check_property(name: str, event: str, place: Place, asked: _Asked) -> None:
    """Raises: UnknownProperty."""
    known = {*TYPED_FIELDS, *LINE_FIELDS}
    if event in asked.catalogue.properties:
        known |= asked.catalogue.properties[event]
        _check_known(UnknownProperty, f"property of {event!r}", name, known, place)
    elif name not in known and event in asked.catalogue.unsent:
        message = f"nobody has sent an event {event!r} yet, so nobody knows whether it has a property {name!r}"
        asked.doubts.append(Doubt(PROPERTY_UNSENT, place.path, message))


def _filter_place(place: Place, asked: Filter) -> Place:
    for index, entry in enumerate(_entries(place)):
        if Place(entry).says(asked.name):
            return place.child(index, entry).deeper(asked.name)
    return place.deeper(asked.name)


def _check_aggregate(kind: str, of: str | None, event: str, place: Place, asked: _Asked) -> None:
    """Raises: UnknownProperty, WrongType."""
    if of is None or (of == LOCAL_DAY and kind == "distinct"):
        return
    _check_property(of, event, place, asked)
    if kind != "distinct" and _PROPERTY_TYPES.get(of, "number") != "number":
        message = f"property {of!r} is of type {_PROPERTY_TYPES[of]}; {kind} asks for numbers"
        raise WrongType(message, path=str(place), suggestion="distinct")


def _check_audience(audience: str, place: Place, asked: _Asked) -> None:
    """Raises: UnknownAudience, CircularAudience."""
    audiences = asked.catalogue.audiences
    if audience != asked.name:
        _check_known(UnknownAudience, "audience", audience, audiences, place)
    circle = _find_circle(audience, asked)
    if circle is not None:
        raise CircularAudience(f"an audience cannot ask who is in itself: {' → '.join(circle)}", path=str(place))


def _find_circle(audience: str, asked: _Asked) -> list[str] | None:
    """The way from an audience to the one that is being saved, through the newest versions of others."""
    came_from: dict[str, str | None] = {audience: None}
    waiting = [audience]
    while waiting:
        present = waiting.pop()
        if present == asked.name:
            return _trace(present, came_from)
        tree = asked.catalogue.audiences.get(present)
        named = [] if tree is None else [leaf.audience for leaf in list_leaves(tree) if isinstance(leaf, MemberOf)]
        for name in named:
            if name not in came_from:
                came_from[name] = present
                waiting.append(name)
    return None


def _trace(end: str, came_from: dict[str, str | None]) -> list[str]:
    way: list[str] = []
    at: str | None = end
    while at is not None:
        way.append(at)
        at = came_from[at]
    return [end, *reversed(way)]
