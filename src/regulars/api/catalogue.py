"""Routes of settings, items, event names and what was rejected."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from regulars.access import service as access
from regulars.access.model import BrandSettings, settings_to_json
from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import (
    access_api,
    answer_write,
    context_of,
    page,
    read_cursor,
    read_limit,
    read_number_cursor,
)
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import CURSOR, LIMIT, TEXT, Schema, asks, takes
from regulars.events.service import items, reading
from regulars.kernel.ids import parse_public_id
from regulars.members.service.reading import count_members
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api", tags=["catalogue"])

CallerOf = Annotated[Caller, Depends(access_api)]

ITEMS_PER_REQUEST_MAX: Final = 10_000
REJECTED_SHOWN_MAX: Final = 1_000
ITEMS_AT_ONCE_MAX: Final = 250
"""Of more, one part is written after the other: reading them all would hold the event loop."""


class ItemsBody(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Any]


_ITEMS: Final[Schema] = {
    "type": "object",
    "required": ["items"],
    "additionalProperties": False,
    "properties": {
        "items": {
            "type": "array",
            "maxItems": ITEMS_PER_REQUEST_MAX,
            "items": {
                "type": "object",
                "required": ["id"],
                "properties": {
                    "id": {"type": "string", "minLength": 1, "maxLength": 100},
                    "name": {"type": "string", "maxLength": 1000},
                    "category": {"type": "string", "maxLength": 1000},
                    "price": {"type": "string", "description": "A decimal in the brand's currency."},
                    "attributes": {"type": "object"},
                },
            },
        }
    },
}


class PersonalPropertiesBody(msgspec.Struct, forbid_unknown_fields=True):
    names: list[str]


@router.get("/settings", tags=["settings"], summary="The brand's settings")
async def get_settings(request: Request, caller: CallerOf) -> Response:
    """Defaults where nothing was set."""
    async with context_of(request).database.read() as tx:
        return answer(settings_to_json(await access.get_settings(tx, caller.brand)))


@router.put("/settings", tags=["settings"], summary="Replace the brand's settings", openapi_extra=takes(BrandSettings))
async def put_settings(request: Request, caller: CallerOf) -> Response:
    """Absent means default; null switches quiet hours, caps or attribution off."""
    body = await read_json(request, dict[str, Any])

    async def perform(tx: WriteTransaction) -> Any:
        return settings_to_json(await access.replace_settings(tx, caller.brand, body))

    response = await answer_write(request, caller, perform)
    context_of(request).forget_callers()
    return response


@router.post("/items", summary="Write items", openapi_extra=takes(_ITEMS))
async def write_items(request: Request, caller: CallerOf) -> Response:
    """Good ones land; bad ones are answered with their place and reason: 1,000 of them, and how many more there are."""
    body, now = await read_json(request, ItemsBody, refuse_nul=False), context_of(request).clock()
    if len(body.items) > ITEMS_PER_REQUEST_MAX:
        raise RequestInvalid(
            f"items has {len(body.items):,} entries; at most {ITEMS_PER_REQUEST_MAX:,} in one request", path="/items"
        )

    async def perform(tx: WriteTransaction) -> Any:
        written = not_shown = 0
        rejected: list[dict[str, Any]] = []
        for start in range(0, len(body.items), ITEMS_AT_ONCE_MAX):
            part = body.items[start : start + ITEMS_AT_ONCE_MAX]
            result = await items.write_items(tx, caller.brand, part, now=now)
            written += result.landed
            shown = result.rejected[: REJECTED_SHOWN_MAX - len(rejected)]
            rejected += [{"index": start + at, **error.to_dict()} for at, error in shown]
            not_shown += len(result.rejected) - len(shown)
            await asyncio.sleep(0)  # a part of bad items never waits for the database
        more = {"rejected_not_shown": not_shown} if not_shown else {}
        return {"written": written, "rejected": rejected, **more}

    return await answer_write(request, caller, perform)


@router.get("/items", summary="Find items", openapi_extra=asks(query=TEXT, category=TEXT, limit=LIMIT, cursor=CURSOR))
async def list_items(request: Request, caller: CallerOf) -> Response:
    """Whose name or id holds `query`, of one `category`; in id order."""
    limit, asked = read_limit(request), request.query_params
    async with context_of(request).database.read() as tx:
        rows = await items.list_items(
            tx,
            caller.brand,
            query=asked.get("query"),
            category=asked.get("category"),
            after=read_cursor(request) or "",
            limit=limit,
        )
    return answer(page("items", rows, limit, lambda row: row["id"]))


@router.get("/items/{item_id:path}", summary="One item")
async def get_item(request: Request, caller: CallerOf, item_id: str) -> Response:
    """By the brand's own id."""
    async with context_of(request).database.read() as tx:
        return answer(await items.get_item(tx, caller.brand, item_id))


@router.get("/overview", summary="How much there is of everything")
async def get_overview(request: Request, caller: CallerOf) -> Response:
    """Members in force, items, and events and their lines over all time."""
    async with context_of(request).database.read() as tx:
        events, lines, names = await reading.count_events(tx, caller.brand)
        return answer(
            {
                "members": await count_members(tx, caller.brand),
                "items": await items.count_items(tx, caller.brand),
                "events": events,
                "lines": lines,
                "event_names": names,
            }
        )


@router.get("/events/names", summary="Names that events came under", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_event_names(request: Request, caller: CallerOf) -> Response:
    """With counts over all time; `name` is how both vocabularies read it."""
    limit = read_limit(request)
    async with context_of(request).database.read() as tx:
        rows = await reading.list_event_names(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
    return answer(page("names", rows, limit, lambda row: row["raw_name"]))


@router.get("/events/rejected", summary="What could not be taken", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_rejected(request: Request, caller: CallerOf) -> Response:
    """The dead-letter view, newest first: code, reason and the message as it came."""
    limit, before = read_limit(request), read_number_cursor(request, 2**62)
    async with context_of(request).database.read() as tx:
        rows = await reading.list_rejected(tx, caller.brand, before=before, limit=limit)
    return answer(page("rejected", rows, limit, lambda row: parse_public_id("r", row["id"])))


@router.get("/events/personal-properties", summary="Event properties that are dropped at ingest")
async def get_personal_properties(request: Request, caller: CallerOf) -> Response:
    """Declared ones; there is none by default."""
    async with context_of(request).database.read() as tx:
        return answer({"names": await reading.get_personal_properties(tx, caller.brand)})


@router.put(
    "/events/personal-properties",
    summary="Declare event properties personal",
    openapi_extra=takes(PersonalPropertiesBody),
)
async def put_personal_properties(request: Request, caller: CallerOf) -> Response:
    """From now on they never reach the history."""
    body = await read_json(request, PersonalPropertiesBody)

    async def perform(tx: WriteTransaction) -> Any:
        return {"names": await reading.set_personal_properties(tx, caller.brand, body.names)}

    return await answer_write(request, caller, perform)
