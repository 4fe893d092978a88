"""The route that tells why a member did or did not get a campaign."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.context import access_api, context_of
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import TEXT, asks
from regulars.campaigns.service.explaining import explain_delivery

router = APIRouter(prefix="/api/deliveries", tags=["deliveries"])

CallerOf = Annotated[Caller, Depends(access_api)]
_ASKED: Final = ("member", "campaign")


@router.get(
    "/why", summary="Why a member did or did not get a campaign", openapi_extra=asks(member=TEXT, campaign=TEXT)
)
async def explain(request: Request, caller: CallerOf) -> Response:
    """The gate's steps up to the one that decided; of what was never planned, what stood in its way."""
    context, given = context_of(request), request.query_params
    for name in _ASKED:
        if not given.get(name):
            raise RequestInvalid(f"{name} says whose, or which", path=name)
    async with context.database.read() as tx:
        told = await explain_delivery(
            tx, caller.brand, context.audiences, given["member"], given["campaign"], now=context.clock()
        )
    return answer(told)
