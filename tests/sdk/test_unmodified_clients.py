"""Clients that nobody changed for us: segment-analytics-python and RudderStack's Python SDK drive a real server.

A loopback proxy between them and the server does what networks do and keeps what they sent; what landed is counted over
HTTP.
"""

import json
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rudderstack.analytics.client as rudder
import rudderstack.analytics.request as rudder_request
import segment.analytics.client as segment
import segment.analytics.request as segment_request

from tests.sdk.proxy import Action, Proxy, open_proxy
from tests.support.serving import Serving

SDKS: dict[str, tuple[Any, type[Exception]]] = {
    "segment": (segment.Client, segment_request.APIError),
    "rudder": (rudder.Client, rudder_request.APIError),
}
USERS = 20
DUPLICATE_EVERY = 10
FAULTS_SEED = 7
UPLOAD_SECONDS = 0.1
MIB = 1024 * 1024


@dataclass
class Client:
    """One SDK's client and the errors it told its application."""

    sdk: Any
    errors: list[Exception] = field(default_factory=list[Exception])


@contextmanager
def open_client(kind: str, url: str, write_key: str, **options: Any) -> Iterator[Client]:
    """The SDK's own client with its own defaults, but that it waits less for more; flushed and ended with the block."""
    client = Client(None)
    make = SDKS[kind][0]
    client.sdk = make(
        write_key,
        host=url,
        on_error=lambda error, batch: client.errors.append(error),
        max_queue_size=50_000,
        upload_interval=UPLOAD_SECONDS,
        **options,
    )
    try:
        yield client
        client.sdk.flush()
    finally:
        client.sdk.join()


def choose_few_faults(number: int) -> Action:
    """Each kind once: a lost reply, 500 twice before it passes, 429."""
    opening: list[Action] = ["pass", "lose_reply", "pass", "500", "500", "pass", "429"]
    return opening[number] if number < len(opening) else "pass"


def choose_many_faults(number: int) -> Action:
    """After each kind once, about one request in eight fails."""
    if number < 7:
        return choose_few_faults(number)
    chosen = random.Random(f"{FAULTS_SEED}/{number}").random()
    return "lose_reply" if chosen < 0.06 else "500" if chosen < 0.09 else "429" if chosen < 0.12 else "pass"


def send_calls(
    serving: Serving, kind: str, name: str, count: int, plan: Callable[[int], Action], **options: Any
) -> tuple[dict[str, set[str]], Proxy]:
    """Send that many calls, some twice and one poisoned, through faults; ids that must land by user, and the proxy."""
    expected: dict[str, set[str]] = {}
    with (
        open_proxy(serving.url, plan=plan) as proxy,
        open_client(kind, proxy.url, serving.ready["write_key"], **options) as client,
    ):
        sent = 0
        while sent < count:
            user, message_id = f"{name}-{sent % USERS}", str(uuid.uuid4())
            for _ in range(2 if sent % DUPLICATE_EVERY == 0 else 1):
                client.sdk.track(user, name, {"at": sent, "gift": "🎁"}, message_id=message_id)
                sent += 1
            expected.setdefault(user, set()).add(message_id)
            if sent > count // 2 and "poison" not in expected:
                expected["poison"] = {str(uuid.uuid4())}
                client.sdk.track("  ", name, {"poisoned": True}, message_id=next(iter(expected["poison"])))
                sent += 1
    assert client.errors == []
    return expected, proxy


def check_landed(serving: Serving, name: str, expected: dict[str, set[str]]) -> None:
    """Each good call once, the poisoned one in the dead-letter view."""
    (poison,) = expected.pop("poison")
    for user, ids in expected.items():
        landed = [event["message_id"] for event in serving.list_events(serving.get_member(f"user_id:{user}")["id"])]
        assert len(landed) == len(set(landed)), "nothing landed twice"
        assert set(landed) == ids, "all that was called landed"
    assert serving.count_names()[name] == sum(len(ids) for ids in expected.values())
    rejected = serving.get("/api/events/rejected?limit=1000")["rejected"]
    assert [one["code"] for one in rejected if one["message_id"] == poison] == ["event.identity_missing"]


@pytest.mark.parametrize("kind", SDKS)
def test_calls_land_once_through_faults(serving: Serving, unique: str, kind: str) -> None:
    expected, proxy = send_calls(serving, kind, f"{kind} {unique}", 250, choose_few_faults, upload_size=50)
    check_landed(serving, f"{kind} {unique}", expected)
    assert (proxy.count("lose_reply"), proxy.count("500"), proxy.count("429")) == (1, 2, 1)


@pytest.mark.long
def test_ten_thousand_calls_land_once_through_faults(serving: Serving, unique: str) -> None:
    for kind in SDKS:
        expected, proxy = send_calls(serving, kind, f"{kind} {unique}", 5_000, choose_many_faults)
        check_landed(serving, f"{kind} {unique}", expected)
        assert len(proxy.seen) > 50


