"""Two members become one and two again; what waits for review; traits; export and erasure."""

import pytest

from tests.contract.client import Brand


def pair(brand: Brand, name: str) -> tuple[str, str]:
    """Two members of two events each."""
    ids = []
    for user in (f"{name} a", f"{name} b"):
        brand.send(*(brand.track(user, f"{user} {n}", timestamp=f"2026-02-0{n}T00:00:00Z") for n in (1, 2)))
        ids.append(brand.member(f"user_id:{user}")["id"])
    return ids[0], ids[1]


def without_disclosures(brand: Brand, member: str) -> dict:
    """A member's export but for the list of exports."""
    return {k: v for k, v in brand.ask("GET", f"/api/members/{member}/export").items() if k not in SINCE_MERGED}


SINCE_MERGED = {"disclosures", "merges", "consent_history"}


def test_a_merge_joins_all_that_two_members_have(brand: Brand) -> None:
    keep, merge = pair(brand, "join")
    brand.ask("PUT", f"/api/members/{keep}/tags/first")
    brand.ask("PUT", f"/api/members/{merge}/tags/second")
    done = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge}, example=True)
    assert done["merge"]
    assert done["member"]["id"] == keep
    assert {one["value"] for one in done["member"]["identities"]} == {"join a", "join b"}
    assert {tag["tag"] for tag in done["member"]["tags"]} == {"first", "second"}
    assert brand.names("user_id:join a") == ["join a 1", "join b 1", "join a 2", "join b 2"]
    assert brand.member("user_id:join b")["id"] == keep
    assert brand.ask("GET", f"/api/members/{merge}")["id"] == keep


def test_unmerge_gives_everything_back_exactly(brand: Brand) -> None:
    keep, merge = pair(brand, "back")
    for member, user in ((keep, "back a"), (merge, "back b")):
        brand.send({"type": "identify", "userId": user, "traits": {"city": user, f"only of {user[-1]}": 1}})
        brand.ask("PUT", f"/api/members/{member}/tags/both", {"weight": 0.3 if member == keep else 0.6})
        brand.ask("PUT", f"/api/members/{member}/consents/line/{user[-1]}", {"granted": False})
        brand.ask("PUT", f"/api/members/{member}/preferences", {"topics": {user: True}})
    before = [without_disclosures(brand, member) for member in (keep, merge)]
    wants = [brand.ask("GET", f"/api/members/{member}/preferences") for member in (keep, merge)]
    done = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    undone = brand.ask("POST", "/api/members/unmerge", {"merge": done["merge"]}, example=True)
    assert undone["member"]["id"] == merge
    assert [without_disclosures(brand, member) for member in (keep, merge)] == before
    assert [brand.ask("GET", f"/api/members/{member}/preferences") for member in (keep, merge)] == wants


def test_events_follow_their_identity_through_merge_and_unmerge(brand: Brand) -> None:
    keep, merge = pair(brand, "follow")
    done = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    brand.send(brand.track("follow b", "while merged", timestamp="2026-02-03T00:00:00Z"))
    assert "while merged" in brand.names("user_id:follow a")
    brand.ask("POST", "/api/members/unmerge", {"merge": done["merge"]})
    assert brand.names("user_id:follow b") == ["follow b 1", "follow b 2", "while merged"]
    assert brand.names("user_id:follow a") == ["follow a 1", "follow a 2"]
    brand.send(brand.track("follow b", "afterwards", timestamp="2026-02-04T00:00:00Z"))
    assert brand.names("user_id:follow b")[-1] == "afterwards"
    assert "afterwards" not in brand.names("user_id:follow a")


def test_merges_of_three_come_apart_in_any_order(brand: Brand) -> None:
    users = [f"tri {n}" for n in range(3)]
    ids = [brand.new_member(user, home=user) for user in users]
    brand.send(*(brand.track(user, f"by {user}") for user in users))
    first = brand.ask("POST", "/api/members/merge", {"keep": ids[1], "merge": ids[2]})["merge"]
    second = brand.ask("POST", "/api/members/merge", {"keep": ids[0], "merge": ids[1]})["merge"]
    assert sorted(brand.names("user_id:tri 0")) == [f"by {user}" for user in users]
    brand.ask("POST", "/api/members/unmerge", {"merge": first})
    assert sorted(brand.names("user_id:tri 0")) == ["by tri 0", "by tri 1"]
    assert brand.names("user_id:tri 2") == ["by tri 2"]
    brand.ask("POST", "/api/members/unmerge", {"merge": second})
    for user, member in zip(users, ids, strict=True):
        assert brand.names(f"user_id:{user}") == [f"by {user}"]
        assert brand.ask("GET", f"/api/members/{member}")["traits"] == {"home": user}


def test_a_member_is_not_merged_with_itself(brand: Brand) -> None:
    member = brand.new_member("narcissus")
    body = {"keep": member, "merge": member}
    assert brand.refused("POST", "/api/members/merge", body, status=409, example=True) == "merge.same_member"


