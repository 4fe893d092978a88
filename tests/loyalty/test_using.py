"""Vouchers are reserved, confirmed and released; budgets hold, and quotes say what reserving would."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.loyalty.test_vouchers import pool
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio


def states(*told: Any) -> list[str]:
    return [one if isinstance(one, str) else one["state"] for one in told]


async def test_an_order_reserves_and_uses_a_voucher(till: Till) -> None:
    await till.put(vouchers=[pool()])
    a, b = await till.join("a"), await till.join("b")
    code = await till.issue_code("half", a)
    told = await till.reserve(code, a, order_id="o1", amount="199.00")
    assert told == {
        "code": code,
        "pool": "half",
        "state": "reserved",
        "valid_until": None,
        "order_id": "o1",
        "discount": "99.50",
        "reserved_until": "2026-11-22T06:30:00Z",
    }
    till.wait(minutes=5)
    assert await till.reserve(code, a, order_id="o1", amount="199.00") == told, "the same again"
    assert await till.reserve(code, a, order_id="o1", amount="200.00") == "voucher.state"
    assert await till.reserve(code, a, order_id="o2") == "voucher.state"
    assert await till.reserve(code, a) == "voucher.state"
    assert states(await till.reserve(code, b), await till.confirm(code, b)) == ["voucher.not_theirs"] * 2
    assert states(await till.confirm(code, a, "o2"), await till.release(code, a, "o2")) == ["voucher.state"] * 2
    assert states(await till.confirm(code, a, "o1"), await till.confirm(code, a)) == ["used", "used"]
    assert states(await till.release(code, a), await till.reserve(code, a)) == ["voucher.state"] * 2
    assert await till.confirm(code, a, "o2") == "voucher.state"
    assert await till.reserve("NOTHING", a) == "voucher.unknown"


async def test_what_is_released_or_over_is_free(till: Till) -> None:
    await till.put(vouchers=[pool(budget="100")])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    assert states(await till.confirm(code, a), await till.release(code, a)) == ["voucher.state", "issued"]
    await till.reserve(code, a, order_id="o1", amount="200")
    assert await till.counted("half") == (1, "100.00")
    assert states(await till.release(code, a, "o1"), await till.release(code, a, "o1")) == ["issued", "issued"]
    assert await till.counted("half") == (1, "0.00")
    await till.reserve(code, a, order_id="o2", amount="200", until=till.now + timedelta(minutes=1))
    till.wait(minutes=1)
    assert [one["state"] for one in await till.held(a)] == ["issued"]
    assert await till.confirm(code, a, "o2") == "voucher.state"
    other = await till.issue_code("half", a)
    assert states(await till.reserve(other, a, order_id="o3", amount="200")) == ["reserved"], "the budget is free too"
    assert await till.counted("half") == (2, "100.00")


async def test_the_job_ends_what_is_over_and_is_safe_to_run_twice(till: Till) -> None:
    await till.put(vouchers=[pool(), pool("all", codes={"generic": "HELLO"})])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    for one in (code, "HELLO"):
        await till.reserve(one, a, order_id="o1", amount="200")
    assert await till.sweep() == 0
    till.wait(minutes=30)
    assert [await till.sweep(), await till.sweep()] == [2, 0]
    assert (await till.counted("half"), await till.counted("all")) == ((1, "0.00"), (0, "0.00"))
    async with till.database.read() as tx:
        rows = await tx.rows("select state, reserved_until, order_id, discount from loyalty_vouchers")
    assert rows == [("issued", None, None, None)]


async def test_a_confirmation_that_waited_past_its_time_is_refused_where_the_room_is_taken(till: Till) -> None:
    """Its clock was read before it waited; what counts is what stands when the pool is its own."""
    await till.put(vouchers=[pool(codes={"generic": "HELLO"}, stock=1)])
    a, b = await till.join("a"), await till.join("b")
    await till.reserve("HELLO", a, order_id="o1", until=till.now + timedelta(minutes=1))
    early = till.now
    till.wait(minutes=1)
    assert states(await till.reserve("HELLO", b, order_id="o2")) == ["reserved"]
    till.now = early
    assert await till.confirm("HELLO", a, "o1") == "voucher.state"
    assert await till.counted("half") == (1, "0")


async def test_windows_hours_and_orders(till: Till) -> None:
    """The order's own time decides, the reservation lasts by the present one. 2026-11-23 is a Monday."""
    hours = {"weekdays": [1], "from": "14:00", "until": "17:00"}
    limits: dict[str, Any] = {"hours": hours, "window": {"from": "2026-11-23"}, "order_at_least": "100", "valid": "30d"}
    await till.put(vouchers=[pool(**limits)])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    monday = datetime(2026, 11, 23, 6, tzinfo=UTC)
    assert await till.reserve(code, a, amount="100") == "voucher.window", "it is Sunday, the 22nd"
    assert await till.reserve(code, a, amount="100", at=monday + timedelta(hours=3)) == "voucher.hours"
    assert await till.reserve(code, a, amount="99.99", at=monday) == "voucher.order_at_least"
    assert await till.reserve(code, a, amount="100", at=monday + timedelta(days=35)) == "voucher.expired"
    told = await till.reserve(code, a, amount="100", at=monday)
    assert (told["state"], told["reserved_until"]) == ("reserved", "2026-11-22T06:30:00Z")


