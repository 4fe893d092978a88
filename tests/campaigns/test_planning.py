"""Plans over PostgreSQL: who may be sent what, what a plan says, and that its deliveries are its assignments."""

import re
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from regulars.campaigns.errors import PlanPast, PlanStateConflict
from regulars.campaigns.service import sending
from regulars.campaigns.service.explaining import explain_delivery
from regulars.campaigns.service.trying import TryBody, try_campaign
from regulars.campaigns.store import candidates
from regulars.campaigns.store._sql import SQL
from regulars.events.service.items import write_items
from regulars.kernel.clock import instant_text
from regulars.kernel.errors import DomainError
from regulars.members.service import changing
from regulars.messaging.service import links
from regulars.messaging.tokens import read_token
from regulars.platform.db import Database
from tests.campaigns.conftest import Planner
from tests.conftest import NOW

pytestmark = pytest.mark.anyio


async def make_all(planner: Planner) -> None:
    await planner.save("all", {"trait": {"here": True}})


async def test_a_plan_is_made_sent_and_told_of(planner: Planner) -> None:
    people = await planner.arrive(5)
    await make_all(planner)
    await planner.put("heels")
    plan = await planner.plan("heels")
    assert (plan["state"], plan["summary"]["messages"], plan["summary"]["value"]) == ("draft", 5, "7.50")
    rows = await planner.list_assignments(plan)
    assert [row["member"] for row in rows] == people
    assert {(row["campaign"], row["channel"], row["value"], row["price"], row["withheld"]) for row in rows} == {
        ("heels", "oa", "1.50", "0.00", None)
    }
    assert await planner.list_deliveries() == []
    for _ in range(2):
        assert await planner.send(plan) == {"id": plan["id"], "state": "sending"}
    await planner.deliver()
    assert (await planner.show(plan))["state"] == "sent"
    assert (await planner.show(plan))["progress"] == {"accepted": 5}
    assert set(planner.carrier.sent.values()) == {1} and len(planner.carrier.sent) == 5
    assert await planner.send(plan) == {"id": plan["id"], "state": "sending"}
    assert await planner.states() == {"accepted": 5}


async def test_who_may_not_be_sent_to_is_not_planned(planner: Planner) -> None:
    people = await planner.arrive(7)
    await planner.arrive(1, on=("tg",))
    await make_all(planner)
    await planner.put("heels", topic="promo")
    revoked, muted, elsewhere, blocked, erased, capped, fine = people
    async with planner.database.write() as tx:
        said: dict[str, Any] = {"granted": False, "proof": {"source": "test"}, "now": planner.time()}
        await changing.put_consent(tx, planner.brand, revoked, "oa", "marketing", **said)
        await changing.put_preferences(tx, planner.brand, muted, {"topics": {"promo": False}})
        await changing.put_preferences(tx, planner.brand, elsewhere, {"channel": "tg"})
        await changing.put_preferences(tx, planner.brand, capped, {"caps": [{"most": 0, "per": "7d"}]})
        await changing.remove_identity(tx, planner.brand, blocked, "line", "3")
    del erased
    plan = await planner.plan("heels")
    assert [row["member"] for row in await planner.list_assignments(plan)] == [people[4], fine]


async def test_what_was_sent_counts_against_the_next_plan(planner: Planner) -> None:
    await planner.put_settings(caps=[{"most": 3, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}])
    await planner.arrive(3)
    await make_all(planner)
    for name, topic in (("a", "promo"), ("b", "news"), ("c", "news"), ("d", "promo")):
        await planner.put(name, topic=topic)
    first = await planner.plan("a", "b")
    assert first["summary"]["messages"] == 6
    await planner.send(first)
    waiting = await planner.plan("c", "d")
    assert waiting["summary"]["by_campaign"]["c"]["messages"] == 3, "what waits counts too"
    assert waiting["summary"]["by_campaign"]["d"]["messages"] == 0
    await planner.deliver()
    assert (await planner.plan("c", "d"))["summary"]["messages"] == 3
    planner.time.pass_by(days=7, minutes=1)
    assert (await planner.plan("d"))["summary"]["messages"] == 3


