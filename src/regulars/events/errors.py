"""Refusals of the events package. Those of single events are reported beside the events that land."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class RequestUnreadable(DomainError):
    """The body is not the JSON that the protocol sends, or not what its Content-Encoding says."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "request.unreadable"


class RequestTooLarge(DomainError):
    """The body is larger than a request may be, before or after decompression."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "request.too_large"


class EventInvalid(DomainError):
    """One event cannot be taken: a field is missing or of the wrong type."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "event.invalid"


class EventTypeUnknown(EventInvalid):
    """Not track, identify, page, screen, group or alias."""

    code: ClassVar[str] = "event.type_unknown"


class EventIdentityMissing(EventInvalid):
    """No userId, anonymousId or known external id says whose event it is."""

    code: ClassVar[str] = "event.identity_missing"


class EventTimestampInvalid(EventInvalid):
    """A timestamp is not RFC 3339."""

    code: ClassVar[str] = "event.timestamp_invalid"


class EventTooLarge(EventInvalid):
    """The event's properties are larger than an event may be."""

    code: ClassVar[str] = "event.too_large"


class EventTextInvalid(EventInvalid):
    """A text holds a NUL character, which no database stores."""

    code: ClassVar[str] = "event.text_invalid"


class ItemInvalid(DomainError):
    """An item has a missing or wrong field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "item.invalid"


class ItemUnknown(DomainError):
    """No item of this brand has this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "item.unknown"


class CursorInvalid(DomainError):
    """The cursor is not one that a list answered."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "cursor.invalid"


class PropertyNameInvalid(DomainError):
    """A property's name is 1–100 characters."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "property.name_invalid"
