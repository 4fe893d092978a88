"""What adapters ask of contents: how long a text is to a vendor, what is an address, and troubles as they are told."""

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from regulars.messaging.ports import Trouble

_HOST = re.compile(r"\S+")


def count_utf16(text: str) -> int:
    """UTF-16 code units, in which LINE and Telegram count: most emoji are two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_length(path: str, text: str, most: int, what: str) -> Iterator[Trouble]:
    """A text that is too long."""
    units = count_utf16(text)
    if units > most:
        yield Trouble(path, "too_long", f"{what} takes {most} UTF-16 units, this has {units}")


def check_count(path: str, count: int, most: int, what: str) -> Iterator[Trouble]:
    """Too many of something."""
    if count > most:
        yield Trouble(path, "too_many", f"{what}: at most {most}, here are {count}")


def check_address(path: str, address: str, schemes: Iterable[str], length_max: int) -> Iterator[Trouble]:
    """An address that is none, or none that can be used here."""
    allowed = tuple(schemes)
    if len(address) > length_max:
        yield Trouble(path, "too_long", f"an address takes {length_max} characters, this has {len(address)}")
    if not is_address(address, allowed):
        names = ", ".join(f"{scheme}:" for scheme in allowed)
        yield Trouble(path, "address_invalid", f"{address[:80]!r} is no address that works here ({names})")


def is_address(address: str, schemes: Iterable[str]) -> bool:
    """Whether it has one of the schemes, something behind it, and a host where it is of the web."""
    if not _HOST.fullmatch(address):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if parts.scheme.lower() not in schemes:
        return False
    return bool(parts.hostname) if parts.scheme.lower() in ("http", "https") else bool(parts.netloc or parts.path)
