"""What webhooks tell: verified, taken once, and turned into who follows, who blocks, who said what.

Whoever speaks to us becomes a member by their identity on that channel. A signed follow is a word of the member: it allows
marketing on that channel. A block or a bounce suppresses the address until it follows again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from regulars.kernel.ids import MemberId
from regulars.members.errors import IdentityTaken, IdentityValueInvalid, MemberUnknown, TooManyIdentities
from regulars.members.identity import Identity, lookup_of, parse_identity
from regulars.members.service.changing import put_consent, put_identity
from regulars.members.service.joining import lock_brand, resolve_claims
from regulars.members.service.reading import list_by_identity, member_text
from regulars.messaging.model import MARKETING, DeliveryId
from regulars.messaging.ports import Happening, HappeningKind
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.store import channels
from regulars.messaging.tokens import IDENTITY, is_genuine, make_token, read_token
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand

LINK_DAYS_MAX = 30
_BLOCKING = {HappeningKind.BLOCKED: "blocked", HappeningKind.BOUNCED: "bounced", HappeningKind.COMPLAINED: "complained"}


@dataclass(frozen=True, slots=True)
class Received:
    """A happening that was never told before, and whose it is; None where nobody has that address."""

    happening: Happening
    member_id: MemberId | None


async def take_happenings(
    tx: WriteTransaction, brand: Brand, row: ChannelRow, happenings: Sequence[Happening], *, now: datetime
) -> list[Received]:
    """Those that are new, in the order they happened. Locks: the brand's lock, where somebody follows or speaks."""
    new: list[Received] = []
    for one in sorted(happenings, key=lambda one: one.at):
        identity = _identity_of(brand, row, one)
        lookup = "" if identity is None else lookup_of(identity, brand.vault)
        if not await channels.claim_happening(tx, brand.brand_id, row.name, one.key, one.kind, lookup, one.at, now):
            continue
        new.append(Received(one, None if identity is None else await _take(tx, brand, row, one, identity, lookup, now)))
    return new


def _identity_of(brand: Brand, row: ChannelRow, one: Happening) -> Identity | None:
    if not one.address:
        return None
    try:
        return parse_identity(row.identity_kind, one.address, country=brand.country)
    except IdentityValueInvalid:
        return None


async def _take(
    tx: WriteTransaction, brand: Brand, row: ChannelRow, one: Happening, identity: Identity, lookup: str, now: datetime
) -> MemberId | None:
    if one.kind in _BLOCKING:
        reason = _BLOCKING[one.kind]
        await channels.put_reach(tx, brand.brand_id, row.name, lookup, blocked_at=one.at, reason=reason, told_at=one.at)
        found = await list_by_identity(tx, brand, identity.kind, identity.value)
        return found[0] if found else None
    if one.kind is HappeningKind.OTHER:
        return None
    await lock_brand(tx, brand)
    if not await _link(tx, brand, row, one, identity, now):
        await resolve_claims(tx, brand, [(identity,)], now=now)
    found = await list_by_identity(tx, brand, identity.kind, identity.value)
    if not found:
        return None  # an erased member's identity: what still arrives under it is dropped
    if one.kind in (HappeningKind.FOLLOWED, HappeningKind.LINKED):
        await channels.put_reach(tx, brand.brand_id, row.name, lookup, blocked_at=None, reason=None, told_at=one.at)
        proof = {"source": f"{row.form.kind} {one.kind}", "text": one.key}
        await put_consent(tx, brand, member_text(found[0]), row.name, MARKETING, granted=True, proof=proof, now=now)
    return found[0]


def make_link_token(brand: Brand, member_id: MemberId, *, now: datetime) -> str:
    """What a deep link carries so that whoever follows it becomes this member: once, within thirty days."""
    return make_token(brand, IDENTITY, DeliveryId(member_id), int(now.timestamp()))


async def _link(
    tx: WriteTransaction, brand: Brand, row: ChannelRow, one: Happening, identity: Identity, now: datetime
) -> bool:
    """Give the identity to the member that the token names, where it is genuine, young and shown for the first time."""
    token = read_token(one.link_token) if one.link_token else None
    if token is None or token.brand_id != brand.brand_id or not is_genuine(brand, IDENTITY, token):
        return False
    if now.timestamp() - token.number > LINK_DAYS_MAX * 86_400:
        return False
    key = f"link {one.link_token}"
    if not await channels.claim_happening(tx, brand.brand_id, row.name, key, one.kind, "", one.at, now):
        return False
    try:
        member = member_text(MemberId(token.delivery_id))
        await put_identity(tx, brand, member, identity.kind, identity.value, verified=True, now=now)
    except (MemberUnknown, IdentityTaken, TooManyIdentities):
        return False
    return True
