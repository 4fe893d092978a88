"""Which addresses of a content are replaced by counted ones, and which stay."""

from regulars.messaging.content import find_links, replace_links
from regulars.messaging.ports import Button, Buttons, Card, Cards, Content, Image, Text, Voucher

CONTENT = Content(
    (
        Text("看看 https://example.com/a?x=1&y=2。或 (https://example.com/b), https://shop.example/u/tok mailto:a@b.c"),
        Image("https://example.com/picture.png", link="https://example.com/c"),
        Cards(
            (
                Card(
                    "t",
                    text="http://example.com/d.",
                    image_url="https://i.example",
                    buttons=(Button("x", url="tel:1"),),
                ),
            )
        ),
        Buttons(
            "see https://en.wikipedia.org/wiki/Shoe_(disambiguation)!", (Button("go", url="https://example.com/e"),)
        ),
        Voucher("v", "CODE", button=Button("use", url="https://example.com/f")),
    ),
    quick_replies=(Button("q", url="https://example.com/g"), Button("d", data="https://example.com/data")),
)


def test_every_address_that_can_be_followed_is_replaced_and_no_other() -> None:
    asked: list[str] = []

    def shorten(address: str) -> str:
        asked.append(address)
        return f"https://shop.example/l/{len(asked)}"

    content = replace_links(CONTENT, shorten, own="https://shop.example")
    assert asked == [
        "https://example.com/a?x=1&y=2",
        "https://example.com/b",
        "https://example.com/c",
        "http://example.com/d",
        "https://en.wikipedia.org/wiki/Shoe_(disambiguation)",
        "https://example.com/e",
        "https://example.com/f",
        "https://example.com/g",
    ]
    assert content.blocks[0] == Text(
        "看看 https://shop.example/l/1。或 (https://shop.example/l/2), https://shop.example/u/tok mailto:a@b.c"
    )
    assert content.blocks[1] == Image("https://example.com/picture.png", link="https://shop.example/l/3")
    assert content.blocks[2] == Cards(
        (
            Card(
                "t",
                text="https://shop.example/l/4.",
                image_url="https://i.example",
                buttons=(Button("x", url="tel:1"),),
            ),
        )
    )
    assert content.blocks[3] == Buttons(
        "see https://shop.example/l/5!", (Button("go", url="https://shop.example/l/6"),)
    )
    assert content.quick_replies[1] == Button("d", data="https://example.com/data")
    assert find_links(CONTENT)[0] == asked[0]


def test_a_content_without_links_stays_the_same() -> None:
    content = Content((Text("hello: //x"),))
    assert replace_links(content, lambda _: "no") == content
