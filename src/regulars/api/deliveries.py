"""Routes of deliveries: single sends, what became of each, and why."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of, page, read_limit, read_number_cursor
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import CURSOR, LIMIT, TEXT, Schema, asks, takes
from regulars.kernel.ids import parse_public_id
from regulars.members.service.reading import list_family
from regulars.messaging.errors import DeliveryUnknown
from regulars.messaging.model import DeliveryId, Filter, State
from regulars.messaging.service import sending
from regulars.messaging.service.sending import SingleSend
from regulars.platform.db import ReadTransaction, WriteTransaction

router = APIRouter(prefix="/api/deliveries", tags=["deliveries"])

CallerOf = Annotated[Caller, Depends(access_api)]
_STATE: Final[Schema] = {"enum": [str(state) for state in State]}


@router.post("", summary="Send one message to one member", status_code=202, openapi_extra=takes(SingleSend))
async def post_delivery(request: Request, caller: CallerOf) -> Response:
    """Through the same gate as everything else; a refusal is a delivery too."""
    body, context = await read_json(request, SingleSend), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        shown = await sending.send_one(tx, caller.brand, context.outbox, body, now=context.clock())
        return sending.show_delivery(shown)

    return await answer_write(request, caller, perform, status=202)


@router.get(
    "",
    summary="Deliveries",
    openapi_extra=asks(plan=TEXT, campaign=TEXT, member=TEXT, state=_STATE, limit=LIMIT, cursor=CURSOR),
)
async def list_deliveries(request: Request, caller: CallerOf) -> Response:
    """In the order they were made."""
    limit, after, given = read_limit(request), read_number_cursor(request, 0), request.query_params
    state = given.get("state")
    if state is not None and state not in set(State):
        raise RequestInvalid(f"{state[:40]!r} is no state of a delivery", path="state", suggestion="accepted")
    async with context_of(request).database.read() as tx:
        members = await _list_members(tx, caller, given.get("member"))
        asked = Filter(_read_plan(given.get("plan")), given.get("campaign"), members, state)
        found = await sending.list_deliveries(tx, caller.brand, asked, after=after, limit=limit)
    shown = [sending.show_delivery(one) for one in found]
    return answer(page("deliveries", shown, limit, lambda _: found[-1].delivery_id))


@router.get("/{delivery}", summary="One delivery")
async def get_delivery(request: Request, caller: CallerOf, delivery: str) -> Response:
    """With its attempts."""
    number = parse_public_id("d", delivery)
    if number is None:
        raise DeliveryUnknown(f"there is no delivery {delivery[:40]!r}")
    async with context_of(request).database.read() as tx:
        return answer(sending.show_delivery(await sending.get_delivery(tx, caller.brand, DeliveryId(number))))


async def _list_members(tx: ReadTransaction, caller: Caller, member: str | None) -> list[int] | None:
    """The member asked for, and whoever was merged into them."""
    return None if member is None else list(await list_family(tx, caller.brand, member))


def _read_plan(text: str | None) -> int | None:
    if text is None:
        return None
    number = parse_public_id("p", text)
    if number is None:
        raise RequestInvalid(f"{text[:40]!r} is no plan's id", path="plan")
    return number
