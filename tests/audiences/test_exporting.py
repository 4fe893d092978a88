"""Audiences as files: the same rows in both forms, whatever the ids are, and no more memory for more members."""

import csv
import io
from pathlib import Path

import duckdb
import pytest

from regulars.audiences.service import exporting
from regulars.audiences.service.answering import AudienceEngine
from regulars.conditions.tree import AllOf, HasIdentity, Not
from regulars.history.model import HistoryPlace
from regulars.history.service.reading import HistoryReader
from regulars.kernel.ids import MemberId, public_id
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

HOSTILE = ("007", "b,c", 'q"uo"te', "new\nline", "cr\r\nlf", "' or 1=1", "NULL", "\\N", "#no comment", "紅", "x" * 900)
MANY_MEMBERS = 300_000
GROWN_BYTES_MAX = 30_000_000
"""Half of what all rows at once would take."""

_MEMBERS_SQL = """
insert into members_members (brand_id, member_id, member_no, created_at)
select %(brand)s, n, n - 1, %(now)s from generate_series(1, %(count)s) as g (n)
"""
_ORIGINS_SQL = """
insert into members_origins (brand_id, origin_id, member_id, own_member_id)
select %(brand)s, n, n, n from generate_series(1, %(count)s) as g (n)
"""
_IDENTITIES_SQL = """
insert into members_identities (brand_id, kind, lookup, origin_id, created_at)
select %(brand)s, 'user_id', coalesce((%(ids)s::text[])[n], 'u' || n), n, %(now)s
from generate_series(1, %(count)s) as g (n) where n %% 5 <> 0
"""


async def put_members(database: Database, brand: Brand, count: int) -> None:
    """Every fifth without a user id."""
    params = {"brand": brand.brand_id, "count": count, "now": NOW, "ids": list(HOSTILE)}
    async with database.write() as tx:
        for statement in (_MEMBERS_SQL, _ORIGINS_SQL, _IDENTITIES_SQL):
            await tx.execute(statement, params)
        # As autovacuum would after so many: without it PostgreSQL plans for a handful of rows.
        for table in ("members_members", "members_origins", "members_identities"):
            await tx.execute(f"analyze {table}")


def told(number: int) -> tuple[str, str | None]:
    user_id = HOSTILE[number] if number < len(HOSTILE) else f"u{number + 1}"
    return public_id("m", MemberId(number + 1)), None if (number + 1) % 5 == 0 else user_id


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_file_holds_every_member_once(
    database: Database,
    brand: Brand,
    reader: HistoryReader,
    place: HistoryPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: exporting.Form,
) -> None:
    monkeypatch.setattr(exporting, "MEMBERS_AT_ONCE", 7)
    monkeypatch.setattr(exporting, "CHUNK_BYTES", 10)
    await put_members(database, brand, 30)
    async with database.read() as tx, AudienceEngine(reader, lambda: NOW).open_evaluation(tx, brand) as evaluation:
        members = await evaluation.list_members(AllOf())
        file = await exporting.write_file(evaluation, members, form, place.temp_folder / "o'clock")
        nobody = await evaluation.list_members(AllOf((HasIdentity("line"), Not(AllOf()))))
        empty = await exporting.write_file(evaluation, nobody, form, place.temp_folder)
    assert read(file, form, tmp_path) == [told(number) for number in range(30)]
    assert file.closed
    assert read(empty, form, tmp_path) == []
    assert not list(place.temp_folder.glob("**/export-*")), "nothing is left behind"


def read(file: io.BufferedIOBase, form: str, folder: Path) -> list[tuple[str, str | None]]:
    content = b"".join(exporting.read_chunks(file))  # pyright: ignore[reportArgumentType]
    if form == "csv":
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
        assert rows[0] == ["member", "user_id"]
        return [(member, user_id or None) for member, user_id in rows[1:]]
    path = folder / "audience.parquet"
    path.write_bytes(content)
    return duckdb.sql(f"select member, user_id from read_parquet('{path}') order by substr(member, 2)::int").fetchall()


def memory_bytes(field: str) -> int:
    """VmRSS, resident now, or VmHWM, the most since it was reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def reset_memory_peak() -> int:
    Path("/proc/self/clear_refs").write_text("5")
    return memory_bytes("VmRSS")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_more_members_take_no_more_memory(
    database: Database, brand: Brand, reader: HistoryReader, place: HistoryPlace, form: exporting.Form
) -> None:
    await put_members(database, brand, MANY_MEMBERS)
    async with database.read() as tx, AudienceEngine(reader, lambda: NOW).open_evaluation(tx, brand) as evaluation:
        members = await evaluation.list_members(AllOf())
        before = reset_memory_peak()
        file = await exporting.write_file(evaluation, members, form, place.temp_folder)
        size = sum(map(len, exporting.read_chunks(file)))
    assert memory_bytes("VmHWM") - before < GROWN_BYTES_MAX
    assert size > MANY_MEMBERS
