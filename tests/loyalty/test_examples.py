"""The ready-made programmes: each is read, and a year of orders through it comes to what was computed by hand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from regulars.conditions.closures import EventFacts, MemberFacts
from regulars.conditions.errors import ConditionError
from regulars.loyalty.awarding import earn
from regulars.loyalty.diffing import diff_programmes
from regulars.loyalty.errors import ProgrammeInvalid
from regulars.loyalty.expiry import expires_at, inactive_at, policy_of
from regulars.loyalty.model import Programme
from regulars.loyalty.parsing import parse_programme, write_programme
from regulars.loyalty.reading import read_programme_file
from regulars.loyalty.rules import compile_rules, is_eligible
from regulars.loyalty.tiers import Clock, Credit, Standing, add_credit, advance

ROOT = Path(__file__).resolve().parents[2] / "examples" / "programmes"
TAIPEI = ZoneInfo("Asia/Taipei")
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
MONTHS = [NOW - timedelta(days=345 - 30 * month) for month in range(12)]
Order = tuple[datetime, dict[str, Any]]


def load(name: str) -> Programme:
    return read_programme_file((ROOT / f"{name}.yaml").read_text(encoding="utf-8")).programme


def drive(programme: Programme, orders: list[Order]) -> tuple[int, str]:
    """The points that pay and have not expired by now, and the level; inactivity looks at the last order."""
    assert programme.tiers is not None
    clock, standing = Clock(TAIPEI, date(2020, 1, 1)), Standing()
    rules = compile_rules(programme, TAIPEI)
    lots: list[tuple[int, datetime | None, str]] = []
    for at, properties in orders:
        standing, _ = advance(programme.tiers, clock, standing, at)
        level = programme.tiers.levels[standing.level]
        event = EventFacts("Order Completed", at, properties, revenue=Decimal(properties["revenue"]))
        holding = [
            one.rule
            for one in rules
            if is_eligible(programme, one.rule, standing.level, (), at.astimezone(TAIPEI).date())
            and one.holds is not None
            and one.holds(event, MemberFacts(), at)
        ]
        for one in earn(programme, holding, properties.get, level):
            asset = programme.assets[one.asset]
            if asset.redeemable:
                lots.append((one.amount, expires_at(policy_of(asset, level), at, TAIPEI), one.asset))
            else:
                standing, _ = add_credit(programme.tiers, clock, standing, Credit(at, one.amount))
    standing, _ = advance(programme.tiers, clock, standing, NOW)
    level = programme.tiers.levels[standing.level]

    def is_over(ends: datetime | None, asset: str) -> bool:
        policy = policy_of(programme.assets[asset], level)  # type: ignore[index]
        idle = inactive_at(policy, orders[-1][0], orders[0][0], TAIPEI)
        return any(one is not None and one <= NOW for one in (ends, idle))

    return sum(amount for amount, ends, asset in lots if not is_over(ends, asset)), level.name


def monthly(revenue: object, months: list[datetime] = MONTHS, **properties: Any) -> list[Order]:
    return [(at, {"revenue": f"{revenue}", **properties}) for at in months]


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (monthly(30), (360, "green")),
        (monthly(60), (540 + 216, "gold")),  # gold with the ninth: three at 72
        (monthly(300), (600 + 7 * 360 + 3 * 510, "reserve")),  # gold with the second, reserve with the ninth
        (monthly(200, MONTHS[:1]), (0, "green")),  # six months without a purchase
        (monthly(600, MONTHS[:1]), (600, "gold")),  # gold's never expire
        (monthly("10.99", MONTHS[9:]), (30, "green")),
        (monthly(600, MONTHS[10:], day="double"), (600 + 1_440, "gold")),  # green's is not doubled
    ],
)
def test_a_year_of_the_coffee_chain(orders: list[Order], expected: tuple[int, str]) -> None:
    assert drive(load("coffee-chain"), orders) == expected


def test_the_coffee_chain_has_the_shape_it_names() -> None:
    programme = load("coffee-chain")
    assert programme.tiers is not None
    told = [(level.name, level.enter, f"{level.multiplier}") for level in programme.tiers.levels]
    assert told == [("green", 0, "1"), ("gold", 500, "1.2"), ("reserve", 2_500, "1.7")]
    assert [reward.price for reward in programme.rewards] == [25, 60, 100, 200]


@pytest.mark.parametrize(
    ("orders", "expected"), [(monthly(90), (18, "gold")), (monthly(300), (72, "gold")), (monthly(29), (0, "green"))]
)
def test_a_year_of_the_bookshop(orders: list[Order], expected: tuple[int, str]) -> None:
    """Six of twelve orders are younger than 180 days; ⌊300 ÷ 30 × 1.2⌋ = 12."""
    assert drive(load("bookshop"), orders) == expected


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (monthly(500), (60, "green")),
        (monthly(2_000), (5 * 20 + 7 * 30, "silver")),  # silver with the fifth
        (monthly(10_000), (100 + 4 * 150 + 7 * 200, "gold")),  # silver with the first, gold with the fifth
        ([*monthly(500), *monthly(650, [NOW], points_paid=50)], (66, "green")),  # 50 points pay 50 of 650
    ],
)
def test_a_year_of_the_online_mall(orders: list[Order], expected: tuple[int, str]) -> None:
    assert drive(load("online-mall"), orders) == expected


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_file_is_the_same_programme_by_api(path: Path) -> None:
    """Its name is its file's; what it says is JSON; written back it is the same."""
    read = read_programme_file(path.read_text(encoding="utf-8"))
    assert read.name == path.stem
    assert parse_programme(read.written) == read.programme == parse_programme(write_programme(read.programme))
    assert diff_programmes(parse_programme(read.written), read.programme) == []


def test_what_is_wrong_in_a_file_is_named_with_its_line() -> None:
    text = (ROOT / "bookshop.yaml").read_text(encoding="utf-8")
    line = text[: text.index("{name: gold, enter: 500")].count("\n") + 1
    with pytest.raises(ProgrammeInvalid, match=f"^line {line}: ") as refused:
        read_programme_file(text.replace("{name: gold, enter: 500", "{name: gold, entr: 500"))
    assert (refused.value.path, refused.value.suggestion) == ("/tiers/levels/1/entr", "enter")
    with pytest.raises(ConditionError, match=r"^line [0-9]+: "):
        read_programme_file(text.replace("count: {at_least: 3}", "count: {at_lest: 3}"))
    for broken in ("name: main\nearn: [{name: base", "", "[]", "earn: []", "name: a/b", "name: x\nname: y"):
        with pytest.raises(ProgrammeInvalid):
            read_programme_file(broken)
