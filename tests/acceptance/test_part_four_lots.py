"""Part 4 of the plan, the paragraph Ledger: lots and reversals, design/ledger.md 8 and 9."""

import json

import pytest

from tests.support.rewarding import (
    AUGUST,
    BREAKAGE,
    FAR,
    ISSUER,
    JULY,
    JUNE,
    SWEPT_SECONDS_MAX,
    Rewarded,
    at_once,
    line,
    new_id,
    soon,
    transfer,
)
from tests.support.serving import wait_until

pytestmark = pytest.mark.long


# --- 8 ---------------------------------------------------------------------------------------------------------------


def test_what_expires_soonest_is_spent_first(ledger: Rewarded) -> None:
    """Lots of June 30, July 50, never 40 and August 20, credited in another order; a spend of 90 draws 30, 50 and 10."""
    for amount, at in ((50, JULY), (40, None), (20, AUGUST), (30, JUNE)):
        ledger.credit("a", amount, **({"expires_at": at} if at else {}))
    ledger.spend("a", 90)
    drawn = [(int(lot["amount"]), lot["expires_at"]) for lot in ledger.statement("a")[0]["lots"]]
    assert drawn == [(-30, JUNE), (-50, JULY), (-10, AUGUST)]
    assert ledger.lots("a") == {AUGUST: 10, None: 40}
    assert sum(ledger.lots("a").values()) == ledger.figures("a")[0] == 50


def test_a_refund_restores_the_same_lots(ledger: Rewarded) -> None:
    """A spend of 60 drew June 40 and July 20; a refund of 25 gives July 20 and June 5 back, one of 35 the rest."""
    ledger.credit("a", 40, expires_at=JUNE)
    ledger.credit("a", 50, expires_at=JULY)
    spent = ledger.spend("a", 60)
    assert ledger.reverse(spent, amount="25")["result"] == "created"
    assert ledger.lots("a") == {JUNE: 5, JULY: 50}
    assert ledger.reverse(spent, amount="36")["result"] == "refused"
    assert ledger.reverse(spent)["result"] == "created"
    assert ledger.lots("a") == {JUNE: 40, JULY: 50}
    assert ledger.reverse(spent)["code"] == "transfer.already_reversed"
    ledger.check_books()


def test_a_gift_passes_expiry_and_funder_on(ledger: Rewarded) -> None:
    """a gives b 50 of June 30 (partner-b) and July 40 (ours): b has June 30 and July 20; liability keeps its funder."""
    ledger.credit("a", 30, expires_at=JUNE, funder="partner-b")
    ledger.credit("a", 40, expires_at=JULY)
    gift = transfer(line(ledger.of("a"), -50), line(ledger.of("b"), 50), kind="gift")
    assert ledger.post_one(gift) == ("created", None)
    assert (ledger.lots("a"), ledger.lots("b")) == ({JULY: 20}, {JUNE: 30, JULY: 20})
    rows = json.loads(ledger.command("ledger", "liability").stdout)["liability"]
    told = {(row["month"], row["funder"]): int(row["outstanding"]) for row in rows}
    assert told == {("2098-06", "partner-b"): 30, ("2098-07", None): 40}


def test_what_is_not_yet_usable_is_not_available(ledger: Rewarded) -> None:
    ledger.credit("a", 100, usable_at=soon(3_600))
    ledger.credit("a", 10, usable_at=soon(2))
    assert ledger.figures("a") == (110, 0, 0)
    assert ledger.post_one(ledger.make_spend("a", 1)) == ("refused", "balance.insufficient")
    wait_until(lambda: ledger.figures("a")[2] == 10, "its time has come", 10)
    ledger.spend("a", 10)
    assert ledger.post_one(ledger.make_spend("a", 1)) == ("refused", "balance.insufficient")


def test_what_is_expired_is_gone_at_once_and_becomes_breakage(ledger: Rewarded) -> None:
    """Not available at its instant; swept to breakage soon after, once, in an entry of its own."""
    ledger.credit("a", 70, expires_at=soon(2))
    ledger.credit("a", 5, expires_at=FAR)
    assert ledger.figures("a") == (75, 0, 75)
    wait_until(lambda: ledger.figures("a")[2] == 5, "its time is over", 5)
    assert ledger.post_one(ledger.make_spend("a", 6)) == ("refused", "balance.insufficient")
    wait_until(lambda: ledger.posted(BREAKAGE) == 70, "it is swept", SWEPT_SECONDS_MAX)
    assert ledger.figures("a") == (5, 0, 5) and ledger.posted(ISSUER) == -75
    assert [int(entry["amount"]) for entry in ledger.statement("a")] == [-70, 5, 70]
    ledger.check_books()


# --- 9 ---------------------------------------------------------------------------------------------------------------


def test_a_reversal_is_a_new_transfer_and_happens_once(ledger: Rewarded) -> None:
    made = ledger.credit("a", 100)
    body = {"id": new_id()}
    path = f"/api/ledger/transfers/{made}/reverse"
    assert ledger.ask("POST", path, body)["result"] == "created"
    assert ledger.ask("POST", path, body)["result"] == "exists"
    assert ledger.ask("POST", path, {**body, "amount": "1"})["result"] == "conflict"
    told = ledger.ask("POST", path, {"id": new_id()})
    assert (told["result"], told["code"]) == ("refused", "transfer.already_reversed")
    newest, oldest = ledger.statement("a")
    assert (newest["transfer"], newest["reverses"], newest["amount"]) == (body["id"], made, "-100")
    assert oldest["transfer"] == made and oldest.get("reverses") is None
    assert ledger.figures("a") == (0, 0, 0) and ledger.posted(ISSUER) == 0
    ledger.ask("POST", f"/api/ledger/transfers/{new_id()}/reverse", {"id": new_id()}, status=404)


@pytest.mark.parametrize(
    ("policy", "taken", "left"), [("pending_only", 0, 30), ("within_balance", 30, 0), ("allow_negative", 100, -70)]
)
def test_a_clawback_follows_its_policy(ledger: Rewarded, policy: str, taken: int, left: int) -> None:
    """100 came, 70 are spent: nothing is pending, 30 are there, or 70 are owed and the next points pay them."""
    made = ledger.credit("a", 100)
    ledger.spend("a", 70)
    told = ledger.reverse(made, policy=policy)
    if taken:
        assert (told["result"], told["amount"]) == ("created", str(taken))
    else:
        assert (told["result"], told["code"]) == ("refused", "balance.insufficient")
    assert ledger.figures("a")[0] == left
    ledger.credit("a", 90)
    assert ledger.figures("a") == (left + 90, 0, left + 90)
    assert sum(ledger.lots("a").values()) == left + 90
    ledger.check_books()


def test_pending_points_are_clawed_back_whole(ledger: Rewarded) -> None:
    made = ledger.credit("a", 100, usable_at=soon(3_600))
    ledger.credit("a", 10)
    assert ledger.reverse(made, policy="pending_only")["result"] == "created"
    assert ledger.figures("a") == (10, 0, 10)


def test_sixteen_reversals_at_once_take_the_amount_once(ledger: Rewarded) -> None:
    made = ledger.credit("a", 100)
    ledger.credit("a", 1_000)
    results = at_once([lambda: ledger.reverse(made).get("code", "created")] * 16)
    assert sorted(results) == ["created"] + ["transfer.already_reversed"] * 15
    assert ledger.figures("a")[0] == 1_000
