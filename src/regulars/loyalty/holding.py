"""What members hold that is bounded: vouchers and redemptions, and in what state they are at an instant."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from regulars.kernel.errors import DomainError
from regulars.kernel.ids import MemberId
from regulars.loyalty.dates import add_period, first_instant
from regulars.loyalty.model import Score, ScoreStep, VoucherPool

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and capitals that nobody takes for another: neither 0 nor O, 1, I, L nor U."""
CODE_CHARACTERS: Final = 12
"""30^12 codes, 58 bits: nobody finds one by trying."""

RESERVED_MAX: Final = timedelta(days=31)

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""With its offset, in the body of a request."""

VoucherState = Literal["issued", "reserved", "used", "expired"]
RedemptionState = Literal["reserved", "confirmed", "released", "expired"]


@dataclass(frozen=True, slots=True)
class Voucher:
    """A right to a benefit. `by_use`: of a generic code, which nobody issued to the member before it was reserved."""

    voucher_id: int
    member_id: MemberId
    code: str
    is_generic: bool
    by_use: bool
    written_state: VoucherState
    valid_until: datetime | None
    reserved_until: datetime | None
    order_id: str | None
    amount: Decimal | None
    discount: Decimal | None
    programme: str
    pool: str
    pool_id: int

    def state_at(self, now: datetime) -> VoucherState:
        """A reservation that is over leaves it issued, or expired where its own time is over too."""
        if self.written_state == "used" or (self.is_reserved and not is_over(self.reserved_until, now)):
            return self.written_state
        return "expired" if is_over(self.valid_until, now) else "issued"

    @property
    def is_reserved(self) -> bool:
        """Or was, until `reserved_until`."""
        return self.written_state == "reserved"


@dataclass(frozen=True, slots=True)
class Redemption:
    """A reward that a member took, reserved at first. `is_held`: the ledger may still hold its points."""

    redemption_id: int
    member_id: MemberId
    programme: str
    reward: str
    asset: str
    price: int
    hold_id: UUID
    is_held: bool
    written_state: RedemptionState
    reserved_until: datetime

    def state_at(self, now: datetime) -> RedemptionState:
        """Expired where nobody confirmed in time."""
        is_late = self.written_state == "reserved" and self.reserved_until <= now
        return "expired" if is_late else self.written_state


def is_over(until: datetime | None, at: datetime) -> bool:
    """Whether an end that may be open has been reached."""
    return until is not None and until <= at


def end_of_reservation(
    asked: datetime | None, otherwise: datetime, now: datetime, wrong: type[DomainError]
) -> datetime:
    """Until when something is reserved. Raises: `wrong`, where what is asked is over already or too long."""
    if asked is None:
        return otherwise
    if not now < asked <= now + RESERVED_MAX:
        raise wrong(f"until lies within the next {RESERVED_MAX.days} days", path="/until")
    return asked.astimezone(UTC)


def valid_until(pool: VoucherPool, issued_at: datetime, zone: ZoneInfo) -> datetime | None:
    """Until when a voucher that is issued at an instant can be used: its own time, or the pool's last day where that is sooner."""
    ends: list[datetime] = []
    if pool.valid is not None:
        ends.append(add_period(issued_at, pool.valid, zone))
    if pool.window is not None and pool.window.until is not None:
        ends.append(first_instant(pool.window.until + timedelta(days=1), zone))
    return min(ends, default=None)


def find_step(score: Score, reached: int) -> ScoreStep | None:
    """The step of the ladder in which a score lies."""
    return next(
        (one for one in score.ladder if one.from_ <= reached and (one.until is None or reached < one.until)), None
    )


def find_used(vouchers: Iterable[Voucher], order_id: str | None, now: datetime) -> Voucher | None:
    """Of the vouchers of one generic code the one that is meant: of the order where one is said, else the only reserved one,
    else the newest that was used.
    """
    meant = [one for one in vouchers if order_id is None or one.order_id == order_id]
    reserved = [one for one in meant if one.state_at(now) == "reserved"]
    if reserved:
        return reserved[0] if len(reserved) == 1 else None
    return max((one for one in meant if one.written_state == "used"), key=lambda one: one.voucher_id, default=None)
