"""Routes of campaigns: saved, shown, removed, tried on one member."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of, page, read_cursor, read_limit
from regulars.api.errors import answer
from regulars.api.openapi import CURSOR, LIMIT, Schema, asks, takes
from regulars.campaigns.reading import CampaignBody
from regulars.campaigns.service import saving, triggering, trying
from regulars.campaigns.service.trying import TryBody
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])

CallerOf = Annotated[Caller, Depends(access_api)]
_NAMES: Final[Schema] = takes(CampaignBody)


@router.put("/{name}", summary="Save a campaign", openapi_extra=_NAMES)
async def put_campaign(request: Request, caller: CallerOf, name: str) -> Response:
    """A new version where something changed. What it names must be there; its message must fit every channel."""
    written, context = await read_json(request, dict[str, Any]), context_of(request)
    async with context.database.read() as tx:
        entered = saving.find_entered(written)
        inside = await triggering.find_inside(tx, caller.brand, context.audiences, entered)

    async def perform(tx: WriteTransaction) -> Any:
        campaign, notices = await saving.save_campaign(
            tx, caller.brand, name, written, context.outbox, now=context.clock(), inside=inside
        )
        warnings = {"warnings": [saving.show_notice(one) for one in notices]} if notices else {}
        return {"name": name, "version": campaign.version, **warnings}

    return await answer_write(request, caller, perform)


@router.get("", summary="All campaigns", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_campaigns(request: Request, caller: CallerOf) -> Response:
    """Newest versions, in name order."""
    limit = read_limit(request)
    async with context_of(request).database.read() as tx:
        found = await saving.list_campaigns(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
    return answer(page("campaigns", [saving.show_campaign(*one) for one in found], limit, lambda row: row["name"]))


@router.get("/{name}", summary="One campaign")
async def get_campaign(request: Request, caller: CallerOf, name: str) -> Response:
    """The newest version."""
    async with context_of(request).database.read() as tx:
        return answer(saving.show_campaign(await saving.get_campaign(tx, caller.brand, name)))


@router.delete("/{name}", summary="Remove a campaign")
async def delete_campaign(request: Request, caller: CallerOf, name: str) -> Response:
    """It is planned and set off no more; plans that were made of it go on."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        await saving.remove_campaign(tx, caller.brand, name, now=now)
        return {"name": name}

    return await answer_write(request, caller, perform)


@router.post("/{name}/test", summary="Try a campaign on one member", status_code=202, openapi_extra=takes(TryBody))
async def try_campaign(request: Request, caller: CallerOf, name: str) -> Response:
    """A delivery outside of plans, holdouts, quiet hours and caps; it is not measured."""
    body, context = await read_json(request, TryBody), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        return await trying.try_campaign(tx, caller.brand, context.outbox, name, body, now=context.clock())

    return await answer_write(request, caller, perform, status=202)
