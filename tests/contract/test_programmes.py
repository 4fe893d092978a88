"""Loyalty programmes: saved with versions, their assets made, what is wrong refused with its place."""

import uuid
from typing import Any

from tests.contract.client import Brand
from tests.support.serving import wait_until

PROGRAMME: dict[str, Any] = {
    "assets": {"points": {"redeemable": True, "expires": {"after": "180d"}}, "stars": {"qualifying": True}},
    "earn": [
        {
            "name": "base",
            "when": {"did": {"event": "Order Completed"}},
            "award": [
                {"asset": "points", "per": "30", "of": "revenue", "round": "down"},
                {"asset": "stars", "per": "1", "of": "revenue"},
            ],
        }
    ],
    "tiers": {
        "asset": "stars",
        "window": "rolling 12 months",
        "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500, "multiplier": "1.2"}],
    },
    "badges": [
        {
            "name": "reader",
            "when": {
                "did": {
                    "event": "Order Completed",
                    "count": {"at_least": 3},
                    "within": "90d",
                    "where": {"category": "books"},
                }
            },
        }
    ],
    "missions": [
        {
            "name": "three-visits",
            "target": {"did": {"event": "Checked In", "distinct": {"of": "local_day", "at_least": 3}, "within": "7d"}},
            "then": {"award": [{"asset": "points", "amount": 50}]},
        }
    ],
    "vouchers": [
        {
            "name": "half-price",
            "codes": "generated",
            "stock": 1000,
            "per_member": 1,
            "valid": "30d",
            "funder": "partner-b",
        }
    ],
    "rewards": [{"name": "mug", "price": 300, "asset": "points", "stock": 50}],
}


def test_a_programme_is_saved_with_versions_and_makes_its_assets(brand: Brand) -> None:
    told = brand.ask("PUT", "/api/programmes/club", PROGRAMME, example=True)
    assert (told["name"], told["version"]) == ("club", 1)
    assert brand.ask("PUT", "/api/programmes/club", PROGRAMME)["version"] == 1
    assert brand.ask("PUT", "/api/programmes/club", {**PROGRAMME, "rewards": []})["version"] == 2
    shown = brand.ask("GET", "/api/programmes/club", example=True)
    assert (shown["version"], shown["rewards"], shown["assets"]) == (2, [], PROGRAMME["assets"])
    listed = brand.ask("GET", "/api/programmes", example=True)["programmes"]
    assert [(one["name"], one["version"]) for one in listed] == [("club", 2)]
    member = brand.new_member("of the club")
    lines = [{"account": "issuer/stars", "amount": "-5"}, {"account": f"member:{member}/stars", "amount": "5"}]
    asked = {"transfers": [{"id": str(uuid.uuid4()), "kind": "earn", "lines": lines}]}
    assert brand.ask("POST", "/api/ledger/transfers", asked)["results"][0]["result"] == "created"


def test_events_drive_a_programme_and_a_member_sees_what_it_has(brand: Brand) -> None:
    """contract.md's example: 600 bring 20 points and 600 stars, gold; a check-in is one a day."""
    brand.ask("PUT", "/api/programmes/club", PROGRAMME)
    member = brand.new_member("who buys")
    brand.send(brand.track("who buys", "Order Completed", properties={"order_id": "o1", "revenue": "600"}))
    checked = [brand.ask("POST", f"/api/members/{member}/check-in", {}, example=not at) for at in range(2)]
    assert [one["result"] for one in checked] == ["created", "exists"]
    wait_until(
        lambda: all(one["waiting"] == 0 for one in brand.ask("GET", "/api/programmes")["programmes"]),
        "events have driven the programme",
    )
    told = brand.ask("GET", f"/api/members/{member}/loyalty", example=True)
    assert told["balances"] == {"points": "20", "stars": "600"}
    assert (told["tier"]["name"], told["tier"]["next"], told["tier"]["missing"]) == ("gold", None, None)
    assert [(one["asset"], one["amount"]) for one in told["expiring"]] == [("points", "20")]
    assert [(one["name"], one["done"], one["target"]) for one in told["missions"]] == [("three-visits", "1", "3")]
    assert told["badges"] == told["vouchers"] == []


def test_an_asset_that_is_there_stays_as_it_is(brand: Brand) -> None:
    """A programme over licensed money does not take its licence."""
    licensed = {"scale": 2, "funded": "purchased", "licensed": True}
    brand.ask("PUT", "/api/ledger/assets/money", licensed)
    brand.ask("PUT", "/api/programmes/purse", {"assets": {"money": {"redeemable": True}}})
    assert {"code": "money", **licensed} in brand.ask("GET", "/api/ledger/assets")["assets"]


def test_what_is_wrong_in_a_programme_is_named(brand: Brand) -> None:
    wrong = {**PROGRAMME, "rewards": [{"name": "mug", "price": 300, "asset": "pionts"}]}
    assert brand.refused("PUT", "/api/programmes/wrong", wrong, status=400) == "programme.invalid"
    told = brand.ask("PUT", "/api/programmes/wrong", {"assets": {"Points!": {"redeemable": True}}}, status=400)
    assert (told["code"], told["path"]) == ("asset.invalid", "/assets/Points!")
    assert brand.refused("GET", "/api/programmes/wrong", status=404, example=True) == "programme.unknown"
