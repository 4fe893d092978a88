"""What people do: they come, follow, block, say and press."""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final, cast

from regulars.channels.simulator.answers import ControlInvalid
from regulars.channels.simulator.asked import Asked, chat_number, check_id
from regulars.channels.simulator.line import events
from regulars.channels.simulator.pressing import press
from regulars.channels.simulator.state.hooks import Outgoing
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.people import Person
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.channels.simulator.state.world import Account, World
from regulars.channels.simulator.telegram import chats
from regulars.channels.simulator.telegram.calls import as_object

SAID_MAX: Final = 5000


def add_people(asked: Asked) -> object:
    """POST people {"channel","ids":[…],"account"?,"friend"?:true,"names"?:{id:name}}

    On Telegram ids are numbers, or `@name` for a channel in which the bot is an administrator. No events are sent: these
    are people who followed before. `POST follow` is how somebody new comes.
    """
    account, names, ids = asked.account(), cast("Any", asked.body.get("names") or None), asked.ids()
    if names is not None and not isinstance(names, dict):
        raise ControlInvalid("names is an object of names by id", path="names")
    for one in ids:
        check_id(account, one)
    friend = asked.body.get("friend", True) is not False
    added = 0
    for one in ids:
        person, is_new = account.people.ensure(chat_number(account, one), as_object(names).get(one))
        if is_new:
            added += 1
            person.friend = friend
    asked.world.version += 1
    return {"channel": asked.text("channel"), "account": account.name, "added": added, "known": len(ids) - added}


def block(asked: Asked) -> object:
    """POST block {"channel","id"}: LINE sends unfollow, Telegram my_chat_member"""
    return _each(asked, lambda account, person: _block(asked.world, account, person))


def unblock(asked: Asked) -> object:
    """POST unblock {"channel","id"}: LINE sends follow with isUnblocked, Telegram my_chat_member"""
    return _each(asked, lambda account, person: _unblock(asked.world, account, person))


def follow(asked: Asked) -> object:
    """POST follow {"channel","id","payload"?}: somebody adds the account, or presses Start; who is new is made"""
    payload = asked.body.get("payload", "")
    if not isinstance(payload, str) or not chats.START_PAYLOAD.fullmatch(payload):
        raise ControlInvalid("payload has at most 64 of A-Z, a-z, 0-9, _ and -", path="payload")
    account = asked.account()
    for one in asked.ids():
        check_id(account, one)
        _, is_new = account.people.ensure(chat_number(account, one))
        if is_new:
            account.people.order[-1].friend = False

    def begin(account: Account, person: Person) -> Outgoing | None:
        if isinstance(account, LineAccount):
            return events.follow(asked.world, account, person)
        return chats.start(asked.world, account, person, payload)

    return _each(asked, begin)


def say(asked: Asked) -> object:
    """POST say {"channel","id","text"} or {"image": base64} or {"message": an object of the platform}"""
    account, person, world = asked.account(), asked.person(), asked.world
    if isinstance(account, TelegramBot):
        content = _read_said(asked, {"text": asked.body.get("text")})
        return _told(chats.say(world, account, person, content), person)
    if "image" in asked.body:
        return _told(events.say_picture(world, account, person, _read_base64(asked.text("image"))), person)
    content = _read_said(asked, {"type": "text", "text": asked.body.get("text")})
    if not isinstance(content.get("type"), str):
        raise ControlInvalid("message has a type", path="message/type")
    return _told(events.say(world, account, person, content), person)


def send_event(asked: Asked) -> object:
    """POST event {"channel":"line","id","event":{"type":…}}: any event, also of a type that is yet to be invented"""
    account, person, event = asked.account(), asked.person(), asked.body.get("event")
    if not isinstance(account, LineAccount):
        raise ControlInvalid("events are LINE's; on telegram say and press", path="channel")
    if not isinstance(event, dict) or not isinstance(cast("dict[str, Any]", event).get("type"), str):
        raise ControlInvalid("event is an object with a type", path="event")
    return _told(events.send_event(asked.world, account, person, cast("dict[str, Any]", event)), person)


def link_account(asked: Asked) -> object:
    """POST link {"channel":"line","id","link_token","nonce"}: the end of LINE's account linking"""
    account = asked.account()
    if not isinstance(account, LineAccount):
        raise ControlInvalid("account linking is LINE's", path="channel")
    token, nonce = asked.text("link_token"), asked.text("nonce")
    return _told(events.link_account(asked.world, account, asked.person(), token, nonce), asked.person())


def press_button(asked: Asked) -> object:
    """POST press {"channel","id","label"?,"data"?,"message"?,"action"?}: without more, the newest message's first button"""
    person = asked.person()
    pressed = press(asked.world, asked.account(), person, asked.body)
    return {**_told(pressed.outgoing, person), "pressed": pressed.action, "url": pressed.url}


def _block(world: World, account: Account, person: Person) -> Outgoing | None:
    if isinstance(account, LineAccount):
        return events.block(world, account, person)
    return chats.block(world, account, person)


def _unblock(world: World, account: Account, person: Person) -> Outgoing | None:
    if isinstance(account, LineAccount):
        return events.follow(world, account, person) if person.blocked else None
    return chats.unblock(world, account, person)


def _each(asked: Asked, deed: Callable[[Account, Person], Outgoing | None]) -> object:
    account, people = asked.account(), asked.people()
    sent = [outgoing for person in people if (outgoing := deed(account, person)) is not None]
    return {"people": len(people), "events": [_show_event(one) for one in sent]}


def _told(outgoing: Outgoing | None, person: Person) -> dict[str, Any]:
    said = person.bubbles[-1].id if person.bubbles and person.bubbles[-1].side == "member" else None
    return {"message": said, "event": None if outgoing is None else _show_event(outgoing)}


def _show_event(outgoing: Outgoing) -> dict[str, Any]:
    return {"id": str(outgoing.number), "key": outgoing.key, "state": outgoing.state, "url": outgoing.hook.url}


def _read_said(asked: Asked, usual: dict[str, Any]) -> dict[str, Any]:
    message = asked.body.get("message")
    if isinstance(message, dict):
        return cast("dict[str, Any]", message)
    text = asked.text("text")
    if len(text) > SAID_MAX:
        raise ControlInvalid(f"people say at most {SAID_MAX:,} characters at once", path="text")
    return usual


def _read_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ControlInvalid("image is base64", path="image") from error
