"""The border between bytes and requests: what is counted, and what cannot be read as HTTP at all.

The application never sees such bytes (a path or a header with raw non-ASCII characters, a broken first line), so its
own error answers cannot reach them.
"""

import time
from typing import Final

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from regulars.platform.telemetry import REQUEST_SECONDS, REQUESTS

_UNREADABLE: Final = msgspec.json.encode(
    {
        "code": "request.unreadable",
        "message": "this is not HTTP: paths and headers are ASCII, and other characters are percent-encoded",
    }
)


class JsonRefusingProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with JSON instead of plain text for what it cannot parse."""

    def send_400_response(self, msg: str) -> None:
        """Answer and close: what follows on this connection cannot be told from the broken request."""
        del msg
        head = (
            b"HTTP/1.1 400 Bad Request\r\n"
            b"content-type: application/json\r\n"
            b"content-length: %d\r\n"
            b"connection: close\r\n\r\n"
        )
        self.transport.write(head % len(_UNREADABLE) + _UNREADABLE)
        self.transport.close()


class MeasuredRequests:
    """Counts requests and their seconds by route, not by path: a path holds ids, and there are too many of them."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            route = str(getattr(scope.get("route"), "path", "none"))
            REQUESTS.labels(scope["method"], route, str(status)).inc()
            REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)
