"""The whole way: files in, batches to a sink, rejects out, and in again."""

import asyncio
import csv
import io
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from regulars.platform.tabular.errors import RejectsNotWritten, UnreadableFile, WrongType
from regulars.platform.tabular.mapped import MappedRow
from regulars.platform.tabular.mapping import FieldSpec, ImportSpec, guess_mapping
from regulars.platform.tabular.progress import ImportProgress
from regulars.platform.tabular.reader import open_table
from regulars.platform.tabular.rejects import RejectsFile
from regulars.platform.tabular.run import ImportTotals, Sink, SinkResult, run_import
from regulars.platform.tabular.table import BadRow
from tests.support.examples import few

REAL = Path(__file__).parents[4] / "shared" / "data" / "online_retail_ii_2009_2010.parquet"
TAIPEI = ZoneInfo("Asia/Taipei")
SPEC = ImportSpec(
    (
        FieldSpec("user_id", aliases=("customer id", "會員編號")),
        FieldSpec("time", "instant", ("invoice date",), required=True),
        FieldSpec("revenue", "decimal", ("price",)),
        FieldSpec("quantity", "integer"),
        FieldSpec("message_id"),
    ),
    one_of=(("user_id",),),
    key_field="message_id",
)


class Store:
    """A sink that keeps what it is given, refuses users named bad, and knows rows by their keys."""

    def __init__(self) -> None:
        self.rows: dict[str, MappedRow] = {}
        self.batches: list[int] = []

    async def write(self, rows: list[MappedRow]) -> SinkResult:
        await asyncio.sleep(0)
        self.batches.append(len(rows))
        rejected: list[tuple[int, str | None, str]] = []
        known = 0
        for at, row in enumerate(rows):
            key = row.key or row.fields["message_id"]
            if row.fields["user_id"] == "bad":
                rejected.append((at, "user_id", "is bad"))
            elif key in self.rows:
                known += 1
            else:
                self.rows[key] = row
        return SinkResult(len(rows) - known - len(rejected), known, rejected)


def run(path: Path, store: Store, *, overrides: Sequence[str] = (), **options) -> ImportTotals:
    table = open_table(path)
    mapping = guess_mapping(table.columns, SPEC, overrides)
    return asyncio.run(run_import(table, mapping, Sink(list, store.write), zone=TAIPEI, **options))


def counts(totals: ImportTotals) -> tuple[int, int, int, int]:
    return totals.read, totals.written, totals.known, totals.rejected


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


ORDERS = """user_id,time,price,quantity,note
007,2024-01-01 08:00,0.20,1,
007,2024-01-01 08:00,0.20,1,
008,yesterday,1.10,1,"two
lines"
,2024-01-01 08:00,1,1,
bad,2024-01-01 08:00,1,1,
009,2024-01-02,12x,1,
010,2024-01-03T00:00:00Z,-3.5,-2,周
011,2024-01-01
"""


def test_good_rows_land_and_bad_ones_are_listed(tmp_path: Path) -> None:
    store = Store()
    totals = run(write(tmp_path / "orders.csv", ORDERS), store)
    assert counts(totals) == (8, 3, 0, 5)
    assert totals.rejects_file == tmp_path / "orders.rejects.csv"
    first, second, third = store.rows.values()
    assert first.fields == {
        "user_id": "007",
        "time": datetime(2024, 1, 1, tzinfo=UTC),
        "revenue": Decimal("0.20"),
        "quantity": 1,
    }
    assert first.properties == {}
    assert first.key is not None and first.key.endswith("-0") and second.key == first.key[:-1] + "1"
    assert third.properties == {"note": "周"}
    with totals.rejects_file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["_row", "_field", "_reason", "user_id", "time", "price", "quantity", "note"]
    assert rows[1] == [
        *("3", "time", "'yesterday' is not a time: it is in no form that is known, such as 2010-12-01 08:26"),
        *("008", "yesterday", "1.10", "1", "two\nlines"),
    ]
    assert [row[:3] for row in rows[2:]] == [
        ["4", "user_id", "is missing"],
        ["5", "user_id", "is bad"],
        ["6", "revenue", "column price: '12x' is not a number"],
        ["8", "", "has 2 cells where the header has 5"],
    ]
    assert rows[5][3:] == ["011", "2024-01-01"]
    assert json.loads(json.dumps(totals.to_dict())) == {
        "read": 8,
        "written": 3,
        "known": 0,
        "rejected": 5,
        "rejects_file": str(tmp_path / "orders.rejects.csv"),
    }


