"""Messages as brands write them: shorthand, places of errors, languages, and what each member is told."""

from typing import Any

import pytest

from regulars.kernel.errors import DomainError
from regulars.messaging.content import choose_language, find_troubles, list_wishes, read_message
from regulars.messaging.errors import MessageInvalid, MissingValue
from regulars.messaging.ports import (
    Button,
    Buttons,
    Card,
    Cards,
    Content,
    Image,
    Text,
    Trouble,
    Voucher,
)

BUTTON = {"label": "看看", "url": "https://example.com/heels"}


def render(said: dict[str, Any], **traits: object) -> Content:
    return read_message({"en": said}).variants["en"].render({"member": {"traits": traits}})


def test_the_contracts_example() -> None:
    message = read_message(
        {
            "zh-TW": {
                "subject": "新品",
                "text": "{{ member.traits.first_name | default: '您好' }},…",
                "button": {"label": "看看", "url": "https://example.com/heels"},
            },
            "en": {"text": "…"},
        }
    )
    assert message.languages == ("zh-TW", "en")
    assert message.variables == {"member.traits.first_name"}
    chinese = message.variants["zh-TW"]
    assert chinese.is_personal and not message.variants["en"].is_personal
    assert chinese.render({"member": {"traits": {}}}) == Content(
        (Buttons("您好,…", (Button("看看", url="https://example.com/heels"),)),), subject="新品"
    )


def test_shorthand_becomes_blocks_in_the_stated_order() -> None:
    content = render(
        {
            "blocks": [
                {"type": "text", "text": "last"},
                {"type": "voucher", "title": "10 % off", "code": "A{{ member.traits.code }}", "button": BUTTON},
                {"type": "image", "url": "https://example.com/2.png", "alt": "shoes", "link": "https://example.com"},
                {"type": "buttons", "text": "choose", "buttons": [{"label": "yes", "data": "y"}]},
            ],
            "cards": [{"title": "boots", "image": "https://example.com/b.png", "button": BUTTON}, {"title": "heels"}],
            "text": "first text",
            "image": "https://example.com/1.png",
            "quick_replies": [{"label": "later"}],
        },
        code=7,
    )
    button = Button("看看", url="https://example.com/heels")
    assert content.blocks == (
        Image("https://example.com/1.png"),
        Text("first text"),
        Cards((Card("boots", image_url="https://example.com/b.png", buttons=(button,)), Card("heels"))),
        Text("last"),
        Voucher("10 % off", "A7", button=button),
        Image("https://example.com/2.png", alt="shoes", link="https://example.com"),
        Buttons("choose", (Button("yes", data="y"),)),
    )
    assert content.quick_replies == (Button("later"),)


@pytest.mark.parametrize(
    ("written", "path", "suggestion"),
    [
        ([], "/message", None),
        ({}, "/message", None),
        ({"text": "hi"}, "/message/text", '{"zh-TW": {"text": "…"}}'),
        ({"en": "hi"}, "/message/en", None),
        ({"en": {}}, "/message/en", None),
        ({"en": {"subject": "only"}}, "/message/en", None),
        ({"en": {"txet": "hi"}}, "/message/en/txet", "text"),
        ({"en": {"text": 5}}, "/message/en/text", None),
        ({"en": {"text": "  "}}, "/message/en/text", None),
        ({"en": {"text": "a\0b"}}, "/message/en/text", None),
        ({"en": {"button": BUTTON}}, "/message/en/text", None),
        ({"en": {"text": "a", "button": BUTTON, "buttons": [BUTTON]}}, "/message/en/button", None),
        ({"en": {"text": "a", "button": {"label": "x", "url": "u", "data": "d"}}}, "/message/en/button", None),
        ({"en": {"text": "a", "button": {"url": "https://x.example"}}}, "/message/en/button/label", None),
        ({"en": {"text": "a", "buttons": {}}}, "/message/en/buttons", None),
        ({"en": {"cards": []}}, "/message/en/cards", None),
        ({"en": {"cards": [{"title": "a"}, {"titel": "b"}]}}, "/message/en/cards/1/titel", "title"),
        ({"en": {"blocks": [{"text": "a"}]}}, "/message/en/blocks/0/type", "text, image, cards, buttons, voucher"),
        ({"en": {"blocks": [{"type": "video"}]}}, "/message/en/blocks/0/type", None),
        ({"en": {"blocks": [{"type": ["text"]}]}}, "/message/en/blocks/0/type", None),
        ({"en": {"blocks": [None]}}, "/message/en/blocks/0", None),
        ({"en": {"blocks": [{"type": "voucher", "title": "a"}]}}, "/message/en/blocks/0/code", None),
        ({"en": {"blocks": [{"type": "buttons", "text": "a"}]}}, "/message/en/blocks/0/buttons", None),
        ({"en": {"blocks": [{"type": "text", "text": "a {{"}]}}, "/message/en/blocks/0/text", None),
        ({"zh-TW": {"blocks": [{"type": "text"}]}}, "/message/zh-TW/blocks/0/text", None),
    ],
)
def test_what_is_wrong_is_named_with_its_place(written: object, path: str, suggestion: str | None) -> None:
    with pytest.raises(DomainError) as refused:
        read_message(written)
    assert refused.value.path == path
    assert path in refused.value.message
    if suggestion:
        assert refused.value.suggestion == suggestion


