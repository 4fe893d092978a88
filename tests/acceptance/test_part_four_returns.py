"""Part 4 of the plan, the paragraph Programme: returns, design/loyalty.md 10."""

import pytest

from tests.support.programmes import ASSETS, put
from tests.support.rewarding import Rewarded, days_ago

pytestmark = pytest.mark.long


PAYING = {"points": {"redeemable": True, "worth": "1"}, "stars": ASSETS["stars"]}


@pytest.mark.parametrize(("earn_on", "points"), [("net", 48), ("gross", 50)])
def test_points_are_earned_on_what_was_paid_in_money(books: Rewarded, earn_on: str, points: int) -> None:
    """3,000 earn 100; 300 of which 60 are paid with points earn 8 on 240, or 10 on 300: 100 − 60 + 8 or 10."""
    put(books, assets=PAYING, earn_on=earn_on)
    books.buy("a", 3_000, days_ago(2))
    books.wait_balance("a", 100)
    books.buy("a", 300, days_ago(1), points_paid=60)
    books.wait_balance("a", points)


def test_a_return_takes_what_was_earned_and_restores_what_was_spent(books: Rewarded) -> None:
    """100 points; an order of 300 paid with 60 of them earns 8; returned, all 100 are there and nothing else, in the same lots."""
    put(books, assets={**PAYING, "points": {**PAYING["points"], "expires": {"after": "300d"}}})
    books.buy("a", 3_000, days_ago(20))
    books.wait_balance("a", 100)
    before, stars = books.lots("a"), books.balance("a", "stars")
    order = books.buy("a", 300, days_ago(10), points_paid=60)
    books.wait_balance("a", 48)
    books.refund("a", order)
    books.wait_balance("a", 100)
    assert books.lots("a") == before and books.balance("a", "stars") == stars
    books.refund("a", order)
    books.wait_balance("a", 100)
    books.check_books()


def test_a_part_of_an_order_is_returned(books: Rewarded) -> None:
    """1,000 earn 33; 100 of it back: 900 earn 30; another 455: 445 earn 14; the rest: nothing."""
    put(books)
    order = books.buy("a", 1_000, days_ago(9))
    books.wait_balance("a", 33)
    for part, points, stars in ((100, 30, 900), (455, 14, 445), (445, 0, 0)):
        books.refund("a", order, part)
        books.wait_balance("a", points)
        assert books.balance("a", "stars") == stars


@pytest.mark.parametrize(("policy", "left"), [("within_balance", 0), ("allow_negative", -100)])
def test_what_is_spent_is_clawed_back_by_policy(books: Rewarded, policy: str, left: int) -> None:
    put(
        books,
        returns={"event": "Order Refunded", "policy": policy},
        rewards=[{"name": "mug", "price": 100, "asset": "points", "stock": 1}],
    )
    order = books.buy("a", 3_000)
    books.wait_balance("a", 100)
    books.close_redemption(books.redeem("mug", "a").json()["id"], "confirm")
    books.refund("a", order)
    books.settle()
    assert books.figures("a")[0] == left
