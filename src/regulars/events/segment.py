"""The Segment HTTP protocol: from a request's JSON to calls, one by one, so that a bad one harms no other.

Decides what a call must carry and when it happened; who that is, and whether it came before, is decided later.

Source: the wire behaviour of the Segment and RudderStack clients, read 2026-11-22 (docs/how-to/send-events.md).
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import msgspec

from regulars.events.copying import NAMES_REMEMBERED_MAX, request_part, tail_rest
from regulars.events.errors import (
    EventIdentityMissing,
    EventInvalid,
    EventTextInvalid,
    EventTimestampInvalid,
    EventTooLarge,
    EventTypeUnknown,
)
from regulars.events.model import EVENT_BYTES_MAX, MESSAGE_ID_CHARACTERS_MAX, NAME_CHARACTERS_MAX, Call, Rejected
from regulars.events.plain import PlainTrack, find_plain, suspect
from regulars.events.vocabulary import count_lines
from regulars.kernel.errors import DomainError
from regulars.kernel.nesting import NESTING_MAX, is_nested_too_deeply
from regulars.members.identity import VALUE_CHARACTERS_MAX, Claim, Identity, is_kind, parse_identity, write_claim
from regulars.platform.tenancy import Brand

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = 1_000_000
_INSTANT_MIN: Final = -2_208_988_800 * _SECOND  # 1900
_INSTANT_MAX: Final = 4_102_444_800 * _SECOND  # 2100
SKEW_IGNORED: Final = 1 * _SECOND
"""A difference between sending and receiving below this is the network, not the client's clock."""

_read_iso = datetime.fromisoformat
_encode = msgspec.json.Encoder().encode
_NUL: Final = b"\\u0000"


class Source:
    """Where the calls of one request come from; event ids are unique within it."""

    __slots__ = ("_started", "brand", "received_at", "row_part", "sent_at", "source_id")

    def __init__(self, brand: Brand, source_id: int, received_at: int, sent_at: int | None) -> None:
        self.brand = brand
        self.source_id = source_id
        self.received_at = received_at
        self.sent_at = sent_at
        self.row_part = request_part(source_id, received_at, sent_at)
        self._started = blake2b(f"{brand.brand_id}/{source_id}/".encode(), digest_size=16)

    def event_id(self, message_id: str) -> bytes:
        """16 bytes that no other message of any source has."""
        digest = self._started.copy()
        digest.update(message_id.encode())
        return digest.digest()


def _plain_who(user_id: str | None, anonymous_id: str | None) -> str:
    """The claim of a call whose ids need no mending and which names nobody in any other way; "" where one does."""
    if user_id is None:
        return f"anonymous_id\0{anonymous_id}" if anonymous_id and _is_plain_id(anonymous_id) else ""
    if not _is_plain_id(user_id):
        return ""
    if anonymous_id is None:
        return f"user_id\0{user_id}"
    return f"user_id\0{user_id}\0anonymous_id\0{anonymous_id}" if _is_plain_id(anonymous_id) else ""


def _is_plain_id(text: str) -> bool:
    return 0 < len(text) <= VALUE_CHARACTERS_MAX and text == text.strip() and "\0" not in text


def to_microseconds(instant: datetime) -> int:
    """µs since 1970."""
    return (instant - _EPOCH) // _MICROSECOND


def from_microseconds(microseconds: int) -> datetime:
    """The instant again, in UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def parse_instant(text: object, zone: ZoneInfo) -> int:
    """RFC 3339 to µs since 1970; without an offset it is the brand's time. Raises: EventTimestampInvalid."""
    try:
        instant = _read_iso(cast("str", text))
    except TypeError as error:
        raise EventTimestampInvalid(
            f"a timestamp is RFC 3339 text, not {type(text).__name__}", path="timestamp"
        ) from error
    except ValueError as error:
        text = cast("str", text)
        raise EventTimestampInvalid(f"{text[:40]!r} is not an RFC 3339 timestamp", path="timestamp") from error
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=zone)
    microseconds = (instant - _EPOCH) // _MICROSECOND
    if not _INSTANT_MIN <= microseconds <= _INSTANT_MAX:
        raise EventTimestampInvalid(f"{str(text)[:40]!r} is not between 1900 and 2100", path="timestamp")
    return microseconds


