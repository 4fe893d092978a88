"""What members did after they were exposed, counted in one reading of the history, however many members there are.

An arm begins for a member when the gate lets the message pass or withholds it: the same instant in both, so that a slow
channel takes nothing from the treated. What counts are goal events after it, until the goal's window ends.

A member counts once, in the first draw they were in: whom a later plan of the same campaign reaches depends on what the
first message did. Draws are told one by one as well, and there each has all its members.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from duckdb import DuckDBPyConnection
from numpy.typing import NDArray

from regulars.audiences.service.answering import NAMING
from regulars.campaigns.estimating.moments import Moments
from regulars.campaigns.model import Goal
from regulars.conditions.dialects import DuckDB
from regulars.conditions.lower import Lowered, lower_outcomes
from regulars.conditions.parse import parse_tree
from regulars.conditions.spans import TICK, Times
from regulars.conditions.tree import Between, Did
from regulars.history.service.reading import HistoryReader, Snapshot
from regulars.kernel.durations import parse_duration
from regulars.measure import store
from regulars.measure.model import Arm, Attributed, Cell, Draw, Exposures, Lot, Measured
from regulars.platform.db import ReadTransaction
from regulars.platform.sqlfile import load_queries
from regulars.platform.tenancy import Brand

_SQL = load_queries(Path(__file__).parents[1] / "outcomes.sql")
_MICROSECOND: Final = timedelta(microseconds=1)
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
ACCEPTED_WITHIN: Final = timedelta(days=2)
"""A message that was accepted later than this after the gate is not attributed anything: none is tried so long."""


async def count_outcomes(
    tx: ReadTransaction,
    brand: Brand,
    history: HistoryReader,
    campaign: str,
    goal: Goal,
    exposures: Exposures,
    *,
    attribution: str | None,
    now: datetime,
) -> Measured:
    """Shape: `tx` is REPEATABLE READ. `attribution`: the brand's window; None attributes nothing."""
    if exposures.control is None:
        return Measured((), 0, None, goal.within)
    first_at, last_at = _instant(int(exposures.instant.min())), _instant(int(exposures.instant.max()))
    is_own = exposures.control == "campaign"
    async with history.open_snapshot(tx, brand.brand_id) as snapshot:
        found = _find(snapshot, brand, goal, first_at, last_at + goal.within, now)
        cells, lots, mixed = await snapshot.run(
            lambda one: _count(one, exposures, is_own, brand.time_zone, found, goal.within)
        )
        attributed = None
        if attribution is not None:
            window = parse_duration(attribution)
            end = last_at + window + ACCEPTED_WITHIN
            found = _find(snapshot, brand, goal, first_at, end, now)
            numbers = await snapshot.run(lambda one: _list_candidates(one, found, window))
            # What was accepted before the first of this campaign is never the last, and none after the last event matters.
            accepted = await store.list_accepted(tx, brand.brand_id, campaign, numbers, from_at=first_at, until_at=end)
            told = await snapshot.run(lambda one: _count_attributed(one, accepted, window))
            attributed = Attributed(attribution, *told)
    return Measured(tuple(cells), mixed, last_at, goal.within, attributed, tuple(lots))


def _find(snapshot: Snapshot, brand: Brand, goal: Goal, start: datetime, end: datetime, now: datetime) -> Lowered:
    """Goal events from the first exposure to the end of the last window."""
    leaf = parse_tree(goal.condition)
    assert isinstance(leaf, Did), "a goal is one event"
    times = Times(now, brand.time_zone)
    return lower_outcomes(leaf.what, Between(start, end + TICK), times, NAMING, DuckDB(snapshot.promoted))


def _count(
    connection: DuckDBPyConnection,
    exposures: Exposures,
    is_own: bool,
    zone: ZoneInfo,
    found: Lowered,
    within: timedelta,
) -> tuple[list[Cell], list[Lot], int]:
    names = ("member_no", "own", "instant", "arm", "variant", "holdout")
    columns = {name: getattr(exposures, name) for name in names} | {"draw": _number_draws(exposures, zone)}
    _scan(connection, "exposed", columns, "make_exposures")
    connection.execute(_SQL["make_mixed"])
    mixed = connection.execute(_SQL["count_mixed"]).fetchall()[0][0]
    connection.execute(_SQL["make_units"], {"is_own": is_own})
    query = _SQL["make_outcomes"].format(found=found.sql)
    connection.execute(query, found.parameters | {"goal_window": within // _MICROSECOND})
    cells = [_to_cell(row, exposures.variants) for row in connection.execute(_SQL["list_cells"]).fetchall()]
    lots = [Lot(_to_draw(*row[:2]), *row[2:]) for row in connection.execute(_SQL["list_lots"]).fetchall()]
    return cells, lots, mixed


def _number_draws(exposures: Exposures, zone: ZoneInfo) -> NDArray[np.int64]:
    """The plan, or the brand's month as -YYYYMM. Shape: (deliveries,)."""
    first, last = (_instant(int(at)).astimezone(zone) for at in (exposures.instant.min(), exposures.instant.max()))
    months = np.arange(first.year * 12 + first.month - 1, last.year * 12 + last.month)
    begins = [datetime(month // 12, month % 12 + 1, 1, tzinfo=zone) for month in months.tolist()]
    at = np.searchsorted([(one - _1970) // _MICROSECOND for one in begins], exposures.instant, side="right") - 1
    return np.where(exposures.plan > 0, exposures.plan, -(months // 12 * 100 + months % 12 + 1)[at])


def _to_draw(draw: int, holdout: float) -> Draw:
    return Draw(draw, None, holdout) if draw > 0 else Draw(None, -draw, holdout)


def _to_cell(row: Sequence[Any], variants: Sequence[str]) -> Cell:
    is_first, draw, holdout, arm, variant, members, converted, revenue, squares, last = row
    total = Decimal(str(revenue))
    return Cell(
        _to_draw(draw, holdout),
        is_first,
        arm == 0,
        None if variant < 0 else variants[int(variant)],
        Arm(members, converted, total, Moments(members, float(total) / members, squares)),
        _instant(last),
    )


def _list_candidates(connection: DuckDBPyConnection, found: Lowered, window: timedelta) -> list[int]:
    query = _SQL["make_candidates"].format(found=found.sql)
    spans = {"attribution": window // _MICROSECOND, "accepted_within": ACCEPTED_WITHIN // _MICROSECOND}
    connection.execute(query, found.parameters | spans)
    return [row[0] for row in connection.execute(_SQL["list_candidates"]).fetchall()]


def _count_attributed(
    connection: DuckDBPyConnection, accepted: dict[str, Any], window: timedelta
) -> tuple[int, int, Decimal]:
    connection.register("accepted", accepted)
    try:
        ((conversions, members, revenue),) = connection.execute(
            _SQL["count_attributed"], {"attribution": window // _MICROSECOND}
        ).fetchall()
    finally:
        connection.unregister("accepted")
    return conversions, members, Decimal(str(revenue))


def _scan(connection: DuckDBPyConnection, name: str, columns: dict[str, Any], query: str) -> None:
    connection.register(name, columns)
    try:
        connection.execute(_SQL[query])
    finally:
        connection.unregister(name)


def _instant(microseconds: int) -> datetime:
    return _1970 + timedelta(microseconds=microseconds)
