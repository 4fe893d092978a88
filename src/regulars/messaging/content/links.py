"""The web addresses a member can follow out of a content, and how they are replaced by ones that are counted.

Pictures are fetched, not followed: they stay. So do addresses that are not http (`tel:`, `mailto:`, `line:`), and our own
(`/u/…` to unsubscribe, `/l/…` that is counted already).
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from regulars.messaging.ports import Block, Button, Buttons, Card, Cards, Content, Image, Text, Voucher

_ADDRESS: Final = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]，。、！？；：（）「」『』【】《》〈〉…　]+", re.IGNORECASE)
_AFTER: Final = ".,!?;:)'\"*_~"
"""What stands behind an address in a sentence and is not part of it."""


def replace_links(content: Content, replace: Callable[[str], str], own: str | None = None) -> Content:
    """The content with every address that can be followed given to `replace`; those below `own` are kept."""
    return _Replacing(replace, own.rstrip("/") + "/" if own else None).replace_content(content)


def find_links(content: Content) -> list[str]:
    """The addresses that `replace_links` would be asked for, each once, in their order."""
    found: dict[str, None] = {}

    def see(address: str) -> str:
        found[address] = None
        return address

    replace_links(content, see)
    return list(found)


class _Replacing:
    def __init__(self, replace: Callable[[str], str], own: str | None) -> None:
        self._replace = replace
        self._own = own

    def replace_content(self, content: Content) -> Content:
        blocks = tuple(self._block(block) for block in content.blocks)
        return msgspec.structs.replace(content, blocks=blocks, quick_replies=self._buttons(content.quick_replies))

    def _block(self, block: Block) -> Block:
        match block:
            case Text():
                return Text(self._text(block.text))
            case Image():
                return msgspec.structs.replace(block, link=self._address(block.link))
            case Buttons():
                return Buttons(self._text(block.text), self._buttons(block.buttons))
            case Cards():
                return msgspec.structs.replace(block, cards=tuple(self._card(card) for card in block.cards))
            case Voucher():
                return msgspec.structs.replace(block, button=self._button(block.button) if block.button else None)

    def _card(self, card: Card) -> Card:
        return msgspec.structs.replace(card, text=self._text(card.text), buttons=self._buttons(card.buttons))

    def _buttons(self, buttons: tuple[Button, ...]) -> tuple[Button, ...]:
        return tuple(self._button(button) for button in buttons)

    def _button(self, button: Button) -> Button:
        return msgspec.structs.replace(button, url=self._address(button.url))

    def _address(self, address: str | None) -> str | None:
        return self._follow(address) if address else address

    def _text(self, text: str) -> str:
        return _ADDRESS.sub(self._match, text) if "://" in text else text

    def _match(self, match: re.Match[str]) -> str:
        whole = match[0]
        address = whole.rstrip(_AFTER)
        if whole[len(address) :].startswith(")") and "(" in address:
            address += ")"
        return self._follow(address) + whole[len(address) :]

    def _follow(self, address: str) -> str:
        if not address.lower().startswith(("http://", "https://")) or (self._own and address.startswith(self._own)):
            return address
        return self._replace(address)
