"""Many merges at once: the same as one after the other, in a few queries."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.kernel.ids import MemberId
from regulars.members.service import changing, joining, merging, reading
from regulars.members.service.setting_traits import TraitUpdate, set_traits
from regulars.platform.db import Database, ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.members.test_joining import claim

pytestmark = pytest.mark.anyio


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=20))
def test_waves_keep_what_depends_in_order(asked: list[tuple[int, int]]) -> None:
    pairs: list[tuple[MemberId, MemberId]] = []
    gone: set[int] = set()
    for kept, merged in asked:
        if kept != merged and not {kept, merged} & gone:
            pairs.append((MemberId(kept), MemberId(merged)))
            gone.add(merged)
    waves = merging.list_waves(pairs)
    assert sorted(pair for wave in waves for pair in wave) == sorted(pairs)
    for wave in waves:
        assert not {kept for kept, _ in wave} & {merged for _, merged in wave}
    place = {pair: number for number, wave in enumerate(waves) for pair in wave}
    for kept, merged in pairs:
        assert all(place[pair] < place[kept, merged] for pair in pairs if pair[0] == merged)


async def arrive(database: Database, brand: Brand, count: int) -> list[str]:
    """So many members with a trait and a consent each."""
    claims = [claim(user_id=f"u{number}") for number in range(count)]
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        origins = await joining.resolve_claims(tx, brand, claims, now=NOW)
        updates = [TraitUpdate(origins[claims[number]], {f"t{number}": number}, NOW) for number in range(count)]
        await set_traits(tx, brand, updates, now=NOW)
        ids = [
            reading.member_text((await reading.list_by_identity(tx, brand, "user_id", f"u{number}"))[0])
            for number in range(count)
        ]
        for number, member in enumerate(ids):
            said = {"granted": number != 4, "proof": {"source": "test"}, "now": NOW}
            await changing.put_consent(tx, brand, member, "line", "marketing", **said)
    return ids


async def show(database: Database, brand: Brand, ids: list[str]) -> list[dict[str, Any]]:
    async with database.read() as tx:
        return [await reading.get_member(tx, brand, member, now=NOW) for member in ids]


@pytest.mark.parametrize("undone", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
async def test_chains_of_one_call_are_as_if_said_one_by_one(
    database: Database, brand: Brand, undone: list[int]
) -> None:
    ids = await arrive(database, brand, 5)
    before = await show(database, brand, ids)
    numbers = [reading.parse_member_id(member) for member in ids]
    pairs = [(numbers[kept], numbers[merged]) for kept, merged in [(0, 1), (0, 2), (3, 0), (3, 4)]]
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        merge_ids = await merging.merge_members(tx, brand, pairs, cause="joined", now=NOW)
    (joined,) = {member["id"]: member for member in await show(database, brand, ids)}.values()
    assert joined["id"] == ids[3]
    assert joined["traits"] == {f"t{number}": number for number in range(5)}
    assert {identity["value"] for identity in joined["identities"]} == {f"u{number}" for number in range(5)}
    assert [consent["granted"] for consent in joined["consents"]] == [False]
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        freed = [await merging.unmerge(tx, brand, merge_ids[at], now=NOW) for at in undone]
    assert freed == [pairs[at][1] for at in undone]
    assert await show(database, brand, ids) == before


async def test_joining_many_takes_as_many_queries_as_joining_few(
    database: Database, brand: Brand, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []
    for kind, name in ((WriteTransaction, "execute"), (ReadTransaction, "rows"), (ReadTransaction, "row")):
        monkeypatch.setattr(kind, name, counted(getattr(kind, name), queries))
    counts: list[int] = []
    for round_, size in enumerate((2, 60)):
        known = [claim(user_id=f"{round_} {n}") for n in range(size)]
        seen = [claim(anonymous_id=f"{round_} {n}") for n in range(size)]
        async with database.write() as tx:
            await joining.lock_brand(tx, brand)
            await joining.resolve_claims(tx, brand, [*known, *seen], now=NOW)
            queries.clear()
            await joining.resolve_claims(tx, brand, [(*a, *b) for a, b in zip(known, seen, strict=True)], now=NOW)
            counts.append(len(queries))
    assert counts[0] == counts[1]


def counted(method: Any, queries: list[str]) -> Any:
    async def run(tx: ReadTransaction, query: Any, params: Any = None) -> Any:
        queries.append(query)
        return await method(tx, query, params)

    return run
