"""Answers of the page: the page itself, its two files, and what has changed since the browser looked last."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape

from regulars.channels.simulator.answers import Answer, ControlInvalid, ControlUnknown, json_answer
from regulars.channels.simulator.line.actions import list_actions
from regulars.channels.simulator.line.rich_menus import find_shown
from regulars.channels.simulator.page.formatting import as_json, flex_style, format_entities, place_area
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.moments import show_clock, show_instant
from regulars.channels.simulator.state.people import Bubble, Person
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.channels.simulator.state.world import Account, World
from regulars.channels.simulator.telegram.calls import as_list, as_object

PHONES_MAX: Final = 12
PHONES_UNPICKED_MAX: Final = 6
BUBBLES_SHOWN_MAX: Final = 40
PEOPLE_SHOWN_MAX: Final = 100
_FILES: Final = {"/page.css": b"text/css; charset=utf-8", "/page.js": b"text/javascript; charset=utf-8"}
_SECURITY: Final = [
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
        b"img-src 'self' http: https: data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]
SAID: Final = {"text", "image", "video", "audio", "sticker", "location"}
"""Kinds of LINE messages that a phone shows of its owner; of any other it shows the kind's name."""


def answer_page(world: World, method: str, path: str, query: dict[str, str]) -> Answer:
    """GET / and what it needs. Raises: ControlInvalid, ControlUnknown."""
    if method not in ("GET", "HEAD"):
        raise ControlInvalid(f"{path[:80]} takes GET, not {method}")
    if path == "/":
        shown = _templates().get_template("page.html").render(accounts=list(world.list_accounts()))
        return Answer(200, shown.encode(), list(_SECURITY), b"text/html; charset=utf-8")
    if path in _FILES:
        content = (files("regulars.channels.simulator.page") / path[1:]).read_bytes()
        return Answer(200, content, list(_SECURITY), _FILES[path])
    if path == "/favicon.ico":
        return Answer(204, b"")
    if path == "/phones":
        return _answer_phones(world, query)
    if path.startswith("/picture/"):
        return _answer_picture(world, path.split("/")[2:])
    raise ControlUnknown(f"there is nothing at {path[:80]}: the page is at /, the rest at /_control", path="path")


def _answer_phones(world: World, query: dict[str, str]) -> Answer:
    """The phones as HTML, and the counters; without HTML where the browser has this version."""
    picked = [one for one in query.get("pick", "").split("\n") if one]
    told: dict[str, Any] = {"version": str(world.version), "counters": _count(world)}
    if query.get("since") != str(world.version) or picked != query.get("had", "").split("\n"):
        phones = [_show_phone(world, *chosen) for chosen in _choose(world, picked)]
        told["phones"] = _templates().get_template("phones.html").render(phones=phones)
        told["people"] = _list_people(world)
    return json_answer(told, headers=list(_SECURITY))


def _choose(world: World, picked: list[str]) -> list[tuple[str, Account, Person]]:
    """The phones that were picked, else those where something happened last, else the first few people."""
    accounts = {(channel, account.name): account for channel, account in world.list_accounts()}
    wanted: list[tuple[str, str, str]] = []
    for one in picked[:PHONES_MAX]:
        channel, _, rest = one.partition("/")
        account, _, person = rest.partition("/")
        wanted.append((channel, account, person))
    if not wanted:
        wanted = [(one.channel, one.account, one.to) for one in reversed(world.recent)]
        firsts = ((key, person) for key, account in accounts.items() for person in account.people.order[:4])
        wanted += [(*key, person.id) for key, person in firsts]
    chosen: dict[tuple[str, str, str], tuple[str, Account, Person]] = {}
    for key in wanted:
        account = accounts.get(key[:2])
        person = account.people.find(key[2]) if account is not None else None
        if account is not None and person is not None:
            chosen.setdefault(key, (key[0], account, person))
        if len(chosen) == (PHONES_MAX if picked else PHONES_UNPICKED_MAX):
            break
    # In an order that stays, so that no phone jumps under the hand.
    return [chosen[key] for key in (wanted if picked else sorted(chosen)) if key in chosen]


