"""Part 4 of the plan, the paragraph Programme: design/loyalty.md 1–12, one test a clause, and the three ready-made ones.

Months are driven by events that carry their own time. What is spelled here where contract.md says nothing.

Programme. `assets`: `expires` is `{"after":DURATION}`, `{"end_of":"year|next_year"}`, `{"inactive":DURATION}` or absent (never),
`worth` the money one point pays. `earn`: an award is `{"asset","amount"}`, `{"asset","per","of","round"}`,
`{"asset","multiply"}` (what the other rules award for the event), `{"asset","ladder":{"of","steps":[{"from","until",
"amount"}]}}` (half-open, the last `until` null), `{"badge"}`, `{"voucher"}`, `{"tag","weight"?}`; a rule may have
`valid {"from","until"}` (days, both included). A tier's `multiplier` raises redeemable awards, rounded once at the end
as their rule says, never qualifying ones; an order counts at the tier held before it. `earn_on` is `net` (default) or `gross`: an order's
`points_paid` are drawn from the asset with `worth`. `tiers`: `status` and `grace` (durations or `12 months`), `downgrade`
`one_down|by_balance` (default), levels with `retain`, `expires` (override; null = never), `voucher` (on entry), `privileges`.
`badges`: `privileges`. `missions`: `target` or `streak {"event","days","grace"}`, `repeat` (bool), `then {"award":[…]}`.
`vouchers`: `codes` is `generated`, a list, or `{"generic":CODE}`; `valid`, `hours {"weekdays":[1…7],"from","until"}`,
`discount {"percent"}|{"amount"}`, `category`, `exclusive`, `priority`, `budget` (money), `new_to` (a partner). `returns`
`{"event":"Order Refunded","policy":"within_balance"}` is the default. `events`: `{"name","capacity","stages":[{"from",
"tier"?,"badge"?}]}`. `scores`: `{"name","max","ladder":[{"from","until","voucher"}]}`.

API. `PUT` answers `{"name","version"}`, `GET /api/programmes/{name}` adds what was put; `GET /api/programmes` lists `{"name",
"version","waiting"}`, events that have not driven it yet. `badges` of a member are `[{"name","since","privileges"}]`.
`POST …/check-in` answers `{"result":"created|exists","day"}`, its event is `Checked In`. `POST
/api/voucher-pools/{name}/issue {"member"}` answers a voucher, or 409 `voucher.out_of_stock|voucher.per_member|
voucher.not_new`; `POST /api/vouchers/{code}/reserve {"member","order_id"?,"amount"?,"at"?,"until"?}` → state `reserved` and
`discount`; confirm → `used`, release → `issued`; 409 `voucher.state`, `voucher.hours`, `voucher.budget`. `POST
/api/vouchers/quote {"member","amount","codes"}` → `{"total","applied":[{"code","discount"}],"refused":[{"code","reason"}]}`.
`redeem` takes `until`, answers `{"id","state":"reserved","price"}` or 409 `reward.out_of_stock|balance.insufficient`;
`POST /api/redemptions/{id}/confirm|release`, `GET` of it. `POST /api/registrations/{event} {"member"}` → `{"state":
"registered|waiting"}` or 409 `registration.not_open`; `…/cancel`. `PUT /api/partners/{name}/customers {"hashes":[SHA-256 of
the e-mail in lower case]}` → `{"count"}`. `POST /api/scores/{name} {"id","member","score"}` → `{"result","voucher"}`.

Conditions: `points {ASSET: test}`, `tier`, `badge`, `mission {"name","state":"done"}`, `voucher {"pool","state"}`.
Messages: `member.loyalty` as `GET /api/members/{id}/loyalty`. Commands read a file whose `name` is the programme's;
`apply --json` answers as PUT, `diff --json` `{"changes":[{"path","old","new"}]}`, `dry-run --json` `{"members","awarded":{},
"liability":{},"tiers":{},"badges":{},"missions":{}}`, counted over the history. Ready-made: `examples/coffee.yaml` (assets
`stars`, `status`), `examples/bookshop.yaml`, `examples/mall.yaml` (assets `points`, `status`), as their tests say.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.programmes import ASSETS, BASE, TIERED, fixed, mission, pool, put, tier, tiers
from tests.support.rewarding import ISSUER, REWARDED_SECONDS_MAX, Rewarded, days_ago, new_id
from tests.support.sending import TAIPEI, Sender
from tests.support.serving import wait_until
from tests.support.shop import text

pytestmark = pytest.mark.long


# --- 1 ---------------------------------------------------------------------------------------------------------------


def test_spending_never_demotes(books: Rewarded) -> None:
    """600 earn 20 points and 600 stars: gold. All points are spent: gold, and 600 stars."""
    put(books, tiers=TIERED, rewards=[{"name": "mug", "price": 20, "asset": "points", "stock": 5}])
    books.buy("a", 600, days_ago(3))
    books.wait_balance("a", 20)
    assert tier(books, "a") == "gold"
    assert books.redeem("mug", "a").status_code == 200
    assert (books.balance("a"), books.balance("a", "stars"), tier(books, "a")) == (0, 600, "gold")


def test_a_programme_makes_its_assets_and_tells_how_far_it_is(books: Rewarded) -> None:
    """`missing` is what the next level needs; whoever was there before the programme is in it."""
    put(books, tiers=TIERED)
    assert books.loyalty("b")["balances"] == {"points": "0", "stars": "0"}
    told = books.loyalty("b")["tier"]
    assert (told["name"], told["next"], int(told["missing"])) == ("green", "gold", 500)
    books.buy("b", "449.90", days_ago(1))
    books.wait_balance("b", 14)
    assert int(books.loyalty("b")["tier"]["missing"]) == 51, "449 whole stars"
    assert books.posted(ISSUER) == -14


# --- 2 ---------------------------------------------------------------------------------------------------------------


def test_file_and_api_are_the_same_thing(books: Rewarded, tmp_path: Path) -> None:
    """PUT, read back, applied as YAML: no new version; changed: the difference is named, then in force at once."""
    body: dict[str, Any] = {"assets": ASSETS, "earn": [BASE], "tiers": TIERED}
    assert books.put_programme("main", **body) == {"name": "main", "version": 1}
    assert books.put_programme("main", **body)["version"] == 1, "the same is no new version"
    told = books.ask("GET", "/api/programmes/main")
    assert {key: told[key] for key in body} == body
    file = tmp_path / "main.yaml"
    file.write_text(yaml.safe_dump({"name": "main", **body}))
    assert json.loads(books.command("programme", "apply", str(file)).stdout) == {"name": "main", "version": 1}
    assert json.loads(books.command("programme", "diff", str(file)).stdout) == {"changes": []}
    file.write_text(yaml.safe_dump({"name": "main", **body, "earn": [fixed(7)], "tiers": TIERED}))
    changes = json.loads(books.command("programme", "diff", str(file)).stdout)["changes"]
    assert changes and all(one["path"].startswith("/earn/0") for one in changes)
    assert json.loads(books.command("programme", "apply", str(file)).stdout) == {"name": "main", "version": 2}
    books.buy("a", 600)
    books.wait_balance("a", 7)


def test_a_dry_run_over_history_changes_nothing(books: Rewarded, tmp_path: Path) -> None:
    """a 600 and 100, b 59, c nothing: 24 and 1 points, 700 and 59 stars; a would be gold. Order of events counts: 100 × 1.2."""
    for who, revenue, days in (("a", 600, 30), ("a", 100, 20), ("b", 59, 10)):
        books.buy(who, revenue, days_ago(days))
    file = tmp_path / "main.yaml"
    file.write_text(yaml.safe_dump({"name": "main", "assets": ASSETS, "earn": [BASE], "tiers": TIERED}))
    told = json.loads(books.command("programme", "dry-run", str(file)).stdout)
    assert told["members"] == 2
    assert told["awarded"] == {"points": "25", "stars": "759"}, "20 + ⌊100 ÷ 30 × 1.2⌋ = 24, and 1"
    assert told["liability"] == {"points": "25"}
    assert told["tiers"]["gold"] == 1
    assert books.try_ask("GET", "/api/programmes/main").status_code == 404
    put(books, tiers=TIERED)
    books.wait_balance("a", 0)


def test_a_programme_applies_to_what_comes_after_it(books: Rewarded) -> None:
    """A rule's window of days, both included, in the brand's days, by the event's own time."""
    day = datetime.now(TAIPEI).date() - timedelta(days=10)
    valid = {"from": f"{day}", "until": f"{day + timedelta(days=1)}"}
    put(books, earn=[{**fixed(5), "valid": valid}])
    start = datetime(day.year, day.month, day.day, tzinfo=TAIPEI)
    for hours in (-0.01, 0, 24, 47.99, 48):
        books.buy("a", 1, start + timedelta(hours=hours))
    books.wait_balance("a", 15)


