"""Runs everything that must hold before a change is finished: lint, format, types, import contracts, tests.

It decides which tools run, in which order and how their results are told. What they check is configured in
pyproject.toml. One line per step; a step's own output only when it fails, except for the tests', which is shown live.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# One more than the cores of a small machine: tests that start servers wait a good part of their time.
TEST_PROCESSES = 3
LONG_TEST_PROCESSES = 2
TEST_TIMEOUT_SECONDS = 120
LONG_TEST_TIMEOUT_SECONDS = 1800
PYTEST_FOUND_NO_TEST = 5

STATIC_STEPS: dict[str, list[str]] = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "imports": ["lint-imports", "--no-cache"],
    "types": ["basedpyright", "--level", "error"],
}


@dataclass(frozen=True)
class Result:
    """How one step ended."""

    name: str
    ok: bool
    seconds: float
    output: str = ""


def run_checks(long: bool, pytest_args: Sequence[str]) -> int:
    """Run the checks, or with ``long`` only the tests marked long; 0 when all hold, 1 when not."""
    if not (ROOT / "tests").is_dir():
        print("The tests live in the sources: clone them and call ./regulars test there.", file=sys.stderr)
        return 1
    if long:
        return 0 if run_long_tests(pytest_args) else 1
    # The static steps share one thread: on two cores they cost the tests little, and the whole less than in sequence.
    with ThreadPoolExecutor(max_workers=1) as pool:
        static = [pool.submit(run_step, name, command) for name, command in STATIC_STEPS.items()]
        tests = run_tests("tests", ["-m", "not long", *divide(TEST_PROCESSES, TEST_TIMEOUT_SECONDS)], pytest_args)
        return 0 if report_all([*static, tests]) else 1


def run_step(name: str, command: list[str]) -> Result:
    """Run one tool of our own environment and keep what it says."""
    start = time.monotonic()
    tool = str(Path(sys.executable).parent / command[0])
    ended = subprocess.run(
        [tool, *command[1:]], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Result(name, ended.returncode == 0, time.monotonic() - start, ended.stdout)


def run_long_tests(pytest_args: Sequence[str]) -> bool:
    """Run the tests marked long: first those that bear company, then one by one those that do not."""
    together = ["-m", "long and not alone", *divide(LONG_TEST_PROCESSES, LONG_TEST_TIMEOUT_SECONDS)]
    alone = ["-m", "long and alone", f"--timeout={LONG_TEST_TIMEOUT_SECONDS}"]
    steps = {"tests (long)": together, "tests (alone)": alone}
    return report_all(
        [run_tests(name, [*choice, "--durations=10", "-rfExX"], pytest_args) for name, choice in steps.items()]
    )


def divide(processes: int, timeout_seconds: int) -> list[str]:
    """Arguments of pytest that divide the tests among processes; who has none left takes another's."""
    return [f"--timeout={timeout_seconds}", "-n", str(processes), "--dist", "worksteal"]


def run_tests(name: str, choice: Sequence[str], pytest_args: Sequence[str]) -> Result:
    """Run pytest with its output passed through; a step whose tests were all left out by our caller did well."""
    start = time.monotonic()
    command = [sys.executable, "-m", "pytest", *choice, *pytest_args]
    # Compiled once and kept: without that the processes, and each command they run, would compile all of it again.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
    ok = ended.returncode == 0 or (bool(pytest_args) and ended.returncode == PYTEST_FOUND_NO_TEST)
    return Result(name, ok, time.monotonic() - start)


def report_all(steps: Sequence[Result | Future[Result]]) -> bool:
    """Tell how each step ended; true when all did well."""
    results = [step if isinstance(step, Result) else step.result() for step in steps]
    return all([report(result) for result in results])


def report(result: Result) -> bool:
    """Print one line for a step, below its output where it failed; true when it did well."""
    if not result.ok and result.output:
        print(result.output.rstrip())
    print(f"{result.name:<14}{'ok' if result.ok else 'FAILED':<8}{result.seconds:6.1f} s", flush=True)
    return result.ok


if __name__ == "__main__":
    os.chdir(ROOT)
    arguments = sys.argv[1:]
    sys.exit(run_checks("--long" in arguments, [argument for argument in arguments if argument != "--long"]))
