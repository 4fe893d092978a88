"""Part 3 of the plan, the paragraph The planner and its bar: small plans that an outsider recomputes.

Two kinds of right answers. By hand: a few members with fixed values. By another program: sixty members with values by
trait, where `scipy.optimize.milp` (HiGHS) finds the integer optimum from the choices that this file writes down by
itself.

What is spelled here where contract.md says nothing. `up_to` of a price plan counts messages beyond `included`. `gap`
is (bound − net) / bound. `summary` also has `baselines [{"method","noise","net"}]` with methods `ranked` and `greedy`,
each with and without noise, `sentences {"zh-TW":[…],"en":[…]}`, one for each shadow price, and in `by_campaign` a flag
`assumed`. `GET /api/plans/{id}/what-if` answers `{"rows":[{"name","messages","cost","value","net"}]}`; `cost` holds
price plans' fees there, and names are `now`, `caps:1`, `caps:2`, `caps:4`, `quota:CHANNEL:none`,
`price_plan:CHANNEL:CODE`, `move:line->telegram`, `drop:CAMPAIGN`. `GET /api/known-price-plans` answers
`{"plans":[{"kind","country","currency","tax","sources","note","plan":{"code","fee",…}}]}`.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from tests.support.sending import TAIPEI, Person, Sender, decimal, new_group, today

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run
PART_MAX = 0.0005
CENT = 0.01
LINE_QUOTA = 25
BUDGET = 0.50
TELEGRAM_PRICE = 0.05
FACTORS = {"line-main": 1.0, "tg": 0.8, "mail": 0.3}
CAPS = [{"most": 2, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}]
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "shoes": {"topic": "promo", "channels": ["line-main", "tg", "mail"], "budget": f"{BUDGET:.2f}"},
    "bags": {"topic": "promo", "channels": ["line-main", "mail"]},
    "tea": {"topic": "news", "channels": ["line-main", "tg", "mail"], "size": {"min": 0, "max": 10}},
    "rice": {"topic": "news", "channels": ["line-main", "tg"], "size": {"min": 25, "max": None}},
}


@dataclass(frozen=True)
class Choice:
    """One message that may be sent."""

    member: str
    campaign: str
    channel: str
    value: float
    price: float

    @property
    def key(self) -> tuple[str, str, str]:
        return self.member, self.campaign, self.channel


@dataclass(frozen=True)
class World:
    """Sixty members, four campaigns, three channels, a plan, and what could have been chosen."""

    sender: Sender
    names: Mapping[str, str]
    plan: Mapping[str, Any]
    rows: Sequence[Mapping[str, Any]]
    choices: Sequence[Choice]

    @property
    def summary(self) -> Mapping[str, Any]:
        return self.plan["summary"]

    def again(self, **fields: Any) -> dict[str, Any]:
        return self.sender.plan(*self.names.values(), caps=CAPS, **fields)


def list_choices(people: Mapping[Person, Sequence[str]], values: Mapping[Person, Mapping[str, float]]) -> list[Choice]:
    """Every member, campaign and channel that reaches them, in this file's own words."""
    prices = {"line-main": 0.0, "tg": TELEGRAM_PRICE, "mail": 0.0}
    return [
        Choice(one.id, campaign, channel, values[one][campaign] * FACTORS[channel], prices[channel])
        for one, channels in people.items()
        for campaign, about in CAMPAIGNS.items()
        for channel in about["channels"]
        if channel in channels
    ]