async def test_the_arms_of_a_plan_are_those_of_the_gate(planner: Planner) -> None:
    await planner.put_settings(holdout=0.2)
    await planner.arrive(60)
    await make_all(planner)
    await planner.put("heels", holdout=0.3)
    plan = await planner.plan("heels")
    rows = await planner.list_assignments(plan)
    withheld = {row["member"] for row in rows if row["withheld"] == "holdout"}
    assert len(rows) == 60 and 10 <= len(withheld) <= 45
    assert (plan["summary"]["messages"], plan["summary"]["withheld"]) == (60 - len(withheld), len(withheld))
    await planner.send(plan)
    await planner.deliver()
    assert (await planner.show(plan))["progress"] == {"accepted": 60 - len(withheld), "withheld": len(withheld)}
    told = {one.member_id for one in await planner.list_deliveries(state="withheld")}
    assert {f"m{number}" for number in told} == withheld


async def test_a_quota_binds_and_has_its_price(planner: Planner) -> None:
    values = [5.0, 4.0, 3.0, 2.0]
    people = await planner.arrive(4, traits=lambda number: {"worth": values[number]})
    await make_all(planner)
    await planner.put("heels", value={"by": "trait", "trait": "worth"})
    await planner.limit("oa", 2)
    plan = await planner.plan("heels")
    assert [row["member"] for row in await planner.list_assignments(plan)] == people[:2]
    summary = plan["summary"]
    assert (summary["net"], summary["by_channel"]["oa"]["messages"]) == ("9.00", 2)
    assert 3 <= Decimal(summary["shadow_prices"]["quota:oa"]) <= 4
    assert all("oa" in summary["sentences"][language][0] for language in ("zh-TW", "en"))
    async with planner.database.read() as tx:
        from regulars.campaigns.service.planning import get_plan

        unsent = await sending.list_unsent(
            tx, planner.brand, await get_plan(tx, planner.brand, plan["id"]), after=0, limit=10
        )
    assert [(row["member"], row["value"], row["reason"]) for row in unsent] == [
        (people[2], "3.00", "quota"),
        (people[3], "2.00", "quota"),
    ]


async def test_an_item_that_is_not_there_is_warned_of_with_the_one_that_was_meant(planner: Planner) -> None:
    (member, *_) = await planner.arrive(2)
    await make_all(planner)
    async with planner.database.write() as tx:
        await write_items(tx, planner.brand, [{"id": "typo", "name": "Typo"}], now=planner.time())
    message = {"zh-TW": {"text": "{{ items['typo'].name }}", "button": {"label": "{{ items['tpyo'].name }}"}}}
    assert await planner.put("right", message={"zh-TW": {"text": "{{ items['typo'].name }}"}}) == []
    assert await planner.put("wrong", message=message) == ["campaign.unknown_item"]
    (warned,) = (await planner.plan("right", "wrong"))["warnings"]
    assert (warned["code"], warned["path"]) == ("campaign.unknown_item", "/campaigns/1")
    assert (warned["suggestion"], "'tpyo'" in warned["message"]) == ("typo", True)
    async with planner.database.write() as tx:
        body = TryBody(member, "oa")
        tried = await try_campaign(tx, planner.brand, planner.outbox, "wrong", body, now=planner.time())
    assert (tried["state"], tried["reason"]) == ("refused", "missing_value")
    assert [(one["path"], one["suggestion"]) for one in tried["warnings"]] == [("/message/zh-TW/button/label", "typo")]


async def test_what_sends_nothing_is_named(planner: Planner) -> None:
    await planner.arrive(2)
    await make_all(planner)
    await planner.save("nobody", {"all": [{"trait": {"here": True}}, {"not": {"trait": {"here": True}}}]})
    await planner.limit("tg", 0)
    assert await planner.put("past", window={"from": "2026-10-01", "until": "2026-10-31"}) == ["campaign.window_past"]
    await planner.put("empty", audience="nobody")
    await planner.put("away", channels=["tg"])
    plan = await planner.plan("past", "empty", "away")
    assert [(one["code"], one["path"]) for one in plan["warnings"]] == [
        ("campaign.window_past", "/campaigns/0"),
        ("campaign.nobody", "/campaigns/1"),
        ("campaign.nobody_consented", "/campaigns/2"),
        ("channel.no_quota", "/channels/tg"),
    ]
    assert plan["summary"]["messages"] == 0 and await planner.list_assignments(plan) == []
    with pytest.raises(PlanPast):
        yesterday = planner.time().date() - timedelta(days=1)
        await planner.plan("past", from_=yesterday, until=yesterday)


