"""Part 3 of the plan, the paragraph Triggers: messages that an event, an entry or the calendar sets off.

What is spelled here where contract.md says nothing: a campaign's `on` is `{"enter": AUDIENCE}`, `{"event": NAME,
"where"?: TESTS}` or `{"every": DURATION}`, the first time at the window's begin; it is at work from its PUT while its
window lasts, and `audience` still says who may get it. Within 5 s is measured from the event's 200 to the request the
simulator received.
"""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.sending import Person, Sender, make_campaign, new_group
from tests.support.serving import wait_until

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

TRIGGER_SECONDS_MAX = 5
SETTLE_SECONDS = 2


def hear(sender: Sender, one: Person, since: float, word: str) -> None:
    """The message arrives within five seconds of the moment."""
    left = since + TRIGGER_SECONDS_MAX - time.monotonic()
    wait_until(lambda: any(word in said for said in sender.simulator.read_texts(one.line)), f"{word} arrives", left)


def happen(sender: Sender, one: Person, name: str, **properties: Any) -> dict[str, object]:
    """An event of this moment, sent; the call, to send it again."""
    call = sender.event(one.user, name, datetime.now(UTC), **properties)
    sender.tell(call)
    return call


def test_an_event_sets_off_a_message_within_five_seconds_once(sender: Sender) -> None:
    """Red carts only, of members of the group; the same event sent twice is one."""
    group, name = new_group(), f"Cart Left {uuid.uuid4().hex[:6]}"
    one, blue = sender.add(2, group=group)
    stranger = sender.add_one()
    text = {"zh-TW": {"text": "購物車還在"}}
    campaign = sender.put_campaign(group, on={"event": name, "where": {"colour": "red"}}, message=text)
    happen(sender, stranger, name, colour="red")
    happen(sender, blue, name, colour="blue")
    call = happen(sender, one, name, colour="red")
    since = time.monotonic()
    hear(sender, one, since, "購物車還在")
    sender.tell(call)
    time.sleep(SETTLE_SECONDS)
    (row,) = sender.deliveries(campaign=campaign)
    assert (row["member"], row["state"], row["plan"]) == (one.id, "accepted", None)
    assert [len(sender.simulator.list_messages(who.line)) for who in (one, blue, stranger)] == [1, 0, 0]
    assert sender.why(one, campaign)["verdict"] == "accepted"


@pytest.mark.long
def test_entering_an_audience_sets_off_a_message(sender: Sender) -> None:
    """One was in before and hears nothing; one enters and hears it; leaving says nothing."""
    group, mood = new_group(), f"m{uuid.uuid4().hex[:6]}"
    inside, one = sender.add(2, group=group)
    sender.tell({"type": "identify", "userId": inside.user, "traits": {"mood": mood}})
    audience = sender.save({"trait": {"mood": mood}})
    text = {"zh-TW": {"text": "歡迎"}}
    campaign = sender.put_campaign(group, audience=audience, on={"enter": audience}, message=text)
    time.sleep(SETTLE_SECONDS)
    sender.tell({"type": "identify", "userId": one.user, "traits": {"mood": mood}})
    hear(sender, one, time.monotonic(), "歡迎")
    sender.tell({"type": "identify", "userId": one.user, "traits": {"mood": "other"}})
    time.sleep(SETTLE_SECONDS)
    assert [row["member"] for row in sender.deliveries(campaign=campaign)] == [one.id]
    assert sender.simulator.list_messages(inside.line) == []


@pytest.mark.long
def test_a_recurring_campaign_goes_out_once_a_period(sender: Sender) -> None:
    """Its window began at midnight: the first time is due at once, the second tomorrow."""
    group = new_group()
    people = sender.add(2, group=group)
    campaign = sender.put_campaign(group, on={"every": "1d"}, message={"zh-TW": {"text": "每日"}})
    since = time.monotonic()
    for one in people:
        hear(sender, one, since, "每日")
    time.sleep(SETTLE_SECONDS)
    assert sorted(row["member"] for row in sender.deliveries(campaign=campaign)) == sorted(one.id for one in people)


def test_a_trigger_passes_the_same_gate(sender: Sender) -> None:
    """One took the consent back, one has had the one message that the cap allows; both are rows with their reason."""
    group, name = new_group(), f"Birthday {uuid.uuid4().hex[:6]}"
    unwilling, capped, fine = sender.add(3, group=group)
    sender.consent(unwilling, granted=False)
    campaign = sender.put_campaign(group, on={"event": name})
    with sender.settings(caps=[{"most": 1, "per": "30d"}]):
        assert sender.single(capped)["state"] == "accepted"
        for one in (unwilling, capped, fine):
            happen(sender, one, name)
        wait_until(lambda: len(sender.deliveries(campaign=campaign)) == 3, "three rows", TRIGGER_SECONDS_MAX)
        wait_until(lambda: len(sender.deliveries(campaign=campaign, state="accepted")) == 1, "one is sent", 5)
    reasons = {row["member"]: row["reason"] for row in sender.deliveries(campaign=campaign)}
    assert reasons == {unwilling.id: "no_consent", capped.id: "cap", fine.id: None}


def test_a_trigger_may_name_an_event_nobody_has_sent(sender: Sender) -> None:
    group = new_group()
    sender.add_one(group=group, known=False)
    never = f"Never Sent {uuid.uuid4().hex[:6]}"
    assert sender.put_campaign(group, on={"event": never}, goal={"event": never, "within": "7d"})
    audience = sender.save({"trait": {"group": group}})
    for wrong in ({"enter": "no such audience"}, {"every": "soon"}, {"moon": "full"}, {"event": "x", "every": "1d"}):
        error = sender.ask("PUT", "/api/campaigns/wrong", make_campaign(audience, on=wrong), status=400)
        assert error["path"].startswith("/on"), error
