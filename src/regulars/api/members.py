"""Routes of members: finding, reading, changing, joining, exporting, erasing."""

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from regulars.access import service as access
from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import (
    access_api,
    answer_write,
    context_of,
    make_cursor,
    page,
    read_cursor,
    read_limit,
    read_number_cursor,
)
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import CURSOR, LIMIT, TEXT, Schema, asks, takes
from regulars.history.service import listing
from regulars.history.service.removing import ask_removal
from regulars.kernel.ids import parse_public_id
from regulars.members.service import changing, erasing, reading, setting_traits
from regulars.members.service.joining import lock_brand
from regulars.messaging.service.forgetting import forget_members
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api", tags=["members"])

CallerOf = Annotated[Caller, Depends(access_api)]
EXPORT_EVENTS_PER_PAGE = 1_000


class TagBody(msgspec.Struct, forbid_unknown_fields=True):
    weight: float = 1.0
    evidence: str | None = None
    expires_at: datetime | None = None


class ConsentBody(msgspec.Struct, forbid_unknown_fields=True):
    granted: bool
    proof: dict[str, Any] = {}


class IdentityBody(msgspec.Struct, forbid_unknown_fields=True):
    verified: bool = False


class MergeBody(msgspec.Struct, forbid_unknown_fields=True):
    keep: str
    merge: str


class UnmergeBody(msgspec.Struct, forbid_unknown_fields=True):
    merge: str


class TraitBody(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    personal: bool = False


_PREFERENCES: Final[Schema] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "topics": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "caps": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["most", "per"],
                "additionalProperties": False,
                "properties": {
                    "most": {"type": "integer", "minimum": 0},
                    "per": {"type": "string", "examples": ["7d"]},
                },
            },
        },
        "channel": {"type": ["string", "null"]},
        "language": {"type": ["string", "null"]},
    },
}


@router.get(
    "/members",
    summary="Find members, or list them all",
    openapi_extra=asks(identity=TEXT, name=TEXT, last_four=TEXT, limit=LIMIT, cursor=CURSOR),
)
async def list_members(request: Request, caller: CallerOf) -> Response:
    """By `identity=KIND:VALUE`, `name=`, `last_four=`, or all in id order."""
    context, limit = context_of(request), read_limit(request)
    after = read_number_cursor(request, 0)
    asked = request.query_params
    async with context.database.read() as tx:
        if "identity" in asked:
            kind, colon, value = asked["identity"].partition(":")
            if not colon:
                raise RequestInvalid("identity is KIND:VALUE", path="identity", suggestion="user_id:42")
            found = await reading.list_by_identity(tx, caller.brand, kind, value)
        elif "name" in asked:
            found = await reading.list_by_name(tx, caller.brand, asked["name"], after=after, limit=limit)
        elif "last_four" in asked:
            found = await reading.list_by_last_four(tx, caller.brand, asked["last_four"], after=after, limit=limit)
        else:
            found = await reading.list_page(tx, caller.brand, after=after, limit=limit)
        rows = await reading.show_members(tx, caller.brand, found, now=context.clock())
    # By what was found, not by what is shown: a merged member is found under its own id and shown under the kept one's.
    following = make_cursor(found[-1]) if len(found) == limit and "identity" not in asked else None
    return answer({"members": rows, "next": following})


