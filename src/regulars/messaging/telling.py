"""Why a delivery went out or did not: each step of the gate in its order, and a sentence in both languages. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from regulars.messaging.gate import Facts, Step, Verdict
from regulars.messaging.model import Shown, State

STEPS: Final = (
    "audience",
    "plan",
    "window",
    "member",
    "content",
    "consent",
    "preferences",
    "suppression",
    "reachability",
    "holdout",
    "quiet_hours",
    "caps",
    "quota",
    "budget",
    "dedupe",
    "sending",
)
"""The order in which the story is told."""

_REASON_STEPS: Final[Mapping[str, str]] = {
    "not_in_audience": "audience",
    "outvalued": "plan",
    "expired": "window",
    "erased": "member",
    "missing_value": "content",
    "no_consent": "consent",
    "suppressed": "suppression",
    "unreachable": "reachability",
    "holdout": "holdout",
    "quiet_hours": "quiet_hours",
    "cap": "caps",
    "quota": "quota",
    "budget": "budget",
    "duplicate": "dedupe",
}

_ZH: Final[Mapping[str, str]] = {
    "accepted": "已送出，{channel} 已接收。",
    "planned": "已排入計畫，尚未到發送時間。",
    "reserved": "已通過所有檢查，等待送出。",
    "sending": "正在送出，等待 {channel} 回覆。",
    "unknown": "已送出，但 {channel} 沒有明確回覆，不再重送以免重複。",
    "withheld": "屬於對照組，本次刻意不發送，用來衡量訊息真正帶來的改變。",
    "cancelled": "發送計畫已取消，這則訊息沒有送出。",
    "not_planned": "沒有任何計畫為這位會員安排這個活動。",
    "rejected": "{channel} 拒絕了這則訊息（{reason}）。",
    "expired": "活動期間已經結束，這則訊息沒有送出。",
    "erased": "會員資料已刪除。",
    "missing_value": "訊息裡需要的會員資料（{value}）不存在，也沒有替代文字。",
    "no_consent": "會員沒有同意在 {channel} 接收這類訊息。",
    "suppressed": "會員已封鎖、取消追蹤或退信，{channel} 不再發送。",
    "unreachable": "會員在 {channel} 沒有可聯絡的識別。",
    "quiet_hours": "現在是勿擾時段。",
    "cap": "會員在 {days} 天內最多收 {most} 則，已收 {held} 則。",
    "quota": "{channel} 本月的訊息額度已用完。",
    "budget": "活動預算已用完。",
    "duplicate": "同一則訊息已經發給這位會員。",
    "outvalued": "同一位會員的其他訊息更有價值，額度與頻率上限給了它們。",
    "not_in_audience": "會員不在這個活動的分眾裡。",
    "refused": "發送閘門拒絕了這則訊息（{reason}）。",
}
_EN: Final[Mapping[str, str]] = {
    "accepted": "Sent; {channel} took it.",
    "planned": "Planned; its time has not come yet.",
    "reserved": "It passed every check and waits to be sent.",
    "sending": "On its way; {channel} has not answered yet.",
    "unknown": "Sent, but {channel} gave no clear answer; it is not sent again, so that nobody gets it twice.",
    "withheld": "Held out on purpose, so that what the message changes can be measured.",
    "cancelled": "The plan was called off before this was sent.",
    "not_planned": "No plan has this campaign for this member.",
    "rejected": "{channel} refused the message ({reason}).",
    "expired": "The time it was meant for was over before it could be sent.",
    "erased": "The member was erased.",
    "missing_value": "The message says something of the member that is not known ({value}), and states no fallback.",
    "no_consent": "The member has not agreed to such messages on {channel}.",
    "suppressed": "The member blocked or left {channel}, or it bounced: nothing is sent there any more.",
    "unreachable": "The member has no identity on {channel}.",
    "quiet_hours": "These are quiet hours.",
    "cap": "At most {most} in {days} days, and the member has had {held}.",
    "quota": "{channel} has no messages left this month.",
    "budget": "The campaign's budget is spent.",
    "duplicate": "The member has been told this already.",
    "outvalued": "Other messages are worth more to this member, and took the room that quota and caps leave.",
    "not_in_audience": "The member is not in the campaign's audience.",
    "refused": "The gate refused it ({reason}).",
}


def list_steps(shown: Shown) -> list[Step]:
    """The steps up to the one that decided, each with what it saw."""
    if shown.state is State.PLANNED:
        return []
    decided = shown.detail.get("step") or _REASON_STEPS.get(shown.reason or "")
    seen = {key: value for key, value in shown.detail.items() if key != "step"}
    if shown.state in (State.WITHHELD, State.REFUSED) and decided:
        before = [Step(step, True) for step in STEPS[: STEPS.index(decided)]]
        return [*before, Step(decided, False, seen)]
    passed = [Step(step, True) for step in STEPS if step != "sending"]
    if shown.state in (State.RESERVED, State.CANCELLED):
        return passed
    accepted = shown.state in (State.ACCEPTED, State.SENDING)
    attempts = {"attempts": len(shown.attempts), **({"reason": shown.reason} if shown.reason else {})}
    return [*passed, Step("sending", accepted, attempts)]


def list_foreseen(facts: Facts, verdict: Verdict) -> list[Step]:
    """What the gate would say now, as steps."""
    if verdict.step is None:
        return [Step(step, True) for step in STEPS if step not in ("sending", "quota", "budget")]
    before = [Step(step, True) for step in STEPS[: STEPS.index(verdict.step.step)]]
    return [*before, verdict.step]


def say(state: str, reason: str | None, channel: str | None, detail: Mapping[str, Any]) -> dict[str, str]:
    """The verdict in one sentence."""
    key = reason if state == "refused" and reason in _EN else state
    per_seconds = detail.get("per_seconds") or 0
    words = {
        "channel": channel or "—",
        "reason": reason or "—",
        "value": detail.get("value", "—"),
        "most": detail.get("most", "—"),
        "held": detail.get("held", "—"),
        "days": f"{per_seconds / 86_400:g}",
    }
    return {"zh-TW": _ZH[key].format(**words), "en": _EN[key].format(**words)}
