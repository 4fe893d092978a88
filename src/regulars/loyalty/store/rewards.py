"""Rewards and redemptions. One function a query."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.holding import Redemption
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

SQL: Final = load_queries(Path(__file__).parents[1] / "rewards.sql")


class RewardRow(NamedTuple):
    """How many are reserved and confirmed."""

    reward_id: int
    taken_count: int


async def ensure_reward(tx: WriteTransaction, brand_id: BrandId, programme: str, reward: str) -> None:
    await tx.execute(SQL["ensure_reward"], {"brand_id": brand_id, "programme": programme, "reward": reward})


async def lock_reward(tx: WriteTransaction, brand_id: BrandId, programme: str, reward: str) -> RewardRow | None:
    """Until commit."""
    row = await tx.row(SQL["lock_reward"], {"brand_id": brand_id, "programme": programme, "reward": reward})
    return RewardRow(*row) if row else None


async def expire_redemptions(tx: WriteTransaction, brand_id: BrandId, reward_id: int, *, now: datetime) -> int:
    """How many."""
    params = {"brand_id": brand_id, "reward_id": reward_id, "now": now}
    row = await tx.row(SQL["expire_redemptions"], params)
    return row[0] if row else 0


async def count_taken(tx: WriteTransaction, brand_id: BrandId, reward_id: int, count: int) -> None:
    """More or (negative) less."""
    await tx.execute(SQL["count_taken"], {"brand_id": brand_id, "reward_id": reward_id, "count": count})


async def insert_redemption(
    tx: WriteTransaction,
    brand_id: BrandId,
    member_id: MemberId,
    reward_id: int,
    *,
    asset: str,
    price: int,
    hold_id: UUID,
    until: datetime,
    now: datetime,
) -> int:
    """Its id."""
    params = {"member_id": member_id, "reward_id": reward_id, "asset": asset, "price": price}
    told = {"brand_id": brand_id, **params, "hold_id": hold_id, "until": until, "now": now}
    row = await tx.row(SQL["insert_redemption"], told)
    assert row is not None, "an insert gives its row"
    return row[0]


async def find_redemption(tx: ReadTransaction, brand_id: BrandId, redemption_id: int) -> Redemption | None:
    params = {"brand_id": brand_id, "redemption_id": redemption_id}
    row = await tx.row(SQL["find_redemption"], params)
    return Redemption(*row) if row else None


async def lock_redemption(tx: WriteTransaction, brand_id: BrandId, redemption_id: int) -> None:
    """Until commit; after the reward, where that is locked too."""
    await tx.rows(SQL["lock_redemption"], {"brand_id": brand_id, "redemption_id": redemption_id})


async def end_redemption(
    tx: WriteTransaction, brand_id: BrandId, redemption_id: int, state: str, *, now: datetime
) -> None:
    params = {"brand_id": brand_id, "redemption_id": redemption_id, "state": state, "now": now}
    await tx.execute(SQL["end_redemption"], params)


async def list_overdue(tx: ReadTransaction, *, now: datetime, limit: int) -> list[tuple[BrandId, int]]:
    """Brand and redemption; whose time is over, and whose points the ledger holds."""
    return await tx.rows(SQL["list_overdue"], {"now": now, "limit": limit})


async def list_overdue_of(
    tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]
) -> list[tuple[int, UUID]]:
    """Redemption and hold; of these members, expired, and their points still held."""
    return await tx.rows(SQL["list_overdue_of"], {"brand_id": brand_id, "member_ids": list(member_ids)})
