"""Which of the vouchers that are offered for an order apply together, and what each takes off.

The answer is the same in whatever order they are offered. By priority, then pool, then code: a category is taken once (a
pool without one is its own), an exclusive voucher stands alone. Shares are taken before sums of money, each of what is left.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from regulars.loyalty.awarding import is_valid_on
from regulars.loyalty.dates import local_day
from regulars.loyalty.model import AmountOff, Hours, PercentOff, VoucherPool

Reason = Literal["window", "hours", "order_at_least", "exclusive", "category", "no_effect"]
CURRENCY_DECIMALS: Final = 2
_EXACT: Final = Context(prec=60)


class Offer(NamedTuple):
    """A voucher that is offered, and its pool."""

    code: str
    pool: VoucherPool


@dataclass(frozen=True, slots=True)
class Quote:
    """What is left to pay, what each voucher takes off in the order in which they do, and why others do not apply."""

    total: Decimal
    applied: tuple[tuple[str, Decimal], ...]
    refused: tuple[tuple[str, Reason], ...]


def quote(
    amount: Decimal, offers: Iterable[Offer], at: datetime, zone: ZoneInfo, *, decimals: int = CURRENCY_DECIMALS
) -> Quote:
    """The vouchers of an order of an amount of money. A code that is offered twice counts once."""
    by_code = {one.code: one for one in offers}
    chosen: list[Offer] = []
    refused: list[tuple[str, Reason]] = []
    for one in sorted(by_code.values(), key=lambda one: (-one.pool.priority, one.pool.name, one.code)):
        reason = find_obstacle(one.pool, amount, at, zone) or _find_conflict(one.pool, chosen)
        if reason is None:
            chosen.append(one)
        else:
            refused.append((one.code, reason))
    total, applied = amount, list[tuple[str, Decimal]]()
    for one in sorted(chosen, key=lambda one: not isinstance(one.pool.discount, PercentOff)):
        taken = discount_of(one.pool, total, decimals=decimals)
        if one.pool.discount is not None and not taken:
            refused.append((one.code, "no_effect"))
            continue
        total = _EXACT.subtract(total, taken)
        applied.append((one.code, taken))
    return Quote(total, tuple(applied), tuple(sorted(refused)))


def find_obstacle(
    pool: VoucherPool, amount: Decimal | None, at: datetime, zone: ZoneInfo
) -> Literal["window", "hours", "order_at_least"] | None:
    """Why a voucher of the pool cannot be used at an instant for an amount; None of which is not known yet."""
    if not is_valid_on(pool.window, local_day(at, zone)):
        return "window"
    if pool.hours is not None and not is_open(pool.hours, at, zone):
        return "hours"
    if pool.order_at_least is not None and amount is not None and amount < pool.order_at_least:
        return "order_at_least"
    return None


def is_open(hours: Hours, at: datetime, zone: ZoneInfo) -> bool:
    """Whether an instant lies in weekly local hours; those that span midnight are of the weekday they begin on."""
    local = at.astimezone(zone)
    day, clock = local.date(), local.time()
    if hours.from_ is not None and hours.until is not None:
        if hours.from_ < hours.until:
            if not hours.from_ <= clock < hours.until:
                return False
        elif clock < hours.until:
            day -= timedelta(days=1)
        elif clock < hours.from_:
            return False
    return not hours.weekdays or day.isoweekday() in hours.weekdays


def discount_of(pool: VoucherPool, amount: Decimal, *, decimals: int = CURRENCY_DECIMALS) -> Decimal:
    """What a voucher of the pool takes off an amount: never more than there is; shares are rounded half up."""
    match pool.discount:
        case None:
            return Decimal(0)
        case PercentOff(percent):
            share = _EXACT.divide(_EXACT.multiply(amount, percent), Decimal(100))
            return min(amount, share.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _EXACT))
        case AmountOff(off):
            return min(amount, off)


def _find_conflict(pool: VoucherPool, chosen: list[Offer]) -> Literal["exclusive", "category"] | None:
    if chosen and (pool.exclusive or any(one.pool.exclusive for one in chosen)):
        return "exclusive"
    return "category" if _category(pool) in [_category(one.pool) for one in chosen] else None


def _category(pool: VoucherPool) -> tuple[str, str]:
    return ("category", pool.category) if pool.category is not None else ("pool", pool.name)
