"""What Prometheus is told of requests to channels: how many, how they ended, how long they took, which are left alone."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_REQUESTS: Final = Counter(
    "regulars_channel_requests", "Requests to channels by what came of them", ["channel", "endpoint", "outcome"]
)
_SECONDS: Final = Histogram(
    "regulars_channel_request_seconds",
    "Time from sending a request to a channel to its answer",
    ["channel", "endpoint"],
    buckets=(0.01, 0.05, 0.2, 1, 5, 15),
)
_OPEN: Final = Gauge(
    "regulars_channel_circuit_open",
    "1 while an endpoint is left alone",
    ["channel", "endpoint"],
    multiprocess_mode="livemax",
)


class Meter:
    """The counters of one endpoint; finding them by their labels costs more than counting."""

    def __init__(self, channel: str, endpoint: str) -> None:
        self._place = (channel, endpoint)
        self._outcomes: dict[str, Counter] = {}
        self._seconds = _SECONDS.labels(channel, endpoint)
        self._open = _OPEN.labels(channel, endpoint)
        self._is_open = False

    def count(self, outcome: str) -> None:
        """One request, and what came of it."""
        counter = self._outcomes.get(outcome)
        if counter is None:
            counter = self._outcomes[outcome] = _REQUESTS.labels(*self._place, outcome)
        counter.inc()

    def time(self, seconds: float) -> None:
        """How long one took."""
        self._seconds.observe(seconds)

    def show_circuit(self, is_open: bool) -> None:
        """Whether the endpoint is left alone."""
        if is_open != self._is_open:
            self._is_open = is_open
            self._open.set(is_open)
