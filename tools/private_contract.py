"""A contract for import-linter: some modules of a package are its own and nobody else imports them.

Layers alone let a package above reach into any module below. A store writes its owner's tables by the owner's rules,
which live in the service: whoever calls the store directly goes around them.
"""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateModulesContract(Contract):
    """``PACKAGE.<private>`` and what is below it are imported only from inside ``PACKAGE``."""

    type_name = "private"

    root = fields.StringField()
    private = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """List every import that enters another package's private module."""
        leaks = [
            (importer, module, line)
            for package in sorted(graph.find_children(self.root))
            for module in sorted(private_modules(graph, package, self.private))
            for importer in sorted(graph.find_modules_that_directly_import(module))
            if not f"{importer}.".startswith(f"{package}.")
            for line in lines_of(graph, importer, module)
        ]
        return ContractCheck(kept=not leaks, metadata={"leaks": leaks})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each leak and where it is."""
        for importer, module, line in check.metadata["leaks"]:
            output.print_error(f"{importer}:{line} reaches into {module}: call its service instead.", bold=False)


def private_modules(graph: ImportGraph, package: str, names: Any) -> set[str]:
    """The package's private modules that exist, with all below them."""
    tops = {f"{package}.{name}" for name in names} & set(graph.modules)
    return tops | {module for top in tops for module in graph.find_descendants(top)}


def lines_of(graph: ImportGraph, importer: str, module: str) -> list[int]:
    """The lines of the importer on which it imports the module."""
    return [detail["line_number"] for detail in graph.get_import_details(importer=importer, imported=module)]
