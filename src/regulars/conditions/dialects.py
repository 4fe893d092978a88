"""How each engine reads a value out of JSON, and the few words they spell differently. A dialect is a table of differences.

Two kinds of place hold JSON: a document's member (`properties`, `attributes`: text; `traits`: jsonb), named by its key.
Each accessor gives NULL where the value is of another type, so that a comparison with it is never true.

Numbers are read to 6 digits after the point, half away from zero; beyond 12 digits before it they are absent.
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from sqlglot import exp

from regulars.conditions.tree import Scalar

NUMBER_DIGITS: Final = 18
NUMBER_SCALE: Final = 6
NUMBER_TYPE: Final = f"decimal({NUMBER_DIGITS},{NUMBER_SCALE})"
_LARGE: Final = "1000000000000"

_DAY: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_CLOCK: Final = r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]{1,6})?)?"
DAY_PATTERN: Final = f"^{_DAY}$"
LOCAL_PATTERN: Final = f"^{_DAY}[T ]{_CLOCK}$"
INSTANT_PATTERN: Final = f"^{_DAY}[T ]{_CLOCK}(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])$"
"""What reads as a date, an instant of the brand's time zone, an instant."""

Bind = Callable[[object, str], exp.Expr]


def call(name: str, *arguments: exp.Expr) -> exp.Anonymous:
    """A function that sqlglot prints as it is named."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def text(value: str) -> exp.Literal:
    """A text of our own; what users wrote is bound."""
    return exp.Literal.string(value)


def when(condition: exp.Expr, then: exp.Expr) -> exp.Case:
    """The value where the condition holds, else NULL; never evaluated elsewhere."""
    return exp.Case(ifs=[exp.If(this=condition, true=then)])


class Dialect(ABC):
    """What sqlglot does not translate."""

    name: str
    keeps_common_tables = True
    """Whether a common table can be made once and read often."""

    @abstractmethod
    def member(self, document: exp.Expr, key: str, bind: Bind) -> exp.Expr:
        """The value under a key, as what the other methods take."""

    def finish(self, query: exp.Select) -> exp.Select:
        """The whole query as it is to be printed; it may be changed in place."""
        return query

    @abstractmethod
    def text_of(self, value: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def is_text_of(self, value: exp.Expr, wanted: Sequence[str], bind: Bind) -> exp.Expr:
        """A text that equals one of these, compared as JSON: cheaper than `text_of`."""

    @abstractmethod
    def number_of(self, value: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def boolean_of(self, value: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def is_given(self, value: exp.Expr) -> exp.Expr:
        """There is a value that is not null."""

    @abstractmethod
    def instant_of(self, value: exp.Expr, zone: exp.Expr) -> exp.Expr:
        """An instant; a date is its first one in the zone."""

    @abstractmethod
    def list_has(self, value: exp.Expr, wanted: Scalar, bind: Bind) -> exp.Expr:
        """A list that holds the value itself."""

    @abstractmethod
    def local_day(self, instant: exp.Expr, zone: exp.Expr) -> exp.Expr: ...

    @abstractmethod
    def ends_with(self, whole: exp.Expr, end: exp.Expr) -> exp.Expr: ...

    def told_instant(self, instant: exp.Expr) -> exp.Expr:
        """As text, as DuckDB tells it."""
        return exp.cast(instant, "text")

    def average(self, value: exp.Expr) -> exp.Expr:
        return call("avg", value)

    def starts_with(self, whole: exp.Expr, beginning: exp.Expr) -> exp.Expr:
        return call("starts_with", whole, beginning)

    def contains(self, whole: exp.Expr, part: exp.Expr) -> exp.Expr:
        return exp.GT(this=call("strpos", whole, part), expression=exp.Literal.number(0))


class DuckDB(Dialect):
    """JSON is text; a value is the document and the pointer to it, or a column that holds what is found there."""

    name = "duckdb"

    def __init__(self, promoted: Mapping[str, str] | None = None) -> None:
        """`promoted`: columns of events that hold the JSON text of a property, by its name."""
        self._promoted = promoted or {}

    def member(self, document: exp.Expr, key: str, bind: Bind) -> exp.Expr:
        if isinstance(document, exp.Column) and document.name == "properties" and key in self._promoted:
            return exp.column(self._promoted[key], table=document.table)
        pointer = "/" + key.replace("~", "~0").replace("/", "~1")
        return call("json_extract", document, bind(pointer, "text"))

    def _type(self, value: exp.Expr) -> exp.Expr:
        return call("json_type", value.copy())

    def _string(self, value: exp.Expr) -> exp.Expr:
        return call("json_extract_string", value.copy(), text("$"))

    def text_of(self, value: exp.Expr) -> exp.Expr:
        return when(self._type(value).eq(text("VARCHAR")), self._string(value))

    def is_text_of(self, value: exp.Expr, wanted: Sequence[str], bind: Bind) -> exp.Expr:
        said = exp.cast(value.copy(), "text")  # written anew by the engine: equal texts have one form
        return said.isin(*(exp.cast(call("to_json", bind(one, "text")), "text") for one in wanted))

    def number_of(self, value: exp.Expr) -> exp.Expr:
        is_number = self._type(value).isin(*(text(one) for one in ("BIGINT", "UBIGINT", "DOUBLE", "HUGEINT")))
        return when(is_number, exp.TryCast(this=self._string(value), to=exp.DataType.build(NUMBER_TYPE)))

    def boolean_of(self, value: exp.Expr) -> exp.Expr:
        return when(self._type(value).eq(text("BOOLEAN")), self._string(value).eq(text("true")))

    def is_given(self, value: exp.Expr) -> exp.Expr:
        return call("coalesce", exp.NEQ(this=self._type(value), expression=text("NULL")), exp.false())

    def instant_of(self, value: exp.Expr, zone: exp.Expr) -> exp.Expr:
        said = self.text_of(value)
        local = call("timezone", zone, exp.TryCast(this=said.copy(), to=exp.DataType.build("timestamp")))
        return exp.Case(
            ifs=[
                exp.If(this=call("regexp_matches", said.copy(), text(DAY_PATTERN)), true=local),
                exp.If(this=call("regexp_matches", said.copy(), text(LOCAL_PATTERN)), true=local.copy()),
                exp.If(
                    this=call("regexp_matches", said.copy(), text(INSTANT_PATTERN)),
                    true=exp.TryCast(this=said.copy(), to=exp.DataType.build("timestamptz")),
                ),
            ]
        )

    def list_has(self, value: exp.Expr, wanted: Scalar, bind: Bind) -> exp.Expr:
        is_list = self._type(value).eq(text("ARRAY"))
        document = exp.cast(value.copy(), "json") if isinstance(value, exp.Column) else value.copy()
        elements = exp.cast(document, "json[]")
        held = [call("list_contains", elements.copy(), exp.cast(bind(form, "text"), "json")) for form in _forms(wanted)]
        return exp.and_(is_list, when(is_list.copy(), exp.or_(*held)))

    def local_day(self, instant: exp.Expr, zone: exp.Expr) -> exp.Expr:
        return exp.cast(call("timezone", zone, instant), "date")

    def ends_with(self, whole: exp.Expr, end: exp.Expr) -> exp.Expr:
        return call("suffix", whole, end)


class PostgreSQL(Dialect):
    """JSON is jsonb; CASE keeps a cast away from what it cannot read."""

    name = "postgres"

    def member(self, document: exp.Expr, key: str, bind: Bind) -> exp.Expr:
        return call("jsonb_object_field", exp.cast(document, "jsonb"), bind(key, "text"))

    def _type(self, value: exp.Expr) -> exp.Expr:
        return call("jsonb_typeof", value.copy())

    def _string(self, value: exp.Expr) -> exp.Expr:
        return call("facts.json_text", value.copy())

    def text_of(self, value: exp.Expr) -> exp.Expr:
        return when(self._type(value).eq(text("string")), self._string(value))

    def is_text_of(self, value: exp.Expr, wanted: Sequence[str], bind: Bind) -> exp.Expr:
        return value.copy().isin(*(bind(_forms(one)[0], "jsonb") for one in wanted))

    def number_of(self, value: exp.Expr) -> exp.Expr:
        return call("facts.json_number", value.copy())

    def boolean_of(self, value: exp.Expr) -> exp.Expr:
        return when(self._type(value).eq(text("boolean")), self._string(value).eq(text("true")))

    def is_given(self, value: exp.Expr) -> exp.Expr:
        return call("coalesce", exp.NEQ(this=self._type(value), expression=text("null")), exp.false())

    def instant_of(self, value: exp.Expr, zone: exp.Expr) -> exp.Expr:
        return call("facts.json_instant", value.copy(), zone)

    def list_has(self, value: exp.Expr, wanted: Scalar, bind: Bind) -> exp.Expr:
        is_list = self._type(value).eq(text("array"))
        return exp.and_(is_list, call("jsonb_contains", value.copy(), bind(f"[{_forms(wanted)[0]}]", "jsonb")))

    def local_day(self, instant: exp.Expr, zone: exp.Expr) -> exp.Expr:
        return exp.cast(call("timezone", zone, instant), "date")

    def ends_with(self, whole: exp.Expr, end: exp.Expr) -> exp.Expr:
        return call("right", whole, call("length", end)).eq(end.copy())


class Spark(Dialect):
    """JSON is text; a value is a text that says its type: texts begin with a mark, all else is as JSON writes it.

    get_json_object is quick but does not tell "1" from 1. Where that could matter, all texts of the document are marked
    before it is parsed; a CASE keeps this from all other rows. Both are written so that Spark 4 and Sail agree.

    Source: Apache Spark 4.2, SQL reference; Sail 0.7.2; both read 2026-11-22.
    """

    name = "spark"
    keeps_common_tables = False

    def member(self, document: exp.Expr, key: str, bind: Bind) -> exp.Expr:
        """A call that `finish` puts a column in the place of: the value is read once, however often it is looked at."""
        path = [bind(f"$.{key}", "text")] if _PLAIN_KEY.fullmatch(key) else []
        return call(_JSON_VALUE, document, bind(_MARK + key, "text"), *path)

    def finish(self, query: exp.Select) -> exp.Select:
        for select in list(query.find_all(exp.Select)):
            joins: list[exp.Join] = select.args.get("joins") or []
            for table in [select.args["from_"].this, *(join.this for join in joins)]:
                if isinstance(table, exp.Table):
                    _read_values(select, table)
        return query

    def text_of(self, value: exp.Expr) -> exp.Expr:
        is_text = call("startswith", value.copy(), text(_MARK))
        return when(is_text, call("substring", value.copy(), exp.Literal.number(len(_MARK) + 1)))

    def is_text_of(self, value: exp.Expr, wanted: Sequence[str], bind: Bind) -> exp.Expr:
        return value.copy().isin(*(bind(_MARK + one, "text") for one in wanted))

    def number_of(self, value: exp.Expr) -> exp.Expr:
        """Sail reads no exponents as decimals: such a number goes by a double, and by more digits than are kept."""
        by_double = _try_cast(_try_cast(value.copy(), "double"), "decimal(38,18)")
        return exp.Case(
            ifs=[
                exp.If(this=call("rlike", value.copy(), text("^-?[0-9].*[eE]")), true=_try_cast(by_double, NUMBER_TYPE))
            ],
            default=_try_cast(value.copy(), NUMBER_TYPE),
        )

    def boolean_of(self, value: exp.Expr) -> exp.Expr:
        return when(value.copy().isin(text("true"), text("false")), value.copy().eq(text("true")))

    def is_given(self, value: exp.Expr) -> exp.Expr:
        return exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))

    def instant_of(self, value: exp.Expr, zone: exp.Expr) -> exp.Expr:
        """The session's time zone is UTC. Sail reads no instant without seconds."""
        said = call("substring", value.copy(), exp.Literal.number(len(_MARK) + 1))
        instant = _try_cast(
            call("regexp_replace", said, text("^(.{16})((Z|[+-].*)?)$"), text("$1:00$2")), "timestamptz"
        )

        def reads_as(pattern: str) -> exp.Expr:
            return call("rlike", value.copy(), text(pattern.replace("^", f"^{_MARK}", 1)))

        is_local = exp.or_(reads_as(DAY_PATTERN), reads_as(LOCAL_PATTERN))
        return exp.Case(
            ifs=[
                exp.If(this=is_local, true=call("to_utc_timestamp", instant, zone)),
                exp.If(this=reads_as(INSTANT_PATTERN), true=instant.copy()),
            ]
        )

    def list_has(self, value: exp.Expr, wanted: Scalar, bind: Bind) -> exp.Expr:
        is_list = call("startswith", value.copy(), text("["))
        elements = call("from_json", value.copy(), text("array<string>"))
        forms = [_MARK + wanted] if isinstance(wanted, str) else _forms(wanted)
        held = [call("array_contains", elements.copy(), bind(form, "text")) for form in forms]
        return exp.and_(is_list, when(is_list.copy(), exp.or_(*held)))

    def local_day(self, instant: exp.Expr, zone: exp.Expr) -> exp.Expr:
        return exp.cast(call("from_utc_timestamp", instant, zone), "date")

    def told_instant(self, instant: exp.Expr) -> exp.Expr:
        return call("concat", exp.cast(instant, "text"), text("+00"))

    def average(self, value: exp.Expr) -> exp.Expr:
        """As DuckDB divides; Spark's own avg of decimals keeps four digits more than they have."""
        count = call("nullif", call("count", value), exp.Literal.number(0))
        return exp.Div(this=exp.cast(call("sum", value.copy()), "double"), expression=count)

    def starts_with(self, whole: exp.Expr, beginning: exp.Expr) -> exp.Expr:
        return call("startswith", whole, beginning)

    def ends_with(self, whole: exp.Expr, end: exp.Expr) -> exp.Expr:
        return call("endswith", whole, end)

    def contains(self, whole: exp.Expr, part: exp.Expr) -> exp.Expr:
        return call("contains", whole, part)


