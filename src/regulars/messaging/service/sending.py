"""Single sends, and what stands of a delivery: asked for once, judged at once, told step by step.

A single send is judged in the request that asks for it, so its refusal is in the answer. It does not wait for quiet hours.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from regulars.kernel.clock import instant_text
from regulars.kernel.ids import public_id
from regulars.members.service.reading import get_active, member_text
from regulars.messaging.content import find_troubles, read_message
from regulars.messaging.errors import DedupeConflict, DeliveryInvalid, DeliveryUnknown, MessageInvalid
from regulars.messaging.model import DeliveryId, Filter, NewDelivery, Shown
from regulars.messaging.ports import Trouble
from regulars.messaging.service.channels import digest_of, get_channel
from regulars.messaging.service.outbox import Outbox
from regulars.messaging.store import deliveries
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand

KEY_CHARACTERS_MAX: Final = 200
NAME_CHARACTERS_MAX: Final = 100


class SingleSend(msgspec.Struct, forbid_unknown_fields=True):
    """The body of `POST /api/deliveries`."""

    member: str
    channel: str
    message: Any
    dedupe_key: str
    purpose: str = "marketing"
    topic: str | None = None


async def send_one(tx: WriteTransaction, brand: Brand, outbox: Outbox, body: SingleSend, *, now: datetime) -> Shown:
    """Make, judge and store one delivery; the worker sends it. The same key and body again is the same delivery.

    Raises: MemberUnknown, ChannelUnknown, DeliveryInvalid, MessageInvalid, TemplateInvalid, DedupeConflict.
    """
    _check_texts(body)
    row = await get_channel(tx, brand, body.channel, path="/channel")
    known = await _find_known(tx, brand, body)
    if known is not None:
        return known
    member_id = await get_active(tx, brand, body.member)
    message = read_message(body.message)
    refuse_troubles(find_troubles(message, {row.name: outbox.channels.get(row)}))
    message_id = await deliveries.put_message(tx, brand.brand_id, digest_of(body.message), body.message, now)
    key = _key_of(body)
    new = NewDelivery(
        member_id, row.name, message_id, key, now, topic=body.topic, asked_digest=digest_of(msgspec.to_builtins(body))
    )
    made = await deliveries.insert_deliveries(
        tx, brand.brand_id, [new], purpose=body.purpose, plan_id=None, waits=False, now=now
    )
    if key not in made:
        known = await _find_known(tx, brand, body)
        assert known is not None, "somebody made it a moment ago"
        return known
    due = await deliveries.take_delivery(tx, brand.brand_id, made[key])
    await outbox.pass_batch(tx, brand, [due], now)
    return await get_delivery(tx, brand, made[key])


def refuse_troubles(troubles: list[Trouble]) -> None:
    """Raises: MessageInvalid with the first trouble's path, where there is one."""
    if troubles:
        first = troubles[0]
        more = f" (and {len(troubles) - 1} more)" if len(troubles) > 1 else ""
        raise MessageInvalid(f"{first.channel}: {first.message}{more}", path=first.path)


def _check_texts(body: SingleSend) -> None:
    if not 1 <= len(body.dedupe_key) <= KEY_CHARACTERS_MAX or "\0" in body.dedupe_key:
        raise DeliveryInvalid(f"a dedupe_key has 1–{KEY_CHARACTERS_MAX} characters", path="/dedupe_key")
    for name, text in (("purpose", body.purpose), ("topic", body.topic)):
        if text is not None and (not 1 <= len(text) <= NAME_CHARACTERS_MAX or "/" in text or "\0" in text):
            raise DeliveryInvalid(f"{name} is 1–{NAME_CHARACTERS_MAX} characters without a slash", path=f"/{name}")


def _key_of(body: SingleSend) -> str:
    return f"api:{body.dedupe_key}"


async def _find_known(tx: ReadTransaction, brand: Brand, body: SingleSend) -> Shown | None:
    found = await deliveries.find_by_dedupe_key(tx, brand.brand_id, _key_of(body))
    if found is None:
        return None
    if found[1] != digest_of(msgspec.to_builtins(body)):
        raise DedupeConflict("this dedupe_key was used for another delivery", path="/dedupe_key")
    return await get_delivery(tx, brand, found[0])


async def get_delivery(tx: ReadTransaction, brand: Brand, delivery_id: DeliveryId) -> Shown:
    """Raises: DeliveryUnknown."""
    found = await deliveries.find_delivery(tx, brand.brand_id, delivery_id)
    if found is None:
        raise DeliveryUnknown("there is no such delivery")
    return found


async def list_deliveries(tx: ReadTransaction, brand: Brand, asked: Filter, *, after: int, limit: int) -> list[Shown]:
    """In the order they were made."""
    return await deliveries.list_deliveries(tx, brand.brand_id, asked, after=after, limit=limit)


def show_delivery(shown: Shown) -> dict[str, Any]:
    """As the contract shows it."""
    return {
        "id": public_id("d", shown.delivery_id),
        "plan": None if shown.plan_id is None else public_id("p", shown.plan_id),
        "campaign": shown.campaign,
        "variant": shown.variant,
        "member": member_text(shown.member_id),
        "channel": shown.channel,
        "state": str(shown.state),
        "reason": shown.reason,
        "price": None if shown.price is None else str(shown.price),
        "send_at": instant_text(shown.send_at),
        "topic": shown.topic,
        "clicks": shown.clicks,
        "attempts": [_show_attempt(one) for one in shown.attempts],
    }


def _show_attempt(attempt: Mapping[str, Any]) -> dict[str, Any]:
    return {**attempt, "at": instant_text(datetime.fromisoformat(attempt["at"]))}
