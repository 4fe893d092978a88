"""Routes of channels and what they cost."""

import asyncio
import contextlib
import re
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from regulars.access.service import Caller
from regulars.api.bodies import read_json
from regulars.api.context import ApiContext, access_api, answer_write, context_of
from regulars.api.errors import RequestInvalid, answer
from regulars.api.openapi import Schema, asks, takes
from regulars.members.service.reading import get_active
from regulars.messaging.known_prices import list_known_plans, show_known_plan
from regulars.messaging.prices import book_to_json
from regulars.messaging.service import channels, costing, receiving
from regulars.messaging.service.channels import ChannelRow
from regulars.messaging.service.checking import ask_state, keep_state
from regulars.platform.db import WriteTransaction

router = APIRouter(prefix="/api", tags=["channels"])

CallerOf = Annotated[Caller, Depends(access_api)]
PROBE_SECONDS_MAX: Final = 3.0

_CHANNEL: Final[Schema] = {
    "type": "object",
    "required": ["kind"],
    "properties": {
        "kind": {"enum": ["line", "telegram", "email"]},
        "base_url": {"type": "string"},
        "access_token": {"type": "string", "description": "LINE."},
        "secret": {"type": "string", "description": "LINE: signs webhooks."},
        "provider": {"type": "string", "description": "LINE: whose user ids; `main` where absent."},
        "token": {"type": "string", "description": "Telegram."},
        "secret_token": {"type": "string", "description": "Telegram: comes back with each webhook."},
        "smtp_url": {"type": "string", "description": "E-mail: smtp://user:password@host:port."},
        "from": {"type": "string", "description": "E-mail."},
    },
}
_BOOK: Final[Schema] = {
    "type": "object",
    "required": ["current", "plans"],
    "properties": {"current": {"type": "string"}, "plans": {"type": "array", "items": {"type": "object"}}},
}
_MONTH: Final[Schema] = {
    "type": "string",
    "pattern": r"^20\d\d-(0[1-9]|1[0-2])$",
    "description": "YYYY-MM; default: now.",
}
_MONTH_TEXT: Final = re.compile(r"20[0-9]{2}-(?:0[1-9]|1[0-2])")


@router.put("/channels/{name}", summary="Make or replace a channel", openapi_extra=takes(_CHANNEL))
async def put_channel(request: Request, caller: CallerOf, name: str) -> Response:
    """It may send at once. Secrets are sealed and never answered."""
    body, context = await read_json(request, dict[str, Any]), context_of(request)

    async def perform(tx: WriteTransaction) -> Any:
        kinds, now = context.outbox.channels.kinds, context.clock()
        await channels.put_channel(tx, caller.brand, name, body, kinds, now=now)

    await answer_write(request, caller, perform)
    async with context.database.read() as tx:
        row = await channels.get_channel(tx, caller.brand, name)
    # Outside of any transaction: the channel may take its time, and what was put stands whatever it says.
    channel = context.outbox.channels.get(row)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PROBE_SECONDS_MAX):
            state = await ask_state(channel)
        async with context.write(caller.brand) as tx:
            await keep_state(tx, caller.brand, row, state, now=context.clock())
    async with context.database.read() as tx:
        return answer(_show(context, await channels.get_channel(tx, caller.brand, name)))


@router.get("/channels", summary="All channels")
async def list_channels(request: Request, caller: CallerOf) -> Response:
    """In the order of their names."""
    context = context_of(request)
    async with context.database.read() as tx:
        rows = await channels.list_channels(tx, caller.brand)
    return answer({"channels": [_show(context, row) for row in rows], "next": None})


@router.get("/channels/{name}", summary="One channel")
async def get_channel(request: Request, caller: CallerOf, name: str) -> Response:
    """With what its own API said last."""
    context = context_of(request)
    async with context.database.read() as tx:
        return answer(_show(context, await channels.get_channel(tx, caller.brand, name)))


class LinkTokenBody(msgspec.Struct, forbid_unknown_fields=True):
    channel: str


@router.post("/members/{member}/link-tokens", summary="A one-tap link of a member", openapi_extra=takes(LinkTokenBody))
async def make_link_token(request: Request, caller: CallerOf, member: str) -> Response:
    """Whoever follows it on that channel is this member: once, within thirty days. `url` where the channel has such links."""
    context = context_of(request)
    async with context.database.read() as tx:
        member_id = await get_active(tx, caller.brand, member)
    body = await read_json(request, LinkTokenBody)
    async with context.database.read() as tx:
        row = await channels.get_channel(tx, caller.brand, body.channel, path="/channel")
    token = receiving.make_link_token(caller.brand, member_id, now=context.clock())
    bot = row.state.get("name") if row.form.kind == "telegram" else None
    return answer({"token": token, "url": f"https://t.me/{bot.removeprefix('@')}?start={token}" if bot else None})


@router.put("/price-plans/{channel}", summary="Replace a channel's price plans", openapi_extra=takes(_BOOK))
async def put_price_plans(request: Request, caller: CallerOf, channel: str) -> Response:
    """`extra: null` is nothing beyond `included`; the period is the brand's calendar month."""
    body, now = await read_json(request, dict[str, Any]), context_of(request).clock()

    async def perform(tx: WriteTransaction) -> Any:
        return book_to_json(await channels.put_price_book(tx, caller.brand, channel, body, now=now))

    return await answer_write(request, caller, perform)


@router.get("/price-plans/{channel}", summary="A channel's price plans")
async def get_price_plans(request: Request, caller: CallerOf, channel: str) -> Response:
    """None: it costs nothing and has no quota."""
    async with context_of(request).database.read() as tx:
        row = await channels.get_channel(tx, caller.brand, channel)
    return answer(book_to_json(row.prices) if row.prices else {"current": None, "plans": []})


@router.get("/known-price-plans", summary="Price plans that vendors sell")
async def list_known_price_plans(caller: CallerOf) -> Response:
    """With dates and sources, as known when this version was made; `plan` is one of what a channel's price plans take."""
    return answer({"plans": [show_known_plan(one) for one in list_known_plans()], "next": None})


@router.get("/costs", summary="What a month costs", openapi_extra=asks(month=_MONTH))
async def get_costs(request: Request, caller: CallerOf) -> Response:
    """By channel, of a calendar month of the brand: messages and their marginal prices, the forecast, what free replies saved."""
    now = context_of(request).clock()
    month = _read_month(request.query_params.get("month"), now.astimezone(caller.brand.time_zone).date())
    async with context_of(request).database.read() as tx:
        return answer(await costing.show_costs(tx, caller.brand, month, now=now))


def _read_month(text: str | None, today: date) -> date:
    """Its first day; the month of today where none is named."""
    if text is None:
        return today.replace(day=1)
    if not _MONTH_TEXT.fullmatch(text):
        raise RequestInvalid(f"{text[:40]!r} is no month as YYYY-MM", path="month", suggestion=f"{today:%Y-%m}")
    return date.fromisoformat(f"{text}-01")


def _show(context: ApiContext, row: ChannelRow) -> dict[str, Any]:
    return channels.show_channel(row, f"{context.outbox.public_url}/webhooks/{row.name}")
