"""From planned to stored: what is due goes through the gate, is written for its member, and waits as bytes to be sent.

One transaction a batch: where it fails nothing was decided, counted or stored. Nothing is sent from here.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID, uuid4

import structlog

from regulars.access import service as access
from regulars.kernel.ids import BrandId, MemberId
from regulars.members.service.reading import load_tags, load_traits, member_text
from regulars.messaging.content import Message, find_links, list_languages, list_wishes, read_message, replace_links
from regulars.messaging.errors import MissingValue, TemplateInvalid
from regulars.messaging.gate import Step, Verdict
from regulars.messaging.model import DUTIES, DeliveryId, Due, State
from regulars.messaging.ports import Channel, Content, Request
from regulars.messaging.service import links
from regulars.messaging.service.channels import ChannelRow, OpenChannels, ensure_salt, get_channel, list_channels
from regulars.messaging.service.gating import DELIVERIES_AT_ONCE_MAX, Judged, Person, month_of, open_gate
from regulars.messaging.store import deliveries, requests
from regulars.messaging.store.deliveries import Written
from regulars.messaging.tokens import UNSUBSCRIBE, make_token
from regulars.platform.db import Database, ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

MESSAGES_REMEMBERED_MAX: Final = 200
CHANNELS_SEEN_SECONDS: Final = 1.0

log = structlog.get_logger("messaging")


class LoyaltyReader(Protocol):
    """What members have by the brand's programmes; asked only where a message speaks of it."""

    async def __call__(
        self, tx: ReadTransaction, brand: Brand, member_ids: Sequence[MemberId], *, now: datetime
    ) -> Mapping[MemberId, Mapping[str, Any]]:
        """`member.loyalty` of each that is in force."""
        ...