def test_same_file_again_and_a_mended_one_add_only_what_is_new(tmp_path: Path) -> None:
    store = Store()
    path = write(tmp_path / "orders.csv", ORDERS)
    first = run(path, store)
    again = run(path, store)
    assert counts(again) == (8, 0, 3, 5)
    assert again.rejects_file == first.rejects_file
    assert [file.name for file in tmp_path.iterdir()] == ["orders.csv", "orders.rejects.csv"] or len(
        list(tmp_path.iterdir())
    ) == 2
    mended = ORDERS.replace("yesterday", "2024-01-05").replace("12x", "12")
    assert counts(run(write(path, mended), store)) == (8, 2, 3, 3)
    assert (tmp_path / "orders.rejects-2.csv").exists(), "the older rejects file may be in someone's hands"


def test_rejects_file_mended_gives_the_rest(tmp_path: Path) -> None:
    store = Store()
    rejects = run(write(tmp_path / "orders.csv", ORDERS), store).rejects_file
    assert rejects is not None
    assert counts(run(rejects, store)) == (5, 0, 0, 5)
    text = rejects.read_text("utf-8").replace("yesterday", "2024-01-05").replace("12x", "12")
    totals = run(write(rejects, text), store)
    assert counts(totals) == (5, 2, 0, 3)
    assert totals.rejects_file is not None and totals.rejects_file.name == "orders.rejects-3.csv"
    assert totals.rejects_file.read_text("utf-8").startswith("_row,_field,_reason,user_id,time")
    whole = Store()
    run(write(tmp_path / "whole.csv", ORDERS.replace("yesterday", "2024-01-05").replace("12x", "12")), whole)
    assert whole.rows.keys() == store.rows.keys()


def test_columns_in_another_order_and_ignored_ones_change_no_key(tmp_path: Path) -> None:
    store = Store()
    run(write(tmp_path / "a.csv", "user_id,time,price,x\n1,2024-01-01,1.50,y\n"), store)
    text = "empty;x;Price;TIME;Customer ID;_row;drop\n;y;1.5;01.01.2024;1;9;z\n"
    assert counts(run(write(tmp_path / "b.csv", text), store, overrides=["drop="])) == (1, 0, 1, 0)


def test_a_row_with_an_id_of_its_own_has_no_key(tmp_path: Path) -> None:
    store = Store()
    run(write(tmp_path / "a.csv", "user_id,time,messageId\n1,2024-01-01,m1\n1,2024-01-01,\n"), store)
    assert [row.key is None for row in store.rows.values()] == [True, False]


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    store = Store()
    totals = run(write(tmp_path / "orders.csv", ORDERS), store, dry_run=True)
    assert counts(totals) == (8, 0, 0, 4)
    assert totals.rejects_file is None and not store.batches and len(list(tmp_path.iterdir())) == 1
    assert [(row.number, row.line, row.field) for row in totals.first_rejects] == [
        (3, 4, "time"),
        (4, 6, "user_id"),
        (6, 8, "revenue"),
        (8, 10, None),
    ]


def test_batches_are_bounded_and_keep_the_order(tmp_path: Path) -> None:
    store = Store()
    text = "user_id,time\n" + "".join(f"{at},2024-01-01\n" for at in range(25))
    assert counts(run(write(tmp_path / "a.csv", text), store, batch_rows=10)) == (25, 25, 0, 0)
    assert store.batches == [10, 10, 5]
    assert [row.fields["user_id"] for row in store.rows.values()] == [str(at) for at in range(25)]


def test_day_first_is_decided_for_the_column_and_said(tmp_path: Path) -> None:
    lines = ["user_id,time", "1,01/12/2010 08:26", "2,25/12/2010 08:26", "3,12/25/2010 08:26"]
    console = Console(file=io.StringIO(), width=200)
    store = Store()
    progress = ImportProgress(console, lambda: datetime(2024, 1, 1, tzinfo=UTC), "a.csv")
    totals = run(write(tmp_path / "a.csv", "\n".join(lines)), store, progress=progress)
    assert [row.fields["time"].month for row in store.rows.values()] == [12, 12]
    assert totals.rejected == 1 and "read day first" in totals.first_rejects[0].reason
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "time: dates such as 25/12/2010 08:26 have the day first" in said
    assert "a.csv: 3 rows read, 2 written, 0 known before, 1 rejected." in said


