"""Audiences' tables, and what conditions read of members: one function a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString, cast

import msgspec
from psycopg.rows import TupleRow

from regulars.conditions.lower import Lowered, as_array
from regulars.kernel.ids import BrandId, MemberId
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.sqlfile import load_queries

_SQL = load_queries(Path(__file__).with_name("queries.sql"))


@dataclass(frozen=True, slots=True)
class ComputedState:
    """How far what is computed is: of which data, as of when, and as of when all members were gone through."""

    data_version: str
    head_seq: int
    as_of: datetime
    whole_at: datetime
    whole_seq: int
    shares: Mapping[str, float]

    def with_whole_of(self, other: "ComputedState") -> "ComputedState":
        """This state, if only some members were gone through since the other."""
        return replace(self, whole_at=other.whole_at, whole_seq=other.whole_seq, shares=other.shares)


async def lock_audience(tx: WriteTransaction, brand_id: BrandId, name: str, now: datetime) -> int:
    """The version until now, 0 where the audience is new. Locks: its row, until commit."""
    row = await tx.row(_SQL["lock_audience"], {"brand_id": brand_id, "name": name, "now": now})
    assert row is not None, "the row is there or was just made"
    return row[0]


async def insert_version(
    tx: WriteTransaction, brand_id: BrandId, name: str, version: int, written: str, now: datetime
) -> None:
    params = {"brand_id": brand_id, "name": name, "version": version, "written": written, "now": now}
    await tx.execute(_SQL["insert_version"], params)


async def set_version(tx: WriteTransaction, brand_id: BrandId, name: str, version: int, now: datetime) -> None:
    await tx.execute(_SQL["set_version"], {"brand_id": brand_id, "name": name, "version": version, "now": now})


async def find_version(tx: ReadTransaction, brand_id: BrandId, name: str, version: int | None) -> TupleRow | None:
    """version, what was written, when; the newest where none is asked for."""
    return await tx.row(_SQL["find_version"], {"brand_id": brand_id, "name": name, "version": version})


async def list_newest(tx: ReadTransaction, brand_id: BrandId, *, after: str, limit: int) -> list[TupleRow]:
    """name, version, what was written, when it was updated; in name order."""
    return await tx.rows(_SQL["list_newest"], {"brand_id": brand_id, "after": after, "limit": limit})


async def delete_audience(tx: WriteTransaction, brand_id: BrandId, name: str) -> int:
    return await tx.execute(_SQL["delete_audience"], {"brand_id": brand_id, "name": name})


async def delete_versions(tx: WriteTransaction, brand_id: BrandId, name: str) -> None:
    await tx.execute(_SQL["delete_versions"], {"brand_id": brand_id, "name": name})


async def list_everybody(tx: ReadTransaction, brand_id: BrandId) -> list[int]:
    """Numbers of the members in force."""
    row = await tx.row(_SQL["list_everybody"], {"brand_id": brand_id})
    assert row is not None, "an aggregate gives a row"
    return row[0]


async def list_ids(tx: ReadTransaction, brand_id: BrandId, numbers: Sequence[int]) -> dict[int, MemberId]:
    """Member ids by number."""
    rows = await tx.rows(_SQL["list_ids"], {"brand_id": brand_id, "numbers": list(numbers)})
    return {number: MemberId(member_id) for number, member_id in rows}


async def list_with_user_ids(
    tx: ReadTransaction, brand_id: BrandId, numbers: Sequence[int]
) -> list[tuple[int, MemberId, str | None]]:
    """number, member id, a user id or None; in the order of numbers."""
    return await tx.rows(_SQL["list_with_user_ids"], {"brand_id": brand_id, "numbers": list(numbers)})


async def find_number(tx: ReadTransaction, brand_id: BrandId, member_id: MemberId) -> int | None:
    row = await tx.row(_SQL["find_number"], {"brand_id": brand_id, "member_id": member_id})
    return row[0] if row else None


async def list_numbers_of(tx: ReadTransaction, brand_id: BrandId, member_ids: Sequence[MemberId]) -> list[int]:
    rows = await tx.rows(_SQL["list_numbers_of"], {"brand_id": brand_id, "member_ids": list(member_ids)})
    return [row[0] for row in rows]


async def lock_computed(tx: ReadTransaction, brand_id: BrandId) -> None:
    """Locks: the brand's refresh, until the transaction ends; it sees nothing that is committed meanwhile."""
    await tx.row(_SQL["lock_computed"], {"brand_id": brand_id})


async def find_computed(tx: ReadTransaction, brand_id: BrandId) -> ComputedState | None:
    """None where nothing was ever computed."""
    row = await tx.row(_SQL["find_computed"], {"brand_id": brand_id})
    return None if row is None else ComputedState(*row)


