"""Conditions over a member's events say of each member what the reference says."""

import contextlib
import random

import pytest

from regulars.conditions import tree as t
from regulars.conditions.closures_history import History, compile_history
from regulars.conditions.errors import ConditionError, NotOfOneEvent
from regulars.conditions.parse import Written, parse_written, write_tree
from tests.conditions.reference import members_of
from tests.conditions.test_closures import facts_of, facts_of_member
from tests.conditions.test_differential import NAMING
from tests.conditions.worlds import AS_OF, ZONE, make_tree, make_world

TREES = 300
TREES_PER_WORLD = 30
UNASKED = (t.Percentile, t.Delivered, t.MemberOf)


def make_asked(rng: random.Random) -> Written:
    """One that can be written and asked."""
    while True:
        tree = make_tree(rng)
        if not any(isinstance(leaf, UNASKED) for leaf in t.list_leaves(tree)):
            with contextlib.suppress(ConditionError):
                return parse_written(write_tree(tree))


@pytest.mark.parametrize("seed", range(2))
def test_a_condition_over_events_says_what_the_reference_says(seed: int) -> None:
    rng = random.Random(seed)
    divided = 0
    for number in range(TREES):
        if number % TREES_PER_WORLD == 0:
            world = make_world(rng)
        written = make_asked(rng)
        closure = compile_history(written, ZONE, NAMING.names_of)
        found: set[int] = set()
        for member in world.members:
            history = History()
            for event in sorted(member.events, key=lambda one: one.at):
                history.add(facts_of(event, world))
            if closure.holds(history, facts_of_member(member), AS_OF):
                found.add(member.number)
        wanted = members_of(written.tree, world)
        assert found == wanted, (written.data, found ^ wanted)
        divided += 0 < len(found) < len(world.members)
    assert divided > TREES // 3


def test_what_compares_members_is_not_asked() -> None:
    written = parse_written({"all": [{"member_of": "loyal"}]})
    with pytest.raises(NotOfOneEvent, match="no ranks, messages and audiences") as raised:
        compile_history(written, ZONE)
    assert raised.value.path == "/all/0/member_of" or raised.value.path == "/all/0"
