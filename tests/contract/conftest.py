"""One deployment for all of these tests, and a brand of its own for each file."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.contract.client import Brand
from tests.contract.examples import Examples
from tests.support.serving import Serving

AddBrand = Callable[[str], Brand]


@pytest.fixture(scope="session")
def openapi(serving: Serving) -> dict[str, Any]:
    return httpx.get(f"{serving.url}/openapi.json").json()


@pytest.fixture(scope="session")
def examples(openapi: dict[str, Any]) -> Iterator[Examples]:
    methods = {path: {method.upper() for method in operations} for path, operations in openapi["paths"].items()}
    seen = Examples(methods)
    yield seen
    seen.write()


@pytest.fixture(scope="session")
def add_brand(serving: Serving, examples: Examples) -> AddBrand:
    """Adds a brand by the command line, under a name that no other brand has.

    A file's brand can be asked for twice in one process: files' tests are shared out between the processes.
    """
    numbers = itertools.count(1)

    def add(name: str) -> Brand:
        keys = json.loads(serving.run("brand", "add", f"{name}-{next(numbers)}", "--json").stdout)
        return Brand(serving.url, keys, examples)

    return add


@pytest.fixture(scope="module")
def brand(add_brand: AddBrand, request: pytest.FixtureRequest) -> Brand:
    """A brand that no other file sees."""
    return add_brand(request.module.__name__.rpartition(".")[2].removeprefix("test_"))


@pytest.fixture(scope="session")
def stranger(add_brand: AddBrand) -> Brand:
    """Another brand of the same deployment, whose data no test relies on."""
    return add_brand("stranger")
