"""The condition language's tree: one frozen node for each thing that can be said of members. No SQL, no lookups.

Every leaf is a set of members and is two-valued: a value that is missing makes it false. All times come from one `as_of`,
and nothing after it is read. `not` around a leaf is everybody else.

What a leaf says of an event's *lines* (`item_id`, `category`, `quantity`, `price` in `where`, and all of `item`) holds
where one of the event's lines meets all of it; an event without lines is its own only line.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Literal

Scalar = str | Decimal | bool
"""What a value is compared with. Numbers are Decimals of at most 12 digits before and 6 after the point, 15 altogether."""

Moment = datetime | date
"""A date stands for its first instant in the brand's time zone."""

LINE_FIELDS: Final = ("item_id", "category", "quantity", "price")
"""Names in `where` that are looked for in an event's lines too."""

TYPED_FIELDS: Final = ("revenue", "order_id", "item_id", "category", "quantity")
"""Names that both vocabularies say in several ways; read from columns of their own."""

LOCAL_DAY: Final = "local_day"
"""What `distinct` may count beside properties: days of the brand on which the event happened."""


# --- windows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rolling:
    """(as_of − seconds, as_of]."""

    seconds: int


CalendarUnit = Literal["day", "week", "month", "quarter", "year"]


@dataclass(frozen=True, slots=True)
class Calendar:
    """Whole days of the brand: the `count` periods that end `ago` periods before the present one, cut off at as_of.

    `today` is (day, 1, 0), `yesterday` (day, 1, 1), `last_month` (month, 1, 1), `rolling 12 months` (month, 12, 0): the
    present month and the eleven before it. Weeks begin on Monday.
    """

    unit: CalendarUnit
    count: int = 1
    ago: int = 0


@dataclass(frozen=True, slots=True)
class Between:
    """From `start` (included) until `end` (excluded), at most one of them None, open; as_of is always an end.

    Written `from`/`before`; `after` X and `until` X are from, and before, what follows X: the next day, or microsecond.
    """

    start: Moment | None = None
    end: Moment | None = None


Window = Rolling | Calendar | Between


# --- tests of one value ------------------------------------------------------------------------------------------------


class _Values:
    """Equality that tells true from the number 1, which Python takes for equal: leaves are keys of caches."""

    __slots__ = ()
    values: tuple[Scalar, ...]

    def _key(self) -> tuple[object, ...]:
        return (type(self), tuple((type(value) is bool, value) for value in self.values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Values) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True, eq=False)
class OneOf(_Values):
    """Equals one of the values: texts code point by code point, numbers by value, never across types."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class NoneOf(_Values):
    """There is a value (text, number or boolean), and it equals none of these."""

    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A number within bounds, at least one of them; None is open."""

    at_least: Decimal | None = None
    at_most: Decimal | None = None
    more_than: Decimal | None = None
    less_than: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TextMatch:
    """A text that begins with, ends with or contains another; case counts."""

    how: Literal["prefix", "suffix", "contains"]
    text: str


@dataclass(frozen=True, slots=True)
class Exists:
    """There is a value that is not null."""


@dataclass(frozen=True, slots=True, eq=False)
class ListHas(_Values):
    """A list that holds any, or all, of the values."""

    values: tuple[Scalar, ...]
    every: bool = False

    def _key(self) -> tuple[object, ...]:
        return (self.every, *_Values._key(self))


@dataclass(frozen=True, slots=True)
class InTime:
    """A date or an instant within a window; a date counts from its first instant in the brand's time zone.

    What is known of the future may be asked: of a value, calendar windows and dates do not end at as_of. With `ahead` a
    Rolling window lies after as_of: (as_of, as_of + seconds].
    """

    window: Window
    ahead: bool = False


ValueTest = OneOf | NoneOf | Range | TextMatch | Exists | ListHas | InTime


@dataclass(frozen=True, slots=True)
class Filter:
    """One property, trait or attribute and what it must be."""

    name: str
    test: ValueTest


# --- leaves ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Trait:
    """A member's trait. Of traits declared personal only `Exists` and `OneOf` can be asked."""

    name: str
    test: ValueTest


@dataclass(frozen=True, slots=True)
class Tag:
    """A member's tag that has not expired at as_of."""

    name: str
    weight: Range | None = None


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent in force: of members merged together the stricter word."""

    channel: str
    purpose: str
    granted: bool = True


@dataclass(frozen=True, slots=True)
class HasIdentity:
    """The member has an identity of this kind."""

    kind: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Events of a name whose properties, and of one of whose lines' items, all of this holds."""

    event: str
    where: tuple[Filter, ...] = ()
    item: tuple[Filter, ...] = ()


