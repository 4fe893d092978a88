"""Scores of games, checked here: one a local day and member counts, and brings the voucher of its step."""

from datetime import datetime
from typing import Annotated, Any

import msgspec

from regulars.loyalty.dates import local_day
from regulars.loyalty.errors import (
    ScoreConflict,
    ScoreInvalid,
    ScoreTwice,
    ScoreUnknown,
    VoucherNotNew,
    VoucherOutOfStock,
    VoucherPerMember,
)
from regulars.loyalty.holding import Voucher, find_step
from regulars.loyalty.model import Score
from regulars.loyalty.service.offers import check_valid, find_named, get_offered
from regulars.loyalty.service.people import Person, get_person
from regulars.loyalty.service.programmes import Version
from regulars.loyalty.service.vouchers import show_held, take_voucher
from regulars.loyalty.store import scores as store
from regulars.loyalty.store import vouchers
from regulars.loyalty.store.scores import ScoreKey
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand


class ScoreBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/scores/{name}`; `id` is the caller's, and makes a retry safe."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    member: str
    score: int
    programme: str | None = None


async def take_score(
    tx: WriteTransaction, brand: Brand, name: str, body: ScoreBody, *, now: datetime
) -> dict[str, Any]:
    """What a score brought; the same again (`exists`) brings nothing more. Where the pool refuses, `refused` says why.

    Raises: ScoreUnknown, ProgrammeAmbiguous, ProgrammeNotValid, ScoreInvalid, MemberUnknown, ScoreConflict, ScoreTwice.
    """
    version, score = await get_offered(tx, brand, lambda one: one.scores, name, body.programme, ScoreUnknown)
    if not 0 <= body.score <= score.max:
        raise ScoreInvalid(f"a score of {score.name!r} is from 0 to {score.max}, not {body.score}", path="/score")
    person = await get_person(tx, brand, body.member)
    key = ScoreKey(version.name, score.name, body.id)
    if (told := await _find_told(tx, brand, key, person, body.score, now)) is not None:
        return told
    check_valid(version, brand, now)
    day = local_day(now, brand.time_zone)
    if await store.find_score_of_day(tx, brand.brand_id, key, person.family, day) is None and await store.insert_score(
        tx, brand.brand_id, key, person.member_id, day=day, reached=body.score, now=now
    ):
        voucher, refused = await _win(tx, brand, version, score, person, body.score, now)
        voucher_id = voucher.voucher_id if voucher else None
        await store.note_prize(tx, brand.brand_id, key, voucher_id=voucher_id, refused=refused)
        return _show("created", voucher, refused, now)
    # The same request was on its way twice, and the other one is through.
    if (told := await _find_told(tx, brand, key, person, body.score, now)) is not None:
        return told
    raise ScoreTwice(f"this member has a score of {score.name!r} today: one counts a day")


async def _find_told(
    tx: ReadTransaction, brand: Brand, key: ScoreKey, person: Person, reached: int, now: datetime
) -> dict[str, Any] | None:
    """What was answered for the id. Raises: ScoreConflict."""
    row = await store.find_score(tx, brand.brand_id, key)
    if row is None:
        return None
    if row.member_id not in person.family or row.reached != reached:
        raise ScoreConflict(f"the score {key.id!r} is another member's, or another number", path="/id")
    voucher = None
    if row.voucher_id is not None:
        voucher = await vouchers.find_voucher(tx, brand.brand_id, person.family, row.voucher_id)
    return _show("exists", voucher, row.refused, now)


async def _win(
    tx: WriteTransaction, brand: Brand, version: Version, score: Score, person: Person, reached: int, now: datetime
) -> tuple[Voucher | None, str | None]:
    """The voucher, or the code that says why there is none."""
    step = find_step(score, reached)
    pool = find_named(version.programme.vouchers, step.voucher) if step else None
    if pool is None:
        return None, None
    try:
        return await take_voucher(tx, brand, version, pool, person, now=now), None
    except (VoucherPerMember, VoucherNotNew, VoucherOutOfStock) as error:
        return None, error.code


def _show(result: str, voucher: Voucher | None, refused: str | None, now: datetime) -> dict[str, Any]:
    told = {"result": result, "voucher": show_held(voucher, now) if voucher else None}
    return told if refused is None else {**told, "refused": refused}
