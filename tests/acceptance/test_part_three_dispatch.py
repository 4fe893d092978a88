"""Part 3 of the plan, the paragraph Dispatch: states, pausing, and replies that are lost.

«Exactly once» is counted in the requests the simulator received. What is spelled here where contract.md says nothing:
`POST /api/plans/{id}/pause`, `resume` and `cancel` answer `{"id","state"}`; a paused plan's state is `paused`.
"""

import time

import pytest

from tests.support.sending import LAST_STATES, Sender, new_group
from tests.support.serving import wait_until

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

MANY = 30
STILL_SECONDS = 1.5
FIRST_RETRY_SECONDS_MAX = 5


# «Dispatch from the outbox: states as contract.md …»
def test_a_delivery_tells_its_whole_life(sender: Sender) -> None:
    one = sender.add_one()
    row = sender.single(one)
    assert row["state"] == "accepted" and row["reason"] is None
    assert [attempt["outcome"] for attempt in row["attempts"]] == ["accepted"]
    assert row["attempts"][0]["at"] >= row["send_at"]
    assert sender.get_delivery(member=one.id, state="accepted")["id"] == row["id"]
    assert sender.deliveries(member=one.id, state="planned") == []
    sender.ask("GET", "/api/deliveries", params={"state": "teleported"}, status=400)


@pytest.mark.long
def test_a_plan_is_paused_resumed_and_cancelled(sender: Sender) -> None:
    """Personal pushes, each slow: some have gone at the pause, none goes while it lasts, all in the end, once.

    A second plan is cancelled while it is paused: what was not sent never is, and says so.
    """
    group = new_group()
    people = sender.add(MANY, group=group, traits=lambda number: {"pet": f"p{number}"})
    lines = [one.line for one in people]

    def gone() -> int:
        return sum(len(sender.simulator.list_messages(line)) for line in lines)

    campaign, second = (
        sender.put_campaign(group, message={"zh-TW": {"text": "{{ member.traits.pet }}好"}}) for _ in range(2)
    )
    with sender.simulator.faults(rate_per_second=10):
        plan = sender.plan(campaign)
        sender.send_plan(plan)
        wait_until(gone, "the first has gone", 10)
        assert sender.ask("POST", f"/api/plans/{plan['id']}/pause")["state"] == "paused"
        progress = sender.ask("GET", f"/api/plans/{plan['id']}")["progress"]
        assert sum(progress.values()) == MANY
        time.sleep(STILL_SECONDS)
        held = gone()
        time.sleep(STILL_SECONDS)
        assert gone() == held < MANY
        assert sender.ask("POST", f"/api/plans/{plan['id']}/resume")["state"] == "sending"
        assert sender.wait_sent(plan)["progress"] == {"accepted": MANY}
        assert [len(sender.simulator.list_messages(line)) for line in lines] == [1] * MANY
        other = sender.plan(second)
        sender.send_plan(other)
        sender.ask("POST", f"/api/plans/{other['id']}/pause")
        assert sender.ask("POST", f"/api/plans/{other['id']}/cancel")["state"] == "cancelled"
    time.sleep(STILL_SECONDS)
    progress = sender.ask("GET", f"/api/plans/{other['id']}")["progress"]
    assert set(progress) <= {"accepted", "cancelled"} and sum(progress.values()) == MANY
    assert progress["cancelled"] > 0 and gone() == MANY + progress.get("accepted", 0)
    sender.ask("POST", f"/api/plans/{other['id']}/resume", status=409)


def test_a_draft_is_cancelled_and_not_sent(sender: Sender) -> None:
    group = new_group()
    one = sender.add_one(group=group)
    plan = sender.plan(sender.put_campaign(group))
    assert sender.ask("POST", f"/api/plans/{plan['id']}/cancel")["state"] == "cancelled"
    sender.ask("POST", f"/api/plans/{plan['id']}/send", status=409)
    assert sender.simulator.list_requests([one.line]) == []
    sender.ask("GET", "/api/plans/nonsense", status=404)


