"""What the API answers after loading, compared with what the files hold.

Decides what counts as the same. In a home that was empty every total must be equal, the instants of the first and the
last purchase too. In one that was loaded before, its people may have added things of their own, so there may be more,
never less; and what this run wrote must be exactly what came. Members may be fewer there: erased ones are gone for good.

Two things that no total tells are read from a few members' events: that every campaign is there, and what orders cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from regulars.bootstrap.demo.client import Client, EventName
from regulars.bootstrap.demo.errors import TotalsDiffer
from regulars.bootstrap.demo.journey import (
    DEMOGRAPHICS,
    Contact,
    Journey,
    list_contacts,
    list_households,
    list_unknown_items,
    sum_revenue,
)
from regulars.bootstrap.demo.loading import BASKET_KEY, CONTACT, COUPON, KEY, ORDER, Loaded
from regulars.bootstrap.demo.shift import Shift

NAMES: Final = "/api/events/names"


@dataclass(frozen=True, slots=True)
class Before:
    """How much there was before this run."""

    overview: dict[str, int]
    names: dict[str, EventName]

    @property
    def is_empty(self) -> bool:
        return not (self.overview["members"] or self.overview["items"] or self.overview["events"])

    def count(self, name: str) -> int:
        """Events of a name."""
        return self.names[name].events if name in self.names else 0


@dataclass(frozen=True, slots=True)
class Total:
    """One number of the files beside what the API answers; `asked` is the path that was asked."""

    name: str
    files: int
    api: int
    asked: str


@dataclass(frozen=True, slots=True)
class Sample:
    """Members whose events were read one by one; `revenue` is their orders' and None where they were changed since."""

    member_count: int
    revenue: Decimal | None


@dataclass(frozen=True, slots=True)
class Checked:
    """All comparisons, and how many members were not there before."""

    totals: list[Total]
    unknown_items: list[str]
    sample: Sample
    members_written: int


def read_before(client: Client) -> Before:
    """What there is now."""
    return Before(client.get("/api/overview"), client.read_names())


def is_loaded(before: Before, journey: Journey) -> bool:
    """Whether an earlier run has loaded everything."""
    return before.overview["items"] >= journey.counts.items and all(
        before.count(name) >= count for name, count in _wanted_events(journey).items()
    )


def _wanted_events(journey: Journey) -> dict[str, int]:
    counts = journey.counts
    return {ORDER: counts.orders, COUPON: counts.coupons_redeemed, CONTACT: counts.campaign_contacts}


def check_totals(client: Client, journey: Journey, shift: Shift, before: Before, loaded: Loaded) -> Checked:
    """Ask for everything that was loaded. Raises: TotalsDiffer, naming every total that is not right."""
    after = read_before(client)
    unknown = list_unknown_items(journey)
    cover = choose_cover(list_contacts(journey))
    campaigns, revenue = _read_cover(client, cover)
    totals = [
        *_count_members(client, journey),
        *_count_things(journey, after),
        Total("campaigns", journey.counts.campaigns, campaigns, "/api/members/{id}/events"),
        Total("unknown_items", len(unknown), _count_absent(client, unknown), "/api/items/{id}"),
    ]
    wrong = [*_find_wrong(totals, before), *_find_unwritten(journey, before, after, loaded)]
    is_paid = revenue == sum_revenue(journey, cover)
    if before.is_empty:
        wrong += _find_moved(journey, shift, after)
        wrong += [] if is_paid else [f"revenue of {len(cover)} members: {revenue} by their events is not the files'"]
    if wrong:
        raise TotalsDiffer("the API does not answer what the files hold:\n  " + "\n  ".join(wrong))
    written = after.overview["members"] - before.overview["members"]
    return Checked(totals, unknown, Sample(len(cover), revenue if is_paid else None), written)


