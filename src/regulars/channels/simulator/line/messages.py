"""Message objects: what LINE takes and what it answers where it does not.

Source: Messaging API reference, "Message objects", read 2026-08 and 2026-11; the limit of 5,000 of a text stands there and
not in LINE's OpenAPI description.
"""

from typing import Any, Final, cast

from regulars.channels.simulator.line.actions import action
from regulars.channels.simulator.line.flex import find_flex_problems
from regulars.channels.simulator.line.shapes import (
    Check,
    Field,
    Found,
    Problem,
    address,
    anything,
    items,
    kinds,
    may,
    need,
    number,
    one_of,
    shape,
    text,
)

OBJECTS_MAX: Final = 5
TEXT_MAX: Final = 5000
ALT_TEXT_MAX: Final = 1500
QUICK_REPLIES_MAX: Final = 13
URL_MAX: Final = 2000
EMOJIS_MAX: Final = 20
IMAGEMAP_ACTIONS_MAX: Final = 50
_URL = address(URL_MAX, "https")
_ACTION = action(20, label_required=True)
_SILENT = action(20, label_required=False)

_COMMON: Final[dict[str, Field]] = {
    "quickReply": may(
        shape(
            {
                "items": need(
                    items(
                        kinds({"action": shape({"action": need(_ACTION), "imageUrl": may(_URL)})}), 1, QUICK_REPLIES_MAX
                    )
                )
            }
        )
    ),
    "sender": may(shape({"name": may(text(20)), "iconUrl": may(_URL)})),
}
_EMOJI: Final = shape(
    {"index": need(number(0, TEXT_MAX, whole=True)), "productId": need(text(100)), "emojiId": need(text(100))}
)
_AREA: Final = shape({name: need(number(0, 10_000)) for name in ("x", "y", "width", "height")})


def _is_short_beside_a_picture(most: int, picture: str) -> Any:
    """A card's text is shorter where a picture or a title takes room."""

    def look(members: dict[str, Any], name: str, found: Found) -> None:
        words = members.get("text")
        has_more = members.get(picture) or members.get("title")
        if has_more and isinstance(words, str) and len(words) > most:
            found.append(Problem(f"{name}.text", f"Length must be between 1 and {most}"))

    return look


_TEMPLATE: Final = kinds(
    {
        "buttons": shape(
            {
                "thumbnailImageUrl": may(_URL),
                "imageAspectRatio": may(one_of("rectangle", "square")),
                "imageSize": may(one_of("cover", "contain")),
                "title": may(text(40)),
                "text": need(text(160)),
                "defaultAction": may(_SILENT),
                "actions": need(items(_ACTION, 1, 4)),
            },
            _is_short_beside_a_picture(60, "thumbnailImageUrl"),
        ),
        "confirm": shape({"text": need(text(240)), "actions": need(items(_ACTION, 2, 2))}),
        "carousel": shape(
            {
                "columns": need(
                    items(
                        shape(
                            {
                                "thumbnailImageUrl": may(_URL),
                                "title": may(text(40)),
                                "text": need(text(120)),
                                "defaultAction": may(_SILENT),
                                "actions": need(items(_ACTION, 1, 3)),
                            },
                            _is_short_beside_a_picture(60, "thumbnailImageUrl"),
                        ),
                        1,
                        10,
                    )
                )
            }
        ),
        "image_carousel": shape(
            {
                "columns": need(
                    items(shape({"imageUrl": need(_URL), "action": need(action(12, label_required=False))}), 1, 10)
                )
            }
        ),
    }
)
_IMAGEMAP_ACTION: Final = kinds(
    {
        "uri": shape({"linkUri": need(address(1000, "https?", "line", "tel")), "area": need(_AREA)}),
        "message": shape({"text": need(text(400)), "area": need(_AREA)}),
        "clipboard": shape({"clipboardText": need(text(1000)), "area": need(_AREA)}),
    }
)
_KINDS: Final[dict[str, Check]] = {
    "text": shape({"text": need(text(TEXT_MAX)), "emojis": may(items(_EMOJI, 0, EMOJIS_MAX)), "quoteToken": may(text(1000))} | _COMMON),
    "textV2": shape({"text": need(text(TEXT_MAX)), "substitution": may(shape({})), "quoteToken": may(text(1000))} | _COMMON),
    "sticker": shape({"packageId": need(text(100)), "stickerId": need(text(100))} | _COMMON),
    "image": shape({"originalContentUrl": need(_URL), "previewImageUrl": need(_URL)} | _COMMON),
    "video": shape({"originalContentUrl": need(_URL), "previewImageUrl": need(_URL), "trackingId": may(text(100))} | _COMMON),
    "audio": shape({"originalContentUrl": need(_URL), "duration": need(number(1, 86_400_000))} | _COMMON),
    "location": shape(
        {
            "title": need(text(100)),
            "address": need(text(100)),
            "latitude": need(number(-90, 90)),
            "longitude": need(number(-180, 180)),
        }
        | _COMMON
    ),
    "imagemap": shape(
        {
            "baseUrl": need(_URL),
            "altText": need(text(ALT_TEXT_MAX)),
            "baseSize": need(shape({"width": need(number(1, 10_000)), "height": need(number(1, 10_000))})),
            "actions": need(items(_IMAGEMAP_ACTION, 0, IMAGEMAP_ACTIONS_MAX)),
            "video": may(anything),
        }
        | _COMMON
    ),
    "template": shape({"altText": need(text(ALT_TEXT_MAX)), "template": need(_TEMPLATE)} | _COMMON),
    "flex": shape({"altText": need(text(ALT_TEXT_MAX)), "contents": need(anything)} | _COMMON),
    "coupon": shape({"couponId": need(text(100)), "deliveryTag": may(text(30))} | _COMMON),
}  # fmt: skip
_MESSAGES: Final = items(kinds(_KINDS), 1, OBJECTS_MAX)


def find_message_problems(messages: Any) -> tuple[str, Found] | None:
    """LINE's sentence and details for what is wrong with a request's `messages`; None where nothing is."""
    found: Found = []
    if messages is None:
        found.append(Problem("messages", "May not be empty"))
    else:
        _MESSAGES(messages, "messages", found)
    if found:
        return f"The request body has {len(found)} error(s)", found
    for index, message in enumerate(cast("list[dict[str, Any]]", messages)):
        if message["type"] == "flex" and (flex := find_flex_problems(message["contents"])):
            return f"A message (messages[{index}]) in the request body is invalid", flex
    return None