async def put_computed(tx: WriteTransaction, brand_id: BrandId, state: ComputedState) -> None:
    """Unless a later one stands."""
    params = {
        "brand_id": brand_id,
        "data_version": state.data_version,
        "head_seq": state.head_seq,
        "as_of": state.as_of,
        "whole_at": state.whole_at,
        "whole_seq": state.whole_seq,
        "shares": msgspec.json.encode(dict(state.shares)).decode(),
    }
    await tx.execute(_SQL["put_computed"], params)


async def get_data_mark(tx: ReadTransaction) -> str:
    """The same text only where nothing has been written since."""
    row = await tx.row(_SQL["get_data_mark"])
    assert row is not None, "a function gives a row"
    return row[0]


async def list_traits(tx: ReadTransaction, brand_id: BrandId) -> list[TupleRow]:
    """trait, type, personal."""
    return await tx.rows(_SQL["list_traits"], {"brand_id": brand_id})


async def list_tags(tx: ReadTransaction, brand_id: BrandId) -> list[str]:
    return [row[0] for row in await tx.rows(_SQL["list_tags"], {"brand_id": brand_id})]


async def list_programme_names(tx: ReadTransaction, brand_id: BrandId) -> list[tuple[str, str]]:
    """(kind, name): assets, tiers, badges, missions, pools."""
    return [(row[0], row[1]) for row in await tx.rows(_SQL["list_programme_names"], {"brand_id": brand_id})]


async def list_event_names(tx: ReadTransaction, brand_id: BrandId) -> list[str]:
    return [row[0] for row in await tx.rows(_SQL["list_event_names"], {"brand_id": brand_id})]


async def list_properties(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str]) -> list[TupleRow]:
    """name as it was sent, its properties or None where there are too many; of moved events."""
    return await tx.rows(_SQL["list_properties"], {"brand_id": brand_id, "names": list(names)})


async def list_fresh_among(
    tx: ReadTransaction, brand_id: BrandId, pairs: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Those (name as it was sent, property) that an event has which has not moved yet."""
    params = {"names": [name for name, _ in pairs], "properties": [one for _, one in pairs]}
    return await tx.rows(_SQL["list_fresh_among"], {"brand_id": brand_id, **params})


async def list_fresh_properties(
    tx: ReadTransaction, brand_id: BrandId, names: Sequence[str], *, limit: int
) -> list[TupleRow]:
    """name as it was sent, a property or None; of events that have not moved yet."""
    return await tx.rows(_SQL["list_fresh_properties"], {"brand_id": brand_id, "names": list(names), "limit": limit})


async def list_attributes_among(tx: ReadTransaction, brand_id: BrandId, attributes: Sequence[str]) -> list[str]:
    """Those that any item has."""
    params = {"brand_id": brand_id, "attributes": list(attributes)}
    return [row[0] for row in await tx.rows(_SQL["list_attributes_among"], params)]


async def list_item_attributes(tx: ReadTransaction, brand_id: BrandId) -> list[str]:
    return [row[0] for row in await tx.rows(_SQL["list_item_attributes"], {"brand_id": brand_id})]


async def has_items(tx: ReadTransaction, brand_id: BrandId) -> bool:
    row = await tx.row(_SQL["has_items"], {"brand_id": brand_id})
    return row is not None and bool(row[0])


async def find_trait(tx: ReadTransaction, brand_id: BrandId, member_no: int, trait: str) -> Any:
    """The value; None where there is none."""
    row = await tx.row(_SQL["find_trait"], {"brand_id": brand_id, "member_no": member_no, "trait": trait})
    return row[0] if row else None


async def find_tag(tx: ReadTransaction, brand_id: BrandId, member_no: int, tag: str) -> TupleRow | None:
    """weight, when it expires."""
    return await tx.row(_SQL["find_tag"], {"brand_id": brand_id, "member_no": member_no, "tag": tag})


async def list_arrivals(tx: ReadTransaction, brand_id: BrandId, names: Sequence[str]) -> list[TupleRow]:
    """name, how many came, first and last instant."""
    return await tx.rows(_SQL["list_arrivals"], {"brand_id": brand_id, "names": list(names)})


async def list_trait_arrivals(tx: ReadTransaction, brand_id: BrandId, traits: Sequence[str]) -> list[TupleRow]:
    """trait, in how many minutes it came, first and last instant; none of which nothing came."""
    return await tx.rows(_SQL["list_trait_arrivals"], {"brand_id": brand_id, "traits": list(traits)})


async def list_numbers(tx: ReadTransaction, lowered: Lowered) -> list[int]:
    """Member numbers that a lowered leaf gives."""
    query = cast("LiteralString", as_array(lowered))  # printed from expressions; what users wrote is bound
    row = await tx.row(query, lowered.parameters)
    assert row is not None, "an aggregate gives a row"
    return row[0]
