"""What only one place may do: read the clock, the environment and the settings; and what no file may name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import PACKAGE, committed_files, dotted, package_files, parse, relative

# Where the system's clock is read; whoever else needs the time is given a clock.
CLOCK_MODULES = {"kernel/clock.py"}
CLOCK_CALLS = re.compile(
    r"^(time\.(time|time_ns|localtime|gmtime)|(datetime\.)?(datetime\.(now|utcnow|today)|date\.today))$"
)
SQL_CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp)\s*\(\s*\)|\bcurrent_(date|time)", re.I
)
# What a child process inherits is not a setting.
ENVIRONMENT_MODULES = {
    "platform/postgres": "the programs of PostgreSQL are started with our PATH and little else",
    "platform/settings.py": "defines what bootstrap reads",
}
SETTINGS_READERS = {"read_settings", "Settings"}

MACHINE_PATH = re.compile(r"(?<![\w.~}/])/(root|home|work|Users|opt|mnt|media)/[\w.-]+")
PACKAGE_HOST = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|deb\.debian\.org|registry\.npmjs|conda\.anaconda|proxy\.golang|crates\.io)"
)
# The one address without which a machine with neither ensurepip nor pip could not get pip.
PACKAGE_HOST_ALLOWED = 'DEFAULT_INDEX = "https://pypi.org/simple"'


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every name and attribute a file mentions, not only of calls: a clock can be passed on."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
            yield node.lineno, name


def outside(modules: Iterator[Path] | list[Path], allowed: set[str]) -> list[Path]:
    """The files in none of the allowed places."""
    return [
        path for path in modules if not any(path.is_relative_to(PACKAGE / place) for place in {"bootstrap", *allowed})
    ]


def test_only_bootstrap_reads_the_clock() -> None:
    found = [
        f"{relative(path)}:{line} {name}"
        for path in outside(package_files(), CLOCK_MODULES)
        for line, name in calls(path)
        if CLOCK_CALLS.match(name) or name.endswith("system_clock")
    ]
    assert not found, "these read the clock instead of being given one:\n" + "\n".join(found)


def test_no_query_reads_the_clock() -> None:
    found = [
        f"{relative(path)}:{number} {line.strip()}"
        for path in sorted(PACKAGE.rglob("queries.sql"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if SQL_CLOCK.search(line.partition("--")[0])
    ]
    assert not found, "these read the database's clock instead of being given an instant:\n" + "\n".join(found)


def test_only_bootstrap_reads_the_environment() -> None:
    found = [
        f"{relative(path)}:{line} {name}"
        for path in outside(package_files(), set(ENVIRONMENT_MODULES))
        for line, name in calls(path)
        if name in {"os.environ", "os.getenv", "environ", "getenv"} or name in SETTINGS_READERS
    ]
    assert not found, "settings are read in bootstrap and passed on:\n" + "\n".join(found)


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    assert find_in_files(MACHINE_PATH) == []


def test_no_file_names_a_package_host() -> None:
    found = [line for line in find_in_files(PACKAGE_HOST) if not line.endswith(PACKAGE_HOST_ALLOWED)]
    assert found == []


def find_in_files(pattern: re.Pattern[str]) -> list[str]:
    """Every line of a file of ours in which the pattern occurs; this file, which holds the patterns, left out."""
    return [
        f"{relative(path)}:{number} {line.strip()}"
        for path in committed_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
