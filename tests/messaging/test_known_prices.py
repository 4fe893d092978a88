"""The vendors' price plans that come along: readable, dated without holes, put on a channel as they are."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise

from regulars.messaging.known_prices import list_known_plans, list_known_sold, show_known_plan
from regulars.messaging.prices import parse_price_book


def test_line_in_taiwan_by_hand() -> None:
    """Ten thousand messages a month cost 1,400 and 4,000 times 0.20; a hundred thousand 0.20 for 50,000, 0.15 for 44,000."""
    plans = {plan.code: plan for plan in list_known_sold("line", "TW", "TWD", date(2026, 11, 22))}
    assert {code: (plan.fee, plan.included) for code, plan in plans.items()} == {
        "light": (0, 200), "mid": (1000, 3000), "high": (1400, 6000),
    }  # fmt: skip
    high = plans["high"]
    assert high.fee + high.cost_of(10_000) == 2_200 and high.fee + high.cost_of(100_000) == 18_000
    assert plans["mid"].price_of(3_000) is None, "the middle plan sells nothing beyond"
    old = {plan.code: plan for plan in list_known_sold("line", "TW", "TWD", date(2023, 8, 31))}
    assert (old["mid"].fee, old["mid"].included, old["mid"].price_of(4_000)) == (800, 4000, Decimal("0.20"))
    assert not list_known_sold("line", "JP", "JPY", date(2026, 11, 22))


def test_each_is_dated_and_sourced_and_can_be_put_on_a_channel() -> None:
    versions = defaultdict(list)
    for known in list_known_plans():
        assert known.sources and all(source.startswith("https://") for source in known.sources)
        shown = show_known_plan(known)["plan"]
        assert parse_price_book({"current": shown["code"], "plans": [shown]}).plans == (known.plan,)
        versions[known.kind, known.country, known.plan.code].append(known.plan)
    for plans in versions.values():
        for before, after in pairwise(plans):
            assert before.valid_to is not None and before.valid_to + timedelta(days=1) == after.valid_from
        assert plans[-1].valid_to is None
