"""The webhook test of the API: one request without events, and how the receiver took it."""

import time

import aiohttp

from regulars.channels.simulator.answers import Answer, json_answer
from regulars.channels.simulator.line.calls import Call, LineRefusal
from regulars.channels.simulator.line.events import make_hook_body
from regulars.channels.simulator.state.moments import show_instant
from regulars.channels.simulator.webhooks import HOOK_SECONDS_MAX


async def test_webhook(call: Call) -> Answer:
    """POST /v2/bot/channel/webhook/test"""
    asked = call.read().get("endpoint") if call.body.strip() else None
    url = asked if isinstance(asked, str) and asked else call.account.hook.url
    if url is None:
        raise LineRefusal(404, "Webhook endpoint not found", "not_found")
    body, headers = make_hook_body(call.account, [])
    status, reason = 0, "COULD_NOT_CONNECT"
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=HOOK_SECONDS_MAX)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers) as it,
        ):
            status, reason = it.status, it.reason or ""
    except TimeoutError:
        reason = "REQUEST_TIMEOUT"
    except (aiohttp.ClientError, ValueError) as error:
        reason = f"COULD_NOT_CONNECT: {error}"[:200]
    told = {
        "success": 200 <= status < 300,
        "timestamp": show_instant(call.now),
        "statusCode": status,
        "reason": reason,
        "detail": f"{time.monotonic() - began:.3f} s",
    }
    return json_answer(told)
