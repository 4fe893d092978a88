"""One brand's key opens nothing of another's: every route of /openapi.json is walked with a stranger's key."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.contract.client import Brand, encoded

SECRET = "Xq7Secret"
"""Part of every name of the first brand: what the stranger asks for."""
HIDDEN = "Zk9Hidden"
"""Part of everything else that the first brand holds: what the stranger never sends, and must never see."""

COMPUTED = {"average_basket", "days_late", "orders_90d", "usual_gap_days"}


@dataclass
class Walk:
    """What a route is asked with: the first brand's ids in its path, and a body that would change something."""

    body: object = None
    query: dict[str, str] = field(default_factory=dict[str, str])
    path: dict[str, str] = field(default_factory=dict[str, str])


def earn_and_hold(brand: Brand, member: str) -> tuple[str, str]:
    """A transfer and a hold of points."""
    brand.ask("PUT", "/api/ledger/assets/points", {})
    moved, hold = str(uuid.uuid4()), str(uuid.uuid4())
    points = [{"account": "issuer/points", "amount": "-9"}, {"account": f"member:{member}/points", "amount": "9"}]
    brand.ask("POST", "/api/ledger/transfers", {"transfers": [{"id": moved, "kind": HIDDEN, "lines": points}]})
    held = {"id": hold, "account": f"member:{member}/points", "to": "issuer/points", "amount": "2"}
    brand.ask("POST", "/api/ledger/holds", {**held, "expires_at": "2099-01-01T00:00:00Z"})
    limit = {"asset": "points", "direction": "in", "most": "9", "then": "review"}
    brand.ask("PUT", f"/api/ledger/limits/{encoded(SECRET)}", limit)
    return moved, hold


def give_and_reserve(brand: Brand, member: str) -> tuple[str, str]:
    """A programme with one of everything; the code of a voucher and a redemption of the member's."""
    discount = {"percent": "50"}
    programme: dict[str, Any] = {
        "assets": {"points": {"redeemable": True}},
        "vouchers": [{"name": SECRET, "codes": "generated", "category": HIDDEN, "discount": discount}],
        "rewards": [{"name": SECRET, "price": 1, "asset": "points"}],
        "events": [{"name": SECRET, "capacity": 1, "stages": [{"from": "2020-01-01"}]}],
        "scores": [{"name": SECRET, "max": 9, "ladder": [{"from": 0, "until": None, "voucher": SECRET}]}],
    }
    path = encoded(SECRET)
    brand.ask("PUT", f"/api/programmes/{path}", programme)
    brand.ask("PUT", f"/api/partners/{path}/customers", {"hashes": ["0" * 64]})
    brand.ask("POST", f"/api/registrations/{path}", {"member": member})
    code = brand.ask("POST", f"/api/voucher-pools/{path}/issue", {"member": member})["code"]
    return code, brand.ask("POST", f"/api/rewards/{path}/redeem", {"member": member})["id"]


