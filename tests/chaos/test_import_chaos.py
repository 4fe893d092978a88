"""kill −9 of an import, of PostgreSQL and of web while it runs: the same command again completes it, each row once."""

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import COMMAND_SECONDS_MAX, Serving, make_folder, open_serving, wait_until

USERS = 20


def write_rows(path: Path, rows: int) -> Path:
    """Rows of few users, some of them equal: those are different events."""
    with path.open("w") as file:
        file.write("user_id,name,time,revenue,note\n")
        file.writelines(
            f"buyer-{at % USERS},Bought,2026-0{1 + at % 9}-01T08:00:00Z,{at // 40 * 0.5},{at // 40}\n"
            for at in range(rows)
        )
    return path


def import_through_kills(
    serving: Serving, path: Path, rng: random.Random, victims: list[str], kills: int
) -> dict[str, Any]:
    """Run the command; while it runs something is killed at a random moment. At last it must complete."""
    for _ in range(kills):
        process = serving.begin("import", "events", path, "--json")
        time.sleep(rng.uniform(0.3, 3))
        victim = rng.choice(victims)
        process.kill() if victim == "import" else serving.kill_child(victim)
        _, said = process.communicate(timeout=COMMAND_SECONDS_MAX)
        assert process.returncode in {0, 1, -9}, said
        assert process.returncode != 1 or said.strip().splitlines()[-1].startswith("regulars: PostgreSQL "), said
    wait_until(serving.is_healthy, "the server answers")
    return serving.import_rows("events", path)


def check_rows(serving: Serving, path: Path) -> None:
    """Each row of the file is an event, and nothing else is."""
    wait_until(serving.is_healthy, "the server answers")
    expected: dict[str, Counter[tuple[str, float]]] = {}
    for line in path.read_text().splitlines()[1:]:
        user, _, at, revenue, _ = line.split(",")
        expected.setdefault(user, Counter())[at, float(revenue)] += 1
    for user, rows in expected.items():
        events = serving.list_events(serving.get_member(f"user_id:{user}")["id"])
        assert Counter((event["at"], float(event["properties"]["revenue"])) for event in events) == rows
    assert serving.count_names() == {"Bought": sum(rows.total() for rows in expected.values())}


@pytest.mark.long
def test_an_import_is_completed_after_kills(tmp_path: Path) -> None:
    """The command is killed after its first batch, PostgreSQL after the next; that one a command may even survive."""
    path = write_rows(tmp_path / "rows.csv", 30_000)
    with open_serving() as serving:
        for victim in ("import", "postgres"):
            process, before = serving.begin("import", "events", path, "--json"), serving.count_names()
            wait_until(lambda before=before: serving.count_names() != before, "a batch lands")
            process.kill() if victim == "import" else serving.kill_child(victim)
            process.communicate(timeout=COMMAND_SECONDS_MAX)
            assert process.returncode in ({-9} if victim == "import" else {0, 1})
            wait_until(serving.is_healthy, "the server answers")
        told = serving.import_rows("events", path)
        assert told["known"] > 0 and told["written"] + told["known"] == 30_000
        check_rows(serving, path)


@pytest.mark.long
@pytest.mark.parametrize("seed", [31, 32])
def test_an_import_is_completed_after_many_kills(tmp_path: Path, seed: int) -> None:
    path = write_rows(tmp_path / "rows.csv", 130_000)
    with open_serving() as serving:
        victims = ["import", "postgres", "web", "worker"]
        told = import_through_kills(serving, path, random.Random(seed), victims, kills=10)
        assert told["written"] + told["known"] == 130_000
        check_rows(serving, path)


@pytest.mark.long
def test_an_import_with_a_server_of_its_own_is_completed_after_kills(tmp_path: Path) -> None:
    """Nobody serves: the command runs PostgreSQL itself, which must not outlive it."""
    path = write_rows(tmp_path / "rows.csv", 130_000)
    with make_folder() as folder:
        serving = Serving(folder / "home")
        rng = random.Random(41)
        for _ in range(4):
            process = serving.begin("import", "events", path, "--json")
            time.sleep(rng.uniform(1, 6))
            process.kill()
            process.communicate()
        told = serving.import_rows("events", path)
        assert told["written"] + told["known"] == 130_000
        serving.start()
        try:
            check_rows(serving, path)
        finally:
            serving.end()
