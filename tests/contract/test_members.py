"""Members: identities, tags, consents, preferences, and what is asked of one."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.client import Brand, encoded


@pytest.fixture(scope="module")
def amy(brand: Brand) -> str:
    """A member with something of everything."""
    member = brand.new_member("amy", email="Amy@Example.com", phone="0912 345 678", points=120, city="Taipei")
    brand.send(brand.track("amy", "Order Completed", properties={"revenue": 1290, "order_id": "A-1"}))
    return member


def test_a_member_shows_identities_traits_tags_and_consents(brand: Brand, amy: str) -> None:
    shown = brand.ask("GET", f"/api/members/{amy}", example=True)
    assert shown.keys() >= {"id", "identities", "traits", "tags", "consents", "created_at"}
    pairs = {(identity["kind"], identity["value"]) for identity in shown["identities"]}
    assert pairs == {("user_id", "amy"), ("email", "amy@example.com"), ("phone", "+886912345678")}
    assert shown["traits"]["points"] == 120
    assert shown["traits"]["email"] == "Amy@Example.com"


def test_an_unknown_member_is_not_found(brand: Brand) -> None:
    assert brand.refused("GET", "/api/members/m999999999", status=404, example=True) == "member.unknown"
    for odd in ("amy", "m0", "m-1", "M1", "m99999999999999999999999", "１", "m1%20"):
        assert brand.refused("GET", f"/api/members/{odd}", status=404) == "member.unknown"


def test_members_are_found_by_identity(brand: Brand, amy: str) -> None:
    found = brand.ask("GET", "/api/members", params={"identity": "user_id:amy"}, example=True)
    assert [member["id"] for member in found["members"]] == [amy]
    assert found["next"] is None
    assert brand.member("email:AMY@example.com")["id"] == amy
    assert brand.member("phone:+886-912-345-678")["id"] == amy


def test_an_unknown_identity_finds_an_empty_list(brand: Brand) -> None:
    assert brand.ask("GET", "/api/members", params={"identity": "user_id:nobody"})["members"] == []


def test_an_identity_is_split_at_its_first_colon(brand: Brand) -> None:
    member = brand.new_member("shop:7:ann")
    assert brand.member("user_id:shop:7:ann")["id"] == member


@pytest.mark.parametrize("identity", ["amy", "shoe:42", ":amy", "email:no-at-sign", "phone:12", "user_id:"])
def test_an_identity_that_cannot_be_is_refused(brand: Brand, identity: str) -> None:
    brand.refused("GET", "/api/members", params={"identity": identity})


def test_a_wrong_identity_is_told_with_its_reason(brand: Brand) -> None:
    code = brand.refused("GET", "/api/members", params={"identity": "shoe:42"}, example=True)
    assert code == "identity.kind_invalid"


def test_an_identity_is_put_and_taken_back(brand: Brand) -> None:
    member = brand.new_member("ida")
    path = f"/api/members/{member}/identities/line/U0123456789"
    shown = brand.ask("PUT", path, example=True)
    assert {"line", "user_id"} == {identity["kind"] for identity in shown["identities"]}
    assert brand.ask("PUT", path) == shown
    assert brand.member("line:U0123456789")["id"] == member
    brand.ask("DELETE", path, example=True)
    assert brand.find("line:U0123456789") is None
    assert brand.refused("DELETE", path, status=404, example=True) == "identity.unknown"


@pytest.mark.parametrize("value", ["a/b", "a%b", "a b", "王小明", "a?b#c", "🦄", "+886", "../x", "a:b", "a\tb"])
def test_identity_values_may_hold_anything(brand: Brand, value: str) -> None:
    member = brand.new_member(f"holder of {value}")
    path = f"/api/members/{member}/identities/card/{encoded(value)}"
    shown = brand.ask("PUT", path)
    assert {"kind": "card", "value": value} in [{k: i[k] for k in ("kind", "value")} for i in shown["identities"]]
    assert brand.member(f"card:{value}")["id"] == member
    brand.ask("DELETE", path)
    assert brand.find(f"card:{value}") is None


def test_line_identities_are_of_their_provider(brand: Brand) -> None:
    first, second = brand.new_member("main line"), brand.new_member("other line")
    brand.ask("PUT", f"/api/members/{first}/identities/line/Usame")
    brand.ask("PUT", f"/api/members/{second}/identities/line@other/Usame")
    assert brand.member("line:Usame")["id"] == first
    assert brand.member("line@other:Usame")["id"] == second


def test_an_identity_of_an_unknown_kind_is_refused(brand: Brand, amy: str) -> None:
    code = brand.refused("PUT", f"/api/members/{amy}/identities/shoe/42", example=True)
    assert code == "identity.kind_invalid"


def test_an_unverified_phone_of_another_member_is_a_conflict(brand: Brand, amy: str) -> None:
    other = brand.new_member("ben")
    path = f"/api/members/{other}/identities/phone/{encoded('+886912345678')}"
    assert brand.refused("PUT", path, status=409) == "identity.taken"
    assert brand.member("phone:+886912345678")["id"] == amy
    assert brand.member("user_id:ben")["id"] == other


def test_leading_zeros_are_kept(brand: Brand) -> None:
    member = brand.new_member("000123")
    assert brand.find("user_id:123") is None
    assert brand.member("user_id:000123")["id"] == member


def test_external_ids_of_any_call_are_identities(brand: Brand) -> None:
    context = {"externalIds": [{"type": "line", "id": "Uext"}, {"type": "idfa", "id": "not ours"}]}
    brand.send(brand.track("ext", "Seen", context=context))
    kinds = {(one["kind"], one["value"]) for one in brand.member("line:Uext")["identities"]}
    assert kinds == {("user_id", "ext"), ("line", "Uext")}


def test_events_are_listed_newest_first_page_by_page(brand: Brand) -> None:
    hours = [f"2026-03-01T{hour:02}:00:00Z" for hour in range(7)]
    brand.send(*(brand.track("reader", f"Read {at}", timestamp=at) for at in hours))
    path = f"/api/members/{brand.member('user_id:reader')['id']}/events"
    first = brand.ask("GET", path, params={"limit": 3}, example=True)
    assert [event["at"] for event in first["events"]] == hours[:3:-1]
    assert first["events"][0].keys() >= {"id", "message_id", "name", "at", "received_at", "properties"}
    second = brand.ask("GET", path, params={"limit": 3, "cursor": first["next"]})
    third = brand.ask("GET", path, params={"limit": 3, "cursor": second["next"]})
    assert [event["at"] for event in second["events"] + third["events"]] == hours[3::-1]
    assert third["next"] is None


def test_events_at_one_instant_are_each_listed_once(brand: Brand) -> None:
    at = "2026-03-01T00:00:00Z"
    brand.send(*(brand.track("twin", "Seen", timestamp=at, messageId=f"twin-{n}") for n in range(10)))
    path, cursor, seen = f"/api/members/{brand.member('user_id:twin')['id']}/events", "", []
    while cursor is not None:
        page = brand.ask("GET", path, params={"limit": 3, "cursor": cursor} if cursor else {"limit": 3})
        seen += [event["message_id"] for event in page["events"]]
        cursor = page["next"]
    assert sorted(seen) == [f"twin-{n}" for n in range(10)]


def test_a_cursor_of_another_list_is_refused(brand: Brand, amy: str) -> None:
    brand.refused("GET", f"/api/members/{amy}/events", params={"cursor": "!!"}, example=True)
    brand.refused("GET", f"/api/members/{amy}/events", params={"cursor": "bTQy"})
    brand.refused("GET", "/api/members", params={"cursor": "é"})


def test_a_tag_is_put_changed_and_removed(brand: Brand) -> None:
    path = f"/api/members/{brand.new_member('tagged')}/tags/{encoded('愛買 100%')}"
    shown = brand.ask("PUT", path, {"weight": 0.8, "evidence": "five orders"}, example=True)
    assert [(tag["tag"], tag["weight"], tag["evidence"]) for tag in shown["tags"]] == [
        ("愛買 100%", 0.8, "five orders")
    ]
    assert shown["tags"][0].keys() >= {"tag", "weight", "evidence", "source", "expires_at"}
    assert [tag["weight"] for tag in brand.ask("PUT", path, {"weight": 0.1})["tags"]] == [0.1]
    assert brand.ask("DELETE", path, example=True)["tags"] == []
    assert brand.ask("DELETE", path)["tags"] == []


def test_a_tag_needs_no_body(brand: Brand) -> None:
    path = f"/api/members/{brand.new_member('bare tag')}/tags/vip"
    assert brand.ask("PUT", path)["tags"][0]["tag"] == "vip"


def test_an_expired_tag_is_not_shown(brand: Brand) -> None:
    member = brand.new_member("expiring")
    past, future = (datetime.now(UTC) + timedelta(days=days) for days in (-1, 1))
    shown = brand.ask("PUT", f"/api/members/{member}/tags/late", {"expires_at": past.isoformat()})
    assert shown["tags"] == []
    shown = brand.ask("PUT", f"/api/members/{member}/tags/soon", {"expires_at": future.isoformat()})
    assert [tag["tag"] for tag in shown["tags"]] == ["soon"]


@pytest.mark.parametrize("body", [{"weight": 2}, {"weight": "much"}, {"wieght": 1}, {"expires_at": "soon"}, [], 7])
def test_a_wrong_tag_is_refused(brand: Brand, amy: str, body: object) -> None:
    brand.refused("PUT", f"/api/members/{amy}/tags/vip", body)


@pytest.mark.parametrize("name", ["x" * 101, "a%00b"])
def test_a_name_that_cannot_be_is_refused(brand: Brand, amy: str, name: str) -> None:
    brand.refused("PUT", f"/api/members/{amy}/tags/{name}", example=name == "a%00b")
    brand.refused("PUT", f"/api/members/{amy}/consents/{name}/marketing", {"granted": False})
    brand.refused("PUT", f"/api/traits/{name}", {"type": "text"})


def test_a_name_of_a_hundred_characters_is_taken(brand: Brand) -> None:
    name = "名" * 100
    path = f"/api/members/{brand.new_member('long tag')}/tags/{encoded(name)}"
    assert brand.ask("PUT", path)["tags"][0]["tag"] == name


def test_a_tag_with_a_slash_is_refused(brand: Brand, amy: str) -> None:
    assert brand.ask("PUT", f"/api/members/{amy}/tags/a%2Fb", status=404)["code"]


def test_a_consent_is_granted_with_its_proof_and_withdrawn(brand: Brand) -> None:
    path = f"/api/members/{brand.new_member('consenting')}/consents/line/marketing"
    body = {"granted": True, "proof": {"source": "form", "text": "v3"}}
    (consent,) = brand.ask("PUT", path, body, example=True)["consents"]
    assert (consent["channel"], consent["purpose"], consent["granted"]) == ("line", "marketing", True)
    (consent,) = brand.ask("PUT", path, {"granted": False})["consents"]
    assert consent["granted"] is False


def test_a_grant_without_proof_is_refused(brand: Brand, amy: str) -> None:
    path = f"/api/members/{amy}/consents/line/marketing"
    assert brand.refused("PUT", path, {"granted": True}, example=True) == "consent.invalid"
    assert brand.refused("PUT", path, {"granted": True, "proof": {"text": "v3"}}) == "consent.invalid"
    assert brand.member("user_id:amy")["consents"] == []


@pytest.mark.parametrize("body", [{}, {"granted": "yes"}, {"granted": None}, {"granted": True, "proof": "form"}])
def test_a_wrong_consent_is_refused(brand: Brand, amy: str, body: object) -> None:
    brand.refused("PUT", f"/api/members/{amy}/consents/line/marketing", body)


def test_preferences_are_replaced_as_a_whole(brand: Brand) -> None:
    path = f"/api/members/{brand.new_member('choosy')}/preferences"
    assert brand.ask("GET", path, example=True) == {"topics": {}, "caps": [], "channel": None, "language": None}
    wanted = {"topics": {"promo": False}, "caps": [{"most": 1, "per": "7d"}], "channel": "tg", "language": "zh-TW"}
    assert brand.ask("PUT", path, wanted, example=True) == wanted
    assert brand.ask("GET", path) == wanted
    brand.ask("PUT", path, {"channel": None})
    assert brand.ask("GET", path)["topics"] == {}


@pytest.mark.parametrize(
    "body", [{"caps": [{"most": -1, "per": "7d"}]}, {"caps": [{"most": 1, "per": "week"}]}, {"topics": []}, {"mood": 1}]
)
def test_wrong_preferences_are_refused(brand: Brand, amy: str, body: object) -> None:
    path = f"/api/members/{amy}/preferences"
    assert brand.refused("PUT", path, body, example="mood" in str(body)) == "preferences.invalid"


def test_members_are_listed_in_pages(brand: Brand) -> None:
    users = [f"listed {number}" for number in range(5)]
    brand.send(*({"type": "identify", "userId": user} for user in users))
    cursor, ids = None, []
    while page := brand.ask("GET", "/api/members", params={"limit": 4, **({"cursor": cursor} if cursor else {})}):
        assert len(page["members"]) <= 4
        ids += [member["id"] for member in page["members"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(ids) == len(set(ids)) == brand.ask("GET", "/api/overview", example=True)["members"]


def list_ids(brand: Brand, path: str, things: str, key: str, **asked: object) -> list[str]:
    """All of a list by pages of one; a list that never ends is an error."""
    params, ids = {**asked, "limit": 1}, []
    for _ in range(50):
        page = brand.ask("GET", path, params=params)
        ids += [row[key] for row in page[things]]
        if page["next"] is None:
            return ids
        params["cursor"] = page["next"]
    raise AssertionError(f"{path} has no end: {ids}")


def test_every_list_ends(brand: Brand) -> None:
    members = [brand.new_member(f"namesake {n}", name="陳大文", phone=f"091100{n}555") for n in range(4)]
    for keep, merge in (members[3:1:-1], members[:2]):
        brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    by_name = list_ids(brand, "/api/members", "members", "id", name="陳大文")
    assert set(by_name) == {members[3], members[0]}
    assert set(list_ids(brand, "/api/members", "members", "id", last_four="0555")) <= set(members)
    assert list_ids(brand, "/api/members", "members", "id", identity="user_id:namesake 0") == [members[0]]
    assert len(list_ids(brand, f"/api/members/{members[0]}/merges", "merges", "merge")) == 1
    names = list_ids(brand, "/api/traits", "traits", "name")
    assert names == sorted(set(names)) and "points" in names


def test_members_are_found_by_name_and_last_four(brand: Brand) -> None:
    member = brand.new_member("named", name="王小明", phone="0987654321")
    assert [one["id"] for one in brand.ask("GET", "/api/members", params={"name": "小明"})["members"]] == [member]
    assert [one["id"] for one in brand.ask("GET", "/api/members", params={"last_four": "4321"})["members"]] == [member]


def test_what_was_answered_is_read_next(brand: Brand) -> None:
    for number in range(20):
        brand.send(brand.track("eager", f"Step {number}", messageId=f"eager-{number}"))
        assert brand.names("user_id:eager")[-1] == f"Step {number}"
