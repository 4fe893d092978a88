"""The web app without a process of its own: what it answers, over a database of the test's."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from regulars.access import service as access
from regulars.access.service import BrandKeys
from regulars.api.app import create_app
from regulars.api.context import ApiContext
from regulars.bootstrap.web import build_context
from regulars.events.service.taking import ensure_months
from regulars.kernel.clock import system_clock
from regulars.platform.db import Database
from regulars.platform.settings import read_settings


@dataclass(frozen=True)
class Inside:
    """A client of the app, the app's state, and the keys of two brands."""

    client: httpx.AsyncClient
    context: ApiContext
    keys: BrandKeys
    others: BrandKeys

    async def ask(
        self, method: str, path: str, body: object = None, *, others: bool = False, **headers: str
    ) -> httpx.Response:
        """An API request of the first brand, or of the other."""
        key = (self.others if others else self.keys).api_key
        told = {"Authorization": f"Bearer {key}"} | headers
        return await self.client.request(method, path, json=body, headers=told)

    async def new_member(self, user: str, *, others: bool = False) -> str:
        """A member known by this user id; its id."""
        key = (self.others if others else self.keys).write_key
        sent = await self.client.post("/v1/identify", json={"userId": user, "traits": {}, "writeKey": key})
        assert sent.status_code == 200, sent.text
        found = await self.ask("GET", f"/api/members?identity=user_id:{user}", others=others)
        return found.json()["members"][0]["id"]


@asynccontextmanager
async def open_inside(dsn: str, master_key: bytes) -> AsyncIterator[Inside]:
    """The app as `regulars serve` builds it."""
    keys, others, now = access.new_keys(), access.new_keys(), system_clock()
    made = Database(dsn, connections_max=1)
    await made.open()
    async with made.write() as tx:
        await access.create_brand(tx, "default", keys, master_key=master_key, now=now)
        await access.create_brand(tx, "other", others, master_key=master_key, now=now)
        await ensure_months(tx, now)
    await made.close()
    context = build_context(read_settings(master_key=base64.b64encode(master_key).decode()), dsn)
    app = create_app(context, version="0")
    # As a server does it: what fails is answered, and not raised here.
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client,
    ):
        yield Inside(client, context, keys, others)
