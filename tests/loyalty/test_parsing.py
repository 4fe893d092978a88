"""A programme as it is written: what contract.md says is taken literally, what is wrong is named with its place."""

import copy
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.conditions.catalogue import Catalogue, TraitFacts
from regulars.conditions.errors import ConditionError, NotOfOneEvent
from regulars.kernel.errors import DomainError
from regulars.loyalty.checking import check_conditions, list_events
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.model import EndOf, Never
from regulars.loyalty.parsing import parse_programme, write_programme

CONTRACT = """
assets: {points: {redeemable: true, expires: {after: 180d}}, stars: {qualifying: true}}
earn:
  - {name: base, when: {did: {event: Order Completed}}, award: [{asset: points, per: "30", of: revenue, round: down}, {asset: stars, per: "1", of: revenue}]}
tiers: {asset: stars, window: rolling 12 months, levels: [{name: green, enter: 0}, {name: gold, enter: 500, multiplier: "1.2"}]}
badges:   [{name: reader, when: {did: {event: Order Completed, count: {at_least: 3}, within: 90d, where: {category: books}}}}]
missions: [{name: three-visits, target: {did: {event: Checked In, distinct: {of: local_day, at_least: 3}, within: 7d}}, then: {award: [{asset: points, amount: 50}]}}]
vouchers: [{name: half-price, codes: generated, stock: 1000, per_member: 1, valid: 30d, funder: partner-b}]
rewards:  [{name: mug, price: 300, asset: points, stock: 50}]
"""
ORDERED = {"did": {"event": "Order Completed"}}
FULL: dict[str, Any] = {
    **yaml.safe_load(CONTRACT),
    "earn_on": "gross",
    "returns": {"event": "Order Cancelled", "policy": "allow_negative"},
    "valid": {"from": "2026-01-01", "until": "2026-12-31"},
    "events": [
        {
            "name": "signing",
            "capacity": 2,
            "until": "2026-12-24T18:00:00+08:00",
            "stages": [{"from": "2026-12-01", "tier": "gold"}, {"from": "2026-12-02T10:00:00", "badge": "reader"}],
        }
    ],
    "scores": [
        {
            "name": "quiz",
            "max": 100,
            "ladder": [
                {"from": 0, "until": 50, "voucher": "half-price"},
                {"from": 50, "until": None, "voucher": "half-price"},
            ],
        }
    ],
}
FULL["earn"] += [
    {
        "name": "double",
        "when": {"all": [ORDERED, {"tier": {"at_least": "gold"}}, {"badge": "reader"}]},
        "award": [{"asset": "points", "multiply": "2"}],
        "valid": {"from": "2026-11-01"},
        "funder": "partner-b",
    },
    {
        "name": "many",
        "when": ORDERED,
        "award": [
            {
                "asset": "points",
                "ladder": {
                    "of": "quantity",
                    "steps": [{"from": "0", "until": "2.5", "amount": 0}, {"from": "2.5", "until": None, "amount": 9}],
                },
            },
            {"badge": "reader"},
            {"voucher": "half-price"},
            {"mission": "stamps", "progress": 2},
            {"tag": "buyer", "weight": 0.8},
            {"message": {"en": {"text": "thanks"}}, "channel": "line-main"},
        ],
    },
]
FULL["missions"] += [
    {"name": "stamps", "steps": 10, "repeat": True, "then": {"award": [{"voucher": "half-price"}]}},
    {"name": "week", "streak": {"event": "Visited", "days": 7, "grace": 1}, "then": {"award": [{"badge": "reader"}]}},
]
FULL["vouchers"] += [
    {"name": "listed", "codes": ["K1", "K2"], "stock": 2, "discount": {"amount": "150"}, "new_to": "partner-b"},
    {
        "name": "generic",
        "codes": {"generic": "WELCOME"},
        "discount": {"percent": "12.5"},
        "budget": "9000",
        "hours": {"weekdays": [1, 5], "from": "14:00", "until": "17:00"},
        "category": "percent",
        "exclusive": True,
        "priority": -1,
        "order_at_least": "199.90",
        "window": {"until": "2026-12-31"},
    },
]


def changed(path: str, value: Any) -> dict[str, Any]:
    """FULL with another value at a place; `...` takes it away."""
    data = copy.deepcopy(FULL)
    at: Any = data
    *steps, last = [int(step) if step.isdecimal() else step for step in path.split("/")[1:]]
    for step in steps:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return data


