"""What measure reads of campaigns and deliveries. One function a query; members come as columns of bytes."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from regulars.kernel.ids import BrandId
from regulars.measure.model import ARMS, Arm, Draw, Exposures
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL = load_queries(Path(__file__).with_name("queries.sql"))
WORK_MEMORY: Final = "128MB"
_SINCE_2000: Final = 946_684_800_000_000


async def prepare_scans(tx: ReadTransaction) -> None:
    """Let the queries of this transaction hash in memory, and join by hashing."""
    await tx.row(SQL["prepare_scans"], {"work_mem": WORK_MEMORY})


async def find_campaign(tx: ReadTransaction, brand_id: BrandId, campaign: str) -> tuple[int, Mapping[str, Any]] | None:
    """Its newest version, and what was written."""
    row = await tx.row(SQL["find_campaign"], {"brand_id": brand_id, "campaign": campaign})
    return None if row is None else (row[0], row[1])


async def list_planned(
    tx: ReadTransaction, brand_id: BrandId, campaign: str, plan_ids: Sequence[int]
) -> list[tuple[int, int, Mapping[str, Any]]]:
    """(plan, version, what was written)."""
    params = {"brand_id": brand_id, "campaign": campaign, "plan_ids": list(plan_ids)}
    return [(row[0], row[1], row[2]) for row in await tx.rows(SQL["list_planned"], params)]


async def keeps_shares(tx: ReadTransaction, brand_id: BrandId, campaign: str) -> bool:
    row = await tx.row(SQL["keeps_shares"], {"brand_id": brand_id, "campaign": campaign})
    return row is not None and row[0]


async def list_exposures(tx: ReadTransaction, brand_id: BrandId, campaign: str) -> Exposures:
    cursor = await tx.connection.execute(
        SQL["list_exposures"], {"brand_id": brand_id, "campaign": campaign}, binary=True
    )
    return await asyncio.to_thread(_to_exposures, await cursor.fetchall())


def _to_exposures(rows: Sequence[tuple[Any, ...]]) -> Exposures:
    variants = sorted({row[1] for row in rows if row[1] is not None})
    sizes = [len(row[4]) // 4 for row in rows]

    def column(values: list[Any], kind: str) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype=kind), sizes)

    return Exposures(
        member_no=np.frombuffer(b"".join(row[4] for row in rows), dtype=">i4").astype(np.int32),
        own=np.frombuffer(b"".join(row[6] for row in rows), dtype=">i8").astype(np.int64),
        instant=np.frombuffer(b"".join(row[5] for row in rows), dtype=">i8").astype(np.int64) + _SINCE_2000,
        plan=column([row[0] or 0 for row in rows], "i8"),
        arm=column([ARMS.index(row[2]) for row in rows], "i1"),
        variant=column([-1 if row[1] is None else variants.index(row[1]) for row in rows], "i2"),
        holdout=column([row[3] for row in rows], "f8"),
        variants=tuple(variants),
    )


async def list_accepted(
    tx: ReadTransaction,
    brand_id: BrandId,
    campaign: str,
    numbers: Sequence[int],
    *,
    from_at: datetime,
    until_at: datetime,
) -> dict[str, NDArray[Any]]:
    """member_no, instant, is_mine. Units: `instant` in µs since 1970."""
    params = {
        "brand_id": brand_id,
        "campaign": campaign,
        "numbers": list(numbers),
        "from_at": from_at,
        "until_at": until_at,
    }
    cursor = await tx.connection.execute(SQL["list_accepted"], params, binary=True)
    row = await cursor.fetchone()
    assert row is not None, "an aggregate gives a row"
    return await asyncio.to_thread(_to_accepted, row)


def _to_accepted(row: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    return {
        "member_no": np.frombuffer(row[0], dtype=">i4").astype(np.int32),
        "instant": np.frombuffer(row[1], dtype=">i8").astype(np.int64) + _SINCE_2000,
        "is_mine": np.frombuffer(row[2], dtype=">i2").astype(np.int16),
    }


async def list_uncounted(tx: ReadTransaction, brand_id: BrandId, after: datetime) -> list[str]:
    return [row[0] for row in await tx.rows(SQL["list_uncounted"], {"brand_id": brand_id, "after": after})]


async def put_counted(
    tx: WriteTransaction, brand_id: BrandId, campaign: str, goal: Mapping[str, Any], *, is_final: bool, now: datetime
) -> None:
    params = {
        "brand_id": brand_id,
        "campaign": campaign,
        "goal": msgspec.json.encode(goal).decode(),
        "is_final": is_final,
        "now": now,
    }
    await tx.execute(SQL["put_counted"], params)


async def delete_lifts(tx: WriteTransaction, brand_id: BrandId, campaign: str) -> None:
    await tx.execute(SQL["delete_lifts"], {"brand_id": brand_id, "campaign": campaign})


async def insert_lifts(
    tx: WriteTransaction,
    brand_id: BrandId,
    campaign: str,
    goal: Mapping[str, Any],
    draws: Sequence[tuple[Draw, Arm, Arm]],
    now: datetime,
) -> None:
    """Shape: each draw with its treated and its withheld."""
    params = {
        "brand_id": brand_id,
        "campaign": campaign,
        "goal": msgspec.json.encode(goal).decode(),
        "draws": [draw.plan_id or -(draw.month or 0) for draw, _, _ in draws],
        "holdouts": [draw.holdout for draw, _, _ in draws],
        "treated": [treated.members for _, treated, _ in draws],
        "treated_converted": [treated.converted for _, treated, _ in draws],
        "withheld": [withheld.members for _, _, withheld in draws],
        "withheld_converted": [withheld.converted for _, _, withheld in draws],
        "now": now,
    }
    await tx.execute(SQL["insert_lifts"], params)
