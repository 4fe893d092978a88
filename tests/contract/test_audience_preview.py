"""Conditions that are asked without being saved: each answer is the one a saved audience of that condition gives."""

from typing import Any

import pytest

from tests.contract.client import Brand, encoded

PREVIEW = "/api/audience-preview"
HEELS = {"all": [{"trait": {"age": {"at_least": 25}}}, {"did": {"event": "Order Completed", "within": "30d"}}]}
TOO_LATE = "2020-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def members(brand: Brand) -> dict[str, str]:
    """ann bought and is 30; bob bought and is 20; cat is 40 and did nothing."""
    for user, age in (("ann", 30), ("bob", 20), ("cat", 40)):
        brand.send({"type": "identify", "userId": user, "traits": {"age": age}})
    for user in ("ann", "bob"):
        brand.send(brand.track(user, "Order Completed", properties={"revenue": 100, "category": "heels"}))
    return {user: brand.member(f"user_id:{user}")["id"] for user in ("ann", "bob", "cat")}


def test_a_condition_is_asked_without_saving_it(brand: Brand, members: dict[str, str]) -> None:
    told = brand.ask("POST", PREVIEW, {"where": HEELS}, example=True)
    assert (told["count"], told["sample"]) == (1, [members["ann"]])
    assert [(leaf["path"], leaf["count"]) for leaf in told["leaves"]] == [("/all/0/trait/age", 2), ("/all/1/did", 2)]
    assert set(told["sentence"]) == {"zh-TW", "en"}
    assert HEELS not in [one["where"] for one in brand.ask("GET", "/api/audiences")["audiences"]]


def test_a_condition_is_counted_at_any_instant(brand: Brand, members: dict[str, str]) -> None:
    assert brand.ask("POST", f"{PREVIEW}/count", {"where": HEELS}, example=True)["count"] == 1
    counted = brand.ask("POST", f"{PREVIEW}/count", {"where": HEELS, "as_of": TOO_LATE})
    assert counted == {"count": 0, "as_of": TOO_LATE}


def test_members_of_a_condition_are_paged(brand: Brand, members: dict[str, str]) -> None:
    body = {"where": {"trait": {"age": {"at_least": 10}}}}
    shown = brand.ask("POST", f"{PREVIEW}/members", body, params={"limit": 2}, example=True)
    rest = brand.ask("POST", f"{PREVIEW}/members", body, params={"limit": 2, "cursor": shown["next"]})
    assert shown["members"] + rest["members"] == list(members.values())
    assert rest["next"] is None
    assert brand.refused("POST", f"{PREVIEW}/members", body, params={"cursor": "x"}) == "cursor.invalid"


def test_a_condition_tells_why_a_member_is_out(brand: Brand, members: dict[str, str]) -> None:
    params = {"member": members["bob"]}
    told = brand.ask("POST", f"{PREVIEW}/explain", {"where": HEELS}, params=params, example=True)
    assert (told["member"], told["in"]) == (members["bob"], False)
    assert [(leaf["value"], leaf["holds"]) for leaf in told["leaves"]] == [(20, False), (1, True)]
    assert len(brand.ask("POST", f"{PREVIEW}/explain", {"where": HEELS})["leaves"]) == 2


def test_members_of_a_condition_are_a_file(brand: Brand, members: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {brand.api_key}"}
    answer = brand.request("POST", f"{PREVIEW}/export", json={"where": HEELS}, headers=headers, example=True)
    assert answer.status_code == 200
    assert answer.text.splitlines() == ["member,user_id", f"{members['ann']},ann"]
    for form, status in (("parquet", 200), ("xlsx", 400)):
        answer = brand.request("POST", f"{PREVIEW}/export?format={form}", json={"where": HEELS}, headers=headers)
        assert answer.status_code == status


def test_a_preview_answers_what_the_saved_audience_answers(brand: Brand, members: dict[str, str]) -> None:
    name = encoded("audience-preview")
    brand.ask("PUT", f"/api/audiences/{name}", {"where": HEELS})
    as_of = brand.ask("GET", f"/api/audiences/{name}/count")["as_of"]
    body, asked = {"where": HEELS, "as_of": as_of}, {"as_of": as_of}
    for what, params in (("count", {}), ("members", {}), ("explain", {}), ("explain", {"member": members["cat"]})):
        saved = brand.ask("GET", f"/api/audiences/{name}/{what}", params=params | asked)
        saved.pop("version", None)
        assert brand.ask("POST", f"{PREVIEW}/{what}", body, params=params) == saved


@pytest.mark.parametrize(
    ("where", "code", "path", "suggestion"),
    [
        ({"trait": {"agee": 3}}, "condition.unknown_trait", "/trait/agee", "age"),
        ({"all": [{"did": "Order Complete"}]}, "condition.unknown_event", "/all/0/did", "Order Completed"),
        ({"member_of": "nobody"}, "condition.unknown_audience", "/member_of", None),
    ],
)
def test_what_is_unknown_is_refused_with_its_place(
    brand: Brand, members: dict[str, str], where: dict[str, Any], code: str, path: str, suggestion: str | None
) -> None:
    for what in ("", "/count", "/members", "/explain", "/export"):
        told = brand.ask("POST", PREVIEW + what, {"where": where}, status=400)
        assert (told["code"], told["path"]) == (code, path)
        assert suggestion is None or told["suggestion"] == suggestion


def test_a_preview_needs_a_condition_and_an_instant(brand: Brand) -> None:
    assert brand.refused("POST", PREVIEW, {}) == "request.invalid"
    assert brand.refused("POST", PREVIEW, {"where": {"all": []}, "at": 1}) == "request.invalid"
    assert brand.refused("POST", PREVIEW, {"where": {"all": []}, "as_of": "soon"}, example=True) == (
        "audience.instant_invalid"
    )
