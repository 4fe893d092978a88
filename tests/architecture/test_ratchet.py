"""No function, file or tangle grows beyond the worst that is stored, and the stored worst never grows."""

import ast

import pytest

from tests.architecture import ratchet
from tests.architecture.ratchet import MEASURES, TREES, Found
from tests.architecture.sources import Function

RULES = {"function_body_lines": 60, "file_lines": 500, "complexity": 10}


@pytest.fixture(scope="module")
def found() -> list[Found]:
    return ratchet.measure()


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("measure", MEASURES)
def test_nothing_exceeds_the_ratchet(tree: str, measure: str, found: list[Found]) -> None:
    most = ratchet.limits()[tree][measure]
    ours = [one for one in found if (one.tree, one.measure) == (tree, measure)]
    assert ours, f"nothing was measured: is {tree} still where it was?"
    over = [f"{one.where}: {one.value}" for one in ours if one.value > most]
    assert not over, f"{measure} over {most}:\n" + "\n".join(over)


def test_the_ratchet_never_exceeds_the_rules() -> None:
    stored = ratchet.limits()
    assert set(stored) == set(TREES)
    for tree, measures in stored.items():
        assert set(measures) == set(RULES), tree
        assert all(measures[name] <= RULES[name] for name in RULES), f"{tree}: {measures} is above {RULES}"


def test_a_body_is_counted_without_its_docstring() -> None:
    tree = ast.parse('def f():\n    """Say\n    much."""\n    a = 1\n\n    return a\n')
    assert isinstance(tree.body[0], Function)
    assert ratchet.body_lines(tree.body[0]) == 3


def test_the_ratchet_only_falls() -> None:
    stored = {"src": {"file_lines": 100}}
    assert ratchet.lower(stored, [Found("src", "file_lines", 40, "a"), Found("src", "file_lines", 90, "b")]) == {
        "src": {"file_lines": 90}
    }
    assert ratchet.lower(stored, [Found("src", "file_lines", 140, "a")]) == stored
