"""`regulars serve` keeps everything running: real processes, killed and stopped; web and worker are dummies."""

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from regulars.bootstrap.children import BACKOFF_SECONDS_MAX, HEALTHY_SECONDS, Backoff
from regulars.platform.postgres import EmbeddedPostgres, find_running
from tests.support.serving import is_running

SERVE = Path(__file__).with_name("dummy_serve.py")
FOREIGN = "postgresql://nobody@127.0.0.1:1/none"
SECONDS_MAX = 30


class Serving:
    """A supervisor in a process of its own, with what it says."""

    def __init__(self, folder: Path, *, port: int, worker: str, database_url: str, form: str, preparing: str) -> None:
        self.folder = folder
        self.home = folder / "home 家"
        self.errors = folder / "stderr"
        with self.errors.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, SERVE, self.home, str(port), folder, worker, database_url, form, preparing],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def read_ready(self) -> dict[str, str]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        return json.loads(line)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(SECONDS_MAX)

    def lives(self, name: str) -> list[list[str]]:
        """One entry per life of a child: pid, moment, DSN, what the environment told, its name, whose ends were told."""
        file = self.folder / name
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def pid(self, name: str) -> int:
        return int(self.lives(name)[-1][0])


Serve = Callable[..., Serving]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts supervisors, all in one folder that root's PostgreSQL can reach, and ends them."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 1_000_000_000
    folder = Path(tempfile.mkdtemp(prefix="regulars-test-", dir=memory if roomy else None))
    folder.chmod(0o711)
    started: list[Serving] = []

    def start(
        *, port: int = 0, worker: str = "worker", own: bool = False, form: str = "json", preparing: str = ""
    ) -> Serving:
        database_url = "-" if own else FOREIGN
        one = Serving(folder, port=port, worker=worker, database_url=database_url, form=form, preparing=preparing)
        started.append(one)
        return one

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()
        if one.process.stdout is not None:
            one.process.stdout.close()
    shutil.rmtree(folder)


def get(url: str) -> int:
    """The pid of the web process that answers."""
    with urllib.request.urlopen(f"{url}/healthz", timeout=SECONDS_MAX) as answer:
        return int(answer.read())


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, f"not within {SECONDS_MAX} s: {what}"
        time.sleep(0.02)


def get_postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])


def test_the_ready_line_is_all_of_stdout(serve: Serve) -> None:
    serving = serve()
    ready = serving.read_ready()
    assert list(ready) == ["url", "home"]
    assert get(ready["url"]) == serving.pid("web")
    assert serving.stop() == 0
    assert serving.process.stdout is not None
    assert serving.process.stdout.read() == ""
    assert "web says something" in serving.errors.read_text()


def test_without_json_people_read_it(serve: Serve) -> None:
    serving = serve(form="text")
    assert serving.process.stdout is not None
    assert serving.process.stdout.readline().startswith("url: http://127.0.0.1:")
    assert serving.process.stdout.readline() == f"home: {serving.home}\n"


def test_children_are_told_the_dsn_in_their_environment_alone(serve: Serve) -> None:
    serving = serve()
    serving.read_ready()
    for name in ("web", "worker"):
        wait_until(lambda name=name: serving.lives(name), f"{name} lives")
        assert serving.lives(name)[0][2:] == [FOREIGN, "told", name]
        assert FOREIGN.encode() not in Path(f"/proc/{serving.pid(name)}/cmdline").read_bytes()


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(other, marks=pytest.mark.long) for other in (signal.SIGINT, signal.SIGHUP))],
)
def test_a_stop_signal_stops_all(serve: Serve, number: signal.Signals) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored here, as under nohup, and a child inherits that")
    serving = serve()
    serving.read_ready()
    wait_until(lambda: serving.lives("worker"), "worker lives")
    assert serving.stop(number) == 0
    assert not is_running(serving.pid("web"))
    assert not is_running(serving.pid("worker"))


def test_kill_9_of_web_keeps_the_port_and_the_requests_that_wait(serve: Serve) -> None:
    serving = serve()
    url = serving.read_ready()["url"]
    for _ in range(3):
        before = serving.pid("web")
        os.kill(before, signal.SIGKILL)
        wait_until(lambda pid=before: not is_running(pid), "web is dead")
        assert get(url) not in (0, before)


def test_kill_9_of_the_worker_brings_another(serve: Serve) -> None:
    serving = serve()
    serving.read_ready()
    wait_until(lambda: serving.lives("worker"), "worker lives")
    os.kill(serving.pid("worker"), signal.SIGKILL)
    wait_until(lambda: len(serving.lives("worker")) == 2, "worker lives again")
    assert [life[4:] for life in serving.lives("worker")] == [["worker"], ["worker", "worker"]], (
        "its end was told before"
    )


