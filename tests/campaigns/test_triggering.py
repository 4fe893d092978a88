"""What sets campaigns off: events, entries, the calendar; once each, through the same gate."""

from datetime import timedelta
from typing import Any

import pytest

from regulars.campaigns.service.triggering import ENTER_SECONDS_MIN, Triggers, find_inside
from regulars.kernel.ids import MemberId
from regulars.members.service import changing
from regulars.members.service.reading import member_text
from tests.campaigns.conftest import Planner

pytestmark = pytest.mark.anyio


@pytest.fixture
def triggers(planner: Planner, master_key: bytes) -> Triggers:
    return Triggers(planner.database, planner.engine, master_key, planner.time)


async def make_all(planner: Planner) -> None:
    await planner.save("all", {"trait": {"here": True}})


async def happen(planner: Planner, user: str, name: str, message_id: str, **more: Any) -> None:
    await planner.door({"userId": user, "event": name, "messageId": message_id, **more}, now=planner.time())


async def told(planner: Planner, **asked: Any) -> list[tuple[str, str, str | None]]:
    rows = await planner.list_deliveries(**asked)
    return [(member_text(MemberId(row.member_id)), str(row.state), row.reason) for row in rows]


async def test_an_event_sets_off_a_message_once(planner: Planner, triggers: Triggers) -> None:
    one, blue, unwilling = await planner.arrive(3)
    await make_all(planner)
    await happen(planner, "u0", "Cart Left", "before", properties={"colour": "red"})
    await planner.put("cart", on={"event": "Cart Left", "where": {"colour": "red"}})
    async with planner.database.write() as tx:
        said: dict[str, Any] = {"granted": False, "proof": {"source": "test"}, "now": planner.time()}
        await changing.put_consent(tx, planner.brand, unwilling, "oa", "marketing", **said)
    for message_id in ("e1", "e1"):
        await happen(planner, "u0", "Cart Left", message_id, properties={"colour": "red"})
    await happen(planner, "u1", "Cart Left", "e2", properties={"colour": "blue"})
    await happen(planner, "u2", "Cart Left", "e3", properties={"colour": "red"})
    await happen(planner, "stranger", "Cart Left", "e4", properties={"colour": "red"})
    old = (planner.time() - timedelta(days=2)).isoformat()
    await happen(planner, "u1", "Cart Left", "e5", properties={"colour": "red"}, timestamp=old)
    for _ in range(3):
        await triggers.look()
    await planner.deliver()
    assert await told(planner, campaign="cart") == [(one, "accepted", None), (unwilling, "refused", "no_consent")]
    await happen(planner, "u0", "Cart Left", "e6", properties={"colour": "red"})
    await triggers.look()
    await planner.deliver()
    assert len(await told(planner, campaign="cart", state="accepted")) == 2
    assert blue not in {row[0] for row in await told(planner)}


async def test_entering_an_audience_sets_off_a_message(planner: Planner, triggers: Triggers) -> None:
    inside, one = await planner.arrive(2)
    await planner.door({"type": "identify", "userId": "u0", "messageId": "a", "traits": {"mood": "good"}})
    await make_all(planner)
    await planner.save("happy", {"trait": {"mood": "good"}})
    async with planner.database.read() as tx:
        known = await find_inside(tx, planner.brand, planner.engine, "happy")
    await planner.put("welcome", inside=known, on={"enter": "happy"})
    await triggers.look()
    assert await told(planner) == []
    await planner.door({"type": "identify", "userId": "u1", "messageId": "b", "traits": {"mood": "good"}})
    triggers._not_before.clear()
    for _ in range(2):
        await triggers.look()
    assert ENTER_SECONDS_MIN > 0
    await planner.door({"type": "identify", "userId": "u0", "messageId": "c", "traits": {"mood": "bad"}})
    triggers._not_before.clear()
    await triggers.look()
    await planner.deliver()
    assert await told(planner) == [(one, "accepted", None)]
    await planner.door({"type": "identify", "userId": "u0", "messageId": "d", "traits": {"mood": "good"}})
    triggers._not_before.clear()
    await triggers.look()
    await planner.deliver()
    assert await told(planner) == [(one, "accepted", None), (inside, "accepted", None)], "back again is an entry"


async def test_a_recurring_campaign_goes_out_once_a_period(planner: Planner, triggers: Triggers) -> None:
    people = await planner.arrive(2)
    await planner.arrive(1, on=("tg",))
    await make_all(planner)
    today = f"{planner.time().astimezone(planner.brand.time_zone).date()}"
    recurring: dict[str, Any] = {"on": {"every": "1d"}, "window": {"from": today, "until": "2026-11-23"}}
    await planner.put("daily", **recurring)
    for _ in range(3):
        await triggers.look()
    await planner.deliver()
    assert [row[0] for row in await told(planner)] == people, "who is not reached is no refusal"
    await planner.put("daily", **recurring, topic="promo")
    await triggers.look()
    assert len(await told(planner)) == 2, "a new version begins no period anew"
    for days, count in ((1, 4), (1, 4)):
        planner.time.pass_by(days=days)
        await triggers.look()
        assert len(await told(planner)) == count, "and nothing once the window is over"


async def test_what_is_set_off_passes_caps_quiet_hours_and_variants(planner: Planner, triggers: Triggers) -> None:
    """It is 14:00 in Taipei."""
    await planner.put_settings(caps=[{"most": 1, "per": "30d"}], quiet_hours={"from": "13:00", "until": "15:00"})
    await planner.arrive(20)
    await make_all(planner)
    variants = [{"name": name, "share": 0.5, "message": {"zh-TW": {"text": f"變體{name}"}}} for name in "ab"]
    await planner.put("birthday", on={"event": "Birthday"}, variants=variants)
    for number in range(20):
        await happen(planner, f"u{number}", "Birthday", f"e{number}")
        await happen(planner, f"u{number}", "Birthday", f"again{number}")
    await triggers.look()
    await planner.outbox.pass_due(planner.time())
    assert await planner.states() == {"planned": 40}
    planner.time.pass_by(hours=1)
    await planner.deliver()
    assert await planner.states() == {"accepted": 20, "refused": 20}
    rows = await planner.list_deliveries(state="accepted")
    assert {row.variant for row in rows} == {"a", "b"}
    said = {
        address: request.body.decode("unicode_escape")
        for request in planner.carrier.requests
        for address in request.addresses
    }
    assert len(said) == 20
