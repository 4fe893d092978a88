"""Pressing what a phone shows: buttons of messages, quick replies, keyboards, rich menus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from regulars.channels.simulator.answers import ControlInvalid, ControlUnknown
from regulars.channels.simulator.line import events
from regulars.channels.simulator.line.actions import label_of, list_actions
from regulars.channels.simulator.line.rich_menus import find_shown
from regulars.channels.simulator.state.hooks import Outgoing
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.people import Bubble, Person
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.channels.simulator.state.world import Account, World
from regulars.channels.simulator.telegram import chats
from regulars.channels.simulator.telegram.calls import as_object
from regulars.channels.simulator.telegram.keyboards import list_buttons


@dataclass(slots=True)
class Pressed:
    """What was pressed and what came of it: an event, or an address that the phone opens."""

    action: dict[str, Any]
    outgoing: Outgoing | None = None
    url: str | None = None


Button = tuple[dict[str, Any], Bubble | None]


def press(world: World, account: Account, person: Person, wanted: dict[str, Any]) -> Pressed:
    """Press the newest button that has the `label`, the `data` or the whole `action`; any, where none is named.

    `message` narrows it to one message. Raises: ControlInvalid, ControlUnknown.
    """
    label = wanted.get("label", wanted.get("button", wanted.get("text")))
    data, action, message = wanted.get("data"), wanted.get("action"), wanted.get("message")
    for button, bubble in _list_buttons(account, person):
        if message is not None and (bubble is None or bubble.id != str(message)):
            continue
        if label is not None and _label(button) != str(label):
            continue
        if data is not None and _data(button) != str(data):
            continue
        if action is not None and button != action:
            continue
        if isinstance(account, LineAccount):
            return _press_line(world, account, person, button, wanted)
        return _press_telegram(world, account, person, button, bubble)
    named = next((repr(one) for one in (label, data, action) if one is not None), "any button")
    raise ControlUnknown(f"the phone of {person.id!r} shows no such thing to press: {named[:100]}", path="label")


def _list_buttons(account: Account, person: Person) -> Iterator[Button]:
    """From the newest message to the oldest, then what stands below them."""
    for bubble in reversed(person.bubbles):
        if bubble.side == "account":
            message = bubble.read()
            if isinstance(account, LineAccount):
                buttons = list(list_actions(message))
            else:
                buttons = list_buttons(as_object(message.get("reply_markup")))
                buttons += list_buttons(as_object(message.get("_keyboard")))
            yield from ((button, bubble) for button in buttons)
    if isinstance(account, LineAccount) and (menu := find_shown(account, person.rich_menu)) is not None:
        areas = cast("list[dict[str, Any]]", menu.content["areas"])
        yield from ((area["action"], None) for area in areas)


def _label(button: dict[str, Any]) -> str:
    return label_of(button) if "type" in button else str(button.get("text"))


def _data(button: dict[str, Any]) -> str:
    return str(button.get("data", button.get("callback_data", button.get("uri", button.get("url")))))


def _press_line(
    world: World, account: LineAccount, person: Person, action: dict[str, Any], wanted: dict[str, Any]
) -> Pressed:
    if person.blocked:
        raise ControlInvalid("who has blocked the account presses nothing", path="id")
    kind = action.get("type")
    if kind == "uri":
        return Pressed(action, url=str(action.get("uri")))
    if kind == "message":
        return Pressed(action, events.say(world, account, person, {"type": "text", "text": str(action["text"])}))
    if kind not in ("postback", "datetimepicker", "richmenuswitch"):
        return Pressed(action)
    postback: dict[str, Any] = {"data": action["data"]}
    if kind == "datetimepicker":
        mode = str(action["mode"])
        usual = {"date": "2026-12-01", "time": "10:00", "datetime": "2026-12-01T10:00"}[mode]
        postback["params"] = {mode: str(wanted.get("value") or action.get("initial") or usual)}
    if kind == "richmenuswitch":
        alias = str(action["richMenuAliasId"])
        menu = account.aliases.get(alias)
        postback["params"] = {
            "newRichMenuAliasId": alias,
            "status": "SUCCESS" if menu else "RICHMENU_ALIAS_ID_NOTFOUND",
        }
        person.rich_menu = menu or person.rich_menu
    if action.get("displayText"):
        world.show(
            person,
            {"type": "text", "text": str(action["displayText"])},
            message_id=world.new_message_id(),
            now=world.now(),
            side="member",
            kind="press",
            channel="line",
            account=account.name,
        )
    return Pressed(action, events.send_event(world, account, person, {"type": "postback", "postback": postback}))


def _press_telegram(
    world: World, bot: TelegramBot, person: Person, button: dict[str, Any], bubble: Bubble | None
) -> Pressed:
    if "callback_data" in button and bubble is not None:
        return Pressed(button, chats.press(world, bot, person, bubble, str(button["callback_data"])))
    for name in ("url", "web_app", "login_url"):
        if name in button:
            target = button[name]
            return Pressed(button, url=str(as_object(target).get("url", target)))
    if any(name in button for name in ("switch_inline_query", "copy_text", "pay")):
        return Pressed(button)
    content: dict[str, Any] = {"text": str(button["text"])}
    if button.get("request_contact") is True:
        content = {"contact": {"phone_number": "886912345678", "first_name": person.name, "user_id": int(person.id)}}
    return Pressed(button, chats.say(world, bot, person, content))