async def test_a_plan_waits_for_the_end_of_quiet_hours_and_spreads_evenly(planner: Planner) -> None:
    """It is 14:00 in Taipei."""
    await planner.put_settings(quiet_hours={"from": "13:00", "until": "16:30"})
    await planner.arrive(28)
    await make_all(planner)
    await planner.put("heels")
    plan = await planner.plan("heels")
    assert {row["send_at"] for row in await planner.list_assignments(plan)} == {"2026-11-22T08:30:00Z"}
    await planner.limit("oa", 28)

    async def list_days(plan: dict[str, Any]) -> list[date]:
        rows = await planner.list_assignments(plan)
        return [datetime.fromisoformat(row["send_at"]).astimezone(planner.brand.time_zone).date() for row in rows]

    days = await list_days(await planner.plan("heels", pace="even"))
    assert len(set(days)) == 28
    await planner.limit("oa", 14)
    plan = await planner.plan("heels", pace="even")
    months = Counter(day.month for day in await list_days(plan))
    assert months == {11: 14, 12: 14}, "each month has its quota"
    assert plan["summary"]["by_channel"]["oa"]["messages"] == 28
    assert {"quota:oa:2026-11", "quota:oa:2026-12"} <= plan["summary"]["shadow_prices"].keys()


async def test_a_plan_is_held_and_called_off(planner: Planner) -> None:
    await planner.arrive(3)
    await make_all(planner)
    await planner.put("heels")
    plan = await planner.plan("heels")
    async with planner.database.write() as tx:
        with pytest.raises(PlanStateConflict):
            await sending.pause_plan(tx, planner.brand, plan["id"])
    await planner.send(plan)
    async with planner.database.write() as tx:
        assert (await sending.pause_plan(tx, planner.brand, plan["id"]))["state"] == "paused"
    assert (await planner.show(plan))["state"] == "paused"
    async with planner.database.write() as tx:
        told = await sending.cancel_plan(tx, planner.brand, plan["id"], now=planner.time())
    assert told["state"] == "cancelled"
    await planner.deliver()
    assert (await planner.show(plan))["progress"] == {"cancelled": 3} and not planner.carrier.sent
    async with planner.database.write() as tx:
        for refused in (sending.resume_plan(tx, planner.brand, plan["id"]),):
            with pytest.raises(PlanStateConflict):
                await refused


async def test_what_if_by_hand(planner: Planner) -> None:
    """Six on LINE, three of them on Telegram; X is worth 2, Y 1, half of it on Telegram; four LINE messages.

    LINE's own plans in Taiwan include all twelve: 18 less the fee.
    """
    await planner.arrive(3, on=("oa", "tg"))
    await planner.arrive(3)
    await make_all(planner)
    await planner.limit("oa", 4, big=("5", 99))
    await planner.limit("tg", 1_000_000)
    for name, value in (("x", "2.00"), ("y", "1.00")):
        factor = {"by": "fixed", "value": value, "channel_factor": {"tg": 0.5}}
        await planner.put(name, channels=["oa", "tg"], value=factor)
    from regulars.access.model import Cap
    from regulars.campaigns.service.comparing import compare_plan

    plan = await planner.plan("x", "y", caps=[Cap(2, "30d")])
    assert plan["summary"]["net"] == "11.50"
    async with planner.database.read() as tx:
        rows = await compare_plan(tx, planner.brand, planner.engine, plan["id"], now=planner.time())
    nets = {row["name"]: float(row["net"]) for row in rows}
    assert nets == {
        "now": 11.5, "caps:1": 10, "caps:2": 11.5, "caps:4": 11.5, "quota:oa:none": 18, "price_plan:oa:now": 11.5,
        "price_plan:oa:big": 13, "price_plan:oa:light": 18, "price_plan:oa:mid": 18 - 1000, "price_plan:oa:high": 18 - 1400,
        "quota:tg:none": 11.5, "price_plan:tg:now": 11.5, "move:line->telegram": 11.5,
        "move:telegram->line": nets["move:telegram->line"], "drop:x": 5, "drop:y": 10,
    }  # fmt: skip


