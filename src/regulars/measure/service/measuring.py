"""A campaign's lift: its members are read, what they did is counted, and the arms of each plan are compared.

Treated are all who passed the lot, whatever became of the message (intent to treat), also where room ran out or the plan was
called off after the gate; withheld are those of the same plan whom the campaign's own arm keeps back, or, where it has none,
the brand's. A campaign that ever had its own is held against that alone: plans of it without one are told by themselves. Who
was refused for what holds of both arms alike (consent, caps, a time that is over) is in neither.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from regulars.access import service as access
from regulars.access.model import BrandSettings
from regulars.campaigns.errors import CampaignUnknown
from regulars.campaigns.model import PLAN_PREFIX, Campaign
from regulars.campaigns.reading import read_campaign
from regulars.campaigns.summary import money_text
from regulars.history.service.reading import HistoryReader
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import public_id
from regulars.measure import store
from regulars.measure.errors import GoalMissing
from regulars.measure.lift import Estimate, Lift, compare_counts_by_draw, compare_means_by_draw
from regulars.measure.model import Arm, Attributed, Cell, Control, Draw, Measured, add_arms, list_draws
from regulars.measure.service.counting import count_outcomes
from regulars.measure.variants import MISMATCH_P, SampleRatio, adjust_holm, check_lots, compare_shares
from regulars.messaging.model import DUTIES
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """A campaign, what was counted of it, and what was planned of its variants: (plan, its campaign)."""

    campaign: Campaign
    control: Control
    measured: Measured
    planned: Mapping[int, Campaign]
    withheld_share: float
    keeps_shares: bool = True
    """Whether its variants had the same shares in all its versions: which one set a message off is not known any more."""


async def measure_campaign(
    tx: ReadTransaction, brand: Brand, history: HistoryReader, name: str, *, now: datetime
) -> dict[str, Any]:
    """Its lift, as it is answered; of a campaign that was removed too.

    Shape: `tx` is REPEATABLE READ. Raises: CampaignUnknown, GoalMissing, HistoryMissing.
    """
    settings = await access.get_settings(tx, brand)
    result = await count_campaign(tx, brand, history, settings, name, now=now)
    return await asyncio.to_thread(show_lift, result, now=now)


async def count_campaign(
    tx: ReadTransaction, brand: Brand, history: HistoryReader, settings: BrandSettings, name: str, *, now: datetime
) -> Result:
    """Raises: as `measure_campaign`."""
    found = await store.find_campaign(tx, brand.brand_id, name)
    if found is None:
        raise CampaignUnknown(f"there is no campaign {name[:40]!r}")
    campaign = read_campaign(name, *found)
    if campaign.goal is None:
        raise GoalMissing(f"campaign {name!r} has no goal: nothing says what is to be counted", path="/goal")
    await store.prepare_scans(tx)
    exposures = await store.list_exposures(tx, brand.brand_id, name)
    measured = await count_outcomes(
        tx, brand, history, name, campaign.goal, exposures, attribution=settings.attribution, now=now
    )
    plans = sorted({cell.draw.plan_id for cell in measured.cells if cell.draw.plan_id is not None})
    rows = await store.list_planned(tx, brand.brand_id, name, plans) if campaign.variants else []
    planned = {plan_id: read_campaign(name, version, written) for plan_id, version, written in rows}
    keeps_shares = not campaign.variants or await store.keeps_shares(tx, brand.brand_id, name)
    share = campaign.holdout or (settings.holdout if campaign.purpose not in DUTIES else 0.0)
    control = exposures.control or ("campaign" if campaign.holdout else "global")
    return Result(campaign, control, measured, planned, share, keeps_shares)


# --- as it is answered --------------------------------------------------------------------------------------------------


def show_lift(result: Result, *, now: datetime) -> dict[str, Any]:
    """Shape: contract.md (Lift), and more beside it."""
    measured = result.measured
    first = [cell for cell in measured.cells if cell.is_first]
    found = _compare(first, result.withheld_share)
    spent = compare_means_by_draw([(treated.spent, withheld.spent) for _, treated, withheld in list_draws(first)])
    ends_at = None if measured.last_at is None else measured.last_at + measured.within
    draws, ratios = list_draws(measured.cells), check_lots(measured.lots)
    ratio = _join_ratios(check_lots(lot for lot in measured.lots if lot.is_first))
    return {
        "campaign": result.campaign.name,
        "goal": result.campaign.written["goal"],
        "treated": show_arm(add_arms(first, treated=True)),
        "withheld": show_arm(add_arms(first, treated=False)),
        "control": result.control,
        "lift": _show_estimate(found.estimate),
        "revenue_lift": _show_estimate(spent),
        "verdict": str(found.verdict),
        "verdict_doubt": None if ratio is None or ratio["ok"] else "holdout_mismatch",
        "needs_members": found.needs_members,
        "holdout_ratio": ratio,
        "draws_left_out": sum(one[0].control != result.control for one in draws),
        "mixed_members": measured.mixed_members,
        "window_ends_at": None if ends_at is None else instant_text(ends_at),
        "final": ends_at is not None and ends_at <= now,
        "plans": [_show_draw(*one, ratios.get(one[0])) for one in draws],
        **_show_variants(result, first),
        "attributed": None if measured.attributed is None else _show_attributed(measured.attributed),
    }


def show_arm(arm: Arm) -> dict[str, Any]:
    """Members, how many of them did it, and what they spent doing it."""
    return {"members": arm.members, "converted": arm.converted, "revenue": _money(arm.revenue)}


def _compare(cells: Sequence[Cell], withheld_share: float | None = None) -> Lift:
    draws = [(treated.counts, withheld.counts) for _, treated, withheld in list_draws(cells)]
    found = compare_counts_by_draw(draws, withheld_share=withheld_share)
    return found if cells else Lift(None, found.verdict, None)


def _show_draw(draw: Draw, treated: Arm, withheld: Arm, ratio: SampleRatio | None) -> dict[str, Any]:
    estimate = compare_counts_by_draw([(treated.counts, withheld.counts)]).estimate
    return {
        "plan": None if draw.plan_id is None else public_id(PLAN_PREFIX, draw.plan_id),
        "month": None if draw.month is None else f"{draw.month // 100:04}-{draw.month % 100:02}",
        "control": draw.control,
        "holdout": draw.holdout or None,
        "treated": show_arm(treated),
        "withheld": show_arm(withheld),
        "lift": _show_estimate(estimate),
        "holdout_ratio": None if ratio is None else _show_sample_ratio(ratio),
    }


def _join_ratios(ratios: Mapping[Draw, SampleRatio]) -> dict[str, Any] | None:
    """All draws together: the smallest p, corrected for looking at each of them (Holm)."""
    if not ratios:
        return None
    p = min(one for one in adjust_holm([ratio.p for ratio in ratios.values()]) if one is not None)
    expected = {arm: sum(ratio.expected[arm] for ratio in ratios.values()) for arm in ("treated", "withheld")}
    return {"p": p, "ok": p >= MISMATCH_P, "expected": expected}


def _show_estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None or estimate.interval is None:
        return None
    relative = estimate.relative_interval
    return {
        "absolute": estimate.absolute,
        "interval": list(estimate.interval),
        "level": estimate.level,
        "relative": estimate.relative,
        "relative_interval": None if relative is None else list(relative),
        "p": estimate.p,
        "method": estimate.method,
    }


def _show_variants(result: Result, first: Sequence[Cell]) -> dict[str, Any]:
    """Each variant's treated, held against all withheld of their draws; and whether each got its share of them."""
    treated = [cell for cell in first if cell.is_treated]
    names = [one.name for one in result.campaign.variants]
    names += sorted({cell.variant for cell in treated if cell.variant is not None} - set(names))
    if not names:
        return {"variants": [], "sample_ratio": None}
    withheld = [cell for cell in first if not cell.is_treated]
    mine = {name: [cell for cell in treated if cell.variant == name] for name in names}
    found = [_compare([*mine[name], *withheld]).estimate for name in names]
    adjusted = adjust_holm([None if one is None else one.p for one in found])
    rows: list[dict[str, Any]] = []
    for name, estimate, p in zip(names, found, adjusted, strict=True):
        shown = _show_estimate(estimate)
        lift = None if shown is None else {**shown, "p_adjusted": p}
        rows.append({"name": name, **show_arm(add_arms(mine[name], treated=True)), "lift": lift})
    members = {row["name"]: row["members"] for row in rows}
    return {"variants": rows, "sample_ratio": _show_ratio(members, _expect(result, treated))}


