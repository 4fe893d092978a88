"""Part 4 of the plan, the paragraph Programme: missions, staged events, newcomers and scores, design/loyalty.md 7, 11 and 12."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.programmes import fixed, mission, pool, put, tiers
from tests.support.rewarding import Rewarded, days_ago, new_id, new_user
from tests.support.sending import TAIPEI
from tests.support.shop import text

pytestmark = pytest.mark.long


@pytest.mark.parametrize("kind", ["count", "sum", "distinct"])
def test_a_mission_is_reached_once_and_shows_how_far_it_is(books: Rewarded, kind: str) -> None:
    """Three orders, 300 in money, or orders on three local days; two thirds of it are seen, the reward comes once."""
    aim = {
        "count": {"at_least": 3},
        "sum": {"of": "revenue", "at_least": 300},
        "distinct": {"of": "local_day", "at_least": 3},
    }
    target = {"did": {"event": "Order Completed", kind: aim[kind], "within": "30d"}}
    put(books, earn=[], missions=[mission(target=target)])
    for days in (45, 6, 5):
        books.buy("a", 100, days_ago(days))
    books.settle()
    (told,) = books.loyalty("a")["missions"]
    assert (told["name"], float(told["done"]), float(told["target"])) == (
        ("goal", 200, 300) if kind == "sum" else ("goal", 2, 3)
    )
    for days in (4, 3, 2):
        books.buy("a", 100, days_ago(days))
    books.wait_balance("a", 50)
    books.wait_balance("b", 0)


def test_a_streak_counts_local_days_with_grace(books: Rewarded) -> None:
    """Five days: a without a gap, b with one day missing (grace 1), c with two missing, d five times on one day."""
    put(books, earn=[], missions=[mission(streak={"event": "Visited", "days": 5, "grace": 1})])
    noon = datetime.now(TAIPEI).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=20)
    for who, days in (("a", (0, 1, 2, 3, 4)), ("b", (0, 1, 3, 4, 5)), ("c", (0, 1, 4, 5, 6)), ("d", (0, 0, 0, 0, 0))):
        books.tell(*(books.event(who, "Visited", noon + timedelta(days=day)) for day in days))
    for who, points in (("a", 50), ("b", 50), ("c", 0), ("d", 0)):
        books.wait_balance(who, points)


def test_a_mission_may_recur(books: Rewarded) -> None:
    """Every second order, seven of them: three times with `repeat`."""
    target = {"did": {"event": "Order Completed", "count": {"at_least": 2}}}
    put(books, earn=[], missions=[mission(target=target, repeat=True)])
    for days in range(7, 0, -1):
        books.buy("a", 1, days_ago(days))
    books.wait_balance("a", 150)


def test_a_check_in_is_one_event_per_local_day(books: Rewarded) -> None:
    """contract.md's earn rule over `Checked In`; again on the day it is what it was."""
    put(books, earn=[fixed(5, "Checked In")])
    path = f"/api/members/{books.ids['a']}/check-in"
    told = [books.ask("POST", path, {}) for _ in range(3)]
    assert [one["result"] for one in told] == ["created", "exists", "exists"]
    assert len({one["day"] for one in told}) == 1
    books.wait_balance("a", 5)
    assert books.names("user_id:a").count("Checked In") == 1
    books.ask("POST", "/api/members/m999999999/check-in", {}, status=404)


# --- 11, 12, scores -------------------------------------------------------------------------------------------------


def test_an_event_opens_by_stages(books: Rewarded) -> None:
    """Gold since yesterday, readers since yesterday, all tomorrow; two places, then a waiting list that moves up."""
    yesterday, tomorrow = (text(datetime.now(UTC) + timedelta(days=days)) for days in (-1, 1))
    stages = [{"from": yesterday, "tier": "gold"}, {"from": yesterday, "badge": "reader"}, {"from": tomorrow}]
    when = {"did": {"event": "Order Completed", "where": {"category": "books"}}}
    events = [{"name": "signing", "capacity": 2, "stages": stages}]
    put(books, tiers=tiers(), badges=[{"name": "reader", "when": when}], events=events)
    for who in "abc":
        books.buy(who, 600, days_ago(1))
    books.buy("d", 1, days_ago(1), category="books")
    books.settle()

    def register(who: str, what: str = "") -> str:
        answer = books.try_ask("POST", f"/api/registrations/signing{what}", {"member": books.ids[who]}).json()
        return answer.get("state") or answer["code"]

    assert [register(who) for who in "adbce"] == [
        *("registered", "registered", "waiting", "waiting", "registration.not_open"),
    ]
    assert register("a") == "registered", "again: the same place"
    register("d", "/cancel")
    assert (register("b"), register("c")) == ("registered", "waiting")


def test_a_partner_says_who_is_new_without_learning_who_is_ours(books: Rewarded) -> None:
    """By the SHA-256 of the address in lower case; nothing the partner may read names a member."""
    known, fresh = (new_user(books, email=f"{name}.{new_id()[:8]}@Example.com") for name in ("Known", "fresh"))
    member = books.ask("GET", f"/api/members/{books.ids[known]}")
    (email,) = [one["value"] for one in member["identities"] if one["kind"] == "email"]
    put(books, vouchers=[pool("hello", new_to="partner-b")])
    hashes = [hashlib.sha256(email.lower().encode()).hexdigest(), "0" * 64]
    told = books.ask("PUT", "/api/partners/partner-b/customers", {"hashes": hashes})
    assert told == {"count": 2}
    answer = books.issue("hello", known)
    assert (answer.status_code, answer.json()["code"]) == (409, "voucher.not_new")
    assert books.issue("hello", fresh).status_code == 200


def test_a_score_is_checked_by_the_server_and_picks_the_discount(books: Rewarded) -> None:
    """0–50 five percent, 50–80 ten, 80 and more twenty; once a day; not by an event and not by the write key."""
    ladder = [
        {"from": 0, "until": 50, "voucher": "five"},
        {"from": 50, "until": 80, "voucher": "ten"},
        {"from": 80, "until": None, "voucher": "twenty"},
    ]
    pools = [
        pool(name, discount={"percent": percent}) for name, percent in (("five", "5"), ("ten", "10"), ("twenty", "20"))
    ]
    put(books, vouchers=pools, scores=[{"name": "quiz", "max": 100, "ladder": ladder}])
    for who, score, wanted in (
        ("a", 0, "five"),
        ("b", 50, "ten"),
        ("c", 79, "ten"),
        ("d", 80, "twenty"),
        ("e", 100, "twenty"),
    ):
        body = {"id": new_id(), "member": books.ids[who], "score": score}
        told = [books.ask("POST", "/api/scores/quiz", body) for _ in range(2)]
        assert [one["result"] for one in told] == ["created", "exists"]
        assert {one["voucher"]["pool"] for one in told} == {wanted}
        assert [one["pool"] for one in books.loyalty(who)["vouchers"]] == [wanted]
    body = {"id": new_id(), "member": books.ids["f"], "score": 101}
    assert books.ask("POST", "/api/scores/quiz", body, status=400)["path"] == "/score"
    headers = {"Authorization": f"Bearer {books.write_key}"}
    assert books.request("POST", "/api/scores/quiz", headers=headers, json={**body, "score": 99}).status_code in {
        401,
        403,
    }
    assert books.loyalty("f")["vouchers"] == []
