"""A condition over what a member did as a Python predicate: for programmes, which ask it again at each of a member's events.

It means what the lowering means of a member with these events and no others. What compares members, or looks at messages
and audiences, cannot be asked so and is an error with its place.

`compile_history` once; then `History.add` each event in the order of their times, and ask `holds(history, member, as_of)`
with the last one's instant, or a later one, as as_of.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from regulars.conditions.closures import (
    NOBODY_PERSONAL,
    ClosureParts,
    EventFacts,
    MemberFacts,
)
from regulars.conditions.closures_values import read_number
from regulars.conditions.errors import NotOfOneEvent
from regulars.conditions.lower import Personal
from regulars.conditions.parse import Written
from regulars.conditions.places import get_place
from regulars.conditions.spans import EARLIEST, Times
from regulars.conditions.tree import (
    LINE_FIELDS,
    LOCAL_DAY,
    TYPED_FIELDS,
    Aggregate,
    AllOf,
    AnyOf,
    Delivered,
    Did,
    EventFilter,
    Held,
    InTime,
    MemberOf,
    Node,
    Not,
    Percentile,
    Range,
    list_leaves,
)
from regulars.conditions.tree import Sequence as SequenceLeaf

_NO_EVENT: Final = EventFacts("", EARLIEST)
NamesOf = Callable[[str], Sequence[str]]


@dataclass(slots=True)
class History:
    """A member's events in the order of their times, and which of them filters were found to match."""

    events: list[EventFacts] = field(default_factory=list[EventFacts])
    _found: dict[object, tuple[list[EventFacts], list[datetime]]] = field(
        default_factory=dict[object, tuple[list[EventFacts], list[datetime]]]
    )
    _seen: dict[object, int] = field(default_factory=dict[object, int])

    def add(self, event: EventFacts) -> None:
        """One that is not earlier than those before."""
        self.events.append(event)

    def matching(self, key: object, matches: Callable[[EventFacts], bool]) -> tuple[list[EventFacts], list[datetime]]:
        """Those that match, and their instants; each event is asked once for a key, None is asked anew."""
        if key is None:
            found = [event for event in self.events if matches(event)]
            return found, [event.occurred_at for event in found]
        found, times = self._found.setdefault(key, ([], []))
        for event in self.events[self._seen.get(key, 0) :]:
            if matches(event):
                found.append(event)
                times.append(event.occurred_at)
        self._seen[key] = len(self.events)
        return found, times


HoldsOf = Callable[[History, MemberFacts, datetime], bool]


@dataclass(frozen=True, slots=True)
class HistoryClosure:
    """A compiled condition: the names of the events it looks at, and what must be at hand."""

    names: frozenset[str]
    asks_member: bool
    asks_items: bool
    holds: HoldsOf


@dataclass(frozen=True, slots=True)
class Goal:
    """A `did` with a number to reach, as a mission's target is: how much of how much. `holds`: all its bounds."""

    measure: Callable[[History, datetime, datetime | None], tuple[Fraction, Fraction]]
    holds: Callable[[History, datetime, datetime | None], bool]
    names: frozenset[str]
    asks_items: bool


def compile_history(
    written: Written,
    zone: ZoneInfo,
    names_of: NamesOf = lambda event: (event,),
    personal: Personal = NOBODY_PERSONAL,
) -> HistoryClosure:
    """The condition as a predicate of a member's events and the member. Raises: NotOfOneEvent."""
    check_asked(written)
    leaves = list_leaves(written.tree)
    compiler = _Compiler(zone, names_of, personal)
    filters = [what for leaf in leaves for what in _filters_of(leaf)]
    return HistoryClosure(
        frozenset(name for what in filters for name in names_of(what.event)),
        asks_member=any(not isinstance(leaf, Did | SequenceLeaf) for leaf in leaves),
        asks_items=any(what.item for what in filters),
        holds=compiler.compile(written.tree),
    )


def check_asked(written: Written) -> None:
    """Whether a member's events and the member tell all of it. Raises: NotOfOneEvent."""
    for leaf, path in zip(list_leaves(written.tree), written.leaf_paths, strict=True):
        if isinstance(leaf, Percentile | Delivered | MemberOf | Held):
            said = (
                "what a member did is asked here, at the moment of each event: no ranks, messages and audiences, and of"
                " programmes a tier and badges only, beside the rest"
            )
            raise NotOfOneEvent(said, path=str(get_place(written.data, path)))


