"""Where a row of the history lies: its part and month, and how numbers are kept in columns.

Rows are partitioned by brand, part and month. A canonical name above 1 % of a brand's rows has a part of its own, its
slug; the rest share `other`. Rows change part only in compaction: at any time a name's rows may be in both.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

from regulars.events.vocabulary import canonical_name

OTHER: Final = "other"
SHARE_MIN: Final = 0.01
SLUG_CHARACTERS_MAX: Final = 40
_UNSAFE: Final = re.compile(r"[^a-z0-9]+")

DECIMALS: Final = 6
WHOLE_DIGITS_MAX: Final = 12
_STEP: Final = Decimal(1).scaleb(-DECIMALS)
_LIMIT: Final = Decimal(10) ** WHOLE_DIGITS_MAX
_PRECISE: Final = Context(prec=2 * (DECIMALS + WHOLE_DIGITS_MAX), rounding=ROUND_HALF_UP)


def slug_of(name: str) -> str:
    """The part that a canonical name has where it has one of its own. Two names may share a slug."""
    slug = _UNSAFE.sub("_", name.lower()).strip("_")
    if name.isascii() and slug and len(slug) <= SLUG_CHARACTERS_MAX:
        return slug
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{slug[: SLUG_CHARACTERS_MAX - 13]}_{digest}".lstrip("_")


def parts_of(names: Iterable[str]) -> tuple[str, ...]:
    """All parts in which rows of these canonical names may be."""
    return tuple(sorted({OTHER, *(slug_of(name) for name in names)}))


def part_of(name: str, named: frozenset[str]) -> str:
    """The part of a row that came under `name`. Shape: `named` holds canonical names with a part of their own."""
    canonical = canonical_name(name)
    return slug_of(canonical) if canonical in named else OTHER


def choose_names(counts: Mapping[str, int], named: frozenset[str] = frozenset()) -> frozenset[str]:
    """Canonical names above 1 % of all rows; those of `named` stay down to half of that, so that none goes to and fro.

    Shape: `counts` is by name as it was sent.
    """
    sums: dict[str, int] = {}
    for name, count in counts.items():
        sums[canonical_name(name)] = sums.get(canonical_name(name), 0) + count
    least = SHARE_MIN * sum(sums.values())
    return frozenset(name for name, count in sums.items() if count > (least / 2 if name in named else least))


def month_of(instant: datetime) -> int:
    """The instant's month as yyyymm, UTC."""
    utc = instant.astimezone(UTC)
    return utc.year * 100 + utc.month


def fixed(number: Decimal | None) -> Decimal | None:
    """A number as a DECIMAL(18,6) column keeps it: rounded half up; None where it has too many digits before the point."""
    if number is None or number.copy_abs() >= _LIMIT:
        return None
    rounded = number.quantize(_STEP, context=_PRECISE)
    return None if abs(rounded) >= _LIMIT else rounded