@pytest.mark.parametrize("kind", SDKS)
def test_a_wrong_key_fails_at_the_first_attempt(serving: Serving, kind: str) -> None:
    with open_proxy(serving.url) as proxy, open_client(kind, proxy.url, "rgw_wrong") as client:
        client.sdk.track("someone", "Never")
        client.sdk.flush()
        (error,) = client.errors
        assert isinstance(error, SDKS[kind][1])
        assert (error.status, error.code) == (401, "access.key_unknown")  # pyright: ignore[reportAttributeAccessIssue]
        assert [one.status for one in proxy.seen] == [401], "exactly one request"


@pytest.mark.parametrize("kind", SDKS)
def test_a_visitor_becomes_a_member(serving: Serving, unique: str, kind: str) -> None:
    """identify(anon) → track → identify(user) → alias → group → page: one member, one merge, five events."""
    anonymous, user, renamed = f"anon-{unique}", f"user-{unique}", f"renamed-{unique}"
    with open_client(kind, serving.url, serving.ready["write_key"]) as client:
        sdk = client.sdk
        sdk.identify(anonymous_id=anonymous, traits={"city": "台北"})
        for at in range(3):
            sdk.track(anonymous_id=anonymous, event="Product Viewed", properties={"at": at})
        sdk.identify(user, {"age": 31}, anonymous_id=anonymous)
        sdk.track(renamed, "Order Completed", {"revenue": 10})
        sdk.flush()
        before = {serving.get_member(f"user_id:{name}")["id"] for name in (user, renamed)}
        sdk.alias(user, renamed)
        sdk.group(renamed, "readers", {"plan": "free"})
        sdk.page(renamed, "Docs", "Start")
        sdk.flush()
        assert client.errors == []
    assert len(before) == 2
    member = serving.get_member(f"user_id:{renamed}")
    for identity in (f"user_id:{user}", f"anonymous_id:{anonymous}"):
        assert serving.get_member(identity)["id"] == member["id"]
    assert member["traits"] == {"city": "台北", "age": 31}
    names = sorted(event["name"] for event in serving.list_events(member["id"]))
    assert names == ["Group Joined", "Order Completed", "Page Viewed", *["Product Viewed"] * 3]
    (merge,) = serving.get(f"/api/members/{member['id']}/merges")["merges"]
    assert {merge["kept"], merge["merged"]} == before and merge["cause"] == "alias"


@pytest.mark.parametrize("kind", SDKS)
@pytest.mark.parametrize("zipped", [True, False])
def test_odd_ids_emoji_and_large_events_land(serving: Serving, unique: str, kind: str, zipped: bool) -> None:
    number = int(unique, 16)
    with (
        open_proxy(serving.url) as proxy,
        open_client(kind, proxy.url, serving.ready["write_key"], gzip=zipped) as client,
    ):
        sdk = client.sdk
        sdk.track(number, "Numbered", {"emoji": "👩‍👩‍👧‍👦🎁", "none": None})
        sdk.track(None, "Nameless", anonymous_id=f"anon-{unique}")
        room = 32 * 1024 - 1_000
        assert sdk.track(number, "Large", {"text": "x" * room})[0]
    assert client.errors == []
    assert {one.headers.get("Content-Encoding") for one in proxy.seen} == {"gzip" if zipped else None}
    events = {event["name"]: event for event in serving.list_events(serving.get_member(f"user_id:{number}")["id"])}
    assert events["Numbered"]["properties"] == {"emoji": "👩‍👩‍👧‍👦🎁", "none": None}
    assert len(events["Large"]["properties"]["text"]) == room
    assert len(serving.list_events(serving.get_member(f"anonymous_id:anon-{unique}")["id"])) == 1


def test_a_batch_of_four_mebibytes_lands(serving: Serving, unique: str) -> None:
    """Rudder's client sends up to 4 MiB at once."""
    with open_proxy(serving.url) as proxy, open_client("rudder", proxy.url, serving.ready["write_key"]) as client:
        for _ in range(25):
            client.sdk.track(unique, "Heavy", {"text": "x" * 160_000})
    assert client.errors == []
    sizes = [int(one.headers["Content-Length"]) for one in proxy.seen]
    assert sum(len(one.message_ids) for one in proxy.seen) == 25, sizes
    assert len(serving.list_events(serving.get_member(f"user_id:{unique}")["id"])) == 25


@pytest.mark.parametrize("kind", SDKS)
@pytest.mark.parametrize("days", [-365, 365])
def test_a_clock_one_year_off_is_corrected(serving: Serving, unique: str, kind: str, days: int) -> None:
    """The client's clock is a year slow or fast: both its instants are."""
    off = timedelta(days=days)
    happened = datetime.now(UTC) - timedelta(hours=1)
    with (
        open_proxy(serving.url, sent_at_shift=off) as proxy,
        open_client(kind, proxy.url, serving.ready["write_key"]) as client,
    ):
        client.sdk.track(unique, "Then", timestamp=happened + off)
    assert client.errors == []
    (event,) = serving.list_events(serving.get_member(f"user_id:{unique}")["id"])
    assert abs(datetime.fromisoformat(event["at"]) - happened) <= timedelta(seconds=1), json.dumps(event)
