"""When points expire: at the award for what is fixed then, of the whole balance for inactivity.

What an award was given stays: a policy that changes later dates no earlier award. Inactivity looks at the policy and the
level of the moment, and never counts time before either began: switching expiry on expires nothing at once.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from regulars.loyalty.dates import add_months, add_period, first_instant, local_day
from regulars.loyalty.model import After, Asset, EndOf, Expiry, Inactive, Level, Never


def policy_of(asset: Asset, level: Level | None) -> Expiry:
    """What the member's level says of expiry, else the asset."""
    return asset.expires if level is None or level.expires is None else level.expires


def expires_at(policy: Expiry, awarded_at: datetime, zone: ZoneInfo) -> datetime | None:
    """When an award of this instant expires, in UTC; None for never and for inactivity, which is the balance's."""
    match policy:
        case After(after):
            return add_period(awarded_at, after, zone)
        case EndOf(end_of):
            return first_instant(_day_after(end_of, local_day(awarded_at, zone)), zone)
        case Inactive() | Never():
            return None


def inactive_at(policy: Expiry, active_at: datetime, since: datetime, zone: ZoneInfo) -> datetime | None:
    """When the whole balance expires if the member does nothing more; None where it does not by inactivity.

    `active_at`: the last of the policy's events, or the award where there was none; `since`: from when on this policy is
    the member's, the later of the programme's version and the level that brought it.
    """
    return add_period(max(active_at, since), policy.inactive, zone) if isinstance(policy, Inactive) else None


def _day_after(end_of: str, day: date) -> date:
    """The first day after the calendar period."""
    match end_of:
        case "month":
            return add_months(day.replace(day=1), 1)
        case "quarter":
            return add_months(date(day.year, (day.month - 1) // 3 * 3 + 1, 1), 3)
        case "year":
            return date(day.year + 1, 1, 1)
        case _:
            return date(day.year + 2, 1, 1)
