"""Formatted text: parse_mode HTML, MarkdownV2 and Markdown become plain text and entities, or Telegram's refusal.

Offsets and lengths of entities are in UTF-16 code units, offsets of complaints in bytes of UTF-8.
Source: core.telegram.org/bots/api "Formatting options", read 2026-11; the complaints are worded as the server words them.
"""

import html
import re
from dataclasses import dataclass, field
from typing import Any, Final

Entity = dict[str, Any]

_HTML_KINDS: Final = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler", "a": "text_link",
    "code": "code", "pre": "pre", "blockquote": "blockquote", "span": "spoiler", "tg-emoji": "custom_emoji",
}  # fmt: skip
_TAG: Final = re.compile(r"</?([^\s<>/]+)([^<>]*)>")
_ATTRIBUTE: Final = re.compile(r"""([\w-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""")
_REFERENCE: Final = re.compile(r"&(?:lt|gt|amp|quot|#\d{1,7}|#x[0-9A-Fa-f]{1,6});")
_V2_MARKS: Final = {
    "*": "bold", "_": "italic", "__": "underline", "~": "strikethrough", "||": "spoiler", "`": "code", "```": "pre",
}  # fmt: skip
_V2_RESERVED: Final = frozenset("_*[]()~`>#+-=|{}.!")
_V1_MARKS: Final = {"*": "bold", "_": "italic", "`": "code", "```": "pre"}


class EntitiesInvalid(Exception):
    """The text cannot be parsed; the message goes behind `can't parse entities: `."""


@dataclass(slots=True)
class _Open:
    tag: str
    entity: Entity
    start: int


@dataclass(slots=True)
class _Out:
    """What was read so far."""

    parts: list[str] = field(default_factory=list[str])
    length: int = 0
    entities: list[Entity] = field(default_factory=list[Entity])

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.length += _utf16(text)

    def close(self, opened: _Open) -> None:
        if self.length > opened.start:
            self.entities.append({**opened.entity, "offset": opened.start, "length": self.length - opened.start})

    def finish(self) -> tuple[str, list[Entity]]:
        self.entities.sort(key=lambda one: (one["offset"], -one["length"]))
        return "".join(self.parts), self.entities


def parse_text(text: str, mode: str | None) -> tuple[str, list[Entity]]:
    """Plain text and its entities. Raises: EntitiesInvalid."""
    chosen = (mode or "").lower()
    if chosen == "":
        return text, []
    if chosen == "html":
        return _parse_html(text)
    if chosen in ("markdownv2", "markdown"):
        return _Markdown(text, is_v2=chosen == "markdownv2").parse()
    raise EntitiesInvalid("unsupported parse_mode")


