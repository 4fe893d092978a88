"""The Segment HTTP API: every path, every way to carry the key, what is taken and what is refused."""

import base64
import gzip
import json
from typing import Any

import pytest

from tests.contract.client import Brand

ONE = {"userId": "path", "event": "Done", "groupId": "g", "previousId": "older path"}
TYPES = ("track", "identify", "page", "screen", "group", "alias")


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def post(brand: Brand, path: str, body: object, **options: Any) -> Any:
    """A POST that must be answered exactly 200."""
    response = brand.request("POST", path, json=body, **options)
    assert response.status_code == 200, response.text
    return response.json()


def ways(brand: Brand) -> dict[str, dict[str, Any]]:
    """Every way to carry the write key, as options of a request."""
    key, top = brand.write_key, {"writeKey": brand.write_key}
    return {
        "basic with a colon": {"headers": basic(f"{key}:")},
        "basic without a colon": {"headers": basic(key)},
        "basic with a password": {"headers": basic(f"{key}:anything")},
        "basic in small letters": {
            "headers": {"Authorization": basic(f"{key}:")["Authorization"].replace("B", "b", 1)}
        },
        "the body": {"body": top},
        "a header": {"headers": {"X-Write-Key": key}},
        "the query": {"params": top},
        "bearer and the body": {"headers": {"Authorization": "Bearer an-oauth-token"}, "body": top},
        "basic and the body": {"headers": basic(f"{key}:"), "body": top},
    }


@pytest.mark.parametrize("way", ["basic with a colon", "basic without a colon", "basic with a password",
                                 "basic in small letters", "the body", "a header", "the query",
                                 "bearer and the body", "basic and the body"])  # fmt: skip
def test_the_write_key_is_taken_from(brand: Brand, way: str) -> None:
    options = ways(brand)[way]
    body = {"batch": [brand.track(way, "Key Read")], **options.pop("body", {})}
    assert post(brand, "/v1/batch", body, **options) == {"success": True}
    single = {**brand.track(way, "Key Read Again"), **ways(brand)[way].get("body", {})}
    assert post(brand, "/v1/track", single, **options) == {"success": True}
    assert brand.names(f"user_id:{way}") == ["Key Read", "Key Read Again"]


@pytest.mark.parametrize(
    "options",
    [
        {"headers": basic("rgw_wrong:")},
        {"headers": {"X-Write-Key": "rgw_wrong"}},
        {"params": {"writeKey": "rgw_wrong"}},
        {"headers": {"Authorization": "Bearer rgw_wrong"}},
        {"headers": {"Authorization": "Basic not base64!"}},
        {"headers": {"Authorization": "Basic"}},
        {},
    ],
)
def test_a_wrong_key_is_401(brand: Brand, options: dict[str, Any]) -> None:
    response = brand.request("POST", "/v1/batch", json={"batch": []}, **options)
    assert response.status_code == 401
    assert response.json()["code"] in {"access.key_unknown", "access.key_missing"}


def test_a_wrong_key_in_the_body_is_401(brand: Brand) -> None:
    body = {"batch": [brand.track("intruder", "Break In")], "writeKey": "rgw_wrong"}
    response = brand.request("POST", "/v1/batch", json=body, example=True)
    assert (response.status_code, response.json()["code"]) == (401, "access.key_unknown")
    assert brand.find("user_id:intruder") is None


def test_an_api_key_does_not_write_events(brand: Brand) -> None:
    response = brand.request("POST", "/v1/batch", json={"batch": []}, headers=basic(f"{brand.api_key}:"))
    assert response.status_code == 401
    assert "suggestion" in response.json()


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/batch", "/beacon/v1/batch"])
def test_a_batch_is_taken_at(brand: Brand, path: str) -> None:
    batch = [brand.track(path, "Batched"), {"type": "page", "userId": path, "name": "Home"}]
    shown = path in {"/v1/batch", "/beacon/v1/batch"}
    assert post(brand, path, {"batch": batch}, headers=brand.basic, example=shown) == {"success": True}
    assert sorted(brand.names(f"user_id:{path}")) == ["Batched", "Page Viewed"]


