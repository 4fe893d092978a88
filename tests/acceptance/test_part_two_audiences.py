"""Part 2 of the plan, the paragraph Audiences, line by line and from outside.

Names of events and traits belong to one test each; tests may add members, so none here asks who everybody is.
"""

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.contract.client import encoded
from tests.support.shop import AS_OF, LETTERS, Shop, Tree, ago

MANY_EVENTS = 50
HUGE = 1_000_000_000


def say(shop: Shop, letters: str, name: str, **properties: Any) -> Tree:
    """Each of these does something once, two days ago; who did it at all."""
    shop.tell(*(shop.event(who, name, ago(days=2), **properties) for who in letters))
    return {"did": {"event": name}}


# --- saved, counted, listed -----------------------------------------------------------------------------------------


# «save with versions, count»
def test_an_audience_is_saved_with_versions(shop: Shop) -> None:
    """A PUT of the same tree is no new version: «Every write is idempotent»."""
    read, wrote = say(shop, "abc", "Letter Read"), say(shop, "bd", "Letter Written")
    path = "/api/audiences/penfriends"
    assert shop.ask("PUT", path, {"where": read}) == {"name": "penfriends", "version": 1}
    assert shop.ask("PUT", path, {"where": read})["version"] == 1
    counted = shop.read("penfriends", "count")
    assert (counted["count"], counted["version"], counted["as_of"]) == (3, 1, "2026-11-18T04:00:00Z")
    assert shop.ask("PUT", path, {"where": {"any": [read, wrote]}})["version"] == 2
    assert shop.members("penfriends") == "abcd"
    assert shop.read("penfriends", "count")["version"] == 2
    (listed,) = [one for one in shop.ask("GET", "/api/audiences")["audiences"] if one["name"] == "penfriends"]
    assert listed["version"] == 2
    shop.ask("GET", "/api/audiences/nobody/count", status=404)


# «Tree ⇄ YAML ⇄ JSON ⇄ Python builder.»
def test_a_saved_tree_is_answered_and_means_the_same(shop: Shop) -> None:
    """b broke the lamp an hour after lighting it."""
    shop.tell(shop.event("b", "Lamp Broken", ago(days=2, hours=-1)))
    tree = {
        "any": [
            {"all": [say(shop, "abc", "Lamp Lit"), {"not": {"did": {"event": "Lamp Broken"}}}]},
            {"sequence": {"of": ["Lamp Lit", {"not": "Lamp Broken"}], "within": "1d"}},
            {"did": {"event": "Lamp Lit", "within": "this_month", "count": {"at_least": 2}}},
        ]
    }
    name = shop.save(tree)
    assert shop.members(name) == "ac"
    (told,) = [one for one in shop.ask("GET", "/api/audiences")["audiences"] if one["name"] == name]
    assert shop.ask("PUT", f"/api/audiences/{name}", {"where": told["where"]})["version"] == 1
    assert shop.members(shop.save(told["where"])) == "ac"


# «members (paged, stable)»
def test_members_are_paged_and_stable(shop: Shop) -> None:
    """Each member once and in the same order at any size of page, though somebody comes between two pages."""
    shop.set_traits({who: {"hobby": "kites"} for who in LETTERS})
    name = shop.save({"trait": {"hobby": "kites"}})
    (whole,) = shop.pages(name, 1_000)
    assert sorted(whole) == sorted(shop.ids.values())
    by_three = shop.pages(name, 3)
    assert [len(page) for page in by_three] == [3, 3, 2]
    assert [member for page in by_three for member in page] == whole
    first = shop.read(name, "members", limit=3)
    late = shop.new_member("kite late", hobby="kites")
    rest = shop.read(name, "members", limit=1_000, cursor=first["next"])
    seen = first["members"] + rest["members"]
    assert [member for member in seen if member != late] == whole
    assert shop.count(name) == 9
    shop.ask("GET", f"/api/audiences/{name}/members", params={"cursor": "nonsense"}, status=400)


