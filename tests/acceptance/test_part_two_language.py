"""Part 2 of the plan, the language of conditions: every kind of leaf over HTTP, with answers computed by hand.

Members are a to h. Each check also asks the negation, which must be true of everybody else: «Negation anywhere».
"""

from datetime import UTC, datetime, timedelta, timezone

from tests.support.shop import AS_OF, LETTERS, Shop, ago, text

TAIPEI = timezone(timedelta(hours=8))


def taipei(day: str, hour: int, minute: int = 0) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, minute=minute, tzinfo=TAIPEI)


# --- traits, tags, consents -----------------------------------------------------------------------------------------


# «the whole language of architecture.md except `tier`: traits»
def test_traits_of_every_type(shop: Shop) -> None:
    """A value that is missing makes a leaf false; texts are compared code point by code point."""
    assert shop.ask("PUT", "/api/traits/born", {"type": "date"})["type"] == "date"
    shop.set_traits(
        {
            "a": {"city": "Taipei", "age": 25, "newsletter": True, "likes": ["tea", "cake"], "born": "1990-05-01"},
            "b": {"city": "Tainan", "age": 54, "newsletter": False, "born": "2000-01-01"},
            "c": {"city": "台北", "age": 55, "born": "2010-12-31"},
            "d": {"city": "taipei", "age": 24.5},
            "e": {"age": 30},
            "f": {"city": "Taichung"},
            "g": {"likes": ["tea"]},
        }
    )
    shop.check({"trait": {"city": "Taipei"}}, "a")
    shop.check({"trait": {"city": {"any_of": ["Taipei", "台北"]}}}, "ac")
    shop.check({"trait": {"city": {"none_of": ["Taipei"]}}}, "bcdf")
    shop.check({"trait": {"city": {"prefix": "Tai"}}}, "abf")
    shop.check({"trait": {"city": {"contains": "ai"}}}, "abdf")
    shop.check({"trait": {"city": {"exists": True}}}, "abcdf")
    shop.check({"trait": {"age": 30}}, "e")
    shop.check({"trait": {"age": {"between": [25, 54]}}}, "abe")
    shop.check({"trait": {"age": {"more_than": 25}}}, "bce")
    shop.check({"trait": {"age": {"less_than": 25}}}, "d")
    shop.check({"trait": {"newsletter": True}}, "a")
    shop.check({"trait": {"newsletter": False}}, "b")
    shop.check({"trait": {"likes": {"has_any": ["cake", "tea"]}}}, "ag")
    shop.check({"trait": {"likes": {"has_all": ["cake", "tea"]}}}, "a")
    shop.check({"trait": {"born": {"before": "2000-01-01"}}}, "a")
    shop.check({"trait": {"born": {"until": "2000-01-01"}}}, "ab")
    shop.check({"trait": {"born": {"after": "2000-01-01"}}}, "c")
    shop.check({"trait": {"born": {"from": "2000-01-01", "before": "2010-12-31"}}}, "b")
    shop.check({"trait": {"city": {"prefix": "Tai"}, "age": {"between": [25, 54]}}}, "ab")


# «tags with weight»
def test_tags_with_weight(shop: Shop) -> None:
    for who, weight in {"a": 0.8, "b": 0.5, "c": 0.2}.items():
        shop.set_tag(who, "vip", weight=weight)
    shop.set_tag("d", "vip", weight=1, expires_at=text(ago(days=300)))
    shop.set_tag("e", "VIP", weight=1)
    shop.check({"tag": {"is": "vip"}}, "abc")
    shop.check({"tag": {"is": "vip", "weight": {"at_least": 0.5}}}, "ab")
    shop.check({"tag": {"is": "vip", "weight": {"less_than": 0.5}}}, "c")


# «the whole language of architecture.md except `tier`»
def test_consents_in_force(shop: Shop) -> None:
    for who, granted in {"a": True, "b": False, "c": True}.items():
        path = f"/api/members/{shop.ids[who]}/consents/line-main/marketing"
        shop.ask("PUT", path, {"granted": granted, "proof": {"source": "form"}})
    shop.ask("PUT", f"/api/members/{shop.ids['c']}/consents/line-main/marketing", {"granted": False})
    shop.check({"consent": {"channel": "line-main", "purpose": "marketing"}}, "a")
    shop.check({"consent": {"channel": "line-main", "purpose": "marketing", "granted": False}}, "bc")


