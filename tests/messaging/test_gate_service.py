"""Deliveries through the gate and out, over PostgreSQL, with a channel that keeps what it was given."""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from regulars.kernel.ids import MemberId
from regulars.members.service import changing, joining, reading
from regulars.messaging.caps import RollingCap
from regulars.messaging.model import NewDelivery, State
from regulars.messaging.ports import Outcome, Request, Result
from regulars.messaging.service import channels, controlling, sending
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.dispatching import Dispatcher
from regulars.messaging.service.forgetting import forget_members
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.service.sending import SingleSend
from regulars.messaging.telling import list_steps
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.errors import BrandBusy
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.messaging.carrier import Carrier, Carriers
from tests.messaging.desk import BOOK, HELLO, SAME, Desk, Time, over

pytestmark = pytest.mark.anyio


async def test_a_single_send_goes_out_once_however_often_it_is_asked_for(desk: Desk) -> None:
    (member,) = await desk.arrive(1)
    first = await desk.send(member, "welcome")
    assert (first.state, first.price) == (State.RESERVED, 0)
    assert (await desk.send(member, "welcome")).delivery_id == first.delivery_id
    await desk.run_until(over)
    assert desk.carrier.sent == {"U0": 1}
    (told,) = await desk.list_all()
    assert told.state is State.ACCEPTED and [one["outcome"] for one in told.attempts] == ["accepted"]


async def test_the_third_in_thirty_days_is_refused_and_the_window_rolls(desk: Desk) -> None:
    (member,) = await desk.arrive(1)
    assert (await desk.send(member, "a")).state is State.RESERVED
    desk.time.pass_by(days=10)
    assert (await desk.send(member, "b")).state is State.RESERVED
    refused = await desk.send(member, "c")
    assert (refused.state, refused.reason, refused.detail["held"]) == (State.REFUSED, "cap", 2)
    desk.time.pass_by(days=20, microseconds=-1)
    assert (await desk.send(member, "d")).reason == "cap"
    desk.time.pass_by(microseconds=1)
    assert (await desk.send(member, "e")).state is State.RESERVED


async def test_what_was_told_to_either_counts_after_a_merge(desk: Desk) -> None:
    one, two = await desk.arrive(2)
    assert (await desk.send(one, "a")).state is State.RESERVED
    assert (await desk.send(two, "b")).state is State.RESERVED
    async with desk.database.write() as tx:
        merge = (await changing.merge_by_hand(tx, desk.brand, keep=one, merge=two, now=NOW))["merge"]
    assert (await desk.send(two, "c")).reason == "cap"
    assert (await desk.send(one, "d")).reason == "cap"
    async with desk.database.write() as tx:
        await changing.unmerge_by_hand(tx, desk.brand, merge, now=NOW)
    assert (await desk.send(one, "e")).state is State.RESERVED


async def test_a_rejected_delivery_gives_back_its_cap_and_its_message(desk: Desk) -> None:
    await desk.put_prices()
    (member,) = await desk.arrive(1)
    desk.carrier.say = lambda request, number: Result(Outcome.REJECTED, "invalid") if number <= 2 else None
    for key in "ab":
        await desk.send(member, key)
    await desk.run_until(over)
    assert await desk.states() == {"rejected": 2}
    for key in "cd":
        assert (await desk.send(member, key)).state is State.RESERVED, "caps and quota have room again"
    assert (await desk.send(member, "e")).reason == "cap"


async def test_the_quota_ends_where_the_plan_says_and_an_upgrade_opens_it(desk: Desk) -> None:
    await desk.put_prices()
    members = await desk.arrive(5)
    told = [await desk.send(member, member) for member in members]
    assert [str(one.state) for one in told] == ["reserved"] * 3 + ["refused"] * 2
    assert {one.reason for one in told[3:]} == {"quota"}
    plan = {**BOOK["plans"][0], "extra": [{"up_to": None, "price": "0.20"}]}  # type: ignore[index]
    await desk.put_prices({"current": "mid", "plans": [plan]})
    more = await desk.send(members[3], "again")
    assert more.state is State.RESERVED and str(more.price) == "0.20"


async def test_a_channel_that_says_it_has_none_left_is_believed(desk: Desk) -> None:
    one, two = await desk.arrive(2)
    desk.carrier.say = lambda request, number: Result(Outcome.QUOTA)
    await desk.send(one, "a")
    await desk.run_until(over)
    (told,) = await desk.list_all()
    assert (told.state, told.reason) == (State.REFUSED, "quota")
    assert (await desk.send(two, "b")).reason == "quota"


