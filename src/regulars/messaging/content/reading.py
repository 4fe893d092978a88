"""A message as brands write it: `{LANGUAGE: {…}}`, read into blocks. What is not known is an error with its place.

Shorthand says the common cases. It becomes blocks in this order, and `blocks` stand behind them:

    image                   the address of a picture, or {url, alt, preview_url, link}
    text, button, buttons   a text; with buttons, a text with buttons below it
    cards                   cards beside each other

`subject` is a mail's; `quick_replies` stand below everything. Every text may be a template (see `templates`).
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from regulars.messaging.content.limits import (
    BLOCKS_MAX,
    BUTTONS_MAX,
    CARDS_MAX,
    LANGUAGES_MAX,
    QUICK_REPLIES_MAX,
)
from regulars.messaging.content.message import Message, Shape, compile_variant
from regulars.messaging.content.templates import Template, compile_template
from regulars.messaging.errors import MessageInvalid
from regulars.messaging.ports import Button, Buttons, Card, Cards, Content, Image, Text, Voucher

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,3}")
_EXAMPLE: Final = '{"zh-TW": {"text": "…"}}'
_FIELDS: Final = ("subject", "image", "text", "button", "buttons", "cards", "quick_replies", "blocks")


def read_message(written: object, path: str = "/message") -> Message:
    """The compiled message. Raises: MessageInvalid, TemplateInvalid."""
    languages = _read_object(written, path, None)
    if not 0 < len(languages) <= LANGUAGES_MAX:
        raise _invalid(path, f"1 to {LANGUAGES_MAX} languages are needed", _EXAMPLE)
    for language in languages:
        if not _LANGUAGE.fullmatch(language):
            raise _invalid(f"{path}/{language}", "a message is written by language, and this is none", _EXAMPLE)
    return Message(
        {
            language: compile_variant(language, _read_content(said, f"{path}/{language}"))
            for language, said in languages.items()
        }
    )


def _read_content(written: object, path: str) -> Shape:
    fields = _read_object(written, path, _FIELDS)
    blocks: list[Shape] = []
    if "image" in fields:
        blocks.append(_read_image(fields["image"], f"{path}/image"))
    if "text" in fields:
        blocks.append(_read_text(fields, path))
    elif buttons := next((name for name in ("button", "buttons") if name in fields), None):
        raise _invalid(f"{path}/text", f"{buttons} must stand below a text, and there is none")
    if "cards" in fields:
        cards = _read_list(fields["cards"], f"{path}/cards", CARDS_MAX, _read_card)
        blocks.append(Shape(Cards, {"cards": cards}, path, {"cards": f"{path}/cards"}))
    blocks += _read_list(fields.get("blocks", []), f"{path}/blocks", BLOCKS_MAX, _read_block, least=0)
    if not blocks:
        raise _invalid(path, "this says nothing: it has no text, image, cards or blocks")
    quick = _read_list(
        fields.get("quick_replies", []), f"{path}/quick_replies", QUICK_REPLIES_MAX, _read_quick_reply, least=0
    )
    content: dict[str, Any] = {"blocks": tuple(blocks), "quick_replies": quick}
    if "subject" in fields:
        content["subject"] = _read_template(fields, "subject", path)
    return Shape(Content, content, path)


def _read_text(fields: Mapping[str, Any], path: str) -> Shape:
    """`text`, and what of buttons stands below it."""
    text = _read_template(fields, "text", path)
    buttons, place = _read_buttons(fields, path)
    if not buttons:
        return Shape(Text, {"text": text}, path)
    return Shape(Buttons, {"text": text, "buttons": buttons}, path, {"buttons": place}, frozenset({"text"}))


def _read_buttons(fields: Mapping[str, Any], path: str) -> tuple[tuple[Shape, ...], str]:
    if "button" in fields and "buttons" in fields:
        raise _invalid(f"{path}/button", "there are buttons too: put all of them there")
    if "button" in fields:
        return (_read_button(fields["button"], f"{path}/button"),), f"{path}/button"
    return _read_list(fields.get("buttons", []), place := f"{path}/buttons", BUTTONS_MAX, _read_button, least=0), place


def _read_button(written: object, path: str) -> Shape:
    return _read_deed(
        _read_object(written, path, ("label", "url", "data")), path, "a button opens a url or sends data back"
    )


def _read_quick_reply(written: object, path: str) -> Shape:
    fields = _read_object(written, path, ("label", "text", "url", "data"))
    return _read_deed(fields, path, "a quick reply says a text, opens a url or sends data back")


def _read_deed(fields: Mapping[str, Any], path: str, does: str) -> Shape:
    deeds = [name for name in ("text", "url", "data") if name in fields]
    if len(deeds) > 1:
        raise _invalid(path, f"{does}: one of them")
    return _read_shape(Button, fields, path, required=("label", *deeds))


def _read_image(written: object, path: str) -> Shape:
    if isinstance(written, str):
        return Shape(Image, {"url": _compile(written, path)}, path, {"url": path}, frozenset({"url"}))
    fields = _read_object(written, path, ("type", "url", "alt", "preview_url", "link"))
    return _read_shape(Image, {name: value for name, value in fields.items() if name != "type"}, path, ("url",))


def _read_card(written: object, path: str) -> Shape:
    fields = dict(_read_object(written, path, ("title", "text", "image", "image_url", "button", "buttons")))
    if "image" in fields and "image_url" in fields:
        raise _invalid(f"{path}/image", "there is image_url too, and they are one")
    image = "image" if "image" in fields else "image_url"
    buttons, place = _read_buttons(fields, path)
    texts = {name: fields[name] for name in ("title", "text") if name in fields}
    shape = _read_shape(Card, texts, path, ("title",))
    inner: dict[str, Any] = {**shape.fields, "buttons": buttons}
    if image in fields:
        inner["image_url"] = _read_template(fields, image, path)
    return Shape(Card, inner, path, {"image_url": f"{path}/{image}", "buttons": place}, shape.required)


def _read_block(written: object, path: str) -> Shape:
    kind = _read_object(written, path, None).get("type")
    if not isinstance(kind, str) or kind not in _BLOCKS:
        said = "a block needs a type" if kind is None else f"there is no block {kind!r}"
        raise _invalid(f"{path}/type", said, ", ".join(_BLOCKS))
    return _BLOCKS[kind](written, path)


def _read_text_block(written: object, path: str) -> Shape:
    return _read_text(_read_object(written, path, ("type", "text")), path)


def _read_buttons_block(written: object, path: str) -> Shape:
    fields = _read_object(written, path, ("type", "text", "button", "buttons"))
    shape = _read_text(fields, path)
    if shape.kind is Text:
        raise _invalid(f"{path}/buttons", "this is missing")
    return shape


def _read_cards_block(written: object, path: str) -> Shape:
    fields = _read_object(written, path, ("type", "cards", "alt"))
    inner: dict[str, Any] = {"cards": _read_list(fields.get("cards"), f"{path}/cards", CARDS_MAX, _read_card)}
    if "alt" in fields:
        inner["alt"] = _read_template(fields, "alt", path)
    return Shape(Cards, inner, path)


def _read_voucher(written: object, path: str) -> Shape:
    fields = dict(_read_object(written, path, ("type", "title", "code", "valid_until", "button")))
    fields.pop("type")
    button = fields.pop("button", None)
    shape = _read_shape(Voucher, fields, path, ("title", "code"))
    if button is None:
        return shape
    inner = {**shape.fields, "button": _read_button(button, f"{path}/button")}
    return Shape(Voucher, inner, path, required=shape.required)


_BLOCKS: Final[Mapping[str, Callable[[object, str], Shape]]] = {
    "text": _read_text_block,
    "image": _read_image,
    "cards": _read_cards_block,
    "buttons": _read_buttons_block,
    "voucher": _read_voucher,
}


def _read_shape(kind: Any, fields: Mapping[str, Any], path: str, required: Iterable[str]) -> Shape:
    texts = {name: _read_template(fields, name, path) for name in {**dict.fromkeys(required), **fields}}
    return Shape(kind, texts, path, required=frozenset(required))


def _read_template(fields: Mapping[str, Any], name: str, path: str) -> Template | str:
    if name not in fields:
        raise _invalid(f"{path}/{name}", "this is missing")
    return _compile(fields[name], f"{path}/{name}")


def _compile(written: object, path: str) -> Template | str:
    if not isinstance(written, str):
        raise _invalid(path, f"this must be a text, not {_name_type(written)}")
    if not written.strip():
        raise _invalid(path, "this is blank")
    if "\0" in written:
        raise _invalid(path, "this holds a NUL character")
    return compile_template(written, path)


def _read_object(written: object, path: str, known: Iterable[str] | None) -> Mapping[str, Any]:
    if not isinstance(written, Mapping):
        raise _invalid(path, f"this must be an object, not {_name_type(written)}")
    fields = cast("Mapping[str, Any]", written)
    for name in fields if known is not None else ():
        if name not in (names := tuple(known or ())):
            close = difflib.get_close_matches(str(name), names, n=1)
            raise _invalid(f"{path}/{name}", "this is not known here", (close or [", ".join(names)])[0])
    return fields


def _read_list(
    written: object, path: str, most: int, read: Callable[[object, str], Shape], least: int = 1
) -> tuple[Shape, ...]:
    if not isinstance(written, list):
        raise _invalid(path, f"this must be a list, not {_name_type(written)}")
    entries = cast("list[object]", written)
    if not least <= len(entries) <= most:
        raise _invalid(path, f"{len(entries)} entries; {least} to {most} are possible")
    return tuple(read(one, f"{path}/{place}") for place, one in enumerate(entries))


def _invalid(path: str, said: str, suggestion: str | None = None) -> MessageInvalid:
    return MessageInvalid(f"{path}: {said}", path=path, suggestion=suggestion)


def _name_type(value: object) -> str:
    names: tuple[tuple[Any, str], ...] = (
        (bool, "true or false"),
        (int | float, "a number"),
        (str, "a text"),
        (Mapping, "an object"),
        (list, "a list"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")
