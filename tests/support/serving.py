"""A real `regulars serve` in a process of its own, and a stranger's view of it: its ready line, HTTP, the command line.

Decides where a test's HOME lies, how its processes are found, and that nothing of it is left. Says nothing about what
the server should do.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from regulars.platform.postgres import find_running
from tests.platform.postgres.helpers import remove
from tests.support.commands import run_command

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 30
COMMAND_SECONDS_MAX = 900
MEMORY_BYTES_MIN = 4_000_000_000
PAGE = 1_000


def make_http() -> httpx.Client:
    """One client for many requests: making one costs more than a request. A new connection each: servers get killed."""
    return httpx.Client(timeout=60, trust_env=False, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


@dataclass
class Serving:
    """One `regulars serve`: started, talked to, its processes found and killed, started again."""

    home: Path
    command: Sequence[str] = (sys.executable, "-m", "regulars")
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    forks: bool = False
    """Whether `run` forks its commands, which is quick, or starts each as a stranger does."""
    process: "subprocess.Popen[str] | None" = None
    ready: dict[str, str] = field(default_factory=dict[str, str])
    http: httpx.Client = field(default_factory=make_http)

    @property
    def url(self) -> str:
        return self.ready["url"]

    @property
    def errors(self) -> Path:
        """What it and its children say."""
        return self.home.parent / f"{self.home.name}.stderr"

    def start(self, port: int = 0) -> "Serving":
        with self.errors.open("ab") as stderr:
            self.process = subprocess.Popen(
                [*self.command, "serve", "--json", "--home", str(self.home), "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=os.environ | self.environment,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()[-4_000:]
        self.ready = json.loads(line)
        return self

    def stop(self) -> tuple[int, str]:
        """The exit code and what stdout held after the ready line."""
        assert self.process is not None and self.process.stdout is not None
        self.process.send_signal(signal.SIGTERM)
        told, _ = self.process.communicate(timeout=STOP_SECONDS_MAX)
        return self.process.returncode, told

    def kill(self) -> None:
        """kill −9 of the supervisor; its children end with it."""
        assert self.process is not None and self.process.stdout is not None
        children = self.children()
        self.process.kill()
        self.process.wait(STOP_SECONDS_MAX)
        self.process.stdout.close()
        for pid in children.values():
            wait_until(lambda pid=pid: not is_running(pid), f"the supervisor's child {pid} ends")

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        self.http.close()

    def children(self) -> dict[str, int]:
        """Pids of web, worker and postgres, children of the supervisor started here."""
        assert self.process is not None
        found: dict[str, int] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == self.process.pid:
                    words = (stat.parent / "cmdline").read_text().split("\0")
                    name = "postgres" if words[0].endswith("postgres") else words[3] if len(words) > 3 else ""
                    found[name] = int(stat.parent.name)
        return {name: pid for name, pid in found.items() if name in {"web", "worker", "postgres"}}

    def kill_child(self, name: str) -> bool:
        """kill −9; false when it does not run just now."""
        pid = self.children().get(name)
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return True

    def tell_what_runs(self) -> str:
        """Where the threads of web and worker are and what PostgreSQL does: of a request that is not answered."""
        for name in ("web", "worker"):
            pid = self.children().get(name)
            if pid is not None:
                os.kill(pid, signal.SIGUSR1)
        time.sleep(1)
        told = self.errors.read_text(errors="replace")[-12_000:]
        address = find_running(self.home)
        if address is None:
            return told
        with psycopg.connect(address.dsn, autocommit=True) as connection:
            rows = connection.execute(
                "select pid, state, wait_event_type, wait_event, now() - query_start, pg_blocking_pids(pid), left(query, 300)"
                " from pg_stat_activity where backend_type = 'client backend' and state <> 'idle'"
            ).fetchall()
        return "\n".join([told, *map(str, rows)])

    def is_healthy(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.http.get(f"{self.url}/healthz", timeout=5).status_code == 200
        return False

    def begin(self, *arguments: str | Path) -> "subprocess.Popen[str]":
        """A command of the same HOME that goes on by itself; its output is piped."""
        return subprocess.Popen(
            [*self.command, *(str(one) for one in arguments), "--home", str(self.home)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.environment,
        )

    def run(self, *arguments: str | Path, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the same HOME; with `check` it must end with 0."""
        words = [*(str(one) for one in arguments), "--home", str(self.home)]
        told = {**os.environ, "COLUMNS": "200"} | self.environment | environment
        if self.forks:
            done = run_command(words, told, COMMAND_SECONDS_MAX)
        else:
            done = subprocess.run(
                [*self.command, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS_MAX,
                check=False,
                env=told,
            )
        assert not check or done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}"
        return done

    def import_rows(self, kind: str, *arguments: str | Path, check: bool = True) -> dict[str, Any]:
        """`regulars import … --json`: what its last line says."""
        done = self.run("import", kind, *arguments, "--json", check=check)
        return json.loads(done.stdout.splitlines()[-1])

    def call(self, method: str, path: str, body: object = None, *, key: str | None = None) -> httpx.Response:
        """An API request under the brand's key, or under another."""
        headers = {"Authorization": f"Bearer {key or self.ready['api_key']}"}
        return self.http.request(method, self.url + path, headers=headers, json=body)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def send(self, *messages: object, path: str = "/v1/batch", **fields: object) -> httpx.Response:
        """A batch of Segment messages."""
        body = {"batch": messages, "writeKey": self.ready["write_key"], **fields}
        return self.http.post(self.url + path, json=body)

    def send_well(self, *messages: object, **fields: object) -> None:
        answer = self.send(*messages, **fields)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"success": True}

    def find_member(self, identity: str) -> dict[str, Any] | None:
        """The member that holds KIND:VALUE."""
        found = self.http.get(
            f"{self.url}/api/members",
            params={"identity": identity},
            headers={"Authorization": f"Bearer {self.ready['api_key']}"},
        )
        assert found.status_code == 200, found.text
        members = found.json()["members"]
        assert len(members) <= 1
        return members[0] if members else None

    def get_member(self, identity: str) -> dict[str, Any]:
        member = self.find_member(identity)
        assert member is not None, f"nobody is {identity}"
        return member

    def list_events(self, member: str) -> list[dict[str, Any]]:
        """All events of a member, page by page."""
        events: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/api/members/{member}/events?limit={PAGE}{cursor}")
            events += page["events"]
            if page["next"] is None:
                return events
            cursor = f"&cursor={page['next']}"

    def count_names(self) -> dict[str, int]:
        """Events by raw name, as `GET /api/events/names` counts them."""
        counts: dict[str, int] = {}
        cursor = ""
        while True:
            page = self.get(f"/api/events/names?limit={PAGE}{cursor}")
            counts |= {entry["raw_name"]: entry["events"] for entry in page["names"]}
            if page["next"] is None:
                return counts
            cursor = f"&cursor={page['next']}"


