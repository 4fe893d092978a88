"""Who the bot is, its webhook and updates, its chats and commands, files, and answers to presses.

Source: core.telegram.org/bots/api "Getting updates" and "Available methods", read 2026-11.
"""

import asyncio
import re
from typing import Any, Final

from regulars.channels.simulator.answers import Answer
from regulars.channels.simulator.telegram.calls import (
    Call,
    TelegramRefusal,
    as_list,
    as_object,
    bad_request,
    is_channel,
    ok,
)
from regulars.channels.simulator.telegram.chats import post_update, show_bot, show_chat

POLL_SECONDS_MAX: Final = 50
POLL_EVERY_SECONDS: Final = 0.02
UPDATES_MAX: Final = 100
_NOTHING: Final[dict[str, Any]] = {}
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")


def get_me(call: Call) -> Answer:
    """getMe"""
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "has_main_web_app": False,
    }
    return ok(show_bot(call.bot) | abilities)


def set_webhook(call: Call) -> Answer:
    """setWebhook; http is taken too, since a receiver on this machine has no certificate"""
    url = call.text("url") or ""
    secret = call.text("secret_token")
    if url and not re.fullmatch(r"https?://[^\s/?#]\S*", url):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if secret and not _SECRET.fullmatch(secret):
        told = "only characters A-Z, a-z, 0-9, _ and - are allowed"
        raise bad_request(f"secret token contains unallowed characters: {told}")
    bot = call.bot
    bot.secret_token, bot.hook.url, bot.last_error = secret or None, url or None, None
    _read_allowed(call)
    if call.flag("drop_pending_updates"):
        bot.updates.clear()
    waiting = list(bot.updates) if url else []
    if url:
        bot.updates.clear()
    for update in waiting:
        post_update(call.world, bot, _sender_of(update), update)
    return ok(True)


def delete_webhook(call: Call) -> Answer:
    """deleteWebhook"""
    call.bot.hook.url = call.bot.secret_token = None
    if call.flag("drop_pending_updates"):
        call.bot.updates.clear()
    return ok(True)


def get_webhook_info(call: Call) -> Answer:
    """getWebhookInfo"""
    bot = call.bot
    waiting = [one for one in call.world.hooks.history if one.hook is bot.hook and one.state == "waiting"]
    told: dict[str, Any] = {
        "url": bot.hook.url or "",
        "has_custom_certificate": False,
        "pending_update_count": len(bot.updates) + len(waiting),
        "max_connections": 40,
    }
    failed = [one for one in waiting if one.attempts]
    if failed:
        last = failed[-1].attempts[-1]
        told["last_error_date"] = int(call.now)
        wrong = f"Wrong response from the webhook: {last['status']}" if last["status"] else "Connection refused"
        told["last_error_message"] = wrong
    if bot.allowed_updates:
        told["allowed_updates"] = list(bot.allowed_updates)
    return ok(told)


async def get_updates(call: Call) -> Answer:
    """getUpdates, with long polling"""
    bot = call.bot
    if bot.hook.url is not None:
        told = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
        raise TelegramRefusal(409, f"Conflict: {told}")
    _read_allowed(call)
    offset, limit = call.whole("offset") or 0, min(max(call.whole("limit") or UPDATES_MAX, 1), UPDATES_MAX)
    while offset > 0 and bot.updates and bot.updates[0]["update_id"] < offset:
        bot.updates.popleft()
    waited, wait = 0.0, min(call.whole("timeout") or 0, POLL_SECONDS_MAX)
    while not bot.updates and waited < wait and bot.hook.url is None:
        await asyncio.sleep(POLL_EVERY_SECONDS)
        waited += POLL_EVERY_SECONDS
    return ok(list(bot.updates)[:limit])


def answer_callback(call: Call) -> Answer:
    """answerCallbackQuery"""
    if call.bot.callbacks.pop(call.text("callback_query_id") or "", None) is None:
        raise bad_request("query is too old and response timeout expired or query ID is invalid")
    return ok(True)


def get_chat(call: Call) -> Answer:
    """getChat"""
    return ok(show_chat(call.bot, call.get_chat()) | {"accent_color_id": 0, "max_reaction_count": 11})


def get_chat_member_count(call: Call) -> Answer:
    """getChatMemberCount"""
    return ok(len(call.bot.people) if is_channel(call.get_chat()) else 2)


def get_file(call: Call) -> Answer:
    """getFile; its bytes are at /file/botTOKEN/FILE_PATH"""
    file_id = call.text("file_id") or ""
    if file_id not in call.bot.files:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    size = len(call.bot.files[file_id][1])
    return ok(
        {"file_id": file_id, "file_unique_id": file_id[-16:], "file_size": size, "file_path": f"photos/{file_id}"}
    )


def set_commands(call: Call) -> Answer:
    """setMyCommands"""
    call.bot.commands = [
        {"command": str(one.get("command", "")), "description": str(one.get("description", ""))}
        for one in map(as_object, as_list(call.structure("commands")))
    ]
    if any(not re.fullmatch(r"[a-z0-9_]{1,32}", one["command"]) for one in call.bot.commands):
        call.bot.commands = []
        raise bad_request("BOT_COMMAND_INVALID")
    return ok(True)


def get_commands(call: Call) -> Answer:
    """getMyCommands"""
    return ok(call.bot.commands)


def acknowledge_chat(call: Call) -> Answer:
    """sendChatAction: shown nowhere"""
    call.get_reached_chat()
    return ok(True)


def acknowledge(_call: Call) -> Answer:
    """What changes nothing that the simulator shows."""
    return ok(True)


def _read_allowed(call: Call) -> None:
    allowed = call.structure("allowed_updates")
    if allowed is not None:
        call.bot.allowed_updates = tuple(str(one) for one in as_list(allowed)) or None


def _sender_of(update: dict[str, Any]) -> str:
    content = next((as_object(value) for name, value in update.items() if name != "update_id"), _NOTHING)
    return str(as_object(content.get("from")).get("id", ""))
