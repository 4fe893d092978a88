"""Campaigns by name: saved with versions, found, removed; and whatever they name is looked up when they are saved."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, cast

from regulars.audiences.errors import AudienceUnknown
from regulars.audiences.service import saving as audiences
from regulars.campaigns.errors import (
    CampaignAudienceUnknown,
    CampaignChannelUnknown,
    CampaignInvalid,
    CampaignTraitUnknown,
    CampaignUnknown,
)
from regulars.campaigns.model import Campaign, Notice, did
from regulars.campaigns.pacing import Calendar
from regulars.campaigns.reading import read_campaign, suggest
from regulars.campaigns.store import campaigns as store
from regulars.campaigns.store import triggers
from regulars.conditions.check import check_tree
from regulars.conditions.closures import compile_closure
from regulars.conditions.errors import ConditionError
from regulars.conditions.parse import parse_written
from regulars.events.vocabulary import names_of
from regulars.kernel.clock import instant_text
from regulars.messaging.content import find_troubles, read_message
from regulars.messaging.service.channels import ChannelRow, list_channels
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.service.sending import refuse_troubles
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

NAMES_SUGGESTED_MAX: Final = 1_000
ITEMS_TOLD_MAX: Final = 10
NUMBER_TYPES: Final = ("number", "mixed")


async def save_campaign(
    tx: WriteTransaction,
    brand: Brand,
    name: str,
    written: Mapping[str, Any],
    outbox: Outbox,
    *,
    now: datetime,
    inside: bytes | None = None,
) -> tuple[Campaign, list[Notice]]:
    """A new version where something changed; the same version again otherwise.

    `inside`: of one that is set off by entering an audience, who is in that already (triggering.find_inside).

    Raises: CampaignInvalid, CampaignAudienceUnknown, CampaignChannelUnknown, CampaignTraitUnknown, ConditionError,
    MessageInvalid, TemplateInvalid.
    """
    campaign = read_campaign(name, 0, written)
    notices = await _check_names(tx, brand, campaign)
    await _check_messages(tx, brand, campaign, outbox)
    notices += await list_unknown_items(tx, brand, _messages_of(campaign))
    if campaign.last_on < now.astimezone(brand.time_zone).date():
        notices.append(Notice("campaign.window_past", "/window/until", "the window is over: nothing will be sent"))
    version, was_removed = await store.lock_campaign(tx, brand.brand_id, name, now)
    known = await store.find_version(tx, brand.brand_id, name, version) if version else None
    if known != written or was_removed:
        version += 1
        await store.insert_version(tx, brand.brand_id, name, version, written, now)
        await store.set_version(tx, brand.brand_id, name, version, now)
    if campaign.on is None:
        await triggers.delete_trigger(tx, brand.brand_id, name)
    else:
        start = Calendar(now, brand.time_zone, None).first_instant(campaign.first_on)
        await triggers.ensure_trigger(
            tx, brand.brand_id, name, version, kind=campaign.on.kind, inside=inside, next_at=start
        )
    return read_campaign(name, version, written), notices


def find_entered(written: Mapping[str, Any]) -> str | None:
    """The audience whose entering sets a campaign off, as far as what is written can be read."""
    on = written.get("on")
    entered = cast("dict[str, Any]", on).get("enter") if isinstance(on, dict) else None
    return entered if isinstance(entered, str) else None


async def get_campaign(tx: ReadTransaction, brand: Brand, name: str, *, path: str | None = None) -> Campaign:
    """The newest version. Raises: CampaignUnknown."""
    row = await store.find_campaign(tx, brand.brand_id, name)
    if row is None:
        rows = await store.list_campaigns(tx, brand.brand_id, after="", limit=NAMES_SUGGESTED_MAX)
        raise CampaignUnknown(
            f"there is no campaign {name[:40]!r}", path=path, suggestion=suggest(name, [row[0] for row in rows])
        )
    return read_campaign(name, row[0], row[1])


async def get_version(tx: ReadTransaction, brand: Brand, name: str, version: int) -> Campaign:
    """A version that something still names, of a campaign that was removed too. Raises: CampaignUnknown."""
    written = await store.find_version(tx, brand.brand_id, name, version)
    if written is None:
        raise CampaignUnknown(f"campaign {name[:40]!r} never had version {version}")
    return read_campaign(name, version, written)


async def list_campaigns(
    tx: ReadTransaction, brand: Brand, *, after: str = "", limit: int
) -> list[tuple[Campaign, datetime]]:
    """Newest versions in name order, and when each was saved."""
    rows = await store.list_campaigns(tx, brand.brand_id, after=after, limit=limit)
    return [(read_campaign(name, version, written), at) for name, version, written, at in rows]


async def remove_campaign(tx: WriteTransaction, brand: Brand, name: str, *, now: datetime) -> None:
    """It is planned and set off no more; what was planned of it goes on. Raises: CampaignUnknown."""
    if not await store.remove_campaign(tx, brand.brand_id, name, now):
        raise CampaignUnknown(f"there is no campaign {name[:40]!r}")
    await triggers.delete_trigger(tx, brand.brand_id, name)


def show_campaign(campaign: Campaign, updated_at: datetime | None = None) -> dict[str, Any]:
    """As it was written, with its name and version."""
    saved = {} if updated_at is None else {"updated_at": instant_text(updated_at)}
    return {"name": campaign.name, "version": campaign.version, **campaign.written, **saved}


def show_notice(notice: Notice) -> dict[str, str]:
    """As it is answered."""
    suggested = {} if notice.suggestion is None else {"suggestion": notice.suggestion}
    return {"code": notice.code, "path": notice.path, "message": notice.message, **suggested}


async def list_unknown_items(
    tx: ReadTransaction, brand: Brand, messages: Sequence[tuple[Mapping[str, Any], str]]
) -> list[Notice]:
    """What templates name of items that the brand has not: whoever would read it is refused. Each id where it is named first."""
    places: dict[str, str] = {}
    for message, path in messages:
        for variant in read_message(message, path).variants.values():
            for item_id, place in variant.items.items():
                places.setdefault(item_id, place)
    missing = await store.list_items_missing(tx, brand.brand_id, list(places)) if places else set[str]()
    notices: list[Notice] = []
    for item_id in [one for one in places if one in missing][:ITEMS_TOLD_MAX]:
        near = await store.list_items_near(tx, brand.brand_id, item_id, limit=NAMES_SUGGESTED_MAX // 2)
        said = f"there is no item {item_id[:40]!r}: whoever would read of it is refused with missing_value"
        notices.append(Notice("campaign.unknown_item", places[item_id], said, suggest(item_id, near)))
    return notices


async def list_unknown_items_of(tx: ReadTransaction, brand: Brand, campaigns: Sequence[Campaign]) -> list[Notice]:
    """The same of a plan's campaigns, at the places of these."""
    return [
        replace(one, path=f"/campaigns/{at}", message=f"{campaign.name}: {one.message}")
        for at, campaign in enumerate(campaigns)
        for one in await list_unknown_items(tx, brand, _messages_of(campaign))
    ]