def compile_goal(
    leaf: Did, zone: ZoneInfo, names_of: NamesOf = lambda event: (event,), personal: Personal = NOBODY_PERSONAL
) -> Goal:
    """The `did` as something to reach; events not later than an instant (of a goal that was reached) do not count again."""
    compiler = _Compiler(zone, names_of, personal)
    aggregate = leaf.aggregates[0] if leaf.aggregates else Aggregate("count", Range(at_least=Decimal(1)))
    bounds = aggregate.range
    least = bounds.at_least if bounds.at_least is not None else bounds.more_than
    find, measure = compiler.find(leaf), compiler.measure(leaf.what, aggregate)
    tests = [(compiler.measure(leaf.what, one), one.range) for one in leaf.aggregates or (aggregate,)]

    def count(history: History, as_of: datetime, after: datetime | None) -> tuple[Fraction, Fraction]:
        found = measure(find(history, as_of, after), as_of)
        return found or Fraction(0), Fraction(least or 0)

    def holds(history: History, as_of: datetime, after: datetime | None) -> bool:
        found = find(history, as_of, after)
        return all(_lies(one(found, as_of), wanted) for one, wanted in tests)

    return Goal(count, holds, frozenset(names_of(leaf.what.event)), bool(leaf.what.item))


def _filters_of(leaf: Node) -> list[EventFilter]:
    match leaf:
        case Did(what):
            return [what]
        case SequenceLeaf(steps):
            return [step.what for step in steps]
        case _:
            return []


_Find = Callable[[History, datetime, datetime | None], list[EventFacts]]
_Measure = Callable[[list[EventFacts], datetime], Fraction | None]


