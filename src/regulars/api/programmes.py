"""Routes of loyalty programmes: saved, shown, listed."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of, page, read_cursor, read_limit
from regulars.api.errors import answer
from regulars.api.openapi import CURSOR, LIMIT, asks, takes
from regulars.loyalty.service import programmes as service
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/programmes", tags=["programmes"])

CallerOf = Annotated[Caller, Depends(access_api)]


@router.get("", summary="All programmes", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_programmes(request: Request, caller: CallerOf) -> Response:
    """Newest versions, in name order."""
    limit = read_limit(request)
    async with context_of(request).database.read() as tx:
        found = await service.list_programmes(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
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
