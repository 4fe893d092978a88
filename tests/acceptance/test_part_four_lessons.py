"""Part 4 of the plan, what the field's users complain about: each lesson of research/loyalty.md §6 has its test here.

Spelled as in test_part_four_programme.py and test_part_four_ledger.py. Races go over sixteen HTTP connections let go at
the same moment.
"""

import itertools
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.support.rewarding import CONNECTIONS, REWARDED_SECONDS_MAX, Rewarded, at_once, days_ago, new_user, soon
from tests.support.serving import wait_until
from tests.support.shop import text

pytestmark = pytest.mark.long


ASSETS: dict[str, Any] = {"points": {"redeemable": True, "worth": "1"}, "stars": {"qualifying": True}}
BASE: dict[str, Any] = {
    "name": "base",
    "when": {"did": {"event": "Order Completed"}},
    "award": [
        {"asset": "points", "per": "30", "of": "revenue", "round": "down"},
        {"asset": "stars", "per": "1", "of": "revenue", "round": "down"},
    ],
}
TIERS: dict[str, Any] = {
    "asset": "stars",
    "window": "rolling 12 months",
    "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}, {"name": "black", "enter": 2_000}],
}
MUG: dict[str, Any] = {"name": "mug", "price": 100, "asset": "points", "stock": 1}


def put(books: Rewarded, **sections: Any) -> None:
    books.put_programme("main", **{"assets": ASSETS, "earn": [BASE], "tiers": TIERS, **sections})


def pool(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "codes": "generated", "stock": 100, "discount": {"amount": "100"}, **fields}


def count(answers: list[httpx.Response]) -> Counter[tuple[int, str]]:
    """Status and code of each."""
    return Counter((one.status_code, one.json().get("code", "") if one.status_code >= 400 else "") for one in answers)


@pytest.mark.parametrize("codes", ["generated", ["ONLY"]])
def test_the_last_voucher_goes_to_exactly_one(books: Rewarded, codes: object) -> None:
    """Sixteen ask for the one that is left, two for each member."""
    put(books, vouchers=[pool("last", codes=codes, stock=1)])
    answers = at_once([lambda who=who: books.issue("last", who) for who in "abcdefgh" * 2])
    assert count(answers) == {(200, ""): 1, (409, "voucher.out_of_stock"): CONNECTIONS - 1}
    assert sum(len(books.loyalty(who)["vouchers"]) for who in "abcdefgh") == 1


def test_a_voucher_is_used_by_exactly_one_of_sixteen_orders(books: Rewarded) -> None:
    """Each order reserves and, where it could, confirms: one is the winner, the others are refused with nothing done."""
    put(books, vouchers=[pool("once")])
    code = books.issue_code("once", "a")

    def order(number: int) -> httpx.Response:
        reserved = books.use("reserve", code, "a", order_id=f"o{number}", amount="500")
        if reserved.status_code != 200:
            return reserved
        return books.use("confirm", code, "a", order_id=f"o{number}")

    answers = at_once([lambda number=number: order(number) for number in range(CONNECTIONS)])
    assert count(answers) == {(200, ""): 1, (409, "voucher.state"): CONNECTIONS - 1}
    assert [one["state"] for one in books.loyalty("a")["vouchers"]] == ["used"]


def test_a_generic_code_keeps_its_limits_under_a_race(books: Rewarded) -> None:
    """Five in all and one for each: sixteen orders of eight members, five members get it."""
    put(books, vouchers=[pool("generic", codes={"generic": "FIVE"}, stock=5, per_member=1)])
    calls = [
        lambda who=who, n=n: books.use("reserve", "FIVE", who, order_id=f"{who}{n}")
        for n, who in enumerate("abcdefgh" * 2)
    ]
    counts = count(at_once(calls))
    assert counts[200, ""] == 5
    assert set(counts) <= {(200, ""), (409, "voucher.out_of_stock"), (409, "voucher.per_member")}
    held = [len(books.loyalty(who)["vouchers"]) for who in "abcdefgh"]
    assert sorted(held) == [0, 0, 0, 1, 1, 1, 1, 1]