@dataclass(frozen=True, slots=True)
class _Compiler:
    zone: ZoneInfo
    names_of: NamesOf
    personal: Personal

    def compile(self, node: Node) -> HoldsOf:
        match node:
            case AllOf(parts):
                inner = [self.compile(part) for part in parts]
                return lambda history, member, as_of: all(part(history, member, as_of) for part in inner)
            case AnyOf(parts):
                some = [self.compile(part) for part in parts]
                return lambda history, member, as_of: any(part(history, member, as_of) for part in some)
            case Not(part):
                one = self.compile(part)
                return lambda history, member, as_of: not one(history, member, as_of)
            case Did():
                return self._did(node)
            case SequenceLeaf():
                return self._sequence(node)
            case _:
                holds = self._parts("").compile(node)
                return lambda history, member, as_of: holds(_NO_EVENT, member, as_of)

    def find(self, leaf: Did) -> _Find:
        """Matching events within the window and later than an instant."""
        key, matches = self._matches(leaf.what)

        def find(history: History, as_of: datetime, after: datetime | None) -> list[EventFacts]:
            found, times = history.matching(key, lambda event: matches(event, as_of))
            span = Times(as_of, self.zone).span_of(leaf.within)
            first = 0 if span.start is None else bisect_left(times, span.start)
            inside = found[first : bisect_left(times, span.end)]
            return inside if after is None else [event for event in inside if event.occurred_at > after]

        return find

    def measure(self, what: EventFilter, one: Aggregate) -> _Measure:
        """The aggregate over such events; None where it is absent."""
        if one.kind == "count":
            return lambda events, as_of: Fraction(len(events))
        read = self._values(what, one.of or "")
        if one.kind == "distinct":
            return lambda events, as_of: Fraction(
                len({key for value in read(events, as_of) if (key := _key_of(value)) is not None})
            )
        total = _TOTALS[one.kind]

        def measure(events: list[EventFacts], as_of: datetime) -> Fraction | None:
            numbers = [Fraction(number) for value in read(events, as_of) if (number := read_number(value)) is not None]
            return total(numbers) if numbers else None

        return measure

    def _parts(self, event: str) -> ClosureParts:
        return ClosureParts(self.zone, frozenset(self.names_of(event)) if event else frozenset(), self.personal)

    def _matches(self, what: EventFilter) -> tuple[object, Callable[[EventFacts, datetime], bool]]:
        """A predicate of one event, and under which key its answers stay true; None where they depend on as_of."""
        holds = self._parts(what.event).compile(Did(what))
        depends = any(isinstance(one.test, InTime) for one in (*what.where, *what.item))
        nobody = MemberFacts()
        return None if depends else what, lambda event, as_of: holds(event, nobody, as_of)

    def _did(self, leaf: Did) -> HoldsOf:
        find = self.find(leaf)
        key, matches = self._matches(leaf.what)
        tests = [(self.measure(leaf.what, one), one.range) for one in leaf.aggregates]

        def holds(history: History, member: MemberFacts, as_of: datetime) -> bool:
            del member  # nothing of it is asked
            for edge in leaf.edges:
                _, times = history.matching(key, lambda event: matches(event, as_of))
                span = Times(as_of, self.zone).span_of(edge.window)
                at = (times[0] if edge.which == "first" else times[-1]) if times else None
                if at is None or at >= span.end or (span.start is not None and at < span.start):
                    return False
            if not tests:
                return bool(leaf.edges) or bool(find(history, as_of, None))
            found = find(history, as_of, None)
            return all(_lies(measure(found, as_of), wanted) for measure, wanted in tests)

        return holds

    def _values(self, what: EventFilter, of: str) -> Callable[[list[EventFacts], datetime], Iterable[object]]:
        if of == LOCAL_DAY:
            zone = self.zone
            return lambda events, as_of: [str(event.occurred_at.astimezone(zone).date()) for event in events]
        if of in LINE_FIELDS:
            lines_of, read = self._parts(what.event).list_lines(what), attrgetter(of)
            return lambda events, as_of: [read(line) for event in events for line in lines_of(event, as_of)]
        if of in TYPED_FIELDS:
            column = attrgetter(of)
            return lambda events, as_of: [column(event) for event in events]
        return lambda events, as_of: [event.properties.get(of) for event in events]

    def _sequence(self, leaf: SequenceLeaf) -> HoldsOf:
        steps = [self._matches(step.what) for step in leaf.steps]
        read: Callable[[EventFacts], object] = (
            (lambda event: None)
            if leaf.by is None
            else attrgetter(leaf.by)
            if leaf.by in TYPED_FIELDS
            else (lambda event: event.properties.get(leaf.by or ""))
        )

        def holds(history: History, member: MemberFacts, as_of: datetime) -> bool:
            del member
            found = [history.matching(key, lambda event, of=of: of(event, as_of))[0] for key, of in steps]
            if leaf.by is None:
                return self._goes(leaf, found, as_of)
            keys = {_key_by(read(event)) for event in found[0]} - {None}
            return any(
                self._goes(leaf, [[event for event in one if _key_by(read(event)) == key] for one in found], as_of)
                for key in keys
            )

        return holds

    def _goes(self, leaf: SequenceLeaf, found: list[list[EventFacts]], as_of: datetime) -> bool:
        times = [[event.occurred_at for event in one] for one in found]
        span = Times(as_of, self.zone).span_of(leaf.started)
        last = len(leaf.steps) - 1

        def walk(number: int, before: datetime, end: datetime) -> bool:
            if number > last:
                return True
            later = [at for at in times[number] if before < at <= end]
            if not leaf.steps[number].negated:
                return any(walk(number + 1, at, end) for at in later)
            if number == last:
                return end <= as_of and not later
            limit = min(later, default=None)
            following = [at for at in times[number + 1] if before < at <= end and (limit is None or at <= limit)]
            return any(walk(number + 2, at, end) for at in following)

        return any(
            walk(1, at, at + timedelta(seconds=leaf.within_seconds))
            for at in times[0]
            if at < span.end and (span.start is None or at >= span.start)
        )


_TOTALS: Final[dict[str, Callable[[list[Fraction]], Fraction]]] = {
    "sum": lambda numbers: sum(numbers, Fraction(0)),
    "avg": lambda numbers: sum(numbers, Fraction(0)) / len(numbers),
    "min": min,
    "max": max,
}


def _lies(number: Fraction | None, wanted: Range) -> bool:
    return (
        number is not None
        and (wanted.at_least is None or number >= wanted.at_least)
        and (wanted.at_most is None or number <= wanted.at_most)
        and (wanted.more_than is None or number > wanted.more_than)
        and (wanted.less_than is None or number < wanted.less_than)
    )


def _key_of(value: object) -> object:
    """What tells values apart: texts, truths and numbers each by themselves; None of what is none of them."""
    if isinstance(value, str | bool):
        return (type(value).__name__, value)
    number: Any = read_number(value)
    return None if number is None else ("number", number)


def _key_by(value: object) -> object:
    return None if isinstance(value, bool) else _key_of(value)
