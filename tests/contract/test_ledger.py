"""The ledger, as a shop's own system posts to it."""

import uuid
from typing import Any

import pytest

from tests.contract.client import Brand, encoded


@pytest.fixture(scope="module")
def member(brand: Brand) -> str:
    """A member who may hold points."""
    brand.ask("PUT", "/api/ledger/assets/points", {"scale": 0, "funded": "granted"}, example=True)
    return brand.new_member("holder of points")


def move(member: str, amount: str, **fields: Any) -> dict[str, Any]:
    """A transfer from the issuer; a negative amount goes back to it."""
    other = amount[1:] if amount.startswith("-") else f"-{amount}"
    lines = [{"account": "issuer/points", "amount": other}, {"account": f"member:{member}/points", "amount": amount}]
    return {"id": str(uuid.uuid4()), "kind": "earn", "lines": lines, **fields}


def post(brand: Brand, *transfers: dict[str, Any], example: bool = False) -> list[str]:
    """Each one's result, or the code of its refusal."""
    told = brand.ask("POST", "/api/ledger/transfers", {"transfers": transfers}, example=example)["results"]
    assert [one["id"] for one in told] == [one["id"] for one in transfers]
    return [one.get("code", one["result"]) for one in told]


def get_account(brand: Brand, name: str, *, example: bool = False) -> tuple[str, str, str]:
    told = brand.ask("GET", f"/api/ledger/accounts/{name}", example=example)
    return told["posted"], told["held"], told["available"]


def test_points_are_posted_once_and_told_of(brand: Brand, member: str) -> None:
    earned, spent = move(member, "300"), move(member, "-120")
    assert post(brand, earned, spent, example=True) == ["created", "created"]
    assert post(brand, earned, {**spent, "kind": "other"}) == ["exists", "conflict"]
    assert post(brand, move(member, "-181")) == ["balance.insufficient"]
    name = f"member:{member}/points"
    assert get_account(brand, encoded(name), example=True) == ("180", "0", "180")
    assert get_account(brand, name) == ("180", "0", "180")
    entries = brand.ask("GET", f"/api/ledger/accounts/{encoded(name)}/statement", params={"limit": 1}, example=True)
    assert [(one["amount"], one["balance_after"]) for one in entries["entries"]] == [("-120", "180")]
    older = brand.ask("GET", f"/api/ledger/accounts/{name}/statement", params={"cursor": entries["next"]})
    assert [(one["amount"], one["version"]) for one in older["entries"]] == [("300", 1)]
    path = f"/api/ledger/transfers/{spent['id']}/reverse"
    assert brand.ask("POST", path, {"id": str(uuid.uuid4()), "amount": "20"}, example=True)["result"] == "created"
    assert get_account(brand, name)[0] == "200"
    assert brand.ask("GET", "/api/ledger/check", example=True) == {"ok": True, "findings": []}
    assert brand.ask("GET", "/api/ledger/liability", example=True)["liability"][0]["outstanding"] == "200"
    assert [one["code"] for one in brand.ask("GET", "/api/ledger/assets", example=True)["assets"]] == ["points"]


def test_an_amount_is_held_and_captured(brand: Brand, member: str) -> None:
    holder = brand.new_member("who holds")
    assert post(brand, move(holder, "100")) == ["created"]
    hold = {"id": str(uuid.uuid4()), "account": f"member:{holder}/points", "to": "issuer/points", "amount": "60"}
    told = brand.ask("POST", "/api/ledger/holds", {**hold, "expires_at": "2099-01-01T00:00:00Z"}, example=True)
    assert (told["state"], told["result"]) == ("open", "created")
    assert get_account(brand, f"member:{holder}/points") == ("100", "60", "40")
    path = f"/api/ledger/holds/{hold['id']}"
    assert brand.ask("POST", f"{path}/capture", {"amount": "25"}, example=True)["captured"] == "25"
    assert get_account(brand, f"member:{holder}/points") == ("75", "0", "75")
    assert brand.refused("POST", f"{path}/void", {}, status=409, example=True) == "hold.ended"
    again = {**hold, "id": str(uuid.uuid4()), "expires_at": "2099-01-01T00:00:00Z"}
    brand.ask("POST", "/api/ledger/holds", again)
    assert brand.ask("POST", f"/api/ledger/holds/{again['id']}/void", {}, example=True)["state"] == "voided"


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        *((bad, "amount.invalid") for bad in ("1.5", "NaN", "0", "-0", "1e3", "9223372036854775808", 5, None, "")),
        ("9223372036854775807", "created"),
    ],
)
def test_an_amount_is_a_text_of_whole_minor_units(brand: Brand, member: str, amount: Any, code: str) -> None:
    assert member, "points are there"
    other = f"-{amount}" if code == "created" else "-5"
    lines = [{"account": "fees/points", "amount": other}, {"account": "issuer/points", "amount": amount}]
    asked = {"id": str(uuid.uuid4()), "kind": "earn", "lines": lines}
    (told,) = brand.ask("POST", "/api/ledger/transfers", {"transfers": [asked]})["results"]
    assert told.get("code", told["result"]) == code
    assert code == "created" or told["path"] == "/transfers/0/lines/1/amount"