@pytest.fixture(scope="module")
def owner(brand: Brand) -> dict[str, str]:
    """A brand with some of everything; the ids by the names of the paths' parameters, and a few others."""
    first, second = (f"{SECRET} {name}" for name in ("ann", "bob"))
    for user in (first, second):
        brand.send(
            {
                "type": "identify",
                "userId": user,
                "traits": {f"{SECRET} trait": HIDDEN, "phone": "0933000111", "name": user},
            },
            brand.track(user, f"{HIDDEN} event", messageId=user, properties={"text": HIDDEN}),
        )
    brand.send({"type": "track", "messageId": f"{SECRET} bad", "event": HIDDEN})
    third = brand.new_member(f"{SECRET} third", note=HIDDEN)
    members = [brand.member(f"user_id:{user}")["id"] for user in (first, second)]
    merge = brand.ask("POST", "/api/members/merge", {"keep": members[0], "merge": third})["merge"]
    path = f"/api/members/{members[0]}"
    brand.ask("PUT", f"{path}/tags/{encoded(SECRET)}", {"evidence": HIDDEN})
    brand.ask("PUT", f"{path}/consents/{encoded(SECRET)}/marketing", {"granted": True, "proof": {"source": HIDDEN}})
    brand.ask("PUT", f"{path}/preferences", {"topics": {HIDDEN: True}})
    brand.ask("PUT", "/api/events/personal-properties", {"names": [HIDDEN]})
    brand.ask("POST", "/api/items", {"items": [{"id": f"{SECRET}-item", "name": HIDDEN, "category": HIDDEN}]})
    brand.ask("PUT", f"/api/audiences/{encoded(SECRET)}", {"where": {"did": f"{HIDDEN} event"}})
    conflict = brand.ask("GET", "/api/conflicts")["conflicts"][0]["id"]
    nowhere = {"kind": "line", "base_url": "http://127.0.0.1:9", "access_token": HIDDEN, "secret": HIDDEN}
    brand.ask("PUT", f"/api/channels/{encoded(SECRET)}", nowhere)
    told = {"member": members[0], "channel": SECRET, "message": {"en": {"text": HIDDEN}}, "dedupe_key": HIDDEN}
    delivery = brand.ask("POST", "/api/deliveries", told, status=202)["id"]
    days = {"from": "2020-01-01", "until": "2029-12-31"}
    campaign: dict[str, Any] = {"audience": SECRET, "channels": [SECRET], "window": days, "topic": HIDDEN}
    campaign |= {"message": {"en": {"text": HIDDEN}}, "value": {"by": "fixed", "value": "1"}}
    brand.ask("PUT", f"/api/campaigns/{encoded(SECRET)}", campaign)
    soon = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    asked = {"campaigns": [SECRET], "from": soon, "until": soon}
    plan = brand.ask("POST", "/api/plans", asked, status=201)["id"]
    moved, hold = earn_and_hold(brand, members[0])
    voucher, redemption = give_and_reserve(brand, members[0])
    return {
        "voucher": voucher,
        "redemption": redemption,
        "event": SECRET,
        "code": "points",
        "transfer": moved,
        "hold": hold,
        "name": SECRET,
        "plan": plan,
        "member": members[0],
        "second": members[1],
        "merge": merge,
        "conflict": conflict,
        "item_id": f"{SECRET}-item",
        "trait": f"{SECRET} trait",
        "tag": SECRET,
        "channel": SECRET,
        "delivery": delivery,
        "token": "MS4xLjEuZjUwNGIzZThmZWIyOTU2Yw",
        "purpose": "marketing",
        "kind": "user_id",
        "value": first,
        "write_key": "rgw_unknown",
        "call_type": "track",
    }


