"""Rows as PostgreSQL's binary COPY wants them: half the bytes and none of the parsing of its text form.

Source: PostgreSQL 18 documentation, COPY, «Binary Format»; timestamps are µs since 2000-01-01.
"""

from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Final, LiteralString

from regulars.events.model import Call

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
_SINCE_2000: Final = 946_684_800_000_000
NAMES_REMEMBERED_MAX: Final = 10_000

TAIL_COPY: Final[LiteralString] = (
    "copy events_tail (brand_id, seq, event_id, origin_id, source_id, received_at, sent_at, occurred_at, original_at,"
    " line_count, type, name, message_id, properties) from stdin (format binary)"
)
SEEN_COPY: Final[LiteralString] = "copy events_seen (brand_id, event_id, received_at) from stdin (format binary)"

IMPORTED_COPY: Final[LiteralString] = "copy events_imported (brand_id, event_id) from stdin (format binary)"

_HEAD: Final = Struct(">hiiiqi16siq").pack
_REQUEST: Final = Struct(">iiiq").pack
_OCCURRED: Final = Struct(">iqiq").pack
_OCCURRED_ONLY: Final = Struct(">iqi").pack
_COUNT: Final = Struct(">ii").pack
_SEEN: Final = Struct(">hiii16siq").pack
_IMPORTED: Final = Struct(">hiii16s").pack
_INT: Final = Struct(">i").pack
_LONG: Final = Struct(">iq").pack
_NULL: Final = _INT(-1)


def tail_rest(call: Call, of_request: bytes | None = None) -> bytes:
    """All of a call's row that is known before its seq and origin are: made outside the brand's lock.

    `of_request` is what `request_part` made, where it is at hand.
    """
    message_id, properties, original_at = call.message_id.encode(), call.properties, call.original_at
    occurred = call.occurred_at - _SINCE_2000
    return b"".join(
        (
            of_request or request_part(call.source_id, call.received_at, call.sent_at),
            _OCCURRED_ONLY(8, occurred, -1)
            if original_at is None
            else _OCCURRED(8, occurred, 8, original_at - _SINCE_2000),
            _kind(call.line_count, call.type, call.name),
            _INT(len(message_id)),
            message_id,
            _INT(len(properties)),
            properties,
        )
    )


def request_part(source_id: int, received_at: int, sent_at: int | None) -> bytes:
    """What the rows of a request's calls have in common."""
    return _REQUEST(4, source_id, 8, received_at - _SINCE_2000) + _instant(sent_at)


@lru_cache(maxsize=NAMES_REMEMBERED_MAX)
def _kind(line_count: int, type_name: str, name: str) -> bytes:
    encoded_type, encoded_name = type_name.encode(), name.encode()
    return b"".join(
        (_COUNT(4, line_count), _INT(len(encoded_type)), encoded_type, _INT(len(encoded_name)), encoded_name)
    )


def tail_rows(events: Iterable[tuple[bytes, int, bytes]], *, brand_id: int, seq: int) -> list[bytes]:
    """Rows of events_tail, numbered from `seq`. Shape: event id, origin id, what `tail_rest` made, each."""
    return [
        _HEAD(14, 4, brand_id, 8, number, 16, event_id, 8, origin_id) + rest
        for number, (event_id, origin_id, rest) in enumerate(events, seq)
    ]


def seen_rows(events: Iterable[tuple[bytes, int]], *, brand_id: int) -> list[bytes]:
    """Rows of events_seen. Shape: event id, when it was received (µs since 1970), each."""
    return [_SEEN(3, 4, brand_id, 16, event_id, 8, received_at - _SINCE_2000) for event_id, received_at in events]


def imported_row(event_id: bytes, *, brand_id: int) -> bytes:
    """One row of events_imported."""
    return _IMPORTED(2, 4, brand_id, 16, event_id)


def block(rows: Iterable[bytes]) -> bytes:
    """A whole COPY stream."""
    return b"".join((HEADER, *rows, TRAILER))


def _instant(microseconds: int | None) -> bytes:
    return _NULL if microseconds is None else _LONG(8, microseconds - _SINCE_2000)
