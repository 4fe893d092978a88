"""What passes deliveries on, in either process."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from regulars.channels.registry import Kinds
from regulars.kernel.clock import Clock
from regulars.kernel.ids import MemberId
from regulars.loyalty.service.editions import Editions
from regulars.loyalty.service.telling import load_loyalty
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database, ReadTransaction
from regulars.platform.settings import Settings
from regulars.platform.tenancy import Brand

SEND_CONNECTIONS_MAX = 6


def build_outbox(settings: Settings, database: Database, master_key: bytes, clock: Clock) -> Outbox:
    """What passes deliveries on in this process; channels are opened when they are first needed."""
    public_url = settings.public_url or "http://127.0.0.1"
    reader = partial(_read_loyalty, Editions())
    return Outbox(database, OpenChannels(Kinds(clock)), master_key, public_url.rstrip("/"), reader)


async def _read_loyalty(
    editions: Editions, tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId], *, now: datetime
) -> Mapping[MemberId, Mapping[str, Any]]:
    return await load_loyalty(tx, brand, editions, member_ids, now=now)
