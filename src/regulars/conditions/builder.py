"""Conditions in Python: `did("Order Completed").within("30d").count(at_least=2) & tag("vip")`.

What JSON says can be said at once too: `did("Order Completed", within="30d", count={"at_least": 2})`.

Each step writes what JSON would say and reads it at once, so that both forms are one tree and refuse the same things.
"""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Self, TypedDict, Unpack, cast, overload

from regulars.conditions.parse import parse_tree
from regulars.conditions.tree import AllOf, AnyOf, Node
from regulars.conditions.write import write_tree

Number = int | float | Decimal
Value = str | bool | Number
Time = str | date
"""A date, or an instant that knows its distance from UTC, or the text of one."""

Asked = Value | list[Value] | Mapping[str, object]
"""What a property must be: a value, a list of which it is one, or a test such as `{"at_least": 100}`."""


class Bounds(TypedDict, total=False):
    """Bounds of a number."""

    at_least: Number
    at_most: Number
    more_than: Number
    less_than: Number


class Span(TypedDict, total=False):
    """Bounds of a window. `from_` is `from`, which Python keeps for itself."""

    from_: Time
    after: Time
    before: Time
    until: Time


class Condition:
    """A set of members: `&` is both, `|` either, `~` everybody else. `tree` is the node."""

    __slots__ = ("tree",)
    tree: Node

    def __init__(self, tree: Node) -> None:
        self.tree = tree

    def __and__(self, other: "Condition") -> "Condition":
        return _read(write_tree(AllOf((*_parts(self.tree, AllOf), *_parts(other.tree, AllOf)))))

    def __or__(self, other: "Condition") -> "Condition":
        return _read(write_tree(AnyOf((*_parts(self.tree, AnyOf), *_parts(other.tree, AnyOf)))))

    def __invert__(self) -> "Condition":
        return _read({"not": write_tree(self.tree)})

    def __bool__(self) -> bool:
        raise TypeError("a condition is neither true nor false: write & for and, | for or, ~ for not")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.tree == other.tree

    def __hash__(self) -> int:
        return hash(self.tree)

    def __repr__(self) -> str:
        return f"<condition {json.dumps(write_tree(self.tree), ensure_ascii=False)}>"


class DidCondition(Condition):
    """What a member did; each method narrows it."""

    __slots__ = ("_said",)

    def __init__(self, said: Mapping[str, object]) -> None:
        super().__init__(parse_tree({"did": said}))
        self._said = dict(said)

    @property
    def said(self) -> Mapping[str, object]:
        """As JSON says it, without the word `did`."""
        return self._said

    def where(self, **properties: Asked) -> Self:
        """Only events whose properties are these."""
        return self._with("where", properties)

    def item(self, **attributes: Asked) -> Self:
        """Only events one of whose items is such."""
        return self._with("item", attributes)

    def within(self, window: str | None = None, **span: Unpack[Span]) -> Self:
        """In a window: `30d`, `this_month`, `rolling 12 months`, or from, after, before, until."""
        return type(self)({**self._said, "within": _window(window, span)})

    def count(self, exactly: int | None = None, **bounds: Unpack[Bounds]) -> Self:
        """How often."""
        return self._ask("count", dict(bounds) if exactly is None else exactly)

    def sum(self, of: str, **bounds: Unpack[Bounds]) -> Self:
        """What a number property adds up to."""
        return self._ask("sum", {"of": of, **bounds})

    def avg(self, of: str, **bounds: Unpack[Bounds]) -> Self:
        """What a number property is on average."""
        return self._ask("avg", {"of": of, **bounds})

    def min(self, of: str, **bounds: Unpack[Bounds]) -> Self:
        """What a number property is at least."""
        return self._ask("min", {"of": of, **bounds})

    def max(self, of: str, **bounds: Unpack[Bounds]) -> Self:
        """What a number property is at most."""
        return self._ask("max", {"of": of, **bounds})

    def distinct(self, of: str, **bounds: Unpack[Bounds]) -> Self:
        """How many values a property has; `local_day` counts days of the brand."""
        return self._ask("distinct", {"of": of, **bounds})

    def first(self, window: str | None = None, **span: Unpack[Span]) -> Self:
        """When it happened first, of all time."""
        return type(self)({**self._said, "first": _window(window, span)})

    def last(self, window: str | None = None, **span: Unpack[Span]) -> Self:
        """When it happened last."""
        return type(self)({**self._said, "last": _window(window, span)})

    def _with(self, key: str, more: Mapping[str, Asked]) -> Self:
        return type(self)({**self._said, key: [*self._list(key), *({name: asked} for name, asked in more.items())]})

    def _ask(self, key: str, asked: object) -> Self:
        return type(self)({**self._said, key: [*self._list(key), asked]})

    def _list(self, key: str) -> list[object]:
        said = self._said.get(key, [])
        return cast("list[object]", said) if isinstance(said, list) else [said]


