"""A campaign's lift over a real database and history: counted by hand, compared by scipy and tea-tasting."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scipy import stats

from regulars.campaigns.errors import CampaignUnknown
from regulars.campaigns.service import saving, sending
from regulars.campaigns.service.explaining import explain_delivery
from regulars.campaigns.service.triggering import Triggers
from regulars.history.model import HistoryPlace
from regulars.history.service.moving import move_events
from regulars.kernel.ids import MemberId
from regulars.measure.errors import GoalMissing
from regulars.measure.service.keeping import keep_lifts
from regulars.measure.service.measuring import measure_campaign
from regulars.members.service import merging
from regulars.messaging.ports import Outcome
from regulars.messaging.ports import Result as CarrierResult
from tests.campaigns.conftest import Planner

pytestmark = pytest.mark.anyio

GOAL = {"event": "Order Completed", "where": {"category": "heels"}, "within": "7d"}


async def measure(planner: Planner, name: str = "heels") -> dict[str, Any]:
    async with planner.database.read() as tx:
        return await measure_campaign(tx, planner.brand, planner.engine.history, name, now=planner.time())


async def run(planner: Planner, *names: str, **asked: Any) -> dict[str, list[str]]:
    """A plan sent to its end; its members by state."""
    plan = await planner.plan(*names, **asked)
    await planner.send(plan)
    await planner.deliver()
    found: dict[str, list[str]] = {"accepted": [], "withheld": []}
    number = int(plan["id"][1:])
    for row in await planner.list_deliveries(plan_id=number):
        found.setdefault(str(row.state), []).append(f"m{row.member_id}")
    return found


async def buy(planner: Planner, members: Sequence[str], revenue: float | None, *, mark: str, **more: Any) -> None:
    """An order of heels of each, just now."""
    told = {"category": "heels", **({} if revenue is None else {"revenue": revenue}), **more.pop("properties", {})}
    users = {member: f"u{at}" for at, member in enumerate(planner.people)}
    for start in range(0, len(members), 200):
        await planner.door(
            *(
                {
                    "event": "Order Completed",
                    "userId": users[member],
                    "messageId": f"{mark}-{member}",
                    "timestamp": planner.time().isoformat(),
                    "properties": told,
                    **more,
                }
                for member in members[start : start + 200]
            ),
            now=planner.time(),
        )


async def test_conversions_and_revenue_are_those_within_the_window(planner: Planner) -> None:
    await planner.arrive(40)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    await buy(planner, planner.people, 999, mark="before")
    planner.time.pass_by(minutes=1)
    arms = await run(planner, "heels")
    treated, withheld = arms["accepted"], arms["withheld"]
    planner.time.pass_by(days=1)
    await buy(planner, treated[:9], 100.5, mark="one")
    await buy(planner, treated[:2], None, mark="two")
    await buy(planner, withheld[:3], 40, mark="three")
    await buy(planner, withheld, 7, mark="flats", properties={"category": "flats"})
    planner.time.pass_by(days=6, seconds=1)
    await buy(planner, treated, 999, mark="late")
    told = await measure(planner)
    assert told["treated"] == {"members": len(treated), "converted": 9, "revenue": "904.50"}
    assert told["withheld"] == {"members": len(withheld), "converted": 3, "revenue": "120.00"}
    assert told["final"] is True and told["control"] == "campaign"
    assert told["lift"]["absolute"] == pytest.approx(9 / len(treated) - 3 / len(withheld))
    spent = [100.5] * 9 + [0.0] * (len(treated) - 9), [40.0] * 3 + [0.0] * (len(withheld) - 3)
    oracle: Any = stats.ttest_ind(*spent, equal_var=False)
    low, high = oracle.confidence_interval(0.95)
    assert told["revenue_lift"]["interval"] == pytest.approx([low, high])
    assert told["revenue_lift"]["p"] == pytest.approx(oracle.pvalue)
    assert told["attributed"] == {
        "rule": "last_accepted_message",
        "within": "7d",
        "conversions": 11,
        "members": 9,
        "revenue": "904.50",
    }
    await planner.put_settings(attribution=None)
    assert (await measure(planner))["attributed"] is None


async def test_the_history_counts_like_the_tail(planner: Planner, place: HistoryPlace, dsn: str) -> None:
    await planner.arrive(30)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    arms = await run(planner, "heels")
    planner.time.pass_by(hours=1)
    await buy(planner, [*arms["accepted"][:4], *arms["withheld"][:2]], 10, mark="one")
    before = await measure(planner)
    await move_events(dsn, place, planner.time, flush=True, wait_seconds_max=10)
    await buy(planner, arms["accepted"][4:5], 10, mark="two")
    after = await measure(planner)
    assert (before["treated"]["converted"], before["withheld"]["converted"]) == (4, 2)
    assert (after["treated"]["converted"], after["withheld"]["converted"]) == (5, 2)
    assert after["withheld"] == before["withheld"]


async def test_a_merged_member_is_one_and_of_both_arms_none(planner: Planner) -> None:
    await planner.arrive(40)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    arms = await run(planner, "heels")
    treated, withheld = arms["accepted"], arms["withheld"]
    planner.time.pass_by(hours=1)
    await buy(planner, [treated[1], treated[3], withheld[0]], 10, mark="one")
    named = ((treated[0], withheld[0]), (treated[1], treated[2]), (withheld[1], withheld[2]))
    pairs = [(MemberId(int(keep[1:])), MemberId(int(merged[1:]))) for keep, merged in named]
    async with planner.database.write() as tx:
        await merging.merge_members(tx, planner.brand, pairs, cause="manual", now=planner.time())
    told = await measure(planner)
    assert told["mixed_members"] == 1
    assert told["treated"] == {"members": len(treated) - 2, "converted": 2, "revenue": "20.00"}
    assert told["withheld"] == {"members": len(withheld) - 2, "converted": 0, "revenue": "0.00"}


async def test_only_the_brands_own_arm_is_the_control_of_a_campaign_without_one(planner: Planner) -> None:
    await planner.arrive(60)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put_settings(holdout=0.3)
    await planner.put("heels", goal=GOAL, holdout=0.4)
    await planner.put("plain", goal=GOAL)
    await run(planner, "heels")
    await run(planner, "plain")
    assert (await planner.states()).keys() == {"accepted", "withheld"}
    async with planner.database.read() as tx:
        found = await tx.rows("select campaign, arm, count(*) from messaging_deliveries group by 1, 2")
    counts = {(campaign, arm): count for campaign, arm, count in found}
    own, plain = await measure(planner), await measure(planner, "plain")
    assert own["control"] == "campaign" and plain["control"] == "global"
    assert own["treated"]["members"] == counts["heels", None]
    assert own["withheld"]["members"] == counts["heels", "campaign"] > 0
    assert plain["treated"]["members"] == counts["plain", None]
    assert plain["withheld"]["members"] == counts["plain", "global"] == counts["heels", "global"] > 0


async def test_a_plan_without_a_holdout_of_its_own_is_told_by_itself(planner: Planner) -> None:
    """The campaign had none at first: those treated then are held against the brand's, and are in no sum with the others."""
    await planner.arrive(60)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put_settings(holdout=0.3)
    await planner.put("heels", goal=GOAL)
    first = await run(planner, "heels")
    assert ((await measure(planner))["control"], (await measure(planner))["draws_left_out"]) == ("global", 0)
    planner.time.pass_by(days=1)
    await planner.put("heels", goal=GOAL, holdout=0.4)
    second = await run(planner, "heels")
    planner.time.pass_by(hours=1)
    await buy(planner, second["accepted"][:5], 10, mark="one")
    told = await measure(planner)
    assert (told["control"], told["draws_left_out"]) == ("campaign", 1)
    treated = second["accepted"]
    assert told["treated"] == {"members": len(treated), "converted": 5, "revenue": "50.00"}
    assert told["withheld"]["members"] == len(second["withheld"]) - len(first["withheld"]) > 0
    rows = [(row["control"], row["holdout"], row["withheld"]["members"]) for row in told["plans"]]
    assert rows == [
        ("global", None, len(first["withheld"])),
        ("campaign", 0.4, told["withheld"]["members"]),
    ]
    assert told["plans"][0]["lift"] is not None and told["plans"][0]["holdout_ratio"] is None


