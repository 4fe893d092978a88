"""parse_mode: plain text and entities in UTF-16 units, or Telegram's complaint; anything is answered with one of both."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.channels.simulator.page.formatting import format_entities
from regulars.channels.simulator.telegram.entities import EntitiesInvalid, parse_text, strip_text
from regulars.channels.simulator.telegram.forms import FormUnreadable, read_form
from tests.support.examples import few

GOOD: list[tuple[str, str, str, list[tuple[str, int, int]]]] = [
    ("HTML", "a <b>b <i>c</i></b>", "a b c", [("bold", 2, 3), ("italic", 4, 1)]),
    ("HTML", "😀<a href='https://e.tw/?a=1&amp;b'>x</a>", "😀x", [("text_link", 2, 1)]),
    ("html", "1 &lt; 2 &amp; 3 & 4", "1 < 2 & 3 & 4", []),
    ("HTML", '<span class="tg-spoiler">s</span>', "s", [("spoiler", 0, 1)]),
    ("MarkdownV2", "*b* _i_ __u__ ~s~ ||p|| `c`", "b i u s p c", [
        ("bold", 0, 1), ("italic", 2, 1), ("underline", 4, 1), ("strikethrough", 6, 1), ("spoiler", 8, 1), ("code", 10, 1),
    ]),
    ("MarkdownV2", r"1\.5 \*no\*", "1.5 *no*", []),
    ("MarkdownV2", "[看](https://e.tw/\\)x)", "看", [("text_link", 0, 1)]),
    ("MarkdownV2", ">a\n>*b*\nc", "a\nb\nc", [("blockquote", 0, 3), ("bold", 2, 1)]),
    ("MarkdownV2", "```py\nx=1```", "x=1", [("pre", 0, 3)]),
    ("Markdown", "*b* 1.5 [x](https://e.tw) a]", "b 1.5 x a]", [("bold", 0, 1), ("text_link", 6, 1)]),
]  # fmt: skip
BAD: list[tuple[str, str, str]] = [
    ("HTML", "<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
    ("HTML", "x</b>", "Unexpected end tag at byte offset 1"),
    ("HTML", "1 < 2", 'Unsupported start tag "" at byte offset 2'),
    ("HTML", "<mail@e.tw>", 'Unsupported start tag "mail@e.tw" at byte offset 0'),
    ("MarkdownV2", "1.5", "Character '.' is reserved and must be escaped with the preceding '\\'"),
    ("MarkdownV2", "好*b", "Can't find end of the entity starting at byte offset 3"),
    ("MarkdownV2", "[x]", "Character ']' is reserved and must be escaped with the preceding '\\'"),
    ("Markdown", "a_b", "Can't find end of the entity starting at byte offset 1"),
]


@pytest.mark.parametrize(("mode", "text", "plain", "entities"), GOOD)
def test_formatted_text_becomes_entities(
    mode: str, text: str, plain: str, entities: list[tuple[str, int, int]]
) -> None:
    parsed, found = parse_text(text, mode)
    assert parsed == plain
    assert [(one["type"], one["offset"], one["length"]) for one in found] == entities


@pytest.mark.parametrize(("mode", "text", "words"), BAD)
def test_text_that_cannot_be_parsed(mode: str, text: str, words: str) -> None:
    with pytest.raises(EntitiesInvalid) as caught:
        parse_text(text, mode)
    assert str(caught.value) == words


def test_white_space_at_the_ends_goes_and_entities_move() -> None:
    assert strip_text("  ab ", [{"type": "bold", "offset": 2, "length": 3}]) == (
        "ab",
        [{"type": "bold", "offset": 0, "length": 2}],
    )


MARKS = st.text(alphabet="ab好😀<>/&;\"'=*_~|`[]()!>\\\n .-", max_size=40)


@settings(max_examples=few(40), deadline=None)
@given(MARKS, st.sampled_from(["HTML", "MarkdownV2", "Markdown"]))
def test_any_text_is_parsed_or_refused(text: str, mode: str) -> None:
    try:
        plain, entities = parse_text(text, mode)
    except EntitiesInvalid:
        return
    length = len(plain.encode("utf-16-le")) // 2
    assert all(one["offset"] >= 0 and one["length"] > 0 and one["offset"] + one["length"] <= length for one in entities)
    shown = format_entities(plain, entities)
    assert shown.count("<b>") == shown.count("</b>") and "<script" not in shown


ENTITY: Any = st.fixed_dictionaries(
    {"type": st.sampled_from(["bold", "italic", "text_link", "no"]), "offset": st.integers(-2, 12), "length": st.integers(-2, 12)},
    optional={"url": st.sampled_from(["https://e.tw", "javascript:x", 'https://"><script>'])},
)  # fmt: skip


@settings(max_examples=few(40), deadline=None)
@given(st.text(max_size=10), st.lists(ENTITY, max_size=6))
def test_any_entities_are_shown_as_well_formed_html(text: str, entities: list[Any]) -> None:
    shown = str(format_entities(text, entities))
    assert "javascript:" not in shown.replace(str(text), "")
    open_tags: list[str] = []
    import re

    for closing, tag in re.findall(r"<(/?)(b|i|a)\b[^>]*>", shown):
        if closing:
            assert open_tags.pop() == tag
        else:
            open_tags.append(tag)
    assert open_tags == []


@settings(max_examples=few(40), deadline=None)
@given(st.binary(max_size=300))
def test_a_file_in_a_form_arrives_as_it_is(content: bytes) -> None:
    boundary = "b0undary-that-is-not-in-it"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\nContent-Type: image/png\r\n\r\n'
    )
    fields, uploads = read_form(
        f"multipart/form-data; boundary={boundary}", head.encode() + content + f"\r\n--{boundary}--\r\n".encode()
    )
    assert fields == {} and uploads["photo"].content == content


@settings(max_examples=few(40), deadline=None)
@given(st.binary(max_size=200))
def test_no_form_breaks_the_reader(body: bytes) -> None:
    with contextlib.suppress(FormUnreadable, UnicodeDecodeError):
        read_form("multipart/form-data; boundary=x", b"--x\r\n" + body + b"\r\n--x--")
