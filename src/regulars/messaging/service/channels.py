"""Channels of a brand: put, shown, opened; what they cost; whom the webhooks belong to.

A channel's secrets are sealed under the brand's key and never shown. Adapters are kept open as long as the channel's row
does not change.
"""

import asyncio
import hashlib
import secrets as randomness
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import BrandId
from regulars.messaging.errors import ChannelInUse, ChannelInvalid, ChannelUnknown
from regulars.messaging.ports import Channel, ChannelForm, ChannelKinds
from regulars.messaging.prices import PriceBook, book_to_json, parse_price_book
from regulars.messaging.store import channels
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

NAME_CHARACTERS_MAX: Final = 100
_SEALED_AS: Final = "channel secrets"
_SALT_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as its row holds it; `prices` where it has a book of price plans."""

    brand_id: BrandId
    name: str
    identity_kind: str
    form: ChannelForm
    state: dict[str, Any]
    version: int
    prices: PriceBook | None


@dataclass(slots=True)
class OpenChannels:
    """The adapters that a process has open, by brand and name. Close them at the end."""

    kinds: ChannelKinds
    _open: dict[tuple[BrandId, str], tuple[int, Channel]] = field(
        default_factory=dict[tuple[BrandId, str], tuple[int, Channel]]
    )
    _closing: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def get(self, row: ChannelRow) -> Channel:
        """The adapter of this version of the channel."""
        known = self._open.get((row.brand_id, row.name))
        if known is not None and known[0] == row.version:
            return known[1]
        if known is not None:
            task = asyncio.get_running_loop().create_task(known[1].close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        channel = self.kinds.open(row.form)
        self._open[row.brand_id, row.name] = (row.version, channel)
        return channel

    async def close(self) -> None:
        """Close all of them."""
        for _, channel in self._open.values():
            await channel.close()
        self._open.clear()


async def put_channel(
    tx: WriteTransaction, brand: Brand, name: str, body: object, kinds: ChannelKinds, *, now: datetime
) -> ChannelRow:
    """Make or replace a channel. Raises: ChannelInvalid, ChannelInUse."""
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or "/" in name or "\0" in name:
        raise ChannelInvalid("a channel's name is 1–100 characters without a slash", path="/name")
    form = kinds.read(body)
    known = await find_channel(tx, brand, name)
    if known is not None and (known.form.kind, known.identity_kind) != (form.kind, form.identity_kind):
        raise ChannelInUse(
            f"{name} is a {known.form.kind} channel of {known.identity_kind}; make another with its own name",
            path="/kind",
        )
    await channels.put_channel(
        tx,
        brand.brand_id,
        name,
        kind=form.kind,
        identity_kind=form.identity_kind,
        settings=form.settings,
        secrets=brand.vault.seal(msgspec.json.encode(form.secrets).decode(), _SEALED_AS),
        now=now,
    )
    await channels.clear_exhausted(tx, brand.brand_id, name)
    await ensure_salt(tx, brand)
    return await get_channel(tx, brand, name)


async def list_channels(tx: ReadTransaction, brand: Brand) -> list[ChannelRow]:
    """All channels of the brand, in the order of their names."""
    books = await channels.list_price_books(tx, brand.brand_id)
    rows: list[ChannelRow] = []
    for name, kind, identity_kind, settings, sealed, state, version in await channels.list_channels(tx, brand.brand_id):
        hidden = msgspec.json.decode(brand.vault.unseal(bytes(sealed), _SEALED_AS))
        book = parse_price_book(books[name]) if name in books else None
        form = ChannelForm(kind, identity_kind, settings, hidden)
        rows.append(ChannelRow(brand.brand_id, name, identity_kind, form, state, version, book))
    return rows


async def list_brands_of(tx: ReadTransaction, name: str) -> list[BrandId]:
    """The brands that have a channel of this name."""
    return await channels.list_channels_named(tx, name)


async def find_channel(tx: ReadTransaction, brand: Brand, name: str) -> ChannelRow | None:
    """The channel of this name, or None."""
    return next((row for row in await list_channels(tx, brand) if row.name == name), None)


async def get_channel(tx: ReadTransaction, brand: Brand, name: str, *, path: str | None = None) -> ChannelRow:
    """Raises: ChannelUnknown."""
    rows = await list_channels(tx, brand)
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        known = ", ".join(row.name for row in rows) or "none yet"
        raise ChannelUnknown(f"there is no channel {name[:40]!r}; there are: {known}", path=path)
    return found


async def put_price_book(tx: WriteTransaction, brand: Brand, name: str, body: object, *, now: datetime) -> PriceBook:
    """Replace the channel's price plans. Raises: ChannelUnknown, PricePlanInvalid."""
    book = parse_price_book(body)
    await get_channel(tx, brand, name)
    await channels.put_price_book(tx, brand.brand_id, name, book_to_json(book), now)
    await channels.clear_exhausted(tx, brand.brand_id, name)
    return book


async def get_salt(tx: ReadTransaction, brand: Brand) -> bytes:
    """The salt of the brand's arms. Shape: the brand has a channel."""
    salt = await channels.find_salt(tx, brand.brand_id)
    assert salt is not None, "it is made with the first channel"
    return salt


async def ensure_salt(tx: WriteTransaction, brand: Brand) -> bytes:
    """The salt of the brand's arms, made where there is none yet."""
    salt = await channels.find_salt(tx, brand.brand_id)
    if salt is None:
        await channels.ensure_salt(tx, brand.brand_id, randomness.token_bytes(_SALT_BYTES))
        salt = await channels.find_salt(tx, brand.brand_id)
    assert salt is not None, "it was just made"
    return salt


def show_channel(row: ChannelRow, webhook_url: str) -> dict[str, Any]:
    """The channel as the contract shows it: no secret in it."""
    state = row.state or {"ok": None, "detail": "not asked yet", "checked_at": None}
    shown: dict[str, Any] = {
        "name": row.name,
        "kind": row.form.kind,
        **row.form.settings,
        "state": {"ok": state["ok"], "detail": state["detail"], "checked_at": show_instant(state["checked_at"])},
        "webhook_url": webhook_url,
    }
    if state.get("consumption") is not None:
        shown["quota"] = {"included": state.get("quota"), "used": state["consumption"]}
    return shown


def show_instant(written: str | None) -> str | None:
    """An instant of a state as the contract shows instants."""
    return None if written is None else instant_text(datetime.fromisoformat(written))


def digest_of(written: object) -> str:
    """What tells two bodies apart, whatever the order of their fields."""
    return hashlib.sha256(msgspec.json.encode(written, order="sorted")).hexdigest()
