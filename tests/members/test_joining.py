"""Who is behind an event, on a real PostgreSQL."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from regulars.kernel.ids import OriginId
from regulars.members.identity import Identity
from regulars.members.service import changing, joining, merging, reading
from regulars.members.service.joining import Claim
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

Resolve = Callable[..., Awaitable[list[OriginId | None]]]


def claim(**identities: str) -> Claim:
    return tuple(Identity(kind, value) for kind, value in identities.items())


@pytest.fixture
def resolve(database: Database, brand: Brand) -> Resolve:
    async def run(*claims: Claim) -> list[OriginId | None]:
        async with database.write() as tx:
            await joining.lock_brand(tx, brand)
            origins = await joining.resolve_claims(tx, brand, claims, now=NOW)
        return [origins.get(claim) for claim in claims]

    return run


async def find(database: Database, brand: Brand, kind: str, value: str) -> dict[str, Any] | None:
    async with database.read() as tx:
        shown = await reading.show_members(tx, brand, await reading.list_by_identity(tx, brand, kind, value), now=NOW)
    return shown[0] if shown else None


async def conflicts(database: Database, brand: Brand) -> list[tuple[str, str]]:
    async with database.read() as tx:
        rows = await reading.list_conflicts(tx, brand, after=0, limit=100)
    return [(row["kind"], row["reason"]) for row in rows]


async def test_one_identity_is_one_member(database: Database, brand: Brand, resolve: Resolve) -> None:
    first = await resolve(claim(user_id="u1"), claim(user_id="u1"), claim(user_id="u2"))
    again = await resolve(claim(user_id="u2"), claim(user_id="u1"))
    assert first == [again[1], again[1], again[0]]
    assert again[0] != again[1]


async def test_anonymous_becomes_known(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(anonymous_id="a1"))
    before = await find(database, brand, "anonymous_id", "a1")
    await resolve(claim(user_id="u1", anonymous_id="a1"))
    after = await find(database, brand, "user_id", "u1")
    assert before and after and before["id"] == after["id"]
    assert {(i["kind"], i["value"]) for i in after["identities"]} == {("user_id", "u1"), ("anonymous_id", "a1")}


async def test_two_known_members_are_joined_and_the_one_with_a_user_id_is_kept(
    database: Database, brand: Brand, resolve: Resolve
) -> None:
    await resolve(claim(anonymous_id="a1"))
    await resolve(claim(user_id="u1"))
    known = await find(database, brand, "user_id", "u1")
    await resolve(claim(user_id="u1", anonymous_id="a1"))
    joined = await find(database, brand, "anonymous_id", "a1")
    assert known and joined and joined["id"] == known["id"]


async def test_a_second_user_id_is_a_conflict(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(user_id="u1", anonymous_id="shared"))
    await resolve(claim(user_id="u2", anonymous_id="shared"), claim(user_id="u2", anonymous_id="shared"))
    one, two = await find(database, brand, "user_id", "u1"), await find(database, brand, "user_id", "u2")
    assert one and two and one["id"] != two["id"]
    assert await conflicts(database, brand) == [("anonymous_id", "second_user_id")]


async def test_a_family_phone_is_a_conflict_and_never_a_chain(
    database: Database, brand: Brand, resolve: Resolve
) -> None:
    phone = "+886912345678"
    for number in range(1, 4):
        await resolve(claim(user_id=f"u{number}", phone=phone))
    ids = {(await find(database, brand, "user_id", f"u{n}") or {})["id"] for n in range(1, 4)}
    assert len(ids) == 3
    assert await conflicts(database, brand) == [("phone", "unverified")] * 2


async def test_a_phone_alone_finds_its_member(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(card="C1", phone="+886912345678"))
    (origin,) = await resolve(claim(phone="+886912345678"))
    member = await find(database, brand, "card", "C1")
    assert origin is not None and member is not None
    assert {i["kind"] for i in member["identities"]} == {"card", "phone"}


async def test_personal_identities_are_sealed(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(card="C-778899", email="wang@example.com", phone="+886912345678"))
    async with database.read() as tx:
        dump = str(await tx.rows("select * from members_identities"))
    assert "778899" not in dump and "wang" not in dump and "912345678" not in dump
    async with database.read() as tx:
        assert len(await reading.list_by_last_four(tx, brand, "8899", after=0, limit=9)) == 1


async def test_the_fifty_first_identity_is_a_conflict(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(*(claim(user_id="u1", anonymous_id=f"a{n}") for n in range(60)))
    member = await find(database, brand, "user_id", "u1")
    assert member and len(member["identities"]) == 50
    assert await conflicts(database, brand) == [("anonymous_id", "too_many_identities")] * 11


async def test_members_get_dense_numbers(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(*(claim(user_id=f"u{n}") for n in range(5)))
    await resolve(claim(anonymous_id="a1"), claim(user_id="u9"), claim(user_id="u9", anonymous_id="a1"))
    async with database.read() as tx:
        rows = await tx.rows("select member_no from members_members order by member_no")
    assert [row[0] for row in rows] == list(range(6))


async def test_merge_and_unmerge_give_back_exactly(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(user_id="u1"), claim(user_id="u2", anonymous_id="a2"))
    one, two = await find(database, brand, "user_id", "u1"), await find(database, brand, "user_id", "u2")
    assert one and two
    async with database.write() as tx:
        answer = await changing.merge_by_hand(tx, brand, keep=one["id"], merge=two["id"], now=NOW)
    assert {i["value"] for i in answer["member"]["identities"]} == {"u1", "u2", "a2"}
    joined = await find(database, brand, "user_id", "u2")
    assert joined and joined["id"] == one["id"]
    async with database.write() as tx:
        await changing.unmerge_by_hand(tx, brand, answer["merge"], now=NOW)
    assert await find(database, brand, "user_id", "u1") == one
    assert await find(database, brand, "user_id", "u2") == two


async def test_members_taken_apart_are_not_joined_again(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(user_id="u1"))
    await resolve(claim(anonymous_id="a1"))
    await resolve(claim(user_id="u1", anonymous_id="a1"))
    async with database.write() as tx:
        rows = await tx.rows("select merge_id from members_merges")
        await joining.lock_brand(tx, brand)
        await merging.unmerge(tx, brand, rows[0][0], now=NOW)
    await resolve(claim(user_id="u1", anonymous_id="a1"))
    one, other = await find(database, brand, "user_id", "u1"), await find(database, brand, "anonymous_id", "a1")
    assert one and other and one["id"] != other["id"]
    assert await conflicts(database, brand) == [("anonymous_id", "merge_undone")]


async def test_families_taken_apart_are_not_joined_again(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(user_id="k"), claim(user_id="z"), claim(anonymous_id="m"))
    found = [await find(database, brand, *key) for key in (("anonymous_id", "m"), ("user_id", "k"), ("user_id", "z"))]
    m, k, z = (member["id"] for member in found if member)
    async with database.write() as tx:
        first = await changing.merge_by_hand(tx, brand, keep=k, merge=m, now=NOW)
        await changing.merge_by_hand(tx, brand, keep=z, merge=k, now=NOW)
        await changing.unmerge_by_hand(tx, brand, first["merge"], now=NOW)
    await resolve(claim(user_id="z", anonymous_id="m"))
    one, other = await find(database, brand, "user_id", "z"), await find(database, brand, "anonymous_id", "m")
    assert one and other and (one["id"], other["id"]) == (z, m)
    assert await conflicts(database, brand) == [("anonymous_id", "merge_undone")]


async def test_members_taken_apart_do_not_meet_in_a_third(database: Database, brand: Brand, resolve: Resolve) -> None:
    await resolve(claim(user_id="u"), claim(anonymous_id="a"), claim(anonymous_id="b"))
    found = [await find(database, brand, *key) for key in (("user_id", "u"), ("anonymous_id", "a"))]
    u, a = (member["id"] for member in found if member)
    async with database.write() as tx:
        answer = await changing.merge_by_hand(tx, brand, keep=u, merge=a, now=NOW)
        await changing.unmerge_by_hand(tx, brand, answer["merge"], now=NOW)
    await resolve(
        claim(anonymous_id="a", line="new"), claim(anonymous_id="b", line="new"), claim(user_id="u", line="new")
    )
    one, other = await find(database, brand, "user_id", "u"), await find(database, brand, "anonymous_id", "b")
    assert one and other and (one["id"], other["id"]) == (u, a)
    assert await conflicts(database, brand) == [("line", "merge_undone")]
