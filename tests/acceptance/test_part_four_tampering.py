"""Part 4 of the plan, its bars: hands in the tables of the ledger."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from regulars.platform.postgres import find_running
from tests.support.rewarding import Rewarded

pytestmark = pytest.mark.long


@contextmanager
def open_tables(books: Rewarded) -> Iterator[tuple[psycopg.Connection[Any], str]]:
    """The owner's connection to the deployment's own PostgreSQL, and the table of entries."""
    address = find_running(books.serving.home)
    assert address is not None
    with psycopg.connect(address.dsn, autocommit=True) as connection:
        row = connection.execute(
            "select c.table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)"
            " where c.column_name = 'balance_after_minor' and t.table_type = 'BASE TABLE'"
        ).fetchone()
        assert row is not None, "there is a table of entries"
        yield connection, row[0]


def find_entry(connection: psycopg.Connection[Any], table: str, amount: int) -> str:
    """The physical place of the one entry of this amount."""
    rows = connection.execute(f"select ctid::text from {table} where amount_minor = {amount}").fetchall()
    assert len(rows) == 1
    return rows[0][0]


def test_a_superusers_update_is_refused(books: Rewarded) -> None:
    """And a delete and a truncate; entries and the kept bodies of transfers alike."""
    books.put_asset()
    amount = random.randrange(10**12, 10**13)
    books.credit("a", amount)
    with open_tables(books) as (connection, table):
        row = connection.execute("select usesuper from pg_user where usename = current_user").fetchone()
        assert row == (True,)
        for statement in (
            f"update {table} set balance_after_minor = balance_after_minor + 1 where amount_minor = {amount}",
            f"update {table} set amount_minor = 1 where amount_minor = {amount}",
            f"delete from {table} where amount_minor = {amount}",
            f"truncate {table} cascade",
        ):
            with pytest.raises(psycopg.Error, match=r"(?i)append"):
                connection.execute(statement)
    assert books.figures("a") == (amount, 0, amount)
    books.check_books()


@pytest.mark.parametrize("column", ["amount_minor", "balance_after_minor", "version"])
def test_a_tampered_row_is_named(books: Rewarded, column: str) -> None:
    """Triggers switched off by hand: the check names the account or the transfer, over HTTP and as a command that fails."""
    books.put_asset()
    amount = random.randrange(10**12, 10**13)
    made = books.credit("a", amount)
    books.credit("a", 5)
    books.check_books()
    with open_tables(books) as (connection, table):
        place = find_entry(connection, table, amount)
        row = connection.execute(f"select {column} from {table} where ctid = '{place}'::tid").fetchone()
        assert row is not None

        def put(value: int) -> None:
            connection.execute("set session_replication_role = replica")
            connection.execute(
                f"update {table} set {column} = %s where account_id = %s and transfer_no = %s", (value, *key)
            )

        key = connection.execute(f"select account_id, transfer_no from {table} where ctid = '{place}'::tid").fetchone()
        assert key is not None
        put(row[0] + 100)
        try:
            told = books.ask("GET", "/api/ledger/check")
            done = books.command("ledger", "check", check=False)
        finally:
            put(row[0])
    assert told["ok"] is False and told["findings"]
    named = json.dumps(told["findings"])
    assert books.of("a") in named or made in named, named
    assert done.returncode == 1 and json.loads(done.stdout)["findings"]
    books.check_books()
