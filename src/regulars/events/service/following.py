"""Followers: who must see every event once, in the order in which they came, however long nobody looks.

What a follower has not seen stays in the tail, also when the history has it already.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from regulars.events import store
from regulars.kernel.ids import BrandId, OriginId
from regulars.platform.db import ReadTransaction, WriteTransaction


class Followed(NamedTuple):
    """A brand with events that a follower has not seen: those after one seq, up to another."""

    brand_id: BrandId
    after_seq: int
    head_seq: int


class TailEvent(NamedTuple):
    """An event as it was taken; `properties` is JSON text."""

    seq: int
    origin_id: OriginId
    name: str
    occurred_at: datetime
    properties: str


async def follow(tx: WriteTransaction, brand_id: BrandId, follower: str) -> None:
    """From now on; who follows already goes on where it is."""
    await store.ensure_follower(tx, brand_id, follower)


async def lock_follower(tx: WriteTransaction, brand_id: BrandId, follower: str) -> int | None:
    """Its seq, held until commit; None where another holds it."""
    return await store.lock_follower(tx, brand_id, follower)


async def list_followed(tx: ReadTransaction, follower: str) -> list[Followed]:
    """Brands in which there is something to see."""
    return [Followed(*row) for row in await store.list_followed(tx, follower)]


async def move_on(tx: WriteTransaction, brand_id: BrandId, follower: str, after_seq: int) -> None:
    """It has seen everything up to a seq. The follower is locked by this transaction."""
    await store.move_follower(tx, brand_id, follower, after_seq)


async def list_tail_events(
    tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], *, after_seq: int, to_seq: int, limit: int
) -> list[TailEvent]:
    """Events of some names, at most `limit`, in the order they came."""
    rows = await store.list_tail_events(tx, brand_id, names, after_seq=after_seq, to_seq=to_seq, limit=limit)
    return [TailEvent(*row) for row in rows]


async def count_waiting(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], *, after_seq: int) -> int:
    """Events of some names behind a seq."""
    return await store.count_tail_events(tx, brand_id, names, after_seq=after_seq)


async def get_seq(tx: ReadTransaction, brand_id: BrandId, follower: str) -> int:
    """The seq up to which it has seen everything; 0 where it does not follow."""
    return await store.find_follower(tx, brand_id, follower) or 0
