"""One member, told from what the API answers and nothing else; each fact says what was asked for it."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final
from zoneinfo import ZoneInfo

from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import ServeFailed
from regulars.bootstrap.demo.journey import DEMOGRAPHICS
from regulars.bootstrap.demo.loading import CONTACT, COUPON, ORDER

CATEGORIES_SHOWN: Final = 4
ITEMS_SHOWN: Final = 3
CAMPAIGNS_SHOWN: Final = 3

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """A line or two of the story, and the path that answered it."""

    label: str
    words: list[str]
    asked: str


@dataclass(frozen=True, slots=True)
class Story:
    """What is told of one member."""

    title: str
    facts: list[Fact]


def tell_story(client: Client, household_id: int, zone: ZoneInfo) -> Story:
    """Read a member back and tell of it. Raises: ServeFailed when nobody has the card."""
    member = client.find_member(household_id)
    if member is None:
        raise ServeFailed(f"GET /api/members?identity=card:{household_id} finds nobody")
    path = f"/api/members/{member['id']}"
    events = client.list_events(member["id"])
    orders = [event for event in events if event["name"] == ORDER]
    asked = f"{path}/events"
    facts = [
        Fact("who", _who(member), f"/api/members?identity=card:{household_id}"),
        Fact("first basket", _basket(orders[-1], zone), asked),
        Fact("how often", _rhythm(orders, zone), asked),
        Fact("buys most", _favourites(orders), asked),
        Fact("last basket", _basket(orders[0], zone), asked),
        Fact("in it", _names(client, orders[0]), "/api/items/{id}"),
        Fact("campaigns", _campaigns([event for event in events if event["name"] == CONTACT]), asked),
        Fact("coupons", _coupons([event for event in events if event["name"] == COUPON], zone), asked),
    ]
    return Story(f"One member: card {household_id}, here {member['id']}", facts)


def _who(member: dict[str, Any]) -> list[str]:
    """The demographics as the files put them; what is not known is called so."""
    known: list[str] = []
    missing = ["gender", "name", "phone", "e-mail"]
    for trait in DEMOGRAPHICS.values():
        value = member["traits"].get(trait)
        label = trait.replace("_", " ")
        if value is None:
            missing.insert(0, label)
        else:
            known.append(f"{label}: {value}")
    reached = [one["kind"] for one in member["identities"] if one["kind"] in ("line", "telegram", "email")]
    if "email" in reached:
        missing.remove("e-mail")
    words = [*(["; ".join(known)] if known else []), f"not known: {', '.join(missing)}"]
    return [*words, *([f"reached by {', '.join(reached)}, which the demo has simulated"] if reached else [])]


def _basket(order: Event, zone: ZoneInfo) -> list[str]:
    properties = order["properties"]
    lines = len(properties["products"])
    return [
        f"{_local(order, zone):%a %Y-%m-%d %H:%M}, store {properties['store_id']}: "
        f"{lines} line{'s' * (lines != 1)}, {_money(properties['revenue'], properties['currency'])}"
    ]


def _rhythm(orders: Sequence[Event], zone: ZoneInfo) -> list[str]:
    days = sorted({_local(order, zone).date() for order in orders})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    spent = sum((order["properties"]["revenue"] for order in orders), Decimal(0))
    currency = orders[0]["properties"]["currency"]
    words = [f"{len(orders)} baskets on {len(days)} days, {_money(spent, currency)} in all"]
    if gaps:
        words.append(f"usually {statistics.median(gaps):g} days between visits, at most {max(gaps)}")
    return words


def _favourites(orders: Sequence[Event]) -> list[str]:
    spent: Counter[str] = Counter()
    for order in orders:
        for line in order["properties"]["products"]:
            spent[line.get("category") or "(no category)"] += line["price"]
    total = sum(spent.values(), Decimal(0)) or Decimal(1)
    ranked = sorted(spent.items(), key=lambda entry: (-entry[1], entry[0]))[:CATEGORIES_SHOWN]
    return ["; ".join(f"{category} {amount / total:.0%}" for category, amount in ranked) + " of the money"]


def _names(client: Client, order: Event) -> list[str]:
    """What the dearest lines of a basket are called in the catalogue."""
    lines = sorted(order["properties"]["products"], key=lambda line: -line["price"])
    names: list[str] = []
    for line in lines[:ITEMS_SHOWN]:
        status, item = client.ask(f"/api/items/{line['product_id']}")
        names.append(item["name"] if status == 200 else f"item {line['product_id']}, not in the catalogue")
    rest = len(lines) - len(names)
    return ["; ".join(names) + (f"; and {rest} more" if rest else "")]


def _campaigns(contacts: Sequence[Event]) -> list[str]:
    told = sorted(contacts, key=lambda event: (event["at"], int(event["properties"]["campaign_id"])))
    latest = [
        f"no. {event['properties']['campaign_id']} of {event['properties']['starts_on']}"
        for event in told[-CAMPAIGNS_SHOWN:]
    ]
    return [f"told of {len(told)}" + (f", lately {', '.join(latest)}" if latest else "")]


def _coupons(redemptions: Sequence[Event], zone: ZoneInfo) -> list[str]:
    campaigns = {event["properties"]["campaign_id"] for event in redemptions}
    days = sorted(_local(event, zone).date() for event in redemptions)
    words = f"{len(redemptions)} redeemed, of {len(campaigns)} campaigns"
    return [f"{words}, from {days[0]} to {days[-1]}" if days else words]


def _local(event: Event, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(event["at"]).astimezone(zone)


def _money(amount: Decimal | int, currency: str) -> str:
    return f"{currency} {amount:,.2f}"
