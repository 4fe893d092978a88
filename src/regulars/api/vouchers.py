"""Routes of vouchers: issued, quoted, reserved, confirmed, released; and whom partners know."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of
from regulars.api.errors import answer
from regulars.api.openapi import only_reads, takes
from regulars.loyalty.service import partners, quoting, using, vouchers
from regulars.loyalty.service.partners import CustomersBody
from regulars.loyalty.service.quoting import QuoteBody
from regulars.loyalty.service.using import EndBody, ReserveBody
from regulars.loyalty.service.vouchers import IssueBody
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api", tags=["vouchers"])

CallerOf = Annotated[Caller, Depends(access_api)]


@router.post("/voucher-pools/{name}/issue", summary="Issue a voucher", openapi_extra=takes(IssueBody))
async def issue_voucher(request: Request, caller: CallerOf, name: str) -> Response:
    """One voucher of a pool for a member, within the pool's limits."""
    body, now = await read_json(request, IssueBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await vouchers.issue_voucher(tx, caller.brand, name, body, now=now)

    return await answer_write(request, caller, perform)


@router.post("/vouchers/quote", summary="What vouchers take off an order", openapi_extra=only_reads(takes(QuoteBody)))
async def quote_vouchers(request: Request, caller: CallerOf) -> Response:
    """Which of a member's vouchers apply together, the same in whatever order they are offered. Nothing is reserved."""
    body, context = await read_json(request, QuoteBody), context_of(request)
    async with context.database.read() as tx:
        return answer(await quoting.quote_vouchers(tx, caller.brand, body, now=context.clock()))


@router.post("/vouchers/{code}/reserve", summary="Reserve a voucher", openapi_extra=takes(ReserveBody))
async def reserve_voucher(request: Request, caller: CallerOf, code: str) -> Response:
    """Keep it for an order, half an hour or `until`; the same order again is answered as before."""
    body, now = await read_json(request, ReserveBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await using.reserve_voucher(tx, caller.brand, code, body, now=now)

    return await answer_write(request, caller, perform)


@router.post("/vouchers/{code}/confirm", summary="Use a reserved voucher", openapi_extra=takes(EndBody))
async def confirm_voucher(request: Request, caller: CallerOf, code: str) -> Response:
    """It is used, for good. Once more is harmless."""
    body, now = await read_json(request, EndBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await using.confirm_voucher(tx, caller.brand, code, body, now=now)

    return await answer_write(request, caller, perform)


@router.post("/vouchers/{code}/release", summary="Give back a reserved voucher", openapi_extra=takes(EndBody))
async def release_voucher(request: Request, caller: CallerOf, code: str) -> Response:
    """The member has it again, and the pool what it took of its budget. Once more is harmless."""
    body, now = await read_json(request, EndBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return await using.release_voucher(tx, caller.brand, code, body, now=now)

    return await answer_write(request, caller, perform)


@router.put("/partners/{name}/customers", summary="Whom a partner knows", openapi_extra=takes(CustomersBody))
async def put_customers(request: Request, caller: CallerOf, name: str) -> Response:
    """SHA-256 digests of e-mail addresses in small letters: these alone, from now on."""
    return await _put_customers(request, caller, name, replace=True)


@router.post("/partners/{name}/customers", summary="Whom a partner knows too", openapi_extra=takes(CustomersBody))
async def add_customers(request: Request, caller: CallerOf, name: str) -> Response:
    """More digests, for lists that are longer than one request."""
    return await _put_customers(request, caller, name, replace=False)


async def _put_customers(request: Request, caller: Caller, name: str, *, replace: bool) -> Response:
    body, now = await read_json(request, CustomersBody), context_of(request).clock()
    digests = await partners.digest_customers(caller.brand, name, body)

    async def perform(tx: WriteTransaction) -> Any:
        return await partners.put_customers(tx, caller.brand, name, digests, replace=replace, now=now)

    return await answer_write(request, caller, perform)
