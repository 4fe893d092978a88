"""Routes of loyalty programmes: saved, shown, listed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of, page, read_cursor, read_limit
from regulars.api.errors import answer
from regulars.api.openapi import CURSOR, LIMIT, asks, takes
from regulars.loyalty.service import checking_in, telling
from regulars.loyalty.service import programmes as service
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/programmes", tags=["programmes"])

members_router = APIRouter(prefix="/api/members", tags=["programmes"])

CallerOf = Annotated[Caller, Depends(access_api)]


@router.get("", summary="All programmes", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_programmes(request: Request, caller: CallerOf) -> Response:
    """Newest versions, in name order; `waiting`: events that have not driven it yet."""
    limit, context = read_limit(request), context_of(request)
    async with context.database.read() as tx:
        found = await service.list_programmes(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
        waiting = await telling.count_waiting(tx, caller.brand, context.editions, now=context.clock())
    found = [{**one, "waiting": waiting.get(one["name"], 0)} for one in found]
    return answer(page("programmes", found, limit, lambda row: row["name"]))


@router.put("/{name}", summary="Save a programme", openapi_extra=takes({"type": "object"}))
async def put_programme(request: Request, caller: CallerOf, name: str) -> Response:
    """A new version where something changed. Its assets are made in the ledger."""
    written, now = await read_json(request, dict[str, Any]), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await service.put_programme(tx, caller.brand, name, written, now=now)

    return await answer_write(request, caller, perform)


@router.get("/{name}", summary="One programme")
async def get_programme(request: Request, caller: CallerOf, name: str) -> Response:
    """The newest version, as it was written."""
    async with context_of(request).database.read() as tx:
        return answer(await service.get_programme(tx, caller.brand, name))


@members_router.get("/{member}/loyalty", summary="What a member has by programmes")
async def get_loyalty(request: Request, caller: CallerOf, member: str) -> Response:
    """Balances, what expires when, tier, badges, missions and vouchers, as of now."""
    context = context_of(request)
    async with context.database.read() as tx:
        told = await telling.get_loyalty(tx, caller.brand, context.editions, member, now=context.clock())
        return answer(told)


@members_router.post("/{member}/check-in", summary="Check a member in", openapi_extra=takes({"type": "object"}))
async def check_in(request: Request, caller: CallerOf, member: str) -> Response:
    """One event `Checked In` for each of the brand's days: again on the same day it is what it was."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await checking_in.record_check_in(tx, caller.brand, member, now=now)

    return await answer_write(request, caller, perform)
