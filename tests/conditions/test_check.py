"""What cannot be asked is refused with its place and what was probably meant; what hardly is meant is a warning."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from regulars.conditions.catalogue import Catalogue, ProgrammeNames, TraitFacts
from regulars.conditions.check import check_tree
from regulars.conditions.errors import ConditionError, UnknownEvent
from regulars.conditions.parse import parse_tree, parse_written
from regulars.conditions.read_yaml import parse_yaml, parse_yaml_written
from regulars.conditions.tree import MemberOf, Node, Tag
from tests.support.examples import few
from tests.support.trees import TREES

CATALOGUE = Catalogue(
    traits={
        "age": TraitFacts("number"),
        "gender": TraitFacts("text"),
        "born": TraitFacts("date"),
        "likes": TraitFacts("list"),
        "vip": TraitFacts("boolean"),
        "a/b": TraitFacts("text"),
        "odd": TraitFacts("mixed"),
        "phone": TraitFacts("text", personal=True),
    },
    tags=frozenset({"vip", "heels fan"}),
    events=frozenset({"Order Completed", "Product Viewed", "Product Added"}),
    audiences={"loyal-readers": Tag("vip"), "outer": MemberOf("inner"), "inner": MemberOf("loyal-readers")},
    identity_kinds=frozenset({"line", "email"}),
    properties={"Order Completed": frozenset({"coupon", "channel"})},
    item_attributes=frozenset({"colour"}),
    programmes=ProgrammeNames(
        assets=frozenset({"points", "stars"}),
        tiers=frozenset({"green", "gold"}),
        badges=frozenset({"reader"}),
        missions=frozenset({"three books"}),
        pools=frozenset({"half-price"}),
    ),
)
ORDER = "Order Completed"


def refusal(data: object, **more: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(ConditionError) as caught:
        check_tree(parse_written(data), CATALOGUE, **more)
    return caught.value.code.removeprefix("condition."), caught.value.path, caught.value.suggestion


def order(**more: object) -> dict[str, object]:
    return {"did": {"event": ORDER, **more}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"all": [{"tag": "vip"}, {"trait": {"agee": 3}}]}, ("unknown_trait", "/all/1/trait/agee", "age")),
        ({"trait": {"agee": {"at_least": 3, "prefix": "x"}}}, ("unknown_trait", "/trait/agee", "age")),
        ({"trait": {"a/c": {"exists": False}}}, ("unknown_trait", "/trait/a~1c", "a/b")),
        ({"tag": "vipp"}, ("unknown_tag", "/tag", "vip")),
        ({"not": {"tag": {"is": "VIPP"}}}, ("unknown_tag", "/not/tag/is", "vip")),
        ({"did": "Order Complete"}, ("unknown_event", "/did", ORDER)),
        ({"did": {"event": "zzz"}}, ("unknown_event", "/did/event", None)),
        (
            {"sequence": {"of": [ORDER, {"event": "Product Vieved"}], "within": "1d"}},
            ("unknown_event", "/sequence/of/1/event", "Product Viewed"),
        ),
        (
            {"sequence": {"of": [ORDER, {"not": "Product Vieved"}], "within": "1d"}},
            ("unknown_event", "/sequence/of/1/not", "Product Viewed"),
        ),
        (
            {"percentile": {"top": 1, "of": {"did": {"event": "Order"}}}},
            ("unknown_event", "/percentile/of/did/event", None),
        ),
        ({"member_of": "loyal-reader"}, ("unknown_audience", "/member_of", "loyal-readers")),
        ({"points": {"star": 3}}, ("unknown_asset", "/points/star", "stars")),
        ({"tier": "golden"}, ("unknown_tier", "/tier", "gold")),
        ({"tier": {"at_least": "golden"}}, ("unknown_tier", "/tier/at_least", "gold")),
        ({"badge": "raeder"}, ("unknown_badge", "/badge", "reader")),
        (
            {"mission": {"name": "four books", "state": "done"}},
            ("unknown_mission", "/mission/name", "three books"),
        ),
        (
            {"all": [{"voucher": {"pool": "halfprice", "state": "used"}}]},
            ("unknown_pool", "/all/0/voucher/pool", "half-price"),
        ),
        ({"identity": "lime"}, ("unknown_identity_kind", "/identity", "line")),
        (order(where={"cupon": "x"}), ("unknown_property", "/did/where/cupon", "coupon")),
        (order(where=[{"coupon": "x"}, {"cupon": "x"}]), ("unknown_property", "/did/where/1/cupon", "coupon")),
        (order(item={"color": "red"}), ("unknown_property", "/did/item/color", "colour")),
        (order(sum={"of": "revenu", "at_least": 1}), ("unknown_property", "/did/sum/of", "revenue")),
        (
            order(sum=[{"of": "revenue", "at_least": 1}, {"of": "x", "at_least": 1}]),
            ("unknown_property", "/did/sum/1/of", None),
        ),
        ({"trait": {"gender": {"at_least": 3}}}, ("wrong_type", "/trait/gender/at_least", None)),
        ({"trait": {"age": {"prefix": "3"}}}, ("wrong_type", "/trait/age/prefix", None)),
        ({"trait": {"age": "3"}}, ("wrong_type", "/trait/age", None)),
        ({"trait": {"gender": 3}}, ("wrong_type", "/trait/gender", '"3"')),
        ({"trait": {"vip": "yes"}}, ("wrong_type", "/trait/vip", None)),
        ({"trait": {"likes": "tea"}}, ("wrong_type", "/trait/likes", "has_any")),
        ({"trait": {"gender": {"within": "30d"}}}, ("wrong_type", "/trait/gender/within", None)),
        ({"trait": {"born": {"has_any": ["x"]}}}, ("wrong_type", "/trait/born/has_any", None)),
        (order(where={"revenue": "much"}), ("wrong_type", "/did/where/revenue", None)),
        (order(where={"order_id": 12}), ("wrong_type", "/did/where/order_id", '"12"')),
        (order(sum={"of": "category", "at_least": 1}), ("wrong_type", "/did/sum/of", "distinct")),
        ({"trait": {"phone": {"prefix": "+886"}}}, ("personal_trait", "/trait/phone/prefix", "exists")),
        ({"trait": {"phone": {"none_of": ["1"]}}}, ("personal_trait", "/trait/phone/none_of", "exists")),
    ],
)
def test_what_the_brand_does_not_know_is_refused(data: object, expected: tuple[str, str, str | None]) -> None:
    assert refusal(data) == expected


DEEP: Any = {"tag": "vip"}
for _ in range(10_000):
    DEEP = {"not": DEEP}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"trai": {"age": 1}}, ("unknown_node", "/trai", "trait")),
        ({"and": []}, ("unknown_node", "/and", "all")),
        ({"tier": {"at_most": "gold"}}, ("unknown_key", "/tier/at_most", "at_least")),
        ({"tier": {}}, ("malformed", "/tier", None)),
        ({"tier": 3}, ("wrong_type", "/tier", '"3"')),
        ({"level": "gold"}, ("unknown_node", "/level", "tier")),
        ({"badge": ["reader"]}, ("wrong_type", "/badge", None)),
        ({"points": 3}, ("wrong_type", "/points", None)),
        ({"points": {"stars": {"at_leest": 3}}}, ("unknown_key", "/points/stars/at_leest", "at_least")),
        ({"mission": "three books"}, ("wrong_type", "/mission", None)),
        ({"mission": {"name": "three books"}}, ("malformed", "/mission", None)),
        ({"mission": {"name": "three books", "state": "doing"}}, ("malformed", "/mission/state", "done")),
        ({"voucher": {"state": "used"}}, ("malformed", "/voucher", None)),
        ({"voucher": {"pool": "half-price", "state": "isued"}}, ("malformed", "/voucher/state", "issued")),
        ({}, ("malformed", "/", None)),
        (None, ("wrong_type", "/", None)),
        ("did", ("wrong_type", "/", None)),
        ({"all": {"tag": "vip"}}, ("wrong_type", "/all", None)),
        ({"all": [3]}, ("wrong_type", "/all/0", None)),
        ({1: 2}, ("malformed", "/", None)),
        ({"trait": {None: 2}}, ("malformed", "/trait", None)),
        ({"trait": "age"}, ("wrong_type", "/trait", None)),
        ({"trait": {"age": None}}, ("malformed", "/trait/age", '{"exists": false}')),
        ({"trait": {"age": []}}, ("malformed", "/trait/age", None)),
        ({"trait": {"age": {}}}, ("malformed", "/trait/age", None)),
        ({"trait": {"age": {">=": 3}}}, ("unknown_key", "/trait/age/>=", "at_least")),
        ({"trait": {"age": {"at_leest": 3}}}, ("unknown_key", "/trait/age/at_leest", "at_least")),
        ({"trait": {"age": {"at_least": "25"}}}, ("wrong_type", "/trait/age/at_least", "25")),
        ({"trait": {"age": {"between": [3, 2]}}}, ("impossible_range", "/trait/age/between", None)),
        ({"trait": {"age": {"between": [3]}}}, ("malformed", "/trait/age/between", None)),
        ({"trait": {"age": {"between": [3, 4], "at_least": 2}}}, ("malformed", "/trait/age/at_least", None)),
        ({"trait": {"age": {"more_than": 3, "less_than": 3}}}, ("impossible_range", "/trait/age", None)),
        ({"trait": {"age": float("nan")}}, ("number_invalid", "/trait/age", None)),
        ({"trait": {"age": float("-inf")}}, ("number_invalid", "/trait/age", None)),
        ({"trait": {"age": 10**5_000}}, ("number_invalid", "/trait/age", None)),
        ({"trait": {"age": 1e-7}}, ("number_invalid", "/trait/age", None)),
        ({"trait": {"age": {"any_of": 3}}}, ("wrong_type", "/trait/age/any_of", "[3]")),
        ({"trait": {"age": [1] * 1_001}}, ("too_many_values", "/trait/age", None)),
        ({"trait": {"gender": "x" * 1_001}}, ("text_invalid", "/trait/gender", None)),
        ({"trait": {"gender": "a\0b"}}, ("text_invalid", "/trait/gender", None)),
        ({"trait": {"gender": "\ud800"}}, ("text_invalid", "/trait/gender", None)),
        ({"trait": {"x" * 201: 1}}, ("text_invalid", "/trait/" + "x" * 200, None)),
        ({"tag": ""}, ("text_invalid", "/tag", None)),
        ({"tag": 12}, ("wrong_type", "/tag", '"12"')),
        ({"tag": {"weight": 1}}, ("malformed", "/tag", None)),
        ({"consent": {"channel": "line"}}, ("malformed", "/consent", None)),
        ({"consent": {"channel": "line", "purpose": "p", "granted": "no"}}, ("wrong_type", "/consent/granted", None)),
        ({"did": {"evnt": ORDER}}, ("unknown_key", "/did/evnt", "event")),
        ({"did": {"within": "30d"}}, ("malformed", "/did", None)),
        (order(within="0d"), ("impossible_window", "/did/within", None)),
        (order(within="99999d"), ("impossible_window", "/did/within", "3660d")),
        (order(within="30 days"), ("impossible_window", "/did/within", "30d")),
        (order(within=30), ("wrong_type", "/did/within", "30d")),
        (order(within="past 3 months"), ("impossible_window", "/did/within", "rolling 3 months")),
        (order(within="last_mont"), ("impossible_window", "/did/within", "last_month")),
        (order(within="rolling 11 years"), ("impossible_window", "/did/within", "rolling 10 years")),
        (order(within="30d", after="2026-01-01"), ("malformed", "/did/after", None)),
        (order(after="2026-01-01", **{"from": "2026-01-01"}), ("malformed", "/did/after", None)),
        (order(**{"from": "2026-02-01", "before": "2026-02-01"}), ("impossible_window", "/did/before", None)),
        (order(**{"from": "2026-02-01T00:00Z", "until": "2026-01-30"}), ("impossible_window", "/did/until", None)),
        (order(**{"from": "2026-13-01"}), ("impossible_window", "/did/from", None)),
        (order(**{"from": "0001-01-01"}), ("impossible_window", "/did/from", None)),
        (order(**{"from": "2026-01-01T10:00"}), ("impossible_window", "/did/from", "2026-01-01T10:00:00+08:00")),
        (order(first={"before": 3}), ("wrong_type", "/did/first/before", None)),
        (order(count={"at_least": 3, "at_most": 2}), ("impossible_range", "/did/count", None)),
        (order(count={"of": 2}), ("unknown_key", "/did/count/of", None)),
        (order(sum={"at_least": 3}), ("malformed", "/did/sum", None)),
        (order(sum={"of": "revenue"}), ("malformed", "/did/sum", "at_least")),
        (order(where={"coupon": {"exists": False}}), ("negated_filter", "/did/where/coupon", "not")),
        (order(where={f"p{number}": 1 for number in range(21)}), ("malformed", "/did/where", None)),
        ({"sequence": {"of": [ORDER], "within": "1d"}}, ("impossible_sequence", "/sequence/of", "did")),
        (
            {"sequence": {"of": [{"not": ORDER}, ORDER], "within": "1d"}},
            ("impossible_sequence", "/sequence/of/0", None),
        ),
        (
            {"sequence": {"of": [ORDER, {"not": ORDER}, {"not": ORDER}], "within": "1d"}},
            ("impossible_sequence", "/sequence/of/2", None),
        ),
        ({"sequence": {"of": [ORDER, ORDER]}}, ("malformed", "/sequence", None)),
        ({"sequence": {"of": [ORDER] * 11, "within": "1d"}}, ("too_many_values", "/sequence/of", None)),
        ({"received": False}, ("malformed", "/received", "not")),
        ({"percentile": {"top": 0, "of": {"did": ORDER}}}, ("impossible_range", "/percentile/top", None)),
        ({"percentile": {"top": 1, "bottom": 1, "of": {"did": ORDER}}}, ("malformed", "/percentile", None)),
        (
            {"percentile": {"top": 1, "of": order(count=1)}},
            ("malformed", "/percentile/of/did/count", "true"),
        ),
        ({"bucket": {"salt": "x", "from": 10, "until": 10}}, ("impossible_range", "/bucket", None)),
        (DEEP, ("too_deep", "/not" * 21, None)),
        ({"any": [{"tag": "vip"}] * 201}, ("too_many_leaves", "/any", None)),
        ({"all": [{"any": [{"tag": "vip"}] * 150}] * 2}, ("too_many_leaves", "/all/1/any/50/tag", None)),
        ({"all": [{"all": []}] * 200}, ("too_many_leaves", "/all/199/all", None)),
    ],
)
def test_what_cannot_be_meant_is_refused(data: object, expected: tuple[str, str, str | None]) -> None:
    assert refusal(data) == expected


def test_a_circle_is_refused_also_through_others() -> None:
    assert refusal({"not": {"member_of": "x"}}, name="x") == ("circular_audience", "/not/member_of", None)
    circle = refusal({"all": [{"tag": "vip"}, {"member_of": "outer"}]}, name="loyal-readers")
    assert circle == ("circular_audience", "/all/1/member_of", None)
    assert check_tree(MemberOf("outer"), CATALOGUE, name="another") == []


def test_what_the_brand_knows_passes() -> None:
    tree = parse_tree(
        [
            {"trait": {"age": {"between": [25, 54]}, "gender": ["f", "m"], "born": {"before": "2000-01-01"}}},
            {"trait": {"likes": {"has_any": ["tea"]}, "vip": True, "odd": {"prefix": "x"}, "phone": "+886912345678"}},
            {"tag": "vip"},
            {"identity": "line@second"},
            order(where={"coupon": "x", "price": {"at_least": 3}}, distinct={"of": "local_day", "at_least": 2}),
            {"did": {"event": "Product Viewed", "where": {"anything": 1}}},
            {"consent": {"channel": "line", "purpose": "marketing"}},
        ]
    )
    assert check_tree(tree, CATALOGUE) == []


@pytest.mark.parametrize(
    ("data", "code", "path"),
    [
        ({"any": []}, "nobody", "/"),
        (order(count={"less_than": 0}), "nobody", "/did/count"),
        (order(count={"more_than": 2, "less_than": 3}), "nobody", "/did/count"),
        (order(count={"at_least": 0}), "everybody", "/did/count"),
        ({"received": {"count": {"at_most": -1}}}, "nobody", "/received/count"),
        ({"tag": {"is": "vip", "weight": {"at_least": 2}}}, "nobody", "/tag/weight"),
        ([{"trait": {"gender": "f"}}, {"trait": {"gender": "m"}}], "nobody", "/1/trait/gender"),
        ({"trait": {"age": {"at_most": 3}}, "all": [{"trait": {"age": 3}}]}, None, None),
        ({"any": [{"trait": {"gender": "f"}}, {"trait": {"gender": "m"}}]}, None, None),
        (order(count={"at_most": 0}), None, None),
    ],
)
def test_what_is_hardly_meant_is_a_warning(data: object, code: str | None, path: str | None) -> None:
    found = check_tree(parse_written(data), CATALOGUE)
    assert [(one.code, one.path) for one in found] == ([] if code is None else [(f"condition.matches_{code}", path)])


@given(TREES)
@settings(max_examples=few(60), deadline=None)
def test_any_tree_passes_or_is_refused(tree: Node) -> None:
    try:
        check_tree(tree, CATALOGUE)
    except ConditionError as error:
        assert error.path is not None and error.path.startswith("/")


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("all:\n  - tag: vip\n  - trai: {a: 1}", "unknown_node", 3),
        ("did:\n  event: E\n  count:\n    at_leest: 3", "unknown_key", 4),
        ("trait: {a: 1}\ntrait: {b: 2}", "yaml_invalid", 2),
        ("a: &x [1]\nb: *x", "yaml_invalid", 2),
        ("tag: [", "yaml_invalid", 1),
        ("all:\n\t- tag: vip", "yaml_invalid", 2),
        ("trait: {? [1] : 2}", "yaml_invalid", 1),
        ("[" * 5_000, "too_deep", 1),
        ("tag:\n  !!bool abc", "yaml_invalid", 2),
        ("tag: !!python/name:os.system", "yaml_invalid", 1),
    ],
)
def test_yaml_is_refused_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_yaml(text)
    assert caught.value.code == f"condition.{code}"
    assert caught.value.fields["line"] == line
    assert caught.value.message.startswith(f"line {line}: ")


def test_paths_lead_into_yaml() -> None:
    with pytest.raises(ConditionError) as caught:
        check_tree(parse_yaml_written("- tag: vip\n- trait: {agee: 3}"), CATALOGUE)
    assert caught.value.path == "/1/trait/agee"


# --- goals, triggers and rules ---


def test_an_event_that_may_come_is_only_doubted() -> None:
    data = [{"did": {"event": "Order Complete", "where": {"anything": 1}}}, {"not": {"did": "Basket Filled"}}]
    with pytest.raises(UnknownEvent):
        check_tree(parse_written(data), CATALOGUE)
    found = check_tree(parse_written(data), CATALOGUE, events_may_come=True)
    assert [(one.code, one.path) for one in found] == [
        ("condition.event_unsent", "/0/did/event"),
        ("condition.event_unsent", "/1/not/did"),
    ]
    assert "'Order Completed'?" in found[0].sentence and "?" not in found[1].sentence


def test_of_an_event_that_nobody_sent_no_property_is_known() -> None:
    catalogue = replace(CATALOGUE, events=CATALOGUE.events | {"Cart Viewed"}, unsent=frozenset({"Cart Viewed"}))
    data = {"did": {"event": "Cart Viewed", "where": {"coupon": "X", "category": "heels"}}}
    (doubt,) = check_tree(parse_written(data), catalogue)
    assert (doubt.code, doubt.path) == ("condition.property_unsent", "/did/where/coupon")
    both = check_tree(parse_written(data), catalogue, events_may_come=True)
    assert [one.code for one in both] == ["condition.event_unsent", "condition.property_unsent"]
