"""What a member has by the brand's programmes, as the member may see it: folded anew, as of now."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, NamedTuple

from regulars.events.service import following
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import MemberId
from regulars.ledger.service import list_available, list_expiring
from regulars.loyalty.compiling import Edition
from regulars.loyalty.dates import first_instant
from regulars.loyalty.folding import Folded, fold, is_payment
from regulars.loyalty.model import Name
from regulars.loyalty.service.editions import Editions, Programmes
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
    remembered = await remember(tx, brand, programmes, member_ids)
    kept = {member_id: one.member_id for one in remembered for member_id in one.family}
    paid: dict[tuple[str, MemberId], dict[str, bool]] = {}
    for name in programmes.editions:
        for row in await store.list_awards(tx, brand.brand_id, name, sorted(kept)):
            if is_payment(row.key):
                paid.setdefault((name, kept[row.member_id]), {})[row.key] = bool(row.transfers)
    points = await _load_points(tx, brand, programmes, [one.member_id for one in remembered], now)
    found: dict[MemberId, dict[str, Any]] = {}
    for one in remembered:
        told = [
            (
                versions[-1],
                fold(versions, one.marks, paid.get((name, one.member_id), {}), one.joined_on, now),
            )
            for name, versions in programmes.editions.items()
        ]
        vouchers = await list_held(tx, brand.brand_id, one.member_id, now=now)
        found[one.member_id] = {**_tell(told, points[one.member_id]), "vouchers": vouchers}
    return found


class _Points(NamedTuple):
    """What a member could spend of each asset, and what of it expires when."""

    balances: dict[Name, int]
    expiring: list[dict[str, str]]


async def _load_points(
    tx: ReadTransaction, brand: Brand, programmes: Programmes, member_ids: Sequence[MemberId], now: datetime
) -> dict[MemberId, _Points]:
    assets = dict.fromkeys(name for versions in programmes.editions.values() for name in versions[-1].programme.assets)
    names = {account_of(member_id, asset): (member_id, asset) for member_id in member_ids for asset in assets}
    found = {member_id: _Points(dict.fromkeys(assets, 0), []) for member_id in member_ids}
    for name, amount in (await list_available(tx, brand.brand_id, list(names), now)).items():
        member_id, asset = names[name]
        found[member_id].balances[asset] = amount
    for name, at, amount in await list_expiring(tx, brand.brand_id, list(names), now):
        member_id, asset = names[name]
        found[member_id].expiring.append({"asset": asset, "amount": str(amount), "at": instant_text(at)})
    return found


def _tell(told: Sequence[tuple[Edition, Folded]], points: _Points) -> dict[str, Any]:
    expiring = [*points.expiring, *_show_lapses(told, points)]
    return {
        "balances": {asset: str(amount) for asset, amount in points.balances.items()},
        "expiring": sorted(expiring, key=lambda one: (one["at"], one["asset"])),
        "tier": next((_show_tier(edition, one) for edition, one in told if edition.programme.tiers), None),
        "badges": [badge for edition, one in told for badge in _show_badges(edition, one)],
        "missions": [mission for edition, one in told for mission in _show_missions(edition, one)],
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


def _show_lapses(told: Iterable[tuple[Edition, Folded]], points: _Points) -> list[dict[str, str]]:
    """What ends by inactivity if nothing more is done: all that has no end of its own."""
    shown: list[dict[str, str]] = []
    for asset, at in {asset: at for _, one in told for asset, at in one.lapses.items()}.items():
        dated = sum(int(one["amount"]) for one in points.expiring if one["asset"] == asset)
        if points.balances[asset] > dated:
            amount = str(points.balances[asset] - dated)
            shown.append({"asset": asset, "amount": amount, "at": instant_text(at)})
    return shown


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
