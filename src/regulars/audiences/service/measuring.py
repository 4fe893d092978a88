"""What is computed, asked of a snapshot of the history: traits, and what members buy, of some members or of all.

The members are a table `scope` of the connection; what is found lies in tables beside it and is read page by page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from duckdb import DuckDBPyConnection

from regulars.audiences.computed import (
    CATEGORY_CHARACTERS_MAX,
    COMPUTED_TRAITS,
    FAVOURITES_WITHIN,
    HALF_LIFE_DAYS,
    LIFT_MIN,
    MICRO,
    ORDER,
    PURCHASES_MIN,
    RHYTHM,
    Taste,
    rounded,
)
from regulars.audiences.service.answering import NAMING
from regulars.conditions.lower import Lowered, lower_matches, lower_value
from regulars.conditions.spans import Times
from regulars.members.service.computing import Number
from regulars.platform.sqlfile import load_queries

_SQL = load_queries(Path(__file__).parents[1] / "measures.sql")
_PROMISING: Final = {"purchases_min": PURCHASES_MIN, "lift_min": 0.99 * LIFT_MIN}

SHARES_MAX: Final = 5_000
"""Categories of which a share is kept: what is bought less often is nobody's favourite."""

DAYS_DIGITS: Final = 1
MONEY_DIGITS: Final = 2


@dataclass(slots=True)
class Measured:
    """What was found of one member."""

    traits: dict[str, Number] = field(default_factory=dict[str, Number])
    tastes: list[Taste] = field(default_factory=list[Taste])


def set_scope(connection: DuckDBPyConnection, numbers: Sequence[int]) -> None:
    """Of whom is asked next."""
    connection.register("scoped", {"member_no": np.array(numbers, dtype=np.int32)})
    try:
        connection.execute(_SQL["set_scope"])
    finally:
        connection.unregister("scoped")


def measure_traits(connection: DuckDBPyConnection, times: Times) -> None:
    """Fill a table for each computed trait, one of who has orders at all, and one of visits."""
    for trait in COMPUTED_TRAITS:
        found = lower_value(trait.what, trait.within, trait.kind, trait.of, times, NAMING)
        _keep(connection, f"trait_{trait.name}", found)
        if trait.else_zero:
            _keep(connection, f"ever_{trait.name}", lower_value(trait.what, None, "count", None, times, NAMING))
    _keep(connection, "matches", lower_matches(RHYTHM.what, RHYTHM.within, times, NAMING))
    connection.execute(_SQL["make_rhythm"], {"visits_min": RHYTHM.visits_min, "today": _today(times)})


def measure_tastes(connection: DuckDBPyConnection, times: Times) -> None:
    """Fill the table of what each of the members bought of each category."""
    _keep(connection, "matches", lower_matches(ORDER, FAVOURITES_WITHIN, times, NAMING))
    asked = {
        "today": _today(times),
        "characters_max": CATEGORY_CHARACTERS_MAX,
        "half_life_days": HALF_LIFE_DAYS,
        "micro": MICRO,
    }
    connection.execute(_SQL["make_tastes"], asked)


def read_shares(connection: DuckDBPyConnection) -> dict[str, float]:
    """Each category's share of all purchases. Shape: the tastes of all members were measured."""
    rows = connection.execute(_SQL["list_shares"], {"shares_max": SHARES_MAX}).fetchall()
    return {category: int(micro) / int(total) for category, micro, total in rows if total}


def set_shares(connection: DuckDBPyConnection, shares: Mapping[str, float]) -> None:
    """With what the members' own shares are compared."""
    connection.execute(_SQL["set_shares"], {"categories": list(shares), "bases": list(shares.values())})


def read_page(connection: DuckDBPyConnection, numbers: Sequence[int]) -> dict[int, Measured]:
    """What was found of these members; of some of them perhaps nothing. Shape: `numbers` are consecutive in the scope."""
    found = {number: Measured() for number in numbers}
    asked = {"first": numbers[0], "last": numbers[-1]}
    for trait in COMPUTED_TRAITS:
        if trait.else_zero:
            for number, _ in _read(connection, f"ever_{trait.name}", asked):
                found[number].traits[trait.name] = 0
        for number, value in _read(connection, f"trait_{trait.name}", asked):
            if value is not None:
                found[number].traits[trait.name] = rounded(float(value), MONEY_DIGITS)
    for number, gap, since in connection.execute(_SQL["list_rhythms"], asked).fetchall():
        late = max(0.0, since - gap)
        traits = {RHYTHM.gap_name: rounded(gap, DAYS_DIGITS), RHYTHM.late_name: rounded(late, DAYS_DIGITS)}
        found[number].traits |= traits
    for number, *told in connection.execute(_SQL["list_promising"], asked | _PROMISING).fetchall():
        found[number].tastes.append(_to_taste(told))
    return found


def list_tastes(connection: DuckDBPyConnection, member_no: int) -> list[Taste]:
    """All that one member bought, whether it can be a favourite or not."""
    rows = connection.execute(_SQL["list_tastes"], {"member_no": member_no}).fetchall()
    return [_to_taste(told) for _, *told in rows]


def _to_taste(told: Sequence[Any]) -> Taste:
    category, purchases, micro, member_micro, base, first_on, last_on = told
    return Taste(category, purchases, int(micro), int(member_micro), base, first_on, last_on)


def list_touched(connection: DuckDBPyConnection, *, after_seq: int, after: datetime, until: datetime) -> list[int]:
    """Members with events after the seq, or that happened after one instant and until the other."""
    asked = {"seq": after_seq, "after": after, "until": until}
    return [row[0] for row in connection.execute(_SQL["list_touched"], asked).fetchall()]


def _today(times: Times) -> date:
    return times.as_of.astimezone(times.zone).date()


def _keep(connection: DuckDBPyConnection, table: str, found: Lowered) -> None:
    connection.execute(_SQL["keep"].format(table=table, found=found.sql), found.parameters)


def _read(connection: DuckDBPyConnection, table: str, asked: Mapping[str, object]) -> list[tuple[int, Any]]:
    return connection.execute(_SQL["list_values"].format(table=table), dict(asked)).fetchall()
