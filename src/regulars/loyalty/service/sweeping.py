"""What ends by itself: reservations that nobody confirmed are given back, and who waits moves up. Safe to run twice.

Nothing waits for it but the points that the ledger holds: whoever reads or reserves judges by the instant.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import structlog

from regulars.access import service as access
from regulars.kernel.errors import DomainError
from regulars.kernel.ids import BrandId
from regulars.loyalty.service.registrations import let_in
from regulars.loyalty.service.rewards import end_overdue
from regulars.loyalty.service.vouchers import lock_pool
from regulars.loyalty.store import registrations, rewards, vouchers
from regulars.platform.db import Database, WriteTransaction

ENDED_MAX: Final = 1_000
WAITED_FOR_MAX: Final = 10_000

log = structlog.get_logger("loyalty")


async def end_what_is_over(database: Database, master_key: bytes, *, now: datetime) -> int:
    """A transaction each; one that cannot be ended now keeps no other from it. How many were looked at."""
    async with database.read() as tx:
        pools = await vouchers.list_overdue_pools(tx, now=now, limit=ENDED_MAX)
        redemptions = await rewards.list_overdue(tx, now=now, limit=ENDED_MAX)
        events = await registrations.list_waited_for(tx, limit=WAITED_FOR_MAX)
    for brand_id, programme, pool in pools:
        await _try(database, brand_id, lambda tx, b=brand_id, p=programme, o=pool: lock_pool(tx, b, p, o, now=now))
    for brand_id, redemption_id in redemptions:
        await _try(
            database, brand_id, lambda tx, b=brand_id, r=redemption_id: _end_redemption(tx, b, r, master_key, now)
        )
    for brand_id, programme, event in events:
        await _try(database, brand_id, lambda tx, b=brand_id, p=programme, e=event: let_in(tx, b, p, e, now=now))
    return len(pools) + len(redemptions) + len(events)


async def _end_redemption(
    tx: WriteTransaction, brand_id: BrandId, redemption_id: int, master_key: bytes, now: datetime
) -> None:
    brand = await access.get_brand_by_id(tx, brand_id, master_key=master_key)
    await end_overdue(tx, brand, redemption_id, now=now)


async def _try(database: Database, brand_id: BrandId, perform: Callable[[WriteTransaction], Awaitable[object]]) -> None:
    try:
        async with database.write() as tx:
            await perform(tx)
    except DomainError as error:
        log.warning("not ended", brand=brand_id, code=error.code)
