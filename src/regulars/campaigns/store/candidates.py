"""What a plan reads of members, as columns: a million of them never become objects. One function a query.

Numbers are member_no; `numbers` None is all members.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from regulars.campaigns.estimating.estimate import MeasuredCells
from regulars.campaigns.store._sql import SQL
from regulars.kernel.ids import BrandId
from regulars.platform.db import ReadTransaction

WORK_MEMORY: Final = "128MB"
Numbers: TypeAlias = NDArray[np.int64]


async def prepare_scans(tx: ReadTransaction) -> None:
    """Let the queries of this transaction sort and hash in memory, and join by hashing."""
    await tx.row(SQL["prepare_scans"], {"work_mem": WORK_MEMORY})


async def list_member_ids(
    tx: ReadTransaction, brand_id: BrandId, numbers: Sequence[int] | None
) -> tuple[Numbers, Numbers]:
    """Numbers in their order, and the ids of these members."""
    ((found, ids),) = await _columns(tx, SQL["list_member_ids"], {"brand_id": brand_id, "numbers": numbers})
    return await asyncio.to_thread(_sorted, integers(found), longs(ids))


async def list_reachable(
    tx: ReadTransaction,
    brand_id: BrandId,
    numbers: Sequence[int] | None,
    *,
    channel: str,
    purpose: str,
    needs_consent: bool,
) -> Numbers:
    """Whom the channel reaches, and who allows the purpose there."""
    params = {"brand_id": brand_id, "numbers": numbers, "channel": channel, "purpose": purpose}
    ((found,),) = await _columns(tx, SQL["list_reachable"], {**params, "needs_consent": needs_consent})
    return integers(found)


async def list_topic_refusals(tx: ReadTransaction, brand_id: BrandId) -> dict[str, Numbers]:
    """Who wants nothing of a topic."""
    rows = await _columns(tx, SQL["list_topic_refusals"], {"brand_id": brand_id})
    return {topic: integers(found) for topic, found in rows}


async def list_preferred_channels(tx: ReadTransaction, brand_id: BrandId) -> dict[str, Numbers]:
    """Who wants one channel only."""
    rows = await _columns(tx, SQL["list_preferred_channels"], {"brand_id": brand_id})
    return {channel: integers(found) for channel, found in rows}


async def list_own_caps(tx: ReadTransaction, brand_id: BrandId) -> list[tuple[str, Numbers, Numbers]]:
    """Members' own caps: the window, who, and how many at most."""
    rows = await _columns(tx, SQL["list_own_caps"], {"brand_id": brand_id})
    return [(per, integers(found), integers(most)) for per, found, most in rows]


async def list_held(
    tx: ReadTransaction, brand_id: BrandId, *, after: datetime, topic: str | None
) -> tuple[Numbers, Numbers]:
    """Members with deliveries that count after an instant, and how many."""
    params = {"brand_id": brand_id, "after": after, "topic": topic}
    ((found, held),) = await _columns(tx, SQL["list_held"], params)
    return integers(found), integers(held)


async def list_trait_numbers(
    tx: ReadTransaction, brand_id: BrandId, numbers: Sequence[int] | None, trait: str
) -> tuple[Numbers, NDArray[np.float64]]:
    """Members whose trait is a number, and the numbers."""
    params = {"brand_id": brand_id, "numbers": numbers, "trait": trait}
    ((found, values),) = await _columns(tx, SQL["list_trait_numbers"], params)
    return integers(found), np.frombuffer(values, dtype=">f8").astype(np.float64)


async def list_lifts(
    tx: ReadTransaction, brand_id: BrandId, campaign: str, goal: Mapping[str, Any]
) -> tuple[NDArray[np.bool_], MeasuredCells]:
    """What was measured of campaigns with this goal, each draw; and which of them are this campaign's."""
    params = {"brand_id": brand_id, "campaign": campaign, "goal": msgspec.json.encode(goal).decode()}
    rows = np.array(await tx.rows(SQL["list_lifts"], params), dtype=np.int64).reshape(-1, 5).T
    return rows[0] > 0, MeasuredCells(*rows[1:])


async def count_waiting(
    tx: ReadTransaction, brand_id: BrandId, *, channel: str, from_at: datetime, until_at: datetime
) -> int:
    """Messages that wait for the gate between two instants."""
    params = {"brand_id": brand_id, "channel": channel, "from_at": from_at, "until_at": until_at}
    row = await tx.row(SQL["count_waiting"], params)
    assert row is not None, "an aggregate gives a row"
    return row[0]


def _sorted(numbers: Numbers, ids: Numbers) -> tuple[Numbers, Numbers]:
    order = np.argsort(numbers, kind="stable")
    return numbers[order], ids[order]


async def _columns(tx: ReadTransaction, query: LiteralString, params: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows in the binary format: bytes come as they are, and not twice as long."""
    cursor = await tx.connection.execute(query, params, binary=True)
    return await cursor.fetchall()


def integers(column: bytes) -> Numbers:
    """What `int4send` made."""
    return np.frombuffer(column, dtype=">i4").astype(np.int64)


def longs(column: bytes) -> Numbers:
    """What `int8send` made."""
    return np.frombuffer(column, dtype=">i8").astype(np.int64)
