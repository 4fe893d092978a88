"""`regulars lift FILE --arm COLUMN --control VALUE --outcome COLUMN… --json`, as a stranger types it."""

import json
import os
from pathlib import Path

import pytest

from tests.support.commands import run_command

FIELDS = {"arm", "outcome", "treated_mean", "control_mean", "absolute", "interval", "relative", "p"}
SECONDS_MAX = 60


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lift") / "e mail.csv"
    arms = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    rows = [f"{arms[at % 3]},{int(at % 7 < 1 + at % 3)},{at % 11 * 1.5}" for at in range(2_100)]
    path.write_text("\n".join(["segment,visit,spend", *rows]), encoding="utf-8")
    return path


@pytest.mark.parametrize("repeated", [True, False])
def test_lift_answers_one_line_with_a_result_for_each_arm_and_outcome(file: Path, repeated: bool) -> None:
    outcomes = ["--outcome", "visit", *(["--outcome"] if repeated else []), "spend"]
    words = ["lift", str(file), "--arm", "segment", "--control", "No E-Mail", *outcomes, "--json"]
    done = run_command(words, os.environ, SECONDS_MAX)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    results = json.loads(line)["results"]
    assert all(set(one) >= FIELDS for one in results)
    assert {(one["arm"], one["outcome"]) for one in results} == {
        (arm, outcome) for arm in ("Mens E-Mail", "Womens E-Mail") for outcome in ("visit", "spend")
    }
    visit = next(one for one in results if (one["arm"], one["outcome"]) == ("Mens E-Mail", "visit"))
    assert visit["control_mean"] == pytest.approx(1 / 7)
    assert visit["treated_mean"] == pytest.approx(2 / 7)
    assert visit["absolute"] == pytest.approx(1 / 7)
    assert visit["relative"] == pytest.approx(1.0)
    assert visit["interval"][0] < visit["absolute"] < visit["interval"][1]
    assert 0 < visit["p"] < 1e-6


def test_a_column_that_is_not_there_is_refused_in_one_sentence(file: Path) -> None:
    words = ["lift", str(file), "--arm", "segmnt", "--control", "No E-Mail", "--outcome", "visit", "--json"]
    done = run_command(words, os.environ, SECONDS_MAX)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("regulars: --arm: e mail.csv has no column 'segmnt'. Did you mean 'segment'?")
