"""What tests, and the page of phones, ask of the simulator itself, under `/_control`.

Every body is an object. `channel` is `line` or `telegram`, `account` an account's name (`main` where it is left out), `id` or
`ids` say who. Lists are paged as everywhere: `limit`, `cursor`, and `next` in the answer.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

import msgspec

from regulars.channels.simulator.acting import (
    add_people,
    block,
    follow,
    link_account,
    press_button,
    say,
    send_event,
    unblock,
)
from regulars.channels.simulator.answers import Answer, ControlInvalid, ControlUnknown, json_answer, read_object
from regulars.channels.simulator.asked import PREFIX, Asked
from regulars.channels.simulator.showing import (
    get_totals,
    list_accounts,
    list_messages,
    list_people,
    list_requests,
    list_webhooks,
    show_account,
)
from regulars.channels.simulator.state.faults import change_faults
from regulars.channels.simulator.state.moments import show_instant
from regulars.channels.simulator.state.telegram_bot import TelegramBot
from regulars.channels.simulator.state.world import FIRST_ACCOUNT, World
from regulars.kernel.durations import parse_duration
from regulars.kernel.nesting import is_nested_too_deeply

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
AHEAD_SECONDS_MAX: Final = 10 * 366 * 86_400


def clear_requests(asked: Asked) -> object:
    """DELETE requests: forget what came in, and all totals"""
    asked.world.log.clear()
    return {}


def get_faults(asked: Asked) -> object:
    """GET faults"""
    return msgspec.structs.asdict(asked.world.faults)


def set_faults(asked: Asked) -> object:
    """PUT faults: keys that are absent keep their value"""
    asked.world.set_faults(change_faults(asked.world.faults, asked.body))
    return get_faults(asked)


def set_account(asked: Asked) -> object:
    """PUT accounts {"channel","name","access_token"?,"secret"?,"provider"?,"quota"?} or, on telegram, {"channel","name","token"?}"""
    channel, name = asked.text("channel"), asked.text("name")
    if "/" in name or len(name) > 100:
        raise ControlInvalid("a name has 1 to 100 characters and no /", path="name")
    if channel == "telegram":
        return show_account(channel, asked.world.add_telegram(name, token=asked.optional("token")))
    quota = asked.body.get("quota")
    if channel != "line":
        raise ControlInvalid(f"channel is line or telegram, not {channel[:40]!r}", path="channel")
    if quota is not None and (isinstance(quota, bool) or not isinstance(quota, int) or quota < 0):
        raise ControlInvalid("quota is a whole number, or null", path="quota")
    account = asked.world.add_line(
        name,
        token=asked.optional("access_token"),
        secret=asked.optional("secret"),
        provider=asked.text("provider", "main"),
        quota=quota,
    )
    return show_account(channel, account)


def set_webhook(asked: Asked) -> object:
    """PUT webhook {"channel","url"|null,"account"?,"secret_token"?,"redelivery"?,"redelivery_seconds"?:[…]}"""
    account, url = asked.account(), asked.body.get("url")
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://")) and len(url) <= 2000):
        raise ControlInvalid("url is an http or https address, or null", path="url")
    waits = asked.body.get("redelivery_seconds")
    if waits is not None:
        listed = cast("list[Any]", waits) if isinstance(waits, list) else []
        if len(listed) > 100 or any(not isinstance(one, int | float) or not 0 <= one <= 86_400 for one in listed):
            raise ControlInvalid("redelivery_seconds is a list of at most 100 waits", path="redelivery_seconds")
        account.hook.redelivery_seconds = tuple(float(one) for one in listed)
    account.hook.is_redelivering = asked.body.get("redelivery", account.hook.is_redelivering) is not False
    account.hook.url, account.hook.is_active = url, True
    if isinstance(account, TelegramBot) and "secret_token" in asked.body:
        account.secret_token = asked.optional("secret_token")
    return show_account(asked.text("channel"), account)


def set_clock(asked: Asked) -> object:
    """PUT clock {"now": instant} or {"advance": "30d"} or {"ahead_seconds": 90000}; {} goes back to the machine's time"""
    world = asked.world
    ahead = asked.body.get("ahead_seconds", 0)
    if isinstance(ahead, bool) or not isinstance(ahead, int | float) or not abs(ahead) <= AHEAD_SECONDS_MAX:
        raise ControlInvalid(f"ahead_seconds is a number up to {AHEAD_SECONDS_MAX:,}", path="ahead_seconds")
    if "advance" in asked.body:
        world.ahead_seconds += parse_duration(asked.text("advance")).total_seconds()
    elif "now" in asked.body:
        try:
            wanted = datetime.fromisoformat(asked.text("now"))
        except ValueError as error:
            raise ControlInvalid("now is an instant as 2026-12-01T00:00:00Z", path="now") from error
        if wanted.tzinfo is None:
            raise ControlInvalid("now says its zone, as 2026-12-01T00:00:00Z", path="now")
        change = wanted.timestamp() - world.now()
        if not abs(world.ahead_seconds + change) <= AHEAD_SECONDS_MAX:
            raise ControlInvalid("now is within ten years of the machine's time", path="now")
        world.ahead_seconds += change
    else:
        world.ahead_seconds = float(ahead)
    return get_clock(asked)


