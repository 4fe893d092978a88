"""What is answered of a condition, whether it is a saved audience or only asked: count, members, reason, file."""

import os
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import StreamingResponse

from regulars.api.context import context_of, make_cursor, read_cursor
from regulars.api.errors import RequestInvalid
from regulars.api.openapi import Schema
from regulars.audiences.errors import AudienceInstantInvalid
from regulars.audiences.service import explaining, exporting
from regulars.audiences.service.answering import Evaluation, get_member_no, list_page
from regulars.conditions.parse import Written
from regulars.events.errors import CursorInvalid, EventTimestampInvalid
from regulars.events.segment import from_microseconds, parse_instant, to_microseconds
from regulars.kernel.clock import instant_text
from regulars.members.service.reading import get_active, member_text
from regulars.platform.tenancy import Brand

AS_OF: Final[Schema] = {"type": "string", "format": "date-time", "description": "Default: now."}
_MEDIA_TYPES: Final = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


async def show_count(evaluation: Evaluation, written: Written) -> dict[str, Any]:
    """How many are in, and when."""
    found = await evaluation.list_members(written.tree)
    return {"count": len(found), "as_of": instant_text(evaluation.as_of)}


async def show_page(evaluation: Evaluation, written: Written, *, after: int, limit: int) -> dict[str, Any]:
    """A page of members, and what leads on at the same as_of."""
    found = await evaluation.list_members(written.tree)
    rows = await list_page(evaluation.tx, evaluation.brand, found, after=after, limit=limit)
    members = [member_text(member_id) for _, member_id in rows]
    following = f"{to_microseconds(evaluation.as_of)}.{rows[-1][0]}" if len(rows) == limit else None
    return {"members": members, "next": following and make_cursor(following)}


async def show_reason(evaluation: Evaluation, written: Written, *, member: str | None) -> dict[str, Any]:
    """In words and leaf by leaf; of a member, what each leaf saw of it. Raises: MemberUnknown."""
    as_of = {"as_of": instant_text(evaluation.as_of)}
    if member is None:
        return {**await explaining.explain_audience(evaluation, written), **as_of}
    member_id = await get_active(evaluation.tx, evaluation.brand, member)
    number = await get_member_no(evaluation.tx, evaluation.brand, member_id)
    is_in, seen = await explaining.explain_member(evaluation, written, number)
    leaves = [{"path": one.path, "value": one.value, "holds": one.holds} for one in seen]
    return {"member": member_text(member_id), "in": is_in, "leaves": leaves, **as_of}


async def answer_file(
    request: Request, evaluation: Evaluation, written: Written, form: exporting.Form, *, name: str
) -> Response:
    """Each member's id and user id as CSV or Parquet; `name` is the file's."""
    found = await evaluation.list_members(written.tree)
    folder = context_of(request).audiences.history.place.temp_folder
    file = await exporting.write_file(evaluation, found, form, folder)
    shown = quote(f"{name}.{form}", safe="")
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{shown}",
        "Content-Length": str(os.fstat(file.fileno()).st_size),
    }
    return StreamingResponse(exporting.read_chunks(file), media_type=_MEDIA_TYPES[form], headers=headers)


def read_form(request: Request) -> exporting.Form:
    """`format`: csv or parquet. Raises: RequestInvalid."""
    match form := request.query_params.get("format", "csv"):
        case "csv" | "parquet":
            return form
        case _:
            raise RequestInvalid(f"format is csv or parquet, not {form[:20]!r}", path="format", suggestion="csv")


def read_as_of(text: str | None, brand: Brand) -> datetime | None:
    """An instant; None is now. Raises: AudienceInstantInvalid."""
    if not text:
        return None
    try:
        # In a query, a plus that was not encoded arrives as a space.
        return from_microseconds(parse_instant(text.replace(" ", "+"), brand.time_zone))
    except EventTimestampInvalid as error:
        raise AudienceInstantInvalid(f"as_of {text[:40]!r} is not an RFC 3339 instant", path="as_of") from error


def read_page_cursor(request: Request) -> tuple[datetime, int] | None:
    """The first page's as_of, and the number of the last member shown. Raises: CursorInvalid."""
    text = read_cursor(request)
    if text is None:
        return None
    instant, _, number = text.partition(".")
    if not (instant.isascii() and instant.isdigit() and number.isascii() and number.isdigit() and len(text) < 40):
        raise CursorInvalid(f"{text[:40]!r} is not a cursor of this list", path="cursor")
    return from_microseconds(int(instant)), int(number)
