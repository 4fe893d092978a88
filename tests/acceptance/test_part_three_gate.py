"""Part 3 of the plan, the paragraph The gate, one test a step.

Each step is tried on both paths: as a single send, and as a plan that was made while the member was still fine. `why`
names its steps `consent`, `preferences`, `suppression`, `reachability`, `holdout`, `quiet_hours`, `caps`, `quota`,
`budget`, `dedupe`, in this order, and stops at the one that did not pass. A send in quiet hours may be refused or kept
until their end: both are right, the phone must be silent. Quiet hours are chosen by the present clock, so that the
tests are right at any time of day.
"""

import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.sending import (
    COUNTED_STATES,
    REASONS,
    TAIPEI,
    Person,
    Sender,
    line_event,
    new_group,
)
from tests.support.serving import Serving, wait_until

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

STEPS = [
    *("consent", "preferences", "suppression", "reachability", "holdout", "quiet_hours", "caps", "quota", "budget"),
    "dedupe",
]
ARMS = 40
PATHS = ["single", "plan"]


def clock(hours: float) -> str:
    """The brand's local time so many hours from now, as HH:MM."""
    return (datetime.now(TAIPEI) + timedelta(hours=hours)).strftime("%H:%M")


def revoke(sender: Sender, one: Person) -> None:
    sender.consent(one, granted=False)


def leave(sender: Sender, one: Person) -> None:
    """Unfollow, and wait until it is known."""
    sender.hook_line(line_event("unfollow", one.line))
    wait_until(lambda: sender.single(one)["state"] == "refused", "the unfollow is known", 10)


def lose(sender: Sender, one: Person) -> None:
    """The LINE id is taken away."""
    sender.ask("DELETE", f"/api/members/{one.id}/identities/line/{one.line}")


def mute(sender: Sender, one: Person) -> None:
    """The member wants nothing of this topic."""
    sender.ask("PUT", f"/api/members/{one.id}/preferences", {"topics": {"news": False}})


BREAKS: dict[str, tuple[Callable[[Sender, Person], None], set[str]]] = {
    "consent": (revoke, {"no_consent"}),
    "preferences": (mute, {"no_consent", "suppressed"}),
    "suppression": (leave, {"suppressed", "unreachable"}),
    "reachability": (lose, {"unreachable"}),
}


def send_after(sender: Sender, path: str, one: Person, group: str, change: Callable[[], None]) -> dict[str, Any]:
    """What became of a message to a member when something changed before it went; and its campaign, if it had one."""
    if path == "single":
        change()
        return sender.single(one, topic="news")
    campaign = sender.put_campaign(group)
    plan = sender.plan(campaign)
    assert [row["member"] for row in sender.assignments(plan)] == [one.id]
    change()
    sender.send_plan(plan)
    sender.wait_sent(plan)
    (row,) = sender.deliveries(plan=plan["id"])
    told = sender.why(one, campaign)
    assert told["verdict"] == row["state"]
    assert told["sentence"]["zh-TW"] and told["sentence"]["en"]
    steps = [step["step"] for step in told["steps"]]
    known = [step for step in steps if step in STEPS]
    assert known == [step for step in STEPS if step in known], "in the gate's order"
    return {**row, "failed": [step["step"] for step in told["steps"] if not step["passed"]], "steps": steps}


# «The gate, one for every path, as architecture.md: consent → the member's own preferences (topics …) → suppression →
# reachability … Each refusal is a row; `why` tells the story step by step.»
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("step", BREAKS)
def test_each_step_refuses_with_its_reason(sender: Sender, step: str, path: str) -> None:
    """The first of two is refused, the second, who is otherwise the same, gets the message."""
    change, reasons = BREAKS[step]
    group, other = new_group(), new_group()
    (one,) = sender.add(1, group=group)
    before: list[int] = []

    def change_and_look() -> None:
        change(sender, one)
        before.append(len(sender.simulator.list_messages(one.line)))

    row = send_after(sender, path, one, group, change_and_look)
    assert row["state"] == "refused" and row["reason"] in reasons, row
    (kept,) = [each for each in sender.deliveries(member=one.id, state="refused") if each["id"] == row["id"]]
    assert (kept["reason"], kept["attempts"]) == (row["reason"], [])
    assert [len(sender.simulator.list_messages(one.line))] == before
    if path == "plan":
        assert len(row["failed"]) == 1 and row["steps"][-1] == row["failed"][0]
        assert row["failed"] == [step] or row["reason"] == "unreachable"
    (well,) = sender.add(1, group=other)
    assert send_after(sender, path, well, other, lambda: None)["state"] == "accepted"