@pytest.fixture(scope="module")
def world(counted: Sender) -> World:
    """Thirty members on all channels, sixteen on LINE and by mail, fourteen on LINE alone; values: tenths up to 6.0."""
    rng = random.Random(7)
    group = new_group()
    drawn: list[dict[str, float]] = []

    def draw(number: int) -> dict[str, float]:
        drawn.append({campaign: rng.randint(1, 60) / 10 for campaign in CAMPAIGNS})
        return {f"v_{campaign}": value for campaign, value in drawn[-1].items()}

    counted.put_channel("mail", {"kind": "email", "smtp_url": "smtp://127.0.0.1:9", "from": "shop@example.com"})
    kinds = {30: ("line-main", "tg", "mail"), 16: ("line-main", "mail"), 14: ("line-main",)}
    people = {
        one: on
        for count, on in kinds.items()
        for one in counted.add(count, on=on, group=group, traits=draw, known=False)
    }
    values = dict(zip(people, drawn, strict=True))
    counted.limit("line-main", LINE_QUOTA)
    counted.put_prices("tg", "paid", {"code": "paid", "included": 0, "extra": [{"up_to": None, "price": "0.05"}]})
    audience = counted.save({"trait": {"group": group}})
    names = {
        campaign: counted.put_campaign(
            group,
            audience=audience,
            value={"by": "trait", "trait": f"v_{campaign}", "channel_factor": {"tg": 0.8, "mail": 0.3}},
            **about,
        )
        for campaign, about in CAMPAIGNS.items()
    }
    plan = counted.plan(*names.values(), caps=CAPS)
    return World(counted, names, plan, counted.assignments(plan), list_choices(people, values))