async def test_members_lost_on_the_way_to_one_arm_make_the_verdict_doubtful(planner: Planner) -> None:
    await planner.arrive(80)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    arms = await run(planner, "heels")
    treated, withheld = len(arms["accepted"]), len(arms["withheld"])
    told = await measure(planner)
    oracle: Any = stats.binomtest(withheld, 80, 0.5)
    expected = {"treated": 40.0, "withheld": 40.0}
    assert told["holdout_ratio"] == {"p": pytest.approx(oracle.pvalue), "ok": True, "expected": expected}
    assert told["verdict_doubt"] is None and told["plans"][0]["holdout_ratio"] == told["holdout_ratio"]
    lost = withheld - 6
    async with planner.database.write() as tx:
        await tx.execute(
            "delete from messaging_deliveries where delivery_id in"
            " (select delivery_id from messaging_deliveries where state = 'withheld' limit %(lost)s)",
            {"lost": lost},
        )
    told = await measure(planner)
    oracle = stats.binomtest(6, treated + 6, 0.5)
    assert told["holdout_ratio"]["p"] == pytest.approx(oracle.pvalue) and oracle.pvalue < 0.001
    assert (told["holdout_ratio"]["ok"], told["verdict_doubt"]) == (False, "holdout_mismatch")
    planner.time.pass_by(days=8)
    assert await keep_lifts(planner.database, planner.engine.history, planner.brand, now=planner.time()) == 0