def test_why_of_one_who_got_it_and_of_one_who_was_never_asked(sender: Sender) -> None:
    group = new_group()
    one, stranger = sender.add_one(group=group), sender.add_one()
    campaign = sender.put_campaign(group)
    sender.run(campaign)
    got = sender.why(one, campaign)
    assert got["verdict"] == "accepted" and all(step["passed"] for step in got["steps"])
    assert got["steps"][0]["step"] == "consent" and len(got["steps"]) >= 8
    never = sender.why(stranger, campaign)
    assert never["verdict"] == "not_planned"
    sender.ask("GET", "/api/deliveries/why", params={"member": "m999999999", "campaign": campaign}, status=404)


# --- consent, purpose ------------------------------------------------------------------------------------------------


def test_consent_is_per_channel_and_purpose(sender: Sender) -> None:
    """Consent on LINE says nothing of Telegram; marketing says nothing of another purpose."""
    one = sender.add_one(on=("line-main", "tg"), consent=False)
    sender.consent(one, "line-main")
    assert sender.single(one, channel="line-main")["state"] == "accepted"
    assert sender.single(one, channel="tg")["reason"] == "no_consent"
    assert sender.single(one, purpose="survey")["reason"] == "no_consent"
    sender.consent(one, "line-main", purpose="survey")
    assert sender.single(one, purpose="survey")["state"] == "accepted"


# --- preferences ----------------------------------------------------------------------------------------------------


def test_the_members_own_remote_control_is_obeyed(sender: Sender) -> None:
    """At most one in seven days; no `promo`; Telegram rather than LINE, though LINE is worth more."""
    seldom, choosy, group = sender.add_one(), sender.add_one(), new_group()
    sender.ask("PUT", f"/api/members/{seldom.id}/preferences", {"caps": [{"most": 1, "per": "7d"}]})
    assert sender.ask("GET", f"/api/members/{seldom.id}/preferences")["caps"] == [{"most": 1, "per": "7d"}]
    assert [sender.single(seldom)["state"] for _ in range(2)] == ["accepted", "refused"]
    assert sender.deliveries(member=seldom.id, state="refused")[0]["reason"] == "cap"
    sender.ask("PUT", f"/api/members/{choosy.id}/preferences", {"topics": {"promo": False}})
    assert sender.single(choosy, topic="promo")["state"] == "refused"
    assert sender.single(choosy, topic="news")["state"] == "accepted"
    one = sender.add_one(on=("line-main", "tg"), group=group)
    two = sender.add_one(on=("line-main", "tg"), group=group)
    sender.ask("PUT", f"/api/members/{two.id}/preferences", {"channel": "tg"})
    value = {"by": "fixed", "value": "1.50", "channel_factor": {"tg": 0.5}}
    plan = sender.plan(sender.put_campaign(group, channels=["line-main", "tg"], value=value))
    chosen = {row["member"]: row["channel"] for row in sender.assignments(plan)}
    assert chosen == {one.id: "line-main", two.id: "tg"}


# --- holdout --------------------------------------------------------------------------------------------------------


def split(sender: Sender, campaign: str, **fields: Any) -> tuple[set[str], set[str]]:
    """Who of a campaign's plan was treated, and who withheld, as deliveries say; they must agree with assignments."""
    plan = sender.run(campaign, **fields)
    rows = sender.deliveries(plan=plan["id"])
    planned = {row["member"]: row["withheld"] for row in sender.assignments(plan)}
    assert planned == {row["member"]: "holdout" if row["state"] == "withheld" else None for row in rows}
    summary = plan["summary"]
    withheld = {row["member"] for row in rows if row["state"] == "withheld"}
    treated = {row["member"] for row in rows if row["state"] == "accepted"}
    assert (summary["messages"], summary["withheld"]) == (len(treated), len(withheld))
    assert plan["progress"] == {"accepted": len(treated), "withheld": len(withheld)}
    return treated, withheld


