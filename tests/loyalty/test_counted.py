"""Whatever is done in whatever order: what a pool's row counts is what its vouchers say, and no limit is passed."""

import random
from decimal import Decimal
from typing import Any

import pytest

from tests.loyalty.test_vouchers import pool
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio

STEPS = 120
STOCK, PER_MEMBER, BUDGET = 7, 4, Decimal(160)
COUNTED = """
    select p.pool, p.issued_count, p.discounted, count(v.voucher_id), coalesce(sum(v.discount), 0)
    from loyalty_pools p left join loyalty_vouchers v using (brand_id, pool_id)
    group by p.pool, p.issued_count, p.discounted
"""


async def act(till: Till, chosen: random.Random, owners: dict[str, str], who: str) -> None:
    """One thing that a till may ask, often one that is refused."""
    code = chosen.choice([*owners, "HELLO"])
    asks = owners.get(code, who) if chosen.random() < 0.9 else who
    order = chosen.choice(["o1", "o2"])
    match chosen.choice(["issue", "reserve", "reserve", "confirm", "confirm", "release", "wait", "sweep"]):
        case "issue":
            name = chosen.choice(["half", "all"])
            told: Any = await till.issue(name, who)
            if name == "half" and not isinstance(told, str):
                owners[str(told["code"])] = who
        case "reserve":
            await till.reserve(code, asks, order_id=order, amount=chosen.choice(["20", "100"]))
        case "confirm":
            await till.confirm(code, asks, chosen.choice([order, None]))
        case "release":
            await till.release(code, asks, chosen.choice([order, None]))
        case "wait":
            till.wait(minutes=chosen.choice([1, 20]))
        case _:
            await till.sweep()


@pytest.mark.parametrize("seed", range(3))
async def test_a_pools_row_counts_what_there_is(till: Till, seed: int) -> None:
    limits: dict[str, Any] = {"stock": STOCK, "per_member": PER_MEMBER, "budget": str(BUDGET)}
    await till.put(vouchers=[pool(**limits), pool("all", codes={"generic": "HELLO"}, **limits)])
    chosen, owners = random.Random(seed), dict[str, str]()
    members = [await till.join(user) for user in "abc"]
    for _ in range(STEPS):
        await act(till, chosen, owners, chosen.choice(members))
        async with till.database.read() as tx:
            rows = await tx.rows(COUNTED)
        for _, issued, discounted, count, discounts in rows:
            assert (issued, discounted) == (count, discounts)
            assert issued <= STOCK and discounted <= BUDGET
    for member in members:
        held = [one["pool"] for one in await till.held(member)]
        assert max(held.count(name) for name in ("half", "all")) <= PER_MEMBER
    async with till.database.read() as tx:
        row = await tx.row("select count(*) from loyalty_vouchers where state = 'used'")
    assert row is not None and row[0] >= 2, "enough happened"
