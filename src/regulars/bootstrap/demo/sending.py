"""What the demo does with its campaigns: set up, plan, ask what if, and send day by day, by its clock, to simulated platforms.

Decides what happens where some of it happened before: a plan that is sent stays as it is, one that was stopped on its way
goes on at the first day that is not over. Nothing is planned, sent or counted twice.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from rich.console import Console

from regulars.bootstrap.demo.campaigns import (
    CAPS,
    HOLDOUT,
    OFFERS,
    Days,
    build_campaign,
    build_channels,
    build_plan,
    build_price_plans,
    list_audiences,
)
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import ServeFailed
from regulars.bootstrap.demo.journey import Journey, list_households
from regulars.bootstrap.demo.reaching import LINE, TELEGRAM, draw_reached, make_reachable, read_held
from regulars.bootstrap.demo.stage import Stage
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, get_brand
from regulars.campaigns.service import sending as plans
from regulars.platform.db import Database

LAST_STATES: Final = frozenset({"accepted", "rejected", "unknown", "refused", "withheld", "cancelled"})
DAY_SECONDS_MAX: Final = 120.0
POLL_SECONDS: Final = 0.05
AFTER_MIDNIGHT: Final = timedelta(seconds=1)
PEOPLE_AT_ONCE: Final = 5_000
DAYS_TOLD: Final = 7
NAMES: Final = [offer.name for offer in OFFERS]
NEWEST: Final = 10**18
PLANS_LOOKED_AT_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Sent:
    """What only the run that sent knows: the rows of what-if, asked before, and what the simulated platforms got."""

    what_if: list[dict[str, Any]]
    received: int
    days: int


def find_plan(client: Client, days: Days) -> dict[str, Any] | None:
    """The demo's plan with its progress, whatever its state; None where there is none in force."""
    window = [days.first_on.isoformat(), days.last_on.isoformat()]
    for plan in client.iter_all("/api/plans", "plans"):
        if plan["campaigns"] == NAMES and [plan["from"], plan["until"]] == window and plan["state"] != "cancelled":
            return client.get(f"/api/plans/{plan['id']}")
    return None


async def hold_unfinished(deployment: Deployment) -> None:
    """Pause the demo's plan where a run was killed while it sent: the next worker would send all of the rest at once, late."""
    database = Database(deployment.dsn, connections_max=1)
    await database.open()
    try:
        brand = await get_brand(deployment, database, FIRST_BRAND)
        today = deployment.clock().astimezone(brand.time_zone).date()
        async with database.read() as tx:
            unfinished = [
                plan["id"]
                for plan in await plans.list_plans(tx, brand, before=NEWEST, limit=PLANS_LOOKED_AT_MAX)
                if plan["campaigns"] == NAMES
                and plan["state"] == "sending"
                and date.fromisoformat(plan["until"]) < today
                # Whether all of it has been sent is told of one plan alone.
                and (await plans.show_plan(tx, brand, plan["id"]))["state"] == "sending"
            ]
        for plan_id in unfinished:
            async with database.write() as tx:
                await plans.pause_plan(tx, brand, plan_id)
    finally:
        await database.close()


def send_campaigns(
    stage: Stage, deployment: Deployment, journey: Journey, days: Days, seed: int, console: Console
) -> Sent:
    """Everything, up to the end of the data's last day. Raises: ServeFailed."""
    client, plan = stage.client, find_plan(stage.client, days)
    if plan is None:
        _make_reachable(stage, deployment, journey, seed)
    friends = _open_channels(stage)
    if plan is None:
        _set_up(client, days, friends)
        plan = client.post("/api/plans", build_plan(days, seed))
    what_if: list[dict[str, Any]] = []
    if plan["state"] == "draft":
        what_if = client.get(f"/api/plans/{plan['id']}/what-if")["rows"]
        client.post(f"/api/plans/{plan['id']}/send")
    elif plan["state"] == "paused":
        client.post(f"/api/plans/{plan['id']}/resume")
    with _held_where_stopped(client, plan["id"]):
        _live_through(stage, plan["id"], days, console)
    return Sent(what_if, _count_received(stage), len(days.list_days()))