def strip_text(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    """Without white space at both ends, as Telegram shows it; entities move along."""
    stripped = text.strip()
    shift, length = _utf16(text) - _utf16(text.lstrip()), _utf16(stripped)
    if stripped == text:
        return text, entities
    moved: list[Entity] = []
    for entity in entities:
        start = max(0, int(entity["offset"]) - shift)
        end = min(length, int(entity["offset"]) + int(entity["length"]) - shift)
        if end > start:
            moved.append({**entity, "offset": start, "length": end - start})
    return stripped, moved


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _parse_html(text: str) -> tuple[str, list[Entity]]:
    out, stack, at = _Out(), list[_Open](), 0
    while at < len(text):
        character = text[at]
        if character == "<":
            at = _read_tag(text, at, out, stack)
        elif character == "&" and (reference := _REFERENCE.match(text, at)):
            out.add(html.unescape(reference[0]))
            at = reference.end()
        else:
            end = min(
                (place for place in (text.find("<", at + 1), text.find("&", at + 1)) if place > 0), default=len(text)
            )
            out.add(text[at:end])
            at = end
    if stack:
        raise EntitiesInvalid(f'Can\'t find end tag corresponding to start tag "{stack[-1].tag}"')
    return out.finish()


def _read_tag(text: str, at: int, out: _Out, stack: list[_Open]) -> int:
    offset = _byte_offset(text, at)
    match = _TAG.match(text, at)
    if match is None:
        named = re.match(r"</?([^\s<>]*)", text[at : at + 60])
        raise EntitiesInvalid(f'Unsupported start tag "{named[1] if named else ""}" at byte offset {offset}')
    tag = match[1].lower()
    if text.startswith("</", at):
        opened = stack.pop() if stack else None
        if opened is None:
            raise EntitiesInvalid(f"Unexpected end tag at byte offset {offset}")
        if opened.tag != tag:
            told = f'Unmatched end tag at byte offset {offset}, expected "</{opened.tag}>", found "</{tag}>"'
            raise EntitiesInvalid(told)
        out.close(opened)
        return match.end()
    attributes = {
        one[1].lower(): html.unescape(one[2] or one[3] or one[4] or "") for one in _ATTRIBUTE.finditer(match[2])
    }
    if tag not in _HTML_KINDS or (tag == "span" and attributes.get("class") != "tg-spoiler"):
        raise EntitiesInvalid(f'Unsupported start tag "{tag}" at byte offset {offset}')
    stack.append(_Open(tag, _html_entity(tag, attributes), out.length))
    return match.end()


def _html_entity(tag: str, attributes: dict[str, str]) -> Entity:
    entity: Entity = {"type": _HTML_KINDS[tag]}
    if tag == "a" and "href" in attributes:
        entity["url"] = attributes["href"]
    elif tag == "tg-emoji":
        entity["custom_emoji_id"] = attributes.get("emoji-id", "")
    return entity


class _Markdown:
    """Both versions: the old one does not nest, reserves nothing, and lets a lone `]` be."""

    def __init__(self, text: str, *, is_v2: bool) -> None:
        self.text = text
        self.is_v2 = is_v2
        self.marks = _V2_MARKS if is_v2 else _V1_MARKS
        self.out = _Out()
        self.stack: list[_Open] = []
        self.places: list[int] = []

    def parse(self) -> tuple[str, list[Entity]]:
        at = 0
        while at < len(self.text):
            at = self._read(at)
        if self.stack:
            offset = _byte_offset(self.text, self.places[-1])
            raise EntitiesInvalid(f"Can't find end of the entity starting at byte offset {offset}")
        return self.out.finish()

    def _read(self, at: int) -> int:
        character = self.text[at]
        if character == "\\" and at + 1 < len(self.text) and ord(self.text[at + 1]) < 127:
            self.out.add(self.text[at + 1])
            return at + 2
        if self.stack and self.stack[-1].tag in ("`", "```"):
            return self._read_code(at)
        if mark := self._find_mark(at):
            return self._toggle(mark, at)
        if character == "[" or (character == "!" and self.is_v2 and self.text.startswith("![", at)):
            return self._open_link(at)
        if character == "]" and self.stack and self.stack[-1].tag == "[":
            return self._close_link(at)
        if character == ">" and self.is_v2 and (at == 0 or self.text[at - 1] == "\n"):
            return self._read_quote(at)
        if self.is_v2 and character in _V2_RESERVED:
            told = f"Character '{character}' is reserved and must be escaped with the preceding '\\'"
            raise EntitiesInvalid(told)
        self.out.add(character)
        return at + 1

    def _find_mark(self, at: int) -> str | None:
        for length in (3, 2, 1):
            candidate = self.text[at : at + length]
            if len(candidate) == length and candidate in self.marks:
                return candidate
        return None

    def _toggle(self, mark: str, at: int) -> int:
        if self.stack and self.stack[-1].tag == mark:
            self.out.close(self.stack.pop())
            self.places.pop()
        elif self.stack and not self.is_v2:
            self.out.add(mark)
        else:
            self.stack.append(_Open(mark, {"type": self.marks[mark]}, self.out.length))
            self.places.append(at)
            if mark == "```" and (language := re.match(r"(\w+)\n", self.text[at + 3 : at + 60])):
                self.stack[-1].entity["language"] = language[1]
                return at + 3 + language.end()
        return at + len(mark)

    def _read_code(self, at: int) -> int:
        mark = self.stack[-1].tag
        if self.text.startswith(mark, at):
            return self._toggle(mark, at)
        self.out.add(self.text[at])
        return at + 1

    def _open_link(self, at: int) -> int:
        self.stack.append(_Open("[", {"type": "text_link"}, self.out.length))
        self.places.append(at)
        return at + (2 if self.text[at] == "!" else 1)

    def _close_link(self, at: int) -> int:
        opened = self.stack.pop()
        self.places.pop()
        target = re.match(r"\(((?:[^()\\]|\\.)*)\)", self.text[at + 1 :])
        if target is None:
            if self.is_v2:
                raise EntitiesInvalid("Character ']' is reserved and must be escaped with the preceding '\\'")
            return at + 1
        opened.entity["url"] = re.sub(r"\\(.)", r"\1", target[1])
        self.out.close(opened)
        return at + 1 + target.end()

    def _read_quote(self, at: int) -> int:
        """A quotation is its lines; what is formatted in them is read on the way."""
        end = at
        while end < len(self.text) and self.text[end] == ">":
            newline = self.text.find("\n", end)
            end = len(self.text) if newline < 0 else newline + 1
        lines = "\n".join(line.removeprefix(">") for line in self.text[at:end].rstrip("\n").split("\n"))
        inner, entities = _Markdown(lines, is_v2=True).parse()
        start = self.out.length
        self.out.add(inner)
        self.out.close(_Open(">", {"type": "blockquote"}, start))
        self.out.entities += [{**one, "offset": one["offset"] + start} for one in entities]
        if self.text[at:end].endswith("\n"):
            self.out.add("\n")
        return end


def _byte_offset(text: str, at: int) -> int:
    return len(text[:at].encode("utf-8", "surrogatepass"))
