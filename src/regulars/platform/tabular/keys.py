"""What makes two rows of a file the same row: the hash of the mapped values, and which of several equal ones it is.

Equal rows are different events, so an ordinal tells them apart; counted in file order, it is the same whenever the file is
read again, and so is that of every row of a mended copy. Only mapped values enter: the order of columns, columns that are
ignored and missing values do not. The same data as CSV and as Parquet need not agree, since unmapped columns keep the type
that their format gives them.
"""

from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

DIGEST_BYTES = 16
_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_normalize = Context(prec=100).normalize
AMOUNTS_REMEMBERED_MAX = 20_000


def row_key(fields: dict[str, Any], properties: dict[str, Any], amounts: Iterable[str] | None = None) -> bytes:
    """16 bytes that depend on names and values alone; 1.50 and 1.5 are one amount, as spreadsheets make the one the other.

    ``amounts``: the fields that may be Decimals, where the caller knows them.
    """
    changed = fields
    for name in fields if amounts is None else amounts:
        value = fields.get(name)
        if type(value) is Decimal:
            if changed is fields:
                changed = fields.copy()
            changed[name] = _write_amount(str(value))
    try:
        content = _encode((changed, properties))
    except OverflowError:  # a whole number beyond 64 bits, which msgpack does not hold
        pairs = [(name, value if changed[name] is value else _normalize(value)) for name, value in fields.items()]
        content = repr((sorted(pairs, key=_first), sorted(properties.items(), key=_first))).encode()
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


@lru_cache(AMOUNTS_REMEMBERED_MAX)
def _write_amount(text: str) -> str:
    """An amount as msgpack holds a Decimal. Remembered by its text: -0 is no 0 there, though they are equal."""
    return str(_normalize(Decimal(text)))


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


class Ordinals:
    """How often each key has been seen, in about 80 bytes a row: of each key it holds the 64 bits of Python's own hash.

    Two keys in one hash (1 chance in 10 million for 1.5M rows) would only give the second an ordinal it need not have.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeated: dict[int, int] = {}

    def count(self, key: bytes) -> int:
        """0 for the first row with that key, 1 for the second, and so on."""
        short = hash(key)
        if short not in self._seen:
            self._seen.add(short)
            return 0
        ordinal = self._repeated.get(short, 0) + 1
        self._repeated[short] = ordinal
        return ordinal