def test_jsonl_rejects_are_mended_in_place(tmp_path: Path) -> None:
    lines = ['{"user_id":1,"time":1704067200,"tags":["a"]}', '{"user_id":2,"time":"never","tags":[]}', '{"user_id":3,']
    store = Store()
    totals = run(write(tmp_path / "a.jsonl", "\n".join(lines)), store)
    assert counts(totals) == (3, 1, 0, 2)
    assert next(iter(store.rows.values())).properties == {"tags": ["a"]}
    assert totals.rejects_file is not None and totals.rejects_file.name == "a.rejects.jsonl"
    text = (
        totals.rejects_file.read_text()
        .replace("never", "2024-01-01")
        .replace(':3,"}', ':3,\\"time\\":\\"2024-01-02\\"}"}')
    )
    assert counts(run(write(totals.rejects_file, text), store)) == (2, 2, 0, 0)


def test_jsonl_key_that_comes_late_is_mapped_by_the_same_rules(tmp_path: Path) -> None:
    lines = ['{"user_id":"1","time":"2024-01-01"}'] * 1500
    lines.append('{"user_id":"1","time":"2024-01-01","messageId":"m1","Colour":"red"}')
    store = Store()
    run(write(tmp_path / "a.jsonl", "\n".join(lines)), store)
    assert store.rows["m1"].properties == {"Colour": "red"}


def test_parquet_with_the_wrong_type_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as connection:
        connection.sql("SELECT '1' AS user_id, true AS \"time\"").write_parquet(str(path))
        with pytest.raises(
            WrongType, match=r"the column 'time' has the type BOOLEAN, which cannot be 'time' \(instant\)"
        ):
            run(path, Store())
        connection.sql("SELECT [1] AS user_id, DATE '2024-01-01' AS \"time\"").write_parquet(str(path))
        with pytest.raises(WrongType, match=r"'user_id' has the type INTEGER\[\]"):
            run(path, Store())


def test_parquet_rejects_are_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with duckdb.connect() as connection:
        connection.sql(
            'SELECT unnest([13085.0::DOUBLE, NULL]) AS "Customer ID", TIMESTAMP \'2024-01-01 08:00\' AS "time", 1.10::DECIMAL(9,2) AS price'
        ).write_parquet(str(path))
    store = Store()
    totals = run(path, store)
    assert counts(totals) == (2, 1, 0, 1) and totals.rejects_file is not None
    assert next(iter(store.rows.values())).fields["user_id"] == "13085"
    (line,) = totals.rejects_file.read_text().splitlines()
    text = line.replace('"Customer ID":null', '"Customer ID":13085')
    assert counts(run(write(totals.rejects_file, text), store)) == (1, 0, 1, 0), "mended to be the row that is known"


def test_file_that_breaks_off_lands_what_came_before(tmp_path: Path) -> None:
    import gzip

    rows = "".join(f"{at * 7919 % 1000003},2024-01-01,{at * 104729 % 999983}\n" for at in range(60_000))
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(f"user_id,time,x\n{rows}".encode(), 1)[:-20_000])
    store = Store()
    with pytest.raises(UnreadableFile, match=r"a.csv.gz ends too early") as caught:
        run(path, store)
    totals = caught.value.fields["totals"]
    assert isinstance(totals, dict) and totals["written"] == len(store.rows) > 20_000


def test_interrupted_import_goes_on_where_it_stopped(tmp_path: Path) -> None:
    text = "user_id,time\n" + "".join(f"{at},2024-01-01\n" for at in range(100))
    table = open_table(write(tmp_path / "a.csv", text))
    mapping = guess_mapping(table.columns, SPEC)
    store = Store()
    console = Console(file=io.StringIO(), width=200)

    async def stop_in_the_fourth_batch() -> None:
        task = asyncio.current_task()

        async def sink(rows: list[MappedRow]) -> SinkResult:
            if len(store.batches) == 3 and task:
                task.cancel()
                await asyncio.sleep(1)
            return await store.write(rows)

        progress = ImportProgress(console, lambda: datetime(2024, 1, 1, tzinfo=UTC), "a.csv")
        await run_import(table, mapping, Sink(list, sink), zone=TAIPEI, batch_rows=10, progress=progress)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop_in_the_fourth_batch())
    assert len(store.rows) == 30
    assert "Stopped. 30 rows read, 30 written" in console.file.getvalue()  # type: ignore[attr-defined]
    assert counts(run(table.path, store)) == (100, 70, 30, 0)


