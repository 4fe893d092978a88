"""Which call a path is, whose it is, and whether there is room for it.

The two hosts of LINE (api.line.me, api-data.line.me) are one here: their paths differ.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from regulars.channels.simulator.answers import Answer
from regulars.channels.simulator.line import asking, rich_menus, sending
from regulars.channels.simulator.line.calls import BODY_BYTES_MAX, Call, LineRefusal, not_found
from regulars.channels.simulator.line.testing import test_webhook
from regulars.channels.simulator.state.rates import LINE_OTHER, LINE_RATES
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.world import World

Handler = Callable[[Call], Answer | Awaitable[Answer]]
RATE_LIMIT: Final = "The API rate limit has been exceeded. Try again later."


class Route(NamedTuple):
    """A call: what the log names it, and who answers it."""

    name: str
    handler: Handler


_ROUTES: Final[dict[tuple[str, str], Route]] = {
    ("POST", "/v2/bot/message/reply"): Route("reply", sending.reply),
    ("POST", "/v2/bot/message/push"): Route("push", sending.push),
    ("POST", "/v2/bot/message/multicast"): Route("multicast", sending.multicast),
    ("POST", "/v2/bot/message/broadcast"): Route("broadcast", sending.broadcast),
    ("POST", "/v2/bot/message/narrowcast"): Route("narrowcast", sending.narrowcast),
    ("GET", "/v2/bot/message/progress/narrowcast"): Route("narrowcast_progress", asking.get_narrowcast_progress),
    ("GET", "/v2/bot/message/quota"): Route("quota", asking.get_quota),
    ("GET", "/v2/bot/message/quota/consumption"): Route("consumption", asking.get_consumption),
    ("GET", "/v2/bot/message/aggregation/info"): Route("unit_count", asking.get_unit_count),
    ("GET", "/v2/bot/message/aggregation/list"): Route("units", asking.list_units),
    ("GET", "/v2/bot/info"): Route("info", asking.get_info),
    ("GET", "/v2/bot/followers/ids"): Route("followers", asking.list_followers),
    ("PUT", "/v2/bot/channel/webhook/endpoint"): Route("webhook_set", asking.set_webhook),
    ("GET", "/v2/bot/channel/webhook/endpoint"): Route("webhook_get", asking.get_webhook),
    ("POST", "/v2/bot/channel/webhook/test"): Route("webhook_test", test_webhook),
    ("POST", "/v2/bot/chat/markAsRead"): Route("mark_as_read", asking.mark_as_read),
    ("POST", "/v2/bot/message/markAsRead"): Route("mark_as_read", asking.mark_as_read),
    ("POST", "/v2/bot/chat/loading/start"): Route("loading", asking.start_loading),
    ("POST", "/v2/bot/richmenu"): Route("rich_menu_create", rich_menus.create),
    ("POST", "/v2/bot/richmenu/validate"): Route("rich_menu_validate", rich_menus.validate),
    ("GET", "/v2/bot/richmenu/list"): Route("rich_menu_list", rich_menus.list_menus),
    ("POST", "/v2/bot/richmenu/bulk/link"): Route("rich_menu_bulk_link", rich_menus.bulk_link),
    ("POST", "/v2/bot/richmenu/bulk/unlink"): Route("rich_menu_bulk_unlink", rich_menus.bulk_unlink),
    ("POST", "/v2/bot/richmenu/batch"): Route("rich_menu_batch", rich_menus.batch),
    ("POST", "/v2/bot/richmenu/validate/batch"): Route("rich_menu_batch_validate", rich_menus.validate_batch),
    ("GET", "/v2/bot/richmenu/progress/batch"): Route("rich_menu_batch_progress", rich_menus.get_batch_progress),
    ("POST", "/v2/bot/richmenu/alias"): Route("rich_menu_alias_create", rich_menus.create_alias),
    ("GET", "/v2/bot/richmenu/alias/list"): Route("rich_menu_alias_list", rich_menus.list_aliases),
    ("GET", "/v2/bot/user/all/richmenu"): Route("rich_menu_default_get", rich_menus.get_default),
    ("DELETE", "/v2/bot/user/all/richmenu"): Route("rich_menu_default_cancel", rich_menus.cancel_default),
}


def _placed(path: str, pattern: str = r"[^/]+") -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", f"({pattern})", path))


_PLACED: Final[list[tuple[str, re.Pattern[str], Route]]] = [
    ("POST", _placed("/v2/bot/message/validate/{kind}", "reply|push|multicast|narrowcast|broadcast"),
     Route("validate", sending.validate)),
    ("GET", _placed("/v2/bot/message/delivery/{kind}", "reply|push|multicast|broadcast"),
     Route("delivery_count", asking.get_delivery_count)),
    ("GET", _placed("/v2/bot/message/{id}/content"), Route("content", asking.get_content)),
    ("GET", _placed("/v2/bot/message/{id}/content/preview"), Route("content", asking.get_content)),
    ("GET", _placed("/v2/bot/message/{id}/content/transcoding"), Route("content", asking.get_transcoding)),
    ("GET", _placed("/v2/bot/profile/{user}"), Route("profile", asking.get_profile)),
    ("POST", _placed("/v2/bot/user/{user}/linkToken"), Route("link_token", asking.new_link_token)),
    ("POST", _placed("/v2/bot/user/all/richmenu/{menu}"), Route("rich_menu_default_set", rich_menus.set_default)),
    ("POST", _placed("/v2/bot/user/{user}/richmenu/{menu}"), Route("rich_menu_link", rich_menus.link)),
    ("GET", _placed("/v2/bot/user/{user}/richmenu"), Route("rich_menu_linked", rich_menus.get_linked)),
    ("DELETE", _placed("/v2/bot/user/{user}/richmenu"), Route("rich_menu_unlink", rich_menus.unlink)),
    ("GET", _placed("/v2/bot/richmenu/alias/{alias}"), Route("rich_menu_alias_get", rich_menus.get_alias)),
    ("POST", _placed("/v2/bot/richmenu/alias/{alias}"), Route("rich_menu_alias_update", rich_menus.update_alias)),
    ("DELETE", _placed("/v2/bot/richmenu/alias/{alias}"), Route("rich_menu_alias_delete", rich_menus.delete_alias)),
    ("POST", _placed("/v2/bot/richmenu/{menu}/content"), Route("rich_menu_upload", rich_menus.upload)),
    ("GET", _placed("/v2/bot/richmenu/{menu}/content"), Route("rich_menu_download", rich_menus.download)),
    ("GET", _placed("/v2/bot/richmenu/{menu}"), Route("rich_menu_get", rich_menus.get)),
    ("DELETE", _placed("/v2/bot/richmenu/{menu}"), Route("rich_menu_delete", rich_menus.delete)),
]  # fmt: skip


async def answer_line(
    world: World, received: Received, headers: dict[bytes, bytes], query: dict[str, str], body: bytes
) -> Answer:
    """Answer one request as LINE would; what became of it is written into `received`."""
    received.request_id = world.new_uuid()
    try:
        answer = _answer(world, received, headers, query, body)
        if not isinstance(answer, Answer):
            answer = await answer
    except LineRefusal as refusal:
        received.outcome, received.detail = refusal.outcome, refusal.message
        answer = refusal.to_answer()
    answer.headers.append((b"x-line-request-id", received.request_id.encode()))
    return answer


def _answer(
    world: World, received: Received, headers: dict[bytes, bytes], query: dict[str, str], body: bytes
) -> Answer | Awaitable[Answer]:
    route, parts = _find_route(received.method, received.path)
    received.endpoint = route.name
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    account = world.line_by_token.get(token.strip().decode("latin-1")) if scheme.lower() == b"bearer" else None
    if account is None:
        reason = "Confirm that the access token in the authorization header is valid."
        raise LineRefusal(401, f"Authentication failed due to the following reason: {reason}", "unauthorized")
    received.account = account.name
    if len(body) > BODY_BYTES_MAX:
        raise LineRefusal(413, "The request body exceeds the maximum size of 2 MB")
    call = Call(world, account, received, headers, query, body, parts)
    _check_rate(call, route.name)
    return route.handler(call)


def _find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    route = _ROUTES.get((method, path))
    if route is not None:
        return route, ()
    for wanted, pattern, placed in _PLACED:
        if wanted == method and (match := pattern.fullmatch(path)):
            return placed, match.groups()
    raise not_found()


def _check_rate(call: Call, name: str) -> None:
    """Per account and endpoint, whatever the request holds; LINE says nothing of when to come again."""
    faults = call.world.faults
    limits: list[tuple[float, float]] = []
    if faults.rate_per_second:
        limits.append((faults.rate_per_second, 1))
    if faults.published_rates:
        limits.append(LINE_RATES.get(name, LINE_OTHER))
    for at, limit in enumerate(limits):
        if call.account.rates.take(f"{name}/{at}", limit, call.now):
            raise LineRefusal(429, RATE_LIMIT, "rate_limited")
