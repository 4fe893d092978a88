"""Part 3 of the plan, the demo's campaigns: plan, what-if, send to the simulator, measure twice.

What is spelled here where contract.md says nothing: `regulars demo --json` adds `plan`, a plan's summary as the API
answers it, with `shares {"holdout"}` and `caps`; `what_if`, its rows; `sent`, deliveries by state, with `received`,
what the simulator got; `lift {"real":[…],"modelled":[…]}`, each campaign's lift as the API answers it; `coverage
{"draws","seed","stated_lift", "real","modelled"}`, shares of intervals that cover; `reachability` `"simulated"`.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import DEMO_SECONDS_MAX
from tests.support.sending import decimal
from tests.support.serving import Serving

VERDICTS = {"not_enough_yet", "positive", "negative", "no_difference_seen"}
pytestmark = [pytest.mark.long, pytest.mark.timeout(DEMO_SECONDS_MAX + 60)]


def test_the_demo_plans_six_campaigns_on_three_channels(demo: dict[str, Any]) -> None:
    """«six campaigns, three channels (who is reachable where is simulated and says so), cap 2 in 30 days, … global holdout 25 %»"""
    plan = demo["plan"]
    assert len(plan["by_campaign"]) == 6 and len(plan["by_channel"]) == 3
    assert sum(part["messages"] for part in plan["by_campaign"].values()) == plan["messages"] > 200
    assert sum(part["messages"] for part in plan["by_channel"].values()) == plan["messages"]
    share = plan["withheld"] / (plan["withheld"] + plan["messages"])
    assert 0.20 <= share <= 0.30, "a quarter is withheld"
    assert decimal(plan["net"]) <= decimal(plan["bound"]) and decimal(plan["net"]) >= decimal(plan["baseline"]["net"])
    assert demo["reachability"] == "simulated" and "simulated" in demo["said"]


def test_a_shadow_price_of_the_demo_is_above_nothing(demo: dict[str, Any]) -> None:
    """«the LINE plan chosen so that the quota binds»; «a test asserts a shadow price > 0 in the demo»"""
    prices = {name: decimal(price) for name, price in demo["plan"]["shadow_prices"].items()}
    assert max(price for name, price in prices.items() if name.startswith("quota:line")) > 0
    (line,) = [part for name, part in demo["plan"]["by_channel"].items() if name.startswith("line")]
    assert line["extra"] == 0 and line["messages"] >= 0.9 * line["included"], "the quota binds"


def test_the_demo_shows_what_if_and_sends(demo: dict[str, Any]) -> None:
    """«plan, what-if, send to the simulator»"""
    names = [row["name"] for row in demo["what_if"]]
    assert {"now", "caps:1", "caps:2", "caps:4"} <= set(names)
    assert len([name for name in names if name.startswith("drop:")]) == 6
    assert len([name for name in names if name.startswith("price_plan:")]) >= 3
    nets = {row["name"]: decimal(row["net"]) for row in demo["what_if"]}
    assert nets["caps:1"] <= nets["caps:2"] <= nets["caps:4"]
    assert all(nets[name] <= nets["now"] for name in names if name.startswith("drop:"))
    sent = dict(demo["sent"])
    received = sent.pop("received")
    assert sent["accepted"] == received == demo["plan"]["messages"]
    assert sent["withheld"] == demo["plan"]["withheld"] and set(sent) <= {"accepted", "withheld", "refused", "rejected"}


def test_the_demo_measures_twice(demo: dict[str, Any]) -> None:
    """«measure twice: (a) against the **real purchases** …; (b) with responses added by a stated model of known lift»"""
    for lifts in (demo["lift"]["real"], demo["lift"]["modelled"]):
        assert len(lifts) == 6
        for one in lifts:
            assert one["verdict"] in VERDICTS
            assert one["treated"]["members"] > one["withheld"]["members"] > 0
            if one["lift"]:
                low, high = one["lift"]["interval"]
                assert low <= one["lift"]["absolute"] <= high
                rates = [one[arm]["converted"] / one[arm]["members"] for arm in ("treated", "withheld")]
                assert one["lift"]["absolute"] == pytest.approx(rates[0] - rates[1], abs=1e-6)


def test_the_demos_intervals_cover(demo: dict[str, Any]) -> None:
    """«over 1,000 re-draws of arms and responses (fixed seed), the 95 % intervals cover zero (a) and the stated lift (b) in 93–97 %»"""
    coverage = demo["coverage"]
    assert coverage["draws"] == 1_000 and isinstance(coverage["seed"], int)
    assert coverage["stated_lift"] > 0
    assert 0.93 <= coverage["real"] <= 0.97 and 0.93 <= coverage["modelled"] <= 0.97
    assert "1,000" in demo["said"] or "1000" in demo["said"]


def test_nobody_in_the_demo_has_more_than_two(demo: dict[str, Any]) -> None:
    """«cap 2 in 30 days», read back through the API of the demo's own home."""
    one = Serving(Path(demo["home"])).start()
    try:
        counts: dict[str, int] = {}
        cursor = ""
        while True:
            page = one.get(f"/api/deliveries?limit=1000{cursor}")
            for row in page["deliveries"]:
                if row["state"] in {"accepted", "unknown", "withheld"}:
                    counts[row["member"]] = counts.get(row["member"], 0) + 1
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
    finally:
        one.end()
    assert counts and max(counts.values()) <= 2
    assert sum(counts.values()) == demo["plan"]["messages"] + demo["plan"]["withheld"]
