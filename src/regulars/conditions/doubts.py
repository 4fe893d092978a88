"""What can be asked but hardly is meant: parts that nobody or everybody meets, as far as the words alone tell."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from regulars.conditions.parse import Written
from regulars.conditions.places import Place, get_place
from regulars.conditions.tree import (
    AllOf,
    AnyOf,
    Delivered,
    Did,
    Leaf,
    Node,
    Not,
    OneOf,
    Range,
    Tag,
    Trait,
    ValueTest,
    list_leaves,
)
from regulars.conditions.values import is_empty

NOBODY: Final = "condition.matches_nobody"
EVERYBODY: Final = "condition.matches_everybody"

_WEIGHTS: Final = Range(Decimal(0), Decimal(1))
_COUNTS: Final = Range(Decimal(0))


@dataclass(frozen=True, slots=True)
class Doubt:
    """A warning: a stable code, the place in what was written, and a sentence."""

    code: str
    path: str
    sentence: str


def list_doubts(written: Written) -> list[Doubt]:
    """Warnings: of leaves from left to right, then of groups."""
    found: list[Doubt] = []
    for leaf, path in zip(list_leaves(written.tree), written.leaf_paths, strict=True):
        found += _doubts_of_leaf(leaf, get_place(written.data, path))
    return [*found, *_doubts_of_group(written.tree, iter(written.leaf_paths))]


def _doubts_of_leaf(leaf: Leaf, place: Place) -> Iterator[Doubt]:
    match leaf:
        case Tag(weight=Range() as weight) if is_empty(weight, _WEIGHTS):
            yield Doubt(NOBODY, place.deeper("weight").path, "a weight is from 0 to 1: nobody meets this range")
        case Delivered(count=Range() as count):
            yield from _doubts_of_count(count, place.deeper("count").path)
        case Did():
            for one in leaf.aggregates:
                if one.kind in ("count", "distinct"):
                    yield from _doubts_of_count(one.range, place.deeper(one.kind).path)
        case _:
            pass


def _doubts_of_count(asked: Range, path: str) -> Iterator[Doubt]:
    whole = _whole(asked)
    if is_empty(whole, _COUNTS):
        yield Doubt(NOBODY, path, "no number of times, 0 or more, lies in this range: nobody meets it")
    elif whole.at_most is None and (whole.at_least or 0) <= 0:
        yield Doubt(EVERYBODY, path, "any number of times, 0 included, lies in this range: everybody meets it")


def _whole(asked: Range) -> Range:
    """The same bounds, for whole numbers."""
    lows = [] if asked.at_least is None else [math.ceil(asked.at_least)]
    lows += [] if asked.more_than is None else [math.floor(asked.more_than) + 1]
    highs = [] if asked.at_most is None else [math.floor(asked.at_most)]
    highs += [] if asked.less_than is None else [math.ceil(asked.less_than) - 1]
    return Range(Decimal(max(lows)) if lows else None, Decimal(min(highs)) if highs else None)


def _doubts_of_group(node: Node, paths: Iterator[str], at: str = "/") -> Iterator[Doubt]:
    """What groups say. `paths` are those of the leaves from here on, and are used up in their order."""
    match node:
        case AllOf(parts) | AnyOf(parts):
            if isinstance(node, AnyOf) and not parts:
                yield Doubt(NOBODY, at, "`any` without parts: nobody meets it")
            seen: list[Trait] = []
            for part in parts:
                if isinstance(part, Trait) and isinstance(node, AllOf):
                    yield from _contradictions(part, seen, at := next(paths))
                    seen.append(part)
                else:
                    yield from _doubts_of_group(part, paths, at)
        case Not(part):
            yield from _doubts_of_group(part, paths, at)
        case _:
            next(paths)


def _contradictions(trait: Trait, before: list[Trait], path: str) -> Iterator[Doubt]:
    if any(trait.name == other.name and _excludes(trait.test, other.test) for other in before):
        yield Doubt(NOBODY, path, f"trait {trait.name!r}: no value passes this and another test beside it")


def _excludes(one: ValueTest, other: ValueTest) -> bool:
    match one, other:
        case OneOf(), OneOf():
            return not any(OneOf((here,)) == OneOf((there,)) for here in one.values for there in other.values)
        case Range(), Range():
            return is_empty(one, other)
        case _:
            return False
