"""Routes of plans: made, compared, sent, held, called off, and what they chose."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.audience_answers import read_as_of
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
from regulars.api.errors import answer
from regulars.api.openapi import CURSOR, LIMIT, Schema, asks, takes
from regulars.campaigns.service import comparing, planning, sending
from regulars.campaigns.service.planning import Draft, PlanBody
from regulars.events.errors import CursorInvalid
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/plans", tags=["plans"])

CallerOf = Annotated[Caller, Depends(access_api)]
_NEWEST: Final = 10**18
_PLAN: Final[Schema] = {
    "type": "object",
    "required": ["campaigns", "from", "until"],
    "properties": {
        "campaigns": {"type": "array", "items": {"type": "string"}},
        "from": {"type": "string", "format": "date", "description": "The first day of the brand."},
        "until": {"type": "string", "format": "date", "description": "The last day, included."},
        "as_of": {"type": "string", "format": "date-time", "description": "Audiences as of then; default: now."},
        "caps": {"type": "array", "items": {"type": "object"}, "description": "Default: the brand's."},
        "price_plans": {"enum": ["current", "best"]},
        "pace": {"enum": ["now", "even"]},
        "seed": {"type": "integer"},
    },
}


@router.post("", summary="Make a plan", status_code=201, openapi_extra=takes(_PLAN))
async def post_plan(request: Request, caller: CallerOf) -> Response:
    """Who gets which campaign on which channel, as a draft: nothing is sent. What makes a campaign send nothing is warned of."""
    context, asked = context_of(request), await read_json(request, PlanBody)
    as_of, now = read_as_of(asked.as_of, caller.brand), context.clock()

    async def draft() -> Draft:
        async with context.database.read() as tx:
            return await planning.draft_plan(tx, caller.brand, context.audiences, asked, as_of=as_of, now=now)

    # Planning takes seconds: without a key nobody waits for this one's turn to write meanwhile.
    made = None if "idempotency-key" in request.headers else await draft()

    async def perform(tx: WriteTransaction) -> Any:
        stored = await planning.store_plan(tx, caller.brand, made or await draft(), now=now)
        return planning.show_plan(stored)

    return await answer_write(request, caller, perform, status=201)


@router.get("", summary="All plans", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_plans(request: Request, caller: CallerOf) -> Response:
    """The newest first."""
    limit, before = read_limit(request), read_number_cursor(request, _NEWEST)
    async with context_of(request).database.read() as tx:
        found = await sending.list_plans(tx, caller.brand, before=before, limit=limit)
    return answer(page("plans", found, limit, lambda row: row["id"][1:]))


@router.get("/{plan}", summary="One plan")
async def get_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """With its summary and, once it is on its way, its deliveries by state."""
    async with context_of(request).database.read() as tx:
        return answer(await sending.show_plan(tx, caller.brand, plan))


@router.get("/{plan}/assignments", summary="Who gets what", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_assignments(request: Request, caller: CallerOf, plan: str) -> Response:
    """By member; those that a holdout will keep back are among them."""
    limit, after = read_limit(request), _read_pair(request)
    async with context_of(request).database.read() as tx:
        found = await planning.get_plan(tx, caller.brand, plan)
        rows = await sending.list_assignments(tx, caller.brand, found, after=after, limit=limit)
        variants = await sending.list_variants(tx, caller.brand, found)
    shown = [sending.show_assignment(found, variants, one) for one in rows]
    full = len(rows) == limit
    return answer(
        {
            "assignments": shown,
            "next": make_cursor(f"{rows[-1].member_id}.{rows[-1].campaign_no}") if full else None,
        }
    )


@router.get("/{plan}/unsent", summary="What was not chosen", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_unsent(request: Request, caller: CallerOf, plan: str) -> Response:
    """Each member's best message that the plan left out, and what stood in its way."""
    limit, after = read_limit(request), read_number_cursor(request, 0)
    async with context_of(request).database.read() as tx:
        found = await planning.get_plan(tx, caller.brand, plan)
        rows = await sending.list_unsent(tx, caller.brand, found, after=after, limit=limit)
    return answer(page("unsent", rows, limit, lambda row: row["member"][1:]))


@router.get("/{plan}/what-if", summary="What other limits would bring")
async def compare_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """Caps, quotas, price plans, channels and campaigns changed one by one, each solved anew; expected figures, with fees."""
    context = context_of(request)
    async with context.database.read() as tx:
        rows = await comparing.compare_plan(tx, caller.brand, context.audiences, plan, now=context.clock())
    return answer({"rows": rows})


@router.post("/{plan}/send", summary="Send a plan", status_code=202)
async def send_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """Its assignments become deliveries, once; sent again it is the same answer."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await sending.send_plan(tx, caller.brand, plan, now=now)

    return await answer_write(request, caller, perform, status=202)


@router.post("/{plan}/pause", summary="Hold a plan")
async def pause_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """Nothing more of it goes out; what is on the wire arrives."""

    async def perform(tx: WriteTransaction) -> Any:
        return await sending.pause_plan(tx, caller.brand, plan)

    return await answer_write(request, caller, perform)


@router.post("/{plan}/resume", summary="Let a plan go on")
async def resume_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """From where it was held."""

    async def perform(tx: WriteTransaction) -> Any:
        return await sending.resume_plan(tx, caller.brand, plan)

    return await answer_write(request, caller, perform)


@router.post("/{plan}/cancel", summary="Call a plan off")
async def cancel_plan(request: Request, caller: CallerOf, plan: str) -> Response:
    """What was never tried is not sent any more, and gives back what it had taken."""
    now = context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await sending.cancel_plan(tx, caller.brand, plan, now=now)

    return await answer_write(request, caller, perform)


def _read_pair(request: Request) -> tuple[int, int]:
    """Member and campaign of the last assignment shown. Raises: CursorInvalid."""
    text = read_cursor(request)
    if text is None:
        return 0, -1
    member, _, campaign = text.partition(".")
    if not (member.isascii() and member.isdigit() and campaign.isascii() and campaign.isdigit() and len(text) < 30):
        raise CursorInvalid(f"{text[:40]!r} is not a cursor of this list", path="cursor")
    return int(member), int(campaign)