async def test_nothing_was_changed_where_buyers_and_others_are_withheld_at_different_shares(planner: Planner) -> None:
    """An A/A test. Buyers are hardly withheld, the others mostly: held against all who are held out, the treated seem to
    buy more; in each plan nobody does."""
    buyers = await planner.arrive(200, traits=lambda _: {"buys": True})
    others = await planner.arrive(200, traits=lambda _: {"buys": False})
    await planner.save("buyers", {"trait": {"buys": True}})
    await planner.save("others", {"trait": {"buys": False}})
    await planner.put("heels", goal=GOAL, holdout=0.2, audience="buyers")
    first = await run(planner, "heels")
    await planner.put("heels", goal=GOAL, holdout=0.8, audience="others")
    second = await run(planner, "heels")
    planner.time.pass_by(hours=1)
    for arms, share in ((first, 0.75), (second, 0.1)):
        for state in ("accepted", "withheld"):
            await buy(planner, arms[state][: round(len(arms[state]) * share)], 10, mark=f"{share}{state}")
    told = await measure(planner)
    assert told["treated"]["members"] + told["withheld"]["members"] == len(buyers) + len(others)
    assert abs(told["lift"]["absolute"]) < 0.02
    assert told["lift"]["interval"][0] < 0 < told["lift"]["interval"][1]
    assert told["revenue_lift"]["interval"][0] < 0 < told["revenue_lift"]["interval"][1]
    assert told["verdict"] in {"not_enough_yet", "no_difference_seen"}
    assert [row["plan"] for row in told["plans"]] == ["p1", "p2"]


async def test_who_is_sent_to_again_counts_once_from_the_first_message_on(planner: Planner) -> None:
    """Each plan is told of with all its members; the lift has each of them once."""
    await planner.arrive(30)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal={**GOAL, "within": "2d"}, holdout=0.5)
    first = await run(planner, "heels")
    planner.time.pass_by(days=1)
    await buy(planner, [*first["accepted"][:5], *first["withheld"][:1]], 10, mark="one")
    await run(planner, "heels")
    planner.time.pass_by(hours=36)
    await buy(planner, first["accepted"][5:9], 10, mark="two")
    told = await measure(planner)
    treated, withheld = len(first["accepted"]), len(first["withheld"])
    assert (told["treated"]["members"], told["treated"]["converted"]) == (treated, 5)
    assert (told["withheld"]["members"], told["withheld"]["converted"]) == (withheld, 1)
    plans = [(row["treated"]["converted"], row["withheld"]["converted"]) for row in told["plans"]]
    assert plans == [(5, 1), (4, 0)]
    assert all(row["treated"]["members"] == treated for row in told["plans"])