def parse_calls(
    messages: list[object],
    *,
    brand: Brand,
    source_id: int,
    received_at: int,
    sent_at: object = None,
    context: object = None,
    path_type: str | None = None,
    first_index: int = 0,
) -> tuple[list[Call], list[Rejected]]:
    """The calls of one request, and what could not be taken of it. Messages are decoded, or well-formed `Raw` JSON.

    `first_index` is the first message's place in the request; `context` and `sent_at` are the request's and hold for each message; `path_type` is the type that the path names.
    """
    calls: list[Call] = []
    rejected: list[Rejected] = []
    source = Source(brand, source_id, received_at, _sent_at(sent_at, brand))
    suspicions = suspect(message for message in messages if isinstance(message, msgspec.Raw))
    for index, message in enumerate(messages, first_index):
        if isinstance(message, msgspec.Raw):
            plain = None if context or path_type else find_plain(message, suspicions)
            if plain is not None and (call := _plain_call(index, plain, source)) is not None:
                calls.append(call)
                continue
        try:
            message = _decode_message(message)
            call, left_out = _parse_call(index, message, source, context, path_type)
        except DomainError as error:
            rejected.append(Rejected(index, _known_message_id(message), error, _body_of(message)))
            continue
        calls.append(call)
        rejected += [Rejected(index, call.message_id, error, None) for error in left_out]
    return calls, rejected


def _sent_at(text: object, brand: Brand) -> int | None:
    """A wrong sentAt only means that the clock cannot be corrected."""
    if text is None:
        return None
    try:
        return parse_instant(text, brand.time_zone)
    except EventTimestampInvalid:
        return None


def _decode_message(message: object) -> object:
    if not isinstance(message, msgspec.Raw):
        return message
    try:
        return msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EventInvalid(f"the message cannot be read: {error}") from error


def _body_of(message: object) -> object:
    """What is kept of a rejected message."""
    return bytes(message).decode() if isinstance(message, msgspec.Raw) else message


def _plain_call(index: int, track: PlainTrack, source: Source) -> Call | None:
    """The call of a plain track, or None where `_parse_call` has something to say about it."""
    name, message_id = track.event, track.messageId
    if not (0 < len(message_id) <= MESSAGE_ID_CHARACTERS_MAX and _is_plain_name(name)):
        return None
    if message_id != message_id.strip() or "\0" in message_id:
        return None
    who = _plain_who(track.userId, track.anonymousId)
    if not who:
        return None
    try:
        occurred_at, original_at = _instants(track.originalTimestamp or track.timestamp, source)
    except DomainError:
        return None
    call = Call(
        index,
        "track",
        who,
        source.event_id(message_id),
        message_id,
        source.source_id,
        source.received_at,
        occurred_at,
        original_at,
        source.sent_at,
        name,
        bytes(track.properties),
    )
    call.row_rest = tail_rest(call, source.row_part)
    return call


@lru_cache(maxsize=NAMES_REMEMBERED_MAX)
def _is_plain_name(name: str) -> bool:
    return 0 < len(name) <= NAME_CHARACTERS_MAX and name == name.strip() and "\0" not in name


def _known_message_id(message: object) -> str | None:
    found = cast("dict[str, object]", message).get("messageId") if isinstance(message, dict) else None
    return found[:MESSAGE_ID_CHARACTERS_MAX].replace("\0", "") if isinstance(found, str) else None


