"""What every channel promises, whatever carries it; asked of each adapter against a vendor that knows nothing of it."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest

from regulars.messaging.errors import WebhookRefused, WebhookUnreadable
from regulars.messaging.ports import Channel, Content, Outcome, Request, Result, Text
from tests.channels.contents import HELLO, KINDS
from tests.channels.post import open_post
from tests.channels.rigs import SECRETS, ChatRig, MailRig, Rig
from tests.channels.simulator.driving import listen, serve

LINE, TELEGRAM, EMAIL = "line", "telegram", "email"
Answer = TypeVar("Answer")


@pytest.fixture(scope="module")
def rigs() -> Iterator[dict[str, Rig]]:
    with serve() as served, listen() as heard, open_post(login=(b"shop", b"good")) as post:
        yield {
            LINE: ChatRig(served, heard, LINE, Outcome.ACCEPTED),
            TELEGRAM: ChatRig(served, heard, TELEGRAM, Outcome.REJECTED),
            EMAIL: MailRig(post),
        }


@pytest.fixture(params=[LINE, TELEGRAM, EMAIL])
def rig(rigs: dict[str, Rig], request: pytest.FixtureRequest) -> Rig:
    return rigs[request.param]


pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def use(channel: Channel, work: Callable[[Channel], Awaitable[Answer]]) -> Answer:
    """Do something with a channel in a loop of its own, and close it."""

    async def run() -> Answer:
        try:
            return await work(channel)
        finally:
            await channel.close()

    return asyncio.run(run())


def render(channel: Channel, address: str, content: Content = HELLO) -> Request:
    return channel.render(uuid.uuid4(), content, [address], {})


def send(rig: Rig, address: str, content: Content = HELLO) -> Result:
    channel = rig.open()
    return use(channel, lambda one: one.send(render(one, address, content)))


def test_what_is_sent_arrives_once(rig: Rig) -> None:
    address, other = rig.add_person(), rig.add_person()
    result = send(rig, address)
    assert (result.outcome, result.reason) == (Outcome.ACCEPTED, None)
    assert result.message_id
    assert rig.count_received(address) == 1
    assert rig.count_received(other) == 0
    assert "您好，新品到了 👠" in rig.read(address)


@pytest.mark.parametrize("name", KINDS)
def test_a_content_without_trouble_is_taken_by_the_vendor(rig: Rig, name: str) -> None:
    channel = rig.open()
    if channel.check(KINDS[name]):
        pytest.skip(f"{rig.kind} names the trouble with it")
    assert send(rig, rig.add_person(), KINDS[name]).outcome is Outcome.ACCEPTED


def test_a_text_of_the_longest_length_is_taken_and_a_longer_one_is_trouble_and_refused(rig: Rig) -> None:
    """So that what is checked before sending is what the vendor would say. A mail may be as long as it likes."""
    most = {LINE: 5_000, TELEGRAM: 4_096}.get(rig.kind)
    if most is None:
        return
    channel = rig.open()
    fits, over = Content((Text("字" * most),)), Content((Text("字" * (most + 1)),))
    assert channel.check(fits) == []
    assert send(rig, rig.add_person(), fits).outcome is Outcome.ACCEPTED
    assert [one.path for one in channel.check(over)] == ["/blocks/0/text"]
    refused = send(rig, rig.add_person(), over)
    assert (refused.outcome, refused.reason) == (Outcome.REJECTED, "invalid")


def test_rendering_the_same_gives_the_same_bytes(rig: Rig) -> None:
    key, address, channel = uuid.uuid4(), rig.add_person(), rig.open()
    one = channel.render(key, KINDS["all"], [address], {})
    assert one.addresses == (address,)
    assert one.key == key
    if rig.kind != EMAIL:  # A mail holds the time at which it was written.
        assert channel.render(key, KINDS["all"], [address], {}) == one


def test_who_cannot_be_reached_got_nothing_for_sure(rig: Rig) -> None:
    address = rig.add_person()
    result = use(rig.open(unreachable=True), lambda channel: channel.send(render(channel, address)))
    assert (result.outcome, result.reason) == (Outcome.RETRY, "unreachable")
    assert result.retry_after_seconds is not None
    assert rig.count_received(address) == 0


def test_a_lost_reply_is_uncertain_and_only_a_key_makes_asking_again_harmless(rig: Rig) -> None:
    address = rig.add_person()
    requests: list[Request] = []

    async def lose() -> Result:
        async with rig.losing_replies() as channel:
            requests.append(render(channel, address))
            return await channel.send(requests[0])

    lost = asyncio.run(lose())
    assert (lost.outcome, lost.reason) == (Outcome.UNKNOWN, "no_reply")
    assert rig.count_received(address) == 1
    channel = rig.open()
    again = use(channel, lambda one: one.send(requests[0]))
    assert again.outcome is Outcome.ACCEPTED
    assert rig.count_received(address) == (1 if channel.is_keyed else 2)
    assert (channel.key_seconds_max > 0) == channel.is_keyed


def test_a_wrong_password_is_said_and_not_told(rig: Rig) -> None:
    address = rig.add_person()
    result = use(rig.open(wrong=True), lambda channel: channel.send(render(channel, address)))
    assert (result.outcome, result.reason) == (Outcome.REJECTED, "unauthorized")
    state = use(rig.open(wrong=True), lambda channel: channel.probe())
    assert not state.ok and state.detail
    assert not any(secret in str(result) + str(state) for secret in SECRETS)
    assert rig.count_received(address) == 0


def test_the_probe_says_who_we_are(rig: Rig) -> None:
    state = use(rig.open(), lambda channel: channel.probe())
    assert state.ok and state.name
    nobody = use(rig.open(unreachable=True), lambda channel: channel.probe())
    assert not nobody.ok and "reached" in nobody.detail


def test_somebody_who_left_gets_nothing(rig: Rig) -> None:
    """LINE answers 200 and counts nothing; the others say it, and name the address that is not to be tried again."""
    address = rig.add_person()
    rig.leave(address)
    result = send(rig, address)
    assert result.outcome is rig.blocked_outcome
    assert result.blocked_addresses == (() if rig.kind == LINE else (address,))
    assert rig.count_received(address) == 0


def test_too_much_for_now_is_tried_later(rig: Rig) -> None:
    address = rig.add_person()
    with rig.pushing_back():
        result = send(rig, address)
    assert result.outcome is Outcome.RETRY
    assert result.retry_after_seconds and result.retry_after_seconds > 0
    assert rig.count_received(address) == 0
    assert send(rig, address).outcome is Outcome.ACCEPTED


def test_a_webhook_tells_who_left_and_the_same_twice_has_one_key(rig: Rig) -> None:
    address = rig.add_person()
    headers, body = rig.hear_leaving(address)
    channel = rig.open()
    (told,) = channel.read_webhook(headers, body)
    assert (told.kind, told.address) == (rig.gone_kind, address)
    assert abs(told.at.timestamp() - time.time()) < 60
    (again,) = channel.read_webhook(headers, body)
    assert again.key == told.key


def test_a_webhook_of_somebody_else_is_refused_before_it_is_read(rig: Rig) -> None:
    headers, body = rig.hear_leaving(rig.add_person())
    channel = rig.open()
    forged = {name: "x" + value if len(value) > 8 else value for name, value in headers.items()}
    for given in ({}, forged):
        with pytest.raises(WebhookRefused):
            channel.read_webhook(given, body)
        with pytest.raises(WebhookRefused):
            channel.read_webhook(given, b"\xff not even readable")


def test_a_true_webhook_of_nonsense_is_unreadable(rig: Rig) -> None:
    headers, _ = rig.hear_leaving(rig.add_person())
    if rig.kind == LINE:
        return  # Its signature is over the body: test_line.py signs nonsense.
    with pytest.raises(WebhookUnreadable):
        rig.open().read_webhook(headers, b"nonsense")


def test_many_at_once_are_one_request_where_that_is_possible(rig: Rig) -> None:
    channel = rig.open()
    people = [rig.add_person() for _ in range(min(channel.many_max, 20))]
    request = channel.render(uuid.uuid4(), HELLO, people, {})
    assert request.addresses == tuple(people)
    result = use(channel, lambda one: one.send(request))
    assert result.outcome is Outcome.ACCEPTED
    assert [rig.count_received(one) for one in people] == [1] * len(people)


def test_thirty_beside_each_other_all_arrive(rig: Rig) -> None:
    people = [rig.add_person() for _ in range(30)]

    async def all_of_them(channel: Channel) -> list[Result]:
        return await asyncio.gather(*(channel.send(render(channel, one)) for one in people))

    results = use(rig.open(), all_of_them)
    assert {one.outcome for one in results} == {Outcome.ACCEPTED}
    assert [rig.count_received(one) for one in people] == [1] * 30


def test_a_closed_channel_opens_again_when_it_is_used(rig: Rig) -> None:
    address = rig.add_person()

    async def twice(channel: Channel) -> None:
        for _ in range(2):
            assert (await channel.send(render(channel, address))).outcome is Outcome.ACCEPTED
            await channel.close()

    use(rig.open(), twice)
    assert rig.count_received(address) == 2


def test_only_line_answers_by_a_token(rig: Rig) -> None:
    reply = rig.open().render_reply(uuid.uuid4(), HELLO, "no such token")
    assert (reply is not None) == (rig.kind == LINE)
    if reply is not None:
        result = use(rig.open(), lambda channel: channel.send(reply))
        assert (result.outcome, result.reason) == (Outcome.REJECTED, "invalid")


# --- LINE's own: quota, errors of the server, and what is said to us -----------------------------------------------


@pytest.fixture
def line(rigs: dict[str, Rig]) -> ChatRig:
    rig = rigs[LINE]
    assert isinstance(rig, ChatRig)
    return rig


def test_a_quota_that_is_used_up_is_told_apart_and_read_back(line: ChatRig) -> None:
    address = line.add_person()
    used = use(line.open(), lambda channel: channel.probe()).consumption
    assert used is not None
    line.served.control("PUT", "faults", {"quota": used + 1})
    try:
        assert send(line, address).outcome is Outcome.ACCEPTED
        spent = send(line, address)
        assert (spent.outcome, spent.reason, spent.status) == (Outcome.QUOTA, "quota", 429)
        state = use(line.open(), lambda channel: channel.probe())
        assert (state.quota, state.consumption) == (used + 1, used + 1)
    finally:
        line.served.control("PUT", "faults", {"quota": None})
    assert line.count_received(address) == 1


@pytest.mark.parametrize(("fault", "arrived"), [("status_500", 0), ("status_500_handled", 1), ("timeout", 1)])
def test_an_error_of_the_server_is_uncertain_and_ended_by_the_key(line: ChatRig, fault: str, arrived: int) -> None:
    address = line.add_person()
    request = render(line.open(), address)
    line.served.control("PUT", "faults", {fault: 1.0})
    try:
        assert use(line.open(), lambda channel: channel.send(request)).outcome is Outcome.UNKNOWN
    finally:
        line.served.control("PUT", "faults", {fault: 0})
    assert line.count_received(address) == arrived
    again = use(line.open(), lambda channel: channel.send(request))
    assert (again.outcome, again.status) == (Outcome.ACCEPTED, 409 if arrived else 200)
    assert again.message_id
    assert line.count_received(address) == 1


def test_a_reply_is_free_and_works_once(line: ChatRig) -> None:
    address = line.add_person()
    use(line.open(), lambda channel: channel.register_webhook(line.heard.url))
    line.served.control("POST", "say", {"channel": LINE, "id": address, "text": "營業時間？"})
    (told,) = line.open().read_webhook(*line.wait_heard(address))
    assert (told.kind, told.text) == ("said", "營業時間？")
    assert told.reply_token
    used = use(line.open(), lambda channel: channel.probe()).consumption
    reply = line.open().render_reply(uuid.uuid4(), HELLO, told.reply_token)
    assert reply is not None
    results = [use(line.open(), lambda channel: channel.send(reply)) for _ in range(2)]
    assert [one.outcome for one in results] == [Outcome.ACCEPTED, Outcome.REJECTED]
    assert use(line.open(), lambda channel: channel.probe()).consumption == used
    assert line.count_received(address) == 1
