"""A problem that contradicts itself is refused, and the refusal names the part."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from regulars.campaigns.planner import Campaign, Cap, Channel, Problem, ProblemInvalid, ProblemTooLarge, prepare, solve
from regulars.campaigns.planner.model import check_problem, values_from_candidates
from tests.support.planning import price_plan

GOOD = Problem(
    (Campaign("heels"), Campaign("flats")), (Channel("line"),), np.ones((2, 1, 3)), (Cap(None, np.ones(3, dtype=int)),)
)
STEPS = [(at + 1, str(price)) for at, price in enumerate([Decimal("0.9") - Decimal(at) / 100 for at in range(12)])]
BAD = {
    "values": (replace(GOOD, values=np.ones((2, 2, 3))), "values"),
    "whole values": (replace(GOOD, values=np.ones((2, 1, 3), dtype=int)), "values"),
    "no number": (replace(GOOD, values=np.array([[[1, np.nan, 1]], [[1, 1, 1]]])), "values"),
    "too large": (replace(GOOD, values=np.full((2, 1, 3), 2e6)), "values"),
    "a name twice": (replace(GOOD, campaigns=(Campaign("heels"), Campaign("heels"))), "campaigns/1"),
    "a share of none": (
        replace(GOOD, campaigns=(Campaign("heels", going_share=0), Campaign("b"))),
        "campaigns/0/going_share",
    ),
    "sizes crossed": (
        replace(GOOD, campaigns=(Campaign("a", size_min=5, size_max=4), Campaign("b"))),
        "campaigns/0/size",
    ),
    "a budget below zero": (
        replace(GOOD, campaigns=(Campaign("a", budget=Decimal(-1)), Campaign("b"))),
        "campaigns/0/budget",
    ),
    "seven decimals": (
        replace(GOOD, channels=(Channel("k", (price_plan(1, (None, "0.0000001")),)),)),
        "channels/0/plans",
    ),
    "used below zero": (replace(GOOD, channels=(Channel("k", used=-1),)), "channels/0/used"),
    "a cap of others": (replace(GOOD, caps=(Cap(None, np.ones(4, dtype=int)),)), "caps/0"),
    "arms of others": (replace(GOOD, withheld=np.zeros((2, 4), dtype=bool)), "withheld"),
}


@pytest.mark.parametrize(("problem", "path"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(problem: Problem, path: str) -> None:
    with pytest.raises(ProblemInvalid) as refused:
        prepare(problem)
    assert refused.value.path == path


def test_a_sound_problem_is_taken() -> None:
    check_problem(GOOD)


def test_too_many_ways_to_combine_price_plans_are_refused() -> None:
    falling = price_plan(1, *STEPS)
    channels = tuple(Channel(f"k{k}", (falling,)) for k in range(3))
    with pytest.raises(ProblemTooLarge, match="combined in 1728 ways"):
        solve(replace(GOOD, channels=channels, values=np.ones((2, 3, 3))))


def test_candidates_become_cells() -> None:
    columns = [np.array(one) for one in ([0, 1], [0, 0], [2, 1])]
    values = values_from_candidates((2, 1, 3), *columns, np.array([1.5, 2.5]))
    assert np.isneginf(values).sum() == 4
    assert (values[0, 0, 2], values[1, 0, 1]) == (1.5, 2.5)
    with pytest.raises(ProblemInvalid, match=r"a member index is outside of 0 … 1"):
        values_from_candidates((2, 1, 2), *columns, np.array([1.5, 2.5]))
    with pytest.raises(ProblemInvalid, match="more than once"):
        values_from_candidates((2, 1, 3), np.zeros(2, int), np.zeros(2, int), np.zeros(2, int), np.ones(2))
