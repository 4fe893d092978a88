"""Limits and terms of accounts: what they count, what becomes of a transfer that would pass one, and what is owed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from regulars.ledger import service, terms
from regulars.ledger.errors import AccountInvalid, AccountUnknown, LimitInvalid, LimitUnknown
from regulars.ledger.model import Line, Outcome, Transfer
from tests.ledger.conftest import Books

pytestmark = pytest.mark.anyio

ISSUER = "issuer/points"
A, B, C = (f"member:{who}/points" for who in "abc")


def gift(amount: int, to: str = B, **lot: Any) -> tuple[Line, Line]:
    return Line(A, -amount), Line(to, amount, **lot)


async def post_one(books: Books, transfer_id: UUID, *lines: Line) -> Outcome:
    (told,) = await books.post(Transfer(transfer_id, "gift", lines))
    return told


async def list_reviews(books: Books) -> list[dict[str, Any]]:
    async with books.database.read() as tx:
        rows = await service.list_holds(
            tx, books.brand, is_reviewed=True, before=2**63 - 1, limit=100, now=datetime.now(UTC)
        )
    return [row for _, row in rows]


# --- what is counted ------------------------------------------------------------------------------------------------


async def test_what_is_held_counts_until_it_is_freed(books: Books) -> None:
    """Else a hold and a spend, each within the limit, would pass it together."""
    await books.earn("a", 1_000)
    await books.limit(most="100")
    told, hold = await books.hold("a", 60, expires_at="2099-01-01T00:00:00Z")
    assert told == "created"
    assert (await books.hold("a", 41, expires_at="2099-01-01T00:00:00Z"))[0] == "limit.exceeded"
    assert await books.spend("a", 41) == "limit.exceeded"
    assert await books.spend("a", 40) == "created"
    assert await books.end_hold(hold, capture=False) == "voided"
    assert await books.spend("a", 60) == "created"
    assert await books.spend("a", 1) == "limit.exceeded"
    assert await books.findings() == []


async def test_a_capture_counts_and_is_not_asked_again(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(most="100")
    _, hold = await books.hold("a", 100, expires_at="2099-01-01T00:00:00Z")
    assert await books.end_hold(hold, capture=True) == "captured"
    assert await books.spend("a", 1) == "limit.exceeded"


async def test_what_expires_or_is_taken_back_is_not_counted(books: Books) -> None:
    made = await books.earn("a", 500)
    await books.earn("a", 300, expires_at=datetime.now(UTC) + timedelta(seconds=900))
    await books.earn("a", 400)
    await books.limit(most="100")
    assert (await books.reverse(made))[0] == "created"
    async with books.database.write() as tx:
        await tx.execute(
            "update ledger_lots set expires_at = clock_timestamp() - interval '1 second' where expires_at < 'infinity'"
        )
    assert await books.sweep() == 1
    assert await books.balance(A) == (400, 0, 400)
    assert await books.spend("a", 100) == "created"
    assert await books.spend("a", 1) == "limit.exceeded"


async def test_a_window_is_passed(books: Books) -> None:
    """As if the first spend had been two days ago."""
    await books.earn("a", 1_000)
    await books.limit(most="100", count=2)
    assert await books.spend("a", 90) == "created"
    assert await books.spend("a", 20) == "limit.exceeded"
    async with books.database.write() as tx:
        await tx.execute("alter table ledger_transfers disable trigger ledger_transfers_stay")
        await tx.execute("update ledger_transfers set posted_at = posted_at - interval '2 days'")
    assert [await books.spend("a", 20) for _ in range(3)] == ["created", "created", "limit.exceeded"]


async def test_without_a_window_each_transfer_stands_by_itself(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(per=None, most="100")
    assert [await books.spend("a", amount) for amount in (100, 101, 100)] == ["created", "limit.exceeded", "created"]


async def test_a_batch_is_limited_as_its_transfers_one_by_one(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(most="100")
    told = await books.post(*(Transfer(uuid4(), "gift", gift(amount)) for amount in (60, 60, 40, 1)))
    assert [one.code or one.result for one in told] == ["created", "limit.exceeded", "created", "limit.exceeded"]
    assert [one.limit for one in told] == [None, "daily", None, "daily"], "it says which"


async def test_new_payees_are_members_one_had_not_paid(books: Books) -> None:
    """One limit for all of them within the window; the brand itself is nobody's new payee."""
    await books.earn("a", 1_000)
    await books.limit(payee="new", most="50")
    assert await books.spend("a", 100) == "created"
    assert await books.move(*gift(30, B)) == "created"
    assert await books.move(*gift(300, B)) == "created"
    assert await books.move(*gift(21, C)) == "limit.exceeded"
    assert await books.move(*gift(20, C)) == "created"
    body = {"id": str(uuid4()), "account": A, "to": "member:d/points", "amount": "1"}
    async with books.database.write() as tx:
        told = await service.hold_asked(tx, books.brand, books.holders, body, now=datetime.now(UTC))
    assert (told["code"], told["limit"]) == ("limit.exceeded", "daily")


