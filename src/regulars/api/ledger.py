"""Routes of the ledger: assets, limits, transfers, holds, accounts, statements, the check."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

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
from regulars.ledger import service, terms
from regulars.ledger.model import AMOUNT_MAX, Outcome
from regulars.ledger.reading import LimitBody, TermsBody
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/ledger", tags=["ledger"])

CallerOf = Annotated[Caller, Depends(access_api)]
_LINE: Final[Schema] = {
    "type": "object",
    "required": ["account", "amount"],
    "properties": {"account": TEXT, "amount": TEXT, "usable_at": TEXT, "expires_at": TEXT, "funder": TEXT},
}
_TRANSFER: Final[Schema] = {
    "type": "object",
    "required": ["id", "kind", "lines"],
    "properties": {
        "id": TEXT,
        "kind": TEXT,
        "lines": {"type": "array", "minItems": 2, "items": _LINE},
        "meta": {"type": "object"},
    },
}


def _fields(*required: str, **fields: Schema) -> Schema:
    return takes({"type": "object", "required": list(required), "properties": fields})


@router.get("/assets", summary="All assets")
async def list_assets(request: Request, caller: CallerOf) -> Response:
    """What points and money there are."""
    async with context_of(request).database.read() as tx:
        return answer({"assets": await service.list_assets(tx, caller.brand)})


@router.put(
    "/assets/{code}",
    summary="Make an asset",
    openapi_extra=_fields(
        scale={"type": "integer"}, funded={"enum": ["granted", "purchased"]}, licensed={"type": "boolean"}
    ),
)
async def put_asset(request: Request, caller: CallerOf, code: str) -> Response:
    """Points or money. Its accounts are there as soon as it is."""
    body = await read_json(request, dict[str, Any])

    async def perform(tx: WriteTransaction) -> Any:
        return await service.put_asset(tx, caller.brand, code, body)

    return await answer_write(request, caller, perform)


@router.get("/limits", summary="All limits", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_limits(request: Request, caller: CallerOf) -> Response:
    """What members' accounts may move, in name order; none is there until it is put."""
    limit = read_limit(request)
    async with context_of(request).database.read() as tx:
        found = await terms.list_limits(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
    return answer(page("limits", found, limit, lambda row: row["name"]))


@router.get("/limits/{name}", summary="A limit")
async def get_limit(request: Request, caller: CallerOf, name: str) -> Response:
    """As it stands."""
    async with context_of(request).database.read() as tx:
        return answer(await terms.get_limit(tx, caller.brand, name))


@router.put("/limits/{name}", summary="Put a limit", openapi_extra=takes(LimitBody))
async def put_limit(request: Request, caller: CallerOf, name: str) -> Response:
    """How much, or how often, a member's account may give or receive. It stands against every transfer from now on."""
    body = await read_json(request, LimitBody)

    async def perform(tx: WriteTransaction) -> Any:
        return await terms.put_limit(tx, caller.brand, name, body)

    return await answer_write(request, caller, perform)


@router.delete("/limits/{name}", summary="Take a limit away")
async def delete_limit(request: Request, caller: CallerOf, name: str) -> Response:
    """What waits for a review on its account still does."""

    async def perform(tx: WriteTransaction) -> Any:
        await terms.delete_limit(tx, caller.brand, name)
        return {"name": name}

    return await answer_write(request, caller, perform)


@router.post(
    "/transfers",
    summary="Post transfers",
    openapi_extra=_fields(
        "transfers", transfers={"type": "array", "minItems": 1, "maxItems": 1_000, "items": _TRANSFER}
    ),
)
async def post_transfers(request: Request, caller: CallerOf) -> Response:
    """One result a transfer, in order; each stands alone. The same id with the same body is done once, for ever."""
    body, context = await read_json(request, dict[str, Any]), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        outcomes = await service.post_asked(tx, caller.brand, context.holders, body)
        return {"results": [_show(one) for one in outcomes]}

    return await answer_write(request, caller, perform)


@router.post(
    "/transfers/{transfer}/reverse",
    summary="Reverse a transfer",
    openapi_extra=_fields(
        "id", id=TEXT, amount=TEXT, policy={"enum": ["pending_only", "within_balance", "allow_negative"]}
    ),
)
async def reverse_transfer(request: Request, caller: CallerOf, transfer: str) -> Response:
    """A new transfer that undoes it, or a part: what was spent goes back to its lots."""
    body = await read_json(request, dict[str, Any])

    async def perform(tx: WriteTransaction) -> Any:
        outcome, undone = await service.reverse_asked(tx, caller.brand, transfer, body)
        return {**_show(outcome), **({"amount": str(undone)} if undone is not None else {})}

    return await answer_write(request, caller, perform)


@router.post(
    "/holds",
    summary="Hold an amount",
    openapi_extra=_fields(
        "id", "account", "to", "amount", id=TEXT, account=TEXT, to=TEXT, amount=TEXT, expires_at=TEXT
    ),
)
async def post_hold(request: Request, caller: CallerOf) -> Response:
    """Reserve it for another account until it is captured, voided, or its time is over."""
    body, context = await read_json(request, dict[str, Any]), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        return await service.hold_asked(tx, caller.brand, context.holders, body, now=context.clock())

    return await answer_write(request, caller, perform)


@router.get(
    "/holds",
    summary="What is held",
    openapi_extra=asks(review={"type": "boolean", "default": False}, limit=LIMIT, cursor=CURSOR),
)
async def list_holds(request: Request, caller: CallerOf) -> Response:
    """Open holds, newest first. `review=true`: those alone that a limit made, to be captured or voided."""
    limit, before = read_limit(request), read_number_cursor(request, AMOUNT_MAX)
    context, review = context_of(request), request.query_params.get("review", "false")
    if review not in ("true", "false"):
        raise RequestInvalid(f"review {review[:20]!r} is neither true nor false", path="review", suggestion="true")
    async with context.database.read() as tx:
        rows = await service.list_holds(
            tx, caller.brand, is_reviewed=review == "true", before=before, limit=limit, now=context.clock()
        )
    return answer(_page("holds", rows, limit))


@router.post("/holds/{hold}/capture", summary="Capture a hold", openapi_extra=takes({"type": "object"}, optional=True))
async def capture_hold(request: Request, caller: CallerOf, hold: str) -> Response:
    """Take all of it, or `amount`; the rest is free again."""
    return await _end_hold(request, caller, hold, capture=True)


@router.post("/holds/{hold}/void", summary="Void a hold", openapi_extra=takes({"type": "object"}, optional=True))
async def void_hold(request: Request, caller: CallerOf, hold: str) -> Response:
    """Free all of it."""
    return await _end_hold(request, caller, hold, capture=False)


async def _end_hold(request: Request, caller: Caller, hold: str, *, capture: bool) -> Response:
    body = await read_json(request, dict[str, Any], default={})

    async def perform(tx: WriteTransaction) -> Any:
        return await service.end_hold(tx, caller.brand, hold, capture=capture, body=body)

    return await answer_write(request, caller, perform)


@router.get(
    "/accounts/{name:path}/statement", summary="An account's lines", openapi_extra=asks(limit=LIMIT, cursor=CURSOR)
)
async def get_statement(request: Request, caller: CallerOf, name: str) -> Response:
    """Newest first, with the lots that each line drew (negative) or made."""
    limit, before = read_limit(request), read_number_cursor(request, AMOUNT_MAX)
    context = context_of(request)
    async with context.database.read() as tx:
        rows = await service.list_statement(
            tx, caller.brand, context.holders, name, before=before, limit=limit, now=context.clock()
        )
    return answer(_page("entries", rows, limit))


@router.get("/accounts/{name:path}", summary="An account's balance")
async def get_account(request: Request, caller: CallerOf, name: str) -> Response:
    """What was posted, what of it is held, what can be spent now, and what the account may."""
    context = context_of(request)
    async with context.database.read() as tx:
        return answer(await service.get_account(tx, caller.brand, context.holders, name, now=context.clock()))


@router.put("/accounts/{name:path}", summary="Say what an account may", openapi_extra=takes(TermsBody))
async def put_account(request: Request, caller: CallerOf, name: str) -> Response:
    """Its floor, its cap, whether it is closed, and what is known of its holder. What is left out stays."""
    body, context = await read_json(request, TermsBody), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        return await terms.put_account(tx, caller.brand, context.holders, name, body, now=context.clock())

    return await answer_write(request, caller, perform)


@router.get("/liability", summary="What is outstanding")
async def get_liability(request: Request, caller: CallerOf) -> Response:
    """By asset, month of expiry and funder."""
    async with context_of(request).database.read() as tx:
        return answer({"liability": await service.list_liability(tx, caller.brand)})


@router.get("/check", summary="Whether the books are right")
async def check_books(request: Request, caller: CallerOf) -> Response:
    """Everything is counted again; findings name what is wrong and where."""
    async with context_of(request).database.read() as tx:
        return answer(await service.list_findings(tx, caller.brand))


def _show(one: Outcome) -> dict[str, Any]:
    told = {"code": one.code, "path": one.path, "message": one.message, "limit": one.limit, "hold": one.hold}
    return {"id": one.id, "result": one.result, **{name: value for name, value in told.items() if value is not None}}


def _page(things: str, rows: list[tuple[int, dict[str, Any]]], limit: int) -> dict[str, Any]:
    following = make_cursor(rows[-1][0]) if len(rows) == limit else None
    return {things: [row for _, row in rows], "next": following}
