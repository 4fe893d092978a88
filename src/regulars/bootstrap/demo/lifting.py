"""What the demo's messages changed, measured twice, and how often such measurements hold the truth.

(a) against the real purchases of those weeks, as the API tells it. No simulated message caused any of them: the truth is zero.
(b) with responses drawn by a stated model, which exist in this process alone: a treated member who would not have bought buys
after all, with a probability that lifts the share of buyers by `STATED_LIFT`. Nothing of it is ever an event.

One draw may mislead, so arms and responses are drawn again a thousand times over what the same members really did.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from regulars.bootstrap.demo.campaigns import GOAL_DAYS, HOLDOUT, OFFERS, Days, Offer, build_campaign
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import TotalsDiffer
from regulars.bootstrap.demo.journey import Journey
from regulars.bootstrap.demo.reaching import read_held
from regulars.bootstrap.demo.shift import Shift
from regulars.campaigns.estimating.moments import Moments
from regulars.campaigns.reading import read_campaign
from regulars.measure.coverage import REDRAWS, Outcomes, Response, Study, study_coverage
from regulars.measure.model import Arm, Cell, Draw, Measured
from regulars.measure.service.measuring import Result, show_lift

STATED_LIFT: Final = 0.05
RESPONSE_REVENUE: Final = 10.0
"""What each response buys for, in the files' currency."""

SECONDS_APART_MAX: Final = 2
"""Conversions that the API and the files may count differently: the gate looks some seconds after a message was due."""

GATED: Final = frozenset({"accepted", "rejected", "unknown", "withheld"})
"""Whom the gate let pass or withheld."""

OUT_OF_ROOM: Final = frozenset({"quota", "budget"})
"""Who was refused for these was to be treated; other refused are in neither arm."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Acted:
    """What the members of one campaign's arms really did in the goal's window, by the files. Shape: all (members,)."""

    is_withheld: Bools
    converted: Bools
    revenue: Floats


@dataclass(frozen=True, slots=True)
class Measurement:
    """Lifts as the API answers them, by campaign; the studies by campaign too."""

    real: list[dict[str, Any]]
    modelled: list[dict[str, Any]]
    studies: Mapping[str, tuple[Study, Study]]
    seed: int

    def covered(self, at: int) -> float:
        """Share of all intervals that cover; 0 is (a), 1 is (b)."""
        return float(np.mean([pair[at].conversions.covered for pair in self.studies.values()]))


def measure_campaigns(
    client: Client, plan_id: str, journey: Journey, shift: Shift, days: Days, seed: int, *, checks: bool
) -> Measurement:
    """Both lifts of every campaign, and how often their intervals cover.

    Raises: ServeFailed and, where `checks`, TotalsDiffer where the API counts other purchases than the files hold.
    """
    acted = read_acted(client, plan_id, journey, shift)
    real = [client.get(f"/api/campaigns/{quote(offer.name)}/lift") for offer in OFFERS if offer.name in acted]
    for told in real if checks else ():
        _check_counts(told, acted[told["campaign"]])
    numbers = {offer.name: seed * len(OFFERS) + at for at, offer in enumerate(OFFERS)}
    modelled = [
        model_responses(offer, days, acted[offer.name], plan_id, numbers[offer.name])
        for offer in OFFERS
        if offer.name in acted
    ]
    studies = {name: study_both(one, numbers[name]) for name, one in acted.items()}
    return Measurement(real, modelled, studies, seed)


def read_acted(client: Client, plan_id: str, journey: Journey, shift: Shift) -> dict[str, Acted]:
    """By campaign: whom the gate let pass or withheld, and what they bought within the goal's window of it."""
    held = read_held(client.iter_all("/api/members", "members"))
    households = {member: household_id for household_id, member in held.members.items()}
    rows = [
        (one["campaign"], households[one["member"]], shift.undo(datetime.fromisoformat(one["send_at"])), one["state"])
        for one in client.iter_all("/api/deliveries", "deliveries", plan=plan_id)
        if one["member"] in households and (one["state"] in GATED or one["reason"] in OUT_OF_ROOM)
    ]
    categories = {offer.name: offer.category or "" for offer in OFFERS}
    told = {
        "campaign": np.array([row[0] for row in rows], dtype=object),
        "household_id": np.array([row[1] for row in rows], dtype=np.int64),
        "at": np.array([row[2] for row in rows], dtype="datetime64[us]"),
        "is_withheld": np.array([row[3] == "withheld" for row in rows], dtype=np.bool_),
        "category": np.array([categories[row[0]] for row in rows], dtype=object),
    }
    cursor = journey.connection.cursor()
    cursor.register("told", told)
    found = cursor.execute(_ACTED, {"days": GOAL_DAYS}).fetchall()
    return {
        offer.name: Acted(*(np.array(column) for column in zip(*mine, strict=True)))
        for offer in OFFERS
        if (mine := [row[1:] for row in found if row[0] == offer.name])
    }


