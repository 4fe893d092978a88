"""Events and items from files.

A row of events without a message id is known by the hash of its values and its ordinal among equal rows, so the same
file, or a mended one, adds only what is new. Imported events have a source of their own beside the write keys'.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from regulars.events import store
from regulars.events.copying import request_part, tail_rest
from regulars.events.errors import EventInvalid, EventTooLarge
from regulars.events.model import EVENT_BYTES_MAX, MESSAGE_ID_CHARACTERS_MAX, Call
from regulars.events.segment import check_event_name, to_microseconds
from regulars.events.service.items import write_items
from regulars.events.service.taking import FOR_EVER, IMPORT_SOURCE_ID, OriginMemory, SeenMonth, Taken, take_calls
from regulars.events.vocabulary import count_lines
from regulars.kernel.clock import Clock
from regulars.kernel.errors import DomainError
from regulars.members.importing import FileTypes, build_identity_fields, parse_who
from regulars.platform.db import Database
from regulars.platform.tabular.mapped import MappedRow
from regulars.platform.tabular.mapping import FieldSpec, ImportSpec
from regulars.platform.tabular.run import Sink, SinkResult
from regulars.platform.tenancy import Brand

TYPED_FIELDS: Final = ("revenue", "order_id", "item_id", "category", "quantity")
_encode = msgspec.json.Encoder(decimal_format="number").encode

_TIME_ALIASES: Final = (
    "timestamp", "occurred_at", "date", "datetime", "order_date", "invoice_date", "transaction_timestamp",
    "時間", "日期", "訂單日期", "交易日期",
)  # fmt: skip


def build_events_spec(names: Iterable[str] = (), *, is_named: bool = False) -> ImportSpec:
    """What an events file may hold; `is_named`: all its rows are given one name, so that no column need be it.

    `names`: columns and mapped fields of the file, among which may be LINE ids of other providers.
    """
    identities = build_identity_fields(names)
    own = (
        FieldSpec("name", aliases=("event", "event_name", "事件"), required=not is_named),
        FieldSpec("time", kind="instant", aliases=_TIME_ALIASES, required=True),
        FieldSpec("message_id", aliases=("messageId", "event_id", "uuid")),
        FieldSpec("revenue", kind="decimal", aliases=("amount", "total", "sales_value", "金額")),
        FieldSpec("order_id", aliases=("order", "invoice", "invoice_no", "basket_id", "訂單編號")),
        FieldSpec("item_id", aliases=("product_id", "sku", "stock_code", "商品編號")),
        FieldSpec("category", aliases=("item_category", "分類")),
        FieldSpec("quantity", kind="decimal", aliases=("qty", "數量")),
    )
    return ImportSpec(
        fields=(*own, *identities), one_of=(tuple(field.name for field in identities),), key_field="message_id"
    )


ITEMS_SPEC: Final = ImportSpec(
    fields=(
        FieldSpec("id", aliases=("item_id", "product_id", "sku", "stock_code", "商品編號"), required=True),
        FieldSpec("name", aliases=("title", "description", "product_name", "商品名稱", "品名")),
        FieldSpec("category", aliases=("item_category", "product_category", "分類")),
        FieldSpec("price", aliases=("unit_price", "價格", "單價")),
    )
)


CAREFUL_BATCHES: Final = 20
"""Where one row was imported before, more were: so many batches search first instead of failing first."""


class ImportWriter:
    """Writes imported events of one brand, each batch in a transaction. One at a time."""

    def __init__(self, database: Database, brand: Brand, clock: Clock) -> None:
        self._database = database
        self._brand = brand
        self._clock = clock
        self._memory = OriginMemory()
        self._careful_batches = 0

    async def take(self, calls: Sequence[Call]) -> Taken:
        """What is known already is left out. Shape: calls of an `ImportSource`."""
        if self._careful_batches:
            self._careful_batches -= 1
            return await self._take(calls, None)
        try:
            return await self._take(calls, FOR_EVER)
        except store.SeenBefore:
            self._careful_batches = CAREFUL_BATCHES
            return await self._take(calls, None)

    async def _take(self, calls: Sequence[Call], month: SeenMonth | None) -> Taken:
        async with self._database.write() as tx:
            taken = await take_calls(tx, self._brand, calls, now=self._clock(), memory=self._memory, month=month)
        self._memory.remember(self._brand.brand_id, taken)
        return taken


class _EventBatch(NamedTuple):
    calls: list[Call]
    rejected: list[tuple[int, str | None, str]]


def build_event_sink(
    database: Database, brand: Brand, clock: Clock, *, is_text: bool, name: str | None = None
) -> Sink[_EventBatch]:
    """Writes a batch of events in one transaction; `name` is given to rows that have none."""
    types = FileTypes(is_text=is_text)
    writer = ImportWriter(database, brand, clock)

    def prepare(rows: list[MappedRow]) -> _EventBatch:
        received_at = to_microseconds(clock())
        source = ImportSource(brand, received_at)
        calls: list[Call] = []
        rejected: list[tuple[int, str | None, str]] = []
        for at, (row, properties) in enumerate(zip(rows, types.convert(rows), strict=True)):
            try:
                calls.append(_to_call(source, row, properties, name))
            except DomainError as error:
                rejected.append((at, error.path, error.message))
        return _EventBatch(calls, rejected)

    async def write(batch: _EventBatch) -> SinkResult:
        taken = await writer.take(batch.calls)
        written = taken.outcomes.count("written")
        return SinkResult(written, len(batch.calls) - written, batch.rejected)

    return Sink(prepare, write)


def _to_call(source: "ImportSource", row: MappedRow, properties: dict[str, Any], given_name: str | None) -> Call:
    fields = row.fields
    message_id = _message_id(row, given_name)
    occurred_at: datetime = fields["time"]
    for field in TYPED_FIELDS:
        if (value := fields.get(field)) is not None:
            properties[field] = _exact(value) if type(value) is Decimal else value
    encoded = _encode(properties)
    if len(encoded) > EVENT_BYTES_MAX:
        raise EventTooLarge(f"the row has {len(encoded):,} bytes; an event has at most {EVENT_BYTES_MAX:,}")
    return source.call(
        message_id,
        parse_who(fields, source.country),
        name=check_event_name(str(fields.get("name") or given_name)),
        occurred_at=to_microseconds(occurred_at),
        properties=encoded,
        line_count=count_lines(properties),
    )


def _message_id(row: MappedRow, given_name: str | None) -> str:
    """The row's own id, else its key; rows of one value under two given names are two events. Raises: EventInvalid."""
    if row.key is not None:
        return row.key if given_name is None else f"{_digest(given_name, 8).hex()}-{row.key}"
    message_id = str(row.fields["message_id"])
    if len(message_id) > MESSAGE_ID_CHARACTERS_MAX:
        raise EventInvalid(f"message_id has more than {MESSAGE_ID_CHARACTERS_MAX} characters", path="message_id")
    return message_id


