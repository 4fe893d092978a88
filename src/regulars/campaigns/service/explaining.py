"""Why a member did or did not get a campaign: the newest delivery's story, or what stood in the way of one being planned.

a delivery         its state; the gate's steps up to the one that decided; whether its links were followed, and unsubscribed by
no delivery        `not_planned`: not in the audience; or what the gate would say now; or, where the newest plan of the
                   campaign chose other messages, what they are worth and what this one was
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from regulars.access import service as access
from regulars.audiences.errors import AudienceUnknown
from regulars.audiences.service.answering import AudienceEngine, get_member_no
from regulars.audiences.service.saving import get_audience
from regulars.campaigns.model import PLAN_PREFIX, Campaign, PlanState, StoredPlan
from regulars.campaigns.service.planning import get_plan
from regulars.campaigns.service.saving import get_campaign
from regulars.campaigns.store import plans as store
from regulars.campaigns.summary import money_text
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import MemberId, public_id
from regulars.members.service.reading import get_active, list_family
from regulars.messaging.gate import Step
from regulars.messaging.model import DeliveryId, Due, Filter, Shown, State
from regulars.messaging.service.channels import get_salt, list_channels
from regulars.messaging.service.gating import foresee
from regulars.messaging.service.sending import list_deliveries
from regulars.messaging.telling import list_foreseen, list_steps, say
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

NOT_PLANNED: Final = "not_planned"
DELIVERIES_MAX: Final = 1_000
_BEFORE_THE_GATE: Final = ("audience", "plan", "window", "member", "content")
"""Told only where they decided: whoever comes to the gate has passed them."""

_OUTVALUED: Final = {
    "zh-TW": "計畫 {plan} 沒有選這則訊息（值 {value}）：{because}。",
    "en": "Plan {plan} did not choose this message, worth {value}: {because}.",
}
_BECAUSE: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-TW": {
        "outvalued": "這位會員得到更有價值的 {instead}",
        "cap": "這位會員的頻率上限已滿",
        "quota": "{channel} 的額度給了更有價值的訊息",
        "size": "活動的則數已滿",
        "budget": "活動的預算用在更有價值的訊息",
        "price": "不值它的價錢",
        "dropped": "活動達不到最少則數，這次不發送",
    },
    "en": {
        "outvalued": "the member gets {instead}, worth more",
        "cap": "the member's caps leave no room",
        "quota": "others bring more by the messages that {channel} has",
        "size": "the campaign is full, and others bring it more",
        "budget": "the campaign's budget brings more elsewhere",
        "price": "it is not worth its price",
        "dropped": "the campaign could not reach its least size, and sends nothing",
    },
}
_DRAFT: Final = {
    "zh-TW": "計畫 {plan} 安排了這則訊息，但計畫還沒有送出。",
    "en": "Plan {plan} has this message, and was not sent yet.",
}


async def explain_delivery(
    tx: ReadTransaction, brand: Brand, engine: AudienceEngine, member: str, campaign_name: str, *, now: datetime
) -> dict[str, Any]:
    """As `GET /api/deliveries/why` answers. Raises: MemberUnknown, CampaignUnknown."""
    member_id = await get_active(tx, brand, member)
    campaign = await get_campaign(tx, brand, campaign_name)
    family = await list_family(tx, brand, member)
    found = await list_deliveries(
        tx, brand, Filter(campaign=campaign.name, member_ids=family), after=0, limit=DELIVERIES_MAX
    )
    if found and found[-1].state is not State.PLANNED:
        return _tell(str(found[-1].state), list_steps(found[-1]), _say_of(found[-1]), found[-1])
    if found:
        steps = await _foresee(tx, brand, campaign, member_id, [found[-1].channel], now, until_at=found[-1].until_at)
        return _tell(str(State.PLANNED), steps, _say_of(found[-1]))
    if not await _is_in(tx, brand, engine, campaign, member_id):
        step = Step("audience", False, {"audience": campaign.audience})
        return _tell(NOT_PLANNED, [step], say("refused", "not_in_audience", None, {}))
    foreseen = await _foresee(tx, brand, campaign, member_id, campaign.channels, now)
    plan_id = await store.find_newest_plan(tx, brand.brand_id, campaign.name)
    if plan_id is None or not all(step.passed for step in foreseen):
        return _tell(NOT_PLANNED, foreseen, say(NOT_PLANNED, None, None, {}))
    return await _tell_plan(tx, brand, await get_plan(tx, brand, public_id(PLAN_PREFIX, plan_id)), campaign, family)


def _tell(
    verdict: str, steps: Sequence[Step], sentence: Mapping[str, str], sent: Shown | None = None
) -> dict[str, Any]:
    """The story, and what the member did by the links of what was `sent`."""
    told = [step for step in steps if not step.passed or step.step not in _BEFORE_THE_GATE]
    shown = [{"step": step.step, "passed": step.passed, "detail": dict(step.detail)} for step in told]
    return {
        "verdict": verdict,
        "steps": shown,
        "sentence": dict(sentence),
        "clicks": 0 if sent is None else sent.clicks,
        "clicked_at": _instant(sent and sent.clicked_at),
        "unsubscribed_at": _instant(sent and sent.unsubscribed_at),
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)


def _say_of(shown: Shown) -> dict[str, str]:
    return say(str(shown.state), shown.reason, shown.channel, shown.detail)


async def _is_in(
    tx: ReadTransaction, brand: Brand, engine: AudienceEngine, campaign: Campaign, member_id: MemberId
) -> bool:
    try:
        audience = await get_audience(tx, brand, campaign.audience)
    except AudienceUnknown:
        return False
    number = await get_member_no(tx, brand, member_id)
    async with engine.open_evaluation(tx, brand) as evaluation:
        return number in await evaluation.list_members(audience.tree)


async def _foresee(
    tx: ReadTransaction,
    brand: Brand,
    campaign: Campaign,
    member_id: MemberId,
    names: Sequence[str],
    now: datetime,
    *,
    until_at: datetime | None = None,
) -> list[Step]:
    """What the gate would say now on the first channel that lets the message pass, else on the one that goes furthest."""
    settings, salt = await access.get_settings(tx, brand), await get_salt(tx, brand)
    best: list[Step] = []
    for row in await list_channels(tx, brand):
        if row.name not in names:
            continue
        due = Due(
            delivery_id=DeliveryId(0),
            member_id=member_id,
            channel=row.name,
            purpose=campaign.purpose,
            topic=campaign.topic,
            message_id=0,
            key="",
            waits=True,
            send_at=now,
            until_at=until_at,
            campaign=campaign.name,
            holdout=campaign.holdout,
        )
        steps = list_foreseen(*await foresee(tx, brand, settings, row, salt, due, now))
        if all(step.passed for step in steps):
            return steps
        best = max(best, steps, key=len)
    return best


async def _tell_plan(
    tx: ReadTransaction, brand: Brand, plan: StoredPlan, campaign: Campaign, family: Sequence[MemberId]
) -> dict[str, Any]:
    """What the newest plan of the campaign did with this member."""
    name, at = public_id(PLAN_PREFIX, plan.plan_id), plan.campaigns.index(campaign.name)
    rows = await store.list_assignments_of(tx, brand.brand_id, plan.plan_id, family)
    if any(row.campaign_no == at for row in rows) and plan.state is PlanState.DRAFT:
        step = Step("plan", False, {"plan": name, "state": str(plan.state)})
        return _tell(NOT_PLANNED, [step], {key: text.format(plan=name) for key, text in _DRAFT.items()})
    instead = [
        {
            "campaign": plan.campaigns[row.campaign_no],
            "channel": plan.channels[row.channel_no],
            "value": money_text(row.value_micros),
        }
        for row in rows
    ]
    detail: dict[str, Any] = {"plan": name, "instead": instead}
    unsent = [
        row for row in await store.list_unsent_of(tx, brand.brand_id, plan.plan_id, family) if row.campaign_no == at
    ]
    if not unsent and not instead:
        return _tell(NOT_PLANNED, [Step("plan", False, detail)], say(NOT_PLANNED, None, None, {}))
    if not unsent:
        return _tell(NOT_PLANNED, [Step("plan", False, detail)], say("refused", "outvalued", None, {}))
    one = unsent[0]
    detail |= {
        "reason": one.reason,
        "channel": plan.channels[one.channel_no],
        "value": money_text(one.value_micros),
    }
    winners = ", ".join(f"{row['campaign']} ({row['value']})" for row in instead) or "—"
    sentence = {
        language: text.format(
            plan=name,
            value=detail["value"],
            because=_BECAUSE[language][one.reason].format(instead=winners, channel=detail["channel"]),
        )
        for language, text in _OUTVALUED.items()
    }
    return _tell(NOT_PLANNED, [Step("plan", False, detail)], sentence)