def _parse_call(
    index: int, raw: object, source: Source, request_context: object, path_type: str | None
) -> tuple[Call, list[DomainError]]:
    if not isinstance(raw, dict):
        raise EventInvalid(f"a message is a JSON object, not {type(raw).__name__}")
    message = cast("dict[str, Any]", raw)
    type_name = path_type or message.get("type")
    if not isinstance(type_name, str) or type_name not in _PARSERS:
        raise EventTypeUnknown(f"{str(type_name)[:40]!r} is not one of {', '.join(_PARSERS)}", path="type")
    context = _merged_context(request_context, message.get("context"))
    left_out: list[DomainError] = []
    traits = _traits(message, context) if type_name == "identify" else None
    claim = _claim(message, context, traits, source, left_out)
    message_id = _message_id(message.get("messageId"))
    occurred_at, original_at = _instants(message.get("originalTimestamp") or message.get("timestamp"), source)
    call = Call(
        index=index,
        type=type_name,
        who=write_claim(claim),
        event_id=source.event_id(message_id),
        message_id=message_id,
        source_id=source.source_id,
        received_at=source.received_at,
        occurred_at=occurred_at,
        original_at=original_at,
        sent_at=source.sent_at,
        traits=traits,
    )
    _PARSERS[type_name](message, call)
    if call.name:
        call.row_rest = tail_rest(call, source.row_part)
    return call, left_out


def _merged_context(outer: object, inner: object) -> Mapping[str, Any]:
    if outer and isinstance(outer, dict):
        return {**cast("dict[str, Any]", outer), **(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {})}
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}