# --- did ------------------------------------------------------------------------------------------------------------


# «did with count/sum/avg/min/max/first/last/distinct»
def test_count_sum_avg_min_and_max(shop: Shop) -> None:
    """a: 10 + 20 (+ 30.5 a hundred days ago), b: 100, c: 5 + 5, d: no revenue, e: revenue that is no number."""
    name = "Coffee Bought"
    shop.tell(
        shop.event("a", name, ago(days=1), revenue=10),
        shop.event("a", name, ago(days=10), revenue=20),
        shop.event("a", name, ago(days=100), revenue=30.5),
        shop.event("b", name, ago(days=5), revenue=100),
        shop.event("c", name, ago(days=2), revenue=5),
        shop.event("c", name, ago(days=3), revenue=5),
        shop.event("d", name, ago(days=4)),
        shop.event("e", name, ago(days=4), revenue="free"),
    )

    def check(expected: str, **more: object) -> None:
        shop.check({"did": {"event": name, **more}}, expected)

    check("abcde")
    check("ac", count={"at_least": 2})
    check("bde", count={"at_least": 1, "at_most": 1})
    check("fgh", count={"at_most": 0})
    check("bdefgh", count={"less_than": 2})
    check("ab", sum={"of": "revenue", "at_least": 60.5})
    check("b", sum={"of": "revenue", "more_than": 60.5})
    check("c", sum={"of": "revenue", "at_most": 10})
    check("ab", avg={"of": "revenue", "at_least": 20})
    check("c", avg={"of": "revenue", "at_most": 5})
    check("ac", min={"of": "revenue", "at_most": 10})
    check("ab", max={"of": "revenue", "at_least": 30.5})
    check("b", max={"of": "revenue", "at_least": 30.5}, within="30d")
    check("ab", sum={"of": "revenue", "at_least": 30}, within="30d")
    check("b", sum={"of": "revenue", "more_than": 30}, within="30d")
    check("a", count={"at_least": 2}, sum={"of": "revenue", "at_least": 20})


# «did with count/sum/avg/min/max/first/last/distinct»
def test_distinct_values_and_days_of_the_brand(shop: Shop) -> None:
    """a: 23:30 and half past midnight in Taipei are two days, though one in UTC; b's two are one day, though two in UTC"""
    for who, shops in {"a": ["north", "south", "north"], "b": ["north", "north"], "c": [None]}.items():
        shop.tell(*(shop.event(who, "Shop Visited", ago(days=1 + at), shop=one) for at, one in enumerate(shops)))
    shop.check({"did": {"event": "Shop Visited", "distinct": {"of": "shop", "at_least": 2}}}, "a")
    shop.check({"did": {"event": "Shop Visited", "distinct": {"of": "shop", "at_least": 1}}}, "ab")
    shop.check({"did": {"event": "Shop Visited", "distinct": {"of": "shop", "at_most": 0}}}, "cdefgh")
    shop.tell(
        shop.event("a", "Checked In", datetime(2026, 11, 10, 15, 30, tzinfo=UTC)),
        shop.event("a", "Checked In", datetime(2026, 11, 10, 16, 30, tzinfo=UTC)),
        shop.event("b", "Checked In", datetime(2026, 11, 10, 17, 0, tzinfo=UTC)),
        shop.event("b", "Checked In", datetime(2026, 11, 11, 15, 0, tzinfo=UTC)),
    )
    shop.check({"did": {"event": "Checked In", "distinct": {"of": "local_day", "at_least": 2}}}, "a")


