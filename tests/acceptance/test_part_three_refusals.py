"""Part 3 of the plan, Bad input: named before anything is sent.

The wrong channel secret is in test_part_three_channels.py. What is spelled here where contract.md says nothing: `POST
/api/plans` answers `warnings [{"code","path","message"}]` for what makes a campaign or a channel send nothing, `path`
into the body of the plan for a campaign and `/channels/NAME` for a channel. A plan may as well be refused; either way
the answer names the campaign or the channel, and nothing goes out.
"""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.sending import Sender, make_campaign, new_group, today


def name_it(sender: Sender, campaign: str, named: str, **fields: Any) -> None:
    """A plan of this campaign is refused or warns, naming what is wrong; no message goes out even if it is sent."""
    answer = sender.post_plan(campaign, **fields)
    if answer.status_code in {200, 201}:
        told = answer.json()
        assert any(each["code"] and named in each["message"] + each["path"] for each in told["warnings"]), told
        assert told["summary"]["messages"] == 0
    else:
        assert answer.status_code == 400 and named in answer.text, answer.text


def try_campaign(sender: Sender, **fields: Any) -> dict[str, Any]:
    """PUT a campaign that must be refused; the error. Nothing is saved."""
    group = new_group()
    sender.add_one(group=group, known=False)
    audience = fields.pop("audience", None) or sender.save({"trait": {"group": group}})
    body = make_campaign(audience, **fields)
    error = sender.ask("PUT", f"/api/campaigns/bad-{group}", body, status=400)
    assert answer_of(sender, f"/api/campaigns/bad-{group}").status_code == 404
    assert error["code"].startswith("campaign.") or error["code"].startswith("message."), error
    return error


def answer_of(sender: Sender, path: str) -> httpx.Response:
    return sender.request("GET", path, headers={"Authorization": f"Bearer {sender.api_key}"})


def test_an_expired_token_is_seen_when_the_channel_is_put(sender: Sender) -> None:
    """contract: «`state` reports the last check and never blocks»"""
    good = sender.put_line("line-good")["state"]
    bad = sender.put_line("line-bad", access_token="expired")["state"]
    assert bad["ok"] is False and bad != good
    one = sender.add_one()
    sender.consent(one, "line-bad")
    row = sender.single(one, channel="line-bad")
    assert row["state"] == "rejected" and row["reason"]
    assert sender.simulator.list_messages(one.line) == []


def test_a_channel_that_cannot_be_is_refused(sender: Sender) -> None:
    base = {"kind": "line", **sender.simulator.line}
    bad: dict[str, tuple[dict[str, Any], str]] = {
        "no secret": ({key: value for key, value in base.items() if key != "secret"}, "/secret"),
        "unknown kind": ({**base, "kind": "pigeon"}, "/kind"),
        "no address": ({**base, "base_url": "not an address"}, "/base_url"),
        "no sender": ({"kind": "email", "smtp_url": "smtp://127.0.0.1:25"}, "/from"),
    }
    for body, path in bad.values():
        error = sender.ask("PUT", "/api/channels/bad", body, status=400)
        assert error["path"] == path, error
        assert sender.simulator.line["access_token"] not in str(error)


def test_an_audience_that_matches_nobody_is_named(sender: Sender) -> None:
    group = new_group()
    sender.add_one(group=group, known=False)
    empty = sender.save({"all": [{"trait": {"group": group}}, {"not": {"trait": {"group": group}}}]})
    campaign = sender.put_campaign(group, audience=empty)
    name_it(sender, campaign, campaign)


def test_a_message_over_the_limits_is_named(sender: Sender) -> None:
    assert try_campaign(sender, message={"zh-TW": {"text": "字" * 5_001}})["path"] == "/message/zh-TW/text"


