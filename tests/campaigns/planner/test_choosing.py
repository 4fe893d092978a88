"""What members choose at prices, against every set of messages their caps allow."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.campaigns.planner import Problem, choosing
from regulars.campaigns.planner.choosing import Chooser, make_limits
from tests.support.examples import few
from tests.support.planning import Shape, random_problem


def best_gain(problem: Problem, member: int, theta: np.ndarray) -> float:
    """The most a member's messages can bring at prices."""
    net = (problem.values[:, :, member] - theta).max(axis=1)
    topics = [campaign.topic for campaign in problem.campaigns]

    def fits(campaigns: tuple[int, ...]) -> bool:
        return all(
            sum(cap.topic in (None, topics[c]) for c in campaigns) <= max(0, int(cap.remaining[member]))
            for cap in problem.caps
        )

    every = range(len(topics))
    sets = itertools.chain.from_iterable(itertools.combinations(every, size) for size in range(len(topics) + 1))
    return max(float(net[list(one)].sum()) for one in sets if fits(one))


@settings(max_examples=few(8), deadline=None)
@given(seed=st.integers(0, 10_000), topics=st.booleans(), campaigns=st.integers(1, 6))
def test_choices_are_the_best_the_caps_allow(seed: int, topics: bool, campaigns: int) -> None:
    problem = random_problem(seed, Shape(members=50, campaigns=campaigns, channels=3, topics=topics))
    theta = np.random.default_rng(seed).random((campaigns, 3)).round(6)
    chooser = Chooser(problem.values, 1.0, make_limits(problem), tie_break=0.0)
    expected = [best_gain(problem, member, theta) for member in range(problem.members)]
    assert chooser.bound_micros(np.rint(theta * 1e6)) == pytest.approx(sum(expected) * 1e6, abs=1)
    gain, counts = chooser.evaluate(theta)
    chosen = chooser.choose(theta)
    assert gain == pytest.approx(sum(expected), rel=1e-4, abs=1e-4)
    assert (np.bincount(chosen.cell, minlength=counts.size) == counts.ravel()).all()
    gains = np.bincount(chosen.member, weights=chosen.reduced, minlength=problem.members)
    assert gains == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_chunks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = random_problem(5, Shape(members=1_000, campaigns=5, channels=3, topics=True))
    theta = np.full((5, 3), 0.4)
    whole = Chooser(problem.values, 1.0, make_limits(problem), tie_break=0.0)
    expected = whole.choose(theta), whole.bound_micros(theta * 1e6)
    monkeypatch.setattr(choosing, "CHUNK_MEMBERS", 128)
    chosen, bound = whole.choose(theta), whole.bound_micros(theta * 1e6)
    assert (chosen.member == expected[0].member).all()
    assert (chosen.cell == expected[0].cell).all()
    assert bound == expected[1]


def test_more_cells_than_fit_beside_float32_are_chosen_in_float64() -> None:
    problem = random_problem(9, Shape(members=40, campaigns=20, channels=8))
    chooser = Chooser(problem.values, 1.0, make_limits(problem), tie_break=0.0)
    assert chooser.work.dtype == np.float64
    assert chooser.evaluate(np.zeros((20, 8)))[0] * 1e6 == pytest.approx(
        chooser.bound_micros(np.zeros((20, 8))), rel=1e-9
    )