async def test_the_same_for_all_is_one_request_and_personal_is_one_each(desk: Desk) -> None:
    members = await desk.arrive(7)
    await desk.plan(members)
    await desk.plan(members, 2, HELLO)
    await desk.run_until(over)
    assert await desk.states() == {"accepted": 14}
    assert (
        sorted(len(request.addresses) for request in desk.carrier.requests) == [1] * 7 + [7]
        or len(desk.carrier.requests) == 2
    ), "HELLO is the same for all who have no name"
    assert desk.carrier.sent == {f"U{number}": 2 for number in range(7)}


async def test_who_is_held_out_is_withheld_counts_and_costs_nothing(desk: Desk) -> None:
    await desk.put_settings(holdout=0.5)
    members = await desk.arrive(60)
    await desk.plan(members, holdout=0.5)
    await desk.run_until(over)
    states = await desk.states()
    assert set(states) == {"accepted", "withheld"} and states["accepted"] + states["withheld"] == 60
    withheld = await desk.list_all(state="withheld")
    assert all(one.price is None and one.reason == "holdout" for one in withheld)
    assert sum(desk.carrier.sent.values()) == states["accepted"]
    again = {one.member_id for one in withheld}
    await desk.plan(members, 2, holdout=0.5)
    await desk.run_until(over)
    assert {one.member_id for one in await desk.list_all(plan_id=2, state="withheld")} == again, "arms do not move"
    held = withheld[0]
    assert (await desk.send(reading.member_text(MemberId(held.member_id)), "x")).reason == "cap", "withheld counts"


async def test_a_lost_reply_is_tried_again_with_the_same_bytes_and_tells_nobody_twice(desk: Desk) -> None:
    members = await desk.arrive(40)
    desk.carrier.many_max = 1
    desk.carrier.say = lambda request, number: Result(Outcome.UNKNOWN) if number % 3 == 0 else None
    await desk.plan(members)
    stepped = asyncio.create_task(_step(desk.time))
    await desk.run_until(lambda states: states == {"accepted": 40})
    stepped.cancel()
    assert desk.carrier.sent == {f"U{number}": 1 for number in range(40)}
    assert max(len(one.attempts) for one in await desk.list_all()) > 1


async def _step(time: Time) -> None:
    while True:
        time.pass_by(seconds=1)
        await asyncio.sleep(0.02)


async def test_without_keys_a_lost_reply_stays_unknown(desk: Desk) -> None:
    members = await desk.arrive(20)
    desk.carrier.is_keyed, desk.carrier.many_max = False, 1
    desk.carrier.say = lambda request, number: Result(Outcome.UNKNOWN) if number % 4 == 0 else None
    await desk.plan(members)
    await desk.run_until(over)
    assert await desk.states() == {"accepted": 15, "unknown": 5}
    assert len(desk.carrier.requests) == 20


async def test_what_a_dead_worker_held_is_taken_up(desk: Desk) -> None:
    """The first worker's channel never answers and the worker is cut off; its lease ends, and another goes on."""
    members = await desk.arrive(5)
    desk.carrier.many_max = 1
    await desk.plan(members)
    first = Carrier(many_max=1)
    first.send = _never  # type: ignore[method-assign]
    outbox = Outbox(desk.database, OpenChannels(Carriers(first)), desk.outbox.master_key, "https://regulars.example")
    dead = asyncio.create_task(Dispatcher(desk.database, outbox, desk.time).run(asyncio.Event()))
    async with asyncio.timeout(10):
        while (await desk.states())["sending"] < 5:  # noqa: ASYNC110 - it is a row that changes
            await asyncio.sleep(0.02)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "Dispatcher" in repr(task.get_coro()):
            task.cancel()
    dead.cancel()
    desk.time.pass_by(seconds=29)
    stepped = asyncio.create_task(_step(desk.time))
    await desk.run_until(lambda states: states == {"accepted": 5})
    stepped.cancel()
    assert desk.carrier.sent == {f"U{number}": 1 for number in range(5)}


async def _never(request: Request) -> Result:
    await asyncio.sleep(3600)
    raise AssertionError(request)


