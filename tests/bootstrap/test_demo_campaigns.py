"""The demo's campaigns: days, reachability and the model by themselves; a part of it whole, stopped twice and repeated."""

import json
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from rich.cells import cell_len

from regulars.bootstrap.demo.campaigns import (
    GOAL_DAYS,
    OFFERS,
    Days,
    build_plan,
    build_price_plans,
    choose_days,
    count_included,
)
from regulars.bootstrap.demo.errors import JourneyMissing
from regulars.bootstrap.demo.journey import find_data
from regulars.bootstrap.demo.lifting import STATED_LIFT, Acted, model_responses, study_both
from regulars.bootstrap.demo.reaching import LINE, MAIL, SHARES, TELEGRAM, draw_reached, read_held
from regulars.bootstrap.demo.shift import Shift
from regulars.bootstrap.demo.stage import MovedClock
from tests.support.requirements import absent
from tests.support.serving import Serving, make_folder

ZONE = ZoneInfo("Asia/Taipei")
LAST = datetime(2018, 1, 1, 4, 1, 20)  # noqa: DTZ001 - a wall clock of the files
SHIFT = Shift(463, ZONE)
HOUSEHOLDS = 60
RUN = """
import sys
from datetime import date
from pathlib import Path
from regulars.bootstrap.demo.run import DemoOrder, run_demo
from regulars.platform.settings import read_settings
order = DemoOrder(date(2026, 11, 22), json=True, households_max=int(sys.argv[2]))
sys.exit(run_demo(read_settings(home=Path(sys.argv[1])), order))
"""


@pytest.fixture
def days() -> Days:
    return choose_days(SHIFT, LAST)


def acted(members: int, rate: float) -> Acted:
    """Members of whom every fourth is withheld and such a share bought."""
    rng = np.random.default_rng(7)
    converted = rng.random(members) < rate
    return Acted(np.arange(members) % 4 == 0, converted, converted * rng.gamma(2.0, 20.0, members))


def test_the_days_are_four_weeks_and_each_message_has_its_goals_window(days: Days) -> None:
    assert (days.first_on, days.last_on, days.ends_on) == (date(2026, 10, 20), date(2026, 11, 8), date(2026, 11, 16))
    assert len(days.list_days()) == 28
    assert days.begin_of(days.first_on) == datetime(2026, 10, 19, 16, tzinfo=UTC)
    last_end = days.begin_of(days.last_on) + timedelta(hours=24, days=GOAL_DAYS)
    assert last_end <= days.ends_at < last_end + timedelta(days=1)


def test_what_was_moved_is_moved_back() -> None:
    assert SHIFT.undo(SHIFT.move(LAST)) == LAST
    assert SHIFT.undo(SHIFT.move(LAST).astimezone(UTC)) == LAST


def test_who_is_reached_follows_from_household_and_seed_alone() -> None:
    everybody = draw_reached(range(1, 2_001), seed=1)
    assert draw_reached([1_500], seed=1)[0] in everybody
    assert draw_reached(range(1, 2_001), seed=2) != everybody
    for channel, share in SHARES.items():
        reached = [one.addresses[channel] for one in everybody if channel in one.addresses]
        assert len(reached) == pytest.approx(share * 2_000, abs=100)
        assert len(set(reached)) == len(reached)
    addresses = {channel: address for one in everybody for channel, address in one.addresses.items()}
    assert len(addresses[LINE]) == 33 and addresses[TELEGRAM].isdigit() and addresses[MAIL].endswith("@example.com")


def test_what_members_hold_is_read_by_card() -> None:
    consent = {"channel": "line", "purpose": "marketing", "granted": True}
    members = [
        {"id": "m1", "identities": [{"kind": "card", "value": "12"}], "consents": [consent]},
        {"id": "m2", "identities": [{"kind": "card", "value": "x"}], "consents": []},
        {"id": "m3", "identities": [{"kind": "card", "value": "13"}], "consents": [{**consent, "granted": False}]},
    ]
    held = read_held(members)
    assert held.members == {12: "m1", 13: "m3"}
    assert held.granted == {12: {"line"}, 13: frozenset()}


