"""Contents as mails: a plain text, and the same as HTML; made of nothing but what was written, all of it escaped.

Unsubscribing stands at the foot of both where the headers offer it. What only a chat can do (data that is sent back) a
mail cannot: buttons that need it are refused, quick replies that need it are left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime
from html import escape
from typing import Final
from uuid import UUID

from regulars.channels.checking import check_address, check_length
from regulars.channels.email.settings import (
    MailSettings,
    encode_words,
    is_address,
    show_address,
    split_address,
    to_wire,
)
from regulars.messaging.ports import Block, Button, Buttons, Card, Cards, Content, Image, Text, Trouble, Voucher

SUBJECT_MAX: Final = 250
BEGINNING_MAX: Final = 60
URL_MAX: Final = 2_000
_LINKS: Final = ("http", "https", "mailto", "tel")
_WIRE: Final = compat32.clone(linesep="\r\n")
"""Parts are base64: no server on the way has a reason to write them anew, which would break a signature.

Headers are written here: `EmailMessage` takes 4 ms a mail to read them back, and folds long addresses into encoded words.
"""
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{1,900}")
_OWN: Final = frozenset({"from", "to", "subject", "date", "message-id", "content-type", "mime-version", "bcc", "cc"})
_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,!?;:)\]。，、！？）]")
_BUTTON: Final = (
    "display:inline-block;margin:4px 8px 4px 0;padding:10px 18px;border-radius:6px;background:#1f6feb;"
    "color:#ffffff;text-decoration:none"
)
_CARD: Final = "border:1px solid #dddddd;border-radius:8px;padding:16px;margin:12px 0"
_CODE: Final = "font:bold 22px monospace;letter-spacing:1px;text-align:center;margin:12px 0"
_PAGE: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{title}</title></head>"
    '<body style="margin:0;padding:16px;font:16px/1.6 system-ui,sans-serif;color:#222222">'
    '<div style="max-width:600px;margin:0 auto">{body}</div></body></html>'
)


def render_mail(
    settings: MailSettings, key: UUID, content: Content, address: str, headers: Mapping[str, str], now: datetime
) -> bytes:
    """The whole mail, unsigned. Raises: ValueError for a header that would add others."""
    name, sender = split_address(settings.sender)
    fields = {"From": show_address(name, sender)}
    if is_address(address):
        fields["To"] = to_wire(address)
    fields["Subject"] = encode_words(find_subject(content))
    fields["Date"] = format_datetime(now)
    fields["Message-ID"] = f"<{key.hex}@{to_wire(sender).rpartition('@')[2]}>"
    if settings.reply_to:
        fields["Reply-To"] = show_address(*split_address(settings.reply_to))
    for header, value in headers.items():
        _check_header(header, value)
    lines = "".join(f"{header}: {value}\r\n" for header, value in (*fields.items(), *headers.items()))
    leave = _find_unsubscribe(headers)
    parts = (MIMEText(_say(content, leave), "plain", "utf-8"), MIMEText(_draw(content, leave), "html", "utf-8"))
    return lines.encode() + MIMEMultipart("alternative", f"=_{key.hex}", parts).as_bytes(policy=_WIRE)


def check_content(content: Content) -> list[Trouble]:
    """What a mail cannot do."""
    troubles = list(check_length("/subject", content.subject or "", SUBJECT_MAX, "a subject"))
    for place, block in enumerate(content.blocks):
        troubles += _check(f"/blocks/{place}", block)
    for place, button in enumerate(content.quick_replies):
        if button.url:
            troubles += check_address(f"/quick_replies/{place}/url", button.url, _LINKS, URL_MAX)
    return troubles


def find_subject(content: Content) -> str:
    """The content's, or the beginning of what it says; on one line."""
    if content.subject:
        return " ".join(content.subject.split())
    said = " ".join(_title(content.blocks[0]).split())
    return said if len(said) <= BEGINNING_MAX else said[: BEGINNING_MAX - 1].rstrip() + "…"


def _check_header(name: str, value: str) -> None:
    """Raises: ValueError."""
    if not _HEADER_NAME.fullmatch(name) or name.lower() in _OWN:
        raise ValueError(f"{name[:40]!r} is no header to add to a mail")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"the value of {name} is not one line of ASCII")


def _find_unsubscribe(headers: Mapping[str, str]) -> str | None:
    """The web address in List-Unsubscribe."""
    value = next((value for name, value in headers.items() if name.lower() == "list-unsubscribe"), "")
    found = re.search(r"<(https?://[^>\s]+)>", value)
    return found[1] if found else None


def _title(block: Block) -> str:
    match block:
        case Text() | Buttons():
            return block.text
        case Image():
            return block.alt or block.url
        case Cards():
            return block.alt or block.cards[0].title
        case Voucher():
            return block.title


# --- plain text -----------------------------------------------------------------------------------------------------