# --- 3 and 4 ---------------------------------------------------------------------------------------------------------


def test_a_rule_reads_the_member_and_the_event(books: Rewarded) -> None:
    """Members of vip traits, books only, and only from the third such order within 90 days on."""
    when = {
        "all": [
            {"trait": {"plan": "vip"}},
            {
                "did": {
                    "event": "Order Completed",
                    "where": {"category": "books"},
                    "count": {"at_least": 3},
                    "within": "90d",
                }
            },
        ]
    }
    books.set_traits({"a": {"plan": "vip"}, "b": {"plan": "plain"}})
    put(books, earn=[{"name": "third", "when": when, "award": [{"asset": "points", "amount": 10}]}])
    for who in "ab":
        for days, category in (
            (200, "books"),
            (60, "books"),
            (50, "food"),
            (40, "books"),
            (20, "books"),
            (10, "books"),
        ):
            books.buy(who, 100, days_ago(days), category=category)
    books.wait_balance("a", 20)
    books.wait_balance("b", 0)


@pytest.mark.parametrize(("rounding", "points"), [("down", 33), ("half_up", 34), ("up", 34)])
def test_per_money_is_rounded_as_the_rule_says(books: Rewarded, rounding: str, points: int) -> None:
    """1,005.00 per 30 is 33.5."""
    award = {"asset": "points", "per": "30", "of": "revenue", "round": rounding}
    put(books, earn=[{**BASE, "award": [award]}])
    books.buy("a", "1005.00", days_ago(1))
    books.wait_balance("a", points)


