"""The web application: all routes, error answers, cross-origin rules for browsers, metrics."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from regulars.api import (
    audience_preview,
    audiences,
    campaigns,
    catalogue,
    channels,
    deliveries,
    ingest,
    ledger,
    lift,
    members,
    plans,
    programmes,
    public,
    rewards,
    vouchers,
    why,
)
from regulars.api.context import ApiContext, context_of
from regulars.api.errors import AnsweredDefects, answer, install_error_answers
from regulars.api.openapi import complete
from regulars.api.room import BoundedRequests
from regulars.platform.telemetry import render_metrics
from regulars.platform.web import MeasuredRequests

_BROWSER_PATHS: Final = ("/v1/", "/pixel/", "/beacon/")


class BrowserCors:
    """Browsers of any page may call the ingest paths, with credentials; no other path."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.cors = CORSMiddleware(
            app,
            allow_origin_regex=".*",
            allow_credentials=True,
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["authorization", "content-type", "content-encoding", "x-retry-count", "x-write-key"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chosen = self.cors if str(scope.get("path", "")).startswith(_BROWSER_PATHS) else self.app
        await chosen(scope, receive, send)


class RegularsApi(FastAPI):
    """FastAPI with our word on what the routes take and answer."""

    def openapi(self) -> dict[str, Any]:
        """The document of /openapi.json, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = complete(super().openapi())
        return self.openapi_schema


def create_app(context: ApiContext, *, version: str, metrics_folder: str | None = None) -> FastAPI:
    """The app over an opened or unopened database; its lifespan opens and closes it. `metrics_folder`: as `render_metrics`."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await context.open()
        yield
        await context.close()

    app = RegularsApi(title="regulars", version=version, lifespan=lifespan, openapi_url=None)
    app.state.context = context
    app.state.metrics_folder = metrics_folder
    install_error_answers(app)
    app.add_middleware(AnsweredDefects)
    app.add_middleware(BrowserCors)
    app.add_middleware(BoundedRequests)
    app.add_middleware(MeasuredRequests)
    app.add_api_route("/healthz", get_health, methods=["GET"], tags=["operation"], summary="Whether this works")
    app.add_api_route("/health", get_health, methods=["GET"], include_in_schema=False)
    app.add_api_route("/openapi.json", get_openapi, methods=["GET"], include_in_schema=False)
    app.add_api_route("/metrics", get_metrics, methods=["GET"], tags=["operation"], summary="Prometheus metrics")
    for module in (
        catalogue,
        members,
        audiences,
        audience_preview,
        channels,
        campaigns,
        ledger,
        lift,
        plans,
        programmes,
        rewards,
        vouchers,
        why,  # before what would take `why` for a delivery's id
        deliveries,
        public,
        ingest,
    ):
        app.include_router(module.router)
    app.include_router(programmes.members_router)
    return app


async def get_health(request: Request) -> Response:
    """200 when the database answers too."""
    async with context_of(request).database.read() as tx:
        await tx.row("select 1")
    return answer({"status": "ok"})


def get_openapi(request: Request) -> Response:
    """Every path, field and example. Not a coroutine: making the document takes longer than the event loop may wait."""
    return answer(request.app.openapi())


def get_metrics(request: Request) -> Response:
    """What web and worker have counted together."""
    # Not a coroutine: files are read.
    told = render_metrics(request.app.state.metrics_folder)
    return Response(told, headers={"Content-Type": CONTENT_TYPE_LATEST})
