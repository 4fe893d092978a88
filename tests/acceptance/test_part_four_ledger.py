"""Part 4 of the plan, the paragraph Ledger: one test a clause of design/ledger.md 1–11 and 14, and the commands.

What is spelled here where contract.md says nothing. `PUT /api/ledger/assets/{code}` makes an asset without a programme.
Codes of refused transfers: `account.unknown`, `asset.unknown`, `amount.invalid`, `transfer.unbalanced`, `transfer.lines`,
`transfer.account_twice`, `balance.insufficient`, `balance.over_cap`, `account.closed`, `asset.not_transferable`,
`limit.exceeded`, `transfer.already_reversed`. A reversal's result adds `amount`, what it moved. A line may have `usable_at`.
`PUT /api/ledger/accounts/{name}` takes `{"floor","cap","closed","knowledge"}` (absent = unchanged); a `budget:NAME/…` is
there once something is posted to it. An entries-only account has `version` null. Lots of a statement's entry have its sign.
`PUT /api/ledger/limits/{name}` takes `{"asset","direction":"in|out","per":DURATION,"most"?,"count"?,"payee"?:"new","knowledge"?,
"then":"refuse|step_up|review"}`; codes `limit.exceeded`, `limit.step_up`, and `limit.review` with `hold`, an open hold's id;
DELETE takes it away. A capture of more than is held is 409 `hold.exceeded`, of what is no longer open `hold.ended`.
`regulars ledger liability --json` answers `{"liability":[{"asset","month":"YYYY-MM"|null,"funder","outstanding"}]}`, months the
brand's; `balance ACCOUNT --json` what the API answers of the account. In exports a member's account holds its id.
"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.client import encoded
from tests.support.rewarding import (
    BREAKAGE,
    ISSUER,
    JULY,
    JUNE,
    Rewarded,
    at_once,
    line,
    transfer,
)
from tests.support.shop import text

pytestmark = pytest.mark.long


# --- 1 ---------------------------------------------------------------------------------------------------------------


def test_amounts_are_whole_numbers_written_as_text(ledger: Rewarded) -> None:
    """The greatest and the least a bigint holds are counted to the last digit; everything else is refused."""
    greatest = 2**63 - 1
    ledger.credit("a", greatest)
    assert ledger.figures("a") == (greatest, 0, greatest)
    ledger.credit("b", 1)
    for wrong in (
        "1.5",
        "NaN",
        "Infinity",
        "0.0000001",
        "0",
        "-0",
        "007",
        "+7",
        "1e3",
        " 1",
        "1_000",
        "",
        "１",
        str(2**63),
    ):
        made = transfer(line(ISSUER, f"-{wrong}"), line(ledger.of("b"), wrong))
        assert ledger.post_one(made) == ("refused", "amount.invalid"), wrong
    assert ledger.figures("b") == (1, 0, 1)
    assert len(ledger.statement("b")) == 1


# --- 2 ---------------------------------------------------------------------------------------------------------------


def test_each_transfer_of_a_batch_stands_alone(ledger: Rewarded) -> None:
    """In their order: the second may spend what the first brought, the third is refused, the fourth does not care."""
    a, b = ledger.of("a"), ledger.of("b")
    told = ledger.post(
        transfer(line(ISSUER, -100), line(a, 100)),
        transfer(line(a, -60), line(ISSUER, 60), kind="spend"),
        transfer(line(a, -41), line(ISSUER, 41), kind="spend"),
        transfer(line(ISSUER, -5), line(b, 5)),
        transfer(line(a, -40), line(ISSUER, 40), kind="spend"),
    )
    assert [one["result"] for one in told] == ["created", "created", "refused", "created", "created"]
    assert told[2]["code"] == "balance.insufficient"
    assert (ledger.figures("a"), ledger.figures("b"), ledger.posted(ISSUER)) == ((0, 0, 0), (5, 0, 5), -5)


def test_a_thousand_transfers_are_one_batch(ledger: Rewarded) -> None:
    told = ledger.post(*(transfer(line(ISSUER, -n), line(ledger.of("a"), n)) for n in range(1, 1_001)))
    assert {one["result"] for one in told} == {"created"}
    assert ledger.figures("a") == (500_500, 0, 500_500)
    assert [entry["version"] for entry in ledger.statement("a", limit=300)] == list(range(1_000, 0, -1))


def test_batches_that_cross_neither_deadlock_nor_lose(ledger: Rewarded) -> None:
    """Eight connections move points round a ring of members, in both directions and in batches of forty."""
    for who in "abcdefgh":
        ledger.credit(who, 1_000)
    ring = [*zip("abcdefgh", "bcdefgha", strict=True)] * 5

    def move(turn: int) -> list[str]:
        found: list[str] = []
        for _ in range(5):
            pairs = ring if turn % 2 else [(into, out) for out, into in reversed(ring)]
            told = ledger.post(*(ledger.make_spend(out, 3 + turn, to=ledger.of(into)) for out, into in pairs))
            found += [one["result"] for one in told]
        return found

    results = at_once([lambda turn=turn: move(turn) for turn in range(8)])
    assert {one for each in results for one in each} == {"created"}
    assert [ledger.figures(who)[0] for who in "abcdefgh"] == [1_000] * 8
    assert ledger.posted(ISSUER) == -8_000
    ledger.check_books()


# --- 3 ---------------------------------------------------------------------------------------------------------------


def test_the_same_id_moves_points_once(ledger: Rewarded) -> None:
    """Again, twice in one batch, and from sixteen connections."""
    made = transfer(line(ISSUER, -300), line(ledger.of("a"), 300, expires_at=JUNE), meta={"order": "o1"})
    assert [one["result"] for one in ledger.post(made, made)] == ["created", "exists"]
    assert ledger.post_one(made) == ("exists", None)
    other = transfer(line(ISSUER, -7), line(ledger.of("a"), 7))
    results = at_once([lambda: ledger.post_one(other)[0]] * 16)
    assert sorted(results) == ["created"] + ["exists"] * 15
    assert ledger.figures("a") == (307, 0, 307) and len(ledger.statement("a")) == 2


def test_the_same_id_with_another_body_is_a_conflict(ledger: Rewarded) -> None:
    """Whatever differs: amount, account, kind, expiry, meta. The first stands."""
    made = transfer(line(ISSUER, -300), line(ledger.of("a"), 300, expires_at=JUNE), meta={"order": "o1"})
    assert ledger.post_one(made)[0] == "created"
    for changed in (
        {"lines": [line(ISSUER, -301), line(ledger.of("a"), 301, expires_at=JUNE)]},
        {"lines": [line(ISSUER, -300), line(ledger.of("b"), 300, expires_at=JUNE)]},
        {"lines": [line(ISSUER, -300), line(ledger.of("a"), 300, expires_at=JULY)]},
        {"kind": "gift"},
        {"meta": {"order": "o2"}},
    ):
        assert ledger.post_one({**made, **changed})[0] == "conflict", changed
    assert ledger.post_one(made) == ("exists", None)
    assert (ledger.figures("a")[0], ledger.figures("b")[0]) == (300, 0)


# --- 4 ---------------------------------------------------------------------------------------------------------------


def test_a_transfer_is_balanced_in_each_asset(ledger: Rewarded) -> None:
    """What is missing in one asset is not made up in another."""
    ledger.put_asset("stars")
    a, stars = ledger.of("a"), ledger.of("a", "stars")
    both = transfer(line(ISSUER, -3), line(a, 3), line("issuer/stars", -90), line(stars, 90))
    crossed = transfer(line(ISSUER, -3), line(stars, 3))
    told = ledger.post(
        both,
        crossed,
        transfer(line(ISSUER, -3), line(a, 4)),
        transfer(line(a, 3)),
        transfer(),
        transfer(line(a, 1), line(a, -1)),
    )
    assert [(one["result"], one.get("code")) for one in told] == [
        ("created", None),
        ("refused", "transfer.unbalanced"),
        ("refused", "transfer.unbalanced"),
        ("refused", "transfer.lines"),
        ("refused", "transfer.lines"),
        ("refused", "transfer.account_twice"),
    ]
    assert (ledger.figures("a")[0], ledger.figures("a", "stars")[0]) == (3, 90)
    assert (ledger.posted(ISSUER), ledger.posted("issuer/stars")) == (-3, -90)


# --- 5 ---------------------------------------------------------------------------------------------------------------


def test_a_statement_proves_its_balance(ledger: Rewarded) -> None:
    """Versions 1, 2, 3, each balance the one before and the amount; pages meet; refused transfers leave no gap."""
    first = ledger.credit("a", 500, expires_at=JUNE)
    second = ledger.spend("a", 120)
    assert ledger.post_one(ledger.make_spend("a", 381))[0] == "refused"
    third = ledger.credit("a", 20, expires_at=JULY)
    entries = ledger.statement("a", limit=2)
    told = [(e["version"], int(e["amount"]), int(e["balance_after"]), e["transfer"], e["kind"]) for e in entries]
    assert told == [(3, 20, 400, third, "earn"), (2, -120, 380, second, "spend"), (1, 500, 500, first, "earn")]
    assert [[(int(lot["amount"]), lot["expires_at"]) for lot in e["lots"]] for e in entries] == [
        [(20, JULY)],
        [(-120, JUNE)],
        [(500, JUNE)],
    ]
    assert ledger.account(ledger.of("a"))["version"] == 3
    assert ledger.account(ledger.of("b"))["version"] == 0


# --- 6 ---------------------------------------------------------------------------------------------------------------


def test_system_accounts_have_entries_and_no_floor(ledger: Rewarded) -> None:
    """The issuer owes what members have; fees and breakage take; a member's floor is 0."""
    ledger.credit("a", 100)
    ledger.spend("a", 30, to="fees/points")
    ledger.spend("a", 20, to=BREAKAGE)
    assert ledger.post_one(ledger.make_spend("a", 51)) == ("refused", "balance.insufficient")
    assert [ledger.posted(name) for name in (ISSUER, "fees/points", BREAKAGE)] == [-100, 30, 20]
    assert ledger.account(ISSUER)["version"] is None
    assert ledger.figures("a") == (50, 0, 50)


