"""What the log says of a defect: where it was, and nothing that a member sent."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any, Final, Literal

import psycopg
import pytest
import structlog

from regulars.platform.telemetry import configure_logging
from tests.support.inside import open_inside

EMAIL: Final = "ann@secret.example"


@pytest.fixture(params=["text", "json"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to standard error, in either form; logging is as it was afterwards."""
    style: Literal["text", "json"] = request.param
    root, told = logging.getLogger(), io.StringIO()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()
    monkeypatch.setattr(sys, "stderr", told)
    configure_logging("info", style)
    structlog.configure(cache_logger_on_first_use=False)
    yield told
    root.handlers[:], root.level = handlers, level
    structlog.configure(**before)


@pytest.mark.anyio
async def test_a_defect_is_told_without_its_values(
    dsn: str, master_key: bytes, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: object, **_options: Any) -> None:
        try:
            raise psycopg.errors.CheckViolation(f"Failing row contains (1, {EMAIL}).")
        except psycopg.Error as error:
            raise RuntimeError(f"could not keep {EMAIL}") from error

    async with open_inside(dsn, master_key) as inside:
        member = await inside.new_member("ann")
        monkeypatch.setattr("regulars.members.service.changing.put_identity", fail)
        answer = await inside.ask("PUT", f"/api/members/{member}/identities/email/{EMAIL}")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text
    told = log.getvalue()
    assert "secret" not in told
    assert "request.failed" in told and "/identities/{kind}/{value:path}" in told
    assert "RuntimeError" in told and "CheckViolation 23514" in told and "test_private_logs.py" in told


def test_a_library_that_logs_a_failure_is_held_to_it_too(log: io.StringIO) -> None:
    try:
        raise ValueError(EMAIL)
    except ValueError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    told = log.getvalue()
    assert "secret" not in told and "ValueError" in told and "test_private_logs.py" in told
    if told.startswith("{"):
        assert json.loads(told)["level"] == "error"
