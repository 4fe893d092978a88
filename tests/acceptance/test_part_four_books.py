"""Part 4 of the plan, the paragraph Ledger: the check, design/ledger.md 14, and the commands."""

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.requirements import absent, require
from tests.support.rewarding import (
    ISSUER,
    JUNE,
    Rewarded,
)

pytestmark = pytest.mark.long


def fill(ledger: Rewarded) -> None:
    """a 300 − 120 − 20 given, b 20, an open hold, something reversed."""
    made = ledger.credit("a", 300, expires_at=JUNE, funder="partner-b")
    assert made
    ledger.spend("a", 120)
    ledger.spend("a", 20, to=ledger.of("b"))
    ledger.reverse(ledger.credit("c", 7))
    ledger.credit("d", 50)
    ledger.hold("d", 20)


def test_the_check_is_clean_and_ends_with_zero(ledger: Rewarded) -> None:
    fill(ledger)
    ledger.check_books()
    done = ledger.command("ledger", "check")
    assert json.loads(done.stdout) == {"ok": True, "findings": []}
    assert done.returncode == 0


def test_balance_and_statement_say_what_the_api_says(ledger: Rewarded) -> None:
    fill(ledger)
    for who in "abcd":
        told = json.loads(ledger.command("ledger", "balance", ledger.of(who)).stdout)
        assert told == ledger.account(ledger.of(who))
        entries = json.loads(ledger.command("ledger", "statement", ledger.of(who)).stdout)["entries"]
        assert entries == ledger.statement(who)
    assert ledger.figures("a") == (160, 0, 160) and ledger.figures("d") == (50, 20, 30)
    plain = ledger.serving.run("ledger", "statement", ledger.of("a"), "--brand", ledger.brand_name).stdout
    assert all(amount in plain for amount in ("300", "-120", "-20", "160")), plain
    bad = ledger.serving.run("ledger", "balance", "member:nobody/points", "--brand", ledger.brand_name, check=False)
    assert bad.returncode != 0 and "member:nobody/points" in bad.stderr and "Traceback" not in bad.stderr


def test_liability_is_told_by_month_and_funder(ledger: Rewarded) -> None:
    """a 160 and b 20 of June by partner-b, d 50 for ever by us; all that is outstanding, and nothing else."""
    fill(ledger)
    rows = json.loads(ledger.command("ledger", "liability").stdout)["liability"]
    assert {(r["asset"], r["month"], r["funder"]): r["outstanding"] for r in rows} == {
        ("points", "2098-06", "partner-b"): "180",
        ("points", None, None): "50",
    }
    assert sum(int(row["outstanding"]) for row in rows) == -ledger.posted(ISSUER)


def export(ledger: Rewarded, kind: str, folder: Path) -> Path:
    file = folder / f"books.{kind}"
    ledger.serving.run("ledger", "export", "--format", kind, str(file), "--brand", ledger.brand_name)
    return file


def by_member(ledger: Rewarded, balances: dict[str, int]) -> dict[str, int]:
    """Balances of members and the issuer, whose exported account names hold their id."""
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): amount for name, amount in balances.items()}
    wanted = {who: re.sub(r"[^a-z0-9]", "", f"member{ledger.ids[who]}".lower()) for who in "abcd"} | {
        "issuer": "issuer"
    }
    return {who: sum(amount for name, amount in plain.items() if key in name) for who, key in wanted.items()}


BALANCES = {"a": 160, "b": 20, "c": 0, "d": 50, "issuer": -230}


def test_the_export_loads_into_hledger(ledger: Rewarded, tmp_path: Path) -> None:
    fill(ledger)
    file = export(ledger, "hledger", tmp_path)
    assert file.read_text().count("\n") > 10
    words = [str(require("hledger")), "-f", str(file), "balance", "--flat", "--no-total", "-O", "csv"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    balances = {row["account"]: int(re.sub(r"[^0-9-]", "", row["balance"]) or 0) for row in rows}
    assert by_member(ledger, balances) == BALANCES


def test_the_export_loads_into_beancount(ledger: Rewarded, tmp_path: Path) -> None:
    fill(ledger)
    file = export(ledger, "beancount", tmp_path)
    try:
        from beancount import loader  # pyright: ignore[reportMissingImports]
    except ImportError:
        absent(f"beancount is not installed for {sys.executable}")
        return
    entries, errors, _ = loader.load_file(str(file))
    assert not errors
    balances: dict[str, int] = {}
    for entry in entries:
        for posting in getattr(entry, "postings", ()):
            balances[posting.account] = balances.get(posting.account, 0) + int(posting.units.number)
    assert by_member(ledger, balances) == BALANCES
