"""What one taken call is, on its way from the wire to the tail."""

from typing import Any, Final

import msgspec

from regulars.kernel.errors import DomainError
from regulars.members.identity import Claim, read_claim

EVENT_BYTES_MAX: Final = 256 * 1024
MESSAGE_ID_CHARACTERS_MAX: Final = 100
NAME_CHARACTERS_MAX: Final = 200


class Call(msgspec.Struct, gc=False):
    """One call that can be taken; it refers to nothing that refers back, so the garbage collector need not look.

    `index` is its place in the request.

    Units: instants in µs since 1970, UTC. Shape: `who` is a claim that `write_claim` wrote, whose first identity is the origin; `event_id` is 16 bytes;
    `traits` is set for identify, `previous_id` for alias; only calls with a `name` become events,
    and then `row_rest` is their row's part that `copying.tail_rest` makes.
    """

    index: int
    type: str
    who: str
    event_id: bytes
    message_id: str
    source_id: int
    received_at: int
    occurred_at: int
    original_at: int | None
    sent_at: int | None
    name: str = ""
    properties: bytes = b"{}"
    line_count: int = 0
    traits: dict[str, Any] | None = None
    previous_id: str | None = None
    row_rest: bytes = b""

    @property
    def claim(self) -> Claim:
        return read_claim(self.who)


class Rejected(msgspec.Struct):
    """One call that cannot be taken, or a part of one that was left out; `index` is its place in the request."""

    index: int
    message_id: str | None
    error: DomainError
    body: object
