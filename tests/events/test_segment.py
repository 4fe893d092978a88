"""From a request's JSON to calls: what is taken, what is refused, when it happened."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.events.model import Call, Rejected
from regulars.events.segment import parse_calls, parse_instant
from regulars.kernel.ids import BrandId
from regulars.platform.crypto import Vault, new_key
from regulars.platform.tenancy import Brand

BRAND = Brand(BrandId(1), "default", ZoneInfo("Asia/Taipei"), "TWD", "TW", Vault.from_data_key(new_key()))
RECEIVED = parse_instant("2026-11-22T06:00:00Z", BRAND.time_zone)
SECOND = 1_000_000


def parse(*messages: object, **request: Any) -> tuple[list[Call], list[Rejected]]:
    return parse_calls(list(messages), brand=BRAND, source_id=1, received_at=RECEIVED, **request)


def take(message: dict[str, Any], **request: Any) -> Call:
    calls, rejected = parse({"type": "track", "userId": "u1", "event": "E", **message}, **request)
    assert not rejected, rejected
    return calls[0]


def refuse(message: object) -> str:
    calls, rejected = parse(message)
    assert not calls
    return rejected[0].error.code


@pytest.mark.parametrize("nothing", [None, "", "  ", "\t\n"])
def test_an_empty_id_counts_as_missing(nothing: object) -> None:
    assert refuse({"type": "track", "event": "E", "userId": nothing}) == "event.identity_missing"


@pytest.mark.parametrize(("given_id", "text"), [(42, "42"), (42.0, "42"), (4.5, "4.5"), (" a ", "a"), (0, "0")])
def test_ids_are_text_and_numbers_become_it(given_id: object, text: str) -> None:
    assert take({"userId": given_id}).claim[0].value == text


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("text", "event.invalid"),
        ({"type": "fly", "userId": "u"}, "event.type_unknown"),
        ({"type": ["track"], "userId": "u", "event": "E"}, "event.type_unknown"),
        ({"type": "track", "userId": "u"}, "event.invalid"),
        ({"type": "track", "userId": {}, "event": "E"}, "event.invalid"),
        ({"type": "track", "userId": True, "event": "E"}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "E", "properties": [1]}, "event.invalid"),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "yesterday"}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": 12}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "E", "timestamp": "1066-10-14"}, "event.timestamp_invalid"),
        ({"type": "track", "userId": "u", "event": "E", "properties": {"a": "\0"}}, "event.text_invalid"),
        ({"type": "track", "userId": "u\0", "event": "E"}, "event.text_invalid"),
        ({"type": "track", "userId": "u", "event": "E", "properties": {"a": "x" * 300_000}}, "event.too_large"),
        ({"type": "track", "userId": "u" * 301, "event": "E"}, "identity.value_invalid"),
        ({"type": "track", "userId": "u", "event": "E", "messageId": "m" * 101}, "event.invalid"),
        ({"type": "alias", "userId": "u"}, "event.invalid"),
        ({"type": "group", "userId": "u"}, "event.invalid"),
        ({"type": "identify", "userId": "u", "traits": "no"}, "event.invalid"),
    ],
)
def test_a_bad_message_is_refused_with_its_code(message: object, code: str) -> None:
    assert refuse(message) == code


def test_a_bad_message_harms_no_other() -> None:
    good = {"type": "track", "userId": "u", "event": "E"}
    calls, rejected = parse(good, {"type": "track"}, good)
    assert len(calls) == 2
    assert [entry.index for entry in rejected] == [1]


def test_traits_are_read_from_either_place() -> None:
    here, _ = parse({"type": "identify", "userId": "u", "traits": {"a": 1}})
    there, _ = parse({"type": "identify", "userId": "u", "context": {"traits": {"a": 1}}})
    assert here[0].traits == there[0].traits == {"a": 1}


def test_traits_in_the_context_of_another_call_are_a_hint_and_no_update() -> None:
    assert take({"context": {"traits": {"a": 1}}}).traits is None


def test_the_requests_context_holds_for_each_message() -> None:
    outer = {"externalIds": [{"type": "line", "id": "U1"}, {"type": "idfa", "id": "x"}]}
    assert take({}, context=outer).claim == (("user_id", "u1"), ("line", "U1"))


def test_phone_and_mail_among_traits_are_identities_in_normal_form() -> None:
    calls, rejected = parse(
        {"type": "identify", "userId": "u", "traits": {"phone": "0912 345 678", "email": "Wang@Example.COM"}}
    )
    assert not rejected
    assert set(calls[0].claim) == {("user_id", "u"), ("phone", "+886912345678"), ("email", "wang@example.com")}


def test_a_phone_in_no_country_is_reported_and_the_identify_lands() -> None:
    calls, rejected = parse({"type": "identify", "userId": "u", "traits": {"phone": "12"}})
    assert len(calls) == 1
    assert rejected[0].error.code == "identity.value_invalid"


def test_a_clock_that_is_a_year_off_is_corrected() -> None:
    call = take({"timestamp": "2025-11-22T05:59:00Z"}, sent_at="2025-11-22T06:00:00Z")
    assert call.occurred_at == RECEIVED - 60 * SECOND
    assert call.original_at == parse_instant("2025-11-22T05:59:00Z", BRAND.time_zone)


def test_a_correction_into_the_future_is_not_made() -> None:
    call = take({"timestamp": "2026-11-22T07:00:00Z"}, sent_at="2026-11-22T05:00:00Z")
    assert call.occurred_at == call.original_at


def test_the_network_is_not_mistaken_for_a_wrong_clock() -> None:
    call = take({"timestamp": "2020-01-01T00:00:00Z"}, sent_at="2026-11-22T05:59:59.600Z")
    assert call.occurred_at == call.original_at


def test_without_a_zone_an_instant_is_the_brands() -> None:
    assert parse_instant("2026-11-22T14:00:00", BRAND.time_zone) == RECEIVED


def test_the_original_timestamp_goes_before_the_timestamp() -> None:
    call = take({"originalTimestamp": "2020-01-01T00:00:00Z", "timestamp": "2021-01-01T00:00:00Z"})
    assert call.occurred_at == parse_instant("2020-01-01T00:00:00Z", BRAND.time_zone)


def test_one_message_id_is_one_event_id_whatever_else_changed() -> None:
    a, b = take({"messageId": "m", "properties": {"x": 1}}), take({"messageId": "m"}, sent_at="2026-11-22T06:00:00Z")
    assert a.event_id == b.event_id != take({"messageId": "n"}).event_id
    assert take({"messageId": ""}).event_id != take({"messageId": ""}).event_id


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("type", "userId", "anonymousId", "event", "properties", "traits", "context", "timestamp", "messageId",
          "previousId", "groupId")  # fmt: skip


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["track", "identify"])) | JSON))
def test_whatever_comes_each_message_is_taken_or_refused(messages: list[object]) -> None:
    calls, rejected = parse(*messages, context={"a": 1}, sent_at=None)
    refused = {entry.index for entry in rejected if entry.body is not None or messages[entry.index] is None}
    assert len(calls) + len(refused) == len(messages)