def _say(content: Content, leave: str | None) -> str:
    parts = ["\n".join(_say_block(block)) for block in content.blocks]
    parts += [_say_button(button) for button in content.quick_replies if button.url]
    if leave:
        parts.append(f"--\n取消訂閱 Unsubscribe: {leave}")
    return "\n\n".join(parts) + "\n"


def _say_block(block: Block) -> list[str]:
    match block:
        case Text():
            return [block.text]
        case Image():
            return [line for line in (block.alt, block.link or block.url) if line]
        case Buttons():
            return [block.text, *map(_say_button, block.buttons)]
        case Cards():
            return ["\n".join(_say_card(card)) + "\n" for card in block.cards]
        case Voucher():
            lines = [block.title, block.code, block.valid_until, _say_button(block.button) if block.button else None]
            return [line for line in lines if line]


def _say_card(card: Card) -> list[str]:
    return [line for line in (card.title, card.text, *map(_say_button, card.buttons)) if line]


def _say_button(button: Button) -> str:
    return f"{button.label}: {button.url}"


# --- HTML -----------------------------------------------------------------------------------------------------------


def _draw(content: Content, leave: str | None) -> str:
    parts = [_draw_block(block) for block in content.blocks]
    if replies := [button for button in content.quick_replies if button.url]:
        parts.append(_draw_buttons(replies))
    if leave:
        parts.append(
            f'<p style="margin-top:32px;font-size:13px;color:#777777"><a href="{escape(leave)}" style="color:#777777">'
            "取消訂閱 Unsubscribe</a></p>"
        )
    return _PAGE.format(title=escape(find_subject(content)), body="".join(parts))


def _draw_block(block: Block) -> str:
    match block:
        case Text():
            return _draw_text(block.text)
        case Image():
            picture = _draw_image(block.url, block.alt)
            return f'<p><a href="{escape(block.link)}">{picture}</a></p>' if block.link else f"<p>{picture}</p>"
        case Buttons():
            return _draw_text(block.text) + _draw_buttons(block.buttons)
        case Cards():
            return "".join(_draw_card(card) for card in block.cards)
        case Voucher():
            until = f"<p>{escape(block.valid_until)}</p>" if block.valid_until else ""
            button = _draw_buttons((block.button,)) if block.button else ""
            title = f"<strong>{escape(block.title)}</strong>"
            return f'<div style="{_CARD}">{title}<p style="{_CODE}">{escape(block.code)}</p>{until}{button}</div>'


def _draw_card(card: Card) -> str:
    picture = _draw_image(card.image_url, card.title) if card.image_url else ""
    text = _draw_text(card.text) if card.text else ""
    title = f"<p><strong>{escape(card.title)}</strong></p>"
    return f'<div style="{_CARD}">{picture}{title}{text}{_draw_buttons(card.buttons)}</div>'


def _draw_text(text: str) -> str:
    """Paragraphs, lines, and addresses that can be followed."""
    drawn: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        end, parts = 0, list[str]()
        for found in _ADDRESS.finditer(paragraph):
            link = escape(found[0])
            parts += [escape(paragraph[end : found.start()]), f'<a href="{link}">{link}</a>']
            end = found.end()
        parts.append(escape(paragraph[end:]))
        drawn.append("<p>" + "".join(parts).replace("\n", "<br>") + "</p>")
    return "".join(drawn)


def _draw_buttons(buttons: Sequence[Button]) -> str:
    links = [
        f'<a href="{escape(button.url)}" style="{_BUTTON}">{escape(button.label)}</a>'
        for button in buttons
        if button.url
    ]
    return f"<p>{''.join(links)}</p>" if links else ""


def _draw_image(url: str, alt: str) -> str:
    return f'<img src="{escape(url)}" alt="{escape(alt)}" style="max-width:100%;height:auto;border:0">'


# --- checks ---------------------------------------------------------------------------------------------------------


def _check(path: str, block: Block) -> Iterator[Trouble]:
    match block:
        case Text():
            pass
        case Image():
            yield from check_address(f"{path}/url", block.url, ("http", "https"), URL_MAX)
            if block.link:
                yield from check_address(f"{path}/link", block.link, _LINKS, URL_MAX)
        case Buttons():
            yield from _check_buttons(f"{path}/buttons", block.buttons)
        case Cards():
            for place, card in enumerate(block.cards):
                if card.image_url:
                    at = f"{path}/cards/{place}/image_url"
                    yield from check_address(at, card.image_url, ("http", "https"), URL_MAX)
                yield from _check_buttons(f"{path}/cards/{place}/buttons", card.buttons)
        case Voucher():
            if block.button:
                yield from _check_button(f"{path}/button", block.button)


def _check_buttons(path: str, buttons: Sequence[Button]) -> Iterator[Trouble]:
    for place, button in enumerate(buttons):
        yield from _check_button(f"{path}/{place}", button)


def _check_button(path: str, button: Button) -> Iterator[Trouble]:
    if button.url is None:
        yield Trouble(f"{path}/url", "url_needed", "a mail's button can only open an address: give it a url")
    else:
        yield from check_address(f"{path}/url", button.url, _LINKS, URL_MAX)
