"""Which properties events have, noted when they move: conditions refuse names that none of a name's events ever had."""

from collections.abc import Sequence
from typing import Final

import msgspec
from duckdb import DuckDBPyConnection

from regulars.history import store
from regulars.history.model import Range
from regulars.platform.db import WriteTransaction

PROPERTIES_PER_NAME_MAX: Final = 1_000
PROPERTY_CHARACTERS_MAX: Final = 200
"""As long as a condition may write."""

Found = dict[int, set[tuple[str, str | None]]]

# Events of one name mostly have the same properties: lists of them are few.
_LISTS_SQL: Final = """
select distinct brand, name, try(json_keys(properties)) as keys from moved_events
"""
_HOSTILE_SQL: Final = """
select brand, name, properties from moved_events where try(json_keys(properties)) is null
"""


def list_properties(engine: DuckDBPyConnection) -> Found:
    """By brand (event's name, a property of it) of all rows in `moved_events`, and each name with None."""
    found: Found = {}
    hostile = False
    for brand_id, name, keys in engine.execute(_LISTS_SQL).fetchall():
        hostile = hostile or keys is None
        _add(found, brand_id, name, keys or ())
    if hostile:
        for brand_id, name, properties in engine.execute(_HOSTILE_SQL).fetchall():
            _add(found, brand_id, name, list(msgspec.json.decode(properties)))
    return found


def _add(found: Found, brand_id: int, name: str, keys: Sequence[str]) -> None:
    pairs = found.setdefault(brand_id, set())
    pairs.add((name, None))
    pairs.update((name, key) for key in keys if len(key) <= PROPERTY_CHARACTERS_MAX)


async def note_properties(tx: WriteTransaction, found: Found, ranges: Sequence[Range]) -> None:
    """Write them down, in the transaction from which on the rows are the lake's."""
    for taken in ranges:
        pairs = sorted(found.get(taken.brand_id, ()), key=lambda pair: (pair[0], pair[1] or ""))
        if pairs:
            await store.add_properties(tx, taken.brand_id, pairs, properties_max=PROPERTIES_PER_NAME_MAX)
