"""Part 3 of the plan, the paragraph Messages: what is rendered, checked before anything is sent, and read on the
phone.

What is spelled here where contract.md says nothing. A language of `message` may hold `blocks` instead of `text` and
`button`: `{"type":"text","text"}`, `{"type":"image","url"}`,
`{"type":"cards","cards":[{"title","text","image"?,"button"?}]}`,
`{"type":"buttons","text","buttons":[{"label","url"}]}`, `{"type":"voucher","name"}`; and `quick_replies
[{"label","text"}]`. A delivery has `clicks`. In a template `items['ID']` is an item. `POST /api/campaigns/{name}/test
{"member","channel"}` → 202, a delivery outside plans and caps.
"""

from typing import Any

import pytest

from tests.support.sending import Sender, find_links, make_campaign, new_group

pytestmark = pytest.mark.long  # plans are made and sent here: too much for every run

EMOJI = "😀"
"""Two UTF-16 units, one code point."""
TEXT: dict[str, Any] = {"type": "text", "text": "字"}
REPLY = {"label": "好", "text": "好"}

FITS: dict[str, dict[str, Any]] = {
    "5,000 units": {"text": EMOJI * 2_500},
    "five objects": {"blocks": [TEXT] * 5},
    "13 quick replies": {"text": "選一個", "quick_replies": [REPLY] * 13},
}
TOO_MUCH: dict[str, tuple[dict[str, Any], str]] = {
    "5,001 units": ({"text": EMOJI * 2_500 + "x"}, "/text"),
    "six objects": ({"blocks": [TEXT] * 6}, "/blocks"),
    "14 quick replies": ({"text": "選一個", "quick_replies": [REPLY] * 14}, "/quick_replies"),
    "a block of 5,001 units": ({"blocks": [TEXT, {"type": "text", "text": "字" * 5_001}]}, "/blocks/1/text"),
    "an unknown block": ({"blocks": [TEXT, {"type": "hologram"}]}, "/blocks/1/type"),
}


@pytest.fixture(scope="module")
def group(sender: Sender) -> str:
    """A group of one, so that its audience can be saved."""
    name = new_group()
    sender.add_one(group=name, known=False)
    return name


def try_campaign(sender: Sender, group: str, message: Any, status: int, **fields: Any) -> Any:
    """PUT a campaign with this message in Chinese."""
    audience = sender.save({"trait": {"group": group}}, f"group {group}")
    body = make_campaign(audience, message={"zh-TW": message}, **fields)
    return sender.ask("PUT", "/api/campaigns/tried", body, status=status)


@pytest.mark.parametrize("name", FITS)
def test_what_just_fits_is_taken_and_arrives(sender: Sender, group: str, name: str) -> None:
    try_campaign(sender, group, FITS[name], 200)
    one = sender.add_one()
    assert sender.single(one, message={"zh-TW": FITS[name]})["state"] == "accepted"
    assert len(sender.simulator.list_messages(one.line)) == 1, "five objects are one counted message"


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_over_a_limit_is_refused_with_its_place(sender: Sender, group: str, name: str) -> None:
    """As a campaign and as a single send."""
    message, path = TOO_MUCH[name]
    error = try_campaign(sender, group, message, 400)
    assert error["path"] == f"/message/zh-TW{path}", error
    one = sender.add_one()
    body = {
        "member": one.id,
        "channel": "line-main",
        "purpose": "marketing",
        "message": {"zh-TW": message},
        "dedupe_key": name,
    }
    assert sender.ask("POST", "/api/deliveries", body, status=400)["path"] == f"/message/zh-TW{path}"
    assert sender.simulator.list_requests([one.line]) == []


def test_a_telegram_only_campaign_has_telegrams_limits(sender: Sender, group: str) -> None:
    """4,096 characters; 4,500 fit LINE."""
    try_campaign(sender, group, {"text": "字" * 4_500}, 200, channels=["line-main"])
    assert try_campaign(sender, group, {"text": "字" * 4_500}, 400, channels=["tg"])["path"] == "/message/zh-TW/text"
    try_campaign(sender, group, {"text": "字" * 4_096}, 200, channels=["tg"])


def test_a_missing_value_is_the_stated_fallback_or_a_refusal(sender: Sender) -> None:
    """One has a first name; the other none, and an empty one is none."""
    group = new_group()
    names = [{"first_name": "美"}, {}, {"first_name": ""}]
    people = sender.add(3, group=group, traits=lambda number: names[number])
    hard = {"zh-TW": {"text": "{{ member.traits.first_name }},新品到了"}}
    soft = {"zh-TW": {"text": "{{ member.traits.first_name | default: '您好' }},新品到了"}}
    first = sender.put_campaign(group, message=hard)
    plan = sender.run(first)
    states = {row["member"]: (row["state"], row["reason"]) for row in sender.deliveries(plan=plan["id"])}
    refused = ("refused", "missing_value")
    assert states == {people[0].id: ("accepted", None), people[1].id: refused, people[2].id: refused}
    assert sender.why(people[1], first)["verdict"] == "refused"
    sender.run(sender.put_campaign(group, message=soft))
    said = [sender.simulator.read_texts(one.line) for one in people]
    assert [len(each) for each in said] == [2, 1, 1]
    assert all("美,新品到了" in each for each in said[0])
    assert all("您好,新品到了" in said[at][0] for at in (1, 2))


