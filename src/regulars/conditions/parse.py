"""The language as people write it becomes a tree. Names are not looked up here: `check` does that.

`parse_tree(write_tree(tree)) == tree` for every tree.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar, get_args

from regulars.conditions.behaviour import parse_did, parse_percentile, parse_sequence
from regulars.conditions.errors import (
    ImpossibleRange,
    Malformed,
    TooDeep,
    TooManyLeaves,
    UnknownNode,
)
from regulars.conditions.limits import DEPTH_MAX, LEAVES_MAX
from regulars.conditions.places import (
    Place,
    get_field,
    read_flag,
    read_list,
    read_name,
    read_number,
    read_object,
    suggest_name,
)
from regulars.conditions.tree import (
    VOUCHER_STATES,
    AllOf,
    AnyOf,
    Badge,
    Bucket,
    Consent,
    Delivered,
    DeliveryKind,
    HasIdentity,
    Leaf,
    MemberOf,
    Mission,
    MissionState,
    Node,
    Not,
    Points,
    Tag,
    Tier,
    Trait,
    Voucher,
)
from regulars.conditions.values import parse_range, parse_tests
from regulars.conditions.windows import WINDOW_KEYS, find_window
from regulars.conditions.write import write_tree

__all__ = ["Written", "parse_tree", "parse_written", "write_tree"]

_Word = TypeVar("_Word", bound=str)

DELIVERY_KINDS: Final[tuple[DeliveryKind, ...]] = ("received", "opened", "clicked")

_SYNONYMS: Final = {
    "and": "all", "all_of": "all", "or": "any", "any_of": "any", "none": "not", "event": "did", "events": "did",
    "audience": "member_of", "segment": "member_of", "in": "member_of", "label": "tag", "property": "trait",
    "attribute": "trait", "has_identity": "identity", "sent": "received", "balance": "points", "level": "tier",
    "coupon": "voucher", "challenge": "mission",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """A tree, what was written to say it, and the path of each leaf there, in the order of `list_leaves`."""

    tree: Node
    data: object
    leaf_paths: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """What was found so far."""

    leaf_paths: list[str] = field(default_factory=list[str])
    group_count: int = 0

    def take(self, leaf: Leaf, path: str) -> Leaf:
        """Keep a leaf's path. Raises: TooManyLeaves."""
        if len(self.leaf_paths) >= LEAVES_MAX:
            raise TooManyLeaves(f"a condition has at most {LEAVES_MAX} leaves", path=path or "/")
        self.leaf_paths.append(path)
        return leaf

    def open_group(self, place: Place, depth: int) -> None:
        """Count `all`, `any` or `not`. Raises: TooDeep, TooManyLeaves."""
        self.group_count += 1
        if depth >= DEPTH_MAX:
            raise TooDeep(f"all, any and not lie in each other at most {DEPTH_MAX} deep", path=str(place))
        if self.group_count > LEAVES_MAX:
            raise TooManyLeaves(f"a condition has at most {LEAVES_MAX} groups", path=str(place))


def parse_tree(data: object) -> Node:
    """The tree of decoded JSON. Raises: ConditionError."""
    return parse_written(data).tree


def parse_written(data: object) -> Written:
    """The tree of decoded JSON, with where each leaf stands. Raises: ConditionError."""
    reading = _Reading()
    tree = _join(_parse_parts(Place(data), reading, 0))
    return Written(tree, data, tuple(reading.leaf_paths))


def _join(parts: list[Node]) -> Node:
    """One node that says all of them."""
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _parse_parts(place: Place, reading: _Reading, depth: int) -> list[Node]:
    """The nodes an object says, all of which must hold. A list is `all`."""
    if isinstance(place.data, list | tuple):
        return _parse_all(place, reading, depth)
    fields = read_object(place, "a condition", _PARSERS, unknown=UnknownNode, synonyms=_SYNONYMS)
    return [node for key, child in fields.items() for node in _PARSERS[key](child, reading, depth)]


def _parse_all(place: Place, reading: _Reading, depth: int) -> list[Node]:
    reading.open_group(place, depth)
    entries = read_list(place, "'all'", LEAVES_MAX, too_many=TooManyLeaves)
    return [AllOf(tuple(node for one in entries for node in _parse_parts(one, reading, depth + 1)))]


def _parse_any(place: Place, reading: _Reading, depth: int) -> list[Node]:
    reading.open_group(place, depth)
    entries = read_list(place, "'any'", LEAVES_MAX, too_many=TooManyLeaves)
    return [AnyOf(tuple(_join(_parse_parts(one, reading, depth + 1)) for one in entries))]


def _parse_not(place: Place, reading: _Reading, depth: int) -> list[Node]:
    reading.open_group(place, depth)
    return [Not(_join(_parse_parts(place, reading, depth + 1)))]


def _parse_traits(place: Place, reading: _Reading, depth: int) -> list[Node]:
    found: list[Node] = []
    for name, asked in read_object(place, "'trait'").items():
        for test, path, is_negated in parse_tests(asked):
            leaf = reading.take(Trait(name, test), path)
            found.append(Not(leaf) if is_negated else leaf)
    return found