_JSON_VALUE: Final = "json_value"
_MARK: Final = "="
"""Begins no number, true, false, list or object."""
_JSON_TEXT: Final = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_AMBIGUOUS: Final = r"^(-?[0-9]|true$|false$|[\[{])"
"""What a text may say that another value would say too."""
_PLAIN_KEY: Final = re.compile(r"(?!\s)[^.\[*]+(?<!\s)")
"""Keys that Spark and Sail read alike in a path."""


def _read_values(select: exp.Select, table: exp.Table) -> None:
    """Put in the place of a table one that has a column for each JSON value that the query looks at."""
    columns: dict[exp.Expr, str] = {}
    for found in list(select.find_all(exp.Anonymous)):
        document = found.expressions[0] if found.this == _JSON_VALUE else None
        if isinstance(document, exp.Column) and document.table == table.alias:
            name = columns.setdefault(found.copy(), f"json_{len(columns)}")
            found.replace(exp.column(name, table=table.alias))
    if columns:
        bare = exp.to_table(table.name)
        made = [_json_value(*value.expressions).as_(name) for value, name in columns.items()]
        table.replace(exp.select(exp.Star(), *made).from_(bare).subquery(table.alias))


def _json_value(document: exp.Column, key: exp.Expr, path: exp.Expr | None = None) -> exp.Expr:
    document = exp.column(document.name)
    marked = call("regexp_replace", document, text(_JSON_TEXT), text(f'"{_MARK}$1"'))
    exact = call("element_at", call("from_json", marked, text("map<string,string>")), key.copy())
    if path is None:
        return exact
    said = call("get_json_object", document.copy(), path.copy())
    quoted = call("concat", text('"'), said.copy(), text('"'))
    is_no_text = exp.and_(  # nowhere in the document is a text that reads so, nor one that is written otherwise
        exp.not_(call("rlike", said.copy(), text(r"^[\[{]"))),
        exp.not_(call("contains", document.copy(), quoted)),
        exp.not_(call("contains", document.copy(), text("\\"))),
    )
    return exp.Case(
        ifs=[
            exp.If(this=exp.Is(this=said, expression=exp.null()), true=exp.cast(exp.null(), "text")),
            exp.If(
                this=exp.not_(call("rlike", said.copy(), text(_AMBIGUOUS))),
                true=call("concat", text(_MARK), said.copy()),
            ),
            exp.If(this=is_no_text, true=said.copy()),
        ],
        default=exact,
    )


def _try_cast(value: exp.Expr, kind: str) -> exp.Expr:
    return exp.TryCast(this=value, to=exp.DataType.build(kind), safe=True)


def _forms(value: Scalar) -> list[str]:
    """How JSON may write the value: 2, 2.0."""
    if isinstance(value, Decimal):
        plain = f"{value.normalize():f}"
        return [plain] if "." in plain else [plain, f"{plain}.0"]
    return [json.dumps(value, ensure_ascii=False)]


DUCKDB: Final = DuckDB()
POSTGRESQL: Final = PostgreSQL()
SPARK: Final = Spark()