def test_merging_twice_is_refused(brand: Brand) -> None:
    keep, merge = pair(brand, "twice")
    done = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    assert brand.refused("POST", "/api/members/merge", {"keep": keep, "merge": merge}, status=409)
    brand.ask("POST", "/api/members/unmerge", {"merge": done["merge"]})
    body = {"merge": done["merge"]}
    assert brand.refused("POST", "/api/members/unmerge", body, status=409) == "merge.not_undoable"


def test_an_unknown_merge_is_not_found(brand: Brand) -> None:
    body = {"merge": "g999999999"}
    assert brand.refused("POST", "/api/members/unmerge", body, status=404, example=True) == "merge.unknown"
    assert brand.refused("POST", "/api/members/unmerge", {"merge": "nonsense"}, status=404)
    assert brand.refused("POST", "/api/members/merge", {"keep": "m1", "merge": "m999999999"}, status=404)


@pytest.mark.parametrize("body", [{}, {"keep": "m1"}, {"keep": 1, "merge": 2}, [], "m1", {"keep": "m1", "marge": "m2"}])
def test_a_merge_that_names_no_two_is_refused(brand: Brand, body: object) -> None:
    assert brand.refused("POST", "/api/members/merge", body) == "request.invalid"


def test_a_members_merges_are_listed(brand: Brand) -> None:
    keep, merge = pair(brand, "listed")
    done = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    (listed,) = brand.ask("GET", f"/api/members/{keep}/merges", example=True)["merges"]
    assert (listed["merge"], listed["kept"], listed["merged"]) == (done["merge"], keep, merge)
    assert listed["undone_at"] is None
    brand.ask("POST", "/api/members/unmerge", {"merge": done["merge"]})
    (listed,) = brand.ask("GET", f"/api/members/{keep}/merges")["merges"]
    assert listed["undone_at"] is not None


def test_the_stricter_consent_holds_after_a_merge(brand: Brand) -> None:
    keep, merge = pair(brand, "strict")
    proof = {"source": "form"}
    brand.ask("PUT", f"/api/members/{keep}/consents/line/marketing", {"granted": True, "proof": proof})
    brand.ask("PUT", f"/api/members/{merge}/consents/line/marketing", {"granted": False})
    member = brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})["member"]
    assert [consent["granted"] for consent in member["consents"]] == [False]


def test_an_alias_joins_two_members(brand: Brand) -> None:
    brand.send(brand.track("old id", "Before"), brand.track("new id", "After"))
    brand.send({"type": "alias", "previousId": "old id", "userId": "new id"})
    assert brand.member("user_id:old id")["id"] == brand.member("user_id:new id")["id"]
    assert sorted(brand.names("user_id:new id")) == ["After", "Before"]


def test_an_anonymous_visitor_becomes_known(brand: Brand) -> None:
    brand.send({"type": "track", "anonymousId": "visitor", "event": "Product Viewed"})
    brand.send({"type": "identify", "anonymousId": "visitor", "userId": "known"})
    brand.send({"type": "track", "anonymousId": "visitor", "event": "Product Added"})
    assert brand.names("user_id:known") == ["Product Viewed", "Product Added"]


def test_two_users_at_one_device_stay_two(brand: Brand) -> None:
    for user in ("mother", "child"):
        brand.send({"type": "identify", "anonymousId": "kitchen tablet", "userId": user})
    assert brand.member("user_id:mother")["id"] != brand.member("user_id:child")["id"]


def test_a_shared_phone_waits_for_review(brand: Brand) -> None:
    first = brand.new_member("shares a", phone="0911222333")
    second = brand.new_member("shares b", phone="0911222333")
    assert first != second
    conflicts = brand.ask("GET", "/api/conflicts", example=True)["conflicts"]
    (conflict,) = [one for one in conflicts if one["value"] == "+886911222333"]
    assert (conflict["kind"], conflict["holder"], conflict["claimant"]) == ("phone", first, second)
    resolve = f"/api/conflicts/{conflict['id']}/resolve"
    assert brand.ask("POST", resolve, example=True) == {"id": conflict["id"], "state": "resolved"}
    assert conflict["id"] not in {one["id"] for one in brand.ask("GET", "/api/conflicts")["conflicts"]}
    assert brand.refused("POST", resolve, status=404, example=True) == "conflict.unknown"


def test_a_verified_phone_joins(brand: Brand) -> None:
    known = brand.new_member("verified", phone="0955666777")
    brand.send({"type": "track", "anonymousId": "kiosk", "event": "Seen"})
    visitor = brand.member("anonymous_id:kiosk")["id"]
    path = f"/api/members/{visitor}/identities/phone/0955666777"
    assert brand.ask("PUT", path, {"verified": True})["id"] == known
    assert brand.names("user_id:verified") == ["Seen"]


def test_traits_have_types_inferred_from_their_values(brand: Brand) -> None:
    brand.new_member("typed", age=30, vip=True, birthday="1990-01-02", sizes=["s"], city="Tainan")
    types = {trait["name"]: trait["type"] for trait in brand.ask("GET", "/api/traits", example=True)["traits"]}
    assert {name: types[name] for name in ("age", "vip", "birthday", "sizes", "city")} == {
        "age": "number", "vip": "boolean", "birthday": "date", "sizes": "list", "city": "text",
    }  # fmt: skip