@dataclass(slots=True)
class Outbox:
    """What a process needs to pass deliveries on: the database, the channels it has open, where its links lead.

    Without `read_loyalty` nobody has any: what a message says of it is missing.
    """

    database: Database
    channels: OpenChannels
    master_key: bytes
    public_url: str
    read_loyalty: LoyaltyReader | None = None
    new_key: Callable[[], UUID] = uuid4
    _brands: dict[BrandId, Brand] = field(default_factory=dict[BrandId, Brand])
    _messages: dict[tuple[BrandId, int], Message] = field(default_factory=dict[tuple[BrandId, int], Message])
    _keyed: dict[tuple[BrandId, str], bool] = field(default_factory=dict[tuple[BrandId, str], bool])
    _rows: dict[tuple[BrandId, str], ChannelRow] = field(default_factory=dict[tuple[BrandId, str], ChannelRow])
    _seen_until: dict[BrandId, float] = field(default_factory=dict[BrandId, float])

    def brand(self, brand_id: BrandId) -> Brand:
        """A brand that `open_channels` or `pass_due` has seen."""
        return self._brands[brand_id]

    def in_flight_max(self, brand_id: BrandId, name: str, keyed_max: int, keyless_max: int) -> int:
        """How many requests of a channel may be on their way at once."""
        return keyed_max if self._keyed.get((brand_id, name), False) else keyless_max

    async def open_channels(
        self, wanted: set[tuple[BrandId, str]]
    ) -> dict[tuple[BrandId, str], tuple[ChannelRow, Channel]]:
        """The channels and their adapters, as they were set at most a second ago."""
        now = time.monotonic()
        stale = {one[0] for one in wanted if one not in self._rows or self._seen_until.get(one[0], 0.0) < now}
        if stale:
            async with self.database.read() as tx:
                for brand_id in stale:
                    brand = await self._load_brand(tx, brand_id)
                    for row in await list_channels(tx, brand):
                        self._rows[brand_id, row.name] = row
                    self._seen_until[brand_id] = time.monotonic() + CHANNELS_SEEN_SECONDS
        return {one: (self._rows[one], self._open(self._rows[one])) for one in wanted}

    async def list_open_channels(self) -> list[tuple[Brand, ChannelRow, Channel]]:
        """The channels that this process sends on, as they are set now."""
        found: list[tuple[Brand, ChannelRow, Channel]] = []
        async with self.database.read() as tx:
            for brand_id in {brand_id for brand_id, _ in self._rows}:
                brand = await self._load_brand(tx, brand_id)
                found += [(brand, row, self._open(row)) for row in await list_channels(tx, brand)]
        return found

    async def pass_due(self, now: datetime) -> int:
        """One batch of what is due; how many deliveries it held."""
        async with self.database.write() as tx:
            kind = await deliveries.take_due_one(tx, now)
            if kind is None:
                return 0
            brand = await self._load_brand(tx, kind.brand_id)
            dues = await deliveries.take_due(tx, kind, now, limit=DELIVERIES_AT_ONCE_MAX)
            await self.pass_batch(tx, brand, dues, now)
        return len(dues)

    async def pass_batch(self, tx: WriteTransaction, brand: Brand, dues: Sequence[Due], now: datetime) -> None:
        """Deliveries of one channel, plan, message and purpose, through the gate and into requests.

        Locks: what the gate locks.
        """
        settings = await access.get_settings(tx, brand)
        row = await get_channel(tx, brand, dues[0].channel)
        channel, message = self._open(row), await self._load_message(tx, brand, dues[0].message_id)
        gate = await open_gate(tx, brand, settings, row, await ensure_salt(tx, brand), dues, now)
        drafts, missing = await self._draft(tx, brand, gate.people, message, dues, now)
        judged = await gate.decide(dues, missing)
        made, rejected = await self._make_requests(tx, brand, row, channel, judged, drafts)
        plan_id = dues[0].plan_id
        if made:
            until_ats = {one.due.delivery_id: one.due.until_at for one in judged}
            stored = list({one.key: (one, until_ats[number]) for number, one in made.items()}.values())
            await requests.insert_requests(tx, brand.brand_id, stored, channel=row.name, plan_id=plan_id, now=now)
        month = month_of(now, brand)
        written = [_to_written(one, month, made.get(one.due.delivery_id)) for one in judged]
        await deliveries.set_verdicts(tx, brand.brand_id, written, now)
        if rejected:
            await self._reject(tx, brand, rejected, now)

    async def _draft(
        self,
        tx: ReadTransaction,
        brand: Brand,
        people: Mapping[int, Person],
        message: Message,
        dues: Sequence[Due],
        now: datetime,
    ) -> tuple[dict[DeliveryId, Content], dict[DeliveryId, str]]:
        """What each is told, and for whom a value is missing."""
        members = await self._load_members(tx, brand, people, message, now)
        items = await deliveries.find_items(tx, brand.brand_id, list(message.item_ids)) if message.item_ids else {}
        drafts: dict[DeliveryId, Content] = {}
        missing: dict[DeliveryId, str] = {}
        same: dict[tuple[str, str | None, str | None], Content] = {}
        for due in dues:
            person = people[due.member_id]
            if person.is_erased:
                continue
            found = members[person.member_id]
            wishes = list_wishes(person.preferences.get("language"), found.traits)
            variant = message.choose([*wishes, *list_languages(brand.country)])
            try:
                if variant.is_personal:
                    drafts[due.delivery_id] = variant.render(_objects(brand, due, found, items, variant.language, now))
                else:
                    alike = (variant.language, due.campaign, due.topic)
                    if alike not in same:
                        same[alike] = variant.render(_objects(brand, due, found, items, variant.language, now))
                    drafts[due.delivery_id] = same[alike]
            except (MissingValue, TemplateInvalid) as error:
                missing[due.delivery_id] = str(error.fields.get("variable") or error.path)
        return drafts, missing

    async def _make_requests(
        self,
        tx: WriteTransaction,
        brand: Brand,
        row: ChannelRow,
        channel: Channel,
        judged: Sequence[Judged],
        drafts: Mapping[DeliveryId, Content],
    ) -> tuple[dict[DeliveryId, Request], dict[DeliveryId, str]]:
        """The request of each delivery that passed, several sharing one where they are told the same and expire together.

        The second: whose content, once it was filled in, the channel would refuse, and for what.
        """
        passed = [one for one in judged if one.verdict.state is State.RESERVED]
        contents = {one.due.delivery_id: drafts[one.due.delivery_id] for one in passed}
        different = set(contents.values())
        troubles = {content: found[0].code for content in different if (found := channel.check(content))}
        rejected = {number: troubles[content] for number, content in contents.items() if content in troubles}
        urls = {content: find_links(content) for content in different}
        link_ids = await links.ensure_links(
            tx, brand, list(dict.fromkeys(url for found in urls.values() for url in found))
        )
        going = [(one, contents[one.due.delivery_id]) for one in passed if one.due.delivery_id not in rejected]
        # In a thread: five hundred signed mails would hold the event loop for a second.
        made = await asyncio.to_thread(self._render_all, brand, channel, going, urls, link_ids)
        return made, rejected

    def _render_all(
        self,
        brand: Brand,
        channel: Channel,
        going: Sequence[tuple[Judged, Content]],
        urls: Mapping[Content, Sequence[str]],
        link_ids: Mapping[str, int],
    ) -> dict[DeliveryId, Request]:
        made: dict[DeliveryId, Request] = {}
        alike: dict[tuple[Content, datetime | None], dict[str, DeliveryId]] = {}
        for one, content in going:
            number = one.due.delivery_id
            told = alike.setdefault((content, one.due.until_at), {})
            if channel.many_max > 1 and not urls[content] and _address(one) not in told:
                told[_address(one)] = number
            else:
                made[number] = self._make_one(brand, channel, one, content, link_ids if urls[content] else {})
        for (content, _), told in alike.items():
            for chunk in _chunks(list(told), channel.many_max):
                request = channel.render(self.new_key(), content, chunk, {})
                made |= {told[address]: request for address in chunk}
        return made

    def _make_one(
        self, brand: Brand, channel: Channel, one: Judged, content: Content, link_ids: Mapping[str, int]
    ) -> Request:
        delivery_id = one.due.delivery_id
        if link_ids:
            content = replace_links(
                content, lambda url: links.link_url(brand, self.public_url, delivery_id, link_ids[url]), self.public_url
            )
        headers: dict[str, str] = {}
        if one.due.purpose not in DUTIES:
            url = f"{self.public_url}/u/{make_token(brand, UNSUBSCRIBE, delivery_id)}"
            headers = {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        return channel.render(self.new_key(), content, [_address(one)], headers)

    async def _reject(
        self, tx: WriteTransaction, brand: Brand, rejected: Mapping[DeliveryId, str], now: datetime
    ) -> None:
        """What only the filled-in message showed: counted and paid for a moment ago, given back now."""
        await links.release(tx, brand, list(rejected))
        written = [
            Written(number, State.REJECTED, code, {"step": "content", "code": code})
            for number, code in rejected.items()
        ]
        await deliveries.set_verdicts(tx, brand.brand_id, written, now)

    async def _load_brand(self, tx: ReadTransaction, brand_id: BrandId) -> Brand:
        brand = await access.get_brand_by_id(tx, brand_id, master_key=self.master_key)
        self._brands[brand_id] = brand
        return brand

    async def _load_message(self, tx: ReadTransaction, brand: Brand, message_id: int) -> Message:
        known = self._messages.get((brand.brand_id, message_id))
        if known is None:
            known = read_message(await deliveries.find_message(tx, brand.brand_id, message_id))
            if len(self._messages) >= MESSAGES_REMEMBERED_MAX:
                self._messages.clear()
            self._messages[brand.brand_id, message_id] = known
        return known

    async def _load_members(
        self, tx: ReadTransaction, brand: Brand, people: Mapping[int, Person], message: Message, now: datetime
    ) -> dict[MemberId, "_Member"]:
        """Those the message goes to, with what it says of them."""
        named = message.variables
        wanted = list(dict.fromkeys(person.member_id for person in people.values() if not person.is_erased))
        needs_traits = len(message.variants) > 1 or any(one.startswith("member") for one in named)
        traits = await load_traits(tx, brand, wanted) if needs_traits else {}
        tags = await load_tags(tx, brand, wanted, now=now) if _says(named, "tags") else {}
        has: Mapping[MemberId, Mapping[str, Any]] = {}
        if self.read_loyalty is not None and _says(named, "loyalty"):
            has = await self.read_loyalty(tx, brand, wanted, now=now)
        return {one: _Member(one, traits.get(one, {}), tags.get(one, []), has.get(one)) for one in wanted}

    def _open(self, row: ChannelRow) -> Channel:
        channel = self.channels.get(row)
        self._keyed[row.brand_id, row.name] = channel.is_keyed
        return channel


class _Member(NamedTuple):
    """What a template may say of a member."""

    member_id: MemberId
    traits: Mapping[str, Any]
    tags: Sequence[str]
    loyalty: Mapping[str, Any] | None


def _says(named: Iterable[str], field: str) -> bool:
    """Whether a template says this of a member: by its name, or by one that is known only when it is filled in."""
    return any(one == "member" or one.startswith((f"member.{field}", "member.[")) for one in named)


def _chunks(addresses: Sequence[str], most: int) -> Iterator[Sequence[str]]:
    for at in range(0, len(addresses), most):
        yield addresses[at : at + most]


def _address(one: Judged) -> str:
    assert one.address is not None, "who passed has an address"
    return one.address.value


def _objects(
    brand: Brand, due: Due, member: _Member, items: Mapping[str, object], language: str, now: datetime
) -> dict[str, object]:
    """What a template may say."""
    return {
        "items": items,
        "member": {
            "id": member_text(member.member_id),
            "traits": member.traits,
            "tags": member.tags,
            "language": language,
            "loyalty": member.loyalty,
        },
        "campaign": {"name": due.campaign, "topic": due.topic, "purpose": due.purpose},
        "brand": {"name": brand.name, "currency": brand.currency, "time_zone": str(brand.time_zone)},
        "now": now.astimezone(brand.time_zone),
    }


def _to_written(one: Judged, month: Any, request: Request | None) -> Written:
    verdict = one.verdict
    counts = verdict.state in (State.RESERVED, State.WITHHELD) and one.due.purpose not in DUTIES
    return Written(
        one.due.delivery_id,
        verdict.state,
        verdict.reason,
        _detail(verdict.step, verdict),
        verdict.arm,
        one.price,
        month if verdict.state is State.RESERVED else None,
        one.person.member_id if counts else None,
        request.key if request else None,
        verdict.later_at,
    )


def _detail(step: Step | None, verdict: Verdict) -> dict[str, Any]:
    if verdict.later_at is not None:
        return {"step": "quiet_hours", "later": True}
    return {} if step is None else {"step": step.step, **step.detail}