def _make_reachable(stage: Stage, deployment: Deployment, journey: Journey, seed: int) -> None:
    held = read_held(stage.client.iter_all("/api/members", "members"))
    reached = draw_reached((one.household_id for one in list_households(journey)), seed)
    asyncio.run(make_reachable(deployment, reached, held, stage.clock()))


def _open_channels(stage: Stage) -> int:
    """Put the channels, and on the platforms whoever is reached there; how many friends LINE's account has."""
    ids: dict[str, list[str]] = {LINE: [], TELEGRAM: []}
    for member in stage.client.iter_all("/api/members", "members"):
        for identity in member["identities"]:
            if identity["kind"] in ids:
                ids[identity["kind"]].append(identity["value"])
    control = Client(stage.platforms["url"], "")
    for channel, people in ids.items():
        for at in range(0, len(people), PEOPLE_AT_ONCE):
            control.post("/_control/people", {"channel": channel, "ids": people[at : at + PEOPLE_AT_ONCE]})
    for name, body in build_channels(stage.platforms).items():
        stage.client.put(f"/api/channels/{name}", body)
    return len(ids[LINE])


def _set_up(client: Client, days: Days, friends: int) -> None:
    """Price plans, settings, audiences, campaigns; what is not the demo's in the settings stays."""
    client.put(f"/api/price-plans/{LINE}", build_price_plans(friends, days))
    client.put("/api/settings", {**client.get("/api/settings"), "caps": list(CAPS), "holdout": HOLDOUT})
    for name, body in list_audiences().items():
        client.put(f"/api/audiences/{quote(name)}", body)
    for offer in OFFERS:
        client.put(f"/api/campaigns/{quote(offer.name)}", build_campaign(offer, days))


@contextlib.contextmanager
def _held_where_stopped(client: Client, plan_id: str) -> Generator[None]:
    """Interrupted, the plan is held: else whichever worker comes next would send all of it at once, late."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ServeFailed):
            client.post(f"/api/plans/{plan_id}/pause")
        raise


def _live_through(stage: Stage, plan_id: str, days: Days, console: Console) -> None:
    """Move the clock to each day's first messages, and wait until all that is due has reached its end."""
    due: Counter[datetime] = Counter(
        datetime.fromisoformat(one["send_at"])
        for one in stage.client.iter_all(f"/api/plans/{plan_id}/assignments", "assignments")
    )
    total, wanted = due.total(), 0
    by_day: dict[date, list[datetime]] = {}
    for at in sorted(due):
        by_day.setdefault(at.astimezone(days.zone).date(), []).append(at)
    done = _count_done(stage.client, plan_id)
    for number, day in enumerate(days.list_days(), 1):
        stage.clock.move(days.begin_of(day) + AFTER_MIDNIGHT)
        for at in by_day.get(day, ()):
            wanted += due[at]
            if done < wanted:
                stage.clock.move(at + AFTER_MIDNIGHT)
                done = _wait(stage, plan_id, wanted)
        if number % DAYS_TOLD == 0:
            console.print(f"{day}, day {number}: {done:,} of {total:,} deliveries are over", highlight=False)
    stage.clock.move(days.ends_at + AFTER_MIDNIGHT)


def _wait(stage: Stage, plan_id: str, wanted: int) -> int:
    deadline = time.monotonic() + DAY_SECONDS_MAX
    while (done := _count_done(stage.client, plan_id)) < wanted:
        stage.check()
        if time.monotonic() > deadline:
            raise ServeFailed(f"{done} of {wanted} deliveries were over after {DAY_SECONDS_MAX:.0f} seconds of one day")
        time.sleep(POLL_SECONDS)
    return done


def _count_done(client: Client, plan_id: str) -> int:
    progress: dict[str, int] = client.get(f"/api/plans/{plan_id}")["progress"]
    return sum(count for state, count in progress.items() if state in LAST_STATES)


def _count_received(stage: Stage) -> int:
    """Messages that the simulated platforms took, as they count them."""
    totals = Client(stage.platforms["url"], "").get("/_control/totals")
    return sum(account["received"] for account in totals["accounts"]) + totals["by"].get("email/mail", {}).get(
        "accepted", 0
    )