@pytest.mark.parametrize("call_type", [*TYPES, *(name[0] for name in TYPES)])
def test_one_call_is_taken_at_v1(brand: Brand, call_type: str) -> None:
    user = f"one {call_type}"
    call = ONE | {"userId": user, "type": "nonsense", "traits": {"via": call_type}}
    shown = call_type == "track"
    answer = post(brand, f"/v1/{call_type}", call, headers=brand.basic, example=shown)
    assert answer == {"success": True}
    expected = {"t": ["Done"], "p": ["Page Viewed"], "s": ["Screen Viewed"], "g": ["Group Joined"], "i": [], "a": []}
    assert brand.names(f"user_id:{user}") == expected[call_type[0]]
    assert brand.member(f"user_id:{user}")["traits"] == ({"via": call_type} if call_type[0] == "i" else {})


def test_metrics_of_a_browser_library_are_taken_and_dropped(brand: Brand) -> None:
    assert post(brand, "/v1/m", {"series": [{"type": "Counter", "metric": "x", "value": 1}]}) == {"success": True}


def test_an_unknown_call_is_refused(brand: Brand) -> None:
    response = brand.request("POST", "/v1/teleport", json=ONE, headers=brand.basic, example=True)
    assert response.status_code == 400
    assert response.json()["suggestion"]


def test_the_settings_document_leads_back_here(brand: Brand) -> None:
    response = brand.request("GET", f"/v1/projects/{brand.write_key}/settings", example=True)
    assert response.status_code == 200
    segment = response.json()["integrations"]["Segment.io"]
    host = brand.url.removeprefix("http://")
    assert segment == {"apiKey": brand.write_key, "apiHost": f"{host}/v1", "protocol": "http"}


def test_the_settings_document_of_a_wrong_key_is_401(brand: Brand) -> None:
    assert brand.request("GET", "/v1/projects/rgw_wrong/settings", example=True).status_code == 401


@pytest.mark.parametrize("call_type", ["track", "page"])
def test_a_pixel_takes_a_call_from_its_address(brand: Brand, call_type: str) -> None:
    query = {
        "writeKey": brand.write_key,
        "anonymousId": f"pixel {call_type}",
        "event": "Mail Opened",
        "properties": '{"campaign":"七月"}',
    }
    response = brand.request("GET", f"/pixel/v1/{call_type}", params=query, example=call_type == "track")
    assert (response.status_code, response.headers["content-type"]) == (200, "image/gif")
    assert response.content.startswith(b"GIF89a")
    (event,) = brand.events(f"anonymous_id:pixel {call_type}")
    assert event["properties"] == {"campaign": "七月"}


def test_a_pixel_of_a_wrong_key_or_kind_is_refused(brand: Brand) -> None:
    asked = {"writeKey": "rgw_wrong", "anonymousId": "x", "event": "Y"}
    assert brand.request("GET", "/pixel/v1/track", params=asked, example=True).status_code == 401
    assert brand.request("GET", "/pixel/v1/alias", params=asked).status_code == 400
    wrong = {"writeKey": brand.write_key, "anonymousId": "x", "event": "Y", "properties": "{"}
    assert brand.request("GET", "/pixel/v1/track", params=wrong).status_code == 400


@pytest.mark.parametrize("path", ["/health", "/healthz"])
def test_health_needs_no_key(brand: Brand, path: str) -> None:
    response = brand.request("GET", path, example=path == "/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=big5", "", None]
)
def test_the_body_is_json_whatever_its_type_says(brand: Brand, content_type: str | None) -> None:
    user = f"typed {content_type}"
    headers = brand.basic | ({} if content_type is None else {"Content-Type": content_type})
    body = json.dumps({"batch": [brand.track(user, "Typed")]}).encode()
    assert brand.request("POST", "/v1/batch", content=body, headers=headers).status_code == 200
    assert brand.names(f"user_id:{user}") == ["Typed"]


