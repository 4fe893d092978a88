"""The demo's campaigns, as data: six campaigns, three channels, what they cost, and on which days.

Decides what is assumed, all of which is told: what one more purchase earns, what each channel brings of it. Audiences ask for
nothing but purchases up to the first of the days: traits that were computed since would know of what came after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from regulars.bootstrap.demo.loading import ORDER
from regulars.bootstrap.demo.reaching import LINE, MAIL, TELEGRAM
from regulars.bootstrap.demo.shift import Shift
from regulars.messaging.known_prices import list_known_plans
from regulars.messaging.prices import price_plan_to_json

WEEKS: Final = 4
GOAL_DAYS: Final = 7
"""The last message goes out a week before the data ends, so that each has all of its goal's window."""

CAPS: Final = ({"most": 2, "per": "30d"},)
HOLDOUT: Final = 0.25
LIGHT: Final = "light"
FRIENDS_SHARE: Final = 0.25
"""LINE's smallest plan, which includes 200 messages a month; where a quarter of the friends are fewer, only so many."""

CHANNEL_FACTOR: Final[Mapping[str, float]] = {TELEGRAM: 0.8, MAIL: 0.4}
CHANNELS: Final = (LINE, TELEGRAM, MAIL)


@dataclass(frozen=True, slots=True)
class Offer:
    """One campaign: the category that it is for, None for any purchase; `margin` is what one more purchase earns."""

    name: str
    category: str | None
    margin: str
    subject: str
    text: str


OFFERS: Final = (
    Offer("milk for the week", "FLUID MILK PRODUCTS", "80", "本週鮮奶", "鮮奶到貨了，這一週第二件八折。"),
    Offer("cheese board", "CHEESE", "120", "起司拼盤", "切達、莫札瑞拉、布利：起司拼盤本週上架。"),
    Offer("something cold", "SOFT DRINKS", "110", "冰涼一下", "汽水與氣泡水，六入一組比較划算。"),
    Offer("pizza night", "FROZEN PIZZA", "140", "披薩之夜", "烤箱預熱，冷凍披薩今晚就能上桌。"),
    Offer("weekend roast", "BEEF", "130", "週末烤肉", "週末烤肉：牛排與燉牛腩現切供應。"),
    Offer("double stamps", None, "90", "集點加倍", "本週來店消費，集點加倍。"),
)


@dataclass(frozen=True, slots=True)
class Days:
    """The last four weeks of the data, as days of the brand: messages from `first_on` to `last_on`, measured until `ends_on`."""

    first_on: date
    last_on: date
    ends_on: date
    ends_at: datetime
    zone: ZoneInfo

    def begin_of(self, day: date) -> datetime:
        """Its first instant."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def list_days(self) -> list[date]:
        """All days, the first to the last."""
        return [self.first_on + timedelta(days=at) for at in range((self.ends_on - self.first_on).days + 1)]


def choose_days(shift: Shift, last_at: datetime) -> Days:
    """The weeks before the last purchase. Shape: `last_at` as the files have it."""
    ends_at = shift.move(last_at)
    first_on = ends_at.date() - timedelta(weeks=WEEKS, days=-1)
    last_on = ends_at.date() - timedelta(days=GOAL_DAYS + 1)
    return Days(first_on, last_on, ends_at.date(), ends_at.astimezone(UTC), shift.zone)


def list_audiences() -> dict[str, Any]:
    """Each campaign's audience, by its name."""
    return {audience_of(offer): {"where": _audience(offer)} for offer in OFFERS}


def audience_of(offer: Offer) -> str:
    """Its name."""
    return f"for {offer.name}"


def _audience(offer: Offer) -> dict[str, Any]:
    if offer.category is not None:
        bought = {"event": ORDER, "where": {"category": offer.category}}
        return {"did": {**bought, "count": {"at_least": 2}, "within": "120d"}}
    return {"did": {"event": ORDER, "count": {"at_least": 4}, "within": "90d"}}


def build_campaign(offer: Offer, days: Days) -> dict[str, Any]:
    """The body of its PUT."""
    where = {} if offer.category is None else {"where": {"category": offer.category}}
    said = {"subject": offer.subject, "text": offer.text}
    return {
        "audience": audience_of(offer),
        "channels": list(CHANNELS),
        "window": {"from": days.first_on.isoformat(), "until": days.last_on.isoformat()},
        "message": {"zh-TW": {**said, "button": {"label": "看看", "url": "https://example.com/"}}},
        "goal": {"event": ORDER, "within": f"{GOAL_DAYS}d", **where},
        "value": {"by": "model", "margin": offer.margin, "channel_factor": dict(CHANNEL_FACTOR)},
    }


def build_price_plans(friends: int, days: Days) -> dict[str, Any]:
    """What LINE sells in Taiwan now, dated back to these weeks; the smallest plan for few friends includes fewer."""
    sold = [
        one.plan for one in list_known_plans() if (one.kind, one.country, one.plan.valid_to) == ("line", "TW", None)
    ]
    since = {"valid_from": days.first_on.replace(day=1).isoformat()}
    plans = [{**price_plan_to_json(plan), **since} for plan in sold]
    (light,) = [plan for plan in plans if plan["code"] == LIGHT]
    light["included"] = min(light["included"], max(1, int(friends * FRIENDS_SHARE)))
    return {"current": LIGHT, "plans": plans}


def count_included(book: Mapping[str, Any], days: Days) -> int:
    """Messages that the plan of a price book includes in the months in which messages go out."""
    (current,) = [plan for plan in book["plans"] if plan["code"] == book["current"]]
    months = (days.last_on.year - days.first_on.year) * 12 + days.last_on.month - days.first_on.month + 1
    return months * current["included"]


def build_plan(days: Days, seed: int) -> dict[str, Any]:
    """The body of `POST /api/plans`."""
    return {
        "campaigns": [offer.name for offer in OFFERS],
        "from": days.first_on.isoformat(),
        "until": days.last_on.isoformat(),
        "pace": "even",
        "seed": seed,
    }


def build_channels(platforms: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The channels on the simulated platforms, by name."""
    fast = {"messages_per_second": 1_000}  # the simulator takes it; the real one asks for 30 a second
    return {
        LINE: {"kind": "line", **platforms["line"]},
        TELEGRAM: {"kind": "telegram", **platforms["telegram"], **fast},
        MAIL: {"kind": "email", "smtp_url": platforms["smtp_url"], "from": "超市 <news@example.com>"},
    }
