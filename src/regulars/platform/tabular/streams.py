"""Bytes on the disk to lines of text: decompression, encodings, and lines that are too long or hold what is no text.

Decides what is text; not what a line means. A line that cannot be text is flagged, so that its record alone is rejected.
"""

import bz2
import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from regulars.platform.tabular.errors import UnknownEncoding, UnreadableFile
from regulars.platform.tabular.table import RECORD_BYTES_MAX, SKIPPED_BYTES_MAX, Meter

CHUNK_BYTES = 1 << 18
SAMPLE_BYTES = 1 << 18
HEAD_CHARS = 200
"""How much of a line that was too long to hold is kept for its rejection."""

Flags = dict[int, str]
"""Line number → why that line cannot be read."""

_OPENERS: dict[str, tuple[bytes, str, Callable[[IO[bytes]], IO[bytes]]]] = {
    ".gz": (b"\x1f\x8b", "gzip", lambda raw: cast(IO[bytes], gzip.GzipFile(fileobj=raw))),
    ".bz2": (b"BZh", "bzip2", lambda raw: cast(IO[bytes], bz2.BZ2File(raw))),
    ".xz": (b"\xfd7zXZ\x00", "xz", lambda raw: cast(IO[bytes], lzma.LZMAFile(raw))),  # noqa: SIM115 (iter_chunks closes what is below it)
}
_OTHER_MAGIC = {
    b"PAR1": "Parquet",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3": "an SQLite database",
    b"ARROW1": "Arrow",
}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPED = re.compile("[\udc80-\udcff]")


def compression_of(path: Path) -> str:
    """The suffix of the compression that the file's name states, or an empty string."""
    suffix = path.suffix.lower()
    if suffix in (".zst", ".zstd"):
        raise UnreadableFile(
            f"{path.name} is compressed with Zstandard, which this version of Python cannot read: "
            f"decompress it first (zstd -d {path.name}).",
            path=str(path),
        )
    return suffix if suffix in _OPENERS else ""


def iter_chunks(path: Path, meter: Meter) -> Iterator[bytes]:
    """The decompressed content in pieces of bounded size. Raises: UnreadableFile where it ends too early or is damaged."""
    suffix = compression_of(path)
    try:
        with path.open("rb") as raw:
            stream: IO[bytes] = raw
            if suffix:
                magic, name, opener = _OPENERS[suffix]
                if not _peek(raw, len(magic)).startswith(magic):
                    raise UnreadableFile(f"{path.name} is not a {name} file, though its name says so.", path=str(path))
                stream = opener(raw)
            while chunk := stream.read(CHUNK_BYTES):
                meter.bytes_read = raw.tell()
                meter.bytes_unpacked += len(chunk)
                yield chunk
    except EOFError as error:
        raise UnreadableFile(
            f"{path.name} ends too early: it was cut off while being written or copied.", path=str(path)
        ) from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise UnreadableFile(f"{path.name} cannot be read: {reason}.", path=str(path)) from error


def _peek(raw: IO[bytes], size: int) -> bytes:
    head = raw.read(size)
    raw.seek(0)
    return head


def read_sample(path: Path) -> bytes:
    """The first bytes of the decompressed content. Raises: UnreadableFile for an empty file or one that is no text."""
    sample = b""
    for chunk in iter_chunks(path, Meter()):
        sample += chunk
        if len(sample) >= SAMPLE_BYTES:
            break
    if not sample.strip():
        raise UnreadableFile(f"{path.name} is empty.", path=str(path))
    for magic, name in _OTHER_MAGIC.items():
        if sample.startswith(magic):
            raise UnreadableFile(f"{path.name} is not a text file but {name}, whatever its name says.", path=str(path))
    return sample