@router.post("/members/merge", summary="Join two members by hand", openapi_extra=takes(MergeBody))
async def merge_members(request: Request, caller: CallerOf) -> Response:
    """`{"keep":ID,"merge":ID}`; the kept member's id stays."""
    body, now = await read_json(request, MergeBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await changing.merge_by_hand(tx, caller.brand, keep=body.keep, merge=body.merge, now=now)

    return await answer_write(request, caller, perform)


@router.post("/members/unmerge", summary="Take a merge apart", openapi_extra=takes(UnmergeBody))
async def unmerge_members(request: Request, caller: CallerOf) -> Response:
    """`{"merge":ID}`; answers the member that is on its own again."""
    body, now = await read_json(request, UnmergeBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await changing.unmerge_by_hand(tx, caller.brand, body.merge, now=now)

    return await answer_write(request, caller, perform)


@router.get("/members/{member}", summary="One member")
async def get_member(request: Request, caller: CallerOf, member: str) -> Response:
    """A merged member's id answers the member that was kept."""
    context = context_of(request)
    async with context.database.read() as tx:
        return answer(await reading.get_member(tx, caller.brand, member, now=context.clock()))


@router.delete("/members/{member}", status_code=202, summary="Erase a member")
async def erase_member(request: Request, caller: CallerOf, member: str) -> Response:
    """Hidden at once; the events are removed by a job."""
    context = context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        family = await reading.list_family(tx, caller.brand, member)
        origin_ids = await erasing.erase_member(tx, caller.brand, member, now=context.clock())
        # Under the lock that erasing took: an answer that shows the member is committed by now, or will not show it.
        await access.forget_answers(tx, caller.brand)
        await forget_members(tx, caller.brand, family, now=context.clock())
        await ask_removal(tx, caller.brand.brand_id, origin_ids, now=context.clock())
        await context.event_jobs.defer_removal(tx, caller.brand.brand_id, origin_ids)
        return {"id": member, "state": "erasing"}

    return await answer_write(request, caller, perform, status=202)


@router.get(
    "/members/{member}/events",
    summary="A member's events, newest first",
    openapi_extra=asks(limit=LIMIT, cursor=CURSOR),
)
async def list_member_events(request: Request, caller: CallerOf, member: str) -> Response:
    """Names of both e-commerce vocabularies read as one; `raw_name` is as it came."""
    limit, cursor = read_limit(request), request.query_params.get("cursor")
    context = context_of(request)
    async with context.database.read() as tx:
        events, following = await listing.list_member_events(
            tx, caller.brand, context.history, member, cursor=cursor, limit=limit
        )
    return answer({"events": events, "next": following})


@router.get("/members/{member}/export", summary="All that is held of a member")
async def export_member(request: Request, caller: CallerOf, member: str) -> Response:
    """Everything, events included; each export is logged as a disclosure."""
    context = context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        recipient = f"API key {caller.source_id}"
        held = await erasing.export_member(tx, caller.brand, member, recipient=recipient, now=context.clock())
        held["events"], cursor = await listing.list_member_events(
            tx, caller.brand, context.history, member, cursor=None, limit=EXPORT_EVENTS_PER_PAGE
        )
        while cursor is not None:
            more, cursor = await listing.list_member_events(
                tx, caller.brand, context.history, member, cursor=cursor, limit=EXPORT_EVENTS_PER_PAGE
            )
            held["events"] += more
        return held

    return await answer_write(request, caller, perform)


@router.put(
    "/members/{member}/identities/{kind}/{value:path}",
    summary="Give a member an identity",
    openapi_extra=takes(IdentityBody, optional=True),
)
async def put_identity(request: Request, caller: CallerOf, member: str, kind: str, value: str) -> Response:
    """`{"verified":true}` lets a phone or an e-mail join members."""
    body, now = await read_json(request, IdentityBody, default={}), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await changing.put_identity(tx, caller.brand, member, kind, value, verified=body.verified, now=now)

    return await answer_write(request, caller, perform)


@router.delete("/members/{member}/identities/{kind}/{value:path}", summary="Take an identity from a member")
async def remove_identity(request: Request, caller: CallerOf, member: str, kind: str, value: str) -> Response:
    """Its events stay with the member; what comes under it later does not."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await changing.remove_identity(tx, caller.brand, member, kind, value)
        return await reading.get_member(tx, caller.brand, member, now=now)

    return await answer_write(request, caller, perform)


@router.put(
    "/members/{member}/tags/{tag}", summary="Put a tag on a member", openapi_extra=takes(TagBody, optional=True)
)
async def put_tag(request: Request, caller: CallerOf, member: str, tag: str) -> Response:
    """`{"weight":0.8,"evidence":"…","expires_at"?}`"""
    body, now = await read_json(request, TagBody, default={}), context_of(request).clock()
    expires_at = body.expires_at
    if expires_at is not None and expires_at.tzinfo is None:
        expires_at = expires_at.replace(tzinfo=caller.brand.time_zone)
    if expires_at is not None and not 1900 <= expires_at.year < 2100:
        raise RequestInvalid("expires_at is not between 1900 and 2100", path="/expires_at")

    async def perform(tx: WriteTransaction) -> Any:
        await changing.put_tag(
            tx,
            caller.brand,
            member,
            tag,
            weight=body.weight,
            evidence=body.evidence,
            expires_at=expires_at,
            now=now,
        )
        return await reading.get_member(tx, caller.brand, member, now=now)

    return await answer_write(request, caller, perform)


@router.delete("/members/{member}/tags/{tag}", summary="Take a tag from a member")
async def remove_tag(request: Request, caller: CallerOf, member: str, tag: str) -> Response:
    """Harmless where there is none."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await changing.remove_tag(tx, caller.brand, member, tag, now=now)
        return await reading.get_member(tx, caller.brand, member, now=now)

    return await answer_write(request, caller, perform)


@router.put(
    "/members/{member}/consents/{channel}/{purpose}", summary="Record a consent", openapi_extra=takes(ConsentBody)
)
async def put_consent(request: Request, caller: CallerOf, member: str, channel: str, purpose: str) -> Response:
    """`{"granted":true,"proof":{"source":"form","text"?:"v3"}}`; a grant needs its proof."""
    body, now = await read_json(request, ConsentBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await changing.put_consent(
            tx, caller.brand, member, channel, purpose, granted=body.granted, proof=body.proof, now=now
        )
        return await reading.get_member(tx, caller.brand, member, now=now)

    return await answer_write(request, caller, perform)


@router.get("/members/{member}/preferences", summary="What the member wants")
async def get_preferences(request: Request, caller: CallerOf, member: str) -> Response:
    """Topics, caps, channel, language."""
    async with context_of(request).database.read() as tx:
        return answer(await changing.get_preferences(tx, caller.brand, member))


@router.put("/members/{member}/preferences", summary="Set what the member wants", openapi_extra=takes(_PREFERENCES))
async def put_preferences(request: Request, caller: CallerOf, member: str) -> Response:
    """Replaces all of it."""
    body = await read_json(request, dict[str, Any])

    async def perform(tx: WriteTransaction) -> Any:
        return await changing.put_preferences(tx, caller.brand, member, body)

    return await answer_write(request, caller, perform)


@router.get(
    "/members/{member}/merges", summary="Merges a member took part in", openapi_extra=asks(limit=LIMIT, cursor=CURSOR)
)
async def list_merges(request: Request, caller: CallerOf, member: str) -> Response:
    """Oldest first, undone ones too."""
    limit, after = read_limit(request), read_number_cursor(request, 0)
    async with context_of(request).database.read() as tx:
        known = await reading.list_member_merges(tx, caller.brand, member)
    rows = [row for row in known if (parse_public_id("g", row["merge"]) or 0) > after][:limit]
    return answer(page("merges", rows, limit, lambda row: parse_public_id("g", row["merge"])))


@router.get("/conflicts", summary="Identity conflicts for review", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_conflicts(request: Request, caller: CallerOf) -> Response:
    """Open ones, oldest first: merge the two members by hand, or resolve."""
    limit, after = read_limit(request), read_number_cursor(request, 0)
    async with context_of(request).database.read() as tx:
        rows = await reading.list_conflicts(tx, caller.brand, after=after, limit=limit)
    return answer(page("conflicts", rows, limit, lambda row: parse_public_id("c", row["id"])))


@router.post("/conflicts/{conflict}/resolve", summary="Close a conflict")
async def resolve_conflict(request: Request, caller: CallerOf, conflict: str) -> Response:
    """Says that nothing more is to be done."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await changing.resolve_conflict(tx, caller.brand, conflict, now=now)
        return {"id": conflict, "state": "resolved"}

    return await answer_write(request, caller, perform)


@router.get("/traits", summary="All traits with their types", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_traits(request: Request, caller: CallerOf) -> Response:
    """Inferred from values, or declared; in the order of their names."""
    limit, after = read_limit(request), read_cursor(request) or ""
    async with context_of(request).database.read() as tx:
        known = sorted(await reading.list_traits(tx, caller.brand), key=lambda row: row["name"])
    rows = [row for row in known if row["name"] > after][:limit]
    return answer(page("traits", rows, limit, lambda row: row["name"]))


@router.put("/traits/{trait}", summary="Declare a trait's type", openapi_extra=takes(TraitBody))
async def declare_trait(request: Request, caller: CallerOf, trait: str) -> Response:
    """`{"type":"number","personal":false}`; personal values are sealed at once."""
    body, now = await read_json(request, TraitBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await lock_brand(tx, caller.brand)
        await setting_traits.declare_trait(
            tx, caller.brand, trait, type_name=body.type, personal=body.personal, now=now
        )
        return {"name": trait, "type": body.type, "declared": True, "personal": body.personal}

    return await answer_write(request, caller, perform)
