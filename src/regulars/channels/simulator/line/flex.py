"""Flex Messages: containers, blocks and components, and their limits.

LINE names a place in a Flex Message by a path of its own (`/body/contents/0/text`). Sizes are as the reference gives them;
channels that send near them should ask LINE's own `/message/validate/*`.
"""

from typing import Any, Final

import msgspec

from regulars.channels.simulator.line.actions import action
from regulars.channels.simulator.line.shapes import (
    COLOUR,
    MAY_NOT_BE_EMPTY,
    Check,
    Found,
    Problem,
    address,
    anything,
    boolean,
    items,
    kinds,
    matching,
    may,
    need,
    number,
    one_of,
    shape,
    text,
)

BUBBLES_MAX: Final = 12
BUBBLE_BYTES_MAX: Final = 30_000
CAROUSEL_BYTES_MAX: Final = 50_000
DEPTH_MAX: Final = 40
CONTENTS_MAX: Final = 500
FLEX_TEXT_MAX: Final = 5000
BUTTON_LABEL_MAX: Final = 40
_URL = address(2000, "https")
_COLOUR = matching(COLOUR, "invalid property")
_ACTION = action(BUTTON_LABEL_MAX, label_required=False)
_LABELLED = action(BUTTON_LABEL_MAX, label_required=True)
_BLOCKS: Final = ("header", "hero", "body", "footer")


def _contents(value: Any, name: str, found: Found) -> None:
    """A box's contents: components, of which a box is one."""
    items(_component, 0, CONTENTS_MAX)(value, name, found)


def _component(value: Any, name: str, found: Found) -> None:
    if name.count(".") > DEPTH_MAX:
        found.append(Problem(name, "Too deeply nested"))
    else:
        kinds(_COMPONENTS)(value, name, found)


def _has_text(component: dict[str, Any], name: str, found: Found) -> None:
    if not component.get("text") and not component.get("contents"):
        found.append(Problem(f"{name}.text", "must be specified"))


_SPAN = kinds({"span": shape({"text": may(text(FLEX_TEXT_MAX, least=0)), "color": may(_COLOUR)})})
_BOX = shape(
    {
        "layout": need(one_of("horizontal", "vertical", "baseline")),
        "contents": need(_contents),
        "backgroundColor": may(_COLOUR),
        "borderColor": may(_COLOUR),
        "action": may(_ACTION),
    }
)
_IMAGE = shape({"url": need(_URL), "backgroundColor": may(_COLOUR), "action": may(_ACTION), "animated": may(boolean)})
_VIDEO = shape({"url": need(_URL), "previewUrl": need(_URL), "altContent": need(_component), "action": may(_ACTION)})
_COMPONENTS: Final[dict[str, Check]] = {
    "box": _BOX,
    "button": shape(
        {
            "action": need(_LABELLED),
            "style": may(one_of("primary", "secondary", "link")),
            "height": may(one_of("sm", "md")),
            "color": may(_COLOUR),
            "flex": may(number(0, 1000)),
        }
    ),
    "image": _IMAGE,
    "video": _VIDEO,
    "icon": shape({"url": need(_URL)}),
    "text": shape(
        {
            "text": may(text(FLEX_TEXT_MAX)),
            "contents": may(items(_SPAN, 1, CONTENTS_MAX)),
            "color": may(_COLOUR),
            "wrap": may(boolean),
            "flex": may(number(0, 1000)),
            "action": may(_ACTION),
        },
        _has_text,
    ),
    "span": shape({"text": need(text(FLEX_TEXT_MAX, least=0))}),
    "separator": shape({"color": may(_COLOUR)}),
    "filler": shape({}),
}


def _has_block(bubble: dict[str, Any], name: str, found: Found) -> None:
    if not any(bubble.get(block) for block in _BLOCKS):
        found.append(Problem(name, "At least one block must be specified"))
    if len(msgspec.json.encode(bubble)) > BUBBLE_BYTES_MAX:
        found.append(Problem(name, "Too large flex message. The maximum size of JSON data is 30 KB"))


_BUBBLE = shape(
    {
        "size": may(one_of("nano", "micro", "deca", "hecto", "kilo", "mega", "giga")),
        "direction": may(one_of("ltr", "rtl")),
        "header": may(kinds({"box": _BOX})),
        "hero": may(kinds({"box": _BOX, "image": _IMAGE, "video": _VIDEO})),
        "body": may(kinds({"box": _BOX})),
        "footer": may(kinds({"box": _BOX})),
        "styles": may(anything),
        "action": may(_ACTION),
    },
    _has_block,
)


def _is_small(carousel: dict[str, Any], name: str, found: Found) -> None:
    if len(msgspec.json.encode(carousel)) > CAROUSEL_BYTES_MAX:
        found.append(Problem(name, "Too large flex message. The maximum size of JSON data is 50 KB"))


_CONTAINER = kinds(
    {
        "bubble": _BUBBLE,
        "carousel": shape({"contents": need(items(kinds({"bubble": _BUBBLE}), 1, BUBBLES_MAX))}, _is_small),
    }
)


def find_flex_problems(contents: Any) -> Found:
    """What is wrong with a Flex Message's contents, at paths such as `/body/contents/0/text`."""
    found: Found = []
    if not contents:
        return [Problem("/", MAY_NOT_BE_EMPTY)]
    _CONTAINER(contents, "", found)
    return [Problem(_as_path(problem.property), problem.message) for problem in found]


def _as_path(name: str) -> str:
    return "/" + name.replace("[", "/").replace("]", "").replace(".", "/").lstrip("/")
