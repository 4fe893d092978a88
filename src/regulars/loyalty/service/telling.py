"""What a member has by the brand's programmes, as the member may see it: folded anew, as of now."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from regulars.events.service import following
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import MemberId
from regulars.ledger.service import get_available, list_expiring
from regulars.loyalty.compiling import Edition
from regulars.loyalty.dates import first_instant
from regulars.loyalty.folding import PAYMENT, Folded, fold
from regulars.loyalty.model import Name
from regulars.loyalty.service.editions import Editions
from regulars.loyalty.service.posting import account_of
from regulars.loyalty.service.programmes import FOLLOWER
from regulars.loyalty.service.remembering import remember
from regulars.loyalty.service.vouchers import list_held
from regulars.loyalty.store import driving as store
from regulars.members.service.reading import get_active
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand


async def get_loyalty(
    tx: ReadTransaction, brand: Brand, editions: Editions, member: str, *, now: datetime
) -> dict[str, Any]:
    """Balances, what expires, tier, badges, missions, vouchers. Raises: MemberUnknown."""
    member_id = await get_active(tx, brand, member)
    return (await load_loyalty(tx, brand, editions, [member_id], now=now))[member_id]


async def load_loyalty(
    tx: ReadTransaction, brand: Brand, editions: Editions, member_ids: Sequence[MemberId], *, now: datetime
) -> dict[MemberId, dict[str, Any]]:
    """The same of several; who is not in force is left out."""
    programmes = await editions.load(tx, brand)
    paid: dict[tuple[str, MemberId], dict[str, bool]] = {}
    for name in programmes.editions:
        for row in await store.list_awards(tx, brand.brand_id, name, member_ids):
            if row.key.startswith(PAYMENT):
                paid.setdefault((name, row.member_id), {})[row.key] = bool(row.transfers)
    found: dict[MemberId, dict[str, Any]] = {}
    for one in await remember(tx, brand, programmes, member_ids):
        told = [
            (
                versions[-1],
                fold(versions, one.marks, paid.get((name, one.member_id), {}), one.joined_on, now),
            )
            for name, versions in programmes.editions.items()
        ]
        found[one.member_id] = await _tell(tx, brand, one.member_id, told, now)
    return found


async def _tell(
    tx: ReadTransaction, brand: Brand, member_id: MemberId, told: Sequence[tuple[Edition, Folded]], now: datetime
) -> dict[str, Any]:
    assets = list(dict.fromkeys(asset for edition, _ in told for asset in edition.programme.assets))
    balances = {
        asset: str(await get_available(tx, brand.brand_id, account_of(member_id, asset), now)) for asset in assets
    }
    names = [account_of(member_id, asset) for asset in assets]
    expiring = [
        {"asset": asset, "amount": str(amount), "at": instant_text(at)}
        for asset, at, amount in await list_expiring(tx, brand.brand_id, names, now)
    ]
    expiring += _show_lapses(told, balances, expiring)
    return {
        "balances": balances,
        "expiring": sorted(expiring, key=lambda one: (one["at"], one["asset"])),
        "tier": next((_show_tier(edition, one) for edition, one in told if edition.programme.tiers), None),
        "badges": [badge for edition, one in told for badge in _show_badges(edition, one)],
        "missions": [mission for edition, one in told for mission in _show_missions(edition, one)],
        "vouchers": await list_held(tx, brand.brand_id, member_id, now=now),
    }


async def count_waiting(tx: ReadTransaction, brand: Brand, editions: Editions, *, now: datetime) -> dict[str, int]:
    """By programme how many events have not driven it yet, and for how many members something is due."""
    programmes = await editions.load(tx, brand)
    after_seq = await following.get_seq(tx, brand.brand_id, FOLLOWER)
    due = await store.count_due(tx, brand.brand_id, now)
    return {
        name: due.get(name, 0)
        + await following.count_waiting(
            tx, brand.brand_id, sorted({said for one in versions for said in one.names}), after_seq=after_seq
        )
        for name, versions in programmes.editions.items()
    }


def _show_lapses(
    told: Iterable[tuple[Edition, Folded]], balances: Mapping[Name, str], dated: Iterable[dict[str, str]]
) -> list[dict[str, str]]:
    """What ends by inactivity if nothing more is done: all that has no end of its own."""
    ends: dict[Name, datetime] = {asset: at for _, one in told for asset, at in one.lapses.items()}
    left: dict[str, int] = {asset: int(balances[asset]) for asset in ends}
    for one in dated:
        if one["asset"] in left:
            left[one["asset"]] -= int(one["amount"])
    return [
        {"asset": asset, "amount": str(amount), "at": instant_text(ends[Name(asset)])}
        for asset, amount in left.items()
        if amount > 0
    ]


def _show_tier(edition: Edition, folded: Folded) -> dict[str, Any]:
    tiers, standing = edition.programme.tiers, folded.standing
    assert tiers is not None, "asked where there are levels"
    level = tiers.levels[standing.level]
    has_next = standing.level + 1 < len(tiers.levels)
    until = standing.grace_until or standing.until
    return {
        "name": level.name,
        "since": instant_text(standing.since) if standing.since else None,
        "until": instant_text(until) if until else None,
        "next": tiers.levels[standing.level + 1].name if has_next else None,
        "missing": None if folded.missing is None else str(folded.missing),
        "privileges": list(level.privileges),
    }


def _show_badges(edition: Edition, folded: Folded) -> list[dict[str, Any]]:
    known = {badge.name: badge for badge in edition.programme.badges}
    return [
        {"name": name, "since": instant_text(at), "privileges": list(known[name].privileges)}
        for name, at in sorted(folded.badges.items())
        if name in known
    ]


def _show_missions(edition: Edition, folded: Folded) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "done": _show_number(one.done),
            "target": _show_number(one.target),
            "reached": one.reached,
            "ends_at": None if one.ends_on is None else instant_text(first_instant(one.ends_on, edition.zone)),
        }
        for one in folded.missions
    ]


def _show_number(number: Fraction) -> str:
    """Without a fraction where there is none."""
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.2f}"