def test_what_comes_out_blank() -> None:
    """A text says nothing and is left out; what may stay empty stays empty; what may not refuses the member."""
    nothing = "{{ member.traits.none | default: '' }}"
    content = render({"text": "hi", "blocks": [{"type": "text", "text": nothing}], "subject": nothing})
    assert content == Content((Text("hi"),))
    assert render({"cards": [{"title": "a", "text": nothing}]}).blocks == (Cards((Card("a"),)),)
    with pytest.raises(MissingValue) as refused:
        render({"text": "hi", "button": {"label": nothing, "url": "https://example.com"}})
    assert refused.value.path == "/message/en/button/label"
    with pytest.raises(MissingValue) as refused:
        render({"text": nothing})
    assert refused.value.path == "/message/en"


def test_a_constant_message_is_made_once() -> None:
    variant = read_message({"en": {"text": "hi"}}).variants["en"]
    assert variant.render({}) is variant.render({})


@pytest.mark.parametrize(
    ("wishes", "chosen"),
    [
        (["en"], "en"),
        (["EN_gb"], "en"),
        (["zh_TW.UTF-8"], "zh-TW"),
        (["zh-Hant-TW"], "zh-TW"),
        (["zh-HK"], "zh-TW"),
        (["zh-SG"], "zh-CN"),
        (["zh"], "zh-CN"),
        (["ja", "en-US"], "en"),
        (["ja"], "zh-TW"),
        ([], "zh-TW"),
    ],
)
def test_the_language_a_member_is_told(wishes: list[str], chosen: str) -> None:
    assert choose_language(["zh-CN", "en", "zh-TW"], [*wishes, "zh-TW", "en"]) == chosen


def test_whose_wish_comes_first() -> None:
    assert list_wishes("en", {"language": "ja", "locale": "zh-TW"}) == ["en", "ja", "zh-TW"]
    assert list_wishes(None, {"language": 7, "locale": " "}) == []
    assert choose_language(["en", "ja"], ["fr"]) == "en"


class Strict:
    """A channel that minds everything, to see where things came from."""

    def check(self, content: Content) -> list[Trouble]:
        pointers = ["/subject", "/quick_replies/0/label"]
        for place in range(len(content.blocks)):
            pointers += [f"/blocks/{place}", f"/blocks/{place}/text", f"/blocks/{place}/buttons/0/url"]
            pointers += [f"/blocks/{place}/cards/0/image_url", f"/blocks/{place}/cards/0/buttons/0/label"]
        return [Trouble(pointer, "minded", "no") for pointer in pointers]


def test_troubles_point_into_the_message_as_it_was_written() -> None:
    message = read_message(
        {
            "en": {
                "text": "a",
                "button": BUTTON,
                "cards": [{"title": "t", "image": "https://example.com/1.png", "button": BUTTON}],
                "blocks": [{"type": "text", "text": "b"}],
                "quick_replies": [{"label": "x"}],
                "subject": "s",
            }
        }
    )
    troubles = find_troubles(message, {"line-main": Strict()})
    assert {trouble.channel for trouble in troubles} == {"line-main"}
    assert {
        "/message/en/text",
        "/message/en/button/url",
        "/message/en/cards/0/image",
        "/message/en/cards/0/button/label",
        "/message/en/blocks/0/text",
        "/message/en/quick_replies/0/label",
        "/message/en/subject",
    } <= {trouble.path for trouble in troubles}


def test_a_sketch_says_no_more_than_every_rendering_does() -> None:
    message = read_message(
        {
            "en": {
                "text": "Hello {{ member.traits.name }}!{% if member.traits.vip %} A long word of thanks.{% endif %}",
                "button": {"label": "{{ member.traits.label }}", "url": "https://example.com/{{ member.id }}"},
                "image": "{{ items['p-9'].attributes.picture }}",
            }
        }
    )
    sketch = message.variants["en"].sketch()
    assert sketch.blocks == (
        Image("https://example.com/"),
        Buttons("Hello !", (Button("…", url="https://example.com/"),)),
    )


def test_a_message_error_is_of_this_domain() -> None:
    with pytest.raises(MessageInvalid):
        read_message({"en": {"cards": [{"title": "x"}] * 13}})
