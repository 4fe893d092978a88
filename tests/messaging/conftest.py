"""What tests of messaging share."""

from collections.abc import AsyncIterator

import pytest

from regulars.access import service as access
from regulars.messaging.service import channels
from regulars.messaging.service.channels import OpenChannels
from regulars.messaging.service.outbox import Outbox
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.messaging.carrier import Carrier, Carriers
from tests.messaging.desk import CALM, Desk


@pytest.fixture
async def desk(database: Database, brand: Brand, master_key: bytes) -> AsyncIterator[Desk]:
    carrier = Carrier()
    outbox = Outbox(database, OpenChannels(Carriers(carrier)), master_key, "https://regulars.example")
    async with database.write() as tx:
        await access.replace_settings(tx, brand, CALM)
        await channels.put_channel(tx, brand, "oa", {"kind": "line"}, outbox.channels.kinds, now=NOW)
    yield Desk(database, brand, outbox, carrier)
