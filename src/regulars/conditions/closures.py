"""A condition on one event as a Python predicate: for triggers, goals and rules, which ask at the moment of each event.

It means what the lowering means of a member who did this one thing and nothing else: the event's own values, its lines
and their items, and the member's traits, tags, consents, identities and bucket. What else the member did is not looked at,
so a leaf that would ask for it (a window, a count, a sequence, another event) is an error with its place. Every time comes
from one as_of; an event after it has not happened.

`compile_closure` once, `closure.holds(event, member, as_of)` for each event that has one of `closure.names`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from regulars.conditions.closures_values import Predicate, compile_range, compile_test, read_number
from regulars.conditions.errors import Malformed, NotOfOneEvent
from regulars.conditions.lower import Personal, place_of
from regulars.conditions.parse import Written, parse_written
from regulars.conditions.places import Place, get_place
from regulars.conditions.tree import (
    LINE_FIELDS,
    TYPED_FIELDS,
    AllOf,
    AnyOf,
    Badge,
    Bucket,
    Consent,
    Delivered,
    Did,
    EventFilter,
    Filter,
    HasIdentity,
    InTime,
    Leaf,
    MemberOf,
    Mission,
    Node,
    Not,
    OneOf,
    Percentile,
    Points,
    Tag,
    Tier,
    Trait,
    Voucher,
    list_leaves,
)
from regulars.conditions.tree import Sequence as SequenceLeaf
from regulars.conditions.windows import WINDOW_KEYS
from regulars.conditions.write import write_tree

_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})
_ITEM_COLUMNS: Final = ("name", "category", "price")
PLACES: Final = 2**64


class LineFacts(NamedTuple):
    """One line of an event, as the history's `lines` have it."""

    item_id: str | None = None
    category: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None


class ItemFacts(NamedTuple):
    """An item of the brand's catalogue."""

    name: str | None = None
    category: str | None = None
    price: Decimal | None = None
    attributes: Mapping[str, Any] = _NOTHING


class EventFacts(NamedTuple):
    """One event: the name it came under, its properties as decoded JSON, and what the history keeps in columns.

    `items`: by id those of its lines, or its own, that the brand has; needed only where the closure `asks_items`.
    """

    name: str
    occurred_at: datetime
    properties: Mapping[str, Any] = _NOTHING
    revenue: Decimal | None = None
    order_id: str | None = None
    item_id: str | None = None
    category: str | None = None
    quantity: Decimal | None = None
    lines: Sequence[LineFacts] = ()
    items: Mapping[str, ItemFacts] = _NOTHING


class MemberFacts(NamedTuple):
    """Whose event it is. `sealed`: the digests of personal traits; tags: weight and expiry."""

    member_id: int = 0
    traits: Mapping[str, Any] = _NOTHING
    sealed: Mapping[str, str] = _NOTHING
    tags: Mapping[str, tuple[float, datetime | None]] = _NOTHING
    consents: Mapping[tuple[str, str], bool] = _NOTHING
    identity_kinds: frozenset[str] = frozenset()


Holds = Callable[[EventFacts, MemberFacts, datetime], bool]
_OfEvent = Callable[[EventFacts, datetime], bool]


@dataclass(frozen=True, slots=True)
class Closure:
    """A compiled condition: the event it speaks of, the names under which that comes, and what must be at hand."""

    event: str
    names: frozenset[str]
    asks_member: bool
    asks_items: bool
    holds: Holds


NOBODY_PERSONAL: Final = Personal(frozenset(), lambda trait, value: "")


def compile_closure(
    condition: Node | Written,
    zone: ZoneInfo,
    names_of: Callable[[str], Sequence[str]] = lambda event: (event,),
    personal: Personal = NOBODY_PERSONAL,
) -> Closure:
    """The condition as a predicate of one event and its member. `names_of`: all names that are read as an event's.

    Names are not looked up: `check_tree` does that. Raises: NotOfOneEvent, Malformed.
    """
    written = condition if isinstance(condition, Written) else parse_written(write_tree(condition))
    event = check_one_event(written)
    leaves = list_leaves(written.tree)
    compiler = ClosureParts(zone, frozenset(names_of(event)), personal)
    return Closure(
        event,
        compiler.names,
        asks_member=any(not isinstance(leaf, Did) for leaf in leaves),
        asks_items=any(isinstance(leaf, Did) and leaf.what.item for leaf in leaves),
        holds=compiler.compile(written.tree),
    )


# --- what can be asked of one event ------------------------------------------------------------------------------------


