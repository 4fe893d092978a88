"""Which method a path names, whose bot it is, what the request holds, and whether there is room for it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from regulars.channels.simulator.answers import Answer
from regulars.channels.simulator.state.rates import TELEGRAM_ALL, TELEGRAM_CHANNEL, TELEGRAM_CHAT
from regulars.channels.simulator.state.received import Received
from regulars.channels.simulator.state.world import World
from regulars.channels.simulator.telegram import asking, writing
from regulars.channels.simulator.telegram.calls import (
    UPLOAD_BYTES_MAX,
    Call,
    TelegramRefusal,
    Upload,
    as_object,
    bad_request,
    too_many,
)
from regulars.channels.simulator.telegram.forms import FormUnreadable, read_form
from regulars.kernel.nesting import is_nested_too_deeply

Method = Callable[[Call], Answer | Awaitable[Answer]]

_WRITING: Final[dict[str, Method]] = {
    "sendMessage": writing.send_message,
    "sendPhoto": writing.send_photo,
    "sendMediaGroup": writing.send_media_group,
    "copyMessage": writing.copy_message,
}
_METHODS: Final[dict[str, Method]] = {
    **_WRITING,
    "editMessageText": writing.edit_text,
    "editMessageCaption": writing.edit_caption,
    "editMessageReplyMarkup": writing.edit_markup,
    "deleteMessage": writing.delete_message,
    "deleteMessages": writing.delete_messages,
    "getMe": asking.get_me,
    "setWebhook": asking.set_webhook,
    "deleteWebhook": asking.delete_webhook,
    "getWebhookInfo": asking.get_webhook_info,
    "getUpdates": asking.get_updates,
    "answerCallbackQuery": asking.answer_callback,
    "getChat": asking.get_chat,
    "getChatMemberCount": asking.get_chat_member_count,
    "getFile": asking.get_file,
    "setMyCommands": asking.set_commands,
    "getMyCommands": asking.get_commands,
    "sendChatAction": asking.acknowledge_chat,
    "setChatMenuButton": asking.acknowledge,
    "setMyDescription": asking.acknowledge,
    "setMyName": asking.acknowledge,
    "logOut": asking.acknowledge,
    "close": asking.acknowledge,
}
_BY_NAME: Final = {name.lower(): (name, method) for name, method in _METHODS.items()}
_PATH: Final = re.compile(r"/bot([^/]+)/([A-Za-z]+)")
_FILE: Final = re.compile(r"/file/bot([^/]+)/photos/([\w-]+)")


async def answer_telegram(
    world: World, received: Received, headers: dict[bytes, bytes], query: dict[str, str], body: bytes
) -> Answer:
    """Answer one request as Telegram would; what became of it is written into `received`, without the token."""
    try:
        answer = _answer(world, received, headers, query, body)
        return answer if isinstance(answer, Answer) else await answer
    except TelegramRefusal as refusal:
        received.outcome, received.detail = refusal.outcome, refusal.description
        return refusal.to_answer()


def _answer(
    world: World, received: Received, headers: dict[bytes, bytes], query: dict[str, str], body: bytes
) -> Answer | Awaitable[Answer]:
    if match := _FILE.fullmatch(received.path):
        return _answer_file(world, received, match[1], match[2])
    match = _PATH.fullmatch(received.path)
    if match is None:
        received.path = "/bot"
        raise TelegramRefusal(404, "Not Found", "not_found")
    received.path = f"/bot/{match[2]}"
    bot = world.telegram_by_token.get(match[1])
    if bot is None:
        raise TelegramRefusal(401, "Unauthorized", "unauthorized")
    received.account = bot.name
    name, method = _BY_NAME.get(match[2].lower(), ("unknown", None))
    received.endpoint = name
    if method is None:
        raise TelegramRefusal(404, "Not Found", "not_found")
    if len(body) > UPLOAD_BYTES_MAX:
        raise TelegramRefusal(413, "Request Entity Too Large")
    parameters, uploads = _read_parameters(headers, query, body)
    call = Call(world, bot, received, parameters, uploads)
    _check_rate(call, name)
    return method(call)


def _answer_file(world: World, received: Received, token: str, file_id: str) -> Answer:
    received.path, received.endpoint = "/file/bot", "file"
    bot = world.telegram_by_token.get(token)
    if bot is None or file_id not in bot.files:
        raise TelegramRefusal(404, "Not Found", "not_found")
    received.account = bot.name
    media_type, content = bot.files[file_id]
    return Answer(200, content, media_type=media_type.encode("latin-1", "replace"))


def _read_parameters(
    headers: dict[bytes, bytes], query: dict[str, str], body: bytes
) -> tuple[dict[str, Any], dict[str, Upload]]:
    """Parameters of the query and the body together: JSON, urlencoded or multipart. Raises: TelegramRefusal."""
    parameters: dict[str, Any] = dict(query)
    content_type = headers.get(b"content-type", b"").decode("latin-1")
    kind = content_type.partition(";")[0].strip().lower()
    uploads: dict[str, Upload] = {}
    if not body:
        return parameters, uploads
    try:
        if kind == "application/json":
            value: Any = msgspec.json.decode(body)
            if is_nested_too_deeply(value):
                raise bad_request("can't parse JSON object")
            parameters |= as_object(value)
        elif kind == "multipart/form-data":
            fields, uploads = read_form(content_type, body)
            parameters |= fields
        elif kind in ("application/x-www-form-urlencoded", ""):
            parameters |= parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError, FormUnreadable) as error:
        raise bad_request("can't parse the request's parameters") from error
    return parameters, uploads


def _check_rate(call: Call, name: str) -> None:
    """All messages of a bot, and those to one chat."""
    faults, rates, now = call.world.faults, call.bot.rates, call.now
    wait = rates.take(f"{name}/own", (faults.rate_per_second, 1), now) if faults.rate_per_second else 0.0
    if faults.published_rates and name in _WRITING:
        chat = str(call.parameters.get("chat_id", ""))
        per_chat = TELEGRAM_CHANNEL if chat.startswith(("@", "-")) else TELEGRAM_CHAT
        wait = max(wait, rates.take("all", TELEGRAM_ALL, now), rates.take(f"chat/{chat}", per_chat, now))
    if wait:
        raise too_many(wait)
