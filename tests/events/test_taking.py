"""Taking calls on a real PostgreSQL: once each, in order, under the right origin."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from regulars.events.model import Call
from regulars.events.segment import parse_calls, to_microseconds
from regulars.events.service import reading, taking
from regulars.events.service.taking import OriginMemory, Outcome, ensure_months, take_calls
from regulars.events.service.writing import EventWriter
from regulars.members.service import changing, erasing
from regulars.members.service import reading as members
from regulars.platform.db import Database
from regulars.platform.tenancy import Brand
from tests.conftest import NOW

pytestmark = pytest.mark.anyio

Take = Callable[..., Awaitable[list[Outcome]]]


def calls_of(brand: Brand, *messages: dict[str, Any], received_at: int = to_microseconds(NOW)) -> list[Call]:
    whole = [{"type": "track", "event": "E", "userId": "u1", **message} for message in messages]
    calls, rejected = parse_calls(whole, brand=brand, source_id=1, received_at=received_at)
    assert not rejected, rejected
    return calls


@pytest.fixture
async def months(database: Database) -> None:
    async with database.write() as tx:
        await ensure_months(tx, NOW)


@pytest.fixture
def take(database: Database, brand: Brand, months: None) -> Take:
    memory = OriginMemory()

    async def run(*messages: dict[str, Any]) -> list[Outcome]:
        async with database.write() as tx:
            taken = await take_calls(tx, brand, calls_of(brand, *messages), now=NOW, memory=memory)
        memory.remember(brand.brand_id, taken)
        return taken.outcomes

    return run


async def member_id(database: Database, brand: Brand, user_id: str) -> str:
    async with database.read() as tx:
        (found,) = await members.list_by_identity(tx, brand, "user_id", user_id)
    return members.member_text(found)


async def events_of(database: Database, brand: Brand, user_id: str) -> list[str]:
    member = await member_id(database, brand, user_id)
    async with database.read() as tx:
        rows, _ = await reading.list_member_events(tx, brand, member, cursor=None, limit=1000)
    return [row["message_id"] for row in rows]


async def test_a_message_is_taken_once_within_a_batch_and_across(take: Take, database: Database, brand: Brand) -> None:
    assert await take({"messageId": "a"}, {"messageId": "a"}, {"messageId": "b"}) == ["written", "known", "written"]
    assert await take({"messageId": "b"}, {"messageId": "c"}) == ["known", "written"]
    assert sorted(await events_of(database, brand, "u1")) == ["a", "b", "c"]


async def test_another_sources_message_of_the_same_id_is_another(take: Take, database: Database, brand: Brand) -> None:
    await take({"messageId": "a"})
    calls = calls_of(brand, {"messageId": "a"})
    imported, _ = parse_calls(
        [{"type": "track", "event": "E", "userId": "u1", "messageId": "a"}],
        brand=brand,
        source_id=taking.IMPORT_SOURCE_ID,
        received_at=calls[0].received_at,
    )
    async with database.write() as tx:
        taken = await take_calls(tx, brand, imported, now=NOW, memory=OriginMemory())
    assert taken.outcomes == ["written"]


async def test_after_36_days_the_door_has_forgotten(take: Take, database: Database, brand: Brand) -> None:
    await take({"messageId": "a"})
    later = NOW + timedelta(days=36)
    async with database.write() as tx:
        await ensure_months(tx, later)
        calls = calls_of(brand, {"messageId": "a"}, received_at=to_microseconds(later))
        taken = await take_calls(tx, brand, calls, now=later, memory=OriginMemory())
    assert taken.outcomes == ["written"]


async def test_seqs_are_dense_and_seen_in_order_of_commit(database: Database, brand: Brand, months: None) -> None:
    """Eight writers at once; a reader never sees a seq whose lower ones are missing."""
    done = asyncio.Event()
    holes: list[list[int]] = []

    async def write(number: int) -> None:
        memory = OriginMemory()
        for turn in range(6):
            messages = [{"messageId": f"{number}-{turn}-{at}", "userId": f"u{at}"} for at in range(5)]
            async with database.write() as tx:
                taken = await take_calls(tx, brand, calls_of(brand, *messages), now=NOW, memory=memory)
            memory.remember(brand.brand_id, taken)

    async def watch() -> None:
        while not done.is_set():
            async with database.read() as tx:
                seqs = [row[0] for row in await tx.rows("select seq from events_tail order by seq")]
            if seqs != list(range(1, len(seqs) + 1)):
                holes.append(seqs)
            await asyncio.sleep(0)

    watcher = asyncio.create_task(watch())
    await asyncio.gather(*(write(number) for number in range(7)))
    done.set()
    await watcher
    assert not holes
    async with database.read() as tx:
        assert (await tx.row("select count(*) from events_tail")) == (7 * 6 * 5,)


async def test_sixteen_writers_of_one_message_write_it_once(database: Database, brand: Brand, months: None) -> None:
    async def write() -> list[Outcome]:
        async with database.write() as tx:
            taken = await take_calls(tx, brand, calls_of(brand, {"messageId": "a"}), now=NOW, memory=OriginMemory())
        return taken.outcomes

    outcomes = await asyncio.gather(*(write() for _ in range(16)))
    assert sorted(outcome for (outcome,) in outcomes) == ["known"] * 15 + ["written"]


async def test_a_remembered_origin_is_forgotten_when_its_identity_leaves(
    take: Take, database: Database, brand: Brand
) -> None:
    await take({"messageId": "a"})
    first = await member_id(database, brand, "u1")
    async with database.write() as tx:
        await changing.remove_identity(tx, brand, first, "user_id", "u1")
    await take({"messageId": "b"})
    second = await member_id(database, brand, "u1")
    assert second != first
    assert await events_of(database, brand, "u1") == ["b"]


async def test_events_follow_a_merge_and_come_back(take: Take, database: Database, brand: Brand) -> None:
    await take({"messageId": "a"}, {"messageId": "b", "userId": "u2"})
    one, two = await member_id(database, brand, "u1"), await member_id(database, brand, "u2")
    async with database.write() as tx:
        answer = await changing.merge_by_hand(tx, brand, keep=one, merge=two, now=NOW)
    await take({"messageId": "c", "userId": "u2"})
    assert sorted(await events_of(database, brand, "u1")) == ["a", "b", "c"]
    async with database.write() as tx:
        await changing.unmerge_by_hand(tx, brand, answer["merge"], now=NOW)
    assert await events_of(database, brand, "u1") == ["a"]
    assert sorted(await events_of(database, brand, "u2")) == ["b", "c"]


async def test_an_erased_members_later_calls_are_dropped(take: Take, database: Database, brand: Brand) -> None:
    await take({"messageId": "a"})
    async with database.write() as tx:
        await erasing.erase_member(tx, brand, await member_id(database, brand, "u1"), now=NOW)
    assert await take({"messageId": "b"}, {"messageId": "c", "userId": "u2"}) == ["dropped", "written"]


async def test_personal_properties_never_reach_the_tail(take: Take, database: Database, brand: Brand) -> None:
    async with database.write() as tx:
        await reading.set_personal_properties(tx, brand, ["diagnosis"])
    await take({"messageId": "a", "properties": {"diagnosis": "flu", "shelf": 7}})
    async with database.read() as tx:
        assert await tx.row("select properties from events_tail") == ('{"shelf":7}',)


async def test_an_alias_joins_even_two_user_ids(take: Take, database: Database, brand: Brand) -> None:
    await take({"messageId": "a", "userId": "old"}, {"messageId": "b", "userId": "new"})
    await take({"type": "alias", "messageId": "c", "previousId": "old", "userId": "new"})
    assert sorted(await events_of(database, brand, "new")) == ["a", "b"]
    assert await member_id(database, brand, "old") == await member_id(database, brand, "new")


async def test_an_alias_of_nobody_makes_the_id_the_members(take: Take, database: Database, brand: Brand) -> None:
    await take({"type": "alias", "messageId": "c", "previousId": "anon", "userId": "new"})
    await take({"messageId": "d", "userId": None, "anonymousId": "anon"})
    assert await events_of(database, brand, "new") == ["d"]


async def test_requests_that_wait_together_are_each_answered(database: Database, brand: Brand) -> None:
    writer = EventWriter(database, lambda: NOW)
    batches = [calls_of(brand, {"messageId": f"{n}"}, {"messageId": "same"}) for n in range(20)]
    answers = await asyncio.gather(*(writer.write(brand, 1, to_microseconds(NOW), calls, []) for calls in batches))
    assert [answer.outcomes[0] for answer in answers] == ["written"] * 20
    assert sorted(answer.outcomes[1] for answer in answers) == ["known"] * 19 + ["written"]


async def test_a_request_that_cannot_be_written_fails_no_other(database: Database, brand: Brand) -> None:
    writer = EventWriter(database, lambda: NOW)
    good, bad = calls_of(brand, {"messageId": "good"}), calls_of(brand, {"messageId": "bad"})
    bad[0].row_rest = b"no row at all"
    outcomes = await asyncio.gather(
        *(writer.write(brand, 1, to_microseconds(NOW), calls, []) for calls in (good, bad)), return_exceptions=True
    )
    assert getattr(outcomes[0], "outcomes", None) == ["written"]
    assert isinstance(outcomes[1], Exception)
    assert await events_of(database, brand, "u1") == ["good"]
