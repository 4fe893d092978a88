"""What no honest client sends: large, broken, deep, and oddly spelt bodies; and clocks that are wrong."""

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.contract.client import Brand

MIB = 1024 * 1024


def send_bytes(brand: Brand, body: bytes, **headers: str) -> tuple[int, str | None]:
    """The status and the error's code."""
    response = brand.request("POST", "/v1/batch", content=body, headers=brand.basic | headers)
    return response.status_code, response.json().get("code")


def test_a_batch_of_four_mebibytes_is_taken(brand: Brand) -> None:
    calls = [brand.track("large", f"Event {n}", properties={"text": "字" * 3_000}) for n in range(480)]
    body = json.dumps({"batch": calls}, ensure_ascii=False).encode()
    assert 4 * MIB < len(body) < 5 * MIB
    assert send_bytes(brand, body) == (200, None)
    assert send_bytes(brand, gzip.compress(body, 1), **{"Content-Encoding": "gzip"}) == (200, None)
    assert len(brand.events("user_id:large")) == 2 * 480


def test_an_event_of_32_kibibytes_is_taken(brand: Brand) -> None:
    brand.send(brand.track("wide", "Wide", properties={"text": "x" * 32 * 1024}))
    assert len(brand.events("user_id:wide")[0]["properties"]["text"]) == 32 * 1024


def test_a_body_of_ten_megabytes_is_refused(brand: Brand) -> None:
    body = json.dumps({"batch": [brand.track("huge", "Huge", properties={"text": "x" * 10_000_000})]}).encode()
    assert send_bytes(brand, body) == (400, "request.too_large")
    assert brand.find("user_id:huge") is None


def test_a_body_of_ten_megabytes_in_chunks_is_refused(brand: Brand) -> None:
    response = brand.request("POST", "/v1/batch", content=(b" " * 100_000 for _ in range(100)), headers=brand.basic)
    assert (response.status_code, response.json()["code"]) == (400, "request.too_large")


def test_a_gzip_bomb_is_refused(brand: Brand) -> None:
    bomb = gzip.compress(b'{"batch":[' + b" " * 50_000_000 + b"]}")
    assert len(bomb) < MIB
    assert send_bytes(brand, bomb, **{"Content-Encoding": "gzip"}) == (400, "request.too_large")


@pytest.mark.parametrize("cut", [1, 5, 12, -1])
def test_a_truncated_gzip_is_refused(brand: Brand, cut: int) -> None:
    body = gzip.compress(json.dumps({"batch": [brand.track("cut", "Cut")]}).encode())[:cut]
    assert send_bytes(brand, body, **{"Content-Encoding": "gzip"}) == (400, "request.unreadable")
    assert brand.find("user_id:cut") is None


def test_what_only_says_it_is_gzip_is_refused(brand: Brand) -> None:
    assert send_bytes(brand, b'{"batch":[]}', **{"Content-Encoding": "gzip"}) == (400, "request.unreadable")


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b'{"batch":[}', b'{"batch":[],}', b"\xff\xfe", b'{"batch":["\xff"]}', b"null\0",
     b'{"batch":[NaN]}', b'{"batch":[1e999999]}x', b"{\"batch\":['x']}", b"\xef\xbb\xbf{}x"],
)  # fmt: skip
def test_what_is_not_json_is_refused(brand: Brand, body: bytes) -> None:
    assert send_bytes(brand, body) == (400, "request.unreadable")


@pytest.mark.parametrize("depth", [1_000, 100_000, 2_000_000])
def test_deep_nesting_is_no_defect(brand: Brand, depth: int) -> None:
    deep = b"[" * depth + b"]" * depth
    body = b'{"batch":[{"type":"track","userId":"deep","event":"Deep","properties":{"a":' + deep + b"}}]}"
    status, code = send_bytes(brand, body)
    assert (status, code) == (400, "request.unreadable") or status == 200
    assert brand.send(brand.track("deep enough", "Still Here")) == {"success": True}


def nested(depth: int) -> object:
    """Objects in each other."""
    value: object = 1
    for _ in range(depth):
        value = {"d": value}
    return value