def test_a_gzip_body_is_taken(brand: Brand) -> None:
    body = gzip.compress(json.dumps({"batch": [brand.track("zipped", "Zipped")]}).encode())
    for encoding in ("gzip", "GZIP"):
        headers = brand.basic | {"Content-Encoding": encoding}
        assert brand.request("POST", "/v1/batch", content=body, headers=headers).status_code == 200
    assert brand.names("user_id:zipped") == ["Zipped", "Zipped"]


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_an_unknown_encoding_is_refused(brand: Brand, encoding: str) -> None:
    headers = brand.basic | {"Content-Encoding": encoding}
    assert brand.request("POST", "/v1/batch", content=b"{}", headers=headers).status_code == 400


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/t", "/v1/m", "/beacon/v1/batch", "/v1/projects/x/settings"])
def test_a_browser_may_ask_first(brand: Brand, path: str) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "GET" if path.endswith("settings") else "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-retry-count",
    }
    response = brand.request("OPTIONS", path, headers=asked)
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == "https://shop.example"
    assert response.headers["access-control-allow-credentials"] == "true"
    allowed = response.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "x-retry-count"))


@pytest.mark.parametrize("key", ["right", "wrong"])
def test_a_browser_may_read_the_answer(brand: Brand, key: str) -> None:
    headers = {"Origin": "https://shop.example"} | (brand.basic if key == "right" else basic("rgw_wrong:"))
    response = brand.request("POST", "/v1/batch", json={"batch": []}, headers=headers)
    assert response.status_code == (200 if key == "right" else 401)
    assert response.headers["access-control-allow-origin"] == "https://shop.example"


def test_the_api_is_not_open_to_browsers_of_other_pages(brand: Brand) -> None:
    headers = {"Origin": "https://shop.example", "Authorization": f"Bearer {brand.api_key}"}
    assert "access-control-allow-origin" not in brand.request("GET", "/api/settings", headers=headers).headers


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ({"type": "track", "userId": "u"}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "  "}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": {"name": "x"}}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "x", "properties": []}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "x" * 201}, "event.invalid"),
        ({"type": "track", "event": "x"}, "event.identity_missing"),
        ({"type": "track", "event": "x", "userId": None, "anonymousId": ""}, "event.identity_missing"),
        ({"type": "track", "event": "x", "userId": " \t "}, "event.identity_missing"),
        ({"type": "track", "event": "x", "userId": True}, "event.invalid"),
        ({"type": "track", "event": "x", "userId": ["u"]}, "event.invalid"),
        ({"type": "track", "event": "x", "userId": "u" * 301}, "identity.value_invalid"),
        ({"type": "identify", "userId": "u", "traits": "many"}, "event.invalid"),
        ({"type": "alias", "userId": "u"}, "event.invalid"),
        ({"type": "alias", "previousId": "u", "anonymousId": "v"}, "event.invalid"),
        ({"type": "group", "userId": "u"}, "event.invalid"),
        ({"type": "teleport", "userId": "u"}, "event.type_unknown"),
        ({"type": ["track"], "userId": "u", "event": "x"}, "event.type_unknown"),
        ({"userId": "u", "event": "x"}, "event.type_unknown"),
        ({"type": "track", "userId": "u", "event": "x", "timestamp": "yesterday"}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "x", "timestamp": 1735689600}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "x", "timestamp": "1066-10-14T00:00:00Z"}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "x", "messageId": "m" * 101}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "x", "messageId": {}}, "event.invalid"),
        ({"type": "track", "userId": "u\0", "event": "x"}, "event.text_invalid"),
        ({"type": "track", "userId": "u", "event": "x\0"}, "event.text_invalid"),
        ({"type": "track", "userId": "u", "event": "x", "properties": {"a": "\0"}}, "event.text_invalid"),
        ({"type": "identify", "userId": "u", "traits": {"a\0": 1}}, "event.text_invalid"),
        ({"type": "track", "userId": "u", "event": "x", "properties": {"a": "y" * 270_000}}, "event.too_large"),
        ("track", "event.invalid"),
        (None, "event.invalid"),
        ([], "event.invalid"),
        (7, "event.invalid"),
    ],
)  # fmt: skip
def test_a_bad_event_is_named_and_the_others_land(brand: Brand, call: object, code: str, request) -> None:
    user = request.node.name
    answer = brand.send(brand.track(user, "Before"), call, brand.track(user, "After"))
    assert answer["success"] is True
    ((index, found),) = [(one["index"], one["code"]) for one in answer["rejected"]]
    assert (index, found) == (1, code)
    assert answer["rejected"][0]["message"]
    assert brand.names(f"user_id:{user}") == ["Before", "After"]


