"""Part 4 of the plan, the paragraph Ledger: holds, design/ledger.md 7."""

import time
from typing import Any

import pytest

from tests.support.rewarding import (
    ISSUER,
    SWEPT_SECONDS_MAX,
    Rewarded,
    at_once,
    new_id,
    soon,
)
from tests.support.serving import wait_until

pytestmark = pytest.mark.long


def test_a_hold_reduces_what_is_available_and_is_captured(ledger: Rewarded) -> None:
    """100, hold 60: 40 may be spent. Captured 45: the other 15 are free again."""
    ledger.credit("a", 100)
    made = ledger.hold("a", 60)
    assert (made["state"], made["result"]) == ("open", "created")
    assert ledger.figures("a") == (100, 60, 40)
    assert ledger.post_one(ledger.make_spend("a", 41)) == ("refused", "balance.insufficient")
    assert ledger.hold("a", 41)["result"] == "refused"
    told = ledger.capture(made["id"], 45)
    assert (told["id"], told["state"], told["captured"]) == (made["id"], "captured", "45")
    assert ledger.figures("a") == (55, 0, 55) and ledger.posted(ISSUER) == -55
    assert ledger.statement("a")[0]["transfer"] == told["transfer"]
    assert ledger.capture(made["id"], 45) == told, "the same answer again"
    assert ledger.figures("a") == (55, 0, 55)


def test_a_hold_has_one_id_and_one_end(ledger: Rewarded) -> None:
    ledger.credit("a", 100)
    body: dict[str, Any] = {"id": new_id(), "expires_at": soon(3_600)}
    assert [ledger.hold("a", 30, **body)["result"] for _ in range(2)] == ["created", "exists"]
    assert ledger.hold("a", 31, **body)["result"] == "conflict"
    assert ledger.figures("a") == (100, 30, 70)
    assert ledger.capture(body["id"], 31, status=409)["code"] == "hold.exceeded"
    assert ledger.void(body["id"])["state"] == "voided"
    assert ledger.figures("a") == (100, 0, 100)
    assert ledger.void(body["id"])["state"] == "voided"
    assert ledger.capture(body["id"], status=409)["code"] == "hold.ended"
    other = ledger.hold("a", 100)
    assert ledger.capture(other["id"])["captured"] == "100", "all of it, where no amount is named"
    assert ledger.void(other["id"], status=409)["code"] == "hold.ended"
    ledger.ask("POST", f"/api/ledger/holds/{new_id()}/capture", {}, status=404)


def test_a_hold_expires_by_itself(ledger: Rewarded) -> None:
    """Refused at capture at once; what it held is free again after the sweep at the latest."""
    ledger.credit("a", 100)
    made = ledger.hold("a", 70, seconds=2)
    assert ledger.figures("a")[2] == 30
    time.sleep(2.1)
    assert ledger.capture(made["id"], status=409)["code"] == "hold.expired"
    wait_until(lambda: ledger.figures("a")[2] == 100, "what was held is free", SWEPT_SECONDS_MAX)
    assert ledger.capture(made["id"], status=409)["code"] == "hold.expired"
    assert ledger.figures("a") == (100, 0, 100)
    ledger.spend("a", 100)


def test_of_two_captures_and_a_void_at_once_one_is_done(ledger: Rewarded) -> None:
    for _ in range(5):
        ledger.credit("b", 10)
        made = ledger.hold("b", 10)["id"]
        path = f"/api/ledger/holds/{made}"
        calls = [lambda what=f"{path}/{what}": ledger.try_ask("POST", what, {}) for what in ("capture", "void")]
        answers = at_once(calls * 4)
        captured = {one.status_code for one in answers[::2]}
        voided = {one.status_code for one in answers[1::2]}
        assert (captured, voided) in (({200}, {409}), ({409}, {200}))
        left = ledger.figures("b")
        assert left == ((0, 0, 0) if captured == {200} else (10, 0, 10))
        if left[0]:
            ledger.spend("b", 10)
