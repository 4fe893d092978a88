"""Plans, their assignments, and what they did not send. One function a query; rows go in by COPY, all of one width."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, LiteralString

import msgspec
import numpy as np
from numpy.typing import NDArray
from psycopg.rows import TupleRow

from regulars.campaigns.model import Assignment, PlanId, PlanState, StoredPlan, Unsent
from regulars.campaigns.planner import Reason
from regulars.campaigns.store._sql import SQL
from regulars.kernel.ids import BrandId, MemberId
from regulars.platform.db import ReadTransaction, WriteTransaction

ASSIGNMENTS_COPY: Final[LiteralString] = (
    "copy campaigns_assignments (brand_id, plan_id, member_id, campaign_no, channel_no, variant_no, value_micros,"
    " price_micros, send_at, is_withheld) from stdin (format binary)"
)
UNSENT_COPY: Final[LiteralString] = (
    "copy campaigns_unsent (brand_id, plan_id, member_id, campaign_no, channel_no, value_micros, reason_no)"
    " from stdin (format binary)"
)
_ASSIGNMENT_TYPES: Final = ("i4", "i8", "i8", "i2", "i2", "i2", "i8", "i8", "i8", "i1")
_UNSENT_TYPES: Final = ("i4", "i8", "i8", "i2", "i2", "i8", "i2")
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_SINCE_2000: Final = 946_684_800_000_000
BLOCK_ROWS_MAX: Final = 200_000


async def insert_plan(
    tx: WriteTransaction,
    brand_id: BrandId,
    *,
    asked: Mapping[str, Any],
    campaigns: Sequence[str],
    versions: Sequence[int],
    channels: Sequence[str],
    as_of: datetime,
    days: tuple[date, date],
    totals: Mapping[str, Any],
    warnings: Sequence[Mapping[str, Any]],
    now: datetime,
) -> PlanId:
    params = {
        "brand_id": brand_id,
        "asked": msgspec.json.encode(asked).decode(),
        "campaigns": list(campaigns),
        "versions": list(versions),
        "channels": list(channels),
        "as_of": as_of,
        "first_on": days[0],
        "last_on": days[1],
        "totals": msgspec.json.encode(totals).decode(),
        "warnings": msgspec.json.encode(warnings).decode(),
        "now": now,
    }
    row = await tx.row(SQL["insert_plan"], params)
    assert row is not None, "an insert gives its row"
    return PlanId(row[0])


async def copy_assignments(tx: WriteTransaction, blocks: Sequence[bytes]) -> None:
    """Shape: what `pack_assignments` made."""
    for block in blocks:
        await tx.copy_rows(ASSIGNMENTS_COPY, block)


async def copy_unsent(tx: WriteTransaction, blocks: Sequence[bytes]) -> None:
    """Shape: what `pack_unsent` made."""
    for block in blocks:
        await tx.copy_rows(UNSENT_COPY, block)


def pack_assignments(brand_id: BrandId, plan_id: PlanId, columns: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Blocks of a COPY. Units: `send_at` in µs since 1970."""
    return _pack(
        _ASSIGNMENT_TYPES,
        [
            brand_id,
            plan_id,
            *(columns[name] for name in ("member_id", "campaign_no", "channel_no", "variant_no")),
            columns["value_micros"],
            columns["price_micros"],
            columns["send_at"] - _SINCE_2000,
            columns["is_withheld"],
        ],
        len(columns["member_id"]),
    )


def pack_unsent(brand_id: BrandId, plan_id: PlanId, columns: Mapping[str, NDArray[Any]]) -> list[bytes]:
    """Blocks of a COPY."""
    names = ("member_id", "campaign_no", "channel_no", "value_micros", "reason_no")
    return _pack(_UNSENT_TYPES, [brand_id, plan_id, *(columns[name] for name in names)], len(columns["member_id"]))


def _pack(types: Sequence[str], values: Sequence[Any], count: int) -> list[bytes]:
    """Source: PostgreSQL 18 documentation, COPY, «Binary Format»."""
    parts = [(f"{what}{at}", f">{kind}") for at, of in enumerate(types) for what, kind in (("n", "i4"), ("v", of))]
    rows = np.zeros(count, dtype=np.dtype([("fields", ">i2"), *parts]))
    rows["fields"] = len(types)
    for at, (kind, value) in enumerate(zip(types, values, strict=True)):
        rows[f"n{at}"] = int(kind[1:])
        rows[f"v{at}"] = value
    starts = range(0, count, BLOCK_ROWS_MAX)
    return [b"".join((_HEADER, rows[at : at + BLOCK_ROWS_MAX].tobytes(), _TRAILER)) for at in starts]


