"""The cost ledger: months counted by hand, over PostgreSQL."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.members.service import reading
from regulars.messaging.costs import Spent, count_with_room, forecast_cost, forecast_messages, span_of
from regulars.messaging.model import NewDelivery, State
from regulars.messaging.ports import Outcome, Result
from regulars.messaging.prices import parse_price_book
from regulars.messaging.service import controlling
from regulars.messaging.service.channels import get_channel
from regulars.messaging.service.costing import record_reply, show_costs
from regulars.messaging.service.forgetting import forget_members
from tests.messaging.desk import BOOK, SAME, Desk, over

pytestmark = pytest.mark.anyio

NOVEMBER = date(2026, 11, 1)
STEPS: dict[str, Any] = {
    "current": "high",
    "plans": [
        {
            "code": "high",
            "valid_from": "2020-01-01",
            "valid_to": None,
            "fee": "1400",
            "included": 2,
            "extra": [{"up_to": 3, "price": "0.20"}, {"up_to": None, "price": "0.10"}],
        }
    ],
}


async def ask(desk: Desk, month: date = NOVEMBER) -> dict[str, Any]:
    async with desk.database.read() as tx:
        told = await show_costs(tx, desk.brand, month, now=desk.time())
    assert told["month"] == f"{month:%Y-%m}"
    return told["channels"]["oa"]


async def test_what_was_sent_is_summed_and_what_is_to_come_is_priced(desk: Desk) -> None:
    """Two are included, three cost 0.20, all others 0.10.

    It is the 22nd, 14:00 in Taipei: the month is 518 hours old and lasts 202 more. Four that went one by one let
    4 × 202 / 518 = 1.56, two more, be expected: 0.20 and 0.10. Of a plan three wait, half of which are held out: 3.06.
    """
    await desk.put_settings(caps=None)
    await desk.put_prices(STEPS)
    members = await desk.arrive(8)
    assert [str((await desk.send(one, one)).price) for one in members[:4]] == ["0", "0", "0.20", "0.20"]
    await desk.run_until(over)
    told = await ask(desk)
    assert (told["messages"], told["cost"], told["fee"], told["price_plan"]) == (4, "0.40", "1400", "high")
    assert (told["forecast_messages"], told["forecast"]) == (6, "0.70")
    await desk.plan(members[4:7], holdout=0.5)
    assert (await ask(desk))["forecast"] == "0.80"
    await desk.put_settings(caps=None, holdout=0.5)
    assert (await ask(desk))["forecast"] == "0.70", "a quarter of three: 2.31 in all"


async def test_what_plans_have_sent_says_nothing_of_the_rest_of_the_month(desk: Desk) -> None:
    await desk.put_prices(STEPS)
    await desk.plan(await desk.arrive(6))
    assert (await ask(desk))["forecast"] == "0.70"
    await desk.run_until(over)
    told = await ask(desk)
    assert (told["messages"], told["cost"], told["forecast"], told["forecast_messages"]) == (6, "0.70", "0.70", 6)


async def test_what_waits_for_the_morning_is_in_the_pace_already_and_a_paused_plan_in_nothing(desk: Desk) -> None:
    await desk.put_settings(caps=None, quiet_hours={"from": "21:00", "until": "09:00"})
    members = await desk.arrive(6)
    desk.time.now = datetime(2026, 11, 22, 14, tzinfo=UTC)  # 22:00 in Taipei
    async with desk.database.write() as tx:
        message_id = await controlling.ensure_message(tx, desk.brand, SAME, now=desk.time())
        set_off = NewDelivery(reading.parse_member_id(members[0]), "oa", message_id, "late", desk.time())
        await controlling.make_triggered(tx, desk.brand, [set_off], purpose="marketing", now=desk.time())
    assert await desk.outbox.pass_due(desk.time()) == 1
    assert await desk.states() == {"planned": 1}, "put off until nine"
    assert (await ask(desk))["forecast_messages"] == 0, "nothing has gone, and so no pace expects anything"
    await desk.plan(members[1:])
    assert (await ask(desk))["forecast_messages"] == 5
    async with desk.database.write() as tx:
        await controlling.pause_plan(tx, desk.brand, 1)
    assert (await ask(desk))["forecast_messages"] == 0
    async with desk.database.write() as tx:
        await controlling.resume_plan(tx, desk.brand, 1)
    assert (await ask(desk))["forecast_messages"] == 5


async def test_what_finds_no_room_is_told_and_not_forecast(desk: Desk) -> None:
    """Three are to be had in the month. What is told before is what the gate then does."""
    await desk.put_settings(caps=None)
    await desk.put_prices()
    members = await desk.arrive(5)
    await desk.plan(members)
    told = await ask(desk)
    assert (told["messages"], told["forecast_messages"], told["forecast_refused"]) == (0, 3, 2)
    await desk.run_until(over)
    assert await desk.states() == {"accepted": 3, "refused": 2}
    told = await ask(desk)
    assert (told["messages"], told["forecast_messages"], told["forecast_refused"]) == (3, 3, 0)


async def test_what_was_never_sent_is_taken_off_again(desk: Desk) -> None:
    """Rejected, or of a member who was erased; the ledger stays what the deliveries add up to."""
    await desk.put_settings(caps=None)
    await desk.put_prices(STEPS)
    members = await desk.arrive(5)
    desk.carrier.say = lambda request, number: Result(Outcome.REJECTED, "invalid") if number == 4 else None
    for one in members[:4]:
        await desk.send(one, one)
        await desk.run_until(over)
    assert [str(one.state) for one in await desk.list_all()] == ["accepted"] * 3 + ["rejected"]
    assert ((await ask(desk))["messages"], (await ask(desk))["cost"]) == (3, "0.20")
    await desk.send(members[4], "erased")
    assert (await ask(desk))["cost"] == "0.40"
    async with desk.database.write() as tx:
        await forget_members(tx, desk.brand, [reading.parse_member_id(members[4])], now=desk.time())
    went = [one for one in await desk.list_all() if one.state is State.ACCEPTED]
    assert (await ask(desk))["messages"] == len(went) == 3
    assert Decimal((await ask(desk))["cost"]) == sum(one.price or 0 for one in went) == Decimal("0.20")


async def test_a_month_is_the_brands(desk: Desk) -> None:
    """The first message goes on the 30th of November in Taipei, the second a minute later, in December."""
    await desk.put_settings(caps=None)
    (member,) = await desk.arrive(1)
    desk.time.now = datetime(2026, 11, 30, 15, 59, 30, tzinfo=UTC)
    await desk.send(member, "november")
    assert ((await ask(desk))["messages"], (await ask(desk))["forecast_messages"]) == (1, 1), "half a minute is left"
    desk.time.pass_by(minutes=1)
    await desk.send(member, "december")
    november, december, before = [await ask(desk, date(2026, month, 1)) for month in (11, 12, 10)]
    assert [one["messages"] for one in (november, december, before)] == [1, 1, 0]
    assert [one["forecast_messages"] for one in (november, december, before)] == [1, 31, 0], (
        "a day of 31 is over at least"
    )
    assert {one["cost"] for one in (november, december, before)} == {"0"}


async def test_a_reply_saves_what_the_next_message_would_cost(desk: Desk) -> None:
    """One while messages are included, two after four went: 0, 0.20, 0.20; when none is left to be had, nothing."""
    await desk.put_settings(caps=None)
    (member,) = await desk.arrive(1)
    saved: list[str] = []

    async def reply() -> None:
        async with desk.database.write() as tx:
            row = await get_channel(tx, desk.brand, "oa")
            saved.append(str(await record_reply(tx, desk.brand, row, now=desk.time())))

    await reply()
    await desk.put_prices(STEPS)
    await reply()
    for key in "abcd":
        await desk.send(member, key)
    await reply()
    await reply()
    await desk.put_prices()  # three, and none beyond
    await reply()
    assert saved == ["0", "0", "0.20", "0.20", "0"]
    told = await ask(desk)
    assert (told["free_replies"], told["saved_by_replies"]) == (5, "0.40")
    assert (told["messages"], told["cost"]) == (4, "0.40"), "a reply is no message and moves no price"


async def test_messages_that_others_sent_from_the_account_move_the_price_and_are_not_ours(desk: Desk) -> None:
    await desk.put_prices(STEPS)
    (member,) = await desk.arrive(1)
    async with desk.database.write() as tx:
        await tx.execute(
            "insert into messaging_quotas (brand_id, channel, month, used) values (%(brand)s, 'oa', %(month)s, 5)",
            {"brand": desk.brand.brand_id, "month": NOVEMBER},
        )
    assert [str((await desk.send(member, key)).price) for key in "ab"] == ["0.10", "0.10"]
    told = await ask(desk)
    assert (told["messages"], told["cost"], told["counted_elsewhere"]) == (2, "0.20", 5)
    assert told["forecast"] == "0.30", "one more of our own, at the price that the account has come to"


@pytest.mark.parametrize(
    ("now", "pace"),
    [
        (datetime(2026, 11, 15, 16, tzinfo=UTC), Fraction(1)),
        (datetime(2026, 10, 31, 16, tzinfo=UTC), Fraction(29)),
        (datetime(2026, 10, 31, 15, 59, tzinfo=UTC), Fraction(0)),
        (datetime(2026, 11, 30, 16, tzinfo=UTC), Fraction(0)),
    ],
)
def test_the_pace_is_that_of_the_month_so_far(now: datetime, pace: Fraction) -> None:
    """In the middle, in its first instant (as after a day), before it and after it."""
    assert span_of(NOVEMBER, ZoneInfo("Asia/Taipei")).remaining_per_elapsed(now) == pace


def test_a_month_in_which_clocks_are_set_is_an_hour_longer_or_shorter() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    lengths = [one.until_at - one.from_at for one in (span_of(date(2026, month, 1), berlin) for month in (3, 5, 10))]
    assert lengths == [timedelta(days=31) + timedelta(hours=hours) for hours in (-1, 0, 1)]


@pytest.mark.parametrize(
    ("spent", "room"),
    [(Spent(), 3), (Spent(2, 2), 1), (Spent(7, 2), 0), (Spent(0, 0, is_exhausted=True), 0)],
)
def test_the_room_of_a_month_is_what_the_account_has_left(spent: Spent, room: int) -> None:
    plan = parse_price_book(BOOK).plans[0]
    assert [count_with_room(spent, further, plan) for further in (0, room, 5_000)] == [0, room, room]
    unbounded = parse_price_book(STEPS).plans[0]
    assert count_with_room(spent, 5_000, unbounded) == (0 if spent.is_exhausted else 5_000)


def test_without_a_price_plan_nothing_costs_anything() -> None:
    assert forecast_cost(Spent(10, 10), forecast_messages(Spent(10, 10), Fraction(2), 5), None) == 0
