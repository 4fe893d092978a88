"""Levels over time: hand-computed lives, and a fold that is the same in one go, step by step, and in any order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regulars.loyalty.model import Tiers
from regulars.loyalty.parsing import parse_programme
from regulars.loyalty.tiers import (
    Clock,
    Credit,
    Standing,
    add_credit,
    advance,
    fold,
    leaves_at,
    missing_to_next,
    next_due,
    points_in_window,
)

TAIPEI = ZoneInfo("Asia/Taipei")
CLOCK = Clock(TAIPEI, date(2024, 2, 29))
LEVELS: list[dict[str, Any]] = [
    {"name": "green", "enter": 0},
    {"name": "gold", "enter": 500},
    {"name": "reserve", "enter": 2_500},
]


def tiers(**fields: Any) -> Tiers:
    body = {"asset": "stars", "window": "rolling 12 months", "levels": LEVELS, **fields}
    found = parse_programme({"assets": {"stars": {"qualifying": True}}, "tiers": body}).tiers
    assert found is not None
    return found


def at(text: str) -> datetime:
    """An instant of Taipei."""
    return datetime.fromisoformat(text).replace(tzinfo=TAIPEI).astimezone(UTC)


def names(rules: Tiers, credits: list[tuple[str, int]], *when: str, clock: Clock = CLOCK) -> list[str]:
    """The level at each of these times."""
    given_credits = [Credit(at(day), amount) for day, amount in credits]
    return [rules.levels[fold(rules, clock, given_credits, at(one))[0].level].name for one in when]


def test_a_level_is_entered_by_the_first_that_is_reached() -> None:
    for amount, name in ((499, "green"), (500, "gold"), (2_499, "gold"), (2_500, "reserve")):
        assert names(tiers(), [("2026-03-01", amount)], "2026-03-01", "2026-02-28T23:59:59") == [name, "green"]


def test_rolling_months_are_the_present_and_those_before_it() -> None:
    """March 2026 counts to the end of February 2027."""
    assert names(tiers(), [("2026-03-31", 500)], "2027-02-28T23:59:59.999999", "2027-03-01") == ["gold", "green"]
    assert names(tiers(), [("2026-03-31", 250), ("2027-03-01", 250)], "2027-03-01") == ["green"]


def test_a_calendar_year_ends_with_the_year() -> None:
    rules = tiers(window="calendar year")
    assert names(rules, [("2026-12-31", 250), ("2027-01-01", 250)], "2027-01-01") == ["green"]
    assert names(rules, [("2026-12-30", 250), ("2026-12-31", 250)], "2026-12-31", "2027-01-01") == ["gold", "green"]


def test_an_anniversary_of_the_29th_of_february() -> None:
    """Joined on 2024-02-29: windows begin on 02-28, and on 02-29 in leap years."""
    rules = tiers(window="since anniversary")
    for day, left in (("2026-02-27", "2026-02-28"), ("2026-02-28", "2027-02-28"), ("2027-03-01", "2028-02-29")):
        assert leaves_at(rules, CLOCK, at(day)) == at(left)
    with pytest.raises(ValueError, match="joined"):
        leaves_at(rules, Clock(TAIPEI), at("2026-01-01"))


def test_a_status_lasts_and_is_earned_again() -> None:
    rules = tiers(status="12 months")
    first = [("2026-01-15", 500)]
    assert names(rules, first, "2027-01-14T23:59:59", "2027-01-15") == ["gold", "green"]
    again = [*first, ("2026-12-20", 500)]
    assert names(rules, again, "2027-01-15", "2028-01-14T23:59:59", "2028-01-15") == ["gold", "gold", "green"]


def test_less_may_retain_than_enter_and_other_re_enter() -> None:
    levels = [LEVELS[0], {"name": "gold", "enter": 500, "retain": 300, "re_enter": 400}]
    rules = tiers(levels=levels, status="12 months")
    lived = [("2026-01-15", 500), ("2026-12-20", 350)]
    assert names(rules, lived, "2027-01-15", "2028-01-15") == ["gold", "green"]
    assert names(rules, [*lived, ("2028-02-01", 400)], "2028-02-01") == ["gold"]
    assert names(rules, [("2028-02-01", 400)], "2028-02-01") == ["green"]


@pytest.mark.parametrize(
    ("downgrade", "expected"), [("one_down", ["gold", "green"]), ("by_balance", ["green", "green"])]
)
def test_a_level_goes_down_by_one_or_by_balance(downgrade: str, expected: list[str]) -> None:
    rules = tiers(status="12 months", downgrade=downgrade)
    assert names(rules, [("2026-01-15", 2_500)], "2027-01-15", "2028-01-15") == expected
    if downgrade == "by_balance":
        assert names(rules, [("2026-01-15", 2_500), ("2026-06-01", 600)], "2027-01-15") == ["gold"]


def test_grace_keeps_a_level_and_points_in_it_renew() -> None:
    rules = tiers(status="12 months", grace="30d")
    lived = [("2026-01-15", 500)]
    assert names(rules, lived, "2027-02-13T23:59:59", "2027-02-14") == ["gold", "green"]
    renewed = [*lived, ("2027-02-01", 500)]
    assert names(rules, renewed, "2028-01-31", "2028-03-01", "2028-03-02T00:00:01") == ["gold", "gold", "green"]


def test_a_return_folds_a_lesser_credit() -> None:
    """The order counts as what is left of it, at its own time: never gold."""
    assert names(tiers(status="12 months"), [("2026-01-15", 499)], "2026-01-15") == ["green"]


def test_what_is_missing_to_the_next() -> None:
    rules = tiers()
    standing, _ = fold(rules, CLOCK, [Credit(at("2026-01-15"), 449)], at("2026-02-01"))
    assert missing_to_next(rules, CLOCK, standing, at("2026-02-01")) == (1, 51)
    assert missing_to_next(rules, CLOCK, standing, at("2027-01-01")) == (1, 500)
    top, _ = fold(rules, CLOCK, [Credit(at("2026-01-15"), 9_000)], at("2026-02-01"))
    assert missing_to_next(rules, CLOCK, top, at("2026-02-01")) is None


RULES = [
    tiers(),
    tiers(window="calendar quarter"),
    tiers(window="since anniversary", grace="12h"),
    tiers(window="rolling 2 months", grace="30d"),
    tiers(status="3 months", downgrade="one_down", grace="15d"),
    tiers(
        window="rolling 3 months",
        status="100d",
        levels=[
            LEVELS[0],
            {"name": "gold", "enter": 500, "retain": 200, "re_enter": 400},
            {"name": "reserve", "enter": 2_500, "retain": 1_000},
        ],
    ),
]
CREDITS = st.lists(
    st.builds(
        Credit,
        st.integers(0, 740_000).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
        st.integers(1, 2_000),
    ),
    max_size=12,
)
END = datetime(2029, 1, 1, tzinfo=UTC)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RULES), CREDITS, st.lists(st.integers(0, 900), max_size=6), st.randoms(use_true_random=False))
def test_a_fold_is_the_same_step_by_step_and_in_any_order(
    rules: Tiers, credits: list[Credit], stops: list[int], random: Any
) -> None:
    """With stops between, and awake only when something is due."""
    whole = fold(rules, CLOCK, credits, END)
    random.shuffle(credits)
    assert fold(rules, CLOCK, credits, END) == whole
    standing, changes = Standing(), []
    pauses = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=days) for days in stops]
    for moment, credit in sorted(
        [(one.at, one) for one in credits] + [(one, None) for one in pauses],
        key=lambda one: (one[0], one[1] or Credit(one[0], 0)),
    ):
        standing, found = (
            advance(rules, CLOCK, standing, moment) if credit is None else add_credit(rules, CLOCK, standing, credit)
        )
        changes += found
    while (due := next_due(rules, CLOCK, standing)) is not None and due <= END:
        standing, found = advance(rules, CLOCK, standing, due)
        changes += found
    standing, found = advance(rules, CLOCK, standing, END)
    assert (standing, changes + found) == whole


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RULES), CREDITS)
def test_a_level_is_never_held_without_reason(rules: Tiers, credits: list[Credit]) -> None:
    """Every rise is at a credit whose window reaches it; every fall is at an instant whose window does not retain; sums are counted apart."""
    _, changes = fold(rules, CLOCK, credits, END)
    highest = 0
    for change in changes:
        upto = [one for one in sorted(credits) if one.at <= change.at]
        held = sum(one.amount for one in upto if leaves_at(rules, CLOCK, one.at) > change.at)
        assert held == points_in_window(rules, CLOCK, upto, change.at)
        if change.after > change.before:
            level = rules.levels[change.after]
            assert change.at in [one.at for one in credits]
            assert held >= (level.least_to_re_enter if change.after <= highest else level.enter) or len(
                {one.at for one in credits}
            ) < len(credits)
        elif change.after < change.before:
            assert (
                held - sum(one.amount for one in upto if one.at == change.at)
                < rules.levels[change.before].least_to_retain
            )
        else:
            assert held >= rules.levels[change.after].least_to_retain
        highest = max(highest, change.after)


def test_credits_out_of_order_are_refused() -> None:
    standing, _ = fold(tiers(), CLOCK, [], at("2026-02-01"))
    with pytest.raises(ValueError, match="order"):
        add_credit(tiers(), CLOCK, standing, Credit(at("2026-01-31"), 1))
