"""Vouchers are issued within their pools' limits, also where many ask at once."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest

from regulars.loyalty.holding import ALPHABET, CODE_CHARACTERS
from regulars.members.service import changing
from tests.loyalty.till import Till
from tests.loyalty.till import till as till

pytestmark = pytest.mark.anyio


def pool(name: str = "half", **fields: Any) -> dict[str, Any]:
    return {"name": name, "codes": "generated", "discount": {"percent": "50"}, **fields}


async def test_codes_are_generated_and_end_in_time(till: Till) -> None:
    await till.put(vouchers=[pool(valid="30d")])
    a = await till.join("a")
    first, second = await till.issue("half", a), await till.issue("half", a)
    assert first["code"] != second["code"]
    assert len(first["code"]) == CODE_CHARACTERS and set(first["code"]) <= set(ALPHABET)
    assert first == {"code": first["code"], "pool": "half", "state": "issued", "valid_until": "2026-12-22T06:00:00Z"}
    assert await till.held(a) == [second, first]
    till.wait(days=30)
    assert [one["state"] for one in await till.held(a)] == ["expired", "expired"]
    assert await till.reserve(first["code"], a) == "voucher.expired"


async def test_a_pools_last_day_ends_its_vouchers(till: Till) -> None:
    await till.put(vouchers=[pool(valid="30d", window={"from": "2026-11-01", "until": "2026-11-30"})])
    told = await till.issue("half", await till.join("a"))
    assert told["valid_until"] == "2026-11-30T16:00:00Z", "the day's end in Taipei"


async def test_what_is_not_there_is_named(till: Till) -> None:
    await till.put(vouchers=[pool()])
    a = await till.join("a")
    assert await till.issue("hlaf", a) == "voucher.pool_unknown"
    assert await till.issue("half", "m999") == "member.unknown"
    await till.put("other", vouchers=[pool()])
    assert await till.issue("half", a) == "programme.ambiguous"


async def test_a_programme_that_is_over_issues_nothing(till: Till) -> None:
    await till.put(vouchers=[pool()], valid={"from": "2026-11-01", "until": "2026-11-22"})
    a = await till.join("a")
    code = await till.issue_code("half", a)
    till.wait(days=1)
    assert await till.issue("half", a) == "programme.not_valid"
    assert (await till.reserve(code, a))["state"] == "reserved", "what was given is used"


async def test_the_last_one_goes_to_exactly_one(till: Till) -> None:
    await till.put(vouchers=[pool(stock=2)])
    who = [await till.join(user) for user in "abcd"]
    await till.issue_code("half", who[0])
    told = await till.race("loyalty_pools", *(till.issue("half", one) for one in who))
    assert [one for one in told if isinstance(one, str)] == ["voucher.out_of_stock"] * 3
    assert await till.counted("half") == (2, "0")


async def test_listed_codes_are_given_once_and_a_longer_list_goes_on(till: Till) -> None:
    codes = [f"K{number}" for number in range(40)]
    await till.put(vouchers=[pool(codes=codes[:3])])
    a = await till.join("a")
    given = [await till.issue_code("half", a) for _ in range(3)]
    assert given == codes[:3]
    assert await till.issue("half", a) == "voucher.out_of_stock"
    await till.put(vouchers=[pool(codes=list(reversed(codes))), pool("other", codes=["K39", "K0", "X"])])
    assert await till.issue_code("half", a) == "K39"
    assert await till.issue_code("other", a) == "X", "codes of other pools are skipped"
    rest = [await till.issue_code("half", a) for _ in range(36)]
    assert sorted([*given, "K39", *rest]) == sorted(codes)
    assert await till.issue("half", a) == "voucher.out_of_stock"


async def test_stock_follows_the_version_in_force(till: Till) -> None:
    await till.put(vouchers=[pool(stock=1)])
    a = await till.join("a")
    code = await till.issue_code("half", a)
    assert await till.issue("half", a) == "voucher.out_of_stock"
    await till.put(vouchers=[pool(stock=2, discount={"amount": "30"})])
    await till.issue_code("half", a)
    assert (await till.reserve(code, a, amount="100"))["discount"] == "30"
    await till.put(vouchers=[])
    assert await till.issue("half", a) == "voucher.pool_unknown"
    assert (await till.confirm(code, a))["state"] == "used", "a code that was issued stays"


async def test_a_members_limit_holds_under_a_race_and_after_a_merge(till: Till) -> None:
    await till.put(vouchers=[pool(per_member=2)])
    a, b = await till.join("a"), await till.join("b")
    await till.issue_code("half", b)
    told = await till.race("loyalty_pools", *(till.issue("half", a) for _ in range(4)))
    assert [one for one in told if isinstance(one, str)] == ["voucher.per_member"] * 2
    await till.issue_code("half", b)
    await till.merge(a, b)
    assert len(await till.held(a)) == len(await till.held(b)) == 4
    assert await till.issue("half", a) == "voucher.per_member"


async def test_a_limit_knows_who_comes_back_under_another_user_id(till: Till) -> None:
    await till.put(vouchers=[pool(per_member=1)])
    a = await till.join("a", email="one@example.com", phone="+886912345678")
    await till.issue_code("half", a)
    async with till.database.write() as tx:
        for kind, value in (("email", "one@example.com"), ("phone", "+886912345678")):
            await changing.remove_identity(tx, till.brand, a, kind, value)
    assert await till.issue("half", await till.join("b", email="One@Example.com")) == "voucher.per_member"
    assert await till.issue("half", await till.join("c", phone="0912345678")) == "voucher.per_member"
    shared = {"anonymous_id": "browser", "email": "two@example.com"}
    await till.issue_code("half", await till.join("d", **shared))
    async with till.database.write() as tx:
        await changing.remove_identity(tx, till.brand, await till.join("d"), "anonymous_id", "browser")
    assert "code" in await till.issue("half", await till.join("e", anonymous_id="browser")), "a browser is nobody"


async def test_a_cause_brings_one_voucher(till: Till) -> None:
    await till.put(vouchers=[pool(stock=2), pool("other", stock=9)])
    a, b = await till.join("a"), await till.join("b")
    code = await till.cause("half", a, "order 1")
    assert code is not None
    assert await till.race("loyalty_pools", *(till.cause("half", a, "order 1") for _ in range(3))) == [code] * 3
    assert await till.cause("other", a, "order 1") == code, "whatever the pool"
    assert await till.cause("half", b, "order 1") not in (None, code)
    assert await till.cause("half", a, "order 2") is None, "none is left"
    await till.merge(b, a)
    assert await till.cause("half", b, "order 1") is not None
    assert (await till.counted("half"))[0] == 2


async def test_two_pools_never_bring_two_vouchers_for_one_cause(till: Till) -> None:
    await till.put(vouchers=[pool(), pool("other")])
    a = await till.join("a")
    await till.issue_code("half", a)
    await till.issue_code("other", a)
    first, second = await till.race("loyalty_pools", till.cause("half", a, "x"), till.cause("other", a, "x"))
    assert first == second
    assert len(await till.held(a)) == 3


async def test_a_partner_says_who_is_new(till: Till) -> None:
    await till.put(vouchers=[pool(new_to="partner")])
    known, new = await till.join("a", email="Known@example.com"), await till.join("b", email="new@example.com")
    assert await till.issue("half", new) == "voucher.not_new", "the partner has said nothing yet"
    hashed = hashlib.sha256(b"known@example.com").hexdigest()
    assert await till.tell_customers("partner", hashed, hashed.upper(), "0" * 64) == {"count": 2}
    assert await till.issue("half", known) == "voucher.not_new"
    assert await till.issue("half", await till.join("c")) == "voucher.not_new", "nobody can say it of them"
    await till.issue_code("half", new)
    assert await till.tell_customers("partner", "1" * 64, "0" * 64, replace=False) == {"count": 3}
    assert await till.tell_customers("partner", "1" * 64) == {"count": 1}
    await till.issue_code("half", known)
    assert await till.tell_customers("partner", "known@example.com") == "partner.invalid"
    assert await till.tell_customers("a/b") == "partner.invalid"


async def test_what_is_kept_of_a_partners_list_is_keyed(till: Till) -> None:
    hashed = hashlib.sha256(b"known@example.com").hexdigest()
    await till.tell_customers("partner", hashed)
    async with till.database.read() as tx:
        ((kept,),) = await tx.rows("select digest from loyalty_customers")
    assert bytes(kept).hex() not in hashed and len(kept) == 16


async def test_reservations_that_are_over_hold_no_room_of_a_generic_code(till: Till) -> None:
    await till.put(vouchers=[pool(codes={"generic": "HELLO"}, stock=1, per_member=1, budget="60")])
    a, b = await till.join("a"), await till.join("b")
    told = await till.reserve("HELLO", a, order_id="o1", amount="100", until=till.now + timedelta(minutes=1))
    assert (told["state"], told["discount"]) == ("reserved", "50.00")
    assert await till.reserve("HELLO", b, order_id="o2", amount="100") == "voucher.out_of_stock"
    till.wait(minutes=1)
    assert await till.held(a) == []
    assert await till.quote(b, "100", "HELLO") == ("50.00", {"HELLO": "50.00"}, {})
    assert (await till.reserve("HELLO", b, order_id="o2", amount="100"))["state"] == "reserved"
    assert await till.confirm("HELLO", a, "o1") == "voucher.state"
    assert await till.counted("half") == (1, "50.00")
    assert (await till.release("HELLO", b, "o2"))["state"] == "issued"
    assert (await till.release("HELLO", b, "o2"))["state"] == "issued", "again"
    assert await till.counted("half") == (0, "0.00")
