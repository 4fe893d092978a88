"""A brand's settings: their shape, their defaults, and what is wrong with a wrong one."""

import re
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import phonenumbers

from regulars.access.errors import SettingsInvalid
from regulars.kernel.durations import DurationInvalid, parse_duration


class Cap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """At most `most` deliveries in a rolling `per`, of one topic or of all."""

    most: int
    per: str
    topic: str | None = None


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Local hours in which nothing is pushed; `until` before `from` spans midnight."""

    from_: str = msgspec.field(name="from")
    until: str


class BrandSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a brand decides once; the values here are the defaults of the contract."""

    time_zone: str = "Asia/Taipei"
    currency: str = "TWD"
    caps: tuple[Cap, ...] | None = (Cap(2, "30d"), Cap(1, "7d", "promo"))
    quiet_hours: QuietHours | None = QuietHours("22:00", "08:00")
    holdout: float = 0.05
    attribution: str | None = "7d"
    country: str = "TW"


_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_HOUR: Final = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
CAPS_MAX: Final = 100


def parse_settings(body: object) -> BrandSettings:
    """Settings from JSON; absent fields take their defaults. Raises: SettingsInvalid with the path."""
    try:
        settings = msgspec.convert(body, BrandSettings)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise SettingsInvalid(message, path=path.rstrip("`").replace(".", "/") or "/") from error
    _check_place(settings)
    _check_messaging(settings)
    return settings


def load_settings(stored: object) -> BrandSettings:
    """Settings that were checked when they were set, perhaps by rules that were wider then."""
    return msgspec.convert(stored, BrandSettings)


def settings_to_json(settings: BrandSettings) -> dict[str, Any]:
    """The settings as the contract shows them."""
    return msgspec.to_builtins(settings)


def _check_place(settings: BrandSettings) -> None:
    try:
        ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsInvalid(
            f"time_zone {settings.time_zone!r} is not an IANA time zone", path="/time_zone", suggestion="Asia/Taipei"
        ) from error
    if not _CURRENCY.fullmatch(settings.currency):
        raise SettingsInvalid(
            f"currency {settings.currency!r} is not an ISO 4217 code", path="/currency", suggestion="TWD"
        )
    if settings.country not in phonenumbers.SUPPORTED_REGIONS:
        raise SettingsInvalid(
            f"country {settings.country!r} is not an ISO 3166 code with a phone plan", path="/country", suggestion="TW"
        )


def _check_messaging(settings: BrandSettings) -> None:
    if len(settings.caps or ()) > CAPS_MAX:
        raise SettingsInvalid(f"there are more than {CAPS_MAX} caps", path="/caps")
    for index, cap in enumerate(settings.caps or ()):
        if cap.most < 0:
            raise SettingsInvalid(f"a cap of {cap.most} is below zero", path=f"/caps/{index}/most")
        _check_duration(cap.per, f"/caps/{index}/per")
    if settings.quiet_hours is not None:
        _check_hour(settings.quiet_hours.from_, "/quiet_hours/from")
        _check_hour(settings.quiet_hours.until, "/quiet_hours/until")
    if not 0 <= settings.holdout < 1:
        raise SettingsInvalid(f"holdout {settings.holdout} is not a share from 0 to below 1", path="/holdout")
    if settings.attribution is not None:
        _check_duration(settings.attribution, "/attribution")


def _check_duration(text: str, path: str) -> None:
    try:
        parse_duration(text)
    except DurationInvalid as error:
        raise SettingsInvalid(error.message, path=path, suggestion="30d") from error


def _check_hour(text: str, path: str) -> None:
    if not _HOUR.fullmatch(text):
        raise SettingsInvalid(f"{text[:40]!r} is not an hour as HH:MM", path=path, suggestion="22:00")
