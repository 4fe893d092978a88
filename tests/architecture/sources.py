"""What the architecture tests look at: our own files, parsed once."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "regulars"
PYTHON_FOLDERS = ("src/regulars", "tests", "tools")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def python_files() -> list[Path]:
    """Every Python file of ours."""
    return sorted(path for folder in PYTHON_FOLDERS for path in (ROOT / folder).rglob("*.py"))


@cache
def package_files() -> list[Path]:
    """Every Python file that is shipped."""
    return sorted(PACKAGE.rglob("*.py"))


@cache
def parse(path: Path) -> ast.Module:
    """A file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> list[Function]:
    """Every function of a file, nested ones and methods too."""
    return [node for node in ast.walk(parse(path)) if isinstance(node, Function)]


def public_functions(path: Path) -> list[Function]:
    """The functions a module offers to others."""
    return [node for node in parse(path).body if isinstance(node, Function) and not node.name.startswith("_")]


def relative(path: Path) -> str:
    """How a message names a file."""
    return path.relative_to(ROOT).as_posix()


def dotted(node: ast.expr) -> str:
    """``a.b.c`` of an attribute or a name, else nothing."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@cache
def committed_files() -> list[Path]:
    """Every text file under version control, or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    paths = [ROOT / name for name in listed if name]
    return sorted(path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8192])