def test_a_rejected_event_names_its_message_and_is_kept(brand: Brand) -> None:
    answer = brand.send({"type": "track", "messageId": "poison", "event": "x", "properties": {"n": 1}})
    assert [one["messageId"] for one in answer["rejected"]] == ["poison"]
    newest = brand.ask("GET", "/api/events/rejected", params={"limit": 1}, example=True)["rejected"][0]
    assert (newest["message_id"], newest["code"]) == ("poison", "event.identity_missing")
    assert json.loads(newest["body"])["properties"] == {"n": 1}


def test_one_bad_event_alone_is_200_too(brand: Brand) -> None:
    response = brand.request("POST", "/v1/track", json={"event": "x"}, headers=brand.basic)
    assert response.status_code == 200
    assert response.json()["rejected"][0]["code"] == "event.identity_missing"


def test_a_poisoned_batch_of_a_hundred_lands_ninety_nine(brand: Brand) -> None:
    calls = [brand.track("hundred", f"Event {n}", messageId=f"hundred-{n}") for n in range(100)]
    calls[41] = {"type": "track", "event": 41, "userId": "hundred"}
    assert [one["index"] for one in brand.send(*calls)["rejected"]] == [41]
    assert len(brand.events("user_id:hundred")) == 99


def test_duplicates_land_once(brand: Brand) -> None:
    call = brand.track("repeated", "Once", messageId="repeated-1")
    for _ in range(3):
        assert brand.send(call, call, call, sentAt="2026-01-01T00:00:00Z") == {"success": True}
    assert brand.names("user_id:repeated") == ["Once"]


def test_the_first_of_duplicates_counts(brand: Brand) -> None:
    brand.send(brand.track("first", "First", messageId="same"), brand.track("first", "Second", messageId="same"))
    assert brand.names("user_id:first") == ["First"]


def test_a_rejected_event_may_come_again_mended(brand: Brand) -> None:
    assert brand.send({"type": "track", "userId": "mended", "messageId": "mended-1"})["rejected"]
    assert brand.send(brand.track("mended", "Mended", messageId="mended-1")) == {"success": True}
    assert brand.names("user_id:mended") == ["Mended"]


def test_events_without_a_message_id_are_each_their_own(brand: Brand) -> None:
    for message_id in (None, "", "  "):
        brand.send(*[brand.track("unnumbered", "Seen", messageId=message_id)] * 2)
    brand.send(*[brand.track("unnumbered", "Seen")] * 2)
    assert len(brand.events("user_id:unnumbered")) == 8


@pytest.mark.parametrize(("sent", "kept"), [(42, "42"), (42.0, "42"), (12345678901234567890, "12345678901234567890"),
                                            (1.5, "1.5"), (-7, "-7"), (" padded ", "padded"), ("007", "007")])  # fmt: skip
def test_ids_may_be_numbers(brand: Brand, sent: object, kept: str) -> None:
    call = {"type": "track", "anonymousId": sent, "messageId": sent, "event": "Numbered"}
    assert brand.send(call) == {"success": True}
    assert [event["message_id"] for event in brand.events(f"anonymous_id:{kept}")] == [kept]


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_an_empty_id_counts_as_missing(brand: Brand, empty: object) -> None:
    visitor = f"visitor {empty!r}"
    assert brand.send({"type": "track", "userId": empty, "anonymousId": visitor, "event": "Seen"}) == {"success": True}
    assert [one["kind"] for one in brand.member(f"anonymous_id:{visitor}")["identities"]] == ["anonymous_id"]