def test_nesting_lands_as_deep_as_it_is_promised_and_is_named_beyond(brand: Brand) -> None:
    assert brand.send(brand.track("nested", "Nested", properties=nested(200))) == {"success": True}
    assert brand.events("user_id:nested")[0]["properties"] == nested(200)
    assert brand.send({"type": "identify", "userId": "nested", "traits": nested(200)}) == {"success": True}
    assert brand.member("user_id:nested")["traits"] == nested(200)
    for depth in range(210, 990, 60):
        answer = brand.send(brand.track("nested", "Too Deep", properties=nested(depth)), brand.track("nested", "Flat"))
        assert [(one["index"], one["code"]) for one in answer["rejected"]] == [(0, "event.too_large")]
        assert brand.send({"type": "track", "context": nested(depth)})["rejected"]
    assert len(brand.ask("GET", "/api/events/rejected")["rejected"]) > 20


@pytest.mark.parametrize("text", ["🦄👨‍👩‍👧", "中文，。", "é", "\u202etxt", "\ufffe", "\x1f\x01", "𠮷", "\x7f\x80"])
def test_any_text_comes_back_as_it_went(brand: Brand, text: str) -> None:
    user = f"text {text!a}"
    brand.send(brand.track(user, f"Event {text}", properties={text: text}, messageId=f"id {text}"))
    (event,) = brand.events(f"user_id:{user}")
    assert (event["name"], event["properties"]) == (f"Event {text}", {text: text})
    brand.send({"type": "identify", "userId": user, "traits": {f"likes {text}": text}})
    assert brand.member(f"user_id:{user}")["traits"] == {f"likes {text}": text}
    brand.send(brand.track(f"u {text}", "Seen"))
    assert brand.names(f"user_id:u {text}") == ["Seen"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("cut \\ud83d", "cut \ufffd"),
        ("\\udc00 first", "\ufffd first"),
        ("\\udc00\\ud800", "\ufffd\ufffd"),
        ("\\uD83Dx", "\ufffdx"),
        ("\\ud83d\\ude00 \\ud83d", "😀 \ufffd"),
        ("\\\\ud83d \\ud83d", "\\ud83d \ufffd"),
        ("\\ud83d\\u0041", "\ufffdA"),
    ],
)
def test_half_an_emoji_is_replaced_and_harms_no_other(brand: Brand, sent: str, read: str) -> None:
    """What a browser sends that cut a text inside an emoji."""
    user = f"surrogate {read}"
    call = json.dumps(brand.track(user, "Cut", properties={"text": "TEXT"})).replace("TEXT", sent)
    assert send_bytes(brand, f'{{"batch":[{call}]}}'.encode()) == (200, None)
    assert brand.events(f"user_id:{user}")[0]["properties"] == {"text": read}


@pytest.mark.parametrize("field", ["userId", "anonymousId", "event", "messageId"])
def test_nul_in_any_text_is_named(brand: Brand, field: str) -> None:
    call = brand.track("nul", "Seen", messageId="nul", anonymousId="nul") | {field: "a\0b"}
    assert [one["code"] for one in brand.send(call)["rejected"]] == ["event.text_invalid"]


def test_nul_in_the_context_harms_nobody(brand: Brand) -> None:
    context = {"page": "\0", "externalIds": [{"type": "line", "id": "U\0"}]}
    brand.send(brand.track("nul context", "Seen", context=context))
    assert brand.names("user_id:nul context") == ["Seen"]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5_000, "0." + "3" * 5_000, "1e-5000"])
def test_numbers_beyond_any_size_are_no_defect(brand: Brand, number: str) -> None:
    for call in (
        '{"type":"track","userId":"big","event":"Big","properties":{"n":NUMBER}}',
        '{"type":"track","userId":NUMBER,"event":"Big","messageId":NUMBER}',
        '{"type":"identify","userId":"big","traits":{"n":NUMBER}}',
    ):
        body = '{"batch":[' + call.replace("NUMBER", number) + "]}"
        assert send_bytes(brand, body.encode())[0] in {200, 400}


def test_many_traits_and_names_are_no_defect(brand: Brand) -> None:
    for start in range(0, 2_000, 500):
        traits = {f"trait {n}": n for n in range(start, start + 500)}
        assert brand.send({"type": "identify", "userId": "wordy", "traits": traits}) == {"success": True}
    assert len(brand.member("user_id:wordy")["traits"]) == 2_000


def test_of_too_many_traits_in_one_call_those_that_have_room_land(brand: Brand) -> None:
    traits = {f"trait {n}": n for n in range(600)}
    answer = brand.send({"type": "identify", "userId": "too wordy", "traits": traits})
    assert {one["code"] for one in answer["rejected"]} == {"trait.too_many"}
    assert len(brand.member("user_id:too wordy")["traits"]) == 500


