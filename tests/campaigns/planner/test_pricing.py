"""Pieces of price plans against the plans' own arithmetic, number by number."""

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import Channel
from regulars.campaigns.planner.pricing import expected_cost_micros, list_pieces, list_steps
from regulars.messaging.prices import PricePlan
from tests.support.examples import few
from tests.support.planning import price_plan

PRICES = st.sampled_from(["0", "0.011", "0.15", "0.2", "1.5"])


@st.composite
def price_plans(draw: st.DrawFn) -> PricePlan:
    """Rising and falling steps, with an end or without."""
    ends = sorted(draw(st.sets(st.integers(1, 40), max_size=3)))
    steps: list[tuple[int | None, str]] = [(end, draw(PRICES)) for end in ends]
    if draw(st.booleans()):
        steps.append((None, draw(PRICES)))
    return price_plan(draw(st.integers(0, 20)), *steps)


@settings(max_examples=few(60), deadline=None)
@given(plan=price_plans(), used=st.integers(0, 30))
def test_pieces_cost_what_the_plan_costs(plan: PricePlan, used: int) -> None:
    most = plan.messages_max if plan.messages_max is not None else 200
    for messages in range(max(0, most - used) + 1):
        exactly = (plan.cost_of(used + messages) - plan.cost_of(min(used, most))) * 10**6
        assert expected_cost_micros(list_steps(plan, used), messages) == exactly
    for single_price in (True, False):
        for piece in list_pieces(Channel("k", (plan,), used), single_price=single_price):
            assert list(piece.prices) == sorted(piece.prices)
            assert not single_price or len(piece.prices) == 1
            start = int(piece.breaks[0])
            assert piece.base_micros == (plan.cost_of(used + start) - plan.cost_of(min(used, most))) * 10**6


@settings(max_examples=few(60), deadline=None)
@given(plan=price_plans(), used=st.integers(0, 30))
def test_pieces_are_all_of_the_plan_and_each_begins_where_the_last_ended(plan: PricePlan, used: int) -> None:
    pieces = list_pieces(Channel("k", (plan,), used), single_price=False)
    assert pieces[0].breaks[0] == 0
    for before, after in pairwise(pieces):
        assert after.breaks[0] == before.breaks[-1]
        assert after.prices[0] < before.prices[-1], "a new piece begins where the price falls, and nowhere else"
    end = float("inf") if plan.messages_max is None else max(0, plan.messages_max - used)
    assert pieces[-1].breaks[-1] == end


def test_a_channel_without_a_price_plan_is_free_and_endless() -> None:
    (piece,) = list_pieces(Channel("tg"), single_price=False)
    assert (piece.plan, piece.breaks, piece.prices, piece.fee_micros) == (-1, (0.0, float("inf")), (0,), 0)


def test_fees_count_only_where_there_is_a_choice() -> None:
    light, mid = price_plan(200, code="light"), replace(price_plan(3_000), fee=Decimal("1000"))
    assert [piece.fee_micros for piece in list_pieces(Channel("k", (mid,)), single_price=False)] == [0]
    fees = [piece.fee_micros for piece in list_pieces(Channel("k", (light, mid)), single_price=False)]
    assert fees == [0, 1_000_000_000]


@pytest.mark.parametrize("used", [200, 201, 5_000])
def test_a_quota_that_is_used_up_leaves_nothing(used: int) -> None:
    (piece,) = list_pieces(Channel("k", (price_plan(200),), used), single_price=False)
    assert piece.breaks == (0.0, 0.0)
