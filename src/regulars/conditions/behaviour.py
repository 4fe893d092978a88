"""What is said of events as it is written: filters, aggregates, `did`, `sequence` and `percentile`."""

from collections.abc import Mapping
from typing import Final

from regulars.conditions.errors import ImpossibleRange, ImpossibleSequence, Malformed
from regulars.conditions.limits import AGGREGATES_MAX, STEPS_MAX
from regulars.conditions.places import (
    Place,
    get_field,
    read_list,
    read_name,
    read_number,
    read_object,
    write_number,
)
from regulars.conditions.tree import (
    AGGREGATES,
    Aggregate,
    AggregateKind,
    Did,
    Edge,
    EventFilter,
    Percentile,
    Sequence,
    Step,
)
from regulars.conditions.values import (
    RANGE_KEYS,
    build_range,
    parse_filters,
    parse_range,
    write_bounds,
    write_filters,
    write_range,
)
from regulars.conditions.windows import (
    WINDOW_KEYS,
    find_window,
    parse_seconds,
    parse_window,
    write_alone,
    write_seconds,
    write_window,
)

EVENT_KEYS: Final = ("event", "where", "item")
EDGE_KEYS: Final = ("first", "last")
DID_KEYS: Final = (*EVENT_KEYS, *WINDOW_KEYS, *AGGREGATES, *EDGE_KEYS)
RANKED_KEYS: Final = (*EVENT_KEYS, *WINDOW_KEYS, *AGGREGATES)

_DID_SYNONYMS: Final = {"name": "event", "properties": "where", "filter": "where", "times": "count", "since": "from"}


def parse_did(place: Place) -> Did:
    """`did`: a name alone, or an object. Raises: ConditionError."""
    if not isinstance(place.data, dict):
        return Did(EventFilter(read_name(place, "an event's name")))
    fields = read_object(place, "'did'", DID_KEYS, synonyms=_DID_SYNONYMS)
    aggregates = [one for kind in AGGREGATES if kind in fields for one in _parse_aggregates(kind, fields[kind])]
    edges = [Edge(key, parse_window(fields[key])) for key in ("first", "last") if key in fields]
    return Did(_parse_filter(fields, place), find_window(fields, place), tuple(aggregates), tuple(edges))


def parse_sequence(place: Place) -> Sequence:
    """`sequence`. Raises: ConditionError."""
    what = "'sequence'"
    fields = read_object(place, what, ("of", "within", "by", "started"), synonyms={"steps": "of", "key": "by"})
    steps = [_parse_step(one) for one in read_list(get_field(fields, "of", place, what), "'of'", STEPS_MAX)]
    _check_steps(steps, fields["of"])
    seconds = parse_seconds(get_field(fields, "within", place, what), "'within'")
    by = read_name(fields["by"], "'by'") if "by" in fields else None
    started = parse_window(fields["started"]) if "started" in fields else None
    return Sequence(tuple(steps), seconds, by, started)


def parse_percentile(place: Place) -> Percentile:
    """`percentile`. Raises: ConditionError."""
    what = "'percentile'"
    fields = read_object(place, what, ("top", "bottom", "of"))
    if len(sides := [key for key in ("top", "bottom") if key in fields]) != 1:
        raise Malformed(f"{what} needs one of 'top' and 'bottom'", path=str(place))
    percent = read_number(fields[sides[0]], f"{sides[0]!r}")
    if not 0 < percent <= 100:
        raise ImpossibleRange("a percentile is above 0 and at most 100", path=str(fields[sides[0]]))
    did = get_field(read_object(get_field(fields, "of", place, what), "'of'", ("did",)), "did", fields["of"], "'of'")
    if isinstance(did.data, str):
        return Percentile(EventFilter(read_name(did, "an event's name")), "count", percent, least="bottom" in fields)
    ranked = read_object(did, "'did' of a percentile", RANKED_KEYS, synonyms=_DID_SYNONYMS)
    kind, of = _parse_ranked(ranked)
    what_happened = _parse_filter(ranked, did)
    return Percentile(what_happened, kind, percent, of, find_window(ranked, did), "bottom" in fields)


def write_did(node: Did) -> object:
    """The form that `parse_did` reads."""
    if node == Did(EventFilter(node.what.event)):
        return node.what.event
    written = _write_filter(node.what)
    if node.within is not None:
        written |= write_window(node.within)
    for kind in AGGREGATES:
        found = [_write_aggregate(one) for one in node.aggregates if one.kind == kind]
        if found:
            written[kind] = found[0] if len(found) == 1 else found
    return written | {edge.which: write_alone(edge.window) for edge in node.edges}


