"""A campaign as brands write it, read and checked by itself; what it names (audience, channels, traits) is looked up later.

An error has the place of what is wrong as a JSON pointer into the body.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, cast

import msgspec

from regulars.campaigns.errors import CampaignInvalid
from regulars.campaigns.model import Campaign, Goal, Trigger, Value, Variant
from regulars.kernel.durations import DurationInvalid, parse_duration
from regulars.messaging.errors import PricePlanInvalid
from regulars.messaging.prices import parse_amount

NAME_CHARACTERS_MAX: Final = 100
CHANNELS_MAX: Final = 20
VARIANTS_MAX: Final = 10
SIZE_MAX: Final = 10**9
WINDOW_DAYS_MAX: Final = 3_660
SHARES_ROUNDED_MAX: Final = 1e-6
EVERY_MIN: Final = timedelta(minutes=1)
_FIELD: Final = re.compile(r"field `([^`]*)`")


class WindowBody(msgspec.Struct, forbid_unknown_fields=True):
    """Days of the brand, both included."""

    from_: date = msgspec.field(name="from")
    until: date


class GoalBody(msgspec.Struct, forbid_unknown_fields=True):
    """An event within so long of the message."""

    event: str
    within: str
    where: dict[str, Any] | None = None


class ValueBody(msgspec.Struct, forbid_unknown_fields=True):
    """The incremental value of contacting one member."""

    by: Literal["model", "fixed", "trait"]
    margin: str | None = None
    value: str | None = None
    trait: str | None = None
    channel_factor: dict[str, float] = {}


class SizeBody(msgspec.Struct, forbid_unknown_fields=True):
    """So many messages at least, or none; and at most."""

    min: int = 0
    max: int | None = None


class VariantBody(msgspec.Struct, forbid_unknown_fields=True):
    """One of several messages."""

    name: str
    share: float
    message: Any


class CampaignBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `PUT /api/campaigns/{name}`."""

    audience: str
    channels: list[str]
    window: WindowBody
    value: ValueBody
    message: Any = None
    variants: list[VariantBody] | None = None
    topic: str | None = None
    purpose: str = "marketing"
    goal: GoalBody | None = None
    size: SizeBody = msgspec.field(default_factory=SizeBody)
    budget: str | None = None
    holdout: float = 0.0
    on: dict[str, Any] | None = None


def read_campaign(name: str, version: int, written: Mapping[str, Any]) -> Campaign:
    """The campaign; its message is left as it was written. Raises: CampaignInvalid."""
    _check_name(name, "name")
    body = _convert(written)
    for path, text in (("/audience", body.audience), ("/purpose", body.purpose), ("/topic", body.topic)):
        if text is not None:
            _check_name(text, path)
    size_max = SIZE_MAX if body.size.max is None else body.size.max
    if not 0 <= body.size.min <= size_max <= SIZE_MAX:
        raise CampaignInvalid(
            f"a size is from 0 to {SIZE_MAX}, the most not below the least", path="/size", suggestion="null"
        )
    if not 0 <= body.holdout < 1:
        raise CampaignInvalid(
            f"holdout {body.holdout} is not a share from 0 to below 1", path="/holdout", suggestion="0.1"
        )
    _check_window(body.window)
    variants = _read_variants(body.variants)
    if body.message is None and not variants:
        raise CampaignInvalid("a campaign says something: message is missing", path="/message")
    return Campaign(
        name=name,
        version=version,
        written=written,
        audience=body.audience,
        channels=_read_channels(body.channels),
        first_on=body.window.from_,
        last_on=body.window.until,
        value=_read_value(body),
        message=body.message,
        variants=variants,
        topic=body.topic,
        purpose=body.purpose,
        goal=None if body.goal is None else _read_goal(body.goal),
        size_min=body.size.min,
        size_max=body.size.max,
        budget=None if body.budget is None else _read_amount(body.budget, "/budget"),
        holdout=body.holdout,
        on=None if body.on is None else _read_trigger(body.on),
    )


def to_pointer(error: msgspec.ValidationError) -> tuple[str, str]:
    """What is wrong, and its place: of a field that is missing or unknown, the field's own."""
    message, _, path = str(error).partition(" - at `$")
    pointer = path.rstrip("`").replace("[", "/").replace("]", "").replace(".", "/")
    field = _FIELD.search(message)
    return message, f"{pointer}/{field[1]}" if field else pointer or "/"


