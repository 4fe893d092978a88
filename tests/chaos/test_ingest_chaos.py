"""kill −9 of web, worker, PostgreSQL and the supervisor while clients send: what was acknowledged is there, once."""

import random
from collections.abc import Callable

import psycopg
import pytest

from regulars.platform.postgres import find_running
from tests.chaos.load import check_acknowledged, kill_now_and_then, send_meanwhile
from tests.support.serving import Serving, open_serving, wait_until

CLIENTS = 6


def name_victims(serving: Serving) -> dict[str, Callable[[], object]]:
    return {name: lambda name=name: serving.kill_child(name) for name in ("web", "worker", "postgres")}


def restart(serving: Serving) -> None:
    """kill −9 of the supervisor, and another `serve` on the same HOME."""
    before = serving.ready
    serving.kill()
    serving.start()
    assert {key: serving.ready[key] for key in ("api_key", "write_key")} == {
        key: before[key] for key in ("api_key", "write_key")
    }


def test_nothing_acknowledged_is_lost_or_doubled_by_a_few_kills() -> None:
    """Each process once, and at last the supervisor: the next `serve` takes over."""
    with open_serving() as serving:
        with send_meanwhile(serving, CLIENTS, seed=1) as clients:
            rng = random.Random(1)
            for name, kill in name_victims(serving).items():
                kill_now_and_then(rng, 1, {name: kill}, pause=0.5)
            kill_now_and_then(rng, 1, {"supervisor": lambda: restart(serving)}, pause=0.5)
        assert check_acknowledged(serving, clients) > 100


@pytest.mark.long
@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_acknowledged_is_lost_or_doubled_by_many_kills(seed: int) -> None:
    with open_serving() as serving:
        with send_meanwhile(serving, CLIENTS, seed=seed) as clients:
            rng = random.Random(seed)
            kill_now_and_then(rng, 12, name_victims(serving), pause=1.5)
            restart(serving)
            kill_now_and_then(rng, 8, name_victims(serving) | {"supervisor": lambda: restart(serving)}, pause=1.5)
        wait_until(serving.is_healthy, "the server answers again")
        total = check_acknowledged(serving, clients)
        restart(serving)
        assert check_acknowledged(serving, clients) == total
        print(f"{total} acknowledged", sum((client.answers for client in clients), start=clients[0].answers))


@pytest.mark.long
def test_kills_in_quick_succession_only_delay() -> None:
    """PostgreSQL is killed while it recovers, web while it starts."""
    with open_serving() as serving:
        with send_meanwhile(serving, CLIENTS, seed=21) as clients:
            kill_now_and_then(random.Random(21), 30, name_victims(serving), pause=0.2)
        wait_until(serving.is_healthy, "the server answers again")
        check_acknowledged(serving, clients)


@pytest.mark.long
def test_an_erasure_is_completed_although_its_worker_is_killed() -> None:
    """The job that a dead worker held is taken up again; nobody ever sees the member meanwhile."""
    with open_serving() as serving:
        for start in range(0, 20_000, 2_000):
            told = [track("erased", f"{at}") for at in range(start, start + 2_000)]
            serving.send_well(*told, track("kept", f"kept {start}"))
        member = serving.get_member("user_id:erased")["id"]
        assert serving.call("DELETE", f"/api/members/{member}").status_code == 202
        for _ in range(3):
            serving.kill_child("worker")
            assert serving.find_member("user_id:erased") is None
            wait_until(lambda: "worker" in serving.children(), "the worker runs again")
        address = find_running(serving.home)
        assert address is not None
        with psycopg.connect(address.dsn, autocommit=True) as connection:
            left = "select count(*) from events_tail"
            wait_until(lambda: connection.execute(left).fetchone() == (10,), "its events are removed", 150)
        assert len(serving.list_events(serving.get_member("user_id:kept")["id"])) == 10


def track(user: str, message_id: str) -> dict[str, str]:
    return {"type": "track", "userId": user, "event": "Gone", "messageId": message_id}
