"""What was asked of the platforms: kept for a while one by one, and for good as totals."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from regulars.channels.simulator.state.moments import show_instant

REQUESTS_MAX: Final = 100_000
"""Kept one by one; the oldest go when there are more, and `dropped` says how many went."""


@dataclass(slots=True, eq=False)
class Received:
    """One request to a platform and what became of it."""

    number: int
    at: float
    channel: str
    account: str
    method: str
    path: str
    endpoint: str = "unknown"
    request_id: str = ""
    retry_key: str | None = None
    body_hash: str | None = None
    recipients: Sequence[str] = ()
    objects: int = 0
    """Message objects in the request."""
    counted: int = 0
    """People it reached; what LINE counts."""
    outcome: str = "accepted"
    """accepted, duplicate, key_reused, invalid, unauthorized, not_found, blocked, quota, rate_limited or failed."""
    status: int = 0
    reply: str = "sent"
    """Whether the caller learned of it: sent, lost or held."""
    detail: str | None = None

    def show(self) -> dict[str, Any]:
        """As `GET /_control/requests` answers it."""
        return {
            "id": str(self.number),
            "at": show_instant(self.at),
            "channel": self.channel,
            "account": self.account,
            "method": self.method,
            "path": self.path,
            "endpoint": self.endpoint,
            "request_id": self.request_id,
            "retry_key": self.retry_key,
            "body_hash": self.body_hash,
            "recipients": list(self.recipients),
            "messages": self.objects,
            "counted": self.counted,
            "outcome": self.outcome,
            "status": self.status,
            "reply": self.reply,
            "detail": self.detail,
        }


class RequestLog:
    """All requests to the platforms, newest last."""

    def __init__(self) -> None:
        self._kept: deque[Received] = deque(maxlen=REQUESTS_MAX)
        self.numbered = 0
        self.totals: Counter[tuple[str, str, str]] = Counter()
        self.replies: Counter[str] = Counter()

    def begin(self, at: float, channel: str, method: str, path: str) -> Received:
        """A number for a request that has come in; `add` keeps it when it is answered."""
        self.numbered += 1
        return Received(self.numbered, at, channel, "", method, path)

    def add(self, received: Received) -> None:
        """Keep it, and count it."""
        self._kept.append(received)
        self.totals[received.channel, received.endpoint, received.outcome] += 1
        if received.reply != "sent":
            self.replies[received.reply] += 1

    @property
    def dropped(self) -> int:
        """How many are no longer kept one by one."""
        return sum(self.totals.values()) - len(self._kept)

    def list_page(self, wanted: dict[str, str], start: int, limit: int) -> tuple[list[Received], int | None]:
        """The first requests from a place on that have all that is wanted, and the place to go on from.

        Places count from the first request ever; those that are dropped are passed over.
        """
        first = self.dropped
        place = max(start, first)
        found: list[Received] = []
        for received in self._from(place - first):
            place += 1
            if _fits(received, wanted):
                found.append(received)
                if len(found) == limit:
                    return found, place if place < first + len(self._kept) else None
        return found, None

    def _from(self, offset: int) -> Iterator[Received]:
        return islice(self._kept, offset, None)

    def clear(self) -> None:
        """Forget all requests and totals; numbers go on."""
        self._kept.clear()
        self.totals.clear()
        self.replies.clear()


def _fits(received: Received, wanted: dict[str, str]) -> bool:
    for name, value in wanted.items():
        if name == "to":
            if value not in received.recipients:
                return False
        elif str(getattr(received, name)) != value:
            return False
    return True
