"""Who is reached where: the files do not know, so it is drawn, by household and seed, and called simulated wherever it is told.

A household that is drawn for a channel gets an address there that exists nowhere else, and has allowed marketing on it; the
proof of that consent says that it is simulated.
"""

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from regulars.bootstrap.deployment import FIRST_BRAND, Deployment, get_brand
from regulars.members.identity import parse_identity
from regulars.members.service.changing import put_consent
from regulars.members.service.joining import lock_brand, resolve_claims
from regulars.platform.db import Database

LINE: Final = "line"
TELEGRAM: Final = "telegram"
MAIL: Final = "mail"
SHARES: Final[Mapping[str, float]] = {LINE: 0.6, TELEGRAM: 0.2, MAIL: 0.45}
"""Which share of the households is reached on each channel, each drawn by itself."""

KINDS: Final[Mapping[str, str]] = {LINE: "line", TELEGRAM: "telegram", MAIL: "email"}
PURPOSE: Final = "marketing"
PROOF: Final[Mapping[str, Any]] = {"source": "simulated by regulars demo"}
_TELEGRAM_FIRST: Final = 6_000_000_000


@dataclass(frozen=True, slots=True)
class Reached:
    """One household: its addresses by channel."""

    household_id: int
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """What the members hold, by household: their ids, and the channels on which they have allowed marketing."""

    members: Mapping[int, str]
    granted: Mapping[int, frozenset[str]]


def draw_reached(household_ids: Iterable[int], seed: int) -> list[Reached]:
    """Who is reached where; the same for the same household and seed."""
    return [Reached(one, _draw(one, seed)) for one in household_ids]


def _draw(household_id: int, seed: int) -> dict[str, str]:
    rng = random.Random(f"{seed}/{household_id}")
    digest = hashlib.sha256(f"regulars demo {seed}/{household_id}".encode()).hexdigest()
    addresses = {
        LINE: f"U{digest[:32]}",
        TELEGRAM: str(_TELEGRAM_FIRST + household_id),
        MAIL: f"card-{household_id}@example.com",
    }
    return {channel: addresses[channel] for channel, share in SHARES.items() if rng.random() < share}


def read_held(members: Iterable[Mapping[str, Any]]) -> Held:
    """From members as the API answers them; who has no card of a household is left out."""
    held: dict[int, str] = {}
    granted: dict[int, frozenset[str]] = {}
    for member in members:
        allowed = frozenset(
            one["channel"] for one in member["consents"] if one["granted"] and one["purpose"] == PURPOSE
        )
        for identity in member["identities"]:
            if identity["kind"] == "card" and identity["value"].isdigit():
                held[int(identity["value"])] = member["id"]
                granted[int(identity["value"])] = allowed
    return Held(held, granted)


async def make_reachable(deployment: Deployment, reached: Sequence[Reached], held: Held, now: datetime) -> int:
    """Give members their simulated addresses and consents, in one transaction; how many consents were new."""
    database = Database(deployment.dsn, connections_max=1)
    await database.open()
    try:
        brand = await get_brand(deployment, database, FIRST_BRAND)
        known = [one for one in reached if one.household_id in held.members]
        claims = [
            tuple(
                parse_identity(kind, value, country=brand.country)
                for kind, value in (
                    ("card", str(one.household_id)),
                    *((KINDS[channel], address) for channel, address in one.addresses.items()),
                )
            )
            for one in known
        ]
        written = 0
        async with database.write() as tx:
            await lock_brand(tx, brand)
            await resolve_claims(tx, brand, claims, now=now)
            for one in known:
                for channel in one.addresses.keys() - held.granted[one.household_id]:
                    member = held.members[one.household_id]
                    await put_consent(tx, brand, member, channel, PURPOSE, granted=True, proof=PROOF, now=now)
                    written += 1
        return written
    finally:
        await database.close()
