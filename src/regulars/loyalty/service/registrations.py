"""Members register for staged events: when a stage lets them, while there is room; then they wait, and move up.

Locks: the event's row, whoever takes a place or leaves one.
"""

from datetime import datetime
from typing import Any

import msgspec

from regulars.kernel.ids import BrandId
from regulars.loyalty.errors import (
    RegistrationClosed,
    RegistrationFull,
    RegistrationNotOpen,
    RegistrationUnknown,
)
from regulars.loyalty.model import Registration
from regulars.loyalty.registering import judge_registration
from regulars.loyalty.service.offers import check_valid, find_named, get_offered
from regulars.loyalty.service.people import get_person, load_standing
from regulars.loyalty.service.programmes import list_in_force
from regulars.loyalty.store import registrations as store
from regulars.loyalty.store.registrations import EventRow
from regulars.platform.db import WriteTransaction
from regulars.platform.tenancy import Brand


class PlaceBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/registrations/{event}` and `…/cancel`."""

    member: str
    programme: str | None = None


async def register_member(
    tx: WriteTransaction, brand: Brand, name: str, body: PlaceBody, *, now: datetime
) -> dict[str, Any]:
    """A place, or one on the waiting list; whoever has one keeps it.

    Raises: RegistrationUnknown, ProgrammeAmbiguous, ProgrammeNotValid, MemberUnknown, RegistrationNotOpen,
    RegistrationClosed, RegistrationFull.
    """
    version, event = await get_offered(tx, brand, lambda one: one.events, name, body.programme, RegistrationUnknown)
    person = await get_person(tx, brand, body.member)
    row = await _lock_event(tx, brand.brand_id, version.name, event, now)
    held = {state for _, state in await store.list_places(tx, brand.brand_id, row.event_id, person.family)}
    for state in ("registered", "waiting"):
        if state in held:
            return {"event": event.name, "state": state}
    check_valid(version, brand, now)
    standing = await load_standing(tx, brand, version, person)
    verdict = judge_registration(version.programme, event, standing.level, standing.badges, now, brand.time_zone)
    if verdict == "closed":
        raise RegistrationClosed(f"registering for {event.name!r} is over")
    if verdict == "not_open":
        raise RegistrationNotOpen(f"registering for {event.name!r} has not begun for this member")
    state = "registered" if row.registered_count < event.capacity else "waiting"
    if state == "waiting" and not event.waiting_list:
        raise RegistrationFull(f"all {event.capacity} places of {event.name!r} are taken")
    await store.put_place(tx, brand.brand_id, row.event_id, person.member_id, state, now=now)
    return {"event": event.name, "state": state}


async def cancel_registration(
    tx: WriteTransaction, brand: Brand, name: str, body: PlaceBody, *, now: datetime
) -> dict[str, Any]:
    """Leave a place, or the waiting list: whoever waited longest moves up. Once more is harmless.

    Raises: RegistrationUnknown, ProgrammeAmbiguous, MemberUnknown.
    """
    version, event = await get_offered(tx, brand, lambda one: one.events, name, body.programme, RegistrationUnknown)
    person = await get_person(tx, brand, body.member)
    row = await _lock_event(tx, brand.brand_id, version.name, event, now)
    if not await store.list_places(tx, brand.brand_id, row.event_id, person.family):
        raise RegistrationUnknown(f"this member never registered for {event.name!r}")
    await store.cancel_places(tx, brand.brand_id, row.event_id, person.family, now=now)
    await _lock_event(tx, brand.brand_id, version.name, event, now)
    return {"event": event.name, "state": "cancelled"}


async def let_in(tx: WriteTransaction, brand_id: BrandId, programme: str, name: str, *, now: datetime) -> None:
    """Who waits moves up where there is room, as after a version with more places."""
    for version in await list_in_force(tx, brand_id):
        event = find_named(version.programme.events, name) if version.name == programme else None
        if event is not None:
            await _lock_event(tx, brand_id, programme, event, now)


async def _lock_event(
    tx: WriteTransaction, brand_id: BrandId, programme: str, event: Registration, now: datetime
) -> EventRow:
    """Its places, as many as there is room for given to those who wait."""
    row = await store.lock_event(tx, brand_id, programme, event.name)
    if row is None:
        await store.ensure_event(tx, brand_id, programme, event.name)
        row = await store.lock_event(tx, brand_id, programme, event.name)
    assert row is not None, "it was made just now, and nobody removes one"
    moved = min(row.waiting_count, max(0, event.capacity - row.registered_count))
    if moved:
        await store.move_up(tx, brand_id, row.event_id, moved, now=now)
    return row._replace(registered_count=row.registered_count + moved, waiting_count=row.waiting_count - moved)
