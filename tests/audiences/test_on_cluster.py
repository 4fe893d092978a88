"""Audiences whose history is asked on a cluster: members, and what each leaf saw of one, as DuckDB in process tells them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from regulars.audiences.service.answering import AudienceEngine
from regulars.audiences.service.explaining import explain_member
from regulars.conditions.parse import parse_written
from regulars.history.model import HistoryPlace
from regulars.history.service.moving import move_events
from regulars.history.service.publishing import ClusterReader
from regulars.history.service.reading import HistoryReader
from regulars.platform.db import Database
from tests.conftest import NOW
from tests.history.conftest import Door
from tests.support.sail import open_sail

pytestmark = [pytest.mark.anyio, pytest.mark.long]

ORDERS = {"event": "Order Completed", "within": "90d"}
CONDITIONS = (
    {"did": {**ORDERS, "count": {"at_least": 4}}},
    {
        "did": {
            **ORDERS,
            "sum": {"of": "revenue", "at_least": 30},
            "avg": {"of": "revenue", "at_least": 10.65},
            "min": {"of": "quantity", "at_most": 2},
        }
    },
    {
        "did": {
            "event": "Order Completed",
            "first": "60d",
            "last": "30d",
            "distinct": {"of": "local_day", "at_least": 2},
        }
    },
    {"all": [{"did": ORDERS}, {"not": {"did": {**ORDERS, "where": {"note": "gift"}}}}]},
    {"sequence": {"of": ["Order Completed", {"not": "Order Refunded"}], "within": "3d"}},
    {"percentile": {"top": 50, "of": {"did": {**ORDERS, "sum": "revenue"}}}},
    {"did": {"event": "Nobody Did"}},
)


@pytest.fixture(scope="module")
def sail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with open_sail(tmp_path_factory.mktemp("sail")) as (url, _):
        yield url


async def test_a_cluster_answers_as_duckdb_in_process(
    database: Database, dsn: str, take: Door, place: HistoryPlace, reader: HistoryReader, sail: str
) -> None:
    for number in range(24):
        await take(
            {
                "messageId": f"m{number}",
                "userId": f"u{number % 5}",
                "event": "Order Refunded" if number % 7 == 0 else "Order Completed",
                "timestamp": (NOW - timedelta(days=4.321 * number, microseconds=number)).isoformat(),
                "properties": {
                    "revenue": 7.1 * (number % 4),
                    "quantity": number % 3,
                    "note": ("gift", 1, None)[number % 3],
                },
            }
        )
        if number == 15:
            await move_events(dsn, place, lambda: NOW, flush=True)
    cluster = ClusterReader(sail, place)
    here, there = AudienceEngine(reader, lambda: NOW), AudienceEngine(reader, lambda: NOW, cluster)
    dividing = 0
    async with database.read() as tx:
        for condition in CONDITIONS:
            written = parse_written(condition)
            async with (
                here.open_evaluation(tx, take.brand) as in_process,
                there.open_evaluation(tx, take.brand) as on_cluster,
            ):
                members = await in_process.list_members(written.tree)
                assert await on_cluster.list_members(written.tree) == members, condition
                dividing += 0 < len(members) < 5
                for number in in_process.everybody:
                    seen = await explain_member(in_process, written, number)
                    assert await explain_member(on_cluster, written, number) == seen, condition
    assert dividing >= 3
    await cluster.close()
