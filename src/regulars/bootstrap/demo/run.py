"""What `regulars demo` does, in order: start, read, load, ask back, compare, tell; then serve on, or stop.

Decides what goes where: the report is standard output, everything said meanwhile is standard error. With --json
standard output is one line, and the report goes to standard error too.
"""

import asyncio
import contextlib
import json as json_module
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn
from zoneinfo import ZoneInfo

from rich.console import Console

from regulars.bootstrap.demo.audiences import compute_members, show_audiences
from regulars.bootstrap.demo.campaigns import Days, choose_days, count_included
from regulars.bootstrap.demo.checking import Before, check_totals, is_loaded, read_before
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import HomeTaken
from regulars.bootstrap.demo.journey import (
    Journey,
    choose_hero,
    find_data,
    iter_items,
    list_first_baskets,
    open_journey,
)
from regulars.bootstrap.demo.lifting import measure_campaigns
from regulars.bootstrap.demo.loading import BASKET_KEY, Loaded, load_journey
from regulars.bootstrap.demo.moving import moving_meanwhile
from regulars.bootstrap.demo.reaching import LINE
from regulars.bootstrap.demo.report import Outcome, render_report, to_json
from regulars.bootstrap.demo.report_campaigns import Campaigned
from regulars.bootstrap.demo.rewarding import Rewarded, put_programme, reward_members
from regulars.bootstrap.demo.sending import Sent, find_plan, hold_unfinished, send_campaigns
from regulars.bootstrap.demo.server import find_running_url, open_server
from regulars.bootstrap.demo.shift import Shift, choose_weeks, find_weeks
from regulars.bootstrap.demo.stage import open_stage
from regulars.bootstrap.demo.story import tell_story
from regulars.bootstrap.deployment import Deployment, ensure_home, open_deployment
from regulars.bootstrap.history import build_history_place
from regulars.kernel.clock import Clock, system_clock
from regulars.platform.settings import Settings

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
PROBES_MAX = 3


@dataclass(frozen=True, slots=True)
class DemoOrder:
    """What is to be shown; `households_max` takes a part of the data, for tests."""

    today: date | None = None
    serves_on: bool = False
    json: bool = False
    seed: int = 1
    points: bool = False
    households_max: int | None = None


@dataclass(slots=True)
class _Watch:
    """How long each step takes."""

    began: float = field(default_factory=time.monotonic)
    seconds: dict[str, float] = field(default_factory=dict[str, float])

    @contextlib.contextmanager
    def step(self, name: str) -> Generator[None]:
        started = time.monotonic()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - started

    def end(self) -> dict[str, float]:
        return {**self.seconds, "total": time.monotonic() - self.began}


@dataclass(frozen=True, slots=True)
class _Demo:
    """One run, once its server answers and its files are open."""

    settings: Settings
    order: DemoOrder
    clock: Clock
    client: Client
    journey: Journey
    zone: ZoneInfo
    console: Console


def run_demo(settings: Settings, order: DemoOrder, clock: Clock = system_clock) -> int:
    """Load, check, tell; returns the exit code. Raises: the errors of this package, and what loading raises."""
    console = Console(stderr=True)
    watch = _Watch()
    folder = find_data()
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        home = ensure_home(settings)
        _hold_unfinished(settings, home)
        with open_server(home) as server:
            with watch.step("reading"):
                journey = open_journey(folder, households_max=order.households_max)
            with watch.step("starting"):
                client = server.wait_until_ready()
            brand = client.get("/api/settings")
            demo = _Demo(settings, order, clock, client, journey, ZoneInfo(brand["time_zone"]), console)
            outcome = _show(demo, watch, home=str(home), currency=brand["currency"])
            with watch.step("campaigns"):
                campaigned = _read_campaigns(demo, outcome)
            is_foreign = server.process is None
        # Nobody else may send while the clock is the demo's.
        if campaigned is None and not is_foreign:
            with watch.step("campaigns"):
                campaigned = _run_campaigns(demo, outcome)
        outcome = replace(outcome, campaigned=campaigned, seconds=watch.end())
        _print(outcome, as_json=order.json)
        if order.serves_on:
            _serve_on(home, console)
        return 0
    except KeyboardInterrupt:
        console.print("Interrupted: what is loaded stays, and the next run goes on from there.")
        return EXIT_INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _hold_unfinished(settings: Settings, home: Path) -> None:
    """Before anything is served: what a killed run left planned is for the demo's clock."""
    if (home / "credentials.json").exists() and find_running_url(home) is None:
        with open_deployment(settings) as deployment:
            asyncio.run(hold_unfinished(deployment))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Ends like any exit: what was started is stopped."""
    sys.exit(EXIT_TERMINATED)


def _show(demo: _Demo, watch: _Watch, *, home: str, currency: str) -> Outcome:
    before = read_before(demo.client)
    shift = _choose_shift(demo, before)
    loaded = Loaded()
    if demo.order.points and before.is_empty:
        put_programme(demo.client)
    with open_deployment(demo.settings) as deployment:
        with watch.step("loading"):
            if is_loaded(before, demo.journey):
                demo.console.print("Everything is there already: nothing is loaded again.")
            else:
                loaded = asyncio.run(_load(deployment, demo, shift))
        with watch.step("computing"):
            computing = asyncio.run(compute_members(deployment, demo.settings))
    with watch.step("checking"):
        checked = check_totals(demo.client, demo.journey, shift, before, loaded)
        hero = choose_hero(demo.journey)
        story = None if hero is None else tell_story(demo.client, hero, demo.zone)
    with watch.step("audiences"):
        shown = show_audiences(demo.client, computing)
    rewarded = _reward(demo, watch, is_new=bool(loaded.seconds))
    return Outcome(
        counts=demo.journey.counts,
        checked=checked,
        loaded=loaded,
        shift=shift,
        currency=currency,
        seconds=watch.end(),
        home=home,
        story=story,
        shown=shown,
        rewarded=rewarded,
    )


def _reward(demo: _Demo, watch: _Watch, *, is_new: bool) -> Rewarded | None:
    """None where no programme was put in force before the first basket."""
    if not demo.client.get("/api/programmes")["programmes"]:
        return None
    with watch.step("points"), open_deployment(demo.settings) as deployment:
        return reward_members(demo.client, deployment, demo.settings, takes=is_new)


async def _load(deployment: Deployment, demo: _Demo, shift: Shift) -> Loaded:
    async with moving_meanwhile(deployment, build_history_place(demo.settings)):
        return await load_journey(deployment, demo.journey, shift, demo.console)


def _choose_shift(demo: _Demo, before: Before) -> Shift:
    """How far to move: a home that is loaded already keeps what it has, or every event would be there twice."""
    today = demo.order.today or demo.clock().astimezone(demo.zone).date()
    weeks = choose_weeks(demo.journey.counts.last_at, today)
    if before.is_empty:
        return Shift(weeks, demo.zone)
    check_own(demo.client, demo.journey)
    kept = find_loaded_weeks(demo.client, demo.journey, demo.zone)
    if kept is None:
        return Shift(weeks, demo.zone)
    if kept != weeks:
        demo.console.print(
            f"This home was loaded with everything moved by {kept} weeks, and stays so. For {today} it would be"
            f" {weeks}: use another --home for that.",
            highlight=False,
        )
    return Shift(kept, demo.zone)


def check_own(client: Client, journey: Journey) -> None:
    """Raises: HomeTaken where the catalogue is not the demo's."""
    first = next(iter_items(journey))[0].fields
    status, item = client.ask(f"/api/items/{first['id']}")
    if status != 200 or item["name"] != first.get("name"):
        raise HomeTaken(
            "this home holds data that is not the demo's, and the two could not be taken apart again: name another"
            " folder with --home",
            suggestion="--home demo-home",
        )


