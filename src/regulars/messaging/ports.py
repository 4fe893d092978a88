"""What messaging needs of a channel, and in which words the two talk. Channels carry; they decide nothing.

Content     one language of a message after its template was filled in: a subject and blocks
Request     bytes that are stored before the first attempt and sent unchanged by every one
Result      what came of one attempt
Happening   what a webhook tells: a follow, a block, a bounce, a message, a press
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec


class Button(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Opens a web address, or sends `data` back (`press`) with the label as what was said, or says `text` for the member.

    Where a channel cannot speak for its members, `text` is sent back as data is.
    """

    label: str
    url: str | None = None
    data: str | None = None
    text: str | None = None


class Text(msgspec.Struct, frozen=True, tag="text", tag_field="type", forbid_unknown_fields=True):
    """Plain text."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image", tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """A picture by its https address; `alt` is said where it cannot be shown, `link` is where it leads."""

    url: str
    alt: str = ""
    preview_url: str | None = None
    link: str | None = None


class Card(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One card of a carousel."""

    title: str
    text: str = ""
    image_url: str | None = None
    buttons: tuple[Button, ...] = ()


class Cards(msgspec.Struct, frozen=True, tag="cards", tag_field="type", omit_defaults=True, forbid_unknown_fields=True):
    """Cards beside each other; `alt` is what a notification says."""

    cards: tuple[Card, ...]
    alt: str = ""


class Buttons(msgspec.Struct, frozen=True, tag="buttons", tag_field="type", forbid_unknown_fields=True):
    """A text with buttons below it."""

    text: str
    buttons: tuple[Button, ...]


class Voucher(
    msgspec.Struct, frozen=True, tag="voucher", tag_field="type", omit_defaults=True, forbid_unknown_fields=True
):
    """A voucher as it was issued: what it is worth in words, its code, until when."""

    title: str
    code: str
    valid_until: str | None = None
    button: Button | None = None


Block = Text | Image | Cards | Buttons | Voucher


class Content(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one member is told, in one language; quick replies stand below the last block."""

    blocks: tuple[Block, ...]
    subject: str | None = None
    quick_replies: tuple[Button, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: `body` is stored before the first attempt and never changes; `key` names it to the channel.

    `path` is the channel's own (an HTTP path, a method's name); `addresses` are those of the body, in its order.
    """

    key: UUID
    path: str
    body: bytes
    addresses: tuple[str, ...]


class Outcome(StrEnum):
    """What came of one attempt."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """For good: the same request will never be accepted."""
    RETRY = "retry"
    """Certainly not taken; the channel asks to wait, or was not reached at all."""
    QUOTA = "quota"
    """Certainly not taken: the account has no messages left."""
    UNKNOWN = "unknown"
    """It may have been taken: the reply was lost, or said nothing certain."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome, the channel's word for it, and when to come again.

    `reason` of a rejection is a snake_case word (`blocked`, `invalid`, `gone`, `unauthorized`, `bounced`). `blocked_addresses`
    are those that will not take anything any more. `message_id` is the channel's name of what it accepted.
    """

    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    retry_after_seconds: float | None = None
    message_id: str | None = None
    status: int | None = None
    blocked_addresses: tuple[str, ...] = ()


class HappeningKind(StrEnum):
    """What a webhook can tell."""

    FOLLOWED = "followed"
    BLOCKED = "blocked"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SAID = "said"
    PRESSED = "pressed"
    LINKED = "linked"
    """A one-tap link: `link_token` says whose address this is."""
    OTHER = "other"
    """Something we need not know; kept, never an error."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing a webhook told, once: `key` is the same when it is told again."""

    kind: HappeningKind
    key: str
    address: str
    at: datetime
    text: str | None = None
    data: str | None = None
    reply_token: str | None = None
    link_token: str | None = None
    redelivered: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a content cannot be sent on a channel: `path` into the content (`/blocks/0/text`), and in words.

    Told of a whole message, `path` is into that (`/message/zh-TW/text`), and `channel` is the name of the one that minds.
    """

    path: str
    code: str
    message: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """What the channel's own API said when it was asked last."""

    ok: bool
    detail: str
    name: str | None = None
    quota: int | None = None
    consumption: int | None = None


class Channel(Protocol):
    """One account of a kind of channel, ready to be used. Adapters keep no state of their own but connections."""

    @property
    def kind(self) -> str:
        """`line`, `telegram`, `email`."""
        ...

    @property
    def is_keyed(self) -> bool:
        """Whether repeating a request with its key is harmless (within `key_seconds_max` of the first attempt)."""
        ...

    @property
    def key_seconds_max(self) -> int:
        """How long after the first attempt a key is still known; 0 where there are none."""
        ...

    @property
    def many_max(self) -> int:
        """To how many addresses one request may go; 1 where each needs its own."""
        ...

    def check(self, content: Content) -> Sequence[Trouble]:
        """What this content would be refused for: nothing where it can be sent."""
        ...

    def render(self, key: UUID, content: Content, addresses: Sequence[str], headers: Mapping[str, str]) -> Request:
        """The request's final bytes. `headers` are for mail (`List-Unsubscribe` …); others ignore them."""
        ...

    def render_reply(self, key: UUID, content: Content, reply_token: str) -> Request | None:
        """The same as a free answer to whoever spoke; None where the channel has none."""
        ...

    async def send(self, request: Request) -> Result:
        """One attempt. Never raises for what the other side does or does not do."""
        ...

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Happening]:
        """Verify the raw bytes, then read them. Raises: WebhookRefused."""
        ...

    async def register_webhook(self, url: str) -> ChannelState:
        """Tell the channel where to send its webhooks, where it has an API for that."""
        ...

    async def probe(self) -> ChannelState:
        """Ask the channel who we are, and where it has one, for quota and consumption."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelForm:
    """A channel's settings after they were checked: what may be shown, and what may not.

    `identity_kind` is the kind of identity that the channel knows its people by: `line`, `line@NAME`, `telegram`, `email`.
    """

    kind: str
    identity_kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]


class ChannelKinds(Protocol):
    """All kinds of channels there are; bootstrap brings them."""

    def read(self, body: object) -> ChannelForm:
        """The contract's body of `PUT /api/channels/{name}`. Raises: ChannelInvalid with the path."""
        ...

    def open(self, form: ChannelForm) -> Channel:
        """An adapter; nothing is asked of the channel yet."""
        ...
