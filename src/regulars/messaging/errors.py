"""Refusals of messaging."""

from typing import ClassVar

from regulars.kernel.errors import DomainError, Kind


class WebhookRefused(DomainError):
    """What came is not signed by the channel it claims to come from."""

    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED
    code: ClassVar[str] = "webhook.refused"


class WebhookUnreadable(DomainError):
    """It is signed, but no webhook of this channel looks so."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "webhook.unreadable"


class MessageInvalid(DomainError):
    """A message that no channel could send, or not the ones it is meant for."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "message.invalid"


class TemplateInvalid(DomainError):
    """A template that cannot be read."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "message.template_invalid"


class MissingValue(DomainError):
    """A member lacks what the message says of them, and no fallback is stated."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "message.missing_value"


class ChannelInvalid(DomainError):
    """A channel whose settings do not fit its kind."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "channel.invalid"


class ChannelUnknown(DomainError):
    """The brand has no channel of this name."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "channel.unknown"


class PricePlanInvalid(DomainError):
    """A price plan with a missing or impossible field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "price_plan.invalid"


class DeliveryInvalid(DomainError):
    """A delivery with a missing or wrong field."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "delivery.invalid"


class DedupeConflict(DomainError):
    """The dedupe key was used for another delivery."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "delivery.dedupe_conflict"


class DeliveryUnknown(DomainError):
    """The brand has no delivery of this id."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "delivery.unknown"


class ChannelInUse(DomainError):
    """A channel's kind or provider cannot change: deliveries and identities go by it."""

    kind: ClassVar[Kind] = Kind.CONFLICT
    code: ClassVar[str] = "channel.in_use"


class LinkUnknown(DomainError):
    """A link that no message of ours holds."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "link.unknown"
