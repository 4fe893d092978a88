"""What a platform has to tell a webhook, and what came of each attempt. Sending is `webhooks`' work."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from regulars.channels.simulator.state.moments import show_instant

HISTORY_MAX: Final = 10_000
WAITING_MAX: Final = 100_000
REDELIVERY_SECONDS: Final = (1.0, 5.0, 30.0, 120.0, 600.0)
"""LINE publishes neither how often nor how soon it delivers again."""

Headers = dict[str, str]


@dataclass(slots=True)
class Hook:
    """Where an account's events go; without a URL they go nowhere."""

    url: str | None = None
    is_active: bool = True
    is_redelivering: bool = True
    redelivery_seconds: tuple[float, ...] = REDELIVERY_SECONDS


@dataclass(slots=True, eq=False)
class Outgoing:
    """One event or update on its way to a webhook; `build` makes body and headers for each attempt."""

    number: int
    at: float
    channel: str
    account: str
    person: str
    key: str
    hook: Hook
    build: Callable[[bool], tuple[bytes, Headers]]
    """Given whether this is a redelivery."""
    retries_for_ever: bool = False
    on_drop: Callable[[], None] | None = None
    """Called where the webhook is gone before the event was taken."""
    attempts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    state: str = "waiting"
    """waiting, delivered, failed or dropped."""

    def show(self) -> dict[str, Any]:
        """As `GET /_control/webhooks` answers it."""
        return {
            "id": str(self.number),
            "at": show_instant(self.at),
            "channel": self.channel,
            "account": self.account,
            "from": self.person,
            "event": self.key,
            "url": self.hook.url,
            "state": self.state,
            "attempts": self.attempts,
        }


class Hooks:
    """All outgoing events, the newest kept to look at."""

    def __init__(self) -> None:
        self.history: deque[Outgoing] = deque(maxlen=HISTORY_MAX)
        self.numbered = 0
        self.waiting = 0
        self.send: Callable[[Outgoing], None] | None = None
        """Set by whoever really sends."""

    def post(
        self,
        *,
        at: float,
        channel: str,
        account: str,
        person: str,
        key: str,
        hook: Hook,
        build: Callable[[bool], tuple[bytes, Headers]],
        retries_for_ever: bool = False,
        on_drop: Callable[[], None] | None = None,
    ) -> Outgoing:
        """Hand an event over; without a URL, a sender or room for it, it is dropped and says so."""
        self.numbered += 1
        outgoing = Outgoing(self.numbered, at, channel, account, person, key, hook, build, retries_for_ever, on_drop)
        self.history.append(outgoing)
        if self.send is None or hook.url is None or not hook.is_active or self.waiting >= WAITING_MAX:
            outgoing.state = "dropped"
            if on_drop is not None:
                on_drop()
        else:
            self.waiting += 1
            self.send(outgoing)
        return outgoing

    def settle(self, outgoing: Outgoing, state: str) -> None:
        """It will not be tried again."""
        outgoing.state = state
        self.waiting -= 1