# «did with count/sum/avg/min/max/first/last/distinct»
def test_first_and_last(shop: Shop) -> None:
    """Of all time up to as_of: a came 400 and 3 days ago, b 3, c 400. 400 days ago is October 2025."""
    name = "Class Joined"
    days = {"a": (400, 3), "b": (3,), "c": (400,)}
    shop.tell(*(shop.event(who, name, ago(days=day)) for who, those in days.items() for day in those))
    shop.check({"did": {"event": name, "first": {"within": "30d"}}}, "b")
    shop.check({"did": {"event": name, "last": {"within": "30d"}}}, "ab")
    shop.check({"did": {"event": name, "first": {"before": "2026-01-01"}}}, "ac")
    shop.check({"did": {"event": name, "last": {"before": "2026-01-01"}}}, "c")


# --- windows --------------------------------------------------------------------------------------------------------


# «windows from minutes to years»
def test_windows_from_minutes_to_years(shop: Shop) -> None:
    """Windows are half-open: `within: 90d` is (as_of − 90d, as_of]."""
    shop.tell(
        shop.event("a", "Pinged", ago(minutes=5)),
        shop.event("b", "Pinged", ago(hours=3)),
        shop.event("c", "Pinged", ago(days=5)),
        shop.event("d", "Pinged", ago(days=200)),
        shop.event("e", "Pinged", ago(days=5 * 365)),
        shop.event("a", "Edged", ago(days=90, seconds=-1)),
        shop.event("b", "Edged", ago(seconds=-1)),
        shop.event("g", "Edged", AS_OF),
        shop.event("h", "Edged", ago(days=90)),
    )
    for within, expected in {"15m": "a", "12h": "ab", "30d": "abc", "365d": "abcd", "3650d": "abcde"}.items():
        shop.check({"did": {"event": "Pinged", "within": within}}, expected)
    shop.check({"did": {"event": "Pinged"}}, "abcde")
    shop.check({"did": {"event": "Edged", "within": "90d"}}, "ag")
    shop.check({"did": {"event": "Edged"}}, "agh")


# «windows from minutes to years and calendar windows, before/after dates»
def test_calendar_windows_and_dates_in_the_brands_days(shop: Shop) -> None:
    """AS_OF is noon on Wednesday 18 November in Taipei. Half an hour around midnight there is one day in UTC."""
    name = "Calendar Marked"
    times = {
        "a": taipei("2026-11-18", 0, 10),
        "b": taipei("2026-11-17", 23, 50),
        "c": taipei("2026-11-16", 0, 10),
        "d": taipei("2026-11-15", 23, 50),
        "e": taipei("2026-10-31", 23, 50),
        "f": taipei("2026-09-30", 23, 50),
        "g": taipei("2025-12-01", 0, 10),
        "h": taipei("2025-11-30", 23, 50),
    }
    shop.tell(*(shop.event(who, name, at) for who, at in times.items()))
    windows = {
        "today": "a",
        "yesterday": "b",
        "this_week": "abc",
        "last_week": "d",
        "this_month": "abcd",
        "last_month": "e",
        "this_quarter": "abcde",
        "this_year": "abcdef",
        "last_year": "gh",
        "rolling 12 months": "abcdefg",
    }
    for within, expected in windows.items():
        shop.check({"did": {"event": name, "within": within}}, expected)
    shop.check({"did": {"event": name, "within": {"from": "2026-09-30", "before": "2026-11-01"}}}, "ef")
    shop.check({"did": {"event": name, "within": {"before": "2025-12-01"}}}, "h")
    shop.check({"did": {"event": name, "within": {"until": "2025-12-01"}}}, "gh")
    shop.check({"did": {"event": name, "within": {"after": "2026-11-16"}}}, "ab")
    shop.check({"did": {"event": name, "within": {"from": "2026-11-17T16:00:00Z"}}}, "a")


# --- properties and items -------------------------------------------------------------------------------------------


