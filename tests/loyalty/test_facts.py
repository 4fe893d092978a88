"""What members have, as conditions find it: whose it is, from when on, and until when."""

import json
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from regulars.conditions.closures import NOBODY_PERSONAL
from regulars.conditions.lower import lower_on_members
from regulars.conditions.parse import parse_tree
from regulars.conditions.spans import Times
from regulars.conditions.tree import list_leaves

BRAND = 70_007
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
PROGRAMME: dict[str, Any] = {
    "assets": {"stars": {"redeemable": True}},
    "tiers": {"asset": "stars", "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}]},
}
Cursor = psycopg.Cursor[Any]


@pytest.fixture
def rows(dsn: str) -> Generator[Cursor]:
    """Members 1 to 4 in force, 5 merged into 1; a programme of which 2 is gold. Gone at the end."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into access_brands (brand_id, name, data_key_wrapped, created_at) overriding system value"
            " values (%s, 'facts of loyalty', '', %s)",
            (BRAND, NOW),
        )
        for number in range(1, 6):
            state, into = ("merged", 1) if number == 5 else ("active", None)
            cursor.execute(
                "insert into members_members (brand_id, member_id, member_no, traits, created_at, state, merged_into)"
                " values (%s, %s, %s, '{}', %s, %s, %s)",
                (BRAND, number, number, NOW, state, into),
            )
        for version, written in ((1, {**PROGRAMME, "assets": {"old": {"redeemable": True}}}), (2, PROGRAMME)):
            cursor.execute(
                "insert into loyalty_programmes (brand_id, name, version, written, from_at, from_seq)"
                " values (%s, 'main', %s, %s, %s, 0)",
                (BRAND, version, json.dumps(written), NOW),
            )
        cursor.execute(
            "insert into loyalty_members (brand_id, programme, member_id, level, level_name, badges, missions)"
            " values (%s, 'main', 2, 1, 'gold', '{reader,early}', '{books}')",
            (BRAND,),
        )
        yield cursor
        connection.rollback()


def find(cursor: Cursor, said: object, as_of: datetime = NOW) -> str:
    """The numbers of the members in the leaf."""
    (leaf,) = list_leaves(parse_tree(said))
    (one,) = lower_on_members(leaf, Times(as_of, ZoneInfo("UTC")), BRAND, NOBODY_PERSONAL)
    found = {row[0] for row in cursor.execute(one.sql.encode(), one.parameters).fetchall()}
    return "".join(str(number) for number in range(1, 5) if (number in found) is not one.complement)


def test_everybody_is_at_the_lowest_level(rows: Cursor) -> None:
    assert find(rows, {"tier": {"at_least": "green"}}) == "1234"
    assert find(rows, {"tier": "green"}) == "134"
    assert find(rows, {"tier": {"at_least": "gold"}}) == find(rows, {"tier": "gold"}) == "2"


def test_badges_and_missions_are_found_by_name(rows: Cursor) -> None:
    assert find(rows, {"badge": "reader"}) == find(rows, {"badge": "early"}) == "2"
    assert find(rows, {"mission": {"name": "books", "state": "done"}}) == "2"
    assert find(rows, {"badge": "books"}) == find(rows, {"mission": {"name": "reader", "state": "done"}}) == ""


def test_the_newest_version_names_what_there_is(rows: Cursor) -> None:
    found = rows.execute("select kind, name from facts.programme_names where brand_id = %s", (BRAND,)).fetchall()
    assert sorted(found) == [("assets", "stars"), ("tiers", "gold"), ("tiers", "green")]


def insert_lots(cursor: Cursor, member: int, *lots: tuple[int, int, datetime, datetime | str], debt: int = 0) -> None:
    """(remaining, held, usable at, expires at) of an account of stars."""
    posted = sum(lot[0] for lot in lots) - debt
    asset = cursor.execute(
        "insert into ledger_assets (brand_id, code, funded) values (%s, 'stars', 'granted')"
        " on conflict (brand_id, code) do update set funded = excluded.funded returning asset_id",
        (BRAND,),
    ).fetchone()
    assert asset is not None
    account = cursor.execute(
        "insert into ledger_accounts (brand_id, asset_id, name, keeps, posted_minor, held_minor, debt_minor)"
        " values (%s, %s, %s, 'lots', %s, %s, %s) returning account_id",
        (BRAND, asset[0], f"member:m{member}/stars", posted, sum(lot[1] for lot in lots), debt),
    ).fetchone()
    assert account is not None
    for remaining, held, usable_at, expires_at in lots:
        cursor.execute(
            "insert into ledger_lots (account_id, transfer_no, issued_minor, remaining_minor, held_minor, usable_at,"
            " expires_at) values (%s, 1, 100, %s, %s, %s, %s)",
            (account[0], remaining, held, usable_at, expires_at),
        )


def test_points_are_those_that_could_be_spent(rows: Cursor) -> None:
    """1: 5 of 9, the rest held, expired or not usable yet; 2: 3, for it owes 4; 3: owes all of it; 4: no account."""
    lots = ((6, 1, NOW, "infinity"), (2, 0, NOW - HOUR, NOW), (1, 0, NOW + HOUR, "infinity"))
    insert_lots(rows, 1, *lots)
    insert_lots(rows, 2, (7, 0, NOW, NOW + HOUR), debt=4)
    insert_lots(rows, 3, (2, 0, NOW, "infinity"), debt=9)
    for test, expected in (
        ({"at_least": 3}, "12"),
        ({"more_than": 3}, "1"),
        (5, "1"),
        ({"between": [3, 4]}, "2"),
        ({"less_than": 5}, "234"),
        (0, "34"),
        ({"at_least": 0}, "1234"),
    ):
        assert find(rows, {"points": {"stars": test}}) == expected, test
    assert find(rows, {"points": {"stars": 6}}, NOW + HOUR) == "1"
    assert find(rows, {"points": {"stars": 0}}, NOW + HOUR) == "234"


def insert_voucher(
    cursor: Cursor, member: int, state: str, valid: datetime | None, reserved: datetime | None, *, by_use: bool = False
) -> None:
    cursor.execute(
        "insert into loyalty_pools (brand_id, programme, pool) values (%s, 'main', 'half') on conflict do nothing",
        (BRAND,),
    )
    cursor.execute(
        "insert into loyalty_vouchers (brand_id, member_id, pool_id, code, is_generic, by_use, state, issued_at,"
        " valid_until, reserved_until) select p.brand_id, %s, p.pool_id, gen_random_uuid()::text, %s, %s, %s, %s, %s, %s"
        " from loyalty_pools p where p.brand_id = %s",
        (member, by_use, by_use, state, NOW, valid, reserved, BRAND),
    )


def states(cursor: Cursor, as_of: datetime) -> list[str]:
    """Whose vouchers are issued, reserved, used."""
    return [
        find(cursor, {"voucher": {"pool": "half", "state": state}}, as_of) for state in ("issued", "reserved", "used")
    ]


def test_a_voucher_is_in_one_state_at_a_time(rows: Cursor) -> None:
    """1: of who was merged into it; 2: reserved for an hour, then issued for one; 3: a generic code; 4: used."""
    insert_voucher(rows, 5, "issued", NOW + HOUR, None)
    insert_voucher(rows, 2, "reserved", NOW + 2 * HOUR, NOW + HOUR)
    insert_voucher(rows, 3, "reserved", None, NOW + HOUR, by_use=True)
    insert_voucher(rows, 4, "used", NOW - HOUR, None)
    assert states(rows, NOW) == ["1", "23", "4"]
    assert states(rows, NOW + HOUR) == ["2", "", "4"]
    assert states(rows, NOW + 2 * HOUR) == ["", "", "4"]