TEMPLATES = {
    "an open tag": "{{ member.traits.first_name",
    "an unknown tag": "{% teleport %}",
    "an unknown filter": "{{ member.traits.first_name | shout }}",
    "an open block": "{% if member.traits.vip %}尊",
    "an unknown object": "{{ membr.traits.first_name }}",
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_error_is_named(sender: Sender, name: str) -> None:
    """In the second language too."""
    error = try_campaign(sender, message={"zh-TW": {"text": "好"}, "en": {"text": TEMPLATES[name]}})
    assert error["path"] == "/message/en/text" and error["message"]


def test_a_quota_of_nothing_is_named(sender: Sender) -> None:
    group = new_group()
    one = sender.add_one(group=group)
    sender.put_line("line-nothing")
    sender.consent(one, "line-nothing")
    sender.limit("line-nothing", 0)
    campaign = sender.put_campaign(group, channels=["line-nothing"])
    name_it(sender, campaign, "line-nothing")
    assert sender.single(one, channel="line-nothing")["reason"] == "quota"
    assert sender.simulator.list_requests([one.line]) == []


def test_a_past_window_is_named(sender: Sender) -> None:
    """Of the campaign, and of the plan; and one that ends before it begins."""
    group, yesterday = new_group(), today() - timedelta(days=1)
    sender.add_one(group=group)
    past = {"from": f"{yesterday - timedelta(days=9)}", "until": f"{yesterday}"}
    campaign = sender.put_campaign(group, window=past)
    name_it(sender, campaign, campaign)
    whole = sender.put_campaign(group)
    answer = sender.post_plan(whole, **past)
    assert answer.status_code == 400 and answer.json()["path"] in {"/from", "/until"}, answer.text
    turned = sender.post_plan(whole, **{"from": f"{today()}", "until": f"{yesterday}"})
    assert turned.status_code == 400 and turned.json()["path"] in {"/from", "/until"}
    error = try_campaign(sender, window={"from": f"{today()}", "until": f"{yesterday}"})
    assert error["path"].startswith("/window")


def test_a_campaign_without_consented_members_is_named(sender: Sender) -> None:
    group = new_group()
    people = sender.add(3, group=group, consent=False)
    campaign = sender.put_campaign(group)
    name_it(sender, campaign, campaign)
    assert sender.simulator.list_requests([one.line for one in people]) == []


CAMPAIGNS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown audience": ({"audience": "nobody knows"}, "/audience"),
    "unknown channel": ({"channels": ["line-main", "pigeon"]}, "/channels/1"),
    "no channel": ({"channels": []}, "/channels"),
    "no message": ({"message": {}}, "/message"),
    "a holdout over 1": ({"holdout": 1.5}, "/holdout"),
    "a negative value": ({"value": {"by": "fixed", "value": "-1.00"}}, "/value"),
    "an unknown trait": ({"value": {"by": "trait", "trait": "v_nothing"}}, "/value/trait"),
    "sizes turned": ({"size": {"min": 9, "max": 3}}, "/size"),
    "a budget in words": ({"budget": "much"}, "/budget"),
    "a goal within no time": ({"goal": {"event": "Order Completed", "within": "soon"}}, "/goal/within"),
    "a link that is none": (
        {"message": {"zh-TW": {"text": "x", "button": {"label": "看", "url": "nowhere"}}}},
        "/message/zh-TW/button/url",
    ),
    "an unknown field": ({"colour": "red"}, "/colour"),
}


@pytest.mark.parametrize("name", CAMPAIGNS)
def test_a_campaign_that_cannot_be_is_refused_with_its_place(sender: Sender, name: str) -> None:
    fields, path = CAMPAIGNS[name]
    error = try_campaign(sender, **fields)
    assert error["path"].startswith(path), error


# «Bad input: … named before anything is sent.»
def test_a_single_send_that_cannot_be_is_refused(sender: Sender) -> None:
    """Nobody, nowhere, nothing to say, no key: an error with its place, and no delivery."""
    one = sender.add_one()
    body = {
        "member": one.id,
        "channel": "line-main",
        "purpose": "marketing",
        "message": {"zh-TW": {"text": "好"}},
        "dedupe_key": "k",
    }
    for changed, path in (({"member": "m999999999"}, "/member"), ({"channel": "pigeon"}, "/channel")):
        error = sender.ask("POST", "/api/deliveries", {**body, **changed}, status=404)
        assert error.get("path", path) == path, error
    for changed, path in (
        ({"message": {}}, "/message"),
        ({"dedupe_key": ""}, "/dedupe_key"),
        ({"message": {"zh-TW": {"text": "{{ oops"}}}, "/message/zh-TW/text"),
    ):
        error = sender.ask("POST", "/api/deliveries", {**body, **changed}, status=400)
        assert error["path"].startswith(path), error
    assert sender.deliveries(member=one.id) == []


# «Bad input: … named before anything is sent.»
def test_a_price_plan_that_cannot_be_is_refused(sender: Sender) -> None:
    row = {"code": "a", "valid_from": "2020-01-01", "valid_to": None, "fee": "0", "included": 10, "extra": None}
    for plans, current, path in (
        ([row], "b", "/current"),
        ([{**row, "included": -1}], "a", "/plans/0/included"),
        ([{**row, "fee": "free"}], "a", "/plans/0/fee"),
        ([{**row, "valid_to": "2019-01-01"}], "a", "/plans/0/valid_to"),
        ([{**row, "extra": [{"up_to": None, "price": "0.2"}, {"up_to": 5, "price": "0.1"}]}], "a", "/plans/0/extra"),
    ):
        error = sender.ask("PUT", "/api/price-plans/line-main", {"current": current, "plans": plans}, status=400)
        assert error["path"].startswith(path), error
    sender.ask("PUT", "/api/price-plans/pigeon", {"current": "a", "plans": [row]}, status=404)
