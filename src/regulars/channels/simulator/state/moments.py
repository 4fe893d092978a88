"""Instants as seconds since 1970, which are cheap, and as people and platforms write them."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

TAIWAN: Final = timezone(timedelta(hours=8))
"""LINE Taiwan's plans begin with its calendar month."""
JAPAN: Final = timezone(timedelta(hours=9))
"""LINE's delivery counts are by its own day."""
_HOUR_SECONDS: Final = 3600


def show_instant(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def show_clock(seconds: float) -> str:
    """`14:05`, in Taiwan."""
    return datetime.fromtimestamp(seconds, TAIWAN).strftime("%H:%M")


def month_of(seconds: float) -> str:
    """`2026-11`, in Taiwan."""
    return _month_of_hour(int(seconds // _HOUR_SECONDS))


def line_day_of(seconds: float) -> str:
    """`20261122`, in Japan."""
    return _line_day_of_hour(int(seconds // _HOUR_SECONDS))


# Months and days begin on the hour in both zones, and every request asks for both.
@lru_cache(maxsize=1000)
def _month_of_hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * _HOUR_SECONDS, TAIWAN).strftime("%Y-%m")


@lru_cache(maxsize=1000)
def _line_day_of_hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * _HOUR_SECONDS, JAPAN).strftime("%Y%m%d")
