"""The migrated schema: keys that could be spread over servers, text that compares the same on every machine."""

from collections.abc import Iterator

import psycopg
import pytest

# Whose key does not start with brand_id, and why.
BY_ACCOUNT = "its account's number is no other brand's, and each index entry would be eight bytes longer"
BRANDLESS = {
    "events_seen": "what came twice is no error here, so it has no key; its id is a hash with the brand in it",
    **dict.fromkeys(
        ("ledger_accounts", "ledger_entries", "ledger_lots", "ledger_lot_uses", "ledger_hold_lots", "ledger_redatings"),
        BY_ACCOUNT,
    ),
}
# Not ours to shape: the job queue's, and what the platform keeps about the whole deployment.
NOT_DOMAIN = ("platform_", "procrastinate_")

PRIMARY_KEYS = """
    select c.relname, array_agg(a.attname::text order by k.position)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    join pg_index i on i.indrelid = c.oid and i.indisprimary
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
    where c.relkind in ('r', 'p') and not c.relispartition
    group by c.relname
"""
TABLES = """
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    where c.relkind in ('r', 'p') and not c.relispartition
"""
# Columns of text in a key or an index that sort by the machine's locale.
LOCALE_BOUND = """
    select distinct c.relname || '.' || a.attname
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
    cross join lateral unnest(i.indkey::int2[], i.indcollation::oid[]) as k (attnum, collation_oid)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
    join pg_collation l on l.oid = k.collation_oid
    where l.collname <> 'C' and c.relname not like 'procrastinate%'
"""
# Foreign keys tie rows of two tables to one server.
FOREIGN_KEYS = """
    select conrelid::regclass::text || ' → ' || confrelid::regclass::text from pg_constraint
    where contype = 'f' and confrelid::regclass::text like 'members%'
"""


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


def test_every_domain_table_has_a_key_that_starts_with_the_brand(connection: psycopg.Connection) -> None:
    keys = dict(connection.execute(PRIMARY_KEYS).fetchall())
    tables = [name for (name,) in connection.execute(TABLES) if not name.startswith(NOT_DOMAIN)]
    assert len(tables) > 3, f"only {tables}: was the schema migrated?"
    wrong = {name: keys.get(name) for name in tables if (keys.get(name) or [""])[0] != "brand_id"}
    assert wrong.keys() <= BRANDLESS.keys(), f"rows are distributed by brand, then member: {wrong}"


def test_compared_text_is_collated_c(connection: psycopg.Connection) -> None:
    assert [name for (name,) in connection.execute(LOCALE_BOUND)] == []


def test_no_foreign_key_crosses_members(connection: psycopg.Connection) -> None:
    assert [name for (name,) in connection.execute(FOREIGN_KEYS)] == []
