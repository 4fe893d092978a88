"""Turning what platforms send into HTML and CSS. Everything that came from outside is escaped or checked here."""

import re
from typing import Any, Final

import msgspec
from markupsafe import Markup, escape

_COLOUR: Final = re.compile(r"#(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})")
_LENGTH: Final = re.compile(r"\d{1,4}(?:\.\d{1,2})?(?:px|%)")
_SIZES: Final = {
    "none": "0", "xxs": "0.69em", "xs": "0.81em", "sm": "0.88em", "md": "1em", "lg": "1.19em", "xl": "1.38em",
    "xxl": "1.63em", "3xl": "1.88em", "4xl": "2.13em", "5xl": "2.38em", "full": "100%",
}  # fmt: skip
_SPACES: Final = {"none": "0", "xs": "2px", "sm": "4px", "md": "8px", "lg": "12px", "xl": "16px", "xxl": "20px"}
_ALIGN: Final = {"start": "left", "center": "center", "end": "right"}
_TAGS: Final = {
    "bold": ("<b>", "</b>"), "italic": ("<i>", "</i>"), "underline": ("<u>", "</u>"),
    "strikethrough": ("<s>", "</s>"), "code": ("<code>", "</code>"), "pre": ("<pre>", "</pre>"),
    "spoiler": ('<span class="spoiler">', "</span>"), "blockquote": ("<blockquote>", "</blockquote>"),
    "bot_command": ('<span class="command">', "</span>"),
}  # fmt: skip


def as_json(value: object) -> str:
    """For an attribute; the template escapes it."""
    return msgspec.json.encode(value).decode()


def format_entities(text: str, entities: list[dict[str, Any]]) -> Markup:
    """Text with Telegram's entities as HTML; entities that overlap or lie outside are passed over."""
    units = text.encode("utf-16-le", "surrogatepass")
    length = len(units) // 2
    opening: dict[int, list[str]] = {}
    closing: dict[int, list[str]] = {}
    held: list[tuple[int, int]] = []
    for entity in entities:
        start, end = _whole(entity.get("offset")), _whole(entity.get("offset")) + _whole(entity.get("length"))
        tags = _tags_of(entity)
        crosses = any((start < b < end and a < start) or (a < end < b and start < a) for a, b in held)
        if tags is None or not 0 <= start < end <= length or crosses:
            continue
        held.append((start, end))
        opening.setdefault(start, []).append(tags[0])
        closing.setdefault(end, []).insert(0, tags[1])
    places = sorted({0, length, *opening, *closing})
    parts: list[str] = []
    for at, following in zip(places, [*places[1:], length], strict=True):
        parts += closing.get(at, [])
        parts += opening.get(at, [])
        parts.append(str(escape(units[2 * at : 2 * following].decode("utf-16-le", "replace"))))
    return Markup("".join(parts))


def _tags_of(entity: dict[str, Any]) -> tuple[str, str] | None:
    kind = entity.get("type")
    if kind == "text_link" and re.match(r"https?://|tg://", str(entity.get("url", ""))):
        return f'<a href="{escape(str(entity["url"]))}" rel="noreferrer" target="_blank">', "</a>"
    return _TAGS.get(str(kind))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else -1


def flex_style(component: dict[str, Any], *, parent: str = "vertical") -> str:
    """CSS of a Flex component; only values that are known or have a known form are let through."""
    rules: list[str] = []

    def add(name: str, value: str | None) -> None:
        if value is not None:
            rules.append(f"{name}:{value}")

    kind = component.get("type")
    add("background-color", _colour(component.get("backgroundColor")))
    add("color", _colour(component.get("color")) if kind in ("text", "span") else None)
    add("margin-left" if parent != "vertical" else "margin-top", _space(component.get("margin")))
    add("font-size", _size(component.get("size")) if kind in ("text", "span") else None)
    add("text-align", _ALIGN.get(str(component.get("align"))))
    add("font-weight", "bold" if component.get("weight") == "bold" else None)
    add(
        "text-decoration",
        {"underline": "underline", "line-through": "line-through"}.get(str(component.get("decoration"))),
    )
    flex = component.get("flex")
    if isinstance(flex, int | float) and parent != "vertical":
        add("flex", f"{flex:g} {'1 0' if flex else '0 auto'}")
    if kind == "box":
        add("gap", _space(component.get("spacing")))
        add("padding", _space(component.get("paddingAll")))
        add("border-radius", _space(component.get("cornerRadius")))
        add("height", _length(component.get("height")))
        add("width", _length(component.get("width")))
    if kind == "image":
        add("aspect-ratio", _ratio(component.get("aspectRatio")))
        add("object-fit", "cover" if component.get("aspectMode") == "cover" else "contain")
        add("width", _SIZES.get(str(component.get("size")), "100%") if component.get("size") == "full" else None)
    return ";".join(rules)


def place_area(bounds: dict[str, Any], size: dict[str, Any]) -> str:
    """CSS of a rich menu's area, in shares of the image."""
    width, height = size["width"], size["height"]
    shares = (bounds["x"] / width, bounds["y"] / height, bounds["width"] / width, bounds["height"] / height)
    names = ("left", "top", "width", "height")
    return ";".join(f"{name}:{share:.2%}" for name, share in zip(names, shares, strict=True))


def _colour(value: object) -> str | None:
    return value if isinstance(value, str) and _COLOUR.fullmatch(value) else None


def _length(value: object) -> str | None:
    return value if isinstance(value, str) and _LENGTH.fullmatch(value) else None


def _space(value: object) -> str | None:
    return _SPACES.get(str(value)) or _length(value)


def _size(value: object) -> str | None:
    return _SIZES.get(str(value)) or _length(value)


def _ratio(value: object) -> str | None:
    return value.replace(":", "/") if isinstance(value, str) and re.fullmatch(r"\d{1,5}:\d{1,5}", value) else None
