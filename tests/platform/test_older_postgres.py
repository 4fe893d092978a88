"""The oldest PostgreSQL we promise: the tests of all that speaks SQL, run again on the machine's own server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.requirements import require

ROOT = Path(__file__).parents[2]
SPEAK_SQL = ["tests/access", "tests/members", "tests/events", "tests/architecture/test_queries.py"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_all_sql_holds_on_the_machines_postgresql() -> None:
    require("initdb", "the machine's own PostgreSQL, such as Debian's 15")
    suites = [suite for suite in SPEAK_SQL if (ROOT / suite).exists()]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *suites],
        cwd=ROOT,
        env={**os.environ, "REGULARS_TESTS_POSTGRES": "machine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert " passed" in run.stdout
