"""One call of the Messaging API: what a handler is given, and LINE's answers where it refuses.

Source: Messaging API reference, "Status codes" and "Error responses", read 2026-08 and 2026-11.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.line.shapes import Problem
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.world import World
from regulars.kernel.nesting import NESTING_MAX, is_nested_too_deeply

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
EMPTY: Final = b"{}"


class LineRefusal(Exception):
    """LINE's error answer: a sentence, perhaps details, no code."""

    def __init__(self, status: int, message: str, outcome: str = "invalid", details: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.outcome = outcome
        self.details = details

    def to_answer(self) -> Answer:
        """The envelope of every LINE error."""
        body: dict[str, Any] = {"message": self.message}
        if self.details:
            body["details"] = [{"message": one.message, "property": one.property} for one in self.details]
        return json_answer(body, self.status)


@dataclass(slots=True)
class Call:
    """One authenticated request."""

    world: World
    account: LineAccount
    received: Received
    headers: dict[bytes, bytes]
    query: dict[str, str]
    body: bytes
    parts: tuple[str, ...] = field(default=())
    """What stands in the path's places."""

    @property
    def now(self) -> float:
        """When the request came."""
        return self.received.at

    def read(self) -> dict[str, Any]:
        """The JSON object of the body. Raises: LineRefusal."""
        content_type = self.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if content_type != b"application/json":
            shown = content_type.decode("latin-1")[:60]
            raise LineRefusal(400 if content_type else 415, f"The content type, {shown}, is not supported")
        try:
            value: Any = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable() from error
        brackets = self.body.count(b"[") + self.body.count(b"{")
        if not isinstance(value, dict) or (brackets > NESTING_MAX and is_nested_too_deeply(cast("object", value))):
            raise _unreadable()
        return cast("dict[str, Any]", value)


def _unreadable() -> LineRefusal:
    return LineRefusal(400, "The request body could not be parsed as JSON (line: -, column: -)")


def invalid_property(name: str) -> LineRefusal:
    """One property that cannot be read at all."""
    return LineRefusal(400, f"The property, '{name}', in the request body is invalid (line: -, column: -)")


def refuse_body(details: Sequence[Problem]) -> LineRefusal:
    """Properties that are there and wrong."""
    return LineRefusal(400, f"The request body has {len(details)} error(s)", details=details)


def not_found(message: str = "Not found") -> LineRefusal:
    """Nothing has this id, or it is not for this account to see."""
    return LineRefusal(404, message, "not_found")


def empty(status: int = 200) -> Answer:
    """`{}`, which LINE answers where there is nothing to say."""
    return Answer(status, EMPTY)