# «Audiences that answer completely, at once, with their reason»
def test_what_was_answered_200_is_in_the_next_count(shop: Shop) -> None:
    """Contract: «What was answered 200 is visible to the next read.» Sent twice is there once."""
    shop.tell(shop.event("h", "Door Knocked", ago(days=2)))
    once = shop.save({"did": {"event": "Door Knocked", "count": {"at_least": 1}}})
    twice = shop.save({"did": {"event": "Door Knocked", "count": {"at_least": 2}}})
    for number, who in enumerate("abcdefg", start=2):
        knock = shop.event(who, "Door Knocked", datetime.now(UTC) - timedelta(seconds=1))
        shop.tell(knock)
        shop.tell(knock)
        assert shop.count(once, as_of=None) == number
    assert shop.count(twice, as_of=None) == 0
    shop.set_traits({"a": {"knocks": 1}})
    trait = shop.save({"trait": {"knocks": {"at_least": 2}}})
    assert shop.count(trait, as_of=None) == 0
    shop.set_traits({"a": {"knocks": 2}})
    assert shop.count(trait, as_of=None) == 1


# --- explained ------------------------------------------------------------------------------------------------------


# «`explain` in zh-TW and English»
def test_an_audience_is_explained_in_two_languages(shop: Shop) -> None:
    """Of abc who live in Hsinchu all but b, who sang twice; d sang twice too, and a once."""
    shop.set_traits({who: {"town": "Hsinchu"} for who in "abc"})
    shop.tell(*(shop.event(who, "Song Sung", ago(days=3)) for who in "abbdd"))
    sang = {"did": {"event": "Song Sung", "count": {"at_least": 2}, "within": "30d"}}
    name = shop.save({"all": [{"trait": {"town": "Hsinchu"}}, {"not": sang}]})
    assert shop.members(name) == "ac"
    told = shop.read(name, "explain")
    for word in ("Hsinchu", "Song Sung", "30"):
        assert word in told["sentence"]["en"] and word in told["sentence"]["zh-TW"]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in told["sentence"]["zh-TW"])
    town, song = told["leaves"]
    assert town["path"].startswith("/all/0/trait") and song["path"].startswith("/all/1/not/did")
    assert (town["count"], song["count"]) == (3, 2)
    assert town["sentence"] and song["sentence"]


# «why a member is in or out (each leaf, the value seen, the verdict)»
def test_why_a_member_is_in_or_out(shop: Shop) -> None:
    shop.set_traits({who: {"village": "Jiufen"} for who in "abc"})
    shop.tell(*(shop.event(who, "Boat Rowed", ago(days=3)) for who in "abbbd"))
    rowed = {"did": {"event": "Boat Rowed", "count": {"at_least": 2}, "within": "30d"}}
    name = shop.save({"all": [{"trait": {"village": "Jiufen"}}, {"not": rowed}]})

    def why(who: str) -> tuple[bool, list[tuple[Any, bool]]]:
        told = shop.read(name, "explain", member=shop.ids[who])
        assert told["member"] == shop.ids[who]
        assert [leaf["path"].split("/")[1:3] for leaf in told["leaves"]] == [["all", "0"], ["all", "1"]]
        return told["in"], [(leaf["value"], leaf["holds"]) for leaf in told["leaves"]]

    assert why("a") == (True, [("Jiufen", True), (1, False)])
    assert why("b") == (False, [("Jiufen", True), (3, True)])
    assert why("c") == (True, [("Jiufen", True), (0, False)])
    assert why("d") == (False, [(None, False), (1, False)])
    shop.ask("GET", f"/api/audiences/{name}/explain", params={"member": "m999999999"}, status=404)


# «warnings for a leaf nobody can match and for a trait or event that stopped arriving»
def test_warnings_for_what_cannot_match_any_more(shop: Shop) -> None:
    """Daily until 400 days ago and never since; a value nobody has; and a leaf that is well."""
    shop.tell(*(shop.event("a", "Fax Sent", ago(days=400 + day)) for day in range(60)))
    shop.tell(*(shop.event("a", "Mail Sent", ago(days=day)) for day in range(60)))
    shop.set_traits({"a": {"planet": "Earth"}, "b": {"planet": "Earth"}})
    leaves = [
        {"did": {"event": "Fax Sent", "within": "90d"}},
        {"trait": {"planet": "Mars"}},
        {"did": {"event": "Mail Sent", "within": "90d"}},
        {"trait": {"planet": "Earth"}},
    ]
    name = shop.save({"any": leaves})
    assert shop.members(name) == "ab"
    warnings = shop.read(name, "explain")["warnings"]
    assert all(one["code"] and one["message"] for one in warnings)
    assert {one["path"].split("/")[2] for one in warnings} == {"0", "1"}


