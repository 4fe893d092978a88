"""Part 4 of the plan, the paragraph Programme: a year of each of the three ready-made programmes."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programmes import tier
from tests.support.rewarding import BREAKAGE, Rewarded, days_ago, new_id
from tests.support.sending import TAIPEI

pytestmark = pytest.mark.long


ROOT = Path(__file__).resolve().parents[2]

MONTHS = [days_ago(345 - 30 * month) for month in range(12)]
"""Twelve orders thirty days apart, all within the twelve months before today."""


def apply_example(books: Rewarded, name: str) -> dict[str, Any]:
    file = ROOT / "examples" / "programmes" / f"{name}.yaml"
    books.command("programme", "apply", str(file))
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_a_year_of_the_coffee_chain(books: Rewarded) -> None:
    """Starbucks 2026: green, gold, reserve at 0/500/2,500 in rolling 12 months, 1×/1.2×/1.7×, one star a unit of money.

    Monthly orders. a 30: 360 stars. b 60: gold with the ninth, then 3 × 72: 540 + 216. c 300: gold with the second,
    reserve with the ninth: 600 + 7 × 360 + 3 × 510. d 200 in the first month only: expired after six. e 600 in the
    first month only: 600 stars, gold, which never expire. f 10.99 three times: 30. g 100 twice, one returned. h twice 600
    at `day: double`: green's is not doubled (600), gold's is: 600 × 1.2 × 2.
    """
    told = apply_example(books, "coffee-chain")
    assert [level["enter"] for level in told["tiers"]["levels"]] == [0, 500, 2_500]
    assert sorted(reward["price"] for reward in told["rewards"]) == [25, 60, 100, 200]
    for at in MONTHS:
        books.tell(*(books.order(who, revenue, at) for who, revenue in (("a", 30), ("b", 60), ("c", 300))))
    books.tell(books.order("d", 200, MONTHS[0]), books.order("e", 600, MONTHS[0]))
    books.tell(*(books.order("f", "10.99", at) for at in MONTHS[9:]))
    first = books.buy("g", 100, MONTHS[10])
    books.buy("g", 100, MONTHS[11])
    books.refund("g", first)
    for at in MONTHS[10:]:
        books.buy("h", 600, at, day="double")
    stars = {"a": 360, "b": 756, "c": 4_650, "d": 0, "e": 600, "f": 30, "g": 100, "h": 2_040}
    for who, amount in stars.items():
        books.wait_balance(who, amount, "stars")
    levels = {who: tier(books, who) for who in stars}
    assert levels == {**dict.fromkeys("adfg", "green"), **dict.fromkeys("beh", "gold"), "c": "reserve"}
    assert books.posted("breakage/stars") == 200
    assert books.posted("issuer/stars") == -sum(stars.values()) - 200
    books.check_books()


def test_a_year_of_the_bookshop(books: Rewarded) -> None:
    """contract.md's example: a point per 30, expiring after 180 days; gold at 500 of `status`, 1.2×; reader; three-visits; mug.

    Monthly orders, six of them younger than 180 days. a 90 of food: gold with the sixth, ⌊3 × 1.2⌋ = 3 all the time: of 36
    are 18 left. b 300 of books: gold with the second, 10 + 10 + 10 × 12 = 140, of which the last six, 72, are left. c
    checks in on three days of a week: 50. d nothing. 18 of a and 68 of b are breakage.
    """
    apply_example(books, "bookshop")
    for at in MONTHS:
        books.tell(books.order("a", 90, at, category="food"), books.order("b", 300, at, category="books"))
    noon = datetime.now(TAIPEI).replace(hour=12) - timedelta(days=40)
    books.tell(*(books.event("c", "Checked In", noon + timedelta(days=day)) for day in (0, 2, 3)))
    for who, amount in {"a": 18, "b": 72, "c": 50, "d": 0}.items():
        books.wait_balance(who, amount)
    assert {who: tier(books, who) for who in "abcd"} == {"a": "gold", "b": "gold", "c": "green", "d": "green"}
    assert [[one["name"] for one in books.loyalty(who)["badges"]] for who in "ab"] == [[], ["reader"]]
    assert books.posted(BREAKAGE) == 86
    books.check_books()


def test_a_year_of_the_online_mall(books: Rewarded) -> None:
    """A point per 100; silver at 10,000 (1.5×) and gold at 50,000 (2×) of rolling 12 months; points end with the next year.

    Monthly orders. a 500: 5 each, 60. b 2,000: silver with the fifth (10,000): 5 × 20 + 7 × 30 = 310. c 10,000: silver with
    the first, gold with the fifth: 100 + 4 × 150 + 7 × 200 = 2,100. d 100,000 at once, returned: nothing.
    e a score of 80 and more in the game `spin`: a voucher. f pays 50 of 60 points (1 each) of an order of 650: + 6.
    """
    apply_example(books, "online-mall")
    for at in MONTHS:
        books.tell(
            *(books.order(who, revenue, at) for who, revenue in (("a", 500), ("b", 2_000), ("c", 10_000), ("f", 500)))
        )
    gone = books.buy("d", 100_000, MONTHS[11])
    books.settle()
    books.refund("d", gone)
    books.buy("f", 650, days_ago(1), points_paid=50)
    for who, amount in {"a": 60, "b": 310, "c": 2_100, "d": 0, "e": 0, "f": 16}.items():
        books.wait_balance(who, amount)
    assert [tier(books, who) for who in "abcef"] == ["green", "silver", "gold", "green", "green"]
    body = {"id": new_id(), "member": books.ids["e"], "score": 80}
    assert books.ask("POST", "/api/scores/spin", body)["voucher"]["state"] == "issued"
    books.check_books()
