"""Why a member has its tags: each with the numbers behind it, found anew in the history."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from duckdb import DuckDBPyConnection

from regulars.audiences import store
from regulars.audiences.computed import HALF_LIFE_DAYS, MICRO, PRIOR_PURCHASES, TAG_PREFIX, Taste
from regulars.audiences.service import measuring
from regulars.conditions.spans import Times
from regulars.history.service.reading import HistoryReader
from regulars.members.service import reading
from regulars.members.service.computing import SOURCE
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

DIGITS: Final = 4


async def explain_tags(
    tx: ReadTransaction, history: HistoryReader, brand: Brand, member: str, *, now: datetime
) -> dict[str, Any]:
    """The member's tags in force, heaviest first; of computed ones what their weight comes from now.

    Shape: `tx` is REPEATABLE READ. Raises: MemberUnknown.
    """
    member_id = await reading.get_active(tx, brand, member)
    shown = await reading.get_member(tx, brand, member, now=now)
    tastes = await _list_tastes(tx, history, brand, await store.find_number(tx, brand.brand_id, member_id), now)
    tags = sorted(shown["tags"], key=lambda tag: (-tag["weight"], tag["tag"]))
    return {"member": shown["id"], "as_of": reading.instant_text(now), "tags": [_tell(tag, tastes) for tag in tags]}


async def _list_tastes(
    tx: ReadTransaction, history: HistoryReader, brand: Brand, member_no: int | None, now: datetime
) -> dict[str, Taste]:
    """What the member buys, by the name its tag would have. Everybody's shares are those of the last whole pass."""
    state = await store.find_computed(tx, brand.brand_id)
    if member_no is None or state is None:
        return {}

    def ask(connection: DuckDBPyConnection) -> list[Taste]:
        measuring.set_scope(connection, [member_no])
        measuring.measure_tastes(connection, Times(now, brand.time_zone))
        measuring.set_shares(connection, state.shares)
        return measuring.list_tastes(connection, member_no)

    async with history.open_snapshot(tx, brand.brand_id) as snapshot:
        return {TAG_PREFIX + taste.category: taste for taste in await snapshot.run(ask)}


def _tell(tag: Mapping[str, Any], tastes: Mapping[str, Taste]) -> dict[str, Any]:
    told = {name: tag[name] for name in ("tag", "weight", "source", "evidence", "expires_at")}
    taste = tastes.get(tag["tag"]) if tag["source"] == SOURCE else None
    if taste is None:
        return told | {"lift": None, "half_life": None, "numbers": None}
    numbers = {
        "purchases": taste.purchases,
        "first_on": taste.first_on.isoformat(),
        "last_on": taste.last_on.isoformat(),
        "counted": round(taste.micro / MICRO, DIGITS),
        "counted_of_all": round(taste.member_micro / MICRO, DIGITS),
        "share": round(taste.share, DIGITS),
        "base": round(taste.base, DIGITS),
        "prior_purchases": PRIOR_PURCHASES,
        "weight": taste.weight,
    }
    return told | {"lift": round(taste.lift, DIGITS), "half_life": f"{HALF_LIFE_DAYS}d", "numbers": numbers}