# «property filters (text any of/prefix/contains, numbers, dates, lists) and item attributes»
def test_property_filters_of_every_type(shop: Shop) -> None:
    """f read two books: filters must hold of one event together. c's pages are a text: never equal across types."""
    books: list[tuple[str, dict[str, object]]] = [
        ("a", {"title": "Dune", "pages": 412, "topics": ["desert", "politics"], "novel": True, "out": "1965-08-01"}),
        ("b", {"title": "Dune Messiah", "pages": 256, "topics": ["politics"], "novel": True, "out": "1969-10-15"}),
        ("c", {"title": "La dune", "pages": "412", "topics": [], "novel": False}),
        ("d", {"title": "50% off_all", "pages": 10.5}),
        ("e", {}),
        ("f", {"title": "Dune", "pages": 1}),
        ("f", {"title": "Other", "pages": 999}),
    ]
    shop.tell(*(shop.event(who, "Book Read", ago(days=4), **book) for who, book in books))

    def check(expected: str, **where: object) -> None:
        shop.check({"did": {"event": "Book Read", "where": where}}, expected)

    check("af", title="Dune")
    check("acf", title={"any_of": ["Dune", "La dune"]})
    check("bcdf", title={"none_of": ["Dune"]})
    check("abf", title={"prefix": "Dune"})
    check("abcf", title={"contains": "une"})
    check("d", title={"contains": "%"})
    check("d", title={"contains": "f_a"})
    check("a", pages=412)
    check("c", pages="412")
    check("abd", pages={"between": [10, 412]})
    check("f", pages={"more_than": 412})
    check("abcdf", pages={"exists": True})
    check("a", title="Dune", pages={"at_least": 400})
    check("ab", novel=True)
    check("c", novel=False)
    check("ab", topics={"has_any": ["politics", "love"]})
    check("a", topics={"has_all": ["politics", "desert"]})
    check("a", out={"before": "1966-01-01"})
    check("b", out={"from": "1969-10-15"})
    shop.check({"did": {"event": "Book Read", "count": {"at_least": 2}}}, "f")
    shop.check({"did": {"event": "Book Read", "count": {"at_least": 2}, "where": {"title": "Dune"}}}, "")


# «item attributes (category of what was bought)»
def test_item_attributes_and_both_vocabularies(shop: Shop) -> None:
    """What is said of an order's lines must hold of one line: a bought one red shoe and two loaves."""
    items = [
        {"id": "red", "name": "Red", "category": "heels", "price": "1290", "attributes": {"colour": "red"}},
        {"id": "blue", "name": "Blue", "category": "heels", "price": "990", "attributes": {"colour": "blue"}},
        {"id": "loaf", "name": "Loaf", "category": "bread", "price": "60"},
    ]
    assert shop.ask("POST", "/api/items", {"items": items})["written"] == 3
    orders: dict[str, list[dict[str, object]]] = {
        "a": [{"product_id": "red", "quantity": 1}, {"product_id": "loaf", "quantity": 2}],
        "b": [{"product_id": "blue", "quantity": 1}],
        "c": [{"product_id": "loaf", "quantity": 1}],
        "d": [{"product_id": "red", "quantity": 1, "category": "sale"}],
        "e": [{"product_id": "blue", "quantity": 2}],
        "f": [{"product_id": "nowhere", "quantity": 9}],
    }
    shop.tell(*(shop.event(who, "Order Completed", ago(days=2), products=lines) for who, lines in orders.items()))
    shop.check({"did": {"event": "Order Completed", "item": {"category": "heels"}}}, "abde")
    shop.check({"did": {"event": "Order Completed", "item": {"colour": "red"}}}, "ad")
    shop.check({"did": {"event": "Order Completed", "item": {"price": {"at_least": 1000}}}}, "ad")
    shop.check({"did": {"event": "Order Completed", "where": {"category": "sale"}}}, "d")
    shop.check({"did": {"event": "Order Completed", "where": {"quantity": {"at_least": 2}}}}, "aef")
    both = {"where": {"quantity": {"at_least": 2}}, "item": {"category": "heels"}}
    shop.check({"did": {"event": "Order Completed", **both}}, "e")
    shop.tell(
        shop.event("g", "view_item", ago(days=2), item_category="boots"),
        shop.event("h", "Product Viewed", ago(days=2), category="boots"),
    )
    shop.check({"did": {"event": "Product Viewed", "where": {"category": "boots"}}}, "gh")


# --- how leaves meet ------------------------------------------------------------------------------------------------


