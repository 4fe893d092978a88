"""Rewards are redeemed for points: reserved, then confirmed or released. Nobody need release one: its time ends it.

A reservation is a hold of the ledger and one of the reward's stock. The hold lasts longer than the reservation: which of the
two is over is decided here alone, and the ledger's own time is for what was forgotten.

Locks, in this order: the reward's row, the redemption's, the ledger's accounts.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import parse_public_id, public_id
from regulars.ledger.errors import HoldEnded, HoldExceeded, HoldExpired, HoldUnknown
from regulars.ledger.service import Holders, end_hold, hold_asked
from regulars.loyalty.dates import add_period
from regulars.loyalty.errors import (
    BalanceInsufficient,
    RedemptionEnded,
    RedemptionUnknown,
    RewardInvalid,
    RewardNotPayable,
    RewardOutOfStock,
    RewardTierTooLow,
    RewardUnknown,
)
from regulars.loyalty.holding import Instant, Redemption, end_of_reservation
from regulars.loyalty.model import Reward
from regulars.loyalty.service.offers import check_valid, get_offered
from regulars.loyalty.service.people import Person, get_person, load_standing
from regulars.loyalty.service.programmes import Version
from regulars.loyalty.store import rewards as store
from regulars.loyalty.store.rewards import RewardRow
from regulars.members.service.reading import member_text
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

HELD_LONGER: Final = timedelta(hours=1)


class RedeemBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/rewards/{name}/redeem`; `until`: when it is given back unless it is confirmed."""

    member: str
    until: Instant | None = None
    programme: str | None = None


class EndBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/redemptions/{redemption}/confirm` and `…/release`, where there is one: it says nothing."""


async def redeem_reward(
    tx: WriteTransaction, brand: Brand, holders: Holders, name: str, body: RedeemBody, *, now: datetime
) -> dict[str, Any]:
    """Reserve a reward and the points that it costs.

    Raises: RewardUnknown, ProgrammeAmbiguous, ProgrammeNotValid, RewardInvalid, MemberUnknown, RewardTierTooLow,
    RewardOutOfStock, BalanceInsufficient, RewardNotPayable.
    """
    version, reward = await get_offered(tx, brand, lambda one: one.rewards, name, body.programme, RewardUnknown)
    check_valid(version, brand, now)
    otherwise = add_period(now, reward.hold, brand.time_zone)
    until = end_of_reservation(body.until, otherwise, now, RewardInvalid)
    person = await get_person(tx, brand, body.member)
    await _check_tier(tx, brand, version, reward, person)
    row = await _lock_reward(tx, brand, version.name, reward.name, now)
    if reward.stock is not None and row.taken_count >= reward.stock:
        raise RewardOutOfStock(f"all {reward.stock} of {reward.name!r} are taken or reserved")
    for redemption_id, hold_id in await store.list_overdue_of(tx, brand.brand_id, person.family):
        await _give_back(tx, brand, redemption_id, hold_id, "expired", now)
    hold_id = await _hold(tx, brand, holders, reward, person, until, now)
    redemption_id = await store.insert_redemption(
        tx,
        brand.brand_id,
        person.member_id,
        row.reward_id,
        asset=reward.asset,
        price=reward.price,
        hold_id=hold_id,
        until=until,
        now=now,
    )
    await store.count_taken(tx, brand.brand_id, row.reward_id, 1)
    return show_redemption(await _get(tx, brand, public_id("r", redemption_id)), now)


async def get_redemption(tx: ReadTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """What became of a redemption. Raises: RedemptionUnknown."""
    return show_redemption(await _get(tx, brand, text), now)


async def confirm_redemption(tx: WriteTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """Spend the points; once more is harmless. Raises: RedemptionUnknown, RedemptionEnded."""
    found = await _get(tx, brand, text)
    await store.lock_redemption(tx, brand.brand_id, found.redemption_id)
    found = await _get(tx, brand, text)
    state = found.state_at(now)
    if state == "reserved":
        try:
            await end_hold(tx, brand, str(found.hold_id), capture=True, body={})
        except (HoldEnded, HoldExpired, HoldExceeded, HoldUnknown) as error:
            raise RedemptionEnded(f"the points of {text} are not held any more: {error.message}") from error
        await store.end_redemption(tx, brand.brand_id, found.redemption_id, "confirmed", now=now)
        return show_redemption(await _get(tx, brand, text), now)
    if state != "confirmed":
        raise RedemptionEnded(f"the redemption {text} is {state}")
    return show_redemption(found, now)


async def release_redemption(tx: WriteTransaction, brand: Brand, text: str, *, now: datetime) -> dict[str, Any]:
    """Give back the points and the reward; once more is harmless. Raises: RedemptionUnknown, RedemptionEnded."""
    found = await _get(tx, brand, text)
    row = await _lock_reward(tx, brand, found.programme, found.reward, now)
    await store.lock_redemption(tx, brand.brand_id, found.redemption_id)
    found = await _get(tx, brand, text)
    state = found.state_at(now)
    if state == "reserved":
        await store.count_taken(tx, brand.brand_id, row.reward_id, -1)
        await _give_back(tx, brand, found.redemption_id, found.hold_id, "released", now)
        return show_redemption(await _get(tx, brand, text), now)
    if state != "released":
        raise RedemptionEnded(f"the redemption {text} is {state}")
    return show_redemption(found, now)


async def end_overdue(tx: WriteTransaction, brand: Brand, redemption_id: int, *, now: datetime) -> None:
    """Give back a redemption whose time is over, and what the ledger holds of it; again is harmless."""
    found = await store.find_redemption(tx, brand.brand_id, redemption_id)
    if found is None:
        return
    await _lock_reward(tx, brand, found.programme, found.reward, now)
    await store.lock_redemption(tx, brand.brand_id, redemption_id)
    found = await store.find_redemption(tx, brand.brand_id, redemption_id)
    if found is not None and found.is_held and found.written_state == "expired":
        await _give_back(tx, brand, redemption_id, found.hold_id, "expired", now)


def show_redemption(redemption: Redemption, now: datetime) -> dict[str, Any]:
    """As whoever serves the member is told."""
    return {
        "id": public_id("r", redemption.redemption_id),
        "member": member_text(redemption.member_id),
        "reward": redemption.reward,
        "state": redemption.state_at(now),
        "asset": redemption.asset,
        "price": str(redemption.price),
        "reserved_until": instant_text(redemption.reserved_until),
    }


async def _get(tx: ReadTransaction, brand: Brand, text: str) -> Redemption:
    """Raises: RedemptionUnknown."""
    number = parse_public_id("r", text)
    found = None if number is None else await store.find_redemption(tx, brand.brand_id, number)
    if found is None:
        raise RedemptionUnknown(f"there is no redemption {text[:40]!r}")
    return found


async def _check_tier(tx: ReadTransaction, brand: Brand, version: Version, reward: Reward, person: Person) -> None:
    """Raises: RewardTierTooLow."""
    least = version.programme.find_level(reward.tier)
    if least is not None and (await load_standing(tx, brand, version, person)).level < least:
        raise RewardTierTooLow(f"{reward.name!r} is for members from {reward.tier!r} on")


async def _lock_reward(tx: WriteTransaction, brand: Brand, programme: str, reward: str, now: datetime) -> RewardRow:
    """What is taken of a reward, without reservations that are over."""
    row = await store.lock_reward(tx, brand.brand_id, programme, reward)
    if row is None:
        await store.ensure_reward(tx, brand.brand_id, programme, reward)
        row = await store.lock_reward(tx, brand.brand_id, programme, reward)
    assert row is not None, "it was made just now, and nobody removes one"
    expired = await store.expire_redemptions(tx, brand.brand_id, row.reward_id, now=now)
    if expired:
        await store.count_taken(tx, brand.brand_id, row.reward_id, -expired)
    return row._replace(taken_count=row.taken_count - expired)


async def _hold(
    tx: WriteTransaction,
    brand: Brand,
    holders: Holders,
    reward: Reward,
    person: Person,
    until: datetime,
    now: datetime,
) -> UUID:
    """The id of the ledger's hold. Raises: BalanceInsufficient, RewardNotPayable."""
    hold_id = uuid4()
    asked = {
        "id": str(hold_id),
        "account": f"member:{member_text(person.member_id)}/{reward.asset}",
        "to": f"issuer/{reward.asset}",
        "amount": str(reward.price),
        "expires_at": instant_text(until + HELD_LONGER),
    }
    told = await hold_asked(tx, brand, holders, asked, now=now)
    code, message = told.get("code"), told.get("message")
    if code == "balance.insufficient":
        raise BalanceInsufficient(f"{reward.name!r} costs {reward.price} {reward.asset}, and the member has less")
    if code is not None:
        raise RewardNotPayable(f"{reward.price} {reward.asset} cannot be held for {reward.name!r}: {message}")
    return hold_id


async def _give_back(
    tx: WriteTransaction, brand: Brand, redemption_id: int, hold_id: UUID, state: str, now: datetime
) -> None:
    """What of the points is held still: whoever ended the hold in the ledger, or its time, was first."""
    with suppress(HoldEnded, HoldExpired, HoldUnknown):
        await end_hold(tx, brand, str(hold_id), capture=False, body={})
    await store.end_redemption(tx, brand.brand_id, redemption_id, state, now=now)