def test_the_light_plan_includes_no_more_than_a_quarter_of_the_friends(days: Days) -> None:
    many, few = build_price_plans(1_481, days), build_price_plans(60, days)
    assert many["current"] == "light" and {plan["code"] for plan in many["plans"]} == {"light", "mid", "high"}
    assert count_included(many, days) == 400, "two months of 200"
    assert count_included(few, days) == 30
    assert all(date.fromisoformat(plan["valid_from"]) <= days.first_on for plan in many["plans"])
    assert len(build_plan(days, 1)["campaigns"]) == len(OFFERS) == 6


def test_the_model_moves_the_treated_alone(days: Days) -> None:
    real = acted(4_000, 0.3)
    told = model_responses(OFFERS[0], days, real, "p1", seed=1)
    assert told["withheld"]["converted"] == int(real.converted[real.is_withheld].sum())
    assert told["treated"]["members"] == 3_000
    added = told["treated"]["converted"] - int(real.converted[~real.is_withheld].sum())
    assert added / 3_000 == pytest.approx(STATED_LIFT, abs=0.02)
    assert told["lift"]["absolute"] == pytest.approx(
        told["treated"]["converted"] / 3_000 - told["withheld"]["converted"] / 1_000
    )


def test_an_arm_of_nobody_is_told_as_not_enough(days: Days) -> None:
    told = model_responses(OFFERS[0], days, Acted(np.zeros(3, bool), np.zeros(3, bool), np.zeros(3)), "p1", seed=1)
    assert told["lift"] is None and told["verdict"] == "not_enough_yet"


@pytest.mark.parametrize("rate", [0.1, 0.6])
def test_the_study_knows_its_truth(rate: float) -> None:
    real, modelled = study_both(acted(800, rate), seed=3)
    assert real.conversions.truth == 0
    assert modelled.conversions.truth == pytest.approx(STATED_LIFT)
    for one in (real, modelled):
        assert 0.93 <= one.conversions.covered <= 0.975
        assert one.conversions.mean_estimate == pytest.approx(one.conversions.truth, abs=0.005)


def test_a_moved_clock_goes_on_from_where_it_was_moved_to() -> None:
    at = datetime(2026, 10, 20, tzinfo=UTC)
    clock = MovedClock(at)
    clock.move(at + timedelta(days=1))
    first = clock()
    assert at + timedelta(days=1) <= first <= clock() < at + timedelta(days=1, minutes=1)


# --- a part of it, whole ---


def start(home: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-P", "-c", RUN, str(home), str(HOUSEHOLDS)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop_at(home: Path, line_end: str, number: signal.Signals) -> None:
    """Let a run come so far, and stop it."""
    with start(home) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line_end in line:
                break
        process.send_signal(number)
        process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 143)


def run(home: Path) -> tuple[dict[str, Any], str]:
    with start(home) as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-2_000:]
    return json.loads(out), err


def count_deliveries(home: Path) -> dict[str, int]:
    """By state, as the home's own API answers."""
    serving = Serving(home).start()
    try:
        rows = serving.get("/api/deliveries?limit=1000")["deliveries"]
    finally:
        serving.end()
    assert len({(row["member"], row["campaign"]) for row in rows}) == len(rows)
    return {state: sum(row["state"] == state for row in rows) for state in {row["state"] for row in rows}}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_part_of_it_stopped_killed_resumed_and_repeated() -> None:
    try:
        find_data()
    except JourneyMissing as error:
        absent(error.message)
    with make_folder(in_memory=False) as place:
        home = place / "home"
        stop_at(home, "day 7:", signal.SIGTERM)
        stop_at(home, "day 14:", signal.SIGKILL)
        resumed, _ = run(home)
        wanted = {"accepted": resumed["plan"]["messages"], "withheld": resumed["plan"]["withheld"]}
        assert {state: resumed["sent"][state] for state in wanted} == wanted
        assert 0 < resumed["sent"]["received"] < wanted["accepted"], "the rest went to platforms that ended"
        assert count_deliveries(home) == wanted
        again, said = run(home)
        assert again["plan"] == resumed["plan"]
        assert again["lift"] == resumed["lift"]
        assert again["sent"] == wanted
        assert count_deliveries(home) == wanted
        assert "simulated" in said and max(cell_len(line) for line in said.splitlines()) <= 100
