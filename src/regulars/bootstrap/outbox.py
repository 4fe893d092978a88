"""What passes deliveries on, in either process."""

from regulars.channels.registry import Kinds
from regulars.kernel.clock import Clock
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database
from regulars.platform.settings import Settings

SEND_CONNECTIONS_MAX = 6


def build_outbox(settings: Settings, database: Database, master_key: bytes, clock: Clock) -> Outbox:
    """What passes deliveries on in this process; channels are opened when they are first needed."""
    public_url = settings.public_url or "http://127.0.0.1"
    return Outbox(database, OpenChannels(Kinds(clock)), master_key, public_url.rstrip("/"))
