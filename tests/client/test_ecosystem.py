"""Audiences from Python, asked of a running server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from regulars import Ecosystem, EcosystemError, did, member_of, tag, trait
from regulars.client.ecosystem import Audience
from tests.support.serving import Serving
from tests.support.shop import AS_OF, Shop, ago, text

TIN = (trait("metal") == "tin") & ~did("Can Opened").within("30d")


@pytest.fixture(scope="module")
def shop(serving: Serving) -> Iterator[Shop]:
    """a, b and c are of tin, d of iron; b opened a can."""
    opened = Shop(serving, "client")
    opened.set_traits({"a": {"metal": "tin"}, "b": {"metal": "tin"}, "c": {"metal": "tin"}, "d": {"metal": "iron"}})
    opened.tell(opened.event("b", "Can Opened", ago(days=3)))
    yield opened
    opened.http.close()


@pytest.fixture(scope="module")
def ecosystem(shop: Shop) -> Ecosystem:
    return Ecosystem(shop.url, shop.api_key)


@pytest.fixture(scope="module", params=["asked", "saved"])
def tins(ecosystem: Ecosystem, request: pytest.FixtureRequest) -> Audience:
    """One condition, asked as it is or saved under a name: nothing may differ."""
    asked = ecosystem.audience(TIN, as_of=AS_OF)
    return asked if request.param == "asked" else asked.save("罐 & tins")


def test_an_audience_is_counted_and_listed(shop: Shop, tins: Audience) -> None:
    assert tins.count() == 2
    assert list(tins.members()) == [shop.ids["a"], shop.ids["c"]]


def test_members_come_page_by_page(ecosystem: Ecosystem, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regulars.client.ecosystem.PAGE_MEMBERS", 3)
    everybody = ecosystem.audience({"all": []})
    assert list(everybody.members()) == list(shop.ids.values())
    for name in ("p1", "p2", "p3", "p4"):
        everybody.save(name)
    assert {"p1", "p2", "p3", "p4"} <= set(ecosystem.audiences())


def test_an_audience_is_an_arrow_table(shop: Shop, tins: Audience) -> None:
    found = tins.to_arrow()
    assert (found.num_rows, found.column_names) == (2, ["member", "user_id"])
    assert duckdb.sql("select member, user_id from found order by all").fetchall() == [
        (shop.ids["a"], "a"),
        (shop.ids["c"], "c"),
    ]


def test_who_has_no_user_id_has_none_in_the_table(ecosystem: Ecosystem, shop: Shop) -> None:
    shop.tell({"type": "identify", "anonymousId": "nobody yet", "traits": {"metal": "zinc"}})
    assert ecosystem.audience(trait(metal="zinc")).to_arrow().column("user_id").to_pylist() == [None]
    empty = ecosystem.audience(~trait("metal").exists() & trait("metal").exists()).to_arrow()
    assert (empty.num_rows, empty.column_names) == (0, ["member", "user_id"])


def test_an_audience_tells_why(shop: Shop, tins: Audience) -> None:
    why = tins.why(shop.ids["b"])
    assert why["in"] is False
    assert [(leaf["value"], leaf["holds"]) for leaf in why["leaves"]] == [("tin", True), (1, True)]
    assert all(set(leaf["sentence"]) == {"zh-TW", "en"} for leaf in why["leaves"])
    html = why._repr_html_()
    assert "✗" in html and "Can Opened" in html and shop.ids["b"] in html
    assert json.loads(json.dumps(why)) == why


def test_audiences_overlap(ecosystem: Ecosystem, shop: Shop, tins: Audience) -> None:
    """Tins are a and c; openers b; metal a to d."""
    metal = ecosystem.audience(trait("metal").exists(), as_of=AS_OF)
    assert tins.overlap(metal) == {"both": 2, "only_this": 0, "only_other": 2}
    assert metal.overlap(tins) == {"both": 2, "only_this": 2, "only_other": 0}
    assert tins.overlap(did("Can Opened")) == {"both": 0, "only_this": 2, "only_other": 1}
    saved = metal.save("metal")
    assert tins.overlap("metal") == tins.overlap(saved) == tins.overlap([{"trait": {"metal": {"exists": True}}}])
    told = shop.read("metal", "overlap", **{"with": metal.save("metal too").name})
    assert saved.overlap("metal too") == told
    # Before the can was opened b was a tin too.
    before = ecosystem.audience("metal", as_of=ago(days=4)).overlap(TIN)
    assert before == {"both": 3, "only_this": 1, "only_other": 0}


def test_a_saved_audience_has_versions_and_sizes(ecosystem: Ecosystem) -> None:
    opened = ecosystem.audience(did("Can Opened").within("1d"), as_of=AS_OF)
    for one in (opened.diff, opened.sizes):
        with pytest.raises(ValueError, match=r"call \.save\(name\) first"):
            one()
    saved = opened.save("openers")
    ecosystem.audience(did("Can Opened")).save("openers")
    assert saved.diff() == {"entered": 1, "left": 0, "stayed": 0, "from": 1, "to": 2}
    assert saved.diff(2, 1)["left"] == 1
    with pytest.raises(EcosystemError) as refused:
        saved.diff(1, 7)
    assert refused.value.code == "audience.version_unknown"
    found = ecosystem.audience("openers").sizes(date(2026, 11, 14), "2026-11-16")
    assert found == [{"on": f"2026-11-{day}", "count": int(day >= 15)} for day in (14, 15, 16)]
    assert len(saved.sizes()) == 30


def test_an_audience_says_what_it_is(tins: Audience) -> None:
    assert "tin" in tins.explain() and "會員" in tins.explain()
    assert tins.explain("en").startswith("Members")
    assert [leaf["count"] for leaf in tins.leaves()] == [3, 1]
    assert "2 members" in repr(tins) and tins.explain() in repr(tins)


def test_a_notebook_shows_it(shop: Shop, tins: Audience) -> None:
    html = tins._repr_html_()
    assert tins.explain() in html and tins.explain("en") in html
    assert shop.ids["a"] in html and shop.ids["b"] not in html
    assert "Can Opened" in html and "<script" not in html
    if tins.name:
        assert "罐 &amp; tins" in html and "version 1" in html


def test_what_members_are_called_is_text_in_a_notebook(ecosystem: Ecosystem, shop: Shop) -> None:
    shop.set_tag("a", "<b>&")
    html = ecosystem.audience(tag("<b>&"))._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;&amp;" in html


def test_as_of_is_an_instant_in_any_form(ecosystem: Ecosystem) -> None:
    for as_of in (ago(days=2), text(ago(days=2)), "2026-11-16T12:00:00+08:00"):
        assert ecosystem.audience(did("Can Opened"), as_of=as_of).count() == 1
    assert ecosystem.audience(did("Can Opened"), as_of=ago(days=4)).count() == 0


def test_a_saved_audience_is_part_of_another(ecosystem: Ecosystem, shop: Shop) -> None:
    ecosystem.audience(TIN).save("part")
    assert list(ecosystem.audience(member_of("part") & ~tag("<b>&"), as_of=AS_OF).members()) == [shop.ids["c"]]
    assert ecosystem.audience("part").save("copy").leaves() == ecosystem.audience("part").leaves()


def test_what_is_wrong_is_told_as_the_server_tells_it(ecosystem: Ecosystem) -> None:
    with pytest.raises(EcosystemError) as caught:
        ecosystem.audience(trait("metl") == "tin").count()
    error = caught.value
    assert (error.code, error.path, error.suggestion, error.status) == (
        "condition.unknown_trait",
        "/trait/metl",
        "metal",
        400,
    )
    assert "metal" in str(error)
    wrong = ecosystem.audience(trait("metl") == "tin")
    assert "condition.unknown_trait" in repr(wrong)
    assert "condition.unknown_trait" in wrong._repr_html_() and "metal" in wrong._repr_html_()
    with pytest.raises(EcosystemError, match=r"audience\.unknown"):
        ecosystem.audience("nobody").count()


def test_a_wrong_key_and_no_server_are_told(shop: Shop) -> None:
    with pytest.raises(EcosystemError) as caught:
        Ecosystem(shop.url, "rga_wrong").audience("part").count()
    assert (caught.value.code, caught.value.status) == ("access.key_unknown", 401)
    with pytest.raises(EcosystemError) as caught:
        Ecosystem("http://127.0.0.1:1", "rga_wrong").audience("part").count()
    assert (caught.value.code, caught.value.status) == ("server.unreachable", None)
    assert "rga_wrong" not in str(caught.value)
    with pytest.raises(ValueError, match="address"):
        Ecosystem("file:///etc/passwd", "rga_wrong")
    with pytest.raises(ValueError, match="api_key"):
        Ecosystem(shop.url)


def test_the_key_is_found_in_home(serving: Serving, shop: Shop) -> None:
    opened = Ecosystem(serving.url, home=serving.home, brand=shop.brand_name)
    assert opened.audience(TIN, as_of=AS_OF).count() == 2
    with pytest.raises(ValueError, match="nobody"):
        Ecosystem(serving.url, home=serving.home, brand="nobody")


def test_the_client_loads_no_server() -> None:
    look = (
        "import sys; from regulars import Ecosystem, did; Ecosystem(api_key='x').audience(did('A'));"
        "print(sorted({'duckdb', 'fastapi', 'numpy', 'psycopg', 'pydantic', 'deltalake'} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[]"
