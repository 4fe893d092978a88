"""Each promise is broken in a copy of the sources, and the tests that guard it must turn red; without, they are green.

Never in the sources themselves. A test that stays green guards nothing.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import regulars
from tests.sabotage.sabotages import SABOTAGES, Sabotage

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(regulars.__file__).parent
GREEN, RED = 0, 1
SECONDS_MAX = 300


def copy_package(folder: Path) -> Path:
    """The package as it is, in a folder that goes before ours."""
    copy = folder / "regulars"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    # PostgreSQL's account and other users read what they run.
    folder.chmod(0o755)
    return copy


def apply(sabotage: Sabotage, package: Path) -> None:
    file = package / sabotage.file
    file.write_text(file.read_text(encoding="utf-8").replace(sabotage.old, sabotage.new), encoding="utf-8")


def run_tests(sources: Path, tests: list[str]) -> tuple[dict[str, str], str]:
    """Outcome by test, run against these sources; and all that was said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--tb=short", *tests],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(sources), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    told = done.stdout + done.stderr
    assert done.returncode in {GREEN, RED}, told
    outcomes = [line.split(" ", 2) for line in done.stdout.splitlines() if line.startswith(("PASSED ", "FAILED "))]
    return {words[1]: words[0] for words in outcomes}, told


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.promise)
def test_every_patch_still_fits(sabotage: Sabotage) -> None:
    assert (PACKAGE / sabotage.file).read_text(encoding="utf-8").count(sabotage.old) == 1


@pytest.mark.long
def test_the_guards_are_green_without_sabotage(tmp_path: Path) -> None:
    package = copy_package(tmp_path)
    shown = subprocess.run(
        [sys.executable, "-c", "import regulars; print(regulars.__file__)"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()).parent == package, "the copy is what runs"
    guards = [test for sabotage in SABOTAGES for test in sabotage.tests]
    outcomes, told = run_tests(tmp_path, guards)
    assert outcomes == dict.fromkeys(guards, "PASSED"), told


@pytest.mark.long
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.promise)
def test_a_broken_promise_turns_its_tests_red(sabotage: Sabotage, tmp_path: Path) -> None:
    apply(sabotage, copy_package(tmp_path))
    outcomes, told = run_tests(tmp_path, list(sabotage.tests))
    assert outcomes == dict.fromkeys(sabotage.tests, "FAILED"), told
