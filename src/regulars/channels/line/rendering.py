"""Contents as LINE's message objects: at most five of them in one request, which counts one message a person.

text       text                     buttons    template of buttons; a Flex bubble where that is too small
image      image; with a link, a    cards      Flex carousel
           Flex bubble to press     voucher    Flex bubble
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from regulars.channels.checking import check_address, check_count, check_length, count_utf16
from regulars.channels.line import limits
from regulars.messaging.ports import Block, Button, Buttons, Card, Cards, Content, Image, Text, Trouble, Voucher

_LINKS = ("http", "https", "line", "tel")
_GREY = "#8C8C8C"


def render_messages(content: Content) -> list[dict[str, Any]]:
    """The message objects, quick replies below the last."""
    messages = [_render_block(block, content.subject) for block in content.blocks]
    if content.quick_replies:
        items = [{"type": "action", "action": _action(button)} for button in content.quick_replies]
        messages[-1]["quickReply"] = {"items": items}
    return messages


def check_content(content: Content) -> list[Trouble]:
    """What LINE would refuse."""
    return [
        *check_count("/blocks", len(content.blocks), limits.OBJECTS_MAX, "LINE sends blocks together"),
        *check_count("/quick_replies", len(content.quick_replies), limits.QUICK_REPLIES_MAX, "quick replies on LINE"),
        *_check_buttons("/quick_replies", content.quick_replies, limits.LABEL_MAX),
        *(trouble for place, block in enumerate(content.blocks) for trouble in _check_block(f"/blocks/{place}", block)),
    ]


def _render_block(block: Block, subject: str | None) -> dict[str, Any]:
    match block:
        case Text():
            return {"type": "text", "text": block.text}
        case Image(link=None):
            preview = block.preview_url or block.url
            return {"type": "image", "originalContentUrl": block.url, "previewImageUrl": preview}
        case Image():
            hero = _picture(block.url, {"type": "uri", "uri": block.link})
            return _flex(block.alt or subject or str(block.link), {"type": "bubble", "hero": hero})
        case Buttons():
            return _render_buttons(block)
        case Cards():
            alt = block.alt or subject or " / ".join(card.title for card in block.cards)
            return _flex(alt, {"type": "carousel", "contents": [_render_card(card) for card in block.cards]})
        case Voucher():
            return _flex(f"{block.title} {block.code}", _render_voucher(block))


def _render_buttons(block: Buttons) -> dict[str, Any]:
    """A template; where LINE's are too small, a bubble that looks like one."""
    fits = (
        count_utf16(block.text) <= limits.TEMPLATE_TEXT_MAX
        and len(block.buttons) <= limits.TEMPLATE_BUTTONS_MAX
        and all(count_utf16(button.label) <= limits.LABEL_MAX for button in block.buttons)
    )
    if fits:
        template = {"type": "buttons", "text": block.text, "actions": [_action(button) for button in block.buttons]}
        return {"type": "template", "altText": _cut(block.text), "template": template}
    body = _box([{"type": "text", "text": block.text, "wrap": True}])
    return _flex(block.text, {"type": "bubble", "body": body, "footer": _button_box(block.buttons)})


def _render_card(card: Card) -> dict[str, Any]:
    texts: list[dict[str, Any]] = [{"type": "text", "text": card.title, "weight": "bold", "size": "lg", "wrap": True}]
    if card.text:
        texts.append({"type": "text", "text": card.text, "size": "sm", "color": _GREY, "wrap": True})
    bubble: dict[str, Any] = {"type": "bubble", "body": _box(texts)}
    if card.image_url:
        action = _action(card.buttons[0]) if card.buttons and card.buttons[0].url else None
        bubble["hero"] = _picture(card.image_url, action)
    if card.buttons:
        bubble["footer"] = _button_box(card.buttons)
    return bubble


def _render_voucher(block: Voucher) -> dict[str, Any]:
    texts: list[dict[str, Any]] = [
        {"type": "text", "text": block.title, "weight": "bold", "size": "lg", "wrap": True},
        {"type": "separator", "margin": "md"},
        {"type": "text", "text": block.code, "weight": "bold", "size": "xxl", "align": "center", "wrap": True},
    ]
    if block.valid_until:
        texts.append({"type": "text", "text": block.valid_until, "size": "sm", "color": _GREY, "align": "center"})
    bubble: dict[str, Any] = {"type": "bubble", "body": _box(texts)}
    if block.button:
        bubble["footer"] = _button_box((block.button,))
    return bubble


