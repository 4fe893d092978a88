"""Which events set a rule off, and whom a rule is for."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from regulars.conditions.closures import EventFacts, MemberFacts
from regulars.loyalty.model import Programme
from regulars.loyalty.parsing import parse_programme
from regulars.loyalty.rules import CompiledRule, compile_rules, is_eligible

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
BOOKS = {"did": {"event": "Order Completed", "where": {"category": "books"}}}
THIRD = {"did": {**BOOKS["did"], "count": {"at_least": 3}, "within": "90d"}}


def programme(when: Any, **fields: Any) -> Programme:
    levels = [{"name": "green", "enter": 0}, {"name": "gold", "enter": 5}]
    return parse_programme(
        {
            "assets": {"points": {"redeemable": True}, "stars": {"qualifying": True}},
            "tiers": {"asset": "stars", "levels": levels},
            "badges": [{"name": "reader"}],
            "earn": [{"name": "one", "when": when, "award": [{"asset": "points", "amount": 5}], **fields}],
        }
    )


def compiled(when: Any) -> CompiledRule:
    return compile_rules(programme(when), TAIPEI, lambda event: (event, event.lower()))[0]


def event(name: str = "Order Completed", category: str = "books") -> EventFacts:
    return EventFacts(name, NOW, {}, revenue=Decimal(1), category=category)


def test_a_condition_of_one_event_is_asked_of_it_alone() -> None:
    rule = compiled({"all": [BOOKS, {"trait": {"plan": "vip"}}]})
    assert rule.holds is not None and rule.asks_member and not rule.asks_items
    vip, plain = MemberFacts(traits={"plan": "vip"}), MemberFacts(traits={"plan": "plain"})
    assert [rule.holds(event(), one, NOW) for one in (vip, plain)] == [True, False]
    assert rule.names == {"Order Completed", "order completed"}


def test_a_condition_over_history_is_set_off_by_the_events_it_counts() -> None:
    """An order of food counts nothing, and what must not have happened sets nothing off."""
    rule = compiled({"all": [THIRD, {"not": {"did": {"event": "Order Refunded", "within": "30d"}}}]})
    assert rule.holds is None and rule.names == {"Order Completed", "order completed"}
    asked = [event(), event(category="food"), event("order completed"), event("Order Refunded")]
    assert [rule.sets_off(one, MemberFacts(), NOW) for one in asked] == [True, False, True, False]


def test_a_double_negation_sets_off() -> None:
    assert compiled({"not": {"any": [{"not": BOOKS}, {"did": {"event": "Returned"}}]}}).sets_off(
        event(), MemberFacts(), NOW
    )


def test_a_rule_is_for_a_tier_badges_and_days() -> None:
    when = {"all": [BOOKS, {"tier": {"at_least": "gold"}}, {"badge": "reader"}]}
    rules = programme(when, valid={"from": "2026-11-22", "until": "2026-11-23"})
    for level, badges, day, expected in (
        (1, ("reader",), 22, True),
        (1, ("reader",), 23, True),
        (1, ("reader",), 24, False),
        (1, ("reader",), 21, False),
        (0, ("reader",), 23, False),
        (1, (), 23, False),
    ):
        assert is_eligible(rules, rules.earn[0], level, badges, date(2026, 11, day)) is expected
