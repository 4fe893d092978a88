"""Bodies that cost much to read, or that no database can store: refused, at once and by name."""

from typing import Any

import pytest

from tests.support.inside import open_inside

pytestmark = pytest.mark.anyio


async def test_items_have_a_limit(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        refused = await inside.ask("POST", "/api/items", {"items": [0] * 600_000})
        assert refused.status_code == 400
        error: dict[str, Any] = refused.json()
        assert (error["code"], error["path"]) == ("request.invalid", "/items")


async def test_of_many_bad_items_a_thousand_are_shown_and_the_rest_counted(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        bad: list[object] = [0] * 9_999
        answer = (await inside.ask("POST", "/api/items", {"items": [*bad, {"id": "good"}]})).json()
        assert [entry["index"] for entry in answer["rejected"]] == list(range(1_000))
        assert (answer["written"], answer["rejected_not_shown"]) == (1, 8_999)
        assert "rejected_not_shown" not in (await inside.ask("POST", "/api/items", {"items": [0]})).json()


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("{member}/tags/vip", {"evidence": "a\0"}, "/evidence"),
        ("{member}/consents/line/marketing", {"granted": True, "proof": {"source": "a\0"}}, "/proof/source"),
        ("{member}/consents/line/marketing", {"granted": True, "proof": {"source": "a", "\0": 1}}, "/proof"),
        ("{member}/preferences", {"language": "\0"}, "/language"),
        ("{member}/preferences", {"topics": {"\0": True}}, "/topics"),
        (
            "/api/settings",
            {"caps": [{"most": 1, "per": "7d"}, {"most": 1, "per": "7d", "topic": "\0"}]},
            "/caps/1/topic",
        ),
        ("/api/settings", {"quiet_hours": {"from": "22", "until": "08:00"}}, "/quiet_hours/from"),
        ("/api/settings", {"quiet_hours": {"from": "22:00", "until": "08:00+03:00"}}, "/quiet_hours/until"),
        ("/api/settings", {"caps": [{"most": 1, "per": "7d"}] * 101}, "/caps"),
        ("{member}/tags/vip", {"expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
        ("{member}/tags/vip", {"expires_at": "0001-01-01T00:00:00+12:00"}, "/expires_at"),
    ],
)
async def test_what_cannot_be_stored_is_refused_by_its_path(
    dsn: str, master_key: bytes, path: str, body: object, where: str
) -> None:
    async with open_inside(dsn, master_key) as inside:
        member = await inside.new_member("ann")
        refused = await inside.ask("PUT", path.replace("{member}", f"/api/members/{member}"), body)
        assert (refused.status_code, refused.json()["path"]) == (400, where), refused.text


async def test_an_escaped_backslash_before_u0000_is_text(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        member = await inside.new_member("ann")
        put = await inside.ask("PUT", f"/api/members/{member}/tags/vip", {"evidence": r"\u0000"})
        assert put.json()["tags"][0]["evidence"] == r"\u0000"


async def test_settings_of_wider_rules_are_still_read(dsn: str, master_key: bytes) -> None:
    async with open_inside(dsn, master_key) as inside:
        async with inside.context.writes.write() as tx:
            await tx.execute("""update access_brands set settings = '{"quiet_hours":{"from":"22","until":"8"}}'""")
        settings = (await inside.ask("GET", "/api/settings")).json()
        assert settings["quiet_hours"] == {"from": "22", "until": "8"}
