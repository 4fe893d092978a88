"""Posting: balanced, once for an id, never more than there is, in lots that expire."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from regulars.ledger import service
from regulars.ledger.model import Line, ReversalPolicy, Transfer
from tests.ledger.conftest import Books

pytestmark = pytest.mark.anyio


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_points_are_earned_and_spent(books: Books) -> None:
    await books.earn("a", 300)
    assert await books.spend("a", 120) == "created"
    assert await books.balance("member:a/points") == (180, 0, 180)
    assert await books.balance("issuer/points") == (-180, 0, -180)
    assert await books.lots("a") == [(300, 180)]
    assert await books.findings() == []


async def test_more_than_there_is_is_refused_and_leaves_nothing(books: Books) -> None:
    await books.earn("a", 100)
    assert await books.spend("a", 101) == "balance.insufficient"
    assert await books.spend("b", 1) == "balance.insufficient"
    assert await books.balance("member:a/points") == (100, 0, 100)
    assert await books.findings() == []


async def test_an_id_is_done_once_for_ever(books: Books) -> None:
    made = await books.earn("a", 100)
    lines = Line("issuer/points", -100), Line("member:a/points", 100)
    assert await books.move(*lines, kind="earn", transfer_id=made) == "exists"
    assert await books.move(*lines, kind="gift", transfer_id=made) == "conflict"
    other = Line("issuer/points", -101), Line("member:a/points", 101)
    assert await books.move(*other, kind="earn", transfer_id=made) == "conflict"
    assert await books.balance("member:a/points") == (100, 0, 100)


async def test_a_batch_is_as_its_transfers_one_by_one(books: Books) -> None:
    """Each stands alone, in order: what the third earns, the fourth spends; a refused one stops nobody."""
    one = uuid4()

    def move(who: str, amount: int, transfer_id: object = None) -> Transfer:
        lines = Line("issuer/points", -amount), Line(f"member:{who}/points", amount)
        return Transfer(transfer_id or uuid4(), "move", lines)  # type: ignore[arg-type]

    batch = [
        *(move("a", 100, one), move("a", -150), move("a", 80), move("a", -150), move("b", -1), move("b", 7)),
        *(move("a", 100, one), move("a", 101, one), move("nobody", 5)),
    ]
    told = await books.post(*batch)
    assert [outcome.code or outcome.result for outcome in told] == [
        *("created", "balance.insufficient", "created", "created", "balance.insufficient", "created"),
        *("exists", "conflict", "account.unknown"),
    ]
    assert await books.balance("member:a/points") == (30, 0, 30)
    assert await books.findings() == []


async def test_what_expires_soonest_is_spent_first(books: Books) -> None:
    await books.earn("a", 50)
    await books.earn("a", 40, expires_at=soon(900))
    await books.earn("a", 30, expires_at=soon(500))
    assert await books.spend("a", 45) == "created"
    assert await books.lots("a") == [(50, 50), (40, 25), (30, 0)]


async def test_what_has_expired_is_not_spent_and_becomes_its_funders_breakage(books: Books) -> None:
    await books.earn("a", 50)
    await books.earn("a", 40, expires_at=soon(0.05), funder="partner-b")
    await books.earn("a", 30, usable_at=soon(900))
    await asyncio.sleep(0.1)
    assert await books.balance("member:a/points") == (120, 0, 50)
    assert await books.spend("a", 51) == "balance.insufficient"
    assert await books.sweep() == 1 and await books.sweep() == 0
    assert await books.balance("member:a/points") == (80, 0, 50)
    assert await books.balance("breakage:partner-b/points") == (40, 0, 40)
    assert await books.findings() == []


async def test_a_gift_hands_on_expiry_and_funder(books: Books) -> None:
    """The first ninety that A gives go to B as they were; the fee gets the rest."""
    until = soon(900).replace(microsecond=0)
    await books.earn("a", 60, expires_at=until, funder="partner-b")
    await books.earn("a", 100)
    given = Line("member:a/points", -100), Line("fees/points", 10), Line("member:b/points", 90, expires_at=soon(9_999))
    assert await books.move(*given) == "created"
    async with books.database.read() as tx:
        rows = await tx.rows(
            "select remaining_minor, nullif(expires_at, 'infinity'), funder from ledger_lots l"
            " join ledger_accounts a using (account_id) where a.name = 'member:b/points' order by expires_at"
        )
    # the fee's line stands first and takes the first ten
    assert sum(row[0] for row in rows) == 90
    assert [(row[0], row[1], row[2]) for row in rows] == [(60, until, "partner-b"), (30, None, None)]
    assert await books.findings() == []


async def test_a_partial_refund_goes_back_through_the_lots(books: Books) -> None:
    """Sixty of one and forty of the next were drawn; fifty come back: forty of the next, ten of the first."""
    await books.earn("a", 60, expires_at=soon(500))
    await books.earn("a", 70, expires_at=soon(900))
    spent = uuid4()
    assert await books.spend("a", 100, spent) == "created"
    assert await books.reverse(spent, 50) == ("created", 50)
    assert await books.lots("a") == [(60, 10), (70, 70)]
    assert await books.reverse(spent, 51) == ("transfer.reverses_too_much", None)
    assert await books.reverse(spent) == ("created", 50)
    assert await books.reverse(spent) == ("transfer.already_reversed", None)
    assert await books.lots("a") == [(60, 60), (70, 70)]
    assert await books.findings() == []


async def test_points_that_were_spent_are_clawed_back_by_policy(books: Books) -> None:
    earned = await books.earn("a", 100)
    assert await books.spend("a", 70) == "created"
    assert await books.reverse(earned, policy=ReversalPolicy.PENDING_ONLY) == ("balance.insufficient", None)
    assert await books.reverse(earned) == ("created", 30)
    assert await books.balance("member:a/points") == (0, 0, 0)
    assert await books.reverse(earned, policy=ReversalPolicy.ALLOW_NEGATIVE) == ("created", 70)
    assert await books.balance("member:a/points") == (-70, 0, 0)
    await books.earn("a", 100)
    assert await books.balance("member:a/points") == (30, 0, 30)
    assert await books.lots("a") == [(100, 0), (30, 30)]
    assert await books.findings() == []


async def test_points_to_come_are_taken_back_alone(books: Books) -> None:
    earned = await books.earn("a", 100, usable_at=soon(900))
    await books.earn("a", 40)
    assert await books.reverse(earned, policy=ReversalPolicy.PENDING_ONLY) == ("created", 100)
    assert await books.balance("member:a/points") == (40, 0, 40)
    assert await books.findings() == []


async def test_purchased_value_is_not_given_away(books: Books) -> None:
    async with books.database.write() as tx:
        await service.put_asset(tx, books.brand, "cash", {"scale": 2, "funded": "purchased"})
    assert await books.move(Line("issuer/cash", -500), Line("member:a/cash", 500)) == "created"
    gift = Line("member:a/cash", -100), Line("member:b/cash", 100)
    assert await books.move(*gift) == "asset.not_transferable"
    async with books.database.write() as tx:
        await service.put_asset(tx, books.brand, "cash", {"scale": 2, "funded": "purchased", "licensed": True})
    assert await books.move(*gift) == "created"


async def test_a_budget_ends_at_its_last_point(books: Books) -> None:
    assert await books.move(Line("issuer/points", -100), Line("budget:summer/points", 100)) == "created"
    give = Line("budget:summer/points", -60), Line("member:a/points", 60)
    assert await books.move(*give) == "created"
    assert await books.move(*give) == "balance.insufficient"


async def test_two_at_once_take_the_last_points_once(books: Books) -> None:
    await books.earn("a", 100)
    told = await asyncio.gather(*(books.spend("a", 100) for _ in range(8)))
    assert sorted(told) == ["balance.insufficient"] * 7 + ["created"]
    assert await books.findings() == []


async def test_one_id_from_many_is_created_once(books: Books) -> None:
    await books.earn("a", 0 + 100)
    made = uuid4()
    lines = Line("issuer/points", -5), Line("member:a/points", 5)
    told = await asyncio.gather(*(books.move(*lines, transfer_id=made) for _ in range(16)))
    assert sorted(told) == ["created"] + ["exists"] * 15
    assert await books.balance("member:a/points") == (105, 0, 105)


@pytest.mark.parametrize(
    ("table", "column"),
    [("ledger_entries", "amount_minor"), ("ledger_transfers", "kind"), ("ledger_lot_uses", "amount_minor")],
)
async def test_what_was_written_stays(books: Books, table: str, column: str) -> None:
    await books.earn("a", 100)
    await books.spend("a", 10)
    for statement in (f"update {table} set {column} = {column}", f"delete from {table}", f"truncate {table}"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with books.database.write() as tx:
                await tx.execute(statement)  # pyright: ignore[reportArgumentType]


async def test_lines_that_do_not_balance_are_refused_by_the_database(books: Books) -> None:
    await books.earn("a", 100)
    with pytest.raises(psycopg.errors.CheckViolation):
        async with books.database.write() as tx:
            await tx.execute(
                "insert into ledger_entries select account_id, transfer_no + 1, amount_minor + 1, version, 0, line"
                " from ledger_entries"
            )


async def test_what_was_altered_by_hand_is_named(books: Books) -> None:
    made = await books.earn("a", 100)
    async with books.database.write() as tx:
        await tx.execute("alter table ledger_entries disable trigger all")
        await tx.execute("update ledger_entries set amount_minor = 900 where amount_minor = 100")
        await tx.execute("alter table ledger_entries enable trigger all")
    found = await books.findings()
    assert any(one.startswith(f"unbalanced {made}") for one in found)
    assert f"altered {made}: member:a/points: posted 100, now 900" in found
    assert any(one.startswith("drifted member:a/points") for one in found)


async def test_no_balance_grows_beyond_what_is_counted(books: Books) -> None:
    """A member's balance ends at 2^63 - 1; the issuer's is the sum of its entries and goes on."""
    most = 2**63 - 1
    await books.earn("a", most)
    await books.earn("b", most)
    assert await books.move(Line("issuer/points", -1), Line("member:a/points", 1)) == "balance.over_cap"
    assert await books.balance("member:a/points") == (most, 0, most)
    assert await books.balance("issuer/points") == (-2 * most, 0, -2 * most)
    async with books.database.read() as tx:
        assert [one["outstanding"] for one in await service.list_liability(tx, books.brand)] == [str(2 * most)]
    assert await books.findings() == []


async def test_a_refusal_names_the_place_in_the_request(books: Books) -> None:
    """Also where those before it were refused at the door, and never reached the books."""

    def ask(amount: str, who: str = "a", other: str = "5") -> dict[str, object]:
        lines = [{"account": f"member:{who}/points", "amount": amount}, {"account": "issuer/points", "amount": other}]
        return {"id": str(uuid4()), "kind": "spend", "lines": lines}

    most = 2**63 - 1
    wide = [("issuer", -most), ("fees", -most), ("member:a", most), ("member:b", most)]
    over = {**ask("-5"), "lines": [{"account": f"{who}/points", "amount": str(amount)} for who, amount in wide]}
    asked = [ask("-5.0"), ask("-5", "nobody"), ask("-5", other="6"), ask("-5"), over]
    async with books.database.write() as tx:
        told = await service.post_asked(tx, books.brand, books.holders, {"transfers": asked})
    assert [(one.code, one.path) for one in told] == [
        ("amount.invalid", "/transfers/0/lines/0/amount"),
        ("account.unknown", "/transfers/1/lines/0/account"),
        ("transfer.unbalanced", "/transfers/2/lines"),
        ("balance.insufficient", "/transfers/3"),
        ("amount.invalid", "/transfers/4/lines"),
    ]
