"""Traits on a real PostgreSQL: how many there may be, and at what price."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from regulars.members.errors import TraitTooMany
from regulars.members.service import joining, reading, setting_traits
from regulars.members.service.setting_traits import TraitProblem, TraitUpdate, set_traits
from regulars.members.store import traits as store
from regulars.platform.db import Database, WriteTransaction
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.members.test_joining import claim, find

pytestmark = pytest.mark.anyio


async def say(
    database: Database, brand: Brand, traits: dict[str, Any], at: Sequence[datetime] = (NOW,)
) -> list[TraitProblem]:
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        origins = await joining.resolve_claims(tx, brand, [claim(user_id="u1")], now=NOW)
        updates = [TraitUpdate(origins[claim(user_id="u1")], traits, one) for one in at]
        return (await set_traits(tx, brand, updates, now=NOW)).problems


async def test_new_names_cost_no_query_each(database: Database, brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    queries, execute = [], WriteTransaction.execute

    async def count(tx: WriteTransaction, query: Any, params: Any = None) -> int:
        queries.append(query)
        return await execute(tx, query, params)

    monkeypatch.setattr(WriteTransaction, "execute", count)
    assert await say(database, brand, {f"t{n}": n for n in range(100)}) == []
    assert len(queries) < 12
    async with database.read() as tx:
        assert len(await reading.list_traits(tx, brand)) == 100


async def test_a_call_sets_so_many_traits_and_the_excess_is_told(database: Database, brand: Brand) -> None:
    most = setting_traits.TRAITS_PER_CALL_MAX
    (problem,) = await say(database, brand, {f"t{n}": n for n in range(most + 7)})
    assert (type(problem.error), problem.error.path) == (TraitTooMany, f"t{most}")
    member = await find(database, brand, "user_id", "u1")
    assert member and member["traits"] == {f"t{n}": n for n in range(most)}


async def test_a_brand_has_so_many_names_and_known_ones_still_land(
    database: Database, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting_traits, "TRAITS_PER_BRAND_MAX", 3)
    assert await say(database, brand, {"a": 1, "b": 1, "c": 1}) == []
    (problem,) = await say(database, brand, {"d": 1, "c": 2, "gone": None})
    assert (type(problem.error), problem.error.path) == (TraitTooMany, "d")
    member = await find(database, brand, "user_id", "u1")
    assert member and member["traits"] == {"a": 1, "b": 1, "c": 2}
    async with database.write() as tx:
        await setting_traits.declare_trait(tx, brand, "a", type_name="number", personal=False, now=NOW)
        with pytest.raises(TraitTooMany):
            await setting_traits.declare_trait(tx, brand, "e", type_name="number", personal=False, now=NOW)


async def test_a_name_that_cannot_be_is_told_though_nothing_is_set(database: Database, brand: Brand) -> None:
    (problem,) = await say(database, brand, {"nul\0": None, "good": 1})
    assert problem.error.code == "trait.name_invalid"


async def test_arrivals_are_kept_by_the_minute(
    database: Database, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch writes only of traits that came outside the known span, so at most once a minute."""
    written: list[Any] = []
    add_arrivals = store.add_arrivals

    async def watch(tx: WriteTransaction, brand_id: Any, arrivals: Any) -> None:
        written.append({trait: count for trait, count, _, _ in arrivals})
        await add_arrivals(tx, brand_id, arrivals)

    monkeypatch.setattr(store, "add_arrivals", watch)
    seconds = [NOW + timedelta(seconds=one) for one in (0, 1, 59, 60, 61)]
    await say(database, brand, {"age": 3, "gone": None, "nul\0": 1}, seconds)
    await say(database, brand, {"age": 4}, [NOW + timedelta(seconds=119)])
    await say(database, brand, {"age": 5, "size": 1}, [NOW - timedelta(days=3), NOW + timedelta(seconds=30)])
    assert written == [{"age": 2}, {"age": 1, "size": 2}]
    async with database.read() as tx:
        rows = await tx.rows("select trait, arrival_count, first_at, last_at from facts.trait_arrivals order by trait")
    early = NOW - timedelta(days=3)
    assert rows == [("age", 3, early, NOW + timedelta(minutes=1)), ("size", 2, early, NOW)]


async def test_a_declared_trait_has_not_arrived(database: Database, brand: Brand) -> None:
    async with database.write() as tx:
        await setting_traits.declare_trait(tx, brand, "a", type_name="number", personal=False, now=NOW)
        assert await tx.rows("select * from facts.trait_arrivals") == []
