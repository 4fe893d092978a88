"""What the demo asks of the server, over HTTP as any other program would.

Numbers with a point are read as decimals: sums of money are compared to the cent.
"""

import http.client
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from regulars.bootstrap.demo.errors import ServeFailed

ANSWER_SECONDS_MAX = 60.0
TRIES_MAX = 3
RETRY_SECONDS = 1.0
PAGE_MAX = 1_000


class EventName(NamedTuple):
    """How many events came under a name, over all time."""

    events: int
    lines: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Client:
    """The API of one brand."""

    url: str
    api_key: str

    def get(self, path: str, **asked: object) -> Any:
        """The answer's body. Raises: ServeFailed for anything but 200."""
        status, body = self.ask(path, **asked)
        if status != http.client.OK:
            raise ServeFailed(f"GET {path} answered {status}: {str(body)[:300]}", path=path)
        return body

    def put(self, path: str, body: object) -> Any:
        """The answer's body; a PUT may be said twice. Raises: ServeFailed for anything but 200."""
        status, answer = self._try("PUT", path, json.dumps(body))
        if status != http.client.OK:
            raise ServeFailed(f"PUT {path} answered {status}: {str(answer)[:300]}", path=path)
        return answer

    def post(self, path: str, body: object = None) -> Any:
        """The answer's body; said once, since a POST may not be said twice. Raises: ServeFailed for what is not done."""
        status, answer = self._try("POST", path, None if body is None else json.dumps(body), tries_max=1)
        if not http.client.OK <= status < http.client.MULTIPLE_CHOICES:
            raise ServeFailed(f"POST {path} answered {status}: {str(answer)[:300]}", path=path)
        return answer

    def try_post(self, path: str, body: object) -> tuple[int, Any]:
        """Status and body, whatever they are; said once. Raises: ServeFailed."""
        return self._try("POST", path, json.dumps(body), tries_max=1)

    def ask(self, path: str, **asked: object) -> tuple[int, Any]:
        """Status and body. Web that is just being started again is waited for. Raises: ServeFailed."""
        return self._try("GET", f"{path}?{urlencode(asked)}" if asked else path)

    def _try(self, method: str, target: str, body: str | None = None, tries_max: int = TRIES_MAX) -> tuple[int, Any]:
        for rest in reversed(range(tries_max)):
            try:
                return self._ask(method, target, body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                if rest == 0:
                    path = target.partition("?")[0]
                    raise ServeFailed(f"{method} {path} was not answered: {error!r}", path=path) from error
            time.sleep(RETRY_SECONDS)
        raise AssertionError("the last try returns or raises")

    def _ask(self, method: str, target: str, body: str | None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS_MAX)
        headers = {"Authorization": f"Bearer {self.api_key}"}
        try:
            connection.request(method, target, body, headers | ({"Content-Type": "application/json"} if body else {}))
            response = connection.getresponse()
            return response.status, json.loads(response.read(), parse_float=Decimal)
        finally:
            connection.close()

    def iter_all(self, path: str, things: str, **asked: object) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page by page."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(path, limit=PAGE_MAX, **asked, **cursor)
            yield from page[things]
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def find_member(self, household_id: int) -> dict[str, Any] | None:
        """The member that holds a household's card."""
        found = self.get("/api/members", identity=f"card:{household_id}")["members"]
        return found[0] if found else None

    def list_events(self, member: str) -> list[dict[str, Any]]:
        """All events of a member, newest first."""
        return list(self.iter_all(f"/api/members/{quote(member)}/events", "events"))

    def read_names(self) -> dict[str, EventName]:
        """Every name that events came under."""
        return {row["raw_name"]: _to_name(row) for row in self.iter_all("/api/events/names", "names")}


def _to_name(row: dict[str, Any]) -> EventName:
    first, last = (datetime.fromisoformat(row[field]) for field in ("first_at", "last_at"))
    return EventName(row["events"], row["lines"], first, last)
