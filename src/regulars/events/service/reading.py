"""Events as the contract shows them: a member's, the names, what was rejected. Reads only."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from regulars.events import store
from regulars.events.errors import CursorInvalid, PropertyNameInvalid
from regulars.events.segment import from_microseconds, to_microseconds
from regulars.events.vocabulary import canonical_name
from regulars.kernel.clock import instant_text
from regulars.kernel.ids import public_id
from regulars.members.service.reading import get_active
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

_NEWEST: Final = (datetime(9999, 1, 1, tzinfo=UTC), 2**62)
PROPERTY_NAME_CHARACTERS_MAX: Final = 100


async def list_member_events(
    tx: ReadTransaction, brand: Brand, member: str, *, cursor: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A member's events that the tail holds, newest first, and the next page's cursor; the history adds those moved.

    Raises: MemberUnknown, CursorInvalid.
    """
    member_id = await get_active(tx, brand, member)
    before_at, before_seq = parse_event_cursor(cursor)
    rows = await store.list_member_events(
        tx, brand.brand_id, member_id, before_at=before_at, before_seq=before_seq, limit=limit + 1
    )
    page = rows[:limit]
    following = make_event_cursor(page[-1][3], page[-1][6]) if len(rows) > limit else None
    return [show_event(*row[:6]) for row in page], following


def show_event(
    event_id: object, message_id: str, name: str, occurred_at: datetime, received_at: datetime, properties: str
) -> dict[str, Any]:
    """An event as the contract shows it."""
    return {
        "id": str(event_id),
        "message_id": message_id,
        "name": canonical_name(name),
        "raw_name": name,
        "at": instant_text(occurred_at),
        "received_at": instant_text(received_at),
        "properties": msgspec.json.decode(properties),
    }


def make_event_cursor(occurred_at: datetime, seq: int) -> str:
    """What leads on behind this event."""
    return base64.urlsafe_b64encode(f"{to_microseconds(occurred_at)}.{seq}".encode()).decode().rstrip("=")


def parse_event_cursor(cursor: str | None) -> tuple[datetime, int]:
    """Instant and seq of the event behind which a page begins. Raises: CursorInvalid."""
    if cursor is None:
        return _NEWEST
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        at, _, seq = text.partition(".")
        return from_microseconds(int(at)), int(seq)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise CursorInvalid(f"{cursor[:40]!r} is not a cursor of this list", path="cursor") from error


async def count_events(tx: ReadTransaction, brand: Brand) -> tuple[int, int, int]:
    """Events, their lines and their names, over all time and without what was erased."""
    return await store.sum_names(tx, brand.brand_id)


async def list_event_names(tx: ReadTransaction, brand: Brand, *, after: str, limit: int) -> list[dict[str, Any]]:
    """Names that events came under, with counts over all time."""
    return [
        {
            "name": canonical_name(name),
            "raw_name": name,
            "events": events,
            "lines": lines,
            "first_at": instant_text(first_at),
            "last_at": instant_text(last_at),
        }
        for name, events, lines, first_at, last_at in await store.list_names(
            tx, brand.brand_id, after=after, limit=limit
        )
    ]


async def list_rejected(tx: ReadTransaction, brand: Brand, *, before: int, limit: int) -> list[dict[str, Any]]:
    """What could not be taken, newest first, as it came (its first 64 KiB)."""
    return [
        {
            "id": public_id("r", rejected_id),
            "received_at": instant_text(received_at),
            "message_id": message_id,
            "code": code,
            "message": brand.vault.unseal(reason, "rejected reason"),
            "body": brand.vault.unseal(sealed, "rejected event"),
        }
        for rejected_id, received_at, message_id, code, reason, sealed in await store.list_rejected(
            tx, brand.brand_id, before=before, limit=limit
        )
    ]


async def get_personal_properties(tx: ReadTransaction, brand: Brand) -> list[str]:
    """Names of event properties that are dropped at ingest."""
    return await store.list_personal_properties(tx, brand.brand_id)


async def set_personal_properties(tx: WriteTransaction, brand: Brand, names: list[str]) -> list[str]:
    """Declare which properties are personal; from now on they never reach the history. Raises: PropertyNameInvalid."""
    for index, name in enumerate(names):
        if not 1 <= len(name) <= PROPERTY_NAME_CHARACTERS_MAX or "\0" in name:
            raise PropertyNameInvalid(
                f"a property's name has 1–{PROPERTY_NAME_CHARACTERS_MAX} characters", path=f"/names/{index}"
            )
    kept = sorted(set(names))
    await store.ensure_head(tx, brand.brand_id)
    await store.set_personal_properties(tx, brand.brand_id, kept)
    return kept
