"""Clients that go on until they are told 200, and what they were told: the only witness that chaos tests trust."""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.support.serving import Serving, make_http

BATCH_EVENTS_MAX = 40
RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 60
NAME = "Chaos"


@dataclass
class Client(threading.Thread):
    """One user's device: sends a batch again, under the same ids, until it is acknowledged."""

    serving: Serving
    user: str
    seed: int
    stopped: threading.Event
    acknowledged: list[str] = field(default_factory=list[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    failure: str = ""

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        rng = random.Random(self.seed)
        with make_http() as http:
            while not self.stopped.is_set() and not self.failure:
                ids = [str(uuid.UUID(int=rng.getrandbits(128))) for _ in range(rng.randint(1, BATCH_EVENTS_MAX))]
                if self.send(http, ids):
                    self.acknowledged += ids

    def send(self, http: httpx.Client, ids: list[str]) -> bool:
        """True once answered 200. Anything but 200, 5xx or no answer at all is a failure."""
        batch = [{"type": "track", "userId": self.user, "event": NAME, "messageId": one} for one in ids]
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < deadline:
            body = {"batch": batch, "writeKey": self.serving.ready["write_key"]}
            try:
                answer = http.post(f"{self.serving.url}/v1/batch", json=body, timeout=20)
            except httpx.HTTPError as error:
                self.answers[type(error).__name__] += 1
            else:
                self.answers[str(answer.status_code)] += 1
                if answer.status_code == 200:
                    return True
                if answer.status_code < 500:
                    break
            time.sleep(RETRY_SECONDS)
        self.failure = f"{self.user} was never answered 200: {self.answers}"
        return False


@contextmanager
def send_meanwhile(serving: Serving, clients: int, seed: int) -> Iterator[list[Client]]:
    """Clients at work while the block runs; at its end each has had its last batch acknowledged."""
    stopped = threading.Event()
    started = [Client(serving, f"device-{seed}-{at}", seed * 1_000 + at, stopped) for at in range(clients)]
    for client in started:
        client.start()
    try:
        yield started
    finally:
        stopped.set()
        for client in started:
            client.join(GIVE_UP_SECONDS + 30)
    assert [client.failure for client in started if client.failure] == []


def check_acknowledged(serving: Serving, clients: list[Client]) -> int:
    """Every acknowledged event is there exactly once, and nothing else is; returns how many."""
    for client in clients:
        events = serving.list_events(serving.get_member(f"user_id:{client.user}")["id"])
        landed = Counter(event["message_id"] for event in events)
        assert [one for one, count in landed.items() if count > 1] == [], "landed twice"
        assert set(client.acknowledged) - set(landed) == set(), "acknowledged and lost"
        assert set(landed) - set(client.acknowledged) == set(), "nobody was told of these"
    total = sum(len(client.acknowledged) for client in clients)
    assert serving.count_names()[NAME] == total
    return total


def kill_now_and_then(rng: random.Random, kills: int, victims: dict[str, Callable[[], object]], pause: float) -> None:
    """Kill one of the victims after a random pause, so many times."""
    for _ in range(kills):
        time.sleep(rng.uniform(0.1, 2 * pause))
        victims[rng.choice(sorted(victims))]()
