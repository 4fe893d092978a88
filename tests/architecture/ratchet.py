"""Measures how long and how tangled the code is at its worst, and lowers the ratchet to it.

Run as a module it rewrites ratchet.toml; it never raises a number.
"""

import ast
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.sources import ROOT, Function, functions, python_files, relative

RATCHET = Path(__file__).with_name("ratchet.toml")
MEASURES = ("function_body_lines", "file_lines", "complexity")
TREES = ("src", "tests", "tools")
COMPLEXITY = re.compile(r"^(?P<path>[^:]+):(?P<line>\d+):\d+: C901 `(?P<name>.+)` is too complex \((?P<value>\d+) > ")


@dataclass(frozen=True)
class Found:
    """One measured thing."""

    tree: str
    measure: str
    value: int
    where: str


def limits() -> dict[str, dict[str, int]]:
    """The stored maxima by tree and measure."""
    return tomllib.loads(RATCHET.read_text(encoding="utf-8"))


def measure() -> list[Found]:
    """Every file and function with its size and complexity."""
    return [*file_lengths(), *body_lengths(), *complexities()]


def tree_of(path: str) -> str:
    """Which of the trees a file belongs to."""
    return path.partition("/")[0]


def file_lengths() -> list[Found]:
    """Lines of each file."""
    lengths = {relative(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    return [Found(tree_of(path), "file_lines", lines, path) for path, lines in lengths.items()]


def body_lengths() -> list[Found]:
    """Lines of each function's body, its docstring left out."""
    return [
        Found(
            tree_of(relative(path)),
            "function_body_lines",
            body_lines(node),
            f"{relative(path)}:{node.lineno} {node.name}",
        )
        for path in python_files()
        for node in functions(path)
    ]


def body_lines(node: Function) -> int:
    """From the first statement after the docstring to the last line."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1 if body else 0


def complexities() -> list[Found]:
    """Cyclomatic complexity of each function, as ruff counts it."""
    ruff = Path(sys.executable).with_name("ruff")
    options = ["--select", "C901", "--config", "lint.mccabe.max-complexity=0", "--output-format", "concise"]
    command = [ruff, "check", "--no-cache", "--ignore-noqa", *options, *TREES]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    matches = [match for line in told.splitlines() if (match := COMPLEXITY.match(line))]
    return [
        Found(
            tree_of(match["path"]),
            "complexity",
            int(match["value"]),
            f"{match['path']}:{match['line']} {match['name']}",
        )
        for match in matches
    ]


def lower(stored: dict[str, dict[str, int]], found: list[Found]) -> dict[str, dict[str, int]]:
    """The stored maxima, each lowered to what was found."""
    return {
        tree: {
            name: min(most, max(one.value for one in found if (one.tree, one.measure) == (tree, name)))
            for name, most in measures.items()
        }
        for tree, measures in stored.items()
    }


def main() -> None:
    """Rewrite the numbers and keep the words above them."""
    comment = [line for line in RATCHET.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for tree, measures in lower(limits(), measure()).items():
        comment += [f"[{tree}]", *(f"{name} = {most}" for name, most in measures.items()), ""]
    RATCHET.write_text("\n".join(comment).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