def test_null_removes_a_trait(brand: Brand) -> None:
    member = brand.new_member("forgetful", shoe=38, hat=55)
    brand.send({"type": "identify", "userId": "forgetful", "traits": {"shoe": None}})
    assert brand.ask("GET", f"/api/members/{member}")["traits"] == {"hat": 55}


def test_the_latest_word_on_a_trait_wins_whenever_it_arrives(brand: Brand) -> None:
    for year in (2024, 2026, 2025):
        call = {
            "type": "identify",
            "userId": "moved",
            "traits": {"lives": year},
            "timestamp": f"{year}-01-01T00:00:00Z",
        }
        brand.send(call)
    assert brand.member("user_id:moved")["traits"] == {"lives": 2026}


def test_a_value_against_its_declared_type_is_told_and_the_others_land(brand: Brand) -> None:
    declared = brand.ask("PUT", "/api/traits/height", {"type": "number"}, example=True)
    assert declared == {"name": "height", "type": "number", "declared": True, "personal": False}
    good = {"type": "identify", "userId": "tall", "traits": {"height": "178", "eyes": "brown"}}
    bad = {"type": "identify", "userId": "tall", "messageId": "tall-2", "traits": {"height": "very", "eyes": "green"}}
    answer = brand.send(good, bad)
    assert [(one["index"], one["messageId"], one["code"]) for one in answer["rejected"]] == [
        (1, "tall-2", "trait.wrong_type")
    ]
    assert brand.member("user_id:tall")["traits"] == {"height": 178, "eyes": "green"}


def test_an_unknown_trait_type_is_refused(brand: Brand) -> None:
    assert brand.refused("PUT", "/api/traits/age", {"type": "integer"}, example=True) == "trait.type_invalid"


def test_a_personal_trait_is_sealed_and_still_shown(brand: Brand) -> None:
    member = brand.new_member("private", diagnosis="hay fever")
    brand.ask("PUT", "/api/traits/diagnosis", {"type": "text", "personal": True})
    assert brand.ask("GET", f"/api/members/{member}")["traits"] == {"diagnosis": "hay fever"}
    later = brand.new_member("private too", diagnosis="none")
    assert brand.ask("GET", f"/api/members/{later}")["traits"] == {"diagnosis": "none"}


def test_an_export_holds_everything_and_is_disclosed(brand: Brand) -> None:
    member = brand.new_member("exported", email="x@example.com", likes="tea")
    brand.send(brand.track("exported", "Seen", properties={"page": 7}))
    body = {"granted": True, "proof": {"source": "paper"}}
    brand.ask("PUT", f"/api/members/{member}/consents/mail/marketing", body)
    held = brand.ask("GET", f"/api/members/{member}/export", example=True)
    assert held["member"] == brand.ask("GET", f"/api/members/{member}")
    assert [event["properties"] for event in held["events"]] == [{"page": 7}]
    assert held["consent_history"][0]["proof"] == {"source": "paper"}
    assert len(held["disclosures"]) == 1
    assert len(brand.ask("GET", f"/api/members/{member}/export")["disclosures"]) == 2


def test_an_erased_member_is_hidden_at_once(brand: Brand) -> None:
    member = brand.new_member("erased", email="erased@example.com")
    brand.send(brand.track("erased", "Seen"))
    brand.ask("DELETE", f"/api/members/{member}", status=202, example=True)
    for path in ("", "/events", "/export", "/preferences"):
        assert brand.refused("GET", f"/api/members/{member}{path}", status=404) == "member.unknown"
    assert brand.find("user_id:erased") is None
    assert brand.find("email:erased@example.com") is None
    assert brand.refused("DELETE", f"/api/members/{member}", status=404, example=True) == "member.unknown"


def test_what_comes_later_for_an_erased_member_is_dropped_with_200(brand: Brand) -> None:
    member = brand.new_member("gone", email="gone@example.com")
    brand.ask("DELETE", f"/api/members/{member}", status=202)
    names = {one["raw_name"] for one in brand.ask("GET", "/api/events/names")["names"]}
    assert "Too Late" not in names
    answer = brand.send(
        brand.track("gone", "Too Late"),
        {"type": "identify", "userId": "gone", "traits": {"city": "Taipei"}},
        brand.track("gone's neighbour", "In Time"),
    )
    assert answer == {"success": True}
    assert brand.find("user_id:gone") is None
    assert brand.names("user_id:gone's neighbour") == ["In Time"]
    assert "Too Late" not in {one["raw_name"] for one in brand.ask("GET", "/api/events/names")["names"]}


def test_erasing_takes_merged_members_with_it(brand: Brand) -> None:
    keep, merge = pair(brand, "family")
    brand.ask("POST", "/api/members/merge", {"keep": keep, "merge": merge})
    brand.ask("DELETE", f"/api/members/{merge}", status=202)
    for member in (keep, merge):
        assert brand.refused("GET", f"/api/members/{member}", status=404)
    assert brand.find("user_id:family a") is None
