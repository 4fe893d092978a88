"""What leaves the tail: rows that the history has taken over, and counts of what is no more."""

from collections.abc import Sequence

from regulars.events import store
from regulars.kernel.ids import BrandId
from regulars.members.service.joining import lock_brand_id
from regulars.platform.db import WriteTransaction


async def drop_moved(tx: WriteTransaction, brand_id: BrandId, *, after_seq: int, to_seq: int, limit: int) -> int:
    """Delete rows that were moved, at most `limit`; returns how many. They stay counted."""
    return await store.delete_moved(tx, brand_id, after_seq=after_seq, to_seq=to_seq, limit=limit)


async def reduce_counts(tx: WriteTransaction, brand_id: BrandId, names: Sequence[tuple[str, int, int]]) -> None:
    """Take name, events and lines off the counts. Locks: the brand's lock, as when they are counted."""
    if names:
        await lock_brand_id(tx, brand_id)
        await store.reduce_names(tx, brand_id, names)
