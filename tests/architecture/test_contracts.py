"""The import contracts themselves: they name every package, and our own contract bites.

lint-imports runs them beside the tests; here is what it cannot see.
"""

import tomllib

from grimp import ImportGraph

from tests.architecture.sources import PACKAGE, ROOT
from tools.private_contract import PrivateModulesContract

# Not domains: they have shapes of their own.
FOUNDATIONS = {"api", "bootstrap", "card", "channels", "client", "conditions", "console", "kernel", "platform"}


def contracts() -> list[dict[str, object]]:
    """The contracts of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return project["tool"]["importlinter"]["contracts"]


def test_every_domain_package_has_its_inner_layers_checked() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    inner = next(contract for contract in contracts() if str(contract["name"]).startswith("Inside a domain"))
    assert inner["containers"] == sorted(f"regulars.{name}" for name in packages - FOUNDATIONS)
    assert inner["exhaustive"] is True


def test_the_layers_are_exhaustive() -> None:
    layers = next(contract for contract in contracts() if contract["containers"] == ["regulars"])
    assert layers["exhaustive"] is True


def test_only_the_owner_may_import_its_store() -> None:
    assert leaks("shop.loyalty.service", "shop.loyalty.store") == []
    assert leaks("shop.loyalty", "shop.loyalty.store") == []
    assert leaks("shop.bootstrap.cli", "shop.loyalty.store") == [("shop.bootstrap.cli", "shop.loyalty.store", 3)]
    assert leaks("shop.loyalty_extra", "shop.loyalty.store.sub") == [
        ("shop.loyalty_extra", "shop.loyalty.store.sub", 3)
    ]


def leaks(importer: str, imported: str) -> list[tuple[str, str, int]]:
    """What our contract finds in a project of one import."""
    graph = ImportGraph()
    for module in ["shop", "shop.loyalty", "shop.loyalty.store", "shop.bootstrap", "shop.loyalty_extra"]:
        graph.add_module(module)
    graph.add_import(importer=importer, imported=imported, line_number=3, line_contents="import it")
    contract = PrivateModulesContract("stores", {}, {"root": "shop", "private": ["store"]})
    return contract.check(graph, verbose=False).metadata["leaks"]