def list_limits(choices: Sequence[Choice]) -> list[tuple[list[int], list[float], float]]:
    """What must hold but for minimum sizes: positions, weights, the most they may add up to."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for at, one in enumerate(choices):
        groups.setdefault(("member", one.member), []).append(at)
        groups.setdefault(("one channel", one.member, one.campaign), []).append(at)
        if CAMPAIGNS[one.campaign]["topic"] == "promo":
            groups.setdefault(("topic", one.member), []).append(at)
        groups.setdefault(("campaign", one.campaign), []).append(at)
        groups.setdefault(("channel", one.channel), []).append(at)
    most = {"member": 2.0, "one channel": 1.0, "topic": 1.0}
    limits = [(at, [1.0] * len(at), most[key[0]]) for key, at in groups.items() if key[0] in most]
    limits.append((groups["channel", "line-main"], [1.0] * len(groups["channel", "line-main"]), float(LINE_QUOTA)))
    limits.append((groups["campaign", "tea"], [1.0] * len(groups["campaign", "tea"]), 10.0))
    shoes = groups["campaign", "shoes"]
    limits.append((shoes, [choices[at].price for at in shoes], BUDGET))
    return limits


def solve(choices: Sequence[Choice], limits: Sequence[tuple[list[int], list[float], float]], rice_min: int) -> float:
    """The integer optimum of Σ value − Σ price; the campaign `rice` has its least size or is dropped."""
    count = len(choices)
    rows, columns, weights, highest = list[int](), list[int](), list[float](), list[float]()

    def add(entries: Iterable[tuple[int, float]], most: float) -> None:
        for column, weight in entries:
            rows.append(len(highest))
            columns.append(column)
            weights.append(weight)
        highest.append(most)

    for at, by, most in limits:
        add(zip(at, by, strict=True), most)
    rice = [at for at, one in enumerate(choices) if one.campaign == "rice"]
    add([*((at, -1.0) for at in rice), (count, float(rice_min))], 0.0)
    add([*((at, 1.0) for at in rice), (count, -float(len(rice)))], 0.0)
    matrix = csr_array((weights, (rows, columns)), shape=(len(highest), count + 1))
    gain = np.array([one.value - one.price for one in choices] + [0.0])
    found = milp(
        -gain,
        constraints=LinearConstraint(matrix, -np.inf, np.array(highest)),
        integrality=np.ones(count + 1),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0.0},
    )
    assert found.success, found.message
    return float(-found.fun)


def test_the_oracle_is_right_where_the_answer_is_known() -> None:
    """Two members, two messages on LINE; the third choice is by mail."""
    choices = [
        Choice("a", "rice", "line-main", 5, 0),
        Choice("b", "rice", "line-main", 3, 1),
        Choice("b", "tea", "mail", 1, 0),
    ]
    assert solve(choices, [([0, 1], [1.0, 1.0], 1.0)], 0) == pytest.approx(6)
    assert solve(choices, [([0, 1], [1.0, 1.0], 1.0)], 2) == pytest.approx(1), "rice cannot have two: it is dropped"
    assert solve(choices, [], 2) == pytest.approx(8)


# --- recomputed from outside ----------------------------------------------------------------------------------------


def test_an_outsider_recomputes_objective_caps_quotas_and_bound(world: World) -> None:
    known = {one.key: (at, one) for at, one in enumerate(world.choices)}
    own = {name: campaign for campaign, name in world.names.items()}
    chosen = [known[row["member"], own[row["campaign"]], row["channel"]] for row in world.rows]
    assert len({at for at, _ in chosen}) == len(chosen) > 50
    for (_, one), row in zip(chosen, world.rows, strict=True):
        assert decimal(row["value"]) == pytest.approx(one.value, abs=1e-6), row
        assert decimal(row["price"]) == pytest.approx(one.price, abs=1e-6), row
        assert row["withheld"] is None
    taken = {at for at, _ in chosen}
    for positions, weights, most in list_limits(world.choices):
        assert sum(by for at, by in zip(positions, weights, strict=True) if at in taken) <= most + 1e-9
    sizes = Counter(one.campaign for _, one in chosen)
    assert sizes["rice"] == 0 or sizes["rice"] >= 25
    value, cost = sum(one.value for _, one in chosen), sum(one.price for _, one in chosen)
    summary = world.summary
    assert (summary["messages"], summary["withheld"]) == (len(chosen), 0)
    assert decimal(summary["value"]) == pytest.approx(value, abs=CENT)
    assert decimal(summary["cost"]) == pytest.approx(cost, abs=CENT)
    assert decimal(summary["net"]) == pytest.approx(value - cost, abs=CENT)
    assert decimal(summary["bound"]) >= value - cost - CENT
    gap = 1 - (value - cost) / decimal(summary["bound"])
    assert decimal(summary["gap"]) == pytest.approx(gap, abs=1e-4)
    for campaign, name in world.names.items():
        part = [one for _, one in chosen if one.campaign == campaign]
        told = summary["by_campaign"][name]
        assert told["messages"] == len(part)
        assert decimal(told["value"]) == pytest.approx(sum(one.value for one in part), abs=CENT)
        assert decimal(told["cost"]) == pytest.approx(sum(one.price for one in part), abs=CENT)
    for channel in FACTORS:
        part = [one for _, one in chosen if one.channel == channel]
        told = summary["by_channel"][channel]
        assert told["messages"] == len(part)
        assert decimal(told["cost"]) == pytest.approx(sum(one.price for one in part), abs=CENT)


def test_a_small_plan_is_the_integer_optimum(world: World) -> None:
    best = solve(world.choices, list_limits(world.choices), 25)
    assert decimal(world.summary["net"]) >= best * (1 - PART_MAX)
    assert decimal(world.summary["net"]) <= best + CENT, "more than the optimum breaks a limit"
    assert decimal(world.summary["bound"]) >= best - CENT


def test_the_same_seed_gives_the_same_plan(world: World) -> None:
    def key(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
        return [(row["member"], row["campaign"], row["channel"]) for row in rows]

    first, second = (world.sender.assignments(world.again(seed=3)) for _ in range(2))
    assert key(first) == key(second)


def test_the_plan_is_shown_beside_its_baselines(world: World) -> None:
    summary = world.summary
    told = summary["baseline"]
    assert told["method"] and told["messages"] > 0
    assert decimal(summary["net"]) >= decimal(told["net"]) - CENT
    rows = summary["baselines"]
    assert {(row["method"], row["noise"]) for row in rows} >= {
        (method, noise) for method in ("ranked", "greedy") for noise in (False, True)
    }
    for row in rows:
        if not row["noise"]:
            assert decimal(summary["net"]) >= decimal(row["net"]) - CENT, row


def test_a_binding_quota_has_a_price_and_words(world: World) -> None:
    """25 of LINE's are all used; mail has no quota."""
    assert world.summary["by_channel"]["line-main"]["messages"] == LINE_QUOTA
    assert decimal(world.summary["shadow_prices"]["quota:line-main"]) > 0
    assert decimal(world.summary["shadow_prices"].get("quota:mail", "0")) == 0
    for language in ("zh-TW", "en"):
        assert any("line-main" in sentence for sentence in world.summary["sentences"][language])


