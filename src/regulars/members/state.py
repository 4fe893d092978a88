"""What is said of a member, as one value: traits, sealed traits, tags and preferences, and how two members' combine.

A merge keeps both members' own states and shows their combination; taking it apart recombines what is left. Combining
does not depend on order: of each trait and tag the latest word wins, and preferences take the stricter.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec


class Sealed(msgspec.Struct, frozen=True):
    """A personal trait's value: the keyed digest it is found by and the sealed value."""

    lookup: str
    value: bytes


class Tag(msgspec.Struct, frozen=True):
    """A weighted label with why it is there."""

    weight: float
    evidence: str | None
    source: str
    expires_at: datetime | None
    set_at: datetime


class State(msgspec.Struct):
    """`set_at` holds, by trait, µs since 1970 of the latest word, a removal included; a removed tag is None."""

    traits: dict[str, Any] = {}
    sealed: dict[str, Sealed] = {}
    set_at: dict[str, int] = {}
    tags: dict[str, Tag | None] = {}
    tags_removed_at: dict[str, datetime] = {}
    preferences: dict[str, Any] = {}

    def set_trait(self, trait: str, value: object, at: int) -> bool:
        """The latest word wins: False where a later one stands. None removes."""
        if self.set_at.get(trait, -(2**62)) > at:
            return False
        self.traits.pop(trait, None)
        self.sealed.pop(trait, None)
        self.set_at[trait] = at
        if isinstance(value, Sealed):
            self.sealed[trait] = value
        elif value is not None:
            self.traits[trait] = value
        return True

    def find_word(self, trait: str) -> object:
        """The value, sealed or not, or None."""
        return self.sealed.get(trait, self.traits.get(trait))

    def set_tag(self, name: str, tag: Tag) -> None:
        self.tags[name] = tag

    def remove_tag(self, name: str, at: datetime) -> None:
        self.tags[name] = None
        self.tags_removed_at[name] = at

    def copy(self) -> "State":
        """Another state with the same content."""
        return msgspec.json.decode(msgspec.json.encode(self), type=State)


def combine(states: Iterable[State]) -> State:
    """What is shown of members that are one. Of equal instants the first state's word wins."""
    whole = State()
    for state in states:
        for trait, at in state.set_at.items():
            if trait not in whole.set_at or at > whole.set_at[trait]:
                whole.set_trait(trait, state.find_word(trait), at)
        for name, tag in state.tags.items():
            if name not in whole.tags or _tag_at(state, name) > _tag_at(whole, name):
                whole.tags[name] = tag
                if tag is None:
                    whole.tags_removed_at[name] = state.tags_removed_at[name]
        whole.preferences = combine_preferences(whole.preferences, state.preferences)
    return whole


def _tag_at(state: State, name: str) -> datetime:
    tag = state.tags[name]
    return tag.set_at if tag is not None else state.tags_removed_at[name]


def combine_preferences(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """The stricter of both: a refused topic stays refused, all caps bind; channel and language are the first's."""
    if not a or not b:
        return dict(a or b)
    topics = {
        topic: a.get("topics", {}).get(topic, True) and b.get("topics", {}).get(topic, True)
        for topic in {**a.get("topics", {}), **b.get("topics", {})}
    }
    caps = [*a.get("caps", []), *(cap for cap in b.get("caps", []) if cap not in a.get("caps", []))]
    return {
        "topics": topics,
        "caps": caps,
        "channel": a.get("channel") or b.get("channel"),
        "language": a.get("language") or b.get("language"),
    }