def _expect(result: Result, treated: Sequence[Cell]) -> dict[str, float]:
    """How many members each variant was to get, by the shares that it had in each draw; none where those are not known."""
    if not result.keeps_shares and any(cell.draw.plan_id is None for cell in treated):
        return {}
    expected: dict[str, float] = {one.name: 0.0 for one in result.campaign.variants}
    for cell in treated:
        plan_id = cell.draw.plan_id
        drawn_of = result.campaign if plan_id is None else result.planned.get(plan_id, result.campaign)
        for one in drawn_of.variants:
            expected[one.name] = expected.get(one.name, 0.0) + one.share * cell.arm.members
    return expected


def _show_ratio(members: Mapping[str, int], expected: Mapping[str, float]) -> dict[str, Any] | None:
    """None where there is nothing to compare it with, or a variant got members that nothing promised it."""
    wanted = {name: weight for name, weight in expected.items() if weight > 0}
    found = {name: members.get(name, 0) for name in wanted}
    if len(wanted) < 2 or sum(found.values()) < sum(members.values()):
        return None
    return _show_sample_ratio(compare_shares(found, wanted))


def _show_sample_ratio(ratio: SampleRatio) -> dict[str, Any]:
    return {"p": ratio.p, "ok": not ratio.is_mismatch, "expected": ratio.expected}


def _show_attributed(attributed: Attributed) -> dict[str, Any]:
    """What followed a message is not what it caused; the rule says which it is."""
    return {
        "rule": "last_accepted_message",
        "within": attributed.within,
        "conversions": attributed.conversions,
        "members": attributed.members,
        "revenue": _money(attributed.revenue),
    }


def _money(amount: Decimal) -> str:
    return money_text(int(amount * MICROS))
