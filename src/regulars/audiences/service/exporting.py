"""An audience as a file: each member's id, and the user id the brand knows them by.

Written to the disk a page of members at a time and read from there, so that what it takes of memory does not grow with
the audience. The file has no name when it is answered: it goes with whoever reads it.
"""

import asyncio
import csv
import io
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Literal

from duckdb import DuckDBPyConnection
from pyroaring import BitMap

from regulars.audiences import store
from regulars.audiences.service.answering import Evaluation
from regulars.kernel.ids import MemberId, public_id

COLUMNS: Final = ("member", "user_id")
MEMBERS_AT_ONCE: Final = 10_000
CHUNK_BYTES: Final = 64 * 1024

Form = Literal["csv", "parquet"]


async def write_file(evaluation: Evaluation, members: BitMap, form: Form, folder: Path) -> BinaryIO:
    """The file at its beginning, in `folder`; the caller closes it. CSV is UTF-8 with a header, in members' order."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with await asyncio.to_thread(tempfile.NamedTemporaryFile, dir=folder, prefix="export-") as file:
        await _write_rows(evaluation, members, file)  # pyright: ignore[reportArgumentType] - it is one but for its type
        if form == "csv":
            return await asyncio.to_thread(Path(file.name).open, "rb")
        return await evaluation.snapshot.run(lambda connection: _convert(connection, Path(file.name), folder))


def read_chunks(file: BinaryIO) -> Iterator[bytes]:
    """All of it; closed at the end."""
    with file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


async def _write_rows(evaluation: Evaluation, members: BitMap, file: BinaryIO) -> None:
    await asyncio.to_thread(file.write, _to_csv([COLUMNS]))
    for start in range(0, len(members), MEMBERS_AT_ONCE):
        numbers = list(members[start : start + MEMBERS_AT_ONCE])
        rows = await store.list_with_user_ids(evaluation.tx, evaluation.brand.brand_id, numbers)
        await asyncio.to_thread(_write_page, file, rows)
    await asyncio.to_thread(file.flush)


def _write_page(file: BinaryIO, rows: list[tuple[int, MemberId, str | None]]) -> None:
    file.write(_to_csv([(public_id("m", member_id), user_id) for _, member_id, user_id in rows]))


def _to_csv(rows: Iterable[Iterable[str | None]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _convert(connection: DuckDBPyConnection, source: Path, folder: Path) -> BinaryIO:
    """The same as Parquet, two columns of text. No user id is empty, so that nothing between commas is none."""
    with tempfile.TemporaryDirectory(dir=folder, prefix="export-") as made:
        path = Path(made) / "audience.parquet"
        columns = ", ".join(f"'{name}': 'VARCHAR'" for name in COLUMNS)
        connection.execute(
            f"copy (from read_csv('{_quoted(source)}', columns = {{{columns}}}, auto_detect = false, header = true,"
            " delim = ',', quote = '\"', escape = '\"', nullstr = '', parallel = false, strict_mode = false,"
            f" max_line_size = 1000000)) to '{_quoted(path)}' (format parquet)"
        ).fetchall()
        return path.open("rb")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