def find_loaded_weeks(client: Client, journey: Journey, zone: ZoneInfo) -> int | None:
    """By how many weeks the orders in this home were moved; None where there are none yet.

    A few baskets of the very first batch are looked for: one of them is there as soon as anything is, unless its member
    was erased.
    """
    for household_id, basket_id, original in list_first_baskets(journey, PROBES_MAX):
        member = client.find_member(household_id)
        for event in reversed(client.list_events(member["id"]) if member else []):
            if event["message_id"] == f"{BASKET_KEY}{basket_id}":
                return find_weeks(datetime.fromisoformat(event["at"]), original, zone)
    return None


def _read_campaigns(demo: _Demo, outcome: Outcome) -> Campaigned | None:
    """The demo's campaigns where an earlier run has sent them; None where it is still to be sent."""
    plan = find_plan(demo.client, _choose_days(demo, outcome))
    if plan is None or plan["state"] != "sent":
        return None
    return _tell_campaigns(demo, outcome, demo.client, None)


def _run_campaigns(demo: _Demo, outcome: Outcome) -> Campaigned:
    demo.console.print("Six campaigns, by the demo's own clock:")
    days, seed = _choose_days(demo, outcome), demo.order.seed
    with (
        open_deployment(demo.settings) as deployment,
        open_stage(demo.settings, deployment, days.begin_of(days.first_on), seed) as stage,
    ):
        sent = send_campaigns(stage, deployment, demo.journey, days, seed, demo.console)
        return _tell_campaigns(demo, outcome, stage.client, sent)


def _tell_campaigns(demo: _Demo, outcome: Outcome, client: Client, sent: Sent | None) -> Campaigned:
    days = _choose_days(demo, outcome)
    plan = find_plan(client, days)
    assert plan is not None, "it was sent"
    by_channel = Counter(
        (one["campaign"], one["channel"])
        for one in client.iter_all(f"/api/plans/{plan['id']}/assignments", "assignments")
        if one["withheld"] is None
    )
    # Later its people may have been merged or erased, and the two would count differently.
    measured = measure_campaigns(
        client, plan["id"], demo.journey, outcome.shift, days, demo.order.seed, checks=sent is not None
    )
    included = count_included(client.get(f"/api/price-plans/{LINE}"), days)
    return Campaigned(plan, by_channel, included, sent, days, outcome.currency, measured)


def _choose_days(demo: _Demo, outcome: Outcome) -> Days:
    return choose_days(outcome.shift, demo.journey.counts.last_at)


def _print(outcome: Outcome, *, as_json: bool) -> None:
    print(render_report(outcome), file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(json_module.dumps(to_json(outcome), ensure_ascii=False, default=float), flush=True)


def _serve_on(home: Path, console: Console) -> None:
    """Until Ctrl-C, or until it ends by itself."""
    with open_server(home) as server:
        server.wait_until_ready()
        print(f"\nServing at {server.url}; its keys are in {home / 'credentials.json'}.", flush=True)
        if server.process is None:
            return
        console.print("Ctrl-C stops it.", style="dim")
        with contextlib.suppress(KeyboardInterrupt):
            server.process.wait()
