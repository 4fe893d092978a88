"""A brand's settings, and its catalogue of items."""

from typing import Any

import pytest

from tests.contract.client import Brand, encoded

DEFAULTS: dict[str, Any] = {
    "time_zone": "Asia/Taipei",
    "currency": "TWD",
    "caps": [{"most": 2, "per": "30d"}, {"most": 1, "per": "7d", "topic": "promo"}],
    "quiet_hours": {"from": "22:00", "until": "08:00"},
    "holdout": 0.05,
    "attribution": "7d",
}


def shown(answer: dict[str, Any]) -> dict[str, Any]:
    """The part of the settings that the contract names."""
    return {name: answer[name] for name in DEFAULTS}


def test_settings_are_the_defaults_until_somebody_sets_them(brand: Brand) -> None:
    assert shown(brand.ask("GET", "/api/settings", example=True)) == DEFAULTS


def test_put_replaces_all_and_absent_means_default(brand: Brand) -> None:
    wanted = DEFAULTS | {"holdout": 0.1, "quiet_hours": {"from": "21:30", "until": "09:00"}, "currency": "USD"}
    assert shown(brand.ask("PUT", "/api/settings", wanted, example=True)) == wanted
    assert shown(brand.ask("GET", "/api/settings")) == wanted
    assert shown(brand.ask("PUT", "/api/settings", {"time_zone": "UTC"})) == DEFAULTS | {"time_zone": "UTC"}
    assert shown(brand.ask("PUT", "/api/settings", {})) == DEFAULTS


