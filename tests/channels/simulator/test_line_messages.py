"""Message objects that LINE takes, and those it refuses with which words at which place.

The vendor's own client reads the good ones too (long): what it cannot read was never good.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.channels.simulator.line.actions import list_actions
from regulars.channels.simulator.line.messages import find_message_problems
from tests.support.examples import few

URI = {"type": "uri", "label": "看看", "uri": "https://example.com/"}
SAY = {"type": "message", "label": "好", "text": "好"}
POST = {"type": "postback", "label": "好", "data": "a=1"}
PICTURE = "https://example.com/a.jpg"


def flex(body: Any, **more: Any) -> dict[str, Any]:
    return {"type": "flex", "altText": "x", "contents": {"type": "bubble", "body": body, **more}}


def box(*contents: Any, layout: str = "vertical") -> dict[str, Any]:
    return {"type": "box", "layout": layout, "contents": list(contents)}


def nested(depth: int) -> dict[str, Any]:
    inner = box()
    for _ in range(depth):
        inner = box(inner)
    return inner


def quick(count: int) -> dict[str, Any]:
    return {"type": "text", "text": "x", "quickReply": {"items": [{"type": "action", "action": SAY}] * count}}


def template(**fields: Any) -> dict[str, Any]:
    return {"type": "template", "altText": "x", "template": fields}


GOOD: dict[str, dict[str, Any]] = {
    "text": {"type": "text", "text": "😀" * 2_500},
    "sticker": {"type": "sticker", "packageId": "446", "stickerId": "1988"},
    "image": {"type": "image", "originalContentUrl": PICTURE, "previewImageUrl": PICTURE},
    "video": {"type": "video", "originalContentUrl": PICTURE, "previewImageUrl": PICTURE},
    "audio": {"type": "audio", "originalContentUrl": PICTURE, "duration": 1000},
    "location": {"type": "location", "title": "a", "address": "b", "latitude": 25.0, "longitude": 121.5},
    "quick replies": quick(13),
    "buttons": template(type="buttons", text="x", actions=[URI, SAY, POST]),
    "confirm": template(type="confirm", text="x", actions=[SAY, POST]),
    "carousel": template(type="carousel", columns=[{"text": "x", "actions": [URI]}] * 10),
    "image carousel": template(type="image_carousel", columns=[{"imageUrl": PICTURE, "action": URI}]),
    "flex": flex(
        box(
            {"type": "text", "text": "x", "color": "#aabbcc", "wrap": True},
            {"type": "text", "contents": [{"type": "span", "text": "a"}]},
            {"type": "image", "url": PICTURE, "action": URI},
            {"type": "separator"},
            {"type": "button", "action": POST, "style": "primary"},
            box({"type": "icon", "url": PICTURE}, layout="baseline"),
            {"type": "filler"},
        ),
        hero={"type": "image", "url": PICTURE},
    ),
    "flex carousel": {
        "type": "flex",
        "altText": "x",
        "contents": {"type": "carousel", "contents": [{"type": "bubble", "body": box()}] * 12},
    },
    "imagemap": {
        "type": "imagemap",
        "baseUrl": PICTURE,
        "altText": "x",
        "baseSize": {"width": 1040, "height": 1040},
        "actions": [
            {
                "type": "uri",
                "linkUri": "https://example.com/",
                "area": {"x": 0, "y": 0, "width": 10, "height": 10},
            }
        ],
    },
}
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no text": ({"type": "text"}, "messages[0].text", "May not be empty"),
    "blank": ({"type": "text", "text": " "}, "messages[0].text", "May not be empty"),
    "5,001 units": (
        {"type": "text", "text": "😀" * 2_500 + "x"},
        "messages[0].text",
        "Length must be between 1 and 5000",
    ),
    "number": ({"type": "text", "text": 1}, "messages[0].text", "Must be a string"),
    "no type": ({"text": "x"}, "messages[0].type", "May not be empty"),
    "unknown": ({"type": "nosuch"}, "messages[0].type", "Must be one of the following values: [text"),
    "odd type": ({"type": ["text"]}, "messages[0].type", "Must be one of"),
    "14 quick replies": (quick(14), "messages[0].quickReply.items", "Size must be between 1 and 13"),
    "http": (
        {"type": "image", "originalContentUrl": "http://example.com/a", "previewImageUrl": PICTURE},
        "messages[0].originalContentUrl",
        "invalid uri scheme",
    ),
    "long label": (
        template(type="confirm", text="x", actions=[SAY, {**SAY, "label": "x" * 21}]),
        "messages[0].template.actions[1].label",
        "Length must be between 1 and 20",
    ),
    "script": (
        template(type="buttons", text="x", actions=[{**URI, "uri": "javascript:alert(1)"}]),
        "messages[0].template.actions[0].uri",
        "invalid uri scheme",
    ),
    "long data": (
        template(type="buttons", text="x", actions=[{**POST, "data": "x" * 301}]),
        "messages[0].template.actions[0].data",
        "Length must be between 1 and 300",
    ),
    "text beside a title": (
        template(type="buttons", title="t", text="x" * 61, actions=[SAY]),
        "messages[0].template.text",
        "Length must be between 1 and 60",
    ),
    "columns": (
        template(type="carousel", columns=[{"text": "x", "actions": [SAY]}] * 11),
        "messages[0].template.columns",
        "Size must be between 1 and 10",
    ),
    "flex without layout": (flex({"type": "box", "contents": []}), "/body/layout", "May not be empty"),
    "flex text": (flex(box({"type": "text"})), "/body/contents/0/text", "must be specified"),
    "flex component": (flex(box({"type": "no"})), "/body/contents/0/type", "Must be one of"),
    "flex colour": (flex(box({"type": "text", "text": "x", "color": "red"})), "/body/contents/0/color", "invalid"),
    "flex of nothing": (
        {"type": "flex", "altText": "x", "contents": {"type": "bubble"}},
        "/",
        "At least one block must be specified",
    ),
    "13 bubbles": (
        {
            "type": "flex",
            "altText": "x",
            "contents": {"type": "carousel", "contents": [{"type": "bubble", "body": box()}] * 13},
        },
        "/contents",
        "Size must be between 1 and 12",
    ),
    "deep flex": (flex(nested(60)), "/body" + "/contents/0" * 41, "Too deeply nested"),
    "large flex": (flex(box({"type": "text", "text": "x" * 4000}, *[{"type": "text", "text": "x" * 4000}] * 8)), "/", "Too large"),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_good_message_is_taken(name: str) -> None:
    assert find_message_problems([GOOD[name]]) is None


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_refused_at_its_place(name: str) -> None:
    message, place, words = BAD[name]
    problems = find_message_problems([message])
    assert problems is not None
    assert [one.property for one in problems[1]] == [place]
    assert problems[1][0].message.startswith(words)


def test_problems_are_counted_and_flex_is_told_apart() -> None:
    many = find_message_problems([{"type": "text"}, {"type": "nosuch"}])
    assert many is not None and many[0] == "The request body has 2 error(s)"
    wrong = find_message_problems([GOOD["text"], flex({"type": "box", "contents": []})])
    assert wrong is not None and wrong[0] == "A message (messages[1]) in the request body is invalid"
    assert find_message_problems([]) is not None
    assert find_message_problems([GOOD["text"]] * 6) is not None


def test_actions_are_found_from_top_to_bottom() -> None:
    message = flex(box({"type": "button", "action": POST}, box({"type": "button", "action": URI})))
    message |= {"quickReply": {"items": [{"type": "action", "action": SAY}]}}
    assert list(list_actions(message)) == [POST, URI, SAY]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["type", "text", "contents", "actions", "template", "body", "quickReply", "items", "action", "uri"])
        | st.text(max_size=5),
        inner | st.sampled_from(["text", "flex", "template", "bubble", "box", "buttons", "uri", "carousel"]),
        max_size=6,
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=few(40), deadline=None)
@given(JSON)
def test_anything_is_answered(value: Any) -> None:
    problems = find_message_problems(value)
    assert problems is None or problems[1]


@pytest.mark.long
@pytest.mark.parametrize("name", GOOD)
def test_the_vendors_client_reads_what_is_good(name: str) -> None:
    from linebot.v3.messaging import PushMessageRequest

    body = {"to": "U1", "messages": [GOOD[name]]}
    read = PushMessageRequest.from_dict(body).to_dict()
    assert read["messages"][0]["type"] == GOOD[name]["type"]
