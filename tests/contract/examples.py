"""Requests and answers of these tests, kept as the examples of /openapi.json.

A test marks the request that is to be shown. Run with REGULARS_RECORD_EXAMPLES=1, the marked ones are written to
src/regulars/api/examples.json, one for each method, path template and class of status; any other run compares the
shapes of today's answers with what is kept there, and fails where a field came or went.
"""

import json
import os
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import httpx

FILE: Final = Path(__file__).resolve().parents[2] / "src" / "regulars" / "api" / "examples.json"
RECORD: Final = "REGULARS_RECORD_EXAMPLES"
ITEMS_SHOWN_MAX: Final = 3
_NOW: Final = "2026-11-22T06:00:00Z"
_LIVE_INSTANT: Final = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_PUBLIC_ID: Final = re.compile(r"(?<![A-Za-z0-9])([mgcrdp])[1-9]\d*(?![A-Za-z0-9])")
_VOUCHER: Final = re.compile(r"\b[2-9A-HJKMNP-TV-Z]{12}\b")
_LOOPBACK: Final = re.compile(r"127\.0\.0\.1:\d+")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Entry = dict[str, Any]


class Examples:
    """The examples of one run of the tests."""

    def __init__(self, templates: dict[str, set[str]]) -> None:
        self.templates = templates
        self.recording = bool(os.environ.get(RECORD))
        self.kept: dict[str, dict[str, Entry]] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
        self.seen: dict[str, dict[str, Entry]] = {}

    def see(self, response: httpx.Response, secrets: dict[str, str]) -> None:
        """Keep a marked request, or compare it with what is kept."""
        route, entry = self._entry(response, secrets)
        group = f"{response.status_code // 100}xx"
        assert group not in self.seen.setdefault(route, {}), f"two requests are marked as {route} {group}"
        self.seen[route][group] = entry
        if self.recording:
            return
        kept = self.kept.get(route, {}).get(group)
        hint = f"; run the contract tests with {RECORD}=1 and look at what changed"
        assert kept is not None, f"{route} {group} is not in {FILE.name}{hint}"
        assert kept["status"] == entry["status"], f"{route} answers {entry['status']}{hint}"
        assert shape(kept["response"]) == shape(entry["response"]), f"{route} {group} has other fields now{hint}"
        assert shape(kept.get("request")) == shape(entry.get("request")), f"{route} is asked otherwise now{hint}"

    def _entry(self, response: httpx.Response, secrets: dict[str, str]) -> tuple[str, Entry]:
        request = response.request
        path = request.url.raw_path.decode().partition("?")[0]
        template, parameters = match(path, request.method, self.templates)
        stable = Stable(secrets)
        entry: Entry = {"from": os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0], "status": response.status_code}
        if parameters:
            entry["path"] = {name: stable.of(value) for name, value in parameters.items()}
        if request.url.params:
            entry["query"] = {name: stable.of(value) for name, value in request.url.params.items()}
        if request.content:
            entry["request"] = stable.of(json.loads(request.content))
        if response.headers.get("content-type", "").startswith("application/json"):
            entry["response"] = stable.of(response.json())
        else:
            entry["response"] = response.headers.get("content-type", "")
        return f"{request.method} {template}", entry

    def write(self) -> None:
        """Put what this run has seen into the file; routes that are gone leave it."""
        if not self.recording:
            return
        routes = {f"{method} {template}" for template, methods in self.templates.items() for method in methods}
        kept = {route: self.kept.get(route, {}) | self.seen.get(route, {}) for route in sorted(routes)}
        shown = {route: groups for route, groups in kept.items() if groups}
        FILE.write_text(json.dumps(shown, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")


def match(path: str, method: str, templates: dict[str, set[str]]) -> tuple[str, dict[str, str]]:
    """The path's template, those without parameters first, and the parameters' values."""
    for template in sorted(templates, key=lambda one: (one.count("{"), one)):
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))
        found = re.fullmatch(pattern, path)
        if found and method in templates[template]:
            return template, {name: unquote(value) for name, value in found.groupdict().items()}
    raise AssertionError(f"{method} {path} is not in /openapi.json")


class Stable:
    """The same words at every run: ids are numbered as they appear, the present has one instant, secrets are named."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self.secrets = secrets
        self.ids: dict[str, dict[str, str]] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: "CURSOR" if name == "next" and entry else self.of(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [self.of(entry) for entry in value[:ITEMS_SHOWN_MAX]]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        for secret, name in self.secrets.items():
            text = text.replace(secret, name)
        text = _LIVE_INSTANT.sub(_NOW, _LOOPBACK.sub("HOST", text))
        text = _UUID.sub(lambda found: self._numbered(found[0], "00000000-0000-4000-8000-{:012d}"), text)
        text = _VOUCHER.sub(lambda found: self._numbered(found[0], "VOUCHER{}"), text)
        return _PUBLIC_ID.sub(lambda found: self._numbered(found[0], found[1] + "{}"), text)

    def _numbered(self, text: str, form: str) -> str:
        known = self.ids.setdefault(form, {})
        return known.setdefault(text, form.format(len(known) + 1))


def shape(value: object) -> object:
    """Which fields there are, at any depth; of a list of objects, its first one's. An interval may be there or be null."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in sorted(value.items())}
    return [shape(value[0])] if isinstance(value, list) and value and isinstance(value[0], dict) else None
