"""Price plans as vendors sell them, with dates and sources: data that comes along, for a brand to put on a channel.

They stand in known_price_plans.json, a list of versions: whose (kind of channel, country, currency), from when to when, where it
was read, the plans. A plan of which a price is not known is left out: half a plan would plan wrongly.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

from regulars.messaging.prices import PricePlan, parse_price_plan, price_plan_to_json

FILE: Final = "known_price_plans.json"


@dataclass(frozen=True, slots=True)
class KnownPlan:
    """One plan of a vendor. `tax` is `excluded` or `included`; `sources` are addresses."""

    kind: str
    country: str
    currency: str
    tax: str
    sources: tuple[str, ...]
    note: str | None
    plan: PricePlan


@cache
def list_known_plans() -> tuple[KnownPlan, ...]:
    """All of them, in the order of the file."""
    versions: list[dict[str, Any]] = msgspec.json.decode(files("regulars.messaging").joinpath(FILE).read_bytes())
    return tuple(_read(version, plan) for version in versions for plan in version["plans"])


def list_known_sold(kind: str, country: str, currency: str, day: date) -> list[PricePlan]:
    """What a vendor of that kind sells there on that day."""
    return [
        one.plan
        for one in list_known_plans()
        if (one.kind, one.country, one.currency) == (kind, country, currency) and one.plan.is_sold_on(day)
    ]


def show_known_plan(known: KnownPlan) -> dict[str, Any]:
    """As the API shows it; `plan` is what a channel's price plans take."""
    return {
        "kind": known.kind,
        "country": known.country,
        "currency": known.currency,
        "tax": known.tax,
        "sources": list(known.sources),
        "note": known.note,
        "plan": price_plan_to_json(known.plan),
    }


def _read(version: Mapping[str, Any], plan: Mapping[str, Any]) -> KnownPlan:
    dated = {**plan, "valid_from": version["valid_from"], "valid_to": version["valid_to"]}
    return KnownPlan(
        version["kind"],
        version["country"],
        version["currency"],
        version["tax"],
        tuple(version["sources"]),
        version["note"],
        parse_price_plan(dated),
    )
