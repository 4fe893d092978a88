"""/openapi.json: every route, key and error, with examples that these tests have seen."""

import re
from pathlib import Path
from typing import Any

import httpx

from tests.contract.examples import FILE, RECORD, Examples
from tests.support.serving import Serving

BODILESS = {
    "POST /api/conflicts/{conflict}/resolve",
    *(f"POST /api/plans/{{plan}}/{verb}" for verb in ("send", "pause", "resume", "cancel")),
    "POST /u/{token}",
}
Operations = dict[str, dict[str, Any]]


def operations(openapi: dict[str, Any]) -> Operations:
    """Every operation by `METHOD /path`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_open_and_json(serving: Serving) -> None:
    response = httpx.get(f"{serving.url}/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json()["openapi"].startswith("3.")


def test_every_route_has_an_example_and_every_example_a_route(openapi: dict[str, Any], examples: Examples) -> None:
    kept = {route: {**examples.kept.get(route, {}), **examples.seen.get(route, {})} for route in operations(openapi)}
    hint = f"mark the request in its contract test with example=True and run with {RECORD}=1"
    missing = [route for route, groups in kept.items() if not {"2xx", "3xx"} & groups.keys()]
    assert not missing, f"no example of {missing}: {hint}"
    gone = [route for route in examples.kept if route not in kept]
    assert not gone or examples.recording, f"{FILE.name} shows routes that are gone: {gone}: {hint}"


def test_every_example_names_a_test_that_marks_it(examples: Examples) -> None:
    for route, groups in examples.kept.items():
        for group, entry in groups.items():
            file, _, test = entry["from"].partition("::")
            source = (Path(__file__).resolve().parents[2] / file).read_text("utf-8")
            body = re.search(
                rf"^def {re.escape(test.partition('[')[0])}\(.*?(?=^\S|\Z)", source, re.DOTALL | re.MULTILINE
            )
            assert body and "example=" in body[0], f"{route} {group}: {entry['from']} shows nothing any more"


def test_every_body_is_described_and_shown(openapi: dict[str, Any]) -> None:
    for route, operation in operations(openapi).items():
        if route.split(" ")[0] in {"POST", "PUT"} and route not in BODILESS:
            content = operation["requestBody"]["content"]["application/json"]
            assert content["schema"], route
            assert "example" in content or not operation["requestBody"]["required"], route


def test_every_keyed_route_tells_its_key_and_its_errors(openapi: dict[str, Any]) -> None:
    schemes = openapi["components"]["securitySchemes"]
    assert openapi["components"]["schemas"]["Error"]["required"] == ["code", "message"]
    for route, operation in operations(openapi).items():
        if " /api/" in route:
            assert operation["security"] == [{"apiKey": []}], route
        if operation.get("security"):
            assert {name for way in operation["security"] for name in way} <= set(schemes)
            refused = operation["responses"]["4XX"]["content"]["application/json"]
            assert refused["schema"] == {"$ref": "#/components/schemas/Error"}, route
    assert schemes["apiKey"]["scheme"] == "bearer"


def test_no_example_holds_a_secret_or_todays_ids(examples: Examples) -> None:
    text = FILE.read_text("utf-8")
    assert not re.search(r"rg[aw]_(?!wrong|unknown)", text)
    assert "127.0.0.1" not in text


def test_these_tests_know_nothing_of_the_code() -> None:
    for file in Path(__file__).parent.glob("*.py"):
        assert not re.search(r"^\s*(from|import) regulars\b", file.read_text("utf-8"), re.MULTILINE), file.name
