"""What a tree means, said once more in the plainest way: members and events in lists, no SQL, nothing of ours but the tree.

The compiled forms are held to this.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from regulars.conditions import tree as t

MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Line:
    item_id: str | None = None
    category: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True)
class Event:
    name: str
    at: datetime
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    revenue: Decimal | None = None
    order_id: str | None = None
    item_id: str | None = None
    category: str | None = None
    quantity: Decimal | None = None
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Member:
    number: int
    member_id: int
    traits: dict[str, Any] = field(default_factory=dict[str, Any])
    tags: dict[str, tuple[float, datetime | None]] = field(default_factory=dict[str, tuple[float, datetime | None]])
    consents: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    kinds: frozenset[str] = frozenset()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class World:
    members: tuple[Member, ...]
    items: dict[str, dict[str, Any]]
    as_of: datetime
    zone: ZoneInfo
    names: dict[str, str] = field(default_factory=dict[str, str])
    audiences: dict[str, t.Node] = field(default_factory=dict[str, t.Node])


def members_of(node: t.Node, world: World) -> set[int]:
    """Numbers of the members in the tree."""
    everybody = {member.number for member in world.members}
    match node:
        case t.AllOf(parts):
            return everybody.intersection(*(members_of(part, world) for part in parts))
        case t.AnyOf(parts):
            return set[int]().union(*(members_of(part, world) for part in parts))
        case t.Not(part):
            return everybody - members_of(part, world)
        case t.MemberOf(audience):
            return members_of(world.audiences[audience], world)
        case t.Percentile():
            return ranked(node, world)
        case _:
            return {member.number for member in world.members if holds(node, member, world)}


def holds(leaf: t.Leaf, member: Member, world: World) -> bool:
    match leaf:
        case t.Trait(name, test):
            return meets(member.traits.get(name), test, world)
        case t.Tag(name, weight):
            found = member.tags.get(name)
            if found is None or (found[1] is not None and found[1] <= world.as_of):
                return False
            return weight is None or in_range(Fraction(str(found[0])), weight)
        case t.Consent(channel, purpose, granted):
            return member.consents.get((channel, purpose)) is granted
        case t.HasIdentity(kind):
            return kind in member.kinds
        case t.Did():
            return did(leaf, member, world)
        case t.Sequence():
            return went(leaf, member, world)
        case t.Bucket(salt, low, high):
            place = int.from_bytes(hashlib.sha256(f"{salt}/m{member.member_id}".encode()).digest()[:8])
            return Fraction(low) <= Fraction(place * 100, 2**64) < Fraction(high)
        case _:
            raise NotImplementedError(leaf)


# --- values ---


def number_of(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if abs(exact) >= 10**30:
        return None
    rounded = exact.quantize(Decimal("0.000001"), ROUND_HALF_UP)
    return rounded if abs(rounded) < 10**12 else None


def same(value: object, wanted: t.Scalar) -> bool:
    if isinstance(wanted, bool):
        return value is wanted
    if isinstance(wanted, str):
        return isinstance(value, str) and value == wanted
    return number_of(value) == wanted


def instant_of(value: object, zone: ZoneInfo) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        if len(value) == 10:
            return datetime.combine(date.fromisoformat(value), time(), zone).astimezone(UTC)
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)


def meets(value: object, test: t.ValueTest, world: World) -> bool:
    match test:
        case t.OneOf(values):
            return any(same(value, one) for one in values)
        case t.NoneOf(values):
            comparable = isinstance(value, str | bool) or number_of(value) is not None
            return comparable and not any(same(value, one) for one in values)
        case t.Range():
            number = number_of(value)
            return number is not None and in_range(Fraction(number), test)
        case t.TextMatch(how, part):
            return isinstance(value, str) and matches_text(value, how, part)
        case t.Exists():
            return value is not None
        case t.ListHas(values, every):
            return isinstance(value, list) and list_has(value, values, every)
        case t.InTime(window, ahead):
            instant = instant_of(value, world.zone)
            return instant is not None and lies_in_time(instant, window, ahead, world)


def matches_text(value: str, how: str, part: str) -> bool:
    return {"prefix": value.startswith, "suffix": value.endswith, "contains": value.__contains__}[how](part)


def list_has(value: list[Any], wanted: Iterable[t.Scalar], every: bool) -> bool:
    held = [any(same_exactly(one, scalar) for one in value) for scalar in wanted]
    return all(held) if every else any(held)


def lies_in_time(instant: datetime, window: t.Window, ahead: bool, world: World) -> bool:
    if ahead and isinstance(window, t.Rolling):
        return world.as_of < instant <= world.as_of + timedelta(seconds=window.seconds)
    return is_within(instant, window, world)


def same_exactly(value: object, wanted: t.Scalar) -> bool:
    if isinstance(wanted, Decimal):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and Decimal(repr(value)) == wanted
    return same(value, wanted)


def in_range(number: Fraction, wanted: t.Range) -> bool:
    return (
        (wanted.at_least is None or number >= Fraction(wanted.at_least))
        and (wanted.at_most is None or number <= Fraction(wanted.at_most))
        and (wanted.more_than is None or number > Fraction(wanted.more_than))
        and (wanted.less_than is None or number < Fraction(wanted.less_than))
    )


# --- time ---


def lies(at: datetime, window: t.Window | None, world: World) -> bool:
    """An event is never seen before it happened."""
    return at <= world.as_of and (window is None or is_within(at, window, world))


def is_within(at: datetime, window: t.Window, world: World) -> bool:
    match window:
        case t.Rolling(seconds):
            return world.as_of - timedelta(seconds=seconds) < at <= world.as_of
        case t.Calendar(unit, count, ago):
            there = period_number(at.astimezone(world.zone).date(), unit)
            here = period_number(world.as_of.astimezone(world.zone).date(), unit)
            return here - ago - count < there <= here - ago
        case t.Between(start, end):
            after = start is None or at >= moment(start, world)
            return after and (end is None or at < moment(end, world))


def moment(said: t.Moment, world: World) -> datetime:
    if isinstance(said, datetime):
        return said
    return datetime.combine(said, time(), world.zone)


def period_number(day: date, unit: str) -> int:
    match unit:
        case "day":
            return day.toordinal()
        case "week":
            return (day.toordinal() - 1) // 7
        case "month":
            return day.year * 12 + day.month - 1
        case "quarter":
            return (day.year * 12 + day.month - 1) // 3
        case _:
            return day.year


# --- events ---


def matching(what: t.EventFilter, member: Member, world: World) -> list[Event]:
    return [
        event
        for event in member.events
        if event.at <= world.as_of
        and world.names.get(event.name, event.name) == what.event
        and all(
            meets(value_of(event, one.name), one.test, world) for one in what.where if one.name not in t.LINE_FIELDS
        )
        and units(event, what, world)
    ]


def value_of(event: Event, name: str) -> object:
    return getattr(event, name) if name in t.TYPED_FIELDS else event.properties.get(name)


def units(event: Event, what: t.EventFilter, world: World) -> list[Line]:
    """Lines that meet all that is said of lines; an event without lines is its own only line."""
    own = Line(event.item_id, event.category, event.quantity, number_of(event.properties.get("price")))
    on_lines = [one for one in what.where if one.name in t.LINE_FIELDS]

    def fits(line: Line) -> bool:
        item = world.items.get(line.item_id) if line.item_id is not None else None
        return all(meets(getattr(line, one.name), one.test, world) for one in on_lines) and (
            not what.item or (item is not None and all(meets(item.get(one.name), one.test, world) for one in what.item))
        )

    if event.lines or not needs_own_price(on_lines):
        return [line for line in event.lines or (own,) if fits(line)]
    return [own] if fits_with_raw_price(own, event, on_lines, what, world) else []


def needs_own_price(on_lines: Iterable[t.Filter]) -> bool:
    return any(one.name == "price" for one in on_lines)


def fits_with_raw_price(own: Line, event: Event, on_lines: list[t.Filter], what: t.EventFilter, world: World) -> bool:
    """An event's own price is a property, of whatever type it is."""
    item = world.items.get(own.item_id) if own.item_id is not None else None
    values = {name: getattr(own, name) for name in t.LINE_FIELDS} | {"price": event.properties.get("price")}
    return all(meets(values[one.name], one.test, world) for one in on_lines) and (
        not what.item or (item is not None and all(meets(item.get(one.name), one.test, world) for one in what.item))
    )


