"""What a button does: LINE's action objects, their limits where they stand, and where they are in a message."""

import re
from collections.abc import Iterator
from typing import Any, Final, cast

from regulars.channels.simulator.line.shapes import (
    Check,
    Field,
    address,
    kinds,
    matching,
    may,
    need,
    one_of,
    shape,
    text,
)

DATA_MAX: Final = 300
DISPLAY_TEXT_MAX: Final = 300
URI_MAX: Final = 1000
CLIPBOARD_MAX: Final = 1000
ALIAS_MAX: Final = 32
_URI = address(URI_MAX, "https?", "line", "tel")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d)?|\d\d:\d\d")


def action(label_max: int, *, label_required: bool) -> Check:
    """An action whose label may be so long."""
    label = (need if label_required else may)(text(label_max))
    return kinds(
        {
            "postback": shape({"label": label, **_POSTBACK}),
            "message": shape({"label": label, "text": need(text(DATA_MAX))}),
            "uri": shape({"label": label, "uri": need(_URI)}),
            "datetimepicker": shape({"label": label, **_PICKER}),
            "clipboard": shape({"label": label, "clipboardText": need(text(CLIPBOARD_MAX))}),
            "richmenuswitch": shape(
                {"label": may(text(label_max)), "richMenuAliasId": need(text(ALIAS_MAX)), "data": need(text(DATA_MAX))}
            ),
            "camera": shape({"label": need(text(label_max))}),
            "cameraRoll": shape({"label": need(text(label_max))}),
            "location": shape({"label": need(text(label_max))}),
        }
    )


_POSTBACK: Final[dict[str, Field]] = {
    "data": need(text(DATA_MAX)),
    "displayText": may(text(DISPLAY_TEXT_MAX)),
    "text": may(text(DISPLAY_TEXT_MAX)),
    "inputOption": may(one_of("closeRichMenu", "openRichMenu", "openKeyboard", "openVoice")),
    "fillInText": may(text(DISPLAY_TEXT_MAX)),
}
_PICKER: Final[dict[str, Field]] = {
    "data": need(text(DATA_MAX)),
    "mode": need(one_of("date", "time", "datetime")),
    "initial": may(matching(_TIME, "Invalid date format")),
    "max": may(matching(_TIME, "Invalid date format")),
    "min": may(matching(_TIME, "Invalid date format")),
}


def list_actions(message: Any) -> Iterator[dict[str, Any]]:
    """Every action in a message object, from top to bottom; quick replies last."""
    if isinstance(message, dict):
        members = cast("dict[str, Any]", message)
        for key in ("defaultAction", "action"):
            if isinstance(members.get(key), dict):
                yield members[key]
        listed = members.get("actions")
        if isinstance(listed, list):
            yield from (_single(one) for one in cast("list[dict[str, Any]]", listed))
        for key, value in members.items():
            if key not in ("defaultAction", "action", "actions", "quickReply"):
                yield from list_actions(value)
        if "quickReply" in members:
            yield from list_actions(members["quickReply"])
    elif isinstance(message, list):
        for entry in cast("list[Any]", message):
            yield from list_actions(entry)


def _single(entry: dict[str, Any]) -> dict[str, Any]:
    """An imagemap's actions have no label of their own, and a link for a uri."""
    return {**entry, "uri": entry["linkUri"]} if "linkUri" in entry else entry


def label_of(action: dict[str, Any]) -> str:
    """What stands on the button, or what stands for it."""
    return str(action.get("label") or action.get("text") or action.get("displayText") or action.get("data") or "")