def test_a_campaigns_holdout_is_stable_and_its_own(sender: Sender) -> None:
    """Half of forty. The same arms when sent again, other arms in another campaign, none of the withheld hears."""
    group = new_group()
    people = sender.add(ARMS, group=group)
    first, second = sender.put_campaign(group, holdout=0.5), sender.put_campaign(group, holdout=0.5)
    treated, withheld = split(sender, first)
    assert treated | withheld == {one.id for one in people} and treated.isdisjoint(withheld)
    assert 5 <= len(withheld) <= ARMS - 5
    heard = {one.id for one in people if sender.simulator.list_messages(one.line)}
    assert heard == treated
    assert split(sender, second)[1] != withheld
    assert {row["member"] for row in sender.assignments(sender.plan(first)) if row["withheld"]} <= withheld


def test_the_global_holdout_holds_for_every_campaign_and_for_api_sends(sender: Sender) -> None:
    """Half of forty are withheld everywhere; a campaign's own holdout is drawn among the others."""
    group = new_group()
    people = sender.add(ARMS, group=group)
    with sender.settings(holdout=0.5):
        _, first = split(sender, sender.put_campaign(group))
        _, second = split(sender, sender.put_campaign(group))
        assert first == second and 5 <= len(first) <= ARMS - 5
        _, third = split(sender, sender.put_campaign(group, holdout=0.5))
        assert first < third
        states = {one.id: sender.single(one)["state"] for one in people}
    assert {one for one, state in states.items() if state == "withheld"} == first
    assert {one for one, state in states.items() if state == "accepted"} == {one.id for one in people} - first
    heard = {one.id for one in people if sender.simulator.list_messages(one.line)}
    assert heard.isdisjoint(first)
    with sender.settings(holdout=0.5):
        assert split(sender, sender.put_campaign(group))[1] == first, "off and on again changes nobody's arm"


def test_a_withheld_message_counts_against_the_cap(sender: Sender) -> None:
    group = new_group()
    people = sender.add(ARMS, group=group)
    with sender.settings(caps=[{"most": 1, "per": "30d"}]):
        _, withheld = split(sender, sender.put_campaign(group, holdout=0.5))
        states = {one.id: sender.single(one) for one in people}
    assert {row["reason"] for row in states.values()} == {"cap"} and withheld <= set(states)


# --- quiet hours ----------------------------------------------------------------------------------------------------


# «The gate, one for every path, as architecture.md: … → quiet hours → …»
def test_nothing_is_pushed_in_quiet_hours(sender: Sender) -> None:
    """From an hour ago until three hours from now, perhaps across midnight: a single send waits or is refused."""
    one, two = sender.add(2)
    end = datetime.now(TAIPEI) + timedelta(hours=3)
    with sender.settings(quiet_hours={"from": clock(-1), "until": clock(3)}):
        row = sender.post_single(one)
        time.sleep(0.5)
        assert sender.simulator.list_messages(one.line) == []
    if row["state"] == "refused":
        assert row["reason"] == "quiet_hours"
    else:
        assert row["state"] == "planned"
        assert abs(datetime.fromisoformat(row["send_at"]) - end) < timedelta(minutes=2)
    with sender.settings(quiet_hours={"from": clock(3), "until": clock(5)}):
        assert sender.single(two)["state"] == "accepted"


def test_a_plan_made_in_quiet_hours_waits_for_their_end(sender: Sender) -> None:
    group = new_group()
    people = sender.add(2, group=group)
    end = datetime.now(TAIPEI) + timedelta(hours=3)
    with sender.settings(quiet_hours={"from": clock(-1), "until": clock(3)}):
        plan = sender.plan(sender.put_campaign(group))
        times = [datetime.fromisoformat(row["send_at"]) for row in sender.assignments(plan)]
        assert len(times) == 2
        for at in times:
            assert timedelta(0) <= at - end.replace(second=0, microsecond=0) < timedelta(minutes=2), (at, end)
        sender.send_plan(plan)
        time.sleep(0.5)
        assert {row["state"] for row in sender.deliveries(plan=plan["id"])} == {"planned"}
        assert [sender.simulator.list_messages(one.line) for one in people] == [[], []]
    sender.ask("POST", f"/api/plans/{plan['id']}/cancel")


