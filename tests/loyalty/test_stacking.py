"""Which vouchers apply together; in whatever order they are offered."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.loyalty.parsing import parse_programme
from regulars.loyalty.stacking import Offer, Quote, find_obstacle, is_open, quote

TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)  # Monday, 14:00 of Taipei


def offer(name: str = "one", *, code: str | None = None, **fields: Any) -> Offer:
    body = {"name": name, "codes": "generated", "discount": {"percent": "50"}, **fields}
    return Offer(code or name, parse_programme({"vouchers": [body]}).vouchers[0])


TENTH = offer("tenth", category="percent", discount={"percent": "10"})
FIFTH = offer("fifth", category="percent", discount={"percent": "20"}, priority=-1)
AMOUNT = offer("amount", category="amount", discount={"amount": "150"})
ALONE = offer("alone", category="other", discount={"amount": "100"}, exclusive=True, priority=9)


def ask(*offers: Offer, amount: str = "1000", at: datetime = NOW) -> Quote:
    return quote(Decimal(amount), offers, at, TAIPEI)


def test_one_of_each_category_and_shares_before_sums() -> None:
    assert ask(AMOUNT, TENTH) == Quote(Decimal(750), (("tenth", Decimal(100)), ("amount", Decimal(150))), ())
    assert ask(FIFTH, TENTH).refused == (("fifth", "category"),)
    assert ask(offer("two", code="a"), offer("two", code="b")).refused == (("b", "category"),)
    assert ask(TENTH, TENTH) == ask(TENTH)


def test_an_exclusive_one_stands_alone() -> None:
    assert ask(TENTH, AMOUNT, ALONE) == Quote(
        Decimal(900), (("alone", Decimal(100)),), (("amount", "exclusive"), ("tenth", "exclusive"))
    )
    low = offer("low", exclusive=True, priority=-9)
    assert ask(TENTH, low).refused == (("low", "exclusive"),)


def test_never_below_nothing_and_none_is_used_for_nothing() -> None:
    assert ask(AMOUNT, amount="100").total == 0
    second = offer("second", discount={"amount": "5"})
    assert ask(AMOUNT, second, amount="100") == Quote(
        Decimal(0), (("amount", Decimal(100)),), (("second", "no_effect"),)
    )
    gift = offer("gift", discount=None)
    assert ask(gift).applied == (("gift", Decimal(0)),)


def test_shares_are_rounded_half_up() -> None:
    assert ask(offer(), amount="199.01").applied == (("one", Decimal("99.51")),)
    assert quote(Decimal("199"), [offer()], NOW, TAIPEI, decimals=0).applied == (("one", Decimal("100")),)


@pytest.mark.parametrize(
    ("at", "fits"),
    [
        ("2026-11-23T05:59:59Z", False),
        ("2026-11-23T06:00:00Z", True),
        ("2026-11-27T08:59:59Z", True),
        ("2026-11-27T09:00:00Z", False),
        ("2026-11-28T06:00:00Z", False),
    ],
)
def test_weekdays_and_hours_are_local_and_half_open(at: str, fits: bool) -> None:
    pool = offer(hours={"weekdays": [1, 2, 3, 4, 5], "from": "14:00", "until": "17:00"}).pool
    assert (find_obstacle(pool, None, datetime.fromisoformat(at), TAIPEI) is None) is fits


def test_hours_that_span_midnight_are_of_the_day_they_begin_on() -> None:
    hours = offer(hours={"weekdays": [5], "from": "22:00", "until": "02:00"}).pool.hours
    assert hours is not None
    for text, fits in (
        ("27T22:00", True),
        ("28T01:59", True),
        ("28T02:00", False),
        ("28T22:00", False),
        ("27T01:00", False),
    ):
        assert is_open(hours, datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=TAIPEI), TAIPEI) is fits, text


def test_what_cannot_be_used_says_why() -> None:
    assert ask(offer(order_at_least="1000.01")).refused == (("one", "order_at_least"),)
    assert ask(offer(order_at_least="1000")).refused == ()
    assert ask(offer(window={"until": "2026-11-22"})).refused == (("one", "window"),)
    assert ask(offer(window={"from": "2026-11-23", "until": "2026-11-23"})).refused == ()


POOLS = st.builds(
    lambda name, category, exclusive, priority, discount, least: (
        offer(
            name, category=category, exclusive=exclusive, priority=priority, discount=discount, order_at_least=least
        ).pool
    ),
    st.sampled_from("abcdefgh"),
    st.sampled_from([None, "x", "y"]),
    st.booleans(),
    st.integers(-1, 1),
    st.sampled_from([None, {"percent": "10"}, {"percent": "33.3"}, {"amount": "0.01"}, {"amount": "400"}]),
    st.sampled_from([None, "100", "1000"]),
)
OFFERS = st.lists(
    st.builds(Offer, st.sampled_from(["K1", "K2", "K3", "K4", "K5"]), POOLS), max_size=5, unique_by=lambda one: one.code
)


@settings(max_examples=300, deadline=None)
@given(OFFERS, st.permutations(range(5)), st.decimals("0.01", 5_000, places=2))
def test_the_order_in_which_they_are_offered_changes_nothing(
    offers: list[Offer], order: list[int], amount: Decimal
) -> None:
    shuffled = [offers[place] for place in order if place < len(offers)]
    told = quote(amount, shuffled, NOW, TAIPEI)
    assert told == quote(amount, offers, NOW, TAIPEI)
    assert told.total == amount - sum(taken for _, taken in told.applied) >= 0
    assert sorted(code for code, _ in (*told.applied, *told.refused)) == sorted(one.code for one in offers)
    pools = {one.code: one.pool for one in offers}
    applied = [pools[code] for code, _ in told.applied]
    assert len(applied) < 2 or not any(pool.exclusive for pool in applied)
    categories = [pool.category or pool.name.upper() for pool in applied]
    assert len(set(categories)) == len(categories)