def is_running(pid: int) -> bool:
    """False for a zombie too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(
    holds: Callable[[], object], what: str, seconds_max: float = READY_SECONDS_MAX, *, pause_seconds: float = 0.05
) -> None:
    """Ask again and again; with a longer pause where an answer costs much."""
    deadline = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds_max} s: {what}"
        time.sleep(pause_seconds)


@contextlib.contextmanager
def make_folder(*, in_memory: bool = True, free_bytes_min: int = MEMORY_BYTES_MIN) -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach, in memory where there is room, removed with what is in it."""
    memory = Path("/dev/shm")
    roomy = in_memory and memory.is_dir() and shutil.disk_usage(memory).free > free_bytes_min
    folder = Path(tempfile.mkdtemp(prefix="regulars-test-", dir=memory if roomy else None))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        remove(folder)


@contextlib.contextmanager
def open_serving(**options: Any) -> Iterator[Serving]:
    """A fresh deployment that serves, and is gone afterwards."""
    with make_folder() as folder:
        serving = Serving(folder / "home", **options)
        try:
            yield serving.start()
        finally:
            serving.end()


@pytest.fixture(scope="session")
def serving() -> Iterator[Serving]:
    """One deployment for all tests of a process that leave it as they found it, but for what they added."""
    with open_serving(forks=True) as opened:
        yield opened


@pytest.fixture
def unique() -> str:
    """Part of the names a test uses, so that tests share a deployment and no member."""
    return uuid.uuid4().hex[:10]