def test_accounts_exist_once_their_asset_does(books: Rewarded) -> None:
    """Of every member and of the issuer; nobody else's, and not before."""
    a = books.of("a", "miles")
    assert books.try_ask("GET", f"/api/ledger/accounts/{encoded(a)}").status_code == 404
    made = transfer(line("issuer/miles", -1), line(a, 1))
    books.put_asset()
    assert books.post_one(made) == ("refused", "asset.unknown")
    books.put_asset("miles")
    assert books.figures("a", "miles") == (0, 0, 0)
    assert books.post_one(made) == ("created", None)
    nobody = transfer(line("issuer/miles", -1), line("member:m999999999/miles", 1))
    assert books.post_one(nobody) == ("refused", "account.unknown")
    assert books.ask("GET", f"/api/ledger/accounts/{a}")["posted"] == "1", "names hold / as it is, too"


def test_an_account_may_have_a_floor_and_a_cap_and_be_closed(ledger: Rewarded) -> None:
    path = f"/api/ledger/accounts/{encoded(ledger.of('a'))}"
    ledger.ask("PUT", path, {"floor": "-50", "cap": "200"})
    assert ledger.figures("a") == (0, 0, 50)
    assert ledger.post_one(ledger.make_spend("a", 51)) == ("refused", "balance.insufficient")
    ledger.spend("a", 50)
    assert ledger.figures("a") == (-50, 0, 0)
    ledger.credit("a", 250)
    made = transfer(line(ISSUER, -1), line(ledger.of("a"), 1))
    assert ledger.post_one(made) == ("refused", "balance.over_cap")
    assert ledger.figures("a")[0] == 200
    ledger.ask("PUT", path, {"closed": True})
    assert ledger.post_one(ledger.make_spend("a", 1)) == ("refused", "account.closed")
    assert ledger.post_one(transfer(line(ISSUER, -1), line(ledger.of("a"), 1))) == ("refused", "account.closed")
    ledger.check_books()


