"""Opens a file of any format as a table. Decides the format; reading it is the format's own module.

A file whose content is not what its name says is refused: guessing would import something nobody meant.
"""

import codecs
from pathlib import Path

from regulars.platform.tabular import streams
from regulars.platform.tabular.csv_rows import open_csv
from regulars.platform.tabular.errors import UnreadableFile
from regulars.platform.tabular.json_rows import open_jsonl
from regulars.platform.tabular.parquet_rows import open_parquet
from regulars.platform.tabular.table import Format, Table

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


def open_table(path: Path, *, encoding: str | None = None) -> Table:
    """Looks at the start of the file and returns it as a table. Raises: ImportRefused naming the file and the reason."""
    if encoding is not None:
        _check_encoding(encoding)
    try:
        bytes_total = path.stat().st_size
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}.", path=str(path)) from error
    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file.", path=str(path))
    format_ = _find_format(path)
    if format_ == "parquet":
        return open_parquet(path, bytes_total)
    if format_ == "jsonl":
        return open_jsonl(path, encoding, bytes_total)
    return open_csv(path, encoding, bytes_total)


def _check_encoding(encoding: str) -> None:
    try:
        codecs.lookup(encoding)
        "".encode(encoding)
    except LookupError as error:
        raise UnreadableFile(
            f"There is no encoding {encoding!r}; usual ones are utf-8, cp950, utf-16 and cp1252."
        ) from error


def _find_format(path: Path) -> Format:
    """By the name; by the content where the name says nothing."""
    compression = streams.compression_of(path)
    inner = Path(path.stem).suffix.lower() if compression else path.suffix.lower()
    found = _FORMATS.get(inner)
    if found == "parquet" and compression:
        raise UnreadableFile(
            f"{path.name}: Parquet is compressed inside already; decompress the file first.", path=str(path)
        )
    if found is not None:
        return found
    if not compression:
        with path.open("rb") as file:
            if file.read(4) == b"PAR1":
                return "parquet"
    return "jsonl" if streams.read_sample(path).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"
