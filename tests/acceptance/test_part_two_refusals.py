"""Part 2 of the plan: bad conditions get an error that says where and suggests, never an empty set."""

import re
from typing import Any

import pytest

from tests.contract.client import encoded
from tests.support.serving import Serving
from tests.support.shop import Shop, Tree, ago

# «Bad input: unknown names, type mismatch, impossible window, too deep, too many leaves, circular member_of:
# an error that says where and suggests, never an empty set.»
LEAVES = 5_000
DEPTH = 60
CAKE: Tree = {"did": {"event": "Cake Eaten"}}


def nested(depth: int) -> Tree:
    return CAKE if depth == 0 else {"not": nested(depth - 1)}


def eaten(within: object) -> Tree:
    return {"did": {"event": "Cake Eaten", "within": within}}


@pytest.fixture(scope="module")
def known(shop: Shop) -> Shop:
    """The brand once it has an event, two traits, and a tag."""
    shop.tell(shop.event("a", "Cake Eaten", ago(days=2), slices=3), shop.event("b", "Cake Eaten", ago(days=2)))
    shop.ask("PUT", "/api/traits/secret", {"type": "text", "personal": True})
    shop.set_traits({"a": {"shoe_size": 38, "secret": "tea"}})
    shop.set_tag("a", "collector")
    return shop


def refuse(shop: Shop, where: object, path: str, suggestion: str | None = None) -> str:
    """A tree that must be refused at this place, and is not saved; its code."""
    name = "refused"
    error = shop.ask("PUT", f"/api/audiences/{name}", {"where": where}, status=400)
    assert re.fullmatch(r"condition\.[a-z_]+", error["code"]), error
    assert error["path"].startswith(path), error
    assert suggestion is None or error["suggestion"] == suggestion, error
    shop.ask("GET", f"/api/audiences/{name}/count", status=404)
    return error["code"]


UNKNOWN: dict[str, tuple[Tree, str, str]] = {
    "trait": (
        {"all": [{"trait": {"shoe_size": {"at_least": 38}}}, {"trait": {"shoe_sise": 38}}]},
        "/all/1/trait/shoe_sise",
        "shoe_size",
    ),
    "event": ({"any": [CAKE, {"did": {"event": "Cake Eatn"}}]}, "/any/1/did/event", "Cake Eaten"),
    "step": ({"sequence": {"of": ["Cake Eaten", "Cake Eatn"], "within": "1d"}}, "/sequence/of/1", "Cake Eaten"),
    "tag": ({"not": {"tag": {"is": "colector"}}}, "/not/tag/is", "collector"),
    "leaf": ({"trate": {"shoe_size": 38}}, "/trate", "trait"),
    "test": ({"trait": {"shoe_size": {"at_leest": 38}}}, "/trait/shoe_size/at_leest", "at_least"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_name_is_refused_with_its_place_and_the_right_one(known: Shop, name: str) -> None:
    where, path, suggestion = UNKNOWN[name]
    code = refuse(known, where, path, suggestion)
    assert name != "trait" or code == "condition.unknown_trait"


def test_an_unknown_audience_is_refused_with_the_right_one(known: Shop) -> None:
    known.save(CAKE, "cake-lovers")
    refuse(known, {"member_of": "cake-lover"}, "/member_of", "cake-lovers")


MISMATCHES: dict[str, tuple[Tree, str]] = {
    "prefix of a number": ({"trait": {"shoe_size": {"prefix": "3"}}}, "/trait/shoe_size"),
    "text for a number": ({"trait": {"shoe_size": "large"}}, "/trait/shoe_size"),
    "list of a number": ({"trait": {"shoe_size": {"has_any": [38]}}}, "/trait/shoe_size"),
    "count of text": ({"did": {"event": "Cake Eaten", "count": {"at_least": "two"}}}, "/did/count"),
    "weight of text": ({"tag": {"is": "collector", "weight": {"at_least": "much"}}}, "/tag/weight"),
    "personal prefix": ({"trait": {"secret": {"prefix": "t"}}}, "/trait/secret"),
}


@pytest.mark.parametrize("name", MISMATCHES)
def test_a_type_mismatch_is_refused_with_its_place(known: Shop, name: str) -> None:
    refuse(known, *MISMATCHES[name])


WINDOWS: list[Any] = [
    "0d",
    "-1d",
    "soon",
    "99999d",
    {"from": "2026-02-01", "before": "2026-01-01"},
    {"from": "2026-13-45"},
]


@pytest.mark.parametrize("within", WINDOWS, ids=str)
def test_an_impossible_window_is_refused(known: Shop, within: object) -> None:
    refuse(known, {"all": [CAKE, eaten(within)]}, "/all/1/did/within")


def test_too_deep_and_too_many_are_refused(known: Shop) -> None:
    refuse(known, nested(DEPTH), "/not/not")
    refuse(known, {"any": [CAKE] * LEAVES}, "/")


def test_a_circular_audience_is_refused_and_the_old_one_stays(known: Shop) -> None:
    known.save(CAKE, "ring one")
    known.save({"all": [{"member_of": "ring one"}, CAKE]}, "ring two")
    known.save({"member_of": "ring two"}, "ring three")
    for name, where in {
        "ring one": {"any": [CAKE, {"member_of": "ring three"}]},
        "ring two": {"not": {"member_of": "ring two"}},
    }.items():
        error = known.ask("PUT", f"/api/audiences/{encoded(name)}", {"where": where}, status=400)
        assert error["code"].startswith("condition."), error
        assert error["path"] in {"/any/1/member_of", "/not/member_of"}, error
    for name in ("ring one", "ring two", "ring three"):
        assert known.members(name) == "ab"
        assert known.read(name, "count")["version"] == 1


# «errors with path and suggestion»
def test_a_refused_version_leaves_the_old_one_in_force(known: Shop) -> None:
    known.save(CAKE, "kept")
    error = known.ask("PUT", "/api/audiences/kept", {"where": {"did": {"event": "Cake Eatn"}}}, status=400)
    assert error["suggestion"] == "Cake Eaten"
    assert known.members("kept") == "ab"
    assert known.read("kept", "count")["version"] == 1
    assert known.ask("GET", "/api/audiences/kept/count", params={"as_of": "yesterday"}, status=400)["code"]


# «the whole language of architecture.md except `tier`: traits»
def test_a_personal_trait_can_be_asked_for_its_value(known: Shop) -> None:
    """architecture.md: «conditions on it are `exists` and `equals`»"""
    assert known.who({"trait": {"secret": "tea"}}) == "a"
    assert known.who({"trait": {"secret": {"exists": True}}}) == "a"
    assert known.who({"trait": {"secret": "te"}}) == ""


# «CLI and API as in contract.md.»
def test_another_brand_sees_no_audience(known: Shop, serving: Serving) -> None:
    known.save(CAKE, "ours")
    other = Shop(serving, "another")
    assert other.ask("GET", "/api/audiences")["audiences"] == []
    for what in ("count", "members", "explain"):
        other.ask("GET", f"/api/audiences/ours/{what}", status=404)
    other.ask("PUT", "/api/audiences/ours", {"where": CAKE}, status=400)
    other.http.close()
    assert known.members("ours") == "ab"
