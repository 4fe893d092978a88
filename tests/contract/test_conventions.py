"""What holds for every path: keys, errors, limits, cursors, percent-encoding, repeated requests, raw bytes."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.contract.client import Brand, encoded

LISTS = ("/api/members", "/api/traits", "/api/items", "/api/conflicts", "/api/events/names", "/api/events/rejected")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("rga_wrong"), {"Authorization": "Bearer"}, {"Authorization": "rga_wrong"},
     {"Authorization": "Basic cmdhX3dyb25nOg=="}, {"X-Write-Key": "rga_wrong"}],
)  # fmt: skip
def test_the_api_needs_its_key(brand: Brand, headers: dict[str, str]) -> None:
    for path in ("/api/settings", "/api/members", "/api/members/m1/export"):
        response = brand.request("GET", path, headers=headers)
        assert (response.status_code, response.json()["code"].partition(".")[0]) == (401, "access")


def test_a_write_key_reads_nothing(brand: Brand) -> None:
    response = brand.request("GET", "/api/settings", headers=bearer(brand.write_key))
    assert response.status_code == 401
    assert response.json()["suggestion"]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_be_spelt_in_any_case(brand: Brand, scheme: str) -> None:
    assert brand.request("GET", "/api/settings", headers={"Authorization": f"{scheme} {brand.api_key}"}).is_success


@pytest.mark.parametrize("path", ["/nothing", "/api/nothing", "/api", "/v2/batch", "/api/members/m1/x/y/z", "/é", "//", "/%00"])  # fmt: skip
def test_an_unknown_path_is_404_in_json(brand: Brand, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        response = brand.request(method, path, headers=bearer(brand.api_key))
        assert (response.status_code, response.json()["code"]) == (404, "request.path_unknown")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/settings"), ("PATCH", "/api/members"), ("GET", "/v1/batch"), ("POST", "/healthz"),
     ("PUT", "/api/members/merge")],
)  # fmt: skip
def test_a_method_that_a_path_does_not_take_is_405_in_json(brand: Brand, method: str, path: str) -> None:
    response = brand.request(method, path, headers=bearer(brand.api_key))
    assert (response.status_code, response.json()["code"]) == (405, "request.method_not_allowed")


@pytest.mark.parametrize("path", LISTS)
def test_lists_take_a_limit_from_1_to_1000(brand: Brand, path: str) -> None:
    for limit in (1, 100, 1000):
        answer = brand.ask("GET", path, params={"limit": limit})
        assert set(answer) == {path.rpartition("/")[2], "next"}
    for wrong in ("0", "1001", "-1", "ten", "1.5", "", "9" * 40, "٣", " 5"):
        assert brand.refused("GET", path, params={"limit": wrong}) == "request.invalid"


@pytest.mark.parametrize("path", LISTS)
def test_a_cursor_nobody_answered_is_refused_or_harmless(brand: Brand, path: str) -> None:
    for cursor in ("é", "!!!", "AAA", "//79", "LTE", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "AA", "x" * 5_000):
        response = brand.request("GET", path, params={"cursor": cursor}, headers=bearer(brand.api_key))
        assert response.status_code in {200, 400}


def test_a_wrong_cursor_is_told(brand: Brand) -> None:
    for path in LISTS[:1]:
        assert brand.refused("GET", path, params={"cursor": "é"}) == "cursor.invalid"


@pytest.mark.parametrize("name", ["a b", "100%", "a+b", "中文", "?x=1", "#", "🦄", '"', "a\\b", "…", "x" * 100])
def test_names_are_percent_encoded_in_paths(brand: Brand, name: str) -> None:
    path = f"/api/members/{brand.new_member('names')}/tags/{encoded(name)}"
    assert brand.ask("PUT", path)["tags"][0]["tag"] == name
    assert brand.ask("DELETE", path)["tags"] == []


def test_an_item_id_may_hold_a_slash(brand: Brand) -> None:
    brand.ask("POST", "/api/items", {"items": [{"id": "a/b c"}]})
    assert brand.ask("GET", f"/api/items/{encoded('a/b c')}")["id"] == "a/b c"


def test_a_repeated_request_is_answered_as_the_first_time(brand: Brand) -> None:
    keep, merge = brand.new_member("idem a"), brand.new_member("idem b")
    headers = {"Idempotency-Key": "merge-1"}
    body = {"keep": keep, "merge": merge}
    first = brand.ask("POST", "/api/members/merge", body, headers=headers)
    assert brand.ask("POST", "/api/members/merge", body, headers=headers) == first
    assert len(brand.ask("GET", f"/api/members/{keep}/merges")["merges"]) == 1


def test_an_idempotency_key_with_another_body_is_a_conflict(brand: Brand) -> None:
    headers = {"Idempotency-Key": "items-1"}
    brand.ask("POST", "/api/items", {"items": [{"id": "idem"}]}, headers=headers)
    other = {"items": [{"id": "another"}]}
    assert brand.refused("POST", "/api/items", other, status=409, headers=headers) == "idempotency.conflict"
    assert brand.refused("GET", "/api/items/another", status=404) == "item.unknown"


def test_a_refused_request_leaves_its_idempotency_key_free(brand: Brand) -> None:
    member = brand.new_member("idem c")
    headers = {"Idempotency-Key": "refused-1"}
    assert brand.refused("POST", "/api/members/merge", {"keep": member, "merge": member}, status=409, headers=headers)
    assert brand.ask(
        "POST", "/api/members/merge", {"keep": member, "merge": brand.new_member("idem d")}, headers=headers
    )


def test_requests_with_one_key_at_once_are_performed_once(brand: Brand) -> None:
    keep, merge = brand.new_member("race a"), brand.new_member("race b")
    options: dict[str, Any] = {
        "json": {"keep": keep, "merge": merge},
        "headers": bearer(brand.api_key) | {"Idempotency-Key": "race"},
    }
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: brand.request("POST", "/api/members/merge", **options), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(brand.ask("GET", f"/api/members/{keep}/merges")["merges"]) == 1


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_an_idempotency_key_has_1_to_200_characters(brand: Brand, key: str) -> None:
    body = {"items": [{"id": "x"}]}
    code = brand.refused("POST", "/api/items", body, headers={"Idempotency-Key": key})
    assert code == "idempotency.key_invalid"


def test_an_idempotency_key_of_one_brand_is_free_in_another(brand: Brand, stranger: Brand) -> None:
    headers = {"Idempotency-Key": "shared"}
    brand.ask("POST", "/api/items", {"items": [{"id": "ours"}]}, headers=headers)
    assert stranger.ask("POST", "/api/items", {"items": [{"id": "theirs"}]}, headers=headers)["written"] == 1


@pytest.mark.parametrize("body", [b"", b" \n"])
def test_a_post_that_needs_nothing_may_have_no_body(brand: Brand, body: bytes) -> None:
    first, second = (brand.new_member(f"shared by {n} {body!r}", phone="0922000111") for n in (1, 2))
    conflict = brand.ask("GET", "/api/conflicts", params={"limit": 1000})["conflicts"][-1]
    assert {conflict["holder"], conflict["claimant"]} & {first, second}
    path = f"/api/conflicts/{conflict['id']}/resolve"
    response = brand.request("POST", path, content=body, headers=bearer(brand.api_key))
    assert (response.status_code, response.json()["state"]) == (200, "resolved")


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/settings"), ("POST", "/api/items"), ("POST", "/api/members/merge")])  # fmt: skip
def test_a_body_that_is_needed_is_missed(brand: Brand, method: str, path: str) -> None:
    assert brand.refused(method, path) == "request.unreadable"
    assert brand.refused(method, path, []) == "request.invalid"


@pytest.mark.parametrize("depth", [201, 500, 990, 5_000, 500_000])
def test_a_body_nested_beyond_reason_is_refused(brand: Brand, depth: int) -> None:
    body = b'{"items":' + b"[" * depth + b"]" * depth + b"}"
    response = brand.request("POST", "/api/items", content=body, headers=bearer(brand.api_key))
    assert response.status_code == 400
    body = b'{"granted":true,"proof":{"source":' + b"[" * depth + b"]" * depth + b"}}"
    path = f"/api/members/{brand.new_member('nested')}/consents/line/marketing"
    assert brand.request("PUT", path, content=body, headers=bearer(brand.api_key)).status_code == 400


def test_a_body_of_ten_megabytes_is_refused(brand: Brand) -> None:
    response = brand.request("PUT", "/api/settings", content=b" " * 10_000_000, headers=bearer(brand.api_key))
    assert (response.status_code, response.json()["code"]) == (400, "request.too_large")


@pytest.mark.parametrize(
    "raw",
    [
        "GET /api/members?identity=user_id:王 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"not http at all\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /api/settings HTTP/1.1\r\nHost: x\r\nX-Write-Key: a\x00b\r\n\r\n",
        b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_not_http_are_refused_in_json(brand: Brand, raw: bytes) -> None:
    host, port = brand.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400"), answer
    assert b"application/json" in head
    assert b'"code":"request.unreadable"' in body and b'"message":' in body


def test_metrics_are_prometheus_text(brand: Brand) -> None:
    response = brand.request("GET", "/metrics", example=True)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["items/%00", "members/%00", "members/m1/tags/%00", "conflicts/%00/resolve"])
def test_nul_in_a_path_is_refused(brand: Brand, path: str) -> None:
    method = "POST" if path.endswith("resolve") else "PUT" if "tags" in path else "GET"
    assert brand.refused(method, f"/api/{path}")


@pytest.mark.parametrize("query", ["limit=5&limit=6", "limit=5&unknown=x", "&&&", "identity=user_id:a&name=b", "name=", "last_four=", "name=%00", "last_four=%00", "name=" + "x" * 5_000])  # fmt: skip
def test_odd_queries_are_no_defect(brand: Brand, query: str) -> None:
    response = brand.request("GET", f"/api/members?{query}", headers=bearer(brand.api_key))
    assert response.status_code in {200, 400}
