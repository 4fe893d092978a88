"""Campaigns and plans: saved, planned, compared, sent, held, called off."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.contract.client import Brand
from tests.support.sending import Simulator
from tests.support.serving import wait_until

TODAY = datetime.now(UTC).astimezone(ZoneInfo("Asia/Taipei")).date()
DAYS = {"from": f"{TODAY}", "until": f"{TODAY + timedelta(days=27)}"}
CAMPAIGN: dict[str, Any] = {
    "audience": "heels",
    "topic": "promo",
    "purpose": "marketing",
    "channels": ["oa"],
    "window": DAYS,
    "message": {"zh-TW": {"text": "{{ member.traits.first_name | default: '您好' }},新品到了"}},
    "goal": {"event": "Order Completed", "where": {"category": "heels"}, "within": "7d"},
    "value": {"by": "fixed", "value": "1.50"},
    "size": {"min": 0, "max": None},
    "budget": None,
    "holdout": 0,
}


@pytest.fixture(scope="module")
def shop(brand: Brand) -> Brand:
    """A brand with a LINE account `oa`, the audience `heels`, and three members in it."""
    simulator = Simulator()
    brand.ask("PUT", "/api/settings", {"caps": None, "quiet_hours": None, "holdout": 0})
    brand.ask("PUT", "/api/channels/oa", {"kind": "line", **simulator.line})
    ids = [f"U{number:032x}" for number in range(1, 4)]
    simulator.add_people("line", ids)
    order = {"category": "heels", "revenue": 1280}
    for number, line in enumerate(ids):
        told = {"type": "identify", "userId": f"u{number}", "traits": {"likes": "heels"}}
        brand.send(told | {"context": {"externalIds": [{"type": "line", "id": line}]}})
        brand.send(brand.track(f"u{number}", "Order Completed", properties=order))
        member = brand.member(f"user_id:u{number}")["id"]
        granted = {"granted": True, "proof": {"source": "form"}}
        brand.ask("PUT", f"/api/members/{member}/consents/oa/marketing", granted)
    brand.ask("PUT", "/api/audiences/heels", {"where": {"trait": {"likes": "heels"}}})
    yield brand
    simulator.end()


def test_a_campaign_is_saved_shown_and_removed(shop: Brand) -> None:
    assert shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN, example=True) == {"name": "heels", "version": 1}
    assert shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN)["version"] == 1
    assert shop.ask("PUT", "/api/campaigns/heels", {**CAMPAIGN, "holdout": 0.1})["version"] == 2
    shown = shop.ask("GET", "/api/campaigns/heels", example=True)
    assert shown == {"name": "heels", "version": 2, **CAMPAIGN, "holdout": 0.1}
    assert [one["name"] for one in shop.ask("GET", "/api/campaigns", example=True)["campaigns"]] == ["heels"]
    never = {**CAMPAIGN, "goal": {"event": "Never Sent", "within": "7d"}}
    (warning,) = shop.ask("PUT", "/api/campaigns/flats", never)["warnings"]
    assert (warning["code"], warning["path"]) == ("condition.event_unsent", "/goal/event")
    assert shop.ask("DELETE", "/api/campaigns/flats", example=True) == {"name": "flats"}
    assert shop.refused("GET", "/api/campaigns/flats", status=404, example=True) == "campaign.unknown"
    wrong = shop.ask("PUT", "/api/campaigns/flats", {**CAMPAIGN, "audience": "heel"}, status=400, example=True)
    assert (wrong["code"], wrong["path"]) == ("campaign.unknown_audience", "/audience")
    assert wrong["suggestion"] == "heels"


def test_a_plan_is_made_looked_at_and_sent(shop: Brand) -> None:
    shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN)
    asked = {"campaigns": ["heels"], **DAYS}
    made = shop.ask("POST", "/api/plans", asked, status=201, example=True)
    summary = made["summary"]
    assert made["state"] == "draft" and made["warnings"] == []
    assert {key: summary[key] for key in ("messages", "withheld", "value", "cost", "net", "bound", "gap")} == {
        "messages": 3, "withheld": 0, "value": "4.50", "cost": "0.00", "net": "4.50", "bound": "4.50", "gap": 0.0,
    }  # fmt: skip
    path = f"/api/plans/{made['id']}"
    rows = shop.ask("GET", f"{path}/assignments", example=True)
    assert {row["channel"] for row in rows["assignments"]} == {"oa"} and rows["next"] is None
    first = shop.ask("GET", f"{path}/assignments", params={"limit": 2})
    rest = shop.ask("GET", f"{path}/assignments", params={"limit": 2, "cursor": first["next"]})
    assert [*first["assignments"], *rest["assignments"]] == rows["assignments"]
    assert shop.ask("GET", f"{path}/unsent", example=True) == {"unsent": [], "next": None}
    compared = shop.ask("GET", f"{path}/what-if", example=True)["rows"]
    assert {"now", "caps:1", "drop:heels"} <= {row["name"] for row in compared}
    told = {"id": made["id"], "state": "sending"}
    assert shop.ask("POST", f"{path}/send", status=202, example=True) == told
    assert shop.ask("POST", f"{path}/send", status=202) == told
    wait_until(lambda: shop.ask("GET", path)["state"] == "sent", "the plan is sent", 20)
    assert shop.ask("GET", path, example=True)["progress"] == {"accepted": 3}
    assert shop.ask("GET", "/api/plans", example=True)["plans"][0]["id"] == made["id"]
    deliveries = shop.ask("GET", "/api/deliveries", params={"plan": made["id"]})["deliveries"]
    assert {(row["campaign"], row["plan"], row["state"]) for row in deliveries} == {("heels", made["id"], "accepted")}
    asked = {"member": deliveries[0]["member"], "campaign": "heels"}
    why = shop.ask("GET", "/api/deliveries/why", params=asked, example=True)
    assert (
        why["verdict"] == "accepted"
        and why["steps"][0]["step"] == "consent"
        and set(why["sentence"]) == {"zh-TW", "en"}
        and (why["clicks"], why["clicked_at"], why["unsubscribed_at"]) == (0, None, None)
    )
    shop.send({"type": "identify", "userId": "stranger"})
    stranger = shop.member("user_id:stranger")["id"]
    never = shop.ask("GET", "/api/deliveries/why", params={**asked, "member": stranger})
    assert (never["verdict"], never["steps"][0]["step"]) == ("not_planned", "audience")
    assert shop.refused("GET", "/api/deliveries/why", params={"member": stranger}, example=True) == "request.invalid"


def test_a_campaign_may_be_set_off_by_an_event(shop: Brand) -> None:
    """Within five seconds; an event that nobody has sent is a warning."""
    told = shop.ask("PUT", "/api/campaigns/cart", {**CAMPAIGN, "on": {"event": "Cart Left"}})
    assert [one["path"] for one in told["warnings"]] == ["/on/event"]
    assert shop.refused("POST", "/api/plans", {"campaigns": ["cart"], **DAYS}) == "campaign.invalid"
    shop.send(shop.track("u1", "Cart Left"))
    asked = {"campaign": "cart", "state": "accepted"}
    wait_until(lambda: shop.ask("GET", "/api/deliveries", params=asked)["deliveries"], "it arrives", 5)
    shop.ask("DELETE", "/api/campaigns/cart")


def test_a_plan_is_held_let_go_on_and_called_off(shop: Brand) -> None:
    shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN)
    later = {"from": f"{TODAY + timedelta(days=2)}", "until": f"{TODAY + timedelta(days=3)}"}
    plan = shop.ask("POST", "/api/plans", {"campaigns": ["heels"], **later}, status=201)["id"]
    assert shop.refused("POST", f"/api/plans/{plan}/pause", status=409) == "plan.state_conflict"
    shop.ask("POST", f"/api/plans/{plan}/send", status=202)
    assert shop.ask("POST", f"/api/plans/{plan}/pause", example=True)["state"] == "paused"
    assert shop.ask("POST", f"/api/plans/{plan}/resume", example=True)["state"] == "sending"
    assert shop.ask("POST", f"/api/plans/{plan}/cancel", example=True)["state"] == "cancelled"
    assert shop.ask("GET", f"/api/plans/{plan}")["progress"] == {"cancelled": 3}
    assert shop.refused("POST", f"/api/plans/{plan}/send", status=409, example=True) == "plan.state_conflict"
    assert shop.refused("GET", "/api/plans/nonsense", status=404) == "plan.unknown"


@pytest.mark.parametrize(
    ("changed", "code", "path"),
    [
        ({"campaigns": []}, "plan.invalid", "/campaigns"),
        ({"campaigns": ["heel"]}, "campaign.unknown", "/campaigns/0"),
        ({"until": "2020-01-01", "from": "2020-01-01"}, "plan.past", "/until"),
        ({"until": "2020-01-01"}, "plan.invalid", "/until"),
        ({"caps": [{"most": 1, "per": "soon"}]}, "plan.invalid", "/caps/0/per"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(shop: Brand, changed: dict[str, Any], code: str, path: str) -> None:
    shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN)
    status = 404 if code == "campaign.unknown" else 400
    error = shop.ask("POST", "/api/plans", {"campaigns": ["heels"], **DAYS, **changed}, status=status)
    assert (error["code"], error["path"]) == (code, path)


def test_a_campaign_is_tried_on_one_member(shop: Brand) -> None:
    shop.ask("PUT", "/api/campaigns/heels", CAMPAIGN)
    asked = {"member": shop.member("user_id:u0")["id"], "channel": "oa"}
    tried = shop.ask("POST", "/api/campaigns/heels/test", asked, status=202, example=True)
    assert (tried["plan"], tried["campaign"], tried["state"]) == (None, None, "reserved")


def test_what_a_campaign_changed(shop: Brand) -> None:
    """Half of them are held out; an order of heels a minute later counts."""
    ids = [f"U{number:032x}" for number in range(100, 130)]
    for number, line in enumerate(ids):
        told = {"type": "identify", "userId": f"half{number}", "traits": {"half": True}}
        shop.send(told | {"context": {"externalIds": [{"type": "line", "id": line}]}})
        member = shop.member(f"user_id:half{number}")["id"]
        shop.ask("PUT", f"/api/members/{member}/consents/oa/marketing", {"granted": True, "proof": {"source": "form"}})
    shop.ask("PUT", "/api/audiences/half", {"where": {"trait": {"half": True}}})
    shop.ask("PUT", "/api/campaigns/half", {**CAMPAIGN, "audience": "half", "holdout": 0.5, "topic": "half"})
    asked = {"campaigns": ["half"], **DAYS}
    plan = shop.ask("POST", "/api/plans", asked, status=201)
    assert 0 < plan["summary"]["by_campaign"]["half"]["detectable"] < 1
    shop.ask("POST", f"/api/plans/{plan['id']}/send", status=202)
    wait_until(lambda: shop.ask("GET", f"/api/plans/{plan['id']}")["state"] == "sent", "the plan is sent", 30)
    states = {
        row["member"]: row["state"]
        for row in shop.ask("GET", "/api/deliveries", params={"plan": plan["id"]})["deliveries"]
    }
    for number in range(10):
        shop.send(shop.track(f"half{number}", "Order Completed", properties={"category": "heels", "revenue": 990}))
    buyers = [states[shop.member(f"user_id:half{number}")["id"]] for number in range(10)]
    told = shop.ask("GET", "/api/campaigns/half/lift", example=True)
    for side, state in (("treated", "accepted"), ("withheld", "withheld")):
        count = buyers.count(state)
        members = list(states.values()).count(state)
        assert told[side] == {"members": members, "converted": count, "revenue": f"{990 * count}.00"}
    assert (told["control"], told["mixed_members"], told["final"]) == ("campaign", 0, False)
    assert told["lift"]["interval"][0] <= told["lift"]["absolute"] <= told["lift"]["interval"][1]
    assert told["attributed"]["conversions"] == buyers.count("accepted")
    shop.ask("PUT", "/api/campaigns/aimless", {key: value for key, value in CAMPAIGN.items() if key != "goal"})
    assert shop.refused("GET", "/api/campaigns/aimless/lift", status=409, example=True) == "lift.goal_missing"
