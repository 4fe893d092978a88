"""Leaves over the history: what a member did, in which order, and who did most.

The relations are those of one brand: `events`, `lines`, `items`, `origins`. Filters come before the join with origins, and
every aggregate of a leaf is a set of its own: one subset after the other is faster than one pass over all.

A query grows in place (`copy=False`): a builder that copies what there is before each step takes two thirds of the time.
What is used twice is copied by hand.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlglot import exp, select

from regulars.conditions.dialects import NUMBER_TYPE, Dialect, call
from regulars.conditions.lower_values import (
    Binder,
    ColumnSource,
    MemberSource,
    ScalarKind,
    Source,
    compare_range,
    lower_filters,
)
from regulars.conditions.spans import Span, Times
from regulars.conditions.tree import (
    LINE_FIELDS,
    LOCAL_DAY,
    Aggregate,
    AggregateKind,
    Did,
    Edge,
    EventFilter,
    Filter,
    Percentile,
    Range,
    Window,
)
from regulars.conditions.tree import (
    Sequence as SequenceLeaf,
)

_TEXT_COLUMNS: Final = ("order_id", "item_id", "category")
_NUMBER_COLUMNS: Final = ("revenue", "quantity")
_LINE_NUMBERS: Final = ("quantity", "price")
_ITEM_COLUMNS: Final = ("name", "category")


@dataclass(frozen=True, slots=True)
class Naming:
    """How the history stores names: those that are read as an event's name, and the parts in which they may lie."""

    names_of: Callable[[str], Sequence[str]]
    parts_of: Callable[[Sequence[str]], Sequence[str]]


@dataclass(frozen=True, slots=True)
class MemberSet:
    """A query of member numbers; with `complement` its set is everybody else."""

    query: exp.Select
    complement: bool = False


def _of(table: str, name: str) -> exp.Column:
    return exp.column(name, table=table)


