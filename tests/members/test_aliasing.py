"""`alias` on a real PostgreSQL: who may be joined by it, and who not."""

import pytest

from regulars.members.errors import TooManyIdentities
from regulars.members.service import aliasing, changing, erasing, joining
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW
from tests.members.test_joining import claim, conflicts, find

pytestmark = pytest.mark.anyio


async def alias(database: Database, brand: Brand, user_id: str, previous_id: str) -> None:
    said = claim(user_id=user_id)
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        await joining.resolve_claims(tx, brand, [said], now=NOW)
        await aliasing.join_alias(tx, brand, said, previous_id, now=NOW)


async def arrive(database: Database, brand: Brand, *claims: joining.Claim) -> None:
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        await joining.resolve_claims(tx, brand, claims, now=NOW)


async def test_an_id_that_nobody_had_becomes_the_members(database: Database, brand: Brand) -> None:
    await alias(database, brand, "u1", "before")
    member = await find(database, brand, "anonymous_id", "before")
    assert member and {identity["value"] for identity in member["identities"]} == {"u1", "before"}


@pytest.mark.parametrize("kind", ["user_id", "anonymous_id"])
async def test_an_erased_id_stays_erased(database: Database, brand: Brand, kind: str) -> None:
    await arrive(database, brand, claim(**{kind: "erased"}))
    gone = await find(database, brand, kind, "erased")
    assert gone
    async with database.write() as tx:
        await erasing.erase_member(tx, brand, gone["id"], now=NOW)
    await alias(database, brand, "u1", "erased")
    assert await find(database, brand, "user_id", "erased") is None
    assert await find(database, brand, "anonymous_id", "erased") is None
    member = await find(database, brand, "user_id", "u1")
    assert member and len(member["identities"]) == 1


async def test_an_alias_joins_no_more_identities_than_a_member_may_have(database: Database, brand: Brand) -> None:
    await arrive(database, brand, *(claim(user_id="u1", anonymous_id=f"a{n}") for n in range(30)))
    await arrive(database, brand, *(claim(user_id="u2", anonymous_id=f"b{n}") for n in range(30)))
    await alias(database, brand, "u1", "u2")
    one, two = await find(database, brand, "user_id", "u1"), await find(database, brand, "user_id", "u2")
    assert one and two and one["id"] != two["id"]
    assert await conflicts(database, brand) == [("user_id", "too_many_identities")]
    async with database.write() as tx:
        with pytest.raises(TooManyIdentities):
            await changing.merge_by_hand(tx, brand, keep=one["id"], merge=two["id"], now=NOW)


async def test_an_alias_attaches_no_more_identities_than_a_member_may_have(database: Database, brand: Brand) -> None:
    await arrive(database, brand, *(claim(user_id="u1", anonymous_id=f"a{n}") for n in range(48)))
    await alias(database, brand, "u1", "fresh")
    one, two = await find(database, brand, "user_id", "u1"), await find(database, brand, "user_id", "fresh")
    assert one and two and one["id"] != two["id"]
    assert len(one["identities"]) == 49
    assert {identity["kind"] for identity in two["identities"]} == {"user_id", "anonymous_id"}
    assert await conflicts(database, brand) == [("user_id", "too_many_identities")]


async def test_an_alias_of_who_is_known_by_a_sealed_identity_only(database: Database, brand: Brand) -> None:
    said = claim(card="C-1")
    await arrive(database, brand, said)
    async with database.write() as tx:
        await joining.lock_brand(tx, brand)
        await aliasing.join_alias(tx, brand, said, "before", now=NOW)
    member = await find(database, brand, "card", "C-1")
    assert member and {identity["value"] for identity in member["identities"]} == {"C-1", "before"}
