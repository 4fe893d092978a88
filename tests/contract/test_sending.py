"""Channels, price plans, single deliveries, webhooks, and the links in messages."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.contract.client import Brand
from tests.contract.conftest import AddBrand
from tests.support.sending import Simulator, open_post
from tests.support.serving import wait_until

SECRET = "channel-secret"
OPEN = {"caps": None, "quiet_hours": None, "holdout": 0}
MID = {"code": "mid", "valid_from": "2026-11-01", "valid_to": None, "fee": "1000", "included": 3000, "extra": None}
HIGH = {
    "code": "high",
    "valid_from": "2026-11-01",
    "valid_to": None,
    "fee": "1400",
    "included": 6000,
    "extra": [{"up_to": 50_000, "price": "0.20"}, {"up_to": None, "price": "0.15"}],
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    one = Simulator()
    yield one
    one.end()


@pytest.fixture(scope="module")
def shop(brand: Brand, simulator: Simulator) -> Brand:
    """A brand with a LINE account `oa`, whose secret is SECRET, and a member that follows it."""
    brand.ask("PUT", "/api/settings", OPEN)
    line = {"kind": "line", "base_url": simulator.line["base_url"], "secret": SECRET}
    line["access_token"] = simulator.line["access_token"]
    shown = brand.ask("PUT", "/api/channels/oa", line)
    assert (shown["name"], shown["kind"]) == ("oa", "line") and shown["webhook_url"].endswith("/webhooks/oa")
    assert SECRET not in json.dumps(shown) and line["access_token"] not in json.dumps(shown)
    return brand


def hook(shop: Brand, *events: dict[str, Any], secret: str = SECRET, example: bool = False) -> httpx.Response:
    """A webhook as LINE signs it."""
    body = json.dumps({"destination": "Ubot", "events": events}).encode()
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    told = {"X-Line-Signature": signature, "Content-Type": "application/json"}
    return shop.request("POST", "/webhooks/oa", content=body, headers=told, example=example)


def happen(kind: str, user: str, number: int) -> dict[str, Any]:
    """One event of a webhook."""
    return {
        "type": kind,
        "mode": "active",
        "timestamp": 1_763_800_000_000 + number,
        "source": {"type": "user", "userId": user},
        "webhookEventId": f"{user}-{number}",
        "deliveryContext": {"isRedelivery": False},
        "replyToken": f"reply-{user}-{number}",
        "follow": {"isUnblocked": False},
    }


def send(shop: Brand, member: str, key: str, **changed: Any) -> dict[str, Any]:
    body = {"member": member, "channel": "oa", "purpose": "marketing", "message": {"en": {"text": "Hello"}}}
    return shop.ask("POST", "/api/deliveries", body | {"dedupe_key": key} | changed, status=202)


def test_channels_are_shown_without_their_secrets(shop: Brand) -> None:
    vendors = {"kind": "line", "access_token": "token-of-the-account", "secret": "secret-of-the-account"}
    vendors["base_url"] = "http://127.0.0.1:9"  # nobody listens there
    put = shop.ask("PUT", "/api/channels/line-main", vendors, example=True)
    assert put == shop.ask("GET", "/api/channels/line-main", example=True)
    listed = shop.ask("GET", "/api/channels", example=True)["channels"]
    assert [one["name"] for one in listed if one["kind"] == "line"] == ["line-main", "oa"]
    assert not any({"secret", "access_token", "token"} & one.keys() for one in listed)
    assert shop.ask("GET", "/api/channels/nobody", status=404)["code"] == "channel.unknown"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"kind": "pigeon"}, "kind"),
        ({"kind": "line", "access_token": "a"}, "secret"),
        ({"kind": "line", "access_token": "a", "secret": "s", "base_url": "ftp://x"}, "base_url"),
        ({"kind": "telegram", "token": "with space"}, "token"),
        ({"kind": "email", "smtp_url": "http://x", "from": "a@b.tw"}, "smtp_url"),
        ({"kind": "line", "access_token": "a", "secret": "s", "colour": "red"}, "colour"),
    ],
)
def test_a_wrong_channel_is_named(shop: Brand, body: dict[str, Any], path: str) -> None:
    assert shop.ask("PUT", "/api/channels/wrong", body, status=400)["path"] == f"/{path}"


def test_a_channel_keeps_its_kind(shop: Brand) -> None:
    told = {"kind": "telegram", "token": "1:a"}
    assert shop.ask("PUT", "/api/channels/oa", told, status=409)["code"] == "channel.in_use"


def test_price_plans_are_kept_as_they_were_put(shop: Brand) -> None:
    book = {"current": "high", "plans": [MID, HIGH]}
    assert shop.ask("GET", "/api/price-plans/oa", example=True) == {"current": None, "plans": []}
    assert shop.ask("PUT", "/api/price-plans/oa", book, example=True) == book
    assert shop.ask("GET", "/api/price-plans/oa") == book
    wrong = {"current": "light", "plans": [MID]}
    answer = shop.ask("PUT", "/api/price-plans/oa", wrong, status=400)
    assert (answer["code"], answer["path"], answer["suggestion"]) == ("price_plan.invalid", "/current", "mid")
    assert shop.ask("PUT", "/api/price-plans/nobody", book, status=404)["code"] == "channel.unknown"


def test_a_known_price_plan_is_put_as_it_is(shop: Brand) -> None:
    known = shop.ask("GET", "/api/known-price-plans", example=True)["plans"]
    mine = [one["plan"] for one in known if (one["kind"], one["country"], one["currency"]) == ("line", "TW", "TWD")]
    book = {"current": "high", "plans": mine}
    assert shop.ask("PUT", "/api/price-plans/oa", book) == book
    shop.ask("PUT", "/api/price-plans/oa", {"current": "high", "plans": [MID, HIGH]})


def test_a_month_that_nothing_was_sent_in_costs_nothing(add_brand: AddBrand) -> None:
    shop = add_brand("costs")  # whatever else sends is in the answer
    nowhere = {"kind": "line", "base_url": "http://127.0.0.1:9", "access_token": "a", "secret": "s"}
    shop.ask("PUT", "/api/channels/oa", nowhere)
    shop.ask("PUT", "/api/price-plans/oa", {"current": "high", "plans": [HIGH]})
    told = shop.ask("GET", "/api/costs", params={"month": "2020-01"}, example=True)
    assert (told["month"], told["currency"]) == ("2020-01", "TWD")
    oa = told["channels"]["oa"]
    assert [oa[name] for name in ("messages", "free_replies", "cost", "forecast", "saved_by_replies")] == [
        0, 0, "0", "0", "0",
    ]  # fmt: skip
    for month in ("soon", "2020-13", "2020-1", "1999-12", ""):
        assert shop.ask("GET", "/api/costs", params={"month": month}, status=400)["path"] == "month"


def test_following_consents_blocking_suppresses_and_following_again_opens(shop: Brand) -> None:
    assert hook(shop, happen("follow", "Ufan", 1), example=True).status_code == 200
    member = shop.ask("GET", "/api/members?identity=line:Ufan")["members"][0]
    assert [(one["channel"], one["granted"]) for one in member["consents"]] == [("oa", True)]
    assert send(shop, member["id"], "fan 1")["state"] == "reserved"
    hook(shop, happen("unfollow", "Ufan", 2))
    refused = send(shop, member["id"], "fan 2")
    assert (refused["state"], refused["reason"]) == ("refused", "suppressed")
    hook(shop, happen("follow", "Ufan", 1))  # told again: it is an old word
    assert send(shop, member["id"], "fan 3")["reason"] == "suppressed"
    hook(shop, happen("follow", "Ufan", 3), {"type": "neverHeardOf", "timestamp": 1}, happen("follow", "Unew", 4))
    assert send(shop, member["id"], "fan 4")["state"] == "reserved"
    assert shop.ask("GET", "/api/members?identity=line:Unew")["members"]


def test_a_one_tap_link_makes_a_chat_the_members(shop: Brand, simulator: Simulator) -> None:
    bot = {"kind": "telegram", "base_url": simulator.telegram["base_url"], "token": simulator.telegram["token"]}
    shown = shop.ask("PUT", "/api/channels/tg", bot | {"secret_token": "from-telegram"})
    assert shown["state"]["ok"] is True
    member = shop.new_member("linked")
    link = shop.ask("POST", f"/api/members/{member}/link-tokens", {"channel": "tg"}, example=True)
    assert link["url"].startswith("https://t.me/") and link["url"].endswith(f"?start={link['token']}")
    chat = {"id": 77001, "type": "private", "first_name": "Ann"}
    said = {"message_id": 1, "date": 1_763_800_000, "chat": chat, "from": {**chat, "is_bot": False}}
    update = {"update_id": 1, "message": said | {"text": f"/start {link['token']}"}}
    told = {"X-Telegram-Bot-Api-Secret-Token": "from-telegram"}
    assert shop.request("POST", "/webhooks/tg", json=update, headers=told).status_code == 200
    assert shop.ask("GET", "/api/members?identity=telegram:77001")["members"][0]["id"] == member


def test_a_webhook_that_nobody_signed_is_refused(shop: Brand) -> None:
    assert hook(shop, happen("follow", "Umallory", 1), secret="guessed").status_code == 401
    assert shop.ask("GET", "/api/members?identity=line:Umallory")["members"] == []
    assert shop.request("POST", "/webhooks/nobody", content=b"{}").status_code == 404


def test_one_delivery_from_asking_to_click_to_unsubscribing(shop: Brand, simulator: Simulator) -> None:
    simulator.add_people("line", ["Ubuyer"])
    hook(shop, happen("follow", "Ubuyer", 1))
    member = shop.ask("GET", "/api/members?identity=line:Ubuyer")["members"][0]["id"]
    button = {"label": "Look", "url": "https://example.com/heels?a=1"}
    asked = {"member": member, "channel": "oa", "purpose": "marketing", "dedupe_key": "buyer 1"}
    asked["message"] = {"en": {"text": "Hello {{ member.traits.first_name | default: 'you' }}", "button": button}}
    made = shop.ask("POST", "/api/deliveries", asked, status=202, example=True)
    assert (made["state"], made["reason"], made["price"]) == ("reserved", None, "0")
    assert shop.ask("POST", "/api/deliveries", asked, status=202)["id"] == made["id"]
    changed = asked | {"channel": "oa", "topic": "promo"}
    assert shop.ask("POST", "/api/deliveries", changed, status=409)["code"] == "delivery.dedupe_conflict"
    path = f"/api/deliveries/{made['id']}"
    wait_until(lambda: shop.ask("GET", path)["state"] == "accepted", "it is sent", 60)
    told = shop.ask("GET", path, example=True)
    assert [one["outcome"] for one in told["attempts"]] == ["accepted"]
    listed = shop.ask("GET", "/api/deliveries", params={"member": member, "state": "accepted"}, example=True)
    assert listed["deliveries"] == [told]
    ((message,),) = simulator.list_messages("Ubuyer")
    link = urlsplit(json.dumps(message).partition('"uri": "')[2].partition('"')[0]).path
    token = link.rpartition("/")[2]
    hop = shop.request("GET", f"/l/{token}", example=True, follow_redirects=False)
    assert (hop.status_code, hop.headers["location"]) == (302, button["url"])
    assert shop.request("GET", f"/l/{token}", follow_redirects=False).status_code == 302
    assert (told["clicks"], shop.ask("GET", path)["clicks"]) == (0, 2)
    assert shop.request("GET", "/l/nonsense").status_code == 404
    assert shop.request("GET", f"/u/{token}").status_code == 404, "a link's token does not unsubscribe"


def test_mail_says_how_to_leave_and_one_click_does(shop: Brand) -> None:
    with open_post() as post:
        shop.ask(
            "PUT",
            "/api/channels/mail",
            {"kind": "email", "smtp_url": f"smtp://127.0.0.1:{post.port}", "from": "shop@example.com"},
        )
        member = shop.new_member("reader", email="reader@example.com")
        granted = {"granted": True, "proof": {"source": "form"}}
        shop.ask("PUT", f"/api/members/{member}/consents/mail/marketing", granted)
        message = {"en": {"subject": "News", "text": "Hello"}}
        assert send(shop, member, "mail 1", channel="mail", message=message)["state"] == "reserved"
        wait_until(lambda: post.list_mails("reader@example.com"), "the mail is there", 60)
        (mail,) = post.list_mails("reader@example.com")
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        path = urlsplit(str(mail["List-Unsubscribe"]).strip("<>")).path
        assert "<form" in shop.request("GET", path, example=True).text
        assert send(shop, member, "mail 2", channel="mail", message=message)["state"] == "reserved", "a look is no word"
        assert shop.request("POST", path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
        assert shop.request("POST", path, example=True).status_code == 200, "again is harmless"
        assert send(shop, member, "mail 3", channel="mail", message=message)["reason"] == "no_consent"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"channel": "nobody"}, "channel.unknown"),
        ({"member": "m999999999"}, "member.unknown"),
        ({"message": {"en": {"text": "Hi {{ member.trait.x }}"}}}, "message.template_invalid"),
        ({"message": {"en": {"text": "x" * 5001}}}, "message.invalid"),
        ({"message": {}}, "message.invalid"),
        ({"dedupe_key": ""}, "delivery.invalid"),
    ],
)
def test_a_wrong_delivery_is_named(shop: Brand, changed: dict[str, Any], code: str) -> None:
    member = shop.new_member(f"wrong {code} {time.monotonic_ns()}")
    body = {"member": member, "channel": "oa", "message": {"en": {"text": "Hi"}}, "dedupe_key": "wrong"} | changed
    status = 404 if code.endswith("unknown") else 400
    assert shop.ask("POST", "/api/deliveries", body, status=status)["code"] == code


def test_who_never_agreed_or_cannot_be_reached_is_refused(shop: Brand) -> None:
    member = shop.new_member("nobody's friend")
    assert send(shop, member, "n1")["reason"] == "no_consent"
    granted = {"granted": True, "proof": {"source": "form"}}
    shop.ask("PUT", f"/api/members/{member}/consents/oa/marketing", granted)
    assert send(shop, member, "n2")["reason"] == "unreachable"
