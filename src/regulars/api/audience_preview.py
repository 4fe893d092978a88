"""Routes that ask a condition without saving it: for whoever is still writing one, and for programs with their own.

Each answers as its namesake of a saved audience does, and takes the same query; the condition and as_of are the body.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.audience_answers import (
    answer_file,
    read_as_of,
    read_form,
    read_page_cursor,
    show_count,
    show_page,
    show_reason,
)
from regulars.api.bodies import read_json
from regulars.api.context import access_api, context_of, read_limit
from regulars.api.errors import answer
from regulars.api.openapi import CURSOR, LIMIT, TEXT, Schema, asks, only_reads, takes
from regulars.audiences.service import saving
from regulars.audiences.service.answering import Evaluation
from regulars.conditions.parse import Written

router = APIRouter(prefix="/api/audience-preview", tags=["audiences"])

CallerOf = Annotated[Caller, Depends(access_api)]
SAMPLE_MEMBERS_MAX: Final = 10


class PreviewBody(msgspec.Struct, forbid_unknown_fields=True):
    where: Any
    as_of: str | None = None


def _takes(**query: Schema) -> Schema:
    return only_reads({**takes(PreviewBody), **asks(**query)})


@router.post("", summary="Ask a condition without saving it", openapi_extra=_takes())
async def preview(request: Request, caller: CallerOf) -> Response:
    """How many are in, in words and leaf by leaf, and the first of them."""
    async with _open(request, caller) as (evaluation, written):
        page = await show_page(evaluation, written, after=-1, limit=SAMPLE_MEMBERS_MAX)
        counted, reason = await show_count(evaluation, written), await show_reason(evaluation, written, member=None)
        return answer({**counted, **reason, "sample": page["members"]})


@router.post("/count", summary="How many a condition is true of", openapi_extra=_takes())
async def preview_count(request: Request, caller: CallerOf) -> Response:
    """At as_of, with everything that was answered 200 before."""
    async with _open(request, caller) as (evaluation, written):
        return answer(await show_count(evaluation, written))


@router.post("/members", summary="Who a condition is true of", openapi_extra=_takes(limit=LIMIT, cursor=CURSOR))
async def preview_members(request: Request, caller: CallerOf) -> Response:
    """In an order that never changes; all pages are of the first one's as_of."""
    limit, cursor = read_limit(request), read_page_cursor(request)
    as_of, after = cursor or (None, -1)
    async with _open(request, caller, as_of=as_of) as (evaluation, written):
        return answer(await show_page(evaluation, written, after=after, limit=limit))


@router.post("/explain", summary="Why a condition is true", openapi_extra=_takes(member=TEXT))
async def preview_reason(request: Request, caller: CallerOf) -> Response:
    """In words and leaf by leaf; with `member=`, what each leaf saw of that member."""
    async with _open(request, caller) as (evaluation, written):
        return answer(await show_reason(evaluation, written, member=request.query_params.get("member")))


@router.post("/export", summary="Whom a condition is true of, as a file", openapi_extra=_takes(format=TEXT))
async def preview_file(request: Request, caller: CallerOf) -> Response:
    """`format=csv` or `parquet`: each member's id, and the user id the brand knows them by."""
    form = read_form(request)
    async with _open(request, caller) as (evaluation, written):
        return await answer_file(request, evaluation, written, form, name="preview")


@asynccontextmanager
async def _open(
    request: Request, caller: Caller, *, as_of: datetime | None = None
) -> AsyncGenerator[tuple[Evaluation, Written]]:
    """One state of the data, and the condition checked against it. Raises: ConditionError, AudienceInstantInvalid."""
    body, context = await read_json(request, PreviewBody), context_of(request)
    as_of = as_of or read_as_of(body.as_of, caller.brand)
    async with context.database.read() as tx:
        written, _ = await saving.check_condition(tx, caller.brand, body.where)
        async with context.audiences.open_evaluation(tx, caller.brand, as_of) as evaluation:
            yield evaluation, written
