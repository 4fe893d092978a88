"""Scores of games. One function a query."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from regulars.kernel.ids import BrandId, MemberId
from regulars.loyalty.store.vouchers import SQL
from regulars.platform.db import ReadTransaction, WriteTransaction


class ScoreRow(NamedTuple):
    """Whose it is, how high, and what it brought: a voucher, or why none."""

    member_id: MemberId
    reached: int
    voucher_id: int | None
    refused: str | None


class ScoreKey(NamedTuple):
    """Of a game of a programme the score with the caller's id."""

    programme: str
    score: str
    id: str


async def insert_score(
    tx: WriteTransaction,
    brand_id: BrandId,
    key: ScoreKey,
    member_id: MemberId,
    *,
    day: date,
    reached: int,
    now: datetime,
) -> bool:
    """Whether it is new: neither its id nor one of the member's day was there."""
    params = {"member_id": member_id, "day": day, "reached": reached, "now": now}
    row = await tx.row(SQL["insert_score"], {"brand_id": brand_id, **key._asdict(), **params})
    return row is not None


async def note_prize(
    tx: WriteTransaction, brand_id: BrandId, key: ScoreKey, *, voucher_id: int | None, refused: str | None
) -> None:
    params = {"voucher_id": voucher_id, "refused": refused}
    await tx.execute(SQL["note_prize"], {"brand_id": brand_id, **key._asdict(), **params})


async def find_score(tx: ReadTransaction, brand_id: BrandId, key: ScoreKey) -> ScoreRow | None:
    row = await tx.row(SQL["find_score"], {"brand_id": brand_id, **key._asdict()})
    return ScoreRow(*row) if row else None


async def find_score_of_day(
    tx: ReadTransaction, brand_id: BrandId, key: ScoreKey, member_ids: Sequence[MemberId], day: date
) -> str | None:
    """The id of one that these members have of the day."""
    params = {"programme": key.programme, "score": key.score, "member_ids": list(member_ids), "day": day}
    row = await tx.row(SQL["find_score_of_day"], {"brand_id": brand_id, **params})
    return row[0] if row else None
