"""Part 4 of the plan, the paragraph Programme: tiers and expiry, design/loyalty.md 5 and 6."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.programmes import ASSETS, BASE, LEVELS, fixed, put, tier, tiers
from tests.support.rewarding import BREAKAGE, ISSUER, REWARDED_SECONDS_MAX, Rewarded, days_ago
from tests.support.sending import TAIPEI
from tests.support.serving import wait_until
from tests.support.shop import text

pytestmark = pytest.mark.long


@pytest.mark.parametrize(("downgrade", "name"), [("one_down", "gold"), ("by_balance", "green")])
def test_a_status_lasts_and_then_goes_down(books: Rewarded, downgrade: str, name: str) -> None:
    """a is platinum since 430 days: over since 34. b since 300 days: still platinum, though it bought nothing since."""
    put(books, tiers=tiers(downgrade=downgrade))
    books.buy("a", 1_000, days_ago(430))
    books.buy("b", 1_000, days_ago(300))
    books.settle()
    assert (tier(books, "a"), tier(books, "b")) == (name, "platinum")
    until = datetime.fromisoformat(books.loyalty("b")["tier"]["until"])
    assert 90 <= (until - datetime.now(UTC)).days <= 100, "thirteen months after it began"


@pytest.mark.parametrize(("retain", "name"), [(300, "gold"), (None, "green")])
def test_less_may_retain_than_enter(books: Rewarded, retain: int | None, name: str) -> None:
    """500 stars 430 days ago, 350 more 200 days ago: enough to stay, not to enter."""
    gold = {"name": "gold", "enter": 500, **({"retain": retain} if retain else {})}
    put(books, tiers=tiers(levels=[LEVELS[0], gold]))
    books.buy("a", 500, days_ago(430))
    books.buy("a", 350, days_ago(200))
    books.settle()
    assert tier(books, "a") == name


def test_grace_keeps_a_level_a_while(books: Rewarded) -> None:
    """Over since about 15 and 64 days, thirty days of grace."""
    put(books, tiers=tiers(grace="30d"))
    books.buy("a", 500, days_ago(411))
    books.buy("b", 500, days_ago(460))
    books.settle()
    assert (tier(books, "a"), tier(books, "b")) == ("gold", "green")


def test_the_window_is_rolling_or_a_calendar_year(books: Rewarded) -> None:
    """250 and 250 stars 400 days apart are never 500 within twelve months; 300 and 250 within are. A year ends with the year."""
    put(books, tiers=tiers())
    for who, revenue, days in (("a", 250, 410), ("a", 250, 10), ("b", 300, 300), ("b", 250, 10)):
        books.buy(who, revenue, days_ago(days))
    books.settle()
    assert (tier(books, "a"), tier(books, "b")) == ("green", "gold")
    calendar = Rewarded(books.serving, "calendar")
    put(calendar, tiers=tiers(window="calendar year"))
    year = datetime.now(TAIPEI).year
    for who, months in (("a", ((year - 1, 12), (year, 1))), ("b", ((year, 1), (year, 1)))):
        for of, month in months:
            at = datetime(of, month, 20 if month == 12 else 1, 1, tzinfo=TAIPEI)
            calendar.buy(who, 250, min(at, datetime.now(TAIPEI)))
    calendar.settle()
    assert (tier(calendar, "a"), tier(calendar, "b")) == ("green", "gold")


def test_a_level_is_entered_by_the_first_that_is_reached(books: Rewarded) -> None:
    """499, 500, 999 and 1,000 stars: no level is skipped, none is given early."""
    put(books, tiers=tiers())
    for who, revenue in (("a", 499), ("b", 500), ("c", 999), ("d", 1_000)):
        books.buy(who, revenue, days_ago(2))
    books.settle()
    assert [tier(books, who) for who in "abcd"] == ["green", "gold", "gold", "platinum"]


def test_entering_a_level_brings_its_voucher_once(books: Rewarded) -> None:
    gold = {**LEVELS[1], "voucher": "welcome", "privileges": ["early-access"]}
    put(books, tiers=tiers(levels=[LEVELS[0], gold]), vouchers=[{"name": "welcome", "codes": "generated", "stock": 5}])
    for days in (3, 2, 1):
        books.buy("a", 600, days_ago(days))
    books.settle()
    assert [one["pool"] for one in books.loyalty("a")["vouchers"]] == ["welcome"]
    assert books.loyalty("a")["tier"]["privileges"] == ["early-access"]


# --- 6 ---------------------------------------------------------------------------------------------------------------


def expiring(expires: object) -> dict[str, Any]:
    return {"points": {"redeemable": True, **({"expires": expires} if expires else {})}, "stars": ASSETS["stars"]}


def test_points_expire_after_their_days(books: Rewarded) -> None:
    """Ten of 40 and five of 10 days ago, 30 days each: five are left, ten are breakage, and the next end is told."""
    put(books, assets=expiring({"after": "30d"}), earn=[fixed(10), fixed(5, "Visited", "visit")])
    at = days_ago(10)
    books.tell(books.order("a", 1, days_ago(40)), books.event("a", "Visited", at))
    books.settle()
    wait_until(lambda: books.figures("a") == (5, 0, 5), "what is over is swept", REWARDED_SECONDS_MAX)
    assert (books.posted(BREAKAGE), books.posted(ISSUER)) == (10, -15)
    (told,) = books.loyalty("a")["expiring"]
    assert (told["asset"], int(told["amount"]), told["at"][:19]) == ("points", 5, text(at + timedelta(days=30))[:19])


def test_points_expire_at_the_end_of_a_year_or_never(books: Rewarded) -> None:
    """Of last year and of this; the end is the brand's midnight."""
    year = datetime.now(TAIPEI).year
    put(books, assets=expiring({"end_of": "year"}), earn=[fixed(10)])
    for who, at in (
        ("a", datetime(year, 1, 1, 0, 1, tzinfo=TAIPEI)),
        ("b", datetime(year - 1, 12, 31, 23, tzinfo=TAIPEI)),
    ):
        books.buy(who, 1, at)
    books.wait_balance("a", 10)
    books.wait_balance("b", 0)
    assert books.loyalty("a")["expiring"][0]["at"] == f"{year}-12-31T16:00:00Z"
    never = Rewarded(books.serving, "never")
    put(never, earn=[fixed(10)])
    never.buy("a", 1, days_ago(800))
    never.wait_balance("a", 10)
    assert never.loyalty("a")["expiring"] == []


def test_points_expire_by_inactivity_unless_the_tier_keeps_them(books: Rewarded) -> None:
    """180 days without an order: a 400 and 250 days ago, b 250 and 100 days ago, c 250 days ago as gold."""
    gold = {**LEVELS[1], "multiplier": "1", "expires": None}
    put(books, assets=expiring({"inactive": "180d"}), earn=[BASE], tiers=tiers(levels=[LEVELS[0], gold]))
    for who, revenue, days in (("a", 240, 400), ("a", 240, 250), ("b", 300, 250), ("b", 30, 100), ("c", 600, 250)):
        books.buy(who, revenue, days_ago(days))
    books.wait_balance("a", 0)
    books.wait_balance("b", 11)
    books.wait_balance("c", 20)