def _digest(text: str, size_bytes: int) -> bytes:
    return blake2b(text.encode(), digest_size=size_bytes).digest()


class ImportSource:
    """Where the events of files come from; `received_at` holds for all that it makes. Units: µs since 1970."""

    __slots__ = ("_prefix", "_row_part", "country", "received_at")

    def __init__(self, brand: Brand, received_at: int) -> None:
        self.country = brand.country
        self.received_at = received_at
        self._prefix = f"{brand.brand_id}/{IMPORT_SOURCE_ID}/"
        self._row_part = request_part(IMPORT_SOURCE_ID, received_at, None)

    def call(
        self, message_id: str, who: str, *, name: str, occurred_at: int, properties: bytes, line_count: int
    ) -> Call:
        """An event of a file, for `take_calls`. Units: `occurred_at` in µs. Shape: `who` as `write_claim` writes it; `properties` is a JSON object."""
        call = Call(
            index=0,
            type="track",
            who=who,
            event_id=_digest(self._prefix + message_id, 16),
            message_id=message_id,
            source_id=IMPORT_SOURCE_ID,
            received_at=self.received_at,
            occurred_at=occurred_at,
            original_at=occurred_at,
            sent_at=None,
            name=name,
            properties=properties,
            line_count=line_count,
        )
        call.row_rest = tail_rest(call, self._row_part)
        return call


def _exact(amount: Decimal) -> int | Decimal:
    """Whole amounts as integers, others as the decimal they are."""
    if amount != amount.to_integral_value():
        return amount
    whole = int(amount)
    return whole if -(10**15) < whole < 10**15 else amount


def build_item_sink(database: Database, brand: Brand, clock: Clock, *, is_text: bool) -> Sink[list[MappedRow]]:
    """Writes a batch of items in one transaction; other columns become attributes."""
    types = FileTypes(is_text=is_text)

    async def write(rows: list[MappedRow]) -> SinkResult:
        items = [
            {**row.fields, "attributes": attributes} for row, attributes in zip(rows, types.convert(rows), strict=True)
        ]
        async with database.write() as tx:
            result = await write_items(tx, brand, items, now=clock())
        rejected = [(at, error.path, error.message) for at, error in result.rejected]
        return SinkResult(result.changed, result.landed - result.changed, rejected)

    return Sink(list, write)