@pytest.mark.long
def test_a_lost_reply_on_line_is_asked_again_under_its_key(sender: Sender) -> None:
    """One push and one multicast to three, every reply lost at first: the same key and bytes, one message each."""
    group = new_group()
    one, people = sender.add_one(), sender.add(3, group=group)
    campaign = sender.put_campaign(group)
    with sender.simulator.faults(lose_reply=1.0):
        made = sender.post_single(one, "一次")
        plan = sender.plan(campaign)
        sender.send_plan(plan)
        wait_until(lambda: sender.simulator.list_requests([people[0].line]), "the multicast was tried", 10)
        wait_until(lambda: sender.simulator.list_requests([one.line]), "the push was tried", 10)
        tried = time.monotonic()
        wait_until(
            lambda: len(sender.simulator.list_requests([one.line])) > 1, "tried again", FIRST_RETRY_SECONDS_MAX + 1
        )
        assert time.monotonic() - tried <= FIRST_RETRY_SECONDS_MAX + 1
    assert sender.wait_last(one, made["id"])["state"] == "accepted"
    assert sender.wait_sent(plan)["progress"] == {"accepted": 3}
    for lines in ([one.line], [each.line for each in people]):
        requests = sender.simulator.list_requests(lines)
        assert len(requests) >= 2 and len({each.key for each in requests}) == 1
        assert len({each.body_hash for each in requests}) == 1, "LINE's retry needs identical bytes"
        assert [len(sender.simulator.list_messages(line)) for line in lines] == [1] * len(lines)
    attempts = sender.get_delivery(member=one.id)["attempts"]
    assert attempts[0]["outcome"] == "unknown" and attempts[-1]["outcome"] == "accepted"


# «channels without keys report every ambiguous one as `unknown`»
@pytest.mark.long
def test_a_lost_reply_on_telegram_stays_unknown_and_is_not_tried_again(sender: Sender) -> None:
    one = sender.add_one(on=("tg",))
    with sender.settings(caps=[{"most": 1, "per": "30d"}]):
        with sender.simulator.faults(lose_reply=1.0):
            row = sender.single(one, channel="tg")
            assert row["state"] == "unknown"
        time.sleep(2 * FIRST_RETRY_SECONDS_MAX)
        assert sender.get_delivery(member=one.id)["state"] == "unknown"
        assert sender.single(one, channel="tg")["reason"] == "cap", "unknown counts"
    assert len(sender.simulator.list_requests([one.telegram])) == 1
    assert len(sender.simulator.list_messages(one.telegram)) == 1


def test_a_plan_with_an_unknown_telegram_message_is_sent(sender: Sender) -> None:
    group = new_group()
    sender.add(2, on=("tg",), group=group)
    plan = sender.plan(sender.put_campaign(group, channels=["tg"]))
    with sender.simulator.faults(lose_reply=1.0):
        sender.send_plan(plan)
        done = sender.wait_sent(plan)
    assert done["progress"] == {"unknown": 2}
    assert {row["state"] for row in sender.deliveries(plan=plan["id"])} <= LAST_STATES


@pytest.mark.long
def test_what_a_dead_worker_held_is_taken_up(sender: Sender) -> None:
    """kill −9 of the worker amid slow pushes; everybody has theirs once, and half a minute is enough."""
    group = new_group()
    people = sender.add(MANY, group=group, traits=lambda number: {"pet": f"p{number}"})
    plan = sender.plan(sender.put_campaign(group, message={"zh-TW": {"text": "{{ member.traits.pet }}好"}}))
    with sender.simulator.faults(slow_ms=400, rate_per_second=10):
        sender.send_plan(plan)
        wait_until(lambda: sender.simulator.list_requests([one.line for one in people]), "the first was tried", 10)
        assert sender.serving.kill_child("worker")
        time.sleep(0.5)
    assert sender.wait_sent(plan, 45)["progress"] == {"accepted": MANY}
    assert [len(sender.simulator.list_messages(one.line)) for one in people] == [1] * MANY
