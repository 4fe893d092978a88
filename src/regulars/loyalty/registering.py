"""From when on a member may register for an event: stages by tier or badge, and the level's early access to what opens to all."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from regulars.loyalty.dates import add_period, instant_of
from regulars.loyalty.model import Programme, Registration, Stage

Verdict = Literal["open", "not_open", "closed"]


def opens_at(
    programme: Programme, event: Registration, level: int, badges: Collection[str], zone: ZoneInfo
) -> datetime | None:
    """The first instant at which a member of this level with these badges may register; None where no stage is theirs."""
    instants = [
        _begin(programme, stage, level, zone) for stage in event.stages if _fits(programme, stage, level, badges)
    ]
    return min(instants, default=None)


def judge_registration(
    programme: Programme, event: Registration, level: int, badges: Collection[str], at: datetime, zone: ZoneInfo
) -> Verdict:
    """Whether the member may register at an instant; places are counted by others."""
    if event.until is not None and at >= instant_of(event.until, zone):
        return "closed"
    opened = opens_at(programme, event, level, badges, zone)
    return "open" if opened is not None and opened <= at else "not_open"


def _fits(programme: Programme, stage: Stage, level: int, badges: Collection[str]) -> bool:
    least = programme.find_level(stage.tier)
    return (stage.tier is None or (least is not None and level >= least)) and (
        stage.badge is None or stage.badge in badges
    )


def _begin(programme: Programme, stage: Stage, level: int, zone: ZoneInfo) -> datetime:
    begin = instant_of(stage.from_, zone)
    early = programme.tiers.levels[level].early_access if programme.tiers is not None else None
    is_for_all = stage.tier is None and stage.badge is None
    return add_period(begin, early, zone, -1) if is_for_all and early is not None else begin