@pytest.mark.parametrize(
    "fields",
    [{"amount": "1,000"}, {"amount": "-1"}, {"amount": "1e3"}, {"until": timedelta(0)}, {"until": timedelta(days=32)}],
)
async def test_what_is_no_money_and_no_time_is_refused(till: Till, fields: dict[str, Any]) -> None:
    await till.put(vouchers=[pool()])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    told = {name: till.now + value if name == "until" else value for name, value in fields.items()}
    assert await till.reserve(code, a, **told) == "voucher.invalid"


async def test_a_budget_is_never_passed(till: Till) -> None:
    await till.put(vouchers=[pool(discount={"amount": "100"}, budget="250")])
    who = [await till.join(user) for user in "abcd"]
    codes = [await till.issue_code("half", one) for one in who]
    told = await till.race(
        "loyalty_pools",
        *(till.reserve(code, one, amount="500") for code, one in zip(codes, who, strict=True)),
    )
    assert sorted(states(*told)) == ["reserved", "reserved", "voucher.budget", "voucher.budget"]
    assert await till.counted("half") == (4, "200")
    first, second = [pair for pair, one in zip(zip(codes, who, strict=True), told, strict=True) if isinstance(one, str)]
    assert await till.quote(first[1], "500", first[0]) == ("500", {}, {first[0]: "budget"})
    assert states(await till.reserve(*first, amount="50")) == ["reserved"], "what is left is enough for it"
    await till.put(vouchers=[pool(discount={"percent": "10"}, budget="1000")])
    assert await till.reserve(*second) == "voucher.invalid", "a share of what?"


async def test_one_voucher_is_used_by_one_of_many_orders(till: Till) -> None:
    await till.put(vouchers=[pool()])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    told = await till.race("loyalty_pools", *(till.reserve(code, a, order_id=f"o{n}") for n in range(4)))
    assert sorted(states(*told)) == ["reserved", *["voucher.state"] * 3]


async def test_a_generic_code_serves_a_member_as_often_as_it_may(till: Till) -> None:
    await till.put(vouchers=[pool(codes={"generic": "HELLO"}, per_member=2, stock=5)])
    a, b = await till.join("a"), await till.join("b")
    await till.issue_code("half", b)
    told = await till.race(
        "loyalty_pools", *(till.reserve("HELLO", a, order_id=f"o{n}", amount="10") for n in range(4))
    )
    assert sorted(states(*told)) == ["reserved", "reserved", "voucher.per_member", "voucher.per_member"]
    first, second = [one["order_id"] for one in told if not isinstance(one, str)]
    assert await till.confirm("HELLO", a) == "voucher.state", "which of the two?"
    assert states(await till.confirm("HELLO", a, first), await till.confirm("HELLO", a)) == ["used", "used"]
    assert states(await till.confirm("HELLO", a, second), await till.release("HELLO", a, second)) == [
        "used",
        "voucher.state",
    ]
    assert await till.reserve("HELLO", a, order_id=first, amount="10") == "voucher.state"
    used = await till.reserve("HELLO", b, order_id="b1")
    assert used["state"] == "reserved", "the one that was issued"
    assert await till.counted("half") == (3, "10.00")
    assert states(await till.release("HELLO", b)) == ["issued"]
    assert [one["state"] for one in await till.held(b)] == ["issued"], "it was issued before, and stays"


async def test_a_merged_members_voucher_is_used_by_who_is_left(till: Till) -> None:
    await till.put(vouchers=[pool()])
    a, b = await till.join("a"), await till.join("b")
    code = await till.issue_code("half", b)
    await till.merge(a, b)
    assert states(await till.reserve(code, a), await till.confirm(code, b)) == ["reserved", "used"]


async def test_a_quote_is_the_same_in_any_order_and_says_why_not(till: Till) -> None:
    pools = [
        pool("tenth", discount={"percent": "10"}),
        pool("sum", discount={"amount": "150"}),
        pool("all", codes={"generic": "HELLO"}, discount={"amount": "50"}, stock=1),
        pool("alone", exclusive=True, priority=-1),
    ]
    await till.put(vouchers=pools)
    a, b = await till.join("a"), await till.join("b")
    tenth, money, alone = [await till.issue_code(name, a) for name in ("tenth", "sum", "alone")]
    used, theirs = await till.issue_code("sum", a), await till.issue_code("sum", b)
    await till.reserve(used, a)
    told = await till.quote(a, "1000", tenth, money, "HELLO", alone, used, theirs, "NO", tenth)
    assert told == await till.quote(a, "1000", "NO", theirs, used, alone, "HELLO", money, tenth)
    applied = {tenth: "100.00", money: "150", "HELLO": "50"}
    assert told == ("700.00", applied, {alone: "exclusive", used: "state", theirs: "not_theirs", "NO": "unknown"})
    await till.reserve("HELLO", b)
    assert (await till.quote(a, "1000", "HELLO"))[2] == {"HELLO": "out_of_stock"}
    assert sum(Decimal(one) for one in (await till.quote(a, "100", tenth, money))[1].values()) == 100
