"""Streaks over local days: how many days stand one after another, with up to `grace` days in all missed between them.

Days are dates of the brand, so a day of 23 or 25 hours is one. When more are missed the streak goes on from the first day
from which the grace is enough: the longest that still stands.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from regulars.loyalty.model import Streak


@dataclass(frozen=True, slots=True)
class Run:
    """The days of a streak that is not complete, and on which days it was completed before; both in order."""

    days: tuple[date, ...] = ()
    completed_on: tuple[date, ...] = ()


def fold_days(streak: Streak, days: Iterable[date], *, repeat: bool) -> Run:
    """The run after all these days, in any order and however often each is given."""
    run = Run()
    for day in sorted(set(days)):
        run = add_day(streak, run, day, repeat=repeat)
    return run


def add_day(streak: Streak, run: Run, day: date, *, repeat: bool) -> Run:
    """The run with a day later than all of it; the same day again changes nothing. An earlier one needs a fold of all.

    A streak that does not repeat is complete once; one that repeats begins anew on the day after.
    """
    last = max((*run.days[-1:], *run.completed_on[-1:]), default=None)
    if day == last or (run.completed_on and not repeat):
        return run
    if last is not None and day < last:
        raise ValueError("days are folded in order")
    days = _standing((*run.days, day), day, streak.grace)
    return Run((), (*run.completed_on, day)) if len(days) >= streak.days else Run(days, run.completed_on)


def count_standing(streak: Streak, run: Run, today: date) -> int:
    """How many days of the streak still stand today; today is not missed before it is over."""
    return len(_standing(run.days, today, streak.grace))


def breaks_on(streak: Streak, run: Run) -> date | None:
    """The day on which fewer days will stand if none is added before; None where none stands."""
    if not run.days:
        return None
    missed = (run.days[-1] - run.days[0]).days + 1 - len(run.days)
    return run.days[-1] + timedelta(days=streak.grace - missed + 2)


def _standing(days: tuple[date, ...], today: date, grace: int) -> tuple[date, ...]:
    """The longest rest of the days with at most `grace` days missed from its first to yesterday, or to the last of it."""
    while days:
        is_today = days[-1] == today
        missed = (today - days[0]).days + (1 if is_today else 0) - len(days)
        if missed <= grace:
            return days
        days = days[1:]
    return days
