"""The fold of a member: in whatever order events come, once or often, the same is said; and what each rule of time means."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.conditions.closures import MemberFacts
from regulars.events.happened import read_event
from regulars.events.vocabulary import names_of
from regulars.loyalty.compiling import Edition, compile_edition
from regulars.loyalty.folding import AwardKey, Folded, Mark, fold, payment_key
from regulars.loyalty.model import Name
from regulars.loyalty.parsing import parse_programme

ZONE = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
JOINED = date(2024, 1, 1)
BASE = {
    "name": "base",
    "when": {"did": {"event": "Order Completed"}},
    "award": [
        {"asset": "points", "per": "30", "of": "revenue"},
        {"asset": "stars", "per": "1", "of": "revenue"},
    ],
}
WRITTEN: dict[str, Any] = {
    "assets": {"points": {"redeemable": True, "worth": "1"}, "stars": {"qualifying": True}},
    "earn": [BASE],
    "tiers": {
        "asset": "stars",
        "window": "rolling 12 months",
        "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500, "multiplier": "2"}],
    },
    "badges": [{"name": "often", "when": {"did": {"event": "Order Completed", "count": {"at_least": 3}}}}],
    "missions": [
        {
            "name": "pair",
            "target": {"did": {"event": "Order Completed", "count": {"at_least": 2}, "within": "30d"}},
            "then": {"award": [{"asset": "points", "amount": 5}]},
            "repeat": True,
        }
    ],
}


def edition(number: int = 1, from_seq: int = 0, **changes: Any) -> Edition:
    programme = parse_programme({**WRITTEN, **changes})
    return compile_edition(number, NOW - timedelta(days=400 - number), from_seq, programme, ZONE, names_of)


def order(seq: int, days: float, revenue: str, name: str = "Order Completed", **more: Any) -> Mark:
    properties = {"order_id": f"o{seq}", "revenue": revenue, **more}
    return Mark(seq, read_event(name, properties, NOW - timedelta(days=days)), MemberFacts(7))


def points_of(folded: Folded, asset: str = "points") -> dict[str, int]:
    return {key.key: award.amount for key, award in folded.awards.items() if key.asset == asset}


@pytest.mark.parametrize("seed", range(5))
def test_neither_the_order_in_which_events_come_nor_how_often_matters(seed: int) -> None:
    rng = random.Random(seed)
    marks = [order(seq, rng.uniform(1, 390), f"{rng.randrange(10_000, 30_000) / 100}") for seq in range(1, 30)]
    marks += [order(40, 3, "50", "Order Refunded", order_id="o3"), order(41, 2, "20", "Order Refunded", order_id="o4")]
    wanted = fold([edition()], marks, {}, JOINED, NOW)
    assert wanted.standing.level == 1 and wanted.missions[0].reached > 3
    for _ in range(3):
        again = rng.sample(marks, len(marks))
        found = fold([edition()], again, {}, JOINED, NOW)
        assert (found.awards, found.badges, found.changes, found.missions) == (
            wanted.awards,
            wanted.badges,
            wanted.changes,
            wanted.missions,
        )


def test_an_order_told_twice_is_one() -> None:
    """Under two messages, as when a shop and its till both tell it."""
    marks = [order(1, 9, "300"), order(2, 8, "300", order_id="o1")]
    assert points_of(fold([edition()], marks, {}, JOINED, NOW)) == {"base:1": 10}


def test_what_came_before_a_version_is_judged_by_the_one_before() -> None:
    """The second version doubles; it begins after the first event, and events of the past that come later are its own."""
    twice = {**BASE, "award": [{"asset": "points", "per": "15", "of": "revenue"}]}
    editions = [edition(), edition(2, from_seq=1, earn=[twice])]
    found = fold(editions, [order(1, 5, "300"), order(2, 9, "300")], {}, JOINED, NOW)
    assert points_of(found) == {"base:1": 10, "base:2": 20, "pair:mission:1": 5}


def test_a_fold_stops_at_a_payment_that_nobody_has_decided() -> None:
    marks = [order(1, 9, "300"), order(2, 8, "90", points_paid=6), order(3, 7, "30")]
    asked = fold([edition()], marks, {}, JOINED, NOW).unpaid
    assert asked is not None and (asked.key, asked.asset, asked.amount) == (payment_key(2), "points", 6)
    paid = fold([edition()], marks, {payment_key(2): True}, JOINED, NOW)
    assert paid.payments == {AwardKey(payment_key(2), Name("points")): -6}
    assert points_of(paid)["base:2"] == 2, "84 in money"
    refused = fold([edition()], marks, {payment_key(2): False}, JOINED, NOW)
    assert refused.payments == {AwardKey(payment_key(2), Name("points")): 0}
    assert points_of(refused)["base:2"] == 3


def test_a_part_that_is_given_back_was_never_bought() -> None:
    """A third of 300 paid with 70 points: 46 ⅔ of them pay what is left, and 47 stay drawn."""
    marks = [order(1, 9, "300", points_paid=70), order(2, 1, "100", "Order Refunded", order_id="o1")]
    found = fold([edition()], marks, {payment_key(1): True}, JOINED, NOW)
    assert points_of(found) == {"base:1": 5} and found.payments[AwardKey(payment_key(1), Name("points"))] == -47
    assert points_of(found, "stars") == {"base:1": int(Decimal(200) - Decimal(140) / 3)}


def test_a_balance_lapses_where_nothing_was_done() -> None:
    """Orders 400, 250 and 10 days ago, 180 days of patience: at day 70 what was there lapsed, the last lapses in 170 days."""
    quiet = {"points": {"redeemable": True, "expires": {"inactive": "180d"}}, "stars": {"qualifying": True}}
    one = edition(assets=quiet, missions=[])
    found = fold([one], [order(1, 400, "90"), order(2, 250, "90"), order(3, 10, "90")], {}, JOINED, NOW)
    ends = {key.key: award.expires_at for key, award in found.awards.items() if key.asset == "points"}
    lapsed = NOW - timedelta(days=70)
    assert ends == {"base:1": lapsed, "base:2": lapsed, "base:3": None}
    assert found.lapses == {"points": NOW + timedelta(days=170)} and found.due_at == NOW + timedelta(days=170)
