"""What one event earns, held to hand-computed numbers and to exact fractions."""

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.loyalty.awarding import AWARD_MAX, earn, find_number
from regulars.loyalty.parsing import parse_programme

ORDERED = {"did": {"event": "Order Completed"}}


def points(
    award: list[dict[str, Any]], event: dict[str, object], *, tier: str | None = None, **sections: Any
) -> dict[str, int]:
    """By asset what one rule of these awards gives; gold is 1.2×, reserve 1.7×."""
    levels = [{"name": "green", "enter": 0}, {"name": "gold", "enter": 5, "multiplier": "1.2"}]
    levels.append({"name": "reserve", "enter": 9, "multiplier": "1.7"})
    rules = [{"name": f"r{at}", "when": ORDERED, "award": [one]} for at, one in enumerate(award)]
    programme = parse_programme(
        {
            "assets": {"points": {"redeemable": True}, "stars": {"qualifying": True}},
            "tiers": {"asset": "stars", "levels": levels},
            "earn": rules,
            **sections,
        }
    )
    at = programme.find_level(tier)
    level = None if at is None or programme.tiers is None else programme.tiers.levels[at]
    found: dict[str, int] = {}
    for one in earn(programme, programme.earn, event.get, level):
        found[one.asset] = found.get(one.asset, 0) + one.amount
    return found


def per(per: str, **more: Any) -> dict[str, Any]:
    return {"asset": "points", "per": per, "of": "revenue", **more}


@pytest.mark.parametrize(("rounding", "expected"), [("down", 33), ("half_up", 34), ("up", 34)])
def test_a_half_is_rounded_as_the_rule_says(rounding: str, expected: int) -> None:
    assert points([per("30", round=rounding)], {"revenue": "1005.00"}) == {"points": expected}


def test_a_tier_multiplies_before_rounding_and_qualifying_points_never() -> None:
    """100 ÷ 30 × 1.2 is 4, though ⌊100 ÷ 30⌋ × 1.2 is 3.6."""
    stars = {"asset": "stars", "per": "1", "of": "revenue"}
    assert points([per("30"), stars], {"revenue": 100}, tier="gold") == {"points": 4, "stars": 100}
    assert points([per("1")], {"revenue": "300"}, tier="reserve") == {"points": 510}


def test_multipliers_multiply_what_others_award() -> None:
    double = {"asset": "points", "multiply": "2"}
    event: dict[str, object] = {"revenue": 300}
    assert points([double, per("30")], event, tier="gold") == {"points": 24}
    assert points([double, double, per("30"), {"asset": "stars", "amount": 3}], event) == {"points": 40, "stars": 3}
    assert points([double], event) == {}


def test_a_ladder_is_half_open() -> None:
    steps = [
        {"from": "0", "until": "3", "amount": 0},
        {"from": "3", "until": "10", "amount": 50},
        {"from": "10", "until": None, "amount": 200},
    ]
    ladder = {"asset": "points", "ladder": {"of": "quantity", "steps": steps}}
    assert [
        points([ladder], {"quantity": number}).get("points", 0) for number in (-1, 0, "2.99", 3, 9, 10, 10**6, None)
    ] == [0, 0, 0, 50, 50, 200, 200, 0]


@pytest.mark.parametrize(("earn_on", "expected"), [("net", 8), ("gross", 10)])
def test_what_points_paid_earns_nothing_unless_the_brand_says_so(earn_on: str, expected: int) -> None:
    assets = {"points": {"redeemable": True, "worth": "1"}, "stars": {"qualifying": True}}
    event: dict[str, object] = {"revenue": "300", "points_paid": 60}
    assert points([per("30")], event, assets=assets, earn_on=earn_on) == {"points": expected}
    assert (
        points([per("30")], {"revenue": "50", "points_paid": 60}, assets=assets).get("points", 0) == 0
        if earn_on == "net"
        else True
    )


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "much", None, "-300", "1e400", float("nan"), float("inf"), True, [3], "", "1e-400"]
)
def test_what_is_no_number_earns_nothing(value: object) -> None:
    assert points([per("30"), per("0.01", round="up")], {"revenue": value}) == {}


def test_an_award_never_passes_what_the_ledger_holds() -> None:
    assert points([per("0.000001", amount=10**15)], {"revenue": 10**11}) == {"points": AWARD_MAX}


def test_a_binary_number_is_read_as_it_is_printed() -> None:
    assert points([per("0.01")], {"revenue": 4.35}) == {"points": 435}
    assert find_number(0.1) == Decimal("0.1")


@given(
    st.decimals("0.01", 10**7, places=2),
    st.decimals("0.01", 1_000, places=2),
    st.sampled_from(["down", "half_up", "up"]),
    st.sampled_from(["green", "gold", "reserve"]),
)
def test_awards_are_exact(revenue: Decimal, each: Decimal, rounding: str, tier: str) -> None:
    times = {"green": Fraction(1), "gold": Fraction(6, 5), "reserve": Fraction(17, 10)}[tier]
    exact = Fraction(revenue) / Fraction(each) * times
    expected = {"down": floor(exact), "up": ceil(exact), "half_up": floor(exact + Fraction(1, 2))}[rounding]
    assert points([per(f"{each}", round=rounding)], {"revenue": revenue}, tier=tier).get("points", 0) == expected
