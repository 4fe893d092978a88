"""One Telegram bot: its chats, what it sent, updates that nobody fetched yet, its webhook."""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Final

from regulars.channels.simulator.state.hooks import Hook
from regulars.channels.simulator.state.people import Bubble, People
from regulars.channels.simulator.state.rates import Rates

MESSAGES_MAX: Final = 200_000
UPDATES_MAX: Final = 100_000
CALLBACKS_MAX: Final = 10_000
FILES_BYTES_MAX: Final = 64 * 1024 * 1024
CHANNEL_ID_FIRST: Final = -1001000000000


@dataclass(slots=True, eq=False)
class TelegramBot:
    """The state of one bot; the rules are in `telegram/`."""

    name: str
    token: str
    id: int
    username: str
    people: People = field(default_factory=People)
    """Persons by their number as text, channels by theirs."""
    channels: dict[str, str] = field(default_factory=dict[str, str])
    """A channel's number by its @name."""
    hook: Hook = field(default_factory=Hook)
    secret_token: str | None = None
    allowed_updates: tuple[str, ...] | None = None
    rates: Rates = field(default_factory=Rates)
    message_ids: dict[str, int] = field(default_factory=dict[str, int])
    """The last message id of each chat."""
    messages: OrderedDict[tuple[str, int], Bubble] = field(default_factory=OrderedDict[tuple[str, int], Bubble])
    updates: deque[dict[str, Any]] = field(default_factory=lambda: deque[dict[str, Any]](maxlen=UPDATES_MAX))
    """Not fetched, and no webhook to send them to."""
    update_id: int = 0
    callbacks: OrderedDict[str, str] = field(default_factory=OrderedDict[str, str])
    """Callback queries that wait for an answer, by id: the person."""
    files: OrderedDict[str, tuple[str, bytes]] = field(default_factory=OrderedDict[str, tuple[str, bytes]])
    """Uploads by file id: media type and bytes."""
    commands: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    last_error: tuple[float, str] | None = None

    def next_message_id(self, chat: str) -> int:
        """Message ids count up in each chat."""
        number = self.message_ids.get(chat, 0) + 1
        self.message_ids[chat] = number
        return number

    def keep_message(self, chat: str, message_id: int, bubble: Bubble) -> None:
        """Remember what may be edited or deleted; the oldest go when there are too many."""
        self.messages[chat, message_id] = bubble
        if len(self.messages) > MESSAGES_MAX:
            self.messages.popitem(last=False)

    def keep_file(self, file_id: str, media_type: str, content: bytes) -> None:
        """Keep an upload; the oldest go when there is too much."""
        self.files[file_id] = (media_type, content)
        while sum(len(kept) for _, kept in self.files.values()) > FILES_BYTES_MAX:
            self.files.popitem(last=False)