def _parse_points(place: Place, reading: _Reading, depth: int) -> list[Node]:
    return [
        reading.take(Points(asset, parse_range(asked, "'points'")), asked.path)
        for asset, asked in read_object(place, "'points'").items()
    ]


def _parse_leaf(parse: Callable[[Place], Leaf]) -> "_Parser":
    return lambda place, reading, depth: [reading.take(parse(place), place.path)]


def _parse_tag(place: Place) -> Tag:
    if not isinstance(place.data, dict):
        return Tag(read_name(place, "a tag's name"))
    fields = read_object(place, "'tag'", ("is", "weight"), synonyms={"name": "is"})
    name = read_name(get_field(fields, "is", place, "'tag'"), "a tag's name")
    return Tag(name, parse_range(fields["weight"], "'weight'") if "weight" in fields else None)


def _parse_consent(place: Place) -> Consent:
    fields = read_object(place, "'consent'", ("channel", "purpose", "granted"))
    channel = read_name(get_field(fields, "channel", place, "'consent'"), "'channel'")
    purpose = read_name(get_field(fields, "purpose", place, "'consent'"), "'purpose'")
    return Consent(channel, purpose, "granted" not in fields or read_flag(fields["granted"], "'granted'"))


def _parse_identity(place: Place) -> HasIdentity:
    return HasIdentity(read_name(place, "a kind of identity"))


def _parse_member_of(place: Place) -> MemberOf:
    return MemberOf(read_name(place, "an audience's name"))


def _parse_bucket(place: Place) -> Bucket:
    what = "'bucket'"
    fields = read_object(place, what, ("salt", "from", "until"))
    salt = read_name(get_field(fields, "salt", place, what), "'salt'")
    start, end = (read_number(get_field(fields, key, place, what), f"{key!r}") for key in ("from", "until"))
    if not 0 <= start < end <= 100:
        raise ImpossibleRange(f"{what} lies from 0 to 100, and ends after its start", path=str(place))
    return Bucket(salt, start, end)


def _parse_tier(place: Place) -> Tier:
    what = "a tier's name"
    if not isinstance(place.data, dict):
        return Tier(read_name(place, what))
    fields = read_object(place, "'tier'", ("at_least",))
    return Tier(read_name(fields["at_least"], what), or_higher=True)


def _parse_badge(place: Place) -> Badge:
    return Badge(read_name(place, "a badge's name"))


def _parse_mission(place: Place) -> Mission:
    what = "'mission'"
    fields = read_object(place, what, ("name", "state"))
    name = read_name(get_field(fields, "name", place, what), "a mission's name")
    return Mission(name, _read_choice(get_field(fields, "state", place, what), get_args(MissionState)))


def _parse_voucher(place: Place) -> Voucher:
    what = "'voucher'"
    fields = read_object(place, what, ("pool", "state"), synonyms={"name": "pool"})
    pool = read_name(get_field(fields, "pool", place, what), "a pool's name")
    return Voucher(pool, _read_choice(get_field(fields, "state", place, what), VOUCHER_STATES))


def _read_choice(place: Place, choices: tuple[_Word, ...]) -> _Word:
    """One of these words. Raises: WrongType, TextInvalid, Malformed."""
    said = read_name(place, "'state'")
    for choice in choices:
        if said == choice:
            return choice
    message = f"'state' is one of {', '.join(choices)}"
    raise Malformed(message, path=str(place), suggestion=suggest_name(said, choices))


def _parse_delivered(kind: DeliveryKind) -> Callable[[Place], Delivered]:
    def parse(place: Place) -> Delivered:
        if place.data is True:
            return Delivered(kind)
        if place.data is False:
            raise Malformed(f"say `not: {{{kind}: true}}`", path=str(place), suggestion="not")
        names = ("campaign", "channel", "topic")
        fields = read_object(place, f"{kind!r}", ("count", *WINDOW_KEYS, *names), synonyms={"times": "count"})
        count = parse_range(fields["count"], "'count'") if "count" in fields else None
        told = [read_name(fields[name], f"{name!r}") if name in fields else None for name in names]
        return Delivered(kind, count, find_window(fields, place), *told)

    return parse


_Parser = Callable[[Place, _Reading, int], list[Node]]
_PARSERS: Final[Mapping[str, _Parser]] = {
    "all": _parse_all,
    "any": _parse_any,
    "not": _parse_not,
    "trait": _parse_traits,
    "tag": _parse_leaf(_parse_tag),
    "consent": _parse_leaf(_parse_consent),
    "identity": _parse_leaf(_parse_identity),
    "did": _parse_leaf(parse_did),
    "sequence": _parse_leaf(parse_sequence),
    **{kind: _parse_leaf(_parse_delivered(kind)) for kind in DELIVERY_KINDS},
    "member_of": _parse_leaf(_parse_member_of),
    "percentile": _parse_leaf(parse_percentile),
    "bucket": _parse_leaf(_parse_bucket),
    "points": _parse_points,
    "tier": _parse_leaf(_parse_tier),
    "badge": _parse_leaf(_parse_badge),
    "mission": _parse_leaf(_parse_mission),
    "voucher": _parse_leaf(_parse_voucher),
}
