"""Vouchers, rewards, staged events, scores and partners over HTTP: what a shop's program may rely on."""

import hashlib
import uuid
from typing import Any

import pytest

from tests.contract.client import INSTANT, Brand

PROGRAMME: dict[str, Any] = {
    "assets": {"points": {"redeemable": True}},
    "vouchers": [
        {"name": "half-price", "codes": "generated", "stock": 50, "valid": "30d", "discount": {"percent": "50"}},
        {"name": "hundred", "codes": "generated", "discount": {"amount": "100"}, "category": "amount"},
        {"name": "welcome", "codes": "generated", "per_member": 1, "new_to": "partner-b"},
    ],
    "rewards": [{"name": "mug", "price": 300, "asset": "points", "stock": 1}],
    "events": [
        {"name": "signing", "capacity": 1, "stages": [{"from": "2020-01-01"}]},
        {"name": "later", "capacity": 1, "stages": [{"from": "2199-01-01"}]},
    ],
    "scores": [{"name": "quiz", "max": 100, "ladder": [{"from": 0, "until": None, "voucher": "half-price"}]}],
}


@pytest.fixture(scope="module")
def shop(brand: Brand) -> Brand:
    brand.ask("PUT", "/api/programmes/club", PROGRAMME)
    return brand


def test_a_voucher_goes_through_an_order(shop: Brand) -> None:
    ann, bob = shop.new_member("voucher ann"), shop.new_member("voucher bob")
    issued = shop.ask("POST", "/api/voucher-pools/half-price/issue", {"member": ann}, example=True)
    code = issued["code"]
    assert (issued["pool"], issued["state"]) == ("half-price", "issued")
    assert INSTANT.fullmatch(issued["valid_until"])
    other = shop.ask("POST", "/api/voucher-pools/hundred/issue", {"member": ann})["code"]
    asked = {"member": ann, "amount": "500", "codes": [code, other, "NO"]}
    quoted = shop.ask("POST", "/api/vouchers/quote", asked, example=True)
    assert quoted == {
        "total": "150.00",
        "applied": [{"code": code, "discount": "250.00"}, {"code": other, "discount": "100"}],
        "refused": [{"code": "NO", "reason": "unknown"}],
    }
    body = {"member": ann, "order_id": "o1", "amount": "500"}
    told = shop.ask("POST", f"/api/vouchers/{code}/reserve", body, example=True)
    assert (told["state"], told["discount"], told["order_id"]) == ("reserved", "250.00", "o1")
    assert INSTANT.fullmatch(told["reserved_until"])
    path, more = f"/api/vouchers/{code}", {"member": ann, "order_id": "o2"}
    assert shop.refused("POST", f"{path}/reserve", more, status=409, example=True) == "voucher.state"
    assert shop.refused("POST", f"{path}/reserve", {"member": bob}, status=403) == "voucher.not_theirs"
    assert shop.ask("POST", f"{path}/release", {"member": ann}, example=True)["state"] == "issued"
    assert shop.refused("POST", f"{path}/confirm", {"member": ann}, status=409, example=True) == "voucher.state"
    shop.ask("POST", f"{path}/reserve", body)
    assert shop.ask("POST", f"{path}/confirm", {"member": ann, "order_id": "o1"}, example=True)["state"] == "used"
    assert shop.refused("POST", f"{path}/release", {"member": ann}, status=409, example=True) == "voucher.state"


def test_what_is_asked_wrongly_is_named(shop: Brand) -> None:
    ann = shop.new_member("wrong ann")
    told = shop.ask("POST", "/api/voucher-pools/half-prise/issue", {"member": ann}, status=404)
    assert (told["code"], told["suggestion"]) == ("voucher.pool_unknown", "half-price")
    code = shop.ask("POST", "/api/voucher-pools/hundred/issue", {"member": ann})["code"]
    for field, value in (("amount", 500), ("amount", "5 00"), ("until", "2020-01-01T00:00:00Z"), ("at", "noon")):
        told = shop.ask("POST", f"/api/vouchers/{code}/reserve", {"member": ann, field: value}, status=400)
        assert told["path"] == f"/{field}", told
    quoted = {"member": ann, "amount": "x", "codes": [code]}
    assert shop.refused("POST", "/api/vouchers/quote", quoted, example=True) == "voucher.invalid"
    assert shop.refused("POST", "/api/rewards/mgu/redeem", {"member": ann}, status=404) == "reward.unknown"
    assert shop.refused("POST", "/api/redemptions/r1/confirm", {}, status=404, example=True) == "redemption.unknown"


def test_an_issue_that_is_repeated_under_its_key_is_one(shop: Brand) -> None:
    ann = shop.new_member("repeated ann")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"member": ann}
    told = [shop.ask("POST", "/api/voucher-pools/hundred/issue", body, headers=key) for _ in range(2)]
    assert told[0] == told[1]