async def test_the_strictest_limit_decides_and_only_of_its_own_asset(books: Books) -> None:
    await books.earn("a", 1_000)
    async with books.database.write() as tx:
        await service.put_asset(tx, books.brand, "stars", {})
    await books.limit("stars", asset="stars", most="0")
    await books.limit("a review", then="review", most="50")
    await books.limit("step", then="step_up", most="60")
    await books.limit("stop", then="refuse", most="70")
    told = [await books.spend("a", amount) for amount in (71, 61, 51, 10)]
    assert told == ["limit.exceeded", "limit.step_up", "limit.review", "limit.step_up"], "the review holds 51 of them"


# --- review ---------------------------------------------------------------------------------------------------------


async def test_a_review_is_a_hold_and_captured_it_is_the_transfer(books: Books) -> None:
    """Its id, its kind and its terms are those that were asked: whoever sends it again is told that it exists."""
    expires_at = datetime(2099, 1, 1, tzinfo=UTC)
    await books.limit(direction="in", most="100", then="review")
    asked = uuid4()
    lines = Line(ISSUER, -500), Line(A, 500, expires_at=expires_at, funder="partner-b")
    told = await post_one(books, asked, *lines)
    assert (told.code, told.hold, told.limit) == ("limit.review", str(asked), "daily")
    assert await post_one(books, asked, *lines) == told, "asked again, it waits still"
    assert (await post_one(books, asked, Line(ISSUER, -5), Line(A, 5))).result == "conflict"
    assert [(one["id"], one["account"], one["amount"]) for one in await list_reviews(books)] == [
        (str(asked), ISSUER, "500")
    ]
    assert await books.move(Line(ISSUER, -1), Line(A, 1)) == "limit.review", "what waits counts"
    assert await books.end_hold(asked, capture=True, amount="499") == "hold.not_divisible"
    assert await books.findings() == []
    assert await books.end_hold(asked, capture=True) == "captured"
    assert await books.balance(A) == (500, 0, 500)
    assert (await post_one(books, asked, *lines)).result == "exists"
    assert await books.end_hold(asked, capture=True) == "captured"
    async with books.database.read() as tx:
        rows = await tx.rows(
            "select expires_at, funder, kind from ledger_lots join ledger_transfers using (transfer_no)"
        )
    assert rows == [(expires_at, "partner-b", "gift")]
    assert await books.findings() == []