# --- compared -------------------------------------------------------------------------------------------------------


# «overlap»
def test_the_overlap_of_two_audiences(shop: Shop) -> None:
    this, other = shop.save(say(shop, "abcd", "Film Seen")), shop.save(say(shop, "cdefg", "Play Seen"))
    expected = {"both": 2, "only_this": 2, "only_other": 3}
    assert expected.items() <= shop.read(this, "overlap", **{"with": other}).items()
    shop.ask("GET", f"/api/audiences/{this}/overlap", params={"with": "nobody"}, status=404)


# «diff of two versions»
def test_the_difference_of_two_versions(shop: Shop) -> None:
    """From abc to bcde: d and e entered, a left."""
    name = shop.save(say(shop, "abc", "Rain Felt"))
    shop.save(say(shop, "bcde", "Snow Felt"), name)
    assert {"entered": 2, "left": 1}.items() <= shop.read(name, "diff", **{"from": 1, "to": 2}).items()
    assert {"entered": 1, "left": 2}.items() <= shop.read(name, "diff", **{"from": 2, "to": 1}).items()
    shop.ask("GET", f"/api/audiences/{name}/diff", params={"from": 1, "to": 3}, status=404)


# «size by day»
def test_the_size_by_day(shop: Shop) -> None:
    """A day's size is the count at its end in the brand's time zone, 16:00 in UTC; both days are included.

    a and b come on the 10th, c on the 11th, each at noon in Taipei, and stay in for two days.
    """
    noon = datetime(2026, 11, 10, 4, tzinfo=UTC)
    shop.tell(*(shop.event(who, "Bell Rung", noon) for who in "ab"))
    shop.tell(shop.event("c", "Bell Rung", noon + timedelta(days=1)))
    name = shop.save({"did": {"event": "Bell Rung", "within": "2d"}})
    told = shop.read(name, "sizes", as_of=None, **{"from": "2026-11-09", "until": "2026-11-13"})["sizes"]
    assert [(one["on"], one["count"]) for one in told] == [
        ("2026-11-09", 0),
        ("2026-11-10", 2),
        ("2026-11-11", 3),
        ("2026-11-12", 1),
        ("2026-11-13", 0),
    ]
    assert shop.count(name, as_of=datetime(2026, 11, 11, 16, tzinfo=UTC)) == 3


# «export CSV/Parquet»
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_audience_is_exported(shop: Shop, form: str, tmp_path: Path) -> None:
    name = shop.save(say(shop, "bdf", f"Export asked {form}"))
    path = f"/api/audiences/{encoded(name)}/export"
    answer = shop.request("GET", path, headers={"Authorization": f"Bearer {shop.api_key}"}, params={"format": form})
    assert answer.status_code == 200, answer.text
    if form == "csv":
        members = [row["member"] for row in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))]
    else:
        file = tmp_path / "members.parquet"
        file.write_bytes(answer.content)
        members = [row[0] for row in duckdb.sql(f"select member from read_parquet('{file}')").fetchall()]
    assert sorted(members) == sorted(shop.ids[who] for who in "bdf")
    shop.ask("GET", path, params={"format": "docx"}, status=400)


# --- in time, and who is who ----------------------------------------------------------------------------------------