# --- by hand --------------------------------------------------------------------------------------------------------


def worth(
    sender: Sender, *values: float, on: Sequence[str] = ("line-main",), **fields: Any
) -> tuple[str, list[Person]]:
    """A campaign whose members are worth this much each; its name and they."""
    group = new_group()
    people = sender.add(len(values), on=on, group=group, traits=lambda number: {"worth": values[number]}, known=False)
    return sender.put_campaign(group, value={"by": "trait", "trait": "worth"}, **fields), people


def test_one_more_message_is_worth_what_the_next_member_is(counted: Sender) -> None:
    """Worth 5, 4, 3 and 2, and two messages: one more brings 3, one fewer costs 4; the price lies between."""
    campaign, people = worth(counted, 5.0, 4.0, 3.0, 2.0)
    counted.limit("line-main", 2)
    plan = counted.plan(campaign)
    assert {row["member"] for row in counted.assignments(plan)} == {one.id for one in people[:2]}
    assert decimal(plan["summary"]["net"]) == 9
    assert 3 - CENT <= decimal(plan["summary"]["shadow_prices"]["quota:line-main"]) <= 4 + CENT
    counted.limit("line-main", 10)
    free = counted.plan(campaign)["summary"]
    assert decimal(free["net"]) == 14 and decimal(free["shadow_prices"].get("quota:line-main", "0")) == 0


def test_what_is_not_worth_its_price_is_not_sent(counted: Sender) -> None:
    """At 0.20 each: of 1.00, 0.50, 0.19 and 0.10 two are sent, worth 1.50, for 0.40."""
    campaign, people = worth(counted, 1.00, 0.50, 0.19, 0.10)
    counted.put_prices("line-main", "pay", {"code": "pay", "included": 0, "extra": [{"up_to": None, "price": "0.20"}]})
    plan = counted.plan(campaign)
    assert {row["member"] for row in counted.assignments(plan)} == {one.id for one in people[:2]}
    summary = plan["summary"]
    assert [decimal(summary[one]) for one in ("value", "cost", "net")] == [1.50, 0.40, 1.10]


def test_extra_messages_cost_their_step(counted: Sender) -> None:
    """30 members worth 1.00, 5 included: 10 × 0.20 + 15 × 0.15 = 4.25."""
    campaign, _ = worth(counted, *[1.0] * 30)
    steps = [{"up_to": 10, "price": "0.20"}, {"up_to": None, "price": "0.15"}]
    counted.put_prices("line-main", "steps", {"code": "steps", "included": 5, "extra": steps})
    summary = counted.plan(campaign)["summary"]
    told = summary["by_channel"]["line-main"]
    assert (told["messages"], told["included"], told["extra"], told["plan"]) == (30, 5, 25, "steps")
    assert decimal(told["cost"]) == decimal(summary["cost"]) == pytest.approx(4.25)
    assert decimal(summary["net"]) == pytest.approx(25.75)


def test_the_best_price_plan_is_chosen(counted: Sender) -> None:
    """Thirty worth 1.00 each. Small includes 5 for nothing, big 100 for its fee: at 10 big is better, at 40 worse."""
    campaign, _ = worth(counted, *[1.0] * 30)
    for fee, better, messages in (("10", "big", 30), ("40", "small", 5)):
        plans = {"code": "small", "included": 5}, {"code": "big", "included": 100, "fee": fee}
        counted.put_prices("line-main", "small", *plans)
        chosen = counted.plan(campaign, price_plans="best")["summary"]["by_channel"]["line-main"]
        assert (chosen["plan"], chosen["messages"]) == (better, messages)
        assert counted.plan(campaign)["summary"]["by_channel"]["line-main"]["plan"] == "small"