def detect_encoding(path: Path, sample: bytes) -> str:
    """UTF-8, or what the byte order mark says. Raises: UnknownEncoding naming line, byte and the encoding to try."""
    for bom, encoding in _BOMS:
        if sample.startswith(bom):
            return encoding
    if sample.count(0) > len(sample) // 5:
        raise _unknown_encoding(
            path, sample, "utf-16-le" if sample[1::2].count(0) >= sample[::2].count(0) else "utf-16-be"
        )
    lines = sample.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # the last line may be cut in the middle of a character
    bad = [line for line in lines if not _is_utf8(line)]
    # Bad lines among good ones are damage, and each is rejected alone; a file of bad lines is in another encoding.
    if bad and (bad[0] is lines[0] or len(bad) * 2 >= len(lines)):
        raise _unknown_encoding(path, sample, _guess_encoding(bad))
    return "utf-8"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _guess_encoding(lines: list[bytes]) -> str:
    """Big5 where its pairs fit and give Han characters, else the usual Western one; a person decides."""
    try:
        text = b"\n".join(lines).decode("cp950")
    except UnicodeDecodeError:
        return "cp1252"
    foreign = [char for char in text if not char.isascii()]
    han = sum("\u4e00" <= char <= "\u9fff" or "\u3000" <= char <= "\u303f" or char >= "\uff00" for char in foreign)
    return "cp950" if han * 2 >= len(foreign) else "cp1252"


def _unknown_encoding(path: Path, sample: bytes, encoding: str) -> UnknownEncoding:
    try:
        sample.decode("utf-8")
        start = sample.index(0)
    except UnicodeDecodeError as error:
        start = error.start
    line = sample.count(b"\n", 0, start) + 1
    name = {"cp950": "Big5 (cp950)"}.get(encoding, encoding)
    return UnknownEncoding(
        f"{path.name} is not UTF-8: line {line} holds the byte 0x{sample[start]:02X} at position {start}. "
        f"It looks like {name}: give --encoding {encoding}, or save it as UTF-8.",
        path=str(path),
        suggestion=f"--encoding {encoding}",
        line=line,
        byte=start,
    )


def iter_text(path: Path, encoding: str, meter: Meter, *, newline: str = "\n") -> Iterator[str]:
    """The content as text; bytes that are none become lone surrogates, to be found by ``iter_lines``."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
    first = True
    for chunk in iter_chunks(path, meter):
        text = _decode(path, decoder, chunk, final=False)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        yield text if newline == "\n" else text.replace(newline, "\n")
    yield _decode(path, decoder, b"", final=True)


def _decode(path: Path, decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:  # encodings of two and four bytes cannot escape what they cannot read
        raise UnreadableFile(f"{path.name} is not {error.encoding}: {error.reason}.", path=str(path)) from error


def iter_lines(path: Path, chunks: Iterator[str], flags: Flags) -> Iterator[str]:
    """Lines without their line feed; what is wrong with line N is in ``flags[N]`` before line N is given."""
    number = 1
    rest = ""
    for text in chunks:
        whole = rest + text
        lines = whole.split("\n")
        rest = lines.pop()
        yield from lines if is_clean(whole) else _flagged(lines, number, flags)
        number += len(lines)
        if len(rest) > RECORD_BYTES_MAX:
            flags[number] = f"is longer than {RECORD_BYTES_MAX >> 20} MiB (limit record_bytes_max)"
            yield rest[:HEAD_CHARS].replace('"', "")
            rest = _skip_line(path, chunks, number, len(rest))
            number += 1
    if rest:
        yield from _flagged(rest.removesuffix("\n").split("\n"), number, flags)


def is_clean(text: str) -> bool:
    """Whether the text can be stored: no NUL, nothing that could not be decoded."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _flagged(lines: list[str], number: int, flags: Flags) -> Iterator[str]:
    for line in lines:
        if not is_clean(line):
            flags[number] = describe_unclean(line)
        yield line
        number += 1


def describe_unclean(text: str) -> str:
    """Names the first byte that is wrong and its position in the text."""
    found = _ESCAPED.search(text)
    if found is None:
        return f"holds a NUL character at position {text.find(chr(0)) + 1}"
    position = len(text[: found.start()].encode("utf-8", "surrogateescape")) + 1
    return f"byte {position} of the line (0x{ord(found.group()) - 0xDC00:02X}) is not text in the file's encoding (another one: --encoding)"


def _skip_line(path: Path, chunks: Iterator[str], line: int, seen: int) -> str:
    """Reads on to the end of a line without holding it; returns what follows it in the last piece read."""
    for text in chunks:
        head, end, tail = text.partition("\n")
        if end:
            return tail
        seen += len(head)
        if seen > SKIPPED_BYTES_MAX:
            raise UnreadableFile(
                f"{path.name}: line {line} is longer than {SKIPPED_BYTES_MAX >> 20} MiB "
                "(limit skipped_bytes_max): this is no table, or a decompression bomb.",
                path=str(path),
                line=line,
            )
    return ""