def test_the_last_gift_goes_to_exactly_one(books: Rewarded) -> None:
    """Eight members with points enough, each twice; the others keep their points."""
    put(books, rewards=[MUG])
    for who in "abcdefgh":
        books.buy(who, 3_000)
    books.settle()
    answers = at_once([lambda who=who: books.redeem("mug", who) for who in "abcdefgh" * 2])
    assert count(answers) == {(200, ""): 1, (409, "reward.out_of_stock"): CONNECTIONS - 1}
    assert sorted(books.figures(who)[2] for who in "abcdefgh") == [0] + [100] * 7
    (winner,) = [one.json() for one in answers if one.status_code == 200]
    closed = at_once(
        [lambda what=what: books.close_redemption(winner["id"], what) for what in ("confirm", "release") * 8]
    )
    taken = {one.status_code for one in closed[::2]}, {one.status_code for one in closed[1::2]}
    assert taken in (({200}, {409}), ({409}, {200})), "confirmed or released, never both"
    left = sum(books.figures(who)[0] for who in "abcdefgh")
    assert left == (700 if taken[0] == {200} else 800)
    books.check_books()


def test_the_last_points_buy_one_gift(books: Rewarded) -> None:
    """Stock for all, points for one."""
    put(books, rewards=[{**MUG, "stock": 99}])
    books.buy("a", 3_000)
    books.settle()
    answers = at_once([lambda: books.redeem("mug", "a")] * CONNECTIONS)
    assert count(answers) == {(200, ""): 1, (409, "balance.insufficient"): CONNECTIONS - 1}
    assert books.figures("a") == (100, 100, 0)


def test_the_last_budget_dollar_is_spent_once(books: Rewarded) -> None:
    """1,050 for vouchers of 100: ten are reserved; one is released, and exactly one more fits."""
    put(books, vouchers=[pool("spring", budget="1050")])
    codes = [(who, books.issue_code("spring", who)) for who in "abcdefgh" * 2]
    answers = at_once([lambda who=who, code=code: books.use("reserve", code, who, amount="500") for who, code in codes])
    assert count(answers) == {(200, ""): 10, (409, "voucher.budget"): 6}
    states = [one.status_code for one in answers]
    freed, waiting = states.index(200), [n for n, state in enumerate(states) if state == 409]
    books.use("release", codes[freed][1], codes[freed][0])
    again = at_once([lambda n=n: books.use("reserve", codes[n][1], codes[n][0], amount="500") for n in waiting])
    assert count(again) == {(200, ""): 1, (409, "voucher.budget"): 5}


def test_a_partial_refund_across_two_lots(books: Rewarded) -> None:
    """40 that end first and 60 that end later; an order pays 70 with points (net 230, 7 earned) and is refunded in two parts.

    It drew 40 and 30. The first 100 of 300 bring ⌊70 × 100 ÷ 300⌋ = 23 back, to the later lot; the rest 47: 7 and 40.
    Of the 7 earned, ⌊(230 − 76.67) ÷ 30⌋ = 5 stay after the first part, none after the second.
    """
    put(books, assets={**ASSETS, "points": {**ASSETS["points"], "expires": {"after": "300d"}}})
    books.buy("a", 1_200, days_ago(200))
    books.buy("a", 1_800, days_ago(100))
    books.wait_balance("a", 100)
    first, second = sorted(at for at in books.lots("a") if at)
    assert books.lots("a") == {first: 40, second: 60}
    order = books.buy("a", 300, days_ago(10), points_paid=70)
    books.wait_balance("a", 37)
    third = max(at for at in books.lots("a") if at)
    assert books.lots("a") == {second: 30, third: 7}
    books.refund("a", order, 100)
    books.wait_balance("a", 58)
    assert books.lots("a") == {second: 53, third: 5}
    books.refund("a", order, 200)
    books.wait_balance("a", 100)
    assert books.lots("a") == {first: 40, second: 60}
    books.check_books()


