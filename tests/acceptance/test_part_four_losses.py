"""Part 4 of the plan, its bars: PostgreSQL killed under load, and a COMMIT whose reply is lost."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.rewarding import ISSUER, Rewarded, line, transfer
from tests.support.serving import open_serving, wait_until

pytestmark = pytest.mark.long


KILLS = 5
WRITERS = 8


@pytest.mark.alone
@pytest.mark.timeout(600)
def test_postgres_is_killed_under_load_and_no_transfer_is_lost_or_doubled() -> None:
    """Eight writers, five kills: what was acknowledged `exists` afterwards; everything sent again is there exactly once."""
    with open_serving() as serving:
        brand = Rewarded(serving, "killed")
        brand.put_asset()
        stop = threading.Event()
        acknowledged: set[str] = set()

        def write(number: int) -> list[dict[str, Any]]:
            sent: list[dict[str, Any]] = []
            while not stop.is_set():
                made = transfer(line(ISSUER, -1), line(brand.of("abcdefgh"[number]), 1))
                sent.append(made)
                with suppress(httpx.HTTPError, AssertionError):
                    if brand.post_one(made)[0] in {"created", "exists"}:
                        acknowledged.add(made["id"])
            return sent

        with ThreadPoolExecutor(WRITERS) as threads:
            writing = [threads.submit(write, number) for number in range(WRITERS)]
            rng = random.Random(6)
            for _ in range(KILLS):
                time.sleep(rng.uniform(1.0, 3.0))
                serving.kill_child("postgres")
                wait_until(serving.is_healthy, "it is back")
            time.sleep(1)
            stop.set()
            sent = [one for each in writing for one in each.result()]
        assert len(acknowledged) > 200, "there was load"
        for start in range(0, len(sent), 500):
            for told in brand.post(*sent[start : start + 500]):
                assert told["result"] == "exists" or (told["result"] == "created" and told["id"] not in acknowledged)
        found = Counter(entry["transfer"] for who in "abcdefgh" for entry in brand.statement(who))
        assert found == {made["id"]: 1 for made in sent}
        assert brand.posted(ISSUER) == -len(sent)
        brand.check_books()


class Proxy:
    """Between the server and PostgreSQL: once a marker was seen, the reply that ends its transaction is eaten, once.

    ReadyForQuery with status I is that reply, be it a COMMIT's or a single statement's.
    """

    READY = b"Z\x00\x00\x00\x05I"

    def __init__(self, host: str, port: int) -> None:
        self.to = host, port
        self.marker = b""
        self.eaten = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(self.to)
                marked = threading.Event()
                for one, other, up in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=(one, other, up, marked), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket, up: bool, marked: threading.Event) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                if up and self.marker and self.marker in data:
                    marked.set()
                if not up and marked.is_set() and not self.eaten and self.READY in data:
                    self.eaten += 1
                    break
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_proxied(server_dsn: str) -> Iterator[tuple[Rewarded, Proxy]]:
    """A deployment whose database is behind a proxy."""
    told = conninfo_to_dict(server_dsn)
    name = f"proxied_{time.monotonic_ns()}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        row = connection.execute("select inet_server_addr() is null, current_setting('port')::int").fetchone()
    assert row is not None
    proxy = Proxy("127.0.0.1", row[1])
    dsn = make_conninfo(server_dsn, dbname=name, host="127.0.0.1", hostaddr="", port=proxy.port, sslmode="disable")
    assert told["user"]
    try:
        with open_serving(environment={"REGULARS_DATABASE_URL": dsn}) as serving:
            yield Rewarded(serving, "proxied"), proxy
    finally:
        proxy.listener.close()
        with psycopg.connect(server_dsn, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")


@pytest.mark.timeout(300)
def test_a_commit_whose_reply_is_lost_happens_once(server_dsn: str) -> None:
    """The transfer is sent again under its id until it is answered: whatever the first try was told, the points came once."""
    with open_proxied(server_dsn) as (brand, proxy):
        brand.put_asset()
        made = transfer(line(ISSUER, -7), line(brand.of("a"), 7), kind="reply-is-eaten")
        proxy.marker = b"reply-is-eaten"
        answers: list[str] = []

        def is_answered() -> bool:
            with suppress(httpx.HTTPError, AssertionError):
                answers.append(brand.post_one(made)[0])
            return bool(answers)

        wait_until(is_answered, "the transfer is answered", 60, pause_seconds=0.5)
        assert proxy.eaten == 1
        assert set(answers) <= {"created", "exists"}
        assert brand.post_one(made)[0] == "exists"
        assert brand.figures("a") == (7, 0, 7) and len(brand.statement("a")) == 1
        brand.check_books()