def suggest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant."""
    close = difflib.get_close_matches(name[:NAME_CHARACTERS_MAX], known, n=1)
    return close[0] if close else None


def _convert(written: Mapping[str, Any]) -> CampaignBody:
    try:
        return msgspec.convert(written, CampaignBody)
    except msgspec.ValidationError as error:
        message, path = to_pointer(error)
        fields = [field.encode_name for field in msgspec.structs.fields(CampaignBody)]
        raise CampaignInvalid(message, path=path, suggestion=suggest(path.rpartition("/")[2], fields)) from error


def _check_name(text: str, path: str) -> None:
    if not 1 <= len(text) <= NAME_CHARACTERS_MAX or "/" in text or "\0" in text or text != text.strip():
        raise CampaignInvalid(f"a name is 1–{NAME_CHARACTERS_MAX} characters without a slash", path=path)


def _check_window(window: WindowBody) -> None:
    days = (window.until - window.from_).days
    if days < 0:
        raise CampaignInvalid("the window ends before it begins", path="/window/until")
    if days > WINDOW_DAYS_MAX:
        raise CampaignInvalid(f"the window has more than {WINDOW_DAYS_MAX} days", path="/window/until")


def _read_channels(channels: Sequence[str]) -> tuple[str, ...]:
    if not 1 <= len(channels) <= CHANNELS_MAX:
        raise CampaignInvalid(f"a campaign has 1 to {CHANNELS_MAX} channels", path="/channels")
    for at, channel in enumerate(channels):
        if channel in channels[:at]:
            raise CampaignInvalid(f"channel {channel[:40]!r} is named twice", path=f"/channels/{at}")
    return tuple(channels)


def _read_value(body: CampaignBody) -> Value:
    value = body.value
    needed = {"model": "margin", "fixed": "value", "trait": "trait"}[value.by]
    for field in ("margin", "value", "trait"):
        said = getattr(value, field) is not None
        if said and field != needed:
            raise CampaignInvalid(
                f"by {value.by} takes {needed}, not {field}", path=f"/value/{field}", suggestion=needed
            )
        if not said and field == needed:
            raise CampaignInvalid(f"by {value.by} needs {needed}", path=f"/value/{needed}")
    if value.by == "model" and body.goal is None:
        raise CampaignInvalid("a value by model needs the goal it is the value of", path="/goal")
    for channel, factor in value.channel_factor.items():
        if not math.isfinite(factor) or not 0 <= factor <= 1_000:
            raise CampaignInvalid(f"a factor is from 0 to 1000, not {factor}", path=f"/value/channel_factor/{channel}")
    return Value(
        value.by,
        None if value.margin is None else _read_amount(value.margin, "/value/margin"),
        None if value.value is None else _read_amount(value.value, "/value/value"),
        value.trait,
        value.channel_factor,
    )


def _read_amount(text: str, path: str) -> Decimal:
    try:
        return parse_amount(text, path)
    except PricePlanInvalid as error:
        raise CampaignInvalid(error.message, path=path, suggestion=error.suggestion) from error


def _read_goal(body: GoalBody) -> Goal:
    if not body.event:
        raise CampaignInvalid("a goal names an event", path="/goal/event")
    return Goal(body.event, _read_duration(body.within, "/goal/within"), body.where)


def _read_duration(text: object, path: str) -> timedelta:
    try:
        return parse_duration(str(text))
    except DurationInvalid as error:
        raise CampaignInvalid(error.message, path=path, suggestion="7d") from error


def _read_variants(bodies: Sequence[VariantBody] | None) -> tuple[Variant, ...]:
    if bodies is None:
        return ()
    if not 2 <= len(bodies) <= VARIANTS_MAX:
        raise CampaignInvalid(f"there are 2 to {VARIANTS_MAX} variants, or none are written", path="/variants")
    for at, body in enumerate(bodies):
        _check_name(body.name, f"/variants/{at}/name")
        if body.name in [other.name for other in bodies[:at]]:
            raise CampaignInvalid(f"variant {body.name[:40]!r} is named twice", path=f"/variants/{at}/name")
        if not 0 < body.share < 1:
            raise CampaignInvalid(f"share {body.share} is not between 0 and 1", path=f"/variants/{at}/share")
    total = math.fsum(body.share for body in bodies)
    if abs(total - 1) > SHARES_ROUNDED_MAX:
        raise CampaignInvalid(f"the variants' shares add up to {total:g}, not to 1", path="/variants")
    return tuple(Variant(body.name, body.share, body.message) for body in bodies)


def _read_trigger(written: Mapping[str, Any]) -> Trigger:
    kinds = ("enter", "event", "every")
    said = [key for key in written if key in kinds]
    for key in written:
        if key not in (*kinds, "where") or (key == "where" and said != ["event"]):
            meant = suggest(key, kinds)
            raise CampaignInvalid(
                "on is one of enter, event (with where) and every", path=f"/on/{key}", suggestion=meant
            )
    if len(said) != 1:
        place = f"/on/{said[1]}" if said else "/on"
        raise CampaignInvalid("on is exactly one of enter, event and every", path=place, suggestion="event")
    value = written[said[0]]
    if not isinstance(value, str) or not value:
        raise CampaignInvalid(f"{said[0]} is a text", path=f"/on/{said[0]}")
    where = written.get("where")
    if where is not None and not isinstance(where, dict):
        raise CampaignInvalid("where holds tests of the event's properties", path="/on/where")
    if said[0] == "enter":
        return Trigger(enter=value)
    if said[0] == "event":
        return Trigger(event=value, where=cast("dict[str, Any] | None", where))
    every = _read_duration(value, "/on/every")
    if every < EVERY_MIN:
        raise CampaignInvalid("every is a minute at least", path="/on/every", suggestion="1d")
    return Trigger(every=every)
