"""Whatever the description allows, and a good deal that it does not, is answered: never a defect, always JSON.

A few requests for each operation in a normal run, the same ones each time. In a long one many, others each time, and
before them each limit of each value, kept and crossed.
"""

import json
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test

from regulars.api.app import create_app
from regulars.api.context import ApiContext
from tests.support.serving import Serving

FEW, MANY = 8, 200
LOG_CHARACTERS_SHOWN = 4_000

Keys = dict[str, str]
OWN = {"m1": "first", "m2": "second", "g1": "merge", "c1": "conflict"}
"""What the examples call the members, the merge and the conflict that there are."""


# The operations as the app describes itself; no server is needed to collect these tests.
DOCUMENT: dict[str, Any] = json.loads(json.dumps(create_app(cast("ApiContext", None), version="0").openapi()))
OPERATIONS = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
each_operation = pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=map(" ".join, OPERATIONS))


@pytest.fixture(scope="module")
def keys(serving: Serving) -> Keys:
    """A brand's keys, and the ids of what it has: two members, a merge and a conflict."""
    keys: Keys = json.loads(serving.run("brand", "add", f"fuzz-{uuid4()}", "--json").stdout)
    calls = [{"type": "identify", "userId": user, "traits": {"phone": "0912345678"}} for user in ("amy", "ben", "cat")]
    serving.send_well(*calls, writeKey=keys["write_key"])
    found = serving.call("GET", "/api/members", key=keys["api_key"]).json()["members"]
    first, second, third = (member["id"] for member in found)
    merged = serving.call("POST", "/api/members/merge", {"keep": first, "merge": third}, key=keys["api_key"]).json()
    conflicts = serving.call("GET", "/api/conflicts", key=keys["api_key"]).json()["conflicts"]
    ids = {"first": first, "second": second, "merge": merged["merge"], "conflict": conflicts[0]["id"]}
    return keys | ids


def ours(name: str, value: object, keys: Keys) -> object:
    """The example's ids are ours, and of other members' ids every second."""
    if value in OWN:
        return keys[OWN[str(value)]]
    return keys["second"] if name == "member" and crc32(repr(value).encode()) % 2 else value


def check(case: Any, serving: Serving, keys: Keys) -> None:
    """Ask, and look at what comes back."""
    erases = case.method == "DELETE" and case.path.endswith("/{member}")
    for values in (case.path_parameters, case.body):
        if isinstance(values, dict) and not erases:
            values.update({name: ours(name, value, keys) for name, value in values.items() if isinstance(value, str)})
    key = keys["api_key"] if case.path.startswith("/api/") else keys["write_key"]
    response = case.call(base_url=serving.url, headers={"Authorization": f"Bearer {key}"})
    said = f"{case.method} {response.request.url}\n{response.status_code} {response.content[:500]!r}"
    log = serving.errors.read_text("utf-8", "replace")[-LOG_CHARACTERS_SHOWN:] if response.status_code >= 500 else ""
    assert response.status_code < 500, f"{said}\n{case.as_curl_command()}\n{log}"
    if response.status_code >= 400:
        error = response.json()
        assert isinstance(error["code"], str) and isinstance(error["message"], str), said


def limited(examples: int, *, repeat: bool) -> Callable[[Any], Any]:
    return settings(
        max_examples=examples,
        derandomize=repeat,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def ask_all(method: str, path: str, *, thoroughly: bool, serving: Serving, keys: Keys) -> None:
    """Ask what comes to mind about an operation.

    That is thought up here, and not where tests are collected, as it would be by Schemathesis' own decorator: then every
    process would do it for all operations, for five seconds.
    """

    @limited(MANY if thoroughly else FEW, repeat=not thoroughly)
    def ask(case: Any) -> None:
        check(case, serving, keys)

    config = {"phases": {"coverage": {"enabled": thoroughly}}, "generation": {"mode": "all"}}
    schema = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(config))
    build_operation_test(
        config=schema.config,
        operation=schema[path][method],
        test_func=ask,
        given_kwargs={},
        feedback=FeedbackSources(),
    )()


@each_operation
def test_no_request_is_a_defect(method: str, path: str, serving: Serving, keys: Keys) -> None:
    ask_all(method, path, thoroughly=False, serving=serving, keys=keys)


@pytest.mark.long
@each_operation
def test_no_request_of_many_is_a_defect(method: str, path: str, serving: Serving, keys: Keys) -> None:
    ask_all(method, path, thoroughly=True, serving=serving, keys=keys)