def walks(owner: dict[str, str], write_key: str) -> dict[str, Walk]:
    """Every route that takes more than its path's ids."""
    intruder = {"type": "identify", "userId": owner["value"], "traits": {"broken": "in"}, "messageId": "intruder"}
    batch = {
        "batch": [intruder, {"type": "alias", "userId": "me", "previousId": owner["value"]}],
        "writeKey": write_key,
    }
    single = intruder | {"event": "Break In", "writeKey": write_key}
    return {
        "PUT /api/settings": Walk({"holdout": 0.5}),
        "GET /api/members": Walk(query={"identity": f"user_id:{owner['value']}"}),
        "POST /api/members/merge": Walk({"keep": owner["member"], "merge": owner["second"]}),
        "POST /api/members/unmerge": Walk({"merge": owner["merge"]}),
        "PUT /api/members/{member}/consents/{channel}/{purpose}": Walk({"granted": False}),
        "PUT /api/members/{member}/identities/{kind}/{value}": Walk({"verified": True}),
        "PUT /api/members/{member}/preferences": Walk({"channel": "broken"}),
        "PUT /api/members/{member}/tags/{tag}": Walk({"weight": 0.1}),
        "PUT /api/traits/{trait}": Walk({"type": "text", "personal": True}),
        "PUT /api/events/personal-properties": Walk({"names": ["text"]}),
        "POST /api/conflicts/{conflict}/resolve": Walk(),
        "POST /api/items": Walk({"items": [{"id": owner["item_id"], "name": "broken"}]}),
        "GET /api/items": Walk(query={"query": SECRET}),
        "PUT /api/audiences/{name}": Walk({"where": {"all": []}}),
        "GET /api/audiences/{name}/overlap": Walk(query={"with": owner["name"]}),
        "POST /api/audience-preview": Walk({"where": {"member_of": owner["name"]}}),
        "POST /api/audience-preview/count": Walk({"where": {"trait": {owner["trait"]: {"exists": True}}}}),
        "POST /api/audience-preview/members": Walk({"where": {"all": []}}),
        "POST /api/audience-preview/explain": Walk({"where": {"all": []}}, {"member": owner["member"]}),
        "POST /api/audience-preview/export": Walk({"where": {"all": []}}),
        "PUT /api/channels/{name}": Walk({"kind": "telegram", "base_url": "http://127.0.0.1:9", "token": "1:a"}),
        "POST /api/members/{member}/link-tokens": Walk({"channel": SECRET}),
        "PUT /api/price-plans/{channel}": Walk({"current": "a", "plans": []}),
        "POST /api/deliveries": Walk({"member": owner["member"], "channel": SECRET, "message": {}, "dedupe_key": "k"}),
        "PUT /api/campaigns/{name}": Walk({"audience": SECRET, "channels": [SECRET], "value": {"by": "model"}}),
        "POST /api/campaigns/{name}/test": Walk({"member": owner["member"], "channel": SECRET}),
        "GET /api/deliveries/why": Walk(query={"member": owner["member"], "campaign": SECRET}),
        "POST /api/plans": Walk({"campaigns": [SECRET], "from": "2030-01-01", "until": "2030-01-02"}),
        "PUT /api/programmes/{name}": Walk({"assets": {"broken": {"redeemable": True}}}),
        **loyalty_walks(owner),
        "PUT /api/ledger/assets/{code}": Walk({"scale": 3}),
        "PUT /api/ledger/limits/{name}": Walk({"asset": "points", "direction": "in", "most": "0"}),
        "PUT /api/ledger/accounts/{name}": Walk({"closed": True}, path={"name": f"member:{owner['member']}/points"}),
        "POST /api/ledger/transfers": Walk({"transfers": [{"id": owner["transfer"], "kind": "x", "lines": []}]}),
        "POST /api/ledger/transfers/{transfer}/reverse": Walk({"id": str(uuid.uuid4())}),
        "POST /api/ledger/holds": Walk({"id": owner["hold"], "account": "a", "to": "b", "amount": "1"}),
        **{f"POST /api/ledger/holds/{{hold}}/{what}": Walk({}) for what in ("capture", "void")},
        **{f"POST /api/plans/{{plan}}/{what}": Walk() for what in ("send", "pause", "resume", "cancel")},
        "POST /webhooks/{channel}": Walk({"events": []}),
        "POST /u/{token}": Walk(),
        "POST /v1/batch": Walk(batch),
        "POST /beacon/v1/batch": Walk(batch),
        "POST /v1/{call_type}": Walk(single),
        "GET /pixel/v1/{call_type}": Walk(query={"writeKey": write_key, "userId": owner["value"], "event": "Break In"}),
    }


def loyalty_walks(owner: dict[str, str]) -> dict[str, Walk]:
    """What the stranger asks of the first brand's vouchers, rewards, places and scores."""
    theirs, voucher = {"member": owner["member"]}, {"code": owner["voucher"]}
    return {
        "POST /api/voucher-pools/{name}/issue": Walk(theirs),
        "POST /api/vouchers/quote": Walk({**theirs, "amount": "100", "codes": [owner["voucher"]]}),
        **{
            f"POST /api/vouchers/{{code}}/{what}": Walk(theirs, path=voucher)
            for what in ("reserve", "confirm", "release")
        },
        **{f"{method} /api/partners/{{name}}/customers": Walk({"hashes": ["1" * 64]}) for method in ("PUT", "POST")},
        "POST /api/rewards/{name}/redeem": Walk(theirs),
        **{f"POST /api/redemptions/{{redemption}}/{what}": Walk({}) for what in ("confirm", "release")},
        **{f"POST /api/registrations/{{event}}{what}": Walk(theirs) for what in ("", "/cancel")},
        "POST /api/members/{member}/check-in": Walk({}),
        "POST /api/scores/{name}": Walk({**theirs, "id": "s1", "score": 9}),
    }


