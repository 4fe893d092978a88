"""A tree becomes JSON: the canonical form, always the same for the same tree."""

from collections.abc import Mapping
from typing import Final

from regulars.conditions.behaviour import write_did, write_percentile, write_sequence
from regulars.conditions.places import write_number
from regulars.conditions.tree import (
    AllOf,
    AnyOf,
    Badge,
    Bucket,
    Consent,
    Delivered,
    Did,
    HasIdentity,
    Held,
    Leaf,
    MemberOf,
    Mission,
    Node,
    Not,
    Percentile,
    Points,
    Sequence,
    Tag,
    Tier,
    Trait,
    Voucher,
)
from regulars.conditions.values import write_range, write_test
from regulars.conditions.windows import write_window

LEAF_WORDS: Final[Mapping[type[Leaf], str]] = {
    Trait: "trait",
    Tag: "tag",
    Consent: "consent",
    HasIdentity: "identity",
    Did: "did",
    Sequence: "sequence",
    MemberOf: "member_of",
    Percentile: "percentile",
    Bucket: "bucket",
    Points: "points",
    Tier: "tier",
    Badge: "badge",
    Mission: "mission",
    Voucher: "voucher",
}
"""The word of each kind of leaf; a delivery's is its own kind."""


def write_tree(node: Node) -> dict[str, object]:
    """The tree as JSON."""
    match node:
        case AllOf(parts):
            return {"all": [write_tree(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [write_tree(part) for part in parts]}
        case Not(part):
            return {"not": write_tree(part)}
        case Delivered():
            return {node.kind: _write_delivered(node)}
        case _:
            return {LEAF_WORDS[type(node)]: _write_leaf(node)}


def _write_leaf(
    leaf: Trait | Tag | Consent | HasIdentity | MemberOf | Did | Sequence | Percentile | Bucket | Held,
) -> object:
    match leaf:
        case Trait():
            return {leaf.name: write_test(leaf.test)}
        case Tag():
            return leaf.name if leaf.weight is None else {"is": leaf.name, "weight": write_range(leaf.weight)}
        case Consent():
            refused = {} if leaf.granted else {"granted": False}
            return {"channel": leaf.channel, "purpose": leaf.purpose, **refused}
        case HasIdentity():
            return leaf.kind
        case MemberOf():
            return leaf.audience
        case Bucket():
            place = {"from": write_number(leaf.from_percent), "until": write_number(leaf.until_percent)}
            return {"salt": leaf.salt, **place}
        case Did() | Sequence() | Percentile():
            return _write_behaviour(leaf)
        case _:
            return _write_held(leaf)


def _write_behaviour(leaf: Did | Sequence | Percentile) -> object:
    match leaf:
        case Did():
            return write_did(leaf)
        case Sequence():
            return write_sequence(leaf)
        case Percentile():
            return write_percentile(leaf)


def _write_held(leaf: Held) -> object:
    match leaf:
        case Points():
            return {leaf.asset: write_range(leaf.range)}
        case Tier():
            return {"at_least": leaf.name} if leaf.or_higher else leaf.name
        case Badge():
            return leaf.name
        case Mission():
            return {"name": leaf.name, "state": leaf.state}
        case Voucher():
            return {"pool": leaf.pool, "state": leaf.state}


def _write_delivered(leaf: Delivered) -> object:
    written: dict[str, object] = {} if leaf.count is None else {"count": write_range(leaf.count)}
    if leaf.within is not None:
        written |= write_window(leaf.within)
    named = {"campaign": leaf.campaign, "channel": leaf.channel, "topic": leaf.topic}
    return written | {name: value for name, value in named.items() if value is not None} or True