def test_money_is_never_binary(books: Rewarded) -> None:
    """0.10 thirty times in 0.01: 300, and 4.35 is 435 cents."""
    put(books, earn=[{**BASE, "award": [{"asset": "points", "per": "0.01", "of": "revenue", "round": "down"}]}])
    books.tell(*(books.order("a", "0.10", days_ago(1)) for _ in range(30)))
    books.buy("b", "4.35", days_ago(1))
    books.wait_balance("a", 300)
    books.wait_balance("b", 435)


def test_a_multiplier_multiplies_what_the_others_award(books: Rewarded) -> None:
    """Double days for gold alone: 300 earn 10 as green, 12 as gold, 24 as gold on a double day."""
    double = {
        "name": "double",
        "when": {
            "all": [{"did": {"event": "Order Completed", "where": {"day": "double"}}}, {"tier": {"at_least": "gold"}}]
        },
        "award": [{"asset": "points", "multiply": "2"}],
    }
    put(books, earn=[BASE, double], tiers=TIERED)
    books.buy("a", 300, days_ago(9), day="double")
    books.wait_balance("a", 10)
    books.buy("a", 300, days_ago(8))
    books.wait_balance("a", 20)
    books.buy("a", 300, days_ago(7))
    books.wait_balance("a", 32)
    books.buy("a", 300, days_ago(6), day="double")
    books.wait_balance("a", 56)
    assert books.balance("a", "stars") == 1_200, "qualifying points are not multiplied"


def test_a_ladder_awards_by_a_number(books: Rewarded) -> None:
    """Up to 3 nothing, 3 to 10 fifty, 10 and more two hundred; its edges belong to the step above."""
    steps = [
        {"from": "0", "until": "3", "amount": 0},
        {"from": "3", "until": "10", "amount": 50},
        {"from": "10", "until": None, "amount": 200},
    ]
    award = {"asset": "points", "ladder": {"of": "quantity", "steps": steps}}
    put(books, earn=[{**BASE, "award": [award]}])
    for who, quantity, points in (("a", 2, 0), ("b", 3, 50), ("c", 9, 50), ("d", 10, 200), ("e", 1_000, 200)):
        books.buy(who, 1, days_ago(1), quantity=quantity)
        books.wait_balance(who, points)


def test_a_rule_grants_badge_voucher_and_tag(books: Rewarded) -> None:
    award = [{"badge": "reader"}, {"voucher": "half-price"}, {"tag": "buyer", "weight": 0.8}]
    badges = [{"name": "reader", "privileges": ["early-access"]}]
    put(
        books,
        earn=[{**BASE, "award": award}],
        badges=badges,
        vouchers=[{"name": "half-price", "codes": "generated", "stock": 5}],
    )
    books.buy("a", 1)
    books.settle()
    told = books.loyalty("a")
    assert [(one["name"], one["privileges"]) for one in told["badges"]] == [("reader", ["early-access"])]
    assert [(one["pool"], one["state"]) for one in told["vouchers"]] == [("half-price", "issued")]
    tags = books.ask("GET", f"/api/members/{books.ids['a']}")["tags"]
    assert [(one["tag"], one["weight"]) for one in tags] == [("buyer", 0.8)]
    assert books.loyalty("b")["badges"] == books.loyalty("b")["vouchers"] == []


