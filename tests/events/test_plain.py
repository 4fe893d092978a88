"""The quick way of reading a plain track says what the slow way says."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.events.model import Call
from regulars.events.plain import find_plain, suspect
from regulars.events.segment import parse_calls
from tests.events.test_segment import BRAND, RECEIVED

SENT_AT = "2026-11-22T05:00:00Z"


def both_ways(text: str) -> tuple[Any, Any]:
    """What the undecoded and the decoded message are read as."""
    raw, decoded = msgspec.Raw(text.encode()), msgspec.json.decode(text)
    return tuple(
        parse_calls([message], brand=BRAND, source_id=1, received_at=RECEIVED, sent_at=SENT_AT)
        for message in (raw, decoded)
    )  # pyright: ignore[reportReturnType]


def shown(call: Call) -> dict[str, Any]:
    """A call without the bytes that only differ in white space."""
    fields = msgspec.structs.asdict(call)
    fields["properties"] = json.loads(fields["properties"])
    del fields["row_rest"]
    return fields


def assert_same(text: str) -> None:
    (quick, quick_refused), (slow, slow_refused) = both_ways(text)
    assert [entry.error.to_dict() for entry in quick_refused] == [entry.error.to_dict() for entry in slow_refused]
    assert [shown(call) for call in quick] == [shown(call) for call in slow]


PLAIN = {"type": "track", "event": "Product Viewed", "userId": "u1", "messageId": "m", "properties": {"price": 12.5}}


def test_a_plain_track_is_read_the_quick_way() -> None:
    item = msgspec.Raw(json.dumps(PLAIN).encode())
    assert find_plain(item, suspect([item])) is not None
    assert_same(json.dumps(PLAIN))


def test_numbers_keep_the_digits_they_came_with() -> None:
    (calls, _), _ = both_ways('{"type":"track","event":"E","userId":"u","messageId":"m","properties":{"x":12.10}}')
    assert calls[0].properties == b'{"x":12.10}'


@pytest.mark.parametrize(
    "change",
    [
        {"type": "identify"},
        {"event": " E "},
        {"event": ""},
        {"event": "E" * 201},
        {"event": None},
        {"userId": 42},
        {"userId": None},
        {"userId": " u "},
        {"userId": None, "anonymousId": "a"},
        {"userId": "u" * 301},
        {"messageId": "m" * 101},
        {"messageId": 7},
        {"messageId": " m "},
        {"properties": None},
        {"properties": []},
        {"properties": "x"},
        {"properties": {"a": "\0"}},
        {"properties": {"products": [{}, {}]}},
        {"properties": {"items": [{}]}},
        {"properties": {"a": "x" * 300_000}},
        {"properties": {"a": "🦄"}},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-11-01T00:00:00Z"},
        {"timestamp": ""},
        {"timestamp": 5},
        {"originalTimestamp": "2026-11-02T00:00:00+08:00", "timestamp": "2026-11-01T00:00:00Z"},
        {"context": {"externalIds": [{"type": "line", "id": "U1"}]}},
        {"context": {"traits": {"a": 1}}},
        {"context": 5},
        {"traits": {"a": 1}},
    ],
    ids=lambda change: str(change)[:60],
)
def test_what_is_not_plain_is_read_the_slow_way(change: dict[str, Any]) -> None:
    assert_same(json.dumps({**PLAIN, **change}, ensure_ascii=False))
    assert_same(json.dumps({**PLAIN, **change}, ensure_ascii=True))


def test_a_context_whose_keys_are_escaped_hides_nothing() -> None:
    text = json.dumps({**PLAIN, "context": {"externalIds": [{"type": "line", "id": "U1"}]}})
    assert_same(text.replace("externalIds", "\\u0065xternalIds"))
    assert_same(text.replace("externalIds", "e\\u0078ternalIds"))


@pytest.mark.parametrize("key", ["products", "items"])
def test_lines_whose_key_is_escaped_are_counted(key: str) -> None:
    text = json.dumps({**PLAIN, "properties": {key: [{}, {}]}})
    assert_same(text.replace(key, f"\\u00{ord(key[0]):x}{key[1:]}"))


def test_a_number_too_large_costs_its_own_message_only() -> None:
    good = json.dumps(PLAIN)
    messages = [msgspec.Raw(text.encode()) for text in (good, good.replace("12.5", "1e999"), good)]
    calls, rejected = parse_calls(messages, brand=BRAND, source_id=1, received_at=RECEIVED)
    assert len(calls) == 2
    assert [(entry.index, entry.error.code) for entry in rejected] == [(1, "event.invalid")]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries(
        {"type": st.just("track"), "event": st.text(max_size=5) | VALUES, "messageId": st.text(min_size=1, max_size=5)},
        optional={
            "userId": st.text(max_size=5) | VALUES,
            "anonymousId": st.text(max_size=5),
            "timestamp": st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-01", "no"]) | VALUES,
            "properties": st.dictionaries(st.text(max_size=8), VALUES, max_size=4) | VALUES,
            "context": VALUES,
        },
    ),
    st.booleans(),
)
def test_both_ways_say_the_same_of_whatever_comes(message: dict[str, Any], ascii_only: bool) -> None:
    if message["messageId"].strip():
        assert_same(json.dumps(message, ensure_ascii=ascii_only))