async def test_a_modelled_value_is_assumed_and_follows_what_members_did(planner: Planner) -> None:
    """Of forty, ten bought every week, ten once a year ago; the others never did."""
    await planner.arrive(40)
    await make_all(planner)
    weeks = [(number, week) for number in range(10) for week in range(12)] + [(number, 52) for number in range(10, 20)]
    await planner.door(
        *(
            {
                "userId": f"u{number}",
                "event": "Order Completed",
                "messageId": f"{number}-{week}",
                "timestamp": (planner.time() - timedelta(weeks=week, days=3)).isoformat(),
            }
            for number, week in weeks
        )
    )
    goal = {"event": "Order Completed", "within": "7d"}
    await planner.put("model", goal=goal, value={"by": "model", "margin": "180"}, holdout=0.25)
    await planner.put("given", goal=goal, holdout=0.25)
    plan = await planner.plan("model", "given")
    told = plan["summary"]["by_campaign"]
    assert (told["model"]["assumed"], told["given"]["assumed"]) == (True, False)
    assert told["model"]["response"]["base_rate"] == 0.25
    calibration = told["model"]["response"]["calibration"]
    assert calibration["members"] == 40 and calibration["observed"] == 0.25 and 0.15 < calibration["predicted"] < 0.35
    assert 0 < told["given"]["detectable"] < 1
    values = {
        row["member"]: float(row["value"]) for row in await planner.list_assignments(plan) if row["campaign"] == "model"
    }
    groups = [sum(values.get(one, 0.0) for one in planner.people[at : at + 10]) for at in (0, 10, 20)]
    assert groups[0] > groups[1] > 0 and groups[0] > groups[2] >= 0


async def test_a_plan_is_shown_beside_its_baselines(planner: Planner) -> None:
    """Two for one place each: in its turn `a` takes both, and `b`, worth more, gets what is left."""
    await planner.put_settings(caps=[{"most": 1, "per": "30d"}])
    await planner.arrive(4, traits=lambda number: {"a": 1.0, "b": 2.0 if number < 2 else 0.5})
    await make_all(planner)
    for name in "ab":
        await planner.put(name, value={"by": "trait", "trait": name})
    summary = (await planner.plan("a", "b"))["summary"]
    assert (summary["net"], summary["baseline"]["method"], summary["baseline"]["net"]) == ("6.00", "ranked", "4.00")
    rows = {(row["method"], row["noise"]): float(row["net"]) for row in summary["baselines"]}
    assert rows.keys() == {(m, n) for m in ("ranked", "greedy") for n in (False, True)} | {("planner", True)}
    assert rows["greedy", False] == 6 and all(net <= 6 for net in rows.values())


async def test_why_tells_what_stood_in_the_way(planner: Planner) -> None:
    await planner.put_settings(caps=[{"most": 1, "per": "30d"}])
    one, unwilling = await planner.arrive(2)
    await make_all(planner)
    await planner.put("big", value={"by": "fixed", "value": "2"})
    await planner.put("small")
    await planner.put("alone")
    async with planner.database.write() as tx:
        said: dict[str, Any] = {"granted": False, "proof": {"source": "test"}, "now": planner.time()}
        await changing.put_consent(tx, planner.brand, unwilling, "oa", "marketing", **said)
    plan = await planner.plan("big", "small")

    async def why(member: str, campaign: str) -> dict[str, Any]:
        async with planner.database.read() as tx:
            return await explain_delivery(tx, planner.brand, planner.engine, member, campaign, now=planner.time())

    draft = await why(one, "big")
    assert (draft["verdict"], draft["steps"][-1]["detail"]["state"]) == ("not_planned", "draft")
    await planner.send(plan)
    await planner.deliver()
    got = await why(one, "big")
    assert got["verdict"] == "accepted" and all(step["passed"] for step in got["steps"])
    assert got["steps"][0]["step"] == "consent" and len(got["steps"]) >= 8
    never = await why(unwilling, "big")
    assert (never["verdict"], never["steps"][-1]["step"], never["steps"][-1]["passed"]) == (
        "not_planned",
        "consent",
        False,
    )
    planner.time.pass_by(days=31)
    outvalued = await why(one, "small")
    assert outvalued["verdict"] == "not_planned" and [step["step"] for step in outvalued["steps"]] == ["plan"]
    detail = outvalued["steps"][0]["detail"]
    assert (detail["reason"], detail["value"], detail["instead"][0]["value"]) == ("outvalued", "1.50", "2.00")
    assert "big (2.00)" in outvalued["sentence"]["en"] and "big (2.00)" in outvalued["sentence"]["zh-TW"]
    assert all(step["passed"] for step in (await why(one, "alone"))["steps"])


