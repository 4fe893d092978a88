"""Part 4 of the plan, the paragraph Ledger: limits, design/ledger.md 11."""

from typing import Any

import pytest

from tests.contract.client import encoded
from tests.support.rewarding import (
    Rewarded,
    at_once,
)

pytestmark = pytest.mark.long


def put_limit(ledger: Rewarded, name: str, **fields: Any) -> None:
    ledger.ask("PUT", f"/api/ledger/limits/{name}", {"asset": "points", "direction": "out", "per": "1d", **fields})


def test_no_limit_is_on_by_default_and_one_is_race_free(ledger: Rewarded) -> None:
    """Sixteen spends of 10 at once under 100 a day: ten pass. Taken away, all pass."""
    ledger.credit("a", 1_000)
    ledger.spend("a", 500)
    ledger.credit("b", 1_000)
    put_limit(ledger, "daily", most="100", then="refuse")
    results = at_once([lambda: ledger.post_one(ledger.make_spend("b", 10))] * 16)
    assert results.count(("created", None)) == 10
    assert results.count(("refused", "limit.exceeded")) == 6
    assert ledger.figures("b")[0] == 900
    ledger.ask("DELETE", "/api/ledger/limits/daily")
    ledger.spend("b", 900)


@pytest.mark.parametrize(("then", "code"), [("step_up", "limit.step_up"), ("review", "limit.review")])
def test_a_breach_may_ask_for_more_or_be_reviewed(ledger: Rewarded, then: str, code: str) -> None:
    """«review *is* a hold»: captured it is the spend, voided it never was."""
    ledger.credit("a", 1_000)
    put_limit(ledger, "daily", most="100", then=then)
    ledger.spend("a", 100)
    (told,) = ledger.post(ledger.make_spend("a", 50))
    assert (told["result"], told["code"]) == ("refused", code)
    assert ledger.figures("a") == ((900, 50, 850) if then == "review" else (900, 0, 900))
    if then == "review":
        assert ledger.capture(told["hold"])["captured"] == "50"
        assert ledger.figures("a") == (850, 0, 850)


@pytest.mark.parametrize("kind", ["velocity", "new payee", "direction", "knowledge"])
def test_a_limit_is_of_velocity_payee_direction_or_knowledge(ledger: Rewarded, kind: str) -> None:
    ledger.credit("a", 1_000)
    to = ledger.of("b")
    if kind == "velocity":
        put_limit(ledger, "fast", count=3, then="refuse")
        results = [ledger.post_one(ledger.make_spend("a", 1))[0] for _ in range(4)]
        assert results == ["created"] * 3 + ["refused"]
    elif kind == "new payee":
        put_limit(ledger, "payee", payee="new", most="50", then="refuse")
        amounts = (51, 50, 51)
        results = [ledger.post_one(ledger.make_spend("a", amount, to=to))[0] for amount in amounts]
        assert results == ["refused", "created", "created"], "who was paid is no longer new"
    elif kind == "direction":
        put_limit(ledger, "in", direction="in", most="10", then="refuse")
        results = [ledger.post_one(ledger.make_spend("a", amount, to=to))[0] for amount in (10, 1)]
        assert results == ["created", "refused"]
        ledger.spend("a", 500)
    else:
        put_limit(ledger, "unknown", knowledge="none", most="10", then="refuse")
        assert ledger.post_one(ledger.make_spend("a", 11)) == ("refused", "limit.exceeded")
        ledger.ask("PUT", f"/api/ledger/accounts/{encoded(ledger.of('a'))}", {"knowledge": "verified"})
        ledger.spend("a", 11)
