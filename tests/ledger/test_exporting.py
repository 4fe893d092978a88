"""Journals that hledger and Beancount read: every balance of theirs is ours."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import anyio
import pytest
from beancount import loader
from beancount.core.data import Transaction

from regulars.ledger import service
from regulars.ledger.exporting import BeancountJournal, HledgerJournal
from regulars.ledger.model import Line
from tests.ledger.conftest import Books
from tests.support.requirements import require

pytestmark = pytest.mark.anyio


async def post_much(books: Books) -> None:
    """Points and money of members with hard names; gifts, fees, a refund, a budget, breakage."""
    async with books.database.write() as tx:
        await service.put_asset(tx, books.brand, "cash_tw", {"scale": 2, "funded": "granted"})
    spent = await books.earn("m1", 300, funder="書店 b")
    await books.earn("王 小明; x", 50)
    assert (
        await books.move(Line("member:m1/points", -90), Line("member:m2/points", 80), Line("fees/points", 10))
        == "created"
    )
    assert await books.move(Line("issuer/cash_tw", -12_345), Line("member:m1/cash_tw", 12_345)) == "created"
    assert (
        await books.move(Line("issuer/points", -500), Line("budget:夏 2026/points", 500), kind='a "kind"; odd|')
        == "created"
    )
    assert (await books.reverse(spent))[0] == "created"


async def write(books: Books, journal: HledgerJournal | BeancountJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages of two transfers: what was opened in one is open in the next."""
    monkeypatch.setattr(service, "POSTED_PAGE", 2)
    async with books.database.read() as tx:
        async for page in service.list_posted(tx, books.brand):
            journal.write(page)


async def list_balances(books: Books) -> list[Decimal]:
    """All balances but zeros, in the unit of their asset."""
    async with books.database.read() as tx:
        rows = await tx.rows(
            "select sum(amount_minor) / power(10::numeric, s.scale) from ledger_entries"
            " join ledger_accounts a using (account_id) join ledger_assets s using (asset_id)"
            " group by account_id, s.scale having sum(amount_minor) <> 0"
        )
    return sorted(Decimal(row[0]) for row in rows)


async def test_hledger_has_the_same_balances(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hledger = require("hledger")
    await post_much(books)
    journal = tmp_path / "books.journal"
    with journal.open("w", encoding="utf-8") as to:
        await write(books, HledgerJournal(to), monkeypatch)
    words = [str(hledger), "-f", str(journal), "balance", "--flat", "--layout=bare", "-O", "csv", "--no-total"]
    done = await anyio.run_process(words, env={"LANG": "C.UTF-8"})
    rows = list(csv.DictReader(io.StringIO(done.stdout.decode())))
    assert sorted(Decimal(row["balance"]) for row in rows) == await list_balances(books)
    assert len({row["account"] for row in rows}) > 5


async def test_beancount_has_the_same_balances(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await post_much(books)
    file = tmp_path / "books.beancount"
    with file.open("w", encoding="utf-8") as to:
        await write(books, BeancountJournal(to), monkeypatch)
    entries, errors, _ = loader.load_file(str(file))
    assert errors == []
    sums: dict[str, Decimal] = {}
    for entry in entries:
        for posting in entry.postings if isinstance(entry, Transaction) else []:
            sums[posting.account] = sums.get(posting.account, Decimal(0)) + posting.units.number
    assert sorted(one for one in sums.values() if one) == await list_balances(books)