async def test_paused_stands_still_resumed_goes_on_cancelled_gives_back(desk: Desk) -> None:
    members = await desk.arrive(10)
    async with desk.database.write() as tx:
        await controlling.pause_plan(tx, desk.brand, 1)
    await desk.plan(members[:5])
    await desk.plan(members[5:], 2)
    await desk.run_until(lambda states: states["accepted"] == 5)
    assert (await desk.states())["planned"] == 5 and not desk.carrier.sent["U0"]
    async with desk.database.write() as tx:
        await controlling.cancel_plan(tx, desk.brand, 1, now=desk.time())
        await controlling.resume_plan(tx, desk.brand, 1)
    assert await desk.states() == {"accepted": 5, "cancelled": 5}


async def test_resumed_after_its_time_a_plan_sends_nothing_and_takes_nothing(desk: Desk) -> None:
    await desk.put_settings(caps=[{"most": 1, "per": "30d"}], holdout=0.3)
    await desk.put_prices()
    members = await desk.arrive(20)
    async with desk.database.write() as tx:
        await controlling.ensure_budget(tx, desk.brand, "b", Decimal(10))
        await controlling.pause_plan(tx, desk.brand, 1)
    await desk.plan(members, until_at=NOW + timedelta(hours=1), holdout=0.3, budget="b")
    desk.time.pass_by(hours=1)
    async with desk.database.write() as tx:
        await controlling.resume_plan(tx, desk.brand, 1)
    await desk.run_until(over)
    told = await desk.list_all()
    assert {(one.state, one.reason, one.price) for one in told} == {(State.REFUSED, "expired", None)}
    assert not desk.carrier.requests and await _list_used(desk) == [(0, 0)]
    assert [step.step for step in list_steps(told[0])] == ["audience", "plan", "window"]
    alone = await desk.send(members[0], "x", purpose="service")
    assert alone.state is State.RESERVED, "a single send knows no end"


async def _list_used(desk: Desk) -> list[tuple[int, int]]:
    """What is counted against caps, and of the channel's month."""
    async with desk.database.read() as tx:
        return await tx.rows(
            "select (select coalesce(sum(cardinality(counted_at)), 0)::int from messaging_people),"
            " (select coalesce(sum(used), 0)::int from messaging_quotas)"
        )


async def test_what_waits_to_be_tried_again_ends_with_its_time(desk: Desk) -> None:
    """Of one plan the channel had no room, of the other it lost the replies: the first never went."""
    members = await desk.arrive(6)
    desk.carrier.many_max = 1
    outcomes = {f"U{number}": Outcome.RETRY if number < 4 else Outcome.UNKNOWN for number in range(6)}
    desk.carrier.say = lambda request, number: Result(outcomes[request.addresses[0]], retry_after_seconds=60)
    await desk.plan(members[:4], until_at=NOW + timedelta(minutes=5))
    await desk.plan(members[4:], 2, until_at=NOW + timedelta(minutes=5))
    await desk.run_until(lambda states: states == {"reserved": 6} and len(desk.carrier.requests) == 6)
    desk.time.pass_by(minutes=5)
    await desk.run_until(over)
    assert len(desk.carrier.requests) == 6, "no attempt begins after it"
    told = await desk.list_all()
    assert [(str(one.state), one.reason) for one in told] == [("refused", "expired")] * 4 + [("unknown", None)] * 2
    assert all(len(one.attempts) == 1 for one in told)
    assert await _list_used(desk) == [(2, 2)], "what never went gives back what it took"
    assert [step.step for step in list_steps(told[0])][-1] == "window"


async def test_the_same_for_all_ends_for_each_campaign_with_its_own_time(desk: Desk) -> None:
    members = await desk.arrive(4)
    desk.carrier.say = lambda request, number: Result(Outcome.RETRY) if desk.time() == NOW else None
    await desk.plan(members[:2], until_at=NOW + timedelta(seconds=20))
    await desk.plan(members[2:], until_at=NOW + timedelta(hours=1))
    await desk.run_until(lambda states: states == {"reserved": 4} and len(desk.carrier.requests) == 2)
    desk.time.pass_by(seconds=20)
    await desk.run_until(over)
    assert [one.reason for one in await desk.list_all()] == ["expired", "expired", None, None]
    assert desk.carrier.sent == {"U2": 1, "U3": 1}


