"""All property tests once more, with many times the examples of a normal run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.examples import TIMES_NAME

ROOT = Path(__file__).resolve().parents[1]
TIMES = 20
SECONDS_MAX = 1_200


@pytest.mark.long
def test_properties_hold_of_many_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "hypothesis and not long", f"--timeout={SECONDS_MAX}", "--durations=9"],
        cwd=ROOT,
        env=os.environ | {TIMES_NAME: str(TIMES)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    print(done.stdout[-2_000:])
    assert done.returncode == 0, done.stdout
