"""How fast an endpoint is asked, and when it is left alone: a token bucket and a circuit breaker.

Both belong to one event loop and are asked in its time. A vendor's limit counts all processes together: a bucket keeps one
process below it, and what the vendor refuses all the same makes the bucket pause.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

WAIT_SECONDS_MAX: Final = 10.0
"""Whoever would wait longer for its turn is told to come again instead."""
FAILURES_MAX: Final = 20
"""So many failures one after the other open the circuit: losing every tenth reply never does."""
PAUSE_SECONDS_FIRST: Final = 5.0
PAUSE_SECONDS_MAX: Final = 20.0


@dataclass(frozen=True, slots=True)
class Rate:
    """So many a second in the long run, and so many at once."""

    per_second: float
    burst: float = 1.0


class TokenBucket:
    """Lets callers pass at a rate, in the order they came."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._tokens = rate.burst
        self._at = 0.0

    def reserve(self, now: float, wait_seconds_max: float = WAIT_SECONDS_MAX) -> float:
        """Take a turn: how long to wait for it. Negative where that would be too long: no turn was taken, come then."""
        if now > self._at:
            self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
            self._at = now
        wait = max((1 - self._tokens) / self._rate.per_second, 0.0) + max(self._at - now, 0.0)
        if wait > wait_seconds_max:
            return -wait
        self._tokens -= 1
        return wait

    def pause(self, now: float, seconds: float) -> None:
        """Nobody passes for so long: the other side said that it is too much."""
        self._tokens = min(self._tokens, 0.0)
        self._at = max(self._at, now + seconds)


class Breaker:
    """Stops asking an endpoint that fails again and again; then one request tries, and its success closes the circuit."""

    def __init__(self) -> None:
        self._failures = 0
        self._pause_seconds = PAUSE_SECONDS_FIRST
        self._open_until: float | None = None
        self._is_tried = False

    @property
    def is_open(self) -> bool:
        return self._open_until is not None

    def refuse(self, now: float) -> float:
        """0 where a request may go; else how long to leave the endpoint alone. Every passed request must be recorded."""
        if self._open_until is None:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        if self._is_tried:
            return 1.0
        self._is_tried = True
        return 0.0

    def record(self, now: float, is_good: bool) -> None:
        """What came of a request."""
        self._is_tried = False
        if is_good:
            self._failures, self._pause_seconds, self._open_until = 0, PAUSE_SECONDS_FIRST, None
            return
        self._failures += 1
        if self._open_until is not None and now >= self._open_until:
            self._pause_seconds = min(self._pause_seconds * 2, PAUSE_SECONDS_MAX)
            self._open_until = now + self._pause_seconds
        elif self._open_until is None and self._failures >= FAILURES_MAX:
            self._open_until = now + self._pause_seconds

    def forget(self) -> None:
        """A request that was passed was never sent, for reasons of our own."""
        self._is_tried = False


class Gate:
    """Bucket and breaker of one endpoint."""

    def __init__(self, rate: Rate | None) -> None:
        self.bucket = TokenBucket(rate) if rate else None
        self.breaker = Breaker()

    async def pass_through(self) -> float:
        """Wait for a turn. Answers 0 where it came, else after how many seconds to come again."""
        loop = asyncio.get_running_loop()
        if refused := self.breaker.refuse(loop.time()):
            return refused
        if self.bucket is None:
            return 0.0
        wait = self.bucket.reserve(loop.time())
        if wait < 0:
            self.breaker.forget()
            return -wait
        if wait:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                self.breaker.forget()
                raise
        return 0.0