async def test_a_holdout_that_is_raised_takes_nobody_out_of_the_treated(planner: Planner) -> None:
    """Were those left out whom a second plan withholds, only who did not buy at the first would be missing."""
    await planner.arrive(40)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.2)
    first = await run(planner, "heels")
    planner.time.pass_by(hours=1)
    await planner.put("heels", goal=GOAL, holdout=0.8)
    second = await run(planner, "heels")
    assert len(second["withheld"]) > len(first["withheld"])
    told = await measure(planner)
    assert told["mixed_members"] == 0
    arms = [told[side]["members"] for side in ("treated", "withheld")]
    assert arms == [len(first["accepted"]), len(first["withheld"])]
    assert [row["withheld"]["members"] for row in told["plans"]] == [len(first["withheld"]), len(second["withheld"])]


async def test_an_order_is_attributed_to_the_last_message_before_it(planner: Planner) -> None:
    """Of whichever campaign; what is attributed says nothing about what was caused."""
    await planner.arrive(6)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put_settings(attribution="2d")
    for name in ("heels", "boots"):
        await planner.put(name, goal=GOAL)
    await run(planner, "heels")
    planner.time.pass_by(hours=1)
    await buy(planner, planner.people[:2], 10, mark="after heels")
    await run(planner, "boots")
    planner.time.pass_by(days=1)
    await buy(planner, planner.people[1:4], 7, mark="after boots")
    planner.time.pass_by(days=2)
    await buy(planner, planner.people[4:], 1, mark="too late")
    heels, boots = await measure(planner), await measure(planner, "boots")
    assert [one["attributed"]["conversions"] for one in (heels, boots)] == [2, 3]
    assert [one["attributed"]["revenue"] for one in (heels, boots)] == ["20.00", "21.00"]
    assert [one["treated"]["converted"] for one in (heels, boots)] == [6, 5]
    assert heels["lift"] is None and heels["verdict"] == "not_enough_yet"


async def test_nobody_was_exposed_and_nothing_can_be_counted(planner: Planner) -> None:
    await planner.arrive(2)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    await planner.put("plain")
    told = await measure(planner)
    assert (told["treated"]["members"], told["lift"], told["needs_members"], told["final"]) == (0, None, None, False)
    with pytest.raises(GoalMissing):
        await measure(planner, "plain")
    with pytest.raises(CampaignUnknown):
        await measure(planner, "unknown")
    async with planner.database.write() as tx:
        await saving.remove_campaign(tx, planner.brand, "heels", now=planner.time())
    assert (await measure(planner))["campaign"] == "heels"


async def test_treated_are_all_whom_the_gate_let_pass(planner: Planner) -> None:
    """Intent to treat: a channel that refuses everybody takes nobody out of the arm."""
    await planner.arrive(30)
    await planner.save("all", {"trait": {"here": True}})
    planner.carrier.say = lambda request, number: CarrierResult(Outcome.REJECTED, "invalid")
    await planner.put("heels", goal=GOAL, holdout=0.5)
    arms = await run(planner, "heels")
    assert arms["accepted"] == [] and len(arms["rejected"]) + len(arms["withheld"]) == 30
    planner.time.pass_by(hours=1)
    await buy(planner, arms["rejected"][:3], 10, mark="one")
    told = await measure(planner)
    assert told["treated"] == {"members": len(arms["rejected"]), "converted": 3, "revenue": "30.00"}
    assert told["attributed"]["conversions"] == 0


async def test_who_room_ran_out_for_was_to_be_treated(planner: Planner) -> None:
    """The month's quota ends in the middle of the plan: whom it withheld stand for all whom it meant to treat."""
    await planner.arrive(40)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    plan = await planner.plan("heels")
    await planner.limit("oa", 6)
    await planner.send(plan)
    await planner.deliver()
    rows = await planner.list_deliveries()
    arms = {
        state: [f"m{row.member_id}" for row in rows if str(row.state) == state] for state in ("accepted", "refused")
    }
    assert len(arms["accepted"]) == 6 and {row.reason for row in rows if str(row.state) == "refused"} == {"quota"}
    planner.time.pass_by(hours=1)
    await buy(planner, [*arms["accepted"][:3], *arms["refused"][:2]], 10, mark="one")
    told = await measure(planner)
    assert told["treated"] == {"members": 6 + len(arms["refused"]), "converted": 5, "revenue": "50.00"}
    assert told["treated"]["members"] + told["withheld"]["members"] == 40


