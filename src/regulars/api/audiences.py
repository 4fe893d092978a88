"""Routes of audiences: saving, counting, listing, explaining, comparing, exporting."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.audience_answers import (
    AS_OF,
    answer_file,
    read_as_of,
    read_form,
    read_page_cursor,
    show_count,
    show_page,
    show_reason,
)
from regulars.api.bodies import read_json
from regulars.api.context import access_api, answer_write, context_of, page, read_cursor, read_limit
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import CURSOR, LIMIT, TEXT, Schema, asks, takes
from regulars.audiences.model import Audience
from regulars.audiences.service import explaining, saving
from regulars.audiences.service.answering import Evaluation
from regulars.kernel.clock import instant_text
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api/audiences", tags=["audiences"])

CallerOf = Annotated[Caller, Depends(access_api)]
VERSION: Final[Schema] = {"type": "integer", "minimum": 1, "description": "Default: the newest."}
SIZE_DAYS_DEFAULT: Final = 30
SIZE_DAYS_MAX: Final = 366


class AudienceBody(msgspec.Struct, forbid_unknown_fields=True):
    where: Any


@router.put("/{name}", summary="Save an audience", openapi_extra=takes(AudienceBody))
async def put_audience(request: Request, caller: CallerOf, name: str) -> Response:
    """A new version where the condition changed. What is unknown is an error with its path and a suggestion."""
    body, now = await read_json(request, AudienceBody), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        audience, doubts = await saving.save_audience(tx, caller.brand, name, body.where, now=now)
        warnings = {"warnings": [explaining.show_doubt(one) for one in doubts]} if doubts else {}
        return {"name": name, "version": audience.version, **warnings}

    return await answer_write(request, caller, perform)


@router.get("", summary="All audiences", openapi_extra=asks(limit=LIMIT, cursor=CURSOR))
async def list_audiences(request: Request, caller: CallerOf) -> Response:
    """Newest versions, in name order."""
    limit = read_limit(request)
    async with context_of(request).database.read() as tx:
        found = await saving.list_audiences(tx, caller.brand, after=read_cursor(request) or "", limit=limit)
    return answer(page("audiences", [_show(one) for one in found], limit, lambda row: row["name"]))


@router.get("/{name}", summary="One audience", openapi_extra=asks(version=VERSION))
async def get_audience(request: Request, caller: CallerOf, name: str) -> Response:
    """The newest version, or the one asked for."""
    async with context_of(request).database.read() as tx:
        return answer(_show(await saving.get_audience(tx, caller.brand, name, version=_read_version(request))))


@router.delete("/{name}", summary="Remove an audience")
async def delete_audience(request: Request, caller: CallerOf, name: str) -> Response:
    """With all its versions; not while another one is defined by it."""

    async def perform(tx: WriteTransaction) -> Any:
        await saving.delete_audience(tx, caller.brand, name)
        return {"name": name}

    return await answer_write(request, caller, perform)


@router.get("/{name}/count", summary="How many are in", openapi_extra=asks(as_of=AS_OF, version=VERSION))
async def count_members(request: Request, caller: CallerOf, name: str) -> Response:
    """At as_of, with everything that was answered 200 before."""
    async with _open(request, caller, name) as (evaluation, audience):
        return answer({**await show_count(evaluation, audience.written), "version": audience.version})


@router.get(
    "/{name}/members",
    summary="Who is in",
    openapi_extra=asks(as_of=AS_OF, version=VERSION, limit=LIMIT, cursor=CURSOR),
)
async def list_members(request: Request, caller: CallerOf, name: str) -> Response:
    """In an order that never changes; all pages are of the first one's as_of."""
    limit, cursor = read_limit(request), read_page_cursor(request)
    as_of, after = cursor or (None, -1)
    async with _open(request, caller, name, as_of=as_of) as (evaluation, audience):
        return answer(await show_page(evaluation, audience.written, after=after, limit=limit))


@router.get("/{name}/explain", summary="Why they are in", openapi_extra=asks(member=TEXT, as_of=AS_OF, version=VERSION))
async def explain(request: Request, caller: CallerOf, name: str) -> Response:
    """In words and leaf by leaf; with `member=`, what each leaf saw of that member."""
    asked = request.query_params.get("member")
    async with _open(request, caller, name) as (evaluation, audience):
        shown = await show_reason(evaluation, audience.written, member=asked)
        return answer({**shown, "version": audience.version})


