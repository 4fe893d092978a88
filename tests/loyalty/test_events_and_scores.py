"""Places at staged events, and what scores bring."""

from typing import Any

import pytest

from tests.loyalty.test_rewards import TIERS
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-22", "2026-11-23"


def signing(**fields: Any) -> dict[str, Any]:
    return {"name": "signing", "capacity": 2, "stages": [{"from": TODAY}], **fields}


async def put(till: Till, *events: dict[str, Any]) -> None:
    await till.put(
        assets={"stars": {"qualifying": True}}, tiers=TIERS, badges=[{"name": "reader"}], events=list(events)
    )


async def test_stages_open_by_tier_and_badge(till: Till) -> None:
    stages = [{"from": TODAY, "tier": "gold"}, {"from": TODAY, "badge": "reader"}, {"from": TOMORROW}]
    await put(till, signing(stages=stages, capacity=9, until="2026-11-24"))
    gold, reader, nobody = [await till.join(user) for user in "abc"]
    await till.stand(gold, "gold")
    await till.stand(reader, "green", "reader")
    assert [await till.register("signing", one) for one in (gold, reader, nobody)] == [
        *("registered", "registered", "registration.not_open"),
    ]
    till.wait(days=1)
    assert await till.register("signing", nobody) == "registered"
    till.wait(days=1)
    assert await till.register("signing", await till.join("late")) == "registration.closed"
    assert await till.register("signing", gold) == "registered", "whoever has a place keeps it"
    assert await till.register("singing", gold) == "registration.unknown"


async def test_who_waits_moves_up_in_order(till: Till) -> None:
    await put(till, signing())
    a, b, c, d, e = [await till.join(user) for user in "abcde"]
    assert [await till.register("signing", one) for one in (a, b, c, d)] == [*["registered"] * 2, *["waiting"] * 2]
    assert [await till.cancel("signing", a), await till.cancel("signing", a)] == ["cancelled"] * 2
    assert [await till.register("signing", one) for one in (c, d, a)] == ["registered", "waiting", "waiting"]
    assert await till.cancel("signing", d) == "cancelled"
    await till.cancel("signing", b)
    assert await till.register("signing", a) == "registered", "it came last, and d is gone"
    assert await till.cancel("signing", e) == "registration.unknown"


async def test_more_places_let_in_who_waits(till: Till) -> None:
    await put(till, signing(capacity=1), signing(name="full", capacity=1, waiting_list=False))
    who = [await till.join(user) for user in "abc"]
    assert [await till.register("signing", one) for one in who] == ["registered", "waiting", "waiting"]
    assert [await till.register("full", one) for one in who[:2]] == ["registered", "registration.full"]
    await put(till, signing(capacity=2))
    assert await till.sweep() == 1
    async with till.database.read() as tx:
        rows = await tx.rows("select registered_count, waiting_count from loyalty_events where event = 'signing'")
    assert rows == [(2, 1)]


async def test_the_last_place_goes_to_exactly_one(till: Till) -> None:
    await put(till, signing())
    first, *others = [await till.join(user) for user in "abcd"]
    await till.register("signing", first)
    told = await till.race("loyalty_events", *(till.register("signing", one) for one in [*others, others[0]]))
    assert sorted(told[:3]) == ["registered", "waiting", "waiting"]
    assert told[3] == told[0]


async def test_a_merged_members_place_is_who_is_lefts(till: Till) -> None:
    await put(till, signing(capacity=1))
    a, b, c = [await till.join(user) for user in "abc"]
    assert [await till.register("signing", one) for one in (b, a, c)] == ["registered", "waiting", "waiting"]
    await till.merge(a, b)
    assert await till.register("signing", a) == "registered"
    assert await till.cancel("signing", a) == "cancelled"
    assert await till.register("signing", c) == "registered"


# --- scores --------------------------------------------------------------------------------------------------------------


def quiz(**five: Any) -> dict[str, Any]:
    names = ("five", "ten", "twenty")
    pools = [{"name": name, "codes": "generated", **(five if name == "five" else {})} for name in names]
    edges = zip((0, 50, 80), (50, 80, None), names, strict=True)
    ladder = [{"from": begin, "until": end, "voucher": name} for begin, end, name in edges]
    return {"vouchers": pools, "scores": [{"name": "quiz", "max": 100, "ladder": ladder}]}


@pytest.mark.parametrize(("score", "won"), [(0, "five"), (49, "five"), (50, "ten"), (80, "twenty"), (100, "twenty")])
async def test_a_score_brings_the_voucher_of_its_step_once(till: Till, score: int, won: str) -> None:
    await till.put(**quiz())
    a = await till.join("a")
    told = await till.score("quiz", a, score, "s1")
    assert (told["result"], told["voucher"]["pool"]) == ("created", won)
    assert await till.score("quiz", a, score, "s1") == {**told, "result": "exists"}
    assert await till.held(a) == [told["voucher"]]


async def test_one_score_a_local_day(till: Till) -> None:
    """It is 14:00 of Taipei."""
    await till.put(**quiz())
    a, b = await till.join("a"), await till.join("b")
    await till.score("quiz", a, 10, "s1")
    assert await till.score("quiz", a, 90, "s2") == "score.once_a_day"
    assert await till.score("quiz", a, 11, "s1") == await till.score("quiz", b, 10, "s1") == "score.conflict"
    till.wait(hours=10)
    assert (await till.score("quiz", a, 90, "s2"))["voucher"]["pool"] == "twenty"
    await till.merge(b, a)
    assert await till.score("quiz", b, 90, "s3") == "score.once_a_day", "both are one"


async def test_a_score_that_cannot_be_is_refused(till: Till) -> None:
    await till.put(**quiz())
    a = await till.join("a")
    assert [await till.score("quiz", a, score) for score in (-1, 101)] == ["score.invalid"] * 2
    assert await till.score("quzi", a, 1) == "score.unknown"
    assert await till.held(a) == []


async def test_a_pool_that_has_none_left_is_told_and_the_score_counts(till: Till) -> None:
    await till.put(**quiz(stock=1))
    a, b = await till.join("a"), await till.join("b")
    await till.score("quiz", a, 1)
    told = await till.score("quiz", b, 1, "s1")
    assert told == {"result": "created", "voucher": None, "refused": "voucher.out_of_stock"}
    assert await till.score("quiz", b, 1, "s1") == {**told, "result": "exists"}
    assert await till.score("quiz", b, 1, "s2") == "score.once_a_day"


async def test_the_same_score_at_once_brings_one_voucher(till: Till) -> None:
    await till.put(**quiz())
    a, b = await till.join("a"), await till.join("b")
    await till.score("quiz", b, 1)
    told = await till.race("loyalty_pools", till.score("quiz", a, 1, "s1"), till.score("quiz", a, 1, "s1"))
    assert sorted(one["result"] for one in told) == ["created", "exists"]
    assert len(await till.held(a)) == 1