async def test_what_is_called_off_after_the_gate_was_to_be_sent(planner: Planner) -> None:
    """Requests of it stood ready; none was ever tried."""
    await planner.arrive(30)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    plan = await planner.plan("heels")
    await planner.send(plan)
    while await planner.outbox.pass_due(planner.time()):
        pass
    waiting = await planner.states()
    async with planner.database.write() as tx:
        await sending.cancel_plan(tx, planner.brand, plan["id"], now=planner.time())
    assert (await planner.states())["cancelled"] == waiting["reserved"] > 0
    told = await measure(planner)
    assert told["treated"]["members"] == waiting["reserved"]
    assert told["withheld"]["members"] == waiting["withheld"]


async def test_what_expires_at_the_gate_is_in_neither_arm_and_after_it_in_its_own(planner: Planner) -> None:
    """Half the plan passed the lot before it was held; the window ends before it goes on."""
    await planner.arrive(600)
    await planner.save("all", {"trait": {"here": True}})
    await planner.put("heels", goal=GOAL, holdout=0.5)
    plan = await planner.plan("heels", until=planner.time().date())
    await planner.send(plan)
    assert await planner.outbox.pass_due(planner.time()) == 500
    drawn = await planner.states()
    async with planner.database.write() as tx:
        await sending.pause_plan(tx, planner.brand, plan["id"])
    planner.time.pass_by(days=1)
    async with planner.database.read() as tx:
        waiting = next(one for one in await planner.list_deliveries() if str(one.state) == "planned")
        told = await explain_delivery(
            tx, planner.brand, planner.engine, f"m{waiting.member_id}", "heels", now=planner.time()
        )
    assert (told["verdict"], told["steps"][-1]["step"], told["steps"][-1]["passed"]) == ("planned", "window", False)
    async with planner.database.write() as tx:
        await sending.resume_plan(tx, planner.brand, plan["id"])
    await planner.deliver()
    rows = await planner.list_deliveries()
    assert not planner.carrier.sent and {row.reason for row in rows if str(row.state) == "refused"} == {"expired"}
    assert await planner.states() == {"refused": 100 + drawn["reserved"], "withheld": drawn["withheld"]}
    measured = await measure(planner)
    assert measured["treated"]["members"] == drawn["reserved"] > 0
    assert measured["withheld"]["members"] == drawn["withheld"] > 0
    async with planner.database.read() as tx:
        told = await explain_delivery(
            tx, planner.brand, planner.engine, f"m{waiting.member_id}", "heels", now=planner.time()
        )
    assert told["verdict"] == "refused" and [step["step"] for step in told["steps"]] == ["window"]


async def test_what_an_event_sets_off_is_told_by_month(planner: Planner, master_key: bytes) -> None:
    await planner.arrive(20)
    await planner.save("all", {"trait": {"here": True}})
    triggers = Triggers(planner.database, planner.engine, master_key, planner.time)
    await planner.put("heels", goal=GOAL, holdout=0.5, on={"event": "Cart Left"})
    for day in (0, 10):
        planner.time.pass_by(days=day)
        left = [{"userId": f"u{at}", "event": "Cart Left", "messageId": f"{day}-{at}"} for at in range(10 + day)]
        await planner.door(*({**one, "timestamp": planner.time().isoformat()} for one in left), now=planner.time())
        await triggers.look()
        await planner.deliver()
    planner.time.pass_by(hours=1)
    await buy(planner, planner.people, 10, mark="all")
    told = await measure(planner)
    assert [(row["plan"], row["month"]) for row in told["plans"]] == [(None, "2026-11"), (None, "2026-12")]
    november, december = (row["treated"]["members"] + row["withheld"]["members"] for row in told["plans"])
    assert (november, december) == (10, 20)
    assert told["treated"]["members"] + told["withheld"]["members"] == 20
    assert told["treated"]["converted"] + told["withheld"]["converted"] == 10, "the first ten are over since December"
    assert [row["treated"]["converted"] + row["withheld"]["converted"] for row in told["plans"]] == [0, 20]