class EventLowering:
    """Lowers the event leaves of one evaluation; all values it meets go to `bind`."""

    def __init__(self, dialect: Dialect, times: Times, naming: Naming, bind: Binder) -> None:
        self._dialect = dialect
        self._times = times
        self._naming = naming
        self._bind = bind

    # --- did ---------------------------------------------------------------------------------------------------------

    def lower_did(self, leaf: Did) -> list[MemberSet]:
        """One set for each aggregate and edge; without any, who has an event."""
        sets = [self._lower_edge(leaf.what, edge) for edge in leaf.edges]
        sets += [self._lower_aggregate(leaf.what, leaf.within, one) for one in leaf.aggregates]
        return sets or [MemberSet(self._members_with(leaf.what, self._times.span_of(leaf.within)))]

    def _members_with(self, what: EventFilter, span: Span) -> exp.Select:
        return self._joined(self._events(what, span)).select(_of("o", "member_no"), copy=False).distinct(copy=False)

    def _lower_edge(self, what: EventFilter, edge: Edge) -> MemberSet:
        everything = self._joined(self._events(what, self._times.span_of(None)))
        instant = call("min" if edge.which == "first" else "max", _of("e", "occurred_at"))
        start, end = self._times.span_of(edge.window)
        having: list[exp.Expr] = [exp.LT(this=instant, expression=self._bind.instant(end))]
        if start is not None:
            having.append(exp.GTE(this=instant.copy(), expression=self._bind.instant(start)))
        grouped = everything.select(_of("o", "member_no"), copy=False).group_by(_of("o", "member_no"), copy=False)
        return MemberSet(grouped.having(exp.and_(*having, copy=False), copy=False))

    def _lower_aggregate(self, what: EventFilter, within: Window | None, wanted: Aggregate) -> MemberSet:
        span = self._times.span_of(within)
        grouped = (
            self._measured(what, span, wanted.of)
            .group_by(_of("o", "member_no"), copy=False)
            .select(_of("o", "member_no"), copy=False)
        )
        if wanted.kind == "avg":
            return MemberSet(grouped.having(self._average_within(wanted), copy=False))
        holds = compare_range(self._number(wanted.kind, wanted.of), wanted.range, self._bind)
        if wanted.kind in ("count", "distinct") and is_met_by_none(wanted.range):
            return MemberSet(grouped.having(exp.not_(holds, copy=False), copy=False), complement=True)
        return MemberSet(grouped.having(holds, copy=False))

    def _average_within(self, wanted: Aggregate) -> exp.Expr:
        """sum ≥ bound × count says avg ≥ bound without dividing."""
        value = self._value(wanted.of)
        total, count = call("sum", value), call("count", value.copy())
        bounds = [
            (exp.GTE, wanted.range.at_least),
            (exp.LTE, wanted.range.at_most),
            (exp.GT, wanted.range.more_than),
            (exp.LT, wanted.range.less_than),
        ]
        found: list[exp.Expr] = [exp.GT(this=count, expression=exp.Literal.number(0))]
        for kind, bound in bounds:
            if bound is not None:
                product = exp.Mul(this=self._bind.scalar(bound), expression=exp.cast(count.copy(), "decimal(19,0)"))
                found.append(kind(this=total.copy(), expression=product))
        return exp.and_(*found, copy=False)

    def _number(self, kind: AggregateKind, of: str | None) -> exp.Expr:
        if kind == "count":
            return exp.Count(this=exp.Star())
        if kind == "distinct":
            return exp.Count(this=exp.Distinct(expressions=[self._distinct_value(of)]))
        value = self._value(of)
        return self._dialect.average(value) if kind == "avg" else call(kind, value)

    def _value(self, of: str | None) -> exp.Expr:
        assert of is not None, "the tree's check has seen that a property is named"
        return self._source(of).read("number") or exp.cast(exp.null(), NUMBER_TYPE)

    def _distinct_value(self, of: str | None) -> exp.Expr:
        """Texts, numbers and booleans as texts that no value of another type shares."""
        assert of is not None, "the tree's check has seen that a property is named"
        if of == LOCAL_DAY:
            return self._dialect.local_day(_of("e", "occurred_at"), self._bind(self._times.zone.key, "text"))
        source = self._source(of)
        told: list[exp.Expr] = []
        for mark, kind in _MARKS:
            value = source.read(kind)
            if value is not None:
                told.append(exp.DPipe(this=exp.Literal.string(mark), expression=exp.cast(value, "text")))
        return call("coalesce", *told)

    def lower_seen(self, leaf: Did | Percentile, member_no: int) -> list[tuple[str, exp.Select]]:
        """What one member shows of each part of the leaf: its name, and a query of one value."""
        if isinstance(leaf, Percentile):
            return [(_told(leaf.kind, leaf.of), self._seen(leaf.what, leaf.within, leaf.kind, leaf.of, member_no))]
        told = [
            (_told(one.kind, one.of), self._seen(leaf.what, leaf.within, one.kind, one.of, member_no))
            for one in leaf.aggregates
        ]
        for edge in leaf.edges:
            instant = call("min" if edge.which == "first" else "max", _of("e", "occurred_at"))
            everything = self._joined(self._events(leaf.what, self._times.span_of(None)))
            told.append(
                (
                    edge.which,
                    everything.select(self._dialect.told_instant(instant), copy=False).where(
                        self._is(member_no), copy=False
                    ),
                )
            )
        return told or [("count", self._seen(leaf.what, leaf.within, "count", None, member_no))]

    def _seen(
        self, what: EventFilter, within: Window | None, kind: AggregateKind, of: str | None, member_no: int
    ) -> exp.Select:
        measured = self._measured(what, self._times.span_of(within), of)
        return measured.select(exp.cast(self._number(kind, of), "text"), copy=False).where(
            self._is(member_no), copy=False
        )

    def _is(self, member_no: int) -> exp.Expr:
        return _of("o", "member_no").eq(self._bind(member_no, "int"))

    def lower_value(self, what: EventFilter, within: Window | None, kind: AggregateKind, of: str | None) -> exp.Select:
        """(member_no, value) of every member with a matching event."""
        measured = self._measured(what, self._times.span_of(within), of)
        value = self._number(kind, of).as_("value")
        return measured.select(_of("o", "member_no").as_("member_no"), value, copy=False).group_by(
            _of("o", "member_no"), copy=False
        )

    def lower_matches(self, what: EventFilter, within: Window | None) -> exp.Select:
        """(member_no, seq, day, item_id, category, line_count) of every matching event."""
        told = ("seq", "item_id", "category", "line_count")
        day = self._dialect.local_day(_of("e", "occurred_at"), self._bind(self._times.zone.key, "text"))
        return self._joined(self._events(what, self._times.span_of(within))).select(
            _of("o", "member_no").as_("member_no"),
            day.as_("day"),
            *(_of("e", name).as_(name) for name in told),
            copy=False,
        )

    def lower_outcomes(self, what: EventFilter, within: Window | None) -> exp.Select:
        """(member_no, instant, revenue) of every matching event. Units: `instant` in µs since 1970."""
        return self._joined(self._events(what, self._times.span_of(within))).select(
            _of("o", "member_no").as_("member_no"),
            call("epoch_us", _of("e", "occurred_at")).as_("instant"),
            _of("e", "revenue").as_("revenue"),
            copy=False,
        )

    # --- relations ---------------------------------------------------------------------------------------------------

    def _measured(self, what: EventFilter, span: Span, of: str | None) -> exp.Select:
        """What an aggregate runs over: events, or where it is of a line's field the lines that match."""
        if of not in LINE_FIELDS:
            return self._joined(self._events(what, span))
        own = self._events(what, span, own_only=True)
        units = own.select(
            _of("e", "origin_id"),
            _of("e", "occurred_at"),
            *(self._own_source(name).read(kind).as_(name) for name, kind in _LINE_KINDS),  # pyright: ignore[reportOptionalMemberAccess]
            copy=False,
        )
        lines = (
            self._events(what, span, lines_joined=True)
            .join(exp.to_table("lines").as_("l"), on=_of("l", "seq").eq(_of("e", "seq")), copy=False)
            .where(*self._line_conditions(what), copy=False)
            .select(
                _of("e", "origin_id"), _of("e", "occurred_at"), *(_of("l", name) for name, _ in _LINE_KINDS), copy=False
            )
        )
        return self._joined(
            exp.select().from_(exp.union(units, lines, distinct=False).subquery("e", copy=False), copy=False)
        )

    def _joined(self, events: exp.Select) -> exp.Select:
        return events.join(
            exp.to_table("origins").as_("o"), on=_of("o", "origin_id").eq(_of("e", "origin_id")), copy=False
        )

    def _events(
        self, what: EventFilter, span: Span, *, own_only: bool = False, lines_joined: bool = False
    ) -> exp.Select:
        """Events that match all of `what`: with `own_only` those without lines, with `lines_joined` whatever lines."""
        on_events = [one for one in what.where if one.name not in LINE_FIELDS]
        conditions = [*self._placed("e", what.event, span), *self._lower(on_events, self._source)]
        on_lines = [one for one in what.where if one.name in LINE_FIELDS]
        has_lines = exp.GT(this=_of("e", "line_count"), expression=exp.Literal.number(0))
        own = [
            exp.not_(has_lines, copy=False),
            *self._lower(on_lines, self._own_source),
            *self._item_filter("e", what.item),
        ]
        if own_only:
            conditions += own
        elif lines_joined:
            conditions.append(has_lines)
        elif on_lines or what.item:
            matching = (
                select(_of("l", "seq"))
                .from_(exp.to_table("lines").as_("l"), copy=False)
                .where(*self._placed("l", what.event, span), *self._line_conditions(what), copy=False)
            )
            some_line = exp.and_(
                has_lines.copy(), exp.In(this=_of("e", "seq"), query=matching.subquery(copy=False)), copy=False
            )
            conditions.append(exp.or_(exp.and_(*own, copy=False), some_line, copy=False))
        return exp.select().from_(exp.to_table("events").as_("e"), copy=False).where(*conditions, copy=False)

    def _line_conditions(self, what: EventFilter) -> list[exp.Expr]:
        on_lines = [one for one in what.where if one.name in LINE_FIELDS]
        return [*self._lower(on_lines, _line_source), *self._item_filter("l", what.item)]

    def _item_filter(self, table: str, filters: Sequence[Filter]) -> list[exp.Expr]:
        if not filters:
            return []
        items = (
            select(_of("i", "item_id"))
            .from_(exp.to_table("items").as_("i"), copy=False)
            .where(*self._lower(filters, self._item_source), copy=False)
        )
        return [exp.In(this=_of(table, "item_id"), query=items.subquery(copy=False))]

    def _placed(self, table: str, event: str, span: Span) -> list[exp.Expr]:
        """Where rows of the event in the span lie: part and month spare files, name and instant decide."""
        names = self._naming.names_of(event)
        bind = self._bind
        found: list[exp.Expr] = [
            _of(table, "part").isin(*(bind(part, "text") for part in self._naming.parts_of(names))),
            _of(table, "name").isin(*(bind(name, "text") for name in names)),
            exp.LTE(this=_of(table, "month"), expression=bind(_month(span.end), "int")),
            exp.LT(this=_of(table, "occurred_at"), expression=bind.instant(span.end)),
        ]
        if span.start is not None:
            found.append(exp.GTE(this=_of(table, "month"), expression=bind(_month(span.start), "int")))
            found.append(exp.GTE(this=_of(table, "occurred_at"), expression=bind.instant(span.start)))
        return found

    def _lower(self, filters: Sequence[Filter], source_of: Callable[[str], Source]) -> list[exp.Expr]:
        return lower_filters(filters, source_of, self._dialect, self._bind, self._times)

    def _source(self, name: str) -> Source:
        if name in _TEXT_COLUMNS:
            return ColumnSource(_of("e", name), "text")
        if name in _NUMBER_COLUMNS or name in LINE_FIELDS:
            return ColumnSource(_of("e", name), "number")
        return self._own_source(name)

    def _own_source(self, name: str) -> Source:
        """An event's own value; its price has no column."""
        if name in _TEXT_COLUMNS:
            return ColumnSource(_of("e", name), "text")
        if name in _NUMBER_COLUMNS:
            return ColumnSource(_of("e", name), "number")
        return MemberSource(self._dialect, _of("e", "properties"), name, self._bind)

    def _item_source(self, name: str) -> Source:
        if name in _ITEM_COLUMNS:
            return ColumnSource(_of("i", name), "text")
        if name == "price":
            return ColumnSource(_of("i", name), "number")
        return MemberSource(self._dialect, _of("i", "attributes"), name, self._bind)

    # --- sequence ----------------------------------------------------------------------------------------------------

    def lower_sequence(self, leaf: SequenceLeaf) -> MemberSet:
        """Joins the steps in time; a negated step is that none lies between its neighbours.

        Each step is made once, on its own: an engine that joined the steps' origins first would meet all with all.
        """
        within = leaf.within_seconds
        begun = self._times.span_of(leaf.started)
        lasting = self._times.span_until(begun, within)
        made = {
            f"s{number}": self._step(step.what, leaf.by, begun if number == 0 else lasting)
            for number, step in enumerate(leaf.steps)
        }
        query = exp.select().from_("s0", copy=False)
        before, waiting = "s0", ""
        for number, step in enumerate(leaf.steps[1:], 1):
            alias = f"s{number}"
            if step.negated:
                waiting = alias
                continue
            query = query.join(exp.to_table(alias), on=self._follows(alias, before, within, leaf.by), copy=False)
            if waiting:
                query = query.where(
                    self._none_between(waiting, leaf.by, before, _of(alias, "at"), until=False), copy=False
                )
            before, waiting = alias, ""
        if waiting:
            over = self._plus(_of("s0", "at"), within)
            query = query.where(
                exp.LT(this=over, expression=self._bind.instant(self._times.span_of(None).end)),
                self._none_between(waiting, leaf.by, before, over.copy(), until=True),
                copy=False,
            )
        query = query.select(_of("s0", "member_no"), copy=False).distinct(copy=False)
        for alias, relation in made.items():
            query = query.with_(alias, as_=relation, materialized=self._dialect.keeps_common_tables or None, copy=False)
        return MemberSet(query)

    def _step(self, what: EventFilter, by: str | None, span: Span) -> exp.Select:
        told = [_of("o", "member_no").as_("member_no"), _of("e", "occurred_at").as_("at")]
        events = self._joined(self._events(what, span))
        if by is None:
            return events.select(*told, copy=False)
        key = self._key(by)
        return events.select(*told, key.as_("k"), copy=False).where(
            exp.Not(this=exp.Is(this=key.copy(), expression=exp.null())), copy=False
        )

    def _key(self, by: str) -> exp.Expr:
        source = self._own_source(by)
        told = [
            exp.DPipe(this=exp.Literal.string(mark), expression=exp.cast(value, "text"))
            for mark, kind in _MARKS[:2]
            if (value := source.read(kind)) is not None
        ]
        return call("coalesce", *told)

    def _follows(self, alias: str, before: str, within: int, by: str | None) -> exp.Expr:
        found = [
            _of(alias, "member_no").eq(_of("s0", "member_no")),
            exp.GT(this=_of(alias, "at"), expression=_of(before, "at")),
            exp.LTE(this=_of(alias, "at"), expression=self._plus(_of("s0", "at"), within)),
        ]
        return exp.and_(*found, *([_of(alias, "k").eq(_of("s0", "k"))] if by else []), copy=False)

    def _none_between(self, step: str, by: str | None, before: str, end: exp.Expr, *, until: bool) -> exp.Expr:
        upper = exp.LTE if until else exp.LT
        between = [
            _of("x", "member_no").eq(_of("s0", "member_no")),
            exp.GT(this=_of("x", "at"), expression=_of(before, "at")),
            upper(this=_of("x", "at"), expression=end),
        ]
        if by:
            between.append(_of("x", "k").eq(_of("s0", "k")))
        found = select(exp.Literal.number(1)).from_(exp.to_table(step).as_("x"), copy=False).where(*between, copy=False)
        return exp.Not(this=exp.Exists(this=found))

    def _plus(self, instant: exp.Expr, seconds: int) -> exp.Expr:
        interval = exp.Interval(this=exp.Literal.string(str(seconds)), unit=exp.var("SECOND"))
        return exp.Add(this=instant, expression=interval)

    # --- percentile --------------------------------------------------------------------------------------------------

    def lower_percentile(self, leaf: Percentile) -> MemberSet:
        """Everybody at least as far up as the last of the first ceil(n × percent / 100)."""
        number = self._number(leaf.kind, leaf.of).as_("x")
        measured = self._measured(leaf.what, self._times.span_of(leaf.within), leaf.of)
        valued = measured.select(_of("o", "member_no").as_("member_no"), number, copy=False).group_by(
            _of("o", "member_no"), copy=False
        )
        known = (
            select("member_no", "x")
            .from_(valued.subquery("m", copy=False), copy=False)
            .where("x is not null", copy=False)
        )
        order = exp.Ordered(this=exp.column("x"), desc=not leaf.least, nulls_first=False)
        ranked = select(
            exp.column("x"),
            exp.Window(this=call("row_number"), order=exp.Order(expressions=[order])).as_("place"),
            exp.Window(this=exp.Count(this=exp.Star())).as_("n"),
        ).from_("known", copy=False)
        share = exp.Mul(this=exp.column("n"), expression=self._bind.scalar(leaf.percent))
        chosen = exp.LT(
            this=exp.Mul(
                this=exp.paren(exp.Sub(this=exp.column("place"), expression=exp.Literal.number(1))),
                expression=exp.Literal.number(100),
            ),
            expression=share,
        )
        edge = call("max" if leaf.least else "min", exp.column("x"))
        limit = select(edge).from_(ranked.subquery("r", copy=False), copy=False).where(chosen, copy=False)
        holds = (exp.LTE if leaf.least else exp.GTE)(this=exp.column("x"), expression=limit.subquery(copy=False))
        return MemberSet(
            select("member_no")
            .with_("known", as_=known, copy=False)
            .from_("known", copy=False)
            .where(holds, copy=False)
        )


_MARKS: Final[tuple[tuple[str, ScalarKind], ...]] = (("t", "text"), ("n", "number"), ("b", "boolean"))
_LINE_KINDS: Final[tuple[tuple[str, ScalarKind], ...]] = (
    ("item_id", "text"),
    ("category", "text"),
    ("quantity", "number"),
    ("price", "number"),
)


def _told(kind: str, of: str | None) -> str:
    return kind if of is None else f"{kind} of {of}"


def _line_source(name: str) -> Source:
    return ColumnSource(_of("l", name), "number" if name in _LINE_NUMBERS else "text")


def is_met_by_none(wanted: Range) -> bool:
    """Whether 0 lies in the range."""
    zero = Decimal(0)
    return not (
        (wanted.at_least is not None and zero < wanted.at_least)
        or (wanted.at_most is not None and zero > wanted.at_most)
        or (wanted.more_than is not None and zero <= wanted.more_than)
        or (wanted.less_than is not None and zero >= wanted.less_than)
    )


def _month(instant: object) -> int:
    return instant.year * 100 + instant.month  # type: ignore[attr-defined]
