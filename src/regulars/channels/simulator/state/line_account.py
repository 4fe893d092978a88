"""One LINE official account with its channel: friends, quota, retry keys, reply tokens, rich menus."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from regulars.channels.simulator.state.hooks import Hook
from regulars.channels.simulator.state.moments import month_of
from regulars.channels.simulator.state.people import People
from regulars.channels.simulator.state.rates import Rates

RETRY_KEY_SECONDS: Final = 24 * 3600
RETRY_KEYS_MAX: Final = 1_000_000
REPLY_TOKEN_SECONDS: Final = 60
REPLY_TOKEN_SECONDS_MAX: Final = 20 * 60
"""From the event on, however late it was delivered again."""
REPLY_TOKENS_MAX: Final = 100_000
LINK_TOKEN_SECONDS: Final = 600
CONTENT_BYTES_MAX: Final = 64 * 1024 * 1024


@dataclass(slots=True, frozen=True)
class Accepted:
    """A request whose retry key is taken."""

    request_id: str
    body_hash: str
    at: float
    sent_messages: Sequence[dict[str, str]]


@dataclass(slots=True)
class ReplyToken:
    """Answers one person once, free, within about a minute."""

    person: str
    event_at: float
    until: float


@dataclass(slots=True)
class RichMenu:
    """A fixed menu; its image is uploaded once and cannot be replaced."""

    id: str
    content: dict[str, Any]
    image: bytes | None = None
    image_type: str = ""


@dataclass(slots=True, frozen=True)
class Narrowcast:
    """How a narrowcast ended."""

    accepted_at: float
    success: int
    target: int
    error_code: int | None = None


@dataclass(slots=True, eq=False)
class LineAccount:
    """The state of one channel; the rules are in `line/`."""

    name: str
    token: str
    secret: str
    user_id: str
    basic_id: str
    provider: str = "main"
    own_quota: int | None = None
    """Instead of the quota that faults name."""
    people: People = field(default_factory=People)
    hook: Hook = field(default_factory=Hook)
    rates: Rates = field(default_factory=Rates)
    consumed: Counter[str] = field(default_factory=Counter[str])
    """Counted messages by month."""
    sent_by_day: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    """Messages by endpoint and LINE's day."""
    units: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Aggregation units by month."""
    retry_keys: OrderedDict[str, Accepted] = field(default_factory=OrderedDict[str, Accepted])
    reply_tokens: OrderedDict[str, ReplyToken] = field(default_factory=OrderedDict[str, ReplyToken])
    link_tokens: dict[str, tuple[str, float]] = field(default_factory=dict[str, tuple[str, float]])
    narrowcasts: OrderedDict[str, Narrowcast] = field(default_factory=OrderedDict[str, Narrowcast])
    batches: OrderedDict[str, float] = field(default_factory=OrderedDict[str, float])
    """When each batch of rich menu changes was accepted, by request id."""
    rich_menus: dict[str, RichMenu] = field(default_factory=dict[str, RichMenu])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    default_rich_menu: str | None = None
    contents: OrderedDict[str, bytes] = field(default_factory=OrderedDict[str, bytes])
    """Pictures that members sent, by message id."""

    def find_accepted(self, key: str, now: float) -> Accepted | None:
        """What was accepted under this retry key within 24 hours."""
        accepted = self.retry_keys.get(key)
        return accepted if accepted is not None and now - accepted.at < RETRY_KEY_SECONDS else None

    def remember(self, key: str, accepted: Accepted) -> None:
        """Take a retry key; those older than 24 hours go."""
        self.retry_keys[key] = accepted
        self.retry_keys.move_to_end(key)
        while len(self.retry_keys) > 1:
            oldest = next(iter(self.retry_keys.values()))
            if len(self.retry_keys) <= RETRY_KEYS_MAX and accepted.at - oldest.at < RETRY_KEY_SECONDS:
                break
            self.retry_keys.popitem(last=False)

    def new_reply_token(self, token: str, person: str, now: float) -> str:
        """Remember a token that answers this person."""
        self.reply_tokens[token] = ReplyToken(person, now, now + REPLY_TOKEN_SECONDS)
        while len(self.reply_tokens) > REPLY_TOKENS_MAX:
            self.reply_tokens.popitem(last=False)
        return token

    def renew_reply_token(self, token: str, now: float) -> None:
        """A redelivered event's token holds a minute again, where it was not used yet."""
        held = self.reply_tokens.get(token)
        if held is not None:
            held.until = min(now + REPLY_TOKEN_SECONDS, held.event_at + REPLY_TOKEN_SECONDS_MAX)

    def use_reply_token(self, token: str, now: float) -> str | None:
        """Whom it answers, or None; a token is used once."""
        held = self.reply_tokens.pop(token, None)
        return held.person if held is not None and now <= held.until else None

    def consumption(self, now: float) -> int:
        """Messages counted in this calendar month."""
        return self.consumed[month_of(now)]

    def keep_content(self, message_id: str, content: bytes) -> None:
        """Keep a picture; the oldest go when there is too much."""
        self.contents[message_id] = content
        while sum(map(len, self.contents.values())) > CONTENT_BYTES_MAX:
            self.contents.popitem(last=False)
