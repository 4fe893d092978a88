"""What a delivery is, and in which words its life is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NewType
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from regulars.kernel.ids import MemberId

DeliveryId = NewType("DeliveryId", int)
MARKETING: Final = "marketing"
DUTIES: Final = frozenset({"service", "transactional"})
"""Purposes that ask for no consent (but obey one that was refused), holdout, quiet hours or caps: answers and duties."""


class State(StrEnum):
    """planned → reserved → sending → accepted | rejected | unknown; or refused, withheld, cancelled."""

    PLANNED = "planned"
    RESERVED = "reserved"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    WITHHELD = "withheld"
    CANCELLED = "cancelled"


COUNTED: Final = (State.RESERVED, State.SENDING, State.ACCEPTED, State.UNKNOWN, State.WITHHELD)
"""The states that count against a member's caps."""


class Reason(StrEnum):
    """Why a delivery was refused; a rejected one has the channel's word."""

    NO_CONSENT = "no_consent"
    SUPPRESSED = "suppressed"
    UNREACHABLE = "unreachable"
    HOLDOUT = "holdout"
    QUIET_HOURS = "quiet_hours"
    CAP = "cap"
    QUOTA = "quota"
    BUDGET = "budget"
    DUPLICATE = "duplicate"
    OUTVALUED = "outvalued"
    NOT_IN_AUDIENCE = "not_in_audience"
    MISSING_VALUE = "missing_value"
    ERASED = "erased"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Due:
    """A planned delivery as the gate takes it up. `member_id` is whom it was planned for, perhaps merged since.

    `waits`: quiet hours put it off instead of refusing it. At `until_at` its time is over, None: never. `holdout` is its
    campaign's share.
    """

    delivery_id: DeliveryId
    member_id: MemberId
    channel: str
    purpose: str
    topic: str | None
    message_id: int
    key: str
    waits: bool
    send_at: datetime
    until_at: datetime | None = None
    plan_id: int | None = None
    campaign: str | None = None
    holdout: float | None = None
    budget: str | None = None


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to be made; `dedupe_key` names it within its brand for ever.

    `holdout` is its campaign's share, `budget` the name of what its price is taken from.
    """

    member_id: MemberId
    channel: str
    message_id: int
    dedupe_key: str
    send_at: datetime
    topic: str | None = None
    until_at: datetime | None = None
    campaign: str | None = None
    variant: str | None = None
    holdout: float | None = None
    budget: str | None = None
    value: Decimal | None = None
    asked_digest: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedKind:
    """What many deliveries of a plan share. A delivery's dedupe key is `key` and the member's number."""

    channel: str
    purpose: str
    topic: str | None
    message_id: int
    campaign: str
    variant: str | None
    holdout: float
    budget: str | None
    until_at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Planned:
    """Deliveries of one kind, as columns. Units: values in millionths of the currency, `send_at` in µs since 1970."""

    kind: PlannedKind
    member_id: NDArray[np.int64]
    value_micros: NDArray[np.int64]
    send_at: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a member is on a channel: the value the channel knows, and what its row is found by."""

    value: str
    lookup: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A delivery as it is shown. Clicked and unsubscribed at: by its links, the first time."""

    delivery_id: DeliveryId
    member_id: MemberId
    plan_id: int | None
    campaign: str | None
    channel: str
    state: State
    reason: str | None
    price: Decimal | None
    send_at: datetime
    topic: str | None
    detail: Mapping[str, Any]
    attempts: tuple[Mapping[str, Any], ...]
    request_id: UUID | None
    variant: str | None = None
    clicks: int = 0
    until_at: datetime | None = None
    clicked_at: datetime | None = None
    unsubscribed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which deliveries are asked for; None: any."""

    plan_id: int | None = None
    campaign: str | None = None
    member_ids: Sequence[int] | None = None
    state: str | None = None
