"""The engine of a history that has outgrown one machine: a cluster that speaks Spark Connect.

That is Apache Spark 4 with Delta Lake, a service that offers it, or Sail. One session shows one state of one brand. The
packages of the extra [spark] are imported when the first session is opened; nothing else of regulars needs them.

Source: Spark Connect's Python client 4.2, read 2026-11-22.
"""

import importlib
import importlib.util
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from regulars.history.errors import EngineFailed, EngineMissing, EngineUnavailable

CONNECT_SECONDS_MAX: Final = 5
MESSAGE_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Relation:
    """What a view shows: these columns of a Parquet file, and of a brand's rows of a Delta table at a version."""

    columns: tuple[str, ...]
    file: Path
    brand_id: int
    table: Path | None = None
    version: int | None = None


def check_installed() -> None:
    """Raises: EngineMissing."""
    if importlib.util.find_spec("pyspark") is None or importlib.util.find_spec("grpc") is None:
        raise EngineMissing(
            "REGULARS_ENGINE names a cluster, and the packages that speak to it are not installed: the extra [spark]",
            suggestion="pip install 'regulars[spark]'",
        )


class ClusterSession:
    """A session of its own on the cluster: its views are nobody else's. Safe to share between threads."""

    def __init__(self, url: str, relations: Mapping[str, Relation]) -> None:
        """Make the views. Raises: EngineUnavailable, EngineFailed."""
        channel = _load("pyspark.sql.connect.client").DefaultChannelBuilder(url)
        _check_reachable(channel.endpoint)
        self.endpoint: str = channel.endpoint
        self._spark = _load("pyspark.sql.connect.session").SparkSession(channel)
        self._spark.client.set_retry_policies([])  # by default it would try for ten minutes
        with self._translated():
            self._spark.conf.set("spark.sql.session.timeZone", "UTC")
            for name, relation in relations.items():
                self._make_view(name, relation)

    def fetch(self, sql: str, parameters: Mapping[str, object]) -> Any:
        """All that a query answers, as a table of Arrow. Raises: EngineUnavailable, EngineFailed."""
        with self._translated():
            return self._spark.sql(sql, args=dict(parameters)).toArrow()

    def close(self) -> None:
        """Give the session back; of a cluster that is gone there is nothing to give back to."""
        self._spark.stop()

    def _make_view(self, name: str, relation: Relation) -> None:
        shown = self._spark.read.parquet(str(relation.file)).select(*relation.columns)
        if relation.table is not None:
            table = self._spark.read.format("delta").option("versionAsOf", relation.version).load(str(relation.table))
            shown = table.where(f"brand = {relation.brand_id}").select(*relation.columns).unionAll(shown)
        shown.createOrReplaceTempView(name)

    @contextmanager
    def _translated(self) -> Generator[None]:
        errors, unavailable = _load("pyspark.errors"), _load("grpc").StatusCode.UNAVAILABLE
        try:
            yield
        except errors.PySparkException as error:
            told = isinstance(error, _load("pyspark.errors.exceptions.connect").SparkConnectGrpcException)
            code: object = error.getGrpcStatusCode() if told else None
            if code is unavailable or "StatusCode.UNAVAILABLE" in str(error):
                raise _unavailable(self.endpoint, "it went away") from error
            said = str(error).strip().replace("\n", " ")[:MESSAGE_CHARACTERS_MAX]
            raise EngineFailed(f"the cluster of REGULARS_ENGINE, {self.endpoint}, could not answer: {said}") from error


def _load(name: str) -> Any:
    """A module of the extra [spark], which the machine that checks types need not have.

    Spark's client takes a program without a file (``python -c``) for its own tests, and ends it where there is no Spark
    beside it; one that has prompts it leaves alone.
    """
    if "pyspark.sql.connect" in sys.modules or hasattr(sys, "ps1"):
        return importlib.import_module(name)
    sys.ps1 = ""
    try:
        return importlib.import_module(name)
    finally:
        del sys.ps1


def _check_reachable(endpoint: str) -> None:
    """Who is not there is known in seconds; the client itself would wait for longer. Raises: EngineUnavailable."""
    host, _, port = endpoint.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS_MAX).close()
    except OSError as error:
        raise _unavailable(endpoint, str(error)) from error


def _unavailable(endpoint: str, reason: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"the cluster of REGULARS_ENGINE, {endpoint}, cannot be reached: {reason}",
        suggestion="start the cluster, or start regulars without REGULARS_ENGINE to count in process",
    )
