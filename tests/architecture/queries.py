"""The SQL of every package, as the tests of it need it: where it is, whose it is, and how PostgreSQL can check it."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp

from regulars.platform.sqlfile import load_queries
from tests.architecture.sources import PACKAGE, package_files, parse

ENGINES = {"measures.sql", "outcomes.sql", "trying.sql"}
"""Files of queries that the history's engine answers."""
PLACEHOLDER = re.compile(r"%\((\w+)\)[sb]")
COPY = re.compile(r"copy\s+(?P<table>[\w.]+)\s*\((?P<columns>[^)]*)\)\s+from\s+stdin", re.IGNORECASE)


@dataclass(frozen=True)
class Query:
    """One named query and the package it belongs to."""

    package: str
    file: Path
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.package}:{self.name}"


def list_queries() -> list[Query]:
    """Every named query of every package that PostgreSQL answers."""
    files = sorted(path for path in PACKAGE.glob("*/*.sql") if path.name not in ENGINES)
    return [
        Query(path.relative_to(PACKAGE).parts[0], path, name, sql)
        for path in files
        for name, sql in load_queries(path).items()
    ]


def list_copies() -> list[Query]:
    """Every COPY that a module states beside the binary form that it fills."""
    texts = [(path, node) for path in package_files() for node in strings(path) if COPY.match(str(node.value))]
    return [
        Query(path.relative_to(PACKAGE).parts[0], path, f"{path.stem}:{node.lineno}", str(node.value))
        for path, node in texts
    ]


def strings(path: Path) -> list[ast.Constant]:
    """Every text constant of a module."""
    return [node for node in ast.walk(parse(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def list_statements() -> list[Query]:
    """Every statement of every migration."""
    files = sorted(PACKAGE.glob("*/migrations/*.sql"))
    return [
        Query(path.relative_to(PACKAGE).parts[0], path, path.stem, tree.sql(dialect="postgres"))
        for path in files
        for tree in sqlglot.parse(path.read_text(encoding="utf-8"), read="postgres")
        if tree is not None
    ]


def preparable(sql: str) -> str:
    """The query with PostgreSQL's own numbered parameters; of a COPY, which cannot be prepared, its columns."""
    if copy := COPY.search(sql):
        return f"select {copy['columns']} from {copy['table']}"
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return PLACEHOLDER.sub(number, sql).replace("%%", "%")


def foreign_tables(query: Query) -> set[str]:
    """The tables that a query reads or writes and its package does not own.

    Own are tables with the package's prefix; everybody may read the views in ``facts``, and PostgreSQL's catalogue.
    """
    tree = sqlglot.parse_one(preparable(query.sql), read="postgres")
    known = {cte.alias for cte in tree.find_all(exp.CTE)}
    written = {id(table) for table in written_tables(tree)}
    return {
        f"{table.db}.{table.name}".lstrip(".")
        for table in tree.find_all(exp.Table)
        if not is_own(table, query.package)
        and table.name not in known
        and not isinstance(table.this, exp.Func)
        # FOR UPDATE OF names an alias.
        and not isinstance(table.parent, exp.Lock)
        and (id(table) in written or not is_published(table))
    }


def written_tables(tree: exp.Expr) -> list[exp.Table]:
    """What a statement inserts into, updates or deletes from."""
    verbs = tree.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge)
    return [table for verb in verbs if isinstance(target := verb.this, exp.Expr) and (table := target.find(exp.Table))]


def is_own(table: exp.Table, package: str) -> bool:
    """Whether a table belongs to a package."""
    return not table.db and table.name.startswith(f"{package}_")


def is_published(table: exp.Table) -> bool:
    """Whether anybody may read a table."""
    return table.db in {"facts", "pg_catalog"} or (not table.db and table.name.startswith("pg_"))