def everything(brand: Brand) -> str:
    """All that a brand can be asked to show, in one text; exports are left out where they note the asking itself."""
    pages = [
        brand.ask("GET", path, params={"limit": 1000})
        for path in (
            "/api/members",
            "/api/items",
            "/api/conflicts",
            "/api/events/names",
            "/api/events/rejected",
            "/api/audiences",
            "/api/channels",
            "/api/deliveries",
            "/api/campaigns",
            "/api/plans",
            "/api/programmes",
        )
    ]
    pages += [brand.ask("GET", f"/api/ledger/{what}") for what in ("assets", "limits", "holds", "liability", "check")]
    plain = [brand.ask("GET", path) for path in ("/api/settings", "/api/events/personal-properties")]
    traits = brand.ask("GET", "/api/traits")["traits"]
    plain.append([one for one in traits if one["name"] not in COMPUTED])  # these come while we look
    held = []
    for member in pages[0]["members"]:
        export = brand.ask("GET", f"/api/members/{member['id']}/export")
        export["disclosures"] = len([one for one in export["disclosures"] if one["what"] != "export"])
        held.append([export, brand.ask("GET", f"/api/members/{member['id']}/preferences")])
    return json.dumps([pages, plain, held], sort_keys=True, ensure_ascii=False)


def fill(template: str, values: dict[str, str]) -> str:
    """A path with its parameters; one that nobody thought of is an error, not a skip."""
    for name in [part[1:-1] for part in template.split("/") if part.startswith("{")]:
        assert name in values, f"{template}: add a value for {{{name}}} of the first brand to this test"
        template = template.replace(f"{{{name}}}", encoded(values[name]))
    return template


def test_no_route_reads_or_changes_another_brand(brand: Brand, owner, stranger: Brand, openapi: dict[str, Any]) -> None:
    before = everything(brand)
    assert before.count(HIDDEN) > 10
    known = walks(owner, stranger.write_key)
    routes = [(method.upper(), path) for path, operations in openapi["paths"].items() for method in operations]
    assert len(routes) > 25, "is this the whole API?"
    for method, template in sorted(routes, key=lambda route: (route[0] == "DELETE", route)):
        walk = known.pop(f"{method} {template}", None)
        needs_body = "requestBody" in openapi["paths"][template][method.lower()]
        assert walk is not None or (method in {"GET", "DELETE"} and not needs_body), (
            f"{method} {template}: add to this test what it is asked with"
        )
        walk = walk or Walk()
        options: dict[str, Any] = {} if walk.body is None else {"json": walk.body}
        headers = {"Authorization": f"Bearer {stranger.api_key}"} if template.startswith("/api") else {}
        path = fill(template, owner | walk.path)
        response = stranger.request(method, path, headers=headers, params=walk.query, **options)
        assert HIDDEN not in response.text, f"{method} {path} showed {response.text}"
    assert not known, f"these are no routes any more: {sorted(known)}"
    assert everything(brand) == before


def test_what_the_stranger_wrote_is_the_strangers(brand: Brand, owner, stranger: Brand) -> None:
    other = stranger
    for _ in range(2):
        other.send(other.track(owner["value"], "Mine", messageId=owner["value"]))
    assert other.names(f"user_id:{owner['value']}").count("Mine") == 1
    assert "Mine" not in brand.names(f"user_id:{owner['value']}")
    assert other.member(f"user_id:{owner['value']}")["id"] != owner["member"]


def test_each_metric_is_free_of_what_brands_hold(brand: Brand, owner) -> None:
    for secret in (SECRET, HIDDEN):
        assert secret not in brand.request("GET", "/metrics").text
        assert secret not in brand.request("GET", "/openapi.json").text