def _show_phone(world: World, channel: str, account: Account, person: Person) -> dict[str, Any]:
    bubbles = person.bubbles[-BUBBLES_SHOWN_MAX:]
    shown = [_show_bubble(account, bubble) for bubble in bubbles]
    newest = shown[-1] if shown and shown[-1]["side"] == "account" else None
    phone: dict[str, Any] = {
        "key": f"{channel}/{account.name}/{person.id}",
        "channel": channel,
        "account": account.name,
        "person": person,
        "bubbles": shown,
        "quick_replies": _quick_replies(newest["message"]) if newest and channel == "line" else [],
        "keyboard": next(
            (
                one["message"]["_keyboard"]
                for one in reversed(shown)
                if one["side"] == "account" and "_keyboard" in one["message"]
            ),
            None,
        ),
        "menu": None,
        "now": show_clock(world.now()),
    }
    if isinstance(account, LineAccount) and (menu := find_shown(account, person.rich_menu)) is not None:
        areas = [
            {"style": place_area(area["bounds"], menu.content["size"]), "action": area["action"]}
            for area in menu.content["areas"]
        ]
        phone["menu"] = {"id": menu.id, "bar": menu.content["chatBarText"], "areas": areas}
    return phone


def _show_bubble(account: Account, bubble: Bubble) -> dict[str, Any]:
    message = bubble.read()
    shown: dict[str, Any] = {
        "id": bubble.id,
        "side": bubble.side,
        "at": show_clock(bubble.at),
        "message": message,
        "edited": bubble.edited,
        "kind": bubble.kind,
    }
    if isinstance(account, TelegramBot):
        shown |= _show_telegram(account, message)
    elif bubble.side == "member":
        # What members say is not checked as what accounts send is: only what is known of it is shown.
        said = str(message.get("type"))
        shown["message"] = {"type": said if said in SAID else f"[{said}]", "text": str(message.get("text", ""))}
        if bubble.id in account.contents:
            shown["message"] |= {"type": "image", "previewImageUrl": f"/picture/line/{account.name}/{bubble.id}"}
    return shown


def _show_telegram(bot: TelegramBot, message: dict[str, Any]) -> dict[str, Any]:
    photos = [as_object(one) for one in as_list(message.get("photo"))]
    text = str(message.get("caption" if photos else "text", "") or "")
    entities = [as_object(one) for one in as_list(message.get("caption_entities" if photos else "entities"))]
    picture = message.get("_photo_url")
    if photos and picture is None:
        picture = f"/picture/telegram/{bot.name}/{photos[0].get('file_id')}"
    return {
        "text": format_entities(text, entities),
        "picture": picture,
        "phone_number": as_object(message.get("contact")).get("phone_number"),
        "rows": as_list(as_object(message.get("reply_markup")).get("inline_keyboard")),
    }


def _quick_replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    return list(list_actions({"quickReply": message["quickReply"]})) if "quickReply" in message else []


def _answer_picture(world: World, parts: list[str]) -> Answer:
    """Pictures that were uploaded: of rich menus, of members, of a bot."""
    account = world.get_account(parts[0], parts[1]) if len(parts) == 3 else None
    if isinstance(account, LineAccount):
        menu = account.rich_menus.get(parts[2])
        content = menu.image if menu is not None else account.contents.get(parts[2])
    elif account is not None:
        content = account.files.get(parts[2], ("", None))[1]
    else:
        content = None
    if content is None:
        raise ControlUnknown("there is no such picture", path="path")
    media_type = b"image/jpeg" if content.startswith(b"\xff\xd8") else b"image/png"
    return Answer(200, content, list(_SECURITY), media_type)


def _list_people(world: World) -> list[dict[str, Any]]:
    """The first people of each account, to pick from."""
    return [
        {
            "key": f"{channel}/{account.name}/{person.id}",
            "name": person.name,
            "channel": channel,
            "account": account.name,
            "blocked": person.blocked,
            "received": person.received,
        }
        for channel, account in world.list_accounts()
        for person in account.people.order[:PEOPLE_SHOWN_MAX]
    ]


def _count(world: World) -> dict[str, Any]:
    now, outcomes = world.now(), dict[str, int]()
    for (_, _, outcome), count in world.log.totals.items():
        outcomes[outcome] = outcomes.get(outcome, 0) + count
    faults = world.faults
    active = {
        name: getattr(faults, name)
        for name in faults.__struct_fields__
        if name not in ("seed", "quota") and getattr(faults, name)
    }
    quotas = [
        {
            "account": account.name,
            "used": account.consumption(now),
            "quota": account.own_quota if account.own_quota is not None else faults.quota,
        }
        for account in world.line.values()
    ]
    return {
        "now": show_instant(now),
        "requests": sum(world.log.totals.values()),
        "outcomes": outcomes,
        "replies_lost": sum(world.log.replies.values()),
        "quotas": quotas,
        "faults": active,
        "people": sum(len(account.people) for _, account in world.list_accounts()),
        "webhooks_waiting": world.hooks.waiting,
    }


@cache
def _templates() -> Environment:
    loader = PackageLoader("regulars.channels.simulator.page", "templates")
    environment = Environment(loader=loader, autoescape=select_autoescape(default=True), trim_blocks=True)
    environment.filters |= {"as_json": as_json, "flex_style": flex_style}
    return environment
