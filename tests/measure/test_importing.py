"""Experiments from files: what counts, what is left out and told, what is refused by name; and the command's answer."""

import gzip
import json
from pathlib import Path

import duckdb
import pytest

from regulars.bootstrap.lift import LiftOrder, run_lift
from regulars.kernel.errors import DomainError
from regulars.measure import importing
from regulars.measure.errors import ColumnUnknown, ControlUnknown
from regulars.measure.importing import ExperimentColumns, read_experiment

ROWS = [("a", 1, 10.5), ("a", 0, 0), ("b", 1, 3), ("b", 0, 0), ("b", 1, 4.25), ("a", 0, 0)]
COLUMNS = ExperimentColumns("got", ["bought", "spent"])


def write_csv(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["id,got,bought,spent", *rows, ""]), encoding="utf-8")
    return path


def write_rows(folder: Path, form: str) -> Path:
    """The same experiment in another format."""
    path = folder / f"experiment.{form}"
    lines = [f"{at},{arm},{bought},{spent}" for at, (arm, bought, spent) in enumerate(ROWS)]
    if form == "csv":
        return write_csv(path, *lines)
    if form == "csv.gz":
        path.write_bytes(gzip.compress("\n".join(["id,got,bought,spent", *lines]).encode()))
    elif form == "jsonl":
        path.write_text("\n".join(json.dumps({"got": a, "bought": b == 1, "spent": s}) for a, b, s in ROWS))
    else:
        values = ", ".join(f"('{arm}', {bought} = 1, {spent})" for arm, bought, spent in ROWS)
        duckdb.execute(f"COPY (SELECT * FROM (VALUES {values}) AS t(got, bought, spent)) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "parquet"])
def test_the_same_experiment_is_read_from_every_format(tmp_path: Path, form: str) -> None:
    found = read_experiment(write_rows(tmp_path, form), COLUMNS)
    arms = found.experiment.arms
    assert (found.read, found.rejected) == (6, 0)
    assert {name: arm.members for name, arm in arms.items()} == {"a": 3, "b": 3}
    assert arms["b"].converted[0] == 2
    assert arms["b"].moments[1].mean == pytest.approx(7.25 / 3)
    assert found.experiment.is_rate == [True, False]


def test_batches_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_rows(tmp_path, "csv")
    whole = read_experiment(path, COLUMNS).experiment
    monkeypatch.setattr(importing, "BATCH_ROWS", 2)
    parts = read_experiment(path, COLUMNS).experiment
    for name, arm in whole.arms.items():
        assert parts.arms[name].converted == arm.converted
        assert parts.arms[name].moments[1].squares == pytest.approx(arm.moments[1].squares)


def test_rows_that_do_not_count_are_told_with_their_number_and_why(tmp_path: Path) -> None:
    bad = ["2,a,maybe,1", "3,,1,1", "4,b,1,", "5,b,1", "6,b,1,nan", '7,"b,1,1', "8,b,1,2"]
    found = read_experiment(write_csv(tmp_path / "dirty.csv", "1,a,0,0", *bad), COLUMNS)
    assert (found.read, found.rejected) == (8, 6)
    assert {name: arm.members for name, arm in found.experiment.arms.items()} == {"a": 1, "b": 1}
    told = {row.number: importing.describe_reject(row) for row in found.first_rejects}
    assert told[2] == "bought: 'maybe' is not a number"
    assert told[3] == "got: is missing"
    assert told[4] == "spent: is missing"
    assert "has 3 cells where the header has 4" in told[5]
    assert told[6] == "spent: 'nan' is not a number"
    assert "quote" in told[7]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ({"arm": "gto"}, "lift.column_unknown", "--arm: dirty.csv has no column 'gto'. Did you mean 'got'?"),
        ({"outcomes": ["Bougt"]}, "lift.column_unknown", "Did you mean 'bought'?"),
        ({"covariate": "before"}, "lift.column_unknown", "--covariate: dirty.csv has no column 'before'."),
        ({"outcomes": ["got"]}, "lift.column_twice", "'got' is named by both --arm and --outcome"),
        ({"control": "B"}, "lift.control_unknown", "No row is of the control arm 'B'. Arms: 'a' (2), 'b' (1)."),
        ({"outcomes": ["word"]}, "lift.nothing_readable", "row 1: word: 'x' is not a number"),
        ({"arm": "one", "control": "1"}, "lift.one_arm", "All rows are of one arm, '1' (3)"),
        ({"shares": ["a:1"]}, "lift.share_invalid", "write each arm once as ARM=WEIGHT"),
        ({"shares": ["a=0"]}, "lift.share_invalid", "write each arm once as ARM=WEIGHT"),
        ({"shares": ["a=1"]}, "lift.share_invalid", "the arm 'b' has no share"),
        ({"shares": ["a=1", "b=1", "c=1"]}, "lift.share_invalid", "the arm 'c' has no rows"),
        ({"file": "nowhere.csv"}, "import.unreadable_file", "nowhere.csv"),
    ],
)
def test_what_is_no_experiment_is_refused_by_name(
    tmp_path: Path, words: dict[str, object], code: str, says: str
) -> None:
    path = tmp_path / "dirty.csv"
    path.write_text("got,bought,word,one\na,1,x,1\na,0,w,1\nb,0,z,1\n")
    order = {"file": "dirty.csv", "arm": "got", "control": "a", "outcomes": ["bought"]} | words
    order["file"] = tmp_path / str(order["file"])
    with pytest.raises(DomainError) as caught:
        run_lift(LiftOrder(**order), json=True)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert says in caught.value.message


