"""Part 4 of the plan, the paragraph Programme: vouchers and rewards, design/loyalty.md 8 and 9."""

from decimal import Decimal

import pytest

from tests.support.programmes import fixed, pool, put
from tests.support.rewarding import REWARDED_SECONDS_MAX, Rewarded, soon
from tests.support.serving import wait_until

pytestmark = pytest.mark.long


def test_a_voucher_is_reserved_confirmed_and_released(books: Rewarded) -> None:
    put(books, vouchers=[pool(valid="30d")])
    code = books.issue_code("half-price", "a")
    told = books.use("reserve", code, "a", order_id="o1", amount="199.00").json()
    assert (told["state"], Decimal(told["discount"])) == ("reserved", Decimal("99.50"))
    assert books.use("reserve", code, "a", order_id="o1", amount="199.00").json() == told, "the same again"
    assert books.use("reserve", code, "a", order_id="o2").json()["code"] == "voucher.state"
    assert books.use("release", code, "a").json()["state"] == "issued"
    assert books.use("reserve", code, "a", order_id="o2").status_code == 200
    assert [books.use("confirm", code, "a").json()["state"] for _ in range(2)] == ["used", "used"]
    assert books.use("release", code, "a").status_code == 409
    assert books.use("reserve", code, "a", order_id="o3").status_code == 409
    (shown,) = books.loyalty("a")["vouchers"]
    assert (shown["code"], shown["pool"], shown["state"]) == (code, "half-price", "used")
    assert books.use("reserve", "NOTHING", "a").status_code == 404


def test_a_reservation_ends_by_itself(books: Rewarded) -> None:
    put(books, vouchers=[pool()])
    code = books.issue_code("half-price", "a")
    assert books.use("reserve", code, "a", until=soon(2)).json()["state"] == "reserved"
    wait_until(lambda: books.loyalty("a")["vouchers"][0]["state"] == "issued", "it is free again", REWARDED_SECONDS_MAX)
    assert books.use("confirm", code, "a").status_code == 409
    assert books.use("reserve", code, "a").json()["state"] == "reserved"


def test_a_voucher_is_its_members(books: Rewarded) -> None:
    put(books, vouchers=[pool()])
    code = books.issue_code("half-price", "a")
    answer = books.use("reserve", code, "b")
    assert answer.status_code in {403, 409} and answer.json()["code"].startswith("voucher.")


def test_codes_are_generated_listed_or_generic(books: Rewarded) -> None:
    """Listed codes are given in any order, each once; a generic one serves each member as often as it may."""
    listed = pool("listed", codes=["K1", "K2"], stock=2)
    put(books, vouchers=[listed, pool("generic", codes={"generic": "WELCOME"}, stock=3, per_member=1)])
    assert {books.issue_code("listed", who) for who in "ab"} == {"K1", "K2"}
    assert books.issue("listed", "c").json()["code"] == "voucher.out_of_stock"
    for who in "abc":
        assert books.use("reserve", "WELCOME", who, order_id=f"o{who}").status_code == 200
        assert books.use("confirm", "WELCOME", who, order_id=f"o{who}").status_code == 200
        again = books.use("reserve", "WELCOME", "a", order_id="again").json()["code"]
        assert again == "voucher.per_member" or who == "c"
    assert books.use("reserve", "WELCOME", "d", order_id="od").json()["code"] == "voucher.out_of_stock"


def test_a_voucher_has_weekdays_and_hours(books: Rewarded) -> None:
    """Mondays to Fridays, 14:00–17:00 of Taipei, half-open. 2026-11-23 is a Monday."""
    put(books, vouchers=[pool(hours={"weekdays": [1, 2, 3, 4, 5], "from": "14:00", "until": "17:00"})])
    code = books.issue_code("half-price", "a")
    for at, fits in (
        ("2026-11-23T05:59:59Z", False),
        ("2026-11-23T06:00:00Z", True),
        ("2026-11-27T08:59:59Z", True),
        ("2026-11-27T09:00:00Z", False),
        ("2026-11-28T06:00:00Z", False),
    ):
        answer = books.use("reserve", code, "a", at=at, order_id=at)
        assert answer.status_code == (200 if fits else 409), at
        assert fits or answer.json()["code"] == "voucher.hours"
        if fits:
            books.use("release", code, "a")


def test_vouchers_stack_by_category_and_priority(books: Rewarded) -> None:
    """1,000: one of each category, percent first, then amounts: 900 − 150. An exclusive one of higher priority stands alone."""
    pools = [
        pool("tenth", category="percent", discount={"percent": "10"}),
        pool("fifth", category="percent", discount={"percent": "20"}, priority=-1),
        pool("amount", category="amount", discount={"amount": "150"}),
        pool("alone", category="other", discount={"amount": "100"}, exclusive=True, priority=9),
    ]
    put(books, vouchers=pools)
    codes = {one["name"]: books.issue_code(one["name"], "a") for one in pools}

    def quote(*names: str, amount: str = "1000") -> tuple[Decimal, set[str], dict[str, str]]:
        body = {"member": books.ids["a"], "amount": amount, "codes": [codes[name] for name in names]}
        told = books.ask("POST", "/api/vouchers/quote", body)
        names_of = {code: name for name, code in codes.items()}
        applied = {names_of[one["code"]] for one in told["applied"]}
        return Decimal(told["total"]), applied, {names_of[one["code"]]: one["reason"] for one in told["refused"]}

    assert quote("tenth", "amount") == (750, {"tenth", "amount"}, {})
    assert quote("tenth", "fifth") == (900, {"tenth"}, {"fifth": "category"})
    assert quote("tenth", "amount", "alone") == (900, {"alone"}, {"tenth": "exclusive", "amount": "exclusive"})
    assert quote("amount", amount="100")[0] == 0, "never below nothing"


# --- 9 ---------------------------------------------------------------------------------------------------------------


def test_a_reward_is_reserved_then_taken_or_given_back(books: Rewarded) -> None:
    """300 points, a mug at 100, two in stock: reserved points are held, released ones free, confirmed ones spent."""
    put(books, earn=[fixed(300)], rewards=[{"name": "mug", "price": 100, "asset": "points", "stock": 2}])
    books.buy("a", 1)
    books.wait_balance("a", 300)
    first = books.redeem("mug", "a").json()
    assert (first["state"], first["price"]) == ("reserved", "100")
    assert books.figures("a") == (300, 100, 200)
    second = books.redeem("mug", "a").json()
    assert books.redeem("mug", "a").json()["code"] == "reward.out_of_stock"
    assert books.close_redemption(first["id"], "confirm").json()["state"] == "confirmed"
    assert books.close_redemption(second["id"], "release").json()["state"] == "released"
    assert books.figures("a") == (200, 0, 200)
    assert books.redeem("mug", "a").status_code == 200
    assert books.redeem("mug", "b").json()["code"] in {"reward.out_of_stock", "balance.insufficient"}
    assert books.redeem("nothing", "a").status_code == 404
