"""Who may register from when on."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.loyalty.model import Programme
from regulars.loyalty.parsing import parse_programme
from regulars.loyalty.registering import judge_registration, opens_at

TAIPEI = ZoneInfo("Asia/Taipei")
WHEN = {"did": {"event": "Order Completed"}}


def programme(stages: list[dict[str, Any]], **fields: Any) -> Programme:
    """Green and gold, who may come two days earlier than all; a badge."""
    levels = [{"name": "green", "enter": 0}, {"name": "gold", "enter": 5, "early_access": "2d"}]
    return parse_programme(
        {
            "assets": {"stars": {"qualifying": True}},
            "tiers": {"asset": "stars", "levels": levels},
            "badges": [{"name": "reader", "when": WHEN}],
            "events": [{"name": "signing", "capacity": 2, "stages": stages, **fields}],
        }
    )


STAGED = [
    {"from": "2026-12-01", "tier": "gold"},
    {"from": "2026-12-02T10:00:00", "badge": "reader"},
    {"from": "2026-12-05T00:00:00Z"},
]


@pytest.mark.parametrize(
    ("level", "badges", "expected"),
    [
        (0, (), datetime(2026, 12, 5, tzinfo=UTC)),
        (0, ("reader",), datetime(2026, 12, 2, 2, tzinfo=UTC)),
        (1, (), datetime(2026, 11, 30, 16, tzinfo=UTC)),
    ],
)
def test_stages_open_by_tier_and_badge(level: int, badges: tuple[str, ...], expected: datetime) -> None:
    """A day is the brand's, and so is a clock without an offset."""
    rules = programme(STAGED)
    assert opens_at(rules, rules.events[0], level, badges, TAIPEI) == expected


def test_early_access_is_to_what_opens_to_all() -> None:
    rules = programme([STAGED[2]])
    assert opens_at(rules, rules.events[0], 1, (), TAIPEI) == datetime(2026, 12, 3, tzinfo=UTC)
    both = programme([{"from": "2026-12-01", "tier": "gold", "badge": "reader"}])
    assert opens_at(both, both.events[0], 1, (), TAIPEI) is None
    assert opens_at(both, both.events[0], 1, ("reader",), TAIPEI) == datetime(2026, 11, 30, 16, tzinfo=UTC)


def test_registering_is_open_between_its_instants() -> None:
    rules = programme(STAGED, until="2026-12-06")
    for day, hour, expected in ((4, 23, "not_open"), (5, 0, "open"), (5, 15, "open"), (5, 16, "closed")):
        at = datetime(2026, 12, day, hour, tzinfo=UTC)
        assert judge_registration(rules, rules.events[0], 0, (), at, TAIPEI) == expected