def test_the_contract_is_taken_literally() -> None:
    programme = parse_programme(yaml.safe_load(CONTRACT))
    assert programme.tiers is not None
    assert [level.name for level in programme.tiers.levels] == ["green", "gold"]
    assert list_events(programme.missions[0].target) == ["Checked In"]  # type: ignore[arg-type]


def test_every_section_is_optional() -> None:
    assert write_programme(parse_programme({})) == {}


def test_there_and_back_is_the_same() -> None:
    programme = parse_programme(FULL)
    written = write_programme(programme)
    assert parse_programme(written) == programme
    assert parse_programme(yaml.safe_load(yaml.safe_dump(written))) == programme
    assert write_programme(parse_programme(written)) == written


def test_a_level_may_keep_what_elsewhere_expires() -> None:
    """null is never, nothing is what the asset says."""
    for said, expected in ((None, Never()), ({"end_of": "year"}, EndOf("year")), (..., None)):
        programme = parse_programme(
            changed("/tiers/levels/1", {"name": "gold", "enter": 5} | ({} if said is ... else {"expires": said}))
        )
        assert programme.tiers is not None
        assert programme.tiers.levels[1].expires == expected
        assert parse_programme(write_programme(programme)) == programme


def test_tier_and_badge_stand_beside_a_condition() -> None:
    """What is taken out leaves its place: an error behind it has the path that was written."""
    rule = parse_programme(FULL).earn[1]
    assert (rule.when.tier_at_least, rule.when.badges, list_events(rule.when)) == (
        "gold",
        ("reader",),
        ["Order Completed"],
    )
    with pytest.raises(ConditionError) as refused:
        parse_programme(changed("/earn/1/when/all/2", {"badg": "reader"}))
    assert refused.value.path == "/earn/1/when/all/2/badg"


def step(from_: object, until: object, amount: int = 1) -> dict[str, Any]:
    return {"from": from_, "until": until, "amount": amount}