def test_a_template_knows_members_and_items(sender: Sender) -> None:
    """What a member said about itself is text, never a template."""
    sender.ask("POST", "/api/items", {"items": [{"id": "p-9", "name": "紅鞋", "category": "heels", "price": "1280"}]})
    one = sender.add_one(traits=lambda _: {"first_name": "{{ 7 | times: 6 }}"})
    text = "{{ member.traits.first_name }}:{{ items['p-9'].name }} {{ items['p-9'].price }} 元{% if true %}!{% endif %}"
    assert sender.single(one, text)["state"] == "accepted"
    (said,) = sender.simulator.read_texts(one.line)
    assert "{{ 7 | times: 6 }}:紅鞋 1280 元!" in said


def test_each_reads_it_in_their_language(sender: Sender) -> None:
    """By preference; who has none, or one that is missing, reads the brand's."""
    group = new_group()
    people = sender.add(3, group=group)
    for one, language in ((people[0], "en"), (people[2], "ja")):
        sender.ask("PUT", f"/api/members/{one.id}/preferences", {"language": language})
    sender.run(sender.put_campaign(group, message={"zh-TW": {"text": "新品到了"}, "en": {"text": "New arrivals"}}))
    said = [sender.simulator.read_texts(one.line) for one in people]
    assert [len(each) for each in said] == [1, 1, 1]
    assert "New arrivals" in said[0][0] and "新品到了" in said[1][0] and "新品到了" in said[2][0]


def test_a_tracked_link_redirects_and_counts_the_click(sender: Sender) -> None:
    """Each member has a link of their own; a click is the member's; an unknown token is 404 and redirects nowhere."""
    group, target = new_group(), "https://example.com/heels?size=38&x=%E9%9E%8B"
    people = sender.add(2, group=group)
    message = {"zh-TW": {"text": "看看", "button": {"label": "看看", "url": target}}}
    campaign = sender.put_campaign(group, message=message)
    sender.run(campaign)
    links = [find_links(sender.simulator.read_texts(one.line)) for one in people]
    assert [len(each) for each in links] == [1, 1] and links[0] != links[1]
    assert target not in " ".join(sender.simulator.read_texts(people[0].line))
    path = "/l/" + links[0][0].rpartition("/l/")[2]
    for _ in range(2):
        answer = sender.request("GET", path)
        assert answer.status_code in {302, 303, 307} and answer.headers["location"] == target
    clicks = {row["member"]: row["clicks"] for row in sender.deliveries(campaign=campaign)}
    assert clicks == {people[0].id: 2, people[1].id: 0}
    missed = sender.request("GET", "/l/nonsense")
    assert missed.status_code == 404 and "location" not in missed.headers


# «Messages: blocks (text, image, card carousel, buttons, voucher) rendered per channel …»
def test_blocks_are_rendered_for_each_channel(sender: Sender) -> None:
    """Cards are a Flex carousel on LINE; on Telegram everything that was said is still said."""
    cards = [
        {"title": f"鞋 {number}", "text": f"{number}00 元", "image": "https://example.com/a.jpg"} for number in (1, 2)
    ]
    blocks = [TEXT, {"type": "image", "url": "https://example.com/b.jpg"}, {"type": "cards", "cards": cards}]
    blocks.append({"type": "buttons", "text": "要嗎", "buttons": [{"label": "要", "url": "https://example.com/yes"}]})
    one = sender.add_one(on=("line-main", "tg"))
    message = {"zh-TW": {"blocks": blocks}}
    for channel in ("line-main", "tg"):
        assert sender.single(one, channel=channel, message=message)["state"] == "accepted"
    (objects,) = sender.simulator.list_messages(one.line)
    kinds = [each["type"] for each in objects]
    assert kinds[:2] == ["text", "image"] and len(kinds) == 4
    carousel = objects[2]
    assert carousel["altText"] and len(carousel["contents"]["contents"]) == 2
    told = " ".join(sender.simulator.read_texts(one.telegram))
    for word in ("字", "鞋 1", "鞋 2", "200 元", "要嗎"):
        assert word in told, word


def test_a_test_send_counts_for_nothing(sender: Sender) -> None:
    """It arrives though the member's cap is reached, and is no delivery of a plan."""
    group = new_group()
    one = sender.add_one(group=group)
    campaign = sender.put_campaign(group, message={"zh-TW": {"text": "試送"}})
    with sender.settings(caps=[{"most": 1, "per": "30d"}]):
        assert sender.single(one)["state"] == "accepted"
        made = sender.ask(
            "POST", f"/api/campaigns/{campaign}/test", {"member": one.id, "channel": "line-main"}, status=202
        )
        assert sender.wait_last(one, made["id"])["state"] == "accepted"
        assert made["plan"] is None
    assert any("試送" in said for said in sender.simulator.read_texts(one.line))
    assert sender.ask("GET", f"/api/campaigns/{campaign}/lift")["treated"]["members"] == 0