async def test_a_review_that_is_voided_never_was(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(most="100", then="review")
    asked = uuid4()
    assert (await post_one(books, asked, *gift(500))).hold == str(asked)
    assert await books.balance(A) == (1_000, 500, 500)
    assert await books.end_hold(asked, capture=False) == "voided"
    told = await post_one(books, asked, *gift(500))
    assert (told.code, told.hold) == ("limit.review", None), "the same is not reviewed twice"
    assert await books.balance(A) == (1_000, 0, 1_000)
    assert await books.findings() == []


async def test_what_waits_is_not_posted_though_its_limit_is_gone(books: Books) -> None:
    """Else it would be spent twice: once by whoever asks again, once by whoever captures it."""
    await books.earn("a", 1_000)
    await books.limit(most="100", then="review")
    asked = uuid4()
    assert (await post_one(books, asked, *gift(500))).hold == str(asked)
    async with books.database.write() as tx:
        await terms.delete_limit(tx, books.brand, "daily")
    assert (await post_one(books, asked, *gift(500))).code == "limit.review"
    assert await books.move(*gift(200)) == "created"
    assert await books.end_hold(asked, capture=True) == "captured"
    assert await books.balance(A) == (300, 0, 300)
    assert await books.findings() == []


async def test_a_review_past_its_time_may_be_asked_again(books: Books) -> None:
    await books.earn("a", 1_000)
    await books.limit(most="100", then="review")
    asked = uuid4()
    await post_one(books, asked, *gift(500))
    await books.let_pass("ledger_holds")
    await books.sweep()
    assert await list_reviews(books) == []
    assert await books.end_hold(asked, capture=True) == "hold.expired"
    await books.limit(most="500", then="review")
    assert (await post_one(books, asked, *gift(500))).result == "created"


async def test_what_cannot_be_held_is_refused_without_a_hold(books: Books) -> None:
    """More than two lines, or a debt: neither is an amount of an account that could be reserved."""
    await books.earn("a", 100)
    await books.limit(most="100", then="review")
    await books.put(A, floor="-500")
    for lines in ((Line(A, -101), Line(B, 100), Line(ISSUER, 1)), gift(101)):
        told = await post_one(books, uuid4(), *lines)
        assert (told.code, told.hold) == ("limit.review", None)
    assert await books.balance(A) == (100, 0, 600)


# --- terms ----------------------------------------------------------------------------------------------------------


async def test_a_debt_within_the_floor_is_spent_but_not_held(books: Books) -> None:
    told = await books.put(A, floor="-50", cap="200", knowledge="verified")
    assert told["floor"] == "-50" and told["cap"] == "200" and told["knowledge"] == "verified" and not told["closed"]
    assert (await books.hold("a", 1, expires_at="2099-01-01T00:00:00Z"))[0] == "balance.insufficient"
    assert await books.spend("a", 51) == "balance.insufficient"
    assert await books.spend("a", 50) == "created"
    await books.earn("a", 250)
    assert await books.move(Line(ISSUER, -1), Line(A, 1)) == "balance.over_cap"
    assert (await books.put(A, cap=None))["cap"] is None
    await books.earn("a", 1)
    assert (await books.put(A, closed=True))["floor"] == "-50", "what is left out stays"
    assert await books.spend("a", 1) == "account.closed"
    assert await books.findings() == []


async def test_a_floor_above_zero_stays_where_it_is(books: Books) -> None:
    await books.earn("a", 100)
    await books.put(A, floor="30")
    assert await books.balance(A) == (100, 0, 70)
    assert (await books.hold("a", 71, expires_at="2099-01-01T00:00:00Z"))[0] == "balance.insufficient"
    assert await books.spend("a", 70) == "created"
    assert await books.spend("a", 1) == "balance.insufficient"


@pytest.mark.parametrize(
    ("account", "fields", "error"),
    [
        (A, {"cap": "-1"}, AccountInvalid),
        (A, {"floor": "1.5"}, AccountInvalid),
        (A, {"knowledge": "Näher"}, AccountInvalid),
        (ISSUER, {"floor": "0"}, AccountInvalid),
        (ISSUER, {"cap": None}, AccountInvalid),
        ("member:nobody/points", {"closed": True}, AccountUnknown),
        ("member:a/gold", {"closed": True}, AccountUnknown),
        ("points", {"closed": True}, AccountUnknown),
    ],
)
async def test_terms_that_cannot_be_are_refused(
    books: Books, account: str, fields: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await books.put(account, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        *({}, {"count": 1, "per": None}, {"most": "-1"}, {"most": "1e3"}, {"most": "1", "per": "1w"}),
        *({"most": "1", "asset": "gold"}, {"most": "1", "knowledge": ""}, {"most": "1", "name": "a/b"}),
    ],
)
async def test_a_limit_that_limits_nothing_is_refused(books: Books, fields: dict[str, Any]) -> None:
    with pytest.raises(LimitInvalid):
        await books.limit(fields.pop("name", "daily"), **fields)


async def test_a_limit_is_shown_as_it_was_put(books: Books) -> None:
    await books.limit("z", most="0", per="24h")
    await books.limit("a", most="5", per="90m", count=3, payee="new", knowledge="none", then="step_up")
    await books.limit("z", direction="in", count=7, per="14d")
    async with books.database.read() as tx:
        told = await terms.list_limits(tx, books.brand, after="", limit=10)
        assert await terms.get_limit(tx, books.brand, "a") == told[0]
        with pytest.raises(LimitUnknown):
            await terms.get_limit(tx, books.brand, "b")
    z = {"name": "z", "asset": "points", "direction": "in", "per": "14d", "most": None, "count": 7}
    a = {"name": "a", "asset": "points", "direction": "out", "per": "90m", "most": "5", "count": 3}
    assert told == [
        a | {"payee": "new", "knowledge": "none", "then": "step_up"},
        z | {"payee": None, "knowledge": None, "then": "refuse"},
    ]
    async with books.database.write() as tx:
        await terms.delete_limit(tx, books.brand, "a")
        with pytest.raises(LimitUnknown):
            await terms.delete_limit(tx, books.brand, "a")


async def test_a_closed_issuer_gives_nothing(books: Books) -> None:
    await books.earn("a", 100)
    assert (await books.put(ISSUER, closed=True))["floor"] is None
    assert await books.spend("a", 1) == "account.closed"