def write_sequence(node: Sequence) -> dict[str, object]:
    """The form that `parse_sequence` reads."""
    steps = [{"not": _write_event(one.what)} if one.negated else _write_event(one.what) for one in node.steps]
    written: dict[str, object] = {"of": steps, "within": write_seconds(node.within_seconds)}
    if node.by is not None:
        written["by"] = node.by
    if node.started is not None:
        written["started"] = write_alone(node.started)
    return written


def write_percentile(node: Percentile) -> dict[str, object]:
    """The form that `parse_percentile` reads."""
    did = _write_filter(node.what)
    if node.within is not None:
        did |= write_window(node.within)
    if node.of is not None:
        did[node.kind] = {"of": node.of}
    return {"bottom" if node.least else "top": write_number(node.percent), "of": {"did": did}}


def _parse_filter(fields: Mapping[str, Place], place: Place) -> EventFilter:
    event = read_name(get_field(fields, "event", place, "'did'"), "an event's name")
    where = parse_filters(fields["where"], "'where'") if "where" in fields else ()
    item = parse_filters(fields["item"], "'item'") if "item" in fields else ()
    return EventFilter(event, where, item)


def _write_filter(what: EventFilter) -> dict[str, object]:
    written: dict[str, object] = {"event": what.event}
    if what.where:
        written["where"] = write_filters(what.where)
    if what.item:
        written["item"] = write_filters(what.item)
    return written


def _write_event(what: EventFilter) -> object:
    return _write_filter(what) if what.where or what.item else what.event


def _parse_aggregates(kind: AggregateKind, place: Place) -> list[Aggregate]:
    if not isinstance(place.data, list | tuple):
        return [_parse_aggregate(kind, place)]
    entries = read_list(place, f"{kind!r}", AGGREGATES_MAX)
    if not entries:
        raise Malformed(f"{kind!r} is empty", path=str(place))
    return [_parse_aggregate(kind, one) for one in entries]


def _parse_aggregate(kind: AggregateKind, place: Place) -> Aggregate:
    what = f"{kind!r}"
    if kind == "count":
        return Aggregate(kind, parse_range(place, what))
    fields = read_object(place, what, ("of", *RANGE_KEYS))
    of = read_name(get_field(fields, "of", place, what), "'of'")
    return Aggregate(kind, build_range(fields, place), of)


def _write_aggregate(one: Aggregate) -> object:
    return write_range(one.range) if one.of is None else {"of": one.of, **write_bounds(one.range)}


def _parse_ranked(fields: Mapping[str, Place]) -> tuple[AggregateKind, str | None]:
    """The number that members are ranked by: how often, where nothing else is said."""
    kinds: list[AggregateKind] = [kind for kind in AGGREGATES if kind in fields]
    if not kinds:
        return "count", None
    if len(kinds) > 1:
        raise Malformed(f"{kinds[0]!r} and {kinds[1]!r}: members are ranked by one", path=str(fields[kinds[1]]))
    kind, place = kinds[0], fields[kinds[0]]
    if kind == "count":
        if place.data is not True and place.data != {}:
            message = "members are ranked by how often: 'count' has no bounds here"
            raise Malformed(message, path=str(place), suggestion="true")
        return kind, None
    if isinstance(place.data, str):
        return kind, read_name(place, f"{kind!r}")
    of = get_field(read_object(place, f"{kind!r} of a percentile", ("of",)), "of", place, f"{kind!r}")
    return kind, read_name(of, "'of'")


def _parse_step(place: Place) -> Step:
    if place.says("not"):
        fields = read_object(place, "a step", ("not",))
        return Step(_parse_event(fields["not"]), negated=True)
    return Step(_parse_event(place))


def _parse_event(place: Place) -> EventFilter:
    if not isinstance(place.data, dict):
        return EventFilter(read_name(place, "an event's name"))
    return _parse_filter(read_object(place, "a step", EVENT_KEYS, synonyms=_DID_SYNONYMS), place)


def _check_steps(steps: list[Step], place: Place) -> None:
    """Raises: ImpossibleSequence."""
    if len(steps) < 2:
        raise ImpossibleSequence("a sequence has at least two steps", path=str(place), suggestion="did")
    for index, (before, step) in enumerate(zip([Step(steps[0].what, negated=True), *steps], steps, strict=False)):
        if before.negated and step.negated:
            message = "the first step is never negated, nor are two in a row"
            raise ImpossibleSequence(message, path=f"{place.path}/{index}")