def _traits(message: dict[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """`traits`, else `context.traits`, where some clients put them."""
    traits: object = message.get("traits") or context.get("traits") or {}
    if not isinstance(traits, dict):
        raise EventInvalid(f"traits is a JSON object, not {type(traits).__name__}", path="traits")
    found = cast("dict[str, Any]", traits)
    _encode_checked(found, "traits")
    return found


def _message_id(value: object) -> str:
    text = _id_text(value, "messageId")
    if text is None:
        return str(uuid.uuid4())
    if len(text) > MESSAGE_ID_CHARACTERS_MAX:
        raise EventInvalid(f"messageId has more than {MESSAGE_ID_CHARACTERS_MAX} characters", path="messageId")
    return text


def _id_text(value: object, field: str) -> str | None:
    """An id as text: numbers become text; null, "" and white space count as missing."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if "\0" in text:
            raise EventTextInvalid(f"{field} holds a NUL character", path=field)
        return text or None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EventInvalid(f"{field} is a text, not {type(value).__name__}", path=field)
    return str(int(value)) if value == int(value) else str(value)


def _claim(
    message: dict[str, Any],
    context: Mapping[str, Any],
    traits: dict[str, Any] | None,
    source: Source,
    left_out: list[DomainError],
) -> Claim:
    """Who the call is about, the most telling identity first.

    Beside userId and anonymousId other tools' ids, and phone and e-mail where the call says who somebody is.
    """
    brand, external = source.brand, context.get("externalIds")
    found: list[Identity] = []
    user_text, anonymous_text = (
        _id_text(message.get("userId"), "userId"),
        _id_text(message.get("anonymousId"), "anonymousId"),
    )
    if user_text is not None:
        found.append(parse_identity("user_id", user_text, country=brand.country))
    if external:
        found += _external_ids(external, brand, left_out)
    if anonymous_text is not None:
        found.append(parse_identity("anonymous_id", anonymous_text, country=brand.country))
    if found and traits:
        found += _reachable_by(traits, brand, left_out)
    if not found:
        raise EventIdentityMissing("needs userId, anonymousId or context.externalIds of a known type", path="userId")
    return tuple(dict.fromkeys(found))


def _external_ids(external: object, brand: Brand, left_out: list[DomainError]) -> list[Identity]:
    found: list[Identity] = []
    for entry in cast("list[object]", external) if isinstance(external, list) else []:
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        kind, value = fields.get("type"), fields.get("id")
        if not isinstance(kind, str) or not is_kind(kind):
            continue  # other tools' ids (advertising, devices) are none of ours
        try:
            text = _id_text(value, f"context.externalIds.{kind}")
            if text is not None:
                found.append(parse_identity(kind, text, country=brand.country))
        except DomainError as error:
            left_out.append(error)
    return found


def _reachable_by(traits: dict[str, Any], brand: Brand, left_out: list[DomainError]) -> list[Identity]:
    """Phone and e-mail among the traits; one that cannot be right is reported and stays a trait only."""
    found: list[Identity] = []
    for kind in ("phone", "email"):
        value = traits.get(kind)
        if isinstance(value, str | int) and value and not isinstance(value, bool):
            try:
                found.append(parse_identity(kind, str(value), country=brand.country))
            except DomainError as error:
                left_out.append(error)
    return found


def _instants(said: object, source: Source) -> tuple[int, int | None]:
    """When it happened, corrected for the client's clock, and what the client said.

    corrected = received − (sent − said), unless sent is unknown or the result would lie in the future.
    """
    if said is None:
        return source.received_at, None
    original_at = parse_instant(said, source.brand.time_zone)
    if source.sent_at is None:
        return original_at, original_at
    skew = source.received_at - source.sent_at
    if -SKEW_IGNORED < skew < SKEW_IGNORED or original_at > source.sent_at:
        return original_at, original_at
    return original_at + skew, original_at


def _encode_checked(value: object, field: str) -> bytes:
    try:
        encoded = _encode(value)
    except RecursionError as error:
        raise EventTooLarge(f"{field} is nested more than {NESTING_MAX} deep", path=field) from error
    if len(encoded) > EVENT_BYTES_MAX:
        raise EventTooLarge(f"{field} has {len(encoded):,} bytes; an event has at most {EVENT_BYTES_MAX:,}", path=field)
    if _NUL in encoded:
        raise EventTextInvalid(f"{field} holds a NUL character", path=field)
    # Short texts cannot be nested deeply, and most are short.
    if (
        len(encoded) > 2 * NESTING_MAX
        and encoded.count(b"{") + encoded.count(b"[") > NESTING_MAX
        and is_nested_too_deeply(value)
    ):
        raise EventTooLarge(f"{field} is nested more than {NESTING_MAX} deep", path=field)
    return encoded


def _set_properties(message: dict[str, Any], call: Call, extra: dict[str, Any]) -> None:
    properties = message.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise EventInvalid(f"properties is a JSON object, not {type(properties).__name__}", path="properties")
    found = cast("dict[str, Any]", properties)
    if extra:
        found = {**extra, **found}
    if found:
        call.properties = _encode_checked(found, "properties")
        call.line_count = count_lines(found)


def _parse_track(message: dict[str, Any], call: Call) -> None:
    name = message.get("event")
    if not isinstance(name, str) or not name.strip():
        raise EventInvalid("track needs event, the name of what happened", path="event")
    call.name = check_event_name(name.strip())
    _set_properties(message, call, {})


def check_event_name(name: str) -> str:
    """Raises: EventInvalid, EventTextInvalid."""
    if len(name) > NAME_CHARACTERS_MAX:
        raise EventInvalid(f"event has more than {NAME_CHARACTERS_MAX} characters", path="event")
    if "\0" in name:
        raise EventTextInvalid("event holds a NUL character", path="event")
    return name


def _parse_view(message: dict[str, Any], call: Call) -> None:
    call.name = "Page Viewed" if call.type == "page" else "Screen Viewed"
    extra = {key: message[key] for key in ("name", "category") if message.get(key) is not None}
    _set_properties(message, call, extra)


def _parse_group(message: dict[str, Any], call: Call) -> None:
    group_id = _id_text(message.get("groupId"), "groupId")
    if group_id is None:
        raise EventInvalid("group needs groupId", path="groupId")
    call.name = "Group Joined"
    traits = message.get("traits")
    _set_properties({"properties": traits if isinstance(traits, dict) else {}}, call, {"group_id": group_id})


def _parse_alias(message: dict[str, Any], call: Call) -> None:
    previous_id = _id_text(message.get("previousId"), "previousId")
    if previous_id is None or call.claim[0].kind != "user_id":
        raise EventInvalid("alias needs previousId and userId", path="previousId" if previous_id is None else "userId")
    call.previous_id = parse_identity("user_id", previous_id, country="TW").value


def _parse_identify(message: dict[str, Any], call: Call) -> None:
    """Everything an identify says is in its claim and traits."""


_PARSERS: Final = {
    "track": _parse_track,
    "identify": _parse_identify,
    "page": _parse_view,
    "screen": _parse_view,
    "group": _parse_group,
    "alias": _parse_alias,
}
