"""Streaks over local days, held to a search through all of the days."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.loyalty.dates import local_day
from regulars.loyalty.model import Count, Name, Points, Streak
from regulars.loyalty.streaks import Run, add_day, breaks_on, count_standing, fold_days

START = date(2026, 3, 25)


def streak(days: int, grace: int = 0) -> Streak:
    return Streak(Name("Visited"), Count(days), Points(grace))


def days(*places: int) -> list[date]:
    return [START + timedelta(days=place) for place in places]


@pytest.mark.parametrize(
    ("places", "is_complete"),
    [
        ((0, 1, 2, 3, 4), True),
        ((0, 1, 3, 4, 5), True),
        ((0, 1, 4, 5, 6), False),
        ((0, 0, 0, 0, 0), False),
        ((0, 2, 4, 5, 6, 7), True),
        ((0, 2, 4, 6, 8), False),
    ],
)
def test_five_days_with_a_day_of_grace(places: tuple[int, ...], is_complete: bool) -> None:
    assert bool(fold_days(streak(5, 1), days(*places), repeat=False).completed_on) is is_complete


def test_days_are_the_brands_across_a_change_of_the_clock() -> None:
    """Berlin: an hour is missing on 2026-03-29 and there twice on 2026-10-25; 22:30 UTC is the next day in summer alone."""
    zone = ZoneInfo("Europe/Berlin")
    spring = [datetime(2026, 3, day, 22, 30, tzinfo=UTC) for day in (27, 28, 29)]
    assert [local_day(one, zone).day for one in spring] == [27, 28, 30]
    assert not fold_days(streak(3), [local_day(one, zone) for one in spring], repeat=False).completed_on
    autumn = [datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(hours=hours) for hours in (0, 24.5, 25)]
    assert fold_days(streak(2), [local_day(one, zone) for one in autumn], repeat=True).completed_on == (
        date(2026, 10, 26),
    )


def test_a_streak_that_repeats_begins_anew() -> None:
    assert fold_days(streak(2), days(0, 1, 2, 3, 4), repeat=True) == Run(tuple(days(4)), tuple(days(1, 3)))
    assert fold_days(streak(2), days(0, 1, 2, 3, 4), repeat=False) == Run((), tuple(days(1)))


def test_how_many_days_stand() -> None:
    run = fold_days(streak(5, 1), days(0, 1, 3), repeat=False)
    today = START + timedelta(days=4)
    assert [count_standing(streak(5, 1), run, today + timedelta(days=more)) for more in range(-1, 4)] == [3, 3, 1, 0, 0]
    assert breaks_on(streak(5, 1), run) == today + timedelta(days=1)
    assert breaks_on(streak(5, 1), Run()) is None


def test_an_earlier_day_needs_a_fold_of_all() -> None:
    with pytest.raises(ValueError, match="order"):
        add_day(streak(3), fold_days(streak(3), days(3), repeat=False), START, repeat=False)


@given(
    st.lists(st.integers(0, 40), max_size=30), st.integers(1, 6), st.integers(0, 3), st.randoms(use_true_random=False)
)
def test_a_streak_is_found_where_there_is_one(places: list[int], length: int, grace: int, random: Any) -> None:
    """Some days, `length` of them, with at most `grace` others between the first and the last."""
    known = sorted(set(places))
    found = [
        known[end]
        for end in range(length - 1, len(known))
        if known[end] - known[end - length + 1] + 1 - length <= grace
    ]
    random.shuffle(places)
    assert fold_days(streak(length, grace), days(*places), repeat=False).completed_on == tuple(days(*found[:1]))


@given(st.lists(st.integers(0, 20), min_size=1, max_size=9), st.integers(0, 3), st.integers(0, 9))
def test_a_run_stands_until_it_breaks(places: list[int], grace: int, later: int) -> None:
    asked = streak(99, grace)
    run = fold_days(asked, days(*places), repeat=False)
    today = run.days[-1] + timedelta(days=later)
    breaks = breaks_on(asked, run)
    assert breaks is not None
    assert (count_standing(asked, run, today) == len(run.days)) is (today < breaks)