def test_buying_and_refunding_for_ever_earns_nothing(books: Rewarded) -> None:
    """Ten times; then with the points spent in between, where the debt is paid by the next order."""
    put(books, returns={"event": "Order Refunded", "policy": "allow_negative"}, rewards=[{**MUG, "stock": 99}])
    for days in range(20, 10, -1):
        books.refund("a", books.buy("a", 3_000, days_ago(days)), at=days_ago(days - 0.5))
    books.wait_balance("a", 0)
    assert books.balance("a", "stars") == 0
    order = books.buy("b", 3_000, days_ago(2))
    books.wait_balance("b", 100)
    books.close_redemption(books.redeem("mug", "b").json()["id"], "confirm")
    books.refund("b", order)
    books.settle()
    assert books.figures("b")[0] == -100
    assert books.redeem("mug", "b").json()["code"] == "balance.insufficient"
    books.buy("b", 3_600)
    books.wait_balance("b", 20)
    books.check_books()


def test_a_refund_never_takes_points_twice(books: Rewarded) -> None:
    """odoo PR #212922: a full refund after a part, refunds of more than was paid, and of an order nobody made."""
    put(books)
    order = books.buy("a", 3_000, days_ago(3))
    books.buy("a", 300, days_ago(3))
    books.wait_balance("a", 110)
    books.refund("a", order, 1_500)
    books.wait_balance("a", 60)
    books.refund("a", order)
    books.refund("a", order, 9_000)
    books.refund("a", "no such order", 300)
    books.wait_balance("a", 10)


def test_a_refund_that_comes_before_its_order_is_not_lost(books: Rewarded) -> None:
    put(books)
    books.refund("a", "early", at=days_ago(1))
    books.settle()
    books.buy("a", 3_000, days_ago(2), order_id="early")
    books.wait_balance("a", 0)


def test_another_address_brings_no_second_voucher(books: Rewarded) -> None:
    """The member changes its address; somebody who turns up with the old one had theirs."""
    put(books, vouchers=[pool("welcome", per_member=1)])
    who = new_user(books, email="first@example.com")
    assert books.issue("welcome", who).status_code == 200
    books.tell({"type": "identify", "userId": who, "traits": {"email": "second@example.com"}})
    assert books.issue("welcome", who).json()["code"] == "voucher.per_member"
    for email in ("first@example.com", "second@example.com"):
        books.try_ask("DELETE", f"/api/members/{books.ids[who]}/identities/email/{email}")
    heir = new_user(books, email="First@Example.com")
    assert books.issue("welcome", heir).json()["code"] == "voucher.per_member", "keyed by hashed identifiers too"
    fresh = new_user(books, email="third@example.com")
    assert books.issue("welcome", fresh).status_code == 200


def test_the_tier_is_what_was_earned(books: Rewarded) -> None:
    """All points spent, or expired: gold stays gold, and no level is skipped."""
    put(
        books,
        rewards=[{**MUG, "price": 20, "stock": 9}],
        assets={**ASSETS, "points": {**ASSETS["points"], "expires": {"after": "5d"}}},
    )
    books.buy("a", 600, days_ago(3))
    books.buy("b", 600, days_ago(30))
    books.settle()
    books.close_redemption(books.redeem("mug", "a").json()["id"], "confirm")
    for who in "ab":
        told = books.loyalty(who)
        assert (int(told["balances"]["points"]), int(told["balances"]["stars"])) == (0, 600)
        assert (told["tier"]["name"], told["tier"]["next"], int(told["tier"]["missing"])) == ("gold", "black", 1_400)
    assert books.loyalty("c")["tier"]["name"] == "green", "the first level needs nothing"


def test_the_result_does_not_depend_on_the_order(books: Rewarded) -> None:
    """Five vouchers, all 120 orders of them: one total and one set. A lower exclusive one never beats a higher (shopware#13674).

    Of 2,000: `tenth` and `fifth` share a category and priority, the better for the member counts: 20 % of 2,000; then 150
    and 70 of other categories. `alone` is exclusive and lowest: refused.
    """
    pools = [
        pool("tenth", category="percent", discount={"percent": "10"}),
        pool("fifth", category="percent", discount={"percent": "20"}),
        pool("amount", category="amount", discount={"amount": "150"}),
        pool("loyal", category="loyal", discount={"amount": "70"}),
        pool("alone", category="other", discount={"amount": "5"}, exclusive=True, priority=-9),
    ]
    put(books, vouchers=pools)
    codes = {books.issue_code(one["name"], "a"): one["name"] for one in pools}
    found: set[tuple[Decimal, frozenset[str], frozenset[tuple[str, str]]]] = set()
    for order in itertools.permutations(codes):
        body = {"member": books.ids["a"], "amount": "2000", "codes": list(order)}
        told = books.ask("POST", "/api/vouchers/quote", body)
        applied = frozenset(codes[one["code"]] for one in told["applied"])
        refused = frozenset((codes[one["code"]], one["reason"]) for one in told["refused"])
        found.add((Decimal(told["total"]), applied, refused))
    assert found == {
        (
            Decimal(1_380),
            frozenset({"fifth", "amount", "loyal"}),
            frozenset({("tenth", "category"), ("alone", "exclusive")}),
        )
    }


