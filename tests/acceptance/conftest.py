"""What acceptance tests share beside the deployment."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.rewarding import Rewarded
from tests.support.sending import Sender, Simulator
from tests.support.serving import Serving, make_folder
from tests.support.shop import Shop

DEMO_SECONDS_MAX = 900


@pytest.fixture(scope="module")
def shop(serving: Serving, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A brand of eight members that no other file sees."""
    opened = Shop(serving, request.module.__name__.rpartition(".")[2])
    yield opened
    opened.http.close()


@pytest.fixture
def books(serving: Serving) -> Iterator[Rewarded]:
    """A brand of eight members with a ledger of its own, for one test."""
    opened = Rewarded(serving, "books")
    yield opened
    opened.http.close()


@pytest.fixture
def ledger(books: Rewarded) -> Rewarded:
    """The asset `points`, and no programme."""
    books.put_asset()
    return books


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """One simulated LINE and Telegram for all tests of a process; each brand has accounts of its own."""
    opened = Simulator()
    yield opened
    opened.end()


@pytest.fixture(scope="module")
def own_simulator(simulator: Simulator) -> Simulator:
    """An account nobody else sends from: its consumption is this file's."""
    return simulator.open_account()


@pytest.fixture(scope="module")
def sender(simulator: Simulator, serving: Serving, request: pytest.FixtureRequest) -> Iterator[Sender]:
    """A brand with two channels that no other file sees."""
    opened = Sender(serving, request.module.__name__.rpartition(".")[2], simulator.open_account())
    yield opened
    opened.http.close()


@pytest.fixture(scope="module")
def counted(simulator: Simulator, serving: Serving, request: pytest.FixtureRequest) -> Iterator[Sender]:
    """Another brand, for tests that count what its LINE account consumed."""
    opened = Sender(serving, f"{request.module.__name__.rpartition('.')[2]} counted", simulator.open_account())
    yield opened
    opened.http.close()


@pytest.fixture(scope="session")
def demo() -> Iterator[dict[str, Any]]:
    """What the demo's last line says, all that it said, and the home it left; it runs once for all tests of a process."""
    with make_folder() as folder:
        words = [sys.executable, "-m", "regulars", "demo", "--no-serve", "--json", "--today", "2026-11-22"]
        done = subprocess.run(
            [*words, "--home", str(folder / "home")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEMO_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2_000:]
        yield {**json.loads(done.stdout.splitlines()[-1]), "said": done.stdout, "home": folder / "home"}