STEPS = "/earn/2/award/0/ladder/steps"
WRONG: list[tuple[str, Any, str, str | None]] = [
    ("/rewardz", [], "/rewardz", "rewards"),
    ("/tiers/levels/1/entr", 3, "/tiers/levels/1/entr", "enter"),
    ("/tiers/levels/1/enter", 0, "/tiers/levels/1/enter", None),
    ("/tiers/levels/0/enter", 1, "/tiers/levels/0/enter", "0"),
    ("/tiers/levels/1/retain", 501, "/tiers/levels/1/retain", None),
    ("/tiers/levels/1/retain", 0, "/tiers/levels/1/retain", None),
    ("/tiers/levels/1/name", "green", "/tiers/levels/1/name", None),
    ("/tiers/levels/1/name", ..., "/tiers/levels/1/name", None),
    ("/tiers/levels/1/multiplier", 1.2, "/tiers/levels/1/multiplier", "1.2"),
    ("/tiers/levels/1/multiplier", "-1", "/tiers/levels/1/multiplier", None),
    ("/tiers/levels/1/voucher", "half-prize", "/tiers/levels/1/voucher", "half-price"),
    ("/tiers/window", "calender year", "/tiers/window", "calendar year"),
    ("/tiers/status", 365, "/tiers/status", "365d"),
    ("/tiers/downgrade", "one_down", "/tiers/status", "12 months"),
    ("/tiers/downgrade", "one-down", "/tiers/downgrade", "one_down"),
    ("/tiers/asset", "points", "/tiers/asset", "stars"),
    ("/tiers/asset", "star", "/tiers/asset", "stars"),
    ("/assets/stars", {"qualifying": True, "redeemable": True}, "/assets/stars", "redeemable"),
    ("/assets/stars", {"qualifying": True, "expires": {"after": "3d"}}, "/assets/stars/expires", None),
    ("/assets/points/expires", {"afer": "3d"}, "/assets/points/expires/afer", "after"),
    ("/assets/points/expires/after", "0d", "/assets/points/expires/after", None),
    ("/assets/points/worth", "0", "/assets/points/worth", None),
    ("/rewards/0/asset", "stars", "/rewards/0/asset", "points"),
    ("/rewards/0/price", 1.5, "/rewards/0/price", None),
    ("/rewards/0/price", "1.5", "/rewards/0/price", "1"),
    ("/rewards/0/price", float("nan"), "/rewards/0/price", None),
    ("/rewards/0/price", -300, "/rewards/0/price", None),
    ("/rewards/0/price", 0, "/rewards/0/price", None),
    ("/rewards/0/price", 10**30, "/rewards/0/price", None),
    ("/rewards/0/price", True, "/rewards/0/price", None),
    ("/rewards/0/tier", "golden", "/rewards/0/tier", "gold"),
    ("/earn/0/award/0/asset", "point", "/earn/0/award/0/asset", "points"),
    ("/earn/0/award/0/per", 0.1, "/earn/0/award/0/per", "0.1"),
    ("/earn/0/award/0/per", "NaN", "/earn/0/award/0/per", "0.20"),
    ("/earn/0/award/0/per", "-30", "/earn/0/award/0/per", None),
    ("/earn/0/award/0/per", "0.0000001", "/earn/0/award/0/per", "0.20"),
    ("/earn/0/award/0/round", "nearest", "/earn/0/award/0/round", None),
    ("/earn/0/award/0", {"asset": "points", "amount": 1.5}, "/earn/0/award/0/amount", None),
    ("/earn/0/award/0", {"asset": "points", "amont": 5}, "/earn/0/award/0/amont", "amount"),
    ("/earn/0/name", "double", "/earn/1/name", None),
    ("/earn/0/valid", {"from": "2026-02-02", "until": "2026-02-01"}, "/earn/0/valid/until", None),
    ("/earn/1/when/all/1/tier/at_least", "golden", "/earn/1/when/all/1/tier/at_least", "gold"),
    ("/earn/0/when", {"not": ORDERED}, "/earn/0/when", "did"),
    ("/earn/0/when", {"tier": {"at_least": "gold"}}, "/earn/0/when", "did"),
    ("/tiers/levels/1", {"name": "gold", "enter": 9, "retain": 5, "re_enter": 4}, "/tiers/levels/1/re_enter", "5"),
    ("/earn/2/award/1/badge", "raeder", "/earn/2/award/1/badge", "reader"),
    ("/earn/2/award/3/mission", "three-visits", "/earn/2/award/3/mission", None),
    ("/earn/2/award/4/weight", 1.5, "/earn/2/award/4/weight", None),
    (STEPS, [step("0", "3"), step("4", None)], f"{STEPS}/1/from", "3"),
    (STEPS, [step("0", "3"), step("2", None)], f"{STEPS}/1/from", "3"),
    (STEPS, [step("0", "3"), step("3", "5")], f"{STEPS}/1/until", "null"),
    (STEPS, [step("0", None), step("3", None)], f"{STEPS}/0/until", "3"),
    (STEPS, [step("3", "3"), step("3", None)], f"{STEPS}/0/until", None),
    (STEPS, [], STEPS, None),
    ("/missions/0/streak", {"event": "Visited", "days": 3}, "/missions/0/streak", None),
    ("/missions/0/target", ORDERED | {"trait": {"age": 3}}, "/missions/0/target", "did"),
    ("/missions/0/then/award/0", {"asset": "points", "multiply": "2"}, "/missions/0/then/award/0", "amount"),
    ("/vouchers/1/codes", ["K1", "K1"], "/vouchers/1/codes/1", None),
    ("/vouchers/1/codes", ["K1"], "/vouchers/1/codes", None),
    ("/vouchers/1/codes", "generate", "/vouchers/1/codes", "generated"),
    ("/vouchers/0/budget", "5", "/vouchers/0/discount", None),
    ("/vouchers/2/discount/percent", "101", "/vouchers/2/discount/percent", None),
    ("/vouchers/2/hours/from", 840, "/vouchers/2/hours/from", "14:00"),
    ("/vouchers/2/hours/until", ..., "/vouchers/2/hours/until", None),
    ("/vouchers/2/hours/weekdays/0", 0, "/vouchers/2/hours/weekdays/0", None),
    ("/events/0/stages", [], "/events/0/stages", None),
    ("/events/0/stages/0/from", "2026-13-01", "/events/0/stages/0/from", "2026-12-01"),
    ("/events/0/capacity", 0, "/events/0/capacity", None),
    ("/scores/0/ladder/0/from", 1, "/scores/0/ladder/0/from", "0"),
    ("/scores/0/max", 49, "/scores/0/ladder/1/from", None),
    ("/scores/0/ladder/1/voucher", "none", "/scores/0/ladder/1/voucher", ...),
    ("/returns/policy", "never", "/returns/policy", ...),
]


