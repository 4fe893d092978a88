"""A list of members ends, and leaves none out, whoever was merged into whom."""

from typing import Any

import pytest

from tests.support.inside import Inside, open_inside

pytestmark = pytest.mark.anyio

PAGES_MAX = 20


async def list_ids(inside: Inside, query: str) -> list[str]:
    """Ids of all pages, two a page."""
    ids: list[str] = []
    cursor = ""
    for _ in range(PAGES_MAX):
        page: dict[str, Any] = (await inside.ask("GET", f"/api/members?{query}&limit=2{cursor}")).json()
        ids += [member["id"] for member in page["members"]]
        if page["next"] is None:
            return ids
        cursor = f"&cursor={page['next']}"
    raise AssertionError(f"{query}: more than {PAGES_MAX} pages")


@pytest.mark.parametrize("query", ["name=Anna", "last_four=5678", "limit=2"])
async def test_a_list_ends_with_nobody_left_out(dsn: str, master_key: bytes, query: str) -> None:
    async with open_inside(dsn, master_key) as inside:
        members = [await inside.new_member(f"user {number}") for number in range(6)]
        for number in range(6):
            traits = {"name": "Anna Lee", "phone": f"09{number}2345678"}
            call = {"userId": f"user {number}", "traits": traits, "writeKey": inside.keys.write_key}
            assert (await inside.client.post("/v1/identify", json=call)).json() == {"success": True}
        # The earliest, found first, is shown under the last one's id; and two that stand side by side become one.
        for keep, merge in ((5, 0), (3, 2)):
            body = {"keep": members[keep], "merge": members[merge]}
            assert (await inside.ask("POST", "/api/members/merge", body)).status_code == 200
        assert set(await list_ids(inside, query)) == {members[number] for number in (1, 3, 4, 5)}


async def test_one_identity_is_one_page(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        await inside.new_member("ann")
        found = (await inside.ask("GET", "/api/members?identity=user_id:ann&limit=1")).json()
        assert len(found["members"]) == 1 and found["next"] is None