def did(leaf: t.Did, member: Member, world: World) -> bool:
    found = matching(leaf.what, member, world)
    inside = [event for event in found if lies(event.at, leaf.within, world)]
    if not leaf.aggregates and not leaf.edges:
        return bool(inside)
    for edge in leaf.edges:
        times = [event.at for event in found]
        if not times or not lies(min(times) if edge.which == "first" else max(times), edge.window, world):
            return False
    for one in leaf.aggregates:
        number = measure(one.kind, one.of, inside, leaf.what, world)
        if number is None or not in_range(number, one.range):
            return False
    return True


def measure(kind: str, of: str | None, events: list[Event], what: t.EventFilter, world: World) -> Fraction | None:
    if kind == "count":
        return Fraction(len(events))
    values: list[object] = []
    for event in events:
        if of == t.LOCAL_DAY:
            values.append(str(event.at.astimezone(world.zone).date()))
        elif of in t.LINE_FIELDS:
            values += [getattr(line, of) for line in units(event, what, world)]
        else:
            assert of is not None
            values.append(value_of(event, of))
    if kind == "distinct":
        return Fraction(len({key for value in values if (key := distinct_key(value)) is not None}))
    numbers = [Fraction(number) for value in values if (number := number_of(value)) is not None]
    if not numbers:
        return None
    totals: dict[str, Callable[[list[Fraction]], Fraction]] = {
        "sum": lambda found: sum(found, Fraction(0)),
        "avg": lambda found: sum(found, Fraction(0)) / len(found),
        "min": min,
        "max": max,
    }
    return totals[kind](numbers)


