"""The package's queries, loaded once."""

from pathlib import Path

from regulars.platform.sqlfile import load_queries

SQL = load_queries(Path(__file__).parent.with_name("queries.sql"))