AggregateKind = Literal["count", "sum", "avg", "min", "max", "distinct"]
AGGREGATES: Final[tuple[AggregateKind, ...]] = ("count", "sum", "avg", "min", "max", "distinct")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A number over a member's matching events. `of`: a number property; of `distinct` any property, or LOCAL_DAY.

    Values of another type than asked for are absent; where none is left, sum, avg, min and max are absent and so false,
    and distinct is 0.
    """

    kind: AggregateKind
    range: Range
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """When the member's first or last matching event was: of all time up to as_of, in a window."""

    which: Literal["first", "last"]
    window: Window


@dataclass(frozen=True, slots=True)
class Did:
    """Matching events within the window. Without `aggregates` and `edges`: at least one.

    `aggregates` are in the order of AGGREGATES, and `edges` first before last: reading sorts them.

    Edges look at all events up to as_of, aggregates at those of the window. A member without any matching event has
    count 0 and distinct 0, so `count: {at_most: 0}` is absence.
    """

    what: EventFilter
    within: Window | None = None
    aggregates: tuple[Aggregate, ...] = ()
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence; negated: no such event between the steps around it (after the last step: until the end)."""

    what: EventFilter
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """Events one after another, each later than the one before, all within `within_seconds` of the first.

    With `by` all share the value of that property (a text or number; events without it do not take part). The first
    step is never negated, nor are two in a row. A negated last step: none within `within_seconds` of the first, and
    that time is over by as_of. `started`: where the first step's event must lie.
    """

    steps: tuple[Step, ...]
    within_seconds: int
    by: str | None = None
    started: Window | None = None


DeliveryKind = Literal["received", "opened", "clicked"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Deliveries to the member: accepted, or opened or clicked. Without a count: at least one."""

    kind: DeliveryKind
    count: Range | None = None
    within: Window | None = None
    campaign: str | None = None
    channel: str | None = None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class MemberOf:
    """In the newest version of another audience."""

    audience: str


@dataclass(frozen=True, slots=True)
class Percentile:
    """The `percent` % with the most (or least) by a number over their events; only members who have that number.

    Of n members the first ceil(n × percent / 100); who equals the last of them is in too.
    """

    what: EventFilter
    kind: AggregateKind
    percent: Decimal
    of: str | None = None
    within: Window | None = None
    least: bool = False


@dataclass(frozen=True, slots=True)
class Bucket:
    """A random part of all members, stable by member and salt: `from_percent` ≤ place < `until_percent` of 100.

    The place is the first 8 bytes of SHA-256("salt/member id") as a fraction of 2^64, so who moves between buckets when
    a bound moves is only who lies between.
    """

    salt: str
    from_percent: Decimal
    until_percent: Decimal


@dataclass(frozen=True, slots=True)
class Points:
    """What the member could spend of an asset, 0 where there is none; in the asset's smallest unit."""

    asset: str
    range: Range


@dataclass(frozen=True, slots=True)
class Tier:
    """At a level of a programme, or with `or_higher` at one above it. Who no programme knows yet is at the lowest."""

    name: str
    or_higher: bool = False


@dataclass(frozen=True, slots=True)
class Badge:
    """The member has a badge of a programme."""

    name: str


MissionState = Literal["done"]


@dataclass(frozen=True, slots=True)
class Mission:
    """A mission that the member reached, at least once."""

    name: str
    state: MissionState = "done"


VoucherState = Literal["issued", "reserved", "used"]
VOUCHER_STATES: Final[tuple[VoucherState, ...]] = ("issued", "reserved", "used")


@dataclass(frozen=True, slots=True)
class Voucher:
    """A voucher of a pool in a state at as_of; one that is over is `issued` no more."""

    pool: str
    state: VoucherState


Held = Points | Tier | Badge | Mission | Voucher
"""What a member has by the brand's programmes: as it is now, with what ends by itself ended at as_of."""

Leaf = Trait | Tag | Consent | HasIdentity | Did | Sequence | Delivered | MemberOf | Percentile | Bucket | Held


# --- how leaves meet ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AllOf:
    """In every part; without parts everybody."""

    parts: tuple["Node", ...] = field(default=())


@dataclass(frozen=True, slots=True)
class AnyOf:
    """In at least one part; without parts nobody."""

    parts: tuple["Node", ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Not:
    """Everybody else."""

    part: "Node"


Node = AllOf | AnyOf | Not | Leaf


def list_leaves(node: Node) -> list[Leaf]:
    """All leaves from left to right, equal ones once each time they are said."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in list_leaves(part)]
        case Not(part):
            return list_leaves(part)
        case _:
            return [node]
