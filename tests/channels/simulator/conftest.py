"""A world a test, a server a file."""

from collections.abc import Iterator

import pytest

from tests.channels.simulator.driving import Driven, Served, make_driven, serve


@pytest.fixture
def driven() -> Driven:
    return make_driven()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serve() as opened:
        yield opened