def _count_members(client: Client, journey: Journey) -> list[Total]:
    """The files' households, found among all members by their cards, and those of them that show demographics."""
    held: dict[str, dict[str, Any]] = {}
    for member in client.iter_all("/api/members", "members"):
        for identity in member["identities"]:
            if identity["kind"] == "card":
                held[identity["value"]] = member["traits"]
    households = [held.get(str(one.household_id)) for one in list_households(journey)]
    found = [traits for traits in households if traits is not None]
    known = sum(not traits.keys().isdisjoint(DEMOGRAPHICS.values()) for traits in found)
    counts = journey.counts
    return [
        Total("members", counts.members, len(found), "/api/members"),
        Total("members_with_demographics", counts.members_with_demographics, known, "/api/members"),
    ]


def _count_things(journey: Journey, after: Before) -> list[Total]:
    counts = journey.counts
    lines = after.names[ORDER].lines if ORDER in after.names else 0
    return [
        Total("items", counts.items, after.overview["items"], "/api/overview"),
        Total("orders", counts.orders, after.count(ORDER), NAMES),
        Total("order_lines", counts.order_lines, lines, NAMES),
        Total("coupons_redeemed", counts.coupons_redeemed, after.count(COUPON), NAMES),
        Total("campaign_contacts", counts.campaign_contacts, after.count(CONTACT), NAMES),
    ]


def _count_absent(client: Client, item_ids: Sequence[str]) -> int:
    return sum(client.ask(f"/api/items/{item_id}")[0] == 404 for item_id in item_ids)


def _find_wrong(totals: Sequence[Total], before: Before) -> list[str]:
    def differs(total: Total) -> bool:
        if before.is_empty:
            return total.api != total.files
        # The catalogue may have learnt of an unknown item since, and members may have been erased.
        return total.api < total.files and not total.name.startswith(("members", "unknown"))

    return [
        f"{total.name}: {total.files:,} in the files, {total.api:,} by GET {total.asked}"
        for total in totals
        if differs(total)
    ]


def _find_unwritten(journey: Journey, before: Before, after: Before, loaded: Loaded) -> list[str]:
    """Every event that came was known or is written, unless it is an erased member's; every written one is there."""
    wrong: list[str] = []
    unexplained = -loaded.dropped
    for name, count in _wanted_events(journey).items():
        written, grown = loaded.written.get(name, 0), after.count(name) - before.count(name)
        if grown != written:
            wrong.append(f"{name}: {written:,} were written, by GET {NAMES} there are {grown:,} more than before")
        if name in loaded.known:
            unexplained += count - written - loaded.known[name]
    if unexplained:
        wrong.append(f"{unexplained:,} events were neither written nor known, nor of an erased member")
    return wrong


def _find_moved(journey: Journey, shift: Shift, after: Before) -> list[str]:
    """The first and the last purchase, where the shift says they are."""
    wanted = shift.move(journey.counts.first_at), shift.move(journey.counts.last_at)
    orders = after.names.get(ORDER)
    if orders is None or (orders.first_at, orders.last_at) == wanted:
        return []
    return [f"purchases from {wanted[0]} to {wanted[1]}: by GET {NAMES} from {orders.first_at} to {orders.last_at}"]


def choose_cover(contacts: Sequence[Contact]) -> list[int]:
    """A few households that were together told of every campaign: whoever adds most, one after the other."""
    told: dict[int, set[int]] = {}
    for contact in contacts:
        told.setdefault(contact.household_id, set()).add(contact.campaign_id)
    missing = {contact.campaign_id for contact in contacts}
    chosen: list[int] = []
    while missing:
        best = max(sorted(told), key=lambda household: len(told[household] & missing))
        chosen.append(best)
        missing -= told[best]
    return chosen


def _read_cover(client: Client, household_ids: Sequence[int]) -> tuple[int, Decimal]:
    """How many campaigns these members' events name, and what their orders cost, to the cent."""
    campaigns: set[str] = set()
    revenue = Decimal(0)
    for household_id in household_ids:
        member = client.find_member(household_id)
        for event in client.list_events(member["id"]) if member else []:
            if event["message_id"].startswith(BASKET_KEY):
                revenue += event["properties"]["revenue"]
            elif event["name"] == CONTACT and event["message_id"].startswith(KEY):
                campaigns.add(event["properties"]["campaign_id"])
    return len(campaigns), revenue
