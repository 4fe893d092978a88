"""A member's check-in: one event a local day, however often it is asked for."""

from datetime import datetime
from typing import Any

from regulars.events.service.taking import record_event
from regulars.loyalty.dates import local_day
from regulars.loyalty.model import CHECK_IN_EVENT
from regulars.loyalty.store import driving as store
from regulars.members.errors import MemberUnknown
from regulars.members.service.reading import get_active, member_text
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


async def record_check_in(tx: WriteTransaction, brand: Brand, member: str, *, now: datetime) -> dict[str, Any]:
    """Whether the day's event is new, and the brand's day. Locks: the brand's lock. Raises: MemberUnknown."""
    member_id = await get_active(tx, brand, member)
    origin_id = await store.find_origin(tx, brand.brand_id, member_id)
    if origin_id is None:
        raise MemberUnknown(f"there is no member {member!r}")
    day = local_day(now, brand.time_zone)
    key = f"{member_text(member_id)}/{day}"
    is_new = await record_event(tx, brand, origin_id, CHECK_IN_EVENT, {}, key=key, now=now)
    return {"result": "created" if is_new else "exists", "day": str(day)}