def get_clock(asked: Asked) -> object:
    """GET clock"""
    return {"now": show_instant(asked.world.now()), "ahead_seconds": round(asked.world.ahead_seconds, 3)}


_ACTIONS: Final[dict[tuple[str, str], Callable[[Asked], object]]] = {
    ("POST", "people"): add_people,
    ("GET", "people"): list_people,
    ("POST", "block"): block,
    ("POST", "unblock"): unblock,
    ("POST", "follow"): follow,
    ("POST", "say"): say,
    ("POST", "press"): press_button,
    ("POST", "event"): send_event,
    ("POST", "link"): link_account,
    ("GET", "messages"): list_messages,
    ("GET", "requests"): list_requests,
    ("DELETE", "requests"): clear_requests,
    ("GET", "webhooks"): list_webhooks,
    ("GET", "totals"): get_totals,
    ("GET", "faults"): get_faults,
    ("PUT", "faults"): set_faults,
    ("GET", "accounts"): list_accounts,
    ("PUT", "accounts"): set_account,
    ("PUT", "webhook"): set_webhook,
    ("GET", "clock"): get_clock,
    ("PUT", "clock"): set_clock,
}


def answer_control(world: World, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
    """Do what was asked. Raises: DomainError, which the server shows."""
    name = path.removeprefix(PREFIX)
    action = _ACTIONS.get((method, name))
    if action is None:
        methods = sorted(wanted for wanted, known in _ACTIONS if known == name)
        if methods:
            raise ControlInvalid(f"{path} takes {' and '.join(methods)}, not {method}")
        raise ControlUnknown(f"there is no {path[:80]}; there are {', '.join(sorted({n for _, n in _ACTIONS}))}")
    if len(body) > BODY_BYTES_MAX:
        raise ControlInvalid(f"a body has at most {BODY_BYTES_MAX:,} bytes")
    given = read_object(body)
    if is_nested_too_deeply(given):
        raise ControlInvalid("the body is nested too deeply", path="/")
    return json_answer(action(Asked(world, given, query)))


def describe(world: World, url: str) -> dict[str, Any]:
    """What the first line of `regulars simulate --json` says."""
    line, telegram = world.line[FIRST_ACCOUNT], world.telegram[FIRST_ACCOUNT]
    return {
        "url": url,
        "line": {"base_url": url, "access_token": line.token, "secret": line.secret},
        "telegram": {"base_url": url, "token": telegram.token},
        "control": f"{url}{PREFIX.rstrip('/')}",
    }