def test_the_last_budget_dollar_goes_to_exactly_one(ledger: Rewarded) -> None:
    """«Hot accounts that need a floor (campaign budgets) are sharded»: sixteen connections ask for 160, 100 are there."""
    budget = "budget:spring/points"
    assert ledger.post_one(transfer(line(ISSUER, -100), line(budget, 100), kind="fund")) == ("created", None)

    def draw(turn: int) -> list[tuple[str, str | None]]:
        who = "abcdefgh"[turn % 8]
        return [ledger.post_one(transfer(line(budget, -1), line(ledger.of(who), 1))) for _ in range(10)]

    results = [one for each in at_once([lambda turn=turn: draw(turn) for turn in range(16)]) for one in each]
    assert results.count(("created", None)) == 100
    assert results.count(("refused", "balance.insufficient")) == 60
    assert ledger.posted(budget) == 0
    assert sum(ledger.figures(who)[0] for who in "abcdefgh") == 100
    ledger.check_books()


# --- 10 --------------------------------------------------------------------------------------------------------------


def test_purchased_value_moves_between_members_only_with_a_licence(books: Rewarded) -> None:
    books.put_asset("credit", funded="purchased")
    books.put_asset("gift", funded="purchased", licensed=True)
    for asset, result in (("credit", ("refused", "asset.not_transferable")), ("gift", ("created", None))):
        books.credit("a", 100, asset)
        assert books.post_one(books.make_spend("a", 40, asset, to=books.of("b", asset))) == result
        books.spend("a", 10, asset)
    assert (books.figures("a", "credit")[0], books.figures("b", "credit")[0]) == (90, 0)
    assert (books.figures("a", "gift")[0], books.figures("b", "gift")[0]) == (50, 40)