def test_sizes_and_budgets_by_hand(counted: Sender) -> None:
    """At 0.20 each a budget of 0.70 pays three; a size of at most two takes two; of at least nine drops all eight."""
    values = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    counted.put_prices("line-main", "pay", {"code": "pay", "included": 0, "extra": [{"up_to": None, "price": "0.20"}]})
    for fields, count in (
        ({"budget": "0.70"}, 3),
        ({"size": {"min": 0, "max": 2}}, 2),
        ({"size": {"min": 9, "max": None}}, 0),
        ({"size": {"min": 8, "max": None}}, 8),
    ):
        campaign, people = worth(counted, *values, **fields)
        rows = counted.assignments(counted.plan(campaign))
        assert {row["member"] for row in rows} == {one.id for one in people[:count]}, fields


def test_what_is_withheld_needs_no_quota(sender: Sender) -> None:
    """A hundred members, half of them withheld, ten messages: about twenty are assigned, at most ten go."""
    group = new_group()
    sender.add(100, group=group)
    used = sender.simulator.get_usage()
    sender.limit("line-main", used + 10)
    sender.put_line()
    plan = sender.plan(sender.put_campaign(group, holdout=0.5))
    rows = sender.assignments(plan)
    withheld = [row for row in rows if row["withheld"] == "holdout"]
    assert 13 <= len(rows) <= 40 and len(withheld) >= 3
    assert plan["summary"]["withheld"] == len(withheld)
    sender.send_plan(plan)
    done = sender.wait_sent(plan)
    assert done["progress"]["withheld"] == len(withheld)
    assert done["progress"]["accepted"] == sender.simulator.get_usage() - used <= 10
    assert done["progress"]["accepted"] >= 5
    sender.limit("line-main", 1_000_000)


