"""Part 3 of the plan, the paragraph Measure: numbers that are counted here by hand, and intervals by scipy.

Two hundred members, half of them withheld; who converts is decided after the arms are known, so every count is known
exactly. An interval's oracle is Welch's t (`scipy.stats.ttest_ind(equal_var=False)`), which is also what tea-tasting
computes for means.

What is spelled here where contract.md says nothing. A campaign may have `variants [{"name","share","message"}]`; then
assignments and deliveries have `variant`, and lift has `variants [{"name","members","converted","revenue"}]` and
`sample_ratio {"p","ok"}`. `by_campaign` of a plan has `detectable`, the least effect on the conversion rate it can
see. `GET /api/costs?month=YYYY-MM` answers
`{"month","channels":{NAME:{"messages","free_replies","cost","forecast","saved_by_replies"}}}`.
"""

import csv
import json
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests.support.commands import run_command
from tests.support.sending import Person, Sender, decimal, new_group, today
from tests.support.serving import wait_until

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

COUNT = 200
GOAL = {"event": "Order Completed", "where": {"category": "heels"}, "within": "7d"}
COUNTED_SECONDS_MAX = 15


def welch(treated: Sequence[float], control: Sequence[float]) -> tuple[float, float, float]:
    """The interval of the difference of means and the p-value."""
    found = stats.ttest_ind(treated, control, equal_var=False)
    low, high = found.confidence_interval(0.95)
    return float(low), float(high), float(found.pvalue)


def buy(
    sender: Sender, people: Sequence[Person], revenue: int, at: datetime | None = None, category: str = "heels"
) -> None:
    when = at or datetime.now(UTC)
    about = {"category": category, "revenue": revenue}
    sender.tell(*(sender.event(one.user, "Order Completed", when, **about) for one in people))


def send_halves(sender: Sender, count: int = COUNT, **fields: Any) -> tuple[str, list[Person], list[Person]]:
    """A campaign sent to its end; who was treated and who withheld."""
    group = new_group()
    people = sender.add(count, group=group)
    campaign = sender.put_campaign(group, goal=GOAL, **fields)
    plan = sender.run(campaign)
    states = {row["member"]: row["state"] for row in sender.deliveries(plan=plan["id"])}
    arms = [[one for one in people if states[one.id] == state] for state in ("accepted", "withheld")]
    assert sum(len(arm) for arm in arms) == count
    return campaign, arms[0], arms[1]


def get_lift(sender: Sender, campaign: str, converted: tuple[int, int]) -> dict[str, Any]:
    """Lift once so many of treated and withheld are counted as converted."""

    def read() -> dict[str, Any]:
        return sender.ask("GET", f"/api/campaigns/{campaign}/lift")

    def counted() -> tuple[int, int]:
        told = read()
        return told["treated"]["converted"], told["withheld"]["converted"]

    wait_until(lambda: counted() == converted, f"{converted} have converted", COUNTED_SECONDS_MAX)
    return read()


