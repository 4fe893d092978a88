"""One call of the Bot API: its parameters, from JSON, forms or the query, and Telegram's refusals.

Source: core.telegram.org/bots/api "Making requests", read 2026-11.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.state.people import Person
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.channels.simulator.state.world import World
from regulars.kernel.nesting import is_nested_too_deeply

UPLOAD_BYTES_MAX: Final = 50 * 1024 * 1024
PHOTO_BYTES_MAX: Final = 10 * 1024 * 1024


@dataclass(slots=True, frozen=True)
class Upload:
    """A file of a form."""

    name: str
    media_type: str
    content: bytes


class TelegramRefusal(Exception):
    """Telegram's error answer: a code, a description, perhaps parameters."""

    def __init__(self, code: int, description: str, outcome: str = "invalid", **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.outcome = outcome
        self.parameters = parameters

    def to_answer(self) -> Answer:
        """The envelope of every Telegram error."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return json_answer(body, self.code)


def bad_request(description: str) -> TelegramRefusal:
    """A refusal that will always be one."""
    return TelegramRefusal(400, f"Bad Request: {description}")


def too_many(seconds: float) -> TelegramRefusal:
    """Come again after so many whole seconds."""
    wait = max(1, math.ceil(seconds))
    return TelegramRefusal(429, f"Too Many Requests: retry after {wait}", "rate_limited", retry_after=wait)


@dataclass(slots=True)
class Call:
    """One authenticated call of a method."""

    world: World
    bot: TelegramBot
    received: Received
    parameters: dict[str, Any]
    uploads: dict[str, Upload] = field(default_factory=dict[str, Upload])

    @property
    def now(self) -> float:
        """When the request came."""
        return self.received.at

    def text(self, name: str) -> str | None:
        """A parameter that is a text, or None."""
        value = self.parameters.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            return value
        if isinstance(value, bool | int | float):
            return str(value).lower() if isinstance(value, bool) else str(value)
        raise bad_request(f'field "{name}" must be of type String')

    def whole(self, name: str) -> int | None:
        """A parameter that is a whole number, or None."""
        text = self.text(name)
        if text is None or text == "":
            return None
        digits = text[1:] if text.startswith("-") else text
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            raise bad_request(f"{name} must be an Integer")
        return int(text)

    def flag(self, name: str) -> bool:
        """A parameter that is true or false; absent is false."""
        return (self.text(name) or "").lower() in ("true", "1", "yes", "t", "y")

    def structure(self, name: str) -> Any:
        """A parameter that is an object or list, or JSON of one."""
        value = self.parameters.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            decoded: Any = msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object") from error
        if is_nested_too_deeply(decoded):
            raise bad_request(f"can't parse {name.replace('_', ' ')} JSON object")
        return decoded

    def get_chat(self) -> Person:
        """The chat that `chat_id` names, whoever it is. Raises: TelegramRefusal."""
        wanted = self.text("chat_id")
        if not wanted:
            raise bad_request("chat_id is empty")
        self.received.recipients = (wanted,)
        chat = self.bot.people.find(self.bot.channels.get(wanted.lower(), wanted))
        if chat is None:
            raise bad_request("chat not found")
        return chat

    def get_reached_chat(self) -> Person:
        """The chat, where the bot may write to it. Raises: TelegramRefusal."""
        chat = self.get_chat()
        if chat.blocked:
            whom = "bot is not a member of the channel chat" if is_channel(chat) else "bot was blocked by the user"
            raise TelegramRefusal(403, f"Forbidden: {whom}", "blocked")
        if not chat.friend:
            raise TelegramRefusal(403, "Forbidden: bot can't initiate conversation with a user", "blocked")
        return chat


def is_channel(chat: Person) -> bool:
    """Channels have negative numbers."""
    return chat.id.startswith("-")


def ok(result: object) -> Answer:
    """What every call that went well answers."""
    return json_answer({"ok": True, "result": result})


def as_list(value: Any) -> list[Any]:
    """The value where it is a list, else nothing."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def as_object(value: Any) -> dict[str, Any]:
    """The value where it is an object, else nothing."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