def test_a_plan_is_sent_once_and_its_deliveries_are_its_assignments(sender: Sender) -> None:
    group = new_group()
    people = sender.add(4, on=("line-main", "tg"), group=group)
    value = {"by": "fixed", "value": "1.50", "channel_factor": {"tg": 0.5}}
    campaigns = [sender.put_campaign(group, channels=["line-main", "tg"], value=value) for _ in range(2)]
    plan = sender.plan(*campaigns)
    assert sender.deliveries(plan=plan["id"]) == []
    for _ in range(3):
        sender.send_plan(plan)
    assert sender.wait_sent(plan)["progress"] == {"accepted": 8}
    sender.send_plan(plan)

    def keys(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
        return sorted((row["member"], row["campaign"], row["channel"]) for row in rows)

    assert keys(sender.deliveries(plan=plan["id"])) == keys(sender.assignments(plan))
    assert sum(len(sender.simulator.list_messages(one.line)) for one in people) == 8
    assert len(sender.deliveries(campaign=campaigns[0])) == 4


def test_an_even_pace_spreads_over_the_plans_days(sender: Sender) -> None:
    group = new_group()
    sender.add(28, group=group, known=False)
    plan = sender.plan(sender.put_campaign(group), pace="even")
    days = [datetime.fromisoformat(row["send_at"]).astimezone(TAIPEI).date() for row in sender.assignments(plan)]
    assert len(days) == 28 and min(days) >= today() and (max(days) - today()).days < 28
    assert len(set(days)) >= 14


def test_what_if_by_hand(counted: Sender) -> None:
    """Six members on LINE, of whom three have Telegram; X is worth 2, Y 1, half of it on Telegram; four LINE messages.

    Now: Telegram for three, 3 × 1.5, X on LINE for the others, 6, and one more LINE message, 1: 11.5. With cap 1:
    3 + 6 + 1. Without quota all on LINE: 18. The big price plan brings 18 for its fee of 5. Off LINE: 4.5 + 7.
    Without X: 4 × 1 + 2 × 0.5; without Y: 4 × 2 + 2 × 1.
    """
    group = new_group()
    counted.add(3, on=("line-main", "tg"), group=group, known=False)
    counted.add(3, on=("line-main",), group=group, known=False)
    counted.put_prices(
        "line-main", "small", {"code": "small", "included": 4}, {"code": "big", "included": 99, "fee": "5"}
    )
    counted.put_prices("tg", "free", {"code": "free", "included": 1_000_000})
    x, y = (
        counted.put_campaign(
            group,
            channels=["line-main", "tg"],
            value={"by": "fixed", "value": value, "channel_factor": {"tg": 0.5}},
        )
        for value in ("2.00", "1.00")
    )
    plan = counted.plan(x, y, caps=[{"most": 2, "per": "30d"}])
    assert decimal(plan["summary"]["net"]) == pytest.approx(11.5)
    rows = {row["name"]: row for row in counted.ask("GET", f"/api/plans/{plan['id']}/what-if")["rows"]}
    nets = {
        "now": 11.5,
        "caps:1": 10,
        "caps:2": 11.5,
        "caps:4": 11.5,
        "quota:line-main:none": 18,
        "price_plan:line-main:small": 11.5,
        "price_plan:line-main:big": 13,
        "move:line->telegram": 11.5,
        f"drop:{x}": 5,
        f"drop:{y}": 10,
    }
    assert {name: decimal(rows[name]["net"]) for name in nets} == pytest.approx(nets)
    for row in rows.values():
        assert decimal(row["value"]) - decimal(row["cost"]) == pytest.approx(decimal(row["net"]), abs=CENT)
    assert (rows["caps:1"]["messages"], rows["quota:line-main:none"]["messages"]) == (6, 12)
    assert decimal(rows["price_plan:line-main:big"]["cost"]) == 5


# --- values and prices ----------------------------------------------------------------------------------------------


def test_a_modelled_value_is_marked_as_assumed(counted: Sender) -> None:
    """Nobody measured anything: assumed. A value that was given is not."""
    group = new_group()
    people = counted.add(20, group=group, known=False)
    now = datetime.now(TAIPEI)
    counted.tell(*(counted.event(one.user, "Order Completed", now, revenue=100) for one in people[:10]))
    counted.limit("line-main", 1_000)
    modelled = counted.put_campaign(group, value={"by": "model", "margin": "180"})
    given = counted.put_campaign(group)
    summary = counted.plan(modelled, given)["summary"]
    assert summary["by_campaign"][modelled]["assumed"] is True
    assert summary["by_campaign"][given].get("assumed", False) is False


# «price plans as dated data (seed LINE Taiwan's from channels.md §A8 with sources)»
def test_the_prices_of_line_in_taiwan_are_known_with_dates_and_sources(sender: Sender) -> None:
    rows = sender.ask("GET", "/api/known-price-plans")["plans"]
    mine = [row for row in rows if (row["kind"], row["country"]) == ("line", "TW")]
    assert all(source.startswith("https://") for row in mine for source in row["sources"])
    taiwan = {(row["plan"]["code"], row["plan"]["valid_from"]): row["plan"] for row in mine}
    now = {code: taiwan[code, "2026-11-01"] for code in ("light", "mid", "high")}
    assert [(decimal(row["fee"]), row["included"]) for row in now.values()] == [
        (0, 200),
        (1_000, 3_000),
        (1_400, 6_000),
    ]
    assert now["light"]["extra"] is None and now["mid"]["extra"] is None
    assert [(step["up_to"], decimal(step["price"])) for step in now["high"]["extra"]] == [(50_000, 0.2), (None, 0.15)]
    before = taiwan["mid", "2023-09-01"]
    assert (decimal(before["fee"]), before["included"], before["valid_to"]) == (800, 3_000, "2026-10-31")
