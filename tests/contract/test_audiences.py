"""Audiences: saved, counted, listed, explained, compared, exported."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.client import Brand

HEELS = {"all": [{"trait": {"age": {"at_least": 25}}}, {"did": {"event": "Order Completed", "within": "30d"}}]}


@pytest.fixture(scope="module")
def members(brand: Brand) -> dict[str, str]:
    """ann bought and is 30; bob bought and is 20; cat is 40 and did nothing."""
    for user, age in (("ann", 30), ("bob", 20), ("cat", 40)):
        brand.send({"type": "identify", "userId": user, "traits": {"age": age}})
    for user in ("ann", "bob"):
        brand.send(brand.track(user, "Order Completed", properties={"revenue": 100, "category": "heels"}))
    return {user: brand.member(f"user_id:{user}")["id"] for user in ("ann", "bob", "cat")}


@pytest.fixture(scope="module")
def heels(brand: Brand, members: dict[str, str]) -> dict[str, Any]:
    return brand.ask("PUT", "/api/audiences/heels", {"where": HEELS}, example=True)


def test_an_audience_is_saved_and_counted(brand: Brand, heels: dict[str, Any]) -> None:
    assert heels == {"name": "heels", "version": 1}
    counted = brand.ask("GET", "/api/audiences/heels/count", example=True)
    assert (counted["count"], counted["version"]) == (1, 1)
    assert brand.ask("GET", "/api/audiences/heels/count", params={"as_of": "2020-01-01T00:00:00Z"})["count"] == 0


def test_the_same_condition_is_the_same_version(brand: Brand, heels: dict[str, Any]) -> None:
    assert brand.ask("PUT", "/api/audiences/heels", {"where": HEELS})["version"] == 1
    shown = brand.ask("GET", "/api/audiences/heels", example=True)
    assert (shown["version"], shown["where"]) == (1, HEELS)


def test_audiences_are_listed_by_name(brand: Brand, heels: dict[str, Any]) -> None:
    listed = brand.ask("GET", "/api/audiences", example=True)
    assert "heels" in [one["name"] for one in listed["audiences"]]
    assert listed["next"] is None


def test_members_are_paged(brand: Brand, heels: dict[str, Any], members: dict[str, str]) -> None:
    brand.ask("PUT", "/api/audiences/everybody", {"where": {"all": []}})
    shown = brand.ask("GET", "/api/audiences/everybody/members", params={"limit": 2}, example=True)
    rest = brand.ask("GET", "/api/audiences/everybody/members", params={"limit": 2, "cursor": shown["next"]})
    assert shown["members"] + rest["members"] == list(members.values())
    assert rest["next"] is None
    assert brand.refused("GET", "/api/audiences/everybody/members", params={"cursor": "x"}) == "cursor.invalid"


def test_an_audience_explains_itself(brand: Brand, heels: dict[str, Any]) -> None:
    told = brand.ask("GET", "/api/audiences/heels/explain", example=True)
    assert set(told["sentence"]) == {"zh-TW", "en"}
    assert [(leaf["path"], leaf["count"]) for leaf in told["leaves"]] == [("/all/0/trait/age", 2), ("/all/1/did", 2)]


def test_why_a_member_is_in_or_out(brand: Brand, heels: dict[str, Any], members: dict[str, str]) -> None:
    told = brand.ask("GET", "/api/audiences/heels/explain", params={"member": members["bob"]})
    assert told["member"] == members["bob"] and told["in"] is False
    assert [(leaf["value"], leaf["holds"]) for leaf in told["leaves"]] == [(20, False), (1, True)]


def test_overlap_and_difference(brand: Brand, heels: dict[str, Any]) -> None:
    brand.ask("PUT", "/api/audiences/buyers", {"where": {"did": "Order Completed"}})
    shared = brand.ask("GET", "/api/audiences/buyers/overlap", params={"with": "heels"}, example=True)
    assert shared == {"both": 1, "only_this": 1, "only_other": 0}
    brand.ask("PUT", "/api/audiences/buyers", {"where": {"trait": {"age": {"at_least": 25}}}})
    changed = brand.ask("GET", "/api/audiences/buyers/diff", params={"from": 1, "to": 2}, example=True)
    assert (changed["entered"], changed["left"]) == (1, 1)


def test_sizes_by_day(brand: Brand, heels: dict[str, Any]) -> None:
    sizes = brand.ask("GET", "/api/audiences/heels/sizes", example=True)["sizes"]
    assert len(sizes) == 30
    assert (sizes[0]["count"], sizes[-1]["count"]) == (0, 1)
    assert brand.refused("GET", "/api/audiences/heels/sizes", params={"from": "soon"}) == "request.invalid"


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_export(brand: Brand, heels: dict[str, Any], members: dict[str, str], file_format: str) -> None:
    told = {"Authorization": f"Bearer {brand.api_key}"}
    answer = brand.request(
        "GET",
        "/api/audiences/heels/export",
        headers=told,
        params={"format": file_format},
        example=file_format == "csv",
    )
    assert answer.status_code == 200
    if file_format == "csv":
        assert answer.text.splitlines() == ["member,user_id", f"{members['ann']},ann"]
    else:
        assert answer.content[:4] == b"PAR1"


def test_what_is_unknown_is_named_with_its_place(brand: Brand, members: dict[str, str]) -> None:
    bad = {"all": [{"did": "Order Completed"}, {"trait": {"agee": {"at_least": 5}}}]}
    error = brand.ask("PUT", "/api/audiences/bad", {"where": bad}, status=400, example=True)
    assert (error["code"], error["path"], error["suggestion"]) == (
        "condition.unknown_trait",
        "/all/1/trait/agee",
        "age",
    )
    assert brand.refused("GET", "/api/audiences/bad/count", status=404) == "audience.unknown"


def test_a_misspelt_property_is_refused_from_the_first_event_on(brand: Brand, members: dict[str, str]) -> None:
    """What was answered 200 a moment ago is known; of an event that nobody sent nothing is, and none is refused."""
    brand.send(brand.track("ann", "Game Won", properties={"points": 7}))
    brand.ask("PUT", "/api/audiences/winners", {"where": {"did": {"event": "Game Won", "where": {"points": 7}}}})
    bad = {"did": {"event": "Game Won", "sum": {"of": "ponits", "at_least": 5}}}
    error = brand.ask("PUT", "/api/audiences/losers", {"where": bad}, status=400)
    told = ("condition.unknown_property", "/did/sum/of", "points")
    assert (error["code"], error["path"], error["suggestion"]) == told
    brand.send(brand.track("ann", "Game Won", properties={"ponits": 7}))
    brand.ask("PUT", "/api/audiences/losers", {"where": bad})
    unsent = {"did": {"event": "Promotion Viewed", "where": {"banner": "spring"}}}
    (warning,) = brand.ask("PUT", "/api/audiences/viewers", {"where": unsent})["warnings"]
    assert (warning["code"], warning["path"]) == ("condition.property_unsent", "/did/where/banner")


def test_an_audience_that_another_needs_stays(brand: Brand, heels: dict[str, Any]) -> None:
    brand.ask("PUT", "/api/audiences/inner", {"where": {"did": "Order Completed"}})
    brand.ask("PUT", "/api/audiences/outer", {"where": {"member_of": "inner"}})
    assert brand.refused("DELETE", "/api/audiences/inner", status=409) == "audience.in_use"
    brand.ask("DELETE", "/api/audiences/outer", example=True)
    brand.ask("DELETE", "/api/audiences/inner")
    assert brand.refused("DELETE", "/api/audiences/inner", status=404) == "audience.unknown"


def test_a_trait_that_stopped_arriving_is_told(brand: Brand, members: dict[str, str]) -> None:
    """Set daily until 40 days ago; set daily until now; set once, long ago. Who has it stays in."""
    now = datetime.now(UTC)

    def identify(trait: str, days: int) -> dict[str, Any]:
        at = (now - timedelta(days=days)).isoformat()
        return {"type": "identify", "userId": "ann", "timestamp": at, "traits": {trait: days}}

    brand.send(*(identify("mood", days) for days in range(60, 39, -1)))
    brand.send(*(identify("weight", days) for days in range(20, -1, -1)))
    brand.send(identify("birthplace", 400))
    where = {"all": [{"trait": {name: {"exists": True}}} for name in ("weight", "mood", "birthplace")]}
    brand.ask("PUT", "/api/audiences/moody", {"where": where})
    assert brand.ask("GET", "/api/audiences/moody/members")["members"] == [members["ann"]]
    (warning,) = brand.ask("GET", "/api/audiences/moody/explain")["warnings"]
    assert (warning["code"], warning["path"]) == ("audience.trait_stopped", "/all/1/trait/mood")
    assert f"every 24.0 hours until {now - timedelta(days=40):%Y-%m-%d}" in warning["message"]
    brand.send(identify("mood", 0))
    assert brand.ask("GET", "/api/audiences/moody/explain")["warnings"] == []
