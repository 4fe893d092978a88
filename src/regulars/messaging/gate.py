"""The gate's verdict on one delivery: the steps in their order, each with what it saw. Pure; the service brings the facts.

    window        its time is not over
    content       the message has everything it says of the member
    consent       the member allowed this purpose on this channel
    preferences   the member's own word on topics and channel
    suppression   no unfollow, block, bounce or complaint on this channel
    reachability  an identity of the channel's kind and provider
    holdout       the member's arm
    quiet_hours   not now
    caps          the brand's and the member's own, in rolling windows
    quota         the channel's month
    budget        the campaign's money
    dedupe        not told before

Whoever is held out is withheld only where everything else would have let it pass: the held-out must be those who would have
been sent to. What expired was drawn by no lot and is in no arm. Service and transactional messages are answers and duties:
they need no consent (but obey one that was refused), and holdout, quiet hours and caps do not hold them up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from regulars.messaging.caps import Counted, RollingCap, find_exceeded
from regulars.messaging.model import DUTIES, Address, Due, Reason, State
from regulars.messaging.quiet import QuietHours


@dataclass(frozen=True, slots=True)
class Blocked:
    """The last word of an address: it takes nothing any more."""

    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """What the gate knows of the member of one delivery."""

    is_erased: bool = False
    consent: bool | None = None
    topics: Mapping[str, bool] = field(default_factory=dict[str, bool])
    preferred_channel: str | None = None
    own_caps: Sequence[RollingCap] = ()
    address: Address | None = None
    blocked: Blocked | None = None
    counted: Sequence[Counted] = ()
    draw: float = 1.0
    campaign_draw: float = 1.0
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the brand decided; `room` says whether quota and budget have any left, and is asked last of all."""

    caps: Sequence[RollingCap]
    quiet: QuietHours | None
    holdout: float


@dataclass(frozen=True, slots=True)
class Step:
    """One step's word: `detail` holds numbers and names, never text of a message."""

    step: str
    passed: bool
    detail: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Verdict:
    """`later_at`: not refused but put off. `arm`: by which arm it is withheld."""

    state: State
    reason: Reason | None = None
    step: Step | None = None
    later_at: datetime | None = None
    arm: str | None = None


PASSED = Verdict(State.RESERVED)


def judge(due: Due, facts: Facts, rules: Rules, at: datetime) -> Verdict:
    """The verdict before quota and budget, which are asked for whoever passed this: at the instant `at`."""
    if due.until_at is not None and due.until_at <= at:
        return _refuse(Reason.EXPIRED, "window", {"until": due.until_at.isoformat()})
    refusal = _check_member(due, facts)
    if refusal is not None:
        return refusal
    held_out = None
    if due.purpose not in DUTIES:
        held_out = _draw_arm(due, facts, rules)
        later = _check_time(due, facts, rules, at)
        if later is not None:
            return later
    told = [one for one in facts.counted if one.key == due.key]
    if told:
        return _refuse(Reason.DUPLICATE, "dedupe", {"delivery": told[0].delivery_id})
    return held_out or PASSED


def _check_member(due: Due, facts: Facts) -> Verdict | None:
    if facts.is_erased:
        return _refuse(Reason.ERASED, "member", {})
    if facts.missing is not None:
        return _refuse(Reason.MISSING_VALUE, "content", {"value": facts.missing})
    if facts.consent is False or (due.purpose not in DUTIES and not facts.consent):
        return _refuse(Reason.NO_CONSENT, "consent", {"purpose": due.purpose, "asked": facts.consent is not None})
    if due.purpose not in DUTIES and due.topic is not None and facts.topics.get(due.topic) is False:
        return _refuse(Reason.NO_CONSENT, "preferences", {"topic": due.topic})
    if due.purpose not in DUTIES and facts.preferred_channel not in (None, due.channel):
        return _refuse(Reason.NO_CONSENT, "preferences", {"channel": facts.preferred_channel})
    if facts.blocked is not None:
        return _refuse(Reason.SUPPRESSED, "suppression", {"because": facts.blocked.reason})
    if facts.address is None:
        return _refuse(Reason.UNREACHABLE, "reachability", {"channel": due.channel})
    return None


def _draw_arm(due: Due, facts: Facts, rules: Rules) -> Verdict | None:
    if facts.draw < rules.holdout:
        return Verdict(State.WITHHELD, Reason.HOLDOUT, Step("holdout", False, {"arm": "global"}), arm="global")
    if due.holdout is not None and facts.campaign_draw < due.holdout:
        return Verdict(State.WITHHELD, Reason.HOLDOUT, Step("holdout", False, {"arm": "campaign"}), arm="campaign")
    return None


def _check_time(due: Due, facts: Facts, rules: Rules, at: datetime) -> Verdict | None:
    if rules.quiet is not None and rules.quiet.hold(at):
        allowed = rules.quiet.first_allowed(at)
        if due.waits and allowed is not None and (due.until_at is None or allowed < due.until_at):
            return Verdict(State.PLANNED, later_at=allowed)
        return _refuse(Reason.QUIET_HOURS, "quiet_hours", {"until": allowed and allowed.isoformat()})
    exceeded = find_exceeded(facts.counted, [*rules.caps, *facts.own_caps], due.topic, at)
    if exceeded is not None:
        cap, held = exceeded
        seconds = int(cap.per.total_seconds())
        detail = {"most": cap.most, "per_seconds": seconds, "held": held - 1, "topic": cap.topic, "own": cap.is_own}
        return _refuse(Reason.CAP, "caps", detail)
    return None


def _refuse(reason: Reason, step: str, detail: Mapping[str, Any]) -> Verdict:
    return Verdict(State.REFUSED, reason, Step(step, False, detail))