# «Negation anywhere.»
def test_absence_and_negation_anywhere(shop: Shop) -> None:
    """a and b walked, b and c swam."""
    shop.tell(*(shop.event(who, "Walked", ago(days=3)) for who in "ab"))
    shop.tell(*(shop.event(who, "Swam", ago(days=3)) for who in "bc"))
    walked, swam = {"did": {"event": "Walked", "within": "30d"}}, {"did": {"event": "Swam", "within": "30d"}}
    shop.check({"did": {"event": "Walked", "count": {"at_most": 0}, "within": "30d"}}, "cdefgh")
    shop.check({"all": [walked, swam]}, "b")
    shop.check({"any": [walked, swam]}, "abc")
    shop.check({"all": [walked, {"not": swam}]}, "a")
    shop.check({"all": [{"not": walked}, {"not": swam}]}, "defgh")
    shop.check({"any": [{"not": walked}, {"not": swam}]}, "acdefgh")
    shop.check({"not": {"not": walked}}, "ab")
    shop.check({"all": [{"not": {"any": [walked, {"not": swam}]}}, {"not": {"not": swam}}]}, "c")
    shop.check({"not": {"did": {"event": "Walked", "within": "2d"}}}, LETTERS)


# «sequences with gaps, `within`, correlation key and negated steps»
def test_sequences(shop: Shop) -> None:
    """Seen (V), put into the cart (A), not paid (O) within two hours, by cart. Only h's two hours are not over."""
    day = ago(days=10)

    def steps(who: str, *those: tuple[str, float, str], since: datetime = day) -> None:
        names = {"V": "Shoe Seen", "A": "Shoe Added", "O": "Shoe Paid", "P": "Shoe Praised"}
        shop.tell(*(shop.event(who, names[one], since + timedelta(hours=at), cart=cart) for one, at, cart in those))

    steps("a", ("V", 0, "1"), ("A", 1, "1"))
    steps("b", ("V", 0, "1"), ("A", 1, "1"), ("O", 1.5, "1"))
    steps("c", ("V", 0, "1"), ("A", 1, "2"))
    steps("d", ("A", 0, "1"), ("V", 1, "1"))
    steps("e", ("V", 0, "1"), ("A", 3, "1"))
    steps("f", ("V", 0, "1"), ("A", 1, "1"), ("O", 1.5, "2"))
    steps("g", ("V", 0, "1"), ("P", 0.5, "1"), ("A", 1, "1"), ("O", 5, "1"))
    steps("h", ("V", -1, "1"), ("A", -0.5, "1"), since=AS_OF)
    abandoned = ["Shoe Seen", "Shoe Added", {"not": "Shoe Paid"}]
    shop.check({"sequence": {"of": abandoned, "within": "2h", "by": "cart"}}, "afg")
    shop.check({"sequence": {"of": abandoned, "within": "2h"}}, "acg")
    shop.check({"sequence": {"of": ["Shoe Seen", "Shoe Added"], "within": "2h", "by": "cart"}}, "abfgh")
    shop.check({"sequence": {"of": ["Shoe Seen", "Shoe Added"], "within": "2h"}}, "abcfgh")
    shop.check({"sequence": {"of": ["Shoe Seen", "Shoe Added"], "within": "4h", "by": "cart"}}, "abefgh")
    second = {"event": "Shoe Added", "where": {"cart": "2"}}
    shop.check({"sequence": {"of": ["Shoe Seen", second], "within": "2h"}}, "c")


# «sequences with gaps, `within`, correlation key and negated steps»
def test_a_negated_step_between_two(shop: Shop) -> None:
    """Opened and bought without asking between. c asked the first time, not the second; e's two are at one instant."""

    def steps(who: str, *those: tuple[str, float]) -> None:
        names = {"O": "Box Opened", "Q": "Box Asked", "B": "Box Bought"}
        shop.tell(*(shop.event(who, names[one], ago(days=20, hours=-at)) for one, at in those))

    steps("a", ("O", 0), ("Q", 1), ("B", 2))
    steps("b", ("O", 0), ("B", 2))
    steps("c", ("O", 0), ("Q", 1), ("B", 2), ("O", 3), ("B", 4))
    steps("d", ("B", 0))
    steps("e", ("O", 0), ("B", 0))
    shop.check({"sequence": {"of": ["Box Opened", {"not": "Box Asked"}, "Box Bought"], "within": "1d"}}, "bc")
    shop.check({"sequence": {"of": ["Box Opened", "Box Bought"], "within": "1d"}}, "abc")