async def find_plan(tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId) -> StoredPlan | None:
    row = await tx.row(SQL["find_plan"], {"brand_id": brand_id, "plan_id": plan_id})
    return None if row is None else _to_plan(row)


async def lock_plan(tx: WriteTransaction, brand_id: BrandId, plan_id: PlanId) -> PlanState | None:
    """Its state. Locks: its row, until commit."""
    row = await tx.row(SQL["lock_plan"], {"brand_id": brand_id, "plan_id": plan_id})
    return None if row is None else PlanState(row[0])


async def set_plan_state(
    tx: WriteTransaction, brand_id: BrandId, plan_id: PlanId, state: PlanState, *, sent_at: datetime | None = None
) -> None:
    params = {"brand_id": brand_id, "plan_id": plan_id, "state": str(state), "sent_at": sent_at}
    await tx.execute(SQL["set_plan_state"], params)


async def list_plans(tx: ReadTransaction, brand_id: BrandId, *, before: int, limit: int) -> list[StoredPlan]:
    """The newest first."""
    rows = await tx.rows(SQL["list_plans"], {"brand_id": brand_id, "before": before, "limit": limit})
    return [_to_plan(row) for row in rows]


async def list_assignments(
    tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId, *, after: tuple[int, int], limit: int
) -> list[Assignment]:
    """By member, then campaign; `after` is the pair of the last one shown."""
    params = {"brand_id": brand_id, "plan_id": plan_id, "member_id": after[0], "campaign_no": after[1], "limit": limit}
    return [_to_assignment(row) for row in await tx.rows(SQL["list_assignments"], params)]


async def list_assignment_columns(
    tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId, *, after: tuple[int, int], limit: int
) -> dict[str, NDArray[np.int64]]:
    """`list_assignments` as columns. Units: `send_at` in µs since 1970."""
    params = {"brand_id": brand_id, "plan_id": plan_id, "member_id": after[0], "campaign_no": after[1], "limit": limit}
    cursor = await tx.connection.execute(SQL["list_assignment_columns"], params, binary=True)
    row = await cursor.fetchone()
    assert row is not None, "an aggregate gives a row"
    names = ("member_id", "campaign_no", "channel_no", "variant_no", "value_micros", "send_at")
    kinds = (">i8", ">i2", ">i2", ">i2", ">i8", ">i8")
    columns = {
        name: np.frombuffer(column or b"", dtype=kind).astype(np.int64)
        for name, kind, column in zip(names, kinds, row[1:], strict=True)
    }
    return {**columns, "send_at": columns["send_at"] + _SINCE_2000}


async def list_assignments_of(
    tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId, member_ids: Sequence[MemberId]
) -> list[Assignment]:
    params = {"brand_id": brand_id, "plan_id": plan_id, "member_ids": list(member_ids)}
    return [_to_assignment(row) for row in await tx.rows(SQL["list_assignments_of"], params)]


async def list_unsent(
    tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId, *, after: int, limit: int
) -> list[Unsent]:
    params = {"brand_id": brand_id, "plan_id": plan_id, "after": after, "limit": limit}
    return [_to_unsent(row) for row in await tx.rows(SQL["list_unsent"], params)]


async def list_unsent_of(
    tx: ReadTransaction, brand_id: BrandId, plan_id: PlanId, member_ids: Sequence[MemberId]
) -> list[Unsent]:
    params = {"brand_id": brand_id, "plan_id": plan_id, "member_ids": list(member_ids)}
    return [_to_unsent(row) for row in await tx.rows(SQL["list_unsent_of"], params)]


async def find_newest_plan(tx: ReadTransaction, brand_id: BrandId, campaign: str) -> PlanId | None:
    row = await tx.row(SQL["find_newest_plan"], {"brand_id": brand_id, "campaign": campaign})
    return None if row is None else PlanId(row[0])


def _to_plan(row: TupleRow) -> StoredPlan:
    plan_id, state, asked, campaigns, versions, channels, *rest = row
    return StoredPlan(plan_id, PlanState(state), asked, tuple(campaigns), tuple(versions), tuple(channels), *rest)


def _to_assignment(row: TupleRow) -> Assignment:
    return Assignment(*row)


def _to_unsent(row: TupleRow) -> Unsent:
    member_id, campaign_no, channel_no, value_micros, reason_no = row
    return Unsent(member_id, campaign_no, channel_no, value_micros, Reason(reason_no).name.lower())