@pytest.mark.parametrize("name", ["quiet_hours", "caps", "attribution"])
def test_null_switches_off(brand: Brand, name: str) -> None:
    assert shown(brand.ask("PUT", "/api/settings", {name: None})) == DEFAULTS | {name: None}
    assert shown(brand.ask("GET", "/api/settings")) == DEFAULTS | {name: None}
    brand.ask("PUT", "/api/settings", {})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"time_zone": "\0"}, "/time_zone"),
        ({"time_zone": ""}, "/time_zone"),
        ({"time_zone": "x" * 10_000}, "/time_zone"),
        ({"currency": "dollars"}, "/currency"),
        ({"currency": None}, None),
        ({"caps": [{"most": -1, "per": "7d"}]}, "/caps/0/most"),
        ({"caps": [{"most": 1, "per": "7d"}, {"most": 1, "per": "fortnight"}]}, "/caps/1/per"),
        ({"caps": [{"most": 1}]}, None),
        ({"caps": {"most": 1}}, None),
        ({"quiet_hours": {"from": "25:00", "until": "08:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "22:00", "until": "late"}}, "/quiet_hours/until"),
        ({"quiet_hours": {"from": "22:00"}}, None),
        ({"holdout": 1}, "/holdout"),
        ({"holdout": -0.1}, "/holdout"),
        ({"holdout": "much"}, None),
        ({"attribution": "0d"}, "/attribution"),
        ({"attribution": "99999999d"}, "/attribution"),
        ({"colour": "red"}, None),
        ([], None),
        ("UTC", None),
    ],
)
def test_wrong_settings_are_refused_with_their_path(brand: Brand, body: object, path: str | None) -> None:
    error = brand.ask("PUT", "/api/settings", body, status=400, example=body == {"holdout": 1})
    if path is not None:
        assert error["path"] == path
    assert shown(brand.ask("GET", "/api/settings")) == DEFAULTS


def test_a_new_time_zone_holds_for_the_next_event(brand: Brand) -> None:
    brand.ask("PUT", "/api/settings", {"time_zone": "America/New_York"})
    brand.send(brand.track("traveller", "Seen", timestamp="2026-01-02T08:00:00"))
    assert brand.events("user_id:traveller")[0]["at"] == "2026-01-02T13:00:00Z"
    brand.ask("PUT", "/api/settings", {})


@pytest.fixture(scope="module")
def catalogue(brand: Brand) -> Brand:
    """A brand with a few items."""
    items: list[dict[str, Any]] = [
        {"id": "sku-1", "name": "Red heels", "category": "heels", "price": "1290.00", "attributes": {"colour": "red"}},
        {"id": "sku-2", "name": "Blue heels", "category": "heels", "price": "990"},
        {"id": "sku-3", "name": "紅茶 100%", "category": "drinks", "price": "0.20"},
    ]
    answer = brand.ask("POST", "/api/items", {"items": items}, example=True)
    assert answer == {"written": 3, "rejected": []}
    return brand


def test_items_are_found_by_name_and_category(catalogue: Brand) -> None:
    found = catalogue.ask("GET", "/api/items", params={"query": "heels", "category": "heels", "limit": 2}, example=True)
    assert [item["id"] for item in found["items"]] == ["sku-1", "sku-2"]
    for query, ids in (
        ("RED", ["sku-1"]),
        ("紅茶", ["sku-3"]),
        ("100%", ["sku-3"]),
        ("sku-2", ["sku-2"]),
        ("%", ["sku-3"]),
    ):
        assert [item["id"] for item in catalogue.ask("GET", "/api/items", params={"query": query})["items"]] == ids
    assert catalogue.ask("GET", "/api/items", params={"query": "_"})["items"] == []


def test_an_item_shows_what_was_written(catalogue: Brand) -> None:
    assert catalogue.ask("GET", "/api/items/sku-1", example=True) == {
        "id": "sku-1", "name": "Red heels", "category": "heels", "price": "1290.00", "attributes": {"colour": "red"},
    }  # fmt: skip
    assert catalogue.ask("GET", "/api/items/sku-3")["price"] == "0.20"
    assert catalogue.refused("GET", "/api/items/sku-9", status=404, example=True) == "item.unknown"


def test_an_item_written_again_is_replaced(catalogue: Brand) -> None:
    for price in ("1", "2", "2"):
        answer = catalogue.ask("POST", "/api/items", {"items": [{"id": "again", "name": "Again", "price": price}]})
        assert answer == {"written": 1, "rejected": []}
    assert catalogue.ask("GET", "/api/items/again")["price"] == "2"


def test_items_are_listed_in_pages(brand: Brand) -> None:
    ids = [f"page-{number}" for number in range(7)]
    brand.ask("POST", "/api/items", {"items": [{"id": item, "category": "pages"} for item in ids]})
    cursor, listed = None, []
    while True:
        params = {"category": "pages", "limit": 3} | ({"cursor": cursor} if cursor else {})
        answer = brand.ask("GET", "/api/items", params=params)
        listed += [item["id"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert listed == ids


@pytest.mark.parametrize(
    "item",
    [
        {}, {"id": None}, {"id": ""}, {"id": " "}, {"id": "x" * 101}, {"id": "a\0b"}, {"id": ["x"]}, {"id": True},
        {"id": "x", "price": "cheap"}, {"id": "x", "price": "-1"}, {"id": "x", "price": "1e30"}, {"id": "x", "price": "NaN"},
        {"id": "x", "price": "0.000000001"}, {"id": "x", "price": []}, {"id": "x", "price": True}, {"id": "x", "name": 1.5},
        {"id": "x", "attributes": []}, {"id": "x", "attributes": {"a": "\0"}}, {"id": "x", "attributes": {"a": "y" * 70_000}},
        {"id": "x", "name": "n" * 1_001}, {"id": "x", "category": {}}, {"id": "x", "price": "1e-1000000"},
        {"id": "x", "price": "1" * 5_000}, {"id": "x", "price": "1e999999999"}, "x", None, 7, [],
    ],
)  # fmt: skip
def test_a_bad_item_is_named_and_the_others_land(brand: Brand, item: object) -> None:
    answer = brand.ask("POST", "/api/items", {"items": [{"id": "good 1"}, item, {"id": "good 2"}]})
    assert answer["written"] == 2
    ((index, code),) = [(one["index"], one["code"]) for one in answer["rejected"]]
    assert (index, code) == (1, "item.invalid")
    assert brand.refused("GET", "/api/items/x", status=404)


@pytest.mark.parametrize("body", [{}, {"items": {}}, {"items": None}, {"item": []}, {"items": [], "more": 1}])
def test_a_body_without_items_is_refused(brand: Brand, body: object) -> None:
    assert brand.refused("POST", "/api/items", body, example=body == {"items": {}}) == "request.invalid"


@pytest.mark.parametrize("item", ["sku/1", "a b", "100%", "中文", "?", "🦄", "a\\b", "x" * 100])
def test_item_ids_may_hold_anything(brand: Brand, item: str) -> None:
    brand.ask("POST", "/api/items", {"items": [{"id": item}]})
    assert brand.ask("GET", f"/api/items/{encoded(item)}")["id"] == item


def test_odd_queries_find_nothing_or_are_refused(brand: Brand) -> None:
    for query in ("\0", "\\", "%", "'; drop table", "x" * 5_000):
        for name in ("query", "category"):
            headers = {"Authorization": f"Bearer {brand.api_key}"}
            response = brand.request("GET", "/api/items", params={name: query}, headers=headers)
            assert response.status_code in {200, 400}
