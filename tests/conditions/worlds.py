"""Random small worlds and random trees over them, made so that a good part of the trees divides the members."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from regulars.conditions import tree as t
from tests.conditions.reference import Event, Line, Member, World, number_of

AS_OF = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
ZONE = ZoneInfo("Asia/Taipei")
MEMBERS = 60
NAMES = ("Product Viewed", "Product Added", "Order Completed", "Quiz Taken")
SAID_AS = {"purchase": "Order Completed", "view_item": "Product Viewed"}
CATEGORIES = ("heels", "flats", "靴子", "Heels", "é'\"\\/x")
TEXTS = ("red", "紅色", "RED", "rouge é", "", "a%b_c", "1", "true")
NUMBERS: tuple[Any, ...] = (0, 1, 2, 2.0, 2.5, -3, 1e3, 12.1234565, 0.0000005, 1e15, 999999999999)
MIXED: tuple[Any, ...] = (*TEXTS, *NUMBERS, True, False, None, [], ["a", "b"], ["red", 2, 2.5], [2], {"a": 1})
DATES = (
    "2026-11-22",
    "2026-11-21",
    "2026-10-01",
    "2026-02-30",
    "2025-11-22",
    "2026-11-22T10:00:00",
    "2026-11-22T04:30:00Z",
)
INSTANTS = (
    "2026-11-23T00:00:00+08:00",
    "2026-12-01",
    "2026-11-22T12:30:00.000001+08:00",
    "yesterday",
    "2026-11-22T25:00:00Z",
)
KEYS = ("color", "size", "price", "on", "list", "a/b~c", 'q"k')
TAGS = ("vip", "new", "心動")
TRAITS = ("gender", "age", "born", "likes", "member", "odd name'\"")
SECONDS = (60, 3_600, 86_400, 7 * 86_400, 30 * 86_400, 365 * 86_400)


def make_world(rng: random.Random) -> World:
    items = {f"P{n}": {"name": f"Item {n}", "category": rng.choice((*CATEGORIES, None)), "price": Decimal(rng.randrange(1, 900)) / 4,
                       "brand": rng.choice(("acme", "心", None)), "size": rng.choice(NUMBERS)} for n in range(8)}  # fmt: skip
    members = tuple(make_member(rng, number) for number in range(MEMBERS))
    vip = t.AllOf((t.Tag("vip"), t.Not(t.Trait("gender", t.OneOf(("male",))))))
    return World(members, items, AS_OF, ZONE, dict(SAID_AS), {"loyal": vip})


def make_member(rng: random.Random, number: int) -> Member:
    traits = {name: make_trait(rng, name) for name in TRAITS if rng.random() < 0.7}
    tags = {
        tag: (
            rng.choice((0.0, 0.25, 0.5, 0.75, 1.0)),
            rng.choice((None, AS_OF, AS_OF + timedelta(1), AS_OF - timedelta(1))),
        )
        for tag in TAGS
        if rng.random() < 0.5
    }
    consents = {("line", "marketing"): rng.random() < 0.6} if rng.random() < 0.7 else {}
    kinds = frozenset(kind for kind in ("user_id", "line", "card") if rng.random() < 0.5)
    busy = rng.choice((0, 1, 3, 8))
    events = tuple(make_event(rng) for _ in range(rng.randrange(busy + 1)))
    return Member(number, 1000 + 7 * number, traits, tags, consents, kinds, events)


def make_trait(rng: random.Random, name: str) -> Any:
    if rng.random() < 0.1:
        return rng.choice(MIXED)
    return {
        "gender": rng.choice(("female", "male", "Female")),
        "age": rng.choice((0, 17, 18, 25, 25.5, 54, 55)),
        "born": rng.choice((*DATES, *INSTANTS)),
        "likes": rng.sample(("a", "b", "tea", 2, 2.5, True), 3),
        "member": rng.random() < 0.5,
    }.get(name, rng.choice(MIXED))


def make_event(rng: random.Random) -> Event:
    name = rng.choice((*NAMES, *NAMES, *SAID_AS))
    properties = {key: rng.choice(MIXED) for key in KEYS if rng.random() < 0.4}
    if rng.random() < 0.6:
        properties["color"] = rng.choice(TEXTS)
    if rng.random() < 0.6:
        properties["size"] = rng.choice(NUMBERS)
    if rng.random() < 0.4:
        properties["on"] = rng.choice((*DATES, *INSTANTS))
    if rng.random() < 0.7:
        properties["cart"] = rng.choice(("c1", "c2", 3, 3.0, "3", None))
    lines = tuple(make_line(rng) for _ in range(rng.randrange(1, 4))) if rng.random() < 0.4 else ()
    return Event(
        name,
        make_instant(rng),
        properties,
        number_of(rng.choice((*NUMBERS, None))),
        rng.choice(("o1", "o2", None)),
        rng.choice(("P1", "P2", "P3", None)),
        rng.choice((*CATEGORIES, None)),
        number_of(rng.choice((1, 2, 2.5, None))),
        lines,
    )


def make_line(rng: random.Random) -> Line:
    return Line(
        rng.choice((*(f"P{n}" for n in range(9)), None)),
        rng.choice((*CATEGORIES, None)),
        number_of(rng.choice((1, 2, 3.5, None))),
        number_of(rng.choice((10, 99.5, 100, None))),
    )


def make_instant(rng: random.Random) -> datetime:
    """Around every edge that a window may have, and after as_of."""
    edge = AS_OF - timedelta(seconds=rng.choice((0, 0, *SECONDS)))
    near = timedelta(microseconds=rng.choice((-1, 0, 1, 0)), seconds=rng.choice((0, 0, 1, -1, -600, -5_000, -90_000)))
    return edge + near if rng.random() < 0.6 else AS_OF - timedelta(seconds=rng.randrange(-90_000, 100 * 86_400))


# --- trees ---


def make_tree(rng: random.Random, depth: int = 3) -> t.Node:
    roll = rng.random()
    if depth == 0 or roll < 0.45:
        return make_leaf(rng)
    if roll < 0.6:
        return t.Not(make_tree(rng, depth - 1))
    parts = tuple(make_tree(rng, depth - 1) for _ in range(rng.randrange(1, 4)))
    return t.AllOf(parts) if roll < 0.78 else t.AnyOf(parts)


def make_leaf(rng: random.Random) -> t.Leaf:
    makers: tuple[tuple[int, Callable[[random.Random], t.Leaf]], ...] = (
        (5, lambda r: t.Trait(name := r.choice(TRAITS), make_test(r, name))),
        (2, lambda r: t.Tag(r.choice(TAGS), make_range(r, (0.0, 0.25, 0.5, 1.0)) if r.random() < 0.5 else None)),
        (1, lambda r: t.Consent("line", "marketing", r.random() < 0.7)),
        (1, lambda r: t.HasIdentity(r.choice(("user_id", "line", "phone")))),
        (9, make_did),
        (4, make_sequence),
        (2, make_percentile),
        (
            1,
            lambda r: t.Bucket(r.choice(("a", "鹽")), Decimal(r.choice((0, 10, 33))), Decimal(r.choice((50, 66, 100)))),
        ),
        (1, lambda _: t.MemberOf("loyal")),
    )
    return rng.choices([maker for _, maker in makers], [weight for weight, _ in makers])[0](rng)


def scalar(value: object) -> t.Scalar:
    return value if isinstance(value, str | bool) else Decimal(str(value))


def make_test(rng: random.Random, name: str) -> t.ValueTest:
    usual: dict[str, Callable[[], t.ValueTest]] = {
        "age": lambda: make_range(rng, (0, 18, 25, 25.5, 54)),
        "size": lambda: make_range(rng, (0, 1, 2, 2.5, 12.123457)),
        "price": lambda: make_range(rng, (0, 10, 99.5)),
        "born": lambda: make_time_test(rng),
        "on": lambda: make_time_test(rng),
        "gender": lambda: t.OneOf(("female",)),
        "category": lambda: t.OneOf(tuple(rng.sample(CATEGORIES, 2))),
        "likes": lambda: t.ListHas(
            tuple(scalar(one) for one in rng.sample(("a", "tea", 2, 2.5, True), 2)), rng.random() < 0.4
        ),
        "list": lambda: t.ListHas((scalar(rng.choice(("a", "red", 2, 2.5))),)),
        "member": lambda: t.OneOf((rng.random() < 0.5,)),
    }
    if name in usual and rng.random() < 0.7:
        return usual[name]()
    comparable = [one for one in (*TEXTS, *NUMBERS, True, False) if one not in (1e15, 12.1234565, 0.0000005)]
    values = tuple(scalar(one) for one in rng.sample(comparable, 3))
    some: tuple[Callable[[], t.ValueTest], ...] = (
        lambda: t.OneOf(values),
        lambda: t.NoneOf(values),
        lambda: make_range(rng, (0, 1, 2.5)),
        lambda: t.TextMatch(rng.choice(("prefix", "suffix", "contains")), rng.choice(("r", "é", "紅", "%", "", "RED"))),
        lambda: t.Exists(),
        lambda: t.ListHas(values, rng.random() < 0.5),
    )
    return rng.choice(some)()


def make_range(rng: random.Random, bounds: tuple[float, ...]) -> t.Range:
    low, high = sorted(Decimal(str(one)) for one in rng.choices(bounds, k=2))
    return rng.choice(
        (t.Range(low), t.Range(None, high), t.Range(low, high), t.Range(more_than=low), t.Range(less_than=high))
    )


def make_time_test(rng: random.Random) -> t.InTime:
    ahead = rng.random() < 0.3
    return t.InTime(t.Rolling(rng.choice(SECONDS)), True) if ahead else t.InTime(make_window(rng))


def make_window(rng: random.Random) -> t.Window:
    unit = rng.choice(("day", "week", "month", "quarter", "year"))
    near = AS_OF - timedelta(seconds=rng.choice(SECONDS))
    return rng.choice((
        t.Rolling(rng.choice(SECONDS)),
        t.Rolling(rng.choice(SECONDS)),
        t.Calendar(unit, rng.choice((1, 1, 2, 3)), rng.choice((0, 0, 1))),  # type: ignore[arg-type]
        t.Between(near, rng.choice((None, AS_OF, AS_OF - timedelta(1)))),
        t.Between(date(2026, rng.choice((1, 10, 11)), rng.choice((1, 21, 22))), rng.choice((None, date(2026, 11, 22)))),
    ))  # fmt: skip


def make_filter(rng: random.Random) -> t.EventFilter:
    names = (*KEYS, "category", "category", "quantity", "revenue", "item_id", "order_id", "color", "size")
    where = tuple(t.Filter(name := rng.choice(names), make_test(rng, name)) for _ in range(rng.choice((0, 0, 1, 2))))
    attributes = ("category", "brand", "price", "size", "name")
    item = (t.Filter(name := rng.choice(attributes), make_test(rng, name)),) if rng.random() < 0.15 else ()
    return t.EventFilter(rng.choice(NAMES), where, item)


def make_did(rng: random.Random) -> t.Did:
    within = make_window(rng) if rng.random() < 0.6 else None
    aggregates = tuple(make_aggregate(rng) for _ in range(rng.choice((0, 1, 1, 2))))
    edges = (t.Edge(rng.choice(("first", "last")), make_window(rng)),) if rng.random() < 0.2 else ()
    return t.Did(make_filter(rng), within, aggregates, edges)


def make_aggregate(rng: random.Random) -> t.Aggregate:
    if rng.random() < 0.4:
        return t.Aggregate("count", make_range(rng, (0, 1, 2, 3)))
    if rng.random() < 0.3:
        of = rng.choice((t.LOCAL_DAY, "color", "size", "category", "item_id", "revenue", "price"))
        return t.Aggregate("distinct", make_range(rng, (0, 1, 2)), of)
    of = rng.choice(("revenue", "size", "quantity", "price", "color", "category"))
    return t.Aggregate(rng.choice(("sum", "avg", "min", "max")), make_range(rng, (0, 1, 2.5, 1000)), of)


def make_sequence(rng: random.Random) -> t.Sequence:
    steps = [t.Step(make_filter(rng))]
    for _ in range(rng.choice((1, 1, 2, 3))):
        steps.append(t.Step(make_filter(rng), not steps[-1].negated and rng.random() < 0.35))
    by = rng.choice((None, None, "cart", "order_id", "size"))
    started = make_window(rng) if rng.random() < 0.3 else None
    return t.Sequence(tuple(steps), rng.choice(SECONDS), by, started)


def make_percentile(rng: random.Random) -> t.Percentile:
    kind, of = rng.choice(
        (("count", None), ("sum", "revenue"), ("max", "size"), ("distinct", "category"), ("min", "price"))
    )
    within = make_window(rng) if rng.random() < 0.5 else None
    return t.Percentile(
        make_filter(rng), kind, Decimal(rng.choice((1, 10, 33, 50, 100))), of, within, rng.random() < 0.4
    )  # type: ignore[arg-type]