async def test_of_an_erased_member_nothing_is_kept_in_requests(desk: Desk) -> None:
    """One was sent to, one waits to be tried, one was tried and perhaps reached; the fourth stays."""
    sent, waiting, tried, other = await desk.arrive(4)
    told = [await desk.send(sent, "a")]
    await desk.run_until(over)
    desk.carrier.say = lambda request, number: Result(Outcome.UNKNOWN)
    told.append(await desk.send(tried, "b"))
    await desk.run_until(lambda _: len(desk.carrier.requests) == 2)
    assert (await desk.list_all())[-1].attempts, "a dispatcher that ends tells what came of its attempts"
    told += [await desk.send(waiting, "c"), await desk.send(other, "d")]
    async with desk.database.write() as tx:
        gone = [reading.parse_member_id(one) for one in (sent, waiting, tried)]
        await forget_members(tx, desk.brand, gone, now=desk.time())
    async with desk.database.read() as tx:
        kept = await tx.rows("select addresses from messaging_requests where octet_length(body) > 0")
    assert kept == [(["U3"],)]
    states = {one.delivery_id: (str(one.state), one.reason) for one in await desk.list_all()}
    assert [states[one.delivery_id] for one in told] == [
        ("accepted", None), ("unknown", None), ("refused", "erased"), ("reserved", None),
    ]  # fmt: skip


async def test_a_channel_that_came_a_moment_ago_is_sent_on(desk: Desk) -> None:
    """Channels are remembered for a second; one that is new by then is none the less there."""
    (member,) = await desk.arrive(1)
    await desk.send(member, "a")
    await desk.run_until(over)
    async with desk.database.write() as tx:
        await channels.put_channel(tx, desk.brand, "second", {"kind": "line"}, desk.outbox.channels.kinds, now=NOW)
        said: dict[str, Any] = {"granted": True, "proof": {"source": "test"}, "now": NOW}
        await changing.put_consent(tx, desk.brand, member, "second", "marketing", **said)
        body = SingleSend(member, "second", SAME, "b")
        await sending.send_one(tx, desk.brand, desk.outbox, body, now=desk.time())
    await desk.run_until(lambda states: states == {"accepted": 2}, seconds=5)


async def test_a_missing_value_is_refused_and_never_said_as_nothing(desk: Desk) -> None:
    (member,) = await desk.arrive(1)
    told = await desk.send(member, "a", message={"en": {"text": "Hi {{ member.traits.first_name }},"}})
    assert (told.state, told.reason) == (State.REFUSED, "missing_value")
    assert told.detail["value"] == "member.traits.first_name"


async def test_what_members_have_is_read_only_where_it_is_said(desk: Desk) -> None:
    """By name, by a name known only later, or within the whole member; who has nothing of it is refused."""
    await desk.put_settings(caps=None)
    rich, poor = await desk.arrive(2)
    asked: list[Sequence[MemberId]] = []

    async def read(
        tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId], *, now: datetime
    ) -> dict[MemberId, dict[str, Any]]:
        asked.append(member_ids)
        return {reading.parse_member_id(rich): {"balances": {"points": "20"}}}

    desk.outbox.read_loyalty = read
    await desk.send(rich, "a", message={"en": {"text": "{{ member.traits.first_name | default: 'you' }}"}})
    assert asked == []
    for key, text in (
        ("b", "{{ member.loyalty.balances.points }}"),
        ("c", "{% assign what = 'loyalty' %}{{ member[what].balances.points }}"),
        ("d", "{% assign all = member %}{{ all.loyalty.balances.points }}"),
    ):
        told = await desk.send(rich, key, message={"en": {"text": text}})
        assert (told.state, told.reason) == (State.RESERVED, None), key
    assert asked == [[reading.parse_member_id(rich)]] * 3
    told = await desk.send(poor, "e", message={"en": {"text": "{{ member.loyalty.balances.points }}"}})
    assert (told.state, told.reason) == (State.REFUSED, "missing_value")


async def test_an_item_that_is_not_there_refuses_everybody_and_is_not_tried_again(desk: Desk) -> None:
    await desk.plan(await desk.arrive(3), message={"en": {"text": "New: {{ items['tpyo'].name }}"}})
    await desk.run_until(over)
    told = await desk.list_all()
    assert [(one.state, one.reason) for one in told] == [(State.REFUSED, "missing_value")] * 3
    assert {one.detail["value"] for one in told} == {"items.tpyo.name"}


async def test_two_campaigns_with_one_message_are_each_told_their_own_name(desk: Desk) -> None:
    members = await desk.arrive(2)
    async with desk.database.write() as tx:
        message_id = await controlling.ensure_message(
            tx, desk.brand, {"en": {"text": "{{ campaign.name }}"}}, now=desk.time()
        )
        new = [
            NewDelivery(reading.parse_member_id(one), "oa", message_id, name, desk.time(), campaign=name)
            for one, name in zip(members, ("boots", "heels"), strict=True)
        ]
        await controlling.make_planned(tx, desk.brand, 1, new, now=desk.time())
    await desk.run_until(over)
    assert {one.addresses: json.loads(one.body)[0] for one in desk.carrier.requests} == {
        ("U0",): ["boots"],
        ("U1",): ["heels"],
    }


