"""Conditions as sentences in English: each leaf is a clause that follows `Members`."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from regulars.conditions.tree import (
    Aggregate,
    AggregateKind,
    Badge,
    Between,
    Bucket,
    Calendar,
    Consent,
    Delivered,
    Did,
    EventFilter,
    Exists,
    HasIdentity,
    Held,
    InTime,
    Leaf,
    ListHas,
    MemberOf,
    Mission,
    Moment,
    NoneOf,
    OneOf,
    Percentile,
    Points,
    Range,
    Rolling,
    Scalar,
    Sequence,
    Tag,
    TextMatch,
    Tier,
    Trait,
    ValueTest,
    Voucher,
    Window,
)
from regulars.conditions.words import EVENTS, IDENTITIES_EN, PROPERTIES_EN, say_number

_NAMED: Final = {
    Calendar("day"): "today",
    Calendar("day", 1, 1): "yesterday",
    **{Calendar(unit): f"this {unit}" for unit in ("week", "month", "quarter", "year")},
    **{Calendar(unit, 1, 1): f"last {unit}" for unit in ("week", "month", "quarter", "year")},
}
_MEASURED: Final[dict[AggregateKind, str]] = {
    "sum": "total {}",
    "avg": "average {}",
    "min": "lowest {}",
    "max": "highest {}",
    "distinct": "number of different {}",
}
_DELIVERED: Final = {
    "received": ("received", "receive", "a message"),
    "opened": ("opened", "open", "a message"),
    "clicked": ("clicked", "click", "in a message"),
}
_MATCHES: Final = {"prefix": "starts with", "suffix": "ends with", "contains": "contains"}


def say_leaf(leaf: Leaf, *, is_negated: bool = False) -> str:
    """Who is or did this, or is not or did not."""
    match leaf:
        case Trait():
            return _say_trait(leaf, is_negated)
        case Tag(name, weight):
            heavy = f" with a weight of {_say_range(weight)}" if weight else ""
            return f"who {'do not have' if is_negated else 'have'} the tag “{name}”{heavy}"
        case Consent(channel, purpose, granted):
            said = ("did not consent" if granted else "did not refuse") if is_negated else ""
            return f"who {said or ('consented' if granted else 'refused')} to “{purpose}” on the channel “{channel}”"
        case HasIdentity(kind):
            return f"who have {'no' if is_negated else 'an'} identity of the kind {IDENTITIES_EN.get(kind, kind)}"
        case MemberOf(audience):
            return f"who are {'not ' if is_negated else ''}in the audience “{audience}”"
        case Bucket(salt, start, end):
            place = f"between {say_number(start)}% and {say_number(end)}% of the random bucket “{salt}”"
            return f"who are {'not ' if is_negated else ''}{place}"
        case Points() | Tier() | Badge() | Mission() | Voucher():
            return _say_held(leaf, is_negated)
        case _:
            return _say_behaviour(leaf, is_negated)


def _say_held(leaf: Held, is_negated: bool) -> str:
    have = "do not have" if is_negated else "have"
    match leaf:
        case Points(asset, asked):
            return f"who {have} {_say_range(asked)} “{asset}”"
        case Tier(name, or_higher):
            return f"who are {'not ' if is_negated else ''}at the tier “{name}”{' or above' if or_higher else ''}"
        case Badge(name):
            return f"who {have} the badge “{name}”"
        case Mission(name):
            return f"who {'did not complete' if is_negated else 'completed'} the mission “{name}”"
        case Voucher(pool, state):
            return f"who {have} a voucher “{pool}” that is {state}"


def _say_behaviour(leaf: Did | Delivered | Sequence | Percentile, is_negated: bool) -> str:
    match leaf:
        case Did():
            return _say_did(leaf, is_negated)
        case Delivered():
            return _say_delivered(leaf, is_negated)
        case Sequence():
            return _negate(_say_sequence(leaf), is_negated)
        case Percentile():
            return _say_percentile(leaf, is_negated)


def _negate(clause: str, is_negated: bool) -> str:
    return f"for whom this is not so: ({clause})" if is_negated else clause


def _say_trait(leaf: Trait, is_negated: bool) -> str:
    subject = f"trait “{leaf.name}”"
    match leaf.test:
        case Exists() if is_negated:
            return f"whose {subject} is not set"
        case OneOf(values) if is_negated:
            return f"whose {subject} is not {_say_values(values)}, or is not set"
        case NoneOf(values) if is_negated:
            return f"whose {subject} is {_say_values(values)}, or is not set"
        case _ if is_negated:
            verb, _, rest = _say_test(leaf.test).partition(" ")
            denied = "is not" if verb == "is" else f"does not {verb.removesuffix('s')}"
            return f"whose {subject} {denied} {rest}, or is not set"
        case _:
            return f"whose {subject} {_say_test(leaf.test)}"


def _say_test(test: ValueTest) -> str:
    match test:
        case OneOf(values):
            return f"is {_say_values(values)}"
        case NoneOf(values):
            return f"is set but is not {_say_values(values)}"
        case Range():
            return f"is {_say_range(test)}"
        case TextMatch(how, text):
            return f"{_MATCHES[how]} “{text}”"
        case Exists():
            return "is set"
        case ListHas(values, every):
            return f"contains {_say_values(values, 'and' if every else 'or')}"
        case InTime(Rolling(seconds), ahead=True):
            return f"is in the next {_say_seconds(seconds)}"
        case InTime(window):
            return f"is {_say_window(window)}"


def _say_values(values: Iterable[Scalar], word: str = "or") -> str:
    said = [_say_value(value) for value in values]
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} {word} {said[-1]}"


def _say_value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return say_number(value) if isinstance(value, Decimal) else f"“{value}”"


def _say_range(asked: Range) -> str:
    if asked.at_least is not None and asked == Range(asked.at_least, asked.at_least):
        return f"exactly {say_number(asked.at_least)}"
    if asked.at_least is not None and asked.at_most is not None and asked == Range(asked.at_least, asked.at_most):
        return f"between {say_number(asked.at_least)} and {say_number(asked.at_most)}"
    bounds = (
        ("at least", asked.at_least),
        ("more than", asked.more_than),
        ("at most", asked.at_most),
        ("less than", asked.less_than),
    )
    return " and ".join(f"{word} {say_number(bound)}" for word, bound in bounds if bound is not None)


def _say_times(asked: Range) -> str:
    is_once = Decimal(1) in (asked.at_least, asked.at_most) and asked in (
        Range(at_least=Decimal(1)),
        Range(at_most=Decimal(1)),
        Range(Decimal(1), Decimal(1)),
    )
    return f"{_say_range(asked)} {'time' if is_once else 'times'}"


def _say_seconds(seconds: int) -> str:
    for unit, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds % unit == 0:
            return _plural(seconds // unit, word)
    return _plural(seconds, "second")


def _plural(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _say_window(window: Window) -> str:
    """When, as an adverb."""
    match window:
        case Rolling(seconds):
            return f"in the last {_say_seconds(seconds)}"
        case Calendar():
            return _say_calendar(window)
        case Between(start, None) if start is not None:
            return f"from {_say_moment(start)} on"
        case Between(None, end) if end is not None:
            return f"before {_say_moment(end)}"
        case Between(start, end) if start is not None and end is not None:
            last = end if isinstance(end, datetime) else end - timedelta(days=1)
            return f"from {_say_moment(start)} until {_say_moment(last)}"
        case _:
            return "at any time"


def _say_calendar(calendar: Calendar) -> str:
    if calendar in _NAMED:
        return _NAMED[calendar]
    counted = _plural(calendar.count, calendar.unit)
    match calendar.ago:
        case 0:
            return f"in the last {counted} (the present one included)"
        case 1:
            return f"in the {counted} before the present one"
        case ago:
            return f"in the {counted} that ended with the one {_plural(ago, calendar.unit)} ago"


def _say_moment(moment: Moment) -> str:
    if not isinstance(moment, datetime):
        return moment.isoformat()
    offset = f"{moment:%z}"
    return f"{moment.replace(tzinfo=None).isoformat(' ')} (UTC{offset[:3]}:{offset[3:5]})"


def _say_property(name: str) -> str:
    return PROPERTIES_EN.get(name, f"“{name}”")


def _say_event(what: EventFilter, *, plainly: bool = False) -> str:
    """What was done, with its filters; `plainly` as it follows `not`."""
    words = EVENTS.get(what.event)
    if words is None:
        said = f"{'do' if plainly else 'did'} “{what.event}”"
    else:
        said = f"{words.do if plainly else words.did} ({what.event})"
    tests = [f"{_say_property(one.name)} {_say_test(one.test)}" for one in what.where]
    tests += [f"the item's {_say_property(one.name)} {_say_test(one.test)}" for one in what.item]
    return f"{said} where {' and '.join(tests)}" if tests else said


def _say_did(leaf: Did, is_negated: bool) -> str:
    when = [] if leaf.within is None else [_say_window(leaf.within)]
    if not leaf.edges and (not leaf.aggregates if is_negated else _is_absence(leaf.aggregates)):
        return " ".join(["who did not", _say_event(leaf.what, plainly=True), *when])
    parts: list[str] = []
    if leaf.aggregates or not leaf.edges:
        times = " and ".join(_say_times(one.range) for one in leaf.aggregates if one.kind == "count")
        measures = [_say_measured(one) for one in leaf.aggregates if one.kind != "count"]
        said = [_say_event(leaf.what), times, *when, f"with {' and '.join(measures)}" if measures else ""]
        parts.append(f"who {' '.join(word for word in said if word)}")
    parts += [f"who {edge.which} {_say_event(leaf.what)} {_say_window(edge.window)}" for edge in leaf.edges]
    return _negate(" and ".join(parts), is_negated)


def _is_absence(aggregates: tuple[Aggregate, ...]) -> bool:
    absent = (Range(at_most=Decimal(0)), Range(Decimal(0), Decimal(0)), Range(less_than=Decimal(1)))
    return len(aggregates) == 1 and aggregates[0].kind == "count" and aggregates[0].range in absent


def _say_measured(one: Aggregate) -> str:
    if one.kind == "distinct":
        return f"{_say_range(one.range)} different {_say_property(one.of or '')}"
    return f"{_say_measure(one.kind, one.of)} of {_say_range(one.range)}"


def _say_measure(kind: AggregateKind, of: str | None) -> str:
    return _MEASURED[kind].format(_say_property(of or ""))


def _say_delivered(leaf: Delivered, is_negated: bool) -> str:
    did, do, what = _DELIVERED[leaf.kind]
    named = (("campaign", leaf.campaign), ("channel", leaf.channel), ("topic", leaf.topic))
    limits = ", ".join(f"{word} “{name}”" for word, name in named if name is not None)
    where = [what, *([f"({limits})"] if limits else [])]
    when = [] if leaf.within is None else [_say_window(leaf.within)]
    if leaf.count is None:
        return " ".join([f"who {f'did not {do}' if is_negated else did}", *where, *when])
    if _is_absence((Aggregate("count", leaf.count),)):
        return _negate(" ".join([f"who did not {do}", *where, *when]), is_negated)
    return _negate(" ".join([f"who {did}", *where, _say_times(leaf.count), *when]), is_negated)


def _say_sequence(leaf: Sequence) -> str:
    said: list[str] = []
    for index, step in enumerate(leaf.steps):
        if step.negated:
            said.append(f"then did not {_say_event(step.what, plainly=True)}")
        else:
            said.append(f"{'then ' if index else ''}{_say_event(step.what)}")
    same = f", all with the same “{leaf.by}”" if leaf.by is not None else ""
    started = f", the first step {_say_window(leaf.started)}" if leaf.started is not None else ""
    return f"who within {_say_seconds(leaf.within_seconds)} {', '.join(said)}{same}{started}"


def _say_percentile(leaf: Percentile, is_negated: bool) -> str:
    side = f"the {'bottom' if leaf.least else 'top'} {say_number(leaf.percent)}%"
    when = "" if leaf.within is None else f" {_say_window(leaf.within)}"
    by = "how often they" if leaf.kind == "count" else f"{_say_measure(leaf.kind, leaf.of)} among those who"
    among = f"by {by} {_say_event(leaf.what)}{when}"
    return f"who are {'not ' if is_negated else ''}in {side} {among}"