def test_error_of_the_sink_leaves_no_half_file(tmp_path: Path) -> None:
    async def sink(rows: list[MappedRow]) -> SinkResult:
        raise ConnectionError("the database is gone")

    table = open_table(write(tmp_path / "orders.csv", "user_id,time\n,x\n" * 5 + "1,2024-01-01\n"))
    with pytest.raises(ConnectionError):
        asyncio.run(run_import(table, guess_mapping(table.columns, SPEC), Sink(list, sink), zone=TAIPEI, batch_rows=2))
    assert [file.name for file in tmp_path.iterdir()] == ["orders.csv"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_disk_names_the_file(tmp_path: Path) -> None:
    table = open_table(write(tmp_path / "a.csv", "a,b\n1,2\n"))
    stream = Path("/dev/full").open("wb")  # noqa: SIM115 (the rejects file closes it)
    with pytest.raises(RejectsNotWritten, match=r"a.rejects.csv: No space left on device"):
        RejectsFile(table, stream, tmp_path / "x.tmp", tmp_path / "a.rejects.csv").add(
            [BadRow(1, 2, None, "x", ["1", "2"])]
        )


def test_closed_folder_falls_back_to_the_given_one(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("needs a folder that nobody can write, root included")
    table = open_table(write(tmp_path / "orders.csv", ORDERS))
    unwritable = Path("/proc/self/fd")
    moved = type(table)(unwritable / "orders.csv", table.format, table.columns, table.read)
    mapping = guess_mapping(table.columns, SPEC)
    with pytest.raises(RejectsNotWritten, match=r"orders.rejects.csv"):
        asyncio.run(run_import(moved, mapping, Sink(list, Store().write), zone=TAIPEI))
    totals = asyncio.run(run_import(moved, mapping, Sink(list, Store().write), zone=TAIPEI, rejects_folder=tmp_path))
    assert totals.rejects_file == tmp_path / "orders.rejects.csv"


def test_progress_says_a_line_every_few_seconds_and_nothing_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    console = Console(file=sys.stderr, width=200)

    def clock() -> datetime:
        return now

    progress = ImportProgress(console, clock, "a[1].csv")
    for seconds, read in ((2, 200), (3, 500), (1, 600), (6, 900)):
        now += timedelta(seconds=seconds)
        progress.update(read, 3, read / 1000)
    progress.finish(1000, "1,000 rows read.")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "a[1].csv: 500 rows, 100/s, 50%, 5 s left, 3 rejected",
        "a[1].csv: 900 rows, 75/s, 90%, 1 s left, 3 rejected",
        "a[1].csv: 1,000 rows read. Took 12.0 s (83 rows/s).",
    ]


records = st.lists(
    st.tuples(st.sampled_from(["a", "b", "bad", ""]), st.sampled_from(["2024-01-01", "no"])), max_size=12
)


@settings(max_examples=few(20), deadline=None)
@given(records)
def test_rejects_always_hold_exactly_the_rest(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    path = write(folder / "t.csv", "user_id,time\n" + "".join(f"{user},{time}\n" for user, time in rows))
    store = Store()
    totals = run(path, store, batch_rows=3)
    assert totals.read == totals.written + totals.known + totals.rejected == len(rows)
    assert (totals.rejects_file is None) == (totals.rejected == 0)
    if totals.rejects_file:
        assert list(open_table(totals.rejects_file).columns[3:]) == ["user_id", "time"]
        again = run(totals.rejects_file, store)
        assert counts(again) == (totals.rejected, 0, 0, totals.rejected)


@pytest.mark.skipif(not REAL.exists(), reason="../shared/data is absent")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("FROM read_parquet($1) LIMIT 40000", (40_000, 29_514, 0, 10_486), id="start"),
        pytest.param("FROM read_parquet($1)", (525_461, 417_534, 0, 107_927), id="all", marks=pytest.mark.long),
    ],
)
def test_real_file_is_imported(tmp_path: Path, query: str, expected: tuple[int, int, int, int]) -> None:
    path = tmp_path / "retail.parquet"
    with duckdb.connect() as connection:
        connection.sql(query, params=[str(REAL)]).write_parquet(str(path))
    keys: set[str | None] = set()
    negative: list[MappedRow] = []

    async def sink(rows: list[MappedRow]) -> SinkResult:
        negative.extend(row for row in rows if row.fields["quantity"] < 0)
        keys.update(row.key for row in rows)
        return SinkResult(len(rows), 0)

    table = open_table(path)
    mapping = guess_mapping(table.columns, SPEC)
    assert mapping.find_column("time") == "InvoiceDate"
    totals = asyncio.run(run_import(table, mapping, Sink(list, sink), zone=TAIPEI))
    assert counts(totals) == expected, "those without a customer are rejected, returns are not"
    assert len(keys) == totals.written, "exact duplicate lines are different events"
    assert negative and all(row.properties["Invoice"].startswith("C") for row in negative)
