"""SQL is source: it compiles against the schema, has one function a query, and stays within its package's tables."""

import re
from pathlib import Path

import psycopg
import pytest
from sqlglot import exp, parse_one

from tests.architecture.queries import (
    Query,
    foreign_tables,
    list_copies,
    list_queries,
    list_statements,
    preparable,
    strings,
)
from tests.architecture.sources import PACKAGE, functions, package_files, relative

# platform brings the database about; conditions/ composes, from parts that are bound.
COMPOSERS = {"bootstrap", "conditions", "history", "platform"}
SQL_TEXT = re.compile(
    r"^\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|with\s+\w+\s+as\s)", re.I | re.S
)


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    found = list_queries()
    if not found:
        pytest.skip("no package has queries yet")
    return found


def test_every_query_compiles_against_the_schema(queries: list[Query], dsn: str) -> None:
    broken: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for query in [*queries, *list_copies()]:
            try:
                connection.execute(f"prepare checked as {preparable(query.sql)}".encode())
                connection.execute("deallocate checked")
            except psycopg.Error as error:
                broken.append(f"{query}: {str(error).splitlines()[0]}")
    assert not broken, "\n".join(broken)


def test_a_query_that_does_not_compile_is_seen(dsn: str) -> None:
    wrong = preparable("select no_such_column from pg_class where oid = %(oid)s")
    with psycopg.connect(dsn, autocommit=True) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute(f"prepare checked as {wrong}".encode())


def test_every_query_has_a_function_of_its_name(queries: list[Query]) -> None:
    lonely: list[str] = []
    for query in queries:
        beside = [query.file.with_name("store.py"), *sorted(query.file.parent.glob("store/*.py")), *own_stores(query)]
        known = {function.name for path in beside if path.exists() for function in functions(path)}
        if query.name not in known:
            lonely.append(str(query))
    assert not lonely, f"no function in the store is named like these queries: {', '.join(lonely)}"


def own_stores(query: Query) -> list[Path]:
    """The modules of the folder a query file lies in, where that folder is the store."""
    return sorted(query.file.parent.glob("*.py")) if query.file.parent.name == "store" else []


def test_queries_stay_within_their_packages_tables(queries: list[Query]) -> None:
    strays = {str(query): sorted(found) for query in [*queries, *list_copies()] if (found := foreign_tables(query))}
    assert not strays, f"these name other packages' tables; facts.* is for reading: {strays}"


def test_migrations_make_only_tables_of_their_package() -> None:
    statements = list_statements()
    made = [(one, parse_one(one.sql, read="postgres")) for one in statements]
    tables = [
        (one, tree.this.find(exp.Table)) for one, tree in made if isinstance(tree, exp.Create) and tree.kind == "TABLE"
    ]
    if not statements:
        pytest.skip("no package has migrations yet")
    assert tables, "no table was found in any migration"
    wrong = [f"{one}: {table.name}" for one, table in tables if not table.name.startswith(f"{one.package}_")]
    assert not wrong, f"tables carry their package's name: {wrong}"


@pytest.mark.parametrize(
    ("sql", "foreign"),
    [
        ("select 1 from shop_items", set()),
        ("select 1 from facts.members m join shop_items i on i.id = m.id", set()),
        ("with fresh as (select id from shop_items) insert into shop_lines (id) select id from fresh", set()),
        ("copy shop_items (id, name) from stdin (format binary)", set()),
        ("select nextval('shop_seq') from generate_series(1, %(count)s)", set()),
        ("select x from unnest(%(xs)s::int[]) as given (x) join members_members m on m.id = x", {"members_members"}),
        ("insert into facts.members (id) select id from shop_items", {"facts.members"}),
        ("select id from shop_items i join facts.members m using (id) for update of i", set()),
        ("with x as (delete from ledger_holds returning id) select id from x", {"ledger_holds"}),
        ("update shop_items set n = m.n from members_members m where m.id = shop_items.id", {"members_members"}),
    ],
)
def test_a_query_that_strays_is_seen(sql: str, foreign: set[str]) -> None:
    assert foreign_tables(Query("shop", PACKAGE / "shop" / "queries.sql", "example", sql)) == foreign


def test_sql_is_written_in_sql_files() -> None:
    found = [
        f"{relative(path)}:{text.lineno}"
        for path in package_files()
        if path.relative_to(PACKAGE).parts[0] not in COMPOSERS
        for text in strings(path)
        if SQL_TEXT.match(str(text.value))
    ]
    assert not found, f"SQL belongs into queries.sql beside the store: {found}"