def test_an_asset_stays_granted_or_purchased(books: Rewarded) -> None:
    told = books.put_asset("credit", funded="purchased")
    assert (told["funded"], told["licensed"], told["scale"]) == ("purchased", False, 0)
    books.credit("a", 1, "credit")
    body = {"scale": 0, "funded": "granted", "licensed": False}
    for changed in (body, {**body, "funded": "purchased", "scale": 2}):
        assert books.try_ask("PUT", "/api/ledger/assets/credit", changed).status_code in {400, 409}
    assert books.put_asset("credit", funded="purchased", licensed=True)["licensed"] is True


def test_two_brands_share_no_books(ledger: Rewarded) -> None:
    """The same id and the same account names are another brand's transfer."""
    other = Rewarded(ledger.serving, "other books")
    other.put_asset()
    made = ledger.credit("a", 10)
    same = transfer(line(ISSUER, -10), line(other.of("a"), 10), id=made)
    assert other.post_one(same) == ("created", None)
    stolen = transfer(line(ISSUER, -10), line(ledger.of("a"), 10))
    assert other.post_one(stolen) == ("refused", "account.unknown")
    assert (ledger.posted(ISSUER), other.posted(ISSUER)) == (-10, -10)


def test_a_statement_tells_when(ledger: Rewarded) -> None:
    before = text(datetime.now(UTC) - timedelta(seconds=5))
    ledger.credit("a", 1)
    (entry,) = ledger.statement("a")
    assert before < entry["at"] < text(datetime.now(UTC) + timedelta(seconds=5))