def test_a_close_name_is_suggested(tmp_path: Path) -> None:
    path = write_rows(tmp_path, "csv")
    with pytest.raises(ColumnUnknown) as caught:
        read_experiment(path, ExperimentColumns("GOT", ["bought"]))
    assert caught.value.suggestion == "got"
    with pytest.raises(ControlUnknown) as unknown:
        run_lift(LiftOrder(path, "got", "A", ["bought"]), json=True)
    assert unknown.value.suggestion == "a"


def test_an_id_is_no_arm(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "ids.csv", *(f"{at},a,1,1" for at in range(200)))
    with pytest.raises(DomainError, match="more than 100 values, such as '0', '1', '2'"):
        read_experiment(path, ExperimentColumns("id", ["bought"]))


def test_the_answer_is_one_line_of_json_and_holds_no_nan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_csv(tmp_path / "flat.csv", "1,none,0,0", "2,none,1,0", "3,send,1,0", "4,send,1,0", "5,send,x,0")
    run_lift(LiftOrder(path, "got", "none", ["bought", "spent", "bought"], shares=["none=1", "send=1"]), json=True)
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    told = json.loads(out, parse_constant=pytest.fail)
    rate, flat = told["results"]
    assert (rate["arm"], rate["outcome"], rate["method"]) == ("send", "bought", "score")
    assert (rate["treated_mean"], rate["control_mean"], rate["absolute"], rate["relative"]) == (1.0, 0.5, 0.5, 1.0)
    assert rate["interval"][0] < 0 < rate["interval"][1] <= 1
    assert (flat["absolute"], flat["interval"], flat["relative"], flat["p"]) == (0.0, None, None, None)
    assert (told["rows"], told["rejected"]) == (5, 1)
    assert told["rejects"] == [{"row": 5, "field": "bought", "reason": "'x' is not a number"}]
    assert told["sample_ratio"] == {
        "members": {"none": 2, "send": 2},
        "expected": {"none": 2.0, "send": 2.0},
        "p": 1.0,
        "ok": True,
    }
    assert "row 5 left out: bought: 'x' is not a number" in err
    assert "1 of 5 rows left out" in err


def test_people_get_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{at},{'ab'[at % 2]},{int(at % 20 < 1 + at % 2 * 9)},1" for at in range(4_000)]
    path = write_csv(tmp_path / "many.csv", *rows)
    run_lift(LiftOrder(path, "got", "a", ["bought"], shares=["a=3", "b=1"]), json=False)
    out = capsys.readouterr().out
    assert "many.csv: 4,000 rows, control 'a' (2,000)" in out
    assert "SAMPLE RATIO MISMATCH" in out
    assert "'a' 2,000 of 3,000" in out
    assert max(map(len, out.splitlines())) <= 160
    (line,) = [line for line in out.splitlines() if " b " in line]
    assert "+0.4" in line
    assert "more" in line
