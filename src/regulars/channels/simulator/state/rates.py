"""How many requests a platform takes: token buckets, and the limits that the platforms publish.

The buckets are asked only where faults say so (`rate_per_second`, `published_rates`).
"""

from dataclasses import dataclass
from typing import Final

HOUR_SECONDS: Final = 3600
MINUTE_SECONDS: Final = 60

# LINE's rate limits per channel and endpoint; all others 2,000 a second.
# Source: developers.line.biz, Messaging API reference, "Rate limits", read 2026-08 and 2026-11.
LINE_OTHER: Final = (2000, 1)
LINE_RATES: Final[dict[str, tuple[int, int]]] = {
    "narrowcast": (60, HOUR_SECONDS),
    "broadcast": (60, HOUR_SECONDS),
    "delivery_count": (60, HOUR_SECONDS),
    "webhook_test": (60, HOUR_SECONDS),
    "webhook_get": (1000, MINUTE_SECONDS),
    "webhook_set": (1000, MINUTE_SECONDS),
    "rich_menu_create": (100, HOUR_SECONDS),
    "rich_menu_delete": (100, HOUR_SECONDS),
    "rich_menu_alias_delete": (100, HOUR_SECONDS),
    "rich_menu_batch_progress": (100, HOUR_SECONDS),
    "rich_menu_batch": (3, HOUR_SECONDS),
    "multicast": (200, 1),
}
# Telegram's: about 30 messages a second to all chats, one a second to one, 20 a minute to a channel.
# Source: core.telegram.org/bots/faq, read 2026-11. Real limits are not exact; clients must obey retry_after.
TELEGRAM_ALL: Final = (30, 1)
TELEGRAM_CHAT: Final = (1, 1)
TELEGRAM_CHANNEL: Final = (20, MINUTE_SECONDS)


@dataclass(slots=True)
class TokenBucket:
    """Takes `most` requests at once and gets as many back in `seconds`."""

    most: float
    seconds: float
    tokens: float
    filled_at: float

    def take(self, now: float) -> float:
        """0 where there was room, else the seconds until there is."""
        passed = now - self.filled_at
        if passed > 0:
            self.tokens = min(self.most, self.tokens + passed * self.most / self.seconds)
        self.filled_at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) * self.seconds / self.most


class Rates:
    """The buckets of one account, made as they are needed and bounded in number."""

    BUCKETS_MAX: Final = 100_000

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, name: str, limit: tuple[float, float], now: float) -> float:
        """0 where there was room, else the seconds until there is."""
        bucket = self._buckets.get(name)
        if bucket is None or (bucket.most, bucket.seconds) != limit:
            if len(self._buckets) >= self.BUCKETS_MAX:
                self._buckets.clear()
            bucket = self._buckets[name] = TokenBucket(limit[0], limit[1], limit[0], now)
        return bucket.take(now)