def test_what_keeps_dying_comes_back_ever_later(serve: Serve) -> None:
    serving = serve(worker="crash")
    serving.read_ready()
    wait_until(lambda: len(serving.lives("worker")) >= 4, "four lives")
    moments = [float(life[1]) for life in serving.lives("worker")[:4]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert all(gap >= least for gap, least in zip(gaps, (0.1, 0.2, 0.4), strict=True))
    assert serving.stop() == 0


def test_back_off_has_a_limit_and_ends_with_health() -> None:
    backoff = Backoff()
    now, waits = 0.0, []
    for _ in range(9):
        backoff.begin(now)
        waits.append(backoff.end(now + 1))
        now = backoff.due_at
    assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, *[BACKOFF_SECONDS_MAX] * 3]
    backoff.begin(now)
    assert backoff.end(now + HEALTHY_SECONDS + 1) == 0.1


def test_a_second_serve_in_one_folder_is_refused(serve: Serve) -> None:
    first = serve()
    url = first.read_ready()["url"]
    second = serve()
    assert second.process.wait(SECONDS_MAX) == 1
    told = json.loads(second.errors.read_text().splitlines()[-1])
    assert told["code"] == "postgres.folder_in_use"
    assert told["pid"] == first.process.pid
    assert get(url)


def test_a_taken_port_is_told_at_once(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        began = time.monotonic()
        serving = serve(port=taken.getsockname()[1])
        assert serving.process.wait(SECONDS_MAX) == 1
        assert time.monotonic() - began < 5
    assert json.loads(serving.errors.read_text().splitlines()[-1])["code"] == "serve.port_refused"


def test_kill_9_of_the_supervisor_ends_all_and_the_next_takes_the_port(serve: Serve) -> None:
    serving = serve(own=True)
    url = serving.read_ready()["url"]
    wait_until(lambda: serving.lives("worker"), "worker lives")
    pids = [serving.pid("web"), serving.pid("worker"), get_postmaster(serving.home)]
    serving.process.kill()
    serving.process.wait()
    again = serve(own=True, port=int(url.rsplit(":", 1)[1]))
    assert again.read_ready()["url"] == url
    assert not any(is_running(pid) for pid in pids)
    assert get(url) == again.pid("web")


def test_kill_9_of_postgresql_brings_it_back_where_it_was(serve: Serve) -> None:
    serving = serve(own=True)
    serving.read_ready()
    dsn = serving.lives("web")[0][2]
    before = get_postmaster(serving.home)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not is_running(before) and find_running(serving.home) is not None, "PostgreSQL runs again")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == ("here",)
    assert len(serving.lives("web")) == 1
    last = get_postmaster(serving.home)
    assert serving.stop() == 0
    assert not is_running(last)


@pytest.mark.long
def test_a_command_that_runs_the_server_is_waited_for(serve: Serve) -> None:
    serving = serve(own=True, preparing="fail")
    assert serving.process.wait(SECONDS_MAX) == 1
    assert "prepare failed" in serving.errors.read_text()
    assert find_running(serving.home) is None
    command = EmbeddedPostgres(serving.home)
    command.start()
    try:
        serving = serve(own=True)
        wait_until(lambda: "Waiting for PostgreSQL: process" in serving.errors.read_text(), "it is told")
    finally:
        command.stop()
    assert get(serving.read_ready()["url"])


def test_a_stop_in_the_middle_of_the_start_is_obeyed(serve: Serve) -> None:
    serving = serve(preparing="slow")
    wait_until((serving.folder / "preparing").exists, "it prepares")
    began = time.monotonic()
    assert serving.stop() == 0
    assert time.monotonic() - began < 5
    assert serving.lives("web") == []


@pytest.mark.long
def test_a_child_that_does_not_listen_is_killed(serve: Serve) -> None:
    serving = serve(worker="ignore_sigterm")
    serving.read_ready()
    wait_until(lambda: serving.lives("worker"), "worker lives")
    assert serving.stop() == 0
    assert not is_running(serving.pid("worker"))


@pytest.mark.long
def test_kill_9_of_the_supervisor_ends_a_child_that_does_not_listen(serve: Serve) -> None:
    serving = serve(worker="ignore_sigterm")
    serving.read_ready()
    wait_until(lambda: serving.lives("worker"), "worker lives")
    serving.process.kill()
    wait_until(lambda: not is_running(serving.pid("worker")) and not is_running(serving.pid("web")), "all are dead")


@pytest.mark.long
def test_everything_killed_at_random_comes_back(serve: Serve) -> None:
    serving = serve(own=True)
    url = serving.read_ready()["url"]
    wait_until(lambda: serving.lives("worker"), "worker lives")
    dsn = serving.lives("web")[0][2]
    victims = [lambda: serving.pid("web"), lambda: serving.pid("worker"), lambda: get_postmaster(serving.home)]
    for turn in range(12):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):  # still dead of the last time
            os.kill(victims[turn % 3](), signal.SIGKILL)
        time.sleep(0.15 * (turn % 4))
    wait_until(lambda: find_running(serving.home) is not None, "PostgreSQL runs again")
    wait_until(lambda: get(url) == serving.pid("web"), "web answers again")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == ("here",)
    assert serving.stop() == 0
