"""Chats, users and messages as the Bot API shows them, and the updates it sends.

Source: core.telegram.org/bots/api "Available types", "Update", read 2026-11.
"""

import re
from typing import Any, Final

import msgspec

from regulars.channels.simulator.state.hooks import Headers, Outgoing
from regulars.channels.simulator.state.people import Bubble, Person
from regulars.channels.simulator.state.telegram_bot import CALLBACKS_MAX, TelegramBot
from regulars.channels.simulator.state.world import World
from regulars.channels.simulator.telegram.calls import is_channel

START_PAYLOAD: Final = re.compile(r"[A-Za-z0-9_-]{0,64}")
# These are sent only to those who ask for them.
NOT_BY_ITSELF: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})


def show_bot(bot: TelegramBot) -> dict[str, Any]:
    """The bot as a User."""
    return {"id": bot.id, "is_bot": True, "first_name": f"regulars {bot.name}", "username": bot.username}


def show_user(person: Person) -> dict[str, Any]:
    """A person as a User."""
    return {"id": int(person.id), "is_bot": False, "first_name": person.name, "language_code": person.language}


def show_chat(bot: TelegramBot, chat: Person) -> dict[str, Any]:
    """A person or channel as a Chat."""
    if not is_channel(chat):
        return {"id": int(chat.id), "type": "private", "first_name": chat.name}
    username = next((name for name, number in bot.channels.items() if number == chat.id), None)
    named = {"username": username.removeprefix("@")} if username else {}
    return {"id": int(chat.id), "type": "channel", "title": chat.name, **named}


def start_message(bot: TelegramBot, chat: Person, now: float, *, by_bot: bool) -> dict[str, Any]:
    """The head of a Message, with the chat's next number."""
    head: dict[str, Any] = {"message_id": bot.next_message_id(chat.id), "date": int(now)}
    head["chat"] = show_chat(bot, chat)
    if is_channel(chat):
        head["sender_chat"] = head["chat"]
    else:
        head["from"] = show_bot(bot) if by_bot else show_user(chat)
    return head


def show_message(message: dict[str, Any]) -> dict[str, Any]:
    """A message as the Bot API shows it: what only the phone needs to know begins with `_`."""
    return {name: value for name, value in message.items() if not name.startswith("_")}


def keep_message(
    world: World, bot: TelegramBot, chat: Person, message: dict[str, Any], *, now: float, kind: str, request: int = 0
) -> Bubble:
    """Put a Message on the phone, where it can be edited and deleted."""
    number = int(message["message_id"])
    bubble = world.show(
        chat,
        message,
        message_id=str(number),
        now=now,
        side="member" if kind == "say" else "account",
        kind=kind,
        channel="telegram",
        account=bot.name,
        request=request,
    )
    bot.keep_message(chat.id, number, bubble)
    return bubble


def send_update(world: World, bot: TelegramBot, person: Person, kind: str, content: dict[str, Any]) -> Outgoing | None:
    """Number an update and send it to the webhook, or keep it for getUpdates; None where it is not wanted."""
    wanted = bot.allowed_updates
    if kind in NOT_BY_ITSELF if not wanted else kind not in wanted:
        return None
    bot.update_id += 1
    return post_update(world, bot, person.id, {"update_id": bot.update_id, kind: content})


def post_update(world: World, bot: TelegramBot, person_id: str, update: dict[str, Any]) -> Outgoing:
    """Hand an update to the webhook; where there is none it waits for getUpdates."""
    body = msgspec.json.encode(update)

    def build(_is_redelivery: bool) -> tuple[bytes, Headers]:
        headers = {"content-type": "application/json"}
        if bot.secret_token is not None:
            headers["x-telegram-bot-api-secret-token"] = bot.secret_token
        return body, headers

    return world.hooks.post(
        at=world.now(),
        channel="telegram",
        account=bot.name,
        person=person_id,
        key=str(update["update_id"]),
        hook=bot.hook,
        build=build,
        retries_for_ever=True,
        on_drop=lambda: bot.updates.append(update),
    )


def say(world: World, bot: TelegramBot, person: Person, content: dict[str, Any]) -> Outgoing | None:
    """Write to the bot; whoever writes has started it."""
    now = world.now()
    if not is_channel(person):
        person.friend, person.blocked = True, False
    message = {**start_message(bot, person, now, by_bot=False), **content}
    text = message.get("text", "")
    if isinstance(text, str) and (command := re.match(r"/\w{1,32}", text)):
        message["entities"] = [{"type": "bot_command", "offset": 0, "length": command.end()}]
    keep_message(world, bot, person, message, now=now, kind="say")
    return send_update(world, bot, person, "channel_post" if is_channel(person) else "message", message)


def start(world: World, bot: TelegramBot, person: Person, payload: str) -> Outgoing | None:
    """Press Start, perhaps at the end of a deep link t.me/BOT?start=PAYLOAD."""
    if person.blocked:
        unblock(world, bot, person)
    return say(world, bot, person, {"text": f"/start {payload}".rstrip()})


def block(world: World, bot: TelegramBot, person: Person) -> Outgoing | None:
    """Stop the bot, or take it out of a channel; again changes nothing."""
    if person.blocked:
        return None
    person.blocked = True
    world.version += 1
    return _send_membership(world, bot, person, "member", "kicked")


def unblock(world: World, bot: TelegramBot, person: Person) -> Outgoing | None:
    """Restart the bot."""
    if not person.blocked:
        return None
    person.blocked = False
    world.version += 1
    return _send_membership(world, bot, person, "kicked", "member")


def _send_membership(world: World, bot: TelegramBot, person: Person, old: str, new: str) -> Outgoing | None:
    if is_channel(person):
        old, new = ("administrator" if one == "member" else one for one in (old, new))

    def member(status: str) -> dict[str, Any]:
        return {"status": status, "user": show_bot(bot)} | ({"until_date": 0} if status == "kicked" else {})

    change = {
        "chat": show_chat(bot, person),
        "from": show_bot(bot) if is_channel(person) else show_user(person),
        "date": int(world.now()),
        "old_chat_member": member(old),
        "new_chat_member": member(new),
    }
    return send_update(world, bot, person, "my_chat_member", change)


def press(world: World, bot: TelegramBot, person: Person, bubble: Bubble, data: str) -> Outgoing | None:
    """Press a button with callback_data; the bot should answer the query."""
    query_id = str(world.rng.getrandbits(62))
    bot.callbacks[query_id] = person.id
    if len(bot.callbacks) > CALLBACKS_MAX:
        bot.callbacks.popitem(last=False)
    query = {
        "id": query_id,
        "from": show_user(person),
        "message": show_message(bubble.read()),
        "chat_instance": str(bot.id),
        "data": data,
    }
    return send_update(world, bot, person, "callback_query", query)
