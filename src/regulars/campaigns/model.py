"""What a campaign and a plan are. A campaign keeps what was written beside what was read of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal, NewType

from regulars.kernel.ids import MemberId

PlanId = NewType("PlanId", int)
PLAN_PREFIX: Final = "p"


@dataclass(frozen=True, slots=True)
class Goal:
    """What a campaign is for: an event within so long of the message; `where` are tests of the event's properties."""

    event: str
    within: timedelta
    where: Mapping[str, Any] | None = None

    @property
    def condition(self) -> dict[str, Any]:
        """The goal as a condition of one event."""
        return did(self.event, self.where)


@dataclass(frozen=True, slots=True)
class Value:
    """The incremental value of contacting one member: from a model of the goal, the same for all, or a trait's.

    `channel_factor`: what of it a channel brings; 1 where none is stated.
    """

    by: Literal["model", "fixed", "trait"]
    margin: Decimal | None = None
    value: Decimal | None = None
    trait: str | None = None
    channel_factor: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Trigger:
    """What sets a campaign off by itself; exactly one of `enter` (an audience), `event`, `every`."""

    enter: str | None = None
    event: str | None = None
    where: Mapping[str, Any] | None = None
    every: timedelta | None = None

    @property
    def kind(self) -> Literal["enter", "event", "every"]:
        """Which of the three."""
        if self.event is not None:
            return "event"
        return "enter" if self.enter is not None else "every"


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several messages; members are drawn by their shares."""

    name: str
    share: float
    message: Any


@dataclass(frozen=True, slots=True)
class Campaign:
    """One version of a campaign; `first_on` and `last_on` are days of the brand, both included."""

    name: str
    version: int
    written: Mapping[str, Any]
    audience: str
    channels: tuple[str, ...]
    first_on: date
    last_on: date
    value: Value
    message: Any = None
    variants: tuple[Variant, ...] = ()
    topic: str | None = None
    purpose: str = "marketing"
    goal: Goal | None = None
    size_min: int = 0
    size_max: int | None = None
    budget: Decimal | None = None
    holdout: float = 0.0
    on: Trigger | None = None

    @property
    def budget_name(self) -> str | None:
        """What its messages are paid from, whichever plan or trigger sends them."""
        return None if self.budget is None else f"campaign:{self.name}"

    def message_of(self, variant: str | None) -> Any:
        """The message as written, of a variant where there are some."""
        return self.message if variant is None else next(one.message for one in self.variants if one.name == variant)


class PlanState(StrEnum):
    """`sent` is never stored: it is what a plan is whose deliveries have all reached their last state."""

    DRAFT = "draft"
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as its row holds it; `campaigns` and `versions` go together, `channels` are those assignments are on."""

    plan_id: PlanId
    state: PlanState
    asked: Mapping[str, Any]
    campaigns: tuple[str, ...]
    versions: tuple[int, ...]
    channels: tuple[str, ...]
    as_of: datetime
    first_on: date
    last_on: date
    summary: Mapping[str, Any]
    warnings: list[Mapping[str, Any]]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Assignment:
    """A message that a plan chose for a member; numbers are places in the plan's lists, `variant_no` -1 for none."""

    member_id: MemberId
    campaign_no: int
    channel_no: int
    variant_no: int
    value_micros: int
    price_micros: int
    send_at: datetime
    is_withheld: bool


@dataclass(frozen=True, slots=True)
class Unsent:
    """The best message that a member might have got of a plan and did not."""

    member_id: MemberId
    campaign_no: int
    channel_no: int
    value_micros: int
    reason: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What makes a campaign or a channel send less than was meant; `path` is into what was asked."""

    code: str
    path: str
    message: str
    suggestion: str | None = None


def did(event: str, where: Mapping[str, Any] | None, **more: Any) -> dict[str, Any]:
    """A leaf of the condition language."""
    return {"did": {"event": event, **({"where": where} if where else {}), **more}}