def test_what_is_wrong_is_named_and_the_rest_lands(brand: Brand, member: str) -> None:
    good = move(member, "1")
    wrong: dict[str, dict[str, Any]] = {
        "transfer.unbalanced": {
            **move(member, "5"),
            "lines": [*move(member, "5")["lines"][:1], {"account": "fees/points", "amount": "4"}],
        },
        "transfer.lines": {**move(member, "5"), "lines": move(member, "5")["lines"][:1]},
        "transfer.account_twice": {**move(member, "5"), "lines": move(member, "5")["lines"][:1] * 2},
        "account.unknown": move("m999999999", "5"),
        "asset.unknown": {
            **move(member, "5"),
            "lines": [{"account": "issuer/gold", "amount": "-5"}, {"account": "fees/gold", "amount": "5"}],
        },
        "transfer.invalid": {**move(member, "5"), "kind": ""},
    }
    assert post(brand, *wrong.values(), good) == [*wrong, "created"]
    assert brand.refused("POST", "/api/ledger/transfers", {"transfers": 5}, status=400) == "transfer.invalid"
    assert brand.refused("GET", "/api/ledger/accounts/member:m999999999/points", status=404) == "account.unknown"
    assert brand.refused("GET", "/api/ledger/accounts/points", status=404) == "account.unknown"
    assert brand.refused("PUT", "/api/ledger/assets/points", {"scale": 2}, status=400) == "asset.invalid"


def limit(brand: Brand, name: str, *, example: bool = False, **fields: Any) -> dict[str, Any]:
    body = {"asset": "points", "direction": "in", "per": "1d", **fields}
    return brand.ask("PUT", f"/api/ledger/limits/{name}", body, example=example)


def test_a_limit_is_put_told_and_taken_away(brand: Brand, member: str) -> None:
    made = limit(brand, "daily", most="1000", payee="new", then="step_up", example=True)
    one = {"name": "daily", "asset": "points", "direction": "in", "per": "1d", "most": "1000", "count": None}
    assert made == {**one, "payee": "new", "knowledge": None, "then": "step_up"}
    limit(brand, "often", count=9)
    assert brand.ask("GET", "/api/ledger/limits/daily", example=True) == made
    page = brand.ask("GET", "/api/ledger/limits", params={"limit": 1}, example=True)
    assert page["limits"] == [made]
    rest = brand.ask("GET", "/api/ledger/limits", params={"cursor": page["next"]})
    assert [row["name"] for row in rest["limits"]] == ["often"] and rest["next"] is None
    for name in ("daily", "often"):
        assert brand.ask("DELETE", f"/api/ledger/limits/{name}", example=name == "daily") == {"name": name}
    assert brand.refused("GET", "/api/ledger/limits/daily", status=404, example=True) == "limit.unknown"
    assert brand.refused("DELETE", "/api/ledger/limits/daily", status=404) == "limit.unknown"
    path, said = "/api/ledger/limits/daily", {"asset": "points", "direction": "in"}
    assert brand.refused("PUT", path, said, status=400, example=True) == "limit.invalid"
    assert brand.refused("PUT", path, {**said, "direction": "up", "most": "1"}, status=400) == "request.invalid"


def test_what_a_limit_reviews_is_captured_or_voided(brand: Brand, member: str) -> None:
    holder = brand.new_member("who is reviewed")
    limit(brand, "review", most="100", then="review")
    asked = move(holder, "500")
    for _ in range(2):
        (told,) = brand.ask("POST", "/api/ledger/transfers", {"transfers": [asked]})["results"]
        assert (told["result"], told["code"], told["limit"]) == ("refused", "limit.review", "review")
        assert told["hold"] == asked["id"]
    brand.ask("DELETE", "/api/ledger/limits/review")
    held = brand.ask("GET", "/api/ledger/holds", params={"review": "true"}, example=True)["holds"]
    assert [(one["id"], one["amount"], one["limit"]) for one in held] == [(asked["id"], "500", "review")]
    assert brand.refused("GET", "/api/ledger/holds?review=maybe", status=400) == "request.invalid"
    path = f"/api/ledger/holds/{asked['id']}/capture"
    assert brand.refused("POST", path, {"amount": "499"}, status=409, example=True) == "hold.not_divisible"
    assert brand.ask("POST", path, {})["transfer"] == asked["id"]
    assert post(brand, asked) == ["exists"]
    assert get_account(brand, f"member:{holder}/points") == ("500", "0", "500")
    assert brand.ask("GET", "/api/ledger/holds", params={"review": "true"})["holds"] == []


def test_an_account_has_terms(brand: Brand, member: str) -> None:
    holder = brand.new_member("with terms")
    path = f"/api/ledger/accounts/{encoded(f'member:{holder}/points')}"
    told = brand.ask("PUT", path, {"floor": "-50", "cap": "200", "knowledge": "verified"}, example=True)
    assert (told["floor"], told["cap"], told["knowledge"], told["closed"]) == ("-50", "200", "verified", False)
    assert brand.ask("PUT", path, {"closed": True, "cap": None}) == brand.ask("GET", path)
    assert told | {"closed": True, "cap": None} == brand.ask("GET", path)
    assert brand.refused("PUT", path, {"cap": "-51"}, status=400, example=True) == "account.invalid"
    assert brand.refused("PUT", path, {"ceiling": "5"}, status=400) == "request.invalid"
    nobody = "/api/ledger/accounts/member:m999999999%2Fpoints"
    assert brand.refused("PUT", nobody, {"closed": True}, status=404) == "account.unknown"