async def test_of_sixteen_at_once_the_cap_lets_pass_one(desk: Desk) -> None:
    """All have come to the member's row, which somebody holds, before the first of them goes on.

    One had been sent before: a first one makes the row, which alone would let one follow the other.
    """
    (member,) = await desk.arrive(1)
    await desk.put_settings(caps=[{"most": 2, "per": "30d"}])
    await desk.send(member, "before")
    async with asyncio.TaskGroup() as tasks, desk.database.write() as tx:
        await tx.execute("select from messaging_people for update")
        sends = [tasks.create_task(desk.send(member, f"{number}")) for number in range(16)]
        await _wait_for_queue(tx, 3)
    told = sorted((one.result().state, one.result().reason) for one in sends)
    assert told == [(State.REFUSED, "cap")] * 15 + [(State.RESERVED, None)]


async def _wait_for_queue(tx: WriteTransaction, count: int) -> None:
    """Until so many transactions stand in line for a row that is held here, behind the one that is next."""
    waiting = 0
    async with asyncio.timeout(30):
        while waiting < count:
            await asyncio.sleep(0.02)
            row = await tx.row(
                "select count(*) from pg_locks where not granted and locktype = 'tuple'"
                " and relation = 'messaging_people'::regclass"
                " and database = (select oid from pg_database where datname = current_database())"
            )
            waiting = 0 if row is None else row[0]


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 6))])
async def test_no_interleaving_breaks_a_cap(desk: Desk, seed: int) -> None:
    """Plans, single sends, merges, unmerges and a moving clock, sixteen at once; then every window is counted."""
    random = Random(seed)
    members = await desk.arrive(12)
    caps = [RollingCap(2, timedelta(days=30)), RollingCap(1, timedelta(days=7), "promo")]
    await desk.put_settings(caps=[{"most": 2, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}])
    merges: list[str] = []

    async def act(number: int) -> None:
        for step in range(5 if seed == 0 else 16):
            what, member = random.random(), random.choice(members)
            topic = random.choice(["promo", None])
            if what < 0.55:
                await desk.send(member, f"{number}-{step}", topic=topic)
            elif what < 0.75:
                await desk.plan(random.sample(members, 6), 100 + number * 100 + step, topic=topic)
                await _pass_all(desk)
            elif what < 0.85:
                desk.time.pass_by(hours=random.choice([1, 30, 170]))
            else:
                with contextlib.suppress(BrandBusy):
                    await _merge_or_take_apart(desk, random, members, merges)

    await asyncio.gather(*(act(number) for number in range(16)))
    rows = await desk.list_all()
    assert sum(one.state is State.RESERVED for one in rows) > 6
    assert sum(one.reason == "cap" for one in rows) > 6
    await _check_counted(desk, caps)


async def _pass_all(desk: Desk) -> None:
    passed = 1
    while passed:
        with contextlib.suppress(BrandBusy):
            passed = await desk.outbox.pass_due(desk.time())


async def _merge_or_take_apart(desk: Desk, random: Random, members: list[str], merges: list[str]) -> None:
    async with desk.database.write() as tx:
        if merges and random.random() < 0.4:
            taken_apart = merges.pop()
            await changing.unmerge_by_hand(tx, desk.brand, taken_apart, now=desk.time())
            return
        keep, merge = random.sample(members, 2)
        await joining.lock_brand(tx, desk.brand)
        if await reading.get_active(tx, desk.brand, keep) != await reading.get_active(tx, desk.brand, merge):
            made = await changing.merge_by_hand(tx, desk.brand, keep=keep, merge=merge, now=desk.time())
            merges.append(made["merge"])


async def _check_counted(desk: Desk, caps: list[RollingCap]) -> None:
    """Each row by itself is within the caps: what a member was sent while they were the one that counted."""
    async with desk.database.read() as tx:
        rows = await tx.rows("select counted_at, counted_topic from messaging_people")
    assert rows
    for ats, topics in rows:
        for cap in caps:
            mine = [at for at, topic in zip(ats, topics, strict=True) if cap.topic in (None, topic)]
            for end in mine:
                assert sum(1 for at in mine if end - cap.per < at.astimezone(UTC) <= end) <= cap.most