# --- caps -----------------------------------------------------------------------------------------------------------


def test_caps_overall_and_per_topic_over_every_path(sender: Sender) -> None:
    """Three in thirty days, one of `promo` in seven: a plan, an API send and another channel count together."""
    caps = [{"most": 3, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}]
    group = new_group()
    one = sender.add_one(group=group, on=("line-main", "tg"))
    with sender.settings(caps=caps):
        assert sender.run(sender.put_campaign(group, topic="promo"))["progress"] == {"accepted": 1}
        refused = sender.single(one, topic="promo", channel="tg")
        assert (refused["state"], refused["reason"]) == ("refused", "cap")
        assert sender.single(one, topic="news")["state"] == "accepted"
        assert sender.single(one, topic="care", channel="tg")["state"] == "accepted"
        assert sender.single(one, topic="news")["reason"] == "cap"
        assert sender.plan(sender.put_campaign(group))["summary"]["messages"] == 0, "the planner knows"
    assert len(sender.simulator.list_messages(one.line)) == 2
    assert len(sender.simulator.list_messages(one.telegram)) == 1
    counted = [row for row in sender.deliveries(member=one.id) if row["state"] in COUNTED_STATES]
    assert len(counted) == 3


# «contract: `"caps":[{"most":2,"per":"30d"},{"most":1,"per":"7d","topic":"promo"}]` (the values shown are the
# defaults)»
def test_the_default_caps_are_in_force(sender: Sender) -> None:
    one = sender.add_one()
    sender.ask("PUT", "/api/settings", {"quiet_hours": None, "holdout": 0})
    try:
        told = [sender.single(one, topic=topic) for topic in ("promo", "promo", "news", "care")]
    finally:
        sender.put_settings()
    assert [row["state"] for row in told] == ["accepted", "refused", "accepted", "refused"]
    assert [row["reason"] for row in told if row["state"] == "refused"] == ["cap", "cap"]


# «The gate, one for every path, as architecture.md: … → rolling caps … (exact boundary)»
@pytest.mark.long
def test_a_cap_rolls_and_its_window_is_half_open(sender: Sender) -> None:
    """One a minute: refused until 60 s after the first was counted, and accepted from then on."""
    one = sender.add_one()
    with sender.settings(caps=[{"most": 1, "per": "1m"}]):
        began = time.monotonic()
        assert sender.single(one)["state"] == "accepted"
        ended = time.monotonic()
        refused_last, accepted_first = began, 0.0
        while not accepted_first:
            asked = time.monotonic()
            if sender.single(one)["state"] == "accepted":
                accepted_first = time.monotonic()
            else:
                refused_last = asked
            time.sleep(0.2)
    assert accepted_first - began >= 60 and refused_last - ended < 60
    assert len(sender.simulator.list_messages(one.line)) == 2


# «The gate, one for every path, as architecture.md: … rolling caps (… per person after merges) → …»
def test_a_merged_member_has_the_messages_of_both(sender: Sender) -> None:
    """One and one are two of two; apart again, each may have one more."""
    one, two = sender.add(2)
    with sender.settings(caps=[{"most": 2, "per": "30d"}]):
        assert [sender.single(each)["state"] for each in (one, two)] == ["accepted", "accepted"]
        merged = sender.ask("POST", "/api/members/merge", {"keep": one.id, "merge": two.id})
        assert sender.single(one)["reason"] == "cap"
        assert len([row for row in sender.deliveries(member=one.id) if row["state"] == "accepted"]) == 2
        sender.ask("POST", "/api/members/unmerge", {"merge": merged["merge"]})
        assert [sender.single(each)["state"] for each in (one, two)] == ["accepted", "accepted"]
        assert [sender.single(each)["reason"] for each in (one, two)] == ["cap", "cap"]


# «architecture.md: «rejected releases»»
def test_a_rejected_message_gives_its_place_back(sender: Sender) -> None:
    one = sender.add_one(on=("tg", "line-main"))
    with sender.settings(caps=[{"most": 1, "per": "30d"}]):
        sender.simulator.act("block", "telegram", one.telegram)
        assert sender.single(one, channel="tg")["state"] in {"rejected", "refused"}
        assert sender.single(one, channel="line-main")["state"] == "accepted"
        assert sender.single(one, channel="line-main")["reason"] == "cap"


