"""From a leaf to the sets whose members it is: built as expressions, printed for an engine, every value bound.

A member is in a leaf who is in all its sets; a set may be the complement of its query: `count: {at_most: 3}` is everybody
but those with more. Each leaf runs where its data lives: PostgreSQL's `facts.*` views, or the history's relations.
`member_of` has no query: it is another audience's members.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, assert_never

from sqlglot import exp, select

from regulars.conditions.dialects import DUCKDB, POSTGRESQL, Dialect, call
from regulars.conditions.lower_events import EventLowering, MemberSet, Naming, is_met_by_none
from regulars.conditions.lower_values import Binder, MemberSource, compare_range, lower_test
from regulars.conditions.spans import Times
from regulars.conditions.tree import (
    AggregateKind,
    Badge,
    Bucket,
    Consent,
    Delivered,
    Did,
    EventFilter,
    HasIdentity,
    Leaf,
    MemberOf,
    Mission,
    OneOf,
    Percentile,
    Points,
    Scalar,
    Sequence,
    Tag,
    Tier,
    Trait,
    Voucher,
    Window,
)

Home = Literal["members", "history", "audiences"]
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Lowered:
    """A printed query of `member_no` and what it binds by name."""

    sql: str
    parameters: dict[str, object]
    complement: bool


def as_array(lowered: Lowered) -> str:
    """PostgreSQL's query of all member numbers as one array: a million come as fast as they can be copied."""
    return f"select coalesce(array_agg(member_no), '{{}}') from ({lowered.sql}) lowered"


@dataclass(frozen=True, slots=True)
class Personal:
    """Traits that are sealed, and the keyed digest by which a value of theirs is found."""

    traits: frozenset[str]
    digest: Callable[[str, Scalar], str]


def home_of(leaf: Leaf) -> Home:
    """Where the leaf's data lives."""
    match leaf:
        case Did() | Sequence() | Percentile():
            return "history"
        case MemberOf():
            return "audiences"
        case _:
            return "members"


def lower_on_history(
    leaf: Did | Sequence | Percentile, times: Times, naming: Naming, dialect: Dialect = DUCKDB
) -> list[Lowered]:
    """Queries over `events`, `lines`, `items` and `origins`."""
    bind = Binder()
    lowering = EventLowering(dialect, times, naming, bind)
    match leaf:
        case Did():
            sets = lowering.lower_did(leaf)
        case Sequence():
            sets = [lowering.lower_sequence(leaf)]
        case Percentile():
            sets = [lowering.lower_percentile(leaf)]
    return [_print(one, dialect, bind) for one in sets]


def lower_seen(
    leaf: Did | Percentile, member_no: int, times: Times, naming: Naming, dialect: Dialect = DUCKDB
) -> dict[str, Lowered]:
    """What one member shows: a query of one text for each number or instant that the leaf looks at, by its name."""
    bind = Binder()
    told = EventLowering(dialect, times, naming, bind).lower_seen(leaf, member_no)
    return {name: _print(MemberSet(query), dialect, bind) for name, query in told}


def lower_value(
    what: EventFilter, within: Window | None, kind: AggregateKind, of: str | None, times: Times, naming: Naming
) -> Lowered:
    """A query of (member_no, value): what an aggregate is for every member with a matching event."""
    bind = Binder()
    return _print(
        MemberSet(EventLowering(DUCKDB, times, naming, bind).lower_value(what, within, kind, of)), DUCKDB, bind
    )


def lower_matches(what: EventFilter, within: Window | None, times: Times, naming: Naming) -> Lowered:
    """A query of (member_no, day, seq, item_id, category, line_count): every matching event."""
    bind = Binder()
    return _print(MemberSet(EventLowering(DUCKDB, times, naming, bind).lower_matches(what, within)), DUCKDB, bind)


def lower_outcomes(
    what: EventFilter, within: Window | None, times: Times, naming: Naming, dialect: Dialect = DUCKDB
) -> Lowered:
    """A query of (member_no, instant, revenue): every matching event. Units: `instant` in µs since 1970."""
    bind = Binder()
    return _print(MemberSet(EventLowering(dialect, times, naming, bind).lower_outcomes(what, within)), dialect, bind)


