"""Own types for what numbers and texts mean, so that one cannot be passed for another.

Members, merges and conflicts are bigint keys inside and opaque texts outside: a letter and the number. Numbers come from
one sequence for all brands, so an id of one brand never names a row of another.
"""

import re
from typing import NewType

BrandId = NewType("BrandId", int)
MemberId = NewType("MemberId", int)
OriginId = NewType("OriginId", int)
MergeId = NewType("MergeId", int)

_PUBLIC = re.compile(r"([a-z])([1-9][0-9]{0,17})")


def public_id(prefix: str, number: int) -> str:
    """`m` and 42 give `m42`."""
    return f"{prefix}{number}"


def parse_public_id(prefix: str, text: str) -> int | None:
    """The number behind a public id, or None where the text is not one of this prefix."""
    match = _PUBLIC.fullmatch(text)
    return int(match[2]) if match and match[1] == prefix else None
