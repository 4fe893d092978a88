"""Part 2 of the plan, the paragraph History and its bars: each event is read exactly once, whatever dies meanwhile.

What `regulars history … --brand NAME --json` answers where contract.md says nothing: `status` `{"tail_events",
"lake_events","files"}`; `compact` moves all of the tail and compacts, then answers as `status` does; `verify`
`{"ok","findings"}`, and ends with 1 where something is wrong. `REGULARS_HISTORY_SEAL_SECONDS` is the mover's five minutes.
"""

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.load import NAME, Client, check_acknowledged, send_meanwhile
from tests.support.serving import Serving, open_serving, wait_until
from tests.support.shop import LETTERS, Shop, ago

FAST = {"REGULARS_HISTORY_SEAL_SECONDS": "1"}
EVENTS_EACH = 7
CROWD = 40
KILLS = 12
SEED = 20261118
TOGETHER_SECONDS = 60
CUSTOM_NAMES = 2_000
ONCE = {"did": {"event": "Counted", "count": {"at_least": EVENTS_EACH, "at_most": EVENTS_EACH}}}


def run(shop: Shop, verb: str, *, check: bool = True) -> Any:
    """What the last line of `regulars history …` says."""
    return json.loads(shop.command("history", verb, check=check).stdout.splitlines()[-1])


def is_clean(verified: Any) -> bool:
    """Everything is there exactly once."""
    return verified["ok"] is True and verified["findings"] == []


