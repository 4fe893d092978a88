"""Refusals that only HTTP knows, and the one place where any error becomes an answer.

kind               status
invalid            400
unauthenticated    401
forbidden          403
not_found          404
conflict           409
limited            429, with Retry-After
unavailable        503, with Retry-After
"""

from typing import ClassVar

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regulars.kernel.errors import DomainError, Kind
from regulars.platform.telemetry import describe_failure

_STATUS: dict[Kind, int] = {
    Kind.INVALID: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.NOT_FOUND: 404,
    Kind.CONFLICT: 409,
    Kind.LIMITED: 429,
    Kind.UNAVAILABLE: 503,
}
_RETRY_AFTER_SECONDS = {Kind.LIMITED: 1, Kind.UNAVAILABLE: 2}

_log = structlog.get_logger()


class RequestInvalid(DomainError):
    """A parameter or a field of the body is missing, unknown or of the wrong type."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "request.invalid"


class RouteUnknown(DomainError):
    """No such path."""

    kind: ClassVar[Kind] = Kind.NOT_FOUND
    code: ClassVar[str] = "request.path_unknown"


class MethodNotAllowed(DomainError):
    """The path exists, but not with this method."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "request.method_not_allowed"


class InternalError(DomainError):
    """A defect of ours; the log tells more."""

    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    code: ClassVar[str] = "internal"


def answer(body: object, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")


def answer_error(error: DomainError, status: int | None = None) -> Response:
    """The contract's error body under its kind's status."""
    response = answer(error.to_dict(), status or _STATUS[error.kind])
    if error.kind in _RETRY_AFTER_SECONDS and status is None:
        response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS[error.kind])
    return response


def install_error_answers(app: FastAPI) -> None:
    """Every error of this app is JSON with code and message, the framework's own included."""

    @app.exception_handler(DomainError)
    async def _domain(_request: Request, error: DomainError) -> Response:
        return answer_error(error)

    @app.exception_handler(HTTPException)
    async def _framework(request: Request, error: HTTPException) -> Response:
        where = f"{request.method} {request.url.path}"
        if error.status_code == 404:
            return answer_error(RouteUnknown(f"there is nothing at {where}"), 404)
        if error.status_code == 405:
            response = answer_error(MethodNotAllowed(f"{where}: this path does not take {request.method}"), 405)
            response.headers.update(error.headers or {})
            return response
        return answer_error(RequestInvalid(f"{where}: {error.detail}"), error.status_code)

    @app.exception_handler(RequestValidationError)
    async def _validation(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        path = "/".join(str(part) for part in first["loc"][1:])
        return answer_error(RequestInvalid(f"{path}: {first['msg']}", path=path))


class AnsweredDefects:
    """Answers what nobody foresaw, and logs where it was but not what it says.

    A driver's message quotes the values it failed on, and a path may hold an identity. It stands outside of all that
    answers, so that nothing reaches the server, which would log the message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered and logged without its values
            route = str(getattr(scope.get("route"), "path", "none"))
            _log.error("request.failed", method=scope["method"], route=route, **describe_failure(error))
            if not started:
                response = answer_error(InternalError("something went wrong here; the log tells more"), 500)
                await response(scope, receive, send)
