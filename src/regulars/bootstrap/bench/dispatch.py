"""Personalised pushes a second to a local LINE-shaped server, each exactly once, against the same client firing the same bodies.

Ours: planned deliveries through the gate (consent, caps, holdout, quota), written for each member, stored, claimed, sent
by the LINE adapter, and told; PostgreSQL commits with fsync and runs beside. The other: the very bodies that were stored,
fired by the same HTTP sender with as many under way, and nothing kept. The server is `regulars simulate`; what arrived is
counted in what it received, not in our tables.
"""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import uvloop

from regulars.access import service as access
from regulars.bootstrap.bench.report import BenchResult, Say, growth_exponent, middle
from regulars.bootstrap.bench.served import temporary_home
from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, open_deployment
from regulars.channels.registry import Kinds
from regulars.kernel.clock import system_clock
from regulars.kernel.ids import MemberId
from regulars.members.identity import parse_identity
from regulars.members.service import joining, setting_traits
from regulars.members.service.setting_traits import TraitUpdate
from regulars.messaging.model import NewDelivery
from regulars.messaging.ports import Channel, Request
from regulars.messaging.service import channels, controlling
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.dispatching import KEYED_IN_FLIGHT_MAX, Dispatcher
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database
from regulars.platform.settings import read_settings
from regulars.platform.tenancy import Brand

BAR = 0.6
PUSHES_PER_SECOND_BAR = 2_000
GROWTH_MAX = 1.15
SIZES = (2_000, 6_000, 18_000)
MEMBERS = 18_000
ROUNDS = 3
SECONDS_MAX = 240
MESSAGE = {
    "zh-TW": {
        "text": "{{ member.traits.name }} 您好，新品上架了",
        "button": {"label": "看看", "url": "https://example.com/new"},
    }
}


@dataclass(frozen=True, slots=True)
class Desk:
    """One brand, its members, and what sends to them."""

    database: Database
    brand: Brand
    outbox: Outbox
    member_ids: Sequence[MemberId]


def run_dispatch(say: Say) -> BenchResult:
    """The whole bench; about two minutes."""
    with (
        temporary_home() as home,
        simulate(home) as simulator,
        open_deployment(read_settings(home=home)) as deployment,
    ):
        figures = uvloop.run(_measure(deployment, simulator, say))
    ratio, rate = figures["ratio"], figures["pushes_per_second"]
    is_ok = ratio >= BAR and rate >= PUSHES_PER_SECOND_BAR and figures["growth_exponent"] <= GROWTH_MAX
    is_once = figures["received_twice"] == figures["never_received"] == 0
    return BenchResult("dispatch", is_ok and is_once, ratio, BAR, figures)