@router.get("/{name}/overlap", summary="Who is in two audiences", openapi_extra=asks(**{"with": TEXT}, as_of=AS_OF))
async def overlap(request: Request, caller: CallerOf, name: str) -> Response:
    """Sizes of what is shared and of what is not."""
    other_name = request.query_params.get("with")
    if not other_name:
        raise RequestInvalid("with names the other audience", path="with")
    async with _open(request, caller, name) as (evaluation, audience):
        other = await saving.get_audience(evaluation.tx, caller.brand, other_name)
        one, two = await evaluation.list_members(audience.tree), await evaluation.list_members(other.tree)
        return answer({"both": len(one & two), "only_this": len(one - two), "only_other": len(two - one)})


@router.get(
    "/{name}/diff",
    summary="What a new version changed",
    openapi_extra=asks(**{"from": VERSION}, to=VERSION, as_of=AS_OF),
)
async def diff(request: Request, caller: CallerOf, name: str) -> Response:
    """How many entered and left between two versions, both at one as_of."""
    before, after = _read_version(request, "from"), _read_version(request, "to")
    async with _open(request, caller, name) as (evaluation, _):
        newest = await saving.get_audience(evaluation.tx, caller.brand, name, version=after)
        older = await saving.get_audience(
            evaluation.tx, caller.brand, name, version=before or max(1, newest.version - 1)
        )
        one, two = await evaluation.list_members(older.tree), await evaluation.list_members(newest.tree)
        versions = {"from": older.version, "to": newest.version}
        return answer({"entered": len(two - one), "left": len(one - two), "stayed": len(one & two), **versions})


@router.get("/{name}/sizes", summary="Its size day by day", openapi_extra=asks(**{"from": TEXT}, until=TEXT))
async def list_sizes(request: Request, caller: CallerOf, name: str) -> Response:
    """At the end of each of the brand's days, or now; both days are included."""
    context, zone = context_of(request), caller.brand.time_zone
    now = context.clock()
    last = min(_read_day(request, "until") or now.astimezone(zone).date(), now.astimezone(zone).date())
    first = _read_day(request, "from") or last - timedelta(days=SIZE_DAYS_DEFAULT - 1)
    if not 0 <= (last - first).days < SIZE_DAYS_MAX:
        raise RequestInvalid(f"from and until span 1 to {SIZE_DAYS_MAX} days up to today", path="from")
    sizes: list[dict[str, Any]] = []
    async with _open(request, caller, name, as_of=now) as (evaluation, audience):
        for day in (first + timedelta(days=at) for at in range((last - first).days + 1)):
            found = await evaluation.on(day).list_members(audience.tree)
            sizes.append({"on": day.isoformat(), "count": len(found)})
    return answer({"sizes": sizes})


@router.get("/{name}/export", summary="Its members as a file", openapi_extra=asks(format=TEXT, as_of=AS_OF))
async def export(request: Request, caller: CallerOf, name: str) -> Response:
    """`format=csv` or `parquet`: each member's id, and the user id the brand knows them by."""
    form = read_form(request)
    async with _open(request, caller, name) as (evaluation, audience):
        return await answer_file(request, evaluation, audience.written, form, name=name)


@asynccontextmanager
async def _open(
    request: Request, caller: Caller, name: str, *, as_of: datetime | None = None
) -> AsyncGenerator[tuple[Evaluation, Audience]]:
    """One state of the data, and the audience as it is there. Raises: AudienceUnknown, AudienceInstantInvalid."""
    context = context_of(request)
    as_of = as_of or read_as_of(request.query_params.get("as_of"), caller.brand)
    async with context.database.read() as tx:
        audience = await saving.get_audience(tx, caller.brand, name, version=_read_version(request))
        async with context.audiences.open_evaluation(tx, caller.brand, as_of) as evaluation:
            yield evaluation, audience


def _show(audience: Audience) -> dict[str, Any]:
    return {
        "name": audience.name,
        "version": audience.version,
        "where": audience.written.data,
        "created_at": instant_text(audience.created_at),
    }


def _read_version(request: Request, name: str = "version") -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise RequestInvalid(f"{name} {text[:20]!r} is not a version", path=name, suggestion="1")
    return int(text)


def _read_day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise RequestInvalid(f"{name} {text[:20]!r} is not a day such as 2026-11-22", path=name) from error