class TraitName:
    """A trait that waits for what it must be."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, value: Value) -> Condition:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._ask({"equals": value})

    def __ne__(self, value: Value) -> Condition:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.none_of(value)

    def __ge__(self, number: Number) -> Condition:
        return self._ask({"at_least": number})

    def __le__(self, number: Number) -> Condition:
        return self._ask({"at_most": number})

    def __gt__(self, number: Number) -> Condition:
        return self._ask({"more_than": number})

    def __lt__(self, number: Number) -> Condition:
        return self._ask({"less_than": number})

    def any_of(self, *values: Value) -> Condition:
        """Equals one of these."""
        return self._ask({"any_of": list(values)})

    def none_of(self, *values: Value) -> Condition:
        """Has a value, and it is none of these."""
        return self._ask({"none_of": list(values)})

    def between(self, at_least: Number, at_most: Number) -> Condition:
        """A number within both bounds, themselves included."""
        return self._ask({"between": [at_least, at_most]})

    def starts_with(self, text: str) -> Condition:
        """A text that begins so."""
        return self._ask({"prefix": text})

    def ends_with(self, text: str) -> Condition:
        """A text that ends so."""
        return self._ask({"suffix": text})

    def contains(self, text: str) -> Condition:
        """A text that holds another."""
        return self._ask({"contains": text})

    def exists(self) -> Condition:
        """Has a value."""
        return self._ask({"exists": True})

    def has_any(self, *values: Value) -> Condition:
        """A list that holds one of these."""
        return self._ask({"has_any": list(values)})

    def has_all(self, *values: Value) -> Condition:
        """A list that holds all of these."""
        return self._ask({"has_all": list(values)})

    def within(self, window: str | None = None, **span: Unpack[Span]) -> Condition:
        """A date in a window that lies behind, or between dates."""
        return self._ask({"within": _window(window, span)})

    def next(self, duration: str) -> Condition:
        """A date ahead, no further than this."""
        return self._ask({"next": duration})

    def __repr__(self) -> str:
        return f"trait({self.name!r})"

    def _ask(self, test: Mapping[str, object]) -> Condition:
        return _read({"trait": {self.name: test}})


def did(event: str, /, **said: object) -> DidCondition:
    """Members with an event of this name, at least once, or as JSON says it: `did("Can Opened", within="30d")`."""
    return DidCondition({"event": event, **{key.rstrip("_"): told for key, told in said.items()}})


@overload
def trait(name: str, /) -> TraitName: ...
@overload
def trait(**tests: Asked) -> Condition: ...
def trait(name: str | None = None, /, **tests: Asked) -> TraitName | Condition:
    """A trait: `trait("gender") == "female"`, `trait("age").between(25, 54)`, or `trait(gender="female")`."""
    if name is None:
        return _read({"trait": tests})
    if tests:
        raise TypeError('trait takes a name, trait("age") >= 25, or what traits must be, trait(age={"at_least": 25})')
    return TraitName(name)


def tag(
    name: str,
    *,
    weight: Mapping[str, object] | None = None,
    weight_at_least: Number | None = None,
    weight_at_most: Number | None = None,
    weight_more_than: Number | None = None,
    weight_less_than: Number | None = None,
) -> Condition:
    """Members with a tag, perhaps of some weight."""
    bounds = {
        "at_least": weight_at_least,
        "at_most": weight_at_most,
        "more_than": weight_more_than,
        "less_than": weight_less_than,
    }
    asked = {**(weight or {}), **{key: bound for key, bound in bounds.items() if bound is not None}}
    return _read({"tag": {"is": name, "weight": asked} if asked else name})


def consent(channel: str, purpose: str, *, granted: bool = True) -> Condition:
    """Members whose consent is in force, or whose refusal."""
    return _read({"consent": {"channel": channel, "purpose": purpose, "granted": granted}})


def identity(kind: str) -> Condition:
    """Members with an identity of a kind."""
    return _read({"identity": kind})


def not_(step: str | DidCondition) -> Mapping[str, object]:
    """A step of a sequence that must not happen."""
    return {"not": _step(step)}


def sequence(
    *steps: str | DidCondition | Mapping[str, object],
    within: str,
    by: str | None = None,
    started: str | None = None,
) -> Condition:
    """Members whose events followed one another: names, `did(…).where(…)`, and `not_(…)`."""
    said: dict[str, object] = {"of": [_step(step) for step in steps], "within": within}
    optional = {"by": by, "started": started}
    return _read({"sequence": said | {key: value for key, value in optional.items() if value is not None}})


class _Named(TypedDict, total=False):
    campaign: str
    channel: str
    topic: str


class _Deliveries(_Named, Bounds, total=False):
    within: str


def received(**asked: Unpack[_Deliveries]) -> Condition:
    """Members who were sent something: `received(at_most=1, within="30d", topic="promo")`."""
    return _delivered("received", asked)


def opened(**asked: Unpack[_Deliveries]) -> Condition:
    """Members who opened something they were sent."""
    return _delivered("opened", asked)


def clicked(**asked: Unpack[_Deliveries]) -> Condition:
    """Members who clicked in something they were sent."""
    return _delivered("clicked", asked)


def member_of(audience: str) -> Condition:
    """Members of another audience."""
    return _read({"member_of": audience})


def percentile(
    event: str | DidCondition,
    *,
    top: Number | None = None,
    bottom: Number | None = None,
    by: str = "count",
    of: str | None = None,
) -> Condition:
    """The members with the most or least: `percentile(did("Order Completed").within("90d"), top=10, by="sum", of="revenue")`."""
    ranked: dict[str, object] = {**_said(event), by: True if of is None else {"of": of}}
    sides = {"top": top, "bottom": bottom}
    said = {key: percent for key, percent in sides.items() if percent is not None}
    return _read({"percentile": {**said, "of": {"did": ranked}}})


def bucket(salt: str, from_: Number, until: Number) -> Condition:
    """A random part of all members, stable by member and salt, in percent."""
    return _read({"bucket": {"salt": salt, "from": from_, "until": until}})


def points(asset: str, exactly: Number | None = None, **bounds: Unpack[Bounds]) -> Condition:
    """Members by what they could spend now: `points("stars", at_least=3)`."""
    return _read({"points": {asset: dict(bounds) if exactly is None else exactly}})


def tier(name: str | None = None, *, at_least: str | None = None) -> Condition:
    """Members at a level, or `at_least` at one."""
    if (name is None) == (at_least is None):
        raise TypeError('tier takes one name: tier("gold") or tier(at_least="gold")')
    return _read({"tier": name if at_least is None else {"at_least": at_least}})


def badge(name: str) -> Condition:
    """Members with a badge."""
    return _read({"badge": name})


def mission(name: str, state: str = "done") -> Condition:
    """Members who reached a mission."""
    return _read({"mission": {"name": name, "state": state}})


def voucher(pool: str, state: str) -> Condition:
    """Members with a voucher of a pool that is `issued`, `reserved` or `used`."""
    return _read({"voucher": {"pool": pool, "state": state}})


def condition(said: object) -> Condition:
    """A condition as JSON says it."""
    return _read(said)


def _read(said: object) -> Condition:
    return Condition(parse_tree(said))


def _parts(tree: Node, group: type[AllOf] | type[AnyOf]) -> tuple[Node, ...]:
    return tree.parts if isinstance(tree, group) else (tree,)


def _window(window: str | None, span: Span) -> object:
    bounds: dict[str, object] = {key.rstrip("_"): bound for key, bound in span.items()}
    return bounds if window is None else {"within": window, **bounds}


def _said(event: str | DidCondition) -> Mapping[str, object]:
    return {"event": event} if isinstance(event, str) else event.said


def _step(step: str | DidCondition | Mapping[str, object]) -> object:
    return step.said if isinstance(step, DidCondition) else step


def _delivered(kind: str, asked: _Deliveries) -> Condition:
    bounds = {key: value for key, value in asked.items() if key in Bounds.__annotations__}
    said: dict[str, object] = {key: value for key, value in asked.items() if key not in bounds}
    return _read({kind: (said | {"count": bounds} if bounds else said) or True})
