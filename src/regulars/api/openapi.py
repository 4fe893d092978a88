"""What /openapi.json says beyond the routes' own words: bodies, parameters, keys, errors, and examples.

The examples were recorded by the contract tests, so that what is shown is what was answered; see tests/contract.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import msgspec

Schema = dict[str, Any]

LIMIT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
CURSOR: Final[Schema] = {"type": "string", "description": "What `next` of the page before said."}
TEXT: Final[Schema] = {"type": "string"}

_ERROR: Final[Schema] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {
        "code": {"type": "string", "description": "Programs match on it; docs/reference/errors.md lists all."},
        "message": {"type": "string", "description": "One sentence for people."},
        "path": {"type": "string", "description": "Where in the request it is."},
        "suggestion": {"type": "string", "description": "What was probably meant."},
    },
}
_KEYS: Final[Schema] = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "The brand's API key."},
    "writeKey": {"type": "http", "scheme": "basic", "description": "The write key as user name, without a password."},
    "writeKeyHeader": {"type": "apiKey", "in": "header", "name": "X-Write-Key"},
    "writeKeyQuery": {"type": "apiKey", "in": "query", "name": "writeKey"},
}
_API_SECURITY: Final[list[dict[str, list[str]]]] = [{"apiKey": []}]
# The empty one: `writeKey` may stand in the body.
_INGEST_SECURITY: Final[list[dict[str, list[str]]]] = [
    {"writeKey": []}, {"writeKeyHeader": []}, {"writeKeyQuery": []}, {},
]  # fmt: skip
_ONLY_READS: Final = "x-only-reads"
_IDEMPOTENCY_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same body, the request is answered as the first time.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def takes(body: type | Schema, *, optional: bool = False) -> Schema:
    """`openapi_extra` of a route with a JSON body: a msgspec type, or a JSON schema."""
    schema = body if isinstance(body, dict) else _schema_of(body)
    return {"requestBody": {"required": not optional, "content": {"application/json": {"schema": schema}}}}


def only_reads(extra: Schema) -> Schema:
    """`openapi_extra` of a POST that writes nothing, whose answers are not kept under an Idempotency-Key."""
    return {**extra, _ONLY_READS: True}


def asks(**query: Schema) -> Schema:
    """`openapi_extra` of a route with query parameters, none of which is required."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema} for name, schema in query.items()
        ]
    }


def _schema_of(body: type) -> Schema:
    (schema,), parts = msgspec.json.schema_components([body], ref_template="{name}")
    return _inlined(schema, parts)


def _inlined(value: Any, parts: Mapping[str, Schema]) -> Any:
    """A schema that stands for itself: bodies are small and never hold themselves."""
    if isinstance(value, list):
        return [_inlined(entry, parts) for entry in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("Schema", value)
    if "$ref" in fields:
        return _inlined(parts[fields["$ref"]], parts)
    return {name: _inlined(entry, parts) for name, entry in fields.items()}


@cache
def read_examples() -> dict[str, dict[str, Schema]]:
    """By `METHOD /path/{template}`, then by class of status."""
    return msgspec.json.decode(Path(__file__).with_name("examples.json").read_bytes())


def complete(document: Schema) -> Schema:
    """The framework's document with keys, errors and examples."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(f"{method.upper()} {path}", path, operation)
    document["components"] = {"schemas": {"Error": _ERROR}, "securitySchemes": _KEYS}
    return document


def _complete_operation(route: str, path: str, operation: Schema) -> None:
    examples = read_examples().get(route, {})
    if path.startswith("/api/"):
        operation["security"] = _API_SECURITY
    elif "ingest" in operation["tags"]:
        operation["security"] = _INGEST_SECURITY
    if route.startswith("POST /api/") and not operation.pop(_ONLY_READS, False):
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    success = examples.get("2xx")
    status = next(iter(operation["responses"]))
    answers: Schema = {status: {"description": operation["responses"][status]["description"]}}
    if success is not None:
        _show_request(operation, success)
        answers[status]["content"] = _content(success["response"])
    if operation.get("security"):
        answers["4XX"] = _refusal(examples.get("4xx"))
    operation["responses"] = answers


def _show_request(operation: Schema, example: Schema) -> None:
    if "request" in example and "requestBody" in operation:
        operation["requestBody"]["content"]["application/json"]["example"] = example["request"]
    shown = {**example.get("path", {}), **example.get("query", {})}
    for parameter in operation.get("parameters", []):
        if parameter["name"] in shown:
            parameter["example"] = shown[parameter["name"]]


def _content(response: object) -> Schema:
    """An answer that is not JSON is recorded as its content type."""
    if isinstance(response, str):
        return {response.partition(";")[0]: {}}
    return {"application/json": {"schema": {"type": "object"}, "example": response}}


def _refusal(example: Schema | None) -> Schema:
    content: Schema = {"schema": {"$ref": "#/components/schemas/Error"}}
    if example is not None:
        content["example"] = example["response"]
    return {"description": "Refused: the code says why.", "content": {"application/json": content}}