def test_a_badge_has_its_own_rule(books: Rewarded) -> None:
    """contract.md's reader: three orders of books within 90 days; the third makes it, its time is the event's."""
    when = {
        "did": {"event": "Order Completed", "count": {"at_least": 3}, "within": "90d", "where": {"category": "books"}}
    }
    put(books, badges=[{"name": "reader", "when": when}])
    at = days_ago(5)
    for days in (150, 80, 40):
        books.buy("a", 1, days_ago(days), category="books")
    books.settle()
    assert books.loyalty("a")["badges"] == []
    books.buy("a", 1, at, category="books")
    books.settle()
    (told,) = books.loyalty("a")["badges"]
    assert (told["name"], told["since"][:19]) == ("reader", text(at)[:19])


# --- exactly once ---------------------------------------------------------------------------------------------------


def test_redelivery_and_disorder_change_nothing(books: Rewarded) -> None:
    """Forty orders, each member's 28 days apart, in two brands: once in order, and shuffled and sent three times. Same balances and tiers."""
    put(books, tiers=tiers())
    other = Rewarded(books.serving, "disorder")
    put(other, tiers=tiers())
    calls = [books.order("abcd"[n % 4], 90 + n, days_ago(300 - 7 * n)) for n in range(40)]
    for call in calls:
        books.tell(call)
    for start in (0, 1, 2):
        for shift in (7, 11, 13):
            other.tell(*[calls[(n * shift + start) % 40] for n in range(start, 40)], *calls[:start])
    for brand in (books, other):
        brand.settle()
    found = [
        [(one.balance(who), one.balance(who, "stars"), tier(one, who)) for who in "abcd"] for one in (books, other)
    ]
    assert found[0] == found[1]
    assert sum(stars for _, stars, _ in found[0]) == sum(90 + n for n in range(40))
    for brand in (books, other):
        brand.check_books()


# --- conditions and messages ----------------------------------------------------------------------------------------


def test_what_a_member_has_is_a_condition(books: Rewarded) -> None:
    """a gold with 20 points, badge and mission; b 3 points; c a voucher; the others nothing."""
    once = {"did": {"event": "Order Completed", "count": {"at_least": 1}, "where": {"category": "books"}}}
    put(
        books,
        tiers=tiers(),
        badges=[{"name": "reader", "when": once}],
        vouchers=[pool()],
        missions=[mission(name="one", target=once)],
    )
    books.buy("a", 600, category="books")
    books.buy("b", 90)
    books.settle()
    books.issue_code("half-price", "c")
    for tree, expected in (
        ({"points": {"points": {"at_least": 3}}}, "ab"),
        ({"points": {"points": {"more_than": 3}}}, "a"),
        ({"points": {"stars": {"between": [90, 90]}}}, "b"),
        ({"tier": {"at_least": "gold"}}, "a"),
        ({"tier": {"at_least": "green"}}, "abcdefgh"),
        ({"badge": "reader"}, "a"),
        ({"mission": {"name": "one", "state": "done"}}, "a"),
        ({"voucher": {"pool": "half-price", "state": "issued"}}, "c"),
    ):
        assert books.members(books.save(tree), None) == expected, tree
    books.use("reserve", books.loyalty("c")["vouchers"][0]["code"], "c")
    assert books.members(books.save({"voucher": {"pool": "half-price", "state": "issued"}}), None) == ""
    told = books.ask("PUT", "/api/audiences/bad", {"where": {"tier": {"at_least": "golden"}}}, status=400)
    assert told["path"].startswith("/tier") and told["suggestion"] == "gold"


def test_what_a_member_has_can_be_said(sender: Sender) -> None:
    body: dict[str, Any] = {"assets": ASSETS, "earn": [BASE], "tiers": tiers(), "vouchers": [pool()]}
    sender.ask("PUT", "/api/programmes/main", body)
    one = sender.add_one()
    sender.tell(sender.event(one.user, "Order Completed", datetime.now(UTC), order_id=new_id(), revenue="600"))
    issued = sender.ask("POST", "/api/voucher-pools/half-price/issue", {"member": one.id})
    wait_until(
        lambda: sender.ask("GET", f"/api/members/{one.id}/loyalty")["balances"].get("points") == "20",
        "points are there",
        REWARDED_SECONDS_MAX,
    )
    said = "{{ member.loyalty.balances.points }} {{ member.loyalty.tier.name }} {{ member.loyalty.vouchers[0].code }}"
    assert sender.single(one, said)["state"] == "accepted"
    (text_said,) = sender.simulator.read_texts(one.line)
    assert json.loads(text_said) == [{"type": "text", "text": f"20 gold {issued['code']}"}]