def test_expiry_that_is_switched_on_expires_nothing_at_once(books: Rewarded) -> None:
    """100 points of 400 days ago under `never`; 30 days are switched on: all are there, and end thirty days from now.

    What is earned from then on ends by its own time: an order of 31 days ago brings nothing that is left.
    """
    put(books)
    books.buy("a", 3_000, days_ago(400))
    books.wait_balance("a", 100)
    put(books, assets={**ASSETS, "points": {**ASSETS["points"], "expires": {"after": "30d"}}})
    books.wait_balance("a", 100)
    (told,) = books.loyalty("a")["expiring"]
    assert int(told["amount"]) == 100
    assert text(days_ago(-29)) < told["at"] < text(days_ago(-31))
    books.buy("a", 300, days_ago(31))
    books.wait_balance("a", 100)
    books.check_books()


def test_an_order_that_times_out_gives_its_points_back(books: Rewarded) -> None:
    """Nobody releases it: points and stock are free again, a late confirm is refused, and nobody is served twice."""
    put(books, rewards=[MUG])
    books.buy("a", 3_000)
    books.wait_balance("a", 100)
    made = books.redeem("mug", "a", until=soon(2)).json()
    assert books.figures("a") == (100, 100, 0)
    wait_until(lambda: books.figures("a") == (100, 0, 100), "its points are back", REWARDED_SECONDS_MAX)
    assert books.close_redemption(made["id"], "confirm").status_code == 409
    assert books.figures("a") == (100, 0, 100)
    again = books.redeem("mug", "a").json()
    assert again["state"] == "reserved", "the last mug is free again"
    assert books.close_redemption(again["id"], "confirm").json()["state"] == "confirmed"
    assert books.figures("a") == (0, 0, 0)


def test_a_members_limit_is_not_the_pools(books: Rewarded) -> None:
    """Two each of a hundred: three others have taken two each, a fourth may still; each is told which limit it was."""
    put(books, vouchers=[pool("two", per_member=2, stock=9)])
    for who in "abcd":
        assert [books.issue("two", who).status_code for _ in range(2)] == [200, 200]
        assert books.issue("two", who).json()["code"] == "voucher.per_member"
    assert books.issue("two", "e").status_code == 200
    assert books.issue("two", "f").json()["code"] == "voucher.out_of_stock"


def test_a_discount_is_never_more_than_the_price(books: Rewarded) -> None:
    put(books, vouchers=[pool("hundred"), pool("other", category="other")])
    codes = [books.issue_code(name, "a") for name in ("hundred", "other")]
    body = {"member": books.ids["a"], "amount": "150", "codes": codes}
    told = books.ask("POST", "/api/vouchers/quote", body)
    assert Decimal(told["total"]) == 0
    assert sum(Decimal(one["discount"]) for one in told["applied"]) == 150
    answer = books.use("reserve", codes[0], "a", amount="60", order_id="o1").json()
    assert Decimal(answer["discount"]) == 60


@pytest.mark.parametrize(("earn_on", "points"), [("net", 0), ("gross", 10)])
def test_an_order_paid_wholly_with_points(books: Rewarded, earn_on: str, points: int) -> None:
    """300 points pay an order of 300. More than the member has draws nothing, and the order earns as paid in money."""
    put(books, earn_on=earn_on)
    books.buy("a", 9_000, days_ago(2))
    books.wait_balance("a", 300)
    books.buy("a", 300, days_ago(1), points_paid=300)
    books.wait_balance("a", points)
    books.buy("a", 300, days_ago(0.5), points_paid=9_999)
    books.wait_balance("a", points + 10)
    books.check_books()
