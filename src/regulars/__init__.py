"""regulars: a self-hosted member ecosystem server. Conditions are built, and a server is asked, with what is offered here."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from regulars.client.asking import EcosystemError
    from regulars.client.ecosystem import Ecosystem
    from regulars.conditions.builder import (
        Condition,
        badge,
        bucket,
        clicked,
        condition,
        consent,
        did,
        identity,
        member_of,
        mission,
        not_,
        opened,
        percentile,
        points,
        received,
        sequence,
        tag,
        tier,
        trait,
        voucher,
    )

__version__ = "0.1.0"

__all__ = [
    "Condition",
    "Ecosystem",
    "EcosystemError",
    "badge",
    "bucket",
    "clicked",
    "condition",
    "consent",
    "did",
    "identity",
    "member_of",
    "mission",
    "not_",
    "opened",
    "percentile",
    "points",
    "received",
    "sequence",
    "tag",
    "tier",
    "trait",
    "voucher",
]

_ELSEWHERE = {"Ecosystem": "regulars.client.ecosystem", "EcosystemError": "regulars.client.asking"}


def __getattr__(name: str) -> object:
    """What is offered is loaded when it is asked for: `import regulars` alone costs nothing."""
    if name in __all__:
        return getattr(importlib.import_module(_ELSEWHERE.get(name, "regulars.conditions.builder")), name)
    raise AttributeError(f"module 'regulars' has no attribute {name!r}")