# «A test plants huge events after `as_of`: no count, tag or trait changes.»
def test_nothing_after_as_of_is_read(shop: Shop) -> None:
    """Fifty huge events of each member in the day after as_of, and one in 2099."""
    bought = "Ring Bought"
    amounts = {"a": 80, "b": 70, "c": 60, "d": 50, "e": 40}
    shop.tell(*(shop.event(who, bought, ago(days=9), revenue=value) for who, value in amounts.items()))
    shop.tell(shop.event("f", "Ring Seen", ago(days=9, hours=1)))
    trees: dict[str, tuple[Tree, str]] = {
        "rings any": ({"did": {"event": bought}}, "abcde"),
        "rings sum": ({"did": {"event": bought, "sum": {"of": "revenue", "at_least": 60}, "within": "30d"}}, "abc"),
        "rings count": ({"did": {"event": bought, "count": {"at_least": 2}}}, ""),
        "rings last": ({"did": {"event": bought, "last": {"within": "7d"}}}, ""),
        "rings max": ({"did": {"event": bought, "max": {"of": "revenue", "more_than": 80}}}, ""),
        "rings unpaid": ({"sequence": {"of": ["Ring Seen", {"not": bought}], "within": "30d"}}, ""),
        "rings today": ({"did": {"event": bought, "within": "today"}}, ""),
        "rings top": ({"percentile": {"top": 20, "of": {"did": {"event": bought, "sum": "revenue"}}}}, "a"),
    }
    for name, (tree, expected) in trees.items():
        assert shop.members(shop.save(tree, name)) == expected, name

    def look() -> list[Any]:
        explained = [shop.read(name, "explain")["leaves"] for name in trees]
        return explained + [shop.read(name, "explain", member=shop.ids["a"]) for name in trees]

    before = look()
    after = [AS_OF + timedelta(seconds=1 + 1_000 * at) for at in range(MANY_EVENTS)]
    after.append(datetime(2099, 1, 1, tzinfo=UTC))
    for who in LETTERS:
        shop.tell(*(shop.event(who, bought, at, revenue=HUGE) for at in after))
    for name, (_, expected) in trees.items():
        assert shop.members(name) == expected, name
    assert look() == before
    assert shop.members("rings max", AS_OF + timedelta(days=2)) == LETTERS, "they are there"
    assert shop.count("rings any", ago(days=10)) == 0, "as_of in the past"


# «Merge and unmerge change counts at once and back exactly»
def test_merge_and_unmerge_change_counts_at_once_and_back(shop: Shop) -> None:
    """g saw and h paid: only together is that a sequence, and two purchases of 100 each."""
    shop.tell(
        shop.event("f", "Boat Bought", ago(days=5), revenue=200),
        shop.event("g", "Boat Bought", ago(days=5), revenue=100),
        shop.event("h", "Boat Bought", ago(days=4), revenue=100),
        shop.event("g", "Boat Seen", ago(days=6)),
        shop.event("h", "Boat Paid", ago(days=3)),
    )
    shop.set_traits({"h": {"captain": True}})
    trees = [
        {"did": {"event": "Boat Bought"}},
        {"did": {"event": "Boat Bought", "count": {"at_least": 2}}},
        {"did": {"event": "Boat Bought", "sum": {"of": "revenue", "at_least": 200}}},
        {"sequence": {"of": ["Boat Seen", "Boat Paid"], "within": "30d"}},
        {"all": [{"did": {"event": "Boat Seen"}}, {"not": {"did": {"event": "Boat Paid"}}}]},
        {"all": [{"trait": {"captain": True}}, {"did": {"event": "Boat Seen"}}]},
    ]
    names = [shop.save(tree) for tree in trees]
    apart = ["fgh", "", "f", "", "g", ""]
    assert [shop.members(name) for name in names] == apart
    before = [shop.read(name, "explain") for name in names]
    for _ in range(2):
        done = shop.ask("POST", "/api/members/merge", {"keep": shop.ids["g"], "merge": shop.ids["h"]})
        assert [shop.members(name) for name in names] == ["fg", "g", "fg", "g", "", "g"]
        shop.ask("POST", "/api/members/unmerge", {"merge": done["merge"]})
        assert [shop.members(name) for name in names] == apart
    assert [shop.read(name, "explain") for name in names] == before


# «compaction, erasure, vacuum, flush»
def test_an_erased_member_is_out_at_once(shop: Shop) -> None:
    """architecture.md: «Erase hides at once»; who never did anything is not in an absence either."""
    gone = shop.new_member("gone", mood="blue")
    shop.set_traits({"a": {"mood": "blue"}})
    shop.tell(shop.track("gone", "Bridge Crossed"), shop.event("a", "Bridge Crossed", ago(days=1)))
    crossed, blue = shop.save({"did": {"event": "Bridge Crossed"}}), shop.save({"trait": {"mood": "blue"}})
    others = shop.save({"not": {"did": {"event": "Bridge Crossed"}}})
    assert (shop.count(crossed, None), shop.count(blue, None)) == (2, 2)
    rest = shop.count(others, None)
    shop.ask("DELETE", f"/api/members/{gone}", status=202)
    assert (shop.count(crossed, None), shop.count(blue, None), shop.count(others, None)) == (1, 1, rest)
    assert shop.members(crossed, None) == shop.members(blue, None) == "a"