# --- quota, dedupe, erased --------------------------------------------------------------------------------------------


def test_a_quota_holds_over_plans_and_api_sends(counted: Sender) -> None:
    """Two plans were made when three messages were left; together they and the API send three."""
    group, other = new_group(), new_group()
    people = counted.add(2, group=group) + counted.add(2, group=other)
    used = counted.simulator.get_usage()
    counted.limit("line-main", used + 3)
    counted.put_line()
    plans = [counted.plan(counted.put_campaign(each)) for each in (group, other)]
    assert [plan["summary"]["messages"] for plan in plans] == [2, 2]
    for plan in plans:
        counted.send_plan(plan)
    done = [counted.wait_sent(plan)["progress"] for plan in plans]
    assert sorted(sum(part.get(state, 0) for part in done) for state in ("accepted", "refused")) == [1, 3]
    refused = [row for plan in plans for row in counted.deliveries(plan=plan["id"], state="refused")]
    assert [row["reason"] for row in refused] == ["quota"]
    assert counted.single(people[0])["reason"] == "quota"
    assert sum(len(counted.simulator.list_messages(one.line)) for one in people) == 3


# «The gate, one for every path, as architecture.md: … → dedupe.»
def test_a_dedupe_key_is_one_delivery(sender: Sender) -> None:
    """Sixteen times the same: one delivery, one request. Another body under that key is a conflict."""
    one, key = sender.add_one(), str(uuid.uuid4())
    made = [sender.post_single(one, "一次", dedupe_key=key)["id"] for _ in range(16)]
    assert len(set(made)) == 1
    sender.wait_last(one, made[0])
    assert len(sender.simulator.list_messages(one.line)) == 1
    body = {
        "member": one.id,
        "channel": "line-main",
        "purpose": "marketing",
        "message": {"zh-TW": {"text": "別的"}},
        "dedupe_key": key,
    }
    assert sender.ask("POST", "/api/deliveries", body, status=409)["code"]
    assert len(sender.deliveries(member=one.id)) == 1


def test_who_was_erased_before_the_send_gets_nothing(sender: Sender) -> None:
    group = new_group()
    gone, stays = sender.add(2, group=group)
    plan = sender.plan(sender.put_campaign(group))
    assert len(sender.assignments(plan)) == 2
    sender.ask("DELETE", f"/api/members/{gone.id}", status=202)
    sender.send_plan(plan)
    sender.wait_sent(plan)
    assert sender.simulator.list_messages(gone.line) == []
    assert len(sender.simulator.list_messages(stays.line)) == 1
    states = {row["state"]: row["reason"] for row in sender.deliveries(plan=plan["id"])}
    assert states["accepted"] is None and states.get("refused", "erased") == "erased"


# «The gate, one for every path, as architecture.md: … Each refusal is a row»
def test_every_reason_is_one_of_the_contracts(sender: Sender) -> None:
    """Members without consent are not planned, and API sends to them are rows."""
    one = sender.add_one(consent=False)
    row = sender.single(one)
    assert (row["state"], row["reason"]) == ("refused", "no_consent")
    assert {"id", "plan", "campaign", "member", "channel", "state", "reason", "price", "send_at", "attempts"} <= set(
        row
    )
    assert (row["plan"], row["campaign"], row["member"], row["channel"]) == (None, None, one.id, "line-main")
    reasons = {each["reason"] for each in sender.deliveries(state="refused")}
    assert "no_consent" in reasons and reasons <= REASONS


# «The gate, one for every path, as architecture.md: one for every path»
def test_another_brand_sees_no_delivery(sender: Sender, serving: Serving) -> None:
    one = sender.add_one()
    sender.single(one)
    other = Sender(serving, "other brand", sender.simulator.open_account())
    assert other.deliveries() == []
    other.ask("GET", "/api/deliveries", params={"member": one.id}, status=404)
    other.ask("GET", "/api/deliveries/why", params={"member": one.id, "campaign": "campaign-1"}, status=404)
    other.http.close()
