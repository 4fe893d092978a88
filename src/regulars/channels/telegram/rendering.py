"""Contents as calls of the Bot API, as few as possible: what was begun can be cut short, and cannot be repeated.

    text       sendMessage
    image      sendPhoto, with the text that follows as its caption where that is short enough
    buttons    inline keyboard, one to a row
    cards      sendMediaGroup where none has buttons and all have pictures, else one message each
    voucher    sendMessage, its code to be copied by a tap

Texts are plain: nothing a member is called can become markup. Quick replies stand below the last message.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from regulars.channels.checking import check_address, check_count, check_length, count_utf16
from regulars.channels.telegram import limits
from regulars.messaging.ports import Block, Button, Buttons, Card, Cards, Content, Image, Text, Trouble, Voucher

Call = tuple[str, dict[str, Any]]
"""A method and its parameters, without the chat."""

_LINKS = ("http", "https", "tg")
_PICTURES = ("http", "https")


def render_calls(content: Content) -> list[Call]:
    """The calls in their order."""
    calls: list[Call] = []
    for block in content.blocks:
        if not _join_caption(calls, block):
            calls += _render_block(block, is_album_possible=not content.quick_replies)
    if content.quick_replies:
        _add_buttons(calls[-1][1], content.quick_replies)
    return calls


def check_content(content: Content) -> list[Trouble]:
    """What Telegram would refuse."""
    return [
        *check_count("/blocks", len(render_calls(content)), limits.CALLS_MAX, "messages on Telegram"),
        *_check_buttons("/quick_replies", content.quick_replies),
        *(trouble for place, block in enumerate(content.blocks) for trouble in _check_block(f"/blocks/{place}", block)),
    ]


def _join_caption(calls: list[Call], block: Block) -> bool:
    """A short text becomes the caption of the picture above it."""
    if not isinstance(block, Text | Buttons) or count_utf16(block.text) > limits.CAPTION_MAX:
        return False
    if not calls or calls[-1][0] != "sendPhoto" or calls[-1][1].keys() != {"photo"}:
        return False
    calls[-1][1]["caption"] = block.text
    if isinstance(block, Buttons):
        _add_buttons(calls[-1][1], block.buttons)
    return True


def _render_block(block: Block, *, is_album_possible: bool) -> list[Call]:
    match block:
        case Text():
            return [("sendMessage", {"text": block.text})]
        case Image():
            photo: dict[str, Any] = {"photo": block.url}
            if block.link:
                _add_buttons(photo, (Button(block.alt or urlsplit(block.link).netloc, url=block.link),))
            return [("sendPhoto", photo)]
        case Buttons():
            message: dict[str, Any] = {"text": block.text}
            _add_buttons(message, block.buttons)
            return [("sendMessage", message)]
        case Cards():
            is_album = is_album_possible and limits.ALBUM_MIN <= len(block.cards) <= limits.ALBUM_MAX
            if is_album and all(card.image_url and not card.buttons for card in block.cards):
                media = [{"type": "photo", "media": card.image_url, "caption": _say_card(card)} for card in block.cards]
                return [("sendMediaGroup", {"media": media})]
            return [_render_card(card) for card in block.cards]
        case Voucher():
            return [("sendMessage", _render_voucher(block))]


def _render_card(card: Card) -> Call:
    said = _say_card(card)
    message: dict[str, Any] = {"photo": card.image_url, "caption": said} if card.image_url else {"text": said}
    _add_buttons(message, card.buttons)
    return "sendPhoto" if card.image_url else "sendMessage", message


def _render_voucher(block: Voucher) -> dict[str, Any]:
    lines = [block.title, block.code, *([block.valid_until] if block.valid_until else [])]
    start = count_utf16(block.title)
    entities = [
        {"type": "bold", "offset": 0, "length": start},
        {"type": "code", "offset": start + 1, "length": count_utf16(block.code)},
    ]
    message: dict[str, Any] = {"text": "\n".join(lines), "entities": entities}
    if block.button:
        _add_buttons(message, (block.button,))
    return message


def _say_card(card: Card) -> str:
    return f"{card.title}\n{card.text}" if card.text else card.title


def _add_buttons(message: dict[str, Any], buttons: Sequence[Button]) -> None:
    if buttons:
        keyboard = message.setdefault("reply_markup", {"inline_keyboard": []})["inline_keyboard"]
        keyboard += [[_button(button)] for button in buttons]


def _button(button: Button) -> dict[str, Any]:
    if button.url is not None:
        return {"text": button.label, "url": button.url}
    return {"text": button.label, "callback_data": _sent_back(button)[1]}


def _sent_back(button: Button) -> tuple[str, str]:
    """The field whose value a press sends back, and the value."""
    if button.data is not None:
        return "data", button.data
    return ("label", button.label) if button.text is None else ("text", button.text)


def _check_block(path: str, block: Block) -> Iterator[Trouble]:
    match block:
        case Text():
            yield from check_length(f"{path}/text", block.text, limits.TEXT_MAX, "a text on Telegram")
        case Image():
            yield from check_address(f"{path}/url", block.url, _PICTURES, limits.URL_MAX)
            if block.link:
                yield from check_address(f"{path}/link", block.link, _LINKS, limits.URL_MAX)
        case Buttons():
            yield from check_length(f"{path}/text", block.text, limits.TEXT_MAX, "a text on Telegram")
            yield from _check_buttons(f"{path}/buttons", block.buttons)
        case Cards():
            for place, card in enumerate(block.cards):
                yield from _check_card(f"{path}/cards/{place}", card)
        case Voucher():
            yield from check_length(path, _render_voucher(block)["text"], limits.TEXT_MAX, "a voucher on Telegram")
            if block.button:
                yield from _check_button(f"{path}/button", block.button)


def _check_card(path: str, card: Card) -> Iterator[Trouble]:
    if card.image_url:
        yield from check_address(f"{path}/image_url", card.image_url, _PICTURES, limits.URL_MAX)
    most = limits.CAPTION_MAX if card.image_url else limits.TEXT_MAX
    yield from check_length(path, _say_card(card), most, "a card on Telegram")
    yield from _check_buttons(f"{path}/buttons", card.buttons)


def _check_buttons(path: str, buttons: Sequence[Button]) -> Iterator[Trouble]:
    yield from check_count(path, len(buttons), limits.BUTTONS_MAX, "buttons on Telegram")
    for place, button in enumerate(buttons):
        yield from _check_button(f"{path}/{place}", button)


def _check_button(path: str, button: Button) -> Iterator[Trouble]:
    if button.url is not None:
        yield from check_address(f"{path}/url", button.url, _LINKS, limits.URL_MAX)
        return
    part, data = _sent_back(button)
    size = len(data.encode())
    if size > limits.CALLBACK_BYTES_MAX:
        most = limits.CALLBACK_BYTES_MAX
        said = f"Telegram sends back {most} bytes, this has {size}" + (
            ": give the button data" if part == "label" else ""
        )
        yield Trouble(f"{path}/{part}", "too_long", said)