def check_one_event(written: Written) -> str:
    """The event that the condition speaks of. Raises: NotOfOneEvent, Malformed where it speaks of none."""
    event: str | None = None
    for leaf, path in zip(list_leaves(written.tree), written.leaf_paths, strict=True):
        place = get_place(written.data, path)
        _check_leaf(leaf, place)
        if isinstance(leaf, Did):
            if event is not None and leaf.what.event != event:
                message = (
                    f"this is asked when {event!r} happens; whether {leaf.what.event!r} ever did is not seen there"
                )
                raise NotOfOneEvent(message, path=str(place.deeper("event")), suggestion=event)
            event = leaf.what.event
    if event is None:
        raise Malformed("no part of this says which event it is asked of", path="/", suggestion="did")
    return event


def _check_leaf(leaf: Leaf, place: Place) -> None:
    """Raises: NotOfOneEvent."""
    match leaf:
        case Did():
            _check_did(leaf, place)
        case Points() | Tier() | Badge() | Mission() | Voucher():
            said = "what a member has by programmes is not part of an event; here one event and its member are asked"
            raise NotOfOneEvent(said, path=str(place))
        case SequenceLeaf() | Percentile() | Delivered() | MemberOf():
            said = {
                SequenceLeaf: "a sequence is of several events",
                Percentile: "a rank compares all members over their history",
                Delivered: "messages are not part of an event",
                MemberOf: "who is in an audience depends on more than this event",
            }[type(leaf)]
            raise NotOfOneEvent(f"{said}; here one event and its member are asked", path=str(place))
        case _:
            pass


def _check_did(leaf: Did, place: Place) -> None:
    """Raises: NotOfOneEvent."""
    if leaf.within is not None:
        key = next(key for key in WINDOW_KEYS if place.says(key))
        message = f"{key!r} looks back over a member's history; this is asked at the moment of the event itself"
        raise NotOfOneEvent(message, path=str(place.deeper(key)))
    if leaf.aggregates:
        kind = leaf.aggregates[0].kind
        message = f"{kind!r} is a number over many events; of one ask for its properties in `where`"
        raise NotOfOneEvent(message, path=str(place.deeper(kind)), suggestion="where")
    if leaf.edges:
        which = leaf.edges[0].which
        message = f"whether an event is a member's {which} depends on all the others; here one event is asked"
        raise NotOfOneEvent(message, path=str(place.deeper(which)))


