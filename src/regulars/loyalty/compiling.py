"""A version of a programme made ready to be asked at each event: its rules, badges and missions as predicates."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from regulars.conditions.closures import NOBODY_PERSONAL, EventFacts, MemberFacts
from regulars.conditions.closures_history import Goal, History, HoldsOf, compile_goal, compile_history
from regulars.conditions.lower import Personal
from regulars.conditions.tree import LINE_FIELDS, Did, Node, list_leaves
from regulars.conditions.tree import Sequence as SequenceLeaf
from regulars.events.vocabulary import LINES_KEYS
from regulars.loyalty.checking import get_target, list_conditions
from regulars.loyalty.model import (
    Badge,
    Condition,
    EarnRule,
    Inactive,
    Mission,
    Programme,
)
from regulars.loyalty.rules import CompiledRule, compile_rules

NamesOf = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class AskedRule:
    """`holds` takes the member's events up to the one that set it off."""

    rule: EarnRule
    names: frozenset[str]
    is_set_off: Callable[[EventFacts, MemberFacts, datetime], bool]
    holds: HoldsOf


@dataclass(frozen=True, slots=True)
class AskedBadge:
    """A badge with a condition of its own."""

    badge: Badge
    when: Condition
    names: frozenset[str]
    holds: HoldsOf


@dataclass(frozen=True, slots=True)
class AskedMission:
    """`goal` where the mission has a target; `names`: the events that bring it on."""

    mission: Mission
    names: frozenset[str]
    goal: Goal | None


@dataclass(frozen=True)
class Edition:
    """A version, from which event on it judges, and its parts as predicates."""

    version: int
    from_at: datetime
    from_seq: int
    programme: Programme
    zone: ZoneInfo
    names_of: NamesOf
    rules: tuple[AskedRule, ...]
    badges: tuple[AskedBadge, ...]
    missions: tuple[AskedMission, ...]
    asks_member: bool
    asks_items: bool

    @cached_property
    def refunds(self) -> frozenset[str]:
        """The names of what gives an order back."""
        return frozenset(self.names_of(self.programme.returns.event))

    @cached_property
    def asks_lines(self) -> bool:
        """Whether anything is asked of an order's lines."""
        said = {
            name
            for condition, _ in list_conditions(self.programme)
            for leaf in list_leaves(condition.tree)
            for name in _names_in(leaf)
        }
        return self.asks_items or not said.isdisjoint({*LINE_FIELDS, *LINES_KEYS})

    @cached_property
    def names(self) -> frozenset[str]:
        """All events that it looks at."""
        inactive = (name for one in _list_inactive(self.programme) for name in one.events)
        looked = (name for part in (*self.rules, *self.badges, *self.missions) for name in part.names)
        return self.refunds | set(looked) | {name for event in inactive for name in self.names_of(event)}


def compile_edition(
    version: int,
    from_at: datetime,
    from_seq: int,
    programme: Programme,
    zone: ZoneInfo,
    names_of: NamesOf = lambda event: (event,),
    personal: Personal = NOBODY_PERSONAL,
) -> Edition:
    """Raises: NotOfOneEvent where a condition asks what no event tells."""
    own = [_ask_rule(one, zone, names_of, personal) for one in compile_rules(programme, zone, names_of, personal)]
    badges = [
        (AskedBadge(badge, badge.when, found.names, found.holds), found.asks_member, found.asks_items)
        for badge in programme.badges
        if badge.when is not None
        for found in (compile_history(badge.when.written, zone, names_of, personal),)
    ]
    missions = [_ask_mission(one, zone, names_of, personal) for one in programme.missions]
    return Edition(
        version,
        from_at,
        from_seq,
        programme,
        zone,
        names_of,
        tuple(rule for rule, _, _ in own),
        tuple(badge for badge, _, _ in badges),
        tuple(missions),
        asks_member=any(asks for _, asks, _ in (*own, *badges)),
        asks_items=any(asks for _, _, asks in (*own, *badges))
        or any(one.goal is not None and one.goal.asks_items for one in missions),
    )


def _ask_rule(
    compiled: CompiledRule, zone: ZoneInfo, names_of: NamesOf, personal: Personal
) -> tuple[AskedRule, bool, bool]:
    """The rule, and whether it asks of members and of items."""
    one_event = compiled.holds
    if one_event is not None:

        def holds(history: History, member: MemberFacts, as_of: datetime) -> bool:
            return one_event(history.events[-1], member, as_of)

        asked = AskedRule(compiled.rule, compiled.names, compiled.sets_off, holds)
        return asked, compiled.asks_member, compiled.asks_items
    whole = compile_history(compiled.rule.when.written, zone, names_of, personal)
    asked = AskedRule(compiled.rule, compiled.names, compiled.sets_off, whole.holds)
    return asked, compiled.asks_member or whole.asks_member, compiled.asks_items or whole.asks_items


def _ask_mission(mission: Mission, zone: ZoneInfo, names_of: NamesOf, personal: Personal) -> AskedMission:
    if mission.streak is not None:
        return AskedMission(mission, frozenset(names_of(mission.streak.event)), None)
    if mission.target is None:
        return AskedMission(mission, frozenset(), None)
    did, _ = get_target(mission.target, "target")
    goal = compile_goal(did, zone, names_of, personal)
    return AskedMission(mission, goal.names, goal)


def _names_in(leaf: Node) -> Iterable[str]:
    """The properties that a leaf says something of."""
    match leaf:
        case Did(what, _, aggregates):
            return [*(one.name for one in what.where), *(one.of or "" for one in aggregates)]
        case SequenceLeaf(steps, _, by):
            return [by or "", *(one.name for step in steps for one in step.what.where)]
        case _:
            return []


def _list_inactive(programme: Programme) -> Iterable[Inactive]:
    levels = () if programme.tiers is None else programme.tiers.levels
    policies = (*(asset.expires for asset in programme.assets.values()), *(level.expires for level in levels))
    return (one for one in policies if isinstance(one, Inactive))