def _flex(alt: str, contents: dict[str, Any]) -> dict[str, Any]:
    return {"type": "flex", "altText": _cut(alt), "contents": contents}


def _box(contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "box", "layout": "vertical", "spacing": "md", "contents": list(contents)}


def _button_box(buttons: Sequence[Button]) -> dict[str, Any]:
    return _box([{"type": "button", "style": "link", "height": "sm", "action": _action(button)} for button in buttons])


def _picture(url: str, action: dict[str, Any] | None) -> dict[str, Any]:
    picture = {"type": "image", "url": url, "size": "full", "aspectRatio": "20:13", "aspectMode": "cover"}
    return {**picture, "action": action} if action else picture


def _action(button: Button) -> dict[str, Any]:
    if button.url is not None:
        return {"type": "uri", "label": button.label, "uri": button.url}
    if button.text is not None:
        return {"type": "message", "label": button.label, "text": button.text}
    data = button.label if button.data is None else button.data
    return {"type": "postback", "label": button.label, "data": data, "displayText": button.label}


def _cut(text: str) -> str:
    """What a notification and old apps show instead."""
    if count_utf16(text) <= limits.ALT_TEXT_MAX:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[: 2 * (limits.ALT_TEXT_MAX - 1)]
    return kept.decode("utf-16-le", "ignore") + "…"


def _check_block(path: str, block: Block) -> Iterator[Trouble]:
    match block:
        case Text():
            yield from check_length(f"{path}/text", block.text, limits.TEXT_MAX, "a text on LINE")
        case Image():
            yield from check_address(f"{path}/url", block.url, ("https",), limits.IMAGE_URL_MAX)
            if block.preview_url:
                yield from check_address(f"{path}/preview_url", block.preview_url, ("https",), limits.IMAGE_URL_MAX)
            if block.link:
                yield from check_address(f"{path}/link", block.link, _LINKS, limits.URI_MAX)
        case Buttons():
            yield from check_length(f"{path}/text", block.text, limits.TEXT_MAX, "a text on LINE")
            yield from _check_buttons(f"{path}/buttons", block.buttons, limits.FLEX_LABEL_MAX)
            yield from _check_size(path, block, limits.BUBBLE_BYTES_MAX)
        case Cards():
            yield from check_count(f"{path}/cards", len(block.cards), limits.BUBBLES_MAX, "cards on LINE")
            for place, card in enumerate(block.cards):
                yield from _check_card(f"{path}/cards/{place}", card)
            yield from _check_size(path, block, limits.CAROUSEL_BYTES_MAX)
        case Voucher():
            if block.button:
                yield from _check_button(f"{path}/button", block.button, limits.FLEX_LABEL_MAX)
            yield from _check_size(path, block, limits.BUBBLE_BYTES_MAX)


def _check_card(path: str, card: Card) -> Iterator[Trouble]:
    if card.image_url:
        yield from check_address(f"{path}/image_url", card.image_url, ("https",), limits.IMAGE_URL_MAX)
    yield from _check_buttons(f"{path}/buttons", card.buttons, limits.FLEX_LABEL_MAX)


def _check_buttons(path: str, buttons: Sequence[Button], label_max: int) -> Iterator[Trouble]:
    for place, button in enumerate(buttons):
        yield from _check_button(f"{path}/{place}", button, label_max)


def _check_button(path: str, button: Button, label_max: int) -> Iterator[Trouble]:
    yield from check_length(f"{path}/label", button.label, label_max, "this label on LINE")
    if button.url is not None:
        yield from check_address(f"{path}/url", button.url, _LINKS, limits.URI_MAX)
    if button.data is not None:
        yield from check_length(f"{path}/data", button.data, limits.DATA_MAX, "data on LINE")
    if button.text is not None:
        yield from check_length(f"{path}/text", button.text, limits.SAID_MAX, "what a quick reply says on LINE")


def _check_size(path: str, block: Block, most: int) -> Iterator[Trouble]:
    size = len(msgspec.json.encode(_render_block(block, None)))
    if size > most:
        yield Trouble(path, "too_large", f"LINE takes {most} bytes for this block, it has {size}")
