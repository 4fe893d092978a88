"""Links of messages: how they are counted, how they unsubscribe, and what a delivery gives back."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from regulars.kernel.ids import MemberId
from regulars.members.service.changing import put_consent
from regulars.members.service.reading import member_text
from regulars.messaging.errors import LinkUnknown
from regulars.messaging.model import MARKETING, DeliveryId, Shown
from regulars.messaging.store import channels, deliveries, people
from regulars.messaging.tokens import LINK, UNSUBSCRIBE, Token, is_genuine, make_token
from regulars.platform.db import ReadTransaction, WriteTransaction
from regulars.platform.tenancy import Brand


async def ensure_links(tx: WriteTransaction, brand: Brand, urls: Sequence[str]) -> dict[str, int]:
    """The ids of web addresses, made where they are new. Locks: their rows, in the order of their digests."""
    if not urls:
        return {}
    digests = {hashlib.sha256(url.encode()).hexdigest(): url for url in urls}
    ordered = sorted(digests)
    return await deliveries.insert_links(tx, brand.brand_id, [digests[one] for one in ordered], ordered)


def link_url(brand: Brand, public_url: str, delivery_id: DeliveryId, link_id: int) -> str:
    """The address in a message that is counted before it leads on."""
    return f"{public_url}/l/{make_token(brand, LINK, delivery_id, link_id)}"


async def follow_link(tx: WriteTransaction, brand: Brand, token: Token, *, now: datetime) -> str:
    """Count the click; where it leads. Raises: LinkUnknown."""
    if not is_genuine(brand, LINK, token):
        raise LinkUnknown("this link is not one of ours, or it was cut short")
    url = await deliveries.find_link(tx, brand.brand_id, token.number)
    if url is None:
        raise LinkUnknown("this link is not one of ours, or it was cut short")
    await deliveries.count_click(tx, brand.brand_id, token.delivery_id, token.number, now)
    await deliveries.mark_clicked(tx, brand.brand_id, token.delivery_id, now)
    return url


async def get_unsubscribing(tx: ReadTransaction, brand: Brand, token: Token) -> Shown:
    """The delivery whose member wants no more like it. Raises: LinkUnknown."""
    found = await deliveries.find_delivery(tx, brand.brand_id, token.delivery_id)
    if found is None or not is_genuine(brand, UNSUBSCRIBE, token):
        raise LinkUnknown("this link is not one of ours, or it was cut short")
    return found


async def unsubscribe(tx: WriteTransaction, brand: Brand, token: Token, *, now: datetime) -> Shown:
    """Take marketing on that channel back, as if the member had said so. Raises: LinkUnknown, MemberUnknown."""
    found = await get_unsubscribing(tx, brand, token)
    await put_consent(
        tx,
        brand,
        member_text(MemberId(found.member_id)),
        found.channel,
        MARKETING,
        granted=False,
        proof={"source": "unsubscribe link"},
        now=now,
    )
    await deliveries.mark_unsubscribed(tx, brand.brand_id, found.delivery_id, now)
    return found


async def release(tx: WriteTransaction, brand: Brand, delivery_ids: Sequence[DeliveryId]) -> None:
    """Give back what deliveries took that will never be sent: their place under the caps, their message, their money."""
    await people.remove_counts(tx, brand.brand_id, delivery_ids)
    await channels.release_quota(tx, brand.brand_id, delivery_ids)
    await channels.release_budgets(tx, brand.brand_id, delivery_ids)