async def test_why_tells_what_the_member_did_by_the_links_of_its_own_message(planner: Planner) -> None:
    one, two = await planner.arrive(2)
    await make_all(planner)
    await planner.put("heels", message={"en": {"text": "https://example.com/heels"}})
    await planner.send(await planner.plan("heels"))
    await planner.deliver()

    async def told(member: str) -> tuple[int, str | None, str | None]:
        async with planner.database.read() as tx:
            why = await explain_delivery(tx, planner.brand, planner.engine, member, "heels", now=planner.time())
        assert why["verdict"] == "accepted" and all(step["passed"] for step in why["steps"])
        return why["clicks"], why["clicked_at"], why["unsubscribed_at"]

    async def follow(place: str) -> None:
        """The first member opens `/l/…` or `/u/…` of its message."""
        (body,) = [found.body.decode() for found in planner.carrier.requests if found.addresses == ("0",)]
        found = re.search(rf"https://regulars\.example/{place}/([\w-]+)", body)
        token = read_token(found[1]) if found else None
        assert token is not None
        async with planner.database.write() as tx:
            doing = links.follow_link if place == "l" else links.unsubscribe
            await doing(tx, planner.brand, token, now=planner.time())

    assert await told(one) == (0, None, None)
    clicked = planner.time()
    await follow("l")
    planner.time.pass_by(minutes=1)
    await follow("l")
    left = planner.time()
    await follow("u")
    planner.time.pass_by(minutes=1)
    await follow("u")
    assert await told(one) == (2, instant_text(clicked), instant_text(left)), "the first time of each"
    assert await told(two) == (0, None, None)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"audience": "al"}, "/audience"),
        ({"channels": ["oa", "tgg"]}, "/channels/1"),
        ({"value": {"by": "trait", "trait": "nothing"}}, "/value/trait"),
        ({"value": {"by": "model", "margin": "1"}}, "/goal"),
        ({"goal": {"event": "Order Completed", "within": "soon"}}, "/goal/within"),
        ({"message": {"zh-TW": {"text": "x" * 6_000}}}, "/message/zh-TW/text"),
        ({"on": {"enter": "nobody"}}, "/on/enter"),
        ({"on": {"moon": "full"}}, "/on/moon"),
        ({"colour": "red"}, "/colour"),
        ({"variants": [{"name": "a", "share": 0.5, "message": {"en": {"text": "x"}}}]}, "/variants"),
    ],
)
async def test_a_campaign_that_cannot_be_is_refused_with_its_place(
    planner: Planner, changed: dict[str, Any], path: str
) -> None:
    await planner.arrive(1)
    await make_all(planner)
    with pytest.raises(DomainError) as caught:
        await planner.put("heels", **changed)
    assert caught.value.path == path


@pytest.mark.parametrize("name", ["list_member_ids", "list_reachable", "list_trait_numbers"])
async def test_members_that_no_statistics_know_are_joined_by_hashing(database: Database, name: str) -> None:
    """Of tables that were empty when they were last looked at one row is expected; a nested loop takes the square of many."""
    params = {
        "brand_id": 1,
        "numbers": [1, 2],
        "channel": "oa",
        "purpose": "marketing",
        "needs_consent": True,
        "after": NOW,
        "topic": None,
        "trait": "score",
    }
    async with database.read() as tx:
        await candidates.prepare_scans(tx)
        plan = [row[0] for row in await tx.rows("explain " + SQL[name], params)]
    assert not [line for line in plan if "Nested Loop" in line], "\n".join(plan)