def distinct_key(value: object) -> object:
    if isinstance(value, str | bool):
        return (type(value).__name__, value)
    number = number_of(value)
    return None if number is None else ("number", number)


def ranked(leaf: t.Percentile, world: World) -> set[int]:
    numbers: dict[int, Fraction] = {}
    for member in world.members:
        inside = [event for event in matching(leaf.what, member, world) if lies(event.at, leaf.within, world)]
        has_units = leaf.of not in t.LINE_FIELDS or any(units(event, leaf.what, world) for event in inside)
        number = measure(leaf.kind, leaf.of, inside, leaf.what, world) if inside and has_units else None
        if number is not None:
            numbers[member.number] = number
    if not numbers:
        return set()
    order = sorted(numbers.values(), reverse=not leaf.least)
    wanted = -(-Fraction(len(order)) * Fraction(leaf.percent) // 100)
    if wanted < 1:
        return set()
    limit = order[int(wanted) - 1]
    return {number for number, value in numbers.items() if (value <= limit if leaf.least else value >= limit)}


def went(leaf: t.Sequence, member: Member, world: World) -> bool:
    """Tries every way through the steps."""
    keys = {None} if leaf.by is None else {key_of(event, leaf.by) for event in member.events} - {None}
    return any(_goes(leaf, member, world, key) for key in keys)


def key_of(event: Event, by: str) -> object:
    value = event_key(event, by)
    if isinstance(value, str):
        return ("text", value)
    number = number_of(value)
    return None if number is None else ("number", number)


def event_key(event: Event, by: str) -> object:
    return getattr(event, by) if by in t.TYPED_FIELDS else event.properties.get(by)


def _goes(leaf: t.Sequence, member: Member, world: World, key: object) -> bool:
    found = [
        [event for event in matching(step.what, member, world) if key is None or key_of(event, leaf.by or "") == key]
        for step in leaf.steps
    ]

    def walk(number: int, first: datetime, before: datetime) -> bool:
        end = first + timedelta(seconds=leaf.within_seconds)
        if number == len(leaf.steps):
            return True
        if leaf.steps[number].negated:
            if number == len(leaf.steps) - 1:
                return end <= world.as_of and not any(before < event.at <= end for event in found[number])
            return any(
                before < event.at <= end
                and not any(before < other.at < event.at for other in found[number])
                and walk(number + 2, first, event.at)
                for event in found[number + 1]
            )
        return any(before < event.at <= end and walk(number + 1, first, event.at) for event in found[number])

    return any(lies(event.at, leaf.started, world) and walk(1, event.at, event.at) for event in found[0])


def as_json(properties: dict[str, Any]) -> str:
    return json.dumps(properties, ensure_ascii=False)
