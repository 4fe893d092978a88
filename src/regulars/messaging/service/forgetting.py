"""What messaging keeps of people, and until when: bytes of requests until they cannot be tried again, and no longer."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from regulars.kernel.ids import BrandId
from regulars.messaging.model import Reason, State
from regulars.messaging.service.links import release
from regulars.messaging.store import channels, deliveries, people, requests
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand

BODIES_KEPT: Final = timedelta(days=2)
HAPPENINGS_KEPT: Final = timedelta(days=40)
"""Longer than a one-tap link is good for: that it was used stands there."""


async def forget_members(tx: WriteTransaction, brand: Brand, member_ids: Sequence[int], *, now: datetime) -> None:
    """Empty the requests of erased members; what was not tried yet is refused."""
    gone = await requests.forget_addresses(tx, brand.brand_id, member_ids, now)
    ends = [(key, State.UNKNOWN, None) if begun else (key, State.REFUSED, Reason.ERASED) for key, begun in gone]
    if ends:
        untried = await deliveries.list_deliveries_of(tx, brand.brand_id, [key for key, begun in gone if not begun])
        await people.lock_counts(tx, brand.brand_id, sorted({row[1] for row in untried if row[1] is not None}))
        await release(tx, brand, [row[0] for row in untried])
        await deliveries.finish_deliveries(tx, brand.brand_id, ends, now)


async def forget_old(tx: WriteTransaction, brand_id: BrandId, *, now: datetime) -> int:
    """What is of no more use; how many requests were emptied."""
    await channels.forget_happenings(tx, brand_id, now - HAPPENINGS_KEPT)
    return await requests.forget_bodies(tx, brand_id, now - BODIES_KEPT)
