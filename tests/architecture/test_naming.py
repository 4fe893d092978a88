"""The first word of a service's function says what it may do, where a machine can see whether it is true.

    access_  fetches and asks for permission      get_    fetches or raises: never None
    find_    fetches, or None                     list_   fetches many: never None
    check_   raises or not, writes nothing        ensure_ writes; again is harmless

Anything else that takes a WriteTransaction is a domain verb.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGE, Function, parse, public_functions, relative

READERS = ("access_", "get_", "find_", "list_", "check_", "count_", "is_", "has_")
EMPTY_VERBS = ("do_", "handle_", "helper_", "manage_", "perform_", "process_", "util_")
# Debts: to be renamed, never to be joined by another.
KNOWN: set[str] = set()


def complaints(function: Function) -> list[str]:
    """Which promises of its first word a function breaks."""
    answer = ast.unparse(function.returns) if function.returns else ""
    optional = may_be_none(function.returns)
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    writes = any(one.annotation and "WriteTransaction" in ast.unparse(one.annotation) for one in arguments)
    raises = "Raises:" in (ast.get_docstring(function) or "")
    first = function.name.partition("_")[0] + "_"
    broken = {
        "takes a WriteTransaction, and its name says it only reads": first in READERS and writes,
        "may answer None: then it is find_": first in {"get_", "list_"} and optional,
        "never answers None: then it is get_ or list_": first == "find_" and not optional,
        "raises, and its docstring has no `Raises:`": first in {"check_", "access_"} and not raises,
        "answers a bool": first in {"is_", "has_"} and answer != "bool",
        "says nothing: name what it does to what": first in EMPTY_VERBS,
        "has no docstring": not ast.get_docstring(function),
    }
    return [complaint for complaint, applies in broken.items() if applies]


def may_be_none(annotation: ast.expr | None) -> bool:
    """Whether ``X | None`` is answered, as a whole: a pair with a None in it is still a pair."""
    if isinstance(annotation, ast.BinOp):
        return may_be_none(annotation.left) or may_be_none(annotation.right)
    return isinstance(annotation, ast.Constant) and annotation.value is None


def services() -> list[Path]:
    """Every module that is a package's service."""
    return sorted([*PACKAGE.glob("*/service.py"), *PACKAGE.glob("*/service/*.py")])


def test_the_services_keep_what_their_names_promise() -> None:
    if not services():
        pytest.skip("no package has a service yet")
    functions = [(path, function) for path in services() for function in public_functions(path)]
    assert len(functions) > 5, "no services were found: are they still where they were?"
    broken = [
        f"{relative(path)}:{function.lineno} {function.name} {complaint}"
        for path, function in functions
        for complaint in complaints(function)
        if f"{relative(path)} {function.name}" not in KNOWN
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("async def get_x(tx: ReadTransaction) -> X | None: 'The x. Raises: Y.'", "may answer None: then it is find_"),
        ("async def find_x(tx: ReadTransaction) -> X: 'The x.'", "never answers None: then it is get_ or list_"),
        ("async def list_x(tx: ReadTransaction) -> list[X] | None: 'All.'", "may answer None: then it is find_"),
        ("def check_x(x: X) -> None: 'Look.'", "raises, and its docstring has no `Raises:`"),
        ("def process_x(x: X) -> None: 'Do it.'", "says nothing: name what it does to what"),
        (
            "async def list_x(tx: WriteTransaction) -> list[X]: 'All.'",
            "takes a WriteTransaction, and its name says it only reads",
        ),
    ],
)
def test_a_broken_promise_is_seen(source: str, complaint: str) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, Function)
    assert complaints(function) == [complaint]


def test_every_module_says_what_it_decides() -> None:
    silent = [
        relative(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stat().st_size > 0 and not ast.get_docstring(parse(path))
    ]
    assert not silent, "these modules have no docstring: " + ", ".join(silent)