@pytest.mark.parametrize("place", ["traits", "context.traits", "both"])
def test_traits_of_an_identify_are_read_from(brand: Brand, place: str) -> None:
    traits = {"place": place}
    call: dict[str, Any] = {"type": "identify", "userId": f"traits in {place}"}
    if place != "context.traits":
        call["traits"] = traits
    if place != "traits":
        call["context"] = {"traits": traits}
    brand.send(call)
    assert brand.member(f"user_id:traits in {place}")["traits"] == traits


def test_traits_of_other_calls_change_nothing(brand: Brand) -> None:
    brand.send(brand.track("hinted", "Seen", context={"traits": {"plan": "gold"}}, traits={"plan": "gold"}))
    assert brand.member("user_id:hinted")["traits"] == {}


def test_a_batch_context_holds_for_each_message(brand: Brand) -> None:
    brand.send(
        brand.track("ctx a", "Seen"),
        {"type": "identify", "userId": "ctx b", "context": {"traits": {"own": 2}}},
        {"type": "identify", "userId": "ctx c"},
        context={"externalIds": [{"type": "telegram", "id": "999"}], "traits": {"outer": 1}},
        integrations={"All": False},
    )
    assert brand.member("user_id:ctx a")["id"] == brand.member("telegram:999")["id"]
    assert brand.member("user_id:ctx b")["traits"] == {"own": 2}
    assert brand.member("user_id:ctx c")["traits"] == {"outer": 1}


def test_integrations_off_do_not_switch_ingestion_off(brand: Brand) -> None:
    brand.send(brand.track("quiet", "Seen", integrations={"All": False}, context={"active": False}))
    assert brand.names("user_id:quiet") == ["Seen"]


def test_both_shop_vocabularies_read_as_one(brand: Brand) -> None:
    brand.send(brand.track("shopper", "purchase", properties={"transaction_id": "T1", "value": 3, "items": []}))
    brand.send(brand.track("shopper", "Order Completed", properties={"order_id": "T2", "revenue": 4}))
    events = brand.events("user_id:shopper")
    assert {event["name"] for event in events} == {"Order Completed"}
    assert {event["raw_name"] for event in events} == {"Order Completed", "purchase"}


def test_names_of_events_are_counted(brand: Brand) -> None:
    brand.send(*(brand.track("counted", "Counted", timestamp=f"2026-01-0{n}T00:00:00Z") for n in (3, 1, 2)))
    names = brand.ask("GET", "/api/events/names", params={"limit": 1000}, example=True)["names"]
    (counted,) = [name for name in names if name["raw_name"] == "Counted"]
    assert (counted["events"], counted["first_at"], counted["last_at"]) == (
        3, "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z",
    )  # fmt: skip


def test_personal_properties_never_reach_the_history(brand: Brand) -> None:
    path = "/api/events/personal-properties"
    assert brand.ask("GET", path, example=True) == {"names": []}
    assert brand.ask("PUT", path, {"names": ["secret"]}, example=True) == {"names": ["secret"]}
    brand.send(brand.track("discreet", "Seen", properties={"secret": "x", "open": "y"}))
    assert [event["properties"] for event in brand.events("user_id:discreet")] == [{"open": "y"}]
    assert brand.refused("PUT", path, {"names": [""]}, example=True) == "property.name_invalid"
    brand.ask("PUT", path, {"names": []})


@pytest.mark.parametrize("body", [[], "text", 7, {}, {"batch": {}}, {"batch": "x"}, {"batch": None}])
def test_a_body_without_a_batch_is_refused(brand: Brand, body: object) -> None:
    response = brand.request("POST", "/v1/batch", json=body, headers=brand.basic)
    assert (response.status_code, response.json()["code"]) == (400, "request.invalid")


def test_an_empty_batch_is_taken(brand: Brand) -> None:
    assert brand.send() == {"success": True}