# --- from tree to predicate --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClosureParts:
    """Parts of conditions as predicates of one event that comes under one of `names`."""

    zone: ZoneInfo
    names: frozenset[str]
    personal: Personal

    def compile(self, node: Node) -> Holds:
        """A tree whose leaves are of the event or of the member."""
        match node:
            case AllOf(parts):
                return _all_of([self.compile(part) for part in parts])
            case AnyOf(parts):
                return _any_of([self.compile(part) for part in parts])
            case Not(part):
                inner = self.compile(part)
                return lambda event, member, as_of: not inner(event, member, as_of)
            case Did(what):
                return self._did(what)
            case _:
                return self._of_member(node)

    def _of_member(self, leaf: Leaf) -> Holds:
        match leaf:
            case Trait():
                return self._trait(leaf)
            case Tag():
                return _tag(leaf)
            case Consent(channel, purpose, granted):
                key = (channel, purpose)
                return lambda event, member, as_of: member.consents.get(key) is granted
            case HasIdentity(kind):
                return lambda event, member, as_of: kind in member.identity_kinds
            case Bucket():
                return _bucket(leaf)
            case _:
                raise AssertionError(f"{leaf} was refused")

    def _trait(self, leaf: Trait) -> Holds:
        name = leaf.name
        if name not in self.personal.traits:
            test = compile_test(leaf.test, self.zone)
            return lambda event, member, as_of: test(member.traits.get(name), as_of)
        if isinstance(leaf.test, OneOf):
            digests = frozenset(self.personal.digest(name, value) for value in leaf.test.values)
            return lambda event, member, as_of: member.sealed.get(name) in digests
        return lambda event, member, as_of: name in member.sealed

    def _did(self, what: EventFilter) -> Holds:
        names = self.names
        parts = [self._on_event(one) for one in what.where if one.name not in LINE_FIELDS]
        if what.item or len(parts) < len(what.where):
            parts.append(self._on_lines(what))
        matches = _all_of_event(parts)

        def holds(event: EventFacts, member: MemberFacts, as_of: datetime) -> bool:
            return event.name in names and event.occurred_at <= as_of and matches(event, as_of)

        return holds

    def _on_event(self, asked: Filter) -> _OfEvent:
        if asked.name in TYPED_FIELDS:
            column, test = attrgetter(asked.name), self._column_test(asked)
            return lambda event, as_of: test(column(event), as_of)
        name, test = asked.name, compile_test(asked.test, self.zone)
        return lambda event, as_of: test(event.properties.get(name), as_of)

    def _column_test(self, asked: Filter) -> Predicate:
        """A column is a text or a number, never an instant."""
        return _never if isinstance(asked.test, InTime) else compile_test(asked.test, self.zone)

    def _on_lines(self, what: EventFilter) -> _OfEvent:
        """One line of the event meets all that is said of lines; without lines the event is its own only line."""
        on_lines = [one for one in what.where if one.name in LINE_FIELDS]
        tests = [(attrgetter(one.name), self._column_test(one)) for one in on_lines]
        own_tests = [self._on_event(one) for one in on_lines]  # an event's price is a property of any type
        item = self._item(what.item) if what.item else None

        def some_line(event: EventFacts, as_of: datetime) -> bool:
            for line in event.lines:
                for read, test in tests:
                    if not test(read(line), as_of):
                        break
                else:
                    if item is None or item(event, line.item_id, as_of):
                        return True
            if event.lines:
                return False
            return all(test(event, as_of) for test in own_tests) and (item is None or item(event, event.item_id, as_of))

        return some_line

    def list_lines(self, what: EventFilter) -> Callable[[EventFacts, datetime], list[LineFacts]]:
        """The lines of an event that meet all that is said of lines; without lines the event is its own only line."""
        on_lines = [(attrgetter(one.name), self._column_test(one)) for one in what.where if one.name in LINE_FIELDS]
        item = self._item(what.item) if what.item else None
        some_line = self._on_lines(what)

        def fitting(event: EventFacts, as_of: datetime) -> list[LineFacts]:
            if not event.lines:
                price = read_number(event.properties.get("price"))
                own = LineFacts(
                    event.item_id, event.category, event.quantity, None if price is None else Decimal(price)
                )
                return [own] if some_line(event, as_of) else []
            return [
                line
                for line in event.lines
                if all(test(read(line), as_of) for read, test in on_lines)
                and (item is None or item(event, line.item_id, as_of))
            ]

        return fitting

    def _item(self, filters: Sequence[Filter]) -> Callable[[EventFacts, str | None, datetime], bool]:
        columns = [(attrgetter(one.name), self._column_test(one)) for one in filters if one.name in _ITEM_COLUMNS]
        attributes = [(one.name, compile_test(one.test, self.zone)) for one in filters if one.name not in _ITEM_COLUMNS]

        def fits(event: EventFacts, item_id: str | None, as_of: datetime) -> bool:
            item = event.items.get(item_id) if item_id is not None else None
            return (
                item is not None
                and all(test(read(item), as_of) for read, test in columns)
                and all(test(item.attributes.get(name), as_of) for name, test in attributes)
            )

        return fits


def _never(value: object, as_of: datetime) -> bool:
    return False


def _tag(leaf: Tag) -> Holds:
    name = leaf.name
    in_range = None if leaf.weight is None else compile_range(leaf.weight)

    def holds(event: EventFacts, member: MemberFacts, as_of: datetime) -> bool:
        found = member.tags.get(name)
        if found is None or (found[1] is not None and found[1] <= as_of):
            return False
        return in_range is None or in_range(found[0])

    return holds


def _bucket(leaf: Bucket) -> Holds:
    salt, first = leaf.salt, int(place_of(leaf.from_percent), 16)
    end = min(PLACES, int(place_of(leaf.until_percent), 16))

    def holds(event: EventFacts, member: MemberFacts, as_of: datetime) -> bool:
        digest = hashlib.sha256(f"{salt}/m{member.member_id}".encode()).digest()
        return first <= int.from_bytes(digest[:8]) < end

    return holds


def _all_of(parts: Sequence[Holds]) -> Holds:
    match tuple(parts):
        case (one,):
            return one
        case (one, two):
            return lambda event, member, as_of: one(event, member, as_of) and two(event, member, as_of)
        case every:

            def holds(event: EventFacts, member: MemberFacts, as_of: datetime) -> bool:
                for part in every:  # noqa: SIM110 - a generator costs more than the parts
                    if not part(event, member, as_of):
                        return False
                return True

            return holds


def _any_of(parts: Sequence[Holds]) -> Holds:
    match tuple(parts):
        case (one,):
            return one
        case some:

            def holds(event: EventFacts, member: MemberFacts, as_of: datetime) -> bool:
                for part in some:  # noqa: SIM110 - likewise
                    if part(event, member, as_of):
                        return True
                return False

            return holds


def _all_of_event(parts: Sequence[_OfEvent]) -> _OfEvent:
    match tuple(parts):
        case ():
            return lambda event, as_of: True
        case (one,):
            return one
        case (one, two):
            return lambda event, as_of: one(event, as_of) and two(event, as_of)
        case every:
            return lambda event, as_of: all(part(event, as_of) for part in every)
