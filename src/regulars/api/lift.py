"""The route that tells what a campaign changed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.context import access_api, context_of
from regulars.api.errors import answer
from regulars.measure.service.measuring import measure_campaign

router = APIRouter(prefix="/api/campaigns", tags=["campaigns"])

CallerOf = Annotated[Caller, Depends(access_api)]


@router.get("/{name}/lift", summary="What a campaign changed")
async def get_lift(request: Request, caller: CallerOf, name: str) -> Response:
    """Treated against withheld of the same plan, with the interval; `not_enough_yet` says how many members it needs."""
    context = context_of(request)
    # One at a time: each holds a connection and the rows of all who were sent something.
    async with context.measuring, context.database.read() as tx:
        return answer(await measure_campaign(tx, caller.brand, context.history, name, now=context.clock()))