def lower_on_members(leaf: Leaf, times: Times, brand_id: int, personal: Personal) -> list[Lowered]:
    """Queries over `facts.members` and what is told of them: `tags`, `consents`, `lots`, `loyalty_tiers` and others."""
    bind = Binder()
    lowering = _MemberLowering(times, brand_id, personal, bind)
    return [_print(lowering.lower(leaf), POSTGRESQL, bind)]


def _print(one: MemberSet, dialect: Dialect, bind: Binder) -> Lowered:
    query = dialect.finish(one.query)
    named = {placeholder.name for placeholder in query.find_all(exp.Placeholder)}
    used = {name: value for name, value in bind.parameters.items() if name in named}
    return Lowered(query.sql(dialect.name, copy=False), used, one.complement)


class _MemberLowering:
    def __init__(self, times: Times, brand_id: int, personal: Personal, bind: Binder) -> None:
        self._times = times
        self._brand_id = brand_id
        self._personal = personal
        self._bind = bind

    def lower(self, leaf: Leaf) -> MemberSet:
        match leaf:
            case Trait():
                return MemberSet(self._trait(leaf))
            case Tag():
                return MemberSet(self._tag(leaf))
            case Consent(channel, purpose, granted):
                given = exp.column("granted", "f").eq(exp.true() if granted else exp.false())
                return MemberSet(
                    self._joined("consents")
                    .where(*self._equal(channel=channel, purpose=purpose), given, copy=False)
                    .distinct(copy=False)
                )
            case HasIdentity(kind):
                return MemberSet(
                    self._joined("identities").where(*self._equal(kind=kind), copy=False).distinct(copy=False)
                )
            case Delivered():
                return self._delivered(leaf)
            case Bucket():
                return MemberSet(self._bucket(leaf))
            case Points():
                return self._points(leaf)
            case Tier() | Badge() | Mission() | Voucher():
                return MemberSet(self._held(leaf).distinct(copy=False))
            case Did() | Sequence() | Percentile() | MemberOf():
                raise AssertionError(f"{leaf} does not live here")
            case _:
                assert_never(leaf)

    def _members(self) -> exp.Select:
        brand = exp.column("brand_id", "m").eq(self._bind(self._brand_id, "int"))
        return (
            select(exp.column("member_no", "m"))
            .from_(exp.to_table("facts.members").as_("m"), copy=False)
            .where(brand, copy=False)
        )

    def _joined(self, view: str) -> exp.Select:
        on = exp.and_(
            exp.column("brand_id", "f").eq(exp.column("brand_id", "m")),
            exp.column("member_id", "f").eq(exp.column("member_id", "m")),
            copy=False,
        )
        return self._members().join(exp.to_table(f"facts.{view}").as_("f"), on=on, copy=False)

    def _equal(self, **columns: str) -> list[exp.Expr]:
        return [exp.column(name, "f").eq(self._bind(value, "text")) for name, value in columns.items()]

    def _trait(self, leaf: Trait) -> exp.Select:
        if leaf.name in self._personal.traits:
            found = self._joined("personal_traits").where(*self._equal(trait=leaf.name), copy=False)
            if isinstance(leaf.test, OneOf):
                digests = [self._personal.digest(leaf.name, value) for value in leaf.test.values]
                found = found.where(
                    exp.column("lookup", "f").isin(*(self._bind(one, "text") for one in digests)), copy=False
                )
            return found
        source = MemberSource(POSTGRESQL, exp.column("traits", "m"), leaf.name, self._bind)
        return self._members().where(lower_test(source, leaf.test, POSTGRESQL, self._bind, self._times), copy=False)

    def _tag(self, leaf: Tag) -> exp.Select:
        expires = exp.column("expires_at", "f")
        lasts = exp.or_(
            exp.Is(this=expires, expression=exp.null()),
            exp.GT(this=expires.copy(), expression=self._bind.instant(self._times.as_of)),
            copy=False,
        )
        found = self._joined("tags").where(*self._equal(tag=leaf.name), lasts, copy=False)
        if leaf.weight is not None:
            weight = exp.cast(exp.column("weight", "f"), "decimal(18,6)")
            found = found.where(compare_range(weight, leaf.weight, self._bind), copy=False)
        return found

    def _delivered(self, leaf: Delivered) -> MemberSet:
        happened = exp.column(f"{leaf.kind}_at", "f")
        start, end = self._times.span_of(leaf.within)
        conditions: list[exp.Expr] = [exp.LT(this=happened, expression=self._bind.instant(end))]
        if start is not None:
            conditions.append(exp.GTE(this=happened.copy(), expression=self._bind.instant(start)))
        named = {"campaign": leaf.campaign, "channel": leaf.channel, "topic": leaf.topic}
        conditions += self._equal(**{name: value for name, value in named.items() if value is not None})
        found = self._joined("deliveries").where(*conditions, copy=False)
        if leaf.count is None:
            return MemberSet(found.distinct(copy=False))
        holds = compare_range(exp.Count(this=exp.Star()), leaf.count, self._bind)
        grouped = found.group_by(exp.column("member_no", "m"), copy=False)
        if is_met_by_none(leaf.count):
            return MemberSet(grouped.having(exp.not_(holds, copy=False), copy=False), complement=True)
        return MemberSet(grouped.having(holds, copy=False))

    def _points(self, leaf: Points) -> MemberSet:
        """Lots that can be spent, less what is owed; a debt beyond them is a balance of 0."""
        found = self._joined("lots").where(
            *self._equal(asset=leaf.asset), *self._lasting("usable_at", "expires_at"), copy=False
        )
        left = exp.Sub(this=exp.Sum(this=exp.column("free", "f")), expression=exp.Max(this=exp.column("owed", "f")))
        balance = call("greatest", left, exp.Literal.number(0))
        holds = compare_range(balance, leaf.range, self._bind)
        grouped = found.group_by(exp.column("member_no", "m"), copy=False)
        if is_met_by_none(leaf.range):
            return MemberSet(grouped.having(exp.not_(holds, copy=False), copy=False), complement=True)
        return MemberSet(grouped.having(holds, copy=False))

    def _held(self, leaf: Tier | Badge | Mission | Voucher) -> exp.Select:
        match leaf:
            case Tier():
                found = self._joined("loyalty_tiers").where(*self._equal(tier=leaf.name), copy=False)
                return found if leaf.or_higher else found.where(exp.column("is_held", "f"), copy=False)
            case Badge():
                return self._joined("loyalty_badges").where(*self._equal(badge=leaf.name), copy=False)
            case Mission():
                return self._joined("loyalty_missions").where(
                    *self._equal(mission=leaf.name, state=leaf.state), copy=False
                )
            case Voucher():
                return self._joined("loyalty_vouchers").where(
                    *self._equal(pool=leaf.pool, state=leaf.state),
                    *self._lasting("begins_at", "ends_at"),
                    copy=False,
                )

    def _lasting(self, start: str, end: str) -> list[exp.Expr]:
        """From one instant on, and until before another."""
        as_of = self._times.as_of
        return [
            exp.LTE(this=exp.column(start, "f"), expression=self._bind.instant(as_of)),
            exp.GT(this=exp.column(end, "f"), expression=self._bind.instant(as_of)),
        ]

    def _bucket(self, leaf: Bucket) -> exp.Select:
        text = exp.DPipe(
            this=self._bind(f"{leaf.salt}/m", "text"), expression=exp.cast(exp.column("member_id", "m"), "text")
        )
        place = call("facts.place_of", text)
        found = self._members().where(
            exp.GTE(this=place, expression=self._bind(place_of(leaf.from_percent), "text")), copy=False
        )
        if leaf.until_percent < _HUNDRED:
            found = found.where(
                exp.LT(this=place.copy(), expression=self._bind(place_of(leaf.until_percent), "text")), copy=False
            )
        return found


def place_of(percent: Decimal) -> str:
    """A bound as 16 hexadecimal digits of 2^64, rounded up: places are compared as text. 100 is beyond all of them."""
    scaled = percent * 2**64 / _HUNDRED
    return f"{-int(-scaled // 1):016x}"
