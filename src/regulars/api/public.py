"""Routes that channels and members call, without a key of ours: webhooks, counted links, unsubscribing."""

import html
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import HTMLResponse, RedirectResponse

from regulars.access import service as access
from regulars.api.bodies import read_body
from regulars.api.context import ApiContext, context_of
from regulars.api.errors import answer
from regulars.api.openapi import takes
from regulars.kernel.ids import BrandId
from regulars.messaging.errors import ChannelUnknown, LinkUnknown, WebhookRefused
from regulars.messaging.ports import Happening
from regulars.messaging.service import links
from regulars.messaging.service.channels import ChannelRow, get_channel, list_brands_of
from regulars.messaging.service.receiving import take_happenings
from regulars.messaging.tokens import Token, read_token
from regulars.platform.tenancy import Brand

router = APIRouter(tags=["members' side"])

_PAGE: Final = """<!doctype html><html lang="zh-Hant"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>{title}</title><style>body{{font:17px/1.6 system-ui,sans-serif;max-width:26rem;margin:20vh auto;padding:0 1.2rem;
color:#1d1d1f;text-align:center}}button{{font:inherit;padding:.6rem 1.4rem;border:0;border-radius:.6rem;background:#1d1d1f;
color:#fff}}p.en{{color:#6e6e73;font-size:15px}}</style><h1 style="font-size:1.3rem">{title}</h1>{body}</html>"""
_ASK: Final = (
    '<p>按下後，{brand} 不再從「{channel}」傳送行銷訊息給您。</p><p class="en">{brand} will send you no more marketing'
    ' on this channel.</p><form method="post"><button>取消訂閱 · Unsubscribe</button></form>'
)
_DONE: Final = '<p>{brand} 不再從「{channel}」傳送行銷訊息給您。</p><p class="en">You will get no more marketing on this channel.</p>'


@router.post("/webhooks/{channel}", summary="What a channel tells", openapi_extra=takes({"type": "object"}))
async def take_webhook(request: Request, channel: str) -> Response:
    """Verified over the raw bytes before it is read; answered when it is durable."""
    context, body = context_of(request), await read_body(request)
    brand, row, happenings = await _verify(context, channel, dict(request.headers), body)
    async with context.write(brand) as tx:
        taken = await take_happenings(tx, brand, row, happenings, now=context.clock())
    return answer({"taken": len(taken)})


async def _verify(
    context: ApiContext, name: str, headers: dict[str, str], body: bytes
) -> tuple[Brand, ChannelRow, list[Happening]]:
    """Whose secret signed it is whose channel it is. Raises: ChannelUnknown, WebhookRefused, WebhookUnreadable."""
    refusal: WebhookRefused | None = None
    async with context.database.read() as tx:
        for brand_id in await list_brands_of(tx, name):
            brand = await access.get_brand_by_id(tx, brand_id, master_key=context.master_key)
            row = await get_channel(tx, brand, name)
            try:
                return brand, row, list(context.outbox.channels.get(row).read_webhook(headers, body))
            except WebhookRefused as error:
                refusal = error
    raise refusal or ChannelUnknown(f"there is no channel {name[:40]!r}")


@router.get("/l/{token}", summary="A counted link")
async def follow_link(request: Request, token: str) -> Response:
    """Leads on to where the message meant."""
    context = context_of(request)
    read, brand = await _open_token(context, token)
    async with context.write(brand) as tx:
        url = await links.follow_link(tx, brand, read, now=context.clock())
    return RedirectResponse(
        url, status_code=302, headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    )


@router.get("/u/{token}", summary="Ask whether to unsubscribe")
async def show_unsubscribe(request: Request, token: str) -> Response:
    """A page that changes nothing: mail scanners follow links."""
    context = context_of(request)
    read, brand = await _open_token(context, token)
    async with context.database.read() as tx:
        found = await links.get_unsubscribing(tx, brand, read)
    return _answer_page("取消訂閱 Unsubscribe", _ASK, brand, found.channel)


@router.post("/u/{token}", summary="Unsubscribe with one click")
async def unsubscribe(request: Request, token: str) -> Response:
    """RFC 8058: no cookie, no redirect; again is harmless."""
    context = context_of(request)
    read, brand = await _open_token(context, token)
    async with context.write(brand) as tx:
        found = await links.unsubscribe(tx, brand, read, now=context.clock())
    return _answer_page("已取消訂閱 Unsubscribed", _DONE, brand, found.channel)


async def _open_token(context: ApiContext, text: str) -> tuple[Token, Brand]:
    token = read_token(text)
    if token is None:
        raise LinkUnknown("this link is not one of ours, or it was cut short")
    async with context.database.read() as tx:
        return token, await access.get_brand_by_id(tx, BrandId(token.brand_id), master_key=context.master_key)


def _answer_page(title: str, body: str, brand: Brand, channel: str) -> Response:
    words = {"brand": html.escape(brand.name), "channel": html.escape(channel)}
    policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    return HTMLResponse(_PAGE.format(title=title, body=body.format(**words)), headers=headers)
