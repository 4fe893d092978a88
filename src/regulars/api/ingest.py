"""The Segment HTTP protocol's paths: what existing SDKs call, answered as they need it.

Success is exactly 200, after the events are durable; every error is JSON with code and message. A bad event is named
in `rejected` and kept in the dead-letter view; the others land.
"""

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
from fastapi import APIRouter, Request, Response

from regulars.access.errors import KeyMissing
from regulars.access.service import Caller
from regulars.api.bodies import decode_json, read_body, split_json
from regulars.api.context import ApiContext, context_of
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import TEXT, Schema, asks, takes
from regulars.api.room import Lease
from regulars.events.model import Call, Rejected
from regulars.events.segment import parse_calls, to_microseconds

router = APIRouter(tags=["ingest"])

MESSAGES_PER_REQUEST_MAX: Final = 20_000
MESSAGES_AT_ONCE_MAX: Final = 500
"""Of more, one part is parsed and written after the other: parsing them all would hold memory. A request that
fails between two parts is sent again as a whole, and what landed of it is known by its messageIds."""
MESSAGES_PER_TURN_MAX: Final = 100
"""Parsing holds the event loop, and a commit on its way needs it a dozen times: neither waits for more than this."""

_TYPES: Final = {
    "track": "track", "t": "track", "identify": "identify", "i": "identify", "page": "page", "p": "page",
    "screen": "screen", "s": "screen", "group": "group", "g": "group", "alias": "alias", "a": "alias",
}  # fmt: skip
_SUCCESS: Final = msgspec.json.encode({"success": True})
_GIF: Final = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")

_MESSAGE: Final[Schema] = {
    "type": "object",
    "properties": {
        "type": {"enum": ["track", "identify", "page", "screen", "group", "alias"]},
        "userId": {"type": ["string", "number", "null"]},
        "anonymousId": {"type": ["string", "number", "null"]},
        "previousId": {"type": "string"},
        "groupId": {"type": "string"},
        "messageId": {"type": "string", "maxLength": 100},
        "event": {"type": "string", "maxLength": 200},
        "properties": {"type": "object"},
        "traits": {"type": "object"},
        "timestamp": {"type": "string", "format": "date-time"},
        "context": {"type": "object"},
        "writeKey": {"type": "string"},
    },
}
_BATCH: Final[Schema] = {
    "type": "object",
    "required": ["batch"],
    "properties": {
        "batch": {"type": "array", "items": _MESSAGE, "maxItems": MESSAGES_PER_REQUEST_MAX},
        "sentAt": {"type": "string", "format": "date-time"},
        "context": {"type": "object"},
        "writeKey": {"type": "string"},
    },
}


class _Batch(msgspec.Struct):
    """A request whose messages are split and checked, but not decoded yet."""

    batch: list[msgspec.Raw]
    sentAt: Any = None  # noqa: N815 - the protocol's names
    context: Any = None
    writeKey: Any = None  # noqa: N815


@router.post("/v1/batch", summary="Take many calls", openapi_extra=takes(_BATCH))
@router.post("/v1/b", include_in_schema=False)
@router.post("/v1/import", include_in_schema=False)
@router.post("/batch", include_in_schema=False)
@router.post("/beacon/v1/batch", summary="Take many calls from a page that closes", openapi_extra=takes(_BATCH))
async def take_batch(request: Request) -> Response:
    """`{"batch":[…],"sentAt"?,"context"?,"writeKey"?}`; batch-level context holds for each message."""
    async with _admitted(request) as admitted:
        return await _take_batch(request, await _read_batch(request, admitted), admitted)


async def _take_batch(request: Request, payload: Mapping[str, Any], admitted: "Admitted") -> Response:
    messages = payload.get("batch")
    if not isinstance(messages, list):
        raise RequestInvalid("batch is a list of messages", path="batch")
    found = cast("list[object]", messages)
    if len(found) > MESSAGES_PER_REQUEST_MAX:
        raise RequestInvalid(f"batch has {len(found):,} messages; at most {MESSAGES_PER_REQUEST_MAX:,}", path="batch")
    return await _take(request, payload, found, None, admitted)


@router.post("/v1/{call_type}", summary="Take one call; the type is the path's", openapi_extra=takes(_MESSAGE))
async def take_one(request: Request, call_type: str) -> Response:
    """One track, identify, page, screen, group or alias; browsers send the type's first letter."""
    if call_type == "m":
        return Response(_SUCCESS, media_type="application/json")  # a browser library's own metrics: taken, dropped
    path_type = _TYPES.get(call_type)
    if path_type is None:
        raise RequestInvalid(f"there is no call {call_type[:40]!r}", path="type", suggestion="track")
    async with _admitted(request) as admitted:
        payload = await _read_object(request, admitted)
        return await _take(request, payload, [payload], path_type, admitted)


@router.get(
    "/pixel/v1/{call_type}",
    summary="Take one call from an image's address",
    openapi_extra=asks(userId=TEXT, anonymousId=TEXT, event=TEXT, properties=TEXT),
)
async def take_pixel(request: Request, call_type: str) -> Response:
    """Query parameters are the message's fields; `properties` is JSON."""
    if call_type not in ("track", "page"):
        raise RequestInvalid(f"a pixel is track or page, not {call_type[:40]!r}", path="type")
    message: dict[str, Any] = dict(request.query_params)
    if "properties" in message:
        message["properties"] = await decode_json(message["properties"].encode())
    async with _admitted(request) as admitted:
        await _take(request, message, [message], call_type, admitted)
    return Response(_GIF, media_type="image/gif", headers={"Cache-Control": "no-store"})


