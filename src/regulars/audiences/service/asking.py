"""Where leaves over the history are asked: DuckDB in process, or a cluster for a history that has outgrown the machine.

Both see the same state of a brand's data and give the same members; each has its own dialect of the same lowering.
"""

import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyroaring import BitMap

from regulars.conditions.dialects import SPARK, Dialect, DuckDB
from regulars.conditions.lower import Lowered
from regulars.history.service.publishing import ClusterReader
from regulars.history.service.reading import Snapshot


@dataclass(frozen=True, slots=True)
class InProcess:
    """DuckDB, over the snapshot's own views."""

    snapshot: Snapshot

    @property
    def dialect(self) -> Dialect:
        return DuckDB(self.snapshot.promoted)

    async def list_numbers(self, one: Lowered) -> BitMap:
        """Member numbers that the query gives."""
        return await self.snapshot.run(
            lambda connection: _to_bitmap(connection.execute(one.sql, one.parameters).fetchnumpy()["member_no"])
        )

    async def find_text(self, one: Lowered) -> str | None:
        """The one text that the query gives, if any."""
        rows = await self.snapshot.run(lambda connection: connection.execute(one.sql, one.parameters).fetchall())
        return rows[0][0] if rows else None


@dataclass(frozen=True, slots=True)
class OnCluster:
    """The cluster, over the same state. Every function raises: EngineUnavailable, EngineFailed."""

    snapshot: Snapshot
    cluster: ClusterReader

    @property
    def dialect(self) -> Dialect:
        return SPARK

    async def list_numbers(self, one: Lowered) -> BitMap:
        """Member numbers that the query gives."""
        table = await self.cluster.ask(self.snapshot, one.sql, one.parameters)
        return _to_bitmap(table.column("member_no").to_numpy())

    async def find_text(self, one: Lowered) -> str | None:
        """The one text that the query gives, if any."""
        table = await self.cluster.ask(self.snapshot, one.sql, one.parameters)
        return table.column(0)[0].as_py() if table.num_rows else None


def _to_bitmap(numbers: Any) -> BitMap:
    # Sorted first: a bitmap takes numbers in their order three times as fast.
    return BitMap(array.array("I", np.sort(numbers.astype(np.uint32)).tobytes()))
