"""Part 4 of the plan, Bad input: refused at the door with the path, nothing lost.

What is spelled here where contract.md says nothing. A refused transfer's result has `path`, into the request:
`/transfers/0/lines/1/amount` for an amount, an account or its asset; `/transfers/0/lines` for what the lines are together. A
programme that cannot be is 400 with `path` into its JSON and saves nothing; the version in force stays in force. What cannot
be read at all is 400 or 422.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.rewarding import ISSUER, Rewarded, line, new_id, soon, transfer

pytestmark = pytest.mark.long

PROGRAMMES = pytest.mark.xfail(
    strict=True,
    reason="«overlapping tiers, a ladder with a gap, a rule over an unknown trait: refused … with the path»",
)

BIG = 2**63 - 1


@pytest.fixture
def ledger(books: Rewarded) -> Rewarded:
    """a has 10 points."""
    books.put_asset()
    books.credit("a", 10)
    return books


@pytest.mark.parametrize(
    "amount", ["1.5", "NaN", "Infinity", "-Infinity", "0.0000001", "1e2", "0x10", str(2**63), "9" * 400, ""]
)
def test_an_amount_that_is_none_is_named(ledger: Rewarded, amount: str) -> None:
    """The good ones beside it land."""
    good = [transfer(line(ISSUER, -1), line(ledger.of("a"), 1)) for _ in range(2)]
    bad = transfer(line(ISSUER, "-1"), line(ledger.of("a"), amount))
    told = ledger.post(good[0], bad, good[1])
    assert [one["result"] for one in told] == ["created", "refused", "created"]
    assert (told[1]["code"], told[1]["path"]) == ("amount.invalid", "/transfers/1/lines/1/amount")
    assert ledger.figures("a") == (12, 0, 12)
    ledger.check_books()


@pytest.mark.parametrize("amount", ["1.5", "3", "true", "null", '["3"]', '{"amount": "3"}', "NaN"])
def test_an_amount_that_is_no_text_is_no_amount(ledger: Rewarded, amount: str) -> None:
    """A JSON number may have lost digits before it arrives."""
    made = transfer(line(ISSUER, -3), line(ledger.of("a"), "AMOUNT"))
    body = json.dumps({"transfers": [made]}).replace('"AMOUNT"', amount)
    headers = {"Authorization": f"Bearer {ledger.api_key}", "Content-Type": "application/json"}
    answer = ledger.request("POST", "/api/ledger/transfers", headers=headers, content=body)
    if answer.status_code == 200:
        (told,) = answer.json()["results"]
        assert (told["result"], told["code"]) == ("refused", "amount.invalid")
    else:
        assert answer.status_code in {400, 422} and answer.json()["code"] != "request.path_unknown"
    assert ledger.figures("a") == (10, 0, 10)


def test_what_would_overflow_is_refused(ledger: Rewarded) -> None:
    """Of the member, of the issuer, and of the sum of lines; nothing wraps round."""
    b = ledger.of("b")
    ledger.credit("b", BIG)
    over = transfer(line(ISSUER, -1), line(b, 1))
    sums = transfer(line(ISSUER, -BIG), line("fees/points", -BIG), line(b, 2 * BIG))
    wrapped = transfer(line("fees/points", BIG), line("breakage/points", BIG), line(ISSUER, 2))
    told = ledger.post(over, sums, wrapped)
    assert [one["result"] for one in told] == ["refused"] * 3
    assert [one["code"] for one in told] == ["balance.over_cap", "amount.invalid", "transfer.unbalanced"]
    assert ledger.figures("b") == (BIG, 0, BIG)
    ledger.check_books()


def test_each_refusal_says_why_and_where(ledger: Rewarded) -> None:
    a = ledger.of("a")
    bad: list[tuple[dict[str, Any], str, str]] = [
        (transfer(line(ISSUER, -3), line(a, 4)), "transfer.unbalanced", "/lines"),
        (transfer(line(a, 3)), "transfer.lines", "/lines"),
        (transfer(line(a, 1), line(a, -1)), "transfer.account_twice", "/lines/1/account"),
        (transfer(line("issuer/gold", -3), line(ledger.of("a", "gold"), 3)), "asset.unknown", "/lines/0/account"),
        (transfer(line(ISSUER, -3), line("member:m999999999/points", 3)), "account.unknown", "/lines/1/account"),
        (transfer(line(ISSUER, -3), line("somebody/points", 3)), "account.unknown", "/lines/1/account"),
        (transfer(line(a, -11), line(ISSUER, 11)), "balance.insufficient", ""),
    ]
    told = ledger.post(*(made for made, _, _ in bad))
    for number, ((_, code, path), one) in enumerate(zip(bad, told, strict=True)):
        assert (one["result"], one["code"]) == ("refused", code)
        assert one["path"] == f"/transfers/{number}{path}", one
    assert ledger.figures("a") == (10, 0, 10) and ledger.posted(ISSUER) == -10


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "no uuid"},
        {"kind": ""},
        {"kind": "k" * 41},
        {"lines": "none"},
        {"lines": [{"amount": "3"}]},
        {"meta": "text"},
        {"colour": "red"},
        {"lines": [{"account": ISSUER, "amount": "-1", "expires_at": "soon"}, {"account": "x", "amount": "1"}]},
    ],
    ids=["id", "no kind", "long kind", "lines", "no account", "meta", "unknown field", "expiry"],
)
def test_a_transfer_that_cannot_be_read_is_refused_with_its_place(ledger: Rewarded, changed: dict[str, Any]) -> None:
    """Each stands alone: what stands beside it is posted."""
    good = transfer(line(ISSUER, -1), line(ledger.of("a"), 1))
    bad = {**transfer(line(ISSUER, -1), line(ledger.of("a"), 1)), **changed}
    told = ledger.post(good, bad)
    assert [one["result"] for one in told] == ["created", "refused"]
    assert told[1]["code"].startswith("transfer.") and told[1]["path"].startswith(f"/transfers/1/{next(iter(changed))}")
    assert ledger.figures("a") == (11, 0, 11)


@pytest.mark.parametrize("body", ["{", "[]", "{}", '{"transfers":3}', '{"transfers":[NaN]}', "\xff", ""])
def test_a_request_that_cannot_be_read_is_refused_whole(ledger: Rewarded, body: str) -> None:
    headers = {"Authorization": f"Bearer {ledger.api_key}", "Content-Type": "application/json"}
    answer = ledger.request("POST", "/api/ledger/transfers", headers=headers, content=body.encode("latin-1"))
    assert answer.status_code in {400, 422}, answer.text
    assert ledger.figures("a") == (10, 0, 10)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 400, "-0.0", "1e-400"])
@pytest.mark.parametrize("path", ["transfers", "transfers/{}/reverse", "holds", "holds/{}/capture", "assets/nan"])
def test_a_number_that_is_none_is_refused_everywhere(ledger: Rewarded, path: str, number: str) -> None:
    """Wherever it stands: never a failure of ours."""
    headers = {"Authorization": f"Bearer {ledger.api_key}", "Content-Type": "application/json"}
    made = transfer(line(ISSUER, -1), line(ledger.of("a"), 1), meta={"x": "N"})
    bodies = [
        f'{{"id":{number},"amount":{number},"account":{number},"to":{number},"scale":{number},"transfers":[{number}]}}',
        f'{{"id":"{new_id()}","amount":{number},"policy":{number},"licensed":{number}}}',
        json.dumps({"transfers": [{**made, "kind": "N"}]}).replace('"N"', number),
        json.dumps({"transfers": [{**made, "lines": "N"}]}).replace('"N"', number),
    ]
    method = "PUT" if path.startswith("assets") else "POST"
    for body in bodies:
        told = ledger.request(method, f"/api/ledger/{path.format(new_id())}", headers=headers, content=body)
        assert told.status_code in {400, 404} or [one["result"] for one in told.json()["results"]] == ["refused"]
    assert ledger.figures("a") == (10, 0, 10)


def test_a_hold_that_cannot_be_is_refused(ledger: Rewarded) -> None:
    for changed, code in (
        ({"amount": "11"}, "balance.insufficient"),
        ({"account": "member:m999999999/points"}, "account.unknown"),
        ({"account": ledger.of("a", "gold"), "to": "issuer/gold"}, "asset.unknown"),
    ):
        told = ledger.hold("a", **{"amount": 5, **changed})
        assert (told["result"], told["code"]) == ("refused", code), changed
    past = ledger.hold("a", 1, seconds=-60)
    assert (past["result"], past["code"]) == ("refused", "hold.expired"), "asked again later, it would be `exists`"
    good = {"id": new_id(), "account": ledger.of("a"), "to": ISSUER, "amount": "1", "expires_at": soon(60)}
    for name, value in (
        ("amount", "1.5"),
        ("amount", "-3"),
        ("id", "x"),
        ("to", good["account"]),
        ("to", "issuer/gold"),
        ("expires_at", "soon"),
    ):
        answer = ledger.try_ask("POST", "/api/ledger/holds", {**good, name: value})
        assert answer.status_code == 400 and answer.json()["path"] == f"/{name}"
    assert ledger.figures("a") == (10, 0, 10)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"scale": 1.5}, "/scale"),
        ({"scale": -1}, "/scale"),
        ({"funded": "borrowed"}, "/funded"),
        ({"licensed": "yes"}, "/licensed"),
    ],
)
def test_an_asset_that_cannot_be_is_refused(books: Rewarded, body: dict[str, Any], path: str) -> None:
    told = books.ask(
        "PUT", "/api/ledger/assets/points", {"scale": 0, "funded": "granted", "licensed": False, **body}, status=400
    )
    assert told["path"] == path
    assert books.post_one(transfer(line(ISSUER, -1), line(books.of("a"), 1))) == ("refused", "asset.unknown")


GOOD: dict[str, Any] = {
    "assets": {"points": {"redeemable": True}, "stars": {"qualifying": True}},
    "earn": [
        {
            "name": "base",
            "when": {"did": {"event": "Order Completed"}},
            "award": [{"asset": "points", "per": "30", "of": "revenue", "round": "down"}],
        },
        {
            "name": "ladder",
            "when": {"did": {"event": "Played"}},
            "award": [
                {
                    "asset": "points",
                    "ladder": {
                        "of": "quantity",
                        "steps": [{"from": "0", "until": "5", "amount": 1}, {"from": "5", "until": None, "amount": 2}],
                    },
                }
            ],
        },
    ],
    "tiers": {
        "asset": "stars",
        "window": "rolling 12 months",
        "levels": [{"name": "green", "enter": 0}, {"name": "gold", "enter": 500}, {"name": "black", "enter": 900}],
    },
    "vouchers": [{"name": "half", "codes": "generated", "stock": 10, "discount": {"percent": "50"}}],
    "rewards": [{"name": "mug", "price": 300, "asset": "points", "stock": 5}],
    "missions": [
        {
            "name": "three",
            "target": {"did": {"event": "Order Completed", "count": {"at_least": 3}}},
            "then": {"award": [{"asset": "points", "amount": 50}]},
        }
    ],
}


def at(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    """Put a value at a place of the programme."""

    def change(body: dict[str, Any]) -> None:
        place: Any = body
        for key in keys[:-1]:
            place = place[key]
        if isinstance(place, list) and keys[-1] == len(place):
            place.append(value)
        else:
            place[keys[-1]] = value

    return change


STEPS = ("earn", 1, "award", 0, "ladder", "steps")
BAD: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "overlapping tiers": (at("tiers", "levels", 2, "enter", value=500), "/tiers/levels/2/enter"),
    "tiers that descend": (at("tiers", "levels", 1, "enter", value=1_000), "/tiers/levels/2/enter"),
    "two tiers of one name": (at("tiers", "levels", 2, "name", value="gold"), "/tiers/levels/2/name"),
    "no tier at nothing": (at("tiers", "levels", 0, "enter", value=10), "/tiers/levels/0/enter"),
    "retain above enter": (at("tiers", "levels", 1, "retain", value=600), "/tiers/levels/1/retain"),
    "tiers of an unknown asset": (at("tiers", "asset", value="gems"), "/tiers/asset"),
    "tiers of points that pay": (at("tiers", "asset", value="points"), "/tiers/asset"),
    "a window that is none": (at("tiers", "window", value="a while"), "/tiers/window"),
    "a multiplier that is none": (at("tiers", "levels", 1, "multiplier", value="NaN"), "/tiers/levels/1/multiplier"),
    "a ladder with a gap": (at(*STEPS, 1, "from", value="6"), "/earn/1/award/0/ladder/steps/1/from"),
    "a ladder that overlaps": (at(*STEPS, 1, "from", value="4"), "/earn/1/award/0/ladder/steps/1/from"),
    "a ladder that ends": (at(*STEPS, 1, "until", value="9"), "/earn/1/award/0/ladder/steps/1/until"),
    "an unknown trait": (
        at(
            "earn",
            0,
            "when",
            value={"all": [{"did": {"event": "Order Completed"}}, {"trait": {"agee": {"at_least": 3}}}]},
        ),
        "/earn/0/when/all/1/trait/agee",
    ),
    "an unknown leaf": (at("earn", 0, "when", value={"dit": {"event": "x"}}), "/earn/0/when/dit"),
    "1.5 points": (at("missions", 0, "then", "award", 0, "amount", value=1.5), "/missions/0/then/award/0/amount"),
    "points that overflow": (
        at("missions", 0, "then", "award", 0, "amount", value=2**63),
        "/missions/0/then/award/0/amount",
    ),
    "per nothing": (at("earn", 0, "award", 0, "per", value="0"), "/earn/0/award/0/per"),
    "per NaN": (at("earn", 0, "award", 0, "per", value="NaN"), "/earn/0/award/0/per"),
    "an unknown asset": (at("earn", 0, "award", 0, "asset", value="gems"), "/earn/0/award/0/asset"),
    "an unknown rounding": (at("earn", 0, "award", 0, "round", value="sideways"), "/earn/0/award/0/round"),
    "an unknown effect": (at("earn", 0, "award", 0, value={"money": "3"}), "/earn/0/award/0/money"),
    "an unknown voucher": (at("earn", 0, "award", 1, value={"voucher": "haf"}), "/earn/0/award/1/voucher"),
    "two rules of one name": (at("earn", 1, "name", value="base"), "/earn/1/name"),
    "a stock below nothing": (at("vouchers", 0, "stock", value=-1), "/vouchers/0/stock"),
    "more than everything off": (
        at("vouchers", 0, "discount", value={"percent": "101"}),
        "/vouchers/0/discount/percent",
    ),
    "a gift that costs nothing": (at("rewards", 0, "price", value=0), "/rewards/0/price"),
    "a gift of qualifying points": (at("rewards", 0, "asset", value="stars"), "/rewards/0/asset"),
    "an expiry that is none": (
        at("assets", "points", "expires", value={"after": "soon"}),
        "/assets/points/expires/after",
    ),
    "an unknown section": (at("tears", value=[]), "/tears"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_programme_that_cannot_be_is_refused_with_its_place(books: Rewarded, name: str) -> None:
    """By the API; the version in force stays as it is."""
    assert books.put_programme("main", **GOOD) == {"name": "main", "version": 1}
    change, path = BAD[name]
    body = copy.deepcopy(GOOD)
    change(body)
    error = books.ask("PUT", "/api/programmes/main", body, status=400)
    assert error["path"] == path, error
    assert error["code"].split(".")[0] in {"programme", "condition", "request"} and error["message"]
    told = books.ask("GET", "/api/programmes/main")
    assert told["version"] == 1 and {key: told[key] for key in GOOD} == GOOD


def test_a_mistyped_name_is_suggested(books: Rewarded) -> None:
    books.set_traits({"a": {"age": 33}})
    body = copy.deepcopy(GOOD)
    body["earn"][0]["when"] = {"all": [{"did": {"event": "Order Completed"}}, {"trait": {"agee": {"at_least": 3}}}]}
    error = books.ask("PUT", "/api/programmes/main", body, status=400)
    assert (error["code"], error["suggestion"]) == ("condition.unknown_trait", "age")
    at("earn", 0, value=GOOD["earn"][0])(body)
    at("earn", 0, "award", 1, value={"voucher": "haf"})(body)
    assert books.ask("PUT", "/api/programmes/main", body, status=400)["suggestion"] == "half"


@PROGRAMMES
def test_a_file_that_cannot_be_is_refused_with_its_place(books: Rewarded, tmp_path: Path) -> None:
    """`apply`, `diff` and `dry-run` end with an error that names the file and the place; nothing is saved."""
    body = copy.deepcopy(GOOD)
    BAD["a ladder with a gap"][0](body)
    broken, gap = tmp_path / "broken.yaml", tmp_path / "gap.yaml"
    broken.write_text("name: main\nearn: [{name: base")
    gap.write_text(yaml.safe_dump({"name": "main", **body}))
    for word in ("apply", "diff", "dry-run"):
        for file, named in (
            (gap, BAD["a ladder with a gap"][1]),
            (broken, "broken.yaml"),
            (tmp_path / "no.yaml", "no.yaml"),
        ):
            done = books.command("programme", word, str(file), check=False)
            assert done.returncode != 0 and named in done.stderr, done
            assert "Traceback" not in done.stderr
    assert books.ask("GET", "/api/programmes")["programmes"] == []


@PROGRAMMES
def test_an_event_that_cannot_be_counted_earns_nothing_and_is_not_lost(books: Rewarded) -> None:
    """NaN, words, nothing and minus in `revenue`: the event is kept, no points come, and the next one counts."""
    books.put_programme("main", **GOOD)
    for revenue in ("NaN", "Infinity", "much", None, "-300", "1e400"):
        books.send({**books.order("a", 1), "properties": {"order_id": new_id(), "revenue": revenue}})
    books.buy("a", 300)
    books.wait_balance("a", 10)
    assert books.names("user_id:a").count("Order Completed") >= 1
    books.check_books()


@PROGRAMMES
def test_a_redemption_that_cannot_be_is_refused(books: Rewarded) -> None:
    books.put_programme("main", **GOOD)
    books.buy("a", 300)
    books.wait_balance("a", 10)
    told = books.redeem("mug", "a")
    assert (told.status_code, told.json()["code"]) == (409, "balance.insufficient")
    nobody = books.try_ask("POST", "/api/rewards/mug/redeem", {"member": "m999999999"})
    assert nobody.status_code == 404 and nobody.json().get("path", "/member") == "/member"
    assert books.try_ask("POST", "/api/rewards/mug/redeem", {}).status_code in {400, 422}
    assert books.figures("a") == (10, 0, 10)
    books.ask("GET", "/api/members/m999999999/loyalty", status=404)
