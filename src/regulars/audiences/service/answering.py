"""Who is in a tree: each leaf where its data lives, all of them seen by one transaction, met as bitmaps.

A leaf's members are remembered by what decides them: the leaf, as_of, and the version of the data it reads. So a changed
leaf costs one leaf. Who asks without as_of gets that of the question before, while nothing has changed since and for a
few seconds only: else nothing could ever be remembered.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from pyroaring import BitMap

from regulars.audiences import store
from regulars.audiences.service.asking import InProcess, OnCluster
from regulars.audiences.service.saving import list_trees
from regulars.conditions.combine import combine, meet
from regulars.conditions.lower import Personal, lower_on_history, lower_on_members
from regulars.conditions.lower_events import Naming
from regulars.conditions.spans import TICK, Times
from regulars.conditions.tree import Did, Leaf, MemberOf, Node, Percentile, Scalar, list_leaves
from regulars.conditions.tree import Sequence as SequenceLeaf
from regulars.events.vocabulary import canonical_name, names_of
from regulars.history.layout import parts_of
from regulars.history.service.publishing import ClusterReader
from regulars.history.service.reading import HistoryReader, Snapshot
from regulars.kernel.clock import Clock
from regulars.kernel.ids import BrandId, MemberId
from regulars.members.service.setting_traits import digest_trait
from regulars.platform.db import ReadTransaction
from regulars.platform.tenancy import Brand

LEAVES_REMEMBERED_MAX: Final = 500
AS_OF_KEPT_SECONDS: Final = 5.0


NAMING: Final = Naming(names_of=names_of, parts_of=lambda names: parts_of({canonical_name(name) for name in names}))


@dataclass(slots=True)
class _LeafMemory:
    """Members of leaves, the least recently asked for forgotten first."""

    _sets: OrderedDict[tuple[object, ...], BitMap] = field(default_factory=OrderedDict[tuple[object, ...], BitMap])

    def find(self, key: tuple[object, ...]) -> BitMap | None:
        found = self._sets.get(key)
        if found is not None:
            self._sets.move_to_end(key)
        return found

    def keep(self, key: tuple[object, ...], members: BitMap) -> None:
        self._sets[key] = members
        if len(self._sets) > LEAVES_REMEMBERED_MAX:
            self._sets.popitem(last=False)


@dataclass(slots=True)
class Evaluation:
    """Answers about one brand at one as_of, from one state of its data."""

    tx: ReadTransaction
    brand: Brand
    times: Times
    snapshot: Snapshot
    history: InProcess | OnCluster
    everybody: BitMap
    personal: Personal
    _mark: str
    _memory: _LeafMemory
    _audiences: dict[str, Node] = field(default_factory=dict[str, Node])

    @property
    def as_of(self) -> datetime:
        return self.times.as_of

    def on(self, day: date) -> "Evaluation":
        """The same data at the end of a day of the brand, or at as_of where that comes before."""
        end = self.times.first_instant(day + timedelta(days=1)) - TICK
        return replace(self, times=Times(min(end, self.as_of), self.times.zone))

    async def list_members(self, node: Node) -> BitMap:
        """Numbers of the members in the tree. Raises: AudienceUnknown."""
        self._audiences |= await list_trees(self.tx, self.brand, node)
        found = {leaf: await self._list_of(leaf) for leaf in self._every_leaf(node)}

        def members_of(leaf: Leaf) -> BitMap:
            if isinstance(leaf, MemberOf):
                return combine(self._audiences[leaf.audience], self.everybody, members_of)
            return found[leaf]

        return combine(node, self.everybody, members_of)

    def _every_leaf(self, node: Node) -> list[Leaf]:
        trees = [node, *self._audiences.values()]
        leaves = dict.fromkeys(leaf for tree in trees for leaf in list_leaves(tree))
        return [leaf for leaf in leaves if not isinstance(leaf, MemberOf)]

    async def _list_of(self, leaf: Leaf) -> BitMap:
        on_history = isinstance(leaf, Did | SequenceLeaf | Percentile)
        version = self.snapshot.data_version if on_history else self._mark
        key = (self.brand.brand_id, leaf, self.times, version)
        found = self._memory.find(key)
        if found is None:
            found = await (self._ask_history(leaf) if on_history else self._ask_members(leaf))
            self._memory.keep(key, found)
        return found

    async def _ask_history(self, leaf: Did | SequenceLeaf | Percentile) -> BitMap:
        sets = lower_on_history(leaf, self.times, NAMING, self.history.dialect)
        found = [(await self.history.list_numbers(one), one.complement) for one in sets]
        return meet(found, self.everybody)

    async def _ask_members(self, leaf: Leaf) -> BitMap:
        sets = lower_on_members(leaf, self.times, self.brand.brand_id, self.personal)
        found = [(BitMap(await store.list_numbers(self.tx, one)), one.complement) for one in sets]
        return meet(found, self.everybody)


def _as_json(value: Scalar) -> object:
    """A value as an identify says it."""
    if not isinstance(value, Decimal):
        return value
    return int(value) if value == value.to_integral_value() else float(value)


@dataclass(slots=True)
class _Asked:
    as_of: datetime
    version: tuple[str, str]
    until: float


@dataclass(slots=True)
class AudienceEngine:
    """Opens evaluations; one a process. With a cluster, leaves over the history are asked there."""

    history: HistoryReader
    clock: Clock
    cluster: ClusterReader | None = None
    _memory: _LeafMemory = field(default_factory=_LeafMemory)
    _everybody: dict[BrandId, tuple[str, BitMap]] = field(default_factory=dict[BrandId, tuple[str, BitMap]])
    _asked: dict[BrandId, _Asked] = field(default_factory=dict[BrandId, _Asked])

    @asynccontextmanager
    async def open_evaluation(
        self, tx: ReadTransaction, brand: Brand, as_of: datetime | None = None
    ) -> AsyncGenerator[Evaluation]:
        """Shape: `tx` is REPEATABLE READ, as `Database.read` makes it."""
        mark = await store.get_data_mark(tx)
        async with self.history.open_snapshot(tx, brand.brand_id) as snapshot:
            if as_of is None:
                as_of = self._present(brand.brand_id, (mark, snapshot.data_version))
            traits = await store.list_traits(tx, brand.brand_id)
            personal = Personal(
                frozenset(trait for trait, _, is_personal in traits if is_personal),
                lambda trait, value: digest_trait(brand, trait, _as_json(value)),
            )
            everybody = await self._list_everybody(tx, brand.brand_id, mark)
            times = Times(as_of, brand.time_zone)
            asked = InProcess(snapshot) if self.cluster is None else OnCluster(snapshot, self.cluster)
            yield Evaluation(tx, brand, times, snapshot, asked, everybody, personal, mark, self._memory)

    def _present(self, brand_id: BrandId, version: tuple[str, str]) -> datetime:
        asked = self._asked.get(brand_id)
        if asked is None or asked.version != version or asked.until < time.monotonic():
            asked = self._asked[brand_id] = _Asked(self.clock(), version, time.monotonic() + AS_OF_KEPT_SECONDS)
        return asked.as_of

    async def _list_everybody(self, tx: ReadTransaction, brand_id: BrandId, mark: str) -> BitMap:
        known = self._everybody.get(brand_id)
        if known is None or known[0] != mark:
            known = self._everybody[brand_id] = (mark, BitMap(await store.list_everybody(tx, brand_id)))
        return known[1]


async def list_page(
    tx: ReadTransaction, brand: Brand, members: BitMap, *, after: int, limit: int
) -> list[tuple[int, MemberId]]:
    """(number, member id) of the next members in the order of their numbers, which never change."""
    start = members.rank(after) if after >= 0 else 0
    numbers = list(members[start : start + limit])
    ids = await store.list_ids(tx, brand.brand_id, numbers)
    return [(number, ids[number]) for number in numbers if number in ids]


async def get_member_no(tx: ReadTransaction, brand: Brand, member_id: MemberId) -> int:
    """The member's number. Shape: the member is in force."""
    number = await store.find_number(tx, brand.brand_id, member_id)
    assert number is not None, "a member in force has a number"
    return number
