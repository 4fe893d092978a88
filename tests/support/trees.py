"""Random trees of the condition language: every node, every test, every window; hypothesis shrinks them."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import strategies as st

from regulars.conditions.tree import (
    AGGREGATES,
    VOUCHER_STATES,
    Aggregate,
    AllOf,
    AnyOf,
    Badge,
    Between,
    Bucket,
    Calendar,
    Consent,
    Delivered,
    Did,
    Edge,
    EventFilter,
    Exists,
    Filter,
    HasIdentity,
    InTime,
    ListHas,
    MemberOf,
    Mission,
    Node,
    NoneOf,
    Not,
    OneOf,
    Percentile,
    Points,
    Range,
    Rolling,
    Sequence,
    Step,
    Tag,
    TextMatch,
    Tier,
    Trait,
    Voucher,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
NAMES = TEXTS | st.sampled_from(["all", "a/b", "~", "event", "at_least", "true", "2026-01-01", "商品"])
NUMBERS = st.decimals(-999_999_999, 999_999_999, places=6, allow_nan=False) | st.integers(
    -(10**12) + 1, 10**12 - 1
).map(Decimal)
SCALARS = TEXTS | NUMBERS | st.booleans() | st.just("")
VALUES = st.lists(SCALARS, min_size=1, max_size=4).map(tuple)
ZONES = [UTC, timezone(timedelta(hours=8)), timezone(timedelta(hours=-9, minutes=-30))]
INSTANTS = st.builds(
    lambda zone, seconds: datetime(1900, 1, 2, tzinfo=zone) + timedelta(seconds=seconds),
    st.sampled_from(ZONES),
    st.integers(0, 9_000_000_000) | st.floats(0, 9e9),
)
MOMENTS = st.dates(date(1900, 1, 1), date(2200, 12, 31)) | INSTANTS
SECONDS = st.integers(1, 3_660 * 86_400) | st.integers(1, 3_660).map(lambda days: days * 86_400)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Bounds between which a number lies."""
    low, high = sorted([draw(NUMBERS), draw(NUMBERS)])
    low_key = draw(st.sampled_from(["at_least", "more_than", None]))
    high_key = draw(st.sampled_from(["at_most", "less_than"] if low_key is None else ["at_most", "less_than", None]))
    if low == high and (low_key, high_key) != ("at_least", "at_most"):
        low, high = (low - 1, high) if low > 0 else (low, high + 1)
    bounds = {low_key: low, high_key: high}
    return Range(**{key: bound for key, bound in bounds.items() if key is not None})


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    """Calendar windows that reach back ten years at most."""
    unit, most = draw(st.sampled_from([("day", 3_660), ("week", 522), ("month", 122), ("quarter", 40), ("year", 10)]))
    ago = draw(st.integers(0, 2) | st.integers(0, most - 1))
    return Calendar(unit, draw(st.integers(1, min(3, most - ago)) | st.integers(1, most - ago)), ago)


@st.composite
def betweens(draw: st.DrawFn) -> Between:
    """From one moment until another, or open on one side."""
    start, end = draw(MOMENTS), draw(MOMENTS)
    side = draw(st.sampled_from(["start", "end", "both"]))
    if side != "both":
        return Between(start) if side == "start" else Between(end=end)
    if isinstance(start, datetime) != isinstance(end, datetime):
        return Between(date(1999, 12, 1), datetime(2000, 1, 1, tzinfo=UTC))
    if start == end:
        return Between(start)
    return Between(min(start, end), max(start, end))


WINDOWS = st.builds(Rolling, SECONDS) | calendars() | betweens()
MAYBE_WINDOW = st.none() | WINDOWS
TESTS = st.one_of(
    st.builds(OneOf, VALUES),
    st.builds(NoneOf, VALUES),
    ranges(),
    st.builds(TextMatch, st.sampled_from(["prefix", "suffix", "contains"]), TEXTS),
    st.just(Exists()),
    st.builds(ListHas, VALUES, st.booleans()),
    st.builds(InTime, WINDOWS),
    st.builds(InTime, st.builds(Rolling, SECONDS), st.just(True)),
)
FILTERS = st.lists(st.builds(Filter, NAMES, TESTS), max_size=3).map(tuple)
EVENTS = st.builds(EventFilter, NAMES, FILTERS, FILTERS)


@st.composite
def dids(draw: st.DrawFn) -> Did:
    """Events with aggregates and edges in their order."""
    kinds = sorted(draw(st.lists(st.sampled_from(AGGREGATES), max_size=3)), key=AGGREGATES.index)
    aggregates = [Aggregate(kind, draw(ranges()), None if kind == "count" else draw(NAMES)) for kind in kinds]
    sides = draw(st.sampled_from([(), ("first",), ("last",), ("first", "last")]))
    edges = [Edge(side, draw(WINDOWS)) for side in sides]
    return Did(draw(EVENTS), draw(MAYBE_WINDOW), tuple(aggregates), tuple(edges))


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    """Steps of which the first is not negated, nor two in a row."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(2, 5))):
        may_be = bool(steps) and not steps[-1].negated
        steps.append(Step(draw(EVENTS), may_be and draw(st.booleans())))
    return Sequence(tuple(steps), draw(SECONDS), draw(st.none() | NAMES), draw(MAYBE_WINDOW))


@st.composite
def percentiles(draw: st.DrawFn) -> Percentile:
    """Those with the most or least of a number."""
    kind = draw(st.sampled_from(AGGREGATES))
    percent = draw(st.integers(1, 100_000).map(lambda thousandths: Decimal(thousandths) / 1_000))
    of = None if kind == "count" else draw(NAMES)
    return Percentile(draw(EVENTS), kind, percent, of, draw(MAYBE_WINDOW), draw(st.booleans()))


@st.composite
def buckets(draw: st.DrawFn) -> Bucket:
    """A part of all members."""
    start, end = sorted(draw(st.lists(st.integers(0, 1_000), min_size=2, max_size=2, unique=True)))
    return Bucket(draw(NAMES), Decimal(start) / 10, Decimal(end) / 10)


LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.builds(Trait, NAMES, TESTS),
    st.builds(Tag, NAMES, st.none() | ranges()),
    st.builds(Consent, NAMES, NAMES, st.booleans()),
    st.builds(HasIdentity, NAMES),
    dids(),
    sequences(),
    st.builds(
        Delivered,
        st.sampled_from(["received", "opened", "clicked"]),
        st.none() | ranges(),
        MAYBE_WINDOW,
        st.none() | NAMES,
        st.none() | NAMES,
        st.none() | NAMES,
    ),
    st.builds(MemberOf, NAMES),
    percentiles(),
    buckets(),
    st.builds(Points, NAMES, ranges()),
    st.builds(Tier, NAMES, st.booleans()),
    st.builds(Badge, NAMES),
    st.builds(Mission, NAMES),
    st.builds(Voucher, NAMES, st.sampled_from(VOUCHER_STATES)),
)


def _grow(parts: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(parts, max_size=4).map(tuple)
    return st.builds(AllOf, several) | st.builds(AnyOf, several) | st.builds(Not, parts)


TREES: st.SearchStrategy[Node] = st.recursive(LEAVES, _grow, max_leaves=12)