# «received/opened/clicked»
def test_deliveries_before_anything_was_sent(shop: Shop) -> None:
    """Nothing can be sent before part 3: nobody received anything, and so everybody at most once."""
    shop.check({"received": {"count": {"at_most": 1}, "within": "30d"}}, LETTERS)
    shop.check({"received": {"within": "30d"}}, "")
    shop.check({"opened": {"count": {"at_least": 1}}}, "")
    shop.check({"clicked": {"within": "7d"}}, "")


# «received/opened/clicked, member_of, percentile»
def test_member_of_follows_the_newest_version(shop: Shop) -> None:
    shop.tell(*(shop.event(who, "Tea Drunk", ago(days=3)) for who in "abc"))
    shop.tell(*(shop.event(who, "Tea Spilt", ago(days=3)) for who in "bd"))
    shop.save({"did": {"event": "Tea Drunk"}}, "tea-drinkers")
    shop.check({"member_of": "tea-drinkers"}, "abc")
    careful = shop.save({"all": [{"member_of": "tea-drinkers"}, {"not": {"did": {"event": "Tea Spilt"}}}]})
    assert shop.members(careful) == "ac"
    shop.save(
        {"any": [{"did": {"event": "Tea Drunk", "within": "1d"}}, {"did": {"event": "Tea Spilt"}}]}, "tea-drinkers"
    )
    shop.check({"member_of": "tea-drinkers"}, "bd")
    assert shop.members(careful) == ""


# «percentile ("top 10 % by revenue in 90 days")»
def test_the_highest_percent_by_a_number(shop: Shop) -> None:
    """The first ceil(n × percent / 100) of the n who have the number, and who equals the last of them. h's ten thousand
    are too old."""
    amounts = {"a": 80, "b": 70, "c": 60, "d": 50, "e": 40, "f": 30, "g": 20, "h": 10}
    shop.tell(*(shop.event(who, "Gift Bought", ago(days=9), revenue=value) for who, value in amounts.items()))
    shop.tell(shop.event("h", "Gift Bought", ago(days=200), revenue=10_000))
    shop.tell(*(shop.event(who, "Card Bought", ago(days=9), revenue=5 if who < "d" else 1) for who in "abcd"))

    def check(event: str, expected: str, **more: object) -> None:
        by_revenue = {"did": {"event": event, "sum": "revenue", "within": "90d"}}
        shop.check({"percentile": {**more, "of": by_revenue}}, expected)

    check("Gift Bought", "a", top=10)
    check("Gift Bought", "ab", top=25)
    check("Gift Bought", "abc", top=30)
    check("Gift Bought", "gh", bottom=25)
    check("Card Bought", "abc", top=25)
    shop.check({"percentile": {"top": 10, "of": {"did": {"event": "Gift Bought", "sum": "revenue"}}}}, "h")


# «random bucket stable by member»
def test_random_buckets_are_stable_and_nested(shop: Shop) -> None:
    drawn = 0
    for salt in (f"salt {number}" for number in range(10)):
        half = shop.who({"bucket": {"salt": salt, "from": 0, "until": 50}})
        drawn += len(half)
        shop.check({"bucket": {"salt": salt, "from": 0, "until": 50}}, half)
        shop.check({"bucket": {"salt": salt, "from": 50, "until": 100}}, "".join(x for x in LETTERS if x not in half))
        assert set(shop.who({"bucket": {"salt": salt, "from": 0, "until": 25}})) <= set(half)
    assert 15 <= drawn <= 65, "of 80 draws half are expected; five times their deviation on either side"
    shop.check({"bucket": {"salt": "all", "from": 0, "until": 100}}, LETTERS)