@contextmanager
def simulate(folder: Path) -> Generator[dict[str, Any]]:
    """`regulars simulate` in a process of its own; its ready line."""
    with (folder / "simulate.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "regulars", "simulate", "--port", "0", "--json"], stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"simulate did not start:\n{(folder / 'simulate.log').read_text()[-2000:]}")
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait()


async def _measure(deployment: Deployment, simulator: dict[str, Any], say: Say) -> dict[str, Any]:
    async with _open_desk(deployment, simulator, say) as desk:
        ratios: list[float] = []
        rates: list[float] = []
        alones: list[float] = []
        for number in range(ROUNDS):
            seconds, bodies = await _dispatch(desk, SIZES[1], plan_id=number + 1)
            alone = await _fire(desk, bodies)
            rates.append(SIZES[1] / seconds)
            alones.append(SIZES[1] / alone)
            ratios.append(rates[-1] / alones[-1])
            say(f"round {number + 1}: {rates[-1]:,.0f}/s exactly once, {alones[-1]:,.0f}/s by the client alone")
        grown = [(await _dispatch(desk, size, plan_id=100 + at))[0] for at, size in enumerate(SIZES)]
        expected = ROUNDS * SIZES[1] + sum(SIZES)
        twice, missing = _count_received(simulator, desk, expected)
    return {
        "pushes_per_second": round(middle(rates)),
        "pushes_per_second_bar": PUSHES_PER_SECOND_BAR,
        "client_alone_pushes_per_second": round(middle(alones)),
        "ratio": round(middle(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "growth_exponent": round(growth_exponent(SIZES, grown), 3),
        "growth_sizes": list(SIZES),
        "growth_seconds": [round(seconds, 2) for seconds in grown],
        "received_twice": twice,
        "never_received": missing,
    }


@asynccontextmanager
async def _open_desk(deployment: Deployment, simulator: dict[str, Any], say: Say) -> AsyncGenerator[Desk]:
    database = Database(deployment.dsn)
    await database.open()
    outbox = Outbox(database, OpenChannels(Kinds(system_clock)), deployment.master_key, "http://127.0.0.1")
    try:
        async with database.write() as tx:
            brand = await access.get_brand(tx, FIRST_BRAND, master_key=deployment.master_key)
            # Caps are counted on every delivery, and wide enough for all rounds.
            caps = [{"most": 100, "per": "30d"}, {"most": 50, "per": "7d", "topic": "promo"}]
            await access.replace_settings(tx, brand, {"caps": caps, "quiet_hours": None, "holdout": 0.0})
            line = {
                "kind": "line",
                **{name: simulator["line"][name] for name in ("base_url", "access_token", "secret")},
            }
            await channels.put_channel(tx, brand, "oa", line, outbox.channels.kinds, now=system_clock())
        say(f"{MEMBERS:,} members arrive")
        member_ids = await _arrive(database, brand)
        _add_people(simulator, [f"U{number}" for number in range(MEMBERS)])
        yield Desk(database, brand, outbox, member_ids)
    finally:
        await outbox.channels.close()
        await database.close()


async def _arrive(database: Database, brand: Brand) -> list[MemberId]:
    """Members with a name, a LINE id and their consent."""
    now = system_clock()
    for start in range(0, MEMBERS, 3_000):
        numbers = range(start, min(start + 3_000, MEMBERS))
        claims = [(parse_identity("line", f"U{number}", country=brand.country),) for number in numbers]
        async with database.write() as tx:
            await joining.lock_brand(tx, brand)
            origins = await joining.resolve_claims(tx, brand, claims, now=now)
            updates = [
                TraitUpdate(origins[claim], {"name": f"會員{number}"}, now)
                for claim, number in zip(claims, numbers, strict=True)
            ]
            await setting_traits.set_traits(tx, brand, updates, now=now)
    # One statement instead of a call a member: this is not what is measured.
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        connection.execute(
            "insert into members_consents (brand_id, member_id, consent_no, channel, purpose, granted, at, holder_member_id)"
            " select brand_id, member_id, 1, 'oa', 'marketing', true, now(), member_id from members_members"
        )
        connection.execute("analyze")
        return [row[0] for row in connection.execute("select member_id from members_members order by member_id")]


async def _dispatch(desk: Desk, count: int, *, plan_id: int) -> tuple[float, list[bytes]]:
    """Seconds from planned to the last told, and the bodies that were stored."""
    now, brand = system_clock(), desk.brand
    async with desk.database.write() as tx:
        message_id = await controlling.ensure_message(tx, brand, MESSAGE, now=now)
        new = [
            NewDelivery(member_id, "oa", message_id, f"plan:{plan_id}:{member_id}", now, topic="promo", campaign="new")
            for member_id in desk.member_ids[:count]
        ]
        await controlling.make_planned(tx, brand, plan_id, new, now=now)
    stopped = asyncio.Event()
    began_at = system_clock()
    running = asyncio.create_task(Dispatcher(desk.database, desk.outbox, system_clock).run(stopped))
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            # Seldom: whoever looks takes the processor from what is measured.
            await asyncio.sleep(0.25)
            async with desk.database.read() as tx:
                states = await controlling.count_states(tx, brand, plan_id)
            if states.get("accepted") == count:
                break
            assert not running.done(), "the dispatcher ended by itself"
    stopped.set()
    await running
    with psycopg.connect(desk.database.dsn) as connection:
        rows = connection.execute("select body from messaging_requests where plan_id = %s", [plan_id]).fetchall()
        told = connection.execute(
            "select max(done_at) from messaging_deliveries where plan_id = %s", [plan_id]
        ).fetchone()
    assert told is not None, "an aggregate gives a row"
    return (told[0] - began_at).total_seconds(), [bytes(row[0]) for row in rows]


async def _fire(desk: Desk, bodies: Sequence[bytes]) -> float:
    """Seconds for the same client to send the same bodies under new keys, as many at once."""
    async with desk.database.read() as tx:
        channel: Channel = desk.outbox.channels.get(await channels.get_channel(tx, desk.brand, "oa"))
    waiting = iter(bodies)

    async def send_on() -> None:
        for body in waiting:
            await channel.send(Request(uuid4(), "/v2/bot/message/push", body, ()))

    began = time.perf_counter()
    await asyncio.gather(*(send_on() for _ in range(KEYED_IN_FLIGHT_MAX)))
    return time.perf_counter() - began


def _add_people(simulator: dict[str, Any], ids: Sequence[str]) -> None:
    for start in range(0, len(ids), 1_000):
        _ask(f"{simulator['control']}/people", {"channel": "line", "ids": ids[start : start + 1_000]})


def _count_received(simulator: dict[str, Any], desk: Desk, expected: int) -> tuple[int, int]:
    """Keys that were accepted twice, and deliveries whose key never was."""
    with psycopg.connect(desk.database.dsn) as connection:
        ours = {str(row[0]) for row in connection.execute("select request_id from messaging_requests")}
    accepted: dict[str, int] = {}
    cursor = ""
    while True:
        page = _ask(f"{simulator['control']}/requests?limit=1000{cursor}")
        for one in page["requests"]:
            if one["outcome"] == "accepted" and one["retry_key"] in ours:
                accepted[one["retry_key"]] = accepted.get(one["retry_key"], 0) + 1
        if page["next"] is None:
            return sum(count - 1 for count in accepted.values()), expected - len(accepted)
        cursor = f"&cursor={page['next']}"


def _ask(url: str, body: object = None) -> Any:
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
