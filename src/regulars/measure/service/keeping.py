"""What campaigns were found to change is kept, for the plans of the next ones (facts.lifts).

Only draws with a holdout of the campaign's own: whom the brand holds out gets none of all its campaigns, so that what those
show is the effect of all together, and no single one's. A draw that withheld another share than it was to teaches nothing.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog

from regulars.access import service as access
from regulars.history.service.reading import HistoryReader
from regulars.kernel.errors import DomainError
from regulars.measure import store
from regulars.measure.errors import GoalMissing
from regulars.measure.model import list_draws
from regulars.measure.service.measuring import count_campaign
from regulars.measure.variants import check_lots
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand

SINCE: Final = timedelta(days=120)
"""Campaigns whose last message is older are left as they were found the last time."""
LATE: Final = timedelta(days=7)
"""So long after its last window a campaign is counted again: events may arrive late."""

log = structlog.get_logger("measure")


async def keep_lifts(database: Database, history: HistoryReader, brand: Brand, *, now: datetime) -> int:
    """Count every campaign of late that has a goal; what is not over yet waits, and what is final is left.

    Answers how many were kept. One that fails is logged, and the others go on.
    """
    async with database.read() as tx:
        names = await store.list_uncounted(tx, brand.brand_id, now - SINCE)
    kept = 0
    for name in names:
        try:
            kept += await _keep(database, history, brand, name, now)
        except GoalMissing:
            continue
        except DomainError as error:
            log.warning("not measured", brand=brand.name, campaign=name, code=error.code)
        except Exception:
            log.exception("not measured", brand=brand.name, campaign=name)
    return kept


async def _keep(database: Database, history: HistoryReader, brand: Brand, name: str, now: datetime) -> bool:
    async with database.read() as tx:
        settings = msgspec.structs.replace(await access.get_settings(tx, brand), attribution=None)
        result = await count_campaign(tx, brand, history, settings, name, now=now)
    within = result.measured.within
    ratios = check_lots(lot for lot in result.measured.lots if lot.is_first)
    left_out = {cell.draw for cell in result.measured.cells if cell.last_at + within > now}
    left_out |= {draw for draw, ratio in ratios.items() if ratio.is_mismatch}
    over = [cell for cell in result.measured.cells if cell.is_first and cell.draw not in left_out]
    draws = [one for one in list_draws(over) if one[0].control == "campaign" and one[1].members and one[2].members]
    async with database.write() as tx:
        await store.delete_lifts(tx, brand.brand_id, name)
        goal = result.campaign.written["goal"]
        await store.insert_lifts(tx, brand.brand_id, name, goal, draws, now)
        last_at = result.measured.last_at
        is_final = last_at is not None and last_at + within + LATE <= now
        await store.put_counted(tx, brand.brand_id, name, goal, is_final=is_final, now=now)
    return bool(draws)
