"""The sender: what certainly was not sent, what may have been, and how endpoints are paced and left alone."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

from regulars.channels.pacing import FAILURES_MAX, PAUSE_SECONDS_FIRST, Breaker, Rate, TokenBucket
from regulars.channels.sending import ANSWER_BYTES_MAX, Answered, Lost, NotSent, Sender, Timeouts
from tests.channels import faulty

SHORT = Timeouts(connect_seconds=0.2, reply_seconds=0.2)
SECRET_PATH = "/bot123:SECRET/send"


def ask(behave: faulty.Behave) -> Answered | NotSent | Lost:
    async def run() -> Answered | NotSent | Lost:
        async with faulty.serve(behave) as url:
            return await send(url)

    return asyncio.run(run())


async def send(url: str, rate: Rate | None = None) -> Answered | NotSent | Lost:
    sender = Sender("test", url, {"push": rate} if rate else {}, SHORT)
    try:
        return await sender.request("POST", "push", SECRET_PATH, headers={"X-Key": "k"}, body=b"{}")
    finally:
        await sender.close()


def test_an_answer_is_told_with_its_headers_in_lower_case() -> None:
    told = ask(faulty.answer(429, b'{"message":"slow"}', "X-Line-Request-Id: r1"))
    assert isinstance(told, Answered)
    assert (told.status, told.body, told.headers["x-line-request-id"]) == (429, b'{"message":"slow"}', "r1")


@pytest.mark.parametrize("behave", [faulty.hang_up, faulty.say_nothing, faulty.drip])
def test_no_reply_to_a_request_that_went_out_is_uncertain(behave: faulty.Behave) -> None:
    assert isinstance(ask(behave), Lost)


def test_a_status_counts_even_if_its_body_is_cut_off() -> None:
    assert ask(faulty.cut_the_answer) == Answered(200, {"content-length": "100"}, b"")


def test_who_cannot_be_reached_certainly_got_nothing() -> None:
    for url in (f"http://127.0.0.1:{faulty.free_port()}", "http://no-such-host.invalid", "https://127.0.0.1:1"):
        told = asyncio.run(send(url))
        assert isinstance(told, NotSent), url
        assert told.retry_after_seconds > 0


def test_a_server_without_tls_certainly_got_nothing() -> None:
    async def run() -> Answered | NotSent | Lost:
        async with faulty.serve(faulty.hang_up) as url:
            return await send(url.replace("http:", "https:"))

    assert isinstance(asyncio.run(run()), NotSent)


def test_nothing_told_quotes_the_address() -> None:
    """Telegram's has the bot's token in it."""
    for told in (
        ask(faulty.hang_up),
        ask(faulty.say_nothing),
        asyncio.run(send(f"http://127.0.0.1:{faulty.free_port()}")),
        asyncio.run(send("http://no-such-host.invalid")),
    ):
        assert "SECRET" not in str(told)


def test_redirects_are_not_followed() -> None:
    told = ask(faulty.answer(302, b"", "Location: http://127.0.0.1:1/elsewhere"))
    assert isinstance(told, Answered)
    assert told.status == 302


def test_an_endless_answer_is_read_so_far_and_no_further() -> None:
    told = ask(faulty.answer(200, b"x" * (ANSWER_BYTES_MAX * 3)))
    assert isinstance(told, Answered)
    assert len(told.body) == ANSWER_BYTES_MAX


def test_connections_are_used_again() -> None:
    met = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        while True:
            await faulty.read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            await writer.drain()

    async def run() -> None:
        async with faulty.serve(behave) as url:
            sender = Sender("test", url, {}, SHORT)
            for _ in range(5):
                await sender.request("POST", "push", "/", headers={}, body=b"{}")
            await sender.close()

    asyncio.run(run())
    assert met == 1


def run_against_answers(work: Callable[[str], Awaitable[None]]) -> None:
    async def run() -> None:
        async with faulty.serve(faulty.answer(200)) as url:
            await work(url)

    asyncio.run(run())


def test_an_endpoint_is_asked_no_faster_than_its_rate() -> None:
    async def work(url: str) -> None:
        sender = Sender("test", url, {"push": Rate(50, burst=1)}, SHORT)
        started = time.monotonic()
        requests = (sender.request("POST", "push", "/", headers={}, body=b"") for _ in range(11))
        told = await asyncio.gather(*requests)
        assert all(isinstance(one, Answered) for one in told)
        assert time.monotonic() - started >= 10 / 50 - 0.01
        await sender.close()

    run_against_answers(work)


def test_who_would_wait_too_long_is_told_to_come_again() -> None:
    async def work(url: str) -> None:
        sender = Sender("test", url, {"push": Rate(0.01, burst=1)}, SHORT)
        assert isinstance(await sender.request("POST", "push", "/", headers={}, body=b""), Answered)
        told = await sender.request("POST", "push", "/", headers={}, body=b"")
        assert isinstance(told, NotSent)
        assert 90 < told.retry_after_seconds <= 100
        assert isinstance(await sender.request("POST", "other", "/", headers={}, body=b""), Answered)
        await sender.close()

    run_against_answers(work)


def test_a_bucket_in_numbers() -> None:
    bucket = TokenBucket(Rate(10, burst=2))
    assert [bucket.reserve(100.0) for _ in range(4)] == pytest.approx([0, 0, 0.1, 0.2])
    assert bucket.reserve(101.0) == 0, "a second later it is full again"
    bucket.pause(101.0, 3)
    assert bucket.reserve(101.0) == pytest.approx(3.1)
    assert bucket.reserve(101.0, wait_seconds_max=1) == pytest.approx(-3.2)


def test_a_circuit_opens_tries_and_closes() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_MAX):
        assert breaker.refuse(0) == 0
        breaker.record(0, is_good=False)
    assert breaker.is_open
    assert breaker.refuse(1) == PAUSE_SECONDS_FIRST - 1
    later = PAUSE_SECONDS_FIRST + 0.1
    assert breaker.refuse(later) == 0, "one may try"
    assert breaker.refuse(later) > 0, "and only one"
    breaker.record(later, is_good=False)
    assert breaker.refuse(later) == pytest.approx(2 * PAUSE_SECONDS_FIRST)
    later += 2 * PAUSE_SECONDS_FIRST
    assert breaker.refuse(later) == 0
    breaker.record(later, is_good=True)
    assert not breaker.is_open and breaker.refuse(later) == 0 and breaker.refuse(later) == 0


def test_every_tenth_reply_lost_opens_no_circuit() -> None:
    breaker = Breaker()
    for number in range(10_000):
        assert breaker.refuse(0) == 0
        breaker.record(0, is_good=number % 10 != 0)


def test_who_fails_again_and_again_is_left_alone() -> None:
    met = 0

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal met
        met += 1
        await faulty.answer(500)(reader, writer)

    async def run() -> None:
        async with faulty.serve(behave) as url:
            sender = Sender("test", url, {}, SHORT)
            told = [await sender.request("POST", "push", "/", headers={}) for _ in range(FAILURES_MAX + 5)]
            assert [isinstance(one, Answered) for one in told] == [True] * FAILURES_MAX + [False] * 5
            assert isinstance(await sender.request("POST", "other", "/", headers={}), Answered)
            await sender.close()

    asyncio.run(run())
    assert met == FAILURES_MAX + 1


def test_a_cancelled_request_leaves_the_circuit_usable() -> None:
    async def run() -> None:
        async with faulty.serve(faulty.say_nothing) as url:
            sender = Sender("test", url, {}, Timeouts(1, 30))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await sender.request("POST", "push", "/", headers={})
            gate, _ = sender._ensure_gate("push")  # pyright: ignore[reportPrivateUsage]
            assert gate.breaker.refuse(0) == 0
            await sender.close()

    asyncio.run(run())


def test_prometheus_is_told_what_came_of_requests() -> None:
    def read(outcome: str) -> float:
        labels = {"channel": "metered", "endpoint": "push", "outcome": outcome}
        return REGISTRY.get_sample_value("regulars_channel_requests_total", labels) or 0

    async def ask_once(behave: faulty.Behave) -> None:
        async with faulty.serve(behave) as url:
            sender = Sender("metered", url, {}, SHORT)
            await sender.request("POST", "push", "/", headers={})
            await sender.close()

    for behave in (faulty.answer(200), faulty.answer(429), faulty.answer(500), faulty.hang_up):
        asyncio.run(ask_once(behave))
    assert [read(one) for one in ("2xx", "429", "5xx", "lost", "not_sent")] == [1, 1, 1, 1, 0]
    labels = {"channel": "metered", "endpoint": "push"}
    assert REGISTRY.get_sample_value("regulars_channel_request_seconds_count", labels) == 4
