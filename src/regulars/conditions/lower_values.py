"""Tests of one value, as expressions: where a value comes from (a column, a JSON member) and what it must be."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, assert_never

from sqlglot import exp

from regulars.conditions.dialects import NUMBER_TYPE, Dialect
from regulars.conditions.spans import Times
from regulars.conditions.tree import (
    Exists,
    Filter,
    InTime,
    ListHas,
    NoneOf,
    OneOf,
    Range,
    Rolling,
    Scalar,
    TextMatch,
    ValueTest,
)

_SQL_TYPES: Final = {"text": "text", "number": NUMBER_TYPE, "boolean": "boolean"}


class Binder:
    """Values by name; none of them is ever printed."""

    def __init__(self) -> None:
        self.parameters: dict[str, object] = {}

    def __call__(self, value: object, type_name: str) -> exp.Expr:
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return exp.cast(exp.Placeholder(this=name), type_name)

    def scalar(self, value: Scalar) -> exp.Expr:
        """A value of the tree, as its own type."""
        return self(value, _SQL_TYPES[kind_of(value)])

    def instant(self, value: datetime) -> exp.Expr:
        return self(value, "timestamptz")


ScalarKind = Literal["text", "number", "boolean"]
_KINDS: Final[tuple[ScalarKind, ...]] = ("text", "number", "boolean")


def kind_of(value: Scalar) -> ScalarKind:
    """The JSON type that a value is compared with."""
    match value:
        case bool():
            return "boolean"
        case Decimal():
            return "number"
        case str():
            return "text"


class Source(ABC):
    """Where one value comes from. Each way of reading gives NULL where the value is of another type."""

    @abstractmethod
    def read(self, kind: ScalarKind) -> exp.Expr | None:
        """As a text, number or boolean; None where it never is one."""

    def is_text_of(self, wanted: Sequence[str], bind: Binder) -> exp.Expr | None:
        """As a text that equals one of these; None where it never is a text."""
        read = self.read("text")
        return None if read is None else read.isin(*(bind.scalar(one) for one in wanted))

    @abstractmethod
    def is_given(self) -> exp.Expr: ...

    @abstractmethod
    def instant(self, zone: exp.Expr) -> exp.Expr | None: ...

    @abstractmethod
    def list_has(self, value: Scalar) -> exp.Expr | None: ...


@dataclass(frozen=True, slots=True)
class ColumnSource(Source):
    """A column of one type."""

    column: exp.Expr
    kind: ScalarKind

    def read(self, kind: ScalarKind) -> exp.Expr | None:
        return self.column.copy() if kind == self.kind else None

    def is_given(self) -> exp.Expr:
        return is_there(self.column)

    def instant(self, zone: exp.Expr) -> exp.Expr | None:
        return None

    def list_has(self, value: Scalar) -> exp.Expr | None:
        return None


@dataclass(frozen=True, slots=True)
class MemberSource(Source):
    """A member of a JSON document."""

    dialect: Dialect
    document: exp.Expr
    key: str
    bind: Binder

    def _value(self) -> exp.Expr:
        return self.dialect.member(self.document.copy(), self.key, self.bind)

    def read(self, kind: ScalarKind) -> exp.Expr | None:
        match kind:
            case "text":
                return self.dialect.text_of(self._value())
            case "number":
                return self.dialect.number_of(self._value())
            case "boolean":
                return self.dialect.boolean_of(self._value())

    def is_text_of(self, wanted: Sequence[str], bind: Binder) -> exp.Expr | None:
        return self.dialect.is_text_of(self._value(), wanted, bind)

    def is_given(self) -> exp.Expr:
        return self.dialect.is_given(self._value())

    def instant(self, zone: exp.Expr) -> exp.Expr | None:
        return self.dialect.instant_of(self._value(), zone)

    def list_has(self, value: Scalar) -> exp.Expr | None:
        return self.dialect.list_has(self._value(), value, self.bind)


def lower_test(source: Source, test: ValueTest, dialect: Dialect, bind: Binder, times: Times) -> exp.Expr:
    """A condition that is true, false or NULL, and true only where the test holds."""
    match test:
        case OneOf(values):
            return _one_of(source, values, bind)
        case NoneOf(values):
            given = [is_there(one) for kind in _KINDS if (one := source.read(kind)) is not None]
            equal = exp.func("coalesce", _one_of(source, values, bind), exp.false())
            return exp.and_(exp.or_(*given, copy=False), exp.not_(equal, copy=False), copy=False)
        case Range():
            number = source.read("number")
            return exp.false() if number is None else compare_range(number, test, bind)
        case TextMatch():
            return _match_text(source, test, dialect, bind)
        case Exists():
            return source.is_given()
        case ListHas(values, every):
            held = [source.list_has(value) or exp.false() for value in values]
            return exp.and_(*held, copy=False) if every else exp.or_(*held, copy=False)
        case InTime():
            return _in_time(source, test, bind, times)
        case _:
            assert_never(test)


def lower_filters(
    filters: Sequence[Filter], source_of: Callable[[str], Source], dialect: Dialect, bind: Binder, times: Times
) -> list[exp.Expr]:
    """One condition for each filter."""
    return [lower_test(source_of(one.name), one.test, dialect, bind, times) for one in filters]


def compare_range(number: exp.Expr, wanted: Range, bind: Binder) -> exp.Expr:
    """All bounds of the range; true without any where there is a number."""
    bounds: list[tuple[type[exp.Binary], Decimal | None]] = [
        (exp.GTE, wanted.at_least),
        (exp.LTE, wanted.at_most),
        (exp.GT, wanted.more_than),
        (exp.LT, wanted.less_than),
    ]
    found = [kind(this=number.copy(), expression=bind.scalar(bound)) for kind, bound in bounds if bound is not None]
    return exp.and_(*found, copy=False) if found else is_there(number)


def is_there(value: exp.Expr) -> exp.Expr:
    """Not NULL."""
    return exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))


def _one_of(source: Source, values: Sequence[Scalar], bind: Binder) -> exp.Expr:
    by_kind: dict[ScalarKind, list[Scalar]] = {}
    for value in values:
        by_kind.setdefault(kind_of(value), []).append(value)
    found: list[exp.Expr] = []
    for kind, wanted in by_kind.items():
        if kind == "text":
            equal = source.is_text_of([value for value in wanted if isinstance(value, str)], bind)
        else:
            read = source.read(kind)
            equal = None if read is None else read.isin(*(bind.scalar(value) for value in wanted))
        if equal is not None:
            found.append(equal)
    return exp.or_(*found, copy=False) if found else exp.false()


def _match_text(source: Source, test: TextMatch, dialect: Dialect, bind: Binder) -> exp.Expr:
    whole = source.read("text")
    if whole is None:
        return exp.false()
    match_text = {"prefix": dialect.starts_with, "suffix": dialect.ends_with, "contains": dialect.contains}[test.how]
    return match_text(whole, bind(test.text, "text"))


def _in_time(source: Source, test: InTime, bind: Binder, times: Times) -> exp.Expr:
    instant = source.instant(bind(times.zone.key, "text"))
    if instant is None:
        return exp.false()
    if test.ahead and isinstance(test.window, Rolling):
        start, end = times.span_ahead(test.window.seconds)
    else:
        start, end = times.bounds_of(test.window)
    conditions = [is_there(instant)]
    if end is not None:
        conditions.append(exp.LT(this=instant.copy(), expression=bind.instant(end)))
    if start is not None:
        conditions.append(exp.GTE(this=instant, expression=bind.instant(start)))
    return exp.and_(*conditions, copy=False)
