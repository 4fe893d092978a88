"""What a brand's saved audiences ask for most is promoted."""

from typing import Any

import pytest

from regulars.audiences.service.promoting import promote_asked
from regulars.audiences.service.saving import save_audience
from regulars.history import store
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.history.conftest import Door

pytestmark = pytest.mark.anyio


async def test_what_most_audiences_ask_for_is_promoted_first(database: Database, brand: Brand, take: Door) -> None:
    properties = {"score": 1, "level": 2, "game": 3, "cart": 4, "never asked": 5}
    await take({"event": "Quiz Taken", "properties": properties})
    assert not await promote_asked(database, brand)

    async def save(name: str, did: dict[str, Any]) -> None:
        async with database.write() as tx:
            await save_audience(tx, brand, name, {"did": {"event": "Quiz Taken", **did}}, now=NOW)

    await save("a", {"where": {"level": 2, "revenue": 3, "category": "x"}})
    await save("b", {"where": {"level": 2, "score": {"at_least": 1}}})
    await save("c", {"where": {"score": 1, "level": 3}, "distinct": {"of": "game", "at_least": 1}})
    assert await promote_asked(database, brand)
    async with database.read() as tx:
        assert await store.list_promotions(tx, brand.brand_id) == {"level": 1, "score": 2, "game": 3}
    assert not await promote_asked(database, brand)
    await save("a", {"where": {"cart": 4}})
    assert await promote_asked(database, brand)
    async with database.read() as tx:
        assert await store.list_promotions(tx, brand.brand_id) == {"level": 1, "score": 2, "game": 3, "cart": 4}