def test_a_reward_is_redeemed_and_taken_or_given_back(shop: Brand) -> None:
    ann = shop.new_member("reward ann")
    assert shop.refused("POST", "/api/rewards/mug/redeem", {"member": ann}, status=409) == "balance.insufficient"
    lines = [{"account": "issuer/points", "amount": "-300"}, {"account": f"member:{ann}/points", "amount": "300"}]
    moved = {"id": str(uuid.uuid4()), "kind": "earn", "lines": lines}
    shop.ask("POST", "/api/ledger/transfers", {"transfers": [moved]})
    made = shop.ask("POST", "/api/rewards/mug/redeem", {"member": ann}, example=True)
    assert (made["state"], made["price"], made["asset"], made["reward"]) == ("reserved", "300", "points", "mug")
    told = shop.ask("POST", "/api/rewards/mug/redeem", {"member": ann}, status=409, example=True)
    assert told["code"] == "reward.out_of_stock"
    path = f"/api/redemptions/{made['id']}"
    assert shop.ask("GET", path, example=True) == made
    assert shop.ask("POST", f"{path}/release", example=True)["state"] == "released"
    again = f"/api/redemptions/{shop.ask('POST', '/api/rewards/mug/redeem', {'member': ann})['id']}"
    assert shop.ask("POST", f"{again}/confirm", example=True)["state"] == "confirmed"
    assert shop.refused("POST", f"{again}/release", status=409, example=True) == "redemption.ended"
    assert shop.ask("GET", f"/api/ledger/accounts/member:{ann}%2Fpoints")["available"] == "0"


def test_places_are_taken_waited_for_and_left(shop: Brand) -> None:
    ann, bob = shop.new_member("place ann"), shop.new_member("place bob")
    path = "/api/registrations/signing"
    assert shop.ask("POST", path, {"member": ann}, example=True) == {"event": "signing", "state": "registered"}
    assert shop.ask("POST", path, {"member": bob})["state"] == "waiting"
    assert shop.ask("POST", f"{path}/cancel", {"member": ann}, example=True)["state"] == "cancelled"
    assert shop.ask("POST", path, {"member": bob})["state"] == "registered"
    told = shop.refused("POST", "/api/registrations/later", {"member": ann}, status=409, example=True)
    assert told == "registration.not_open"
    told = shop.refused("POST", "/api/registrations/later/cancel", {"member": ann}, status=404, example=True)
    assert told == "registration.unknown"


def test_a_score_brings_a_voucher_once_a_day(shop: Brand) -> None:
    ann = shop.new_member("score ann")
    body = {"id": str(uuid.uuid4()), "member": ann, "score": 80}
    told = shop.ask("POST", "/api/scores/quiz", body, example=True)
    assert (told["result"], told["voucher"]["pool"]) == ("created", "half-price")
    assert shop.ask("POST", "/api/scores/quiz", body) == {**told, "result": "exists"}
    other = {**body, "id": str(uuid.uuid4())}
    assert shop.refused("POST", "/api/scores/quiz", other, status=409, example=True) == "score.once_a_day"
    assert shop.ask("POST", "/api/scores/quiz", {**other, "score": 101}, status=400)["path"] == "/score"
    headers = {"Authorization": f"Bearer {shop.write_key}"}
    assert shop.request("POST", "/api/scores/quiz", json=other, headers=headers).status_code == 401


def test_a_partner_names_its_customers_and_learns_no_more(shop: Brand) -> None:
    known = shop.new_member("partner ann", email="Partner.Ann@example.com")
    new = shop.new_member("partner bob", email="partner.bob@example.com")
    hashed = hashlib.sha256(b"partner.ann@example.com").hexdigest()
    path = "/api/partners/partner-b/customers"
    assert shop.ask("PUT", path, {"hashes": [hashed, "0" * 64]}, example=True) == {"count": 2}
    assert shop.ask("POST", path, {"hashes": [hashed, "1" * 64]}, example=True) == {"count": 3}
    told = shop.ask("PUT", path, {"hashes": ["partner.ann@example.com"]}, status=400, example=True)
    assert (told["code"], told["path"]) == ("partner.invalid", "/hashes/0")
    assert shop.refused("POST", path, {"hashes": ["x"]}, example=True) == "partner.invalid"
    issue = "/api/voucher-pools/welcome/issue"
    assert shop.refused("POST", issue, {"member": known}, status=409, example=True) == "voucher.not_new"
    shop.ask("POST", issue, {"member": new})
    assert shop.refused("POST", issue, {"member": new}, status=409) == "voucher.per_member"