_ACTED: Final = """
with bought as (
    select household_id, basket_id, any_value(occurred_at) as occurred_at, sum(price) as revenue,
        list(distinct category) as categories
    from lines where household_id in (select household_id from told) group by household_id, basket_id
)
select t.campaign, t.is_withheld, count(b.basket_id) > 0, coalesce(sum(b.revenue), 0)::double
from told t left join bought b on b.household_id = t.household_id
    and b.occurred_at > t.at and b.occurred_at <= t.at + to_days($days::int)
    and (t.category = '' or list_contains(b.categories, t.category))
group by t.campaign, t.household_id, t.is_withheld
order by t.campaign, t.household_id, t.is_withheld
"""


def _check_counts(told: Mapping[str, Any], acted: Acted) -> None:
    for arm, is_mine in (("treated", ~acted.is_withheld), ("withheld", acted.is_withheld)):
        files = int(is_mine.sum()), int(acted.converted[is_mine].sum())
        api = told[arm]["members"], told[arm]["converted"]
        if api[0] != files[0] or abs(api[1] - files[1]) > SECONDS_APART_MAX:
            raise TotalsDiffer(
                f"{told['campaign']}, {arm}: the API counts {api[1]} of {api[0]} members, the files {files[1]} of {files[0]}"
            )


def model_responses(offer: Offer, days: Days, acted: Acted, plan_id: str, seed: int) -> dict[str, Any]:
    """One draw of responses over the arms as they are, told as the API tells a lift."""
    responds = np.random.default_rng(seed).random(acted.converted.size) < _probability(acted)
    moved = responds & ~acted.is_withheld
    converted, revenue = acted.converted | moved, acted.revenue + RESPONSE_REVENUE * moved
    draw, last_at = Draw(int(plan_id[1:]), None, 0.0), days.begin_of(days.last_on)
    cells = tuple(
        Cell(draw, True, is_treated, None, _to_arm(converted[is_mine], revenue[is_mine]), last_at)
        for is_treated, is_mine in ((True, ~acted.is_withheld), (False, acted.is_withheld))
    )
    campaign = read_campaign(offer.name, 1, build_campaign(offer, days))
    measured = Measured(cells, 0, last_at, timedelta(days=GOAL_DAYS))
    return show_lift(Result(campaign, "global", measured, {}, HOLDOUT), now=days.ends_at)


def _to_arm(converted: Bools, revenue: Floats) -> Arm:
    if not revenue.size:
        return Arm()
    spent = Moments(revenue.size, float(revenue.mean()), float(((revenue - revenue.mean()) ** 2).sum()))
    return Arm(converted.size, int(converted.sum()), Decimal(str(round(float(revenue.sum()), 2))), spent)


def _probability(acted: Acted) -> float:
    """Of whoever would not buy, so many respond: of all members then `STATED_LIFT`, or all who do not buy anyhow."""
    return min(1.0, STATED_LIFT / max(float((~acted.converted).mean()), STATED_LIFT))


def study_both(acted: Acted, seed: int) -> tuple[Study, Study]:
    """Coverage of (a), where the truth is zero, and of (b), where it is the stated lift."""
    outcomes = Outcomes(acted.converted, acted.revenue)
    response = Response(_probability(acted), RESPONSE_REVENUE)
    real = study_coverage(outcomes, withheld_share=HOLDOUT, seed=seed)
    return real, study_coverage(outcomes, withheld_share=HOLDOUT, seed=seed, response=response)


def measurement_to_json(found: Measurement) -> dict[str, Any]:
    """`lift` and `coverage` of the demo's line of JSON."""
    return {
        "lift": {"real": found.real, "modelled": found.modelled},
        "coverage": {
            "draws": REDRAWS,
            "seed": found.seed,
            "stated_lift": STATED_LIFT,
            "real": round(found.covered(0), 6),
            "modelled": round(found.covered(1), 6),
            "by_campaign": {
                name: {"real": pair[0].conversions.covered, "modelled": pair[1].conversions.covered}
                for name, pair in found.studies.items()
            },
        },
    }