@pytest.mark.parametrize(("place", "value", "path", "suggestion"), WRONG)
def test_what_is_wrong_is_named(place: str, value: Any, path: str, suggestion: Any) -> None:
    with pytest.raises(ProgrammeInvalid) as refused:
        parse_programme(changed(place, value))
    assert refused.value.path == path, refused.value.message
    if suggestion is not ...:
        assert refused.value.suggestion == suggestion


@pytest.mark.parametrize(
    "data", [None, [], "a", 3, {3: []}, {"assets": []}, {"earn": {}}, {"assets": {"a/b": {"redeemable": True}}}]
)
def test_what_is_no_programme_is_refused(data: Any) -> None:
    with pytest.raises(ProgrammeInvalid):
        parse_programme(data)


def test_conditions_are_held_to_the_brands_names() -> None:
    """An unknown trait is an error with its place in the programme, an event nobody has sent a warning."""
    catalogue = Catalogue(traits={"age": TraitFacts("number")}, events=frozenset({"Order Completed"}))
    doubts = check_conditions(parse_programme(FULL), catalogue)
    assert [one.path for one in doubts] == ["/missions/0/target/did/event"]
    when = {"all": [{"tier": {"at_least": "gold"}}, {"trait": {"agee": 3}}, ORDERED]}
    with pytest.raises(ConditionError) as refused:
        check_conditions(parse_programme(changed("/earn/1/when", when)), catalogue)
    assert (refused.value.path, refused.value.suggestion) == ("/earn/1/when/all/1/trait/agee", "age")


@pytest.mark.parametrize(
    ("left", "path"),
    [
        ({"any": [{"tier": {"at_least": "gold"}}]}, "/any/0/tier"),
        ({"not": {"badge": "reader"}}, "/not/badge"),
        ({"points": {"points": {"at_least": 3}}}, "/points/points"),
        ({"mission": {"name": "three books", "state": "done"}}, "/mission"),
        ({"voucher": {"pool": "half-price", "state": "used"}}, "/voucher"),
    ],
)
def test_what_a_member_has_is_no_rule(left: Any, path: str) -> None:
    """It changes with each event; only tier and badge, beside a rule's condition, are known at one."""
    programme = parse_programme(changed("/earn/1/when", {"all": [ORDERED, left]}))
    with pytest.raises(NotOfOneEvent) as refused:
        check_conditions(programme, Catalogue(traits={"age": TraitFacts("number")}))
    assert refused.value.path == f"/earn/1/when/all/1{path}"


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=9),
    st.sampled_from(["30d", "12 months", "1.2", "generated", "points"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "asset", "amount", "when", "did", "event", "levels", "from"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PLACES = sorted({place for place, *_ in WRONG})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), VALUES)
def test_whatever_stands_somewhere_is_taken_or_refused(place: str, value: Any) -> None:
    """And what is taken comes back the same."""
    try:
        programme = parse_programme(changed(place, value))
    except DomainError as error:
        assert error.path is not None and error.path.startswith("/")
        return
    assert parse_programme(write_programme(programme)) == programme


NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["C", "Z"]), min_size=1, max_size=9
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.integers(1, 10**6), st.integers(0, 10**6)), max_size=5, unique_by=lambda one: one[0])
)
def test_levels_there_and_back(drawn: list[tuple[str, int, int]]) -> None:
    enter = 0
    levels: list[dict[str, Any]] = [{"name": "lowest-of-all", "enter": 0}]
    for name, more, retain in drawn:
        levels.append(
            {
                "name": name,
                "enter": (enter := enter + more),
                "retain": min(retain + levels[-1].get("retain", 0) + 1, enter),
            }
        )
    try:
        programme = parse_programme(
            {"assets": {"stars": {"qualifying": True}}, "tiers": {"asset": "stars", "levels": levels}}
        )
    except ProgrammeInvalid as error:
        assert error.path is not None and error.path.endswith(("retain", "re_enter"))
        return
    assert programme.tiers is not None
    assert [level.enter for level in programme.tiers.levels] == [level["enter"] for level in levels]
    assert parse_programme(write_programme(programme)) == programme
