"""Reading request bodies: bounded, decompressed, JSON whatever the Content-Type says."""

import asyncio
import re
import zlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar, cast

import msgspec
from fastapi import Request

from regulars.api.errors import RequestInvalid
from regulars.events.errors import RequestTooLarge, RequestUnreadable
from regulars.kernel.nesting import NESTING_MAX, is_nested_too_deeply

BODY_BYTES_MAX: Final = 8 * 1024 * 1024
BODY_BYTES_DRAINED_MAX: Final = 64 * 1024 * 1024
BODY_SECONDS_MAX: Final = 60
DECODED_IN_LOOP_BYTES_MAX: Final = 128 * 1024
"""A larger body is decoded in a thread: decoding it would hold the event loop for milliseconds."""

_GZIP: Final = 31
_NUL: Final = b"\\u0000"
_ESCAPE: Final = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""An escape in a JSON text; the group is half of a surrogate pair without its other half."""

Body = TypeVar("Body")


async def read_body(request: Request, take: Callable[[int], None] | None = None) -> bytes:
    """The body, decompressed; a second reader of one request gets the same. `take` is told of bytes that will be held.

    Raises: RequestTooLarge, RequestUnreadable, and what `take` raises where there is no room.
    """
    body: bytes | None = getattr(request.state, "body", None)
    if body is None:
        raw = await _read_in_time(request, take)
        body = await _decompress(request, raw)
        if take is not None and body is not raw:
            take(len(body))
        request.state.body = body
    return body


async def _read_in_time(request: Request, take: Callable[[int], None] | None) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await _read_bounded(request, take)
    except TimeoutError as error:
        raise RequestUnreadable(f"the body did not come within {BODY_SECONDS_MAX} seconds") from error


async def _decompress(request: Request, raw: bytes) -> bytes:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding != "gzip":
        raise RequestUnreadable(f"Content-Encoding {encoding!r} is not known here; gzip is", path="Content-Encoding")
    if len(raw) > DECODED_IN_LOOP_BYTES_MAX // 8:
        return await asyncio.to_thread(_gunzip, raw)
    return _gunzip(raw)


async def _read_bounded(request: Request, take: Callable[[int], None] | None) -> bytes:
    """Read all; what is beyond the limit is drained and thrown away, so that the client gets to read our refusal."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= BODY_BYTES_MAX:
            if take is not None:
                take(len(chunk))
            chunks.append(chunk)
        elif size > BODY_BYTES_DRAINED_MAX:
            break
    if size > BODY_BYTES_MAX:
        raise RequestTooLarge(f"the body has {size:,} bytes or more; a request has at most {BODY_BYTES_MAX:,}")
    return b"".join(chunks)


def _gunzip(raw: bytes) -> bytes:
    inflater = zlib.decompressobj(_GZIP)
    try:
        plain = inflater.decompress(raw, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        raise RequestUnreadable(f"the body is not gzip: {error}") from error
    if len(plain) > BODY_BYTES_MAX:
        raise RequestTooLarge(f"the body has more than {BODY_BYTES_MAX:,} bytes once decompressed")
    if not inflater.eof:
        raise RequestUnreadable("the gzip body ends too early")
    return plain


async def decode_json(body: bytes) -> Any:
    """JSON of any size. Raises: RequestUnreadable, naming the byte."""
    if len(body) > DECODED_IN_LOOP_BYTES_MAX:
        return await asyncio.to_thread(_decode, body)
    return _decode(body)


async def split_json(body: bytes, to: type[Body]) -> Body | None:
    """JSON as a type whose `Raw` parts are checked but left undecoded; None where something in it is to be mended.

    Such a part is well-formed UTF-8 without half characters, which the decoder alone does not promise.
    """
    if len(body) > DECODED_IN_LOOP_BYTES_MAX:
        return await asyncio.to_thread(_split, body, to)
    return _split(body, to)


def _split(body: bytes, to: type[Body]) -> Body | None:
    try:
        if not body.isascii():
            body.decode()
        split = msgspec.json.decode(body, type=to)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None if _has_lone_surrogate(body) else split


def _has_lone_surrogate(body: bytes) -> bool:
    if b"\\ud" not in body and b"\\uD" not in body:
        return False
    return any(escape[1] for escape in _ESCAPE.finditer(body))


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        mended = _ESCAPE.sub(_without_lone_surrogate, body)
        if mended != body:
            return _decode(mended)
        raise RequestUnreadable(f"the body is not JSON: {_explain(body, error)}") from error
    except RecursionError as error:
        raise RequestUnreadable("the body's JSON is nested too deeply") from error


def _without_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    """Half of a character, where a program cut a text inside an emoji, reads as the replacement character."""
    return b"\\ufffd" if escape[1] else escape[0]


def _explain(body: bytes, error: Exception) -> str:
    """The decoder counts from the text's own beginning where bytes are not UTF-8; the sender knows the body's."""
    try:
        body.decode()
    except UnicodeDecodeError as found:
        return f"byte {found.start} is not UTF-8"
    return str(error)


def convert_body(value: object, to: type[Body]) -> Body:
    """A decoded body as the type a route takes. Raises: RequestInvalid with the path."""
    try:
        return msgspec.convert(value, to)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise RequestInvalid(message, path=path.rstrip("`").replace(".", "/") or "/") from error


async def read_json(
    request: Request, to: type[Body], *, default: object = msgspec.UNSET, refuse_nul: bool = True
) -> Body:
    """The request's JSON as a type; an absent body reads as `default` where one is given.

    A text with a NUL character, which no database stores, is refused; a route that names such texts one by one turns
    `refuse_nul` off.
    Raises: RequestTooLarge, RequestUnreadable, RequestInvalid.
    """
    body = await read_body(request)
    if not body.strip() and default is not msgspec.UNSET:
        return convert_body(default, to)
    if len(body) > DECODED_IN_LOOP_BYTES_MAX:
        return await asyncio.to_thread(_decode_as, body, to, refuse_nul)
    return _decode_as(body, to, refuse_nul)


def _decode_as(body: bytes, to: type[Body], refuse_nul: bool) -> Body:
    value = _decode(body)
    # Nothing is nested without brackets: most bodies are not walked.
    if body.count(b"{") + body.count(b"[") > NESTING_MAX and is_nested_too_deeply(value):
        raise RequestInvalid(f"the body's JSON is nested more than {NESTING_MAX} deep", path="/")
    where = _find_nul(value) if refuse_nul and _NUL in body else None
    if where is not None:
        raise RequestInvalid("a text holds a NUL character, which no database stores", path=where or "/")
    return convert_body(value, to)


def _find_nul(value: object, path: str = "") -> str | None:
    """The path of the first text or name with a NUL; the value is nested no deeper than bodies may be."""
    if isinstance(value, str):
        return path if "\0" in value else None
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        if any("\0" in name for name in fields):
            return path
        children: Iterable[tuple[object, object]] = fields.items()
    elif isinstance(value, list):
        children = enumerate(cast("list[object]", value))
    else:
        return None
    found = (_find_nul(child, f"{path}/{name}") for name, child in children)
    return next((where for where in found if where is not None), None)
