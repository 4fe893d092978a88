"""What access does by itself."""

from datetime import timedelta

import pytest

from regulars.access import service as access
from regulars.access.errors import IdempotencyConflict
from regulars.access.jobs import ANSWERS_KEPT_DAYS, add_access_jobs
from regulars.platform.db import Database
from regulars.platform.jobs import new_app
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

pytestmark = pytest.mark.anyio


async def test_answers_are_forgotten_after_thirty_days(dsn: str, database: Database, brand: Brand) -> None:
    app = new_app(dsn)
    add_access_jobs(app, database, lambda: NOW)
    kept = timedelta(days=ANSWERS_KEPT_DAYS)
    async with database.write() as tx:
        for key, at in (("old", NOW - kept - timedelta(seconds=1)), ("young", NOW - kept + timedelta(seconds=1))):
            assert await access.claim_answer(tx, brand, idempotency_key=key, request=b"one", now=at) is None
            await access.keep_answer(tx, brand, idempotency_key=key, status=200, body="{}")
    await app.tasks["access.forget"](timestamp=0)
    async with database.write() as tx:
        assert await access.claim_answer(tx, brand, idempotency_key="old", request=b"two", now=NOW) is None
        with pytest.raises(IdempotencyConflict):
            await access.claim_answer(tx, brand, idempotency_key="young", request=b"two", now=NOW)
