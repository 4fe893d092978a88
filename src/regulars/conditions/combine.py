"""How leaves meet: roaring bitmaps over `member_no`, the dense number of a brand's members."""

from collections.abc import Callable

from pyroaring import BitMap

from regulars.conditions.tree import AllOf, AnyOf, Leaf, Node, Not


def combine(node: Node, everybody: BitMap, members_of: Callable[[Leaf], BitMap]) -> BitMap:
    """The members in the tree; what `members_of` gives is never changed."""
    match node:
        case AllOf(parts):
            found = everybody.copy()
            for part in parts:
                found &= combine(part, everybody, members_of)
            return found
        case AnyOf(parts):
            found = BitMap()
            for part in parts:
                found |= combine(part, everybody, members_of)
            return found
        case Not(part):
            return everybody - combine(part, everybody, members_of)
        case _:
            return members_of(node) & everybody


def meet(sets: list[tuple[BitMap, bool]], everybody: BitMap) -> BitMap:
    """In all of a leaf's sets; of those that say so, in the complement."""
    found = everybody.copy()
    for members, complement in sets:
        if complement:
            found -= members
        else:
            found &= members
    return found
