"""What regulars offers to operators and programs, read from the running code: settings, commands, errors, paths.

Run as a module it prints, document by document, the rows that docs/reference still lacks.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, cast

import regulars
from regulars.kernel.errors import DomainError
from tests.architecture.sources import ROOT

if TYPE_CHECKING:
    from regulars.api.context import ApiContext

REFERENCE = ROOT / "docs" / "reference"
NOT_IMPORTED = {"regulars.__main__"}


@cache
def modules() -> list[ModuleType]:
    """Every module of ours, imported."""
    names = [found.name for found in pkgutil.walk_packages(regulars.__path__, "regulars.")]
    return [importlib.import_module(name) for name in names if name not in NOT_IMPORTED]


def settings() -> dict[str, str]:
    """Environment variables and what each is for."""
    from regulars.platform.settings import Settings

    return {f"REGULARS_{name.upper()}": field.description or "" for name, field in Settings.model_fields.items()}


def errors() -> dict[str, str]:
    """Codes of errors and what each means; a class without a code of its own only groups others."""
    modules()
    found = [one for one in descendants(DomainError) if "code" in vars(one) and one.__module__.startswith("regulars.")]
    return {one.code: f"{one.kind}: {(one.__doc__ or '').strip().partition(chr(10))[0]}" for one in found}


def descendants(base: type[DomainError]) -> list[type[DomainError]]:
    """Every class below another."""
    return [one for child in base.__subclasses__() for one in (child, *descendants(child))]


def commands() -> dict[str, str]:
    """Commands as they are typed, with their help; hidden ones are no promise."""
    import typer

    from regulars.bootstrap import cli

    app = next(value for value in vars(cli).values() if isinstance(value, typer.Typer))
    return dict(walk(typer.main.get_command(app), "regulars"))


def walk(command: object, name: str) -> list[tuple[str, str]]:
    """A command, or those of a group."""
    if children := getattr(command, "commands", None):
        return [
            found
            for child_name, child in children.items()
            if not child.hidden
            for found in walk(child, f"{name} {child_name}")
        ]
    return [(name, (getattr(command, "help", None) or "").strip().partition("\n")[0])]


def routes() -> dict[str, str]:
    """Method and path of every route that the API's own description names."""
    from regulars.api.app import create_app

    # Nothing is opened before the first request: no context is needed to ask for the description.
    paths = create_app(cast("ApiContext", None), version="0").openapi()["paths"]
    return {
        f"{method.upper()} {path}": operation.get("summary", "")
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


# document, what must be in it, and how many at least: a test that finds nothing tests nothing
OFFERS: dict[str, tuple[Callable[[], dict[str, str]], int]] = {
    "settings.md": (settings, 4),
    "commands.md": (commands, 5),
    "errors.md": (errors, 10),
    "api.md": (routes, 10),
}


def untold(document: str, found: dict[str, str]) -> list[str]:
    """Rows for what a document does not name; their words come from the code and want to be made better."""
    path = REFERENCE / document
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [f"| `{name}` | {words} |" for name, words in sorted(found.items()) if not tells(text, name)]


def tells(text: str, name: str) -> bool:
    """Whether a document names something exactly, not as the beginning of a longer name."""
    return f"`{name}`" in text or f"`{name} " in text


if __name__ == "__main__":
    for document, (offers, _) in OFFERS.items():
        print(f"\ndocs/reference/{document}", *untold(document, offers()), sep="\n")
