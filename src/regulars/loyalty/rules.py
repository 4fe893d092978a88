"""Which events set a rule off, and which rules hold at an event.

A rule is set off by an event that meets a `did` of its condition that is not negated. A condition without windows, numbers
and sequences is asked of that event alone, as triggers and goals are; one with them is asked of the member's history up to
the event, by whoever has it (`holds` is None).
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from regulars.conditions.closures import NOBODY_PERSONAL, Closure, Holds, compile_closure
from regulars.conditions.errors import NotOfOneEvent
from regulars.conditions.lower import Personal
from regulars.conditions.tree import Did
from regulars.loyalty.awarding import is_valid_on
from regulars.loyalty.checking import list_triggers
from regulars.loyalty.model import Condition, EarnRule, Programme


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """`names`: under which the events that set it off come. `sets_off` and `holds` take event, member and as_of."""

    rule: EarnRule
    names: frozenset[str]
    asks_member: bool
    asks_items: bool
    sets_off: Holds
    holds: Holds | None


def compile_rules(
    programme: Programme,
    zone: ZoneInfo,
    names_of: Callable[[str], Sequence[str]] = lambda event: (event,),
    personal: Personal = NOBODY_PERSONAL,
) -> list[CompiledRule]:
    """All earn rules, in their order. `names_of`: all names that are read as an event's."""
    return [_compile(rule, zone, names_of, personal) for rule in programme.earn]


def is_eligible(programme: Programme, rule: EarnRule, level: int, badges: Collection[str], day: date) -> bool:
    """Whether a day of the brand, the member's level (0 the lowest) and badges let the rule hold."""
    return (
        is_valid_on(programme.valid, day)
        and is_valid_on(rule.valid, day)
        and has_beside(programme, rule.when, level, badges)
    )


def has_beside(programme: Programme, condition: Condition, level: int, badges: Collection[str]) -> bool:
    """Whether a member has the level and the badges that stand beside a condition."""
    least = programme.find_level(condition.tier_at_least)
    return level >= (least or 0) and all(badge in badges for badge in condition.badges)


def _compile(
    rule: EarnRule, zone: ZoneInfo, names_of: Callable[[str], Sequence[str]], personal: Personal
) -> CompiledRule:
    triggers = [compile_closure(Did(what), zone, names_of, personal) for what in list_triggers(rule.when)]
    whole = _find_closure(rule.when, zone, names_of, personal)
    parts = [*triggers, *([] if whole is None else [whole])]
    return CompiledRule(
        rule,
        names=frozenset(name for one in triggers for name in one.names),
        asks_member=any(one.asks_member for one in parts),
        asks_items=any(one.asks_items for one in parts),
        sets_off=lambda event, member, as_of: any(one.holds(event, member, as_of) for one in triggers),
        holds=None if whole is None else whole.holds,
    )


def _find_closure(
    condition: Condition, zone: ZoneInfo, names_of: Callable[[str], Sequence[str]], personal: Personal
) -> Closure | None:
    """None where the condition asks for more than the event."""
    try:
        return compile_closure(condition.written, zone, names_of, personal)
    except NotOfOneEvent:
        return None