def list_files(home: Path) -> dict[Path, tuple[int, int]]:
    """Data files of the lake, when each was written and its size."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*.parquet")}


def make_crowd(shop: Shop) -> list[str]:
    """Members who counted to seven each, over fourteen months; their ids. One copy more or less is seen in `ONCE`."""
    users = [f"crowd {number}" for number in range(CROWD)]
    for user in users:
        times = [ago(days=60 * at + 1, minutes=at) for at in range(EVENTS_EACH)]
        shop.tell(*(shop.event(user, "Counted", at, products=[{"product_id": "p", "quantity": 1}]) for at in times))
    shop.save(ONCE, "once each")
    return [shop.member(f"user_id:{user}")["id"] for user in users]


def check_chaos(shop: Shop, clients: list[Client]) -> None:
    """What was acknowledged is there once: as the API lists it, and as an audience counts it."""
    check_acknowledged(shop.serving, clients)
    for client in clients:
        number = len(client.acknowledged)
        exact = {"did": {"event": NAME, "count": {"at_least": number, "at_most": number}}}
        pages = shop.pages(shop.save(exact), 1_000, as_of=None)
        assert shop.member(f"user_id:{client.user}")["id"] in pages[0]


# --- commands -------------------------------------------------------------------------------------------------------


# «`regulars history status|compact|verify`.»
def test_the_history_is_moved_compacted_and_verified(shop: Shop) -> None:
    """No answer changes by it, and every event is in the tail or in the lake."""
    days = [1, 40, 400]
    shop.tell(*(shop.event(who, "Stamp Got", ago(days=day), revenue=10) for who in "abc" for day in days))
    shop.tell(shop.event("d", "Stamp Got", ago(days=1), revenue=10))
    names = [
        shop.save({"did": {"event": "Stamp Got"}}),
        shop.save({"did": {"event": "Stamp Got", "count": {"at_least": 3, "at_most": 3}}}),
        shop.save({"did": {"event": "Stamp Got", "sum": {"of": "revenue", "at_most": 30}, "within": "90d"}}),
    ]
    expected = ["abcd", "abc", "abcd"]
    assert [shop.members(name) for name in names] == expected
    before = run(shop, "status")
    moved = run(shop, "compact")
    after = run(shop, "status")
    assert before["tail_events"] + before["lake_events"] == after["lake_events"] == moved["lake_events"] >= 10
    assert after["tail_events"] == 0 and after["files"] > 0
    assert [shop.members(name) for name in names] == expected
    shop.tell(shop.event("e", "Stamp Got", ago(days=1), revenue=10))
    assert run(shop, "status")["tail_events"] == 1
    assert [shop.members(name) for name in names] == ["abcde", "abc", "abcde"], "tail and lake together"
    assert is_clean(run(shop, "verify"))


# «Merge and unmerge change counts at once and back exactly, without touching a file.»
def test_a_merge_touches_no_file(serving: Serving, shop: Shop) -> None:
    shop.tell(*(shop.event(who, "Coin Found", ago(days=day)) for who in "ab" for day in (3, 300)))
    name = shop.save({"did": {"event": "Coin Found", "count": {"at_least": 4}}})
    moved = run(shop, "compact")
    files = list_files(serving.home)
    assert files and moved["tail_events"] == 0
    for _ in range(3):
        done = shop.ask("POST", "/api/members/merge", {"keep": shop.ids["a"], "merge": shop.ids["b"]})
        assert shop.members(name) == "a"
        shop.ask("POST", "/api/members/unmerge", {"merge": done["merge"]})
        assert shop.members(name) == ""
    assert files.items() <= list_files(serving.home).items()
    after = run(shop, "status")
    assert [after[one] for one in ("lake_events", "files")] == [moved[one] for one in ("lake_events", "files")]


# «Kill the mover at every step: each event is read exactly once at any moment.»
def test_counts_hold_while_the_worker_is_dead(serving: Serving, shop: Shop) -> None:
    """kill −9 of the worker: counts need it not; what is sent meanwhile counts at once; nothing is there twice after."""
    shop.tell(*(shop.event(who, "Clock Wound", ago(days=3)) for who in LETTERS))
    once = shop.save({"did": {"event": "Clock Wound", "count": {"at_least": 1, "at_most": 1}}})
    twice = shop.save({"did": {"event": "Clock Wound", "count": {"at_least": 2}}})
    before = serving.children()["worker"]
    assert serving.kill_child("worker")
    assert (shop.members(once), shop.members(twice)) == (LETTERS, "")
    shop.tell(shop.event("a", "Clock Wound", ago(days=2)))
    assert (shop.members(once), shop.members(twice)) == (LETTERS[1:], "a")
    wait_until(lambda: serving.children().get("worker", before) != before, "the worker is started again")
    run(shop, "compact")
    assert (shop.members(once), shop.members(twice)) == (LETTERS[1:], "a")
    assert is_clean(run(shop, "verify"))


# --- under fire -----------------------------------------------------------------------------------------------------


# «Kill the mover between the Delta commit and the pointer, and at every other step: nothing twice, nothing missing.»
@pytest.mark.long
def test_nothing_is_lost_or_doubled_when_the_mover_is_killed() -> None:
    """At random moments, under load, with a mover that moves every second; compaction is killed too."""
    rng = random.Random(SEED)
    with open_serving(environment=FAST) as serving:
        shop = Shop(serving, None)
        make_crowd(shop)
        with send_meanwhile(serving, clients=3, seed=SEED) as clients:
            for _ in range(KILLS):
                compacting = serving.begin("history", "compact", "--brand", "default", "--json")
                time.sleep(rng.uniform(0.2, 2.5))
                assert shop.count("once each") == CROWD
                compacting.kill()
                compacting.communicate(timeout=60)
                serving.kill_child("worker")
                assert shop.count("once each") == CROWD
        wait_until(lambda: "worker" in serving.children(), "the worker is started again")
        check_chaos(shop, clients)
        assert run(shop, "compact")["tail_events"] == 0
        assert is_clean(run(shop, "verify"))
        check_chaos(shop, clients)
        serving.stop()
        serving.start()
        shop = Shop(serving, None)
        assert shop.count("once each") == CROWD
        check_chaos(shop, clients)


# «Concurrent ingest, mover, compaction, erase and readers for 60 s: every read sees each event exactly once;
# `history verify` is clean.»
@pytest.mark.long
@pytest.mark.alone
def test_sixty_seconds_of_everything_at_once() -> None:
    with open_serving(environment=FAST) as serving:
        shop = Shop(serving, None)
        victims = make_crowd(shop)
        stopped, failures = threading.Event(), list[str]()

        def compact() -> None:
            while not stopped.is_set():
                done = shop.command("history", "compact", check=False)
                if done.returncode:
                    failures.append(done.stderr)

        compacting = threading.Thread(target=compact, daemon=True)
        deadline = time.monotonic() + TOGETHER_SECONDS
        reads, expected = 0, CROWD
        compacting.start()
        try:
            with send_meanwhile(serving, clients=3, seed=60) as clients:
                while time.monotonic() < deadline:
                    assert shop.count("once each") == expected, f"after {reads} good reads"
                    reads += 1
                    if reads % 20 == 0 and expected > CROWD // 2:
                        shop.ask("DELETE", f"/api/members/{victims.pop()}", status=202)
                        expected -= 1
        finally:
            stopped.set()
            compacting.join(120)
        assert reads > 20 and expected < CROWD and failures == []
        check_chaos(shop, clients)
        assert is_clean(run(shop, "verify"))
        assert sorted(shop.pages("once each", 1_000)[0]) == sorted(victims)


# «`regulars history status|compact|verify`.»
@pytest.mark.long
def test_verify_finds_a_file_that_is_gone() -> None:
    """A check that cannot fail checks nothing."""
    with open_serving() as serving:
        shop = Shop(serving, None)
        make_crowd(shop)
        run(shop, "compact")
        largest = max(list_files(serving.home).items(), key=lambda file: file[1][1])[0]
        largest.unlink()
        done = shop.command("history", "verify", check=False)
        told = json.loads(done.stdout.splitlines()[-1])
        assert done.returncode == 1 and told["ok"] is False and told["findings"]
        answer = serving.call("GET", "/api/audiences/once%20each/count?as_of=2026-11-18T05:00:00Z")
        assert answer.status_code >= 500 or answer.json()["count"] == CROWD, "never a smaller count"


# «layout by part and month, `lines` table, promoted columns»
@pytest.mark.long
def test_thousands_of_custom_names_stay_few_files(serving: Serving) -> None:
    """architecture.md: names of 1 % of rows at most share the part `other`."""
    shop = Shop(serving, "names")
    day = ago(days=5)
    calls = [shop.event("a", f"custom {number}", day) for number in range(CUSTOM_NAMES)]
    calls += [shop.event("b", "Common", day) for _ in range(CUSTOM_NAMES)]
    for start in range(0, len(calls), 500):
        shop.tell(*calls[start : start + 500])
    run(shop, "compact")
    status = run(shop, "status")
    assert status["lake_events"] == 2 * CUSTOM_NAMES and status["files"] <= 10
    assert shop.who({"did": {"event": "custom 1999"}}) == "a"
    common = {"event": "Common", "count": {"at_least": CUSTOM_NAMES, "at_most": CUSTOM_NAMES}}
    assert shop.who({"did": common}) == "b"
