"""reply_markup: what Telegram takes as a keyboard, and which button says what.

Source: core.telegram.org/bots/api "InlineKeyboardButton", "KeyboardButton", read 2026-11.
"""

import re
from typing import Any, Final

from regulars.channels.simulator.telegram.calls import Call, as_list, as_object, bad_request

CALLBACK_BYTES_MAX: Final = 64
BUTTONS_MAX: Final = 100
_DEEDS: Final = (
    "url", "callback_data", "web_app", "login_url", "switch_inline_query", "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat", "copy_text", "callback_game", "pay",
)  # fmt: skip
_URL: Final = re.compile(r"(?:https?|tg)://[^\s/?#]\S*|[\w.-]+\.\w{2,}(?:/\S*)?")


def read_markup(call: Call) -> dict[str, Any] | None:
    """The keyboard of a call, checked. Raises: TelegramRefusal."""
    given = call.structure("reply_markup")
    if given is None:
        return None
    markup = as_object(given)
    if not markup:
        raise bad_request("can't parse reply keyboard markup JSON object")
    if "inline_keyboard" in markup:
        rows = [[_check_inline(button) for button in as_list(row)] for row in as_list(markup["inline_keyboard"])]
        _check_count(rows)
        return {"inline_keyboard": [row for row in rows if row]}
    if "keyboard" in markup:
        rows = [[_check_reply(button) for button in as_list(row)] for row in as_list(markup["keyboard"])]
        _check_count(rows)
        return {**markup, "keyboard": rows}
    if markup.get("remove_keyboard") is True or markup.get("force_reply") is True:
        return markup
    raise bad_request("object expected as reply markup")


def _check_count(rows: list[list[Any]]) -> None:
    if sum(map(len, rows)) > BUTTONS_MAX:
        raise bad_request("reply markup is too long")


def _check_inline(button: Any) -> dict[str, Any]:
    given = as_object(button)
    text = given.get("text")
    if not isinstance(text, str) or not text:
        raise bad_request("can't parse inline keyboard button: Can't find field \"text\"")
    deeds = [name for name in _DEEDS if given.get(name) is not None]
    if not deeds:
        told = "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard"
        raise bad_request(told)
    data = given.get("callback_data")
    if data is not None and not (isinstance(data, str) and 1 <= len(data.encode()) <= CALLBACK_BYTES_MAX):
        raise bad_request("BUTTON_DATA_INVALID")
    url = given.get("url")
    if url is not None and not (isinstance(url, str) and _URL.fullmatch(url)):
        raise bad_request(f"inline keyboard button URL '{str(url)[:100]}' is invalid: Wrong HTTP URL")
    return given


def _check_reply(button: Any) -> dict[str, Any]:
    given = {"text": button} if isinstance(button, str) else as_object(button)
    if not isinstance(given.get("text"), str) or not given["text"]:
        raise bad_request("can't parse keyboard button: Can't find field \"text\"")
    return given


def list_buttons(markup: dict[str, Any]) -> list[dict[str, Any]]:
    """All buttons of a checked keyboard, row by row."""
    rows = as_list(markup.get("inline_keyboard") or markup.get("keyboard"))
    return [as_object(button) for row in rows for button in as_list(row)]