@router.get("/v1/projects/{write_key}/settings", summary="What a browser library asks at its start")
async def browser_settings(request: Request, write_key: str) -> Response:
    """The least document that analytics.js needs to send here."""
    await context_of(request).authenticate("write", write_key)
    host = f"{request.url.netloc}/v1"
    segment = {"apiKey": write_key, "apiHost": host, "protocol": request.url.scheme}
    return answer({"integrations": {"Segment.io": segment}, "plan": {"track": {}}})


async def _read_batch(request: Request, admitted: "Admitted") -> dict[str, Any]:
    """The request's object, its messages undecoded where the body has nothing to mend."""
    body = await read_body(request, admitted.lease.take)
    split = await split_json(body, _Batch)
    if split is None:
        return await _decode_object(body)
    return {"batch": split.batch, "sentAt": split.sentAt, "context": split.context, "writeKey": split.writeKey}


async def _read_object(request: Request, admitted: "Admitted") -> dict[str, Any]:
    return await _decode_object(await read_body(request, admitted.lease.take))


async def _decode_object(body: bytes) -> dict[str, Any]:
    payload = await decode_json(body)
    if not isinstance(payload, dict):
        raise RequestInvalid("the body is a JSON object", path="/")
    return cast("dict[str, Any]", payload)


async def _take(
    request: Request,
    payload: Mapping[str, Any],
    messages: list[object],
    path_type: str | None,
    admitted: "Admitted",
) -> Response:
    context = context_of(request)
    caller = admitted.caller or await _caller(request, context, payload)
    received_at = to_microseconds(context.clock())
    shown: list[dict[str, Any]] = []
    for start in range(0, len(messages), MESSAGES_AT_ONCE_MAX):
        part = messages[start : start + MESSAGES_AT_ONCE_MAX]
        calls, rejected = await _parse(context, part, caller, received_at, payload, path_type)
        written = await context.writer.write(caller.brand, caller.source_id, received_at, calls, rejected)
        for at, error in written.trait_problems:
            rejected.append(Rejected(calls[at].index, calls[at].message_id, error, None))
        shown += [_show_rejected(entry, start) for entry in rejected]
    if not shown:
        return Response(_SUCCESS, media_type="application/json")
    return answer({"success": True, "rejected": shown})


async def _parse(
    context: ApiContext,
    messages: list[object],
    caller: Caller,
    received_at: int,
    payload: Mapping[str, Any],
    path_type: str | None,
) -> tuple[list[Call], list[Rejected]]:
    """One request after the other, so that each turn of the event loop parses one piece and what else waits has its
    turn; and so that the first of many requests is not the last to be written."""
    calls: list[Call] = []
    rejected: list[Rejected] = []
    async with context.parsing:
        for start in range(0, len(messages), MESSAGES_PER_TURN_MAX):
            if start:
                await asyncio.sleep(0)
            found, refused = parse_calls(
                messages[start : start + MESSAGES_PER_TURN_MAX],
                first_index=start,
                brand=caller.brand,
                source_id=caller.source_id,
                received_at=received_at,
                sent_at=payload.get("sentAt"),
                context=payload.get("context") if path_type is None else None,
                path_type=path_type,
            )
            calls += found
            rejected += refused
    return calls, rejected


def _show_rejected(entry: Rejected, start: int) -> dict[str, Any]:
    return {"index": start + entry.index, "messageId": entry.message_id, **entry.error.to_dict()}


@dataclass(frozen=True, slots=True)
class Admitted:
    """Whose request it is, where that is known before its body is read, and its room."""

    caller: Caller | None
    lease: Lease


@asynccontextmanager
async def _admitted(request: Request) -> AsyncGenerator[Admitted]:
    """Looks at keys in headers and query before anything of the body is read: Basic, X-Write-Key, ?writeKey=.

    Raises: KeyUnknown.
    """
    context = context_of(request)
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    basic = _basic_user(credentials) if scheme.lower() == "basic" else None
    key = basic or request.headers.get("x-write-key") or request.query_params.get("writeKey")
    caller = await context.authenticate("write", key) if key else None
    with (context.room if caller else context.unknown_room).lease() as lease:
        yield Admitted(caller, lease)


async def _caller(request: Request, context: ApiContext, payload: Mapping[str, Any]) -> Caller:
    """Where `_admitted` found no key: by the body's writeKey, or Bearer. Raises: KeyMissing, KeyUnknown."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    candidates = (payload.get("writeKey"), credentials.strip() if scheme.lower() == "bearer" else None)
    for key in candidates:
        if isinstance(key, str) and key:
            return await context.authenticate("write", key)
    raise KeyMissing("a write key is needed: Basic user name, writeKey in the body, X-Write-Key or ?writeKey=")


def _basic_user(credentials: str) -> str | None:
    """The user name; some clients leave the colon out."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text.partition(":")[0] or None
