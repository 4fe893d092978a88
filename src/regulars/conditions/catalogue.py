"""What a brand's conditions may name. Filled by who asks; the language looks nothing up by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from regulars.conditions.tree import Node

TraitType = Literal["text", "number", "boolean", "date", "instant", "list", "object", "mixed"]


@dataclass(frozen=True, slots=True)
class TraitFacts:
    """What is known of a trait."""

    type: TraitType
    personal: bool = False


@dataclass(frozen=True, slots=True)
class ProgrammeNames:
    """What the newest versions of the brand's programmes name. `pools` are of vouchers."""

    assets: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    badges: frozenset[str] = frozenset()
    missions: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Names in use. `events` are canonical names and those that were sent; `audiences` hold each newest version's tree.

    `properties` are those of an event's name; of events that are missing there, and where `item_attributes` is None, any
    name is taken. `unsent` are events of `events` that nobody has sent yet: what is asked of them cannot be known.
    """

    traits: Mapping[str, TraitFacts] = field(default_factory=dict[str, TraitFacts])
    tags: frozenset[str] = frozenset()
    events: frozenset[str] = frozenset()
    audiences: Mapping[str, Node] = field(default_factory=dict[str, Node])
    identity_kinds: frozenset[str] = frozenset()
    properties: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    item_attributes: frozenset[str] | None = None
    unsent: frozenset[str] = frozenset()
    programmes: ProgrammeNames = ProgrammeNames()