async def test_shares_that_were_changed_raise_no_alarm_where_nothing_says_which_were_drawn(
    planner: Planner, master_key: bytes
) -> None:
    await planner.arrive(60)
    await planner.save("all", {"trait": {"here": True}})
    triggers = Triggers(planner.database, planner.engine, master_key, planner.time)

    async def put(text: str, *shares: float) -> None:
        variants = [
            {"name": name, "share": share, "message": {"zh-TW": {"text": text}}}
            for name, share in zip("ab", shares, strict=True)
        ]
        await planner.put("heels", goal=GOAL, message=None, variants=variants, on={"event": "Cart Left"})

    await put("新品", 0.9, 0.1)
    left = [{"userId": f"u{at}", "event": "Cart Left", "messageId": f"left-{at}"} for at in range(60)]
    await planner.door(*({**one, "timestamp": planner.time().isoformat()} for one in left), now=planner.time())
    await triggers.look()
    await planner.deliver()
    told = await measure(planner)
    assert told["sample_ratio"]["ok"] is True and sum(told["sample_ratio"]["expected"].values()) == 60
    await put("新品到了", 0.9, 0.1)
    assert (await measure(planner))["sample_ratio"] == told["sample_ratio"], "its shares are what they were"
    await put("新品到了", 0.1, 0.9)
    changed = await measure(planner)
    assert changed["sample_ratio"] is None and [row["members"] for row in changed["variants"]] == [
        row["members"] for row in told["variants"]
    ]


async def test_a_month_begins_at_the_brands_midnight(planner: Planner, master_key: bytes) -> None:
    """Taipei is eight hours ahead: at 15:59 UTC of the 30th it is November there, two minutes later December."""
    await planner.arrive(8)
    await planner.save("all", {"trait": {"here": True}})
    triggers = Triggers(planner.database, planner.engine, master_key, planner.time)
    planner.time.now = datetime(2026, 11, 30, 15, 30, tzinfo=UTC)
    await planner.put("heels", goal=GOAL, holdout=0.5, on={"event": "Cart Left"})
    for minute, members in ((59, range(3)), (61, range(3, 8))):
        planner.time.now = datetime(2026, 11, 30, 15, tzinfo=UTC) + timedelta(minutes=minute)
        left = [{"userId": f"u{at}", "event": "Cart Left", "messageId": f"left-{at}"} for at in members]
        await planner.door(*({**one, "timestamp": planner.time().isoformat()} for one in left), now=planner.time())
        await triggers.look()
        await planner.deliver()
    told = await measure(planner)
    counts = [(row["month"], row["treated"]["members"] + row["withheld"]["members"]) for row in told["plans"]]
    assert counts == [("2026-11", 3), ("2026-12", 5)]


async def test_variants_are_held_against_the_withheld_of_all(planner: Planner) -> None:
    await planner.arrive(120)
    await planner.save("all", {"trait": {"here": True}})
    said = {"zh-TW": {"text": "新品"}}
    variants = [{"name": name, "share": share, "message": said} for name, share in (("a", 0.75), ("b", 0.25))]
    await planner.put("heels", goal=GOAL, holdout=0.3, message=None, variants=variants)
    arms = await run(planner, "heels")
    drawn = {f"m{row.member_id}": row.variant for row in await planner.list_deliveries()}
    treated = {name: [one for one in arms["accepted"] if drawn[one] == name] for name in "ab"}
    planner.time.pass_by(hours=1)
    await buy(planner, [*treated["a"][:20], *treated["b"][:2], *arms["withheld"][:6]], 10, mark="one")
    told = await measure(planner)
    rows = {row["name"]: row for row in told["variants"]}
    counts = [len(treated["a"]), len(treated["b"])]
    for name, converted in (("a", 20), ("b", 2)):
        rate, base = converted / len(treated[name]), 6 / len(arms["withheld"])
        assert (rows[name]["members"], rows[name]["converted"]) == (len(treated[name]), converted)
        assert rows[name]["lift"]["absolute"] == pytest.approx(rate - base)
    ps = sorted(row["lift"]["p"] for row in rows.values())
    assert sorted(row["lift"]["p_adjusted"] for row in rows.values())[0] == pytest.approx(min(1.0, 2 * ps[0]))
    oracle: Any = stats.binomtest(counts[0], sum(counts), 0.75)
    assert told["sample_ratio"]["p"] == pytest.approx(oracle.pvalue, abs=1e-6)
    await planner.put(
        "heels",
        goal=GOAL,
        holdout=0.3,
        message=None,
        variants=[{**variants[0], "share": 0.1}, {**variants[1], "share": 0.9}],
    )
    assert (await measure(planner))["sample_ratio"] == told["sample_ratio"], "its plan's shares count, not later ones"