async def _check_names(tx: ReadTransaction, brand: Brand, campaign: Campaign) -> list[Notice]:
    await _check_audience(tx, brand, campaign.audience, "/audience")
    notices: list[Notice] = []
    if campaign.goal is not None:
        notices += await _check_event(tx, brand, campaign.goal.event, campaign.goal.where, "/goal")
    if campaign.value.trait is not None:
        await _check_trait(tx, brand, campaign.value.trait)
    if campaign.on is not None and campaign.on.enter is not None:
        await _check_audience(tx, brand, campaign.on.enter, "/on/enter")
    if campaign.on is not None and campaign.on.event is not None:
        notices += await _check_event(tx, brand, campaign.on.event, campaign.on.where, "/on")
    return notices


async def _check_audience(tx: ReadTransaction, brand: Brand, name: str, path: str) -> None:
    try:
        await audiences.get_audience(tx, brand, name)
    except AudienceUnknown as error:
        known = await audiences.list_audiences(tx, brand, limit=NAMES_SUGGESTED_MAX)
        raise CampaignAudienceUnknown(
            error.message, path=path, suggestion=suggest(name, [one.name for one in known])
        ) from error


async def _check_event(
    tx: ReadTransaction, brand: Brand, event: str, where: Mapping[str, Any] | None, path: str
) -> list[Notice]:
    """Whether it can be asked of one event; of one that nobody has sent, a notice. Raises: ConditionError."""
    try:
        written = parse_written(did(event, where))
        compile_closure(written, brand.time_zone, names_of)
        catalogue = await audiences.get_catalogue(tx, brand, written.tree)
        doubts = check_tree(written, catalogue, events_may_come=True)
    except ConditionError as error:
        raise type(error)(error.message, path=_below(path, error.path), suggestion=error.suggestion) from error
    return [Notice(one.code, _below(path, one.path), one.sentence) for one in doubts]


def _below(path: str, inner: str | None) -> str:
    """A place in the condition as one in the campaign: `/did/where/colour` is `/goal/where/colour`."""
    return path + (inner or "").removeprefix("/did").rstrip("/")


async def _check_trait(tx: ReadTransaction, brand: Brand, trait: str) -> None:
    found = await store.find_trait_type(tx, brand.brand_id, trait)
    if found is None or found[0] not in NUMBER_TYPES or found[1]:
        known = await store.list_number_traits(tx, brand.brand_id)
        what = "no member has the trait" if found is None else "a value is a number, and that is not what all see in"
        raise CampaignTraitUnknown(f"{what} {trait[:40]!r}", path="/value/trait", suggestion=suggest(trait, known))


async def _check_messages(tx: ReadTransaction, brand: Brand, campaign: Campaign, outbox: Outbox) -> None:
    """Whether every channel can carry every message. Raises: CampaignChannelUnknown, MessageInvalid, TemplateInvalid."""
    rows = await _get_channels(tx, brand, campaign.channels)
    opened = {row.name: outbox.channels.get(row) for row in rows}
    for message, path in _messages_of(campaign):
        refuse_troubles(find_troubles(read_message(message, path), opened))


def _messages_of(campaign: Campaign) -> list[tuple[Mapping[str, Any], str]]:
    """Each with its place."""
    said = [(campaign.message, "/message")] if campaign.message is not None else []
    return said + [(one.message, f"/variants/{at}/message") for at, one in enumerate(campaign.variants)]


async def _get_channels(tx: ReadTransaction, brand: Brand, names: Sequence[str]) -> list[ChannelRow]:
    known = {row.name: row for row in await list_channels(tx, brand)}
    for at, name in enumerate(names):
        if name not in known:
            raise CampaignChannelUnknown(
                f"there is no channel {name[:40]!r}; there are: {', '.join(known) or 'none yet'}",
                path=f"/channels/{at}",
                suggestion=suggest(name, list(known)),
            )
    return [known[name] for name in names]


def check_planned(campaign: Campaign, path: str) -> None:
    """Whether a plan may hold it. Raises: CampaignInvalid."""
    if campaign.on is not None:
        raise CampaignInvalid(
            f"{campaign.name!r} is set off by itself (`on`); a plan holds campaigns that are not", path=path
        )