def test_lift_is_counted_exactly(sender: Sender) -> None:
    """Two of three treated buy for 100, three of ten withheld for 50; other goods and earlier orders count nothing."""
    sender.tell(sender.event("nobody special", "Order Completed", datetime.now(UTC), category="heels", revenue=1))
    campaign, treated, withheld = send_halves(sender, holdout=0.5)
    many, few = treated[: len(treated) * 2 // 3], withheld[: len(withheld) * 3 // 10]
    buy(sender, many, 100)
    buy(sender, many[:1], 100)
    buy(sender, few, 50)
    buy(sender, withheld, 999, datetime.now(UTC) - timedelta(hours=2))
    buy(sender, withheld, 999, category="flats")
    told = get_lift(sender, campaign, (len(many), len(few)))
    assert (told["campaign"], told["control"], told["mixed_members"]) == (campaign, "campaign", 0)
    assert (told["treated"]["members"], told["withheld"]["members"]) == (len(treated), len(withheld))
    assert decimal(told["treated"]["revenue"]) == 100 * (len(many) + 1)
    assert decimal(told["withheld"]["revenue"]) == 50 * len(few)
    rates = len(many) / len(treated), len(few) / len(withheld)
    assert told["lift"]["absolute"] == pytest.approx(rates[0] - rates[1], abs=1e-6)
    assert told["lift"]["level"] == 0.95
    low, high, _ = welch(
        [1.0] * len(many) + [0.0] * (len(treated) - len(many)), [1.0] * len(few) + [0.0] * (len(withheld) - len(few))
    )
    assert told["lift"]["interval"] == pytest.approx([low, high], abs=1e-6)
    assert told["verdict"] == "positive"


def test_a_member_of_both_arms_is_left_out(sender: Sender) -> None:
    campaign, treated, withheld = send_halves(sender, 20, holdout=0.5)
    sender.ask("POST", "/api/members/merge", {"keep": treated[0].id, "merge": withheld[0].id})
    told = get_lift(sender, campaign, (0, 0))
    assert told["mixed_members"] == 1
    assert told["treated"]["members"] == len(treated) - 1 and told["withheld"]["members"] == len(withheld) - 1


def test_a_campaign_without_a_holdout_is_measured_against_the_global_one(sender: Sender) -> None:
    with sender.settings(holdout=0.5):
        campaign, treated, withheld = send_halves(sender, 30)
        told = get_lift(sender, campaign, (0, 0))
    assert told["control"] == "global"
    assert (told["treated"]["members"], told["withheld"]["members"]) == (len(treated), len(withheld))


def test_too_few_members_are_said_to_be_too_few(sender: Sender) -> None:
    """Eight members show nothing; before launch, two hundred would see a smaller effect than they."""
    campaign, treated, _ = send_halves(sender, 8, holdout=0.3)
    buy(sender, treated[:1], 100)
    told = get_lift(sender, campaign, (1 if treated else 0, 0))
    assert told["verdict"] == "not_enough_yet" and told["needs_members"] > 8
    detectable = []
    for count in (8, 200):
        group = new_group()
        sender.add(count, group=group, known=False)
        name = sender.put_campaign(group, goal=GOAL, holdout=0.3)
        detectable.append(sender.plan(name)["summary"]["by_campaign"][name]["detectable"])
    assert 0 < detectable[1] < detectable[0]


def test_variants_are_drawn_by_their_shares_and_checked(sender: Sender) -> None:
    """Three variants of ninety members; each reads their own, and keeps it when sent again."""
    group = new_group()
    people = sender.add(90, group=group)
    variants = [
        {"name": name, "share": share, "message": {"zh-TW": {"text": f"變體{name}"}}}
        for name, share in (("a", 0.5), ("b", 0.25), ("c", 0.25))
    ]
    campaign = sender.put_campaign(group, goal=GOAL, variants=variants)
    plan = sender.run(campaign)
    drawn = {row["member"]: row["variant"] for row in sender.deliveries(plan=plan["id"])}
    assert {row["member"]: row["variant"] for row in sender.assignments(plan)} == drawn
    for one in people:
        (said,) = sender.simulator.read_texts(one.line)
        assert f"變體{drawn[one.id]}" in said
    counts = {name: list(drawn.values()).count(name) for name in "abc"}
    assert stats.chisquare(list(counts.values()), [45, 22.5, 22.5]).pvalue > 1e-6
    told = sender.ask("GET", f"/api/campaigns/{campaign}/lift")
    assert {each["name"]: each["members"] for each in told["variants"]} == counts
    assert told["sample_ratio"]["p"] == pytest.approx(
        float(stats.chisquare(list(counts.values()), [45, 22.5, 22.5]).pvalue), abs=1e-6
    )
    assert told["sample_ratio"]["ok"] is True
    again = {row["member"]: row["variant"] for row in sender.assignments(sender.plan(campaign))}
    assert again.items() <= drawn.items()


def lift_file(*words: str, check: bool = True) -> Any:
    """`regulars lift … --json`: its one line, or its process."""
    done = run_command(["lift", *words, "--json"], {**os.environ, "COLUMNS": "200"}, 120)
    if not check:
        return done
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_an_experiment_from_a_file(tmp_path: Path) -> None:
    """Two arms against a control, two outcomes; scipy says what is right."""
    rng = random.Random(4)
    arms: dict[str, list[tuple[int, float]]] = {
        name: [(int(rng.random() < rate), round(rng.expovariate(1 / mean), 2)) for _ in range(count)]
        for name, rate, mean, count in (("none", 0.10, 100, 700), ("one", 0.25, 110, 400), ("two", 0.11, 101, 300))
    }
    file = tmp_path / "experiment.csv"
    rows = [(name, bought, spent) for name, each in arms.items() for bought, spent in each]
    rng.shuffle(rows)
    with file.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows([("arm", "bought", "spent"), *rows])
    words = [str(file), "--arm", "arm", "--control", "none", "--outcome", "bought", "--outcome", "spent"]
    results = {(row["arm"], row["outcome"]): row for row in lift_file(*words)["results"]}
    assert set(results) == {(arm, outcome) for arm in ("one", "two") for outcome in ("bought", "spent")}
    for (arm, outcome), row in results.items():
        at = ("bought", "spent").index(outcome)
        treated, control = ([float(each[at]) for each in arms[name]] for name in (arm, "none"))
        low, high, p = welch(treated, control)
        means = sum(treated) / len(treated), sum(control) / len(control)
        assert [row["treated_mean"], row["control_mean"]] == pytest.approx(means, rel=1e-6)
        assert row["absolute"] == pytest.approx(means[0] - means[1], rel=1e-6)
        assert row["relative"] == pytest.approx(means[0] / means[1] - 1, rel=1e-6)
        assert row["interval"] == pytest.approx([low, high], rel=1e-4)
        assert row["p"] == pytest.approx(p, rel=1e-3, abs=1e-12)


def test_a_file_that_is_no_experiment_is_refused(tmp_path: Path) -> None:
    """A column or a control that is not there; a row that is no number is named, and the others count."""
    file = tmp_path / "experiment.csv"
    file.write_text("arm,bought\nnone,0\none,1\none,many\nnone,1\n")
    words = ["--arm", "arm", "--control", "none", "--outcome", "bought"]
    for changed, named in (({"arm": "group"}, "group"), ({"none": "nobody"}, "nobody")):
        done = lift_file(str(file), *(changed.get(word, word) for word in words), check=False)
        assert done.returncode != 0 and named in done.stderr, done
        assert "Traceback" not in done.stderr
    done = lift_file(str(file), *words, check=False)
    assert "3" in done.stderr and "many" in done.stderr, done
    (row,) = json.loads(done.stdout)["results"]
    assert (row["treated_mean"], row["control_mean"]) == (1, 0.5)


# «Cost ledger: every counted message with its marginal price; month to date, forecast, what replies saved.»
def test_each_counted_message_has_its_marginal_price(counted: Sender) -> None:
    """Two are included, the third costs 0.20; a refused one and Telegram cost nothing."""
    extra = [{"up_to": None, "price": "0.20"}]
    included = counted.simulator.get_usage() + 2
    counted.put_prices("line-main", "pay", {"code": "pay", "included": included, "extra": extra})
    counted.put_line()
    people = counted.add(3, on=("line-main", "tg"))
    prices = [counted.single(one)["price"] for one in people]
    assert [decimal(price) for price in prices] == [0, 0, 0.20]
    assert counted.single(people[0], channel="tg")["state"] == "accepted"
    stranger = counted.add_one(consent=False)
    assert counted.single(stranger)["state"] == "refused"
    told = counted.ask("GET", "/api/costs", params={"month": f"{today():%Y-%m}"})
    line, telegram = told["channels"]["line-main"], told["channels"]["tg"]
    assert told["month"] == f"{today():%Y-%m}"
    assert (line["messages"], decimal(line["cost"]), line["free_replies"]) == (3, 0.20, 0)
    assert (telegram["messages"], decimal(telegram["cost"])) == (1, 0)
    assert decimal(line["forecast"]) >= 0.20 and decimal(line["saved_by_replies"]) == 0
    last = counted.ask("GET", "/api/costs", params={"month": "2020-01"})
    assert all(each["messages"] == 0 for each in last["channels"].values())
    counted.ask("GET", "/api/costs", params={"month": "soon"}, status=400)
