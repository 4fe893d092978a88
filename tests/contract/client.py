"""What a stranger's program would be: an HTTP client that knows a brand's keys and checks what holds for every answer."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx

from tests.contract.examples import Examples

UNSET: Final = object()
INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z")
ERROR_FIELDS: Final = {"code", "message", "path", "suggestion"}
FREE: Final = {"properties", "traits", "attributes", "body", "evidence", "proof", "meta"}
"""Fields that hold what a brand sent, as it sent it."""


def encoded(text: str) -> str:
    """Text as one segment of a path."""
    return quote(text, safe="")


def check_answer(response: httpx.Response) -> None:
    """Every error is JSON with code and message; every instant is UTC with Z; nothing is a defect."""
    assert response.status_code < 500, response.text
    if response.status_code >= 400:
        assert response.headers["content-type"].startswith("application/json"), response.text
        error = response.json()
        assert isinstance(error["code"], str) and error["code"]
        assert isinstance(error["message"], str) and error["message"]
        assert set(error) <= ERROR_FIELDS
    elif response.headers.get("content-type", "").startswith("application/json") and response.content:
        for field, value in fields(response.json()):
            if field == "at" or field.endswith("_at"):
                assert value is None or INSTANT.fullmatch(value), f"{field}: {value}"


def fields(value: object) -> Iterator[tuple[str, Any]]:
    """Every field below a value but those that hold what was sent."""
    if isinstance(value, list):
        for entry in value:
            yield from fields(entry)
    elif isinstance(value, dict):
        for name, entry in value.items():
            yield name, entry
            if name not in FREE:
                yield from fields(entry)


class Brand:
    """One brand's keys at one address."""

    def __init__(self, url: str, keys: dict[str, str], examples: Examples) -> None:
        self.url = url
        self.api_key, self.write_key = keys["api_key"], keys["write_key"]
        self.examples = examples
        self.http = httpx.Client(base_url=url, timeout=30, event_hooks={"response": [self._look]})

    def _look(self, response: httpx.Response) -> None:
        response.read()
        check_answer(response)

    @property
    def basic(self) -> dict[str, str]:
        """The headers of an ingest call."""
        return {"Authorization": "Basic " + base64.b64encode(f"{self.write_key}:".encode()).decode()}

    def request(self, method: str, path: str, *, example: bool = False, **options: Any) -> httpx.Response:
        """Any request with no key but those that `options` carry. `example`: it is shown in /openapi.json."""
        response = self.http.request(method, path, **options)
        if example:
            secrets = {self.api_key: "API_KEY", self.write_key: "WRITE_KEY", self.url.removeprefix("http://"): "HOST"}
            self.examples.see(response, secrets)
        return response

    def ask(
        self,
        method: str,
        path: str,
        json: object = UNSET,
        *,
        status: int = 200,
        example: bool = False,
        headers: dict[str, str] | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """An API request; the answer's JSON, or the error's."""
        told = {"Authorization": f"Bearer {self.api_key}", **(headers or {})}
        body = {} if json is UNSET else {"json": json}
        response = self.request(method, path, example=example, headers=told, params=params, **body)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text}"
        return response.json()

    def refused(self, method: str, path: str, json: object = UNSET, *, status: int = 400, **options: Any) -> str:
        """A request that must be refused; its code."""
        return self.ask(method, path, json, status=status, **options)["code"]

    def send(self, *calls: object, status: int = 200, example: bool = False, **top: object) -> dict[str, Any]:
        """One batch; its answer."""
        body = json.dumps({"batch": calls, **top})
        response = self.request("POST", "/v1/batch", content=body, headers=self.basic, example=example)
        assert response.status_code == status, response.text
        return response.json()

    def track(self, user: str, name: str, **more: object) -> dict[str, object]:
        """A track call, not yet sent."""
        return {"type": "track", "userId": user, "event": name, **more}

    def find(self, identity: str) -> dict[str, Any] | None:
        """The member that holds KIND:VALUE, or nobody."""
        found = self.ask("GET", "/api/members", params={"identity": identity})["members"]
        assert len(found) <= 1
        return found[0] if found else None

    def member(self, identity: str) -> dict[str, Any]:
        """The member that holds KIND:VALUE."""
        found = self.find(identity)
        assert found is not None, f"nobody holds {identity}"
        return found

    def new_member(self, user: str, **traits: object) -> str:
        """A member known by this user id; its id."""
        self.send({"type": "identify", "userId": user, "traits": traits})
        return self.member(f"user_id:{user}")["id"]

    def events(self, identity: str) -> list[dict[str, Any]]:
        """All events of the member that holds KIND:VALUE, newest first."""
        return self.ask("GET", f"/api/members/{self.member(identity)['id']}/events", params={"limit": 1000})["events"]

    def names(self, identity: str) -> list[str]:
        """Names of a member's events, oldest first."""
        return [event["name"] for event in reversed(self.events(identity))]
