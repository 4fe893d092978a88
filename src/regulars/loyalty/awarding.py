"""How many points one event earns: exact, rounded once at the end.

The tier is the one held before the event. Whether a rule's condition holds, others say; here rules are those that do.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Final

from regulars.loyalty.model import (
    AwardFixed,
    AwardLadder,
    AwardPer,
    Days,
    EarnRule,
    Effect,
    Ladder,
    Level,
    Multiply,
    Name,
    Programme,
    Rounding,
)

REVENUE: Final = "revenue"
POINTS_PAID: Final = "points_paid"
AWARD_MAX: Final = 2**63 - 1
NUMBER_CHARACTERS_MAX: Final = 40

ReadNumber = Callable[[str], object]
"""A property of the event by its name: a Decimal, an int or a text of one; anything else is no number. Of `points_paid` a
Fraction too: what is left of them when a part of the order was given back."""


@dataclass(frozen=True, slots=True)
class Earned:
    """Points of one asset that one rule gives at an event, and who funds them; more than 0."""

    rule: Name
    asset: Name
    amount: int
    funder: Name | None
    base: int
    """What it would be without any multiplier."""


@dataclass(frozen=True, slots=True)
class Given:
    """What something else than a rule awards, as reaching a mission does."""

    name: Name
    award: Sequence[Effect]
    funder: Name | None = None


def earn(
    programme: Programme, rules: Sequence[EarnRule | Given], read: ReadNumber, level: Level | None
) -> list[Earned]:
    """What the rules that hold at an event give together, in their order."""
    times: dict[Name, Fraction] = {}
    for effect in _effects_of(rules):
        if isinstance(effect, Multiply):
            times[effect.asset] = times.get(effect.asset, Fraction(1)) * _exact(effect.multiply)
    number_of = _net_of_points(programme, read)
    found: list[Earned] = []
    for rule in rules:
        for effect in rule.award:
            if isinstance(effect, AwardFixed | AwardPer | AwardLadder):
                factor = times.get(effect.asset, Fraction(1)) * _times_of(programme, effect.asset, level)
                plain = amount_of(effect, number_of)
                amount = round_points(plain * factor, effect.round)
                if amount > 0:
                    base = round_points(plain, effect.round)
                    found.append(Earned(rule.name, effect.asset, amount, rule.funder, base))
    return found


def is_valid_on(days: Days | None, day: date) -> bool:
    """Whether a day of the brand lies in a window of days."""
    return days is None or not (
        (days.from_ is not None and day < days.from_) or (days.until is not None and day > days.until)
    )


def amount_of(effect: AwardFixed | AwardPer | AwardLadder, number_of: Callable[[str], Fraction | None]) -> Fraction:
    """What an award is worth before any multiplier and rounding; never below 0."""
    match effect:
        case AwardFixed():
            return Fraction(effect.amount)
        case AwardPer():
            number = number_of(effect.of)
            return Fraction(0) if number is None or number <= 0 else effect.amount * number / _exact(effect.per)
        case AwardLadder():
            number = number_of(effect.ladder.of)
            return Fraction(0) if number is None else Fraction(climb(effect.ladder, number))


def climb(ladder: Ladder, number: Fraction) -> int:
    """The amount of the step in which a number lies; 0 below the first."""
    for step in reversed(ladder.steps):
        if number >= _exact(step.from_):
            return step.amount
    return 0


def round_points(amount: Fraction, rounding: Rounding) -> int:
    """Whole points, at most what the ledger holds in one line."""
    whole, rest = divmod(amount.numerator, amount.denominator)
    if rest and (rounding == "up" or (rounding == "half_up" and 2 * rest >= amount.denominator)):
        whole += 1
    return min(whole, AWARD_MAX)


def find_number(value: object) -> Decimal | None:
    """A finite number below 10^12 that an event may hold, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    if isinstance(value, str) and len(value) > NUMBER_CHARACTERS_MAX:
        return None
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and (not number or -12 <= number.adjusted() < 12) else None


@lru_cache(maxsize=10_000)
def _exact(number: Decimal) -> Fraction:
    """A number of the programme; the same ones are asked for at every event."""
    return Fraction(number)


def _effects_of(rules: Iterable[EarnRule | Given]) -> Iterable[Effect]:
    return (effect for rule in rules for effect in rule.award)


def _times_of(programme: Programme, asset: Name, level: Level | None) -> Fraction:
    """A tier raises points that pay; those that decide the tier are counted as they are."""
    return Fraction(1) if level is None or not programme.assets[asset].redeemable else _exact(level.multiplier)


def _net_of_points(programme: Programme, read: ReadNumber) -> Callable[[str], Fraction | None]:
    """Numbers of the event; revenue without what points paid of it, unless the programme earns on gross."""
    said = read(POINTS_PAID)
    paid = said if isinstance(said, Fraction) else find_number(said)
    asset = programme.paying_asset
    worth = programme.assets[asset].worth if asset is not None else None

    def number_of(name: str) -> Fraction | None:
        number = find_number(read(name))
        if number is None:
            return None
        if name != REVENUE or programme.earn_on == "gross" or worth is None or paid is None or paid <= 0:
            return Fraction(number)
        return Fraction(number) - Fraction(paid) * _exact(worth)

    return number_of
