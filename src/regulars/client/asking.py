"""How a program asks a running server: one request, its JSON or bytes, every refusal as one kind of exception."""

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any, Final, cast
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

TIMEOUT_SECONDS: Final = 120.0
_OF_THIS_MACHINE: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class EcosystemError(Exception):
    """A refusal of the server, or of the way there; `code` is what programs match on."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        path: str | None = None,
        suggestion: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.path = path
        self.suggestion = suggestion
        self.status = status

    def __str__(self) -> str:
        place = f" (at {self.path})" if self.path else ""
        meant = f" – did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{self.code}: {self.message}{place}{meant}"


class Server:
    """One server and the key of one brand there."""

    def __init__(self, url: str, api_key: str) -> None:
        split = urlsplit(url)
        if split.scheme not in ("http", "https") or not split.hostname:
            raise ValueError(f"url {url!r} is not the address of a server, such as http://127.0.0.1:8080")
        self.url = url.rstrip("/")
        self._api_key = api_key
        self._opener = _make_opener(split.hostname)

    def ask(self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None) -> Any:
        """The JSON of an answer. Raises: EcosystemError."""
        content = self.fetch(method, path, query, body)
        try:
            return json.loads(content)
        except ValueError as error:
            raise EcosystemError("server.answer_unreadable", f"{self.url}{path} did not answer JSON") from error

    def fetch(self, method: str, path: str, query: Mapping[str, object] | None = None, body: object = None) -> bytes:
        """The bytes of an answer. Raises: EcosystemError."""
        told = {name: value for name, value in (query or {}).items() if value is not None}
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        request = Request(self.url + path + (f"?{urlencode(told)}" if told else ""), data=data, method=method)
        # The key stays with this server when it sends us elsewhere.
        request.add_unredirected_header("Authorization", f"Bearer {self._api_key}")
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return cast("bytes", response.read())
        except HTTPError as error:
            raise _read_refusal(error) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise EcosystemError("server.unreachable", f"{self.url} does not answer: {reason}") from error


def _make_opener(host: str) -> OpenerDirector:
    """What is on this machine is asked without a proxy."""
    return build_opener(ProxyHandler({})) if host in _OF_THIS_MACHINE else build_opener()


def _read_refusal(error: HTTPError) -> EcosystemError:
    """The server's own words, or what somebody in between answered."""
    try:
        told: object = json.loads(error.read())
    except (ValueError, OSError, HTTPException):
        told = None
    if not isinstance(told, dict) or "code" not in told:
        message = f"{error.url} answered {error.code} {error.reason}"
        return EcosystemError("server.answer_unreadable", message, status=error.code)
    said = cast("dict[str, str]", told)
    return EcosystemError(
        said["code"],
        said.get("message", ""),
        path=said.get("path"),
        suggestion=said.get("suggestion"),
        status=error.code,
    )
