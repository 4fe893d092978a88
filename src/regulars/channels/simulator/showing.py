"""What the simulator can tell: people, messages, requests, webhooks, accounts, totals."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from regulars.channels.simulator.asked import Asked, chat_number, read_page
from regulars.channels.simulator.state.line_account import LineAccount
from regulars.channels.simulator.state.moments import show_instant
from regulars.channels.simulator.state.people import Bubble
from regulars.channels.simulator.state.world import FIRST_ACCOUNT, Account

_FILTERS: Final = ("channel", "account", "endpoint", "outcome", "to", "retry_key", "request_id")


def list_people(asked: Asked) -> object:
    """GET people?channel=&account=: with what each received"""
    account = asked.world.get_account(asked.query.get("channel", ""), asked.query.get("account", FIRST_ACCOUNT))
    start, limit = read_page(asked.query)
    page = account.people.order[start : start + limit]
    shown = [
        {
            "id": one.id,
            "name": one.name,
            "friend": one.friend,
            "blocked": one.blocked,
            "received": one.received,
            "rich_menu": one.rich_menu,
        }
        for one in page
    ]
    more = start + limit < len(account.people)
    return {"people": shown, "total": len(account.people), "next": str(start + limit) if more else None}


def list_messages(asked: Asked) -> object:
    """GET messages?to=|from=&channel=&account=: what phones show, oldest first; without either the newest 10,000 of all"""
    side, who = ("member", asked.query.get("from")) if "from" in asked.query else ("account", asked.query.get("to"))
    found: Iterable[Bubble] = asked.world.recent
    if who is not None:
        found = [
            bubble
            for _, account in asked.world.list_accounts()
            if (person := account.people.find(chat_number(account, who))) is not None
            for bubble in person.bubbles
        ]
    wanted = {name: asked.query[name] for name in ("channel", "account") if name in asked.query}
    fitting = [
        one
        for one in found
        if (who is None or one.side == side) and all(getattr(one, name) == value for name, value in wanted.items())
    ]
    if who is not None:
        fitting.sort(key=lambda one: one.order)
    start, limit = read_page(asked.query)
    page = [_show_message(one) for one in islice(fitting, start, start + limit)]
    return {"messages": page, "next": str(start + limit) if start + limit < len(fitting) else None}


def list_requests(asked: Asked) -> object:
    """GET requests?channel=&account=&endpoint=&outcome=&to=&retry_key=: what came in, oldest first"""
    start, limit = read_page(asked.query)
    wanted = {name: asked.query[name] for name in _FILTERS if name in asked.query}
    page, place = asked.world.log.list_page(wanted, start, limit)
    shown = [one.show() for one in page]
    return {"requests": shown, "dropped": asked.world.log.dropped, "next": None if place is None else str(place)}


def list_webhooks(asked: Asked) -> object:
    """GET webhooks: what was sent back and how it was taken, oldest first"""
    start, limit = read_page(asked.query)
    history = asked.world.hooks.history
    page = [one.show() for one in islice(history, start, start + limit)]
    more = start + limit < len(history)
    return {"webhooks": page, "waiting": asked.world.hooks.waiting, "next": str(start + limit) if more else None}


def get_totals(asked: Asked) -> object:
    """GET totals: requests by endpoint and outcome, replies that were lost, messages counted"""
    world, by = asked.world, dict[str, dict[str, int]]()
    for (channel, endpoint, outcome), count in sorted(world.log.totals.items()):
        by.setdefault(f"{channel}/{endpoint}", {})[outcome] = count
    accounts = [
        {
            "channel": channel,
            "account": account.name,
            "people": len(account.people),
            "received": sum(one.received for one in account.people.order),
            "received_most": max((one.received for one in account.people.order), default=0),
            **({"consumption": account.consumption(world.now())} if isinstance(account, LineAccount) else {}),
        }
        for channel, account in world.list_accounts()
    ]
    return {
        "requests": sum(world.log.totals.values()),
        "by": by,
        "replies": dict(world.log.replies),
        "key_reused": sum(count for (_, _, outcome), count in world.log.totals.items() if outcome == "key_reused"),
        "accounts": accounts,
        "webhooks_waiting": world.hooks.waiting,
    }


def list_accounts(asked: Asked) -> object:
    """GET accounts"""
    return {"accounts": [show_account(channel, account) for channel, account in asked.world.list_accounts()]}


def show_account(channel: str, account: Account) -> dict[str, Any]:
    """An account with its credentials, which are worth nothing elsewhere."""
    shown: dict[str, Any] = {"channel": channel, "name": account.name, "webhook": account.hook.url}
    if isinstance(account, LineAccount):
        own = {"access_token": account.token, "secret": account.secret, "provider": account.provider}
        return shown | own | {"user_id": account.user_id, "basic_id": account.basic_id, "quota": account.own_quota}
    return shown | {"token": account.token, "username": account.username, "channels": dict(account.channels)}


def _show_message(bubble: Bubble) -> dict[str, Any]:
    message = bubble.read()
    kind = message.get("type") or ("photo" if "photo" in message else "text")
    return {
        "id": bubble.id,
        "channel": bubble.channel,
        "account": bubble.account,
        "from" if bubble.side == "member" else "to": bubble.to,
        "at": show_instant(bubble.at),
        "kind": bubble.kind,
        "type": kind,
        "text": message.get("text", message.get("caption", message.get("altText"))),
        "message": message,
        "edited": bubble.edited,
        "request": str(bubble.request) if bubble.request else None,
    }
