"""What changed between two programmes, in places and in words."""

import copy
from typing import Any

from regulars.loyalty.diffing import diff_programmes, say_difference
from regulars.loyalty.parsing import parse_programme

ORDERED = {"did": {"event": "Order Completed"}}
BODY: dict[str, Any] = {
    "assets": {"points": {"redeemable": True, "expires": {"after": "180d"}}, "stars": {"qualifying": True}},
    "earn": [
        {"name": "base", "when": ORDERED, "award": [{"asset": "points", "per": "30", "of": "revenue"}]},
        {"name": "visit", "when": {"did": {"event": "Checked In"}}, "award": [{"asset": "points", "amount": 5}]},
    ],
    "tiers": {"asset": "stars", "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}]},
    "rewards": [{"name": "mug", "price": 300, "asset": "points", "stock": 50}],
}


def compare(change: Any) -> tuple[list[tuple[str, Any, Any]], list[str], list[str]]:
    """After a change of the body: places with values, and the sentences."""
    body = copy.deepcopy(BODY)
    change(body)
    found = diff_programmes(parse_programme(BODY), parse_programme(body))
    told = [one.to_json() for one in found]
    zh, en = ([say_difference(one, language) for one in found] for language in ("zh-TW", "en"))
    return [(one["path"], one["old"], one["new"]) for one in told], zh, en


def test_the_same_said_otherwise_is_no_change() -> None:
    """Another order of things with names, what is left out said, and a number as a text."""

    def change(body: dict[str, Any]) -> None:
        body["earn"].reverse()
        body["earn"][1]["award"][0] |= {"round": "down", "per": 30}
        body["returns"] = {"event": "Order Refunded"}

    assert compare(change) == ([], [], [])


def test_a_field_that_changed_is_named() -> None:
    def change(body: dict[str, Any]) -> None:
        body["tiers"]["levels"][1]["enter"] = 600
        body["rewards"][0]["price"] = 250

    assert compare(change) == (
        [("/tiers/levels/1/enter", 500, 600), ("/rewards/0/price", 300, 250)],
        ["等級制度的等級「gold」的升等門檻由 500 改為 600", "贈品「mug」的點數由 300 改為 250"],
        ["tiers: level “gold” enter: 500 becomes 600", "reward “mug” price: 300 becomes 250"],
    )


def test_what_is_new_and_what_is_gone() -> None:
    """A rule of another name is another rule: what is gone has its place in the old programme."""
    places, zh, en = compare(lambda body: body["earn"][0].update(name="fixed"))
    assert [(path, old is None, new is None) for path, old, new in places] == [
        ("/earn/0", True, False),
        ("/earn/0", False, True),
    ]
    assert (zh[0][:10], en[1][:24]) == ("新增集點規則「fix", "removed earn rule “base”")


def test_a_condition_is_told_as_a_sentence() -> None:
    _, zh, en = compare(
        lambda body: body["earn"][0].update(when={"did": {"event": "Order Completed", "where": {"category": "books"}}})
    )
    assert zh == [
        "集點規則「base」的條件由 曾完成訂單（Order Completed）的會員 改為 曾完成訂單（Order Completed），且商品分類為「books」的會員"
    ]
    assert en[0].startswith("earn rule “base” condition: Members who")


def test_never_is_not_nothing() -> None:
    places, zh, _ = compare(lambda body: body["assets"]["points"].pop("expires"))
    assert places == [("/assets/points/expires", {"after": "180d"}, "never")]
    assert zh == ['幣別「points」的效期由 {"after": "180d"} 改為 永不']


def test_the_first_programme_is_all_new() -> None:
    assert {one.path for one in diff_programmes(None, parse_programme(BODY))} == {
        *("/assets/points", "/assets/stars", "/earn/0", "/earn/1", "/tiers", "/rewards/0"),
    }
