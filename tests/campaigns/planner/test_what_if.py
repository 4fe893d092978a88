"""What-if: each variant changes what its name says, and its row is what solving it alone would say."""

from dataclasses import replace

import numpy as np
import pytest

from regulars.campaigns.planner import (
    Cap,
    Problem,
    ProblemInvalid,
    Variant,
    prepare,
    solve,
    summarise,
    weigh,
    with_move,
    with_price_plans,
    without_campaign,
)
from tests.support.planning import Shape, judge, price_plan, random_problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    made = random_problem(8, Shape(members=300, campaigns=3, channels=2))
    plans = (price_plan(60), price_plan(100, (None, "0.10")))
    return replace(
        made, channels=tuple(replace(one, plans=(plan,)) for one, plan in zip(made.channels, plans, strict=True))
    )


def test_each_row_is_what_the_variant_alone_would_be(problem: Problem) -> None:
    caps = {most: (Cap(None, np.full(problem.members, most)),) for most in (1, 2, 4)}
    other = price_plan(200, (None, "0.15"), code="high", fee="10")
    variants = [
        *(Variant(f"cap {most}", replace(problem, caps=cap)) for most, cap in caps.items()),
        Variant("more", with_price_plans(problem, {"k0": price_plan(120)})),
        Variant("high", with_price_plans(problem, {"k0": other})),
        Variant("both", with_price_plans(problem, {"k0": other, "k1": other})),
        Variant("move", with_move(problem, ["k0"], ["k1"])),
        Variant("without c1", without_campaign(problem, "c1")),
    ]
    prepared = prepare(problem)
    plan = solve(prepared)
    first, *rows = weigh(prepared, plan, variants)
    assert (first.name, first.change_micros, first.net_micros) == ("now", 0, summarise(plan)["net_micros"])
    for row, variant in zip(rows, variants, strict=True):
        alone = solve(variant.problem)
        assert judge(alone) == []
        assert row.net_micros == pytest.approx(summarise(alone)["net_micros"], rel=1e-6)
        assert row.change_micros == (row.net_micros - row.fee_micros) - first.net_micros
    by_name = {row.name: row for row in rows}
    assert by_name["cap 1"].value_micros < by_name["cap 2"].value_micros < by_name["cap 4"].value_micros
    assert by_name["more"].change_micros > 0
    assert [by_name[name].fee_micros for name in ("high", "both")] == [10_000_000, 20_000_000]
    assert by_name["without c1"].value_micros < first.value_micros


def test_nobody_on_the_other_channel_is_left_on_the_first(problem: Problem) -> None:
    rows = solve(with_move(problem, ["k0"], ["k1"])).assignments
    reached = np.isfinite(problem.values[:, 1]).any(axis=0)
    assert not reached[rows.member[rows.channel == 0]].any()


def test_unknown_names_are_told() -> None:
    problem = random_problem(8, Shape())
    with pytest.raises(ProblemInvalid, match="no channel 'line'; there are: k0, k1"):
        with_price_plans(problem, {"line": price_plan(3)})
    with pytest.raises(ProblemInvalid, match="no campaign 'heels'"):
        without_campaign(problem, "heels")