def test_a_trait_name_that_cannot_be_is_named_and_the_others_land(brand: Brand) -> None:
    traits = {"": 1, "x" * 101: 2, "a/b": 3, "good": 4}
    answer = brand.send({"type": "identify", "userId": "misnamed", "traits": traits})
    assert {one["code"] for one in answer["rejected"]} == {"trait.name_invalid"}
    assert brand.member("user_id:misnamed")["traits"] == {"good": 4}


def test_a_batch_of_twenty_thousand_is_the_most(brand: Brand) -> None:
    call = {"type": "identify", "userId": "many"}
    assert send_bytes(brand, json.dumps({"batch": [call] * 20_001}).encode()) == (400, "request.invalid")


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


def landed(brand: Brand, user: str) -> datetime:
    """When the one event of a member happened."""
    (event,) = brand.events(f"user_id:{user}")
    return datetime.fromisoformat(event["at"])


@pytest.mark.parametrize("days", [-366, -1, 1, 366])
def test_a_wrong_clock_is_corrected(brand: Brand, now: datetime, days: int) -> None:
    """The client's clock is off by `days`; it says that the event happened an hour before it was sent."""
    there = now + timedelta(days=days)
    at = (there - timedelta(hours=1)).isoformat()
    brand.send(brand.track(f"clock {days}", "Seen", timestamp=at), sentAt=there.isoformat())
    assert abs(landed(brand, f"clock {days}") - (now - timedelta(hours=1))) < timedelta(seconds=10)


def test_the_original_timestamp_comes_before_the_timestamp(brand: Brand, now: datetime) -> None:
    there, said = now - timedelta(days=9), now - timedelta(days=9, hours=2)
    call = brand.track("original", "Seen", originalTimestamp=said.isoformat(), timestamp=now.isoformat())
    brand.send(call, sentAt=there.isoformat())
    assert abs(landed(brand, "original") - (now - timedelta(hours=2))) < timedelta(seconds=10)


def test_without_sent_at_the_timestamp_is_taken_as_it_is(brand: Brand) -> None:
    brand.send(brand.track("historic", "Seen", timestamp="2003-04-05T06:07:08.123456Z"))
    assert landed(brand, "historic") == datetime(2003, 4, 5, 6, 7, 8, 123456, UTC)


@pytest.mark.parametrize("sent_at", ["nonsense", 17, None, {}, ""])
def test_a_wrong_sent_at_corrects_nothing(brand: Brand, sent_at: object) -> None:
    brand.send(brand.track(f"sent {sent_at}", "Seen", timestamp="2025-01-01T00:00:00Z"), sentAt=sent_at)
    assert landed(brand, f"sent {sent_at}") == datetime(2025, 1, 1, tzinfo=UTC)


def test_a_correction_into_the_future_is_not_made(brand: Brand, now: datetime) -> None:
    said = now + timedelta(hours=5)
    brand.send(brand.track("ahead", "Seen", timestamp=said.isoformat()), sentAt=now.isoformat())
    assert abs(landed(brand, "ahead") - said) < timedelta(seconds=10)


def test_a_timestamp_without_a_zone_is_the_brands(brand: Brand) -> None:
    brand.send(brand.track("zoneless", "Seen", timestamp="2026-01-02T08:00:00"))
    assert landed(brand, "zoneless") == datetime(2026, 1, 2, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["2026-01-02T03:04:05+08:00", "2026-01-01T19:04:05.000Z", "2026-01-01T19:04:05.000000+00:00"]
)
def test_any_offset_is_read(brand: Brand, text: str) -> None:
    brand.send(brand.track(f"offset {text}", "Seen", timestamp=text))
    assert landed(brand, f"offset {text}") == datetime(2026, 1, 1, 19, 4, 5, tzinfo=UTC)


def test_without_a_timestamp_it_happened_when_it_was_received(brand: Brand, now: datetime) -> None:
    brand.send(brand.track("untimed", "Seen"))
    assert abs(landed(brand, "untimed") - now) < timedelta(seconds=30)


def test_a_retry_with_another_sent_at_is_the_same_event(brand: Brand, now: datetime) -> None:
    call = brand.track("retried", "Seen", messageId="retried", timestamp=now.isoformat())
    for seconds in range(3):
        brand.send(call, sentAt=(now + timedelta(seconds=seconds)).isoformat())
    assert len(brand.events("user_id:retried")) == 1
